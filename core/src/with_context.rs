//! Running a part of a coroutine in another context.

use std::future::{Future, pending, poll_fn};
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use corox_scheduler::{Dispatcher, Task, Wakeup, mark_yield, run_in_place};

use crate::context::{CoroutineContext, Parent};
use crate::coroutine::{CoroutineStart, Spec};
use crate::coroutine_body::ResultBody;
use crate::deferred::{ResultSlot, read_final};
use crate::error::{Error, Result};
use crate::frame::{self, FrameRef, Hold};
use crate::into_context::IntoContext;
use crate::job::{Job, Kind, Waiting, of_job};
use crate::job_context::JobContext;
use crate::probe::{Allowed, Reason, WaitReason};
use crate::scope_builders::{ScopeFuture, open};

/// Runs `body` with the elements of `context` laid over the current context, usually on another dispatcher, and returns
/// its result to the caller's own.
///
/// - With the dispatcher that the caller has already, the body runs in place.
/// - [`Dispatcher::IO`](crate::Dispatcher::IO) from a coroutine on a worker of the same runtime usually keeps the thread:
///   the worker hands its duty to another thread while the body runs. Blocking calls in the body are fine there.
/// - Otherwise the body is handed to the other dispatcher and the result handed back.
///
/// The body is a child of the current coroutine: cancelled with it, and awaited. Its failure is returned here and does not
/// fail the coroutine by itself. With [`NonCancellable`](crate::NonCancellable) or a [`Job`] in `context` the body has no
/// parent, or that one.
///
/// What to do [if the compiler refuses the body](crate::CoroutineScope#if-the-compiler-refuses-the-body), which goes to
/// another thread, is the same as for a launch.
///
/// It checks for cancellation first: in a cancelled coroutine the body does not begin. When the body ran on another
/// dispatcher and the coroutine was cancelled meanwhile, a value is dropped; a failure is returned all the same.
///
/// Kotlin: `withContext`; `dispatcher { .. }`.
///
/// # Errors
///
/// The failure of the body, or the cancellation of the job in `context`.
///
/// # Cancel safety
///
/// A cancellation by corox waits for the body to unwind. If foreign code drops the future, the body is cancelled; the
/// coroutine around waits for it.
///
/// # Panics
///
/// With the panic of a custom dispatcher that panics when the body is handed to it.
///
/// ```
/// use corox_core::{Dispatcher, run_blocking, with_context};
///
/// let text = run_blocking(async |_| {
///     with_context(Dispatcher::IO, async { Ok(std::fs::read_to_string("Cargo.toml")?) }).await
/// }).unwrap();
/// assert!(text.contains("corox"));
/// ```
#[doc(alias = "withContext")]
#[track_caller]
pub fn with_context<T, F>(
    context: impl IntoContext,
    body: F,
) -> impl Future<Output = Result<T>> + Send
where
    F: ResultBody<T>,
    F: Send,    // else `coroutine_scope`, which stays here; no guard held across an `.await`
    F: 'static, // else `async move`, and a clone of what is behind a reference
    T: Send + 'static,
{
    with_context_at(Location::caller(), context.into(), body)
}

/// What a call that moves its body is called.
pub(crate) struct Named {
    pub(crate) reason: Reason,
    /// Why the body is cancelled when the future is dropped.
    pub(crate) dropped: &'static str,
}

static WITH_CONTEXT: Named = Named {
    reason: Reason("with_context"),
    dropped: "the future of with_context was dropped before it had ended",
};

/// Where a part of a coroutine goes.
struct Place {
    base: JobContext,
    target: JobContext,
    parent: Option<Job>,
    outer: Option<FrameRef>,
}

impl Place {
    /// What `changes` lead to from here; checks for cancellation before anything else, and against the job that the body
    /// would get (J-34).
    async fn find(changes: &CoroutineContext) -> Result<Place> {
        let outer = frame::current();
        let base = match &outer {
            Some(outer) => outer.job().context().clone(),
            None => JobContext::of_this_thread(),
        };
        let target = base.for_part_with(changes);
        let parent = match &changes.parent {
            None => outer.as_ref().map(|outer| outer.job().clone()),
            Some(Parent::Job(job)) => Some(job.clone()),
            Some(Parent::Nobody) => None,
        };
        if parent.as_ref().is_some_and(Job::is_cancelled) {
            if frame::cancelled_here() {
                return pending().await;
            }
            if let Some(parent) = parent {
                parent.ensure_active()?;
            }
            return Err(Error::cancellation(
                "the job given to with_context is cancelled",
            ));
        }
        Ok(Place {
            base,
            target,
            parent,
            outer,
        })
    }
}

/// As [`with_context`], called at `location`.
pub async fn with_context_at<T, F>(
    location: &'static Location<'static>,
    changes: CoroutineContext,
    body: F,
) -> Result<T>
where
    F: Future<Output = Result<T>> + Send + 'static,
    T: Send + 'static,
{
    let Place {
        base,
        target,
        parent,
        outer,
    } = Place::find(&changes).await?;
    if target.dispatcher == base.dispatcher {
        let (job, hold) = open(Kind::Undispatched, target, parent.as_ref(), outer, location);
        return ScopeFuture::new(job, hold, body).await;
    }
    let mut parts = Some((target, outer, body));
    if parts
        .as_ref()
        .is_some_and(|(target, ..)| target.dispatcher.is_io())
    {
        let io = in_place(&base, parent.as_ref(), &mut parts, location).await;
        if let Some(result) = io {
            return result;
        }
    }
    let Some((target, outer, body)) = parts else {
        unreachable!("the parts are taken only by what gives a result")
    };
    let parent = parent.as_ref();
    dispatched(&WITH_CONTEXT, target, parent, outer, body, location).await
}

/// Runs `body` with the elements of `changes` as a task of its own in any case, also on the same dispatcher.
pub(crate) async fn elsewhere<T, F>(
    named: &'static Named,
    changes: CoroutineContext,
    body: F,
    location: &'static Location<'static>,
) -> Result<T>
where
    F: Future<Output = Result<T>> + Send + 'static,
    T: Send + 'static,
{
    let place = Place::find(&changes).await?;
    let parent = place.parent.as_ref();
    dispatched(named, place.target, parent, place.outer, body, location).await
}

fn dispatched<T, F>(
    named: &'static Named,
    target: JobContext,
    parent: Option<&Job>,
    outer: Option<FrameRef>,
    body: F,
    location: &'static Location<'static>,
) -> Elsewhere<T>
where
    F: Future<Output = Result<T>> + Send + 'static,
    T: Send + 'static,
{
    let spec = Spec {
        kind: Kind::Dispatched,
        start: CoroutineStart::Default,
        context: target,
        parent,
        location,
    };
    let section = outer.map(|outer| {
        let frame = FrameRef::section(outer.job().clone());
        (Hold::take(outer, &frame), frame)
    });
    let job = spec.start(ResultSlot::new(), body, |result| result);
    Elsewhere {
        job,
        result: PhantomData,
        section,
        waiting: Waiting::default(),
        reason: WaitReason::at(&named.reason, location).by_coroutines(),
        dropped: named.dropped,
        over: false,
    }
}

/// What a switch needs: the new context, the frame around it, the body.
type Parts<F> = Option<(JobContext, Option<FrameRef>, F)>;

/// Runs the body on this very thread, each poll as that of an IO thread. `None`, with the parts untouched, if this is no
/// worker of the runtime whose IO is meant, or the IO threads are all in use.
async fn in_place<T, F>(
    base: &JobContext,
    parent: Option<&Job>,
    parts: &mut Parts<F>,
    location: &'static Location<'static>,
) -> Option<Result<T>>
where
    F: Future<Output = Result<T>> + Send + 'static,
    T: Send + 'static,
{
    let io = parts.as_ref()?.0.dispatcher.clone();
    let mut scope = None;
    let mut first = poll_fn(|cx| {
        let polled = run_in_place(&io, || {
            let _allowed = Allowed::begin();
            let (target, outer, body) = parts.take()?;
            let (job, hold) = open(Kind::Undispatched, target, parent, outer, location);
            let scope = scope.insert(Box::pin(ScopeFuture::new(job, hold, body)));
            Some(scope.as_mut().poll(cx))
        });
        Poll::Ready(polled.ok().flatten())
    })
    .await;
    let mut scope = scope?;
    let mut asked = None;
    let result = poll_fn(|cx| {
        if let Some(polled) = first.take() {
            return polled;
        }
        let poll = || {
            let _allowed = Allowed::begin();
            scope.as_mut().poll(cx)
        };
        match run_in_place(&io, poll) {
            Ok(polled) => polled,
            Err(_) if base.dispatcher.runs_here() => {
                // The permits are all in use. The body may block, so it waits for its turn behind the others.
                mark_yield();
                if frame::cancelled_here() {
                    // A holder that is not polled holds nothing, unless the body around it has woken itself.
                    cx.waker().wake_by_ref();
                } else if !asked.as_ref().is_some_and(|asked: &Asked| asked.covers(cx)) {
                    asked = Some(Asked::new(&io, cx));
                }
                Poll::Pending
            }
            // The future was carried to another thread, which is the caller's to block.
            Err(mut poll) => poll(),
        }
    })
    .await;
    Some(result)
}

/// A task in the queue of an IO dispatcher that wakes a coroutine when its turn comes: to try again at once, and again, would
/// keep a worker busy for as long as the others block.
struct Asked {
    waiting: Weak<()>,
    waker: Waker,
}

impl Asked {
    fn new(io: &Dispatcher, cx: &Context<'_>) -> Asked {
        let token = Arc::new(());
        let asked = Asked {
            waiting: Arc::downgrade(&token),
            waker: cx.waker().clone(),
        };
        let turn = Turn {
            token: Some(token),
            waker: cx.waker().clone(),
        };
        // Refused or given back it is dropped, which wakes, too.
        let task = Task::new(async move { drop(turn) }, |task, _| drop(task));
        drop(io.dispatch(task, Wakeup::Launch));
        asked
    }

    /// Whether the poll `cx` will be woken by this.
    fn covers(&self, cx: &Context<'_>) -> bool {
        self.waiting.strong_count() > 0 && self.waker.will_wake(cx.waker())
    }
}

/// Wakes when it is dropped, which is when its task runs or is thrown away.
struct Turn {
    token: Option<Arc<()>>,
    waker: Waker,
}

impl Drop for Turn {
    fn drop(&mut self) {
        // First: a poll that begins with the wake must see that nobody will wake it again.
        self.token = None;
        self.waker.wake_by_ref();
    }
}

/// Waits for a body that runs on another dispatcher, and holds the frame around it meanwhile.
struct Elsewhere<T: Send + 'static> {
    result: PhantomData<fn() -> T>,
    job: Job,
    section: Option<(Hold, FrameRef)>,
    waiting: Waiting,
    reason: WaitReason,
    dropped: &'static str,
    over: bool,
}

impl<T: Send + 'static> Unpin for Elsewhere<T> {}

impl<T: Send + 'static> Future for Elsewhere<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        let this = &mut *self;
        if let Some((hold, frame)) = &this.section {
            hold.note_poll();
            frame.register(cx.waker());
        }
        if this.waiting.poll(&this.job, cx).is_pending() {
            this.reason.note_for(|| of_job(&this.job));
            return Poll::Pending;
        }
        this.over = true;
        this.section = None;
        this.reason.end();
        match read_final::<T>(&this.job) {
            // Prompt cancellation: the value is dropped, the coroutine does not go past this point (J-29, J-31).
            Some(Ok(_)) if frame::cancelled_here() => Poll::Pending,
            Some(result) => {
                if let Err(error) = &result {
                    error.note_awaited(this.reason.location());
                }
                Poll::Ready(result)
            }
            None => Poll::Pending,
        }
    }
}

impl<T: Send + 'static> Drop for Elsewhere<T> {
    fn drop(&mut self) {
        self.waiting.end(&self.job);
        if self.over {
            return;
        }
        self.job.abandon(self.dropped);
    }
}
