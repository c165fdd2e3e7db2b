//! How much a channel holds, and what it does when it is full.

/// How many elements a channel holds that nobody has received.
///
/// A number is a capacity, too: `Channel::new(16)`; 0 is [`Rendezvous`](Capacity::Rendezvous).
///
/// Kotlin: the first argument of `Channel(..)`.
///
/// ```
/// use corox_channels::{Capacity, Channel};
///
/// let channel = Channel::new(Capacity::Unlimited);
/// for n in 0..1000 {
///     channel.try_send(n).unwrap();
/// }
/// let small = Channel::new(2);
/// small.try_send(1).unwrap();
/// small.try_send(2).unwrap();
/// assert!(small.try_send(3).unwrap_err().is_full());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[doc(alias = "Factory")]
pub enum Capacity {
    /// None: a sender and a receiver meet, and whoever comes first waits.
    ///
    /// With a policy that drops it is a capacity of 1.
    ///
    /// Kotlin: `Channel.RENDEZVOUS`.
    #[default]
    #[doc(alias = "RENDEZVOUS")]
    Rendezvous,
    /// [`DEFAULT_BUFFER`], or 1 with a policy that drops.
    ///
    /// Kotlin: `Channel.BUFFERED`.
    #[doc(alias = "BUFFERED")]
    Buffered,
    /// This many; 0 is a rendezvous.
    Exactly(usize),
    /// Any number: a send never waits.
    ///
    /// Kotlin: `Channel.UNLIMITED`.
    #[doc(alias = "UNLIMITED")]
    Unlimited,
    /// The newest: a send never waits, and what was sent before and not received is dropped.
    ///
    /// Kotlin: `Channel.CONFLATED`.
    #[doc(alias = "CONFLATED")]
    Conflated,
}

impl From<usize> for Capacity {
    fn from(capacity: usize) -> Self {
        Capacity::Exactly(capacity)
    }
}

/// The capacity of [`Capacity::Buffered`].
///
/// Kotlin: 64, or the property named by `Channel.DEFAULT_BUFFER_PROPERTY_NAME`; here a capacity of one's own is a number.
///
/// ```
/// use corox_channels::{Capacity, Channel, DEFAULT_BUFFER};
///
/// let channel = Channel::new(Capacity::Buffered);
/// assert_eq!((0..100).filter(|n| channel.try_send(*n).is_ok()).count(), DEFAULT_BUFFER);
/// ```
#[doc(alias = "DEFAULT_BUFFER_PROPERTY_NAME")]
pub const DEFAULT_BUFFER: usize = 64;

/// What a send does when the channel is full.
///
/// Kotlin: `BufferOverflow`.
///
/// ```
/// use corox_channels::{BufferOverflow, Channel};
///
/// let last_two = Channel::builder(2).overflow(BufferOverflow::DropOldest).build();
/// for n in 1..=5 {
///     last_two.try_send(n).unwrap();
/// }
/// assert_eq!(last_two.try_receive().unwrap(), 4);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[doc(alias = "onBufferOverflow")]
pub enum BufferOverflow {
    /// It waits.
    ///
    /// Kotlin: `BufferOverflow.SUSPEND`.
    #[default]
    #[doc(alias = "SUSPEND")]
    Suspend,
    /// The oldest element goes, and the new one is added.
    ///
    /// Kotlin: `BufferOverflow.DROP_OLDEST`.
    #[doc(alias = "DROP_OLDEST")]
    DropOldest,
    /// The new element goes, and the channel stays as it is.
    ///
    /// Kotlin: `BufferOverflow.DROP_LATEST`.
    #[doc(alias = "DROP_LATEST")]
    DropLatest,
}

impl Capacity {
    /// The room in the buffer and what happens beyond it, as Kotlin settles the combinations (C-1).
    ///
    /// # Panics
    ///
    /// If `Conflated` is given a policy: it is one itself.
    #[doc(hidden)]
    #[must_use]
    #[track_caller]
    pub fn settle(self, overflow: BufferOverflow) -> (usize, BufferOverflow) {
        let drops = overflow != BufferOverflow::Suspend;
        let room = match self {
            Capacity::Conflated => {
                assert!(
                    !drops,
                    "`Capacity::Conflated` keeps the newest element, and takes no other policy than \
                     `BufferOverflow::Suspend`: for {overflow:?} give a number as the capacity"
                );
                return (1, BufferOverflow::DropOldest);
            }
            Capacity::Unlimited => usize::MAX,
            Capacity::Buffered if drops => 1,
            Capacity::Buffered => DEFAULT_BUFFER,
            Capacity::Rendezvous => 0,
            Capacity::Exactly(room) => room,
        };
        // A rendezvous that never waits would drop everything.
        (if drops { room.max(1) } else { room }, overflow)
    }
}
