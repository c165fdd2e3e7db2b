//! What stages of `flow_on` take up.
#![cfg(not(corox_loom))]

use corox_core::CoroutineName;
use corox_flow::{Flow, empty_flow, flow_of, prelude::*};

/// The source of a stage is stored once, whatever becomes of it: a chain of stages grows by the same with each of them.
#[test]
fn stages_of_flow_on_do_not_double() {
    fn added<S: Flow, T: Flow>(_: &S, _: &T) -> usize {
        size_of::<T>() - size_of::<S>()
    }
    let name = || CoroutineName::new("n");
    let source = flow_of([0u64; 32]);
    let one = source.clone().flow_on(name());
    let two = one.clone().flow_on(name());
    let three = two.clone().flow_on(name());
    let steps = [added(&source, &one), added(&one, &two), added(&two, &three)];
    assert!(steps.iter().all(|it| *it <= 24), "{steps:?}");
    // With a small source it is the end of a running one that counts.
    let small = empty_flow::<u64>().flow_on(name());
    assert!(size_of_val(&small) <= 72, "{}", size_of_val(&small));
}
