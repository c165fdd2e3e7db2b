//! The cancellation of the current coroutine, as an error of its own.

use std::error::Error as StdError;
use std::fmt;

use super::Error;

/// The current coroutine was cancelled: what [`catch_cancellation`](crate::catch_cancellation) gives.
///
/// `?` turns it into the [`Error`] that it carries, a cancellation.
///
/// Kotlin: the `CancellationException` that a `catch` gets.
///
/// ```
/// use corox_core::{Error, await_cancellation, catch_cancellation, run_blocking, yield_now};
///
/// run_blocking(async |scope| {
///     let job = scope.launch(async {
///         let cancelled = catch_cancellation(await_cancellation()).await.unwrap_err();
///         assert_eq!(cancelled.cause().to_string(), "not needed");
///         Err::<(), _>(cancelled.into_error())
///     });
///     yield_now().await;
///     job.cancel_with(Error::cancellation("not needed"));
///     Ok(())
/// }).unwrap();
/// ```
#[derive(Clone)]
#[doc(alias = "CancellationException")]
pub struct CancellationError(pub(crate) Error);

impl CancellationError {
    /// What the coroutine was cancelled with: a cancellation, whose [cause](Error::cause) is the failure if one led to it.
    #[must_use]
    pub fn cause(&self) -> &Error {
        &self.0
    }

    /// The same, by value.
    #[must_use]
    pub fn into_error(self) -> Error {
        self.0
    }
}

impl fmt::Display for CancellationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for CancellationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl StdError for CancellationError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.0.source()
    }
}
