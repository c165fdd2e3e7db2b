//! The timers of one event loop: a heap by (deadline, sequence) that can remove from its middle.

use std::task::Waker;
use std::time::Instant;

const FREE: u32 = u32::MAX;

/// A binary heap of slot numbers, and the slots, which know where they stand in the heap.
///
/// A key is the slot's number and how often the slot was used, so a key of a timer that is gone is recognised.
#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: Vec<u32>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    sequence: u64,
}

#[derive(Debug)]
struct Slot {
    deadline: Instant,
    sequence: u64,
    waker: Option<Waker>,
    /// The place in the heap; [`FREE`] if the slot is not in use.
    place: u32,
    uses: u32,
}

impl Timers {
    pub(super) fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    pub(super) fn earliest(&self) -> Option<Instant> {
        self.heap
            .first()
            .map(|&at| self.slots[at as usize].deadline)
    }

    pub(super) fn insert(&mut self, deadline: Instant, waker: Waker) -> u64 {
        let sequence = self.sequence;
        self.sequence += 1;
        let place = self.heap.len() as u32;
        let at = match self.free.pop() {
            Some(at) => {
                let slot = &mut self.slots[at as usize];
                slot.deadline = deadline;
                slot.sequence = sequence;
                slot.waker = Some(waker);
                slot.place = place;
                at
            }
            None => {
                self.slots.push(Slot {
                    deadline,
                    sequence,
                    waker: Some(waker),
                    place,
                    uses: 0,
                });
                (self.slots.len() - 1) as u32
            }
        };
        self.heap.push(at);
        self.rise(place as usize);
        u64::from(at) << 32 | u64::from(self.slots[at as usize].uses)
    }

    pub(super) fn contains(&self, key: u64) -> bool {
        self.slot(key).is_some()
    }

    /// Replaces a timer's waker, and returns the one to be dropped.
    pub(super) fn set_waker(&mut self, key: u64, waker: Waker) -> Option<Waker> {
        match self.slot(key) {
            Some(at) => self.slots[at as usize].waker.replace(waker),
            None => Some(waker),
        }
    }

    pub(super) fn remove(&mut self, key: u64) -> Option<Waker> {
        let at = self.slot(key)?;
        self.remove_slot(at)
    }

    /// Removes the earliest timer if it is due.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Waker> {
        let at = *self.heap.first()?;
        if self.slots[at as usize].deadline > now {
            return None;
        }
        self.remove_slot(at)
    }

    fn slot(&self, key: u64) -> Option<u32> {
        let at = (key >> 32) as u32;
        let slot = self.slots.get(at as usize)?;
        (slot.place != FREE && slot.uses == key as u32).then_some(at)
    }

    fn remove_slot(&mut self, at: u32) -> Option<Waker> {
        let slot = &mut self.slots[at as usize];
        let place = slot.place as usize;
        slot.place = FREE;
        slot.uses = slot.uses.wrapping_add(1);
        let waker = slot.waker.take();
        self.heap.swap_remove(place);
        if let Some(&moved) = self.heap.get(place) {
            self.slots[moved as usize].place = place as u32;
            self.rise(place);
            self.sink(self.slots[moved as usize].place as usize);
        }
        if self.heap.is_empty() {
            // A burst of timers does not keep its memory. Keys must not come back, so a slot's count of uses lives on.
            self.heap.shrink_to(64);
        }
        self.free.push(at);
        waker
    }

    fn before(&self, a: usize, b: usize) -> bool {
        let key = |place: usize| {
            let slot = &self.slots[self.heap[place] as usize];
            (slot.deadline, slot.sequence)
        };
        key(a) < key(b)
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        self.slots[self.heap[a] as usize].place = a as u32;
        self.slots[self.heap[b] as usize].place = b as u32;
    }

    fn rise(&mut self, mut place: usize) {
        while place > 0 && self.before(place, (place - 1) / 2) {
            self.swap(place, (place - 1) / 2);
            place = (place - 1) / 2;
        }
    }

    fn sink(&mut self, mut place: usize) {
        loop {
            let left = 2 * place + 1;
            if left >= self.heap.len() {
                return;
            }
            let right = left + 1;
            let child = if right < self.heap.len() && self.before(right, left) {
                right
            } else {
                left
            };
            if !self.before(child, place) {
                return;
            }
            self.swap(place, child);
            place = child;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
            assert_eq!(timers.heap.len(), model.len());
        }
        for (_, key) in model {
            timers.remove(key);
        }
        assert!(timers.is_empty() && timers.slots.iter().all(|slot| slot.waker.is_none()));
    }
}
