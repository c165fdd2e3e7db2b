//! All that the probes know of the live jobs, in one piece.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::WaitInfo;
use super::awaited::Awaited;
use super::holds::{Hold, HoldKey, Which};
use super::registry::{Noted, REGISTRY, Stack};
use super::running::by_thread;
use super::tree;
use crate::debug::short_name;
use crate::job::{BODY_ENDED, FINAL, Job, JobState};

/// A live job.
#[derive(Debug)]
pub struct Known {
    /// Itself.
    pub job: Job,
    /// What it said of itself, and its state, when the rest was looked at.
    pub description: String,
    /// See there.
    pub state: JobState,
    /// What names it in the other fields; in the order of creation.
    pub token: u64,
    /// The coroutine that this scope is a part of; its own token, if it is none.
    pub owner: u64,
    /// The job around it.
    pub parent: Option<u64>,
    /// What has made it: `launch`, `coroutine_scope`.
    pub builder: &'static str,
    /// Whether it is polled by itself, and not inside of the poll of another one.
    pub is_task: bool,
    /// Whether it has a body at all.
    pub has_body: bool,
    /// Whether that has ended.
    pub body_ended: bool,
    /// Whether that was polled.
    pub began: bool,
    /// How often that was polled, the poll that is going on included.
    pub polls: u64,
    /// How long the polls took that were timed and have ended; `None` if none was. See [`time_polls`](super::running::time_polls).
    pub busy: Option<Duration>,
    /// When it was made, if polls were timed then.
    pub created: Option<Instant>,
    /// The thread that polls it now.
    pub thread: Option<String>,
    /// When the poll that is going on has begun, if polls were timed then.
    pub running_since: Option<Instant>,
    /// What it waits for.
    pub waits: Vec<KnownWait>,
    /// Of a coroutine and the scopes in it: the wait that has ended last.
    pub last_wait: Option<KnownWait>,
    /// Of a coroutine: the locks that it has taken, with the scopes in it, and has not given back.
    pub holds: Vec<KnownHold>,
    /// The stack of whoever made it, if that was to be recorded.
    pub creation: Option<Stack>,
}

/// A wait of a job.
#[derive(Clone, Debug)]
pub struct KnownWait {
    /// For what, and where; with the names of those who hold it.
    pub info: WaitInfo,
    /// The number of the wait in the process.
    pub number: u64,
    /// What ends it.
    pub awaited: Awaited,
    /// Who holds what is waited for, if that is locks.
    pub held_by: Vec<Holder>,
    /// The stack when it was last asked for.
    pub stack: Option<Stack>,
}

/// A part of a lock that a coroutine holds.
#[derive(Clone, Copy, Debug)]
pub struct KnownHold {
    /// The lock.
    pub which: Which,
    /// How much of it.
    pub permits: usize,
    /// The guard may have gone to another coroutine since.
    pub may_have_moved: bool,
}

/// Who holds a part of a lock.
#[derive(Clone, Debug)]
pub struct Holder {
    /// The token of the coroutine.
    pub token: u64,
    /// Its name; `None` if it has ended.
    pub name: Option<String>,
    /// What it holds.
    pub hold: KnownHold,
}

/// Not to be called while a lock is held.
pub(super) fn known_wait(number: u64, noted: &Noted) -> KnownWait {
    let Noted { wait, stack } = noted;
    KnownWait {
        info: WaitInfo::of(wait),
        number,
        awaited: wait.awaited.clone(),
        held_by: Vec::new(),
        stack: stack.clone(),
    }
}

/// How many holders of one lock a text tells of by name.
const NAMED: usize = 4;

impl KnownWait {
    /// Adds who holds what it waits for.
    fn add_holders(&mut self, holds: &[(HoldKey, Hold)], names: &BTreeMap<u64, String>) {
        let (locks, is_select) = match &self.awaited {
            Awaited::Any(all) => (&all[..], true),
            one => (std::slice::from_ref(one), false),
        };
        let locks = locks.iter().filter_map(|one| match one {
            Awaited::Lock { lock, .. } => Some(*lock),
            _ => None,
        });
        let mut held_by = Vec::new();
        for lock in locks {
            // Sorted by lock.
            let first = holds.partition_point(|(key, _)| key.lock < lock);
            let own = holds[first..]
                .iter()
                .take_while(|(key, _)| key.lock == lock);
            let holders = own.map(|(key, hold)| Holder {
                token: key.holder,
                name: names.get(&key.holder).cloned(),
                hold: known_hold(key, hold),
            });
            let holders: Vec<_> = holders.collect();
            if let Some(first) = holders.first() {
                if !self.info.detail.is_empty() {
                    self.info.detail.push_str(", ");
                }
                if is_select {
                    let Which { kind, identity, .. } = first.hold.which;
                    self.info.detail.push_str(&format!("{kind}{identity} "));
                }
                self.info.detail.push_str(&by_whom(&holders));
            }
            held_by.extend(holders);
        }
        self.held_by = held_by;
    }
}

/// `held by "a#1" and "b#2"`.
fn by_whom(holders: &[Holder]) -> String {
    let mut text = String::new();
    for (number, holder) in holders.iter().take(NAMED).enumerate() {
        text.push_str(match (number, holder.hold.may_have_moved) {
            (0, false) => "held by ",
            (0, true) => "taken by ",
            (_, false) => " and held by ",
            (_, true) => " and taken by ",
        });
        text.push_str(match &holder.name {
            Some(name) => name,
            None => "a coroutine that has ended",
        });
    }
    if holders.len() > NAMED {
        text.push_str(&format!(" and {} more", holders.len() - NAMED));
    }
    text
}

fn known_hold(key: &HoldKey, hold: &Hold) -> KnownHold {
    KnownHold {
        which: hold.which,
        permits: hold.permits,
        may_have_moved: key.may_have_moved,
    }
}

/// What the registry has of a job.
#[derive(Default)]
struct OfJob {
    carried: u64,
    busy: Option<Duration>,
    created: Option<Instant>,
    last_wait: Option<Noted>,
    creation: Option<Stack>,
}

/// The live jobs in the order of their creation.
#[must_use]
pub fn known() -> Vec<Known> {
    let (entries, waits, holds) = {
        let registry = REGISTRY.lock();
        let entries = registry.jobs.iter().map(|(token, entry)| {
            let of_job = OfJob {
                carried: entry.carried,
                busy: entry.busy,
                created: entry.created,
                last_wait: entry.last.clone(),
                creation: entry.creation.clone(),
            };
            (*token, (entry.job.clone(), of_job))
        });
        let entries: BTreeMap<_, _> = entries.collect();
        let waits = registry.waits.iter();
        let waits: Vec<_> = waits.map(|(key, wait)| (*key, wait.clone())).collect();
        let holds = registry.holds.iter();
        let holds: Vec<_> = holds.map(|(key, hold)| (*key, *hold)).collect();
        (entries, waits, holds)
    };
    // After the waits: whoever waits was there before. What has been launched since has no waits, and is told so.
    let jobs = tree::below(entries.values().map(|(job, _)| job));
    let mut noted: BTreeMap<u64, OfJob> = entries
        .into_iter()
        .map(|(token, (_, of_job))| (token, of_job))
        .collect();
    // Read after the waits: one that has gone on meanwhile runs and has waits, too, instead of neither.
    let mut running = by_thread();
    let mut waits = waits.into_iter().peekable();
    let mut known: Vec<Known> = Vec::with_capacity(jobs.len());
    for job in jobs {
        let core = job.core();
        let token = core.token();
        while waits.next_if(|((job, _), _)| *job < token).is_some() {}
        let mut own = Vec::new();
        while let Some(((_, number), wait)) = waits.next_if(|((job, _), _)| *job == token) {
            own.push(known_wait(number, &wait));
        }
        let parent = job.parent();
        if core.flags.any(FINAL) {
            // It has ended meanwhile (P-3).
            continue;
        }
        let parent_token = parent.as_ref().map(|parent| parent.core().token());
        // Parents are older, so they come first.
        let around = parent.filter(|job| core.kind.is_part() && !job.core().kind.is_body_less());
        let around = around.and_then(|_| {
            let token = parent_token?;
            known.binary_search_by_key(&token, |job| job.token).ok()
        });
        let noted = noted.remove(&token).unwrap_or_default();
        let polls = noted.carried + u64::from(core.frame.polls.load(Ordering::Relaxed));
        let (thread, running_since) = match running.remove(&token) {
            Some(running) => (Some(running.thread), running.since),
            None => (None, None),
        };
        known.push(Known {
            description: job.to_string(),
            state: job.state(),
            token,
            owner: around.map_or(token, |around| known[around].owner),
            parent: parent_token,
            builder: core.kind.builder(),
            is_task: core.kind.is_a_task() || !core.kind.is_part(),
            has_body: !core.kind.is_body_less(),
            body_ended: core.flags.any(BODY_ENDED),
            began: polls > 0,
            polls,
            busy: noted.busy,
            created: noted.created,
            thread,
            running_since,
            waits: own,
            last_wait: noted.last_wait.map(|wait| known_wait(0, &wait)),
            holds: Vec::new(),
            creation: noted.creation,
            job,
        });
    }
    add_holds(&mut known, &holds);
    known
}

/// Who holds what, to those who hold and to those who wait.
fn add_holds(known: &mut [Known], holds: &[(HoldKey, Hold)]) {
    if holds.is_empty() {
        return;
    }
    let mut names = BTreeMap::new();
    for (key, hold) in holds {
        // In the order of the tokens.
        if let Ok(place) = known.binary_search_by_key(&key.holder, |job| job.token) {
            known[place].holds.push(known_hold(key, hold));
            names
                .entry(key.holder)
                .or_insert_with(|| short_name(&known[place].job));
        }
    }
    for wait in known.iter_mut().flat_map(|job| &mut job.waits) {
        wait.add_holders(holds, &names);
    }
}

/// Whether the job is a scope inside a coroutine, and no coroutine by itself.
#[must_use]
pub fn is_part(job: &Job) -> bool {
    job.core().kind.is_part()
}
