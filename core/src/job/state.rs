//! The state of a job.
//!
//! ```text
//!            start                body ended                last child ended
//!   New ------------> Active ----------------> Completing ------------------> Completed
//!    |                   |                         |
//!    |                   | cancel, failure         | cancel, failure of a child
//!    |                   v                         v
//!    |               Cancelling <------------------+
//!    |                   |
//!    | cancel            | body and all children ended
//!    v                   v
//!    +------------> Cancelled
//! ```
//!
//! `Completing` looks like `Active` from outside (J-1). The flags are written under the lock of the job only, and read
//! without it; each is set once and never cleared, so a reader may see an old state but never one that has not been.

use std::fmt;
use std::sync::atomic::Ordering;

use crate::shim::AtomicU8;

/// The body may run: set at creation, or by the start of a lazy job.
pub(crate) const STARTED: u8 = 1;
/// Cancelled or failed; final together with [`FINAL`].
pub(crate) const CANCELLING: u8 = 1 << 1;
/// The body has ended, or a body-less job was completed.
pub(crate) const BODY_ENDED: u8 = 1 << 2;
/// Body and children have ended: the cause is frozen, neither children nor failures are taken any more (J-25).
pub(crate) const SEALED: u8 = 1 << 3;
/// Completed or cancelled, after its failure was handled (J-19).
pub(crate) const FINAL: u8 = 1 << 4;
/// The future of an inline scope was dropped half-way: nobody reads the result (decision 8).
pub(crate) const ABANDONED: u8 = 1 << 5;

/// The flags of a job.
#[derive(Debug)]
pub(crate) struct Flags(AtomicU8);

impl Flags {
    pub(crate) fn new(flags: u8) -> Self {
        Flags(AtomicU8::new(flags))
    }

    /// Whether any of `flags` is set. What was written before a flag was set is visible after it was seen.
    pub(crate) fn any(&self, flags: u8) -> bool {
        self.0.load(Ordering::Acquire) & flags != 0
    }

    /// Sets `flags`; only under the lock of the job, so a plain store is enough.
    pub(crate) fn set(&self, flags: u8) {
        let old = self.0.load(Ordering::Relaxed);
        self.0.store(old | flags, Ordering::Release);
    }

    pub(crate) fn state(&self) -> JobState {
        let flags = self.0.load(Ordering::Acquire);
        let has = |flag| flags & flag != 0;
        match (has(FINAL), has(CANCELLING)) {
            (true, true) => JobState::Cancelled,
            (true, false) => JobState::Completed,
            (false, true) => JobState::Cancelling,
            (false, false) if !has(STARTED) => JobState::New,
            (false, false) if has(BODY_ENDED) => JobState::Completing,
            (false, false) => JobState::Active,
        }
    }
}

/// The state of a [`Job`](crate::Job).
///
/// | state | `is_active` | `is_completed` | `is_cancelled` |
/// |---|---|---|---|
/// | `New` | | | |
/// | `Active` | yes | | |
/// | `Completing` | yes | | |
/// | `Cancelling` | | | yes |
/// | `Cancelled` | | yes | yes |
/// | `Completed` | | yes | |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JobState {
    /// Lazy and not started yet.
    New,
    /// Started; the body runs or waits to run.
    Active,
    /// The body has ended normally, children still run.
    Completing,
    /// Cancelled or failed; body or children have not ended yet.
    Cancelling,
    /// Cancelled or failed, and ended.
    Cancelled,
    /// Ended normally.
    Completed,
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
