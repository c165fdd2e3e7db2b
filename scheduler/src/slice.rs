//! How long others may be run before tokio gets its turn: its timers, and what its sockets have to say.

use std::time::{Duration, Instant};

/// Long against what a look at the sockets costs, short against what a program notices.
const SLICE: Duration = Duration::from_micros(200);

/// Looks at the clock now and then, for one look costs as much as a short turn: after the second turn, then each time that so many
/// have passed again, but at least after every 16.
#[derive(Debug, Default)]
pub(crate) struct Slice {
    begun: Option<Instant>,
    turns: u32,
}

impl Slice {
    /// Another turn has passed: true if it is time for tokio.
    pub(crate) fn is_over(&mut self) -> bool {
        self.turns += 1;
        if !self.turns.is_power_of_two() && self.turns % 16 != 0 {
            return false;
        }
        match self.begun {
            Some(begun) => begun.elapsed() >= SLICE,
            None => {
                if self.turns > 1 {
                    self.begun = Some(Instant::now());
                }
                false
            }
        }
    }
}
