//! Scopes: where coroutines are launched, and what waits for them.

use std::fmt;
use std::future::Future;
use std::ops::Add;
use std::panic::Location;

use corox_scheduler::Dispatcher;

use crate::completable::body_less_in;
use crate::context::{CoroutineContext, Parent};
use crate::coroutine::{CoroutineStart, Spec};
use crate::coroutine_body::{CoroutineBody, ResultBody};
use crate::deferred::{Deferred, ResultSlot};
use crate::error::{Error, Result};
use crate::into_context::IntoContext;
use crate::job::{Job, Kind};
use crate::job_context::JobContext;
use crate::launch_output::LaunchOutput;
use crate::launcher::Launcher;

/// A place to launch coroutines in: given by [`run_blocking`](crate::run_blocking),
/// [`coroutine_scope`](crate::coroutine_scope) and the other builders that wait.
///
/// What is launched here becomes a child of the scope's [`Job`] and inherits its context. The builder returns only after
/// all children have ended. A clone of the scope that outlives it launches nothing: see [`launch`](CoroutineScope::launch).
///
/// Kotlin: `CoroutineScope`.
///
/// ```
/// use corox_core::{coroutine_scope, delay, run_blocking};
/// use std::time::Duration;
///
/// run_blocking(async |_| {
///     let mut child = None;
///     coroutine_scope(async |scope| {
///         child = Some(scope.launch(async { delay(Duration::from_millis(1)).await }));
///         Ok(())
///     }).await?;
///     assert!(child.unwrap().is_completed());
///     Ok(())
/// }).unwrap();
/// ```
///
/// It can be asked and cancelled as its job:
///
/// ```
/// use corox_core::{Error, run_blocking};
///
/// let error = run_blocking(async |scope| {
///     assert!(scope.is_active() && scope.job().children().is_empty());
///     assert!(scope.context().dispatcher().is_some());
///     scope.cancel_with(Error::cancellation("closing"));
///     scope.ensure_active()?; // gives it, as the next suspension would
///     Ok(())
/// }).unwrap_err();
/// assert_eq!(error.to_string(), "closing");
/// ```
///
/// # A scope of your own
///
/// A value with a life of its own, a window or a session, can own the scope of the coroutines that work for it: made by
/// [`CoroutineScope::new`], cancelled when the value goes.
///
/// ```
/// use corox_core::{CoroutineScope, Dispatcher, Job, await_cancellation, run_blocking};
///
/// struct Session { scope: CoroutineScope }
///
/// impl Session {
///     fn open() -> Session { Session { scope: CoroutineScope::new(Dispatcher::DEFAULT) } }
///     fn keep_alive(&self) -> Job { self.scope.launch(async { await_cancellation().await }) }
/// }
///
/// impl Drop for Session {
///     fn drop(&mut self) { self.scope.cancel() }
/// }
///
/// let session = Session::open();
/// let job = session.keep_alive();
/// drop(session);
/// run_blocking(async |_| { job.join().await; Ok(()) }).unwrap();
/// assert!(job.is_cancelled());
/// ```
#[derive(Clone)]
pub struct CoroutineScope {
    job: Job,
    /// The context, if it is not that of the job.
    context: Option<JobContext>,
}

impl CoroutineScope {
    pub(crate) fn of(job: Job) -> Self {
        CoroutineScope { job, context: None }
    }

    /// A scope that belongs to whoever holds it, with the elements of `context`.
    ///
    /// With a [`Job`] among them that job is the scope's. Otherwise the scope gets a [`CompletableJob`](crate::CompletableJob)
    /// of its own, without parent: the first failure of a coroutine cancels it with the others, and is reported to the
    /// [`ExceptionHandler`](crate::ExceptionHandler). Add a [`SupervisorJob`](crate::SupervisorJob) to have them fail alone.
    ///
    /// Without a dispatcher among the elements the coroutines run on the process's own pool, also if the scope is made inside
    /// a tokio runtime, which may be gone before the scope is. With the job of a coroutine, or one below it, they run on the
    /// pool of that tree.
    ///
    /// Nothing waits for the coroutines and nothing cancels them when the scope is dropped: call
    /// [`cancel`](CoroutineScope::cancel), as in the [example](CoroutineScope#a-scope-of-your-own).
    /// [`NonCancellable`](crate::NonCancellable) among the elements changes nothing here.
    ///
    /// Kotlin: `CoroutineScope(context)`.
    ///
    /// ```
    /// use corox_core::{CoroutineName, CoroutineScope, SupervisorJob, run_blocking};
    ///
    /// let scope = CoroutineScope::new(CoroutineName::new("cache") + SupervisorJob::new());
    /// let deferred = scope.spawn(async { Ok(1) });
    /// assert_eq!(run_blocking(async |_| deferred.await).unwrap(), 1);
    /// scope.cancel();
    /// ```
    #[track_caller]
    #[must_use]
    #[doc(alias = "CoroutineScope()")]
    pub fn new(context: impl IntoContext) -> Self {
        let set = context.into();
        match set.job() {
            Some(job) => CoroutineScope {
                job: job.clone(),
                context: Some(JobContext::of_scope_of(job, &set)),
            },
            None => {
                let context = JobContext::own_of_set(&set);
                let job = body_less_in(context, Kind::JobImpl, Location::caller());
                CoroutineScope::of(job)
            }
        }
    }

    /// A scope for the parts of a user interface.
    ///
    /// It is on [`Dispatcher::MAIN`](crate::Dispatcher::MAIN), with a [`SupervisorJob`](crate::SupervisorJob), so that its
    /// coroutines fail alone. Otherwise as [`new`](CoroutineScope::new).
    ///
    /// Kotlin: `MainScope()`.
    ///
    /// ```
    /// use corox_core::{CoroutineScope, Dispatcher, run_blocking, set_main};
    ///
    /// run_blocking(async |scope| {
    ///     let _main = set_main(scope.context().dispatcher().unwrap().clone())?;
    ///     let screen = CoroutineScope::main();
    ///     let here = std::thread::current().id();
    ///     assert_eq!(screen.spawn(async { Ok(std::thread::current().id()) }).await?, here);
    ///     screen.cancel();
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[track_caller]
    #[must_use]
    #[doc(alias = "MainScope")]
    pub fn main() -> Self {
        let set = CoroutineContext::from(Dispatcher::MAIN);
        let context = JobContext::own_of_set(&set);
        let job = body_less_in(context, Kind::SupervisorJobImpl, Location::caller());
        CoroutineScope::of(job)
    }

    fn job_context(&self) -> &JobContext {
        self.context.as_ref().unwrap_or(self.job.context())
    }

    /// The job of the scope: the parent of what is launched here.
    ///
    /// Kotlin: `coroutineContext.job`.
    #[must_use]
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// Whether the scope is neither cancelled nor complete.
    ///
    /// Kotlin: `CoroutineScope.isActive`.
    #[must_use]
    #[doc(alias = "isActive")]
    pub fn is_active(&self) -> bool {
        self.job.is_active()
    }

    /// [`Job::ensure_active`] of the scope's job.
    ///
    /// Kotlin: `CoroutineScope.ensureActive`.
    ///
    /// # Errors
    ///
    /// The cancellation, if the scope is cancelled or complete.
    #[doc(alias = "ensureActive")]
    pub fn ensure_active(&self) -> Result<()> {
        self.job.ensure_active()
    }

    /// Cancels the scope with everything in it; the builder then returns the cancellation.
    ///
    /// Kotlin: `CoroutineScope.cancel()`.
    #[track_caller]
    pub fn cancel(&self) {
        self.job.cancel();
    }

    /// As [`cancel`](CoroutineScope::cancel), with a cause; see [`Job::cancel_with`].
    ///
    /// Kotlin: `CoroutineScope.cancel(cause)`.
    #[track_caller]
    pub fn cancel_with(&self, cause: Error) {
        self.job.cancel_with(cause);
    }

    /// The elements that coroutines inherit here, and the scope's job.
    ///
    /// Kotlin: `CoroutineScope.coroutineContext`.
    #[must_use]
    #[doc(alias = "coroutineContext")]
    pub fn context(&self) -> CoroutineContext {
        set_with(self.job_context(), &self.job)
    }

    /// The context that a coroutine launched here [`with`](CoroutineScope::with) `context` gets, but for its own job: for
    /// builders of your own.
    ///
    /// Kotlin: `CoroutineScope.newCoroutineContext`.
    ///
    /// ```
    /// use corox_core::{CoroutineName, run_blocking};
    ///
    /// run_blocking(async |scope| {
    ///     let context = scope.child_context(CoroutineName::new("part"));
    ///     assert_eq!(context.name().unwrap().as_str(), "part");
    ///     assert_eq!(context.dispatcher(), scope.context().dispatcher());
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[must_use]
    #[doc(alias = "newCoroutineContext")]
    pub fn child_context(&self, context: impl IntoContext) -> CoroutineContext {
        let set = context.into();
        let parent = set.parent.clone();
        let mut child = set_with(&self.job_context().for_child_with(&set), &self.job);
        child.parent = parent.or(child.parent);
        child
    }

    /// What `launch` and `spawn` without changes need, without the detour of a launcher.
    fn spec(&self, kind: Kind, location: &'static Location<'static>) -> Spec<'_> {
        Spec {
            kind,
            start: CoroutineStart::Default,
            context: self.job_context().for_child(),
            parent: Some(&self.job),
            location,
        }
    }

    fn launcher(&self) -> Launcher {
        Launcher {
            base: self.job_context().clone(),
            parent: Some(self.job.clone()),
            changes: CoroutineContext::empty(),
            start: CoroutineStart::Default,
        }
    }

    /// A launcher that lays the elements of `context` over the scope's context.
    ///
    /// Kotlin: the argument `context` of the builders; `CoroutineScope.plus`.
    ///
    /// ```
    /// use corox_core::{CoroutineName, Dispatcher, run_blocking};
    ///
    /// run_blocking(async |scope| {
    ///     let on_pool = scope.with(Dispatcher::DEFAULT + CoroutineName::new("crunch"));
    ///     let sum = on_pool.spawn(async { Ok((1..=10).sum::<i32>()) });
    ///     assert_eq!(sum.await?, 55);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "plus")]
    pub fn with(&self, context: impl IntoContext) -> Launcher {
        self.launcher().with(context)
    }

    /// A launcher with the given start mode.
    ///
    /// Kotlin: the argument `start` of the builders.
    ///
    /// ```
    /// use corox_core::{CoroutineStart, run_blocking};
    ///
    /// run_blocking(async |scope| {
    ///     let job = scope.start(CoroutineStart::Undispatched).launch(async {});
    ///     assert!(job.is_completed());
    ///     Ok(())
    /// }).unwrap();
    /// ```
    pub fn start(&self, start: CoroutineStart) -> Launcher {
        self.launcher().start(start)
    }

    /// A launcher whose coroutines begin only when they are started, joined or awaited.
    ///
    /// Kotlin: `start = CoroutineStart.LAZY`.
    ///
    /// ```
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |scope| {
    ///     let sum = scope.lazy().spawn(async { Ok((1..=10).sum::<i32>()) });
    ///     assert!(!sum.is_active());
    ///     assert_eq!(sum.await?, 55);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    pub fn lazy(&self) -> Launcher {
        self.start(CoroutineStart::Lazy)
    }

    /// Launches a coroutine without result, as a child of this scope.
    ///
    /// The body is a `Send + 'static` future that gives `()`, [`Result<()>`](crate::Result) or `!`. An `Err` and a panic
    /// fail the scope: the siblings are cancelled, and the builder of the scope returns the failure. The body is handed to
    /// the dispatcher and does not begin before `launch` has returned; if it is cancelled before its turn it never runs,
    /// and what it has captured is dropped.
    ///
    /// In a scope that is being cancelled the coroutine is cancelled at once, and waited for. In a scope that has ended it
    /// does not run at all: the future is dropped, and the `Job` is cancelled and says so ([`Job::cause`]).
    ///
    /// Kotlin: `launch`.
    ///
    /// # If the compiler refuses the body
    ///
    /// The coroutine may outlive the code that launches it, so its body owns what it uses; and it may go on on another thread
    /// after each `.await`, so what it holds there is `Send`.
    ///
    /// | the compiler says | write |
    /// |---|---|
    /// | `may outlive borrowed value` (E0373) | `async move { .. }` |
    /// | `does not live long enough` (E0597), `borrowed data escapes` (E0521), a lifetime `must outlive 'static`, often only at the builder around | before the launch a value of its own, `let name = name.to_owned();`, or an [`Arc`](std::sync::Arc) that is cloned; then `async move` |
    /// | `use of moved value` (E0382), in a loop | `let name = name.clone();` in the loop, before the launch |
    /// | `cannot move out of`, or `use of moved value`, of the `scope` (E0505, E0382) | [`coroutine_scope`](crate::coroutine_scope) in the body; or `let inner = scope.clone();` before the launch, to launch siblings |
    /// | `cannot be sent between threads safely` | `Arc` in place of `Rc`; a guard in a block of its own, which ends before the `.await`; or [`launch_local`](CoroutineScope::launch_local) |
    ///
    /// What may borrow is the body of an inline scope, and [`join!`](https://docs.rs/futures/latest/futures/macro.join.html)
    /// inside it.
    ///
    /// # Panics
    ///
    /// With the panic of a custom dispatcher that panics when the coroutine is handed to it, and on
    /// [`MAIN`](crate::Dispatcher::MAIN) if there is none; the coroutine fails, too.
    ///
    /// ```
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |scope| {
    ///     let job = scope.launch(async { println!("Hello") });
    ///     job.join().await;
    ///     assert!(job.is_completed() && !job.is_cancelled());
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[track_caller]
    pub fn launch<F, R>(&self, body: F) -> Job
    where
        F: CoroutineBody<R>,
        F: Send, // else `launch_local`; an `Arc` in place of an `Rc`; no guard held across an `.await`
        F: 'static, // else `async move`, and a clone of what is behind a reference
        R: LaunchOutput,
    {
        let spec = self.spec(Kind::Standalone, Location::caller());
        spec.start((), body, LaunchOutput::into_result)
    }

    /// Launches a coroutine with a result, as a child of this scope.
    ///
    /// As [`launch`](CoroutineScope::launch), with a body that gives [`Result<T>`](crate::Result). A failure is kept in the
    /// [`Deferred`] and, at the same time, fails the scope; under a supervisor it is kept only.
    ///
    /// What to do [if the compiler refuses the body](CoroutineScope#if-the-compiler-refuses-the-body) is said there.
    ///
    /// Kotlin: `async`.
    ///
    /// # Panics
    ///
    /// As `launch`.
    ///
    /// ```
    /// use corox_core::run_blocking;
    ///
    /// let n = run_blocking(async |scope| scope.spawn(async { Ok(21 * 2) }).await).unwrap();
    /// assert_eq!(n, 42);
    /// ```
    #[track_caller]
    #[doc(alias = "async")]
    pub fn spawn<T, F>(&self, body: F) -> Deferred<T>
    where
        F: ResultBody<T>,
        F: Send, // else `spawn_local`; an `Arc` in place of an `Rc`; no guard held across an `.await`
        F: 'static, // else `async move`, and a clone of what is behind a reference
        T: Send + 'static,
    {
        self.spawn_at(Location::caller(), body)
    }

    /// As [`launch`](CoroutineScope::launch), with a body that need not be `Send`.
    ///
    /// It stays on this thread, which must be that of the event loop that the scope runs on: inside
    /// [`run_blocking`](crate::run_blocking), on a
    /// [single-thread context](crate::new_single_thread_context), or in a `run_test` of the crate corox-test. It is cancelled, started and woken from anywhere, and polled
    /// and dropped only here. A body that is left when the loop ends, because nobody waits for it, is dropped before that, and
    /// its sections that cannot be cancelled with it.
    ///
    /// The counterpart of `tokio::task::spawn_local`, without a `LocalSet`.
    ///
    /// Kotlin: `launch` on the event loop of `runBlocking`.
    ///
    /// # Panics
    ///
    /// On another thread, and with a dispatcher that is not this thread's event loop.
    ///
    /// ```
    /// use corox_core::{run_blocking, yield_now};
    /// use std::cell::Cell;
    /// use std::rc::Rc;
    ///
    /// let sum = Rc::new(Cell::new(0));
    /// run_blocking(async |scope| {
    ///     for n in 1..=3 {
    ///         let sum = sum.clone();
    ///         scope.launch_local(async move {
    ///             yield_now().await;
    ///             sum.set(sum.get() + n);
    ///         });
    ///     }
    ///     Ok(())
    /// }).unwrap();
    /// assert_eq!(sum.get(), 6);
    /// ```
    #[track_caller]
    pub fn launch_local<F, R>(&self, body: F) -> Job
    where
        F: CoroutineBody<R>,
        F: 'static, // else `async move`, and a clone of what is behind a reference
        R: LaunchOutput,
    {
        let spec = self.spec(Kind::Standalone, Location::caller());
        spec.start_local((), body, LaunchOutput::into_result)
    }

    /// As [`spawn`](CoroutineScope::spawn), with a body that need not be `Send`; see
    /// [`launch_local`](CoroutineScope::launch_local).
    ///
    /// The result must be `Send`.
    ///
    /// Kotlin: `async` on the event loop of `runBlocking`.
    ///
    /// # Panics
    ///
    /// As `launch_local`.
    ///
    /// ```
    /// use corox_core::{run_blocking, yield_now};
    /// use std::rc::Rc;
    ///
    /// let length = run_blocking(async |scope| {
    ///     let words = Rc::new(vec!["a", "bc"]);
    ///     scope.spawn_local(async move {
    ///         yield_now().await;
    ///         Ok(words.concat().len())
    ///     }).await
    /// }).unwrap();
    /// assert_eq!(length, 3);
    /// ```
    #[track_caller]
    pub fn spawn_local<T, F>(&self, body: F) -> Deferred<T>
    where
        F: ResultBody<T>,
        F: 'static, // else `async move`, and a clone of what is behind a reference
        T: Send + 'static,
    {
        let spec = self.spec(Kind::Deferred, Location::caller());
        Deferred::new(spec.start_local(ResultSlot::new(), body, |result| result))
    }

    /// `spawn` by code of the library that was called at `location`.
    pub(crate) fn spawn_at<T, F>(
        &self,
        location: &'static Location<'static>,
        body: F,
    ) -> Deferred<T>
    where
        F: Future<Output = Result<T>> + Send + 'static,
        T: Send + 'static,
    {
        let spec = self.spec(Kind::Deferred, location);
        Deferred::new(spec.start(ResultSlot::new(), body, |result| result))
    }
}

fn set_with(context: &JobContext, job: &Job) -> CoroutineContext {
    CoroutineContext {
        parent: Some(Parent::Job(job.clone())),
        ..context.to_set()
    }
}

/// A scope with the elements of the right side over those of the left; with a [`Job`] there, a scope of that job.
///
/// Kotlin: `CoroutineScope.plus`.
///
/// ```
/// use corox_core::{CoroutineName, run_blocking};
///
/// run_blocking(async |scope| {
///     let named = scope + CoroutineName::new("worker");
///     assert_eq!(named.launch(async {}).name().as_deref(), Some("worker"));
///     Ok(())
/// }).unwrap();
/// ```
impl<R: IntoContext> Add<R> for CoroutineScope {
    type Output = CoroutineScope;
    fn add(self, context: R) -> CoroutineScope {
        &self + context
    }
}

/// As for the scope by value.
impl<R: IntoContext> Add<R> for &CoroutineScope {
    type Output = CoroutineScope;
    fn add(self, context: R) -> CoroutineScope {
        let set = context.into();
        CoroutineScope {
            job: set.job().unwrap_or(&self.job).clone(),
            context: Some(self.job_context().plus(&set)),
        }
    }
}

impl fmt::Debug for CoroutineScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CoroutineScope").field(&self.job).finish()
    }
}
