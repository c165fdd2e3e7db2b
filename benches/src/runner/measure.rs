//! Warm-up, repetitions, and the numbers that come of them.

use std::fmt;
use std::time::{Duration, Instant};

use corox_bench::StopWatch;
use corox_bench::cases::{Case, Quantity};

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
    if let Some(repetitions) = exact_repetitions() {
        return exactly(case, repetitions);
    }
    let (warm_up, measured, fewest, most) = if corox_bench::quick() {
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
        case.repeat(&watch);
    }
    let (mut values, mut processor) = (Vec::new(), Vec::new());
    let begin = Instant::now();
    loop {
        let (value, processor_time) = repetition(case, &watch);
        values.push(value);
        processor.push(processor_time);
        let enough = values.len() >= fewest && begin.elapsed() >= measured;
        if once || enough || values.len() >= most {
            break;
        }
    }
    numbers(case, values, processor)
}

/// As many as `BENCH_REPETITIONS` says: for tools that count instead of taking the time.
fn exact_repetitions() -> Option<usize> {
    let said = std::env::var("BENCH_REPETITIONS").ok()?;
    Some(
        said.parse()
            .ok()
            .filter(|&repetitions| repetitions > 0)
            .expect("BENCH_REPETITIONS is a number above 0"),
    )
}

/// So many repetitions, and nothing before them. Standard error tells how many operations each has.
fn exactly(case: &Case, repetitions: usize) -> Numbers {
    eprintln!("{}: {} operations", case.key(), case.operations);
    let watch = StopWatch::default();
    let (values, processor) = (0..repetitions).map(|_| repetition(case, &watch)).unzip();
    numbers(case, values, processor)
}

/// What is measured in the case, and the processor time.
fn repetition(case: &Case, watch: &StopWatch) -> (f64, f64) {
    case.repeat(watch);
    let taken = watch.take();
    let nanoseconds = |time: Duration| time.as_secs_f64() * 1e9;
    let processor = nanoseconds(taken.processor);
    let value = match case.of {
        Quantity::WallTime => nanoseconds(taken.wall),
        Quantity::ProcessorTime => processor,
        Quantity::Memory => taken.bytes as f64,
    };
    (value, processor)
}

fn numbers(case: &Case, mut values: Vec<f64>, mut processor: Vec<f64>) -> Numbers {
    values.sort_by(f64::total_cmp);
    processor.sort_by(f64::total_cmp);
    let each = |value: f64| value / case.operations as f64;
    Numbers {
        median: each(values[values.len() / 2]),
        least: each(values[0]),
        most: each(values[values.len() - 1]),
        processor: each(processor[processor.len() / 2]),
    }
}
