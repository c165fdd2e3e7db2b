//! The body of `with_context` is one of `spawn`. The call, and the `.await`, are blamed, too.
// says: this body must be a future of `corox::Result`: `async { .. Ok(value) }`
use corox_core::{Dispatcher, run_blocking, with_context};

fn main() {
    let _ = run_blocking(async |_| {
        let sum = with_context(Dispatcher::DEFAULT, async { (1..10).sum::<i32>() }).await?;
        Ok(sum)
    });
}
