//! Who has taken which lock, and has not given it back.
//!
//! What is recorded here is held in truth: a lock is recorded after it was taken, and struck out before it is given back. What is
//! held and not recorded is held by nobody known: it was taken before the probes were installed, outside of a coroutine, or given
//! back in a way that does not tell whose it was.

use std::fmt;
use std::panic::Location;

use super::awaited::Identity;
use super::is_installed;
use super::registry::{REGISTRY, is_known, owner_of};
use crate::frame;

/// In this order all that is held of one lock is in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct HoldKey {
    pub(super) lock: Identity,
    /// The guard may have gone to another coroutine since.
    pub(super) may_have_moved: bool,
    /// The token of the coroutine.
    pub(super) holder: u64,
}

/// Something that is held.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hold {
    pub(super) permits: usize,
    pub(super) which: Which,
}

/// A lock, as dumps call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Which {
    /// Its kind.
    pub kind: &'static str,
    /// Which one of them.
    pub identity: Identity,
    /// Where it was made.
    pub made: &'static Location<'static>,
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{} made at {}", self.kind, self.identity, self.made)
    }
}

/// The current coroutine has taken `permits` of `which`. `may_move`: the guard has no lifetime, and so may be given to another one.
pub fn taken(which: Which, permits: usize, may_move: bool) {
    let Some(job) = frame::current_job() else {
        return;
    };
    // One that is not known holds nothing that is known.
    if !is_known(job.core()) {
        return;
    }
    // The coroutine, for a guard may outlive the scope that it was made in.
    let holder = owner_of(&job).core().token();
    let mut registry = REGISTRY.lock();
    // Under the lock: the last guard of the probes clears the registry under it.
    if !is_installed() {
        return;
    }
    let key = HoldKey {
        lock: which.identity,
        may_have_moved: may_move,
        holder,
    };
    let new = Hold { permits: 0, which };
    registry.holds.entry(key).or_insert(new).permits += permits;
}

/// `permits` of this lock are about to be given back, by a guard that may have moved or by one that may not.
///
/// It is as a rule the current coroutine that has taken them. Where it has not, nobody knows whose they were, so nothing of the
/// lock is known to be held any more.
pub fn given_back(lock: Identity, permits: usize, may_have_moved: bool) {
    let job = frame::current_job();
    let known = job.filter(|job| is_known(job.core()));
    let own = known.map(|job| HoldKey {
        lock,
        may_have_moved,
        holder: owner_of(&job).core().token(),
    });
    let mut registry = REGISTRY.lock();
    let all = HoldKey {
        lock,
        may_have_moved,
        holder: 0,
    }..=HoldKey {
        lock,
        may_have_moved,
        holder: u64::MAX,
    };
    if let Some(own) = own {
        if let Some(hold) = registry.holds.get_mut(&own) {
            if hold.permits > permits {
                hold.permits -= permits;
                return;
            }
            if hold.permits == permits {
                registry.holds.remove(&own);
                return;
            }
        }
    }
    let strange: Vec<_> = registry.holds.range(all).map(|(key, _)| *key).collect();
    for key in strange {
        registry.holds.remove(&key);
    }
}
