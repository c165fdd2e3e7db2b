//! A channel as a `Stream`.

use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream;
use futures_util::stream::FusedStream;

use crate::channel::Channel;
use crate::error::ReceiveError;
use crate::receiving::Place;
use crate::shared::Shared;
use crate::split::Receiver;

/// The elements of a channel as a `Stream`; made by [`Channel::into_stream`] and [`Receiver::into_stream`].
///
/// It ends when the channel is closed and empty; if it was closed with a cause, the last item is that error.
///
/// While the stream waits and is not polled it may have been handed an element, which it gives at the next poll, or gives back when
/// it is dropped.
///
/// Kotlin: `consumeAsFlow`, `receiveAsFlow`.
///
/// ```
/// use corox_channels::Channel;
/// use corox_core::run_blocking;
/// use futures::TryStreamExt;
///
/// run_blocking(async |_| {
///     let (tx, rx) = Channel::new(3).split();
///     for n in 1..=3 {
///         tx.send(n).await?;
///     }
///     drop(tx);
///     let squares: Vec<_> = rx.into_stream().map_ok(|n| n * n).try_collect().await?;
///     assert_eq!(squares, [1, 4, 9]);
///     Ok(())
/// }).unwrap();
/// ```
#[must_use = "streams do nothing unless they are polled"]
pub struct Elements<T> {
    shared: Arc<Shared<T>>,
    place: Place,
    ended: bool,
    /// That of a split channel, which cancels it if it is the last one.
    receiver: Option<Receiver<T>>,
}

// It has no pointer into itself, and gives none to others.
impl<T> Unpin for Elements<T> {}

impl<T> Elements<T> {
    fn new(
        shared: &Arc<Shared<T>>,
        receiver: Option<Receiver<T>>,
        location: &'static Location<'static>,
    ) -> Self {
        Elements {
            shared: shared.clone(),
            place: Place::new(location),
            ended: false,
            receiver,
        }
    }
}

impl<T> Channel<T> {
    /// The elements as a `Stream`: those that this handle would receive. Dropping it does not end the channel.
    ///
    /// Kotlin: `ReceiveChannel.receiveAsFlow`.
    ///
    /// ```
    /// use corox_channels::Channel;
    /// use corox_core::run_blocking;
    /// use futures::StreamExt;
    ///
    /// run_blocking(async |_| {
    ///     let channel = Channel::new(2);
    ///     channel.send(7).await?;
    ///     assert_eq!(channel.clone().into_stream().next().await.unwrap()?, 7);
    ///     assert!(!channel.is_closed_for_send());
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[track_caller]
    pub fn into_stream(self) -> Elements<T> {
        self.into_stream_at(Location::caller())
    }

    /// [`into_stream`](Channel::into_stream) that is told to wait at `location`; for flows.
    #[doc(hidden)]
    pub fn into_stream_at(self, location: &'static Location<'static>) -> Elements<T> {
        Elements::new(&self.shared, None, location)
    }
}

impl<T> Receiver<T> {
    /// The elements as a `Stream`, which is a receiver like this one: see the example of [`Elements`].
    ///
    /// Kotlin: `ReceiveChannel.consumeAsFlow`.
    #[track_caller]
    pub fn into_stream(self) -> Elements<T> {
        self.into_stream_at(Location::caller())
    }

    /// [`into_stream`](Receiver::into_stream) that is told to wait at `location`; for flows.
    #[doc(hidden)]
    pub fn into_stream_at(self, location: &'static Location<'static>) -> Elements<T> {
        let shared = self.shared().clone();
        Elements::new(&shared, Some(self), location)
    }
}

impl<T> Stream for Elements<T> {
    type Item = Result<T, ReceiveError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        this.place
            .poll(&this.shared, cx)
            .map(|received| match received {
                Ok(element) => Some(Ok(element)),
                Err(cause) => {
                    this.ended = true;
                    cause.map(|cause| Err(ReceiveError::new(Some(cause))))
                }
            })
    }
}

impl<T> FusedStream for Elements<T> {
    fn is_terminated(&self) -> bool {
        self.ended
    }
}

impl<T> Drop for Elements<T> {
    fn drop(&mut self) {
        // Before the receiver goes, which may be the last one.
        self.place.leave(&self.shared);
        drop(self.receiver.take());
    }
}

impl<T> fmt::Debug for Elements<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Elements").field(&self.shared).finish()
    }
}
