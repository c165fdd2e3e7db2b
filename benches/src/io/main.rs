//! The time of programs with much I/O on corox, beside the same programs on tokio.
//!
//! ```text
//! io                       all cases, in two minutes
//! io CASE..                some: echo_64 or echo_64_mt
//! io CASE/CONTESTANT..     for strace or a profiler, one contestant alone: echo_64_mt/corox; --list has them all
//! ```
//!
//! A round runs the program once on each contestant, all in this process, the order changing from round to round; so a disturbance
//! that lasts hits all alike. Of each round it takes the ratio of a contestant's time to that of tokio, and prints the median of these
//! ratios, their quartiles, and the median ratio of the processor time of the process. `tokio-again` is another runtime of the
//! same kind as `tokio`: how far its ratio is from 1 tells what the others' are worth.
//!
//! `BENCH_PROBES=on` compares corox with itself: `corox-probed` has the debug probes installed while it runs, and the ratios are to `corox`.
//!
//! Everything goes over loopback. `_mt` has two workers, `_st` one thread.

mod echo;
mod http;
mod open_files;

use std::process::ExitCode;

use corox::probe;
use corox_bench::{ALLOCATOR_NAME, Engine, StopWatch, Taken, Threads, order, quantile, sorted};
use corox_bench::{quick, workers};

use echo::Echo;
use http::Http;

#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    kind: Kind,
    /// Round trips or requests of a run, all connections together.
    operations: usize,
}

#[derive(Clone, Copy)]
enum Kind {
    Echo { connections: usize },
    Http { in_flight: u32 },
}

const CASES: [Case; 5] = [
    echo("echo_1", 1, 5_000),
    echo("echo_16", 16, 16_000),
    echo("echo_64", 64, 19_200),
    echo("echo_1000", 1000, 20_000),
    Case {
        name: "http",
        kind: Kind::Http { in_flight: 100 },
        operations: 10_000,
    },
];

const fn echo(name: &'static str, connections: usize, operations: usize) -> Case {
    Case {
        name,
        kind: Kind::Echo { connections },
        operations,
    }
}

impl Case {
    fn key(self, threads: Threads) -> String {
        format!("{}{}", self.name, threads.suffix())
    }

    fn run(self, engine: &Engine) -> Taken {
        let operations = self.operations / if quick() { 10 } else { 1 };
        let watch = StopWatch::default();
        match self.kind {
            Kind::Echo { connections } => {
                let program = Echo {
                    connections,
                    trips: operations.div_ceil(connections),
                    watch: watch.clone(),
                };
                engine.run(&watch, program);
            }
            Kind::Http { in_flight } => {
                let program = Http {
                    requests: operations,
                    in_flight,
                    watch: watch.clone(),
                };
                engine.run(&watch, program);
            }
        }
        watch.take()
    }

    /// Both ends of each connection, and what a process has open anyway.
    fn open_files(self) -> u64 {
        let connections = match self.kind {
            Kind::Echo { connections } => connections as u64,
            Kind::Http { in_flight } => in_flight.into(),
        };
        2 * connections + 100
    }
}

struct Contestant {
    name: &'static str,
    engine: Engine,
    /// Whether the debug probes are installed while it runs.
    is_probed: bool,
}

impl Contestant {
    fn run(&self, case: Case) -> Taken {
        let _probes = self.is_probed.then(probe::install);
        case.run(&self.engine)
    }
}

/// The others are compared with the first.
fn contestants(threads: Threads, probes: bool) -> Vec<Contestant> {
    let corox = Engine::corox(threads);
    let all = if probes {
        vec![
            ("corox", corox, false),
            ("corox-again", Engine::corox(threads), false),
            ("corox-probed", Engine::corox(threads), true),
        ]
    } else {
        vec![
            ("tokio", Engine::tokio(threads), false),
            ("tokio-again", Engine::tokio(threads), false),
            ("corox", corox, false),
            ("corox-on-tokio", Engine::corox_on_tokio(threads), false),
        ]
    };
    let contestant = |(name, engine, is_probed)| Contestant {
        name,
        engine,
        is_probed,
    };
    all.into_iter().map(contestant).collect()
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let probes = match std::env::var("BENCH_PROBES").as_deref() {
        Ok("on") => true,
        Ok(other) => {
            eprintln!("BENCH_PROBES is on, not {other}");
            return ExitCode::from(2);
        }
        Err(_) => false,
    };
    let list = arguments.iter().any(|argument| argument == "--list");
    let rounds = if quick() { 2 } else { 24 };
    let mut known = vec![list; arguments.len()];
    if !list {
        println!(
            "{} workers, {ALLOCATOR_NAME}, {rounds} rounds\n{:14} {:15} {:>9} {:>7} {:>7} .. {:<7} {:>7}",
            workers(),
            "case",
            "contestant",
            "ms",
            "ratio",
            "25 %",
            "75 %",
            "cpu"
        );
    }
    for threads in Threads::BOTH {
        let contestants = contestants(threads, probes);
        for case in CASES {
            let key = case.key(threads);
            let mut all = arguments.is_empty();
            for (argument, known) in arguments.iter().zip(&mut known) {
                all |= *argument == case.name || *argument == key;
                *known |= all;
            }
            let alone: Vec<_> = contestants
                .iter()
                .filter(|contestant| {
                    let key = format!("{key}/{}", contestant.name);
                    let at = arguments.iter().position(|argument| *argument == key);
                    at.inspect(|&at| known[at] = true).is_some()
                })
                .collect();
            if list {
                for contestant in &contestants {
                    println!("{key}/{}", contestant.name);
                }
                continue;
            }
            if !all && alone.is_empty() {
                continue;
            }
            if let Err(limit) = open_files::allow(case.open_files()) {
                println!(
                    "{key:14} left out: it has {} files open, and the limit is {limit} (ulimit -n)",
                    case.open_files()
                );
                continue;
            }
            if all {
                compare(case, &key, &contestants, rounds);
            }
            for contestant in alone {
                let times = (0..rounds).map(|_| milliseconds(contestant.run(case)));
                print(&key, contestant.name, &sorted(times), "");
            }
        }
    }
    for (argument, known) in arguments.iter().zip(known) {
        if !known {
            eprintln!("no such case: {argument}; --list has them");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn compare(case: Case, key: &str, contestants: &[Contestant], rounds: usize) {
    for contestant in contestants {
        contestant.run(case);
    }
    let mut taken: Vec<Vec<Taken>> = vec![Vec::new(); contestants.len()];
    for round in 0..rounds {
        for i in order(round, contestants.len()) {
            taken[i].push(contestants[i].run(case));
        }
    }
    let first = &taken[0];
    for (contestant, taken) in contestants.iter().zip(&taken) {
        let pairs = || taken.iter().zip(first);
        let ratios = sorted(pairs().map(|(one, first)| one.wall.div_duration_f64(first.wall)));
        let processor =
            sorted(pairs().map(|(one, first)| one.processor.div_duration_f64(first.processor)));
        let ratios = format!(
            "{:7.3} {:7.3} .. {:<7.3} {:7.3}",
            quantile(&ratios, 0.5),
            quantile(&ratios, 0.25),
            quantile(&ratios, 0.75),
            quantile(&processor, 0.5)
        );
        let times = sorted(taken.iter().copied().map(milliseconds));
        print(key, contestant.name, &times, &ratios);
    }
}

fn milliseconds(taken: Taken) -> f64 {
    taken.wall.as_secs_f64() * 1e3
}

fn print(key: &str, contestant: &str, times: &[f64], ratios: &str) {
    let median = quantile(times, 0.5);
    println!("{key:14} {contestant:15} {median:9.2} {ratios}");
}
