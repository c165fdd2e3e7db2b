//! Nor is it a future: where would the scope come from?
// says: the body of a scope is an async closure that gives `corox::Result`: `async |scope| { .. Ok(value) }`
// notes: in place of a future: `async |_| work().await`
use corox_core::{Result, coroutine_scope, run_blocking};

async fn work() -> Result<()> {
    coroutine_scope(async { Ok(()) }).await
}

fn main() {
    let _ = run_blocking(work());
    let _ = run_blocking(|_| Ok(()));
    let _ = run_blocking(async |_| -> std::io::Result<()> { std::fs::write("a", "b") });
}
