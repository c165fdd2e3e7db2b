//! Nothing happens without `.await`.
// notes: `delay(..).await`
// notes: `.join().await`, `.cancel_and_join().await`
// notes: `yield_now().await`
// notes: `select(..).await`
// notes: you `.await` or poll them
// notes: before `launch` or `spawn`
#![deny(unused_must_use)]
use corox_core::{
    Dispatcher, Retry, blocking, coroutine_scope, delay, on_timeout, run_blocking, select,
    with_context, with_timeout, yield_now,
};
use std::time::Duration;

fn main() {
    let _ = run_blocking(async |scope| {
        let job = scope.launch(async {});
        delay(Duration::ZERO);
        yield_now();
        job.join();
        job.cancel_and_join();
        select((on_timeout(Duration::ZERO),));
        coroutine_scope(async |_| Ok(()));
        with_timeout(Duration::ZERO, async |_| Ok(()));
        with_context(Dispatcher::IO, async { Ok(()) });
        blocking(|_| Ok(()));
        Retry::new(3).run(|| async { Ok(()) });
        scope.lazy();
        Ok(())
    });
}
