//! The values of a shared flow that somebody may still want, in blocks.
//!
//! A block is shared with who reads it, so that values are copied outside of the lock. It is dropped with its last value: so long a
//! value may live that nobody wants any more, hence blocks are short.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, OnceLock};

pub(super) type Block<T> = Arc<[OnceLock<T>]>;

/// Values by number, from `first` up to `end`.
pub(super) struct Ring<T> {
    blocks: VecDeque<Block<T>>,
    /// The number of the first place in the first block.
    base: u64,
    end: u64,
    /// A block has 2 to the power of this many places.
    bits: u32,
}

impl<T> Ring<T> {
    /// For a buffer of `capacity` values.
    pub(super) fn new(capacity: u64) -> Self {
        let most = if mem::needs_drop::<T>() { 3 } else { 4 };
        Ring {
            blocks: VecDeque::new(),
            base: 0,
            end: 0,
            bits: capacity.max(1).ilog2().min(most),
        }
    }

    #[inline]
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Which block `number` lies in, and where.
    #[inline]
    fn place(&self, number: u64) -> (usize, usize) {
        let offset = (number - self.base) as usize;
        (offset >> self.bits, self.index(number))
    }

    /// Where `number` lies in its block.
    #[inline]
    fn index(&self, number: u64) -> usize {
        (number - self.base) as usize & ((1 << self.bits) - 1)
    }

    #[inline]
    pub(super) fn push(&mut self, value: T) {
        let (block, index) = self.place(self.end);
        if block == self.blocks.len() {
            let places = (0..1 << self.bits).map(|_| OnceLock::new());
            self.blocks.push_back(places.collect());
        }
        // It is empty.
        mem::forget(self.blocks[block][index].set(value));
        self.end += 1;
    }

    /// The block that `number` lies in, where, and how many values there are from there on in it.
    #[inline]
    pub(super) fn read(&self, number: u64) -> (Block<T>, usize, usize) {
        let (block, index) = self.place(number);
        let left = (self.end - number).min((1 << self.bits) - index as u64);
        (self.blocks[block].clone(), index, left as usize)
    }

    /// Nobody wants what is before `first`. The blocks are to be dropped after the lock.
    #[inline]
    pub(super) fn free(&mut self, first: u64, mut freed: impl FnMut(Block<T>)) {
        if first == self.end && mem::needs_drop::<T>() {
            // Of the last block nothing is wanted, though it has room.
            self.blocks.drain(..).for_each(freed);
            self.base = self.end;
            return;
        }
        while first - self.base >= 1 << self.bits {
            if let Some(block) = self.blocks.pop_front() {
                freed(block);
            }
            self.base += 1 << self.bits;
        }
    }
}
