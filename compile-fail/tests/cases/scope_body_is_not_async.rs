//! The body of a scope is an async closure.
use corox_core::run_blocking;

fn main() {
    let _ = run_blocking(|scope| {
        scope.launch(async {});
        Ok(())
    });
}
