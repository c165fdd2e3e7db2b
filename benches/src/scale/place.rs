//! Where a measurement runs.

use std::future::Future;

use corox::{GlobalScope, Result, run_blocking};

pub(crate) const ALL: [&str; 2] = ["pool", "loop"];

/// Runs `root` on the own pool, or on the event loop of this thread.
pub(crate) fn run<T, F>(place: &str, root: F) -> T
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let result = match place {
        "pool" => {
            let root = GlobalScope.spawn(root);
            run_blocking(async |_| root.await)
        }
        "loop" => run_blocking(async |_| root.await),
        _ => unreachable!("{place}"),
    };
    result.expect("no failure")
}

/// For a title.
pub(crate) fn name(place: &str) -> &'static str {
    match place {
        "pool" => "on the pool",
        _ => "on an event loop",
    }
}
