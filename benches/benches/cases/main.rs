//! The time of each case, of corox and of its peers, a group each. Memory is the runner's matter.
//!
//! Each case has a process of its own, which a peer that hangs does not outlive by much: it is skipped, with a line that says so.
#![allow(missing_docs)]

mod child;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use child::{Child, Failure};
use corox_bench::cases::{self, Case, Quantity, Size};
use criterion::{Bencher, Criterion, Throughput};

fn main() {
    if child::serve() {
        return;
    }
    // `--quick` takes the time to measure for the longest that it looks for a stable value.
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (measurement, size) = if quick {
        (Duration::from_millis(30), Size::Small)
    } else {
        (Duration::from_millis(3000), Size::Whole)
    };
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(measurement)
        .sample_size(20)
        .configure_from_args();
    let mut cases = cases::all(size);
    cases.retain(|case| case.of != Quantity::Memory);
    for cases in cases.chunk_by(|one, next| one.name == next.name) {
        let mut group = criterion.benchmark_group(&cases[0].name);
        for case in cases {
            group.throughput(Throughput::Elements(case.operations));
            let mut child = None;
            let run = || {
                group.bench_function(case.variant, |bencher| {
                    repeat(
                        bencher,
                        case,
                        child.get_or_insert_with(|| Child::of(case, size)),
                    );
                });
            };
            if let Err(payload) = catch_unwind(AssertUnwindSafe(run)) {
                match payload.downcast::<Failure>() {
                    Ok(failure) if case.peer => println!("{case:?}: skipped, {failure}"),
                    Ok(failure) => panic!("{case:?}: {failure}"),
                    Err(payload) => resume_unwind(payload),
                }
            }
        }
        group.finish();
    }
    criterion.final_summary();
}

fn repeat(bencher: &mut Bencher<'_>, case: &Case, child: &mut Child) {
    bencher.iter_custom(|times| {
        let taken = child.repeat(times);
        // Not as a panic of this program, which would be reported as one.
        let taken = taken.unwrap_or_else(|failure| resume_unwind(Box::new(failure)));
        match case.of {
            Quantity::ProcessorTime => taken.processor,
            _ => taken.wall,
        }
    });
}
