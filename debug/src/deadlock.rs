//! Coroutines that wait for one another.

use std::fmt;

use corox_core::Job;
use corox_core::probe_protocol as protocol;

use crate::stack_frame::StackFrame;

/// Coroutines each of which waits for the next one, and the last one for the first: none of them goes on, unless one is cancelled.
/// Found by [`DebugProbes::deadlocks`](crate::DebugProbes::deadlocks).
///
/// As a text it is a sentence: `Deadlock: "a#1" waits for Mutex@1 made at .. held by "b#2", which waits for ..`.
///
/// Kotlin: no counterpart.
///
/// ```
/// use corox_core::{CoroutineName, run_blocking, yield_now};
/// use corox_debug::DebugProbes;
/// use corox_sync::Mutex;
///
/// DebugProbes::with_probes(|| run_blocking(async |scope| {
///     let job = scope.with(CoroutineName::new("eager")).launch(async {
///         let mutex = Mutex::new(1);
///         let one = mutex.lock().await;
///         *mutex.lock().await += *one; // one guard is enough
///     });
///     yield_now().await;
///     let deadlock = &DebugProbes::deadlocks()?[0];
///     assert!(deadlock.members[0].job().ptr_eq(&job));
///     let text = deadlock.to_string();
///     assert!(text.starts_with("Deadlock: \"eager#") && text.contains(" waits for Mutex@"));
///     job.cancel_and_join().await;
///     assert!(DebugProbes::deadlocks()?.is_empty());
///     Ok(())
/// })).unwrap();
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Deadlock {
    /// Each waits for the next one, and the last one for the first, which is the oldest.
    pub members: Vec<DeadlockMember>,
    #[cfg_attr(feature = "serde", serde(rename = "text", serialize_with = "as_text"))]
    known: protocol::Deadlock,
}

/// One of the coroutines of a [`Deadlock`].
///
/// Kotlin: no counterpart.
///
/// ```
/// use corox_core::{run_blocking, yield_now};
/// use corox_debug::DebugProbes;
/// use corox_sync::Mutex;
///
/// DebugProbes::with_probes(|| run_blocking(async |scope| {
///     let line = line!() + 4;
///     let job = scope.launch(async {
///         let mutex = Mutex::new(1);
///         let one = mutex.lock().await;
///         *mutex.lock().await += *one;
///     });
///     yield_now().await;
///     let deadlocks = DebugProbes::deadlocks()?;
///     let member = &deadlocks[0].members[0];
///     assert_eq!(member.waits_at.as_ref().unwrap().line, Some(line));
///     assert!(member.lock.as_ref().unwrap().starts_with("Mutex@"));
///     job.cancel();
///     Ok(())
/// })).unwrap();
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct DeadlockMember {
    /// The number of the coroutine.
    pub id: Option<u64>,
    /// `"name#id"`.
    pub name: String,
    /// Where it waits, and for what; `None` if its body has ended, and it waits for its children.
    pub waits_at: Option<StackFrame>,
    /// The lock that the next one holds; `None` if the end of the next one is waited for.
    pub lock: Option<String>,
    #[cfg_attr(feature = "serde", serde(skip))]
    job: Job,
}

impl Deadlock {
    pub(crate) fn new(known: protocol::Deadlock) -> Deadlock {
        let members = known.links.iter().map(|link| DeadlockMember {
            id: link.job.id(),
            name: link.name.clone(),
            waits_at: link.wait.as_ref().map(StackFrame::of_wait),
            lock: link.lock.as_ref().map(ToString::to_string),
            job: link.job.clone(),
        });
        Deadlock {
            members: members.collect(),
            known,
        }
    }
}

impl fmt::Display for Deadlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.known, f)
    }
}

impl DeadlockMember {
    /// Its job: to cancel it is a way out.
    ///
    /// Kotlin: no counterpart.
    #[must_use]
    pub fn job(&self) -> &Job {
        &self.job
    }
}

#[cfg(feature = "serde")]
fn as_text<S: serde::Serializer>(known: &protocol::Deadlock, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(known)
}
