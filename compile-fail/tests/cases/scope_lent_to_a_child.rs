//! A function that gets the scope by reference is called by the body, not by a child of it.
// says: does not live long enough
// documented in core/src/scope.rs: let inner = scope.clone();
use corox_core::{CoroutineScope, run_blocking};

async fn load(scope: &CoroutineScope) {
    scope.launch(async {});
}

fn main() {
    let _ = run_blocking(async |scope| {
        scope.launch(load(&scope));
        Ok(())
    });
}
