//! What the probes have recorded.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::awaited::Awaited;
use super::by_token::{self, ByToken};
use super::capture::Ticket;
use super::holds::{Hold, HoldKey};
use super::running::are_timed;
use super::{Reason, WaitInfo, is_installed};
use crate::job::{Job, JobCell, JobCore, Slot};

pub(super) static REGISTRY: Mutex<Registry> = Mutex::new(Registry {
    jobs: by_token::empty(),
    waits: BTreeMap::new(),
    last_wait: 0,
    holds: BTreeMap::new(),
});

pub(super) struct Registry {
    /// By token; their order is that of creation.
    pub(super) jobs: ByToken<Entry>,
    /// By the token of the job that waits, and a number.
    pub(super) waits: BTreeMap<(u64, u64), Wait>,
    pub(super) last_wait: u64,
    /// What is held of locks.
    pub(super) holds: BTreeMap<HoldKey, Hold>,
}

/// A job that lives.
pub(super) struct Entry {
    pub(super) job: Weak<JobCell<dyn Slot>>,
    /// The coroutine that this scope is a part of, or the job itself.
    pub(super) owner: u64,
    /// The polls that the count of the job has lost by its carries.
    pub(super) carried: u64,
    /// When it was made, if polls were timed then.
    pub(super) created: Option<Instant>,
    /// How long the polls took that were timed and have ended.
    pub(super) busy: Option<Duration>,
    /// Of a coroutine and the scopes inside it: the wait that has ended last.
    pub(super) last: Option<Wait>,
    pub(super) creation: Option<Stack>,
    /// Of those who have asked for the stack.
    pub(super) asked: Vec<Ticket>,
}

pub(super) struct Wait {
    pub(super) what: &'static Reason,
    pub(super) detail: Detail,
    pub(super) location: &'static Location<'static>,
    pub(super) by_coroutines: bool,
    pub(super) awaited: Awaited,
    /// As it was when last asked for.
    pub(super) stack: Option<Stack>,
}

impl Wait {
    pub(super) fn info(&self) -> WaitInfo {
        WaitInfo {
            what: self.what.0,
            detail: self.detail.to_string(),
            location: self.location,
            by_coroutines: self.by_coroutines,
        }
    }
}

impl Entry {
    /// How often `job`, which this is about, was polled.
    pub(super) fn polls(&self, job: &JobCore) -> u64 {
        self.carried + u64::from(job.frame.polls.load(Ordering::Relaxed))
    }
}

/// What exactly a wait is for.
pub(super) enum Detail {
    Text(String),
    Duration(Duration),
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Detail::Text(text) => f.write_str(text),
            Detail::Duration(duration) => write!(f, "{duration:?}"),
        }
    }
}

/// A stack, which only the crate that has taken it can read.
pub type Stack = Arc<dyn Any + Send + Sync>;

static TAKE_STACK: OnceLock<fn() -> Stack> = OnceLock::new();
/// Said by the user.
static CREATION_STACKS: AtomicBool = AtomicBool::new(false);
/// How many [`KeepCreationStacks`] there are.
static KEEPERS: AtomicUsize = AtomicUsize::new(0);

/// Says how the stack of this thread is taken. The first one counts.
pub fn set_take_stack(take: fn() -> Stack) {
    let _ = TAKE_STACK.set(take);
}

/// Whether new jobs keep the stack of whoever makes them.
pub fn set_creation_stacks(on: bool) {
    CREATION_STACKS.store(on, Ordering::Relaxed);
}

/// As long as it lives, new jobs keep those stacks whatever was set. Several may overlap, as tests do that run at the same time.
#[derive(Debug)]
#[must_use = "dropping it takes it back"]
pub struct KeepCreationStacks(());

/// See [`KeepCreationStacks`].
pub fn keep_creation_stacks() -> KeepCreationStacks {
    KEEPERS.fetch_add(1, Ordering::Relaxed);
    KeepCreationStacks(())
}

impl Drop for KeepCreationStacks {
    fn drop(&mut self) {
        KEEPERS.fetch_sub(1, Ordering::Relaxed);
    }
}

fn creation_stacks() -> bool {
    CREATION_STACKS.load(Ordering::Relaxed) || KEEPERS.load(Ordering::Relaxed) > 0
}

pub(super) fn take_stack() -> Option<Stack> {
    TAKE_STACK.get().map(|take| take())
}

/// Called for each new job.
#[inline]
pub(crate) fn register(job: &Job, parent: Option<&Job>) {
    if is_installed() {
        register_slowly(job, parent);
    }
}

#[cold]
fn register_slowly(job: &Job, parent: Option<&Job>) {
    let token = job.core().token();
    let kind = job.core().kind;
    let around = parent.filter(|parent| kind.is_part() && !parent.core().kind.is_body_less());
    let around = around.map(|parent| parent.core().token());
    let creation = if creation_stacks() {
        take_stack()
    } else {
        None
    };
    let created = are_timed().then(Instant::now);
    let mut registry = REGISTRY.lock();
    // Asked again under the lock: the last guard clears the registry under it, and nobody would forget a job that came
    // after that.
    if is_installed() {
        let around = around.and_then(|around| registry.jobs.get(&around));
        let entry = Entry {
            job: Arc::downgrade(&job.0),
            owner: around.map_or(token, |around| around.owner),
            carried: 0,
            created,
            busy: None,
            last: None,
            creation,
            asked: Vec::new(),
        };
        registry.jobs.insert(token, entry);
    }
}

/// Called for each job that becomes final, or is dropped without having become so.
#[inline]
pub(crate) fn forget(job: &JobCore) {
    if is_installed() {
        forget_slowly(job);
    }
}

#[cold]
fn forget_slowly(job: &JobCore) {
    let removed = REGISTRY.lock().jobs.remove(&job.token());
    drop(removed);
}

/// The last guard has gone.
pub(super) fn clear() {
    let cleared = {
        let mut registry = REGISTRY.lock();
        (
            std::mem::take(&mut registry.jobs),
            std::mem::take(&mut registry.waits),
            std::mem::take(&mut registry.holds),
        )
    };
    drop(cleared);
}

/// Adds a wait of the job `token`; its key.
pub(super) fn begin_wait(token: u64, wait: Wait) -> (u64, u64) {
    let mut registry = REGISTRY.lock();
    registry.last_wait += 1;
    let key = (token, registry.last_wait);
    registry.waits.insert(key, wait);
    key
}

/// Takes a wait back; it is then the last one that its coroutine is known for.
pub(super) fn end_wait(key: (u64, u64)) {
    let replaced = {
        let mut registry = REGISTRY.lock();
        let Registry { jobs, waits, .. } = &mut *registry;
        let ended = waits.remove(&key);
        let owner = jobs.get(&key.0).map(|entry| entry.owner);
        match owner.and_then(|owner| jobs.get_mut(&owner)) {
            Some(owner) if ended.is_some() => std::mem::replace(&mut owner.last, ended),
            _ => ended,
        }
    };
    drop(replaced);
}

/// Puts the stack of this thread to a wait that has been noted.
pub(super) fn add_stack(key: (u64, u64)) {
    let stack = take_stack();
    let replaced = {
        let mut registry = REGISTRY.lock();
        let wait = registry.waits.get_mut(&key);
        wait.map(|wait| std::mem::replace(&mut wait.stack, stack))
    };
    drop(replaced);
}
