//! The drainer: one tokio task per worker that runs this pool's tasks in batches.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::coop::has_budget_remaining;

use super::Pool;
use super::seat::{Local, Seat, Seated};
use crate::here::Here;
use crate::slice::Slice;
use crate::task::report;

/// How many tasks run before tokio gets its turn, if they are done soon; and what the last ones woke, as long as it may run next.
const BATCH: usize = 256;
/// If they are not.
const SLICE: Duration = Duration::from_micros(200);

/// One of the tokio tasks that run a pool's tasks.
///
/// ```text
///   poll ──> [searching] ── found ──> [running] ── 256 tasks, 200 us, budget ──> Pending, woken after
///               ▲  │                    │  ▲        spent, stuck, or closed      the I/O driver's turn
///               │  │ nothing            └──┘
///        second │  ▼
///         look  [idle] ── still nothing ──> Pending until woken; a surplus spare ends
/// ```
pub(crate) struct Drainer {
    pool: Arc<Pool>,
    seat: Arc<Seat>,
    pub(super) local: Option<Box<Local>>,
    started: bool,
    retired: bool,
}

enum End {
    /// There is work left.
    More,
    Idle,
    Retired,
}

impl Drainer {
    pub(super) fn new(local: Box<Local>) -> Drainer {
        Drainer {
            pool: local.pool.clone(),
            seat: local.seat.clone(),
            local: Some(local),
            started: false,
            retired: false,
        }
    }

    fn batch(&mut self) -> End {
        let (pool, seat) = (&*self.pool, &*self.seat);
        let _seated = Seated::enter(&mut self.local);
        let _here = Here::Pool(pool.address()).enter();
        pool.idle.start(&seat.status);
        let (mut ran, mut over) = (0, false);
        let mut slice = Slice::new(SLICE);
        loop {
            let Some(task) = Local::with(pool, Local::next).flatten() else {
                pool.idle.announce(&seat.status);
                if pool.has_work_to_steal() && !pool.gate.is_closed() {
                    pool.idle.start(&seat.status);
                    continue;
                }
                if seat.spare && pool.is_surplus() && pool.idle.retire(&seat.status) {
                    return End::Retired;
                }
                Local::with(pool, |local| local.pace.forget());
                return End::Idle;
            };
            if ran == 0 {
                // What this drainer found may be more than it can run: it passes the wake-up on.
                pool.chain();
            }
            task.run();
            ran += 1;
            over |= ran == BATCH || slice.is_over();
            // What was woken last has its turn still, or it would come after all that wait.
            let more = || Local::with(pool, Local::has_next).unwrap_or(false);
            if over && !more()
                || !has_budget_remaining()
                || seat.stuck.load(Ordering::Relaxed)
                || pool.gate.is_closed()
            {
                break;
            }
        }
        // The thread-local may lie on another thread next time, or for long.
        Local::with(pool, Local::flush);
        seat.status.end_batch();
        End::More
    }
}

impl Future for Drainer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if !this.started {
            this.started = true;
            this.seat.waker.get_or_init(|| cx.waker().clone());
            this.pool.started(&this.seat);
        }
        let end = catch_unwind(AssertUnwindSafe(|| this.batch()));
        this.pool.unstick(&this.seat);
        match end {
            Ok(End::More) => {
                // A plain wake would come back before the I/O driver had its turn.
                let _ = pin!(tokio::task::yield_now()).poll(cx);
                Poll::Pending
            }
            Ok(End::Idle) => Poll::Pending,
            Ok(End::Retired) => {
                this.retired = true;
                this.pool.leave(&this.seat);
                Poll::Ready(())
            }
            Err(panic) => {
                // Tasks keep their panics to themselves, so this is a fault of the pool. Its queue is back in place.
                report(panic, "a drainer panicked");
                this.seat.status.end_batch();
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

impl Drop for Drainer {
    fn drop(&mut self) {
        if !self.retired {
            // Nobody aborts a drainer: the runtime shuts down. Closing gives back this drainer's queue, too.
            self.pool.close();
        }
    }
}

/// Closes the pool when the runtime shuts down, even if a drainer is in a poll for long.
pub(super) struct Keeper(pub(super) Arc<Pool>);

impl Future for Keeper {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.close();
    }
}
