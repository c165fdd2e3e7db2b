//! What loom models take from elsewhere: the lock and the atomics, core's and std's or, under `--cfg corox_loom`, loom's;
//! and a witness of who is inside of a lock.

#[cfg(not(corox_loom))]
pub(crate) use real::*;

#[cfg(not(corox_loom))]
mod real {
    pub(crate) use corox_core::waiters_protocol::BriefLock as Mutex;
    pub(crate) use parking_lot::MutexGuard;
    pub(crate) use std::sync::atomic::{AtomicU64, AtomicUsize};

    /// Tells a model of two who are inside of one lock at once. Outside of models, nothing.
    #[derive(Debug)]
    pub(crate) struct Witness;

    /// Somebody is inside, until it is dropped.
    #[derive(Debug)]
    pub(crate) struct Inside;

    impl Witness {
        pub(crate) const fn new() -> Self {
            Witness
        }

        #[inline]
        pub(crate) fn enter(&self) -> Inside {
            Inside
        }
    }
}

#[cfg(corox_loom)]
pub(crate) use modelled::*;

#[cfg(corox_loom)]
mod modelled {
    use std::fmt;

    use loom::cell::{MutPtr, UnsafeCell};
    pub(crate) use loom::sync::MutexGuard;
    pub(crate) use loom::sync::atomic::{AtomicU64, AtomicUsize};

    /// A lock as parking_lot's: without poisoning.
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Mutex(loom::sync::Mutex::new(value))
        }

        #[track_caller]
        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            match self.0.lock() {
                Ok(guard) => guard,
                Err(_) => unreachable!("nothing unwinds while it holds a lock"),
            }
        }
    }

    /// A cell without a value: loom reports two accesses that are not ordered by the lock.
    pub(crate) struct Witness(UnsafeCell<()>);

    pub(crate) struct Inside(#[allow(dead_code)] MutPtr<()>);

    impl Witness {
        pub(crate) fn new() -> Self {
            Witness(UnsafeCell::new(()))
        }

        #[track_caller]
        pub(crate) fn enter(&self) -> Inside {
            Inside(self.0.get_mut())
        }
    }

    impl fmt::Debug for Inside {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Inside")
        }
    }
}
