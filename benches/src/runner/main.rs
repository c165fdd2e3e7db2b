//! Runs one measurement and prints its numbers, so that runners in other languages can be put beside it.
//!
//! ```text
//! corox-bench --version       one line: what it is
//! corox-bench --list          one case/variant a line
//! corox-bench --list-peers    the same for what does it with tokio alone
//! corox-bench case/variant    runs it, and prints, tab separated: case/variant, then the median, the least, the most and the
//!                             processor time, in nanoseconds for each operation (bytes for mem_*)
//! ```
//!
//! A case name alone runs all variants of corox. Not for mem_*: what one leaves behind the next one uses again, so that each needs a
//! process of its own. `BENCH_QUICK=1` runs each only a few times, to see that it works; `BENCH_REPETITIONS=n` exactly so often,
//! without warm-up, for `counts.py`. `BENCH_PROBES=on` has the debug probes installed meanwhile, `BENCH_PROBES=stacks` has them keep the
//! stacks of launches, too. A peer that has not done its case after 90 seconds ends the process.
#![forbid(unsafe_code)]

mod measure;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use corox::debug::DebugProbes;
use corox_bench::ALLOCATOR_NAME;
use corox_bench::cases::{self, Size};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        None => {
            eprintln!("usage: corox-bench --version | --list | --list-peers | CASE[/VARIANT]..");
            return ExitCode::from(2);
        }
        Some("--version") => {
            println!("corox {}, {ALLOCATOR_NAME}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        Some(list @ ("--list" | "--list-peers")) => {
            for case in cases::all(Size::Whole) {
                if case.peer == (list == "--list-peers") {
                    println!("{}", case.key());
                }
            }
            return ExitCode::SUCCESS;
        }
        Some(_) => {}
    }
    if let Ok(probes) = std::env::var("BENCH_PROBES") {
        if !["on", "stacks"].contains(&probes.as_str()) {
            eprintln!("BENCH_PROBES is on or stacks, not {probes}");
            return ExitCode::from(2);
        }
        DebugProbes::install();
        DebugProbes::set_creation_stacks(probes == "stacks");
    }
    let cases = cases::all(Size::Whole);
    for wanted in &arguments {
        let mut known = false;
        for case in &cases {
            if (case.name == *wanted && !case.peer) || case.key() == *wanted {
                known = true;
                let done = Arc::new(AtomicBool::new(false));
                if case.peer {
                    give_up_later(case.key(), done.clone());
                }
                println!("{}\t{}", case.key(), measure::run(case));
                done.store(true, Ordering::Relaxed);
            }
        }
        if !known {
            eprintln!("no such case: {wanted}");
            return ExitCode::FAILURE;
        }
    }
    // Without waiting for what the cases have left suspended.
    std::process::exit(0)
}

const LIMIT: Duration = Duration::from_secs(90);

/// A channel of a peer may lose a wake-up, and then its case has no end.
fn give_up_later(case: String, done: Arc<AtomicBool>) {
    thread::spawn(move || {
        thread::sleep(LIMIT);
        if !done.load(Ordering::Relaxed) {
            eprintln!("{case}: not done after {LIMIT:?}");
            std::process::exit(1);
        }
    });
}
