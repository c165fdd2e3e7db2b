//! The two ends of a channel as handles of their own, which close it when they are dropped.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use corox_core::Error;
use corox_core::error_protocol::cancellation_at;

use crate::channel::{Channel, HandlerAlreadySet};
use crate::error::{TryReceiveError, TrySendError};
use crate::on_receive::{OnReceive, OnReceiveCatching};
use crate::on_send::{OnSend, OnSendFrom};
use crate::receiving::{Next, Receive, ReceiveCatching};
use crate::sending::Sending;
use crate::shared::Shared;

const SENDERS: usize = 0;
const RECEIVERS: usize = 1;

/// The sending end of a channel; made by [`Channel::split`]. When the last one is dropped, the channel is closed.
///
/// Its methods are those of [`Channel`].
///
/// Kotlin: `SendChannel`.
///
/// ```
/// use corox_channels::Channel;
///
/// let (tx, rx) = Channel::new(1).split();
/// let also_tx = tx.clone();
/// drop(tx);
/// also_tx.try_send(1).unwrap();
/// assert!(!also_tx.is_closed_for_send());
/// also_tx.on_close(|cause| assert!(cause.is_none())).unwrap();
/// drop(also_tx);
/// assert_eq!(rx.try_receive().unwrap(), 1);
/// assert!(rx.is_closed_for_receive());
/// ```
#[doc(alias = "SendChannel")]
pub struct Sender<T> {
    channel: Channel<T>,
}

/// The receiving end of a channel; made by [`Channel::split`]. When the last one is dropped, the channel is cancelled.
///
/// Clones share the elements: each is received once. Its methods are those of [`Channel`].
///
/// Kotlin: `ReceiveChannel`.
///
/// ```
/// use corox_channels::Channel;
///
/// let (tx, rx) = Channel::new(1).split();
/// tx.try_send(1).unwrap();
/// assert!(!rx.is_empty());
/// drop(rx);
/// assert!(tx.is_closed_for_send());
/// ```
#[doc(alias = "ReceiveChannel")]
pub struct Receiver<T> {
    channel: Channel<T>,
}

/// Handles are counted as an `Arc` counts.
fn more(count: &AtomicUsize) {
    count.fetch_add(1, Ordering::Relaxed);
}

/// Whether this was the last one.
fn fewer(count: &AtomicUsize) -> bool {
    count.fetch_sub(1, Ordering::AcqRel) == 1
}

impl<T> Sender<T> {
    pub(crate) fn of(shared: &Arc<Shared<T>>) -> Self {
        more(&shared.split[SENDERS]);
        let shared = shared.clone();
        Sender {
            channel: Channel { shared },
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared<T>> {
        &self.channel.shared
    }

    /// As [`Channel::send`]; see the example of [`Channel`]. For its errors and what a drop of the future loses see there: it
    /// is cancel-safe.
    #[track_caller]
    #[inline]
    pub fn send(&self, element: T) -> Sending<'_, T> {
        Sending::new(&self.channel.shared, element, Location::caller())
    }

    /// As [`Channel::try_send`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn try_send(&self, element: T) -> Result<(), TrySendError<T>> {
        self.channel.try_send(element)
    }

    /// As [`Channel::on_send`]; see the example of [`Channel::on_send`].
    pub fn on_send(&self, element: T) -> OnSend<'_, T> {
        OnSend::new(&self.channel.shared, element)
    }

    /// As [`Channel::on_send_from`]; see the example of [`Channel::on_send_from`].
    pub fn on_send_from<'a>(&'a self, element: &'a mut Option<T>) -> OnSendFrom<'a, T> {
        OnSendFrom::new(&self.channel.shared, element)
    }

    /// As [`Channel::close`], before the last sender is dropped; see the example of [`Channel`].
    ///
    /// # Panics
    ///
    /// As there.
    pub fn close(&self) -> bool {
        self.channel.close()
    }

    /// As [`Channel::close_with`], before the last sender is dropped; see the example of [`Channel`].
    ///
    /// # Panics
    ///
    /// As there.
    pub fn close_with(&self, cause: impl Into<Error>) -> bool {
        self.channel.close_with(cause)
    }

    /// As [`Channel::on_close`].
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Panics
    ///
    /// As there.
    pub fn on_close(
        &self,
        handler: impl FnOnce(Option<&Error>) + Send + 'static,
    ) -> Result<(), HandlerAlreadySet> {
        self.channel.on_close(handler)
    }

    /// As [`Channel::is_closed_for_send`].
    #[must_use]
    pub fn is_closed_for_send(&self) -> bool {
        self.channel.is_closed_for_send()
    }
}

impl<T> Receiver<T> {
    pub(crate) fn of(shared: &Arc<Shared<T>>) -> Self {
        more(&shared.split[RECEIVERS]);
        let shared = shared.clone();
        Receiver {
            channel: Channel { shared },
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared<T>> {
        &self.channel.shared
    }

    /// As [`Channel::receive`], see the example of [`Channel`]; for its errors see there. It is cancel-safe.
    #[track_caller]
    #[inline]
    pub fn receive(&self) -> Receive<'_, T> {
        Receive::new(&self.channel.shared, Location::caller())
    }

    /// As [`Channel::receive_catching`]; see the example of [`Channel`]. It is cancel-safe.
    #[track_caller]
    #[inline]
    pub fn receive_catching(&self) -> ReceiveCatching<'_, T> {
        ReceiveCatching::new(&self.channel.shared, Location::caller())
    }

    /// As [`Channel::next`]; see the example of [`Channel`]. It is cancel-safe.
    #[track_caller]
    #[inline]
    pub fn next(&self) -> Next<'_, T> {
        Next::new(&self.channel.shared, Location::caller())
    }

    /// As [`Channel::try_receive`]; see the example of [`Channel::try_receive`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn try_receive(&self) -> Result<T, TryReceiveError> {
        self.channel.try_receive()
    }

    /// As [`Channel::on_receive`]; see the example of [`Channel::on_receive`].
    pub fn on_receive(&self) -> OnReceive<'_, T> {
        OnReceive::new(&self.channel.shared)
    }

    /// As [`Channel::on_receive_catching`]; see the example of [`Channel::on_receive_catching`].
    pub fn on_receive_catching(&self) -> OnReceiveCatching<'_, T> {
        OnReceiveCatching::new(&self.channel.shared)
    }

    /// As [`Channel::cancel`], before the last receiver is dropped; see the example of [`Channel`].
    ///
    /// # Panics
    ///
    /// As there.
    #[track_caller]
    pub fn cancel(&self) -> bool {
        self.channel.cancel()
    }

    /// As [`Channel::cancel_with`], before the last receiver is dropped; see the example of [`Channel`].
    ///
    /// # Panics
    ///
    /// As there.
    pub fn cancel_with(&self, cause: impl Into<Error>) -> bool {
        self.channel.cancel_with(cause)
    }

    /// As [`Channel::is_closed_for_receive`]; see the example of [`Channel::close`].
    #[must_use]
    pub fn is_closed_for_receive(&self) -> bool {
        self.channel.is_closed_for_receive()
    }

    /// As [`Channel::is_empty`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.channel.is_empty()
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Sender::of(&self.channel.shared)
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Receiver::of(&self.channel.shared)
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let shared = &self.channel.shared;
        if fewer(&shared.split[SENDERS]) {
            let (_, panics) = shared.close(None);
            panics.report(shared.made());
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let shared = &self.channel.shared;
        if fewer(&shared.split[RECEIVERS]) {
            let cause = cancellation_at(
                shared.made(),
                "the last receiver of the channel was dropped",
                None,
            );
            let (_, panics) = shared.cancel(cause);
            panics.report(shared.made());
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sender").field(&self.channel).finish()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Receiver").field(&self.channel).finish()
    }
}
