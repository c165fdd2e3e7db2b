//! The guards of a mutex.

use std::fmt;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::guarded::Access;
use crate::mutex::{LOCK, Mutex};
use crate::permits::Permits;

/// A lock that is held; given back when it is dropped.
struct Held<'a>(&'a Permits);

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.note_given_back(1, false);
        self.0.give_back_owned(1);
    }
}

/// A [`Mutex`] that is locked, and its value; made by [`lock`](Mutex::lock) and its kin. Dropping it unlocks the mutex and hands it to
/// the first who waits: in any way in which a scope is left, also by a panic or a cancellation.
///
/// It may be kept while its coroutine suspends, and go to another thread.
///
/// Kotlin: no counterpart: `Mutex.unlock` is its drop.
///
/// ```
/// use corox_sync::Mutex;
///
/// let mutex = Mutex::new(1);
/// let mut guard = mutex.try_lock().unwrap();
/// *guard += 1;
/// assert!(mutex.try_lock().is_err());
/// drop(guard);
/// assert_eq!(*mutex.try_lock().unwrap(), 2);
/// ```
#[must_use = "dropping the guard unlocks the mutex"]
pub struct MutexGuard<'a, T: ?Sized> {
    // Dropped in this order.
    access: Access<T>,
    held: Held<'a>,
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// Of one who has just been given the lock.
    #[inline]
    #[allow(unsafe_code)]
    pub(crate) fn new(mutex: &'a Mutex<T>) -> Self {
        mutex.permits.note_taken(1, LOCK.which, false);
        let held = Held(&mutex.permits);
        MutexGuard {
            // SAFETY: the mutex is borrowed for as long as the guard lives, and locked by its maker. The access is dropped before
            // `held`, which gives the lock back, and in `leave_locked`.
            access: unsafe { mutex.value.access() },
            held,
        }
    }

    /// A guard of a part of the value. A function to be called by its path, so that it hides no method of the value.
    ///
    /// Kotlin: no counterpart.
    ///
    /// ```
    /// use corox_sync::{Mutex, MutexGuard};
    ///
    /// let mutex = Mutex::new((1, "text"));
    /// let mut number = MutexGuard::map(mutex.try_lock().unwrap(), |pair| &mut pair.0);
    /// *number += 1;
    /// assert!(mutex.is_locked());
    /// drop(number);
    /// assert_eq!(mutex.into_inner(), (2, "text"));
    /// ```
    pub fn map<U: ?Sized>(guard: Self, part: impl FnOnce(&mut T) -> &mut U) -> MutexGuard<'a, U> {
        MutexGuard {
            access: guard.access.map(part),
            held: guard.held,
        }
    }

    /// Drops the guard and leaves the mutex locked, until [`unlock`](Mutex::unlock) is called: where another function unlocks than
    /// the one that locked. A function to be called by its path, so that it hides no method of the value.
    ///
    /// Kotlin: no counterpart: `Mutex.lock` gives no guard.
    ///
    /// ```
    /// use corox_sync::{Mutex, MutexGuard};
    ///
    /// let mutex = Mutex::new(());
    /// MutexGuard::leave_locked(mutex.try_lock().unwrap());
    /// assert!(mutex.is_locked());
    /// mutex.unlock(None).unwrap();
    /// assert!(!mutex.is_locked());
    /// ```
    pub fn leave_locked(guard: Self) {
        let MutexGuard { access, held } = guard;
        // From `forget` on somebody else may unlock.
        access.end();
        held.0.note_given_back(1, false);
        held.0.forget(1);
        mem::forget(held);
    }
}

/// As [`MutexGuard`], of a mutex that it shares in an `Arc`, without a lifetime; made by [`lock_owned`](Mutex::lock_owned) and
/// [`try_lock_owned`](Mutex::try_lock_owned).
#[must_use = "dropping the guard unlocks the mutex"]
pub struct OwnedMutexGuard<T: ?Sized> {
    // Dropped in this order.
    access: Access<T>,
    _held: SharedHeld<T>,
}

struct SharedHeld<T: ?Sized>(Arc<Mutex<T>>);

impl<T: ?Sized> Drop for SharedHeld<T> {
    fn drop(&mut self) {
        self.0.permits.note_given_back(1, true);
        self.0.permits.give_back_owned(1);
    }
}

impl<T: ?Sized> OwnedMutexGuard<T> {
    /// Of one who has just been given the lock.
    #[allow(unsafe_code)]
    pub(crate) fn new(mutex: Arc<Mutex<T>>) -> Self {
        mutex.permits.note_taken(1, LOCK.which, true);
        OwnedMutexGuard {
            // SAFETY: the mutex lives, where it is, as long as the guard shares it, and is locked by its maker. The access is dropped
            // before `_held`, which gives the lock back and then the share.
            access: unsafe { mutex.value.access() },
            _held: SharedHeld(mutex),
        }
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.access
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.access
    }
}

impl<T: ?Sized> Deref for OwnedMutexGuard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.access
    }
}

impl<T: ?Sized> DerefMut for OwnedMutexGuard<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.access
    }
}

macro_rules! shown_as_the_value {
    ($($guard:ty),+) => {$(
        impl<T: ?Sized + fmt::Debug> fmt::Debug for $guard {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }

        impl<T: ?Sized + fmt::Display> fmt::Display for $guard {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }
    )+};
}

shown_as_the_value!(MutexGuard<'_, T>, OwnedMutexGuard<T>);
