//! The builders that wait, inline in their caller: `coroutine_scope`, `supervisor_scope`, `non_cancellable`.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::coroutine::end_with;
use crate::driver::{Driver, Ended};
use crate::error::{Error, Result};
use crate::frame::{self, FrameRef, Hold};
use crate::job::{Attached, Job, JobCell, Kind, Polled, of_job};
use crate::job_context::JobContext;
use crate::probe::{Reason, WaitReason};
use crate::scope::CoroutineScope;
use crate::scope_body::ScopeBody;

/// Opens a scope inside the current coroutine, and returns after its body *and* all coroutines launched in it have ended.
///
/// The body runs at once, inline in the caller's task: it may borrow from the caller and need not be `Send` by itself (the
/// returned future is `Send` if the body is). What it launches must be `'static`: "a lifetime must outlive `'static`" at the
/// scope is about a launch inside, see [there](CoroutineScope#if-the-compiler-refuses-the-body). If the scope fails, by an `Err` or a panic
/// of the body or by a failure of a child, all its children are cancelled and awaited; then the first failure is returned,
/// with later ones [attached](Error::suppressed). The coroutine around it is not failed by that: it decides with `?`.
///
/// In a plain tokio task, outside corox, the scope is a root. On a multi-thread runtime its children run on the workers of
/// that runtime, on a current-thread runtime on that runtime, elsewhere on the process's own pool.
///
/// Kotlin: `coroutineScope`.
///
/// # Errors
///
/// The failure of the body or of a child; the cancellation, if the scope or something around it was cancelled. After a
/// cancellation a value of the body is discarded.
///
/// # Cancel safety
///
/// A cancellation *by corox* unwinds from the inside out: the body is dropped, the children are cancelled and awaited, then
/// the coroutine around it goes on to be cancelled. If foreign code (`tokio::select!`, an abort) drops the future half-way,
/// the body is dropped at once, before the children have gone: they are cancelled, and the *coroutine* around waits for
/// them; failures that they still produce go to the [`ExceptionHandler`](crate::ExceptionHandler). In a plain tokio task
/// there is no coroutine around: they are cancelled and nobody waits.
///
/// ```
/// use corox_core::{coroutine_scope, run_blocking};
///
/// run_blocking(async |_| {
///     let words = vec!["a", "bc"];
///     let total = coroutine_scope(async |scope| {
///         let more = scope.spawn(async { Ok(10) });
///         Ok(words.iter().map(|word| word.len()).sum::<usize>() + more.await?)
///     }).await?;
///     assert_eq!(total, 13);
///     Ok(())
/// }).unwrap();
/// ```
#[doc(alias = "coroutineScope")]
#[track_caller]
pub fn coroutine_scope<T, F>(body: F) -> impl Future<Output = Result<T>>
where
    F: ScopeBody<T>,
{
    coroutine_scope_at(Location::caller(), body)
}

/// As [`coroutine_scope`], opened at `location`.
pub async fn coroutine_scope_at<T, F>(location: &'static Location<'static>, body: F) -> Result<T>
where
    F: ScopeBody<T>,
{
    inline(Kind::Scope, location, body).await
}

/// As [`coroutine_scope`], but the children fail alone: a failure of one neither cancels the scope nor its siblings.
///
/// A failed [`launch`](CoroutineScope::launch) goes to its [`ExceptionHandler`](crate::ExceptionHandler) (or the fallback), a
/// failed [`spawn`](CoroutineScope::spawn) is kept in its [`Deferred`](crate::Deferred). A failure of the *body* cancels the
/// children and is returned.
///
/// Kotlin: `supervisorScope`.
///
/// # Errors
///
/// The failure of the body, or the cancellation.
///
/// # Cancel safety
///
/// As [`coroutine_scope`].
///
/// ```
/// use corox_core::{Error, run_blocking, supervisor_scope};
///
/// let sum = run_blocking(async |_| supervisor_scope(async |scope| {
///     let bad = scope.spawn(async { Err::<i32, _>(Error::msg("no")) });
///     let good = scope.spawn(async { Ok(5) });
///     Ok(bad.await.unwrap_or(0) + good.await?)
/// }).await).unwrap();
/// assert_eq!(sum, 5);
/// ```
#[doc(alias = "supervisorScope")]
#[track_caller]
pub fn supervisor_scope<T, F>(body: F) -> impl Future<Output = Result<T>>
where
    F: ScopeBody<T>,
{
    let location = Location::caller();
    async move { inline(Kind::Supervisor, location, body).await }
}

/// Runs `body` in a scope that a cancellation from outside does not reach: for cleanup that has to suspend.
///
/// The section runs to its end, also in a coroutine that is cancelled already, and the coroutine waits for it. After it the
/// coroutine goes on to its next suspension point and is cancelled there. Inside, [`is_active`](crate::is_active) is true.
///
/// It holds back only the body that *awaits* it. In `join!(non_cancellable(..), plain)` the plain branch goes on while the
/// section runs, since both share one body; launch it where that matters. A `non_cancellable` future that is parked and not
/// awaited is dropped with the body.
///
/// Kotlin: `withContext(NonCancellable) { .. }`.
///
/// # Errors
///
/// The failure of the body or of a child.
///
/// # Cancel safety
///
/// As [`coroutine_scope`] when foreign code drops the future: the section is then dropped unfinished.
/// [`finally_launch`](crate::FinallyExt::finally_launch) is the form that survives even that.
///
/// ```
/// use corox_core::{await_cancellation, catch_cancellation, delay, non_cancellable, run_blocking, yield_now};
/// use std::sync::mpsc;
/// use std::time::Duration;
///
/// run_blocking(async |scope| {
///     let (clean, cleaned) = mpsc::channel();
///     let job = scope.launch(async move {
///         let _ = catch_cancellation(await_cancellation()).await;
///         non_cancellable(async |_| {
///             delay(Duration::from_millis(1)).await;
///             clean.send("clean").unwrap();
///             Ok(())
///         }).await
///     });
///     yield_now().await;
///     job.cancel_and_join().await;
///     assert_eq!(cleaned.try_recv()?, "clean");
///     Ok(())
/// }).unwrap();
/// ```
#[doc(alias = "NonCancellable")]
#[track_caller]
pub fn non_cancellable<T, F>(body: F) -> impl Future<Output = Result<T>>
where
    F: ScopeBody<T>,
{
    let location = Location::caller();
    async move { inline(Kind::Shield, location, body).await }
}

/// Runs `body` as an inline scope of the current frame. The parent is that of this first poll, for good (decision 9).
pub(crate) async fn inline<T, F>(
    kind: Kind,
    location: &'static Location<'static>,
    body: F,
) -> Result<T>
where
    F: AsyncFnOnce(CoroutineScope) -> Result<T>,
{
    let outer = frame::current();
    let context = match &outer {
        Some(outer) => outer.job().context().clone(),
        None => JobContext::of_this_thread(),
    };
    let parent = outer.as_ref().map(|outer| outer.job().clone());
    let (job, hold) = open(kind, context, parent.as_ref(), outer, location);
    let body = body(CoroutineScope::of(job.clone()));
    ScopeFuture::new(job, hold, body).await
}

/// Makes the job of an inline scope under `parent`, and its hold on the frame around it.
pub(crate) fn open(
    kind: Kind,
    context: JobContext,
    parent: Option<&Job>,
    outer: Option<FrameRef>,
    location: &'static Location<'static>,
) -> (Job, Option<Hold>) {
    let (cell, attached) = JobCell::attach(Polled::new(), kind, context, parent, location);
    if outer.is_none() {
        // A root: whoever polls it may be elsewhere, and its children are not watched one by one.
        cell.watch_runtime();
    }
    let job = Job(cell);
    if let Attached::Refused(cause) = attached {
        // The coroutine around has ended: the future was carried out of it.
        job.cancel_tree(cause);
    }
    let hold = outer.map(|outer| Hold::take(outer, &FrameRef::Root(job.clone())));
    (job, hold)
}

pin_project! {
    /// An inline scope: drives the body, then waits for the children, then gives the result.
    ///
    /// ```text
    ///   body: Some ---- body ended ----> body: None, job not final ---- job final ----> over
    ///        |                                      |
    ///        +------------- dropped ----------------+------> abandoned: children cancelled (decisions 5, 8)
    /// ```
    pub(crate) struct ScopeFuture<F: Future, T> {
        job: Job,
        hold: Option<Hold>,
        value: Option<T>,
        over: bool,
        reason: WaitReason,
        #[pin]
        driver: Driver<F>,
    }

    impl<F: Future, T> PinnedDrop for ScopeFuture<F, T> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if *this.over {
                return;
            }
            abandon(this.job, this.driver);
        }
    }
}

/// The future of a scope is dropped half-way (decision 8).
fn abandon<F: Future>(job: &Job, driver: Pin<&mut Driver<F>>) {
    job.abandon("the future of the scope was dropped before it had ended");
    if driver.has_body() {
        let guard = driver.abandon();
        end_with(job, None, guard);
    }
}

impl<F: Future, T> ScopeFuture<F, T> {
    pub(crate) fn new(job: Job, hold: Option<Hold>, body: F) -> Self {
        let location = job.location();
        ScopeFuture {
            driver: Driver::new(FrameRef::Root(job.clone()), body),
            job,
            hold,
            value: None,
            over: false,
            reason: WaitReason::at(&Reason("children"), location).by_coroutines(),
        }
    }

    /// The value of a body that returned one though the scope was cancelled; after the scope has ended.
    pub(crate) fn take_value(self: Pin<&mut Self>) -> Option<T> {
        self.project().value.take()
    }
}

impl<F, T> Future for ScopeFuture<F, T>
where
    F: Future<Output = Result<T>>,
{
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        let mut this = self.project();
        if let Some(hold) = this.hold {
            hold.note_poll();
        }
        if this.driver.has_body() {
            let end = match this.driver.as_mut().poll_end(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(end) => end,
            };
            let failure = match end.ended {
                Ended::Returned(Ok(value)) => {
                    *this.value = Some(value);
                    None
                }
                Ended::Returned(Err(error)) => Some(error),
                Ended::Dropped => None,
                Ended::Panicked(payload) => Some(Error::from_panic(payload, this.job.location())),
            };
            end_with(this.job, failure, end.guard_panic);
        }
        if !this.job.is_completed() {
            this.job.register_waker(cx.waker());
            // The last child either sees the waker just registered, or is seen here.
            if !this.job.is_completed() {
                this.reason.note_for(|| of_job(this.job));
                return Poll::Pending;
            }
        }
        *this.over = true;
        *this.hold = None;
        this.reason.end();
        Poll::Ready(match this.job.final_cause() {
            Some(cause) => {
                cause.note_awaited(this.job.location());
                Err(cause)
            }
            None => match this.value.take() {
                Some(value) => Ok(value),
                None => Err(Error::msg(
                    "a scope was polled after it had given its result",
                )),
            },
        })
    }
}
