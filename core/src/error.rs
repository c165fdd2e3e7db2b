//! The one error of the library.

use std::any::Any;
use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::panic::{Location, RefUnwindSafe};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

mod cancellation_error;
mod conversion;
pub(crate) mod protocol;

pub use cancellation_error::CancellationError;
pub use conversion::{Failure, StdErrorOf};

/// `Result` with the library's [`Error`]; the type that bodies of coroutines return.
///
/// ```
/// fn half(n: u32) -> corox_core::Result<u32> {
///     Ok(n.checked_div(2).unwrap_or_default())
/// }
///
/// fn main() -> corox_core::Result {
///     assert_eq!(half(4)?, 2);
///     Ok(())
/// }
/// ```
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

/// Why a coroutine, scope or job did not end normally: a failure, a panic or a cancellation.
///
/// One word, cheap to clone; a clone is the *same* error ([`ptr_eq`](Error::ptr_eq)), so that a failure that reaches a
/// scope over several paths is recognised, and further failures can be attached to it ([`suppressed`](Error::suppressed)).
///
/// `?` turns any `std::error::Error` into an `Error`. For that to be possible `Error` does not implement
/// `std::error::Error` itself; it converts into `Box<dyn std::error::Error + Send + Sync>`, and
/// [`into_std`](Error::into_std) gives a value that implements it, for `#[source]` fields.
///
/// The other way, a `Box<dyn std::error::Error + Send + Sync>` is not itself an error, and `?` does not take it (``the trait
/// `Sized` is not implemented``): [`.or_fail()?`](crate::OrFail) does, and with the feature `anyhow` also for `anyhow::Error`,
/// into which an `Error` then converts.
///
/// Kotlin: `Throwable`; here there is one type, which is asked what it is.
///
/// ```
/// use corox_core::{Error, Result};
///
/// fn parse(text: &str) -> Result<i32> {
///     Ok(text.parse::<i32>()?)
/// }
///
/// let error = parse("four").unwrap_err();
/// assert!(error.downcast_ref::<std::num::ParseIntError>().is_some());
/// assert!(!error.is_cancellation());
/// ```
#[derive(Clone)]
#[doc(alias = "Throwable")]
pub struct Error(Arc<Inner>);

struct Inner {
    kind: Kind,
    arose: &'static Location<'static>,
    awaited: Mutex<Awaited>,
    suppressed: Mutex<Vec<Error>>,
}

/// Where a failure came by, in order, each place once.
#[derive(Default)]
struct Awaited {
    places: Vec<&'static Location<'static>>,
    /// Further places that were not written down.
    more: usize,
}

/// How many places an error remembers.
const MOST_AWAITED: usize = 16;

// The same as for a job: nothing is half-changed by an unwinding.
impl RefUnwindSafe for Inner {}

enum Kind {
    Failure(Box<dyn StdError + Send + Sync>),
    #[cfg(feature = "anyhow")]
    Anyhow(anyhow::Error),
    Message(Cow<'static, str>),
    Panic {
        message: String,
        payload: Mutex<Option<Box<dyn Any + Send>>>,
    },
    Cancellation {
        message: Cow<'static, str>,
        cause: Option<Error>,
        /// The expiry of a `with_timeout`.
        timeout: bool,
        /// The job that was cancelled with it, once it has been used.
        origin: OnceLock<u64>,
    },
    /// The cancellation of another job that a body let escape.
    Escaped(Error),
    /// The expiry of a `with_timeout`, as its caller gets it: a failure.
    Timeout(Error),
}

impl Error {
    #[track_caller]
    fn from_kind(kind: Kind) -> Error {
        Error::at(Location::caller(), kind)
    }

    /// A failure that is only a message.
    ///
    /// Kotlin: `IllegalStateException(message)`, or whatever is thrown with a message.
    ///
    /// ```
    /// let error = corox_core::Error::msg(format!("no such key: {}", 7));
    /// assert_eq!(error.to_string(), "no such key: 7");
    /// ```
    #[track_caller]
    #[doc(alias = "IllegalStateException")]
    pub fn msg(message: impl Into<Cow<'static, str>>) -> Error {
        Error::from_kind(Kind::Message(message.into()))
    }

    /// A failure from a boxed error, or from anything that converts into one. A boxed `Error` is itself again.
    ///
    /// ```
    /// let boxed: Box<dyn std::error::Error + Send + Sync> = "boxed".into();
    /// assert_eq!(corox_core::Error::from_boxed(boxed).to_string(), "boxed");
    /// ```
    #[track_caller]
    pub fn from_boxed(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
        let error = error.into();
        if let Some(cancellation) = error.downcast_ref::<CancellationError>() {
            return cancellation.0.clone();
        }
        if let Some(cause) = protocol::carried(&*error) {
            return cause.clone();
        }
        match error.downcast_ref::<StdErrorOf>() {
            Some(own) => own.0.clone(),
            None => Error::from_kind(Kind::Failure(error)),
        }
    }

    #[cfg(feature = "anyhow")]
    #[track_caller]
    pub(crate) fn from_anyhow(error: anyhow::Error) -> Error {
        // Ours only if nothing is around it: with a context it is a failure of its own.
        let top: &(dyn StdError + 'static) = error.as_ref();
        if let Some(cancellation) = top.downcast_ref::<CancellationError>() {
            return cancellation.0.clone();
        }
        if let Some(cause) = protocol::carried(top) {
            return cause.clone();
        }
        match top.downcast_ref::<StdErrorOf>() {
            Some(own) => own.0.clone(),
            None => Error::from_kind(Kind::Anyhow(error)),
        }
    }

    /// A cancellation, to pass to [`Job::cancel_with`](crate::Job::cancel_with), or to return from a body that wants to
    /// end as cancelled.
    ///
    /// Kotlin: `CancellationException(message)`.
    ///
    /// ```
    /// let error = corox_core::Error::cancellation("not needed any more");
    /// assert!(error.is_cancellation());
    /// ```
    #[track_caller]
    #[doc(alias = "CancellationException")]
    pub fn cancellation(message: impl Into<Cow<'static, str>>) -> Error {
        Error::from_kind(Kind::Cancellation {
            message: message.into(),
            cause: None,
            timeout: false,
            origin: OnceLock::new(),
        })
    }

    /// A cancellation that has a failure as its cause.
    ///
    /// Kotlin: `CancellationException(message, cause)`.
    ///
    /// ```
    /// use corox_core::Error;
    /// let failure = Error::msg("disk full");
    /// let error = Error::cancellation_caused_by("upload stopped", failure.clone());
    /// assert!(error.cause().unwrap().ptr_eq(&failure));
    /// ```
    #[track_caller]
    pub fn cancellation_caused_by(message: impl Into<Cow<'static, str>>, cause: Error) -> Error {
        Error::from_kind(Kind::Cancellation {
            message: message.into(),
            cause: Some(cause),
            timeout: false,
            origin: OnceLock::new(),
        })
    }

    fn at(location: &'static Location<'static>, kind: Kind) -> Error {
        Error(Arc::new(Inner {
            kind,
            arose: location,
            awaited: Mutex::default(),
            suppressed: Mutex::new(Vec::new()),
        }))
    }

    /// A failure that is only a message, of code at `location`.
    pub(crate) fn at_location(
        message: impl Into<Cow<'static, str>>,
        location: &'static Location<'static>,
    ) -> Error {
        Error::at(location, Kind::Message(message.into()))
    }

    /// A cancellation, of code at `location`.
    pub(crate) fn at_cancellation(
        message: impl Into<Cow<'static, str>>,
        location: &'static Location<'static>,
    ) -> Error {
        let kind = Kind::Cancellation {
            message: message.into(),
            cause: None,
            timeout: false,
            origin: OnceLock::new(),
        };
        Error::at(location, kind)
    }

    /// The cancellation by a `with_timeout` at `location`.
    pub(crate) fn timeout(message: String, location: &'static Location<'static>) -> Error {
        let kind = Kind::Cancellation {
            message: message.into(),
            cause: None,
            timeout: true,
            origin: OnceLock::new(),
        };
        Error::at(location, kind)
    }

    /// The same as the failure that the caller gets.
    pub(crate) fn timed_out(cancellation: Error, location: &'static Location<'static>) -> Error {
        Error::at(location, Kind::Timeout(cancellation))
    }

    /// What a caught unwinding becomes, in a coroutine that was launched at `launched`.
    pub(crate) fn from_panic(
        payload: Box<dyn Any + Send>,
        launched: &'static Location<'static>,
    ) -> Error {
        let message = panic_message(&*payload);
        let kind = Kind::Panic {
            message,
            payload: Mutex::new(Some(payload)),
        };
        Error::at(launched, kind)
    }

    /// A cancellation of another job as the failure of the body that let it escape.
    #[track_caller]
    pub(crate) fn escaped(cancellation: Error) -> Error {
        Error::from_kind(Kind::Escaped(cancellation))
    }

    /// Whether this is a cancellation: a normal, quiet end that never fails a parent and is never reported.
    ///
    /// Kotlin: `is CancellationException`.
    #[must_use]
    pub fn is_cancellation(&self) -> bool {
        matches!(self.0.kind, Kind::Cancellation { .. })
    }

    /// Whether this is the expiry of a [`with_timeout`](crate::with_timeout).
    ///
    /// What `with_timeout` returns is one, and a failure; the scope inside sees a cancellation that is one.
    ///
    /// Kotlin: `is TimeoutCancellationException`, which is a cancellation there.
    ///
    /// ```
    /// use corox_core::{run_blocking, with_timeout};
    /// use std::time::Duration;
    ///
    /// let error = run_blocking(async |_| with_timeout(Duration::ZERO, async |_| Ok(())).await).unwrap_err();
    /// assert!(error.is_timeout() && !error.is_cancellation());
    /// ```
    #[must_use]
    #[doc(alias = "TimeoutCancellationException")]
    pub fn is_timeout(&self) -> bool {
        matches!(
            self.0.kind,
            Kind::Timeout(_) | Kind::Cancellation { timeout: true, .. }
        )
    }

    /// Whether this is a panic of a coroutine's body or of a destructor in it.
    ///
    /// ```
    /// use corox_core::{run_blocking, supervisor_scope};
    ///
    /// run_blocking(async |_| supervisor_scope(async |scope| {
    ///     let none: Vec<u32> = Vec::new();
    ///     let broken = scope.spawn(async move { Ok(none[0]) });
    ///     assert!(broken.await.unwrap_err().is_panic());
    ///     Ok(())
    /// }).await).unwrap();
    /// ```
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self.0.kind, Kind::Panic { .. })
    }

    /// Whether both are the same error (not merely equal ones): clones of one value.
    ///
    /// ```
    /// use corox_core::Error;
    ///
    /// let error = Error::msg("no");
    /// assert!(error.ptr_eq(&error.clone()));
    /// assert!(!error.ptr_eq(&Error::msg("no")));
    /// ```
    #[must_use]
    pub fn ptr_eq(&self, other: &Error) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The error of type `E` that this failure was made from; for one made from an `anyhow::Error`, the first of type `E` under
    /// its contexts.
    #[must_use]
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        match &self.0.kind {
            Kind::Failure(error) => error.downcast_ref(),
            #[cfg(feature = "anyhow")]
            Kind::Anyhow(error) => error.chain().find_map(|error| error.downcast_ref()),
            _ => None,
        }
    }

    /// The library error behind this one: the failure that led to a cancellation, the foreign cancellation that a body let
    /// escape, the cancellation that a time-out was inside its scope.
    ///
    /// Kotlin: `Throwable.cause`.
    ///
    /// ```
    /// use corox_core::{CompletableJob, Error};
    ///
    /// let job = CompletableJob::new();
    /// let child = CompletableJob::child_of(&job);
    /// let failure = Error::msg("disk full");
    /// job.fail(failure.clone());
    /// let cancelled = child.cause().unwrap();
    /// assert!(cancelled.is_cancellation() && cancelled.cause().unwrap().ptr_eq(&failure));
    /// ```
    #[must_use]
    pub fn cause(&self) -> Option<&Error> {
        match &self.0.kind {
            Kind::Cancellation { cause, .. } => cause.as_ref(),
            Kind::Escaped(cancellation) | Kind::Timeout(cancellation) => Some(cancellation),
            _ => None,
        }
    }

    /// Other failures of the same tree that came after this one, each once, in the order in which they arrived.
    ///
    /// Kotlin: `Throwable.suppressedExceptions`.
    ///
    /// ```
    /// use corox_core::{CoroutineStart, Error, run_blocking};
    ///
    /// let error = run_blocking(async |scope| {
    ///     scope.launch(async { Err::<(), _>(Error::msg("first")) });
    ///     // Begins to run even if it was cancelled before.
    ///     scope.start(CoroutineStart::Atomic).launch(async { Err::<(), _>(Error::msg("second")) });
    ///     Ok(())
    /// }).unwrap_err();
    /// assert_eq!(error.to_string(), "first");
    /// assert_eq!(error.suppressed()[0].to_string(), "second");
    /// ```
    #[must_use]
    #[doc(alias = "suppressedExceptions")]
    pub fn suppressed(&self) -> Vec<Error> {
        self.0.suppressed.lock().clone()
    }

    /// Where the error arose: the `?`, the constructor, or the launch of the coroutine that panicked.
    ///
    /// ```
    /// let line = line!() + 1;
    /// let error = corox_core::Error::msg("no");
    /// assert_eq!(error.location().line(), line);
    /// ```
    #[must_use]
    pub fn location(&self) -> &'static Location<'static> {
        self.0.arose
    }

    /// Where the failure was awaited on its way: the awaits of deferreds and the scopes, in order, each place once, the
    /// first 16 of them.
    ///
    /// Cancellations do not keep them.
    ///
    /// Kotlin: the recovered stack trace.
    ///
    /// ```
    /// use corox_core::{Error, run_blocking, supervisor_scope};
    ///
    /// let error = run_blocking(async |_| {
    ///     supervisor_scope(async |scope| {
    ///         scope.spawn(async { Err::<(), _>(Error::msg("no")) }).await
    ///     }).await
    /// }).unwrap_err();
    /// // The await of the deferred, the scope, the root.
    /// assert_eq!(error.awaited_at().len(), 3);
    /// ```
    #[must_use]
    pub fn awaited_at(&self) -> Vec<&'static Location<'static>> {
        self.0.awaited.lock().places.clone()
    }

    /// Notes that the failure was given to whoever awaits at `place`.
    pub(crate) fn note_awaited(&self, place: &'static Location<'static>) {
        if self.is_cancellation() {
            return;
        }
        let mut awaited = self.0.awaited.lock();
        if awaited.places.contains(&place) {
            return;
        }
        if awaited.places.len() < MOST_AWAITED {
            awaited.places.push(place);
        } else {
            awaited.more += 1;
        }
    }

    /// Attaches `other`, once by identity; an error never suppresses itself.
    pub(crate) fn add_suppressed(&self, other: Error) {
        if self.ptr_eq(&other) {
            return;
        }
        let mut suppressed = self.0.suppressed.lock();
        if !suppressed.iter().any(|known| known.ptr_eq(&other)) {
            suppressed.push(other);
        }
    }

    /// The payload of a panic, to resume its unwinding; `None` for everything else, and for every call but the first.
    pub(crate) fn take_panic(&self) -> Option<Box<dyn Any + Send>> {
        match &self.0.kind {
            Kind::Panic { payload, .. } => payload.lock().take(),
            _ => None,
        }
    }

    /// Notes the job that is cancelled with this error; the first one stays.
    pub(crate) fn set_origin(&self, job: u64) {
        if let Kind::Cancellation { origin, .. } = &self.0.kind {
            let _ = origin.set(job);
        }
    }

    /// The job that was cancelled with this error first.
    pub(crate) fn origin(&self) -> Option<u64> {
        match &self.0.kind {
            Kind::Cancellation { origin, .. } => origin
                .get()
                .copied()
                .filter(|&origin| origin != protocol::NO_JOB),
            _ => None,
        }
    }

    /// A value that implements `std::error::Error` and keeps identity and source chain, for `#[source]` and `#[from]`
    /// fields of your own error types.
    ///
    /// ```
    /// let source: Box<dyn std::error::Error + Send + Sync> = Box::new(corox_core::Error::msg("x").into_std());
    /// assert_eq!(source.to_string(), "x");
    /// ```
    #[must_use]
    pub fn into_std(self) -> StdErrorOf {
        StdErrorOf(self)
    }
}

/// The text of a panic's payload.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a value that is not a string".to_owned()
    }
}

/// The message; for a cancellation without the causes behind it.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&*self.0, f)
    }
}

/// The message, where the error arose and where it was awaited, its causes and its suppressed errors, a line each.
///
/// The nesting of suppressed errors is shown to a depth of 8.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.report(f, 0)
    }
}

impl Inner {
    fn report(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        let indent = "    ".repeat(depth);
        write!(f, "{self}\n{indent}    at {}", self.arose)?;
        let (awaited, more) = {
            let awaited = self.awaited.lock();
            (awaited.places.clone(), awaited.more)
        };
        for place in awaited {
            write!(f, "\n{indent}    awaited at {place}")?;
        }
        if more > 0 {
            write!(f, "\n{indent}    and at {more} more places")?;
        }
        let mut source = self.source();
        while let Some(cause) = source {
            write!(f, "\n{indent}caused by: {cause}")?;
            if let Some(own) = cause.downcast_ref::<Inner>() {
                write!(f, "\n{indent}    at {}", own.arose)?;
            }
            source = cause.source();
        }
        if depth < 8 {
            let suppressed = self.suppressed.lock().clone();
            for other in suppressed {
                write!(f, "\n{indent}    suppressed: ")?;
                other.0.report(f, depth + 1)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Failure(error) => fmt::Display::fmt(error, f),
            #[cfg(feature = "anyhow")]
            Kind::Anyhow(error) => fmt::Display::fmt(error, f),
            Kind::Message(message) => f.write_str(message),
            Kind::Panic { message, .. } => write!(f, "panicked: {message}"),
            Kind::Cancellation { message, .. } => f.write_str(message),
            Kind::Timeout(cancellation) => fmt::Display::fmt(cancellation, f),
            Kind::Escaped(cancellation) => {
                write!(f, "another coroutine was cancelled: {cancellation}")
            }
        }
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.report(f, 0)
    }
}

impl StdError for Inner {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.kind {
            Kind::Failure(error) => error.source(),
            #[cfg(feature = "anyhow")]
            Kind::Anyhow(error) => {
                let error: &(dyn StdError + 'static) = error.as_ref();
                error.source()
            }
            Kind::Cancellation {
                cause: Some(cause), ..
            }
            | Kind::Escaped(cause) => Some(&*cause.0),
            _ => None,
        }
    }
}
