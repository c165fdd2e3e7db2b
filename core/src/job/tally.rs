//! What a job waits for before it ends: its body and its children; and which children have ended and are still in its list.
//!
//! A child that ends takes itself off the count of its parent. To take itself out of the parent's list it would need the lock of the
//! parent, and so would have to wait for those who launch there, or end there. Instead it puts itself on a stack of ended children,
//! in the same step. They are taken out of the list by those who have the lock anyway, because they launch another child, or
//! by the child with which there are [`MANY`] of them.
//!
//! ```text
//!   in the list, counted ── push ──> in the list, on the stack ── take_stacked, by who has the lock ──> out of the list
//!        │                                                                                                    ▲
//!        └── take_off, with the lock: children whose end sets something free that others may see ─────────────┘
//! ```
//!
//! The stack is linked through [`JobCore::link`](super::JobCore::link); it is only pushed to and taken as a whole. One word holds all:
//!
//! ```text
//!   | how many are stacked: 8, and not more | top of the stack, by its place in the list, from 1: 28 | left to end: 28 |
//! ```

use std::sync::atomic::Ordering;

use crate::shim::{AtomicU32, AtomicU64};

/// So many ended children are taken out at once, at the latest.
pub(crate) const MANY: u64 = if cfg!(corox_loom) { 2 } else { 64 };

const BITS: u32 = 28;
const MASK: u64 = (1 << BITS) - 1;
const STACKED: u32 = 2 * BITS;
const MOST_STACKED: u64 = u64::MAX >> STACKED;

/// See the module.
#[derive(Debug)]
pub(crate) struct Tally(AtomicU64);

/// What came of [`Tally::push`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    Done,
    /// The caller has to take the ended children out.
    Many,
    /// The caller was the last one to end: it has to end the job.
    Last,
}

impl Tally {
    /// The body is to end.
    pub(crate) fn new() -> Tally {
        Tally(AtomicU64::new(1))
    }

    /// How many have not ended.
    pub(crate) fn left(&self) -> u64 {
        self.0.load(Ordering::Acquire) & MASK
    }

    /// One more is to end. With the lock of the job, so that it is not being ended meanwhile.
    ///
    /// # Panics
    ///
    /// With 2^28 - 1 of them.
    pub(crate) fn add(&self) {
        assert!(self.left() < MASK, "a job of 2^28 children is full");
        // What others have written they have published by the end of a child, not by this.
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// One has ended, and is not in the list: true for the last one.
    pub(crate) fn take_off(&self) -> bool {
        self.0.fetch_sub(1, Ordering::AcqRel) & MASK == 1
    }

    /// A child has ended that is at `place` of the list, and whose link this is. `None` if the place has too high a number.
    pub(crate) fn push(&self, place: u32, link: &AtomicU32) -> Option<Pushed> {
        let top = u64::from(place) + 1;
        if top > MASK {
            return None;
        }
        let mut old = self.0.load(Ordering::Relaxed);
        loop {
            link.store((old >> BITS & MASK) as u32, Ordering::Relaxed);
            let stacked = (old >> STACKED).saturating_add(1).min(MOST_STACKED);
            let left = (old & MASK) - 1;
            let new = stacked << STACKED | top << BITS | left;
            let swapped =
                self.0
                    .compare_exchange_weak(old, new, Ordering::AcqRel, Ordering::Relaxed);
            match swapped {
                Ok(_) if left == 0 => return Some(Pushed::Last),
                Ok(_) if stacked >= MANY => return Some(Pushed::Many),
                Ok(_) => return Some(Pushed::Done),
                Err(other) => old = other,
            }
        }
    }

    /// Empties the stack and gives its top, as a link. With the lock of the job.
    pub(crate) fn take_stacked(&self) -> u32 {
        if self.0.load(Ordering::Relaxed) >> BITS == 0 {
            return 0;
        }
        let old = self.0.fetch_and(MASK, Ordering::AcqRel);
        (old >> BITS & MASK) as u32
    }
}

#[cfg(all(test, not(corox_loom)))]
mod tests {
    use super::*;

    #[test]
    fn ended_children_are_counted_off_and_come_back_in_reverse() {
        let tally = Tally::new();
        let links: Vec<_> = (0..3).map(|_| AtomicU32::new(7)).collect();
        for _ in &links {
            tally.add();
        }
        assert_eq!(tally.left(), 4);
        for (place, link) in links.iter().enumerate() {
            assert_eq!(tally.push(place as u32, link), Some(Pushed::Done));
        }
        assert_eq!((tally.left(), tally.take_stacked()), (1, 3));
        assert_eq!(
            links
                .iter()
                .map(|link| link.load(Ordering::Relaxed))
                .collect::<Vec<_>>(),
            [0, 1, 2]
        );
        assert_eq!(tally.take_stacked(), 0);
        assert!(tally.take_off());
    }

    #[test]
    fn the_last_child_and_the_one_with_which_there_are_many_are_told() {
        let tally = Tally::new();
        let link = AtomicU32::new(0);
        for _ in 0..300 {
            tally.add();
        }
        assert!(!tally.take_off());
        let told: Vec<_> = (0..300)
            .map(|place| tally.push(place, &link).unwrap())
            .collect();
        assert!(told[..63].iter().all(|told| *told == Pushed::Done));
        assert!(
            told[63..299].iter().all(|told| *told == Pushed::Many),
            "also beyond what is counted"
        );
        assert_eq!(told[299], Pushed::Last);
        assert_eq!((tally.left(), tally.take_stacked()), (0, 300));
    }

    #[test]
    fn a_place_that_does_not_fit_is_not_stacked() {
        let tally = Tally::new();
        tally.add();
        assert_eq!(tally.push(MASK as u32, &AtomicU32::new(0)), None);
        assert_eq!(
            tally.push(MASK as u32 - 1, &AtomicU32::new(0)),
            Some(Pushed::Done)
        );
    }
}
