//! A body of `spawn` gives a `Result`.
// says: this body must be a future of `corox::Result`: `async { .. Ok(value) }`
use corox_core::run_blocking;

fn main() {
    let _ = run_blocking(async |scope| {
        let answer = scope.spawn(async { 42 });
        answer.await
    });
}
