//! [`TestScope`]: the scope of a test, with its clock.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::ops::Deref;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use corox_core::harness_protocol::{Root, Watch, is_watched_by};
use corox_core::{
    CoroutineContext, CoroutineScope, Dispatcher, Error, IntoContext, Job, LaunchOutput, probe,
};
use corox_scheduler::Home;
use parking_lot::Mutex;

use crate::body::TestBody;
use crate::dispatcher::scheduler_of;
use crate::failures::Failures;
use crate::hold::TreeWatch;
use crate::main_dispatcher::ScopeMain;
use crate::run::{run, run_once};
use crate::scheduler::Background;
use crate::time_source::TestTimeSource;
use crate::{StandardTestDispatcher, TestScheduler, limit};

/// The scope of a test: where its coroutines are launched, and its clock.
///
/// It derefs to [`CoroutineScope`]: `t.launch(..)`, `t.with(..)`. [`run_test`](crate::run_test) makes one; made before the
/// test by [`new`](TestScope::new) it can be given to the code under test, and [`run_test`](TestScope::run_test) then runs the
/// test in it, once.
///
/// Kotlin: `TestScope`.
///
/// ```
/// use corox_core::{CoroutineScope, delay};
/// use corox_test::TestScope;
/// use std::time::Duration;
///
/// struct Cache { scope: CoroutineScope }
///
/// let t = TestScope::default();
/// let cache = Cache { scope: (*t).clone() };
/// t.run_test(async |t| {
///     cache.scope.launch(async { delay(Duration::from_secs(60)).await }).join().await;
///     assert_eq!(t.current_time(), Duration::from_secs(60));
/// });
/// ```
///
/// Its clock:
///
/// ```
/// use corox_core::delay;
/// use corox_test::run_test;
/// use std::time::Duration;
///
/// run_test(async |t| {
///     let begin = t.time_source().now();
///     let job = t.launch(async { delay(Duration::from_secs(3)).await });
///     t.run_current().await; // it has begun to wait
///     assert_eq!(t.scheduler().pending_timers(), 1);
///     t.advance_time_by(Duration::from_secs(2)).await;
///     assert!(job.is_active());
///     t.advance_until_idle().await;
///     assert!(job.is_completed());
///     assert_eq!(t.time_source().elapsed_since(begin), Duration::from_secs(3));
///     assert_eq!(t.context().dispatcher(), Some(t.dispatcher()));
/// });
/// ```
#[derive(Clone)]
pub struct TestScope(pub(crate) Arc<Shared>);

/// What the handles of a scope share.
pub(crate) struct Shared {
    pub(crate) scope: CoroutineScope,
    pub(crate) background: CoroutineScope,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) scheduler: TestScheduler,
    pub(crate) home: Home,
    pub(crate) failures: Arc<Failures>,
    pub(crate) watch: Arc<TreeWatch>,
    /// The root, before it runs.
    pub(crate) root: Mutex<Option<Root>>,
    /// What holds the clock is known only of coroutines that were launched, and have begun to wait, with the probes there.
    _probes: probe::Installed,
    pub(crate) main: Arc<ScopeMain>,
}

impl TestScope {
    /// A scope with the elements of `context`.
    ///
    /// A dispatcher among them must be one of tests; without one the scope gets a [`StandardTestDispatcher`], on the
    /// [`TestScheduler`] in the context if there is one. A [`Job`](corox_core::Job) becomes the parent of the test's job: it
    /// is not completed by the test, and a failure of the test cancels it.
    ///
    /// Kotlin: `TestScope(context)`.
    ///
    /// # Panics
    ///
    /// If the dispatcher is no test dispatcher, or on another scheduler than the one in the context; if there is an
    /// [`ExceptionHandler`](corox_core::ExceptionHandler): failures of the test are collected.
    ///
    /// ```
    /// use corox_core::CoroutineName;
    /// use corox_test::{TestScope, UnconfinedTestDispatcher};
    ///
    /// let t = TestScope::new(UnconfinedTestDispatcher::new() + CoroutineName::new("checkout"));
    /// t.run_test(async |t| {
    ///     let job = t.launch(async {});
    ///     assert!(job.is_completed());
    ///     assert_eq!(job.name().as_deref(), Some("checkout"));
    /// });
    /// ```
    #[track_caller]
    #[must_use]
    pub fn new(context: impl IntoContext) -> TestScope {
        TestScope::at(context.into(), Location::caller())
    }

    #[track_caller]
    pub(crate) fn at(context: CoroutineContext, location: &'static Location<'static>) -> TestScope {
        assert!(
            context.exception_handler().is_none(),
            "the context of a TestScope cannot have an ExceptionHandler: failures that nobody takes are collected and fail the \
             test. Give the handler to the coroutines that are to have it: `t.with(handler)`"
        );
        let own = context.get::<TestScheduler>().cloned();
        let dispatcher = match context.dispatcher() {
            Some(dispatcher) => dispatcher.clone(),
            None => match &own {
                Some(scheduler) => StandardTestDispatcher::on(scheduler).into(),
                None => StandardTestDispatcher::new().into(),
            },
        };
        let Some(scheduler) = scheduler_of(&dispatcher).cloned() else {
            panic!(
                "a TestScope needs a test dispatcher, and was given {dispatcher:?}: use StandardTestDispatcher or \
                 UnconfinedTestDispatcher, and other dispatchers for single coroutines (`t.with(..)`)"
            );
        };
        assert!(
            own.is_none_or(|own| own.is(&scheduler)),
            "the context of a TestScope has two schedulers: that of its dispatcher and another TestScheduler; make the dispatcher \
             with `StandardTestDispatcher::on(&scheduler)`"
        );
        let probes = probe::install();
        scheduler.0.scope_made();
        let failures = Failures::new();
        let watch = TreeWatch::new(scheduler.clone(), failures.clone());
        let main = ScopeMain::new(dispatcher.clone());
        let home = Home::own().with_main(main.slot());
        let context = context + dispatcher.clone() + failures.handler();
        let root = Root::new(home.clone(), &context, watch.clone(), location);
        let background = root.beside(Background, location);
        watch.set_background(background.job());
        TestScope(Arc::new(Shared {
            scope: root.scope(),
            background,
            dispatcher,
            scheduler,
            home,
            failures,
            watch,
            root: Mutex::new(Some(root)),
            _probes: probes,
            main,
        }))
    }

    /// Runs `body` as the test of this scope; see [`run_test`](crate::run_test).
    ///
    /// Kotlin: `TestScope.runTest`.
    ///
    /// # Panics
    ///
    /// As there; at the second call for one scope.
    #[track_caller]
    #[doc(alias = "runTest")]
    pub fn run_test<R: LaunchOutput>(&self, body: impl TestBody<R>) {
        run(self, limit::default(), body);
    }

    /// As [`run_test`](TestScope::run_test), with a limit of `limit` of real time.
    ///
    /// Kotlin: `TestScope.runTest(timeout)`.
    ///
    /// # Panics
    ///
    /// As there.
    ///
    /// ```
    /// use corox_core::delay;
    /// use corox_test::TestScope;
    /// use std::time::Duration;
    ///
    /// TestScope::default().run_test_within(Duration::from_secs(5), async |t| {
    ///     delay(Duration::from_secs(3600)).await; // virtual time does not count
    ///     assert_eq!(t.current_time(), Duration::from_secs(3600));
    /// });
    /// ```
    #[track_caller]
    #[doc(alias = "runTest")]
    #[doc(alias = "CoroutinesTimeout")]
    pub fn run_test_within<R: LaunchOutput>(&self, limit: Duration, body: impl TestBody<R>) {
        run(self, limit, body);
    }

    /// The scheduler.
    ///
    /// Kotlin: `TestScope.testScheduler`.
    #[must_use]
    #[doc(alias = "testScheduler")]
    pub fn scheduler(&self) -> &TestScheduler {
        &self.0.scheduler
    }

    /// The dispatcher of the scope.
    #[must_use]
    pub fn dispatcher(&self) -> &Dispatcher {
        &self.0.dispatcher
    }

    /// A scope for what is to run beside the test and not to be waited for: it is cancelled when the body and its children have
    /// ended, and its cleanup is then run to its end.
    ///
    /// Its coroutines fail alone, and each failure fails the test, also that of a [`spawn`](CoroutineScope::spawn). Their
    /// delays do not keep [`advance_until_idle`](TestScope::advance_until_idle) going.
    ///
    /// Kotlin: `TestScope.backgroundScope`.
    ///
    /// ```
    /// use corox_core::delay;
    /// use corox_test::{EventLog, run_test};
    /// use std::time::Duration;
    ///
    /// run_test(async |t| {
    ///     let log = EventLog::new();
    ///     let ticks = log.clone();
    ///     t.background_scope().launch(async move {
    ///         loop {
    ///             delay(Duration::from_secs(1)).await;
    ///             ticks.add("tick");
    ///         }
    ///     });
    ///     delay(Duration::from_millis(2500)).await;
    ///     log.assert(["tick", "tick"]);
    /// });
    /// ```
    #[must_use]
    #[doc(alias = "backgroundScope")]
    pub fn background_scope(&self) -> &CoroutineScope {
        &self.0.background
    }

    /// See [`TestScheduler::current_time`].
    ///
    /// Kotlin: `TestScope.currentTime`.
    #[must_use]
    #[doc(alias = "currentTime")]
    pub fn current_time(&self) -> Duration {
        self.0.scheduler.current_time()
    }

    /// See [`TestScheduler::time_source`].
    ///
    /// Kotlin: `TestScope.testTimeSource`.
    #[must_use]
    #[doc(alias = "testTimeSource")]
    pub fn time_source(&self) -> TestTimeSource {
        self.0.scheduler.time_source()
    }

    /// See [`TestScheduler::advance_time_by`], also for its cancel safety and its panics.
    ///
    /// Kotlin: `TestScope.advanceTimeBy`.
    #[track_caller]
    #[doc(alias = "advanceTimeBy")]
    pub fn advance_time_by(&self, duration: Duration) -> impl Future<Output = ()> + Send + use<> {
        self.0.scheduler.advance_time_by(duration)
    }

    /// See [`TestScheduler::run_current`], also for its cancel safety and its panics.
    ///
    /// Kotlin: `TestScope.runCurrent`.
    #[track_caller]
    #[doc(alias = "runCurrent")]
    pub fn run_current(&self) -> impl Future<Output = ()> + Send + use<> {
        self.0.scheduler.run_current()
    }

    /// See [`TestScheduler::advance_until_idle`], also for its cancel safety and its panics.
    ///
    /// Kotlin: `TestScope.advanceUntilIdle`.
    #[track_caller]
    #[doc(alias = "advanceUntilIdle")]
    pub fn advance_until_idle(&self) -> impl Future<Output = ()> + Send + use<> {
        self.0.scheduler.advance_until_idle()
    }

    /// Awaits `future` while the virtual clock stands still: for what takes real time and cannot be seen by the clock, a socket
    /// or another thread.
    ///
    /// Without it the clock jumps to the next pending timer while the future waits, so that a time-out around it is over at
    /// once. Delays and time-outs *inside* of the future, corox's and tokio's, do not end: the clock that they wait for is the
    /// one that is held.
    ///
    /// Kotlin: no counterpart; there `withContext(Dispatchers.Default)` around such a call.
    ///
    /// # Cancel safety
    ///
    /// That of the future; dropped, it lets the clock go.
    ///
    /// ```
    /// use corox_core::with_timeout;
    /// use corox_test::run_test;
    /// use std::time::Duration;
    ///
    /// run_test(async |t| {
    ///     let (tx, rx) = tokio::sync::oneshot::channel();
    ///     let thread = std::thread::spawn(move || tx.send(7));
    ///     let got = with_timeout(Duration::from_secs(30), async |_| Ok(t.real_time(rx).await)).await?;
    ///     assert_eq!(got, Ok(7));
    ///     thread.join().unwrap().unwrap();
    ///     Ok(())
    /// });
    /// ```
    #[track_caller]
    pub fn real_time<F: IntoFuture>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        let watch = self.0.watch.clone();
        let location = Location::caller();
        let future = future.into_future();
        async move {
            let _held = watch.hold(location);
            future.await
        }
    }

    pub(crate) fn watch(&self) -> Arc<dyn Watch> {
        self.0.watch.clone()
    }
}

impl Default for TestScope {
    /// A scope with a [`StandardTestDispatcher`].
    #[track_caller]
    fn default() -> Self {
        TestScope::at(CoroutineContext::empty(), Location::caller())
    }
}

impl Deref for TestScope {
    type Target = CoroutineScope;
    fn deref(&self) -> &CoroutineScope {
        &self.0.scope
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(root) = self.root.get_mut().take() {
            // Never run: what was launched in it is not left behind.
            root.abandon(Error::cancellation(
                "the TestScope was dropped without a test",
            ));
            self.background.cancel();
            let watch = self.watch.clone() as Arc<dyn Watch>;
            let is_own = |job: &Job| is_watched_by(job, &watch);
            self.scheduler.0.dropped_without_test(is_own);
            for failure in self.failures.close(false) {
                self.failures.add(self.scope.job(), &failure);
            }
            self.watch.end();
            self.main.end();
        }
    }
}

impl fmt::Debug for TestScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestScope")
            .field("job", self.0.scope.job())
            .field("scheduler", &self.0.scheduler)
            .finish_non_exhaustive()
    }
}

/// Runs a test in virtual time.
///
/// The body and its coroutines take turns on this thread, and whenever all of them wait, the clock jumps to the next delay or
/// time-out: corox's and tokio's timers alike, in one order. The test has ended when the body and all coroutines launched in
/// its scope have; then the [background scope](TestScope::background_scope) is cancelled, and what is still due is run.
///
/// The body gives `()` or [`Result<()>`](corox_core::Result), and need not be `Send`. Inside of it
/// [`Dispatcher::MAIN`] is the dispatcher of the test, unless [`set_main`](crate::set_main) says otherwise.
///
/// What is virtual: `delay`, `with_timeout` and all else of corox that takes time, on the dispatchers of the test; `sleep`,
/// `timeout`, `interval` and `Instant` of `tokio::time`, in the body, in its coroutines and in `tokio::spawn`ed tasks. What is
/// not: `std::time`, `std::thread::sleep`, and the timers of coroutines on other dispatchers and of other runtimes.
///
/// The clock stands still while a coroutine of the test runs or waits on another dispatcher
/// ([`DEFAULT`](Dispatcher::DEFAULT), [`IO`](Dispatcher::IO)), unless that only waits for coroutines, and while a call of
/// `tokio::task::spawn_blocking` runs; for one of the background scope only while it runs. Sockets and threads cannot be seen:
/// with nothing else to do they are waited for, but with a timer pending the clock jumps to that; [`TestScope::real_time`]
/// holds it.
///
/// `corox_core::run_blocking` inside of a test panics: the thread is busy with the test. Await
/// [`coroutine_scope`](corox_core::coroutine_scope).
///
/// Kotlin: `runTest`.
///
/// # Panics
///
/// - With the panic of the body or of a coroutine in its scope; or with their failure. Failures that nobody took fail the test,
///   too: of coroutines below supervisors, in the background scope, of `GlobalScope`. All of them are told, the body's first.
/// - If the test has not ended after 60 seconds of *real* time: it is cancelled, and what it waited for is told. Another limit
///   is given by [`TestScope::run_test_within`] or the environment variable [`COROX_TEST_TIMEOUT`](crate::TIMEOUT_VARIABLE).
/// - If a coroutine on a test dispatcher goes on and on after the end of the test.
/// - Inside of another `run_test`, and wherever a tokio runtime runs this thread, as in `#[tokio::test]`: use `#[test]`.
///
/// ```
/// use corox_core::delay;
/// use corox_test::run_test;
/// use std::time::Duration;
///
/// run_test(async |t| {
///     let slow = t.spawn(async {
///         delay(Duration::from_secs(3600)).await;
///         Ok(42)
///     });
///     tokio::time::sleep(Duration::from_secs(60)).await;
///     assert!(!slow.is_completed());
///     assert_eq!(slow.await?, 42);
///     assert_eq!(t.current_time(), Duration::from_secs(3600));
///     Ok(())
/// });
/// ```
#[track_caller]
#[doc(alias = "runTest")]
pub fn run_test<R: LaunchOutput>(body: impl TestBody<R>) {
    run_once(CoroutineContext::empty(), body);
}
