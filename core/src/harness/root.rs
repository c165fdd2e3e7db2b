//! Roots that a harness drives.

use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

use corox_scheduler::Home;

use super::{Watch, Watched};
use crate::completable::body_less_in;
use crate::context::CoroutineContext;
use crate::error::{Error, Result};
use crate::job::{Attached, Job, JobCell, Kind, Polled};
use crate::job_context::JobContext;
use crate::scope::CoroutineScope;
use crate::scope_builders::ScopeFuture;

/// A root that the harness drives.
#[derive(Debug)]
pub struct Root {
    job: Job,
}

impl Root {
    /// Makes the root, with the elements of `context` and, if a job is among them, as its child.
    #[must_use]
    pub fn new(
        home: Home,
        context: &CoroutineContext,
        watch: Arc<dyn Watch>,
        location: &'static Location<'static>,
    ) -> Root {
        let watched = Watched { watch, free: false };
        let parent = context.job().cloned();
        let context = JobContext::of_set(home, Some(watched), context);
        let (cell, attached) = JobCell::attach(
            Polled::new(),
            Kind::Test,
            context,
            parent.as_ref(),
            location,
        );
        let job = Job(cell);
        if let Attached::Refused(cause) = attached {
            job.cancel_tree(cause);
        }
        Root { job }
    }

    /// The scope of the root. It takes coroutines from now on.
    #[must_use]
    pub fn scope(&self) -> CoroutineScope {
        CoroutineScope::of(self.job.clone())
    }

    /// A scope with a supervisor of its own beside the root: its context with the elements of `changes`, and no parent.
    #[must_use]
    pub fn beside(
        &self,
        changes: impl Into<CoroutineContext>,
        location: &'static Location<'static>,
    ) -> CoroutineScope {
        let context = self.job.context().plus(&changes.into());
        let job = body_less_in(context, Kind::SupervisorJobImpl, location);
        CoroutineScope::of(job)
    }

    /// Runs `body` as that of the root, which ends after its children.
    pub fn run<T, F>(self, body: F) -> impl Future<Output = Result<T>>
    where
        F: Future<Output = Result<T>>,
    {
        ScopeFuture::new(self.job, None, body)
    }

    /// Ends the root without a body.
    pub fn abandon(self, cause: Error) {
        self.job.cancel_tree(cause);
        self.job.end_body();
    }
}
