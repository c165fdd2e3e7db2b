//! A child does not launch its siblings by borrowing the scope: it opens a scope of its own, or takes a clone.
// says: may outlive borrowed value `scope`
// documented in core/src/scope.rs: [`coroutine_scope`](crate::coroutine_scope) in the body
use corox_core::run_blocking;

fn main() {
    let _ = run_blocking(async |scope| {
        scope.launch(async {
            scope.launch(async {});
        });
        Ok(())
    });
}
