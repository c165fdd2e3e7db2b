//! Settings of a channel.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use crate::capacity::{BufferOverflow, Capacity};
use crate::channel::Channel;
use crate::shared::{Hook, Shared};

/// Settings of a channel; see [`Channel::builder`].
///
/// ```
/// use corox_channels::Channel;
/// use std::sync::{Arc, Mutex};
///
/// let left = Arc::new(Mutex::new(Vec::new()));
/// let channel = {
///     let left = left.clone();
///     Channel::builder(2).on_undelivered_element(move |n| left.lock().unwrap().push(n)).build()
/// };
/// channel.try_send(1).unwrap();
/// channel.try_send(2).unwrap();
/// channel.cancel();
/// assert_eq!(*left.lock().unwrap(), [1, 2]);
/// ```
#[must_use = "`.build()` makes the channel"]
pub struct ChannelBuilder<T> {
    pub(crate) capacity: Capacity,
    pub(crate) overflow: BufferOverflow,
    pub(crate) hook: Option<Hook<T>>,
}

impl<T> fmt::Debug for ChannelBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelBuilder")
            .field("capacity", &self.capacity)
            .field("overflow", &self.overflow)
            .finish_non_exhaustive()
    }
}

impl<T> ChannelBuilder<T> {
    /// What a send does when the channel is full.
    ///
    /// Kotlin: `onBufferOverflow`.
    ///
    /// ```
    /// use corox_channels::{BufferOverflow, Channel};
    ///
    /// let first = Channel::builder(1).overflow(BufferOverflow::DropLatest).build();
    /// first.try_send("first").unwrap();
    /// first.try_send("second").unwrap();
    /// assert_eq!(first.try_receive().unwrap(), "first");
    /// ```
    #[doc(alias = "onBufferOverflow")]
    pub fn overflow(mut self, overflow: BufferOverflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// Has `hook` be given each element that was to be sent and that nobody will receive, once: for elements that have to be
    /// closed or given back, and for which a destructor is not enough.
    ///
    /// | what happened | without a hook |
    /// |---|---|
    /// | a `send` is dropped before its element was taken, or an `on_send` that waited and lost | dropped |
    /// | a `send` on a closed channel | in the error |
    /// | a `receive` or `on_receive` is dropped after it was handed an element | back in its place |
    /// | the channel is full and a policy drops it | dropped |
    /// | the channel is cancelled | dropped; of senders that wait: in their errors |
    /// | the last handle is dropped | dropped |
    ///
    /// It is not given what [`try_send`](Channel::try_send) gives back in its error, nor an element that `try_send` itself drops by
    /// [`DropLatest`](BufferOverflow::DropLatest).
    ///
    /// It is called where the element is lost, on whatever thread, and with no lock held: it may use the channel. If it panics,
    /// the operation that called it does so, after everything else is done; in a destructor the panic is reported as an uncaught
    /// failure.
    ///
    /// Kotlin: `onUndeliveredElement`.
    #[doc(alias = "onUndeliveredElement")]
    pub fn on_undelivered_element(mut self, hook: impl Fn(T) + Send + Sync + 'static) -> Self {
        self.hook = Some(Box::new(hook));
        self
    }

    /// The channel.
    ///
    /// # Panics
    ///
    /// If [`Capacity::Conflated`] was given a policy: it is one itself.
    #[track_caller]
    #[must_use]
    pub fn build(self) -> Channel<T> {
        self.build_at(Location::caller())
    }

    /// [`build`](ChannelBuilder::build) of a channel that is told to be made at `made`; for flows.
    #[doc(hidden)]
    #[track_caller]
    #[must_use]
    pub fn build_at(self, made: &'static Location<'static>) -> Channel<T> {
        let settled = self.capacity.settle(self.overflow);
        Channel {
            shared: Arc::new(Shared::new(self.capacity, settled, self.hook, made)),
        }
    }
}
