//! [`Chooser`]: takes the next event of a scheduler as a strategy says, and writes down what was decided.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};

use corox_core::harness_protocol::token_of;

use super::strategy::{Id, Strategy};
use crate::scheduler::{Next, Runnable, State};

/// What has no job of its own: workers of views.
const NOBODY: Id = Id::MAX;

/// See the module.
pub(crate) struct Chooser {
    strategy: Strategy,
    /// The coroutines, by the token of their job.
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
        self.names.concat()
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

    /// Takes out what runs next: the timers that are due first, then one of those that are ready.
    pub(crate) fn next(&mut self, state: &mut State) -> Option<Next> {
        if let Some(timer) = state.next_timer() {
            return Some(timer);
        }
        while let Some(ready) = state.front.pop_back() {
            state.queue.push_front(ready);
        }
        let place = match state.queue.len() {
            0 => return None,
            1 => 0,
            _ => self.decide(state),
        };
        let ready = state.queue.remove(place)?;
        Some(state.taken(ready))
    }

    fn decide(&mut self, state: &State) -> usize {
        let ids: Vec<Id> = state
            .queue
            .iter()
            .map(|ready| self.id(&ready.what))
            .collect();
        let decision = self.trace.decisions;
        let place = self.strategy.choose(decision, &ids);
        self.trace.decisions += 1;
        (ids.len(), place).hash(&mut self.trace.hasher);
        if place > 0 {
            self.trace.switches.push((decision, place as u32));
            if self.with_names {
                self.name(state, place);
            }
        }
        place
    }

    fn name(&mut self, state: &State, place: usize) {
        let mut text = String::new();
        let number = self.trace.switches.len();
        let _ = writeln!(
            text,
            "{number:3}. at {:?}: {}\n     runs before {}",
            state.now,
            name(&state.queue[place].what),
            name(&state.queue[0].what)
        );
        self.trace.names.push(text);
    }

    fn id(&mut self, what: &Runnable) -> Id {
        let token = match what {
            Runnable::Root(_) => return 0,
            Runnable::Task(_, None) => return NOBODY,
            Runnable::Task(_, Some(job)) => token_of(job),
        };
        let fresh = self.ids.len() as Id + 1;
        *self.ids.entry(token).or_insert(fresh)
    }
}

fn name(what: &Runnable) -> String {
    match what {
        Runnable::Root(_) => "the body of the test".to_owned(),
        Runnable::Task(_, None) => "a worker of a view".to_owned(),
        Runnable::Task(_, Some(job)) => format!("{job}, launched at {}", job.location()),
    }
}
