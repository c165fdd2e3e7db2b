//! How long others may be run before tokio gets its turn: its timers, and what its sockets have to say.

use std::time::{Duration, Instant};

/// Looks at the clock now and then, for one look costs as much as a short turn: after the second turn, then each time that so many
/// have passed again, but at least after every 16.
#[derive(Debug)]
pub(crate) struct Slice {
    length: Duration,
    begun: Option<Instant>,
    turns: u32,
}

impl Slice {
    /// `length` is to be long against what a look at the sockets costs, and short against what a program notices.
    pub(crate) const fn new(length: Duration) -> Slice {
        Slice {
            length,
            begun: None,
            turns: 0,
        }
    }

    /// Another turn has passed: true if it is time for tokio.
    pub(crate) fn is_over(&mut self) -> bool {
        self.turns += 1;
        if !self.turns.is_power_of_two() && self.turns % 16 != 0 {
            return false;
        }
        match self.begun {
            Some(begun) => begun.elapsed() >= self.length,
            None => {
                if self.turns > 1 {
                    self.begun = Some(Instant::now());
                }
                false
            }
        }
    }
}
