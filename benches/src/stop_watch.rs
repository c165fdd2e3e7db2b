//! The time of one repetition.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Takes the time of a repetition: from its beginning to its end, unless the repetition says otherwise.
#[derive(Clone, Debug, Default)]
pub struct StopWatch(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    begin: Option<(Instant, Duration)>,
    taken: Option<Taken>,
}

/// What a repetition took.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// By the clock on the wall.
    pub wall: Duration,
    /// Of all threads of the process together; zero where that is not known.
    pub processor: Duration,
    /// Zero, or what the repetition has counted.
    pub bytes: u64,
}

impl StopWatch {
    /// Begins, again.
    pub fn start(&self) {
        let mut state = self.state();
        state.taken = None;
        state.begin = Some((Instant::now(), processor_time()));
    }

    /// Ends; not if it has ended.
    pub fn stop(&self) {
        let (now, processor) = (Instant::now(), processor_time());
        let mut state = self.state();
        if let (Some((begin, before)), None) = (state.begin, state.taken) {
            state.taken = Some(Taken {
                wall: now - begin,
                processor: processor.saturating_sub(before),
                bytes: 0,
            });
        }
    }

    /// The repetition was about memory.
    pub fn set_bytes(&self, bytes: u64) {
        self.state().taken = Some(Taken {
            wall: Duration::ZERO,
            processor: Duration::ZERO,
            bytes,
        });
    }

    /// What was taken.
    ///
    /// # Panics
    ///
    /// If the repetition has not ended.
    #[must_use]
    pub fn take(&self) -> Taken {
        let mut state = self.state();
        state.begin = None;
        state.taken.take().expect("the repetition has ended")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(unix)]
fn processor_time() -> Duration {
    let clock = nix::time::ClockId::CLOCK_PROCESS_CPUTIME_ID;
    clock.now().map_or(Duration::ZERO, Duration::from)
}

#[cfg(not(unix))]
fn processor_time() -> Duration {
    Duration::ZERO
}
