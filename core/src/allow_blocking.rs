//! Code that blocks its thread on purpose.

use crate::probe::Allowed;

/// Calls `f`, which blocks the thread of its coroutine on purpose: its time does not count for those who look for blocking code.
///
/// That is the `Watchdog` of the crate corox-debug. While there is none this costs one relaxed load. For a call whose time is known to
/// be short, or that cannot move to another thread; what takes long belongs into [`blocking`](crate::blocking).
///
/// It may be nested, and called outside of coroutines; a coroutine that is entered inside (by
/// [`run_blocking`](crate::run_blocking)) is allowed, too. A panic of `f` passes through.
///
/// Kotlin: `BlockHound.Builder.allowBlockingCallsInside`.
///
/// ```
/// use corox_core::{Dispatcher, allow_blocking, run_blocking, with_context};
///
/// let lines = run_blocking(async |_| with_context(Dispatcher::DEFAULT, async {
///     let text = allow_blocking(|| std::fs::read_to_string("Cargo.toml"))?;
///     Ok(text.lines().count())
/// }).await);
/// assert!(lines.unwrap() > 10);
/// ```
#[doc(alias = "allowBlockingCallsInside")]
pub fn allow_blocking<R>(f: impl FnOnce() -> R) -> R {
    let _allowed = Allowed::begin();
    f()
}
