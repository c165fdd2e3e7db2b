//! A flow that is returned owns what its block uses.
// says: `from` does not live long enough
// documented in flow/src/block/mod.rs: In a function that returns the flow, write `async move |emitter| ..`
use corox_flow::{Flow, flow};

fn countdown(from: u32) -> impl Flow<Item = u32> {
    flow(async |emitter| {
        for n in (0..from).rev() {
            emitter.emit(n).await;
        }
    })
}

fn main() {
    drop(countdown(3));
}
