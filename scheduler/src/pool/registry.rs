//! Which runtime has which pool.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle, Id, Runtime};

use super::Pool;
use super::seat::Local;

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
pub(crate) fn own() -> &'static Arc<Pool> {
    static OWN: OnceLock<(Runtime, Arc<Pool>)> = OnceLock::new();
    let (_, pool) = OWN.get_or_init(|| {
        static THREADS: AtomicUsize = AtomicUsize::new(1);
        let runtime = Builder::new_multi_thread()
            .worker_threads(super::cores().max(2))
            .thread_name_fn(|| format!("corox-default-{}", THREADS.fetch_add(1, Ordering::Relaxed)))
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
        (runtime, pool)
    });
    pool
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
