//! The futures of `receive`, `receive_catching` and `next`.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use corox_core::Error;
use corox_core::probe::{Reason, WaitReason};
use corox_core::waiters_protocol::{Key, Waiter, cancelled_here};

use crate::error::ReceiveError;
use crate::result::ChannelResult;
use crate::shared::Shared;
use crate::shim::MutexGuard;
use crate::state::{Slot, State, Taken};

/// An element, or why there will be none.
pub(crate) type Received<T> = Result<T, Option<Error>>;

/// The place of a receiver in its channel's queue, which may be in none.
pub(crate) struct Place {
    key: Option<Key>,
    location: &'static Location<'static>,
    note: Option<Box<WaitReason>>,
}

impl Place {
    #[inline]
    pub(crate) fn new(location: &'static Location<'static>) -> Self {
        Place {
            key: None,
            location,
            note: None,
        }
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.key.is_some()
    }

    #[inline]
    pub(crate) fn poll<T>(
        &mut self,
        shared: &Shared<T>,
        cx: &mut Context<'_>,
    ) -> Poll<Received<T>> {
        match self.key {
            None => self.poll_first(shared, cx),
            Some(key) => self.poll_again(key, shared, cx),
        }
    }

    #[inline]
    fn poll_first<T>(&mut self, shared: &Shared<T>, cx: &mut Context<'_>) -> Poll<Received<T>> {
        // If it is likely to be needed, before the lock: a waker is foreign code, which is not called under it.
        let waker = shared.receive_will_wait().then(|| cx.waker().clone());
        let mut state = shared.state.lock();
        if let Some(element) = state.pop_at_once() {
            return Poll::Ready(Ok(element));
        }
        self.poll_slowly(shared, state, waker, cx)
    }

    #[inline(never)]
    fn poll_slowly<'a, T>(
        &mut self,
        shared: &'a Shared<T>,
        mut state: MutexGuard<'a, State<T>>,
        mut waker: Option<Waker>,
        cx: &mut Context<'_>,
    ) -> Poll<Received<T>> {
        loop {
            match state.take_here(None) {
                Taken::Element(element, sender) => {
                    if sender.is_some() {
                        shared.note_waiters(&state);
                    }
                    drop(state);
                    if let Some(sender) = sender {
                        sender.wake();
                    }
                    return Poll::Ready(Ok(element));
                }
                Taken::Empty => {
                    let Some(waker) = waker.take() else {
                        drop(state);
                        waker = Some(cx.waker().clone());
                        state = shared.state.lock();
                        continue;
                    };
                    let state = &mut *state;
                    let waiter = Waiter::Task(waker);
                    let slot = Slot::of(None);
                    self.key = Some(state.waiters.push(&mut state.receivers, waiter, slot));
                    shared.note_waiters(state);
                    break;
                }
                Taken::Closed | Taken::Lost => return Poll::Ready(Err(state.cause())),
            }
        }
        shared.note_wait(&mut self.note, &Reason("receive"), self.location);
        Poll::Pending
    }

    #[inline(never)]
    fn poll_again<T>(
        &mut self,
        key: Key,
        shared: &Shared<T>,
        cx: &mut Context<'_>,
    ) -> Poll<Received<T>> {
        // C-12: what was handed over is not taken by a coroutine that is cancelled.
        if cancelled_here() {
            return Poll::Pending;
        }
        let Some(mut guard) = shared.lock_if_served(key, cx) else {
            shared.note_wait(&mut self.note, &Reason("receive"), self.location);
            return Poll::Pending;
        };
        let state = &mut *guard;
        let released = state.waiters.release(&mut state.receivers, key);
        let cause = match &released.value.element {
            Some(_) => None,
            None => state.cause(),
        };
        drop(guard);
        self.key = None;
        self.note = None;
        Poll::Ready(released.value.element.ok_or(cause))
    }

    /// The receive is over, whatever it has come to: an element that it was handed goes back.
    #[inline]
    pub(crate) fn leave<T>(&mut self, shared: &Shared<T>) {
        if let Some(key) = self.key.take() {
            self.leave_slowly(key, shared);
        }
    }

    #[cold]
    fn leave_slowly<T>(&mut self, key: Key, shared: &Shared<T>) {
        self.note = None;
        let mut guard = shared.state.lock();
        let state = &mut *guard;
        let mut released = state.waiters.release(&mut state.receivers, key);
        shared.note_waiters(state);
        drop(guard);
        if let Some(element) = released.value.element.take() {
            shared.give_back(element, released.value.place);
        }
    }
}

/// The future of [`receive`](crate::Channel::receive).
#[must_use = "nothing is received until it is awaited: `.receive().await`"]
pub struct Receive<'a, T> {
    shared: &'a Shared<T>,
    place: Place,
    ended: bool,
}

/// The future of [`receive_catching`](crate::Channel::receive_catching).
#[must_use = "nothing is received until it is awaited: `.receive_catching().await`"]
pub struct ReceiveCatching<'a, T> {
    shared: &'a Shared<T>,
    place: Place,
    ended: bool,
}

/// The future of [`next`](crate::Channel::next).
#[must_use = "nothing is received until it is awaited: `.next().await`"]
pub struct Next<'a, T> {
    shared: &'a Shared<T>,
    place: Place,
    ended: bool,
}

macro_rules! futures {
    ($($name:ident: $output:ty, $done:expr;)+) => {$(
        impl<'a, T> $name<'a, T> {
            #[inline]
            pub(crate) fn new(shared: &'a Shared<T>, location: &'static Location<'static>) -> Self {
                $name {
                    shared,
                    place: Place::new(location),
                    ended: false,
                }
            }
        }

        impl<T> Future for $name<'_, T> {
            type Output = $output;

            #[inline]
            fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                let this = self.get_mut();
                assert!(!this.ended, "a `receive` was polled after it had ended");
                let polled = this.place.poll(this.shared, cx);
                this.ended = polled.is_ready();
                polled.map($done)
            }
        }

        impl<T> Drop for $name<'_, T> {
            #[inline]
            fn drop(&mut self) {
                self.place.leave(self.shared);
            }
        }

        impl<T> fmt::Debug for $name<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($name)).field(self.shared).finish()
            }
        }
    )+};
}

futures! {
    Receive: Result<T, ReceiveError>, |received| received.map_err(ReceiveError::new);
    ReceiveCatching: ChannelResult<T>, |received| match received {
        Ok(element) => ChannelResult::Success(element),
        Err(cause) => ChannelResult::Closed(ReceiveError::new(cause)),
    };
    Next: Result<Option<T>, ReceiveError>, |received| match received {
        Ok(element) => Ok(Some(element)),
        Err(None) => Ok(None),
        Err(cause) => Err(ReceiveError::new(cause)),
    };
}
