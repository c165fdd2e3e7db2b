//! Calls of subscribers.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    // Nothing to destroy: bodies may be dropped by destructors of other locals.
    static TELLING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this code is called by a subscriber that is being told something: what it launches is not told, or to tell of it might lead
/// to the next one, and so on.
pub(super) fn is_telling() -> bool {
    TELLING.get()
}

/// Tells a subscriber something. `None` if it panics, of which the panic hook has been told: a log must not fail what it tells of.
pub(super) fn tell<R>(subscriber: impl FnOnce() -> R) -> Option<R> {
    let before = TELLING.replace(true);
    let told = catch_unwind(AssertUnwindSafe(subscriber)).ok();
    TELLING.set(before);
    told
}
