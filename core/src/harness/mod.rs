//! What a test harness hooks into: roots that it drives itself, and the trees below them. No part of the public interface.

#[cfg(not(corox_loom))]
mod root;

use std::any::Any;
use std::cell::RefCell;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, OnceLock};

use corox_scheduler::{Dispatcher, Task};

use crate::context_element::ContextElement;
use crate::error::{Error, Result};
pub use crate::exception_handler::fallback as report_unclaimed;
use crate::frame::{self, Entered};
pub use crate::handover::being_handed_over;
use crate::job::{BODY_ENDED, FINAL, Job, Kind, STARTED};

#[cfg(not(corox_loom))]
pub use root::Root;

/// Is told what happens in the trees below the roots of a harness.
pub trait Watch: Send + Sync {
    /// A job has come into the tree.
    fn attached(&self, job: &Job);

    /// The coroutine `job` is about to be handed to its dispatcher. What is returned is handed over in place of `task`, and
    /// has to run it.
    fn handing_over(&self, job: &Job, task: Task) -> Task;

    /// A failure that nobody took, of a root that was launched by the tree and does not belong to it.
    fn uncaught(&self, job: &Job, error: &Error);
}

/// Who watches a job, as a part of its context.
#[derive(Clone)]
pub(crate) struct Watched {
    watch: Arc<dyn Watch>,
    /// Launched by the tree, and not in it: `GlobalScope`, a scope of its own.
    free: bool,
}

// A harness notes what it is told under locks of its own: unwinding elsewhere leaves nothing half-changed.
impl UnwindSafe for Watched {}
impl RefUnwindSafe for Watched {}

impl Watched {
    pub(crate) fn of_free_root(&self) -> Watched {
        Watched {
            watch: self.watch.clone(),
            free: true,
        }
    }

    pub(crate) fn attached(&self, job: &Job) {
        if !self.free {
            self.watch.attached(job);
        }
    }

    pub(crate) fn handing_over(&self, job: &Job, task: Task) -> Task {
        if self.free {
            task
        } else {
            self.watch.handing_over(job, task)
        }
    }

    pub(crate) fn uncaught(&self, job: &Job, error: &Error) {
        self.watch.uncaught(job, error);
    }
}

thread_local! {
    static HOST: RefCell<Option<Watched>> = const { RefCell::new(None) };
}

/// Who watches the roots that are entered on this thread outside coroutines.
pub(crate) fn host() -> Option<Watched> {
    HOST.try_with(|host| host.borrow().clone()).ok().flatten()
}

/// Runs `f` outside of any coroutine, with `watch` for the roots that are entered on this thread meanwhile.
pub fn hosting<R>(watch: Arc<dyn Watch>, f: impl FnOnce() -> R) -> R {
    struct Reset(Option<Watched>);
    impl Drop for Reset {
        fn drop(&mut self) {
            HOST.set(self.0.take());
        }
    }
    let _outside = Entered::none();
    let _reset = Reset(HOST.replace(Some(Watched { watch, free: false })));
    f()
}

type Collector = fn(&Job, &Error) -> bool;

static COLLECTOR: OnceLock<Collector> = OnceLock::new();

/// Sets, once for the process, who is asked to take the failures that nobody else took.
pub fn set_collector(collector: Collector) {
    // A second harness in one process would be another version of the same.
    let _ = COLLECTOR.set(collector);
}

pub(crate) fn collected(job: &Job, error: &Error) -> bool {
    COLLECTOR.get().is_some_and(|collect| collect(job, error))
}

/// A number that no other job of the process has.
#[must_use]
pub fn token_of(job: &Job) -> u64 {
    job.core().token()
}

/// The dispatcher of a job.
#[must_use]
pub fn dispatcher_of(job: &Job) -> &Dispatcher {
    &job.context().dispatcher
}

/// Whether a job has an `E` in its context.
#[must_use]
pub fn has_element<E: ContextElement>(job: &Job) -> bool {
    let elements = job.context().elements.as_ref();
    elements.is_some_and(|elements| elements.get::<E>().is_some())
}

/// Whether the current coroutine has an `E` in its context.
#[must_use]
pub fn current_has_element<E: ContextElement>() -> bool {
    frame::with_current(|frame| frame.is_some_and(|frame| has_element::<E>(frame.job())))
}

/// Whether the body of the job runs inside that of its parent: an inline scope.
#[must_use]
pub fn is_inline(job: &Job) -> bool {
    job.core().kind.is_scoped() && !matches!(job.core().kind, Kind::Dispatched)
}

/// Whether the job has a body that has begun, or is to, and has not ended.
#[must_use]
pub fn has_live_body(job: &Job) -> bool {
    let core = job.core();
    core.flags.any(STARTED) && !core.flags.any(BODY_ENDED | FINAL) && !core.kind.is_body_less()
}

/// Whether `watch` watches the job, in its tree or as a root that the tree has launched.
#[must_use]
pub fn is_watched_by(job: &Job, watch: &Arc<dyn Watch>) -> bool {
    let watched = job.context().watch.as_ref();
    watched
        .is_some_and(|watched| std::ptr::addr_eq(Arc::as_ptr(&watched.watch), Arc::as_ptr(watch)))
}

/// Fails the job with a panic that was caught outside of it.
///
/// # Errors
///
/// Gives the panic back, as the failure that it is, if the job has ended.
pub fn fail_with_panic(job: &Job, payload: Box<dyn Any + Send>) -> Result<()> {
    let error = Error::from_panic(payload, job.location());
    if job.cancel_tree(error.clone()) {
        Ok(())
    } else {
        Err(error)
    }
}

/// The payload of the panic that the error stands for, the first time.
#[must_use]
pub fn take_panic(error: &Error) -> Option<Box<dyn Any + Send>> {
    error.take_panic()
}
