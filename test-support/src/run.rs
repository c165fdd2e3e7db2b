//! One run of a test, from its beginning to the report.
//!
//! ```text
//!   run_with ── failures since the last test ──> told, nothing runs
//!      │
//!      ▼          body and children ended
//!   running ─────────────────────────────────> the background is cancelled ── all that is due has run ──> End::All
//!    │    │                                       ▲                     │
//!    │    │ the limit of real time                │ they end            └── 100 000 events, and more ──> End::Endless
//!    │    └────────> told, cancelled ─────────────┘
//!    │                     └── the grace for cleanup is over ──> End::GivenUp
//!    └── exploring, and nothing can ever run again ──> End::Deadlock
//!
//!   each End ──> what went wrong, in this order: too late; how it ended; the failure of the body; failures that nobody took
//!            ──> what is left is told, or cancelled if it is not End::All ──> the clock stops, the runtime goes ──> report
//! ```

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::panic::{Location, resume_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::Duration;

use corox_core::harness_protocol::{
    dispatcher_of, fail_with_panic, has_live_body, hosting, is_watched_by, take_panic, token_of,
};
use corox_core::{CoroutineContext, Error, Job, LaunchOutput, probe};
use tokio::runtime::{Builder, Handle};

use crate::dispatcher::scheduler_of;
use crate::drive::{End, Quiet, Test, drive};
use crate::explore::Chooser;
use crate::limit::{self, Limit};
use crate::scope::Shared;
use crate::{TIMEOUT_VARIABLE, TestScheduler, TestScope};

/// What is wrong with a run: the first one is what it fails with. Empty if nothing is.
pub(crate) type Findings = Vec<Finding>;

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub(crate) enum Finding {
    /// A failure of a coroutine.
    Failure(Error),
    /// The harness says so.
    Text(String),
    /// The harness says that the limit of real time is over.
    TooLate(String),
}

impl Finding {
    pub(crate) fn text(&self) -> String {
        match self {
            Finding::Failure(error) => format!("{error:?}"),
            Finding::Text(text) | Finding::TooLate(text) => text.clone(),
        }
    }
}

#[track_caller]
pub(crate) fn run_once<R: LaunchOutput>(
    context: CoroutineContext,
    body: impl AsyncFnOnce(TestScope) -> R,
) {
    let limit = limit::default();
    check_thread();
    let scope = TestScope::at(context, Location::caller());
    run(&scope, limit, body);
}

#[track_caller]
pub(crate) fn run<R: LaunchOutput>(
    scope: &TestScope,
    limit: Duration,
    body: impl AsyncFnOnce(TestScope) -> R,
) {
    let findings = run_with(scope, limit, None, body);
    report(findings);
}

thread_local! {
    static IN_TEST: Cell<bool> = const { Cell::new(false) };
}

/// A test drives a runtime of its own, which cannot be done inside of another one.
#[track_caller]
pub(crate) fn check_thread() {
    assert!(
        !IN_TEST.get(),
        "run_test was called inside of a test: tests do not nest. Await `coroutine_scope(..)` for a part with a scope of its own, or \
         call run_test in a function of its own that is a #[test]"
    );
    assert!(
        Handle::try_current().is_err(),
        "run_test was called where a tokio runtime runs this thread: it brings a runtime of its own, with a virtual clock. In a test \
         use `#[test]` in place of `#[tokio::test]`; in a coroutine move the call out of it"
    );
}

/// Marks this thread as running a test.
struct InTest;

impl InTest {
    fn enter() -> InTest {
        IN_TEST.set(true);
        InTest
    }
}

impl Drop for InTest {
    fn drop(&mut self) {
        IN_TEST.set(false);
    }
}

/// Marks a scheduler as having a test.
struct OnScheduler<'a>(&'a TestScheduler);

impl OnScheduler<'_> {
    #[track_caller]
    fn enter(scheduler: &TestScheduler) -> OnScheduler<'_> {
        let had = std::mem::replace(&mut scheduler.0.state.lock().has_test, true);
        assert!(
            !had,
            "two tests were run on one TestScheduler at the same time: it has one clock and one thread; run them one after the other"
        );
        OnScheduler(scheduler)
    }
}

impl Drop for OnScheduler<'_> {
    fn drop(&mut self) {
        self.0.0.state.lock().has_test = false;
    }
}

/// Runs a test and gives what is wrong with it.
#[track_caller]
pub(crate) fn run_with<R: LaunchOutput>(
    scope: &TestScope,
    limit: Duration,
    mut chooser: Option<&mut Chooser>,
    body: impl AsyncFnOnce(TestScope) -> R,
) -> Findings {
    check_thread();
    let shared = &scope.0;
    let _on_scheduler = OnScheduler::enter(&shared.scheduler);
    let Some(root) = shared.root.lock().take() else {
        panic!(
            "a TestScope runs one test, and this one has run already: make a new TestScope, or call `run_test(..)` without one"
        );
    };
    let _in_test = InTest::enter();
    let _main = shared.main.run_here(&shared.scheduler);
    let running = shared.failures.begin();
    let before = shared.failures.take();
    if !before.is_empty() {
        root.abandon(Error::cancellation("there were failures before the test"));
        shared.background.cancel();
        shared.end();
        shared.scheduler.0.test_ended();
        shared.failures.close(true);
        let mut findings = vec![Finding::Text(
            "there were failures that nobody took before this test began; they are no failures of its body".to_owned(),
        )];
        findings.extend(before.into_iter().map(Finding::Failure));
        return findings;
    }

    let quiet = Arc::new(Quiet::default());
    let parking = quiet.clone();
    let runtime = Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .on_thread_park(move || parking.parking())
        .build()
        .expect("tokio could not make the runtime of a test");
    shared.watch.runs_on(runtime.handle().id());
    let job = shared.job().clone();
    if let Some(chooser) = &mut chooser {
        chooser.begin(&job);
    }
    let body_ended = Rc::new(Cell::new(false));
    let guard = {
        let (core, weak) = (shared.scheduler.clone(), Arc::downgrade(shared));
        let wake = move || core.0.wake_loop();
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("without a name").to_owned();
        Limit::begin(limit, name, wake, move || describe(&weak))
    };

    let body = {
        let (scope, body_ended) = (scope.clone(), body_ended.clone());
        async move {
            let output = body(scope).await;
            body_ended.set(true);
            output.into_result()
        }
    };
    let result = Cell::new(None);
    let late = Cell::new(None);
    // Dropped after all that may be left of the test, whose destructors may need it.
    let context = runtime.enter();
    let (end, found) = hosting(scope.watch(), || {
        let _host = corox_scheduler::host(
            runtime.handle(),
            shared.home.clone(),
            shared.dispatcher.clone(),
        );
        let root = root.run(body);
        let root = pin!(async { result.set(Some(root.await)) });
        let background = shared.background.job().clone();
        let core = shared.scheduler.clone();
        background.on_completion(move |_| core.0.wake_loop());
        let end = runtime.block_on(tokio::task::unconstrained(drive(Test {
            scheduler: &shared.scheduler,
            watch: &shared.watch,
            limit: &guard.limit,
            quiet,
            root,
            ended: &mut || {
                guard.wake_now_and_then();
                shared.background.cancel();
            },
            is_over: &|| background.is_completed(),
            expired: &mut || {
                late.set(Some(too_late(shared, &guard.limit, body_ended.get())));
                job.cancel_with(Error::cancellation(
                    "the limit of real time for the test is over",
                ));
            },
            panicked: &|payload| {
                if let Err(late) = fail_with_panic(&job, payload) {
                    shared.failures.add(&job, &late);
                }
            },
            chooser,
        })));
        // Told before the root is dropped, which cancels what waits.
        let found = match end {
            End::All => None,
            End::Deadlock => Some(deadlock(shared)),
            End::Endless => Some(endless(shared)),
            End::GivenUp => Some(given_up(shared)),
        };
        (end, found)
    });
    drop(guard);

    let mut findings = Findings::new();
    if let Some(text) = late.take() {
        findings.push(Finding::TooLate(text));
    }
    findings.extend(found.map(Finding::Text));
    if end == End::All {
        tell_of_leftovers(shared);
    }
    let is_late = !findings.is_empty();
    if let Some(Err(error)) = result.take() {
        // What ended the test is told already.
        if !(is_late && error.is_cancellation()) {
            findings.push(Finding::Failure(error));
        }
    }
    add(&mut findings, shared.failures.take());
    if end != End::All {
        cancel_leftovers(shared);
    }
    shared.end();
    drop(running);
    shared.scheduler.0.test_ended();
    drop(context);
    // Calls of `spawn_blocking` that go on are not waited for: nobody in the test does.
    runtime.shutdown_background();
    // What they wake from here on is cancelled, and cleaned up elsewhere.
    add(&mut findings, shared.failures.take());
    let last = shared.failures.close(!findings.is_empty());
    add(&mut findings, last);
    findings
}

/// Adds failures, but for those that are there already.
fn add(findings: &mut Findings, failures: Vec<Error>) {
    for failure in failures {
        let mut known = findings.iter().filter_map(Finding::failure);
        if !known.any(|known| known.ptr_eq(&failure)) {
            findings.push(Finding::Failure(failure));
        }
    }
}

impl Finding {
    /// Whether it is a panic of which one of `texts` tells, which the hook for panics was given.
    pub(crate) fn is_told_by(&self, texts: &[String]) -> bool {
        match self {
            Finding::Failure(error) if error.is_panic() => {
                let told = error.to_string();
                let message = told.strip_prefix("panicked: ").unwrap_or(&told);
                texts.iter().any(|text| text.ends_with(message))
            }
            _ => false,
        }
    }

    pub(crate) fn is_too_late(&self) -> bool {
        matches!(self, Finding::TooLate(_))
    }

    fn failure(&self) -> Option<&Error> {
        match self {
            Finding::Failure(error) => Some(error),
            Finding::Text(_) | Finding::TooLate(_) => None,
        }
    }
}

impl Shared {
    fn job(&self) -> &Job {
        self.scope.job()
    }

    /// Lets go of what a test has.
    fn end(&self) {
        self.watch.end();
        self.main.end();
    }

    /// The live coroutines of the test, and those that it has launched elsewhere on its dispatchers.
    fn live(self: &Arc<Self>) -> Vec<Job> {
        let watch: Arc<dyn corox_core::harness_protocol::Watch> = self.watch.clone();
        let mut live = probe::live();
        let background = self.background.job();
        live.retain(|job| {
            let is_own = is_watched_by(job, &watch)
                || scheduler_of(dispatcher_of(job)).is_some_and(|own| own.is(&self.scheduler));
            // The background is told of if there is something in it.
            is_own && !(job.ptr_eq(background) && job.children().is_empty())
        });
        live
    }
}

/// What is known of a running test, for the one who finds it hanging.
fn describe(shared: &Weak<Shared>) -> String {
    let Some(shared) = shared.upgrade() else {
        return String::new();
    };
    let mut text = String::new();
    let now = shared.scheduler.current_time();
    let _ = writeln!(text, "virtual time: {now:?}");
    let live = shared.live();
    if !live.is_empty() {
        let dump = probe::dump_of(&live);
        let _ = write!(
            text,
            "{} coroutines, scopes and jobs live:\n{dump}",
            live.len()
        );
    }
    let holders = shared.watch.holders();
    if !holders.is_empty() {
        let _ = writeln!(text, "the virtual clock is held by:");
        for holder in holders {
            let _ = writeln!(text, "    {holder}");
        }
    }
    text
}

/// V-11
fn too_late(shared: &Arc<Shared>, limit: &Limit, body_ended: bool) -> String {
    let job = shared.job();
    let what = if job.is_completed() {
        "it ended after that".to_owned()
    } else if body_ended {
        let children = job.children();
        let mut text = format!(
            "its body has ended, and {} of its coroutines has not:",
            children.len()
        );
        for child in children {
            let _ = write!(text, "\n    {child}, launched at {}", child.location());
        }
        text
    } else {
        "its body has not ended".to_owned()
    };
    format!(
        "the test has not completed after {:?} of real time: {what}\n{}\
         a longer limit is given by `TestScope::run_test_within` or {TIMEOUT_VARIABLE}",
        limit.duration(),
        describe(&Arc::downgrade(shared))
    )
}

/// Coroutines that the test has launched on its dispatchers in scopes of their own, and that wait. That is no failure, the scope may
/// belong to somebody; libtest shows the text if the test fails.
fn tell_of_leftovers(shared: &Arc<Shared>) {
    let mut left = shared.live();
    left.retain(|job| {
        let scheduler = scheduler_of(dispatcher_of(job));
        has_live_body(job) && scheduler.is_some_and(|own| own.is(&shared.scheduler))
    });
    if !left.is_empty() {
        eprintln!(
            "the test has ended, and on its dispatcher wait coroutines that do not belong to it; they are cancelled when they are woken:\n{}",
            probe::dump_of(&left)
        );
    }
}

fn endless(shared: &Arc<Shared>) -> String {
    let live = shared.live();
    format!(
        "the test has ended, and on its dispatcher coroutines go on and on that do not belong to it: cancel the scope that they were \
         launched in, or launch them in `t.background_scope()`\n{}",
        probe::dump_of(&live)
    )
}

fn deadlock(shared: &Arc<Shared>) -> String {
    let live = shared.live();
    format!(
        "deadlock: nothing of the test can ever run again, and this waits:\n{}",
        probe::dump_of(&live)
    )
}

fn given_up(shared: &Arc<Shared>) -> String {
    format!(
        "the test was cancelled and did not end: its cleanup waits for something that does not come\n{}",
        describe(&Arc::downgrade(shared))
    )
}

/// Nobody will drive them any more: they are cancelled from the top, so that what cannot be cancelled in them goes on, and clean
/// up on the process's own pool.
fn cancel_leftovers(shared: &Arc<Shared>) {
    let live = shared.live();
    let tokens: HashSet<u64> = live.iter().map(token_of).collect();
    for job in live {
        if job
            .parent()
            .is_none_or(|parent| !tokens.contains(&token_of(&parent)))
        {
            job.cancel_with(Error::cancellation("its test is over"));
        }
    }
}

/// Fails the test with what is wrong, if anything is.
#[track_caller]
pub(crate) fn report(findings: Findings) {
    let mut findings = findings.into_iter();
    let Some(first) = findings.next() else {
        return;
    };
    let mut others = String::new();
    for (at, other) in findings.enumerate() {
        let _ = write!(others, "\nand, {}: {}", at + 1, other.text());
    }
    if let Finding::Failure(error) = &first {
        // The panic was told where it happened.
        if let Some(payload) = take_panic(error) {
            if !others.is_empty() {
                eprintln!("the test panicked{others}");
            }
            resume_unwind(payload);
        }
    }
    panic!("{}{others}", first.text());
}
