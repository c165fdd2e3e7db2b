//! A body is a future: a block without `||`, a function that was called. What changes the context comes before.
// says: the body of a coroutine is a future: `async { .. }` without `||`, or a call of an `async fn`
// notes: a call of it, `work()`
// notes: a dispatcher or a name goes before: `scope.with(IO).launch(async { .. })`
use corox_core::{Dispatcher, run_blocking};

async fn work() {}

fn main() {
    let _ = run_blocking(async |scope| {
        scope.launch(|| println!("a closure"));
        scope.launch(async || println!("an async closure"));
        scope.launch(work);
        scope.launch(Dispatcher::IO, work());
        Ok(())
    });
}
