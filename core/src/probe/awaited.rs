//! What a wait is for, beyond its text: what can be followed from one coroutine to the next.

use std::fmt;

/// What ends a wait, as far as the one who waits knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Awaited {
    /// It may come from anywhere.
    #[default]
    Anything,
    /// The end of the job with this token.
    Job(u64),
    /// So many permits of a lock that has `all` of them.
    Lock {
        /// Which one.
        lock: Identity,
        /// How many are waited for.
        permits: usize,
        /// How many there are.
        all: usize,
    },
    /// The other side of a channel: anybody may have that.
    Channel(Identity),
    /// Whichever comes first. None of them is `Any` or `All`.
    Any(Vec<Awaited>),
    /// The ends of all jobs with these tokens.
    All(Vec<u64>),
}

/// Which of several locks or channels that were made at one line: the address of what its waiters and guards share, which stays where it
/// is as long as there are any. So nothing is stored without probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity(u64);

impl Identity {
    /// That of what is there.
    pub fn of<T: ?Sized>(shared: &T) -> Identity {
        Identity(std::ptr::from_ref(shared).addr() as u64)
    }

    /// The number that texts tell, as of jobs: the end of the address.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0 & 0xffff_ffff
    }
}

/// As of jobs: `@d8006ee0`.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{:x}", self.number())
    }
}
