//! Whether the code that runs here belongs to a cancelled job: asked at every suspension point, and by flows for every item.
//!
//! The flags of a job are three pointers away. So the cancellations of the process are counted, and each thread keeps the count at
//! which it has found its current frame not cancelled. As long as nobody has cancelled anything since, the answer is the same.
//!
//! ```text
//! cancel                                cancelled_here_again
//!   the root of what is cancelled         count as kept?  yes: not cancelled
//!   is marked                             no: read the count, then the flags;
//!   count += 1                            not cancelled: keep that count
//!   what is below is marked, woken
//!   count += 1
//! ```
//!
//! Whoever knows of a cancellation, because `cancel` has returned or has called it, sees the later count. Whoever has read that count
//! before the flags sees the mark. One that is below and in the middle of a poll on another thread may go on until `cancel` has
//! returned, as if it had asked before. A frame that is entered or left makes the thread forget (`entered`), so each poll asks once
//! in full.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::entered::{clear_at, set_clear_at, with_current};

/// Odd, so that it is never the 0 of a thread that has kept nothing.
static CANCELLATIONS: AtomicUsize = AtomicUsize::new(1);

/// What was marked as cancelled by now is seen by those who ask after this.
pub(crate) fn announce_cancellation() {
    CANCELLATIONS.fetch_add(2, Ordering::Release);
}

/// Whether the code that runs here belongs to a cancelled job, and so must not go past a point of cancellation.
pub(crate) fn cancelled_here() -> bool {
    with_current(|frame| frame.is_some_and(|frame| frame.job().is_cancelled()))
}

/// The same, for those who ask many times in one poll.
#[inline]
pub(crate) fn cancelled_here_again() -> bool {
    if cfg!(corox_loom) {
        // A model repeats itself exactly, whatever the models beside it cancel.
        return cancelled_here();
    }
    clear_at() != CANCELLATIONS.load(Ordering::Relaxed) && look()
}

#[inline(never)]
fn look() -> bool {
    let count = CANCELLATIONS.load(Ordering::Acquire);
    let cancelled = cancelled_here();
    if !cancelled {
        set_clear_at(count);
    }
    cancelled
}
