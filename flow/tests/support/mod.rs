//! What the tests of the crate share.
#![allow(dead_code, unreachable_pub)]

pub mod cleaning;
pub mod drop_at;
pub mod log;
#[path = "../../../core/tests/support/panics.rs"]
pub mod panics;
pub mod pulled;
pub mod wakes;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use corox_core::{Error, delay};
use corox_flow::{Flow, flow};

pub fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// What a future gives that does not wait.
#[track_caller]
pub fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

/// The items, and then the failure "failed".
pub fn failing<T: Clone, const N: usize>(items: [T; N]) -> impl Flow<Item = T> {
    flow(async move |emitter| {
        for item in items {
            emitter.emit(item).await;
        }
        Err(Error::msg("failed"))
    })
}

/// Items, each after so many milliseconds, and the end after so many.
pub fn timed<T: Clone>(items: &[(u64, T)], end: u64) -> impl Flow<Item = T> + use<T> {
    let items = items.to_vec();
    flow(async move |emitter| {
        for (after, item) in items {
            delay(ms(after)).await;
            emitter.emit(item).await;
        }
        delay(ms(end)).await;
    })
}
