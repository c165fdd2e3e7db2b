//! What the debug probes cost: off, on, with the stacks of launches, and while polls are timed.
//!
//! - `launch`: a child that does nothing, of many in one scope.
//! - `poll`: one of two coroutines that yield to each other.
//! - `wait`: a coroutine that waits for another one, by a join.
//! - `work`: a launch of a child that does a microsecond of work, which tells what is left of the cost in a program.
#![allow(missing_docs)]

use std::hint::black_box;
use std::time::Duration;

use corox::debug::{DebugProbes, Watchdog};
use corox::{Result, coroutine_scope, run_blocking, yield_now};
use criterion::{Criterion, Throughput};

const MANY: u64 = 1000;

async fn launch() -> Result<()> {
    coroutine_scope(async |scope| {
        for _ in 0..MANY {
            scope.launch(async {});
        }
        Ok(())
    })
    .await
}

async fn poll() -> Result<()> {
    coroutine_scope(async |scope| {
        for _ in 0..2 {
            scope.launch(async {
                for _ in 0..MANY / 2 {
                    yield_now().await;
                }
            });
        }
        Ok(())
    })
    .await
}

async fn wait() -> Result<()> {
    coroutine_scope(async |scope| {
        for _ in 0..MANY {
            scope.launch(async {}).join().await;
        }
        Ok(())
    })
    .await
}

async fn work() -> Result<()> {
    coroutine_scope(async |scope| {
        for n in 0..MANY {
            scope.launch(async move {
                // About a microsecond, without a look at a clock.
                let mut x = n | 1;
                for _ in 0..1000 {
                    x ^= x << 13;
                    x ^= x >> 7;
                    x = black_box(x);
                }
            });
        }
        Ok(())
    })
    .await
}

/// How the probes are set.
#[derive(Clone, Copy, PartialEq)]
enum Probes {
    Off,
    On,
    Stacks,
    Watched,
}

impl Probes {
    fn name(self) -> &'static str {
        match self {
            Probes::Off => "off",
            Probes::On => "on",
            Probes::Stacks => "creation-stacks",
            Probes::Watched => "watchdog",
        }
    }

    fn within(self, f: impl FnOnce()) {
        match self {
            Probes::Off => f(),
            Probes::On => DebugProbes::with_probes(f),
            Probes::Stacks => {
                DebugProbes::set_creation_stacks(true);
                DebugProbes::with_probes(f);
                DebugProbes::set_creation_stacks(false);
            }
            Probes::Watched => {
                let watchdog = Watchdog::new(Duration::from_secs(60)).start();
                let _watching = watchdog.expect("a thread");
                f();
            }
        }
    }
}

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let measurement = Duration::from_millis(if quick { 30 } else { 3000 });
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(measurement)
        .sample_size(20)
        .configure_from_args();
    let all = [Probes::Off, Probes::On, Probes::Stacks, Probes::Watched];
    for name in ["launch", "poll", "wait", "work"] {
        let mut group = criterion.benchmark_group(format!("probes/{name}"));
        group.throughput(Throughput::Elements(MANY));
        for probes in all {
            probes.within(|| {
                group.bench_function(probes.name(), |bencher| {
                    bencher.iter_custom(|iterations| {
                        run_blocking(async move |_| {
                            let begun = std::time::Instant::now();
                            for _ in 0..iterations {
                                match name {
                                    "launch" => launch().await?,
                                    "poll" => poll().await?,
                                    "wait" => wait().await?,
                                    _ => work().await?,
                                }
                            }
                            Ok(begun.elapsed())
                        })
                        .expect("nothing fails")
                    });
                });
            });
        }
        group.finish();
    }
    criterion.final_summary();
}
