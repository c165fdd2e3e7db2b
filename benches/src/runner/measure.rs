//! Warm-up, repetitions, and the numbers that come of them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One measurement.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) variant: &'static str,
    /// How many operations a repetition has.
    pub(crate) operations: u64,
    pub(crate) of: Quantity,
    pub(crate) repetition: Box<dyn Fn(&StopWatch)>,
}

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quantity {
    WallTime,
    ProcessorTime,
    /// Bytes, by [`StopWatch::set`]; once, for a process gives little memory back.
    Memory,
}

impl Case {
    pub(crate) fn key(&self) -> String {
        format!("{}/{}", self.name, self.variant)
    }
}

/// Takes the time of a repetition: from its beginning to its end, unless the repetition says otherwise.
#[derive(Clone, Default)]
pub(crate) struct StopWatch(Arc<Mutex<Times>>);

#[derive(Default)]
struct Times {
    begin: Option<(Instant, Duration)>,
    /// Wall time, or what was set, and processor time.
    taken: Option<(f64, f64)>,
}

impl StopWatch {
    /// Begins, again.
    pub(crate) fn start(&self) {
        let mut times = self.times();
        times.taken = None;
        times.begin = Some((Instant::now(), processor_time()));
    }

    /// Ends; not if it has ended.
    pub(crate) fn stop(&self) {
        let (now, processor) = (Instant::now(), processor_time());
        let mut times = self.times();
        if let (Some((begin, before)), None) = (times.begin, times.taken) {
            let nanoseconds = |time: Duration| time.as_secs_f64() * 1e9;
            times.taken = Some((
                nanoseconds(now - begin),
                nanoseconds(processor.saturating_sub(before)),
            ));
        }
    }

    /// The result is this.
    pub(crate) fn set(&self, value: f64) {
        self.times().taken = Some((value, 0.0));
    }

    fn take(&self) -> (f64, f64) {
        let mut times = self.times();
        times.begin = None;
        times.taken.take().expect("the repetition has ended")
    }

    fn times(&self) -> std::sync::MutexGuard<'_, Times> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is printed of a case.
pub(crate) struct Numbers {
    median: f64,
    least: f64,
    most: f64,
    processor: f64,
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.2}\t{:.2}\t{:.2}\t{:.2}",
            self.median, self.least, self.most, self.processor
        )
    }
}

pub(crate) fn run(case: &Case) -> Numbers {
    let quick = std::env::var_os("BENCH_QUICK").is_some();
    let (warm_up, measured, fewest, most) = if quick {
        (30, 60, 2, 3)
    } else {
        (300, 1000, 7, 21)
    };
    let (warm_up, measured) = (
        Duration::from_millis(warm_up),
        Duration::from_millis(measured),
    );
    let watch = StopWatch::default();
    let once = case.of == Quantity::Memory;
    let begin = Instant::now();
    while !once && begin.elapsed() < warm_up {
        (case.repetition)(&watch);
    }
    let (mut values, mut processor) = (Vec::new(), Vec::new());
    let begin = Instant::now();
    loop {
        (case.repetition)(&watch);
        let (value, time) = watch.take();
        values.push(value);
        processor.push(time);
        let enough = values.len() >= fewest && begin.elapsed() >= measured;
        if once || enough || values.len() >= most {
            break;
        }
    }
    values.sort_by(f64::total_cmp);
    processor.sort_by(f64::total_cmp);
    let shown = if case.of == Quantity::ProcessorTime {
        &processor
    } else {
        &values
    };
    let each = |value: f64| value / case.operations as f64;
    Numbers {
        median: each(shown[shown.len() / 2]),
        least: each(shown[0]),
        most: each(shown[shown.len() - 1]),
        processor: each(processor[processor.len() / 2]),
    }
}

/// The processor time of all threads so far.
#[cfg(unix)]
fn processor_time() -> Duration {
    let clock = nix::time::ClockId::CLOCK_PROCESS_CPUTIME_ID;
    clock.now().map_or(Duration::ZERO, Duration::from)
}

/// Not known here.
#[cfg(not(unix))]
fn processor_time() -> Duration {
    Duration::ZERO
}

/// The memory of the process that is in use, in bytes; zero where that is not known.
pub(crate) fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}
