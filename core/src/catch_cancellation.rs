//! Boundaries: where code can see that its coroutine was cancelled.

use std::future::Future;
use std::panic::resume_unwind;

use crate::driver::Ended;
use crate::error::{CancellationError, Error, Result};
use crate::frame;
use crate::job::Job;
use crate::section::SectionFuture;

/// Awaits `future`, and says so if the current coroutine was cancelled meanwhile: the code after it runs in both cases.
///
/// When the coroutine is cancelled, `future` is dropped at its suspension point, after the scopes and shielded sections
/// inside it have ended, and the result is an `Err`. `future` is always polled at least once, also in a coroutine that is
/// cancelled already, so that a step that need not wait takes place. If `future` ends by itself while it unwinds, its own
/// output is returned.
///
/// After an `Err` the coroutine *is* cancelled: it is dropped at its next suspension point, unless that is in a
/// [`non_cancellable`](crate::non_cancellable) section or another boundary. End the body with `?` or let it return.
///
/// Outside coroutines it only awaits `future`.
///
/// Kotlin: `try { .. } catch (e: CancellationException) { .. }`, which has to be told from failures and rethrown by hand.
///
/// # Errors
///
/// [`CancellationError`], if `future` was dropped. `?` makes it the cancellation itself.
///
/// # Panics
///
/// With the panic of `future`.
///
/// # Cancel safety
///
/// That of `future`.
///
/// ```
/// use corox_core::{await_cancellation, catch_cancellation, run_blocking, yield_now};
///
/// run_blocking(async |scope| {
///     let job = scope.launch(async {
///         let outcome = catch_cancellation(await_cancellation()).await;
///         assert!(outcome.is_err());
///         println!("stopped");
///     });
///     yield_now().await;
///     job.cancel_and_join().await;
///     Ok(())
/// }).unwrap();
/// ```
#[doc(alias = "catch CancellationException")]
pub async fn catch_cancellation<F: Future>(future: F) -> Result<F::Output, CancellationError> {
    let Some(outer) = frame::current() else {
        return Ok(future.await);
    };
    let job = outer.job().clone();
    match SectionFuture::new(outer, future).await {
        Ended::Returned(output) => Ok(output),
        Ended::Dropped => Err(CancellationError(cancellation_of(&job))),
        Ended::Panicked(payload) => resume_unwind(payload),
    }
}

/// As [`catch_cancellation`], for a future that gives a `Result`: one result, so that one place is tested.
///
/// Kotlin: the same.
///
/// # Errors
///
/// The error of `future`, or, if it was dropped, the cancellation ([`Error::is_cancellation`]).
///
/// # Panics
///
/// With the panic of `future`.
///
/// # Cancel safety
///
/// That of `future`.
///
/// ```
/// use corox_core::{run_blocking, try_catch_cancellation};
///
/// run_blocking(async |_| {
///     let n = try_catch_cancellation(async { Ok("7".parse::<i32>()?) }).await?;
///     assert_eq!(n, 7);
///     Ok(())
/// }).unwrap();
/// ```
pub async fn try_catch_cancellation<T, F>(future: F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    match catch_cancellation(future).await {
        Ok(result) => result,
        Err(cancelled) => Err(cancelled.into_error()),
    }
}

/// What code inside a cancelled job is told.
pub(crate) fn cancellation_of(job: &Job) -> Error {
    match job.final_cause() {
        Some(cause) => job.cause_for_children(cause),
        None => Error::cancellation(job.was_cancelled()),
    }
}
