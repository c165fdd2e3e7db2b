//! Wakers, and flows that are polled with them by hand.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use corox_flow::Flow;

/// Counts its wakes.
#[derive(Default)]
pub struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Wakes {
    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

struct Panicking;

impl Wake for Panicking {
    fn wake(self: Arc<Self>) {
        panic!("woken");
    }
}

/// The next value of a hot flow, by `poll_next`.
#[track_caller]
pub fn next<S: Flow + Unpin>(flow: &mut S) -> Poll<S::Item> {
    let polled = Pin::new(flow).poll_next(&mut Context::from_waker(Waker::noop()));
    polled.map(|item| item.unwrap().expect("a hot flow does not end"))
}

/// Has all wait: the second with a waker that panics, the others with the one that is given back.
#[track_caller]
pub fn wait_beside_a_panic<S: Flow + Unpin>(flows: &mut [S; 3]) -> Arc<Wakes> {
    let wakes = Arc::new(Wakes::default());
    for (at, flow) in flows.iter_mut().enumerate() {
        let waker = match at {
            1 => Waker::from(Arc::new(Panicking)),
            _ => Waker::from(wakes.clone()),
        };
        let polled = Pin::new(flow).poll_next(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
    }
    wakes
}
