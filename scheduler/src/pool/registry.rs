//! Which runtime has which pool.
//!
//! That of a runtime lives from the first use until the runtime shuts down. The process's own:
//!
//! ```text
//!   unused ── first use ──> running ── shutdown ──> shut down: rejects everything, for good
//!     │                                                ▲
//!     └── shutdown: nothing is started for it ─────────┘
//! ```

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle, Id, Runtime};

use super::Pool;
use super::seat::Local;
use crate::config::sizes;

/// The pools by the runtime they are hosted on. An entry goes when its pool closes, for ids are used again.
static POOLS: OnceLock<Mutex<HashMap<Id, Arc<Pool>>>> = OnceLock::new();

/// The pool hosted on the runtime of `handle`, started if there is none yet.
pub(crate) fn of(handle: &Handle) -> Arc<Pool> {
    // The common case: a task of that pool asks.
    let mine = Local::with_any(|local| {
        let same = local.pool.handle().id() == handle.id() && !local.pool.is_closed();
        same.then(|| local.pool.clone())
    });
    if let Some(pool) = mine.flatten() {
        return pool;
    }
    let pool = {
        let mut pools = POOLS.get_or_init(Default::default).lock();
        if let Some(pool) = pools.get(&handle.id()) {
            return pool.clone();
        }
        let pool = Arc::new(Pool::new(handle.clone(), false));
        pools.insert(handle.id(), pool.clone());
        pool
    };
    // Outside of the lock: a runtime that has shut down drops the drainers at once, which closes the pool.
    pool.start();
    pool
}

/// Forgets a pool that closes.
pub(super) fn forget(pool: &Pool) {
    let gone = POOLS.get().and_then(|pools| {
        let mut pools = pools.lock();
        let listed = pools.get(&pool.handle.id());
        if listed.is_some_and(|listed| std::ptr::eq(&**listed, pool)) {
            pools.remove(&pool.handle.id())
        } else {
            None
        }
    });
    drop(gone);
}

/// More than anybody starts: what limits blocking calls is IO's cap and the views of it.
const MOST_BLOCKING_THREADS: usize = 16_384;

/// The process's own pool.
struct Own {
    /// `None` once it was shut down.
    runtime: Mutex<Option<Runtime>>,
    pool: Arc<Pool>,
}

static OWN: OnceLock<Own> = OnceLock::new();

/// The own pool was shut down, or is not to be started any more.
static SHUT_DOWN: AtomicBool = AtomicBool::new(false);

/// The threads of the own runtime that have not ended.
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// The process's own pool.
pub(crate) fn own() -> &'static Arc<Pool> {
    &OWN.get_or_init(make_own).pool
}

/// The same, unless nobody has used it yet.
pub(crate) fn own_if_started() -> Option<&'static Arc<Pool>> {
    OWN.get().map(|own| &own.pool)
}

fn make_own() -> Own {
    if SHUT_DOWN.load(Ordering::SeqCst) {
        return never_started();
    }
    static NAMES: AtomicUsize = AtomicUsize::new(1);
    let runtime = Builder::new_multi_thread()
        .worker_threads(sizes().workers)
        .thread_name_fn(|| format!("corox-default-{}", NAMES.fetch_add(1, Ordering::Relaxed)))
        .on_thread_start(|| {
            THREADS.fetch_add(1, Ordering::SeqCst);
        })
        .on_thread_stop(|| {
            THREADS.fetch_sub(1, Ordering::SeqCst);
        })
        // Views of IO have as many threads as their limits say, on top of IO's own.
        .max_blocking_threads(MOST_BLOCKING_THREADS)
        .enable_all()
        .build()
        .expect("corox could not start the threads of its runtime");
    let pool = Arc::new(Pool::new(runtime.handle().clone(), true));
    // Somebody's root may ask for the pool by this runtime's handle.
    let pools = POOLS.get_or_init(Default::default);
    pools.lock().insert(runtime.handle().id(), pool.clone());
    pool.start();
    Own {
        runtime: Mutex::new(Some(runtime)),
        pool,
    }
}

/// In the place of a pool that was shut down before it was used: one that rejects everything.
fn never_started() -> Own {
    let runtime = Builder::new_current_thread()
        .build()
        .expect("corox could not make a runtime without threads");
    let pool = Arc::new(Pool::new(runtime.handle().clone(), true));
    pool.close();
    Own {
        runtime: Mutex::new(None),
        pool,
    }
}

/// Ends the own runtime, and gives the number of its threads that still run after `timeout`.
pub(crate) fn shut_down_own(timeout: Duration) -> usize {
    SHUT_DOWN.store(true, Ordering::SeqCst);
    let own = OWN.get_or_init(make_own);
    own.pool.close();
    let deadline = Instant::now().checked_add(timeout);
    let runtime = own.runtime.lock().take();
    if let Some(runtime) = runtime {
        // On a thread of its own: tokio refuses to wait for a runtime inside another one.
        let waiter = std::thread::spawn(move || runtime.shutdown_timeout(timeout));
        drop(waiter.join());
    }
    // tokio counts a thread as ended a moment before it is.
    while THREADS.load(Ordering::SeqCst) > 0 && deadline.is_none_or(|at| Instant::now() < at) {
        std::thread::park_timeout(Duration::from_millis(1));
    }
    THREADS.load(Ordering::SeqCst)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::seat;
    use crate::{Task, Wakeup};

    /// Ids of runtimes are used again, so an entry must not outlive its runtime.
    #[test]
    fn a_pool_is_forgotten_when_its_runtime_ends() {
        let runtime = Builder::new_current_thread().build().unwrap();
        let id = runtime.handle().id();
        let pool = of(runtime.handle());
        let listed = || {
            POOLS
                .get()
                .is_some_and(|pools| pools.lock().contains_key(&id))
        };
        assert!(listed() && Arc::ptr_eq(&pool, &of(runtime.handle())));
        drop(runtime);
        assert!(!listed() && pool.is_closed());
    }

    /// What a task of `pool` finds: whether its thread remembers which drainer it polled last, and with that the pool.
    async fn remembered(pool: Arc<Pool>) -> bool {
        let address = pool.address();
        let (tx, rx) = tokio::sync::oneshot::channel();
        let look = async move {
            let remembers = seat::with_polled(address, |_, _| ()).is_some();
            tx.send(remembers).unwrap();
        };
        let task = Task::new(look, |_, _| {});
        pool.push(task, Wakeup::Launch).unwrap();
        rx.await.unwrap()
    }

    #[test]
    fn what_workers_remember_of_a_pool_goes_with_their_runtime() {
        let runtime = Builder::new_multi_thread().worker_threads(2).build();
        let runtime = runtime.unwrap();
        let pool = of(runtime.handle());
        let kept = Arc::downgrade(&pool);
        assert!(runtime.block_on(remembered(pool)));
        drop(runtime);
        assert!(kept.upgrade().is_none());
    }

    #[test]
    fn a_thread_that_outlives_its_runtime_keeps_nothing_of_the_pool() {
        let runtime = Builder::new_current_thread().build().unwrap();
        let pool = of(runtime.handle());
        let kept = Arc::downgrade(&pool);
        assert!(!runtime.block_on(remembered(pool)));
        drop(runtime);
        assert!(kept.upgrade().is_none());
    }
}
