//! The clauses of a select that send.

use std::borrow::BorrowMut;
use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use corox_core::Clause;
use corox_core::select_protocol::{Registered, Registrar};
use corox_core::waiters_protocol::{Key, State as Entry, Waiter};

use crate::error::SendError;
use crate::shared::Shared;
use crate::state::{Offered, Slot};

/// A send as a part of a select; `S` is where its element is while the channel has not got it: an `Option`, or a reference to one.
struct Part<'a, T, S: BorrowMut<Option<T>>> {
    shared: &'a Shared<T>,
    source: S,
    /// Where it waits, with its element, or has been claimed.
    key: Option<Key>,
    won: Option<Won<T>>,
}

/// How it has won by itself.
enum Won<T> {
    Sent,
    /// A policy has dropped this one, which is still to be disposed of.
    Displaced(T),
    Closed,
}

impl<'a, T, S: BorrowMut<Option<T>>> Part<'a, T, S> {
    fn new(shared: &'a Shared<T>, source: S) -> Self {
        Part {
            shared,
            source,
            key: None,
            won: None,
        }
    }

    fn register(&mut self, at: &mut Registrar<'_>) -> Registered {
        let shared = self.shared;
        at.note(|| {
            let (text, awaited) = shared.as_awaited();
            (format!("send on {text}"), awaited)
        });
        let source = self.source.borrow_mut();
        if source.is_none() && self.key.is_none() {
            // Nothing to send: it is never available.
            return Registered::Waits;
        }
        // Without a ticket of any clause nobody else can claim the select, and none is needed if there is room.
        let mut ticket = match at.existing_ticket() {
            None if shared.send_will_wait() => Some(at.ticket()),
            ticket => ticket,
        };
        loop {
            let mut guard = shared.state.lock();
            let state = &mut *guard;
            if let Some(key) = self.key {
                if state.waiters.state(key) != Entry::Queued {
                    return Registered::Lost;
                }
                // It waits with its entry, which may meet nobody else meanwhile: the lock is held.
                mem::swap(&mut state.waiters.value(key).element, source);
            }
            let mut receiver = None;
            let mut is_lost = false;
            self.won = match state.offer(source, ticket.as_ref()) {
                Offered::Taken(waker) => {
                    receiver = waker;
                    Some(Won::Sent)
                }
                Offered::Displaced => source.take().map(Won::Displaced),
                Offered::Closed => Some(Won::Closed),
                Offered::Unstarted => {
                    drop(guard);
                    shared.start();
                    continue;
                }
                Offered::Full => None,
                Offered::Lost => {
                    is_lost = true;
                    None
                }
            };
            if self.won.is_some() {
                let entry = self.key.take();
                let entry = entry.map(|key| state.waiters.release(&mut state.senders, key));
                shared.note_arrival();
                shared.note_waiters(state);
                drop(guard);
                drop(entry);
                if let Some(receiver) = receiver {
                    receiver.wake();
                }
                return Registered::Won;
            }
            if let Some(key) = self.key {
                mem::swap(&mut state.waiters.value(key).element, source);
            }
            if is_lost {
                return Registered::Lost;
            }
            if self.key.is_some() {
                return Registered::Waits;
            }
            let Some(ticket) = ticket.take() else {
                drop(guard);
                ticket = Some(at.ticket());
                continue;
            };
            let slot = Slot::of(source.take());
            let waiter = Waiter::Select(ticket);
            self.key = Some(state.waiters.push(&mut state.senders, waiter, slot));
            shared.note_arrival();
            shared.note_waiters(state);
            return Registered::Waits;
        }
    }

    fn proceed(&mut self, at: &mut Registrar<'_>) -> Registered {
        if at.is_retry() {
            self.register(at)
        } else {
            Registered::Waits
        }
    }

    /// What it has come to; an element that was not sent is in the source.
    fn complete(&mut self) -> Result<(), SendError<T>> {
        match self.won.take() {
            Some(Won::Sent) => return Ok(()),
            Some(Won::Displaced(element)) => {
                self.shared.dispose(element);
                return Ok(());
            }
            Some(Won::Closed) => {
                let cause = self.shared.state.lock().cause();
                return Err(SendError::new(None, cause));
            }
            None => {}
        }
        let Some(key) = self.key.take() else {
            unreachable!("a clause that has won has sent something or was claimed")
        };
        let mut guard = self.shared.state.lock();
        let state = &mut *guard;
        let mut released = state.waiters.release(&mut state.senders, key);
        let cause = state.cause();
        drop(guard);
        *self.source.borrow_mut() = released.value.element.take();
        match released.state {
            Entry::Done => Ok(()),
            _ => Err(SendError::new(None, cause)),
        }
    }

    /// Takes the registration back; the element is in the source. `true` if it had been registered.
    #[inline]
    fn leave(&mut self) -> bool {
        (self.key.is_some() || self.won.is_some()) && self.leave_slowly()
    }

    #[inline(never)]
    fn leave_slowly(&mut self) -> bool {
        if let Some(Won::Displaced(element)) = self.won.take() {
            self.shared.dispose_quietly(element);
        }
        let Some(key) = self.key.take() else {
            return false;
        };
        let mut guard = self.shared.state.lock();
        let state = &mut *guard;
        let mut released = state.waiters.release(&mut state.senders, key);
        self.shared.note_waiters(state);
        drop(guard);
        *self.source.borrow_mut() = released.value.element.take();
        true
    }
}

/// The clause of [`on_send`](crate::Channel::on_send).
///
/// Kotlin: `SelectClause2`.
#[must_use = "clauses do nothing unless a select has them"]
#[doc(alias = "SelectClause2")]
pub struct OnSend<'a, T>(Part<'a, T, Option<T>>);

/// The clause of [`on_send_from`](crate::Channel::on_send_from).
#[must_use = "clauses do nothing unless a select has them"]
pub struct OnSendFrom<'a, T>(Part<'a, T, &'a mut Option<T>>);

impl<'a, T> OnSend<'a, T> {
    pub(crate) fn new(shared: &'a Shared<T>, element: T) -> Self {
        OnSend(Part::new(shared, Some(element)))
    }
}

impl<'a, T> OnSendFrom<'a, T> {
    pub(crate) fn new(shared: &'a Shared<T>, source: &'a mut Option<T>) -> Self {
        OnSendFrom(Part::new(shared, source))
    }
}

// They have no pointers into themselves, and give none to others.
impl<T> Unpin for OnSend<'_, T> {}
impl<T> Unpin for OnSendFrom<'_, T> {}

impl<T> fmt::Debug for OnSend<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnSend").field(self.0.shared).finish()
    }
}

impl<T> fmt::Debug for OnSendFrom<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnSendFrom").field(self.0.shared).finish()
    }
}

impl<T> Clause for OnSend<'_, T> {
    type Output = Result<(), SendError<T>>;

    fn register(self: Pin<&mut Self>, at: &mut Registrar<'_>) -> Registered {
        self.get_mut().0.register(at)
    }

    fn proceed(self: Pin<&mut Self>, at: &mut Registrar<'_>) -> Registered {
        self.get_mut().0.proceed(at)
    }

    fn complete(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
        let part = &mut self.get_mut().0;
        let sent = part.complete();
        Poll::Ready(sent.map_err(|error| {
            let mut element = part.source.take();
            if part.shared.has_hook() {
                if let Some(element) = element.take() {
                    part.shared.dispose(element);
                }
            }
            SendError::new(element, error.cause().cloned())
        }))
    }
}

/// S-14: what was registered and has lost is undelivered; what never came to be registered is dropped as any value.
impl<T> Drop for OnSend<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self.0.leave() {
            if let Some(element) = self.0.source.take() {
                self.0.shared.dispose_quietly(element);
            }
        }
    }
}

impl<T> Clause for OnSendFrom<'_, T> {
    type Output = Result<(), SendError<T>>;

    fn register(self: Pin<&mut Self>, at: &mut Registrar<'_>) -> Registered {
        self.get_mut().0.register(at)
    }

    fn proceed(self: Pin<&mut Self>, at: &mut Registrar<'_>) -> Registered {
        self.get_mut().0.proceed(at)
    }

    fn complete(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(self.get_mut().0.complete())
    }
}

impl<T> Drop for OnSendFrom<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.0.leave();
    }
}
