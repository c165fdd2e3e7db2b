//! What the hand-over of `flow_on` takes from elsewhere: the lock, the flag and the wakers or, under `--cfg corox_loom`, loom's.

#[cfg(not(corox_loom))]
mod real {
    pub(crate) use std::sync::atomic::AtomicBool;

    pub(crate) use futures_util::task::AtomicWaker;
    pub(crate) use parking_lot::Mutex;
}

#[cfg(not(corox_loom))]
pub(crate) use real::*;

#[cfg(corox_loom)]
mod modelled {
    use std::task::Waker;

    use loom::sync::MutexGuard;
    pub(crate) use loom::sync::atomic::AtomicBool;

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

    /// futures-util's `AtomicWaker` as its documentation states it, each operation one step: a `wake` finds the waker that was
    /// registered before it, or what was written before the `wake` is visible after the `register`.
    pub(crate) struct AtomicWaker(Mutex<Option<Waker>>);

    impl AtomicWaker {
        pub(crate) fn new() -> Self {
            AtomicWaker(Mutex::new(None))
        }

        #[track_caller]
        pub(crate) fn register(&self, waker: &Waker) {
            let old = self.0.lock().replace(waker.clone());
            drop(old);
        }

        #[track_caller]
        pub(crate) fn wake(&self) {
            let waker = self.0.lock().take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

#[cfg(corox_loom)]
pub(crate) use modelled::*;
