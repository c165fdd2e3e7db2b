//! The public handle of a job.

use std::fmt::{self, Write as _};
use std::panic::Location;
use std::sync::Arc;
use std::task::Waker;

use super::cell::{JobCell, JobCore, Node, Slot};
use super::state::{BODY_ENDED, CANCELLING, FINAL, JobState, STARTED};
use crate::context::CoroutineName;
use crate::error::{Error, Result};
use crate::job_context::JobContext;
use crate::{debug, frame};

/// A handle of a coroutine, a scope or a [`CompletableJob`](crate::CompletableJob): to cancel it, to wait for it, to ask
/// for its state.
///
/// Jobs form a tree: a job is complete only after its body *and* all its children have ended, cancelling a job cancels
/// everything below it, and a failure of a child cancels its parent. See [`JobState`] for the states.
///
/// A `Job` is a cheap clone of a reference. **Dropping it cancels nothing and detaches nothing**: the coroutine belongs to
/// its scope, not to its handle.
///
/// Kotlin: `Job`.
///
/// ```
/// use corox_core::{await_cancellation, run_blocking};
///
/// run_blocking(async |scope| {
///     let job = scope.launch(async { await_cancellation().await });
///     assert!(job.is_active());
///     job.cancel_and_join().await;
///     assert!(job.is_cancelled() && job.is_completed());
///     Ok(())
/// }).unwrap();
/// ```
///
/// ```
/// use corox_core::{CoroutineName, JobState, await_cancellation, run_blocking};
///
/// run_blocking(async |scope| {
///     let line = line!() + 1;
///     let job = scope.with(CoroutineName::new("idle")).launch(async { await_cancellation().await });
///     assert_eq!((job.name().as_deref(), job.location().line()), (Some("idle"), line));
///     assert!(job.parent().unwrap().ptr_eq(scope.job()));
///     assert!(scope.job().children()[0].ptr_eq(&job));
///     assert_eq!(job.state(), JobState::Active);
///     job.cancel();
///     assert_eq!(job.state(), JobState::Cancelling);
///     assert!(job.cause().unwrap().is_cancellation());
///     Ok(())
/// }).unwrap();
/// ```
#[derive(Clone)]
pub struct Job(pub(crate) Arc<JobCell<dyn Slot>>);

impl Job {
    pub(crate) fn core(&self) -> &JobCore {
        &self.0.core
    }

    /// The place of the result, which whoever made the job knows to be an `S`.
    pub(crate) fn slot<S: Slot>(&self) -> &S {
        let slot = self.0.slot.as_any().downcast_ref();
        slot.expect("the handle of a job has the type of its result")
    }

    /// Wakes whoever polls the body.
    pub(crate) fn wake_body(&self) {
        self.0.slot.wake(self);
    }

    /// Leaves the waker for [`wake_body`](Job::wake_body); not in the job of a task, which is woken without one.
    pub(crate) fn register_waker(&self, waker: &Waker) {
        if let Some(own) = self.0.slot.waker() {
            own.register(waker);
        }
    }

    pub(crate) fn context(&self) -> &JobContext {
        &self.core().context
    }

    /// Whether both are handles of one job.
    #[must_use]
    pub fn ptr_eq(&self, other: &Job) -> bool {
        std::ptr::addr_eq(Arc::as_ptr(&self.0), Arc::as_ptr(&other.0))
    }

    /// The job of the coroutine or scope that this code runs in; `None` outside coroutines.
    ///
    /// Kotlin: `currentCoroutineContext().job`.
    ///
    /// ```
    /// use corox_core::{Job, run_blocking};
    ///
    /// assert!(Job::current().is_none());
    /// run_blocking(async |scope| {
    ///     assert!(Job::current().unwrap().ptr_eq(scope.job()));
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[must_use]
    #[doc(alias = "currentCoroutineContext")]
    pub fn current() -> Option<Job> {
        frame::current_job()
    }

    /// The state at this moment.
    #[must_use]
    pub fn state(&self) -> JobState {
        self.core().flags.state()
    }

    /// True from the start until the job is cancelled, has failed or is complete; also while it waits for children.
    ///
    /// Kotlin: `Job.isActive`.
    #[must_use]
    #[doc(alias = "isActive")]
    pub fn is_active(&self) -> bool {
        let flags = &self.core().flags;
        flags.any(STARTED) && !flags.any(CANCELLING | FINAL)
    }

    /// True once body and children have ended, however they ended.
    ///
    /// Kotlin: `Job.isCompleted`.
    #[must_use]
    #[doc(alias = "isCompleted")]
    pub fn is_completed(&self) -> bool {
        self.core().flags.any(FINAL)
    }

    /// True from the moment of the cancellation or failure, for ever.
    ///
    /// Kotlin: `Job.isCancelled`.
    #[must_use]
    #[doc(alias = "isCancelled")]
    pub fn is_cancelled(&self) -> bool {
        self.core().flags.any(CANCELLING)
    }

    /// Starts a lazy job: `true` for the one call that did it; `false` if it was started or cancelled before.
    ///
    /// Kotlin: `Job.start`.
    ///
    /// # Panics
    ///
    /// With the panic of a custom dispatcher that panics when the coroutine is handed to it; the coroutine fails, too.
    ///
    /// ```
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |scope| {
    ///     let job = scope.lazy().launch(async {});
    ///     assert!(job.start());
    ///     assert!(!job.start());
    ///     Ok(())
    /// }).unwrap();
    /// ```
    pub fn start(&self) -> bool {
        match self.begin() {
            None => false,
            Some(task) => {
                if let Some(task) = task {
                    self.dispatch_first(task);
                }
                true
            }
        }
    }

    /// Cancels the job and everything below it, now; does not wait.
    ///
    /// Every coroutine below is marked before the call returns; each drops its body when it is next polled. The parent is
    /// not affected. A second cancellation, and one after the end, do nothing. A lazy job that was not started ends at once.
    ///
    /// Kotlin: `Job.cancel()`.
    ///
    /// ```
    /// use corox_core::{await_cancellation, run_blocking};
    ///
    /// run_blocking(async |scope| {
    ///     let job = scope.launch(async { await_cancellation().await });
    ///     job.cancel();
    ///     assert!(job.is_cancelled() && !job.is_completed());
    ///     job.join().await;
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[track_caller]
    pub fn cancel(&self) {
        if !self.core().flags.any(CANCELLING | FINAL) {
            self.cancel_tree(Error::cancellation(self.was_cancelled()));
        }
    }

    /// As [`cancel`](Job::cancel), with a cause; the first cause stays.
    ///
    /// A cause that is not a cancellation is wrapped in one (to fail a job use
    /// [`CompletableJob::fail`](crate::CompletableJob::fail)).
    ///
    /// Kotlin: `Job.cancel(cause)`, `Job.cancel(message, cause)`.
    ///
    /// ```
    /// use corox_core::{Error, await_cancellation, run_blocking};
    ///
    /// run_blocking(async |scope| {
    ///     let job = scope.launch(async { await_cancellation().await });
    ///     job.cancel_with(Error::cancellation("no longer shown"));
    ///     assert_eq!(job.cause().unwrap().to_string(), "no longer shown");
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[track_caller]
    pub fn cancel_with(&self, cause: Error) {
        let cause = if cause.is_cancellation() {
            cause
        } else {
            Error::cancellation_caused_by(self.was_cancelled(), cause)
        };
        self.cancel_tree(cause);
    }

    /// Cancels each child that the job has now; the job itself stays active.
    ///
    /// Kotlin: `Job.cancelChildren`.
    ///
    /// ```
    /// use corox_core::{await_cancellation, run_blocking};
    ///
    /// run_blocking(async |scope| {
    ///     let child = scope.launch(async { await_cancellation().await });
    ///     scope.job().cancel_children();
    ///     assert!(child.is_cancelled() && scope.is_active());
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[track_caller]
    #[doc(alias = "cancelChildren")]
    pub fn cancel_children(&self) {
        for child in self.children() {
            child.cancel();
        }
    }

    /// The cause of a cancelled or failed job: the cancellation or the failure; `None` for one that is active or has ended
    /// normally.
    ///
    /// Kotlin: `Job.getCancellationException`, which wraps a failure.
    #[must_use]
    #[doc(alias = "getCancellationException")]
    pub fn cause(&self) -> Option<Error> {
        self.final_cause()
    }

    /// `Ok` while the job is active, and before its start, else its cancellation: the check for code that computes without
    /// suspending.
    ///
    /// Kotlin: `Job.ensureActive`.
    ///
    /// # Errors
    ///
    /// A cancellation if the job is cancelled, has failed (the failure is then its [`cause`](Error::cause)) or has ended.
    ///
    /// ```
    /// use corox_core::{Job, run_blocking};
    ///
    /// run_blocking(async |_| {
    ///     let job = Job::current().unwrap();
    ///     job.ensure_active()?;
    ///     job.cancel();
    ///     assert!(job.ensure_active().unwrap_err().is_cancellation());
    ///     Ok(())
    /// }).unwrap_err();
    /// ```
    #[doc(alias = "ensureActive")]
    pub fn ensure_active(&self) -> Result<()> {
        if self.is_active() {
            return Ok(());
        }
        Err(match self.final_cause() {
            Some(cause) => self.cause_for_children(cause),
            None if self.is_completed() => {
                let error = Error::cancellation(format!("{self} has ended normally"));
                error.set_origin(self.core().token());
                error
            }
            None => return Ok(()),
        })
    }

    /// The parent while this job is attached to it; `None` without one, and after the end.
    ///
    /// Kotlin: `Job.parent`.
    #[must_use]
    pub fn parent(&self) -> Option<Job> {
        let inner = self.core().inner.lock();
        if self.is_completed() {
            return None;
        }
        inner.parent.clone()
    }

    /// The children that have not ended, in the order in which they were launched.
    ///
    /// Kotlin: `Job.children`.
    #[must_use]
    pub fn children(&self) -> Vec<Job> {
        let inner = self.core().inner.lock();
        inner
            .nodes
            .iter()
            .filter_map(|(_, node)| match node {
                Node::Child(child) if !child.is_completed() => Some(child.clone()),
                _ => None,
            })
            .collect()
    }

    /// Whether this is a coroutine or scope, or is below one: false for jobs without a body that nobody waits for.
    pub(crate) fn is_in_a_tree(&self) -> bool {
        let mut at = self.clone();
        while at.core().kind.is_body_less() {
            match at.parent() {
                Some(parent) => at = parent,
                None => return false,
            }
        }
        true
    }

    /// Whether a child is attached that has not been detached yet.
    pub(crate) fn has_children(&self) -> bool {
        let body = u64::from(!self.core().flags.any(BODY_ENDED));
        self.core().tally.left() > body
    }

    /// Where the coroutine was launched, or the job was made.
    ///
    /// Kotlin: the top of `CoroutineInfo.creationStackTrace`.
    #[must_use]
    #[doc(alias = "creationStackTrace")]
    pub fn location(&self) -> &'static Location<'static> {
        self.core().location
    }

    /// The name from the context, if one was given.
    ///
    /// Kotlin: `context[CoroutineName]` of the coroutine.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        let name: Option<&CoroutineName> = self.context().name.as_ref();
        name.map(|name| name.as_str().to_owned())
    }

    /// The number of the coroutine, from 1 in the order of creation; `None` unless it was made in
    /// [debug mode](crate::debug_mode), with probes installed or, with the feature `tracing`, for a subscriber that wants spans of INFO.
    ///
    /// Kotlin: the number behind the name of a coroutine in debug mode.
    ///
    /// ```
    /// use corox_core::{run_blocking, set_debug_mode};
    ///
    /// set_debug_mode(true);
    /// run_blocking(async |scope| {
    ///     let job = scope.launch(async {});
    ///     assert!(job.id() > scope.job().id());
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[must_use]
    pub fn id(&self) -> Option<u64> {
        Some(self.core().id).filter(|id| *id != 0)
    }
}

impl Job {
    /// The text of a cancellation that has no other. Without the state: it is written before that changes.
    pub(crate) fn was_cancelled(&self) -> String {
        // Enough for each kind, so that the number of allocations does not depend on the digits of the address.
        let mut text = String::with_capacity(64);
        // Into a `String`, which does not fail.
        let _ = debug::write_name(self, &mut text);
        let _ = write!(text, "@{:x} was cancelled", self.address());
        text
    }

    /// What tells jobs apart that have the same name.
    fn address(&self) -> usize {
        Arc::as_ptr(&self.0).cast::<()>() as usize & 0xffff_ffff
    }
}

impl AsRef<Job> for Job {
    fn as_ref(&self) -> &Job {
        self
    }
}

/// `"name#number":Kind{State}@address` for coroutines in debug mode, else `Kind{State}@address`.
impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug::write_name(self, f)?;
        write!(f, "{{{}}}@{:x}", self.state(), self.address())
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
