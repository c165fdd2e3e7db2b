//! What a coroutine waits for, and what others wait for of it.

use corox_core::probe_protocol::{Awaited as Protocol, Holder, KnownHold, KnownWait};

use crate::stack_frame::StackFrame;

/// A thing that a coroutine waits for, as far as the suspension points of the library know it. See [`CoroutineInfo::awaits`](crate::CoroutineInfo::awaits).
///
/// Kotlin: no counterpart.
///
/// ```
/// use corox_core::{await_cancellation, run_blocking, yield_now};
/// use corox_debug::DebugProbes;
///
/// DebugProbes::with_probes(|| run_blocking(async |scope| {
///     let other = scope.launch(async { await_cancellation().await });
///     let joined = other.clone();
///     scope.launch(async move { joined.join().await });
///     yield_now().await;
///     let infos = DebugProbes::dump_coroutines_info()?;
///     let awaited = &infos[2].awaits[0];
///     assert_eq!(awaited.what.function.split(' ').next(), Some("join"));
///     assert_eq!(awaited.jobs, [format!("\"coroutine#{}\"", infos[1].id.unwrap())]);
///     other.cancel();
///     Ok(())
/// })).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Awaited {
    /// The suspension point, with what is known of it.
    pub what: StackFrame,
    /// The jobs whose end it waits for: `"name#id"` each. Of a select those of its clauses.
    pub jobs: Vec<String>,
    /// Who holds the locks that it waits for. A part that is not here is free, or held by nobody known.
    pub held_by: Vec<HeldLock>,
    /// The channels that it waits at: the hexadecimal number after the `@` in their text. Both ends of one have the same.
    pub channels: Vec<u64>,
}

impl Awaited {
    /// `name_of`: of the job with a token, if it lives.
    pub(crate) fn of(wait: &KnownWait, name_of: impl Fn(u64) -> Option<String>) -> Awaited {
        let mut awaited = Awaited {
            what: StackFrame::of_wait(&wait.info),
            jobs: Vec::new(),
            held_by: wait.held_by.iter().map(HeldLock::by).collect(),
            channels: Vec::new(),
        };
        let parts = match &wait.awaited {
            Protocol::Any(clauses) => &clauses[..],
            one => std::slice::from_ref(one),
        };
        for part in parts {
            match part {
                Protocol::Job(token) => awaited.jobs.extend(name_of(*token)),
                Protocol::All(tokens) => {
                    let names = tokens.iter().filter_map(|token| name_of(*token));
                    awaited.jobs.extend(names);
                }
                Protocol::Channel(channel) => awaited.channels.push(channel.number()),
                Protocol::Anything | Protocol::Lock { .. } | Protocol::Any(_) => {}
            }
        }
        awaited
    }
}

/// A lock, or permits of a semaphore, that a coroutine has taken while the probes were installed, and has not given back.
///
/// Kotlin: no counterpart.
///
/// ```
/// use corox_core::{CoroutineName, await_cancellation, run_blocking, yield_now};
/// use corox_debug::DebugProbes;
/// use corox_sync::Semaphore;
/// use std::sync::Arc;
///
/// DebugProbes::with_probes(|| run_blocking(async |scope| {
///     let semaphore = Arc::new(Semaphore::new(3));
///     let job = scope.with(CoroutineName::new("greedy")).launch(async move {
///         let _two = semaphore.acquire_many(2).await;
///         await_cancellation().await
///     });
///     yield_now().await;
///     let held = &DebugProbes::dump_coroutines_info()?[1].holds[0];
///     assert!(held.lock.starts_with("Semaphore@") && held.permits == 2);
///     assert!(held.holder.as_ref().unwrap().starts_with("\"greedy#"));
///     job.cancel();
///     Ok(())
/// })).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct HeldLock {
    /// Which one: its kind, its address and where it was made.
    pub lock: String,
    /// The hexadecimal number after the `@` in `lock`, which tells it from others that were made at the same line.
    pub number: u64,
    /// How many permits; of a mutex it is 1.
    pub permits: usize,
    /// The `"name#id"` of the coroutine that has taken it; `None` if that has ended, and has left it locked.
    pub holder: Option<String>,
    /// Whether the guard may be with another coroutine now: one without a lifetime may be given away.
    pub may_have_moved: bool,
}

impl HeldLock {
    pub(crate) fn new(hold: &KnownHold, holder: Option<String>) -> HeldLock {
        HeldLock {
            lock: hold.which.to_string(),
            number: hold.which.identity.number(),
            permits: hold.permits,
            holder,
            may_have_moved: hold.may_have_moved,
        }
    }

    fn by(holder: &Holder) -> HeldLock {
        HeldLock::new(&holder.hold, holder.name.clone())
    }
}
