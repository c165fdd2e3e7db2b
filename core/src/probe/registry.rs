//! What the probes have recorded.
//!
//! A launch leaves nothing here as a rule: the tree of jobs leads to a job whose parent is known. Here are those to which nothing else
//! leads, and what a job does not know of itself.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::awaited::Awaited;
use super::by_token::{self, ByToken};
use super::capture::Ticket;
use super::detail::Detail;
use super::holds::{Hold, HoldKey};
use super::running::are_timed;
use super::{INSTALLED, Reason, is_installed};
use crate::job::{FINAL, Job, JobCell, JobCore, NOTED, Slot, next_token};

pub(super) static REGISTRY: Mutex<Registry> = Mutex::new(Registry {
    jobs: by_token::empty(),
    waits: BTreeMap::new(),
    last_wait: 0,
    holds: BTreeMap::new(),
});

pub(super) struct Registry {
    /// The jobs without a parent, or with one that is not known, and those of whom more is to be told than they know themselves.
    pub(super) jobs: ByToken<Entry>,
    /// By the token of the job that waits, and a number.
    pub(super) waits: BTreeMap<(u64, u64), Noted>,
    pub(super) last_wait: u64,
    /// What is held of locks.
    pub(super) holds: BTreeMap<HoldKey, Hold>,
}

/// A job that lives.
pub(super) struct Entry {
    pub(super) job: Weak<JobCell<dyn Slot>>,
    /// The polls that the count of the job has lost by its carries.
    pub(super) carried: u64,
    /// When it was made, if polls were timed then.
    pub(super) created: Option<Instant>,
    /// How long the polls took that were timed and have ended.
    pub(super) busy: Option<Duration>,
    /// Of a coroutine and the scopes inside it: the wait that has ended last.
    pub(super) last: Option<Noted>,
    pub(super) creation: Option<Stack>,
    /// Of those who have asked for the stack.
    pub(super) asked: Vec<Ticket>,
}

impl Entry {
    fn new(job: &Job) -> Entry {
        Entry {
            job: Arc::downgrade(&job.0),
            carried: 0,
            created: None,
            busy: None,
            last: None,
            creation: None,
            asked: Vec::new(),
        }
    }
}

/// A wait, and its stack when last asked for. The map moves what is in it, so the rest is elsewhere.
#[derive(Clone)]
pub(super) struct Noted {
    pub(super) wait: Arc<Wait>,
    pub(super) stack: Option<Stack>,
}

pub(super) struct Wait {
    pub(super) what: &'static Reason,
    pub(super) detail: Detail,
    pub(super) location: &'static Location<'static>,
    pub(super) by_coroutines: bool,
    pub(super) awaited: Awaited,
    /// The token of the coroutine of the job that waits, if that is known; it has an entry.
    pub(super) owner: Option<u64>,
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

/// The least token that a job has which is known: those that live from an earlier time with probes have lesser ones.
static FIRST: AtomicU64 = AtomicU64::new(0);

/// Whether the job was made since the probes were installed.
#[inline]
pub(super) fn is_known(job: &JobCore) -> bool {
    is_installed()
        && job
            .token_of_creation()
            .is_some_and(|token| token >= FIRST.load(Ordering::Relaxed))
}

/// Called for each new job if probes are installed, before anybody else has it.
#[inline]
pub(crate) fn register(job: &Job, parent: Option<&Job>) {
    let is_led_to = parent.is_some_and(|parent| is_known(parent.core()));
    if !is_led_to || creation_stacks() || are_timed() {
        register_slowly(job);
    }
}

#[cold]
fn register_slowly(job: &Job) {
    let creation = if creation_stacks() {
        take_stack()
    } else {
        None
    };
    let created = are_timed().then(Instant::now);
    with_entry(job, |entry| {
        entry.creation = creation;
        entry.created = created;
    });
}

/// Changes the entry of a job that is known and not final; makes it if there is none. Under the lock: `change` drops and calls nothing.
pub(super) fn with_entry<R>(job: &Job, change: impl FnOnce(&mut Entry) -> R) -> Option<R> {
    let core = job.core();
    if !is_known(core) {
        return None;
    }
    if core.flags.any(NOTED) {
        let mut registry = REGISTRY.lock();
        return registry.jobs.get_mut(&core.token()).map(change);
    }
    // The lock of the job, too: its end takes the entry away, and comes before this or after it.
    let _inner = core.inner.lock();
    if core.flags.any(FINAL) {
        return None;
    }
    core.flags.set(NOTED);
    let mut registry = REGISTRY.lock();
    let entry = registry.jobs.entry(core.token());
    Some(change(entry.or_insert_with(|| Entry::new(job))))
}

/// Called for each job that becomes final, or is dropped without having become so.
#[inline]
pub(crate) fn forget(job: &JobCore) {
    if job.flags.any(NOTED) {
        forget_slowly(job);
    }
}

#[cold]
fn forget_slowly(job: &JobCore) {
    let removed = REGISTRY.lock().jobs.remove(&job.token());
    drop(removed);
}

/// A guard more.
pub(super) fn add_guard() {
    // Under the lock: whoever has a guard has it after the first one, and so after the look at the tokens.
    let _registry = REGISTRY.lock();
    if INSTALLED.load(Ordering::Relaxed) == 0 {
        FIRST.store(next_token(), Ordering::Relaxed);
    }
    INSTALLED.fetch_add(1, Ordering::Relaxed);
}

/// A guard less; the last one clears all.
pub(super) fn drop_guard() {
    let cleared = {
        let mut registry = REGISTRY.lock();
        if INSTALLED.fetch_sub(1, Ordering::Relaxed) > 1 {
            return;
        }
        (
            std::mem::take(&mut registry.jobs),
            std::mem::take(&mut registry.waits),
            std::mem::take(&mut registry.holds),
        )
    };
    drop(cleared);
}

/// The coroutine that a scope is a part of, or the job itself.
pub(super) fn owner_of(job: &Job) -> Job {
    let mut owner = job.clone();
    while owner.core().kind.is_part() {
        let parent = owner.parent();
        let around = parent.filter(|job| !job.core().kind.is_body_less() && is_known(job.core()));
        let Some(around) = around else { break };
        owner = around;
    }
    owner
}

/// Adds a wait of `job`; its key.
pub(super) fn begin_wait(job: &Job, mut wait: Wait) -> (u64, u64) {
    let token = job.core().token();
    if is_known(job.core()) {
        let owner = owner_of(job);
        // So that it can keep its last wait.
        if !owner.core().flags.any(NOTED) {
            with_entry(&owner, |_| ());
        }
        wait.owner = Some(owner.core().token());
    }
    let noted = Noted {
        wait: Arc::new(wait),
        stack: None,
    };
    let mut registry = REGISTRY.lock();
    registry.last_wait += 1;
    let key = (token, registry.last_wait);
    registry.waits.insert(key, noted);
    key
}

/// Takes a wait back; it is then the last one that its coroutine is known for.
pub(super) fn end_wait(key: (u64, u64)) {
    let replaced = {
        let mut registry = REGISTRY.lock();
        let Registry { jobs, waits, .. } = &mut *registry;
        let ended = waits.remove(&key);
        let owner = ended.as_ref().and_then(|noted| noted.wait.owner);
        match owner.and_then(|owner| jobs.get_mut(&owner)) {
            Some(owner) => std::mem::replace(&mut owner.last, ended),
            None => ended,
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

#[cfg(all(test, not(corox_loom)))]
mod tests {
    use super::*;
    use crate::probe::{install, live};
    use crate::{CompletableJob, await_cancellation, delay, run_blocking, yield_now};

    fn has_entry(job: &Job) -> bool {
        REGISTRY.lock().jobs.contains_key(&job.core().token())
    }

    fn is_live(job: &Job) -> bool {
        live().iter().any(|known| known.ptr_eq(job))
    }

    #[test]
    fn the_tree_leads_to_a_child_that_has_not_waited() {
        let _probes = install();
        run_blocking(async |scope| {
            let child = scope.launch(async {});
            assert!(has_entry(scope.job()) && !has_entry(&child));
            assert!(is_live(scope.job()) && is_live(&child));
            child.join().await;
            assert!(!is_live(&child));
            Ok(())
        })
        .unwrap();
    }

    #[test]
    fn what_has_an_entry_loses_it_with_its_end() {
        let _probes = install();
        run_blocking(async |scope| {
            let child = scope.launch(async {
                delay(Duration::from_millis(1)).await;
                await_cancellation().await;
            });
            yield_now().await;
            assert!(has_entry(&child), "for its last wait");
            child.cancel();
            child.join().await;
            assert!(!has_entry(&child));
            Ok(())
        })
        .unwrap();
    }

    /// Such a child stays in the list of its parent for a while after its end, where nobody would take the entry away.
    #[test]
    fn what_ends_unseen_loses_its_entry_too() {
        let _probes = install();
        run_blocking(async |scope| {
            let gate = CompletableJob::new();
            let waits_for: Job = gate.as_ref().clone();
            let child = scope.launch(async move { waits_for.join().await });
            yield_now().await;
            assert!(has_entry(&child));
            gate.complete();
            while !child.is_completed() {
                yield_now().await;
            }
            assert!(!has_entry(&child));
            Ok(())
        })
        .unwrap();
    }

    #[test]
    fn below_a_job_from_before_there_is_an_entry() {
        run_blocking(async |scope| {
            let _probes = install();
            let child = scope.launch(await_cancellation());
            assert!(has_entry(&child) && is_live(&child) && !is_live(scope.job()));
            child.cancel();
            child.join().await;
            assert!(!has_entry(&child));
            Ok(())
        })
        .unwrap();
    }
}
