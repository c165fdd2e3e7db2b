//! What is known of a coroutine.

use std::fmt;
#[cfg(feature = "inspector")]
use std::time::{Duration, Instant};

use corox_core::{Job, JobState};

use crate::awaited::{Awaited, HeldLock};
use crate::stack_frame::StackFrame;

/// What a live coroutine was seen to do; made by [`DebugProbes::dump_coroutines_info`](crate::DebugProbes::dump_coroutines_info).
///
/// It is a snapshot: the coroutine goes on. With the feature `serde` it can be serialized, without its job.
///
/// Kotlin: `CoroutineInfo`.
///
/// ```
/// use corox_core::{CoroutineName, run_blocking};
/// use corox_debug::{CoroutineState, DebugProbes};
///
/// DebugProbes::with_probes(|| run_blocking(async |scope| {
///     let line = line!() + 1;
///     let job = scope.with(CoroutineName::new("loader")).launch(async {});
///     let info = &DebugProbes::dump_coroutines_info()?[1];
///     assert_eq!(info.name.as_deref(), Some("loader"));
///     assert_eq!(info.state, CoroutineState::Created);
///     assert_eq!(info.launched.line, Some(line));
///     assert!(info.job().ptr_eq(&job));
///     Ok(())
/// })).unwrap();
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct CoroutineInfo {
    /// Its number; the numbers grow in the order of creation. A scope has that of the coroutine that it is in.
    pub id: Option<u64>,
    /// The name from its context.
    pub name: Option<String>,
    /// `"name#id":Kind{JobState}@address`.
    pub description: String,
    /// The number of the coroutine around it.
    pub parent: Option<u64>,
    /// Whether it runs.
    pub state: CoroutineState,
    /// The state of its job.
    #[cfg_attr(feature = "serde", serde(serialize_with = "as_text"))]
    pub job_state: JobState,
    /// On which thread it runs, if it does.
    pub thread: Option<String>,
    /// The builder, `launch` or another, and its line.
    pub launched: StackFrame,
    /// From where it waits: for each thing that it waits for at the same time a trace, the suspension point first and
    /// `launched` last. Of a running coroutine that has no wait: from where it waited before.
    pub last_observed: Vec<Vec<StackFrame>>,
    /// Whether `last_observed` is over: the coroutine has gone on since.
    pub last_observed_is_over: bool,
    /// What it waits for at this moment, as far as is known: for jobs, locks and channels who or which.
    pub awaits: Vec<Awaited>,
    /// The locks that it holds.
    pub holds: Vec<HeldLock>,
    /// Who has launched it, the innermost first; empty unless
    /// [`set_creation_stacks`](crate::DebugProbes::set_creation_stacks) was called before.
    pub creation_stack: Vec<StackFrame>,
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) job: Job,
    #[cfg(feature = "inspector")]
    #[serde(skip)]
    pub(crate) inspected: Inspected,
}

impl CoroutineInfo {
    /// Its job: to cancel it, to ask for its children.
    ///
    /// Kotlin: `CoroutineInfo.job`.
    #[must_use]
    #[doc(alias = "CoroutineInfo.job")]
    pub fn job(&self) -> &Job {
        &self.job
    }
}

/// What the inspector alone shows.
#[cfg(feature = "inspector")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inspected {
    /// What names it, also among those that have no number.
    pub(crate) token: u64,
    /// The token of the listed coroutine around it, whatever jobs without a body are in between.
    pub(crate) around: Option<u64>,
    pub(crate) polls: u64,
    /// How long the polls took that have ended; times only if somebody has had them taken.
    pub(crate) busy: Option<Duration>,
    /// When the poll that is going on has begun.
    pub(crate) running_since: Option<Instant>,
    pub(crate) created: Option<Instant>,
}

#[cfg(feature = "serde")]
fn as_text<S: serde::Serializer>(state: &JobState, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(state)
}

/// Whether a coroutine runs.
///
/// Kotlin: `State`.
///
/// ```
/// assert_eq!(corox_debug::CoroutineState::Suspended.to_string(), "SUSPENDED");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "UPPERCASE"))]
pub enum CoroutineState {
    /// Its body has not begun: it is lazy, or waits for its first turn.
    Created,
    /// A thread polls it.
    Running,
    /// It waits, for something or for a thread.
    Suspended,
}

impl fmt::Display for CoroutineState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CoroutineState::Created => "CREATED",
            CoroutineState::Running => "RUNNING",
            CoroutineState::Suspended => "SUSPENDED",
        })
    }
}
