//! The monitor: a thread that helps pools whose drainers are blocked. It runs while some pool has queued work.
//!
//! ```text
//!            arm, by a push                two looks without queued work
//!   unknown ───────────────> armed ──────────────────────────────────────> disarmed, and still looked at
//!      ▲                     ▲   ▲                                           │            │
//!      │                     │   └────────── queued work, or a push ─────────┘            │
//!      │                     └ queued work                                                │
//!      └────────────────────────────── one more look without queued work ─────────────────┘
//!
//!   (no thread) ── the first pool is armed ──> ticks, every 5 ms ── none left ──> waits ── 10 s ──> (no thread)
//!                                                 ▲                                │
//!                                                 └───────── a pool is armed ──────┘
//! ```
//!
//! A push asks only whether its pool is armed, which costs a relaxed load.

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
    quiet: Quiet,
}

/// How many looks in a row have found a pool without queued work.
#[derive(Default)]
struct Quiet(u8);

/// What follows from a look at a pool.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Watch,
    /// Watched once more, and unarmed: whoever pushes from here on arms it again.
    Disarm,
    Forget,
}

impl Quiet {
    /// `armed`: whether the pool is so now.
    fn after_look(&mut self, quiet: bool, armed: bool) -> Verdict {
        self.0 = if quiet { self.0.saturating_add(1) } else { 0 };
        if self.0 < QUIET {
            Verdict::Watch
        } else if self.0 == QUIET {
            Verdict::Disarm
        } else if armed {
            // Pushed to since it was disarmed, and done with it: it is watched as one that has just been armed.
            self.0 = 0;
            Verdict::Watch
        } else {
            // Disarmed a tick ago, and still nothing: no push can have been hidden by then.
            Verdict::Forget
        }
    }
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
            let quiet = Quiet::default();
            state.watched.push(Watched { pool, quiet });
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
                let armed = pool.armed.load(Ordering::Acquire);
                match state.watched[at].quiet.after_look(quiet, armed) {
                    Verdict::Watch => pool.armed.store(true, Ordering::Release),
                    Verdict::Disarm => pool.armed.store(false, Ordering::Release),
                    Verdict::Forget => {
                        state.watched.swap_remove(at);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many looks it takes until a pool that nothing is pushed to is forgotten.
    fn looks_until_forgotten(quiet: &mut Quiet, mut armed: bool) -> Option<usize> {
        (1..100).find(|_| match quiet.after_look(true, armed) {
            Verdict::Watch => {
                armed = true;
                false
            }
            Verdict::Disarm => {
                armed = false;
                false
            }
            Verdict::Forget => true,
        })
    }

    #[test]
    fn an_idle_pool_is_forgotten_also_if_the_last_push_came_right_after_it_was_disarmed() {
        let mut quiet = Quiet::default();
        assert_eq!(quiet.after_look(true, true), Verdict::Watch);
        assert_eq!(quiet.after_look(true, true), Verdict::Disarm);
        // A push arms it, and its work is done before the next look.
        assert_eq!(quiet.after_look(true, true), Verdict::Watch);
        assert_eq!(looks_until_forgotten(&mut quiet, true), Some(3));
    }
}
