//! [`MutableSharedFlow`]: who emits the values.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

use corox_channels::BufferOverflow;

use super::cell::SharedCell;
use super::emitting::Emitting;
use super::flow::SharedFlow;
use super::state::Limits;
use crate::StateFlow;
use crate::share::count::count_flow;

/// Emits values to all who collect it as a [`SharedFlow`].
///
/// It has a buffer for its slowest collector: the last [`replay`](SharedFlowBuilder::replay) values, which those who come later get,
/// too, and [`extra`](SharedFlowBuilder::extra_buffer) ones. While it is full an emit waits, or a value is dropped
/// ([`overflow`](SharedFlowBuilder::overflow)). Without collectors nothing waits, and only the replay cache is kept. A clone is the
/// same flow. Values are copied and dropped outside of all locks, so `T` may do in its `Clone` and `Drop` whatever it likes; it is
/// `Send` and `Sync` if `T` is both.
///
/// For a value with a state, of which only the latest matters, there is [`MutableStateFlow`](crate::MutableStateFlow).
///
/// Kotlin: `MutableSharedFlow`.
///
/// ```
/// use corox_core::run_blocking;
/// use corox_flow::{MutableSharedFlow, prelude::*};
///
/// run_blocking(async |_| {
///     let events = MutableSharedFlow::builder().replay(1).build();
///     events.emit("started").await;
///     let mut seen = Vec::new();
///     events.as_shared_flow().take(1).for_each(|event| seen.push(event)).await?;
///     assert_eq!(seen, ["started"]);
///     Ok(())
/// }).unwrap();
/// ```
pub struct MutableSharedFlow<T> {
    cell: Arc<SharedCell<T>>,
}

/// What a [`MutableSharedFlow`] keeps; made by [`MutableSharedFlow::builder`].
///
/// ```
/// use corox_channels::BufferOverflow;
/// use corox_flow::MutableSharedFlow;
///
/// let last_ten = MutableSharedFlow::builder()
///     .replay(10)
///     .extra_buffer(54)
///     .overflow(BufferOverflow::DropOldest)
///     .build();
/// assert!((0..1000).all(|n| last_ten.try_emit(n)));
/// assert_eq!(last_ten.as_shared_flow().replay_cache()[0], 990);
/// ```
#[must_use = "it makes no flow before `build`"]
pub struct SharedFlowBuilder<T> {
    replay: usize,
    extra: usize,
    overflow: BufferOverflow,
    values: PhantomData<fn(T)>,
}

impl<T> SharedFlowBuilder<T> {
    /// How many of the last values those get first who come later; 0 if it is not said.
    ///
    /// Kotlin: the argument `replay`.
    ///
    /// ```
    /// use corox_flow::MutableSharedFlow;
    ///
    /// let latest = MutableSharedFlow::builder().replay(1).build();
    /// latest.try_emit(1);
    /// latest.try_emit(2);
    /// assert_eq!(latest.as_shared_flow().replay_cache(), [2]);
    /// ```
    pub fn replay(mut self, count: usize) -> Self {
        self.replay = count;
        self
    }

    /// How many values there is room for beyond the replay cache; 0 if it is not said.
    ///
    /// Kotlin: the argument `extraBufferCapacity`.
    ///
    /// ```
    /// use corox_flow::{Flow, MutableSharedFlow};
    /// use std::pin::pin;
    /// use std::task::{Context, Waker};
    ///
    /// let events = MutableSharedFlow::builder().extra_buffer(1).build();
    /// let mut collector = pin!(events.as_shared_flow());
    /// assert!(collector.as_mut().poll_next(&mut Context::from_waker(Waker::noop())).is_pending());
    /// assert!(events.try_emit(1));
    /// assert!(!events.try_emit(2));
    /// ```
    pub fn extra_buffer(mut self, count: usize) -> Self {
        self.extra = count;
        self
    }

    /// What happens to a value that is emitted while the buffer is full: it waits, if it is not said.
    ///
    /// With a policy that drops, emits never wait. [`DropOldest`](BufferOverflow::DropOldest) takes the oldest value from the
    /// collectors that have not taken it yet; [`DropLatest`](BufferOverflow::DropLatest) ignores the new one.
    ///
    /// Kotlin: the argument `onBufferOverflow`.
    ///
    /// ```
    /// use corox_channels::BufferOverflow;
    /// use corox_flow::{Flow, MutableSharedFlow};
    /// use std::pin::pin;
    /// use std::task::{Context, Poll, Waker};
    ///
    /// let newest = MutableSharedFlow::builder().extra_buffer(1).overflow(BufferOverflow::DropOldest).build();
    /// let mut collector = pin!(newest.as_shared_flow());
    /// let cx = &mut Context::from_waker(Waker::noop());
    /// assert!(collector.as_mut().poll_next(cx).is_pending());
    /// assert!(newest.try_emit(1) && newest.try_emit(2));
    /// let next = collector.as_mut().poll_next(cx).map(Result::unwrap);
    /// assert_eq!(next, Poll::Ready(Some(2)));
    /// ```
    pub fn overflow(mut self, overflow: BufferOverflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// The flow. A buffer of more than [`usize::MAX`] is one of that size.
    ///
    /// # Panics
    ///
    /// With a policy that drops and neither a replay cache nor an extra buffer: there is nothing to drop from.
    ///
    /// ```
    /// use corox_flow::MutableSharedFlow;
    ///
    /// let events = MutableSharedFlow::builder().replay(1).build();
    /// assert!(events.try_emit('a'));
    /// ```
    #[track_caller]
    #[must_use]
    pub fn build(self) -> MutableSharedFlow<T> {
        let capacity = self.replay.saturating_add(self.extra);
        assert!(
            capacity > 0 || self.overflow == BufferOverflow::Suspend,
            "a shared flow with `BufferOverflow::{:?}` and no buffer has nothing to drop: \
             give it room by `.replay(1)` or `.extra_buffer(1)`, or leave out `.overflow(..)`",
            self.overflow
        );
        let limits = Limits {
            replay: self.replay as u64,
            capacity: capacity as u64,
            overflow: self.overflow,
        };
        MutableSharedFlow {
            cell: Arc::new(SharedCell::new(limits, Location::caller())),
        }
    }
}

impl<T> fmt::Debug for SharedFlowBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedFlowBuilder")
            .field("replay", &self.replay)
            .field("extra_buffer", &self.extra)
            .field("overflow", &self.overflow)
            .finish()
    }
}

impl<T> MutableSharedFlow<T> {
    /// A flow without a buffer: an emit waits until all collectors have taken the value.
    ///
    /// Kotlin: `MutableSharedFlow()`.
    ///
    /// ```
    /// use corox_flow::MutableSharedFlow;
    ///
    /// let events = MutableSharedFlow::new();
    /// assert!(events.try_emit(1)); // to nobody
    /// ```
    #[track_caller]
    #[must_use]
    pub fn new() -> Self {
        MutableSharedFlow::builder().build()
    }

    /// A flow with a buffer.
    ///
    /// Kotlin: `MutableSharedFlow(replay, extraBufferCapacity, onBufferOverflow)`.
    ///
    /// ```
    /// use corox_flow::MutableSharedFlow;
    ///
    /// let events = MutableSharedFlow::builder().replay(1).extra_buffer(63).build();
    /// events.try_emit("ready");
    /// assert_eq!(events.as_shared_flow().replay_cache(), ["ready"]);
    /// ```
    pub fn builder() -> SharedFlowBuilder<T> {
        SharedFlowBuilder {
            replay: 0,
            extra: 0,
            overflow: BufferOverflow::Suspend,
            values: PhantomData,
        }
    }

    /// Gives a value to all collectors, and to the replay cache; waits while the buffer is full for the slowest of them.
    ///
    /// It does not suspend if it need not, and then it succeeds in a cancelled coroutine, too (F-40). Those who wait go on in the order
    /// in which they came. Without a buffer it waits until each of those who collect now has taken the value, but not until it
    /// has been processed.
    ///
    /// Kotlin: `emit`.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped while it waits for room, nobody gets the value. Without a buffer some collectors may have taken it by then; the
    /// others do not get it.
    ///
    /// ```
    /// use corox_core::run_blocking;
    /// use corox_flow::{MutableSharedFlow, prelude::*};
    ///
    /// run_blocking(async |scope| {
    ///     let events = MutableSharedFlow::new();
    ///     let first = scope.spawn(events.as_shared_flow().take(1).to_vec());
    ///     events.subscription_count().filter(|n| *n > 0).take(1).to_vec().await?;
    ///     events.emit(7).await;
    ///     assert_eq!(first.await?, [7]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[must_use = "nothing is emitted until it is awaited: `.emit(value).await`"]
    #[track_caller]
    pub fn emit(&self, value: T) -> impl Future<Output = ()> {
        Emitting::new(&*self.cell, value, Location::caller())
    }

    /// Emits a value if that can be done at once; gives whether it was. A value that the policy drops was emitted.
    ///
    /// Kotlin: `tryEmit`.
    ///
    /// ```
    /// use corox_flow::MutableSharedFlow;
    ///
    /// let events = MutableSharedFlow::builder().replay(1).build();
    /// assert!(events.try_emit(1));
    /// ```
    #[doc(alias = "tryEmit")]
    pub fn try_emit(&self, value: T) -> bool {
        self.cell.try_emit(&mut Some(value))
    }

    /// To be collected, not emitted to.
    ///
    /// Kotlin: `asSharedFlow`.
    ///
    /// ```
    /// use corox_flow::{MutableSharedFlow, SharedFlow};
    ///
    /// let events = MutableSharedFlow::<u32>::new();
    /// let readers: SharedFlow<u32> = events.as_shared_flow();
    /// assert!(readers.replay_cache().is_empty());
    /// ```
    #[must_use]
    #[doc(alias = "asSharedFlow")]
    pub fn as_shared_flow(&self) -> SharedFlow<T> {
        SharedFlow::of(self.cell.clone())
    }

    /// How many collections of it are running, as a state flow; see
    /// [`MutableStateFlow::subscription_count`](crate::MutableStateFlow::subscription_count).
    ///
    /// Kotlin: `subscriptionCount`.
    ///
    /// ```
    /// use corox_flow::MutableSharedFlow;
    ///
    /// let events = MutableSharedFlow::<u32>::new();
    /// assert_eq!(events.subscription_count().value(), 0);
    /// ```
    #[must_use]
    #[doc(alias = "subscriptionCount")]
    pub fn subscription_count(&self) -> StateFlow<usize> {
        count_flow(&self.cell.count())
    }

    /// Empties the replay cache for those who come later. What is in the buffer for the present collectors they still get, and
    /// it takes up room until they have.
    ///
    /// Kotlin: `resetReplayCache`.
    ///
    /// ```
    /// use corox_flow::MutableSharedFlow;
    ///
    /// let events = MutableSharedFlow::builder().replay(1).build();
    /// events.try_emit(1);
    /// events.reset_replay_cache();
    /// assert!(events.as_shared_flow().replay_cache().is_empty());
    /// ```
    #[doc(alias = "resetReplayCache")]
    pub fn reset_replay_cache(&self) {
        self.cell.reset_replay_cache();
    }

    pub(in crate::share) fn cell(&self) -> &Arc<SharedCell<T>> {
        &self.cell
    }
}

/// A flow without a buffer.
impl<T> Default for MutableSharedFlow<T> {
    #[track_caller]
    fn default() -> Self {
        MutableSharedFlow::new()
    }
}

/// Another handle of the same flow.
impl<T> Clone for MutableSharedFlow<T> {
    fn clone(&self) -> Self {
        MutableSharedFlow {
            cell: self.cell.clone(),
        }
    }
}

impl<T> fmt::Debug for MutableSharedFlow<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MutableSharedFlow").finish_non_exhaustive()
    }
}
