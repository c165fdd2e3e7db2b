//! What the tests of the crate share.
#![allow(dead_code, unreachable_pub)]

#[path = "../../../core/tests/support/chance.rs"]
pub mod chance;
pub mod traffic;

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use corox_channels::{BufferOverflow, Capacity, Channel};

/// Every capacity and policy that differ in what they do.
pub const KINDS: [(Capacity, BufferOverflow); 8] = [
    (Capacity::Rendezvous, BufferOverflow::Suspend),
    (Capacity::Exactly(1), BufferOverflow::Suspend),
    (Capacity::Exactly(3), BufferOverflow::Suspend),
    (Capacity::Unlimited, BufferOverflow::Suspend),
    (Capacity::Conflated, BufferOverflow::Suspend),
    (Capacity::Exactly(1), BufferOverflow::DropLatest),
    (Capacity::Exactly(3), BufferOverflow::DropOldest),
    (Capacity::Exactly(3), BufferOverflow::DropLatest),
];

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

pub fn poll_with<F: Future>(future: Pin<&mut F>, wakes: &Arc<Wakes>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(&Waker::from(wakes.clone())))
}

/// A future that is polled by hand.
pub struct Hand<F> {
    future: Pin<Box<F>>,
    pub wakes: Arc<Wakes>,
}

impl<F: Future> Hand<F> {
    pub fn new(future: F) -> Self {
        Hand {
            future: Box::pin(future),
            wakes: Arc::default(),
        }
    }

    pub fn poll(&mut self) -> Poll<F::Output> {
        poll_with(self.future.as_mut(), &self.wakes)
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
}

/// What was put there, in order, from any thread.
#[derive(Debug)]
pub struct Bin<T>(Arc<Mutex<Vec<T>>>);

impl<T> Clone for Bin<T> {
    fn clone(&self) -> Self {
        Bin(self.0.clone())
    }
}

impl<T: Send + 'static> Bin<T> {
    pub fn new() -> Self {
        Bin(Arc::default())
    }

    pub fn put(&self, element: T) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(element);
    }

    pub fn take(&self) -> Vec<T> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A channel of which this is the hook.
    pub fn channel(&self, capacity: impl Into<Capacity>, overflow: BufferOverflow) -> Channel<T> {
        let bin = self.clone();
        Channel::builder(capacity)
            .overflow(overflow)
            .on_undelivered_element(move |element| bin.put(element))
            .build()
    }
}

/// An element that tells where it was dropped.
pub struct Tracked(pub u32, pub Bin<u32>);

impl Tracked {
    /// Its number, without a trace.
    pub fn number(mut self) -> usize {
        self.1 = Bin::new();
        self.0 as usize
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.1.put(self.0);
    }
}

impl Debug for Tracked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tracked({})", self.0)
    }
}

/// Everything that can be received now.
pub fn drain<T>(channel: &Channel<T>) -> Vec<T> {
    std::iter::from_fn(|| channel.try_receive().ok()).collect()
}
