//! What becomes an [`Error`] by `?`, and what an [`Error`] becomes.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;

use super::protocol::carried;
use super::{CancellationError, Error, Kind};

/// What `?` makes an [`Error`] of: every `std::error::Error` that is `Send + Sync + 'static`.
///
/// There is nothing to implement. The trait has a name so that the compiler can say what to write where `?` does not work.
///
/// ```
/// use corox_core::{Error, OrFail, Result};
///
/// fn port(text: &str) -> Result<u16> {
///     let port = text.parse::<u16>()?; // a `std::error::Error`
///     let port = port.checked_add(1).ok_or("the last port").or_fail()?; // a text is none
///     Ok(port)
/// }
/// assert_eq!(port("80").unwrap(), 81);
/// assert_eq!(port("65535").unwrap_err().to_string(), "the last port");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `std::error::Error` that is `Send + Sync`, which is what becomes a `corox::Error` by itself",
    label = "write `.or_fail()?` for a text, a boxed error, or one of anyhow (feature `anyhow`); else `.map_err(..)?`",
    note = "a text becomes an error by `Error::msg(\"text\")`"
)]
pub trait Failure: StdError + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<E: StdError + Send + Sync + 'static> Failure for E {}

/// `?` on any `std::error::Error`. A [`CancellationError`] becomes the cancellation that it carries, and the error of a channel the
/// cause that the channel was closed with, if there is one.
impl<E: Failure> From<E> for Error {
    #[track_caller]
    fn from(error: E) -> Error {
        let any: &dyn Any = &error;
        if let Some(cancellation) = any.downcast_ref::<CancellationError>() {
            return cancellation.0.clone();
        }
        if let Some(own) = any.downcast_ref::<StdErrorOf>() {
            return own.0.clone();
        }
        if let Some(cause) = carried(&error) {
            return cause.clone();
        }
        Error::from_kind(Kind::Failure(Box::new(error)))
    }
}

/// [`into_std`](Error::into_std) in a box, for `?` in functions that return one.
impl From<Error> for Box<dyn StdError + Send + Sync> {
    fn from(error: Error) -> Self {
        Box::new(error.into_std())
    }
}

/// As with `Send + Sync`.
impl From<Error> for Box<dyn StdError> {
    fn from(error: Error) -> Self {
        Box::new(error.into_std())
    }
}

/// Keeps identity and source chain.
#[cfg(feature = "anyhow")]
#[cfg_attr(docsrs, doc(cfg(feature = "anyhow")))]
impl From<Error> for anyhow::Error {
    fn from(error: Error) -> Self {
        anyhow::Error::new(error.into_std())
    }
}

/// An [`Error`] as a `std::error::Error`; see [`Error::into_std`].
///
/// ```
/// use corox_core::Error;
///
/// let error = Error::msg("no");
/// let source = error.clone().into_std();
/// assert!(source.get_ref().ptr_eq(&error));
/// assert!(Error::from(source).ptr_eq(&error)); // as by `?`
/// ```
#[derive(Clone)]
pub struct StdErrorOf(pub(super) Error);

impl StdErrorOf {
    /// The error inside.
    #[must_use]
    pub fn get_ref(&self) -> &Error {
        &self.0
    }
}

impl fmt::Display for StdErrorOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for StdErrorOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl StdError for StdErrorOf {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.0.source()
    }
}
