//! An ordered list in a slab: children, handlers and waiters of a job, holders of a frame.
//!
//! Push and remove are O(1), iteration is in order of insertion, and a key that outlived its entry finds nothing (each
//! slot counts its occupants). A list that never had an entry is one null pointer: most jobs have neither children nor handlers.

/// Names one entry of a [`NodeList`]; stays harmless after the entry has gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Key {
    index: u32,
    generation: u32,
}

impl Key {
    /// Packs the key into one word, for storage in an atomic.
    pub(crate) fn to_bits(self) -> u64 {
        u64::from(self.index) << 32 | u64::from(self.generation)
    }

    pub(crate) fn place(self) -> u32 {
        self.index
    }

    pub(crate) fn from_bits(bits: u64) -> Key {
        Key {
            index: (bits >> 32) as u32,
            generation: bits as u32,
        }
    }
}

const NONE: u32 = u32::MAX;

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    /// Occupied: the entry before this one. Free: unused.
    previous: u32,
    /// Occupied: the entry after this one. Free: the next free slot.
    next: u32,
    value: Option<T>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct NodeList<T>(Option<Box<List<T>>>);

#[derive(Debug)]
struct List<T> {
    /// In one allocation with the list: most have one entry, of the one who waits.
    first: Slot<T>,
    others: Vec<Slot<T>>,
    head: u32,
    tail: u32,
    free: u32,
    len: u32,
}

impl<T> NodeList<T> {
    pub(crate) const fn new() -> Self {
        NodeList(None)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|list| list.len == 0)
    }

    /// Appends `value`.
    ///
    /// # Panics
    ///
    /// With 2^32 - 1 entries alive.
    pub(crate) fn push(&mut self, value: T) -> Key {
        self.push_with(|_| value)
    }

    /// The same with a value that is told its key.
    pub(crate) fn push_with(&mut self, value: impl FnOnce(Key) -> T) -> Key {
        self.0.get_or_insert_with(List::new).push(value)
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let list = self.0.as_mut()?;
        let slot = list.slot_mut(key.index)?;
        if slot.generation != key.generation {
            return None;
        }
        slot.value.as_mut()
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        self.0.as_mut()?.remove(key)
    }

    /// Removes whatever is at a place, as [`Key::place`] names it.
    pub(crate) fn remove_at(&mut self, place: u32) -> Option<T> {
        let list = self.0.as_mut()?;
        let generation = list.slot(place)?.generation;
        list.remove(Key {
            index: place,
            generation,
        })
    }

    /// The entries in order of insertion, with their keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        let list = self.0.as_deref();
        let mut at = list.map_or(NONE, |list| list.head);
        std::iter::from_fn(move || {
            let slot = list?.slot(at)?;
            let key = Key {
                index: at,
                generation: slot.generation,
            };
            at = slot.next;
            slot.value.as_ref().map(|value| (key, value))
        })
    }

    /// Consumes the list in order of insertion.
    pub(crate) fn into_values(mut self) -> impl Iterator<Item = T> {
        let mut at = self.0.as_ref().map_or(NONE, |list| list.head);
        std::iter::from_fn(move || {
            let slot = self.0.as_mut()?.slot_mut(at)?;
            at = slot.next;
            slot.value.take()
        })
    }
}

impl<T> List<T> {
    #[cold]
    fn new() -> Box<List<T>> {
        Box::new(List {
            first: Slot {
                generation: 0,
                previous: NONE,
                next: NONE,
                value: None,
            },
            others: Vec::new(),
            head: NONE,
            tail: NONE,
            free: 0,
            len: 0,
        })
    }

    #[inline]
    fn slot(&self, index: u32) -> Option<&Slot<T>> {
        match index {
            0 => Some(&self.first),
            _ => self.others.get(index as usize - 1),
        }
    }

    #[inline]
    fn slot_mut(&mut self, index: u32) -> Option<&mut Slot<T>> {
        match index {
            0 => Some(&mut self.first),
            _ => self.others.get_mut(index as usize - 1),
        }
    }

    /// The slot of an entry that is linked.
    #[inline]
    fn linked(&mut self, index: u32) -> &mut Slot<T> {
        self.slot_mut(index).expect("links name slots")
    }

    fn push(&mut self, value: impl FnOnce(Key) -> T) -> Key {
        let key;
        if self.free == NONE {
            let index = u32::try_from(self.others.len() + 1).unwrap_or(NONE);
            assert!(index != NONE, "a list of 2^32 - 1 entries is full");
            key = Key {
                index,
                generation: 0,
            };
            self.others.push(Slot {
                generation: 0,
                previous: self.tail,
                next: NONE,
                value: Some(value(key)),
            });
        } else {
            let index = self.free;
            let tail = self.tail;
            let slot = self.linked(index);
            key = Key {
                index,
                generation: slot.generation,
            };
            let free = slot.next;
            slot.previous = tail;
            slot.next = NONE;
            slot.value = Some(value(key));
            self.free = free;
        }
        match self.tail {
            NONE => self.head = key.index,
            tail => self.linked(tail).next = key.index,
        }
        self.tail = key.index;
        self.len += 1;
        key
    }

    fn remove(&mut self, key: Key) -> Option<T> {
        let free = self.free;
        let slot = self.slot_mut(key.index)?;
        if slot.generation != key.generation {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        let (previous, next) = (slot.previous, slot.next);
        slot.next = free;
        self.free = key.index;
        match previous {
            NONE => self.head = next,
            previous => self.linked(previous).next = next,
        }
        match next {
            NONE => self.tail = previous,
            next => self.linked(next).previous = previous,
        }
        self.len -= 1;
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_that_of_insertion_also_after_slots_were_reused() {
        let mut list = NodeList::new();
        let keys: Vec<_> = (0..5).map(|n| list.push(n)).collect();
        assert_eq!(list.remove(keys[1]), Some(1));
        assert_eq!(list.remove(keys[3]), Some(3));
        list.push(5);
        list.push(6);
        let seen: Vec<_> = list.iter().map(|(_, n)| *n).collect();
        assert_eq!(seen, [0, 2, 4, 5, 6]);
        assert_eq!(list.into_values().collect::<Vec<_>>(), [0, 2, 4, 5, 6]);
    }

    #[test]
    fn a_stale_key_finds_nothing() {
        let mut list = NodeList::new();
        let old = list.push('a');
        assert_eq!(list.remove(old), Some('a'));
        let new = list.push('b');
        assert_eq!(list.remove(old), None);
        assert_eq!(list.get_mut(old), None);
        assert_eq!(Key::from_bits(new.to_bits()), new);
        assert_eq!(list.remove(new), Some('b'));
        assert!(list.is_empty());
    }
}
