//! The clauses of a select that receive.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use corox_core::Clause;
use corox_core::select_protocol::{Attempt, Registered, Registrar};
use corox_core::waiters_protocol::{Key, State as Entry, Waiter};

use crate::error::ReceiveError;
use crate::receiving::Received;
use crate::result::ChannelResult;
use crate::shared::Shared;
use crate::shim::MutexGuard;
use crate::state::{Slot, State, Taken};

/// A receive as a part of a select.
struct Part<'a, T> {
    shared: &'a Shared<T>,
    progress: Progress<T>,
}

/// ```text
///             registered             it takes what is there itself
///  Nothing --------------> Queued --------------------------------> Taken
///     |                                                               ^
///     +---------------------------------------------------------------+
///                      it takes what is there at once
/// ```
///
/// A peer that claims it leaves it `Queued`: what it was handed lies with its entry. Completed or dropped it is back at `Nothing`.
/// Small, since a select is moved with all its clauses.
enum Progress<T> {
    Nothing,
    /// Where it waits, or has been claimed.
    Queued(Key),
    /// What it has taken itself, and the place of that in the order.
    Taken(Received<T>, u64),
}

impl<'a, T> Part<'a, T> {
    #[inline]
    fn new(shared: &'a Shared<T>) -> Self {
        Part {
            shared,
            progress: Progress::Nothing,
        }
    }

    fn key(&self) -> Option<Key> {
        match self.progress {
            Progress::Queued(key) => Some(key),
            Progress::Nothing | Progress::Taken(..) => None,
        }
    }

    fn register(&mut self, at: &mut Registrar<'_>) -> Registered {
        let shared = self.shared;
        at.note(|| {
            let (text, awaited) = shared.as_awaited();
            (format!("receive on {text}"), awaited)
        });
        // Without a ticket of any clause nobody else can claim the select, and none is needed for what is there already.
        let mut ticket = match at.existing_ticket() {
            None if shared.receive_will_wait() => Some(at.ticket()),
            ticket => ticket,
        };
        let key = self.key();
        loop {
            let mut guard = shared.state.lock();
            let state = &mut *guard;
            if key.is_some_and(|key| state.waiters.state(key) != Entry::Queued) {
                return Registered::Lost;
            }
            let taken = if shared.is_found_empty() {
                Taken::Empty
            } else {
                state.take(ticket.as_ref())
            };
            let (received, sender) = match taken {
                Taken::Element(element, sender) => (Ok(element), sender),
                Taken::Closed => (Err(state.cause()), None),
                Taken::Lost => return Registered::Lost,
                Taken::Empty if key.is_some() => return Registered::Waits,
                Taken::Empty => {
                    let Some(ticket) = ticket.take() else {
                        drop(guard);
                        ticket = Some(at.ticket());
                        continue;
                    };
                    let waiter = Waiter::Select(ticket);
                    let slot = Slot::of(None);
                    let key = state.waiters.push(&mut state.receivers, waiter, slot);
                    self.progress = Progress::Queued(key);
                    shared.note_waiters(state);
                    return Registered::Waits;
                }
            };
            self.progress = Progress::Taken(received, state.next_place());
            let entry = key.map(|key| state.waiters.release(&mut state.receivers, key));
            shared.note_waiters(state);
            drop(guard);
            drop(entry);
            if let Some(sender) = sender {
                sender.wake();
            }
            return Registered::Won;
        }
    }

    /// Nobody else can claim a select of which nothing is registered.
    #[inline]
    fn attempt(&mut self) -> Attempt {
        if self.shared.is_found_empty() {
            return Attempt::Nothing;
        }
        self.attempt_locked()
    }

    fn attempt_locked(&mut self) -> Attempt {
        let shared = self.shared;
        let mut state = shared.state.lock();
        if let Some(element) = state.pop_at_once() {
            self.progress = Progress::Taken(Ok(element), state.next_place());
            return Attempt::Won;
        }
        if !state.is_closed() && !state.has_elements() {
            shared.find_empty();
            return Attempt::Nothing;
        }
        self.attempt_slowly(state)
    }

    #[inline(never)]
    fn attempt_slowly(&mut self, mut guard: MutexGuard<'_, State<T>>) -> Attempt {
        let state = &mut *guard;
        let (received, sender) = match state.take(None) {
            Taken::Element(element, sender) => (Ok(element), sender),
            Taken::Closed => (Err(state.cause()), None),
            Taken::Empty | Taken::Lost => return Attempt::Nothing,
        };
        self.progress = Progress::Taken(received, state.next_place());
        if sender.is_some() {
            self.shared.note_waiters(state);
        }
        drop(guard);
        if let Some(sender) = sender {
            sender.wake();
        }
        Attempt::Won
    }

    fn proceed(&mut self, at: &mut Registrar<'_>) -> Registered {
        if at.is_retry() {
            self.register(at)
        } else {
            Registered::Waits
        }
    }

    #[inline]
    fn complete(&mut self) -> Received<T> {
        match mem::replace(&mut self.progress, Progress::Nothing) {
            Progress::Taken(received, _) => received,
            Progress::Queued(key) => self.complete_handed(key),
            Progress::Nothing => {
                unreachable!("a clause that has won has taken something or was handed it")
            }
        }
    }

    fn complete_handed(&self, key: Key) -> Received<T> {
        let mut guard = self.shared.state.lock();
        let state = &mut *guard;
        let released = state.waiters.release(&mut state.receivers, key);
        let cause = match &released.value.element {
            Some(_) => None,
            None => state.cause(),
        };
        drop(guard);
        released.value.element.ok_or(cause)
    }

    /// S-11, S-12: the registration is taken back, and so is what it came to.
    #[inline(never)]
    fn take_back(&mut self) {
        match mem::replace(&mut self.progress, Progress::Nothing) {
            Progress::Taken(Ok(element), place) => self.shared.give_back(element, place),
            Progress::Queued(key) => {
                let mut guard = self.shared.state.lock();
                let state = &mut *guard;
                let mut released = state.waiters.release(&mut state.receivers, key);
                self.shared.note_waiters(state);
                drop(guard);
                if let Some(element) = released.value.element.take() {
                    self.shared.give_back(element, released.value.place);
                }
            }
            Progress::Taken(Err(_), _) | Progress::Nothing => {}
        }
    }
}

impl<T> Drop for Part<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if !matches!(self.progress, Progress::Nothing) {
            self.take_back();
        }
    }
}

/// The clause of [`on_receive`](crate::Channel::on_receive).
///
/// Kotlin: `SelectClause1`.
#[must_use = "clauses do nothing unless a select has them"]
pub struct OnReceive<'a, T>(Part<'a, T>);

/// The clause of [`on_receive_catching`](crate::Channel::on_receive_catching).
///
/// Kotlin: `SelectClause1`.
#[must_use = "clauses do nothing unless a select has them"]
pub struct OnReceiveCatching<'a, T>(Part<'a, T>);

macro_rules! clauses {
    ($($name:ident: $output:ty;)+) => {$(
        impl<'a, T> $name<'a, T> {
            #[inline]
            pub(crate) fn new(shared: &'a Shared<T>) -> Self {
                $name(Part::new(shared))
            }
        }

        // It has no pointer into itself, and gives none to others.
        impl<T> Unpin for $name<'_, T> {}

        impl<T> fmt::Debug for $name<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($name)).field(self.0.shared).finish()
            }
        }

        impl<T> Clause for $name<'_, T> {
            type Output = $output;

            fn register(self: Pin<&mut Self>, at: &mut Registrar<'_>) -> Registered {
                self.get_mut().0.register(at)
            }

            fn proceed(self: Pin<&mut Self>, at: &mut Registrar<'_>) -> Registered {
                self.get_mut().0.proceed(at)
            }

            #[inline]
            fn attempt(self: Pin<&mut Self>) -> Attempt {
                self.get_mut().0.attempt()
            }

            #[inline]
            fn complete(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<$output> {
                let received = self.get_mut().0.complete().map_err(ReceiveError::new);
                Poll::Ready(received.into())
            }
        }
    )+};
}

clauses! {
    OnReceive: Result<T, ReceiveError>;
    OnReceiveCatching: ChannelResult<T>;
}
