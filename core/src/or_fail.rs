//! Errors of other kinds as failures of a coroutine.

use std::error::Error as StdError;

use crate::error::{Error, Result};

/// `.or_fail()?` where `?` alone does not compile: on boxed errors, on texts and, with the feature `anyhow`, on
/// `anyhow::Error`.
///
/// None of them implements `std::error::Error`, which is what `?` asks for in a body that returns [`Result`]. The location of
/// the [`Error`] is the line of the call; one of this library in the box is itself again.
///
/// An [`Error`] may go to other threads. A box that is not `Send + Sync` may not, so only its text is kept, with those of its
/// causes after it. An `Option` has no error: `option.ok_or("no such key").or_fail()?`.
///
/// ```
/// use corox_core::{OrFail, run_blocking};
///
/// fn parse(text: &str) -> Result<i32, Box<dyn std::error::Error + Send + Sync>> {
///     text.parse().map_err(|_| format!("not a number: {text}").into())
/// }
///
/// let error = run_blocking(async |_| {
///     let n = parse("four").or_fail()?;
///     Ok(n)
/// }).unwrap_err();
/// assert_eq!(error.to_string(), "not a number: four");
/// ```
pub trait OrFail<T> {
    /// The value, or the error as an [`Error`].
    ///
    /// # Errors
    ///
    /// That error.
    #[track_caller]
    fn or_fail(self) -> Result<T>;
}

impl<T> OrFail<T> for Result<T, Box<dyn StdError + Send + Sync>> {
    #[track_caller]
    fn or_fail(self) -> Result<T> {
        match self {
            Ok(value) => Ok(value),
            Err(error) => Err(Error::from_boxed(error)),
        }
    }
}

/// The text, and those of the causes.
impl<T> OrFail<T> for Result<T, Box<dyn StdError>> {
    #[track_caller]
    fn or_fail(self) -> Result<T> {
        match self {
            Ok(value) => Ok(value),
            Err(error) => {
                let mut text = error.to_string();
                let mut source = error.source();
                while let Some(cause) = source {
                    text.push_str(&format!(": {cause}"));
                    source = cause.source();
                }
                Err(Error::msg(text))
            }
        }
    }
}

/// As [`Error::msg`].
impl<T> OrFail<T> for Result<T, String> {
    #[track_caller]
    fn or_fail(self) -> Result<T> {
        match self {
            Ok(value) => Ok(value),
            Err(text) => Err(Error::msg(text)),
        }
    }
}

/// As [`Error::msg`].
impl<T> OrFail<T> for Result<T, &'static str> {
    #[track_caller]
    fn or_fail(self) -> Result<T> {
        match self {
            Ok(value) => Ok(value),
            Err(text) => Err(Error::msg(text)),
        }
    }
}

#[cfg(feature = "anyhow")]
#[cfg_attr(docsrs, doc(cfg(feature = "anyhow")))]
impl<T> OrFail<T> for Result<T, anyhow::Error> {
    #[track_caller]
    fn or_fail(self) -> Result<T> {
        match self {
            Ok(value) => Ok(value),
            Err(error) => Err(Error::from_anyhow(error)),
        }
    }
}
