//! Whether a drainer's tasks are so short that it has run a few of them before another drainer is awake.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Tasks that take less on average are short. To wake another drainer costs this one a call to the system, which takes about as long, and
/// the other one several times that until it runs what it finds.
const SHORT: Duration = Duration::from_micros(2);
/// A verdict stands for so many tasks, for a look at the clock takes a good part of a short one.
const STANDS: usize = 16;

/// How long a drainer's tasks take. It is measured when somebody asks, and only then.
///
/// ```text
///              asked               asked, 16 tasks or more after the mark
///   no mark ──────────> mark here ────────────────────────────────────────> verdict: their average; mark here
///      ▲       "long"       │       asked sooner: the verdict as it stands
///      └────────────────────┘
///             slept
/// ```
pub(super) struct Pace {
    mark: Cell<Option<Mark>>,
    short: Cell<bool>,
}

#[derive(Clone, Copy)]
struct Mark {
    epoch: usize,
    at: Instant,
}

impl Pace {
    pub(super) const fn new() -> Pace {
        Pace {
            mark: Cell::new(None),
            short: Cell::new(false),
        }
    }

    /// Whether the last tasks were short. `epoch` counts the tasks.
    pub(super) fn is_short(&self, epoch: usize, now: impl FnOnce() -> Instant) -> bool {
        let since = self.mark.get();
        let ran = since.map_or(STANDS, |mark| epoch.wrapping_sub(mark.epoch));
        if ran >= STANDS {
            let limit = SHORT * u32::try_from(ran).unwrap_or(u32::MAX);
            let at = now();
            let short = since.is_some_and(|mark| at.duration_since(mark.at) < limit);
            self.mark.set(Some(Mark { epoch, at }));
            self.short.set(short);
        }
        self.short.get()
    }

    /// The drainer goes to sleep: what comes after that may be something else.
    pub(super) fn forget(&self) {
        self.mark.set(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tasks are run and the clock goes on.
    struct Drainer {
        pace: Pace,
        epoch: usize,
        now: Instant,
    }

    impl Drainer {
        fn new() -> Drainer {
            Drainer {
                pace: Pace::new(),
                // What the count starts with is nothing, and it may wrap around.
                epoch: usize::MAX - 20,
                now: Instant::now(),
            }
        }

        fn run(&mut self, tasks: usize, each: Duration) -> &mut Drainer {
            self.epoch = self.epoch.wrapping_add(tasks);
            self.now += each * tasks as u32;
            self
        }

        fn is_short(&self) -> bool {
            self.pace.is_short(self.epoch, || self.now)
        }
    }

    const ABOVE: Duration = Duration::from_nanos(2001);
    const BELOW: Duration = Duration::from_nanos(1999);

    #[test]
    fn nothing_is_short_before_it_was_measured() {
        let mut drainer = Drainer::new();
        assert!(!drainer.run(100, BELOW).is_short());
        assert!(!drainer.run(15, BELOW).is_short());
        assert!(drainer.run(1, BELOW).is_short());
    }

    #[test]
    fn a_verdict_stands_for_sixteen_tasks_and_is_on_all_since_the_last() {
        let mut drainer = Drainer::new();
        drainer.is_short();
        assert!(drainer.run(1000, BELOW).is_short());
        assert!(drainer.run(15, ABOVE).is_short());
        assert!(!drainer.run(1, ABOVE).is_short());
        assert!(!drainer.run(15, BELOW).is_short());
        assert!(drainer.run(1, BELOW).is_short());
        // One that takes long is long for all sixteen.
        drainer.run(15, Duration::ZERO);
        assert!(!drainer.run(1, ABOVE * 16).is_short());
    }

    #[test]
    fn the_clock_is_read_once_for_sixteen_tasks() {
        let mut drainer = Drainer::new();
        let mut looks = 0;
        for _ in 0..160 {
            drainer.run(1, BELOW);
            let now = drainer.now;
            drainer.pace.is_short(drainer.epoch, || {
                looks += 1;
                now
            });
        }
        assert_eq!(looks, 10);
    }

    #[test]
    fn sleep_makes_it_forget() {
        let mut drainer = Drainer::new();
        drainer.is_short();
        assert!(drainer.run(16, BELOW).is_short());
        drainer.pace.forget();
        assert!(!drainer.run(1, BELOW).is_short());
        assert!(!drainer.run(15, BELOW).is_short());
        assert!(drainer.run(1, BELOW).is_short());
    }
}
