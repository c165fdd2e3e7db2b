//! What the benches of corox have in common: runtimes of a known size, and roots that run on a worker.

use std::future::Future;

use tokio::runtime::{Builder, Runtime};

/// A tokio runtime with two workers, or a current-thread one.
///
/// # Panics
///
/// If the operating system refuses the threads.
#[must_use]
pub fn runtime(workers: bool) -> Runtime {
    let mut builder = if workers {
        Builder::new_multi_thread()
    } else {
        Builder::new_current_thread()
    };
    builder
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime for the benches")
}

/// Runs `root` as a task of `runtime`: on a worker, not on the thread that waits.
///
/// # Panics
///
/// With the panic of `root`.
pub fn on_worker<T: Send + 'static>(
    runtime: &Runtime,
    root: impl Future<Output = T> + Send + 'static,
) -> T {
    runtime
        .block_on(runtime.spawn(root))
        .expect("the root does not panic")
}
