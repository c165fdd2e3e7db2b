//! Jobs without a body, which are completed by a call (J-35, J-36).

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::Location;

use crate::deferred::{Await, Deferred, Owns, ResultSlot};
use crate::error::{Error, Result};
use crate::frame;
use crate::job::{Attached, BODY_ENDED, CANCELLING, Job, JobCell, Kind, Slot};
use crate::job_context::JobContext;

fn body_less<S: Slot>(
    slot: S,
    kind: Kind,
    parent: Option<&Job>,
    location: &'static Location<'static>,
) -> Job {
    let context = match parent {
        Some(parent) => parent.context().clone(),
        None => frame::with_current(|frame| frame.map(|frame| frame.job().context().clone()))
            .unwrap_or_else(JobContext::own),
    };
    attach(slot, kind, context, parent, location)
}

/// A body-less job without parent in the given context.
pub(crate) fn body_less_in(
    context: JobContext,
    kind: Kind,
    location: &'static Location<'static>,
) -> Job {
    attach((), kind, context, None, location)
}

fn attach<S: Slot>(
    slot: S,
    kind: Kind,
    context: JobContext,
    parent: Option<&Job>,
    location: &'static Location<'static>,
) -> Job {
    let (cell, attached) = JobCell::attach(slot, kind, context, parent, location);
    let job = Job(cell);
    if let Attached::Refused(cause) = attached {
        job.cancel_tree(cause);
    }
    job
}

/// A job without a body: active until it is completed, failed or cancelled by a call, and until its children have ended.
///
/// Derefs to [`Job`]. As a parent (`scope.with(job)`, [`Job`] is a context element) it groups coroutines. It does not
/// complete by itself, not even when its last handle is dropped: complete or cancel it, or a scope that has one as a child
/// waits for it, and one that has children is never freed.
///
/// A failure of a child cancels it. It does not *handle* the failure: the child reports it to its
/// [`ExceptionHandler`](crate::ExceptionHandler), unless some coroutine above the job accepts it.
///
/// Kotlin: `CompletableJob`; the function `Job()`.
///
/// ```
/// use corox_core::{CompletableJob, run_blocking};
///
/// run_blocking(async |scope| {
///     let group = CompletableJob::child_of(scope.job());
///     scope.with(&*group).launch(async {});
///     assert!(group.complete());
///     group.join().await;
///     Ok(())
/// }).unwrap();
/// ```
#[derive(Clone)]
#[doc(alias = "Job")]
pub struct CompletableJob(Job);

impl CompletableJob {
    /// A job without parent.
    ///
    /// Kotlin: `Job()`.
    ///
    /// ```
    /// use corox_core::CompletableJob;
    ///
    /// let job = CompletableJob::new();
    /// assert!(job.is_active() && job.parent().is_none());
    /// job.complete();
    /// assert!(job.is_completed());
    /// ```
    #[track_caller]
    #[must_use]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        CompletableJob(body_less((), Kind::JobImpl, None, Location::caller()))
    }

    /// A child of `parent`, which waits for it and cancels it.
    ///
    /// Kotlin: `Job(parent)`.
    #[track_caller]
    #[must_use]
    pub fn child_of(parent: &Job) -> Self {
        CompletableJob(body_less(
            (),
            Kind::JobImpl,
            Some(parent),
            Location::caller(),
        ))
    }

    /// Completes the job: `true` for the one call that did it, `false` if it was completed or cancelled before.
    ///
    /// It is final once its children have ended; until then it takes further children and can be cancelled.
    ///
    /// Kotlin: `CompletableJob.complete`.
    pub fn complete(&self) -> bool {
        self.0.end_body_less_unless(CANCELLING, || ())
    }

    /// Fails the job, which cancels its children and fails its parent.
    ///
    /// `true` for the one call that did it, `false` if it was completed or cancelled before. A cancellation as `error`
    /// cancels the job and leaves the parent alone.
    ///
    /// Kotlin: `CompletableJob.completeExceptionally`.
    ///
    /// ```
    /// use corox_core::{CompletableJob, Error};
    ///
    /// let job = CompletableJob::new();
    /// assert!(job.fail(Error::msg("out of paper")));
    /// assert!(!job.complete());
    /// assert_eq!(job.cause().unwrap().to_string(), "out of paper");
    /// ```
    #[doc(alias = "completeExceptionally")]
    pub fn fail(&self, error: impl Into<Error>) -> bool {
        self.0
            .cancel_tree_unless(error.into(), CANCELLING | BODY_ENDED)
    }
}

impl Deref for CompletableJob {
    type Target = Job;
    fn deref(&self) -> &Job {
        &self.0
    }
}

impl AsRef<Job> for CompletableJob {
    fn as_ref(&self) -> &Job {
        &self.0
    }
}

impl fmt::Debug for CompletableJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// As the parent of what is launched with it.
impl From<CompletableJob> for crate::CoroutineContext {
    fn from(job: CompletableJob) -> Self {
        job.0.into()
    }
}

/// A [`CompletableJob`] whose children fail alone: a failure of a child neither cancels it nor the other children, and goes
/// to the child's [`ExceptionHandler`](crate::ExceptionHandler).
///
/// Its own failure does go to its parent.
///
/// Kotlin: `SupervisorJob`.
///
/// ```
/// use corox_core::{Error, ExceptionHandler, SupervisorJob, run_blocking};
///
/// run_blocking(async |scope| {
///     let supervisor = SupervisorJob::child_of(scope.job());
///     let quiet = ExceptionHandler::new(|_, _| {});
///     let failing = scope.with(quiet + supervisor.job().clone()).launch(async { Err::<(), _>(Error::msg("one")) });
///     failing.join().await;
///     assert!(supervisor.is_active());
///     supervisor.complete();
///     Ok(())
/// }).unwrap();
/// ```
#[derive(Clone)]
pub struct SupervisorJob(CompletableJob);

impl SupervisorJob {
    /// A supervisor without parent.
    ///
    /// Kotlin: `SupervisorJob()`.
    ///
    /// ```
    /// use corox_core::{CoroutineScope, Error, SupervisorJob, run_blocking};
    ///
    /// let supervisor = SupervisorJob::new();
    /// let scope = CoroutineScope::new(supervisor.clone());
    /// let bad = scope.spawn(async { Err::<(), _>(Error::msg("no")) });
    /// let good = scope.spawn(async { Ok(1) });
    /// run_blocking(async |_| {
    ///     assert!(bad.await.is_err());
    ///     assert_eq!(good.await?, 1);
    ///     Ok(())
    /// }).unwrap();
    /// assert!(supervisor.is_active());
    /// supervisor.complete();
    /// ```
    #[track_caller]
    #[must_use]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        let kind = Kind::SupervisorJobImpl;
        SupervisorJob(CompletableJob(body_less(
            (),
            kind,
            None,
            Location::caller(),
        )))
    }

    /// A child of `parent`, which waits for it and cancels it.
    ///
    /// Kotlin: `SupervisorJob(parent)`.
    #[track_caller]
    #[must_use]
    pub fn child_of(parent: &Job) -> Self {
        let kind = Kind::SupervisorJobImpl;
        SupervisorJob(CompletableJob(body_less(
            (),
            kind,
            Some(parent),
            Location::caller(),
        )))
    }

    /// The job.
    #[must_use]
    pub fn job(&self) -> &Job {
        &self.0
    }
}

impl Deref for SupervisorJob {
    type Target = CompletableJob;
    fn deref(&self) -> &CompletableJob {
        &self.0
    }
}

impl AsRef<Job> for SupervisorJob {
    fn as_ref(&self) -> &Job {
        &self.0
    }
}

impl fmt::Debug for SupervisorJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// As the parent of what is launched with it.
impl From<SupervisorJob> for crate::CoroutineContext {
    fn from(job: SupervisorJob) -> Self {
        job.0.into()
    }
}

/// A deferred that is completed by a call; clones are handles of the same one.
///
/// Derefs to [`Job`]. If `T: Clone` it is awaited itself, or by reference; otherwise take the one [`Deferred`] with
/// [`into_deferred`](CompletableDeferred::into_deferred).
///
/// Kotlin: `CompletableDeferred`.
///
/// ```
/// use corox_core::{CompletableDeferred, run_blocking};
///
/// let answer = run_blocking(async |scope| {
///     let promise = CompletableDeferred::new();
///     let giver = promise.clone();
///     scope.launch(async move { giver.complete(42); });
///     let answer = (&promise).await?;
///     assert!(promise.job().is_completed());
///     Ok(answer)
/// }).unwrap();
/// assert_eq!(answer, 42);
/// ```
pub struct CompletableDeferred<T> {
    /// Its slot is a `ResultSlot<T>`.
    job: Job,
    result: Owns<T>,
}

impl<T: Send + 'static> CompletableDeferred<T> {
    fn make(parent: Option<&Job>, location: &'static Location<'static>) -> Self {
        let kind = Kind::CompletableDeferred;
        CompletableDeferred {
            job: body_less(ResultSlot::<T>::new(), kind, parent, location),
            result: PhantomData,
        }
    }

    fn slot(&self) -> &ResultSlot<T> {
        self.job.slot()
    }

    /// A deferred without parent.
    ///
    /// Kotlin: `CompletableDeferred()`.
    #[track_caller]
    #[must_use]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self::make(None, Location::caller())
    }

    /// A child of `parent`, which waits for it and cancels it; a failure of it fails `parent`.
    ///
    /// Kotlin: `CompletableDeferred(parent)`.
    ///
    /// ```
    /// use corox_core::{CompletableDeferred, Error, run_blocking};
    ///
    /// let error = run_blocking(async |scope| {
    ///     let promise = CompletableDeferred::<i32>::child_of(scope.job());
    ///     promise.fail(Error::msg("no answer"));
    ///     Ok(())
    /// }).unwrap_err();
    /// assert_eq!(error.to_string(), "no answer");
    /// ```
    #[track_caller]
    #[must_use]
    pub fn child_of(parent: &Job) -> Self {
        Self::make(Some(parent), Location::caller())
    }

    /// One that is complete already.
    ///
    /// Kotlin: `CompletableDeferred(value)`.
    ///
    /// ```
    /// use corox_core::{CompletableDeferred, run_blocking};
    /// assert_eq!(run_blocking(async |_| CompletableDeferred::ready(1).await).unwrap(), 1);
    /// ```
    #[track_caller]
    #[must_use]
    pub fn ready(value: T) -> Self {
        let this = Self::make(None, Location::caller());
        this.complete(value);
        this
    }

    /// Completes it with `value`: `true` for the one call that did it.
    ///
    /// If it has children it waits for them, and a cancellation or a failure of a child in between takes the place of the
    /// value. A refused value is dropped.
    ///
    /// Kotlin: `CompletableDeferred.complete`.
    pub fn complete(&self, value: T) -> bool {
        self.try_complete(value).is_ok()
    }

    /// As [`complete`](CompletableDeferred::complete).
    ///
    /// # Errors
    ///
    /// The value, if the deferred was completed, failed or cancelled before.
    ///
    /// ```
    /// use corox_core::CompletableDeferred;
    ///
    /// let promise = CompletableDeferred::new();
    /// assert_eq!(promise.try_complete(1), Ok(()));
    /// assert_eq!(promise.try_complete(2), Err(2));
    /// ```
    pub fn try_complete(&self, value: T) -> std::result::Result<(), T> {
        let mut value = Some(value);
        self.job.end_body_less_unless(CANCELLING, || {
            if let Some(value) = value.take() {
                self.slot().put(value);
            }
        });
        value.map_or(Ok(()), Err)
    }

    /// Fails it: `true` for the one call that did it. A cancellation cancels it and leaves the parent alone.
    ///
    /// Kotlin: `CompletableDeferred.completeExceptionally`.
    ///
    /// ```
    /// use corox_core::{CompletableDeferred, Error};
    ///
    /// let promise = CompletableDeferred::<i32>::new();
    /// assert!(promise.fail(Error::msg("no answer")));
    /// assert!(!promise.complete(1));
    /// assert_eq!(promise.cause().unwrap().to_string(), "no answer");
    /// ```
    #[doc(alias = "completeExceptionally")]
    pub fn fail(&self, error: impl Into<Error>) -> bool {
        self.job
            .cancel_tree_unless(error.into(), CANCELLING | BODY_ENDED)
    }

    /// [`complete`](CompletableDeferred::complete) or [`fail`](CompletableDeferred::fail), as `result` says: `true` for the one
    /// call that did it.
    ///
    /// Kotlin: `CompletableDeferred.completeWith`.
    ///
    /// ```
    /// use corox_core::{CompletableDeferred, Error, run_blocking};
    ///
    /// let promise = CompletableDeferred::new();
    /// assert!(promise.complete_with("7".parse::<i32>().map_err(Error::from)));
    /// assert_eq!(run_blocking(async |_| promise.await).unwrap(), 7);
    /// ```
    #[doc(alias = "completeWith")]
    pub fn complete_with(&self, result: Result<T>) -> bool {
        match result {
            Ok(value) => self.complete(value),
            Err(error) => self.fail(error),
        }
    }

    /// A view that can be awaited and cancelled, but not completed; each await gives a clone.
    ///
    /// Kotlin: `CompletableDeferred.asDeferred`.
    ///
    /// ```
    /// use corox_core::{CompletableDeferred, run_blocking};
    ///
    /// let promise = CompletableDeferred::new();
    /// let view = promise.as_deferred();
    /// promise.complete(1);
    /// assert_eq!(run_blocking(async |_| view.await).unwrap(), 1);
    /// ```
    #[doc(alias = "asDeferred")]
    pub fn as_deferred(&self) -> Deferred<T>
    where
        T: Clone,
    {
        self.slot().share();
        Deferred::new(self.job.clone())
    }

    /// The [`Deferred`] that gets the value by move, and another handle to complete it.
    ///
    /// ```
    /// use corox_core::{CompletableDeferred, run_blocking};
    ///
    /// struct NotClone;
    /// run_blocking(async |_| {
    ///     let (giver, deferred) = CompletableDeferred::new().into_deferred();
    ///     giver.complete(NotClone);
    ///     let NotClone = deferred.await?;
    ///     assert!(giver.is_completed());
    ///     Ok(())
    /// }).unwrap();
    /// ```
    pub fn into_deferred(self) -> (Self, Deferred<T>) {
        let deferred = Deferred::new(self.job.clone());
        (self, deferred)
    }

    /// The job.
    #[must_use]
    pub fn job(&self) -> &Job {
        &self.job
    }
}

impl<T> Clone for CompletableDeferred<T> {
    fn clone(&self) -> Self {
        CompletableDeferred {
            job: self.job.clone(),
            result: PhantomData,
        }
    }
}

impl<T> Deref for CompletableDeferred<T> {
    type Target = Job;
    fn deref(&self) -> &Job {
        &self.job
    }
}

impl<T> AsRef<Job> for CompletableDeferred<T> {
    fn as_ref(&self) -> &Job {
        &self.job
    }
}

impl<T> fmt::Debug for CompletableDeferred<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.job, f)
    }
}

/// Awaits a clone of the value, as by `(&deferred).await` of a [`Deferred`].
/// As [`CompletableDeferred::child_of`], called at `location`.
pub fn completable_deferred_at<T: Send + 'static>(
    location: &'static Location<'static>,
    parent: &Job,
) -> CompletableDeferred<T> {
    CompletableDeferred::make(Some(parent), location)
}

impl<T: Clone + Send + 'static> IntoFuture for CompletableDeferred<T> {
    type Output = Result<T>;
    type IntoFuture = Await<T>;

    #[track_caller]
    fn into_future(self) -> Await<T> {
        self.as_deferred().into_future()
    }
}

/// As by value.
impl<T: Clone + Send + 'static> IntoFuture for &CompletableDeferred<T> {
    type Output = Result<T>;
    type IntoFuture = Await<T>;

    #[track_caller]
    fn into_future(self) -> Await<T> {
        self.as_deferred().into_future()
    }
}
