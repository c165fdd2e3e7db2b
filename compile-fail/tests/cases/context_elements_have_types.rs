//! A text is no name by itself, and a dispatcher with threads of its own is lent.
// says: a name is `CoroutineName::new(..)`, an owned dispatcher is lent: `&dispatcher`
// says: cannot add `&str` to `Dispatcher`
// notes: `Dispatcher` implements `Add<CoroutineName>`
use corox_core::{Dispatcher, new_single_thread_context, run_blocking, with_context};

fn main() {
    let _ = run_blocking(async |scope| {
        scope.with("loader").launch(async {});
        scope.with(Dispatcher::IO + "loader").launch(async {});
        let owned = new_single_thread_context("own");
        with_context(owned, async { Ok(()) }).await
    });
}
