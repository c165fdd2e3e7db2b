//! With a `?` in it a body ends with `Ok(())`.
// says: cannot use the `?` operator in an async block that returns `()`
// says: this body must be a future of `corox::Result`: `async { .. Ok(value) }`
// documented in docs/first-steps.md: cannot use the `?` operator in an async block that returns `()`
use corox_core::run_blocking;

fn main() {
    let _ = run_blocking(async |scope| {
        scope.launch(async {
            std::fs::write("a", "b")?;
        });
        let written = scope.spawn(async {
            std::fs::write("a", "b")?;
        });
        written.await
    });
}
