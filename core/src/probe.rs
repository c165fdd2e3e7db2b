//! Looking at live coroutines: who exists, in which state, where each was launched and what it waits for.
//!
//! Nothing is recorded until [`install`] is called; a launch and a wait then cost one relaxed load each. Coroutines that were
//! launched before are unknown, and a recorded one is forgotten when it ends.
//!
//! - [`install`] and [`is_installed`]: on, as long as the guard lives.
//! - [`live`], [`waits_of`]: the jobs, and what one of them waits for. [`dump`], [`dump_of`]: both as a text.
//! - [`WaitReason`], [`Reason`]: for suspension points of your own, so that they are told, too.
//!
//! Kotlin: `DebugProbes` of the module kotlinx-coroutines-debug.
//!
//! ```
//! use corox_core::{await_cancellation, probe, run_blocking, yield_now};
//!
//! let probes = probe::install();
//! run_blocking(async |scope| {
//!     let job = scope.launch(async { await_cancellation().await });
//!     yield_now().await;
//!     assert!(probe::dump().contains("waits for await_cancellation"));
//!     job.cancel();
//!     Ok(())
//! }).unwrap();
//! assert!(probe::live().is_empty());
//! drop(probes);
//! ```

#![doc(alias = "DebugProbes")]

pub(crate) mod awaited;
mod by_token;
pub(crate) mod capture;
pub(crate) mod deadlock;
pub(crate) mod detail;
mod gates;
pub(crate) mod holds;
pub(crate) mod known;
pub(crate) mod registry;
pub(crate) mod running;
mod tree;
pub(crate) mod watch;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::panic::Location;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use awaited::Awaited;
use detail::Detail;
use known::{KnownWait, known};
use registry::{REGISTRY, Wait};
pub(crate) use registry::{forget, register};
pub(crate) use running::{Allowed, Seen};

use crate::frame;
use crate::job::Job;

/// How many guards of [`install`] there are.
static INSTALLED: AtomicUsize = AtomicUsize::new(0);

/// Keeps the probes installed until it is dropped; see [`install`].
///
/// Kotlin: `DebugProbes.uninstall`, which is its drop.
#[derive(Debug)]
#[must_use = "dropping the guard removes the probes"]
#[doc(alias = "DebugProbes.uninstall")]
pub struct Installed(());

/// Installs the probes until the guard is dropped. Several guards may exist; the last one clears the registry.
///
/// Kotlin: `DebugProbes.install`, `DebugProbes.withDebugProbes`.
///
/// ```
/// use corox_core::probe;
///
/// let probes = probe::install();
/// let more = probe::install();
/// drop(probes);
/// assert!(probe::is_installed());
/// drop(more);
/// assert!(!probe::is_installed());
/// ```
#[doc(alias = "DebugProbes.install")]
#[doc(alias = "withDebugProbes")]
pub fn install() -> Installed {
    registry::add_guard();
    Installed(())
}

impl Drop for Installed {
    fn drop(&mut self) {
        registry::drop_guard();
    }
}

/// Whether some guard of [`install`] is alive.
///
/// Kotlin: `DebugProbes.isInstalled`.
///
/// ```
/// assert!(!corox_core::probe::is_installed());
/// ```
#[inline]
#[must_use]
#[doc(alias = "DebugProbes.isInstalled")]
pub fn is_installed() -> bool {
    INSTALLED.load(Ordering::Relaxed) != 0
}

/// The live coroutines, scopes and body-less jobs that are known, in the order of their creation.
///
/// Kotlin: `DebugProbes.dumpCoroutinesInfo`.
///
/// ```
/// use corox_core::{probe, run_blocking};
///
/// let _probes = probe::install();
/// run_blocking(async |scope| {
///     let job = scope.launch(async {});
///     let live = probe::live();
///     assert!(live[0].ptr_eq(scope.job()) && live[1].ptr_eq(&job));
///     Ok(())
/// }).unwrap();
/// assert!(probe::live().is_empty());
/// ```
#[must_use]
#[doc(alias = "dumpCoroutinesInfo")]
pub fn live() -> Vec<Job> {
    let entries: Vec<_> = {
        let registry = REGISTRY.lock();
        let entries = registry.jobs.values();
        entries.map(|entry| entry.job.clone()).collect()
    };
    tree::below(entries.iter())
}

/// What a coroutine waits for, and where; made by [`waits_of`].
///
/// Kotlin: a part of `CoroutineInfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "CoroutineInfo")]
pub struct WaitInfo {
    /// The kind of wait: `delay`, `join`, `await`, ...
    pub what: &'static str,
    /// What exactly: a duration, a job.
    pub detail: String,
    /// Where in the code.
    pub location: &'static Location<'static>,
    /// Whether only coroutines and jobs can end the wait: no clock, device or foreign code.
    pub by_coroutines: bool,
}

impl WaitInfo {
    /// It becomes a text here: not to be called while a lock is held.
    fn of(wait: &Wait) -> WaitInfo {
        WaitInfo {
            what: wait.what.0,
            detail: wait.detail.to_string(),
            location: wait.location,
            by_coroutines: wait.by_coroutines,
        }
    }
}

/// What the coroutine or scope `job` waits for at this moment.
///
/// As far as the suspension points of this library know; several entries if it waits inside a combinator. Empty if it waits
/// for nothing, or for a future of other code, or if it began to wait before the probes were [installed](install).
///
/// Kotlin: `CoroutineInfo.lastObservedStackTrace`.
///
/// ```
/// use corox_core::{delay, probe, run_blocking, yield_now};
/// use std::time::Duration;
///
/// let _probes = probe::install();
/// run_blocking(async |scope| {
///     let line = line!() + 1;
///     let job = scope.launch(async { delay(Duration::from_secs(60)).await });
///     yield_now().await;
///     let wait = &probe::waits_of(&job)[0];
///     assert_eq!((wait.what, &*wait.detail, wait.location.line()), ("delay", "60s", line));
///     assert!(!wait.by_coroutines);
///     job.cancel();
///     Ok(())
/// }).unwrap();
/// ```
#[must_use]
#[doc(alias = "lastObservedStackTrace")]
pub fn waits_of(job: &Job) -> Vec<WaitInfo> {
    let token = job.core().token();
    let waits: Vec<_> = {
        let registry = REGISTRY.lock();
        let own = registry.waits.range((token, 0)..=(token, u64::MAX));
        own.map(|(_, wait)| wait.clone()).collect()
    };
    waits
        .iter()
        .map(|noted| WaitInfo::of(&noted.wait))
        .collect()
}

/// The tree of the live jobs as text: a line each, indented by depth, with state, launch site and what it waits for.
///
/// Below a depth of 40 the indentation stops, and each line begins with its depth. Coroutines that wait for one another, so that
/// none of them can go on, are told at the end: `Deadlock: ..`.
///
/// Kotlin: `DebugProbes.dumpCoroutines`, and `DebugProbes.printJob` for the indentation.
///
/// ```
/// use corox_core::{CoroutineName, probe, run_blocking};
///
/// let _probes = probe::install();
/// run_blocking(async |scope| {
///     scope.with(CoroutineName::new("loader")).launch(async {});
///     let dump = probe::dump();
///     let lines: Vec<_> = dump.lines().collect();
///     assert!(lines[0].contains("BlockingCoroutine{Active}"));
///     assert!(lines[1].starts_with("    \"loader#") && lines[1].contains(", launched at "));
///     Ok(())
/// }).unwrap();
/// ```
#[must_use]
#[doc(alias = "dumpCoroutines")]
pub fn dump() -> String {
    dump_of(&live())
}

/// How deep a dump indents: else that of a chain of `n` jobs takes `n`² characters.
const DEEPEST_INDENT: usize = 40;

/// As [`dump`], of the given jobs only.
///
/// Kotlin: `DebugProbes.printJob`, `DebugProbes.printScope`.
///
/// ```
/// use corox_core::{CompletableJob, probe};
///
/// let job = CompletableJob::new();
/// assert!(probe::dump_of(&[job.as_ref().clone()]).starts_with("JobImpl{Active}@"));
/// ```
#[must_use]
#[doc(alias = "jobToString")]
#[doc(alias = "printJob")]
#[doc(alias = "scopeToString")]
#[doc(alias = "printScope")]
pub fn dump_of(jobs: &[Job]) -> String {
    let mut waits: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for job in known() {
        let own = job.waits.iter().map(told).collect();
        waits.insert(job.token, own);
    }
    let known: BTreeMap<u64, &Job> = jobs.iter().map(|job| (job.core().token(), job)).collect();
    let mut children: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    let mut stack: Vec<(u64, usize)> = Vec::new();
    for (token, job) in &known {
        match job.parent().map(|parent| parent.core().token()) {
            Some(parent) if known.contains_key(&parent) => {
                children.entry(parent).or_default().push(*token);
            }
            _ => stack.push((*token, 0)),
        }
    }
    stack.reverse();
    let mut text = String::new();
    while let Some((token, depth)) = stack.pop() {
        if let Some(job) = known.get(&token) {
            let mut indent = "    ".repeat(depth.min(DEEPEST_INDENT));
            if depth > DEEPEST_INDENT {
                let _ = write!(indent, "[{depth}] ");
            }
            let _ = writeln!(text, "{indent}{job}, launched at {}", job.location());
            for wait in waits.get(&token).into_iter().flatten() {
                let _ = writeln!(text, "{indent}  {wait}");
            }
        }
        let below = children.remove(&token).unwrap_or_default();
        stack.extend(below.into_iter().rev().map(|child| (child, depth + 1)));
    }
    for deadlock in deadlock::deadlocks() {
        let of_these = |job: &Job| known.contains_key(&job.core().token());
        if deadlock.links.iter().any(|link| of_these(&link.job)) {
            let _ = writeln!(text, "{deadlock}");
        }
    }
    text
}

/// A line of the dump.
fn told(wait: &KnownWait) -> String {
    let WaitInfo {
        what,
        detail,
        location,
        ..
    } = &wait.info;
    if detail.is_empty() {
        format!("waits for {what} at {location}")
    } else {
        format!("waits for {what} ({detail}) at {location}")
    }
}

/// The name of a kind of wait, a `static` of whoever waits. See the example of [`WaitReason`].
#[derive(Debug)]
pub struct Reason(
    /// What a dump calls it.
    pub &'static str,
);

/// What a suspension point notes while it is pending; taken back when dropped. For the leaf futures of libraries.
///
/// ```
/// use corox_core::probe::{self, Reason, WaitReason};
/// use corox_core::{Job, run_blocking};
///
/// let _probes = probe::install();
/// run_blocking(async |_| {
///     // Whoever has the lock is a coroutine.
///     let mut reason = WaitReason::here(&Reason("my_lock")).by_coroutines();
///     // In `poll`, before `Pending`:
///     reason.note(|| "table 7".to_owned());
///     let waits = probe::waits_of(&Job::current().unwrap());
///     assert_eq!((waits[0].what, waits[0].location), ("my_lock", reason.location()));
///     // And before `Ready`:
///     reason.end();
///     assert!(probe::waits_of(&Job::current().unwrap()).is_empty());
///     Ok(())
/// }).unwrap();
/// ```
#[derive(Debug)]
pub struct WaitReason {
    what: &'static Reason,
    location: &'static Location<'static>,
    /// The key of the note; its number is 0 while there is none.
    noted: (u64, u64),
    by_coroutines: bool,
}

impl WaitReason {
    /// A reason at the caller's line.
    #[must_use]
    #[track_caller]
    pub fn here(what: &'static Reason) -> Self {
        WaitReason::at(what, Location::caller())
    }

    /// A reason at `location`: for a future that was made at another line than that of its first poll.
    ///
    /// ```
    /// use corox_core::probe::{Reason, WaitReason};
    /// use std::panic::Location;
    ///
    /// let here = Location::caller();
    /// assert_eq!(WaitReason::at(&Reason("my_lock"), here).location(), here);
    /// ```
    #[must_use]
    pub fn at(what: &'static Reason, location: &'static Location<'static>) -> Self {
        WaitReason {
            what,
            location,
            noted: (0, 0),
            by_coroutines: false,
        }
    }

    /// Says that only coroutines and jobs end the wait: no clock, device or foreign code.
    ///
    /// The clock of a test does not wait for a coroutine that waits so on a dispatcher outside of the test.
    #[must_use]
    pub fn by_coroutines(mut self) -> Self {
        self.by_coroutines = true;
        self
    }

    /// For the next note.
    pub(crate) fn set_by_coroutines(&mut self, by_coroutines: bool) {
        self.by_coroutines = by_coroutines;
    }

    /// Where the code waits.
    #[must_use]
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }

    /// Notes that the current coroutine waits here; `detail` is asked only if probes are installed, and once.
    #[inline]
    pub fn note(&mut self, detail: impl FnOnce() -> String) {
        if is_installed() {
            self.note_slowly(|| (Detail::Text(detail()), Awaited::Anything));
        }
    }

    /// As [`note`](WaitReason::note), of a wait for something that is known to other coroutines, too. For the crates of the project.
    #[doc(hidden)]
    #[inline]
    pub fn note_for(&mut self, detail: impl FnOnce() -> (Detail, Awaited)) {
        if is_installed() {
            self.note_slowly(detail);
        }
    }

    /// As [`note`](WaitReason::note), of a wait for `duration`, which becomes a text only for whoever looks.
    ///
    /// ```
    /// use corox_core::probe::{self, Reason, WaitReason};
    /// use corox_core::{Job, run_blocking};
    /// use std::time::Duration;
    ///
    /// let _probes = probe::install();
    /// run_blocking(async |_| {
    ///     let mut reason = WaitReason::here(&Reason("my_timer"));
    ///     reason.note_duration(Duration::from_millis(5));
    ///     assert_eq!(probe::waits_of(&Job::current().unwrap())[0].detail, "5ms");
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[inline]
    pub fn note_duration(&mut self, duration: Duration) {
        if is_installed() {
            self.note_slowly(|| (Detail::Duration(duration), Awaited::Anything));
        }
    }

    #[cold]
    fn note_slowly(&mut self, detail: impl FnOnce() -> (Detail, Awaited)) {
        if self.noted.1 == 0 {
            let Some(job) = frame::current_job() else {
                return;
            };
            let (detail, awaited) = detail();
            let wait = Wait {
                what: self.what,
                detail,
                location: self.location,
                by_coroutines: self.by_coroutines,
                awaited,
                owner: None,
            };
            self.noted = registry::begin_wait(&job, wait);
        }
        if capture::is_capturing() {
            registry::add_stack(self.noted);
        }
        if running::are_timed() {
            watch::note(self.noted);
        }
    }

    /// Takes the note back: the wait has ended, though the future may live on.
    #[inline]
    pub fn end(&mut self) {
        if self.noted.1 != 0 {
            self.end_slowly();
        }
    }

    #[cold]
    fn end_slowly(&mut self) {
        registry::end_wait(self.noted);
        self.noted.1 = 0;
    }
}

impl Drop for WaitReason {
    fn drop(&mut self) {
        self.end();
    }
}
