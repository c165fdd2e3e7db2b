//! Whose turn it is to poll a task.
//!
//! ```text
//!            begin                 start                    end
//!   [NEW] ──────────> [SCHEDULED] ───────> [RUNNING] ──────────────> [ENDED]
//!                        ▲   ▲               │    │ wake                ▲
//!                   wake │   │         pause │    ▼                     │
//!                        │   └───────────────│─ [RUNNING | SCHEDULED] ──┘ end
//!                        │      pause: true  │
//!                      [idle] <──────────────┘ pause: false
//! ```
//!
//! There is one [`Task`](super::Task) while SCHEDULED is set and RUNNING is not: whoever set it, by `begin`, by a `wake` of an idle
//! task or by a `pause` that found it set, makes that. Running it, or dropping it, is what `start` begins. So between `start` and
//! `pause` or `end` one thread has the future for itself.

use crate::shim::{AtomicU8, Ordering};

/// Nobody has asked for the first turn.
const NEW: u8 = 1;
/// A turn is due.
const SCHEDULED: u8 = 2;
/// Somebody has the turn.
const RUNNING: u8 = 4;
/// There will be no other turn.
const ENDED: u8 = 8;

/// See the module.
pub(crate) struct Turn(AtomicU8);

impl Turn {
    pub(crate) fn new() -> Turn {
        Turn(AtomicU8::new(NEW))
    }

    /// Asks for the first turn: true for the first call.
    pub(crate) fn begin(&self) -> bool {
        self.0.swap(SCHEDULED, Ordering::AcqRel) & NEW != 0
    }

    /// Asks for a turn: true if the caller has to make a task of it.
    ///
    /// Acquire, release also where nothing changes: what was written before a wake that comes too late to make a task is visible to
    /// the poll that the earlier one has asked for.
    pub(crate) fn wake(&self) -> bool {
        self.0.fetch_or(SCHEDULED, Ordering::AcqRel) & (NEW | SCHEDULED | RUNNING | ENDED) == 0
    }

    /// The turn begins. What wakes from here on asks for another one.
    pub(crate) fn start(&self) {
        self.0.swap(RUNNING, Ordering::AcqRel);
    }

    /// The turn is over, and others may follow: true if the next one is due already.
    pub(crate) fn pause(&self) -> bool {
        self.0.fetch_and(!RUNNING, Ordering::AcqRel) & SCHEDULED != 0
    }

    /// The last turn is over.
    pub(crate) fn end(&self) {
        self.0.store(ENDED, Ordering::Release);
    }
}
