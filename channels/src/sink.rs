//! A channel as a `Sink`.

use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Sink;

use crate::channel::Channel;
use crate::error::SendError;
use crate::sending::Offer;
use crate::shared::Shared;
use crate::split::Sender;

/// A channel as a `Sink`; made by [`Channel::into_sink`] and [`Sender::into_sink`].
///
/// It holds at most one element that the channel has not taken yet. `close` closes the channel.
///
/// ```
/// use corox_channels::Channel;
/// use corox_core::run_blocking;
/// use futures::{SinkExt, StreamExt, stream};
///
/// run_blocking(async |scope| {
///     let (tx, rx) = Channel::new(1).split();
///     scope.launch(async move {
///         let mut numbers = stream::iter(1..=3).map(Ok);
///         tx.into_sink().send_all(&mut numbers).await?;
///         Ok(())
///     });
///     let mut seen = Vec::new();
///     while let Some(n) = rx.next().await? {
///         seen.push(n);
///     }
///     assert_eq!(seen, [1, 2, 3]);
///     Ok(())
/// }).unwrap();
/// ```
#[must_use = "sinks do nothing unless they are polled"]
pub struct ElementSink<T> {
    shared: Arc<Shared<T>>,
    offer: Offer<T>,
    /// That of a split channel, which closes it if it is the last one.
    sender: Option<Sender<T>>,
}

// It has no pointer into itself, and gives none to others.
impl<T> Unpin for ElementSink<T> {}

impl<T> ElementSink<T> {
    fn new(
        shared: &Arc<Shared<T>>,
        sender: Option<Sender<T>>,
        location: &'static Location<'static>,
    ) -> Self {
        ElementSink {
            shared: shared.clone(),
            offer: Offer::new(None, location),
            sender,
        }
    }
}

impl<T> Channel<T> {
    /// The channel as a `Sink`. Dropping it does not end the channel; closing it does.
    ///
    /// ```
    /// use corox_channels::Channel;
    /// use corox_core::run_blocking;
    /// use futures::SinkExt;
    ///
    /// run_blocking(async |_| {
    ///     let channel = Channel::new(2);
    ///     let mut sink = channel.clone().into_sink();
    ///     sink.send(7).await?;
    ///     sink.close().await?;
    ///     assert_eq!(channel.receive().await?, 7);
    ///     assert!(channel.is_closed_for_receive());
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[track_caller]
    pub fn into_sink(self) -> ElementSink<T> {
        ElementSink::new(&self.shared, None, Location::caller())
    }
}

impl<T> Sender<T> {
    /// The channel as a `Sink`, which is a sender like this one: see the example of [`ElementSink`].
    #[track_caller]
    pub fn into_sink(self) -> ElementSink<T> {
        let shared = self.shared().clone();
        ElementSink::new(&shared, Some(self), Location::caller())
    }
}

impl<T> Sink<T> for ElementSink<T> {
    type Error = SendError<T>;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError<T>>> {
        let this = self.get_mut();
        if this.offer.is_open() {
            return this.offer.poll(&this.shared, cx);
        }
        Poll::Ready(Ok(()))
    }

    /// # Panics
    ///
    /// If `poll_ready` was not ready before.
    fn start_send(self: Pin<&mut Self>, element: T) -> Result<(), SendError<T>> {
        let this = self.get_mut();
        assert!(
            !this.offer.is_open(),
            "`start_send` before `poll_ready` was ready: await `send(..)` or `feed(..)` of `SinkExt`"
        );
        this.offer.set(element);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError<T>>> {
        self.poll_ready(cx)
    }

    fn poll_close(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError<T>>> {
        let polled = self.as_mut().poll_ready(cx);
        if let Poll::Ready(Ok(())) = polled {
            let (_, panics) = self.shared.close(None);
            panics.resume();
        }
        polled
    }
}

impl<T> Drop for ElementSink<T> {
    fn drop(&mut self) {
        // Before the sender goes, which may be the last one.
        self.offer.leave(&self.shared);
        drop(self.sender.take());
    }
}

impl<T> fmt::Debug for ElementSink<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ElementSink").field(&self.shared).finish()
    }
}
