//! The outcome of a receive that does not fail.

use corox_core::Error;

use crate::error::{ReceiveError, TryReceiveError};

/// What [`receive_catching`](crate::Channel::receive_catching) gives: an element, or that there will be none.
///
/// Kotlin: `ChannelResult`. What of it is a failure of `trySend` and `tryReceive` is a [`TrySendError`](crate::TrySendError) and a
/// [`TryReceiveError`] here; one converts into this.
///
/// ```
/// use corox_channels::{Channel, ChannelResult};
/// use corox_core::run_blocking;
///
/// run_blocking(async |_| {
///     let channel = Channel::new(1);
///     channel.send(7).await?;
///     channel.close();
///     assert_eq!(channel.receive_catching().await.on_closed(|_| panic!("too early")).ok(), Some(7));
///     assert_eq!(channel.receive_catching().await.unwrap_or_else(|_| 0), 0);
///     assert!(matches!(channel.receive_catching().await, ChannelResult::Closed(_)));
///     assert!(ChannelResult::from(channel.try_receive()).is_closed());
///     Ok(())
/// }).unwrap();
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub enum ChannelResult<T> {
    /// An element.
    Success(T),
    /// Nothing now; of [`try_receive`](crate::Channel::try_receive) alone.
    Failed,
    /// The channel is closed, and everything that was in it has been received.
    Closed(ReceiveError),
}

impl<T> ChannelResult<T> {
    /// Whether there is an element; see the example of [`is_failure`](ChannelResult::is_failure).
    ///
    /// Kotlin: `isSuccess`.
    #[must_use]
    #[doc(alias = "isSuccess")]
    pub fn is_success(&self) -> bool {
        matches!(self, ChannelResult::Success(_))
    }

    /// Whether there is none, for whatever reason.
    ///
    /// Kotlin: `isFailure`.
    ///
    /// ```
    /// use corox_channels::{Channel, ChannelResult};
    ///
    /// let nothing = ChannelResult::from(Channel::<u32>::new(1).try_receive());
    /// assert!(nothing.is_failure() && !nothing.is_success() && !nothing.is_closed());
    /// ```
    #[must_use]
    #[doc(alias = "isFailure")]
    pub fn is_failure(&self) -> bool {
        !self.is_success()
    }

    /// Whether the channel is closed.
    ///
    /// Kotlin: `isClosed`.
    #[must_use]
    #[doc(alias = "isClosed")]
    pub fn is_closed(&self) -> bool {
        matches!(self, ChannelResult::Closed(_))
    }

    /// The element, if there is one.
    ///
    /// Kotlin: `getOrNull`.
    #[must_use]
    #[doc(alias = "getOrNull")]
    pub fn ok(self) -> Option<T> {
        match self {
            ChannelResult::Success(element) => Some(element),
            _ => None,
        }
    }

    /// As a `Result`, for `?`.
    ///
    /// Kotlin: `getOrThrow`.
    ///
    /// # Errors
    ///
    /// If there is no element.
    ///
    /// ```
    /// use corox_channels::ChannelResult;
    ///
    /// assert_eq!(ChannelResult::Success(7).into_result().unwrap(), 7);
    /// assert!(ChannelResult::<i32>::Failed.into_result().is_err());
    /// ```
    #[doc(alias = "getOrThrow")]
    pub fn into_result(self) -> Result<T, TryReceiveError> {
        match self {
            ChannelResult::Success(element) => Ok(element),
            ChannelResult::Failed => Err(TryReceiveError::Empty),
            ChannelResult::Closed(closed) => Err(TryReceiveError::Closed(closed)),
        }
    }

    /// The element, or what `fallback` makes of the cause that the channel was closed with.
    ///
    /// Kotlin: `getOrElse`.
    #[must_use]
    #[doc(alias = "getOrElse")]
    pub fn unwrap_or_else(self, fallback: impl FnOnce(Option<&Error>) -> T) -> T {
        match self {
            ChannelResult::Success(element) => element,
            other => fallback(other.cause()),
        }
    }

    /// What the channel was closed or cancelled with.
    ///
    /// Kotlin: `exceptionOrNull`.
    ///
    /// ```
    /// use corox_channels::{Channel, ChannelResult};
    /// use corox_core::Error;
    ///
    /// let channel = Channel::<u32>::new(1);
    /// channel.close_with(Error::msg("no more"));
    /// assert_eq!(ChannelResult::from(channel.try_receive()).cause().unwrap().to_string(), "no more");
    /// ```
    #[must_use]
    #[doc(alias = "exceptionOrNull")]
    pub fn cause(&self) -> Option<&Error> {
        match self {
            ChannelResult::Closed(closed) => closed.cause(),
            _ => None,
        }
    }

    /// Calls `f` with the element if there is one.
    ///
    /// Kotlin: `onSuccess`.
    ///
    /// ```
    /// use corox_channels::ChannelResult;
    ///
    /// let mut seen = 0;
    /// let result = ChannelResult::Success(7).on_success(|n| seen = *n).on_failure(|_| panic!("there is one"));
    /// assert_eq!((seen, result.ok()), (7, Some(7)));
    /// ```
    #[doc(alias = "onSuccess")]
    pub fn on_success(self, f: impl FnOnce(&T)) -> Self {
        if let ChannelResult::Success(element) = &self {
            f(element);
        }
        self
    }

    /// Calls `f` if there is no element, with the cause that the channel was closed with.
    ///
    /// Kotlin: `onFailure`.
    ///
    /// ```
    /// use corox_channels::ChannelResult;
    ///
    /// let mut failed = false;
    /// let _ = ChannelResult::<i32>::Failed.on_failure(|cause| failed = cause.is_none());
    /// assert!(failed);
    /// ```
    #[doc(alias = "onFailure")]
    pub fn on_failure(self, f: impl FnOnce(Option<&Error>)) -> Self {
        if self.is_failure() {
            f(self.cause());
        }
        self
    }

    /// Calls `f` if the channel is closed, with the cause that it was closed with.
    ///
    /// Kotlin: `onClosed`.
    #[doc(alias = "onClosed")]
    pub fn on_closed(self, f: impl FnOnce(Option<&Error>)) -> Self {
        if self.is_closed() {
            f(self.cause());
        }
        self
    }
}

impl<T> From<Result<T, ReceiveError>> for ChannelResult<T> {
    fn from(result: Result<T, ReceiveError>) -> Self {
        match result {
            Ok(element) => ChannelResult::Success(element),
            Err(closed) => ChannelResult::Closed(closed),
        }
    }
}

impl<T> From<Result<T, TryReceiveError>> for ChannelResult<T> {
    fn from(result: Result<T, TryReceiveError>) -> Self {
        match result {
            Ok(element) => ChannelResult::Success(element),
            Err(TryReceiveError::Empty) => ChannelResult::Failed,
            Err(TryReceiveError::Closed(closed)) => ChannelResult::Closed(closed),
        }
    }
}
