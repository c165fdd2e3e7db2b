//! The closing of a pool: what is pushed while it closes is run elsewhere, not lost.
//!
//! Modelled in `tests/loom.rs`.

use crate::shim::{AtomicBool, Ordering, fence};

/// Open until the runtime shuts down.
///
/// ```text
///   pusher                       closer
///   push                         closed = true
///   ---- fence ----              ---- fence ----
///   closed? then sweep           sweep
/// ```
/// So at least one of the two sweeps finds the task.
#[derive(Debug)]
pub(crate) struct Gate {
    closed: AtomicBool,
}

impl Gate {
    pub(crate) fn new() -> Gate {
        Gate {
            closed: AtomicBool::new(false),
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Whether the caller must sweep the queues that it just pushed to.
    pub(crate) fn closed_after_push(&self) -> bool {
        fence(Ordering::SeqCst);
        self.is_closed()
    }

    /// The caller must sweep the queues after this.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        fence(Ordering::SeqCst);
    }
}
