//! Handles that cancel what they stand for.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::deferred::{Await, Deferred};
use crate::job::{Job, Join};

/// A future of a coroutine's end that cancels the coroutine when it is dropped before that; made by
/// [`Job::cancel_on_drop`] and [`Deferred::cancel_on_drop`].
///
/// For code outside coroutines that ends work by dropping its future, such as `tokio::select!`. It waits as
/// [`Job::join`] or the await of a [`Deferred`] does.
///
/// The other way, a future becomes a coroutine by a `spawn` that awaits it; cancelling the coroutine drops the future.
///
/// Kotlin: the `CompletableFuture` of `asCompletableFuture`, and of the builder `future`.
///
/// # Cancel safety
///
/// Dropping it cancels the coroutine, and nobody waits for that here: its scope does. The result is lost.
///
/// ```
/// use corox_core::{await_cancellation, run_blocking};
/// use std::time::Duration;
///
/// run_blocking(async |scope| {
///     let job = scope.launch(async { await_cancellation().await });
///     let late = tokio::time::timeout(Duration::from_millis(1), job.cancel_on_drop()).await;
///     assert!(late.is_err() && job.is_cancelled());
///
///     // The other way.
///     let (send, future) = tokio::sync::oneshot::channel();
///     let deferred = scope.spawn(async { Ok(future.await?) });
///     let _ = send.send(1);
///     assert_eq!(deferred.await?, 1);
///     Ok(())
/// }).unwrap();
/// ```
#[must_use = "dropping it cancels the coroutine"]
pub struct CancelOnDrop<F> {
    guard: Guard,
    end: F,
}

/// `None` once detached; to cancel a job that has ended does nothing.
struct Guard(Option<Job>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(job) = self.0.take() {
            job.cancel();
        }
    }
}

impl<F> CancelOnDrop<F> {
    /// Lets the coroutine go on by itself.
    ///
    /// ```
    /// use corox_core::{run_blocking, yield_now};
    ///
    /// run_blocking(async |scope| {
    ///     let job = scope.launch(async { yield_now().await });
    ///     job.cancel_on_drop().detach();
    ///     job.join().await;
    ///     assert!(!job.is_cancelled());
    ///     Ok(())
    /// }).unwrap();
    /// ```
    pub fn detach(self) {
        drop(self.into_inner());
    }

    /// The future alone: dropping it cancels nothing.
    ///
    /// ```
    /// use corox_core::run_blocking;
    ///
    /// let value = run_blocking(async |scope| scope.spawn(async { Ok(1) }).cancel_on_drop().into_inner().await);
    /// assert_eq!(value.unwrap(), 1);
    /// ```
    pub fn into_inner(mut self) -> F {
        self.guard.0 = None;
        self.end
    }
}

impl Job {
    /// A future that ends with the job and cancels it when dropped before.
    ///
    /// Kotlin: `Job.asCompletableFuture`.
    ///
    /// # Cancel safety
    ///
    /// See [`CancelOnDrop`].
    ///
    /// ```
    /// use corox_core::{await_cancellation, run_blocking};
    ///
    /// run_blocking(async |scope| {
    ///     let job = scope.launch(async { await_cancellation().await });
    ///     drop(job.cancel_on_drop());
    ///     assert!(job.is_cancelled());
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "asCompletableFuture")]
    #[track_caller]
    pub fn cancel_on_drop(&self) -> CancelOnDrop<Join> {
        CancelOnDrop {
            guard: Guard(Some(self.clone())),
            end: self.join(),
        }
    }
}

impl<T: Send + 'static> Deferred<T> {
    /// A future that gives the result and cancels the coroutine when dropped before.
    ///
    /// Kotlin: `Deferred.asCompletableFuture`, and `future { .. }` after a `spawn`.
    ///
    /// # Cancel safety
    ///
    /// See [`CancelOnDrop`]; the value is lost.
    ///
    /// ```
    /// use corox_core::{GlobalScope, await_cancellation, run_blocking};
    ///
    /// let future = GlobalScope.spawn(async { Ok(1) }).cancel_on_drop();
    /// assert_eq!(run_blocking(async |_| future.await).unwrap(), 1);
    /// ```
    #[doc(alias = "future")]
    #[doc(alias = "asCompletableFuture")]
    #[track_caller]
    pub fn cancel_on_drop(self) -> CancelOnDrop<Await<T>> {
        CancelOnDrop {
            guard: Guard(Some(self.job().clone())),
            end: self.into_future(),
        }
    }
}

impl<F: Future + Unpin> Future for CancelOnDrop<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        Pin::new(&mut self.end).poll(cx)
    }
}

impl<F: fmt::Debug> fmt::Debug for CancelOnDrop<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CancelOnDrop").field(&self.end).finish()
    }
}
