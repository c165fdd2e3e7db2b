//! The coroutines of a test on dispatchers outside of it, and whether they wait in real time.
//!
//! What a coroutine waits for changes only while it runs. So each is looked at once after it has run, and not again and again:
//!
//! ```text
//!   launched, or has run ──> suspect ── looked at ──> does not wait in real time: cleared, until it has run again
//!                               ▲           │
//!                               └───────────┴ does
//! ```

use std::collections::{BTreeSet, HashMap};

use corox_core::harness_protocol::{has_element, has_live_body, is_inline, token_of};
use corox_core::{Job, probe};
use parking_lot::Mutex;

use crate::scheduler::Background;

/// With so many coroutines, those that have ended are thrown out for the first time.
const MANY: usize = 64;

/// See the module.
#[derive(Default)]
pub(crate) struct Outside(Mutex<State>);

#[derive(Default)]
struct State {
    /// By token. Some may have ended.
    coroutines: HashMap<u64, Coroutine>,
    suspects: BTreeSet<u64>,
    /// How many coroutines were left when those that had ended were thrown out.
    left: usize,
}

/// A coroutine with the scopes that are open inside of it.
#[derive(Clone)]
struct Coroutine {
    job: Job,
    scopes: Vec<Job>,
}

impl Outside {
    /// A job has come into the tree.
    pub(crate) fn attached(&self, job: &Job) {
        let token = token_of(&coroutine_around(job));
        let ended = {
            let mut state = self.0.lock();
            state.suspects.insert(token);
            match state.coroutines.get_mut(&token) {
                Some(coroutine) => coroutine.open(job),
                None => {
                    let scopes = Vec::new();
                    let job = job.clone();
                    state.coroutines.insert(token, Coroutine { job, scopes });
                    state.throw_out()
                }
            }
        };
        // Outside of the lock: with the last handle of a deferred goes its value.
        drop(ended);
    }

    /// The coroutine with this token has run.
    pub(crate) fn has_run(&self, token: u64) {
        self.0.lock().suspects.insert(token);
    }

    /// Whether one of them waits in real time.
    pub(crate) fn waits(&self) -> bool {
        loop {
            let (token, suspect) = {
                let mut state = self.0.lock();
                let Some(token) = state.suspects.pop_first() else {
                    return false;
                };
                (token, state.coroutines.get(&token).cloned())
            };
            let Some(suspect) = suspect else { continue };
            if suspect.job.is_completed() {
                let ended = self.0.lock().coroutines.remove(&token);
                drop(ended);
            } else if suspect.waiting().next().is_some() {
                self.0.lock().suspects.insert(token);
                return true;
            }
        }
    }

    /// Those that wait in real time.
    pub(crate) fn waiting(&self) -> Vec<Job> {
        let mut coroutines: Vec<_> = self.0.lock().coroutines.clone().into_iter().collect();
        coroutines.sort_by_key(|(token, _)| *token);
        let waiting = coroutines
            .iter()
            .flat_map(|(_, coroutine)| coroutine.waiting());
        waiting.cloned().collect()
    }

    pub(crate) fn clear(&self) {
        let all = std::mem::take(&mut *self.0.lock());
        drop(all);
    }
}

impl State {
    /// Now and then gives those that have ended, so that they do not become more with each launch.
    fn throw_out(&mut self) -> Vec<Job> {
        if self.coroutines.len() < MANY.max(2 * self.left) {
            return Vec::new();
        }
        let coroutines = std::mem::take(&mut self.coroutines);
        let (ended, live): (Vec<_>, _) = coroutines
            .into_iter()
            .partition(|(_, coroutine)| coroutine.job.is_completed());
        self.coroutines = live.into_iter().collect();
        self.left = self.coroutines.len();
        let known = &self.coroutines;
        self.suspects.retain(|token| known.contains_key(token));
        let jobs =
            |(_, coroutine): (u64, Coroutine)| coroutine.scopes.into_iter().chain([coroutine.job]);
        ended.into_iter().flat_map(jobs).collect()
    }
}

impl Coroutine {
    /// A scope is opened; gives those that have ended now and then.
    fn open(&mut self, scope: &Job) -> Vec<Job> {
        let ended = if self.scopes.len().is_power_of_two() {
            let scopes = std::mem::take(&mut self.scopes).into_iter();
            let (ended, open) = scopes.partition(Job::is_completed);
            self.scopes = open;
            ended
        } else {
            Vec::new()
        };
        self.scopes.push(scope.clone());
        ended
    }

    /// Itself and its scopes, as far as they wait in real time.
    fn waiting(&self) -> impl Iterator<Item = &Job> {
        let all = std::iter::once(&self.job).chain(&self.scopes);
        all.filter(|job| self.takes_real_time(job))
    }

    /// Whether `job`, of this coroutine, waits for something that comes in real time, as far as is known.
    fn takes_real_time(&self, job: &Job) -> bool {
        // Children speak for themselves, and nobody waits for the background.
        if !has_live_body(job) || has_element::<Background>(job) {
            return false;
        }
        let waits = probe::waits_of(job);
        if waits.is_empty() {
            // An open scope stands for what is around it.
            let opened = |scope: &Job| scope.parent().is_some_and(|parent| parent.ptr_eq(job));
            return !self.scopes.iter().any(opened);
        }
        waits.iter().any(|wait| !wait.by_coroutines)
    }
}

/// The coroutine inside of which a scope is open; the job itself if it is one.
fn coroutine_around(job: &Job) -> Job {
    let mut at = job.clone();
    while is_inline(&at) {
        match at.parent() {
            Some(parent) => at = parent,
            None => break,
        }
    }
    at
}
