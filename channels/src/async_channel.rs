//! From and to channels of the crate async-channel.

use std::panic::Location;

use crate::builders::{ChannelBuilders, ProducerScope};
use crate::capacity::Capacity;
use crate::receiving::Next;
use crate::split::Receiver;

/// Channels of the crate [async-channel](https://docs.rs/async-channel), of which an element is received by a coroutine and sent on.
///
/// One element may be on the way: if the coroutine is cancelled just then, it is dropped.
///
/// ```
/// use corox_channels::{AsyncChannelExt, ChannelBuilders};
/// use corox_core::run_blocking;
///
/// run_blocking(async |scope| {
///     let (tx, foreign) = async_channel::bounded(2);
///     tx.send(1).await?;
///     tx.send(2).await?;
///     drop(tx);
///     let numbers = scope.forward_from(1, foreign);
///     let squares = scope.produce(0, async move |producer| {
///         while let Some(n) = numbers.next().await? {
///             producer.send(n * n).await?;
///         }
///         Ok(())
///     });
///     let foreign = scope.forward_to(Some(1), squares);
///     assert_eq!((foreign.recv().await?, foreign.recv().await?), (1, 4));
///     assert!(foreign.recv().await.is_err());
///     Ok(())
/// }).unwrap();
/// ```
pub trait AsyncChannelExt: ChannelBuilders {
    /// A channel with what `source` receives; it is closed when the source is.
    ///
    /// When the last receiver is dropped, the coroutine is cancelled, and with it `source` dropped.
    #[track_caller]
    #[must_use]
    fn forward_from<T: Send + 'static>(
        &self,
        capacity: impl Into<Capacity>,
        source: async_channel::Receiver<T>,
    ) -> Receiver<T> {
        let location = Location::caller();
        self.produce(capacity, async move |producer: ProducerScope<T>| {
            while let Ok(element) = source.recv().await {
                producer.channel().send_at(element, location).await?;
            }
            Ok(())
        })
    }

    /// A channel of async-channel with what `source` receives, unbounded without a `bound`; it is closed when the source is.
    ///
    /// When the last of its receivers is dropped, the next element ends the coroutine, and with it drops `source`. If `source` is
    /// closed with a cause, the coroutine fails with it: async-channel has no place for one.
    ///
    /// # Panics
    ///
    /// With a bound of 0, which async-channel does not have.
    #[track_caller]
    #[must_use]
    fn forward_to<T: Send + 'static>(
        &self,
        bound: Option<usize>,
        source: Receiver<T>,
    ) -> async_channel::Receiver<T> {
        let (tx, rx) = match bound {
            Some(0) => panic!(
                "a channel of async-channel has room for one element at least: give `Some(1)` or more, or `None`"
            ),
            Some(bound) => async_channel::bounded(bound),
            None => async_channel::unbounded(),
        };
        let location = Location::caller();
        self.launch_with_channel(async move {
            while let Some(element) = Next::new(source.shared(), location).await? {
                if tx.send(element).await.is_err() {
                    break;
                }
            }
            Ok(())
        });
        rx
    }
}

impl<S: ChannelBuilders> AsyncChannelExt for S {}
