//! The body of a scope is an async closure. The type of the argument is not known otherwise.
// says: type must be known at this point
// documented in docs/first-steps.md: type annotations needed
use corox_core::run_blocking;

fn main() {
    let _ = run_blocking(|scope| {
        scope.launch(async {});
        Ok(())
    });
}
