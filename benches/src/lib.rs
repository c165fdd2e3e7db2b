//! Benches of corox beside tokio, of its channels beside those of async-channel, flume, kanal and crossfire, and of its locks beside
//! those of async-lock and futures.
//!
//! | command (in front of it `cargo`) | what it measures |
//! |---|---|
//! | `bench -p corox-bench` | the time of each of the [`cases`], of corox and of its peers, by criterion, each in a process of its own; `-- launch_join` only some |
//! | `run --release -p corox-bench -- launch_join_mt` | a case in a process of its own, memory included, so that other languages can be put beside it |
//! | `run --release -p corox-bench --bin io` | TCP echo and HTTP: the time of one program on corox as a ratio to that on tokio |
//! | `run --release -p corox-bench --bin latency` | from a cancellation to the last cleanup, from a wake to the poll |
//! | `run --release -p corox-bench --bin scale` | more workers, waves of coroutines, very many, very deep, very wide: as ratios |
//!
//! The feature `mimalloc` replaces the system's allocator. There are two workers, or as many as [`COROX_WORKERS`](corox::WORKERS_VARIABLE)
//! says, of corox and of tokio alike. `BENCH_QUICK=1` runs everything only a few times, to see that it works.
#![forbid(unsafe_code)]

pub mod cases;
mod engine;
mod order;
mod program;
mod resident;
mod statistics;
mod stop_watch;

pub use engine::{Corox, Threads, Tokio, workers};
pub use order::order;
pub use program::{Engine, Program, Tasks};
pub use resident::resident;
pub use statistics::{quantile, sorted};
pub use stop_watch::{StopWatch, Taken};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the benches are built with.
pub const ALLOCATOR_NAME: &str = if cfg!(feature = "mimalloc") {
    "mimalloc"
} else {
    "the system's allocator"
};

/// Whether this run is only to see that everything works: `BENCH_QUICK` is set.
#[must_use]
pub fn quick() -> bool {
    std::env::var_os("BENCH_QUICK").is_some()
}
