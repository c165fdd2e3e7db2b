//! A map from the tokens of jobs, for the registry: a launch and an end of a job each change it under the lock.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};

/// By token, without an order: whoever tells of all sorts what was copied, outside of the lock.
pub(super) type ByToken<V> = HashMap<u64, V, OfToken>;

/// An empty one.
pub(super) const fn empty<V>() -> ByToken<V> {
    HashMap::with_hasher(OfToken)
}

/// Tokens are numbers one after the other, and nobody outside chooses them: one multiplication spreads them.
#[derive(Clone, Copy, Default)]
pub(super) struct OfToken;

impl BuildHasher for OfToken {
    type Hasher = Spread;

    fn build_hasher(&self) -> Spread {
        Spread(0)
    }
}

/// See [`OfToken`].
pub(super) struct Spread(u64);

/// That of the golden ratio: odd, so that the low bits of numbers one after the other stay distinct, and the high ones look random.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0 ^ u64::from(*byte));
        }
    }

    fn write_u64(&mut self, token: u64) {
        self.0 = token.wrapping_mul(FACTOR);
    }
}
