//! Which of the ready coroutines runs next.

use std::collections::{BTreeMap, HashMap};

use super::random::Random;

/// A coroutine within one run: numbered in the order in which they first became ready. 0 is the body of the test.
pub(crate) type Id = u32;

/// Decides among several.
pub(crate) enum Strategy {
    FirstComeFirstServed,
    Random(Random),
    Priorities(Priorities),
    /// The given choices at the given decisions, otherwise first come first served.
    Switches(BTreeMap<u32, u32>),
}

impl Strategy {
    /// The place in `ready` of the one that runs, at the decision with the number `decision`.
    pub(crate) fn choose(&mut self, decision: u32, ready: &[Id]) -> usize {
        let count = ready.len() as u32;
        let place = match self {
            Strategy::FirstComeFirstServed => 0,
            Strategy::Random(random) => random.below(count),
            Strategy::Priorities(priorities) => return priorities.choose(decision, ready),
            // A run that has left its course may have fewer.
            Strategy::Switches(switches) => {
                let place = switches.get(&decision).copied().unwrap_or(0);
                place.min(count - 1)
            }
        };
        place as usize
    }
}

/// PCT: the highest priority runs; at some decisions the one that would run becomes the lowest.
pub(crate) struct Priorities {
    random: Random,
    priorities: HashMap<Id, u64>,
    /// The decisions at which it changes, each with the priority that is given then.
    changes: BTreeMap<u32, u64>,
}

impl Priorities {
    /// With `depth - 1` changes among the first `decisions`.
    pub(crate) fn new(depth: u32, decisions: u32, seed: u64) -> Priorities {
        let mut random = Random::new(seed);
        // Below all that are given at first; of those given later the last is the lowest.
        let changes = (1..depth)
            .map(|at| (random.below(decisions.max(1)), u64::from(depth - at)))
            .collect();
        Priorities {
            random,
            priorities: HashMap::new(),
            changes,
        }
    }

    fn choose(&mut self, decision: u32, ready: &[Id]) -> usize {
        for id in ready {
            let random = &mut self.random;
            // The first bit: above what the changes give.
            let fresh = || random.next() | 1 << 63;
            self.priorities.entry(*id).or_insert_with(fresh);
        }
        let highest = self.highest(ready);
        match self.changes.get(&decision) {
            Some(lowest) => {
                self.priorities.insert(ready[highest], *lowest);
                self.highest(ready)
            }
            None => highest,
        }
    }

    fn highest(&self, ready: &[Id]) -> usize {
        let by_priority = |(_, id): &(usize, &Id)| self.priorities[*id];
        let highest = ready.iter().enumerate().max_by_key(by_priority);
        highest.map_or(0, |(place, _)| place)
    }
}
