//! To receive everything from a channel and then be done with it.

use std::future::Future;
use std::panic::Location;

use corox_core::Result;
use corox_core::error_protocol::cancellation_at;

use crate::channel::Channel;
use crate::receiving::Next;
use crate::shared::Shared;
use crate::split::Receiver;

/// Cancels the channel when it is dropped: by a return, a cancellation or a panic.
struct CancelOnExit<'a, T>(&'a Shared<T>);

impl<T> CancelOnExit<'_, T> {
    /// The regular exit.
    fn exit<R>(self, result: &Result<R>) {
        let shared = self.0;
        std::mem::forget(self);
        let (message, failure) = match result {
            Ok(_) => ("the consumer of the channel has ended", None),
            Err(failure) => (
                "the consumer of the channel has failed",
                Some(failure.clone()),
            ),
        };
        let cause = cancellation_at(shared.made(), message, failure);
        let (_, panics) = shared.cancel(cause);
        panics.resume();
    }
}

impl<T> Drop for CancelOnExit<'_, T> {
    fn drop(&mut self) {
        let message = "the consumer of the channel was cancelled";
        let cause = cancellation_at(self.0.made(), message, None);
        let (_, panics) = self.0.cancel(cause);
        panics.report(self.0.made());
    }
}

impl<T> Shared<T> {
    async fn consume<R>(&self, body: impl Future<Output = Result<R>>) -> Result<R> {
        let guard = CancelOnExit(self);
        let result = body.await;
        guard.exit(&result);
        result
    }

    /// What is called at `location` receives all.
    async fn consume_each<F>(
        &self,
        location: &'static Location<'static>,
        mut action: impl FnMut(T) -> F,
    ) -> Result<()>
    where
        F: Future<Output = Result<()>>,
    {
        let each = async {
            while let Some(element) = Next::new(self, location).await? {
                action(element).await?;
            }
            Ok(())
        };
        self.consume(each).await
    }

    async fn consume_to(
        &self,
        location: &'static Location<'static>,
        collection: &mut impl Extend<T>,
    ) -> Result<()> {
        let all = async {
            while let Some(element) = Next::new(self, location).await? {
                collection.extend([element]);
            }
            Ok(())
        };
        self.consume(all).await
    }

    async fn to_vec(&self, location: &'static Location<'static>) -> Result<Vec<T>> {
        let mut all = Vec::new();
        self.consume_to(location, &mut all).await?;
        Ok(all)
    }
}

impl<T> Channel<T> {
    /// Awaits `body`, and then cancels the channel, however that ended: with a value, a failure, a panic or a cancellation.
    ///
    /// Kotlin: `ReceiveChannel.consume`.
    ///
    /// # Errors
    ///
    /// The failure of the body, which is also the [cause](corox_core::Error::cause) of the cancellation that senders see.
    ///
    /// # Cancel safety
    ///
    /// That of the body. Dropping the future cancels the channel.
    ///
    /// ```
    /// use corox_channels::Channel;
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let channel = Channel::new(2);
    ///     channel.send("first").await?;
    ///     channel.send("second").await?;
    ///     let first = channel.consume(async { Ok(channel.receive().await?) }).await?;
    ///     assert_eq!(first, "first");
    ///     assert!(channel.is_closed_for_receive());
    ///     Ok(())
    /// }).unwrap();
    /// ```
    pub async fn consume<R>(&self, body: impl Future<Output = Result<R>>) -> Result<R> {
        self.shared.consume(body).await
    }

    /// Calls `action` with each element and awaits it, until the channel is closed; then, or if it fails, cancels the channel.
    ///
    /// Where the action changes what it has captured after an `.await`, write the loop:
    /// `channel.consume(async { while let Some(element) = channel.next().await? { .. } Ok(()) })`.
    ///
    /// Kotlin: `ReceiveChannel.consumeEach`.
    ///
    /// # Errors
    ///
    /// The failure of the action; the cause that the channel was closed with.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the channel.
    ///
    /// ```
    /// use corox_channels::Channel;
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let channel = Channel::new(3);
    ///     for n in 1..=3 {
    ///         channel.send(n).await?;
    ///     }
    ///     channel.close();
    ///     let mut sum = 0;
    ///     channel.consume_each(|n| {
    ///         sum += n;
    ///         async { Ok(()) }
    ///     }).await?;
    ///     assert_eq!(sum, 6);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "consumeEach")]
    #[track_caller]
    pub fn consume_each<F>(&self, action: impl FnMut(T) -> F) -> impl Future<Output = Result<()>>
    where
        F: Future<Output = Result<()>>,
    {
        self.shared.consume_each(Location::caller(), action)
    }

    /// Appends every element to `collection` until the channel is closed, and then cancels the channel.
    ///
    /// Kotlin: `ReceiveChannel.consumeTo`.
    ///
    /// # Errors
    ///
    /// The cause that the channel was closed with; what came before it is in the collection.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the channel; what came before is in the collection.
    ///
    /// ```
    /// use corox_channels::Channel;
    /// use corox_core::run_blocking;
    /// use std::collections::BTreeSet;
    ///
    /// run_blocking(async |_| {
    ///     let channel = Channel::new(3);
    ///     for n in [3, 1, 3] {
    ///         channel.send(n).await?;
    ///     }
    ///     channel.close();
    ///     let mut set = BTreeSet::new();
    ///     channel.consume_to(&mut set).await?;
    ///     assert_eq!(set, BTreeSet::from([1, 3]));
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "consumeTo")]
    #[track_caller]
    pub fn consume_to(&self, collection: &mut impl Extend<T>) -> impl Future<Output = Result<()>> {
        self.shared.consume_to(Location::caller(), collection)
    }

    /// Everything that is received until the channel is closed.
    ///
    /// Kotlin: `ReceiveChannel.toList`.
    ///
    /// # Errors
    ///
    /// The cause that the channel was closed with.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the channel and drops what was received.
    ///
    /// ```
    /// use corox_channels::Channel;
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let channel = Channel::new(2);
    ///     channel.send(1).await?;
    ///     channel.send(2).await?;
    ///     channel.close();
    ///     assert_eq!(channel.to_vec().await?, [1, 2]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "toList")]
    #[track_caller]
    pub fn to_vec(&self) -> impl Future<Output = Result<Vec<T>>> {
        self.shared.to_vec(Location::caller())
    }
}

impl<T> Receiver<T> {
    /// As [`Channel::consume`]; see the example of [`Channel::consume`]. Dropping the future cancels the channel.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn consume<R>(&self, body: impl Future<Output = Result<R>>) -> Result<R> {
        self.shared().consume(body).await
    }

    /// As [`Channel::consume_each`]; see the example of [`Channel::consume_each`]. Dropping the future cancels the channel.
    ///
    /// # Errors
    ///
    /// As there.
    #[doc(alias = "consumeEach")]
    #[track_caller]
    pub fn consume_each<F>(&self, action: impl FnMut(T) -> F) -> impl Future<Output = Result<()>>
    where
        F: Future<Output = Result<()>>,
    {
        self.shared().consume_each(Location::caller(), action)
    }

    /// As [`Channel::consume_to`]; see the example of [`Channel::consume_to`]. Dropping the future cancels the channel.
    ///
    /// # Errors
    ///
    /// As there.
    #[doc(alias = "consumeTo")]
    #[track_caller]
    pub fn consume_to(&self, collection: &mut impl Extend<T>) -> impl Future<Output = Result<()>> {
        self.shared().consume_to(Location::caller(), collection)
    }

    /// As [`Channel::to_vec`]; see the example of [`Channel::to_vec`]. Dropping the future cancels the channel.
    ///
    /// # Errors
    ///
    /// As there.
    #[doc(alias = "toList")]
    #[track_caller]
    pub fn to_vec(&self) -> impl Future<Output = Result<Vec<T>>> {
        self.shared().to_vec(Location::caller())
    }
}
