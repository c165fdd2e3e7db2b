//! What the tests of the crate share.
#![allow(dead_code, unreachable_pub)]

pub mod drop_at;
pub mod pulled;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use corox_core::Error;
use corox_flow::{Flow, flow};

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

/// What `f` panics with, and where.
#[track_caller]
pub fn panic_of(f: impl FnOnce()) -> (String, String) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    static SEEN: Mutex<Option<(String, String)>> = Mutex::new(None);
    let _one = ONE_AT_A_TIME.lock();
    let before = std::panic::take_hook();
    let thread = std::thread::current().id();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().id() == thread {
            let at = info.location().expect("a panic has a location");
            let at = format!("{}:{}", at.file(), at.line());
            let payload = info.payload();
            let message = match payload.downcast_ref::<&str>() {
                Some(text) => (*text).to_owned(),
                None => payload
                    .downcast_ref::<String>()
                    .cloned()
                    .unwrap_or_default(),
            };
            *SEEN.lock().unwrap() = Some((message, at));
        }
    }));
    let panicked = catch_unwind(AssertUnwindSafe(f)).is_err();
    std::panic::set_hook(before);
    assert!(panicked, "it did not panic");
    SEEN.lock().unwrap().take().expect("the hook has run")
}
