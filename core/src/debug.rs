//! Debug mode: numbers for coroutines, and the labels made of them (P-8).

use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use crate::frame;
use crate::job::{Job, Kind};
use crate::trace;

const UNKNOWN: u8 = 0;
const OFF: u8 = 1;
const ON: u8 = 2;

static MODE: AtomicU8 = AtomicU8::new(UNKNOWN);
static LAST_ID: AtomicU64 = AtomicU64::new(0);

/// Whether coroutines get numbers: in builds with debug assertions, or as the environment variable `COROX_DEBUG` (`on`,
/// `off`) or [`set_debug_mode`] say.
///
/// They get them also while [probes](crate::probe) are installed and, with the feature `tracing`, while a subscriber wants spans of INFO.
///
/// Kotlin: the system property `kotlinx.coroutines.debug` (`DEBUG_PROPERTY_NAME`).
///
/// ```
/// use corox_core::{debug_mode, run_blocking, set_debug_mode};
///
/// set_debug_mode(false);
/// assert!(!debug_mode());
/// run_blocking(async |scope| {
///     assert_eq!(scope.job().id(), None);
///     Ok(())
/// }).unwrap();
/// ```
#[must_use]
#[doc(alias = "DEBUG_PROPERTY_NAME")]
#[doc(alias = "DEBUG_PROPERTY_VALUE_AUTO")]
pub fn debug_mode() -> bool {
    match MODE.load(Ordering::Relaxed) {
        UNKNOWN => {
            let on = match std::env::var("COROX_DEBUG").as_deref() {
                Ok("on" | "1" | "true") => true,
                Ok("off" | "0" | "false") => false,
                _ => cfg!(debug_assertions),
            };
            let mode = if on { ON } else { OFF };
            // A call of `set_debug_mode` in between counts more.
            let _ = MODE.compare_exchange(UNKNOWN, mode, Ordering::Relaxed, Ordering::Relaxed);
            MODE.load(Ordering::Relaxed) == ON
        }
        mode => mode == ON,
    }
}

/// Switches debug mode on or off for coroutines made from now on.
///
/// Kotlin: the values `on`, `off` and `auto` of the property.
///
/// ```
/// corox_core::set_debug_mode(true);
/// assert!(corox_core::debug_mode());
/// ```
#[doc(alias = "DEBUG_PROPERTY_VALUE_ON")]
#[doc(alias = "DEBUG_PROPERTY_VALUE_OFF")]
pub fn set_debug_mode(on: bool) {
    MODE.store(if on { ON } else { OFF }, Ordering::Relaxed);
}

/// The number of a new job: a fresh one for a coroutine of its own, that of the surrounding one for a scope inside it, none
/// for a body-less job.
#[inline]
pub(crate) fn id_for(kind: Kind, parent: Option<&Job>, is_probed: bool) -> u64 {
    // Whether somebody tells of coroutines by their numbers.
    let is_asked_for = is_probed || trace::numbers_are_wanted();
    if MODE.load(Ordering::Relaxed) == OFF && !is_asked_for {
        return 0;
    }
    id_by_mode(kind, parent, is_asked_for)
}

fn id_by_mode(kind: Kind, parent: Option<&Job>, is_asked_for: bool) -> u64 {
    if kind.is_body_less() || !is_asked_for && !debug_mode() {
        return 0;
    }
    let owner = match kind {
        Kind::Standalone
        | Kind::LazyStandalone
        | Kind::Deferred
        | Kind::LazyDeferred
        | Kind::Blocking
        | Kind::Test => None,
        _ => frame::current_job().or_else(|| parent.cloned()),
    };
    match owner.map(|owner| owner.core().id) {
        Some(id) if id != 0 => id,
        _ => LAST_ID.fetch_add(1, Ordering::Relaxed) + 1,
    }
}

/// `"name#number":Kind`, without the first part if the job has no number.
pub(crate) fn write_name(job: &Job, f: &mut impl fmt::Write) -> fmt::Result {
    let core = job.core();
    if core.id != 0 {
        write!(f, "\"{}#{}\":", name_of(job), core.id)?;
    }
    f.write_str(core.kind.name())
}

/// `"name#number"`; of a job without a number all that it says of itself.
#[must_use]
pub fn short_name(job: &Job) -> String {
    match job.core().id {
        0 => job.to_string(),
        id => format!("\"{}#{id}\"", name_of(job)),
    }
}

fn name_of(job: &Job) -> &str {
    job.context()
        .name
        .as_ref()
        .map_or("coroutine", |name| name.as_str())
}

/// The name of the thread and, in debug mode, of the coroutine that runs on it: `main @coroutine#2`.
///
/// Kotlin: the name of the thread in debug mode.
///
/// ```
/// use corox_core::{CoroutineName, run_blocking, set_debug_mode, thread_label};
///
/// set_debug_mode(true);
/// run_blocking(async |scope| {
///     scope.with(CoroutineName::new("v1")).launch(async {
///         assert!(thread_label().contains(" @v1#"));
///     });
///     Ok(())
/// }).unwrap();
/// ```
#[must_use]
#[doc(alias = "Thread.currentThread().name")]
pub fn thread_label() -> String {
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    match Job::current() {
        Some(job) if job.core().id != 0 => {
            format!("{thread} @{}#{}", name_of(&job), job.core().id)
        }
        _ => thread.to_owned(),
    }
}
