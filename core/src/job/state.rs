//! The state of a job.
//!
//! ```text
//!     attach: lazy         attach: all others
//!          |                     |
//!          v          1          v            2                       3
//!         New ----------------> Active ------------> Completing ------------> Completed
//!          |                     |  |                    |                        ^
//!          |                     |  +--------------------)---- 3: no child left --+
//!          | 4                   | 4                     | 4
//!          v                     v                       |
//!          +--------------> Cancelling <-----------------+
//!                                | 5
//!                                v
//!                    Cancelling, sealed: the cause is frozen and told
//!                                | 6
//!                                v
//!                            Cancelled
//! ```
//!
//! | edge | flags set | where | who takes it |
//! |---|---|---|---|
//! | 1 | `STARTED` | `complete::begin` | `Job::start`, and what calls it: a join, an await, a clause of a select, the first child (`attach::adopt`) |
//! | 2 | `BODY_ENDED` | `complete::end_body`, `end_body_less_unless` | the body that has returned, or the call that completes a job without body, while children are left |
//! | 3 | `SEALED`, `FINAL` | `complete::count_down` | whoever brings the count to 0: the body or the last child |
//! | 4 | `CANCELLING`, from `New` also `STARTED` | `cancel::offer` | a cancellation or failure of the job itself, of the parent (downwards), a failure of a child (upwards) |
//! | 5 | `SEALED` | `complete::count_down` | as 3. A job that was `New` gets there at once, for its body is dropped by edge 4 |
//! | 6 | `FINAL` | `complete::finish` | the same call as 5, after the cause was chosen (`freeze_cause`) and told to the parent or the handler; at once with 5 (`count_down`) if there is nobody to be told of it |
//!
//! A job whose parent has ended (`attach::Attached::Refused`) goes along 4, 5 and 6 before anybody has it.
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
/// The registry of the probes has an entry of it, which goes with its end.
pub(crate) const NOTED: u8 = 1 << 6;

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
///
/// Kotlin: the states of the table in the documentation of `Job`; there one sees them by the three properties.
///
/// ```
/// use corox_core::{CompletableJob, JobState};
///
/// let job = CompletableJob::new();
/// let child = CompletableJob::child_of(&job);
/// assert_eq!(job.state(), JobState::Active);
/// job.complete();
/// assert_eq!(job.state(), JobState::Completing);
/// child.complete();
/// assert_eq!(job.state(), JobState::Completed);
/// ```
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
