//! The lock of a channel, and what is read beside it: core's and std's or, under `--cfg corox_loom`, loom's.

#[cfg(not(corox_loom))]
pub(crate) use corox_core::waiters_protocol::BriefLock as Mutex;
#[cfg(not(corox_loom))]
pub(crate) use parking_lot::MutexGuard;
#[cfg(not(corox_loom))]
pub(crate) use std::sync::atomic::AtomicBool;

#[cfg(corox_loom)]
pub(crate) use loom::sync::atomic::AtomicBool;
#[cfg(corox_loom)]
pub(crate) use modelled::{Mutex, MutexGuard};

#[cfg(corox_loom)]
mod modelled {
    pub(crate) use loom::sync::MutexGuard;

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
}
