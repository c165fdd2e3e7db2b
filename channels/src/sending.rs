//! The future of `send`.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use corox_core::probe::{Reason, WaitReason};
use corox_core::waiters_protocol::{Key, State as Entry, Waiter, cancelled_here};

use crate::error::SendError;
use crate::shared::Shared;
use crate::shim::MutexGuard;
use crate::state::{Offered, Slot, State};

/// An element that is to be sent, and its place in its channel's queue, which may be in none.
pub(crate) struct Offer<T> {
    /// Until it was offered; while it waits the element is with the entry.
    element: Option<T>,
    key: Option<Key>,
    location: &'static Location<'static>,
    note: Option<Box<WaitReason>>,
}

impl<T> Offer<T> {
    #[inline]
    pub(crate) fn new(element: Option<T>, location: &'static Location<'static>) -> Self {
        Offer {
            element,
            key: None,
            location,
            note: None,
        }
    }

    /// For the next one.
    pub(crate) fn set(&mut self, element: T) {
        self.element = Some(element);
    }

    /// Whether there is an element that the channel has not got yet.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.key.is_some() || self.element.is_some()
    }

    /// Where it ends because the channel is closed.
    #[cold]
    fn closed(&mut self, shared: &Shared<T>, element: Option<T>) -> Poll<Result<(), SendError<T>>> {
        let cause = shared.state.lock().cause();
        let element = if shared.has_hook() {
            // A panic of the hook is that of the send.
            if let Some(element) = element {
                shared.dispose(element);
            }
            None
        } else {
            element
        };
        Poll::Ready(Err(SendError::new(element, cause)))
    }

    #[inline]
    pub(crate) fn poll(
        &mut self,
        shared: &Shared<T>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError<T>>> {
        match self.key {
            None => self.poll_first(shared, cx),
            Some(key) => self.poll_again(key, shared, cx),
        }
    }

    #[inline]
    fn poll_first(
        &mut self,
        shared: &Shared<T>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError<T>>> {
        // If it is likely to be needed, before the lock: a waker is foreign code, which is not called under it.
        let waker = shared.send_will_wait().then(|| cx.waker().clone());
        let mut state = shared.state.lock();
        if state.push_at_once(&mut self.element) {
            shared.note_arrival();
            return Poll::Ready(Ok(()));
        }
        self.poll_slowly(shared, state, waker, cx)
    }

    #[inline(never)]
    fn poll_slowly<'a>(
        &mut self,
        shared: &'a Shared<T>,
        mut state: MutexGuard<'a, State<T>>,
        mut waker: Option<Waker>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError<T>>> {
        if self.element.is_none() {
            drop(state);
            panic!("a `send` was polled after it had ended");
        }
        loop {
            match state.offer_here(&mut self.element, None) {
                Offered::Taken(receiver) => {
                    shared.note_arrival();
                    if receiver.is_some() {
                        shared.note_waiters(&state);
                    }
                    drop(state);
                    if let Some(receiver) = receiver {
                        receiver.wake();
                    }
                    return Poll::Ready(Ok(()));
                }
                Offered::Full => {
                    let Some(waker) = waker.take() else {
                        drop(state);
                        waker = Some(cx.waker().clone());
                        state = shared.state.lock();
                        continue;
                    };
                    let state = &mut *state;
                    let slot = Slot::of(self.element.take());
                    let waiter = Waiter::Task(waker);
                    self.key = Some(state.waiters.push(&mut state.senders, waiter, slot));
                    shared.note_arrival();
                    shared.note_waiters(state);
                    break;
                }
                Offered::Displaced => {
                    drop(state);
                    if let Some(displaced) = self.element.take() {
                        shared.dispose(displaced);
                    }
                    return Poll::Ready(Ok(()));
                }
                Offered::Unstarted => {
                    drop(state);
                    shared.start();
                    state = shared.state.lock();
                }
                Offered::Closed | Offered::Lost => {
                    drop(state);
                    let element = self.element.take();
                    return self.closed(shared, element);
                }
            }
        }
        shared.note_wait(&mut self.note, &Reason("send"), self.location);
        Poll::Pending
    }

    #[inline(never)]
    fn poll_again(
        &mut self,
        key: Key,
        shared: &Shared<T>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError<T>>> {
        // C-12: what was received is not sent for a coroutine that is cancelled.
        if cancelled_here() {
            return Poll::Pending;
        }
        let Some(mut guard) = shared.lock_if_served(key, cx) else {
            shared.note_wait(&mut self.note, &Reason("send"), self.location);
            return Poll::Pending;
        };
        let state = &mut *guard;
        let released = state.waiters.release(&mut state.senders, key);
        drop(guard);
        self.key = None;
        self.note = None;
        match released.state {
            Entry::Done => Poll::Ready(Ok(())),
            _ => self.closed(shared, released.value.element),
        }
    }

    /// The send is over, whatever it has come to: an element that was not taken is disposed of.
    #[inline]
    pub(crate) fn leave(&mut self, shared: &Shared<T>) {
        if self.is_open() {
            self.leave_slowly(shared);
        }
    }

    #[cold]
    fn leave_slowly(&mut self, shared: &Shared<T>) {
        self.note = None;
        let element = match self.key.take() {
            None => self.element.take(),
            Some(key) => {
                let mut guard = shared.state.lock();
                let state = &mut *guard;
                let mut released = state.waiters.release(&mut state.senders, key);
                shared.note_waiters(state);
                drop(guard);
                released.value.element.take()
            }
        };
        if let Some(element) = element {
            shared.dispose_quietly(element);
        }
    }
}

/// The future of [`send`](crate::Channel::send).
#[must_use = "nothing is sent until it is awaited: `.send(element).await`"]
pub struct Sending<'a, T> {
    shared: &'a Shared<T>,
    offer: Offer<T>,
}

// It has no pointer into itself, and gives none to others.
impl<T> Unpin for Sending<'_, T> {}

impl<'a, T> Sending<'a, T> {
    #[inline]
    pub(crate) fn new(
        shared: &'a Shared<T>,
        element: T,
        location: &'static Location<'static>,
    ) -> Self {
        let offer = Offer::new(Some(element), location);
        Sending { shared, offer }
    }
}

impl<T> Future for Sending<'_, T> {
    type Output = Result<(), SendError<T>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.offer.poll(this.shared, cx)
    }
}

impl<T> Drop for Sending<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.offer.leave(self.shared);
    }
}

impl<T> fmt::Debug for Sending<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sending").field(self.shared).finish()
    }
}
