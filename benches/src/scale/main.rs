//! Whether it stays in proportion: more workers than cores, waves of coroutines, very many suspended, very deep and very wide trees.
//!
//! ```text
//! cargo run --release -p corox-bench --bin scale             all of it, a minute or two
//! cargo run --release -p corox-bench --bin scale -- CASE..   only these: workers, waves, suspended, trees
//! ```
//!
//! Each row is measured in a process of its own, for the number of workers belongs to a process, and memory that was used once
//! looks like memory in use. A ratio is that to the first row of its block. `BENCH_QUICK=1` takes smaller sizes, to see that it
//! works.

mod place;
mod row;
mod suspended;
mod trees;
mod waves;
mod workers;

use std::process::{Command, ExitCode};

use corox::WORKERS_VARIABLE;
use row::Row;

/// What the rows of a block have in common, and what each measures: the argument with which this program measures it, and the
/// number of workers of its process.
struct Block {
    case: &'static str,
    title: String,
    /// What the rows differ in.
    by: &'static str,
    rows: Vec<(String, Option<usize>)>,
}

fn blocks() -> Vec<Block> {
    [
        workers::blocks(),
        waves::blocks(),
        suspended::blocks(),
        trees::blocks(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// How many coroutines, each ten times as many as before.
const SIZES: [usize; 3] = [10_000, 100_000, 1_000_000];

/// `full`, or with `BENCH_QUICK` a part of it.
fn size(full: usize, part: usize) -> usize {
    if corox_bench::quick() {
        full / part
    } else {
        full
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["--measure", measurement] = arguments[..] {
        measure(measurement);
        // Without waiting for what is still suspended.
        std::process::exit(0);
    }
    let blocks = blocks();
    for wanted in &arguments {
        if blocks.iter().all(|block| block.case != *wanted) {
            eprintln!("no such case: {wanted}");
            return ExitCode::FAILURE;
        }
    }
    for block in blocks {
        if arguments.is_empty() || arguments.contains(&block.case) {
            println!("{}", block.title);
            let rows = block.rows.iter();
            let rows = rows.flat_map(|(measurement, workers)| in_child(measurement, *workers));
            row::print_all(block.by, rows);
            println!();
        }
    }
    ExitCode::SUCCESS
}

/// Prints the rows of one measurement, for [`in_child`].
fn measure(measurement: &str) {
    let (case, what) = measurement.split_once('/').expect("case/what");
    let rows = match case {
        "workers" => workers::measure(what),
        "waves" => waves::measure(what),
        "suspended" => suspended::measure(what),
        "trees" => trees::measure(what),
        _ => unreachable!("{case}"),
    };
    rows.iter().for_each(Row::send);
}

fn in_child(measurement: &str, workers: Option<usize>) -> Vec<Row> {
    let mut child = Command::new(std::env::current_exe().expect("this program"));
    child.args(["--measure", measurement]);
    if let Some(workers) = workers {
        child.env(WORKERS_VARIABLE, workers.to_string());
    }
    let output = child.output().expect("a process for the measurement");
    assert!(
        output.status.success(),
        "{measurement}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).expect("rows");
    text.lines().map(Row::receive).collect()
}
