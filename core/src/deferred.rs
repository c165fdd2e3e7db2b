//! Jobs with a result.

use std::any::Any;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use crate::error::{Error, Result};
use crate::exception_handler::report_uncaught;
use crate::frame;
use crate::job::{Job, Slot, Waiting, of_job};
use crate::probe;
use crate::shim::Mutex;

/// In place of the slot in a handle, which knows it by its job: `Send` and `Sync` as the slot is, for `T: Send`.
pub(crate) type Owns<T> = PhantomData<Arc<std::sync::Mutex<T>>>;

/// The result of a coroutine, inside its job.
pub(crate) struct ResultSlot<T> {
    value: Mutex<Value<T>>,
    /// Set before there can be a second reader; readers then get clones.
    clone: OnceLock<fn(&T) -> T>,
}

/// ```text
///           put           take
///   Empty -------> Here ---------> Taken
///                  |  ^
///            clone |  | back
///                  v  |
///                  Away
/// ```
enum Value<T> {
    Empty,
    Here(T),
    /// A reader clones it, outside the lock.
    Away,
    Taken,
}

/// What a reader finds.
enum Read<T> {
    Value(T),
    /// Another thread is cloning the value at this moment.
    Busy,
    Taken,
}

impl<T: Send + 'static> Slot for ResultSlot<T> {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn discard(&self, job: &Job) {
        let old = std::mem::replace(&mut *self.value.lock(), Value::Taken);
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(old))) {
            report_uncaught(job, &Error::from_panic(payload, job.location()));
        }
    }
}

impl<T> ResultSlot<T> {
    pub(crate) fn new() -> Self {
        ResultSlot {
            value: Mutex::new(Value::Empty),
            clone: OnceLock::new(),
        }
    }

    pub(crate) fn put(&self, value: T) {
        let old = std::mem::replace(&mut *self.value.lock(), Value::Here(value));
        drop(old);
    }

    pub(crate) fn share(&self)
    where
        T: Clone,
    {
        let _ = self.clone.set(T::clone);
    }

    fn read(&self) -> Read<T> {
        let clone = self.clone.get();
        let value = {
            let mut slot = self.value.lock();
            let left = match clone {
                Some(_) => Value::Away,
                None => Value::Taken,
            };
            match std::mem::replace(&mut *slot, left) {
                Value::Here(value) => value,
                other => {
                    let busy = matches!(other, Value::Away);
                    *slot = other;
                    return if busy { Read::Busy } else { Read::Taken };
                }
            }
        };
        let Some(clone) = clone else {
            return Read::Value(value);
        };
        let back = PutBack {
            slot: self,
            value: Some(value),
        };
        // If the clone panics, the guard puts the value back.
        match &back.value {
            Some(value) => Read::Value(clone(value)),
            None => Read::Taken,
        }
    }
}

struct PutBack<'a, T> {
    slot: &'a ResultSlot<T>,
    value: Option<T>,
}

impl<T> Drop for PutBack<'_, T> {
    fn drop(&mut self) {
        if let Some(value) = self.value.take() {
            self.slot.put(value);
        }
    }
}

/// The handle of a coroutine that gives a value: a [`Job`], to which it derefs, with a result.
///
/// `deferred.await` starts it if it is lazy, waits for it and gives `Ok(value)`, or `Err` with the failure or cancellation
/// that ended it. Awaiting a deferred that has ended gives the result at once, also in a cancelled coroutine; waiting for
/// one that has not is a point of cancellation.
///
/// The value is handed out by move to the only handle; if `T: Clone`, the deferred can be cloned or awaited by reference,
/// and each await gives a clone.
///
/// A failure is kept here *and* fails the parent; nothing is reported to an [`ExceptionHandler`](crate::ExceptionHandler).
/// Dropping a `Deferred` cancels nothing.
///
/// An `Err` that is a [cancellation](Error::is_cancellation) of the deferred counts as a failure of a coroutine that lets
/// it escape with `?`: the deferred was cancelled, the coroutine that awaits it was not.
///
/// Kotlin: `Deferred`.
///
/// # Cancel safety
///
/// Dropping the future of an await leaves the value with the deferred: await it again.
///
/// # Panics
///
/// Awaiting inside the very coroutine that is waited for, or in one below it, panics: it would wait for itself. So does the
/// await of a lazy one where [`Job::start`] would.
///
/// ```
/// use corox_core::run_blocking;
///
/// let sum = run_blocking(async |scope| {
///     let one = scope.spawn(async { Ok(1) });
///     let two = scope.spawn(async { Ok(2) });
///     assert!(two.job().is_active());
///     Ok(one.await? + two.await?)
/// }).unwrap();
/// assert_eq!(sum, 3);
/// ```
#[must_use = "a deferred that nobody awaits hides its result: `.await` it, or use `launch` for work without one"]
pub struct Deferred<T> {
    /// Its slot is a `ResultSlot<T>`.
    job: Job,
    result: Owns<T>,
}

impl<T: Send + 'static> Deferred<T> {
    /// A handle of `job`, whose slot must be a `ResultSlot<T>`.
    pub(crate) fn new(job: Job) -> Self {
        Deferred {
            job,
            result: PhantomData,
        }
    }

    fn slot(&self) -> &ResultSlot<T> {
        self.job.slot()
    }

    /// The job.
    #[must_use]
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// The result of a deferred that has ended; `None` while it has not.
    ///
    /// Kotlin: `Deferred.getCompleted`, which throws while it has not ended.
    ///
    /// # Errors
    ///
    /// Inside the `Some`: the failure or cancellation that ended it; an error that says so, if an await has taken the value.
    ///
    /// ```
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |scope| {
    ///     let deferred = scope.spawn(async { Ok(7) });
    ///     assert!(deferred.completed().is_none());
    ///     deferred.join().await;
    ///     assert_eq!(deferred.completed().unwrap()?, 7);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "getCompleted")]
    pub fn completed(&self) -> Option<Result<T>>
    where
        T: Clone,
    {
        if !self.job.is_completed() {
            return None;
        }
        self.slot().share();
        loop {
            match read_final(&self.job) {
                Some(result) => return Some(result),
                // Another thread is inside `T::clone`.
                None => std::thread::yield_now(),
            }
        }
    }

    /// The failure or cancellation of a deferred that has ended with one; `None` if it has not ended or ended normally.
    ///
    /// Kotlin: `Deferred.getCompletionExceptionOrNull`, which throws while it has not ended.
    ///
    /// ```
    /// use corox_core::{Error, run_blocking, supervisor_scope};
    ///
    /// run_blocking(async |_| supervisor_scope(async |scope| {
    ///     let failed = scope.spawn(async { Err::<(), _>(Error::msg("no")) });
    ///     assert!(failed.completion_error().is_none()); // it has not ended
    ///     failed.join().await;
    ///     assert_eq!(failed.completion_error().unwrap().to_string(), "no");
    ///     Ok(())
    /// }).await).unwrap();
    /// ```
    #[must_use]
    #[doc(alias = "getCompletionExceptionOrNull")]
    pub fn completion_error(&self) -> Option<Error> {
        self.job
            .is_completed()
            .then(|| self.job.final_cause())
            .flatten()
    }
}

/// Another handle of the same deferred; from now on each await gives a clone of the value.
impl<T: Clone + Send + 'static> Clone for Deferred<T> {
    fn clone(&self) -> Self {
        self.slot().share();
        Deferred::new(self.job.clone())
    }
}

impl<T> Deref for Deferred<T> {
    type Target = Job;
    fn deref(&self) -> &Job {
        &self.job
    }
}

impl<T> AsRef<Job> for Deferred<T> {
    fn as_ref(&self) -> &Job {
        &self.job
    }
}

impl<T> fmt::Debug for Deferred<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.job, f)
    }
}

/// The result of a job that is final; `None` if another thread is cloning it.
pub(crate) fn read_final<T: Send + 'static>(job: &Job) -> Option<Result<T>> {
    if let Some(cause) = job.final_cause() {
        return Some(Err(cause));
    }
    match job.slot::<ResultSlot<T>>().read() {
        Read::Value(value) => Some(Ok(value)),
        Read::Busy => None,
        Read::Taken => Some(Err(Error::msg(format!(
            "the value of {job} was taken by an earlier await; clone the deferred before if several are to get it"
        )))),
    }
}

/// The future of awaiting a [`Deferred`].
#[must_use = "nobody waits until it is awaited: `.await`"]
pub struct Await<T> {
    /// Its slot is a `ResultSlot<T>`.
    job: Job,
    result: Owns<T>,
    waiting: Waiting,
    reason: probe::WaitReason,
    started: bool,
}

impl<T> Await<T> {
    #[track_caller]
    fn new(job: Job) -> Self {
        Await::at(Location::caller(), job)
    }

    fn at(location: &'static Location<'static>, job: Job) -> Self {
        Await {
            job,
            result: PhantomData,
            waiting: Waiting::default(),
            reason: probe::WaitReason::at(&probe::Reason("await"), location).by_coroutines(),
            started: false,
        }
    }

    pub(crate) fn job(&self) -> &Job {
        &self.job
    }
}

/// `deferred` awaited at `location`.
pub fn await_at<T: Send + 'static>(
    location: &'static Location<'static>,
    deferred: Deferred<T>,
) -> Await<T> {
    Await::at(location, deferred.job)
}

impl<T> fmt::Debug for Await<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Await").field(&self.job).finish()
    }
}

impl<T> Unpin for Await<T> {}

impl<T> Drop for Await<T> {
    fn drop(&mut self) {
        self.waiting.end(&self.job);
    }
}

impl<T: Send + 'static> Future for Await<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        let this = &mut *self;
        if !this.started {
            this.started = true;
            this.job.start();
            // A result that is there is given without a look at the caller's job (J-21).
            if !this.job.is_completed() {
                frame::check_wait_for(&this.job, this.reason.location());
            }
        }
        match this.waiting.poll(&this.job, cx) {
            Poll::Ready(()) => match read_final(&this.job) {
                Some(result) => {
                    this.reason.end();
                    if let Err(error) = &result {
                        error.note_awaited(this.reason.location());
                    }
                    Poll::Ready(result)
                }
                None => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
            },
            Poll::Pending => {
                this.reason.note_for(|| of_job(&this.job));
                Poll::Pending
            }
        }
    }
}

/// Awaits the value, by move if this is the only handle; see [the type](Deferred#cancel-safety).
///
/// Kotlin: `Deferred.await`.
impl<T: Send + 'static> IntoFuture for Deferred<T> {
    type Output = Result<T>;
    type IntoFuture = Await<T>;

    #[track_caller]
    fn into_future(self) -> Await<T> {
        Await::new(self.job)
    }
}

/// Awaits a clone of the value; otherwise as by value.
impl<T: Clone + Send + 'static> IntoFuture for &Deferred<T> {
    type Output = Result<T>;
    type IntoFuture = Await<T>;

    #[track_caller]
    fn into_future(self) -> Await<T> {
        self.slot().share();
        Await::new(self.job.clone())
    }
}
