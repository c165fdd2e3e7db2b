//! Whether a root's event is in the queue, or to be put there.
//!
//! Modelled in `tests/loom.rs`.

use crate::shim::{AtomicU8, Ordering};

/// Lets a wake-up through once until it is served. One that comes while the root is polled is noted, and let through by the
/// poller: so the root goes behind what it has queued in that poll, as a task does.
///
/// ```text
///           wake                begin_poll              end_poll
///   idle ---------> QUEUED ------------------> POLLED -----------> idle
///                     ^                          |
///                     |                          | wake
///                     |        end_poll          v
///                     +------------------- POLLED | QUEUED
/// ```
///
/// Both sides are read-modify-writes: a waker that finds the flag set made its change visible to the poll
/// that follows.
#[derive(Debug)]
pub(crate) struct Queued(AtomicU8);

const QUEUED: u8 = 1;
const POLLED: u8 = 2;

impl Queued {
    pub(crate) fn new() -> Queued {
        Queued(AtomicU8::new(0))
    }

    /// A wake-up: true if the caller must queue the event.
    pub(crate) fn set(&self) -> bool {
        self.0.fetch_or(QUEUED, Ordering::AcqRel) == 0
    }

    /// Called when the event has left the queue, before the poll.
    pub(crate) fn begin_poll(&self) {
        self.0.swap(POLLED, Ordering::AcqRel);
    }

    /// Called after a poll that was pending: true if a wake-up came meanwhile, and the caller must queue the event.
    pub(crate) fn end_poll(&self) -> bool {
        self.0.fetch_and(QUEUED, Ordering::AcqRel) & QUEUED != 0
    }
}
