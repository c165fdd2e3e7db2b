//! A launched coroutine: a task of the scheduler that drives a body and belongs to a job.

mod cell;

use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use corox_scheduler::{LocalFuture, OnClose, Task};
use pin_project_lite::pin_project;

use cell::CoroutineCell;

use crate::deferred::ResultSlot;
use crate::driver::{Driver, End, Ended, Payload};
use crate::error::{Error, Result};
use crate::exception_handler::report_uncaught;
use crate::frame::FrameRef;
#[cfg(corox_loom)]
use crate::job::Polled;
use crate::job::{Attached, Job, JobCell, Kind, Slot};
use crate::job_context::JobContext;
use crate::trace;

/// When and where the body of a new coroutine begins to run.
///
/// Kotlin: `CoroutineStart`.
///
/// ```
/// use corox_core::{CoroutineStart, run_blocking};
///
/// run_blocking(async |scope| {
///     let now = scope.start(CoroutineStart::Undispatched).launch(async {});
///     assert!(now.is_completed());
///     let soon = scope.start(CoroutineStart::Default).launch(async {});
///     assert!(soon.is_active());
///     let never = scope.start(CoroutineStart::Lazy).launch(async {});
///     assert!(!never.is_active());
///     never.cancel();
///     Ok(())
/// }).unwrap();
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CoroutineStart {
    /// Handed to the dispatcher at once; cancelled before its turn comes, it never runs.
    #[default]
    Default,
    /// Not started until [`Job::start`], `join` or `await`. Its parent waits for it all the same, so start it or cancel it.
    Lazy,
    /// As `Default`, but it begins to run even if it was cancelled before, up to its first suspension.
    Atomic,
    /// Runs in the caller, at once, up to its first suspension, even if it is cancelled already; goes on in its dispatcher.
    Undispatched,
}

/// The place of a coroutine's result.
pub(crate) trait Outcome<T>: Slot {
    fn store(&self, value: T);
}

impl Outcome<()> for () {
    fn store(&self, (): ()) {}
}

#[cfg(corox_loom)]
impl Outcome<()> for Polled {
    fn store(&self, (): ()) {}
}

impl<T: Send + 'static> Outcome<T> for ResultSlot<T> {
    fn store(&self, value: T) {
        self.put(value);
    }
}

pin_project! {
    /// The future of the task.
    struct Coroutine<F: Future, S, T, M> {
        // Runs also if it was cancelled before its first poll (J-6).
        atomic: bool,
        ended: bool,
        // From what the body gives to the result.
        map: M,
        result: std::marker::PhantomData<fn(S, T)>,
        #[pin]
        driver: Driver<F>,
    }

    impl<F: Future, S, T, M> PinnedDrop for Coroutine<F, S, T, M> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if !*this.ended && this.driver.has_frame() {
                abandon_task(this.driver);
            }
        }
    }
}

impl<F: Future, S, T, M> Coroutine<F, S, T, M> {
    fn new(spec: &Spec<'_>, body: F, map: M) -> Self {
        Coroutine {
            atomic: matches!(
                spec.start,
                CoroutineStart::Atomic | CoroutineStart::Undispatched
            ),
            ended: false,
            map,
            result: std::marker::PhantomData,
            driver: Driver::of_task(spec.context.elements.is_some(), body),
        }
    }

    /// The body of a coroutine that was not started.
    fn into_body(mut self) -> Option<F> {
        self.ended = true;
        self.driver.take_body()
    }
}

impl<F, S, T, M> Future for Coroutine<F, S, T, M>
where
    F: Future,
    S: Outcome<T>,
    M: Fn(F::Output) -> Result<T>,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let skipped =
            !*this.atomic && !this.driver.was_polled() && this.driver.frame().job().is_cancelled();
        let end = if skipped {
            End {
                ended: Ended::Dropped,
                guard_panic: this.driver.as_mut().abandon(),
            }
        } else {
            match this.driver.as_mut().poll_end(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(end) => end,
            }
        };
        *this.ended = true;
        let job = this.driver.frame().job();
        let failure = match end.ended {
            Ended::Returned(output) => match (this.map)(output) {
                Ok(value) => {
                    job.slot::<S>().store(value);
                    None
                }
                Err(error) => Some(error_of_body(job, error)),
            },
            Ended::Dropped => None,
            Ended::Panicked(payload) => Some(Error::from_panic(payload, job.location())),
        };
        end_with(job, failure, end.guard_panic);
        Poll::Ready(())
    }
}

/// The error that a body returned, as its job sees it: a cancellation that does not come from this job or one above it is
/// a failure of the coroutine that let it escape (J-11 as design 4.2 has it). A scope gives it to its caller as it is.
fn error_of_body(job: &Job, error: Error) -> Error {
    let Some(origin) = error.origin() else {
        return error;
    };
    if job.is_cancelled() || job.core().kind.is_scoped() {
        return error;
    }
    // A cancellation from above may arrive here before the job is marked: its descendants are marked one by one.
    let mut at = Some(job.clone());
    while let Some(job) = at {
        if job.core().has_token(origin) {
            return error;
        }
        at = job.parent();
    }
    Error::escaped(error)
}

/// Ends the body of `job` with what went wrong, if anything did.
pub(crate) fn end_with(job: &Job, failure: Option<Error>, guard_panic: Option<Payload>) {
    if let Some(failure) = failure {
        job.cancel_tree(failure);
    }
    if let Some(payload) = guard_panic {
        job.cancel_tree(Error::from_panic(payload, job.location()));
    }
    job.end_body();
}

/// The task was dropped before the body ended: its runtime shut down, or a dispatcher threw it away. The job is cancelled,
/// nobody may wait for it for ever (decision 5).
fn abandon_task<F: Future>(driver: Pin<&mut Driver<F>>) {
    let job = driver.frame().job().clone();
    if !job.is_cancelled() {
        let message = if driver.was_polled() {
            format!("the runtime of {job} has dropped it")
        } else {
            format!("{job} was dropped before it was started")
        };
        job.cancel_tree(Error::at_cancellation(message, job.location()));
    }
    if let Err(guard_panic) = job.dropped_in_handover(driver.abandon()) {
        end_with(&job, None, guard_panic);
    }
}

/// A coroutine as a future, for models: polled by whoever has it instead of by a dispatcher, and always with one waker.
#[cfg(corox_loom)]
#[track_caller]
pub fn unscheduled<F>(parent: Option<&Job>, body: F) -> (Job, impl Future<Output = ()>)
where
    F: Future<Output = Result<()>>,
{
    let context = match parent {
        Some(parent) => parent.context().for_child(),
        None => JobContext::own(),
    };
    let (cell, _attached) = JobCell::attach(
        Polled::new(),
        Kind::Standalone,
        context,
        parent,
        Location::caller(),
    );
    let job = Job(cell);
    let driver = Driver::new(FrameRef::Root(job.clone()), body);
    let coroutine = Coroutine::<_, Polled, _, _> {
        atomic: false,
        ended: false,
        map: |output| output,
        result: std::marker::PhantomData,
        driver,
    };
    (job, coroutine)
}

/// What `launch`, `spawn` and `with_context` have in common.
pub(crate) struct Spec<'a> {
    pub(crate) kind: Kind,
    pub(crate) start: CoroutineStart,
    pub(crate) context: JobContext,
    pub(crate) parent: Option<&'a Job>,
    pub(crate) location: &'static Location<'static>,
}

impl<S: Slot> JobCell<S> {
    /// Cancels the job when the runtime under it shuts down: a coroutine that is suspended there may have nothing else to
    /// wake it, and those who wait for it are elsewhere. Only the topmost on a foreign runtime needs that.
    pub(crate) fn watch_runtime(self: &Arc<Self>) {
        let cell: Arc<dyn OnClose> = self.clone();
        let dispatcher = &self.core.context.dispatcher;
        dispatcher.on_close(Arc::downgrade(&cell));
    }

    /// Whether nothing above watches the runtime. A job without a body does not: it may have children elsewhere, which go on.
    fn is_topmost_below(&self, parent: Option<&Job>) -> bool {
        parent.is_none_or(|parent| {
            parent.core().kind.is_body_less()
                || !(parent.context().ptr_eq(&self.core.context)
                    || parent.context().dispatcher == self.core.context.dispatcher)
        })
    }
}

impl<S: Slot> OnClose for JobCell<S> {
    fn closed(self: Arc<Self>) {
        let job = Job(self);
        if !job.is_completed() {
            let dispatcher = &job.context().dispatcher;
            let message = format!(
                "{dispatcher:?} was closed, or its runtime has shut down, under {job}; keep it until its coroutines have ended"
            );
            job.cancel_tree(Error::at_cancellation(message, job.location()));
        }
    }
}

/// A coroutine whose parent had already ended.
pub(crate) struct Refused<F> {
    pub(crate) body: F,
    job: Job,
}

impl<F> Refused<F> {
    /// Drops the body: nobody would wait for it.
    fn discard(self) -> Job {
        let Refused { body, job } = self;
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(body))) {
            report_uncaught(&job, &Error::from_panic(payload, job.location()));
        }
        job
    }
}

impl Spec<'_> {
    /// Makes the coroutine, puts it under its parent and starts it. If the parent has ended, the body is dropped: nobody
    /// would wait for it (decision 7).
    ///
    /// # Panics
    ///
    /// With the panic of a custom dispatcher, after the coroutine has failed with it.
    pub(crate) fn start<F, S, T, M>(self, slot: S, body: F, map: M) -> Job
    where
        F: Future + Send + 'static,
        S: Outcome<T>,
        T: 'static,
        M: Fn(F::Output) -> Result<T> + Send + 'static,
    {
        match self.try_start(slot, body, map) {
            Ok(job) => job,
            Err(refused) => refused.discard(),
        }
    }

    /// The same, and gives the body back if the parent has ended; its job is then over, too.
    pub(crate) fn try_start<F, S, T, M>(self, slot: S, body: F, map: M) -> Result<Job, Refused<F>>
    where
        F: Future + Send + 'static,
        S: Outcome<T>,
        T: 'static,
        M: Fn(F::Output) -> Result<T> + Send + 'static,
    {
        let start = self.start;
        let coroutine = Coroutine::<_, S, _, _>::new(&self, body, map);
        let (cell, attached) = self.attach(CoroutineCell::new(slot, Some(coroutine)));
        let job = Job(cell.clone());
        if let Attached::Refused(cause) = attached {
            job.refuse(cause);
            // Nobody else has seen it.
            let body = cell.slot.give_back().and_then(Coroutine::into_body);
            let body = body.expect("a coroutine that was not started has its body");
            return Err(Refused { body, job });
        }
        let task = Task::first(cell, |coroutine| {
            if let Some(coroutine) = coroutine {
                coroutine.driver.set_frame(FrameRef::Root(job.clone()));
            }
        });
        begin(&job, task, start);
        Ok(job)
    }

    /// As [`start`](Spec::start), for a body that stays on this thread.
    ///
    /// # Panics
    ///
    /// If the dispatcher is not the event loop of this thread; at the caller's line.
    #[track_caller]
    pub(crate) fn start_local<F, S, T, M>(self, slot: S, body: F, map: M) -> Job
    where
        F: Future + 'static,
        S: Outcome<T>,
        T: 'static,
        M: Fn(F::Output) -> Result<T> + 'static,
    {
        let dispatcher = &self.context.dispatcher;
        assert!(
            dispatcher.is_local(),
            "a body that is not `Send` stays on the thread where it is launched, which must be the event loop of its dispatcher: \
             launch it in a scope of `run_blocking`, on its thread (the dispatcher here is {dispatcher:?}), or make it `Send` and use `launch`"
        );
        let start = self.start;
        let mut coroutine = Coroutine::<_, S, _, _>::new(&self, body, map);
        let (cell, attached) = self.attach(CoroutineCell::<S, LocalFuture>::new(slot, None));
        let job = Job(cell.clone());
        if let Attached::Refused(cause) = attached {
            job.refuse(cause);
            let body = coroutine.into_body();
            let body = body.expect("a coroutine that was not started has its body");
            return Refused { body, job }.discard();
        }
        coroutine.driver.set_frame(FrameRef::Root(job.clone()));
        let task = Task::first(cell, |place| match LocalFuture::new(coroutine) {
            Ok(local) => *place = Some(local),
            Err(_) => unreachable!("the loop of this thread runs coroutines"),
        });
        begin(&job, task, start);
        job
    }

    fn attach<S: Slot, P>(
        self,
        slot: CoroutineCell<S, P>,
    ) -> (Arc<JobCell<CoroutineCell<S, P>>>, Attached)
    where
        P: Future<Output = ()> + Send + 'static,
    {
        let parent = self.parent;
        let (cell, attached) =
            JobCell::attach(slot, self.kind, self.context, parent, self.location);
        if matches!(attached, Attached::Yes) && cell.is_topmost_below(parent) {
            cell.watch_runtime();
        }
        (cell, attached)
    }
}

impl Job {
    /// Ends the job of a coroutine that is not started, for its parent has ended.
    fn refuse(&self, cause: Error) {
        self.cancel_tree(cause);
        self.end_body();
    }
}

/// Has the first task of `job` run, as `start` says.
fn begin(job: &Job, task: Task, start: CoroutineStart) {
    match start {
        CoroutineStart::Default | CoroutineStart::Atomic => job.dispatch_first(task),
        CoroutineStart::Undispatched => task.run(),
        CoroutineStart::Lazy => {
            trace::created(job);
            let refused = {
                let mut inner = job.core().inner.lock();
                if job.core().flags.any(crate::job::STARTED) {
                    Some(task)
                } else {
                    inner.rare.get_or_insert_default().unstarted = Some(task);
                    None
                }
            };
            if let Some(task) = refused {
                if job.is_cancelled() {
                    drop(task);
                } else {
                    job.dispatch_first(task);
                }
            }
        }
    }
}
