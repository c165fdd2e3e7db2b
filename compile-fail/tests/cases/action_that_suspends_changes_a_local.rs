//! An action that suspends is cloned for each item.
// says: the trait bound `&mut Vec<i32>: Clone` is not satisfied
// notes: what it captures by `&mut`: a `Mutex`, or `for_each`
use corox_core::{run_blocking, yield_now};
use corox_flow::{flow_of, prelude::*};

fn main() {
    let _ = run_blocking(async |_| {
        let mut seen = Vec::new();
        let collection = flow_of([1, 2]).collect(async |n| {
            yield_now().await;
            seen.push(n);
        });
        collection.await
    });
}
