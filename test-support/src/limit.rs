//! The limit of real time for a test, kept by one thread for all tests of the process.
//!
//! ```text
//!   Running ── the limit is over ──> Expired ── the loop has seen it ──> Answered ── grace over ──> Given up
//!      │                                │
//!      │ the test has ended             │ it has not for a second: the thread is blocked, and the
//!      ▼                                ▼ thread of the limits tells what is known of the test
//!    (gone)                           Told
//! ```

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

/// The environment variable with the limit for tests that do not set one: seconds, or a number with `ms`, `s` or `m`.
///
/// Without it the limit is 60 seconds. A test panics if the value is none of that, or zero.
///
/// Kotlin: the property `kotlinx.coroutines.test.default_timeout`.
///
/// ```sh
/// COROX_TEST_TIMEOUT=5m cargo test
/// ```
#[doc(alias = "default_timeout")]
pub const TIMEOUT_VARIABLE: &str = "COROX_TEST_TIMEOUT";

const DEFAULT: Duration = Duration::from_secs(60);

/// How long the loop may take to see that the limit is over.
const ANSWER: Duration = Duration::from_secs(1);

/// How long tasks of tokio may go on and on when nothing else of a test is left.
pub(crate) const TURNS: Duration = Duration::from_secs(1);

/// How long the cleanup of a cancelled test may take.
const GRACE: Duration = Duration::from_secs(10);

/// The limit of tests that do not set one.
///
/// # Panics
///
/// If the variable has a value that is no limit.
#[track_caller]
pub(crate) fn default() -> Duration {
    match std::env::var(TIMEOUT_VARIABLE) {
        Err(_) => DEFAULT,
        Ok(text) => match parse(&text) {
            Some(limit) => limit,
            None => panic!(
                "{TIMEOUT_VARIABLE} is {text:?}, which is no limit for a test: give seconds, as in `120`, or a unit, as in `500ms`, \
                 `90s`, `5m`"
            ),
        },
    }
}

fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit());
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let number: u64 = number.parse().ok()?;
    let limit = match unit.trim() {
        "" | "s" => Duration::from_secs(number),
        "ms" => Duration::from_millis(number),
        "m" => Duration::from_secs(number.checked_mul(60)?),
        _ => return None,
    };
    (!limit.is_zero()).then_some(limit)
}

const RUNNING: u8 = 0;
const EXPIRED: u8 = 1;
const ANSWERED: u8 = 2;
const GIVEN_UP: u8 = 3;

/// The limit of one test.
pub(crate) struct Limit {
    state: AtomicU8,
    told: AtomicBool,
    answered: OnceLock<Instant>,
    duration: Duration,
    /// That of the thread: libtest calls it as the test.
    name: String,
    /// Wakes the loop.
    wake: Box<dyn Fn() + Send + Sync>,
    /// What is known of the test, for when the loop does not answer.
    describe: Box<dyn Fn() -> String + Send + Sync>,
}

impl Limit {
    /// The limit begins now; it ends with the guard.
    pub(crate) fn begin(
        duration: Duration,
        name: String,
        wake: impl Fn() + Send + Sync + 'static,
        describe: impl Fn() -> String + Send + Sync + 'static,
    ) -> Guard {
        let limit = Arc::new(Limit {
            state: AtomicU8::new(RUNNING),
            told: AtomicBool::new(false),
            answered: OnceLock::new(),
            duration,
            name,
            wake: Box::new(wake),
            describe: Box::new(describe),
        });
        if let Some(at) = Instant::now().checked_add(duration) {
            Keeper::add(at, &limit, What::Limit);
        }
        Guard { limit }
    }

    pub(crate) fn duration(&self) -> Duration {
        self.duration
    }

    /// Whether the limit is over. The loop has seen it then.
    pub(crate) fn is_over(&self) -> bool {
        match self.state.load(Ordering::Acquire) {
            RUNNING => false,
            EXPIRED => {
                let _ = self.answered.set(Instant::now());
                self.state.store(ANSWERED, Ordering::Release);
                true
            }
            _ => true,
        }
    }

    /// Whether the cleanup, too, has taken too long.
    pub(crate) fn is_given_up(&self) -> bool {
        self.state.load(Ordering::Acquire) == GIVEN_UP
    }

    /// The next step of the limit; gives the time of the one after it.
    fn step(&self) -> Option<Instant> {
        let now = Instant::now();
        match self.state.load(Ordering::Acquire) {
            RUNNING => {
                self.state.store(EXPIRED, Ordering::Release);
                (self.wake)();
                Some(now + ANSWER)
            }
            EXPIRED => {
                if !self.told.swap(true, Ordering::Relaxed) {
                    let text = format!(
                        "the test {} has not completed after {:?}, and its thread is blocked: a coroutine of the test computes or calls \
                         something that blocks. Move that to `blocking(..)` or `with_context(IO, ..)`, or let it call `yield_now`.\n{}",
                        self.name,
                        self.duration,
                        (self.describe)()
                    );
                    // In one piece, and not by `eprintln!`, which panics if stderr is closed.
                    let _ = std::io::stderr().write_all(text.as_bytes());
                }
                Some(now + ANSWER)
            }
            ANSWERED => {
                // Counted from the answer: a thread that was blocked for long has begun to clean up just now.
                let answered = self.answered.get().copied().unwrap_or(now);
                let end = answered + GRACE.min(self.duration + ANSWER);
                if now < end {
                    return Some(end);
                }
                self.state.store(GIVEN_UP, Ordering::Release);
                (self.wake)();
                None
            }
            _ => None,
        }
    }
}

/// Ends the limit when dropped.
pub(crate) struct Guard {
    pub(crate) limit: Arc<Limit>,
}

impl Guard {
    /// From here on the loop is woken now and then, whatever keeps its thread busy.
    pub(crate) fn wake_now_and_then(&self) {
        Keeper::add(Instant::now() + TURNS, &self.limit, What::Wake);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        Keeper::remove(&self.limit);
    }
}

/// What the thread is to do for a test.
#[derive(Clone, Copy)]
enum What {
    Limit,
    Wake,
}

/// The thread that keeps the limits.
struct Keeper {
    steps: BTreeMap<(Instant, u64), (What, Arc<Limit>)>,
    numbers: u64,
    is_running: bool,
    /// When the thread wakes by itself.
    sleeps_until: Option<Instant>,
}

static KEEPER: Mutex<Keeper> = Mutex::new(Keeper {
    steps: BTreeMap::new(),
    numbers: 0,
    is_running: false,
    sleeps_until: None,
});
static CHANGED: Condvar = Condvar::new();

impl Keeper {
    fn add(at: Instant, limit: &Arc<Limit>, what: What) {
        let mut keeper = KEEPER.lock();
        keeper.numbers += 1;
        let key = (at, keeper.numbers);
        keeper.steps.insert(key, (what, limit.clone()));
        if !keeper.is_running {
            keeper.is_running = true;
            let started = std::thread::Builder::new()
                .name("corox-test-limits".to_owned())
                .spawn(keep);
            if let Err(error) = started {
                keeper.is_running = false;
                keeper.steps.clear();
                drop(keeper);
                panic!(
                    "the operating system refused the thread that keeps the limits of tests: {error}"
                );
            }
        } else if keeper.sleeps_until.is_none_or(|until| at < until) {
            // It would sleep for too long. Tests that end in time leave it asleep.
            CHANGED.notify_one();
        }
    }

    fn remove(limit: &Arc<Limit>) {
        let mut keeper = KEEPER.lock();
        let removed: Vec<_> = {
            let keys: Vec<_> = keeper
                .steps
                .iter()
                .filter(|(_, (_, other))| Arc::ptr_eq(limit, other))
                .map(|(key, _)| *key)
                .collect();
            keys.iter().map(|key| keeper.steps.remove(key)).collect()
        };
        drop(keeper);
        drop(removed);
    }
}

fn keep() {
    let mut keeper = KEEPER.lock();
    loop {
        let Some((&(at, number), (what, limit))) = keeper.steps.first_key_value() else {
            keeper.sleeps_until = None;
            CHANGED.wait(&mut keeper);
            continue;
        };
        if Instant::now() < at {
            keeper.sleeps_until = Some(at);
            CHANGED.wait_until(&mut keeper, at);
            continue;
        }
        let (what, limit) = (*what, limit.clone());
        drop(keeper);
        let next = match what {
            What::Limit => limit.step(),
            What::Wake => {
                (limit.wake)();
                Some(Instant::now() + TURNS)
            }
        };
        keeper = KEEPER.lock();
        // Unless the test has ended meanwhile.
        let old = keeper.steps.remove(&(at, number));
        if let (Some(_), Some(next)) = (&old, next) {
            keeper.steps.insert((next, number), (what, limit.clone()));
        }
        // Perhaps the last ones to know the test.
        MutexGuard::unlocked(&mut keeper, || drop((old, limit)));
    }
}

#[cfg(test)]
mod tests {
    use super::parse;
    use std::time::Duration;

    #[test]
    fn limits_are_seconds_or_have_a_unit() {
        assert_eq!(parse("120"), Some(Duration::from_secs(120)));
        assert_eq!(parse(" 90s "), Some(Duration::from_secs(90)));
        assert_eq!(parse("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(parse("5m"), Some(Duration::from_secs(300)));
        for bad in [
            "",
            "0",
            "soon",
            "-1",
            "1h",
            "1.5",
            "99999999999999999999",
            "999999999999999999m",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
