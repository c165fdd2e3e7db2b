//! Async cleanup that follows a future, however that ends.

use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use crate::coroutine::{CoroutineStart, Spec};
use crate::driver::{Ended, Payload};
use crate::error::Error;
use crate::exception_handler::report_uncaught;
use crate::frame;
use crate::job::{Job, Kind};
use crate::job_context::JobContext;
use crate::launch_output::LaunchOutput;
use crate::scope_builders::{ScopeFuture, open};
use crate::section::SectionFuture;

/// Cleanup after a future: [`finally`](FinallyExt::finally) may borrow, [`finally_launch`](FinallyExt::finally_launch)
/// survives even a drop by foreign code.
///
/// Kotlin: `try { .. } finally { withContext(NonCancellable) { .. } }`.
///
/// ```
/// use corox_core::{FinallyExt, run_blocking};
///
/// run_blocking(async |_| {
///     let mut closed = false;
///     let n = async { 7 }.finally(async { closed = true }).await;
///     assert!(n == 7 && closed);
///     Ok(())
/// }).unwrap();
/// ```
pub trait FinallyExt: Future + Sized {
    /// Awaits this future and then `cleanup`: after a normal end, after a panic, and after a cancellation by corox.
    ///
    /// `cleanup` is not cancellable and the coroutine waits for it. It may borrow what this future does not. If it gives an
    /// `Err`, that is reported as an uncaught failure to the [`ExceptionHandler`](crate::ExceptionHandler) or the fallback,
    /// for the result is that of the first future.
    ///
    /// # Cancel safety
    ///
    /// A cancellation by corox runs `cleanup`. If *foreign* code drops the whole future (a `tokio::select!`, an abort),
    /// `cleanup` is dropped with it, unrun or half-way; a `tracing` warning says so. Use `finally_launch` where that may happen.
    ///
    /// # Panics
    ///
    /// With the panic of this future, after `cleanup` ran; else with that of `cleanup`.
    ///
    /// ```
    /// use corox_core::{FinallyExt, await_cancellation, run_blocking, yield_now};
    /// use std::sync::mpsc;
    ///
    /// run_blocking(async |scope| {
    ///     let (close, closed) = mpsc::channel();
    ///     let job = scope.launch(async move {
    ///         let cleanup = async {
    ///             yield_now().await; // may suspend
    ///             close.send("closed").unwrap();
    ///         };
    ///         await_cancellation().finally(cleanup).await
    ///     });
    ///     yield_now().await;
    ///     job.cancel_and_join().await;
    ///     assert_eq!(closed.try_recv()?, "closed");
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[track_caller]
    fn finally<C>(self, cleanup: C) -> impl Future<Output = Self::Output>
    where
        C: Future<Output: LaunchOutput>,
    {
        let location = Location::caller();
        async move {
            let mut owed = Unrun {
                location: Some(location),
                begun: false,
            };
            let ended = run_first(self).await;
            owed.begun = true;
            let panicked = run_second(ended.panicked(), cleanup, location).await;
            owed.location = None;
            finish(ended, panicked).await
        }
    }

    /// As [`finally`](FinallyExt::finally), with a cleanup that survives a drop by foreign code.
    ///
    /// After such a drop it is launched as a shielded child of the enclosing coroutine, which waits for it. Outside
    /// coroutines it goes to the process's own pool.
    ///
    /// Nothing is owed by a future that was never polled. An `Err` of the cleanup is reported, as by `finally`.
    ///
    /// # Panics
    ///
    /// With the panic of this future. A panic of the cleanup fails the enclosing coroutine.
    ///
    /// # Cancel safety
    ///
    /// A cancellation by corox runs the cleanup, and so does a drop by foreign code once the future was polled.
    ///
    /// ```
    /// use corox_core::{FinallyExt, await_cancellation, run_blocking};
    /// use futures_util::future::{select, ready};
    /// use std::pin::pin;
    /// use std::sync::mpsc;
    ///
    /// let (close, closed) = mpsc::channel();
    /// run_blocking(async |_| {
    ///     let upload = await_cancellation().finally_launch(move || async move { close.send("closed").unwrap() });
    ///     select(pin!(upload), ready(())).await; // foreign code drops `upload`
    ///     Ok(())
    /// }).unwrap(); // and the scope waits for its cleanup
    /// assert_eq!(closed.try_recv(), Ok("closed"));
    /// ```
    #[track_caller]
    fn finally_launch<G, C>(self, cleanup: G) -> impl Future<Output = Self::Output>
    where
        G: FnOnce() -> C + Send + 'static,
        C: Future<Output: LaunchOutput> + Send + 'static,
    {
        let location = Location::caller();
        async move {
            // Declared before the first part is, so dropped after it.
            let mut owed = Owed {
                cleanup: Some(cleanup),
                job: frame::current_job(),
                location,
            };
            let ended = run_first(self).await;
            let Some(cleanup) = owed.cleanup.take() else {
                unreachable!("only `drop` takes the cleanup otherwise")
            };
            // As a coroutine that begins in place, so that a drop by foreign code from here on does not stop it either.
            match launch_cleanup(
                owed.job.as_ref(),
                CoroutineStart::Undispatched,
                cleanup,
                location,
            ) {
                Ok(job) => {
                    let panicked = run_second(ended.panicked(), job.join(), location).await;
                    finish(ended, panicked).await
                }
                Err(cleanup) => {
                    let panicked = run_second(ended.panicked(), cleanup(), location).await;
                    finish(ended, panicked).await
                }
            }
        }
    }
}

impl<F: Future> FinallyExt for F {}

/// Says that a cleanup was dropped before it had ended.
struct Unrun {
    /// `None` when there is nothing to be said any more.
    location: Option<&'static Location<'static>>,
    begun: bool,
}

impl Drop for Unrun {
    fn drop(&mut self) {
        if let Some(location) = self.location {
            let what = if self.begun { "half-way" } else { "unrun" };
            tracing::warn!(
                %location,
                "the cleanup of `finally` was dropped {what}, because foreign code dropped the future; `finally_launch` survives that"
            );
        }
    }
}

/// Launches a cleanup that is owed.
struct Owed<G, C>
where
    G: FnOnce() -> C + Send + 'static,
    C: Future<Output: LaunchOutput> + Send + 'static,
{
    cleanup: Option<G>,
    job: Option<Job>,
    location: &'static Location<'static>,
}

impl<G, C> Drop for Owed<G, C>
where
    G: FnOnce() -> C + Send + 'static,
    C: Future<Output: LaunchOutput> + Send + 'static,
{
    fn drop(&mut self) {
        let Some(cleanup) = self.cleanup.take() else {
            return;
        };
        let start = CoroutineStart::Atomic;
        let Err(cleanup) = launch_cleanup(self.job.as_ref(), start, cleanup, self.location) else {
            return;
        };
        // There is no coroutine, or it has ended: the future was carried out of it.
        let spec = Spec {
            kind: Kind::Cleanup,
            start,
            context: JobContext::own(),
            parent: None,
            location: self.location,
        };
        spec.start(
            (),
            async move { cleanup().await },
            LaunchOutput::into_result,
        );
    }
}

/// Launches a cleanup as a shielded child of `job`; gives it back if that has ended.
fn launch_cleanup<G, C>(
    job: Option<&Job>,
    start: CoroutineStart,
    cleanup: G,
    location: &'static Location<'static>,
) -> Result<Job, G>
where
    G: FnOnce() -> C + Send + 'static,
    C: Future<Output: LaunchOutput> + Send + 'static,
{
    let Some(job) = job else {
        return Err(cleanup);
    };
    let spec = Spec {
        kind: Kind::Cleanup,
        start,
        context: job.context().clone(),
        parent: Some(job),
        location,
    };
    // The closure is called inside the new coroutine, so that its panic belongs to that.
    let body = CleanupBody(Some(cleanup), None);
    match spec.try_start((), body, LaunchOutput::into_result) {
        Ok(job) => Ok(job),
        Err(refused) => match refused.body.0 {
            Some(cleanup) => Err(cleanup),
            None => unreachable!("a refused body was not polled"),
        },
    }
}

/// Calls the closure at its first poll and then is its future.
struct CleanupBody<G, C>(Option<G>, Option<Pin<Box<C>>>);

impl<G, C> Unpin for CleanupBody<G, C> {}

impl<G: FnOnce() -> C, C: Future> Future for CleanupBody<G, C> {
    type Output = C::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<C::Output> {
        let this = &mut *self;
        if let Some(cleanup) = this.0.take() {
            this.1 = Some(Box::pin(cleanup()));
        }
        match &mut this.1 {
            Some(future) => future.as_mut().poll(cx),
            None => unreachable!("the closure was called above"),
        }
    }
}

/// The first part, as a section of its own: a cancellation drops it and no more.
async fn run_first<F: Future>(first: F) -> Ended<F::Output> {
    match frame::current() {
        Some(outer) => SectionFuture::new(outer, first).await,
        None => match caught(first).await {
            Ok(output) => Ended::Returned(output),
            Err(payload) => Ended::Panicked(payload),
        },
    }
}

/// Awaits `future` and catches its unwinding.
async fn caught<F: Future>(future: F) -> Result<F::Output, Payload> {
    let mut future = pin!(future);
    poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(payload) => Poll::Ready(Err(payload)),
        },
    )
    .await
}

/// The second part; gives what it panicked with, unless the first part has panicked already.
async fn run_second<C>(
    first_panicked: bool,
    cleanup: C,
    location: &'static Location<'static>,
) -> Option<Payload>
where
    C: Future<Output: LaunchOutput>,
{
    let outer = frame::current();
    let context = match &outer {
        Some(outer) => outer.job().context().clone(),
        None => JobContext::of_this_thread(),
    };
    let parent = outer.as_ref().map(|outer| outer.job().clone());
    let (job, hold) = open(Kind::Shield, context, parent.as_ref(), outer, location);
    let body = async { cleanup.await.into_result() };
    let Err(error) = ScopeFuture::new(job.clone(), hold, body).await else {
        return None;
    };
    if first_panicked {
        report(&job, &error);
        return None;
    }
    let panicked = error.take_panic();
    if panicked.is_none() {
        report(&job, &error);
    }
    panicked
}

/// What the first part led to, and the panic of the second.
async fn finish<T>(ended: Ended<T>, panicked: Option<Payload>) -> T {
    match (ended, panicked) {
        (Ended::Panicked(payload), _) | (_, Some(payload)) => resume_unwind(payload),
        (Ended::Returned(output), None) => output,
        // The coroutine is cancelled, and held by nothing in here any more: it is dropped at this point.
        (Ended::Dropped, None) => pending().await,
    }
}

fn report(job: &Job, error: &Error) {
    if !error.is_cancellation() {
        report_uncaught(job, error);
    }
}
