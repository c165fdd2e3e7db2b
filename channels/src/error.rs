//! Why a send or a receive did not take place.

use std::error::Error as StdError;
use std::fmt;

use corox_core::Error;
use corox_core::error_protocol::Carried;

use parking_lot::Mutex;

/// The element that an error gives back. In a lock, which nobody ever takes, so that the error is `Sync` if the element is `Send`:
/// `?` asks for that.
struct Held<T>(Mutex<T>);

impl<T> Held<T> {
    fn new(element: T) -> Self {
        Held(Mutex::new(element))
    }

    fn into_inner(self) -> T {
        self.0.into_inner()
    }
}

fn closed(f: &mut fmt::Formatter<'_>, cause: Option<&Carried>) -> fmt::Result {
    match cause {
        Some(cause) => write!(f, "the channel is closed: {cause}"),
        None => f.write_str("the channel is closed"),
    }
}

/// The channel is closed, so that nobody will receive the element.
///
/// `?` turns it into the [cause](SendError::cause) if the channel was closed with one, and else into an [`Error`] that can be
/// [downcast](Error::downcast_ref) to it.
///
/// Kotlin: `ClosedSendChannelException`.
///
/// ```
/// use corox_channels::Channel;
/// use corox_core::run_blocking;
///
/// run_blocking(async |_| {
///     let channel = Channel::new(1);
///     channel.close();
///     let error = channel.send("late").await.unwrap_err();
///     assert_eq!(error.to_string(), "the channel is closed");
///     assert_eq!(error.into_inner(), Some("late"));
///     Ok(())
/// }).unwrap();
/// ```
#[doc(alias = "ClosedSendChannelException")]
pub struct SendError<T> {
    element: Held<Option<T>>,
    cause: Option<Carried>,
}

impl<T> SendError<T> {
    pub(crate) fn new(element: Option<T>, cause: Option<Error>) -> Self {
        SendError {
            element: Held::new(element),
            cause: cause.map(Carried),
        }
    }

    /// The element; `None` if the channel has a hook for undelivered elements, which was given it.
    #[must_use]
    pub fn into_inner(self) -> Option<T> {
        self.element.into_inner()
    }

    /// What the channel was closed or cancelled with: the very same error.
    ///
    /// ```
    /// use corox_channels::Channel;
    /// use corox_core::{Error, run_blocking};
    ///
    /// run_blocking(async |_| {
    ///     let channel = Channel::new(1);
    ///     let full = Error::msg("the disk is full");
    ///     channel.close_with(full.clone());
    ///     let error = channel.send(1).await.unwrap_err();
    ///     assert!(error.cause().unwrap().ptr_eq(&full));
    ///     assert!(Error::from(error).ptr_eq(&full)); // as by `?`
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[must_use]
    pub fn cause(&self) -> Option<&Error> {
        self.cause.as_ref().map(|cause| &cause.0)
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        closed(f, self.cause.as_ref())
    }
}

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError")
            .field("cause", &self.cause)
            .finish_non_exhaustive()
    }
}

impl<T> StdError for SendError<T> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_ref().map(|cause| cause as _)
    }
}

/// The channel is full, no receiver waits, or it is closed; the element is in it.
///
/// Kotlin: the failed or closed `ChannelResult` of `trySend`.
///
/// ```
/// use corox_channels::Channel;
///
/// let channel = Channel::new(1);
/// channel.try_send(1).unwrap();
/// let full = channel.try_send(2).unwrap_err();
/// assert!(full.is_full() && !full.is_closed());
/// assert_eq!(full.into_inner(), 2);
/// channel.close();
/// assert!(channel.try_send(3).unwrap_err().is_closed());
/// ```
pub struct TrySendError<T> {
    element: Held<T>,
    /// `None`: full.
    closed: Option<Option<Carried>>,
}

impl<T> TrySendError<T> {
    pub(crate) fn full(element: T) -> Self {
        TrySendError {
            element: Held::new(element),
            closed: None,
        }
    }

    pub(crate) fn closed(element: T, cause: Option<Error>) -> Self {
        TrySendError {
            element: Held::new(element),
            closed: Some(cause.map(Carried)),
        }
    }

    /// Whether a later attempt may succeed: the channel is not closed.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.closed.is_none()
    }

    /// Whether the channel is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

    /// What the channel was closed or cancelled with; see the example of [`SendError::cause`].
    #[must_use]
    pub fn cause(&self) -> Option<&Error> {
        match &self.closed {
            Some(Some(cause)) => Some(&cause.0),
            _ => None,
        }
    }

    /// The element.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.element.into_inner()
    }
}

impl<T> fmt::Display for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.closed {
            None => f.write_str("the channel is full, and no receiver waits"),
            Some(cause) => closed(f, cause.as_ref()),
        }
    }
}

impl<T> fmt::Debug for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrySendError")
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}

impl<T> StdError for TrySendError<T> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.closed {
            Some(Some(cause)) => Some(cause),
            _ => None,
        }
    }
}

/// The channel is closed, and everything that was in it has been received.
///
/// `?` turns it into the [cause](ReceiveError::cause) if the channel was closed with one, and else into an [`Error`] that can be
/// [downcast](Error::downcast_ref) to it.
///
/// Kotlin: `ClosedReceiveChannelException`.
///
/// ```
/// use corox_channels::{Channel, ReceiveError};
/// use corox_core::{Error, run_blocking};
///
/// run_blocking(async |_| {
///     let channel = Channel::<u32>::new(1);
///     channel.close();
///     let closed = channel.receive().await.unwrap_err();
///     assert!(closed.cause().is_none());
///     assert!(Error::from(closed).downcast_ref::<ReceiveError>().is_some());
///     Ok(())
/// }).unwrap();
/// ```
#[derive(Clone)]
#[doc(alias = "ClosedReceiveChannelException")]
pub struct ReceiveError {
    cause: Option<Carried>,
}

impl ReceiveError {
    pub(crate) fn new(cause: Option<Error>) -> Self {
        ReceiveError {
            cause: cause.map(Carried),
        }
    }

    /// What the channel was closed or cancelled with: the very same error.
    #[must_use]
    pub fn cause(&self) -> Option<&Error> {
        self.cause.as_ref().map(|cause| &cause.0)
    }
}

impl fmt::Display for ReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Some(cause) => closed(f, Some(cause)),
            None => f.write_str("the channel is closed, and everything in it has been received"),
        }
    }
}

impl fmt::Debug for ReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiveError")
            .field("cause", &self.cause)
            .finish()
    }
}

impl StdError for ReceiveError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_ref().map(|cause| cause as _)
    }
}

/// Nothing is there to be received now.
///
/// Kotlin: the failed or closed `ChannelResult` of `tryReceive`.
///
/// ```
/// use corox_channels::{Channel, TryReceiveError};
///
/// let channel = Channel::<u32>::new(1);
/// assert!(matches!(channel.try_receive(), Err(TryReceiveError::Empty)));
/// channel.close();
/// assert!(matches!(channel.try_receive(), Err(TryReceiveError::Closed(_))));
/// ```
#[derive(Clone, Debug)]
pub enum TryReceiveError {
    /// The channel is empty, and no sender waits.
    Empty,
    /// The channel is closed, and everything that was in it has been received.
    Closed(ReceiveError),
}

impl fmt::Display for TryReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TryReceiveError::Empty => f.write_str("the channel is empty"),
            TryReceiveError::Closed(closed) => fmt::Display::fmt(closed, f),
        }
    }
}

impl StdError for TryReceiveError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            TryReceiveError::Empty => None,
            TryReceiveError::Closed(closed) => closed.source(),
        }
    }
}
