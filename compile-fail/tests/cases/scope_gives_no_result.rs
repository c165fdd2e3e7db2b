//! `Ok(())`, or `Ok(value)`, is the last line of a scope's body.
// says: expected `Result<_, corox_core::Error>`, found `()`
// says: expected `Result<_, corox_core::Error>`, found integer
// says: expected `corox_core::Error`, found `std::io::Error`
// documented in docs/first-steps.md: found `()`
use corox_core::{coroutine_scope, run_blocking};

fn main() {
    let _ = run_blocking(async |scope| {
        scope.launch(async {});
    });
    let _ = run_blocking(async |_| coroutine_scope(async |_| 42).await);
    let _ = run_blocking(async |_| std::fs::read_to_string("a"));
}
