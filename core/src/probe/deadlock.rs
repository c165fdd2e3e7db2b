//! Coroutines that wait for one another, so that none of them can ever go on.
//!
//! Three kinds of things are looked at, each a gate (see [`gates`](super::gates)) that opens if it can still happen:
//!
//! - *A coroutine goes on*, with the scopes in it, if any of its waits ends: which one its code needs is not known. It also goes on
//!   if it runs, has not begun, is cancelled, if there is a limit of time around it, or if a part of it waits for what is not known.
//! - *A job ends* if its coroutine goes on, or its body has ended, and all its children end.
//! - *A wait ends* if its job does, if enough permits of its lock are not held by coroutines that are stuck, or if any clause of its
//!   select is available. What comes from a channel, from a device or from a clock may come.
//!
//! Cancellations and failures do not count: a deadlock is what only they can end. What does not open is stuck for ever, as far as all
//! that is waited for is known: a future of another library that is polled beside a wait, in a `tokio::select!`, is not, nor is a
//! `yield_now`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::WaitInfo;
use super::awaited::{Awaited, Identity};
use super::gates::Gates;
use super::holds::Which;
use super::known::{Known, known};
use crate::debug::short_name;
use crate::job::{Job, Kind};

/// A ring of coroutines and jobs that wait for one another.
#[derive(Clone, Debug)]
pub struct Deadlock {
    /// Each waits for the next one, and the last one for the first, which is the oldest.
    pub links: Vec<Link>,
}

/// One of those in a ring.
#[derive(Clone, Debug)]
pub struct Link {
    /// Its job.
    pub job: Job,
    /// `"name#id"`.
    pub name: String,
    /// Its wait; `None` if its body has ended, and it waits for its children.
    pub wait: Option<WaitInfo>,
    /// The lock that the next one holds, if it is that.
    pub lock: Option<Which>,
    /// Whether the next one is its child.
    pub is_for_child: bool,
    token: u64,
    wait_number: u64,
}

/// The deadlocks of this moment.
///
/// Waits and holds are read in one piece, but what runs is read after that. So a coroutine that was in the midst of a poll, and had
/// noted a wait already, may be taken for one that is suspended in it. It has gone on since then: it ends that wait, gives something
/// back or begins another wait, or else it was found running. So all is read a second time, after it was seen that nobody of the
/// ring runs; what was in the midst of a poll has ended that then. What both looks find, with the same waits, is stuck: a coroutine
/// that was polled in between was woken by nothing that it waits for.
#[must_use]
pub fn deadlocks() -> Vec<Deadlock> {
    confirmed(known)
}

/// What a second one of these looks finds as the first one did.
fn confirmed(mut look: impl FnMut() -> Vec<Known>) -> Vec<Deadlock> {
    // Others come and go meanwhile, and may change by which way a ring is found.
    const LOOKS: usize = 4;
    let mut before: BTreeSet<_> = BTreeSet::new();
    for number in 0..LOOKS {
        let mut found = find(&look());
        if found.is_empty() {
            return found;
        }
        let keys: BTreeSet<_> = found.iter().map(Deadlock::key).collect();
        found.retain(|deadlock| before.contains(&deadlock.key()));
        if number > 0 && (!found.is_empty() || number + 1 == LOOKS) {
            return found;
        }
        before = keys;
    }
    Vec::new()
}

/// What a gate is of.
#[derive(Clone, Copy)]
enum Of {
    /// The coroutine at this place.
    Coroutine(usize),
    /// The job at this place.
    Job(usize),
    /// A wait of the job at this place, by its place there, and perhaps for a lock.
    Wait(usize, usize, Option<Identity>),
}

/// The waits among the live jobs, which are in the order of their tokens.
struct Waits<'a> {
    known: &'a [Known],
    gates: Gates,
    of: Vec<Of>,
    /// By lock: the coroutines that hold it for certain, by place, and how much.
    holders: BTreeMap<Identity, Vec<(usize, usize)>>,
}

/// In `known` itself, without those that may be different a moment later.
fn find(known: &[Known]) -> Vec<Deadlock> {
    let waits = Waits::new(known);
    let open = waits.gates.open();
    let rings = waits.gates.rings(&open);
    let mut found: Vec<_> = rings.iter().filter_map(|ring| waits.told(ring)).collect();
    found.sort_by_key(Deadlock::key);
    found
}

impl<'a> Waits<'a> {
    fn new(known: &'a [Known]) -> Waits<'a> {
        // First the coroutines, of which those that are none are never asked for, then the jobs.
        let count = known.len();
        let of = (0..count).map(Of::Coroutine).chain((0..count).map(Of::Job));
        let mut waits = Waits {
            known,
            gates: Gates::new(2 * count),
            of: of.collect(),
            holders: BTreeMap::new(),
        };
        for (place, job) in known.iter().enumerate() {
            for hold in job.holds.iter().filter(|hold| !hold.may_have_moved) {
                let holders = waits.holders.entry(hold.which.identity).or_default();
                holders.push((place, hold.permits));
            }
        }
        waits.add_coroutines();
        waits.add_jobs();
        waits
    }

    fn place_of(&self, token: u64) -> Option<usize> {
        self.known
            .binary_search_by_key(&token, |job| job.token)
            .ok()
    }

    fn job_gate(&self, place: usize) -> usize {
        self.known.len() + place
    }

    fn add_coroutines(&mut self) {
        let known = self.known;
        let limited = has_limit(known);
        let mut with_part: BTreeSet<u64> = BTreeSet::new();
        for job in known {
            if job.owner != job.token {
                with_part.extend(job.parent);
            }
        }
        // What is not known to be suspended in its waits goes on.
        let mut goes_on = vec![false; known.len()];
        for (place, job) in known.iter().enumerate() {
            let Some(owner) = self.place_of(job.owner) else {
                continue;
            };
            let is_over = !job.has_body || job.body_ended;
            let waits = !job.waits.is_empty() || with_part.contains(&job.token);
            goes_on[owner] |= limited[place]
                || job.thread.is_some()
                || job.job.is_cancelled()
                || (owner == place && is_over)
                || (!is_over && (!job.began || !waits));
        }
        for (member, job) in known.iter().enumerate() {
            let Some(owner) = self.place_of(job.owner).filter(|owner| !goes_on[*owner]) else {
                continue;
            };
            for (number, wait) in job.waits.iter().enumerate() {
                if !wait.info.by_coroutines || !self.add_wait(owner, member, number) {
                    goes_on[owner] = true;
                    break;
                }
            }
        }
        for (place, goes_on) in goes_on.into_iter().enumerate() {
            self.gates.set_need(place, usize::from(!goes_on));
        }
    }

    /// Adds what `owner` waits for in its part `member`. `false` if that may come at any time.
    fn add_wait(&mut self, owner: usize, member: usize, number: usize) -> bool {
        let known = self.known;
        match &known[member].waits[number].awaited {
            Awaited::Any(clauses) => {
                let mut all = clauses.iter();
                !clauses.is_empty() && all.all(|one| self.add_one(owner, member, number, one))
            }
            one => self.add_one(owner, member, number, one),
        }
    }

    fn add_one(&mut self, owner: usize, member: usize, number: usize, one: &Awaited) -> bool {
        match one {
            Awaited::Anything | Awaited::Channel(_) | Awaited::Any(_) => false,
            Awaited::Job(token) => {
                let Some(place) = self.place_of(*token) else {
                    // It has ended, or nobody knows what it does.
                    return false;
                };
                let job = &self.known[place];
                let is_own_part = job.owner != job.token
                    && job.parent == Some(self.known[member].token)
                    && job.owner == self.known[owner].token;
                if is_own_part && !job.body_ended {
                    // What that part waits for is a wait of the same coroutine.
                    return true;
                }
                let gate = self.new_wait(owner, Of::Wait(member, number, None));
                self.gates.wait(gate, self.job_gate(place), 1);
                self.gates.set_need(gate, 1);
                true
            }
            Awaited::All(tokens) => {
                // The others have ended.
                let places = tokens.iter().filter_map(|token| self.place_of(*token));
                let places: Vec<_> = places.collect();
                if places.is_empty() {
                    return false;
                }
                let gate = self.new_wait(owner, Of::Wait(member, number, None));
                for place in places {
                    self.gates.wait(gate, self.job_gate(place), 1);
                }
                self.gates.need_all(gate);
                true
            }
            Awaited::Lock { lock, permits, all } => {
                let holders = self.holders.get(lock).cloned().unwrap_or_default();
                let held: usize = holders.iter().map(|(_, permits)| permits).sum();
                // Those come back, or nobody knows that they do not. More than there are cannot be held: a guard was forgotten, and
                // another lock has come to where its lock was.
                let Some(others) = all.checked_sub(held) else {
                    return false;
                };
                let missing = permits.saturating_sub(others);
                if missing == 0 {
                    return false;
                }
                let gate = self.new_wait(owner, Of::Wait(member, number, Some(*lock)));
                for (holder, permits) in holders {
                    self.gates.wait(gate, holder, permits);
                }
                self.gates.set_need(gate, missing);
                true
            }
        }
    }

    fn new_wait(&mut self, owner: usize, of: Of) -> usize {
        let gate = self.gates.add();
        self.of.push(of);
        self.gates.wait(owner, gate, 1);
        gate
    }

    fn add_jobs(&mut self) {
        for (place, job) in self.known.iter().enumerate() {
            let gate = self.job_gate(place);
            if !job.body_ended {
                if !job.has_body {
                    // Anybody may complete it: its need stays 0, and it is open whatever its children do.
                    continue;
                }
                // One whose coroutine is not known goes on.
                if let Some(owner) = self.place_of(job.owner) {
                    self.gates.wait(gate, owner, 1);
                }
            }
        }
        for (place, job) in self.known.iter().enumerate() {
            let parent = job.parent.and_then(|parent| self.place_of(parent));
            if let Some(parent) = parent {
                let around = &self.known[parent];
                if around.has_body || around.body_ended {
                    let child = self.job_gate(place);
                    self.gates.wait(self.job_gate(parent), child, 1);
                }
            }
        }
        for place in 0..self.known.len() {
            self.gates.need_all(self.job_gate(place));
        }
    }

    /// The coroutines and jobs of a ring; `None` if there is none in it.
    fn told(&self, ring: &[usize]) -> Option<Deadlock> {
        let is_coroutine = |gate: &usize| matches!(self.of[*gate], Of::Coroutine(_));
        let first = ring.iter().position(is_coroutine)?;
        let mut links: Vec<Link> = Vec::new();
        for step in 0..ring.len() {
            let gate = ring[(first + step) % ring.len()];
            let next = ring[(first + step + 1) % ring.len()];
            match (self.of[gate], self.of[next]) {
                (Of::Coroutine(place), _) => {
                    self.is_waited_for(&mut links, place);
                    links.push(self.link(place));
                }
                (Of::Wait(member, number, lock), _) => {
                    let Some(link) = links.last_mut() else {
                        continue;
                    };
                    let wait = &self.known[member].waits[number];
                    link.wait = Some(wait.info.clone());
                    link.wait_number = wait.number;
                    let mut held_by = wait.held_by.iter();
                    link.lock = held_by
                        .find(|holder| Some(holder.hold.which.identity) == lock)
                        .map(|holder| holder.hold.which);
                }
                (Of::Job(place), Of::Job(_)) => {
                    let job = &self.known[place];
                    let is_own_part = job.owner != job.token
                        && links.last().is_some_and(|link| link.token == job.owner);
                    if !is_own_part {
                        self.is_waited_for(&mut links, place);
                        links.push(self.link(place));
                    }
                }
                (Of::Job(_), _) => {}
            }
        }
        if let Some(Of::Coroutine(place)) = ring.get(first).map(|gate| self.of[*gate]) {
            self.is_waited_for(&mut links, place);
        }
        let oldest = links.iter().enumerate().min_by_key(|(_, link)| link.token);
        let oldest = oldest.map(|(place, _)| place)?;
        links.rotate_left(oldest);
        Some(Deadlock { links })
    }

    /// The last link waits for the job at `place`.
    fn is_waited_for(&self, links: &mut [Link], place: usize) {
        let parent = self.known[place].parent;
        let parent = parent.and_then(|parent| self.place_of(parent));
        let parent = parent.map(|parent| &self.known[parent]);
        if let (Some(link), Some(parent)) = (links.last_mut(), parent) {
            link.is_for_child = parent.token == link.token || parent.owner == link.token;
        }
    }

    fn link(&self, place: usize) -> Link {
        let job = &self.known[place];
        Link {
            job: job.job.clone(),
            name: short_name(&job.job),
            wait: None,
            lock: None,
            is_for_child: false,
            token: job.token,
            wait_number: 0,
        }
    }
}

/// Whether a limit of time is around a job, by place.
fn has_limit(known: &[Known]) -> Vec<bool> {
    let is_limit = |job: &Job| job.core().kind == Kind::Timeout;
    let mut limited: BTreeMap<u64, bool> = BTreeMap::new();
    let mut all = Vec::with_capacity(known.len());
    for job in known {
        let mut has_limit = is_limit(&job.job);
        // Up to one that is known already: parents are older. Those that are not known are walked through once for all.
        let mut walked = Vec::new();
        let mut at = if has_limit { None } else { job.job.parent() };
        while let Some(parent) = at {
            let token = parent.core().token();
            if let Some(known) = limited.get(&token) {
                has_limit = *known;
                break;
            }
            if is_limit(&parent) {
                has_limit = true;
                break;
            }
            walked.push(token);
            at = parent.parent();
        }
        limited.extend(walked.into_iter().map(|token| (token, has_limit)));
        limited.insert(job.token, has_limit);
        all.push(has_limit);
    }
    all
}

impl Deadlock {
    /// The same for the same wait of the same coroutines.
    fn key(&self) -> Vec<(u64, u64)> {
        let links = self.links.iter();
        links.map(|link| (link.token, link.wait_number)).collect()
    }
}

/// How many links of a long ring are told, before the last one.
const TOLD: usize = 16;

/// `Deadlock: "a#1" waits for .. held by "b#2", which waits for .. held by "a#1"`.
impl fmt::Display for Deadlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.links.len();
        let last = count.saturating_sub(1);
        let next = self.links.iter().cycle().skip(1);
        for (number, (link, next)) in self.links.iter().zip(next).enumerate() {
            if number == 0 {
                write!(f, "Deadlock: {} ", link.name)?;
            } else if number < TOLD || count == TOLD + 1 {
                f.write_str(", which ")?;
            } else if number == last {
                write!(
                    f,
                    ", and so on over {} more, the last of which ",
                    count - TOLD
                )?;
            } else {
                continue;
            }
            link.write(&next.name, f)?;
        }
        Ok(())
    }
}

impl Link {
    /// For what of the `next` one it waits.
    fn write(&self, next: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.wait, &self.lock) {
            (Some(WaitInfo { what, location, .. }), Some(lock)) => {
                write!(f, "waits for {lock} ({what} at {location}) held by {next}")
            }
            (wait, _) => {
                let child = if self.is_for_child { "its child " } else { "" };
                write!(f, "waits for {child}{next}")?;
                match wait {
                    Some(WaitInfo { what, location, .. }) => write!(f, " ({what} at {location})"),
                    None => Ok(()),
                }
            }
        }
    }
}

#[cfg(all(test, not(corox_loom)))]
mod tests;
