//! The value inside a lock, and who is at it. All that is unsafe here is the promise that there is one at a time.
//!
//! The invariant: an [`Access`] exists only while its maker has the lock's only permit, and [`Permits`](crate::permits::Permits)
//! gives that to nobody else before it was given back. It is given back after the access has gone: by the drop of the guard that has
//! both, whose fields are dropped in the order in which they are declared. A guard that is leaked keeps the permit for ever.

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};

use crate::shim::{Inside, Witness};

pub(crate) struct Guarded<T: ?Sized> {
    witness: Witness,
    value: UnsafeCell<T>,
}

// SAFETY: a shared cell gives its value to one `Access` at a time, on whichever thread that is: as sending the value there. It gives
// no shared references to several threads, so that `T: Sync` is not needed.
unsafe impl<T: ?Sized + Send> Sync for Guarded<T> {}

macro_rules! constructor {
    ($($const:tt)?) => {
        pub(crate) $($const)? fn new(value: T) -> Self {
            Guarded {
                witness: Witness::new(),
                value: UnsafeCell::new(value),
            }
        }
    };
}

impl<T> Guarded<T> {
    #[cfg(not(corox_loom))]
    constructor!(const);
    #[cfg(corox_loom)]
    constructor!();

    pub(crate) fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Guarded<T> {
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// # Safety
    ///
    /// Until the access is dropped, the cell stays where it is and the caller has its lock; it has no other access meanwhile.
    #[inline]
    pub(crate) unsafe fn access(&self) -> Access<T> {
        Access {
            value: self.value.get(),
            _inside: self.witness.enter(),
        }
    }
}

/// The only one who is at the value, or at a part of it.
///
/// A pointer and no reference: in the drop of a guard the lock is given back while the guard still exists, and somebody else may be
/// at the value then. `*mut` and not `NonNull`, so that it is invariant in `T`, as a `&mut T` is.
pub(crate) struct Access<T: ?Sized> {
    value: *mut T,
    _inside: Inside,
}

// SAFETY: it is as a `&mut T`: whoever has it may take the value out, as if it had been sent.
unsafe impl<T: ?Sized + Send> Send for Access<T> {}
// SAFETY: it is as a `&mut T`: a shared one gives a `&T` and no more.
unsafe impl<T: ?Sized + Sync> Sync for Access<T> {}

impl<T: ?Sized> Access<T> {
    /// Nobody is at the value any more.
    pub(crate) fn end(self) {}

    /// Goes on at a part of the value.
    pub(crate) fn map<U: ?Sized>(mut self, part: impl FnOnce(&mut T) -> &mut U) -> Access<U> {
        Access {
            value: part(&mut *self),
            _inside: self._inside,
        }
    }
}

impl<T: ?Sized> Deref for Access<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: by the invariant of the module nobody else is at the value, which lives: the promise of `access`. The reference
        // lives as long as this borrow, which keeps `deref_mut` away.
        unsafe { &*self.value }
    }
}

impl<T: ?Sized> DerefMut for Access<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`; the borrow of the only access is unique.
        unsafe { &mut *self.value }
    }
}
