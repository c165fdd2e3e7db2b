//! The monitor: a thread that helps pools whose drainers are blocked. It runs while some pool has queued work.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::Pool;

const TICK: Duration = Duration::from_millis(5);
/// After so many ticks without queued work a pool is left alone.
const QUIET: u8 = 2;
/// The thread ends after so long without any pool.
const LINGER: Duration = Duration::from_secs(10);

struct Monitor {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    watched: Vec<Watched>,
    running: bool,
}

struct Watched {
    pool: Weak<Pool>,
    quiet: u8,
}

static MONITOR: Monitor = Monitor {
    state: Mutex::new(State {
        watched: Vec::new(),
        running: false,
    }),
    changed: Condvar::new(),
};

/// Has `pool` looked at from now on; called by whoever found it unarmed when pushing.
#[cold]
pub(super) fn arm(pool: &Arc<Pool>) {
    if pool.armed.swap(true, Ordering::AcqRel) {
        return;
    }
    let start = {
        let mut state = MONITOR.state.lock();
        let listed = |watched: &Watched| watched.pool.as_ptr() == Arc::as_ptr(pool);
        if !state.watched.iter().any(listed) {
            pool.rearmed.store(true, Ordering::Relaxed);
            let pool = Arc::downgrade(pool);
            state.watched.push(Watched { pool, quiet: 0 });
        }
        !std::mem::replace(&mut state.running, true)
    };
    if start {
        let thread = std::thread::Builder::new().name("corox-monitor".into());
        if let Err(error) = thread.spawn(run) {
            tracing::error!(%error, "corox could not start its monitor");
            MONITOR.state.lock().running = false;
        }
    } else {
        MONITOR.changed.notify_one();
    }
}

fn run() {
    loop {
        {
            let mut state = MONITOR.state.lock();
            while state.watched.is_empty() {
                let timed_out = MONITOR.changed.wait_for(&mut state, LINGER).timed_out();
                if timed_out && state.watched.is_empty() {
                    state.running = false;
                    return;
                }
            }
        }
        std::thread::sleep(TICK);
        let pools: Vec<_> = {
            let mut state = MONITOR.state.lock();
            state
                .watched
                .retain(|watched| watched.pool.strong_count() > 0);
            let pools = state.watched.iter().map(|watched| watched.pool.clone());
            pools.collect()
        };
        // The last handle of a pool may be dropped here, so not under the lock.
        for pool in pools.iter().filter_map(Weak::upgrade) {
            let quiet = !pool.tick();
            let mut state = MONITOR.state.lock();
            let same = |watched: &Watched| watched.pool.as_ptr() == Arc::as_ptr(&pool);
            if let Some(at) = state.watched.iter().position(same) {
                let watched = &mut state.watched[at];
                watched.quiet = if quiet {
                    watched.quiet.saturating_add(1)
                } else {
                    0
                };
                if watched.quiet > QUIET {
                    // Disarmed a tick ago, and still nothing: no push can have been hidden by then.
                    if !pool.armed.load(Ordering::Acquire) {
                        state.watched.swap_remove(at);
                    }
                } else {
                    pool.armed.store(watched.quiet < QUIET, Ordering::Release);
                }
            }
        }
    }
}
