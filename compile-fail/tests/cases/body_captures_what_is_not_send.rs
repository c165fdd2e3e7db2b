//! It goes to another thread with what it captures.
// says: is not `Send`
// notes: F: Send, // else `spawn_local`; an `Arc` in place of an `Rc`; no guard held across an `.await`
use corox_core::{Dispatcher, run_blocking};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

fn main() {
    let _ = run_blocking(async |scope| {
        let shared = Rc::new(1);
        let sum = scope.spawn(async move { Ok(*shared + 1) });
        let cell = Arc::new(RefCell::new(1));
        scope.with(Dispatcher::DEFAULT).launch(async move {
            cell.replace(2);
        });
        sum.await
    });
}
