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

/// How often in a row the highest may run while others are ready. One that waits for them by yielding would keep them waiting.
const PATIENCE: u32 = 64;

/// PCT: the highest priority runs; at some decisions the one that would run becomes the lowest.
pub(crate) struct Priorities {
    random: Random,
    priorities: HashMap<Id, u64>,
    /// The decisions at which it changes, each with the priority that is given then.
    changes: BTreeMap<u32, u64>,
    /// Who ran last, and how often in a row.
    row: (Id, u32),
    /// What the next one gets that has run too often: below all others.
    floor: u64,
}

/// Where the priorities of [`Priorities::changes`] begin, above those of the impatient.
const CHANGED: u64 = 1 << 62;

impl Priorities {
    /// With `depth - 1` changes among the first `decisions`.
    pub(crate) fn new(depth: u32, decisions: u32, seed: u64) -> Priorities {
        let mut random = Random::new(seed);
        // Below all that are given at first; of those given later the last is the lowest.
        let changes = (1..depth)
            .map(|at| {
                (
                    random.below(decisions.max(1)),
                    CHANGED + u64::from(depth - at),
                )
            })
            .collect();
        Priorities {
            random,
            priorities: HashMap::new(),
            changes,
            row: (0, 0),
            floor: CHANGED - 1,
        }
    }

    fn choose(&mut self, decision: u32, ready: &[Id]) -> usize {
        for id in ready {
            let random = &mut self.random;
            // The first bit: above what the changes give.
            let fresh = || random.next() | 1 << 63;
            self.priorities.entry(*id).or_insert_with(fresh);
        }
        let mut highest = self.highest(ready);
        if let Some(lowest) = self.changes.get(&decision) {
            self.priorities.insert(ready[highest], *lowest);
            highest = self.highest(ready);
        }
        let (last, times) = self.row;
        self.row = match ready[highest] {
            id if id == last && times < PATIENCE => (id, times + 1),
            id if id == last => {
                self.priorities.insert(id, self.floor);
                self.floor -= 1;
                highest = self.highest(ready);
                (ready[highest], 1)
            }
            id => (id, 1),
        };
        highest
    }

    fn highest(&self, ready: &[Id]) -> usize {
        let by_priority = |(_, id): &(usize, &Id)| self.priorities[*id];
        let highest = ready.iter().enumerate().max_by_key(by_priority);
        highest.map_or(0, |(place, _)| place)
    }
}
