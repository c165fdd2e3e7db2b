//! What a callback resumes: the one-shot cell between `suspend_cancellable` and those who hold the continuation.
//!
//! ```text
//!            resume, fail, last handle dropped            polled
//!  Waiting ------------------------------------> Resumed --------> Taken
//!     |                                             |
//!     | cancel, future dropped                      | future dropped (the value goes to its undo)
//!     v                                             v
//!  Cancelled -- one late resume --> Ignored <-------+
//! ```
//!
//! In a coroutine that is cancelled already it begins as `Cancelled`. A poll in a coroutine that is not cancelled gives the
//! cause of a `Cancelled` or `Ignored` one, and leaves the state.
//!
//! The lock is a leaf: wakers, handlers, undo callbacks and values are called and dropped after it is released.

use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::error::{Error, Result};
use crate::exception_handler::report_lost;
use crate::job::Job;
use crate::shim::Mutex;

type Handler = Box<dyn FnOnce(&Error) + Send>;
type Undo<T> = Box<dyn FnOnce(&Error, T) + Send>;

enum State<T> {
    Waiting(Option<Waker>),
    Resumed(Result<T>, Option<Undo<T>>),
    Taken,
    Cancelled(Error),
    /// Cancelled, and resumed once after that or before it.
    Ignored(Error),
}

/// What both sides share.
pub(crate) struct Cell<T> {
    inner: Mutex<Inner<T>>,
    location: &'static Location<'static>,
    /// The coroutine that waits, to report in its name.
    job: Option<Job>,
}

/// What a second resume gets back.
struct Refused<T> {
    result: Result<T>,
    cancelled: bool,
}

struct Inner<T> {
    state: State<T>,
    handler: Option<Handler>,
    has_handler: bool,
}

impl<T> Cell<T> {
    /// A cell that waits, or is `cancelled` already.
    pub(crate) fn new(
        job: Option<Job>,
        location: &'static Location<'static>,
        cancelled: Option<Error>,
    ) -> Arc<Self> {
        let state = match cancelled {
            Some(cause) => State::Cancelled(cause),
            None => State::Waiting(None),
        };
        Arc::new(Cell {
            inner: Mutex::new(Inner {
                state,
                handler: None,
                has_handler: false,
            }),
            location,
            job,
        })
    }

    /// Takes the outcome, or leaves the waker. `cancelled`: the caller is, and must not get a value (J-31).
    pub(crate) fn poll(&self, cx: &mut Context<'_>, cancelled: bool) -> Poll<Result<T>> {
        let waker = cx.waker().clone();
        let (outcome, old) = {
            let mut inner = self.inner.lock();
            match &mut inner.state {
                State::Waiting(slot) => (None, slot.replace(waker)),
                State::Resumed(Ok(_), _) if cancelled => (None, Some(waker)),
                State::Resumed(..) => {
                    let outcome = std::mem::replace(&mut inner.state, State::Taken);
                    let handler = inner.handler.take();
                    (Some((outcome, handler)), Some(waker))
                }
                // By `cancel` of the continuation; a cancelled coroutine is dropped here.
                State::Cancelled(cause) | State::Ignored(cause) if !cancelled => {
                    let cause = Err(cause.clone());
                    (Some((State::Resumed(cause, None), None)), Some(waker))
                }
                State::Cancelled(_) | State::Ignored(_) | State::Taken => (None, Some(waker)),
            }
        };
        drop(old);
        match outcome {
            Some((State::Resumed(result, undo), handler)) => {
                drop((undo, handler));
                Poll::Ready(result)
            }
            _ => Poll::Pending,
        }
    }

    fn resume(&self, result: Result<T>, undo: Option<Undo<T>>) -> Result<(), Refused<T>> {
        let waker = {
            let mut inner = self.inner.lock();
            match &mut inner.state {
                State::Waiting(waker) => {
                    let waker = waker.take();
                    inner.state = State::Resumed(result, undo);
                    waker
                }
                State::Cancelled(cause) => {
                    let cause = cause.clone();
                    inner.state = State::Ignored(cause.clone());
                    drop(inner);
                    self.discard(&cause, None, result, undo);
                    return Ok(());
                }
                State::Ignored(_) => {
                    return Err(Refused {
                        result,
                        cancelled: true,
                    });
                }
                State::Resumed(..) | State::Taken => {
                    return Err(Refused {
                        result,
                        cancelled: false,
                    });
                }
            }
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Cancels a suspension that nobody has resumed: `false` if it was over.
    fn cancel(&self, cause: Error) -> bool {
        let (handler, waker) = {
            let mut inner = self.inner.lock();
            let State::Waiting(waker) = &mut inner.state else {
                return false;
            };
            let waker = waker.take();
            inner.state = State::Cancelled(cause.clone());
            (inner.handler.take(), waker)
        };
        if let Some(handler) = handler {
            self.guarded(|| handler(&cause));
        }
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    /// The future is dropped before it gave an outcome.
    pub(crate) fn abandon(&self, cause: Error) {
        let (old, handler) = {
            let mut inner = self.inner.lock();
            let next = match &inner.state {
                State::Waiting(_) => State::Cancelled(cause.clone()),
                State::Resumed(..) => State::Ignored(cause.clone()),
                State::Taken | State::Cancelled(_) | State::Ignored(_) => return,
            };
            let old = std::mem::replace(&mut inner.state, next);
            (old, inner.handler.take())
        };
        match old {
            State::Resumed(result, undo) => self.discard(&cause, handler, result, undo),
            _ => {
                if let Some(handler) = handler {
                    self.guarded(|| handler(&cause));
                }
            }
        }
    }

    /// A result that a cancellation overtook: first the handler, then the undo with the value (J-32).
    fn discard(
        &self,
        cause: &Error,
        handler: Option<Handler>,
        result: Result<T>,
        undo: Option<Undo<T>>,
    ) {
        if let Some(handler) = handler {
            self.guarded(|| handler(cause));
        }
        self.guarded(|| match (result, undo) {
            (Ok(value), Some(undo)) => undo(cause, value),
            (result, undo) => drop((result, undo)),
        });
    }

    /// The last handle has gone: without a resume nobody can ever wake the coroutine.
    fn orphan(&self) {
        let waker = {
            let mut inner = self.inner.lock();
            let State::Waiting(waker) = &mut inner.state else {
                return;
            };
            let waker = waker.take();
            let error = Error::at_location(
                "the continuation was dropped by all who held it, and never resumed",
                self.location,
            );
            inner.state = State::Resumed(Err(error), None);
            waker
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Runs a callback of the user; its panic is reported.
    fn guarded(&self, call: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(call)) {
            let error = Error::from_panic(payload, self.location);
            report_lost(self.job.as_ref(), &error);
        }
    }
}

/// What the handles share: goes with the last of them.
struct Handles<T>(Arc<Cell<T>>);

impl<T> Drop for Handles<T> {
    fn drop(&mut self) {
        self.0.orphan();
    }
}

/// Resumes a coroutine that is suspended in [`suspend_cancellable`](crate::suspend_cancellable), once.
///
/// Clones are handles of the same continuation, for interfaces that take a callback for success and one for failure. When
/// all are dropped without a resume the coroutine gets an error that says so. A handler of
/// [`on_cancellation`](CancellableContinuation::on_cancellation) that holds a clone is kept until the coroutine is resumed or
/// cancelled, and so rules that error out.
///
/// Kotlin: `CancellableContinuation`.
///
/// ```
/// use corox_core::{run_blocking, suspend_cancellable};
///
/// let n = run_blocking(async |_| {
///     suspend_cancellable(|continuation| {
///         assert!(continuation.is_active());
///         assert!(continuation.resume(7).is_ok());
///         assert!(continuation.is_completed() && !continuation.is_cancelled());
///         assert!(continuation.resume(8).is_err());
///     }).await
/// }).unwrap();
/// assert_eq!(n, 7);
/// ```
pub struct CancellableContinuation<T>(Arc<Handles<T>>);

impl<T> Clone for CancellableContinuation<T> {
    fn clone(&self) -> Self {
        CancellableContinuation(self.0.clone())
    }
}

impl<T: Send> CancellableContinuation<T> {
    pub(crate) fn new(cell: Arc<Cell<T>>) -> Self {
        CancellableContinuation(Arc::new(Handles(cell)))
    }

    fn cell(&self) -> &Cell<T> {
        &self.0.0
    }

    /// Resumes the coroutine with `value`.
    ///
    /// If the coroutine is cancelled before it runs again, the value is dropped;
    /// [`resume_or_undo`](CancellableContinuation::resume_or_undo) is the form for values that must not be just dropped. One
    /// resume after a cancellation is accepted and ignored, for who resumes cannot know.
    ///
    /// Kotlin: `CancellableContinuation.resume`.
    ///
    /// # Errors
    ///
    /// The value, if the continuation was resumed before.
    pub fn resume(&self, value: T) -> Result<(), ResumeError<T>> {
        self.hand_over(Ok(value), None)
            .map_err(|(value, cancelled)| ResumeError { value, cancelled })
    }

    /// As [`resume`](CancellableContinuation::resume), with what is to be done if a cancellation keeps the value from the
    /// coroutine.
    ///
    /// `undo` is then called with the cause and the value, after the handler of
    /// [`on_cancellation`](CancellableContinuation::on_cancellation).
    ///
    /// It runs on the thread that drops the coroutine's body, or on this one if the coroutine was cancelled before. A panic of
    /// `undo` is reported as uncaught.
    ///
    /// Kotlin: `CancellableContinuation.resume` with `onCancellation`.
    ///
    /// # Errors
    ///
    /// The value, if the continuation was resumed before; `undo` is then not called.
    ///
    /// ```
    /// use corox_core::{run_blocking, suspend_cancellable};
    /// use std::sync::mpsc;
    ///
    /// run_blocking(async |scope| {
    ///     let (send, receive) = tokio::sync::oneshot::channel();
    ///     let job = scope.launch(async {
    ///         let _file: String = suspend_cancellable(|continuation| {
    ///             let _ = send.send(continuation);
    ///         }).await?;
    ///         Ok(())
    ///     });
    ///     let (undone, back) = mpsc::channel();
    ///     let continuation = receive.await?;
    ///     continuation.resume_or_undo("open file".to_owned(), move |_cause, file| undone.send(file).unwrap())?;
    ///     job.cancel_and_join().await; // before it has run again
    ///     assert_eq!(back.try_recv()?, "open file");
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "onCancellation")]
    pub fn resume_or_undo(
        &self,
        value: T,
        undo: impl FnOnce(&Error, T) + Send + 'static,
    ) -> Result<(), ResumeError<T>> {
        self.hand_over(Ok(value), Some(Box::new(undo)))
            .map_err(|(value, cancelled)| ResumeError { value, cancelled })
    }

    fn hand_over(&self, result: Result<T>, undo: Option<Undo<T>>) -> Result<(), (T, bool)> {
        match self.cell().resume(result, undo) {
            Err(Refused {
                result: Ok(value),
                cancelled,
            }) => Err((value, cancelled)),
            _ => Ok(()),
        }
    }

    /// Resumes the coroutine with a failure: `suspend_cancellable` returns it.
    ///
    /// A failure is not overtaken by a cancellation that comes after it, unless the body is dropped.
    ///
    /// Kotlin: `CancellableContinuation.resumeWithException`.
    ///
    /// # Errors
    ///
    /// The error, if the continuation was resumed before.
    ///
    /// ```
    /// use corox_core::{Error, run_blocking, suspend_cancellable};
    ///
    /// let error = run_blocking(async |_| {
    ///     suspend_cancellable::<(), _>(|continuation| {
    ///         let _ = continuation.fail(Error::msg("refused"));
    ///     }).await
    /// }).unwrap_err();
    /// assert_eq!(error.to_string(), "refused");
    /// ```
    #[track_caller]
    #[doc(alias = "resumeWithException")]
    pub fn fail(&self, error: impl Into<Error>) -> Result<(), ResumeError<Error>> {
        match self.cell().resume(Err(error.into()), None) {
            Err(Refused {
                result: Err(value),
                cancelled,
            }) => Err(ResumeError { value, cancelled }),
            _ => Ok(()),
        }
    }

    /// Resumes with the result of an operation: [`resume`](CancellableContinuation::resume) or
    /// [`fail`](CancellableContinuation::fail).
    ///
    /// Kotlin: `Continuation.resumeWith`.
    ///
    /// # Errors
    ///
    /// The result, if the continuation was resumed before.
    ///
    /// ```
    /// use corox_core::{run_blocking, suspend_cancellable};
    ///
    /// let n: i32 = run_blocking(async |_| {
    ///     suspend_cancellable(|continuation| {
    ///         let _ = continuation.resume_with("7".parse());
    ///     }).await
    /// }).unwrap();
    /// assert_eq!(n, 7);
    /// ```
    #[track_caller]
    #[doc(alias = "resumeWith")]
    pub fn resume_with<E: Into<Error>>(
        &self,
        result: std::result::Result<T, E>,
    ) -> Result<(), ResumeError<Result<T>>> {
        // Not `map_err`: the error notes the caller's line.
        let result = match result {
            Ok(value) => Ok(value),
            Err(error) => Err(error.into()),
        };
        self.cell().resume(result, None).map_err(|refused| {
            let Refused { result, cancelled } = refused;
            ResumeError {
                value: result,
                cancelled,
            }
        })
    }

    /// Cancels this suspension alone, not the coroutine: the handler is called, and `suspend_cancellable` returns `cause`.
    ///
    /// `false` if it was resumed or cancelled before.
    ///
    /// Kotlin: `CancellableContinuation.cancel`.
    ///
    /// ```
    /// use corox_core::{Error, is_active, run_blocking, suspend_cancellable};
    ///
    /// run_blocking(async |_| {
    ///     let outcome = suspend_cancellable::<(), _>(|continuation| {
    ///         assert!(continuation.cancel(Error::cancellation("not needed")));
    ///     }).await;
    ///     assert!(outcome.unwrap_err().is_cancellation() && is_active());
    ///     Ok(())
    /// }).unwrap();
    /// ```
    pub fn cancel(&self, cause: Error) -> bool {
        self.cell().cancel(cause)
    }

    /// Has `handler` called once if the suspension is cancelled, also between the resume and the coroutine's next turn: to
    /// take back what was begun.
    ///
    /// At once, if it is cancelled already.
    ///
    /// It is called with the cause, on the thread that drops the coroutine's body or calls
    /// [`cancel`](CancellableContinuation::cancel). It should be quick and not block; a panic is reported as uncaught.
    ///
    /// Kotlin: `CancellableContinuation.invokeOnCancellation`.
    ///
    /// # Panics
    ///
    /// If there is a handler already: put both into one closure.
    ///
    /// ```
    /// use corox_core::{run_blocking, suspend_cancellable};
    /// use std::sync::mpsc;
    ///
    /// run_blocking(async |scope| {
    ///     let (send, receive) = tokio::sync::oneshot::channel();
    ///     let (stop, stopped) = mpsc::channel();
    ///     let job = scope.launch(async {
    ///         suspend_cancellable::<(), _>(|continuation| {
    ///             continuation.on_cancellation(move |_cause| stop.send("stop").unwrap());
    ///             let _ = send.send(continuation);
    ///         }).await
    ///     });
    ///     let _operation = receive.await?; // has the continuation
    ///     job.cancel_and_join().await;
    ///     assert_eq!(stopped.try_recv()?, "stop");
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[track_caller]
    #[doc(alias = "invokeOnCancellation")]
    pub fn on_cancellation(&self, handler: impl FnOnce(&Error) + Send + 'static) {
        let cell = self.cell();
        let mut handler: Option<Handler> = Some(Box::new(handler));
        let (second, cause) = {
            let mut inner = cell.inner.lock();
            let second = std::mem::replace(&mut inner.has_handler, true);
            let cause = match &inner.state {
                _ if second => None,
                State::Waiting(_) | State::Resumed(..) => {
                    inner.handler = handler.take();
                    None
                }
                State::Cancelled(cause) | State::Ignored(cause) => Some(cause.clone()),
                State::Taken => None,
            };
            (second, cause)
        };
        assert!(
            !second,
            "a continuation has one handler of `on_cancellation`, and this one has it already; put both into one closure"
        );
        if let (Some(cause), Some(handler)) = (cause, handler) {
            cell.guarded(|| handler(&cause));
        }
    }

    /// Whether it still waits to be resumed.
    ///
    /// Kotlin: `CancellableContinuation.isActive`.
    #[must_use]
    #[doc(alias = "isActive")]
    pub fn is_active(&self) -> bool {
        matches!(self.cell().inner.lock().state, State::Waiting(_))
    }

    /// Whether it was resumed or cancelled.
    ///
    /// Kotlin: `CancellableContinuation.isCompleted`.
    #[must_use]
    #[doc(alias = "isCompleted")]
    pub fn is_completed(&self) -> bool {
        !self.is_active()
    }

    /// Whether it was cancelled: by [`cancel`](CancellableContinuation::cancel), or because the coroutine's body was dropped.
    ///
    /// Kotlin: `CancellableContinuation.isCancelled`.
    #[must_use]
    #[doc(alias = "isCancelled")]
    pub fn is_cancelled(&self) -> bool {
        let inner = self.cell().inner.lock();
        matches!(inner.state, State::Cancelled(_) | State::Ignored(_))
    }
}

impl<T> fmt::Debug for CancellableContinuation<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.0.0.inner.lock().state {
            State::Waiting(_) => "waiting",
            State::Resumed(..) | State::Taken => "resumed",
            State::Cancelled(_) | State::Ignored(_) => "cancelled",
        };
        f.debug_struct("CancellableContinuation")
            .field("state", &state)
            .field("location", &format_args!("{}", self.0.0.location))
            .finish()
    }
}

/// A continuation was resumed a second time; has what it was resumed with.
///
/// Kotlin: the `IllegalStateException` of a second resume.
///
/// ```
/// use corox_core::{run_blocking, suspend_cancellable};
///
/// run_blocking(async |_| {
///     suspend_cancellable(|continuation| {
///         assert!(continuation.resume("first").is_ok());
///         let refused = continuation.resume("second").unwrap_err();
///         assert!(!refused.was_cancelled());
///         assert_eq!(refused.into_inner(), "second");
///     }).await
/// }).unwrap();
/// ```
pub struct ResumeError<V> {
    value: V,
    cancelled: bool,
}

impl<V> ResumeError<V> {
    /// What was not taken.
    pub fn into_inner(self) -> V {
        self.value
    }

    /// Whether the suspension was cancelled in between.
    #[must_use]
    pub fn was_cancelled(&self) -> bool {
        self.cancelled
    }
}

impl<V> fmt::Display for ResumeError<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.cancelled {
            "the continuation was resumed before, and cancelled"
        } else {
            "the continuation was resumed before"
        })
    }
}

impl<V> fmt::Debug for ResumeError<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResumeError")
            .field("cancelled", &self.cancelled)
            .finish_non_exhaustive()
    }
}

impl<V> std::error::Error for ResumeError<V> {}
