//! What an item allocates on its way through operators; hot flows are in `share_memory.rs`.
#![cfg(not(corox_loom))]

#[path = "../../core/tests/support/counting.rs"]
mod counting;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use corox_flow::{Emitter, Flow, combine, flow, prelude::*};
use counting::Count;

fn emitted(count: usize) -> impl Flow<Item = usize> {
    flow(async move |emitter: &Emitter<usize>| {
        for n in 0..count {
            emitter.emit(n).await;
        }
    })
}

/// What a collection of `count` items allocates.
fn collected<S: Flow>(flow: impl Fn(usize) -> S, count: usize) -> usize {
    let before = Count::of_this_thread();
    let mut collection = pin!(flow(count).for_each(|_| ()));
    let mut cx = Context::from_waker(Waker::noop());
    // Nothing waits: it gives others a turn now and then.
    while collection.as_mut().poll(&mut cx).is_pending() {}
    (Count::of_this_thread() - before).allocations
}

/// The same for many items as for few.
fn assert_none_an_item<S: Flow>(name: &str, flow: impl Fn(usize) -> S) {
    let (few, many) = (collected(&flow, 300), collected(&flow, 3000));
    assert_eq!(many, few, "{name}: of 3000 items, and of 300");
}

#[test]
fn an_item_allocates_nothing() {
    assert_none_an_item("operators", |count| {
        emitted(count)
            .map(|n| n + 1)
            .filter(|n| n % 3 > 0)
            .map_async(async |n| n)
            .transform(async |n, emitter| {
                emitter.emit(n).await;
                emitter.emit(n).await;
            })
            .distinct_until_changed()
            .scan(0, |_, n| n)
            .take(10_000)
    });
    assert_none_an_item("buffer", |count| emitted(count).buffer(64));
    assert_none_an_item("conflate", |count| emitted(count).conflate());
    assert_none_an_item("zip", |count| emitted(count).zip(emitted(count), |a, _| a));
    assert_none_an_item("combine", |count| {
        combine((emitted(count), emitted(count)), |(a, _)| a)
    });
    assert_none_an_item("flat_map_concat", |count| {
        emitted(count).flat_map_concat(|_| emitted(2))
    });
}
