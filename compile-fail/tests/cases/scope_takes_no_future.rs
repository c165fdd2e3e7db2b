//! Nor is it a future: where would the scope come from?
use corox_core::{Result, coroutine_scope};

async fn work() -> Result<()> {
    coroutine_scope(async { Ok(()) }).await
}

fn main() {
    drop(work());
}
