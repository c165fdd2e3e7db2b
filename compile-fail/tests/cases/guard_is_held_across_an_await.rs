//! While the coroutine waits, whoever wants the lock would block a thread.
// says: is not `Send`
// notes: await occurs here, with `sum` maybe used later
// notes: no guard held across an `.await`
// documented in core/src/scope.rs: a guard in a block of its own, which ends before the `.await`
use corox_core::{run_blocking, yield_now};
use std::sync::{Arc, Mutex};

fn main() {
    let _ = run_blocking(async |scope| {
        let sum = Arc::new(Mutex::new(1));
        scope.launch(async move {
            let sum = sum.lock().unwrap();
            yield_now().await;
            println!("{sum}");
        });
        Ok(())
    });
}
