//! The timers of one event loop: a heap by (deadline, sequence), from whose middle timers may go.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::task::Waker;
use std::time::{Duration, Instant};

/// How many entries of timers that have gone the heap may have beyond one for each that is there.
const STALE: usize = 64;

/// A heap of entries, and slots with what they stand for.
///
/// A key is the slot's number and how often the slot was used, so a key of a timer that is gone is recognised. So is its entry,
/// which stays in the heap until it comes to the top, or until there are too many of them: a heap whose entries do not know their
/// places moves them without touching anything else.
#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<Entry>>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    sequence: u64,
    /// What deadlines are counted from: the time of the first insertion, which none is far before.
    base: Option<Instant>,
}

/// The order is that of the fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    /// Nanoseconds since [`Timers::base`], at most 292 years.
    deadline: i64,
    sequence: u64,
    key: u64,
}

#[derive(Debug)]
struct Slot {
    waker: Option<Waker>,
    uses: u32,
}

impl Timers {
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn earliest(&self) -> Option<Instant> {
        let Reverse(first) = self.heap.peek()?;
        let since = Duration::from_nanos(first.deadline.unsigned_abs());
        let base = self.base?;
        if first.deadline < 0 {
            base.checked_sub(since)
        } else {
            base.checked_add(since)
        }
    }

    pub(super) fn insert(&mut self, deadline: Instant, waker: Waker) -> u64 {
        let sequence = self.sequence;
        self.sequence += 1;
        let at = match self.free.pop() {
            Some(at) => {
                self.slots[at as usize].waker = Some(waker);
                at
            }
            None => {
                self.slots.push(Slot {
                    waker: Some(waker),
                    uses: 0,
                });
                (self.slots.len() - 1) as u32
            }
        };
        let key = u64::from(at) << 32 | u64::from(self.slots[at as usize].uses);
        let deadline = self.since_base(deadline);
        self.heap.push(Reverse(Entry {
            deadline,
            sequence,
            key,
        }));
        key
    }

    fn since_base(&mut self, deadline: Instant) -> i64 {
        let base = *self.base.get_or_insert_with(Instant::now);
        let nanos = |duration: Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        match deadline.checked_duration_since(base) {
            Some(since) => nanos(since),
            None => -nanos(base.duration_since(deadline)),
        }
    }

    pub(super) fn contains(&self, key: u64) -> bool {
        self.slot(key).is_some()
    }

    /// Replaces a timer's waker, and returns the one to be dropped.
    pub(super) fn set_waker(&mut self, key: u64, waker: Waker) -> Option<Waker> {
        match self.slot(key) {
            Some(at) => self.slots[at].waker.replace(waker),
            None => Some(waker),
        }
    }

    pub(super) fn remove(&mut self, key: u64) -> Option<Waker> {
        let at = self.slot(key)?;
        let waker = self.remove_slot(at);
        if self.heap.len() > 2 * self.len() + STALE {
            let slots = &self.slots;
            self.heap
                .retain(|Reverse(entry)| slot(slots, entry.key).is_some());
        }
        self.forget_stale();
        waker
    }

    /// Removes the earliest timer if it is due.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Waker> {
        let Reverse(first) = *self.heap.peek()?;
        if first.deadline > self.since_base(now) {
            return None;
        }
        self.heap.pop();
        let waker = self.slot(first.key).and_then(|at| self.remove_slot(at));
        self.forget_stale();
        waker
    }

    /// Leaves a timer that is there on top.
    fn forget_stale(&mut self) {
        while let Some(Reverse(first)) = self.heap.peek() {
            if self.contains(first.key) {
                return;
            }
            self.heap.pop();
        }
        // A burst of timers does not keep its memory. Keys must not come back, so a slot's count of uses lives on.
        self.heap.shrink_to(STALE);
    }

    fn slot(&self, key: u64) -> Option<usize> {
        slot(&self.slots, key)
    }

    fn remove_slot(&mut self, at: usize) -> Option<Waker> {
        let slot = &mut self.slots[at];
        slot.uses = slot.uses.wrapping_add(1);
        self.free.push(at as u32);
        slot.waker.take()
    }
}

fn slot(slots: &[Slot], key: u64) -> Option<usize> {
    let at = (key >> 32) as usize;
    let slot = slots.get(at)?;
    (slot.uses == key as u32 && slot.waker.is_some()).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// D-17 against a sorted list, with removals from the middle; cancelled timers leave nothing behind.
    #[test]
    fn timers_leave_in_order_of_deadline_and_registration_whatever_is_removed_between() {
        let base = Instant::now();
        let mut timers = Timers::default();
        let mut model: Vec<(Instant, u64)> = Vec::new();
        let mut seed = 12345u64;
        let mut random = || {
            seed = seed
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (seed >> 33) as usize
        };
        for _ in 0..20_000 {
            match random() % 4 {
                0 | 1 => {
                    let deadline = base + Duration::from_millis(random() as u64 % 50);
                    let key = timers.insert(deadline, Waker::noop().clone());
                    let at = model.partition_point(|other| other.0 <= deadline);
                    model.insert(at, (deadline, key));
                }
                2 if !model.is_empty() => {
                    let (_, key) = model.remove(random() % model.len());
                    assert!(timers.contains(key));
                    assert!(timers.remove(key).is_some());
                    assert!(!timers.contains(key));
                }
                3 if !model.is_empty() => {
                    let (deadline, key) = model.remove(0);
                    assert_eq!(timers.earliest(), Some(deadline));
                    assert!(timers.contains(key));
                    assert!(timers.pop_due(deadline).is_some());
                    assert!(!timers.contains(key));
                }
                _ => {}
            }
            assert_eq!(timers.len(), model.len());
            assert!(timers.heap.len() <= 2 * model.len() + STALE + 1);
        }
        for (_, key) in model {
            timers.remove(key);
        }
        assert!(
            timers.is_empty()
                && timers.heap.is_empty()
                && timers.slots.iter().all(|slot| slot.waker.is_none())
        );
    }

    /// A deadline that does not fit is far away, also if it is the first one.
    #[test]
    fn a_deadline_beyond_what_is_counted_does_not_bring_others_forward() {
        let mut timers = Timers::default();
        let now = Instant::now();
        // No clock that counts in 64 bits holds this.
        let Some(far) = now.checked_add(Duration::from_nanos(u64::MAX)) else {
            return;
        };
        let far = timers.insert(far, Waker::noop().clone());
        let soon = now + Duration::from_secs(60);
        let soon_key = timers.insert(soon, Waker::noop().clone());
        assert!(timers.pop_due(now).is_none());
        assert_eq!(timers.earliest(), Some(soon));
        assert!(timers.pop_due(soon).is_some() && !timers.contains(soon_key));
        assert!(timers.pop_due(soon).is_none() && timers.contains(far));
    }
}
