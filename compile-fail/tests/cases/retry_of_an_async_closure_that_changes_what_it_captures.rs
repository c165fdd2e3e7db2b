//! Attempts borrow what they share.
// says: captures state from its environment
// notes: F: FnMut() -> Fut, // `|| async { .. }`; what attempts change is a `Cell` or an atomic
// documented in core/src/retry.rs: captures state
use corox_core::{Error, Retry, run_blocking};

fn main() {
    let _ = run_blocking(async |_| {
        let mut attempts = 0;
        let operation = Retry::new(3).run(async || {
            attempts += 1;
            Err::<(), _>(Error::msg("busy"))
        });
        operation.await
    });
}
