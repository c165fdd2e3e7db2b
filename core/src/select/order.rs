//! The order in which the clauses of a select are registered.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// See the module.
pub(crate) enum Order {
    AsWritten,
    /// Of as few clauses as a tuple can have, and some more.
    Shuffled([u8; FEW]),
    ShuffledMany(Box<[usize]>),
}

const FEW: usize = 16;

impl Order {
    /// Each order of `count` clauses with the same probability.
    pub(crate) fn shuffled(count: usize) -> Order {
        if count <= FEW {
            let mut order = std::array::from_fn(|turn| turn as u8);
            shuffle(&mut order[..count]);
            return Order::Shuffled(order);
        }
        let mut order: Box<[usize]> = (0..count).collect();
        shuffle(&mut order);
        Order::ShuffledMany(order)
    }

    /// The clause that is registered at this turn.
    pub(crate) fn clause(&self, turn: usize) -> usize {
        match self {
            Order::AsWritten => turn,
            Order::Shuffled(order) => usize::from(order[turn]),
            Order::ShuffledMany(order) => order[turn],
        }
    }
}

fn shuffle<T>(order: &mut [T]) {
    for last in (1..order.len()).rev() {
        order.swap(last, below(last as u64 + 1) as usize);
    }
}

thread_local! {
    static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(0_u64));
}

/// From here on the shuffles of this thread follow from `seed`.
pub fn set_seed(seed: u64) {
    STATE.set(seed);
}

/// SplitMix64.
fn next() -> u64 {
    let state = STATE.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    STATE.set(state);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A number below `bound`, each with the same probability.
fn below(bound: u64) -> u64 {
    // Above the last whole multiple of `bound` the small numbers would come more often.
    let limit = u64::MAX - u64::MAX % bound;
    loop {
        let number = next();
        if number < limit {
            return number % bound;
        }
    }
}
