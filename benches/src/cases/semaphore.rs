//! A semaphore with one and with four permits, for sixteen coroutines.
//!
//! Without a yield the section is so short that on one thread nobody ever waits.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use corox::{Semaphore, SemaphorePermit};

use super::{By, ByCorox, Cases, Peer, Variants};
use crate::{Program, Tasks};

const COROUTINES: u64 = 16;

/// A semaphore that waits as a future.
trait Permits: Send + Sync + 'static {
    type Permit<'a>: Send;

    fn new(permits: usize) -> Self;

    fn acquire(&self) -> impl Future<Output = Self::Permit<'_>> + Send;
}

macro_rules! semaphores {
    ($a:lifetime: $($semaphore:ty, $permit:ty;)+) => {$(
        impl Permits for $semaphore {
            type Permit<$a> = $permit;

            fn new(permits: usize) -> Self {
                <$semaphore>::new(permits)
            }

            #[inline]
            fn acquire(&self) -> impl Future<Output = Self::Permit<'_>> + Send {
                <$semaphore>::acquire(self)
            }
        }
    )+};
}

use tokio::sync::{AcquireError, Semaphore as Tokios, SemaphorePermit as PermitOfTokio};

semaphores! {
    'a:
    Semaphore, SemaphorePermit<'a>;
    Tokios, Result<PermitOfTokio<'a>, AcquireError>;
    async_lock::Semaphore, async_lock::SemaphoreGuard<'a>;
}

/// Each of them acquires a permit so often.
struct Together<S> {
    semaphore: Arc<S>,
    each: u64,
    yields: bool,
    total: Arc<AtomicU64>,
}

impl<S: Permits> Program for Together<S> {
    async fn run(self, tasks: impl Tasks) {
        for _ in 0..COROUTINES {
            let (semaphore, total) = (self.semaphore.clone(), self.total.clone());
            if self.yields {
                start_yielding(&tasks, semaphore, self.each, total);
            } else {
                start(&tasks, semaphore, self.each, total);
            }
        }
    }
}

fn start<S: Permits>(tasks: &impl Tasks, semaphore: Arc<S>, times: u64, total: Arc<AtomicU64>) {
    tasks.start_task(async move {
        for _ in 0..times {
            let _permit = semaphore.acquire().await;
            total.fetch_add(1, Relaxed);
        }
    });
}

fn start_yielding<S: Permits, T: Tasks>(
    tasks: &T,
    semaphore: Arc<S>,
    times: u64,
    total: Arc<AtomicU64>,
) {
    tasks.start_task(async move {
        for _ in 0..times {
            let _permit = semaphore.acquire().await;
            total.fetch_add(1, Relaxed);
            T::yield_now().await;
        }
    });
}

fn together<B: By, S: Permits>(case: &mut Variants<'_>, by: B, permits: usize, yields: bool) {
    let all = case.operations;
    case.programs(by, move || {
        let total = Arc::new(AtomicU64::new(0));
        let program = Together {
            semaphore: Arc::new(S::new(permits)),
            each: all / COROUTINES,
            yields,
            total: total.clone(),
        };
        (program, move || assert_eq!(total.load(Relaxed), all))
    });
}

pub(super) fn register(cases: &mut Cases) {
    for permits in [1, 4] {
        for (suffix, whole, yields) in [("", 800_000, false), ("_yield", 160_000, true)] {
            let name = format!("sem{permits}_{COROUTINES}{suffix}");
            cases.both(&name, cases.scaled(whole), |mut case| {
                together::<_, Semaphore>(&mut case, ByCorox, permits, yields);
                together::<_, Tokios>(&mut case, Peer("tokio"), permits, yields);
                together::<_, async_lock::Semaphore>(
                    &mut case,
                    Peer("async-lock"),
                    permits,
                    yields,
                );
            });
        }
    }
}
