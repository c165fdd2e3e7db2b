//! Whether a root's event is in the queue.
//!
//! Modelled in `tests/loom.rs`.

use crate::shim::{AtomicBool, Ordering};

/// Lets a wake-up through once until it is served.
///
/// Both sides are read-modify-writes: a waker that finds the flag set made its change visible to the poll
/// that follows the clearing.
#[derive(Debug)]
pub(crate) struct Queued(AtomicBool);

impl Queued {
    pub(crate) fn new() -> Queued {
        Queued(AtomicBool::new(false))
    }

    /// True if the caller must queue the event.
    pub(crate) fn set(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }

    /// Called when the event has left the queue, before the poll.
    pub(crate) fn clear(&self) {
        self.0.swap(false, Ordering::AcqRel);
    }
}
