//! Each collection has closures of its own, which are clones.
// says: the trait bound `&mut i32: Clone` is not satisfied
// notes: what it captures by `&mut`: a `Cell`, or a `fold` in its place
// documented in flow/src/transform/mod.rs: One that captures a local by `&mut` is therefore refused
use corox_flow::{flow_of, prelude::*};

fn main() {
    let mut sum = 0;
    let _numbers = flow_of([1, 2]).map(|n| {
        sum += n;
        n
    });
}
