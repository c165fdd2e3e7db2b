//! How long corox and tokio take to react.
//!
//! ```text
//! latency           all cases, in some minutes
//! latency TEXT..    those with one of the texts in their names: cancel, wake_thread, yielding_64_mt
//! ```
//!
//! Prints of each case and contestant the median, the 99th percentile and the most, in microseconds.
//!
//! - `cancel`: from the call that cancels a tree of suspended coroutines, each with a guard, to the end of the last guard's destructor
//!   (`_cleanup`), and to the end of the tree (`_end`). tokio has a child token and a tracker for each node that has children.
//! - `wake`: from the wake to the poll of a coroutine. It is woken by a thread outside of the runtime, by another coroutine, by a byte
//!   in a socket, or by a timer of 2 ms, where the time counts from the deadline. Meanwhile others keep the runtime busy: 4 or 64 that
//!   compute for 50 us and yield, or that compute for 50 us and launch a successor, or 4 pairs that do nothing but wake each
//!   other. `idle` is without them.
//!
//! The contestants take turns, in this process, the order changing from round to round. `_mt` has two workers, `_st` one thread.

mod cancel;
mod wake;

use std::process::ExitCode;
use std::time::Duration;

use corox_bench::{ALLOCATOR_NAME, Engine, Threads, order, quantile, quick, sorted, workers};

use cancel::Tree;
use wake::{Load, Wake, Waker};

const TREES: [(&str, Tree); 4] = [
    ("wide_1000", Tree::new(1000, 1)),
    ("wide_10000", Tree::new(10_000, 1)),
    ("tree_1111", Tree::new(10, 3)),
    ("tree_11111", Tree::new(10, 4)),
];

const WAKERS: [(&str, Waker); 4] = [
    ("thread", Waker::Thread),
    ("coroutine", Waker::Coroutine),
    ("socket", Waker::Socket),
    ("timer", Waker::Timer),
];

const LOADS: [(&str, Load); 6] = [
    ("idle", Load::Yielding(0)),
    ("yielding_4", Load::Yielding(4)),
    ("yielding_64", Load::Yielding(64)),
    ("launching_4", Load::Launching(4)),
    ("launching_64", Load::Launching(64)),
    ("pairs_4", Load::Pairs(4)),
];

fn main() -> ExitCode {
    let texts: Vec<String> = std::env::args().skip(1).collect();
    let wanted =
        |name: &str| texts.is_empty() || texts.iter().any(|text| name.contains(text.as_str()));
    println!(
        "{} workers, {ALLOCATOR_NAME}\n{:32} {:15} {:>9} {:>9} {:>9}",
        workers(),
        "us",
        "contestant",
        "median",
        "99 %",
        "most"
    );
    let mut any = false;
    for threads in Threads::BOTH {
        let contestants = [
            ("tokio", Engine::tokio(threads)),
            ("corox", Engine::corox(threads)),
            ("corox-on-tokio", Engine::corox_on_tokio(threads)),
        ];
        for (name, tree) in TREES {
            let name = format!("cancel_{name}{}", threads.suffix());
            if wanted(&name) {
                any = true;
                compare_cancellation(&name, tree, &contestants);
            }
        }
        for (waker_name, waker) in WAKERS {
            for (load_name, load) in LOADS {
                let name = format!("wake_{waker_name}_{load_name}{}", threads.suffix());
                if wanted(&name) {
                    any = true;
                    compare_wakes(&name, waker, load, &contestants);
                }
            }
        }
    }
    if !any {
        eprintln!("no case has {} in its name", texts.join(" or "));
        return ExitCode::from(2);
    }
    ExitCode::SUCCESS
}

fn compare_cancellation(name: &str, tree: Tree, contestants: &[(&str, Engine)]) {
    let (warm_up, rounds) = if quick() { (0, 2) } else { (5, 100) };
    let mut cleanup = vec![Vec::new(); contestants.len()];
    let mut end = cleanup.clone();
    for round in 0..warm_up + rounds {
        for i in order(round, contestants.len()) {
            let times = cancel::run(&contestants[i].1, tree);
            if round >= warm_up {
                cleanup[i].push(times.cleanup);
                end[i].push(times.end);
            }
        }
    }
    for (what, all) in [("cleanup", cleanup), ("end", end)] {
        for ((contestant, _), times) in contestants.iter().zip(all) {
            print(&format!("{name}_{what}"), contestant, &times);
        }
    }
}

fn compare_wakes(name: &str, waker: Waker, load: Load, contestants: &[(&str, Engine)]) {
    let (rounds, times) = if quick() { (1, 5) } else { (6, 50) };
    let mut all = vec![Vec::new(); contestants.len()];
    for round in 0..rounds {
        for i in order(round, contestants.len()) {
            let wake = Wake { waker, load, times };
            all[i].extend(wake::run(&contestants[i].1, wake));
        }
    }
    for ((contestant, _), times) in contestants.iter().zip(all) {
        print(name, contestant, &times);
    }
}

fn print(name: &str, contestant: &str, times: &[Duration]) {
    let times = sorted(times.iter().map(|time| time.as_secs_f64() * 1e6));
    let [median, late, most] = [0.5, 0.99, 1.0].map(|q| quantile(&times, q));
    println!("{name:32} {contestant:15} {median:9.1} {late:9.1} {most:9.1}");
}
