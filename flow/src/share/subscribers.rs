//! Who collects a shared flow or a state flow, and which of them sleep.
//!
//! It lies inside the lock of the flow. No waker is cloned, woken or dropped in here: they are given in and out.

use std::mem;
use std::panic::Location;
use std::task::Waker;

use corox_core::waiters_protocol::FirstPanic;

/// Names an entry of [`Subscribers`]; whoever has it has to [`remove`](Subscribers::remove) it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key(u32);

impl Key {
    fn index(self) -> usize {
        self.0 as usize
    }
}

/// Entries with what is known of each, `P`.
pub(super) struct Subscribers<P> {
    entries: Vec<Entry<P>>,
    free: Option<u32>,
    live: usize,
    /// In no particular order.
    sleepers: Vec<(u32, Waker)>,
    /// How often all of them were woken.
    round: u64,
}

struct Entry<P> {
    /// Not there in a free entry.
    value: Option<P>,
    next_free: Option<u32>,
    /// In which round it went to sleep, and where it is among the sleepers if that is this round.
    asleep: (u64, u32),
}

/// Those who slept, to be woken after the lock.
#[must_use = "to be woken, after the lock"]
#[derive(Default)]
pub(super) struct Woken {
    first: Option<(u32, Waker)>,
    others: Vec<(u32, Waker)>,
}

impl Woken {
    /// Each of them, whatever the waker of another one does.
    pub(super) fn wake(self, panics: &mut FirstPanic, location: &'static Location<'static>) {
        if let Some((_, waker)) = self.first {
            panics.run(location, || waker.wake());
        }
        for (_, waker) in self.others {
            panics.run(location, || waker.wake());
        }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none() && self.others.is_empty()
    }

    /// Those who are woken twice in one step.
    #[inline]
    pub(super) fn append(&mut self, other: Woken) {
        if self.is_empty() {
            *self = other;
        } else {
            self.others.extend(other.first);
            self.others.extend(other.others);
        }
    }
}

/// What is left of an entry, to be dropped after the lock.
#[must_use = "to be dropped after the lock, not under it"]
pub(super) struct Removed<P> {
    _value: Option<P>,
    _waker: Option<(u32, Waker)>,
    _surplus: Vec<Entry<P>>,
}

/// A vector of more entries than this is given back with the last of them.
const KEPT: usize = 64;

impl<P> Subscribers<P> {
    pub(super) const fn new() -> Self {
        Subscribers {
            entries: Vec::new(),
            free: None,
            live: 0,
            sleepers: Vec::new(),
            round: 1,
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.live
    }

    pub(super) fn insert(&mut self, value: P) -> Key {
        self.live += 1;
        if let Some(key) = self.free {
            let entry = &mut self.entries[key as usize];
            self.free = entry.next_free;
            // There was none.
            mem::forget(entry.value.replace(value));
            return Key(key);
        }
        let key = u32::try_from(self.entries.len());
        let key = key.expect("a flow has less than 2^32 collectors at a time");
        self.entries.push(Entry {
            value: Some(value),
            next_free: None,
            asleep: (0, 0),
        });
        Key(key)
    }

    pub(super) fn remove(&mut self, key: Key) -> Removed<P> {
        let waker = self.rouse(key);
        let entry = &mut self.entries[key.index()];
        let value = entry.value.take();
        entry.next_free = self.free;
        self.free = Some(key.0);
        self.live -= 1;
        let mut surplus = Vec::new();
        if self.live == 0 && self.entries.len() > KEPT {
            self.free = None;
            surplus = mem::take(&mut self.entries);
            // Nobody sleeps.
            self.sleepers = Vec::new();
        }
        Removed {
            _value: value,
            _waker: waker,
            _surplus: surplus,
        }
    }

    /// What is known of one who is there.
    #[inline]
    pub(super) fn get(&mut self, key: Key) -> &mut P {
        let value = self.entries[key.index()].value.as_mut();
        value.expect("it is not removed yet")
    }

    /// All of them.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut P> {
        self.entries.iter_mut().filter_map(|it| it.value.as_mut())
    }

    #[inline]
    fn sleeper(&self, key: Key) -> Option<usize> {
        let (round, at) = self.entries[key.index()].asleep;
        (round == self.round).then_some(at as usize)
    }

    /// Whether it sleeps, and `waker` is the one that would be woken.
    #[inline]
    pub(super) fn sleeps(&self, key: Key, waker: &Waker) -> bool {
        let at = self.sleeper(key);
        at.is_some_and(|at| self.sleepers[at].1.will_wake(waker))
    }

    /// Has `waker` be woken in the next round. Gives the one before, to be dropped after the lock.
    #[must_use = "to be dropped after the lock, not under it"]
    pub(super) fn sleep(&mut self, key: Key, waker: Waker) -> Option<Waker> {
        if let Some(at) = self.sleeper(key) {
            return Some(mem::replace(&mut self.sleepers[at].1, waker));
        }
        if self.sleepers.capacity() == 0 {
            self.sleepers.reserve(self.live);
        }
        // There are less of them than entries.
        let at = self.sleepers.len() as u32;
        self.entries[key.index()].asleep = (self.round, at);
        self.sleepers.push((key.0, waker));
        None
    }

    /// Takes one out of the sleepers.
    fn rouse(&mut self, key: Key) -> Option<(u32, Waker)> {
        let at = self.sleeper(key)?;
        self.entries[key.index()].asleep = (0, 0);
        let sleeper = self.sleepers.swap_remove(at);
        if let Some((moved, _)) = self.sleepers.get(at) {
            let place = (self.round, at as u32);
            self.entries[*moved as usize].asleep = place;
        }
        Some(sleeper)
    }

    /// Nobody sleeps any more.
    #[inline]
    pub(super) fn wake_all(&mut self) -> Woken {
        if self.sleepers.is_empty() {
            return Woken::default();
        }
        self.round += 1;
        if self.sleepers.len() == 1 {
            // The usual case: the vector stays, so that the next one to sleep need not allocate.
            return Woken {
                first: self.sleepers.pop(),
                others: Vec::new(),
            };
        }
        Woken {
            first: None,
            others: mem::take(&mut self.sleepers),
        }
    }
}
