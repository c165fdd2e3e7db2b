//! As `launch`.
// says: this body must be a future of `corox::Result`
// notes: in place of a closure: `async { .. }` without `||`; in place of a function's name: a call of it, `work()`
use corox_core::{Result, run_blocking};

async fn work() -> Result<i32> {
    Ok(1)
}

fn main() {
    let _ = run_blocking(async |scope| {
        let a = scope.spawn(async || Ok(1));
        let b = scope.spawn(work);
        Ok(a.await? + b.await?)
    });
}
