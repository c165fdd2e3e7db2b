//! Several elements under one lock.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::channel::Channel;
use crate::error::ReceiveError;
use crate::receiving::Place;
use crate::shared::Shared;
use crate::split::Receiver;
use crate::state::Taken;

/// The future of [`receive_many`](Channel::receive_many).
#[must_use = "nothing is received until it is awaited: `.receive_many(..).await`"]
pub struct ReceiveMany<'a, T> {
    shared: &'a Shared<T>,
    place: Place,
    elements: &'a mut Vec<T>,
    limit: usize,
}

// It has no pointer into itself, and gives none to others.
impl<T> Unpin for ReceiveMany<'_, T> {}

impl<'a, T> ReceiveMany<'a, T> {
    pub(crate) fn new(
        shared: &'a Shared<T>,
        elements: &'a mut Vec<T>,
        limit: usize,
        location: &'static Location<'static>,
    ) -> Self {
        ReceiveMany {
            shared,
            place: Place::new(location),
            elements,
            limit,
        }
    }
}

impl<T> Shared<T> {
    /// Takes what is there, up to `limit` elements; gives how many those are.
    fn take_many(&self, elements: &mut Vec<T>, limit: usize) -> usize {
        let before = elements.len();
        let mut senders = Vec::new();
        let mut state = self.state.lock();
        while elements.len() - before < limit {
            let Taken::Element(element, sender) = state.take(None) else {
                break;
            };
            elements.push(element);
            senders.extend(sender);
        }
        if !senders.is_empty() {
            self.note_waiters(&state);
        }
        drop(state);
        for sender in senders {
            sender.wake();
        }
        elements.len() - before
    }
}

impl<T> Future for ReceiveMany<'_, T> {
    type Output = Result<usize, ReceiveError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.limit == 0 {
            return Poll::Ready(Ok(0));
        }
        let mut taken = 0;
        if !this.place.is_waiting() {
            taken = this.shared.take_many(this.elements, this.limit);
        }
        if taken > 0 {
            return Poll::Ready(Ok(taken));
        }
        match this.place.poll(this.shared, cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(cause)) => Poll::Ready(Err(ReceiveError::new(cause))),
            Poll::Ready(Ok(first)) => {
                this.elements.push(first);
                let more = this.shared.take_many(this.elements, this.limit - 1);
                Poll::Ready(Ok(1 + more))
            }
        }
    }
}

impl<T> Drop for ReceiveMany<'_, T> {
    fn drop(&mut self) {
        self.place.leave(self.shared);
    }
}

impl<T> fmt::Debug for ReceiveMany<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReceiveMany").field(self.shared).finish()
    }
}

impl<T> Channel<T> {
    /// Receives what is there, up to `limit` elements, in one step, and appends them to `elements`; waits for the first if there is
    /// none. Gives how many they are.
    ///
    /// For a consumer that keeps up with many producers it is cheaper than as many receives. With a limit of 0 it gives 0 at once.
    ///
    /// # Errors
    ///
    /// If the channel is closed and everything in it has been received.
    ///
    /// # Cancel safety
    ///
    /// As [`receive`](Channel::receive): `elements` is not touched before the future ends.
    ///
    /// ```
    /// use corox_channels::Channel;
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let channel = Channel::new(8);
    ///     for n in 1..=5 {
    ///         channel.send(n).await?;
    ///     }
    ///     let mut batch = Vec::new();
    ///     assert_eq!(channel.receive_many(&mut batch, 3).await?, 3);
    ///     assert_eq!(channel.receive_many(&mut batch, 3).await?, 2);
    ///     assert_eq!(batch, [1, 2, 3, 4, 5]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[track_caller]
    pub fn receive_many<'a>(
        &'a self,
        elements: &'a mut Vec<T>,
        limit: usize,
    ) -> ReceiveMany<'a, T> {
        ReceiveMany::new(&self.shared, elements, limit, Location::caller())
    }
}

impl<T> Receiver<T> {
    /// As [`Channel::receive_many`]; see the example of [`Channel::receive_many`]. It is cancel-safe.
    #[track_caller]
    pub fn receive_many<'a>(
        &'a self,
        elements: &'a mut Vec<T>,
        limit: usize,
    ) -> ReceiveMany<'a, T> {
        ReceiveMany::new(self.shared(), elements, limit, Location::caller())
    }
}
