//! Where items come from: F-1 for functions.
#![cfg(not(corox_loom))]

mod support;

use std::cell::Cell;

use corox_core::{Dispatcher, run_blocking, yield_now};
use corox_flow::{empty_flow, flow_from_async_fn, flow_from_fn, prelude::*};
use support::drop_at::{drop_at_each_poll, pause};
use support::now;
use support::pulled::pulled;

#[test]
fn an_empty_flow_needs_nothing_of_its_items() {
    struct NotClone;
    assert_eq!(now(empty_flow::<NotClone>().count()).unwrap(), 0);
    assert_eq!(now(pulled(empty_flow::<NotClone>()).count()).unwrap(), 0);
}

/// F-1: the function is called by each collection, and not before.
#[test]
fn functions_are_called_anew() {
    let calls = Cell::new(0);
    let call = || {
        calls.set(calls.get() + 1);
        calls.get()
    };
    let (at_once, slow) = (flow_from_fn(call), flow_from_async_fn(async || call()));
    assert_eq!(calls.get(), 0);
    assert_eq!(now(at_once.clone().to_vec()).unwrap(), [1]);
    assert_eq!(now(slow.clone().to_vec()).unwrap(), [2]);
    assert_eq!(now(pulled(at_once).to_vec()).unwrap(), [3]);
    assert_eq!(now(pulled(slow.clone()).to_vec()).unwrap(), [4]);
    // It does not begin for one that wants nothing.
    assert_eq!(now(slow.take(0).count()).unwrap(), 0);
    assert_eq!(calls.get(), 4);
}

#[test]
fn an_option_is_a_flow() {
    assert_eq!(now(Some(1).into_flow().to_vec()).unwrap(), [1]);
    assert_eq!(now(None::<i32>.into_flow().count()).unwrap(), 0);
}

/// A function that suspends, with what it borrows, in a coroutine on other threads.
#[test]
fn a_function_that_suspends() {
    let length = run_blocking(async |scope| {
        let coroutine = scope.with(Dispatcher::DEFAULT).spawn(async {
            let name = "name".to_owned();
            let length = flow_from_async_fn(async || {
                yield_now().await;
                name.len()
            });
            length.single().await
        });
        coroutine.await
    });
    assert_eq!(length.unwrap(), 4);
}

#[test]
fn nothing_is_left_behind() {
    drop_at_each_poll(|guards| {
        let guard = guards.guard();
        let call = flow_from_async_fn(async move || {
            let _guard = &guard;
            pause().await;
            guard.clone()
        });
        call.run()
    });
}
