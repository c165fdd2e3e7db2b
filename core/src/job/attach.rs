//! How a job comes under its parent (J-8, J-9).

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::cell::{JobCell, JobCore, Kind, Node, Slot};
use super::handle::Job;
use super::state::{CANCELLING, FINAL, SEALED, STARTED};
use crate::debug;
use crate::error::Error;
use crate::job_context::JobContext;
use crate::probe;
use crate::trace::JobSpan;

/// What became of a new job.
pub(crate) enum Attached {
    /// Under its parent, or without one by intention.
    Yes,
    /// The parent has ended: the job is cancelled with this, and nobody waits for it.
    Refused(Error),
}

impl<S: Slot> JobCell<S> {
    /// Makes a job and puts it under `parent`. A cancelled parent takes it and cancels it at once.
    pub(crate) fn attach(
        slot: S,
        kind: Kind,
        context: JobContext,
        parent: Option<&Job>,
        location: &'static Location<'static>,
    ) -> (Arc<JobCell<S>>, Attached) {
        let is_probed = probe::is_installed();
        let id = debug::id_for(kind, parent, is_probed);
        let span = JobSpan::of_new(kind, id, &context, parent, location);
        let cell = Arc::new(JobCell {
            core: JobCore::new(
                kind,
                id,
                context,
                parent.cloned(),
                location,
                span,
                is_probed,
            ),
            slot,
        });
        let job = Job(cell.clone());
        if is_probed {
            probe::register(&job, parent);
        }
        let watched = cell
            .core
            .context
            .watch
            .as_ref()
            .map(|watched| (watched, job.clone()));
        let attached = match parent {
            Some(parent) => parent.adopt(job),
            None => Attached::Yes,
        };
        if let Some((watched, job)) = watched {
            watched.attached(&job);
        }
        (cell, attached)
    }
}

impl Job {
    fn adopt(&self, child: Job) -> Attached {
        let parent = self.core();
        if !parent.flags.any(STARTED) {
            self.start();
        }
        let (mut ended, mut more_ended) = (None, None);
        let refused = {
            let mut inner = parent.inner.lock();
            if parent.flags.any(SEALED | FINAL) {
                Err(child)
            } else {
                let cancelled = parent.flags.any(CANCELLING) && !child.core().kind.is_shield();
                let cancelled = cancelled.then(|| inner.root.clone()).flatten();
                let cancelled = cancelled.map(|cause| (child.clone(), cause));
                parent.tally.add();
                ended = inner.take_ended(&parent.tally);
                if ended.is_some() {
                    // Two for each that comes, so that they become fewer.
                    more_ended = inner.take_ended(&parent.tally);
                }
                inner.nodes.push_with(|key| {
                    child.core().key.store(key.to_bits(), Ordering::Relaxed);
                    Node::Child(child)
                });
                Ok(cancelled)
            }
        };
        drop((ended.take(), more_ended.take()));
        match refused {
            Ok(None) => Attached::Yes,
            Ok(Some((child, cause))) => {
                child.cancel_tree(self.cause_for_children(cause));
                Attached::Yes
            }
            Err(child) => {
                let parent = child.core().inner.lock().parent.take();
                drop(parent);
                let cause = match self.final_cause() {
                    Some(cause) => self.cause_for_children(cause),
                    None => Error::at_cancellation(
                        format!(
                            "the parent, {self}, has already completed; a coroutine can be started only before its scope ends"
                        ),
                        child.core().location,
                    ),
                };
                Attached::Refused(cause)
            }
        }
    }
}
