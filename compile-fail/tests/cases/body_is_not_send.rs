//! A launched coroutine may move to another thread at each suspension.
// says: is not `Send`
// notes: F: Send, // else `launch_local`; an `Arc` in place of an `Rc`; no guard held across an `.await`
// documented in core/src/scope.rs: `cannot be sent between threads safely` | `Arc` in place of `Rc`
use corox_core::{run_blocking, yield_now};
use std::rc::Rc;

fn main() {
    let _ = run_blocking(async |scope| {
        scope.launch(async {
            let shared = Rc::new(1);
            yield_now().await;
            println!("{shared}");
        });
        Ok(())
    });
}
