//! Blocked drainers, and the spares that stand in for them.
//!
//! ```text
//!   drainer in a poll ── no task begun since the monitor's last look, or about to block ──> stuck
//!         ▲                                                                                   │
//!         └───────────────────────────── its poll ends ───────────────────────────────────────┘
//!   work queued, nobody idle, fewer unstuck drainers than workers ──> a spare is spawned
//!   a spare that finds nothing, more unstuck drainers than workers ──> it retires
//! ```

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Pool;
use super::seat::{Local, Seat};

/// So many spares at most.
const MAX_SPARES: usize = 512;

impl Pool {
    /// Whether there are more working drainers than workers.
    pub(super) fn is_surplus(&self) -> bool {
        self.seats().len() > self.workers + self.stuck.load(Ordering::Acquire)
    }

    fn stick(&self, seat: &Seat) {
        if !seat.stuck.swap(true, Ordering::AcqRel) {
            self.stuck.fetch_add(1, Ordering::AcqRel);
        }
    }

    pub(super) fn unstick(&self, seat: &Seat) {
        if seat.stuck.load(Ordering::Relaxed) && seat.stuck.swap(false, Ordering::AcqRel) {
            self.stuck.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Adds a drainer in place of one whose thread is blocked.
    pub(super) fn add_spare(self: &Arc<Self>) {
        let seats = self.seats().len();
        let working = seats.saturating_sub(self.stuck.load(Ordering::Acquire));
        if working < self.workers
            && seats < self.workers + MAX_SPARES
            && !self.fifo
            && !self.gate.is_closed()
            && !self.spare_coming.swap(true, Ordering::AcqRel)
        {
            self.spawn_spare();
        }
    }

    /// The monitor's look: true if it shall look again.
    pub(super) fn tick(self: &Arc<Self>) -> bool {
        let seats = self.seats();
        let queued = !self.injector.is_empty() || seats.iter().any(|seat| seat.has_work());
        if self.gate.is_closed() {
            self.sweep();
            return queued;
        }
        let compare = !self.rearmed.swap(false, Ordering::Relaxed);
        for seat in seats.iter() {
            let epoch = seat.epoch.load(Ordering::Relaxed);
            if seat.status.is_notified() {
                // Woken by a thread that does not come to poll it, as it runs something long: what waits in its slot, others can have.
                if seat.seen.swap(epoch, Ordering::Relaxed) == epoch && compare {
                    if let Some(task) = seat.take_next() {
                        self.injector.push(task);
                    }
                }
            } else if !seat.status.is_running() {
                // So that it counts as moved next time.
                seat.seen.store(epoch.wrapping_sub(1), Ordering::Relaxed);
            } else if seat.seen.swap(epoch, Ordering::Relaxed) == epoch && compare && queued {
                self.stick(seat);
                if seat.status.is_running() {
                    if let Some(task) = seat.take_next() {
                        self.injector.push(task);
                    }
                } else {
                    self.unstick(seat);
                }
            }
        }
        let statuses = seats.iter().map(|seat| &seat.status);
        if queued {
            match self.idle.claim_any(statuses) {
                Some(at) => self.wake(&seats[at], false),
                None => self.add_spare(),
            }
            return true;
        }
        // A spare that went idle before the stuck ones came back leaves when it is woken.
        let idle_spare = seats
            .iter()
            .find(|seat| seat.spare && seat.status.is_idle());
        match idle_spare {
            Some(seat) if self.is_surplus() => {
                if self.idle.claim_any([&seat.status].into_iter()).is_some() {
                    self.wake(seat, false);
                }
                true
            }
            _ => false,
        }
    }
}

/// This thread is about to block inside a task: its drainer's work must not wait for it.
pub(crate) fn before_blocking() {
    let pool = Local::with_any(|local| {
        let pool = local.pool.clone();
        if pool.fifo || !pool.is_inside() {
            return None;
        }
        local.flush();
        pool.stick(&local.seat);
        Some(pool)
    });
    if let Some(pool) = pool.flatten() {
        if pool.has_work_to_steal() {
            if pool.idle.any_after_push() {
                pool.wake_one(false);
            } else {
                pool.add_spare();
            }
        }
    }
}
