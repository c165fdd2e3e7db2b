//! A mutex around a number: for one coroutine, and for eight that add to it in turns.
//!
//! Without a yield the section is so short that on one thread nobody ever waits. With one, everybody does.

use std::future::Future;
use std::ops::DerefMut;
use std::sync::Arc;

use futures_util::FutureExt;

use super::{By, ByCorox, Cases, Peer, Variants};
use crate::{Program, Tasks, Threads};

const COROUTINES: u64 = 8;

/// A mutex that waits as a future.
trait Lock: Send + Sync + 'static {
    type Guard<'a>: DerefMut<Target = u64> + Send;

    /// Around zero.
    fn zero() -> Self;

    fn lock(&self) -> impl Future<Output = Self::Guard<'_>> + Send;
}

macro_rules! locks {
    ($a:lifetime: $($mutex:ty, $guard:ty;)+) => {$(
        impl Lock for $mutex {
            type Guard<$a> = $guard;

            fn zero() -> Self {
                <$mutex>::new(0)
            }

            #[inline]
            fn lock(&self) -> impl Future<Output = Self::Guard<'_>> + Send {
                <$mutex>::lock(self)
            }
        }
    )+};
}

use corox::{Mutex, MutexGuard};
use futures_util::lock as futures;

locks! {
    'a:
    Mutex<u64>, MutexGuard<'a, u64>;
    tokio::sync::Mutex<u64>, tokio::sync::MutexGuard<'a, u64>;
    async_lock::Mutex<u64>, async_lock::MutexGuard<'a, u64>;
    futures::Mutex<u64>, futures::MutexGuard<'a, u64>;
}

/// One coroutine: the root.
struct Alone<L> {
    lock: L,
    times: u64,
}

impl<L: Lock> Program for Alone<L> {
    async fn run(self, _tasks: impl Tasks) {
        let Alone { lock, times } = self;
        for _ in 0..times {
            *lock.lock().await += 1;
        }
        assert_eq!(*lock.lock().await, times);
    }
}

/// Each of them locks it so often.
struct Together<L> {
    lock: Arc<L>,
    each: u64,
    yields: bool,
}

impl<L: Lock> Program for Together<L> {
    async fn run(self, tasks: impl Tasks) {
        for _ in 0..COROUTINES {
            let lock = self.lock.clone();
            if self.yields {
                start_yielding(&tasks, lock, self.each);
            } else {
                start(&tasks, lock, self.each);
            }
        }
    }
}

fn start<L: Lock>(tasks: &impl Tasks, lock: Arc<L>, times: u64) {
    tasks.start_task(async move {
        for _ in 0..times {
            *lock.lock().await += 1;
        }
    });
}

fn start_yielding<L: Lock, T: Tasks>(tasks: &T, lock: Arc<L>, times: u64) {
    tasks.start_task(async move {
        for _ in 0..times {
            let mut guard = lock.lock().await;
            *guard += 1;
            T::yield_now().await;
        }
    });
}

fn together<B: By, L: Lock>(case: &mut Variants<'_>, by: B, yields: bool) {
    let all = case.operations;
    case.programs(by, move || {
        let lock = Arc::new(L::zero());
        let program = Together {
            lock: lock.clone(),
            each: all / COROUTINES,
            yields,
        };
        let check = move || {
            let total = lock.lock().now_or_never();
            assert_eq!(*total.expect("nobody has it"), all);
        };
        (program, check)
    });
}

fn alone<B: By, L: Lock>(case: &mut Variants<'_>, by: B) {
    let times = case.operations;
    case.programs(by, move || {
        let lock = L::zero();
        (Alone { lock, times }, || {})
    });
}

macro_rules! by_all {
    ($case:ident, $add:ident($($argument:expr)?)) => {
        $add::<_, Mutex<u64>>(&mut $case, ByCorox $(, $argument)?);
        $add::<_, tokio::sync::Mutex<u64>>(&mut $case, Peer("tokio") $(, $argument)?);
        $add::<_, async_lock::Mutex<u64>>(&mut $case, Peer("async-lock") $(, $argument)?);
        $add::<_, futures::Mutex<u64>>(&mut $case, Peer("futures") $(, $argument)?);
    };
}

pub(super) fn register(cases: &mut Cases) {
    cases.both("mutex_8", cases.scaled(800_000), |mut case| {
        by_all!(case, together(false));
    });
    let times = cases.scaled(5_000_000);
    let mut case = cases.case("mutex_uncontended_st", Threads::One, times);
    by_all!(case, alone());
    cases.both("mutex_8_yield", cases.scaled(160_000), |mut case| {
        by_all!(case, together(true));
    });
}
