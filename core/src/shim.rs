//! What the files that loom models take from elsewhere: locks, atomics, wakers, thread-locals.
//!
//! Under `--cfg corox_loom` they are loom's, and count as a step of a model; otherwise the real ones. A modelled file
//! (`frame`, `driver`, `section`, `scope_builders`, `completable`, `deferred`, `await_all`, `claim` and `future` of `select`,
//! and everything in `job`) takes them from here. Statics keep the real ones: loom's live for one run of a model.

#[cfg(not(corox_loom))]
mod real {
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize};
    pub(crate) use std::thread_local;

    pub(crate) use corox_scheduler::Home;
    pub(crate) use futures_util::task::AtomicWaker;
    pub(crate) use parking_lot::Mutex;

    use corox_scheduler::Dispatcher;

    pub(crate) fn resolve(dispatcher: &Dispatcher, home: &Home) -> Dispatcher {
        dispatcher.resolve(home)
    }
}

#[cfg(not(corox_loom))]
pub(crate) use real::*;

#[cfg(corox_loom)]
mod modelled {
    use std::fmt;
    use std::task::Waker;

    use corox_scheduler::Dispatcher;
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize};

    /// A lock as parking_lot's: without poisoning.
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Mutex(loom::sync::Mutex::new(value))
        }

        #[track_caller]
        pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
            match self.0.lock() {
                Ok(guard) => guard,
                Err(_) => unreachable!("nothing unwinds while it holds a lock"),
            }
        }
    }

    /// futures-util's `AtomicWaker` as its documentation states it, each operation one step.
    ///
    /// - `wake` takes the waker out and wakes it: a second `wake` finds none until somebody registers again.
    /// - A `register` and a `wake` are ordered: either the `wake` finds the waker, or what was written before the `wake` is
    ///   visible after the `register`.
    /// - The real one lets a `register` that meets a `wake` wake at once; to the one who registered that is the same.
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
            if let Some(waker) = self.take() {
                waker.wake();
            }
        }

        #[track_caller]
        pub(crate) fn take(&self) -> Option<Waker> {
            self.0.lock().take()
        }
    }

    /// The pool cannot run inside a model: everything in a model runs where it is woken.
    #[derive(Clone)]
    pub(crate) struct Home;

    impl Home {
        pub(crate) fn own() -> Home {
            Home
        }

        pub(crate) fn with_main_of(self, _: &Home) -> Home {
            self
        }

        pub(crate) fn current() -> (Home, Dispatcher) {
            (Home, Dispatcher::UNCONFINED)
        }
    }

    impl fmt::Debug for Home {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Home")
        }
    }

    pub(crate) fn resolve(dispatcher: &Dispatcher, Home: &Home) -> Dispatcher {
        if *dispatcher == Dispatcher::DEFAULT || *dispatcher == Dispatcher::IO {
            Dispatcher::UNCONFINED
        } else {
            dispatcher.clone()
        }
    }

    /// As `std::thread_local!`, for one declaration with a `const` block.
    macro_rules! thread_local_ {
        (static $name:ident: $type:ty = const $init:block;) => {
            loom::thread_local! {
                static $name: $type = $init;
            }
        };
    }
    pub(crate) use thread_local_ as thread_local;
}

#[cfg(corox_loom)]
pub(crate) use modelled::*;
