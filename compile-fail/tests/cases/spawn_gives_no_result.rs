//! A body of `spawn` gives a `Result`.
use corox_core::run_blocking;

fn main() {
    let _ = run_blocking(async |scope| {
        let answer = scope.spawn(async { 42 });
        answer.await
    });
}
