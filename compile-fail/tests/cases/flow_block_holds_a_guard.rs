//! A flow that is collected elsewhere holds nothing across an emission that has to stay on its thread.
// says: future cannot be sent between threads safely
// notes: await occurs here, with `counter` maybe used later
use corox_core::run_blocking;
use corox_flow::{flow, prelude::*};
use std::rc::Rc;

fn main() {
    let _ = run_blocking(async |scope| {
        let numbers = flow(async |emitter| {
            let counter = Rc::new(1);
            emitter.emit(*counter).await;
            drop(counter);
        });
        numbers.launch_in(&scope);
        Ok(())
    });
}
