//! Benches of corox beside tokio.
//!
//! | command (in front of it `cargo`) | what it measures |
//! |---|---|
//! | `bench -p corox-bench` | the time of each of the [`cases`], of corox and of tokio, by criterion; `-- launch_join` only some |
//! | `run --release -p corox-bench -- launch_join_mt` | one of the [`cases`] in a process of its own, memory among them; for [runners in other languages](../corox_bench/index.html) |
//!
//! Each with the feature `mimalloc` in place of the system's allocator, if that is given. Two workers, as many as
//! [`COROX_WORKERS`](corox::WORKERS_VARIABLE) says, or one thread.
#![forbid(unsafe_code)]

pub mod cases;
mod engine;
mod stop_watch;

pub use engine::{Corox, Threads, Tokio, workers};
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
