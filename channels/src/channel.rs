//! Channels: both ends in one handle.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use corox_core::Error;

use crate::capacity::{BufferOverflow, Capacity};
use crate::channel_builder::ChannelBuilder;
use crate::error::{TryReceiveError, TrySendError};
use crate::on_receive::{OnReceive, OnReceiveCatching};
use crate::on_send::{OnSend, OnSendFrom};
use crate::receiving::{Next, Receive, ReceiveCatching};
use crate::sending::Sending;
use crate::shared::Shared;
use crate::split::{Receiver, Sender};

/// A queue between coroutines, in which each element is received once, in the order in which it was sent.
///
/// A handle has both ends; clones are the same channel. It is closed by [`close`](Channel::close) or
/// [`cancel`](Channel::cancel) alone: for ends that close it when they are dropped see [`split`](Channel::split).
///
/// Who waits is served in the order in which they came: senders, receivers and clauses of a `select`. An element goes straight
/// to the first receiver that waits. If that receiver is dropped before it takes the element (by a cancellation, a time-out,
/// `tokio::select!`), the element goes back to its place in the order, or to the hook of
/// [`on_undelivered_element`](ChannelBuilder::on_undelivered_element).
///
/// Kotlin: `Channel`.
///
/// ```
/// use corox_channels::{Capacity, Channel};
/// use corox_core::run_blocking;
///
/// run_blocking(async |scope| {
///     let channel = Channel::new(Capacity::Rendezvous);
///     let squares = channel.clone();
///     scope.launch(async move {
///         for n in 1..=3 {
///             squares.send(n * n).await?;
///         }
///         squares.close();
///         Ok(())
///     });
///     let mut seen = Vec::new();
///     while let Some(n) = channel.next().await? {
///         seen.push(n);
///     }
///     assert_eq!(seen, [1, 4, 9]);
///     Ok(())
/// }).unwrap();
/// ```
pub struct Channel<T> {
    pub(crate) shared: Arc<Shared<T>>,
}

impl<T> Clone for Channel<T> {
    fn clone(&self) -> Self {
        Channel {
            shared: self.shared.clone(),
        }
    }
}

impl<T> fmt::Debug for Channel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.shared, f)
    }
}

/// Two of one channel are equal.
impl<T> PartialEq for Channel<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl<T> Eq for Channel<T> {}

impl<T> Channel<T> {
    /// A channel whose sends wait when it is full, and without a hook.
    ///
    /// Kotlin: `Channel(capacity)`.
    ///
    /// ```
    /// use corox_channels::{Capacity, Channel};
    ///
    /// let latest = Channel::new(Capacity::Conflated);
    /// latest.try_send(1).unwrap();
    /// latest.try_send(2).unwrap();
    /// assert_eq!(latest.try_receive().unwrap(), 2);
    /// ```
    #[track_caller]
    #[must_use]
    pub fn new(capacity: impl Into<Capacity>) -> Self {
        Channel::builder(capacity).build()
    }

    /// A channel with a policy for when it is full, or a hook.
    ///
    /// Kotlin: `Channel(capacity, onBufferOverflow, onUndeliveredElement)`.
    ///
    /// ```
    /// use corox_channels::{BufferOverflow, Channel};
    ///
    /// let newest = Channel::builder(3).overflow(BufferOverflow::DropOldest).build();
    /// assert!((0..10).all(|n| newest.try_send(n).is_ok()));
    /// assert_eq!(newest.try_receive().unwrap(), 7);
    /// ```
    pub fn builder(capacity: impl Into<Capacity>) -> ChannelBuilder<T> {
        ChannelBuilder {
            capacity: capacity.into(),
            overflow: BufferOverflow::Suspend,
            hook: None,
        }
    }

    /// Two ends that close the channel when they are dropped: the last [`Sender`] closes it, and the last [`Receiver`] cancels it.
    ///
    /// Other handles of the channel stay what they are.
    ///
    /// ```
    /// use corox_channels::Channel;
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |scope| {
    ///     let (tx, rx) = Channel::new(8).split();
    ///     scope.launch(async move {
    ///         for n in 0..3 {
    ///             tx.send(n).await?;
    ///         }
    ///         Ok(()) // drops `tx`
    ///     });
    ///     let mut sum = 0;
    ///     while let Some(n) = rx.next().await? {
    ///         sum += n;
    ///     }
    ///     assert_eq!(sum, 3);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[must_use]
    pub fn split(self) -> (Sender<T>, Receiver<T>) {
        (Sender::of(&self.shared), Receiver::of(&self.shared))
    }

    /// Sends an element: to the first receiver that waits, or into the buffer; waits while there is no room.
    ///
    /// It does not suspend if it need not, and then it succeeds in a cancelled coroutine, too.
    ///
    /// Kotlin: `SendChannel.send`.
    ///
    /// # Errors
    ///
    /// If the channel is closed: a send that waits when [`close`](Channel::close) is called goes on waiting, and its element is
    /// received; one that waits when [`cancel`](Channel::cancel) is called fails.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before the element was taken, the element is dropped with it, or goes to the hook. If it is
    /// dropped after that and before it was polled again, the element is received all the same.
    ///
    /// ```
    /// use corox_channels::Channel;
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let channel = Channel::new(1);
    ///     channel.send(7).await?;
    ///     assert_eq!(channel.receive().await?, 7);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[track_caller]
    #[inline]
    pub fn send(&self, element: T) -> Sending<'_, T> {
        self.send_at(element, Location::caller())
    }

    /// As [`send`](Channel::send), called at `location`.
    #[doc(hidden)]
    #[inline]
    pub fn send_at(&self, element: T, location: &'static Location<'static>) -> Sending<'_, T> {
        Sending::new(&self.shared, element, location)
    }

    /// Sends an element if that is possible at once.
    ///
    /// With [`DropLatest`](BufferOverflow::DropLatest) it succeeds on a full channel and drops the element, of which the hook is
    /// not told.
    ///
    /// Kotlin: `SendChannel.trySend`.
    ///
    /// # Errors
    ///
    /// If the channel is full and nobody waits for an element, or if it is closed; the element is in the error.
    ///
    /// ```
    /// use corox_channels::{Capacity, Channel};
    ///
    /// // Nobody waits.
    /// assert!(Channel::new(Capacity::Rendezvous).try_send(1).unwrap_err().is_full());
    /// ```
    #[doc(alias = "trySend")]
    pub fn try_send(&self, element: T) -> Result<(), TrySendError<T>> {
        self.shared.try_send(element)
    }

    /// Receives the next element; waits while there is none.
    ///
    /// It does not suspend if it need not, and then it succeeds in a cancelled coroutine, too.
    ///
    /// Kotlin: `ReceiveChannel.receive`.
    ///
    /// # Errors
    ///
    /// If the channel is closed and everything in it has been received: the cause that it was closed with.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no element is lost: one that it was handed already goes back to its place in the order, or to
    /// the hook.
    ///
    /// ```
    /// use corox_channels::Channel;
    /// use corox_core::{run_blocking, with_timeout_or_none};
    /// use std::time::Duration;
    ///
    /// run_blocking(async |_| {
    ///     let channel = Channel::new(1);
    ///     let none = with_timeout_or_none(Duration::from_millis(1), async |_| Ok(channel.receive().await?)).await?;
    ///     assert_eq!(none, None);
    ///     channel.send(7).await?;
    ///     assert_eq!(channel.receive().await?, 7);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[track_caller]
    #[inline]
    pub fn receive(&self) -> Receive<'_, T> {
        Receive::new(&self.shared, Location::caller())
    }

    /// As [`receive`](Channel::receive), with a result that says what there was.
    ///
    /// Kotlin: `ReceiveChannel.receiveCatching`.
    ///
    /// # Cancel safety
    ///
    /// As `receive`.
    ///
    /// ```
    /// use corox_channels::Channel;
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let channel = Channel::<u32>::new(1);
    ///     channel.close();
    ///     assert!(channel.receive_catching().await.is_closed());
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "receiveCatching")]
    #[track_caller]
    #[inline]
    pub fn receive_catching(&self) -> ReceiveCatching<'_, T> {
        ReceiveCatching::new(&self.shared, Location::caller())
    }

    /// The next element, or `None` once the channel is closed and everything in it has been received; again `None` after that.
    ///
    /// For loops: `while let Some(element) = channel.next().await? { .. }`.
    ///
    /// Kotlin: `for (element in channel)`, `ChannelIterator`.
    ///
    /// # Errors
    ///
    /// If the channel was closed with a cause.
    ///
    /// # Cancel safety
    ///
    /// As [`receive`](Channel::receive).
    ///
    /// ```
    /// use corox_channels::Channel;
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let channel = Channel::new(2);
    ///     channel.send("a").await?;
    ///     channel.send("b").await?;
    ///     channel.close();
    ///     let mut all = String::new();
    ///     while let Some(text) = channel.next().await? {
    ///         all += text;
    ///     }
    ///     assert_eq!(all, "ab");
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "iterator")]
    #[doc(alias = "ChannelIterator")]
    #[track_caller]
    #[inline]
    pub fn next(&self) -> Next<'_, T> {
        Next::new(&self.shared, Location::caller())
    }

    /// Receives the next element if there is one.
    ///
    /// Kotlin: `ReceiveChannel.tryReceive`.
    ///
    /// # Errors
    ///
    /// If the channel is empty and no sender waits; if it is closed and everything in it has been received.
    ///
    /// ```
    /// use corox_channels::Channel;
    ///
    /// let channel = Channel::new(1);
    /// assert!(channel.try_receive().is_err());
    /// channel.try_send(7).unwrap();
    /// assert_eq!(channel.try_receive().unwrap(), 7);
    /// ```
    #[doc(alias = "tryReceive")]
    pub fn try_receive(&self) -> Result<T, TryReceiveError> {
        self.shared.try_receive()
    }

    /// The clause of a [`select`](corox_core::select()) that sends `element`.
    ///
    /// It is available when a receiver waits or there is room, and when the channel is closed: then it gives the error of
    /// [`send`](Channel::send). A receiver may be a select, too: both or neither have this clause win. One select may have
    /// several clauses of one channel; it does not send to itself.
    ///
    /// If another clause wins, the element goes to the hook or is dropped; in a loop use [`on_send_from`](Channel::on_send_from).
    ///
    /// Kotlin: `SendChannel.onSend`, which fails the whole `select` if the channel is closed.
    ///
    /// ```
    /// use corox_channels::Channel;
    /// use corox_core::{Clause, on_timeout, run_blocking, select};
    /// use std::time::Duration;
    ///
    /// run_blocking(async |_| {
    ///     let (full, free) = (Channel::new(0), Channel::new(1));
    ///     let to = select((
    ///         full.on_send("x").then(|sent| sent.map(|()| "full")),
    ///         free.on_send("x").then(|sent| sent.map(|()| "free")),
    ///         on_timeout(Duration::from_secs(5)).then(|()| Ok("neither")),
    ///     )).await?;
    ///     assert_eq!(to, "free");
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "onSend")]
    pub fn on_send(&self, element: T) -> OnSend<'_, T> {
        OnSend::new(&self.shared, element)
    }

    /// As [`on_send`](Channel::on_send), of an element that stays in `element` if it is not sent: for the next round of a loop.
    ///
    /// With `None` the clause is never available. If the channel is closed, the element is not in the error but stays, and the hook
    /// is not told.
    ///
    /// ```
    /// use corox_channels::Channel;
    /// use corox_core::{Clause, run_blocking, select};
    ///
    /// run_blocking(async |_| {
    ///     let (numbers, squares) = (Channel::new(3), Channel::new(1));
    ///     for n in 1..=3_u32 {
    ///         numbers.send(n).await?;
    ///     }
    ///     // One of them is on the way: nothing more is received until it is sent.
    ///     let mut square = None;
    ///     for _ in 0..2 {
    ///         if square.is_none() {
    ///             square = Some(numbers.receive().await?.pow(2));
    ///         }
    ///         select((squares.on_send_from(&mut square), squares.on_receive().then(|_| Ok(())))).await?;
    ///     }
    ///     assert_eq!(square, Some(4));
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "onSend")]
    pub fn on_send_from<'a>(&'a self, element: &'a mut Option<T>) -> OnSendFrom<'a, T> {
        OnSendFrom::new(&self.shared, element)
    }

    /// The clause of a [`select`](corox_core::select()) that receives an element.
    ///
    /// It is available when there is something to be received, and when the channel is closed and empty: then it gives the error of
    /// [`receive`](Channel::receive). A sender may be a select, too: both or neither have this clause win. While it waits, it keeps
    /// its place among the receivers.
    ///
    /// Kotlin: `ReceiveChannel.onReceive`, which fails the whole `select` if the channel is closed.
    ///
    /// ```
    /// use corox_channels::Channel;
    /// use corox_core::{Clause, run_blocking, select};
    ///
    /// run_blocking(async |_| {
    ///     let (words, numbers) = (Channel::new(1), Channel::new(1));
    ///     numbers.send(7).await?;
    ///     let text = select((
    ///         words.on_receive(),
    ///         numbers.on_receive().then(|n| n.map(|n: i32| n.to_string())),
    ///     )).await?;
    ///     assert_eq!(text, "7");
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "onReceive")]
    pub fn on_receive(&self) -> OnReceive<'_, T> {
        OnReceive::new(&self.shared)
    }

    /// As [`on_receive`](Channel::on_receive), with a result that says what there was.
    ///
    /// Kotlin: `ReceiveChannel.onReceiveCatching`.
    ///
    /// ```
    /// use corox_channels::Channel;
    /// use corox_core::{run_blocking, select};
    ///
    /// run_blocking(async |_| {
    ///     let channel = Channel::<u32>::new(1);
    ///     channel.close();
    ///     assert!(select((channel.on_receive_catching(),)).await.is_closed());
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "onReceiveCatching")]
    pub fn on_receive_catching(&self) -> OnReceiveCatching<'_, T> {
        OnReceiveCatching::new(&self.shared)
    }

    /// Says that nothing more will be sent. What is in the channel, and what those have who wait in `send`, is received; then
    /// receivers are told that it is closed.
    ///
    /// `true` for the call that closes it; a later one changes nothing.
    ///
    /// Kotlin: `SendChannel.close()`.
    ///
    /// # Panics
    ///
    /// With the panic of a handler of [`on_close`](Channel::on_close); the channel is closed all the same.
    ///
    /// ```
    /// use corox_channels::Channel;
    ///
    /// let channel = Channel::new(1);
    /// channel.try_send(7).unwrap();
    /// assert!(channel.close());
    /// assert!(!channel.close());
    /// assert!(channel.is_closed_for_send() && !channel.is_closed_for_receive());
    /// assert_eq!(channel.try_receive().unwrap(), 7);
    /// assert!(channel.is_closed_for_receive());
    /// ```
    pub fn close(&self) -> bool {
        let (closed, panics) = self.shared.close(None);
        panics.resume();
        closed
    }

    /// As [`close`](Channel::close), because of a failure: sends fail with it, and receives do so after everything in the channel
    /// has been received.
    ///
    /// Kotlin: `SendChannel.close(cause)`.
    ///
    /// # Panics
    ///
    /// As `close`.
    ///
    /// ```
    /// use corox_channels::Channel;
    /// use corox_core::{Error, run_blocking};
    ///
    /// let error = run_blocking(async |_| {
    ///     let channel = Channel::<u32>::new(1);
    ///     channel.close_with(Error::msg("the source is broken"));
    ///     Ok(channel.receive().await?)
    /// }).unwrap_err();
    /// assert_eq!(error.to_string(), "the source is broken");
    /// ```
    pub fn close_with(&self, cause: impl Into<Error>) -> bool {
        let (closed, panics) = self.shared.close(Some(cause.into()));
        panics.resume();
        closed
    }

    /// Says that nothing more will be received: closes the channel and disposes of what is in it. Whoever waits in `send` or
    /// `receive` fails with a cancellation.
    ///
    /// `true` if it closes the channel; one that was closed before is emptied.
    ///
    /// Kotlin: `ReceiveChannel.cancel()`.
    ///
    /// # Panics
    ///
    /// With the panic of the hook for undelivered elements, or of a handler of [`on_close`](Channel::on_close), after everything
    /// else is done.
    ///
    /// ```
    /// use corox_channels::Channel;
    ///
    /// let channel = Channel::new(1);
    /// channel.try_send(7).unwrap();
    /// channel.cancel();
    /// assert!(channel.is_closed_for_receive());
    /// let error = channel.try_send(8).unwrap_err();
    /// assert!(error.cause().unwrap().is_cancellation());
    /// ```
    #[track_caller]
    pub fn cancel(&self) -> bool {
        self.cancel_with(Error::cancellation("the channel was cancelled"))
    }

    /// As [`cancel`](Channel::cancel), with what senders and receivers are to fail with.
    ///
    /// Kotlin: `ReceiveChannel.cancel(cause)`.
    ///
    /// # Panics
    ///
    /// As `cancel`.
    ///
    /// ```
    /// use corox_channels::Channel;
    /// use corox_core::Error;
    ///
    /// let channel = Channel::new(1);
    /// channel.cancel_with(Error::cancellation("enough"));
    /// assert_eq!(channel.try_send(1).unwrap_err().cause().unwrap().to_string(), "enough");
    /// ```
    pub fn cancel_with(&self, cause: impl Into<Error>) -> bool {
        let (closed, panics) = self.shared.cancel(cause.into());
        panics.resume();
        closed
    }

    /// Has `handler` be called when the channel is closed or cancelled, with the cause if there is one: by whoever closes it,
    /// after that is done. On a closed channel it is called at once.
    ///
    /// Kotlin: `SendChannel.invokeOnClose`.
    ///
    /// # Errors
    ///
    /// If the channel has had a handler: there is one at most.
    ///
    /// # Panics
    ///
    /// With the panic of the handler, if it is called at once.
    ///
    /// ```
    /// use corox_channels::Channel;
    /// use std::sync::mpsc;
    ///
    /// let channel = Channel::<u32>::new(1);
    /// let (tx, rx) = mpsc::channel();
    /// channel.on_close(move |cause| tx.send(cause.is_none()).unwrap()).unwrap();
    /// assert!(channel.on_close(|_| {}).is_err());
    /// channel.close();
    /// assert_eq!(rx.try_recv(), Ok(true));
    /// ```
    #[doc(alias = "invokeOnClose")]
    pub fn on_close(
        &self,
        handler: impl FnOnce(Option<&Error>) + Send + 'static,
    ) -> Result<(), HandlerAlreadySet> {
        let set = self.shared.on_close(Box::new(handler));
        set.map_err(|_| HandlerAlreadySet(()))
    }

    /// Whether sends fail; see the example of [`close`](Channel::close).
    ///
    /// Kotlin: `SendChannel.isClosedForSend`.
    #[must_use]
    #[doc(alias = "isClosedForSend")]
    pub fn is_closed_for_send(&self) -> bool {
        self.shared.state.lock().is_closed()
    }

    /// Whether receives fail: the channel is closed, and everything in it has been received; see the example of
    /// [`close`](Channel::close).
    ///
    /// An element that a receiver was handed and dropped without taking it may come back after that.
    ///
    /// Kotlin: `ReceiveChannel.isClosedForReceive`.
    #[must_use]
    #[doc(alias = "isClosedForReceive")]
    pub fn is_closed_for_receive(&self) -> bool {
        let state = self.shared.state.lock();
        state.is_closed() && !state.has_elements()
    }

    /// Whether a receive would wait: there is nothing to be received, and the channel is not closed.
    ///
    /// Kotlin: `ReceiveChannel.isEmpty`.
    ///
    /// ```
    /// use corox_channels::Channel;
    ///
    /// let channel = Channel::<u32>::new(1);
    /// assert!(channel.is_empty());
    /// channel.close();
    /// assert!(!channel.is_empty());
    /// ```
    #[must_use]
    #[doc(alias = "isEmpty")]
    pub fn is_empty(&self) -> bool {
        let state = self.shared.state.lock();
        !state.is_closed() && !state.has_elements()
    }
}

/// The channel has a handler already; see [`Channel::on_close`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HandlerAlreadySet(());

impl fmt::Display for HandlerAlreadySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the channel has a handler for its closing already, and can have one only")
    }
}

impl std::error::Error for HandlerAlreadySet {}
