//! Nothing happens without `.await`.
#![deny(unused_must_use)]
use corox_core::{coroutine_scope, delay, run_blocking, yield_now};
use std::time::Duration;

fn main() {
    let _ = run_blocking(async |scope| {
        let job = scope.launch(async {});
        delay(Duration::ZERO);
        yield_now();
        job.join();
        coroutine_scope(async |_| Ok(()));
        scope.lazy();
        Ok(())
    });
}
