//! Where closures were not async yet, one wrote a block inside of it.
// says: expected `Result<_, corox_core::Error>`, found `async` block
// says: expected `Result<_, corox_core::Error>`, found `Deferred<{integer}>`
// documented in docs/first-steps.md: found `async` block
use corox_core::run_blocking;

fn main() {
    let _ = run_blocking(async |_| async move { Ok(()) });
    let _ = run_blocking(async |scope| scope.spawn(async { Ok(1) }));
}
