//! What the tests of the crate share.
#![allow(dead_code, unreachable_pub)]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

#[path = "../../../core/tests/support/chance.rs"]
mod chance;

#[allow(unused_imports)] // Not by each of the binaries.
pub use chance::{Dice, given_up};

/// Counts its wakes.
#[derive(Default)]
pub struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A future that is polled by hand.
pub struct Hand<F> {
    future: Pin<Box<F>>,
    wakes: Arc<Wakes>,
}

impl<F: Future> Hand<F> {
    pub fn new(future: F) -> Self {
        Hand {
            future: Box::pin(future),
            wakes: Arc::default(),
        }
    }

    pub fn poll(&mut self) -> Poll<F::Output> {
        let waker = Waker::from(self.wakes.clone());
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    /// One that waits after its first poll.
    #[track_caller]
    pub fn waiting(future: F) -> Self {
        let mut hand = Hand::new(future);
        assert!(hand.poll().is_pending(), "it does not wait");
        hand
    }

    #[track_caller]
    pub fn ready(mut self) -> F::Output {
        match self.poll() {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("it still waits"),
        }
    }

    /// How often it was woken.
    pub fn wakes(&self) -> usize {
        self.wakes.0.load(Ordering::SeqCst)
    }

    /// As another task: with a waker of its own, whose wakes count from now on.
    pub fn moved(mut self) -> Self {
        self.wakes = Arc::default();
        self
    }
}
