//! Schedule exploration: one test under many orders of what is ready at the same instant.
//!
//! ```text
//!   first come first served ── ok ──> schedule 2, 3, .. n ── ok ──> how many were distinct
//!             │                              │
//!             └────────── fails ─────────────┴──> shrink the forced switches ──> panic with the line that replays it
//! ```
//!
//! Uniform random choice finds what a few switches anywhere provoke; priorities with few changes find what needs several at
//! the right places: S. Burckhardt, P. Kothari, M. Musuvathi, S. Nagarakatte, "A Randomized Scheduler with Probabilistic
//! Guarantees of Finding Bugs", ASPLOS 2010 (PCT).

mod chooser;
mod quiet_panics;
mod random;
mod seed;
mod shrink;
mod strategy;

use std::collections::HashSet;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use corox_core::LaunchOutput;
use corox_core::harness_protocol::set_select_seed;

pub(crate) use chooser::Chooser;
use chooser::Trace;
use quiet_panics::QuietPanics;
use seed::Seed;

use crate::TestScope;
use crate::limit;
use crate::run::{Finding, Findings, check_thread, run_with};

/// The environment variable that has [`explore`] run one schedule only, that of a failure it has reported.
///
/// ```sh
/// COROX_SEED=switches:5692161d100b05e5:1=1 cargo test name_of_the_test
/// ```
pub const SEED_VARIABLE: &str = "COROX_SEED";

/// Runs a test under `n` schedules; see [`Explore`].
///
/// # Panics
///
/// As [`Explore::run`].
///
/// ```
/// use corox_core::yield_now;
/// use corox_test::explore;
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use std::sync::Arc;
///
/// let explored = explore(100, async |t| {
///     let sum = Arc::new(AtomicU32::new(0));
///     for _ in 0..3 {
///         let sum = sum.clone();
///         t.launch(async move {
///             yield_now().await;
///             sum.fetch_add(1, Ordering::Relaxed);
///         });
///     }
///     t.run_current().await;
///     assert_eq!(sum.load(Ordering::Relaxed), 3);
/// });
/// assert!(explored.distinct() > 10);
/// ```
#[track_caller]
pub fn explore<R: LaunchOutput>(n: usize, body: impl AsyncFn(TestScope) -> R) -> Explored {
    Explore::new(n).run(body)
}

/// Runs a test in virtual time under many schedules: seeded orders of the coroutines that are ready at the same instant.
///
/// A schedule decides, whenever more than one coroutine of the test's dispatchers is ready, which of them runs up to its next
/// suspension; a delay or a time-out that is due is one more to choose from. The first schedule is the order of
/// [`run_test`](crate::run_test), first come first served. Of the others half choose at random; the other half gives the
/// coroutines random priorities, runs the highest, and lowers it at a few random points ([`depth`](Explore::depth)). The same
/// number gives the same schedules each time, unless the [`seed`](Explore::seed) is changed. The priorities are PCT: S. Burckhardt,
/// P. Kothari, M. Musuvathi, S. Nagarakatte, "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs", ASPLOS 2010.
///
/// The test must do the same whenever it is given the same schedule: what it depends on beside that, threads, sockets, real time,
/// random numbers, cannot be replayed. The order of [`select_unbiased`](corox_core::select_unbiased) belongs to the schedule. Tasks
/// of `tokio::spawn` and coroutines on an unconfined dispatcher run when tokio or their waker says so: launch on the
/// test's scope what is to be explored. A switch can happen only where a coroutine suspends; put a `yield_now` where other
/// threads might come in between.
///
/// That nothing can ever run again is a failure here: a deadlock. Threads and sockets that the test waits for are not seen, so
/// wait for them in [`TestScope::real_time`].
///
/// ```should_panic
/// use corox_core::yield_now;
/// use corox_test::Explore;
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use std::sync::Arc;
///
/// // Two coroutines read, give way and write: an update is lost.
/// Explore::new(1000).run(async |t| {
///     let sum = Arc::new(AtomicU32::new(0));
///     for _ in 0..2 {
///         let sum = sum.clone();
///         t.launch(async move {
///             let read = sum.load(Ordering::Relaxed);
///             yield_now().await;
///             sum.store(read + 1, Ordering::Relaxed);
///         });
///     }
///     t.run_current().await;
///     assert_eq!(sum.load(Ordering::Relaxed), 2);
/// });
/// ```
///
/// What can be set:
///
/// ```
/// use corox_core::yield_now;
/// use corox_test::Explore;
/// use std::time::Duration;
///
/// let exploration = Explore::new(50).depth(2).seed(7).limit(Duration::from_secs(60));
/// let test = async |t: corox_test::TestScope| {
///     for _ in 0..3 {
///         t.launch(async { yield_now().await });
///     }
/// };
/// assert_eq!(exploration.run(test).schedules(), 50);
/// assert!(exploration.clone().only_random().run(test).distinct() > 1);
/// assert!(exploration.only_priorities().run(test).distinct() > 1);
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing runs before `run`"]
pub struct Explore {
    schedules: usize,
    depth: u32,
    seed: u64,
    limit: Option<Duration>,
    random: bool,
    priorities: bool,
}

/// What an exploration has seen.
///
/// ```
/// use corox_core::yield_now;
/// use corox_test::explore;
///
/// let explored = explore(100, async |t| {
///     for _ in 0..3 {
///         t.launch(async { yield_now().await });
///     }
/// });
/// assert_eq!(explored.schedules(), 100);
/// assert!(explored.distinct() > 10);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explored {
    schedules: usize,
    distinct: usize,
}

impl Explored {
    /// How many schedules were run.
    #[must_use]
    pub fn schedules(&self) -> usize {
        self.schedules
    }

    /// How many of them differed in a decision.
    #[must_use]
    pub fn distinct(&self) -> usize {
        self.distinct
    }
}

impl Explore {
    /// An exploration of `schedules` schedules, with priorities of [depth](Explore::depth) 3.
    ///
    /// # Panics
    ///
    /// If `schedules` is 0.
    #[track_caller]
    pub fn new(schedules: usize) -> Explore {
        assert!(
            schedules > 0,
            "an exploration of no schedule cannot find anything: give at least 1"
        );
        Explore {
            schedules,
            depth: 3,
            seed: 0,
            limit: None,
            random: true,
            priorities: true,
        }
    }

    /// The depth of the priorities: how many orderings, beside that of the priorities themselves, a failure needs at most.
    ///
    /// At `depth - 1` points the running coroutine becomes the last.
    ///
    /// # Panics
    ///
    /// If it is 0.
    #[track_caller]
    pub fn depth(mut self, depth: u32) -> Explore {
        assert!(depth > 0, "the depth of priorities is at least 1");
        self.depth = depth;
        self
    }

    /// Only random schedules, without priorities.
    pub fn only_random(mut self) -> Explore {
        (self.random, self.priorities) = (true, false);
        self
    }

    /// Only schedules with priorities.
    pub fn only_priorities(mut self) -> Explore {
        (self.random, self.priorities) = (false, true);
        self
    }

    /// Other schedules: those that follow from `seed`.
    pub fn seed(mut self, seed: u64) -> Explore {
        self.seed = seed;
        self
    }

    /// The limit of real time for each single run; without it that of [`run_test`](crate::run_test).
    pub fn limit(mut self, limit: Duration) -> Explore {
        self.limit = Some(limit);
        self
    }

    /// Runs `body`, once for each schedule, until one fails.
    ///
    /// With the environment variable [`COROX_SEED`](SEED_VARIABLE) set it runs that schedule only.
    ///
    /// # Panics
    ///
    /// If a schedule fails as [`run_test`](crate::run_test) would, or in a deadlock: with what is wrong, the switches that
    /// provoke it, as few of them as were found, and a line that replays exactly that run. And where `run_test` panics for how
    /// it is called.
    #[track_caller]
    pub fn run<R: LaunchOutput>(&self, body: impl AsyncFn(TestScope) -> R) -> Explored {
        let limit = self.limit.unwrap_or_else(limit::default);
        if let Ok(text) = std::env::var(SEED_VARIABLE) {
            return replay(&text, limit, &body);
        }
        let mut schedules = HashSet::new();
        // The number of decisions that a run may have, as far as is known.
        let mut decisions = 1;
        for number in 0..self.schedules {
            let seed = self.seed_of(number, decisions);
            let run = run_one(&seed, limit, false, &body);
            decisions = decisions.max(run.trace.decisions());
            schedules.insert(run.trace.digest());
            if !run.findings.is_empty() {
                let distinct = schedules.len();
                let which = format!(
                    "schedule {} of {} fails ({distinct} distinct so far)",
                    number + 1,
                    self.schedules
                );
                fail(&which, &seed, run, limit, &body);
            }
        }
        Explored {
            schedules: self.schedules,
            distinct: schedules.len(),
        }
    }

    fn seed_of(&self, number: usize, decisions: u32) -> Seed {
        let random = random::mix(self.seed, number as u64);
        match number {
            0 => Seed::FirstComeFirstServed,
            _ if !self.priorities || (self.random && number % 2 == 1) => Seed::Random(random),
            _ => Seed::Priorities {
                depth: self.depth,
                decisions,
                random,
            },
        }
    }
}

/// One run under one schedule.
pub(crate) struct Run {
    findings: Findings,
    /// What the hook for panics was told on this thread.
    panics: Vec<String>,
    trace: Trace,
}

impl Run {
    fn is_too_late(&self) -> bool {
        self.findings.iter().any(Finding::is_too_late)
    }
}

#[track_caller]
fn run_one<R: LaunchOutput>(
    seed: &Seed,
    limit: Duration,
    with_names: bool,
    body: &impl AsyncFn(TestScope) -> R,
) -> Run {
    // Not to be kept: nobody would tell it.
    check_thread();
    let mut chooser = Chooser::new(seed.strategy(), with_names);
    set_select_seed(seed.number());
    let quiet = QuietPanics::begin();
    let scope = TestScope::default();
    let findings = run_with(&scope, limit, Some(&mut chooser), async |t| body(t).await);
    drop(scope);
    Run {
        findings,
        panics: quiet.end(),
        trace: chooser.into_trace(),
    }
}

#[track_caller]
fn replay<R: LaunchOutput>(
    text: &str,
    limit: Duration,
    body: &impl AsyncFn(TestScope) -> R,
) -> Explored {
    let Some(seed) = Seed::parse(text) else {
        panic!(
            "{SEED_VARIABLE} is {text:?}, which is no schedule: give what a failed exploration has printed behind `{SEED_VARIABLE}=`"
        );
    };
    let run = run_one(&seed, limit, true, body);
    if !run.findings.is_empty() {
        tell("the replayed schedule fails", &seed, &run);
    }
    Explored {
        schedules: 1,
        distinct: 1,
    }
}

#[track_caller]
fn fail<R: LaunchOutput>(
    which: &str,
    seed: &Seed,
    run: Run,
    limit: Duration,
    body: &impl AsyncFn(TestScope) -> R,
) {
    if run.is_too_late() {
        let which = format!("{which}; a run that takes too long is not shrunk");
        tell(&which, seed, &run);
    }
    let all = run.trace.switches();
    let begun = Instant::now();
    let least = shrink::shrink(&all, |switches| {
        // Some that do not fail as this one did may take their limit each.
        if begun.elapsed() > limit {
            return false;
        }
        let seed = Seed::switches(seed.number(), switches);
        let run = run_one(&seed, limit, false, body);
        !run.findings.is_empty() && !run.is_too_late()
    });
    let shrunk = Seed::switches(seed.number(), &least);
    let again = run_one(&shrunk, limit, true, body);
    let before = all.len();
    if again.findings.is_empty() {
        let which = format!(
            "{which}; run again under the very same schedule it passes: the test depends on something else than the schedule"
        );
        tell(&which, seed, &run);
    } else if least.len() < before {
        let which = format!("{which}; {before} switches were shrunk to {}", least.len());
        tell(&which, &shrunk, &again);
    }
    tell(which, &shrunk, &again);
}

/// Panics with the report of a failed run.
#[track_caller]
fn tell(which: &str, seed: &Seed, run: &Run) -> ! {
    let mut text = format!("{which}\n");
    for panic in &run.panics {
        let _ = writeln!(text, "{panic}");
    }
    for finding in &run.findings {
        // A panic of this thread is told already, with its place.
        if !finding.is_told_by(&run.panics) {
            let _ = writeln!(text, "{}", finding.text().trim_end());
        }
    }
    let forced = run.trace.describe();
    if run.trace.switches().is_empty() {
        let order = match seed.number() {
            0 => "in the order of run_test",
            _ => "first come first served, with the orders of `select_unbiased` that belong to it",
        };
        let _ = writeln!(text, "no switch is needed: it fails {order}");
    } else if !forced.is_empty() {
        let _ = writeln!(text, "forced switches:\n{}", forced.trim_end());
    }
    let _ = write!(text, "replay: {SEED_VARIABLE}={seed}");
    panic!("{text}");
}
