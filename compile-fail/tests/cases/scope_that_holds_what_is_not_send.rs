//! A scope's future is `Send` exactly if its body is.
// says: is not `Send`
// notes: await occurs here, with `local` maybe used later
use corox_core::{coroutine_scope, yield_now};
use std::rc::Rc;

fn send(_: impl Send) {}

fn main() {
    send(coroutine_scope(async |_| {
        let local = Rc::new(1);
        yield_now().await;
        drop(local);
        Ok(())
    }));
}
