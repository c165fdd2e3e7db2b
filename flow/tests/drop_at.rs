//! The harness that drops collections: it finds what it is to find.
#![cfg(not(corox_loom))]

mod support;

use corox_flow::prelude::*;
use support::drop_at::{drop_at_each_poll, drop_at_each_poll_in_a_test, pause};
use support::pulled::pulled;

/// Two polls an item, one for the end, and one that asks for it: each of them has been the last.
#[test]
fn each_suspension_point_is_a_last_one() {
    let polls = drop_at_each_poll(|guards| guards.source(3).to_vec());
    assert_eq!(polls, 5);
    let polls = drop_at_each_poll(|guards| pulled(guards.source(3)).to_vec());
    assert_eq!(polls, 5);
}

#[test]
fn each_operator_so_far() {
    drop_at_each_poll(|guards| {
        let closure = guards.guard();
        let source = guards.source(4).map(move |item| {
            let _ = &closure;
            item
        });
        let closure = guards.guard();
        let source = source.map_async(async move |item| {
            let _guard = closure;
            pause().await;
            item
        });
        let closure = guards.guard();
        let source = source.transform(async move |item, emitter| {
            let _guard = closure;
            emitter.emit(item.clone()).await;
            pause().await;
            emitter.emit(item).await;
        });
        let closure = guards.guard();
        source.take(3).collect(async move |item| {
            let _guard = closure;
            pause().await;
            drop(item);
        })
    });
}

#[test]
fn in_a_test_with_virtual_time() {
    let polls = drop_at_each_poll_in_a_test(|guards| {
        guards
            .source(2)
            .map_async(async |item| {
                corox_core::delay(std::time::Duration::from_secs(1)).await;
                item
            })
            .to_vec()
    });
    assert!(polls >= 6, "{polls}");
}

#[test]
#[should_panic(expected = "of 3 guards {2} had not run")]
fn a_leaked_value_is_found() {
    drop_at_each_poll(|guards| guards.source(1).for_each(std::mem::forget));
}

#[test]
#[should_panic(expected = "something held the guards that is leaked")]
fn a_leaked_closure_is_found() {
    drop_at_each_poll(|guards| {
        std::mem::forget(guards.clone());
        guards.source(1).count()
    });
}

#[test]
#[should_panic(expected = "poll 0 has left it waiting for nothing")]
fn who_waits_for_nothing_is_found() {
    drop_at_each_poll(|_| std::future::pending::<()>());
}
