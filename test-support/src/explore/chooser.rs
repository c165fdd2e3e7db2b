//! [`Chooser`]: takes the next event of a scheduler as a strategy says, and writes down what was decided.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};

use corox_core::harness_protocol::token_of;
use corox_core::{Job, probe};

use super::strategy::{Id, Strategy};
use crate::scheduler::{Choice, Next, Owner, State};

/// What has no job of its own: workers of views, timers that were set elsewhere.
const NOBODY: Id = Id::MAX;

/// The body of the test.
const ROOT: Id = 0;

/// How many switches are put into words: there are many more if a run has been replayed that goes on and on.
const NAMED: usize = 100;

/// See the module.
pub(crate) struct Chooser {
    strategy: Strategy,
    /// The coroutines, by the token of their job; the body of the test is 0.
    ids: HashMap<u64, Id>,
    with_names: bool,
    trace: Trace,
}

/// What was decided in a run.
#[derive(Default)]
pub(crate) struct Trace {
    decisions: u32,
    hasher: DefaultHasher,
    switches: Vec<(u32, u32)>,
    names: Vec<String>,
}

impl Trace {
    pub(crate) fn decisions(&self) -> u32 {
        self.decisions
    }

    /// The decisions that were not first come first served.
    pub(crate) fn switches(&self) -> Vec<(u32, u32)> {
        self.switches.clone()
    }

    /// Equal for schedules that have decided the same.
    pub(crate) fn digest(&self) -> u64 {
        self.hasher.finish()
    }

    /// The switches in words, if names were asked for.
    pub(crate) fn describe(&self) -> String {
        let mut text = self.names.concat();
        let more = self.switches.len() - self.names.len();
        if more > 0 && !text.is_empty() {
            let _ = write!(text, "     and {more} more");
        }
        text
    }
}

impl Chooser {
    pub(crate) fn new(strategy: Strategy, with_names: bool) -> Chooser {
        Chooser {
            strategy,
            ids: HashMap::new(),
            with_names,
            trace: Trace::default(),
        }
    }

    pub(crate) fn into_trace(self) -> Trace {
        self.trace
    }

    /// A run of the test with this job.
    pub(crate) fn begin(&mut self, root: &Job) {
        self.ids.insert(token_of(root), ROOT);
    }

    /// Takes out what happens next, one of those that are ready and of the timers that are due.
    pub(crate) fn next(&mut self, state: &mut State) -> Option<Next> {
        let choices = state.choices();
        let place = match choices.len() {
            0 => return None,
            1 => 0,
            _ => self.decide(state, &choices),
        };
        state.take(choices[place])
    }

    fn decide(&mut self, state: &State, choices: &[Choice]) -> usize {
        let ids: Vec<Id> = choices
            .iter()
            .map(|choice| self.id(state.owner(*choice)))
            .collect();
        let decision = self.trace.decisions;
        let place = self.strategy.choose(decision, &ids);
        self.trace.decisions += 1;
        (ids.len(), place).hash(&mut self.trace.hasher);
        if place > 0 {
            self.trace.switches.push((decision, place as u32));
            if self.with_names && self.trace.names.len() < NAMED {
                let [first, chosen] = [0, place].map(|at| name(state.owner(choices[at])));
                self.name(state, &first, &chosen);
            }
        }
        place
    }

    fn name(&mut self, state: &State, first: &str, chosen: &str) {
        let mut text = String::new();
        let number = self.trace.switches.len();
        let _ = writeln!(
            text,
            "{number:3}. at {:?}: {chosen}\n     runs before {first}",
            state.now
        );
        self.trace.names.push(text);
    }

    fn id(&mut self, owner: Owner<'_>) -> Id {
        let token = match owner {
            Owner::Root => return ROOT,
            Owner::Coroutine(job) => job.map(token_of),
            Owner::Timer(token) => token,
        };
        let Some(token) = token else { return NOBODY };
        let fresh = self.ids.len() as Id;
        *self.ids.entry(token).or_insert(fresh)
    }
}

fn name(owner: Owner<'_>) -> String {
    match owner {
        Owner::Root => "the body of the test".to_owned(),
        Owner::Coroutine(None) => "a worker of a view".to_owned(),
        Owner::Coroutine(Some(job)) => launched(job),
        Owner::Timer(token) => {
            let mut live = probe::live().into_iter();
            match live.find(|job| Some(token_of(job)) == token) {
                Some(job) => format!("a timer of {}", launched(&job)),
                None => "a timer".to_owned(),
            }
        }
    }
}

fn launched(job: &Job) -> String {
    format!("{job}, launched at {}", job.location())
}
