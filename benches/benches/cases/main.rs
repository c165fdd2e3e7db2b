//! The time of each case, of corox and of its peers, a group each. Memory is the runner's matter.
#![allow(missing_docs)]

use std::time::Duration;

use corox_bench::StopWatch;
use corox_bench::cases::{self, Case, Quantity};
use criterion::{Bencher, Criterion, Throughput};

fn main() {
    // `--quick` takes the time to measure for the longest that it looks for a stable value.
    let quick = std::env::args().any(|argument| argument == "--quick");
    let measurement = Duration::from_millis(if quick { 300 } else { 3000 });
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(measurement)
        .sample_size(20)
        .configure_from_args();
    let mut cases = cases::all();
    cases.retain(|case| case.of != Quantity::Memory);
    for cases in cases.chunk_by(|one, next| one.name == next.name) {
        let mut group = criterion.benchmark_group(&cases[0].name);
        for case in cases {
            group.throughput(Throughput::Elements(case.operations));
            group.bench_function(case.variant, |bencher| repeat(bencher, case));
        }
        group.finish();
    }
    criterion.final_summary();
}

fn repeat(bencher: &mut Bencher<'_>, case: &Case) {
    let watch = StopWatch::default();
    bencher.iter_custom(|times| {
        let each = |_| {
            case.repeat(&watch);
            match case.of {
                Quantity::ProcessorTime => watch.take().processor,
                _ => watch.take().wall,
            }
        };
        (0..times).map(each).sum()
    });
}
