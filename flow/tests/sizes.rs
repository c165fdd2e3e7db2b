//! No operator stores what is above it twice: the size of a chain would double with each.
#![cfg(not(corox_loom))]

use std::time::Duration;

use corox_core::CoroutineName;
use corox_flow::{Flow, empty_flow, flow_of, prelude::*};

/// What an operator adds to the size of what is above it.
fn added<S: Flow, T: Flow>(_: &S, _: &T) -> usize {
    size_of::<T>() - size_of::<S>()
}

/// For a source of 4 KB. Those of `retry` alone are two, the recipe and what runs.
#[test]
fn what_is_above_is_stored_once() {
    let second = Duration::from_secs(1);
    let source = flow_of([0u64; 512]);
    let it = || source.clone();
    let name = || CoroutineName::new("n");
    let operators = [
        ("map", added(&source, &it().map(|n| n))),
        ("map_async", added(&source, &it().map_async(async |n| n))),
        ("scan", added(&source, &it().scan(0, |a, b| a + b))),
        ("chunked", added(&source, &it().chunked(2))),
        ("distinct", added(&source, &it().distinct_until_changed())),
        (
            "transform",
            added(&source, &it().transform(async |n, e| e.emit(n).await)),
        ),
        ("take", added(&source, &it().take(1))),
        (
            "take_while_async",
            added(&source, &it().take_while_async(async |_| true)),
        ),
        ("buffer", added(&source, &it().buffer(1))),
        ("conflate", added(&source, &it().conflate())),
        ("flow_on", added(&source, &it().flow_on(name()))),
        (
            "buffer, flow_on",
            added(&source, &it().buffer(1).flow_on(name())),
        ),
        ("cancellable", added(&source, &it().cancellable())),
        (
            "catch",
            added(&source, &it().catch(async |_, e| e.emit(1).await)),
        ),
        (
            "on_start",
            added(&source, &it().on_start(async |e| e.emit(1).await)),
        ),
        (
            "on_empty",
            added(&source, &it().on_empty(async |e| e.emit(1).await)),
        ),
        ("on_completion", added(&source, &it().on_completion(|_| ()))),
        (
            "on_completion_async",
            added(&source, &it().on_completion_async(async |_, _| ())),
        ),
        (
            "zip",
            added(&source, &it().zip(empty_flow::<u64>(), |a, _| a)),
        ),
        (
            "combine",
            added(&source, &it().combine(empty_flow::<u64>(), |a, _| a)),
        ),
        (
            "flat_map_concat",
            added(&source, &it().flat_map_concat(|_| empty_flow::<u64>())),
        ),
        (
            "flat_map_merge",
            added(&source, &it().flat_map_merge(2, |_| empty_flow::<u64>())),
        ),
        (
            "flat_map_latest",
            added(&source, &it().flat_map_latest(|_| empty_flow::<u64>())),
        ),
        ("debounce", added(&source, &it().debounce(second))),
        ("sample", added(&source, &it().sample(second))),
        ("timeout", added(&source, &it().timeout(second))),
        (
            "chunked_within",
            added(&source, &it().chunked_within(2, second)),
        ),
        (
            "throttle_first",
            added(&source, &it().throttle_first(second)),
        ),
    ];
    for (operator, added) in operators {
        assert!(added < 1024, "{operator} adds {added} bytes");
    }
    let retried = added(&source, &it().retry(1, |_| true));
    assert!(
        retried < size_of_val(&source) + 1024,
        "retry adds {retried} bytes"
    );
}

/// The source of a stage is stored once, whatever becomes of it: a chain of stages grows by the same with each of them.
#[test]
fn stages_of_flow_on_do_not_double() {
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
