//! Owners of locks.

use std::num::NonZeroU64;
// A static is no part of a model.
use std::sync::atomic::{AtomicU64, Ordering};

/// What [`LockOwner`] is to a lock; 0 is nobody by name.
pub(crate) type OwnerNumber = u64;

static LAST: AtomicU64 = AtomicU64::new(0);

/// In whose name a [`Mutex`](crate::Mutex) is locked: so that one can ask whether one has it, and is told of locking it twice.
///
/// Each one that is [made](LockOwner::new) differs from all others, and its copies are the same owner.
///
/// Kotlin: the `owner` of `Mutex.lock`, which may be any object.
///
/// ```
/// use corox_sync::{LockOwner, Mutex};
///
/// let (anna, ben) = (LockOwner::new(), LockOwner::new());
/// let mutex = Mutex::new(());
/// let guard = mutex.try_lock_as(anna).unwrap();
/// assert!(mutex.holds_lock(anna) && !mutex.holds_lock(ben));
/// drop(guard);
/// assert!(!mutex.holds_lock(anna));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LockOwner(NonZeroU64);

impl LockOwner {
    /// One that differs from all others.
    #[must_use]
    #[allow(clippy::new_without_default)] // Two defaults would differ.
    pub fn new() -> Self {
        let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        LockOwner(NonZeroU64::new(number).expect("2^64 owners were made"))
    }

    pub(crate) fn number(self) -> OwnerNumber {
        self.0.get()
    }
}
