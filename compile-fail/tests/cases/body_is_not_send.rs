//! A launched coroutine may move to another thread at each suspension.
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
