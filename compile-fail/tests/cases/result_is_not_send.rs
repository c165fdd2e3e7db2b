//! What a deferred gives may be awaited on another thread, also if it was made on this one.
// says: `Rc<{integer}>` cannot be sent between threads safely
// documented in core/src/scope.rs: The result must be `Send`.
use corox_core::run_blocking;
use std::rc::Rc;

fn main() {
    let _ = run_blocking(async |scope| {
        let one = scope.spawn_local(async { Ok(Rc::new(1)) });
        one.await
    });
}
