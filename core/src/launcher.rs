//! Launches with a changed context or start mode.

use std::fmt;
use std::panic::Location;

use crate::context::{CoroutineContext, Parent};
use crate::coroutine::{CoroutineStart, Spec};
use crate::coroutine_body::{CoroutineBody, ResultBody};
use crate::deferred::{Deferred, ResultSlot};
use crate::into_context::IntoContext;
use crate::job::{Job, Kind};
use crate::job_context::JobContext;
use crate::launch_output::LaunchOutput;

/// Launches coroutines with a changed context or start mode; made by [`CoroutineScope::with`](crate::CoroutineScope::with),
/// [`lazy`](crate::CoroutineScope::lazy) and [`start`](crate::CoroutineScope::start).
///
/// Kotlin: the arguments `context` and `start` of the builders.
///
/// ```
/// use corox_core::{CoroutineName, CoroutineStart, Dispatcher, run_blocking};
///
/// run_blocking(async |scope| {
///     let on_pool = scope.with(Dispatcher::DEFAULT);
///     assert_eq!(on_pool.spawn(async { Ok(1) }).await?, 1);
///
///     let later = on_pool.with(CoroutineName::new("later")).lazy();
///     let job = later.launch(async {});
///     assert!(!job.is_active() && job.name().as_deref() == Some("later"));
///     job.cancel();
///
///     let now = later.start(CoroutineStart::Undispatched);
///     assert!(now.launch(async {}).is_completed());
///     Ok(())
/// }).unwrap();
/// ```
#[derive(Clone)]
#[must_use = "a launcher does nothing before `launch` or `spawn`"]
pub struct Launcher {
    pub(crate) base: JobContext,
    pub(crate) parent: Option<Job>,
    pub(crate) changes: CoroutineContext,
    pub(crate) start: CoroutineStart,
}

impl Launcher {
    /// Lays the elements of `context` over what was set so far.
    pub fn with(mut self, context: impl IntoContext) -> Self {
        self.changes = self.changes.merge(context);
        self
    }

    /// Sets the start mode.
    pub fn start(mut self, start: CoroutineStart) -> Self {
        self.start = start;
        self
    }

    /// Sets the start mode [`Lazy`](CoroutineStart::Lazy).
    pub fn lazy(self) -> Self {
        self.start(CoroutineStart::Lazy)
    }

    /// Sets the start mode [`Atomic`](CoroutineStart::Atomic).
    ///
    /// Kotlin: `start = CoroutineStart.ATOMIC`.
    ///
    /// ```
    /// use corox_core::{CoroutineName, run_blocking};
    /// use std::sync::mpsc;
    ///
    /// run_blocking(async |scope| {
    ///     let (begin, begun) = mpsc::channel();
    ///     let job = scope.with(CoroutineName::new("first step")).atomic().launch(async move {
    ///         begin.send("begun").unwrap();
    ///     });
    ///     job.cancel_and_join().await;
    ///     assert_eq!(begun.try_recv()?, "begun");
    ///     Ok(())
    /// }).unwrap();
    /// ```
    pub fn atomic(self) -> Self {
        self.start(CoroutineStart::Atomic)
    }

    /// Sets the start mode [`Undispatched`](CoroutineStart::Undispatched).
    ///
    /// Kotlin: `start = CoroutineStart.UNDISPATCHED`.
    ///
    /// ```
    /// use corox_core::{CoroutineName, run_blocking};
    ///
    /// run_blocking(async |scope| {
    ///     let job = scope.with(CoroutineName::new("at once")).undispatched().launch(async {});
    ///     assert!(job.is_completed());
    ///     Ok(())
    /// }).unwrap();
    /// ```
    pub fn undispatched(self) -> Self {
        self.start(CoroutineStart::Undispatched)
    }

    fn spec(&self, kind: Kind, location: &'static Location<'static>) -> Spec<'_> {
        Spec {
            kind,
            start: self.start,
            context: self.base.for_child_with(&self.changes),
            parent: match &self.changes.parent {
                None => self.parent.as_ref(),
                Some(Parent::Job(job)) => Some(job),
                Some(Parent::Nobody) => None,
            },
            location,
        }
    }

    /// See [`CoroutineScope::launch`](crate::CoroutineScope::launch).
    ///
    /// Kotlin: `launch`.
    ///
    /// # Panics
    ///
    /// As there.
    #[track_caller]
    pub fn launch<F, R>(&self, body: F) -> Job
    where
        F: CoroutineBody<R>,
        F: Send, // else `launch_local`; an `Arc` in place of an `Rc`; no guard held across an `.await`
        F: 'static, // else `async move`, and a clone of what is behind a reference
        R: LaunchOutput,
    {
        launch_at(Location::caller(), self, body)
    }

    /// See [`CoroutineScope::spawn`](crate::CoroutineScope::spawn).
    ///
    /// Kotlin: `async`.
    ///
    /// # Panics
    ///
    /// As there.
    #[track_caller]
    #[doc(alias = "async")]
    pub fn spawn<T, F>(&self, body: F) -> Deferred<T>
    where
        F: ResultBody<T>,
        F: Send, // else `spawn_local`; an `Arc` in place of an `Rc`; no guard held across an `.await`
        F: 'static, // else `async move`, and a clone of what is behind a reference
        T: Send + 'static,
    {
        let kind = match self.start {
            CoroutineStart::Lazy => Kind::LazyDeferred,
            _ => Kind::Deferred,
        };
        let spec = self.spec(kind, Location::caller());
        Deferred::new(spec.start(ResultSlot::new(), body, |result| result))
    }

    /// See [`CoroutineScope::launch_local`](crate::CoroutineScope::launch_local).
    ///
    /// # Panics
    ///
    /// As there.
    ///
    /// ```
    /// use corox_core::{CoroutineName, run_blocking};
    /// use std::cell::Cell;
    /// use std::rc::Rc;
    ///
    /// let seen = Rc::new(Cell::new(false));
    /// run_blocking(async |scope| {
    ///     let seen = seen.clone();
    ///     scope.with(CoroutineName::new("here")).launch_local(async move { seen.set(true) });
    ///     Ok(())
    /// }).unwrap();
    /// assert!(seen.get());
    /// ```
    #[track_caller]
    pub fn launch_local<F, R>(&self, body: F) -> Job
    where
        F: CoroutineBody<R>,
        F: 'static, // else `async move`, and a clone of what is behind a reference
        R: LaunchOutput,
    {
        let kind = match self.start {
            CoroutineStart::Lazy => Kind::LazyStandalone,
            _ => Kind::Standalone,
        };
        let spec = self.spec(kind, Location::caller());
        spec.start_local((), body, LaunchOutput::into_result)
    }

    /// See [`CoroutineScope::spawn_local`](crate::CoroutineScope::spawn_local).
    ///
    /// # Panics
    ///
    /// As there.
    ///
    /// ```
    /// use corox_core::run_blocking;
    /// use std::rc::Rc;
    ///
    /// let n = run_blocking(async |scope| {
    ///     let n = Rc::new(7);
    ///     scope.lazy().spawn_local(async move { Ok(*n) }).await
    /// }).unwrap();
    /// assert_eq!(n, 7);
    /// ```
    #[track_caller]
    pub fn spawn_local<T, F>(&self, body: F) -> Deferred<T>
    where
        F: ResultBody<T>,
        F: 'static, // else `async move`, and a clone of what is behind a reference
        T: Send + 'static,
    {
        let kind = match self.start {
            CoroutineStart::Lazy => Kind::LazyDeferred,
            _ => Kind::Deferred,
        };
        let spec = self.spec(kind, Location::caller());
        Deferred::new(spec.start_local(ResultSlot::new(), body, |result| result))
    }
}

/// As [`Launcher::launch`], called at `location`.
pub fn launch_at<F, R>(location: &'static Location<'static>, launcher: &Launcher, body: F) -> Job
where
    F: CoroutineBody<R> + Send + 'static,
    R: LaunchOutput,
{
    let kind = match launcher.start {
        CoroutineStart::Lazy => Kind::LazyStandalone,
        _ => Kind::Standalone,
    };
    let spec = launcher.spec(kind, location);
    spec.start((), body, LaunchOutput::into_result)
}

impl fmt::Debug for Launcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launcher")
            .field("parent", &self.parent)
            .field("changes", &self.changes)
            .field("start", &self.start)
            .finish_non_exhaustive()
    }
}
