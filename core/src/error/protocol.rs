//! For errors of the project that carry an [`Error`] as their cause, and channels that pass one on.

use std::error::Error as StdError;
use std::fmt;
use std::panic::Location;
use std::sync::OnceLock;

use super::{Error, Kind};

/// The cause that errors of other crates of the project have as their source: `?` makes *it* of them, so that it keeps its
/// identity.
#[derive(Clone)]
pub struct Carried(pub Error);

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl StdError for Carried {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.0.source()
    }
}

/// A cancellation that arose where a user called for it, and not where the library noticed.
#[must_use]
pub fn cancellation_at(
    location: &'static Location<'static>,
    message: &'static str,
    cause: Option<Error>,
) -> Error {
    Error::at(
        location,
        Kind::Cancellation {
            message: message.into(),
            cause,
            timeout: false,
            origin: OnceLock::new(),
        },
    )
}

/// In place of the number of a job.
pub(super) const NO_JOB: u64 = 0;

/// Has `error` be the cancellation of no job from now on, unless it is that of one already: of a channel, whose users may all let
/// it escape. Else the first to do so would be where it comes from, and for the others it would be that of another coroutine.
pub fn of_no_job(error: &Error) {
    error.set_origin(NO_JOB);
}

/// The same cancellation for a job.
#[must_use]
pub fn same_for_a_job(error: &Error) -> Error {
    match &error.0.kind {
        Kind::Cancellation {
            message,
            cause,
            timeout,
            ..
        } => Error::at(
            error.0.arose,
            Kind::Cancellation {
                message: message.clone(),
                cause: cause.clone(),
                timeout: *timeout,
                origin: OnceLock::new(),
            },
        ),
        _ => error.clone(),
    }
}

/// The cause that `error` carries.
pub(super) fn carried<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    let carried = error.source()?.downcast_ref::<Carried>()?;
    Some(&carried.0)
}

/// Attaches `other` to `error`, once; see [`Error::suppressed`].
pub fn suppress(error: &Error, other: Error) {
    error.add_suppressed(other);
}

/// A failure of code of a user at `location`, where the library noticed it elsewhere.
#[must_use]
pub fn failure_at(
    location: &'static Location<'static>,
    error: impl StdError + Send + Sync + 'static,
) -> Error {
    Error::at(location, Kind::Failure(Box::new(error)))
}
