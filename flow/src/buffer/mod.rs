//! [`FlowBuffer`]: operators that let the source run ahead, or elsewhere.

use std::panic::Location;

use corox_channels::{BufferOverflow, Capacity, Channel, ChannelBuilders, Receiver};
use corox_core::{CoroutineScope, IntoContext};

use crate::Flow;
use crate::fusion::Settings;

mod cancellable;
mod flow_on;
mod hand_over;
mod in_task;
mod producing;
mod swapped;

use cancellable::Cancellable;
pub use flow_on::FlowOn;
#[cfg(corox_loom)]
pub use flow_on::unscheduled_flow_on;
pub(crate) use in_task::Buffer;

/// The operators that let what is above them run ahead of what is behind them, or somewhere else.
///
/// Those of them that follow one another, and [`channel_flow`](crate::channel_flow), are one buffer, which also holds where a function
/// gives the first ones as `impl Flow`:
///
/// - capacities that are numbers add up; [`Capacity::Buffered`] gives way to a number;
/// - a policy that drops replaces what was there; a buffer without one behind it adds its room to it;
/// - of several contexts, the one next to the source counts, element by element.
///
/// ```
/// use corox_flow::{Flow, flow, prelude::*};
/// use corox_core::{Dispatcher, run_blocking};
///
/// fn numbers() -> impl Flow<Item = u32> {
///     flow(async |emitter| {
///         for n in 1..=3 {
///             emitter.emit(n).await;
///         }
///     }).flow_on(Dispatcher::DEFAULT)
/// }
///
/// run_blocking(async |_| {
///     assert_eq!(numbers().buffer(16).to_vec().await?, [1, 2, 3]); // one buffer of 16
///     Ok(())
/// }).unwrap();
/// ```
pub trait FlowBuffer: Flow + Sized {
    /// Lets the source run ahead by `capacity` items, and wait then.
    ///
    /// It runs in the task of whoever collects, while that waits in a stage behind this one, and as far as there is room before the next
    /// item is handed on. So it need not be `Send`, and does not run in parallel: [`flow_on`](FlowBuffer::flow_on) is for that.
    /// After 128 items without a wait whoever collects has its turn.
    ///
    /// Capacities that add up beyond `usize::MAX` are [`Capacity::Unlimited`].
    ///
    /// Kotlin: `buffer`.
    ///
    /// ```
    /// use corox_flow::{flow, prelude::*};
    /// use corox_core::delay;
    /// use corox_test::run_test;
    /// use std::time::Duration;
    ///
    /// run_test(async |t| {
    ///     let slow = flow(async |emitter| {
    ///         for n in 1..=3 {
    ///             delay(Duration::from_millis(100)).await;
    ///             emitter.emit(n).await;
    ///         }
    ///     });
    ///     slow.buffer(2).collect(async |_| delay(Duration::from_millis(300)).await).await.unwrap();
    ///     assert_eq!(t.current_time(), Duration::from_millis(1000)); // and not 1200
    /// });
    /// ```
    fn buffer(self, capacity: impl Into<Capacity>) -> impl Flow<Item = Self::Item> {
        let settings = Settings::buffer(capacity.into(), BufferOverflow::Suspend);
        Buffer::new(self, settings)
    }

    /// [`buffer`](FlowBuffer::buffer) with a policy for a full one.
    ///
    /// Kotlin: `buffer(capacity, onBufferOverflow)`.
    ///
    /// # Panics
    ///
    /// If [`Capacity::Conflated`] is given a policy: it is one itself.
    ///
    /// ```
    /// use corox_flow::prelude::*;
    /// use corox_channels::BufferOverflow;
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let numbers = (1..=9).into_flow();
    ///     let latest = numbers.clone().buffer_with_overflow(2, BufferOverflow::DropOldest);
    ///     assert_eq!(latest.to_vec().await?, [1, 8, 9]); // the first is handed over at once
    ///     let oldest = numbers.buffer_with_overflow(2, BufferOverflow::DropLatest);
    ///     assert_eq!(oldest.to_vec().await?, [1, 2, 3]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "buffer")]
    #[track_caller]
    fn buffer_with_overflow(
        self,
        capacity: impl Into<Capacity>,
        overflow: BufferOverflow,
    ) -> impl Flow<Item = Self::Item> {
        Buffer::new(self, Settings::buffer(capacity.into(), overflow))
    }

    /// Lets the source run on, and keeps its newest item only: whoever collects gets the first one and then, each time it is done,
    /// the latest.
    ///
    /// Kotlin: `conflate`.
    ///
    /// ```
    /// use corox_flow::{flow, prelude::*};
    /// use corox_core::delay;
    /// use corox_test::run_test;
    /// use std::time::Duration;
    ///
    /// run_test(async |_| {
    ///     let clock = flow(async |emitter| {
    ///         for n in 1..=30 {
    ///             delay(Duration::from_millis(100)).await;
    ///             emitter.emit(n).await;
    ///         }
    ///     });
    ///     let seen = clock.conflate().map_async(async |n| {
    ///         delay(Duration::from_millis(1000)).await;
    ///         n
    ///     });
    ///     assert_eq!(seen.to_vec().await.unwrap(), [1, 10, 20, 30]);
    /// });
    /// ```
    fn conflate(self) -> impl Flow<Item = Self::Item> {
        self.buffer(Capacity::Conflated)
    }

    /// Runs what is above this in `context`, usually on another dispatcher; what is behind it stays where it is.
    ///
    /// With another dispatcher than that of the coroutine that collects, or with a [`buffer`](FlowBuffer::buffer) beside
    /// it, the source runs in a coroutine of its own, a child of the one that collects, and may be ahead of it by 64 items, or
    /// what the buffer says. It is cancelled when the collection ends; its failure or panic is that of the flow, behind the items
    /// that came before, and does not fail the scope. Collected outside of any coroutine it runs in the
    /// [`GlobalScope`](corox_core::GlobalScope); then nobody waits for its end.
    ///
    /// With the dispatcher that the coroutine has already there is no coroutine and no buffer: other elements
    /// of `context` are in force while the source is polled.
    ///
    /// Of several `flow_on` the one next to the source counts, element by element.
    ///
    /// Kotlin: `flowOn`.
    ///
    /// # Panics
    ///
    /// If a [`Job`](corox_core::Job) or `NonCancellable` is in `context`: the coroutine belongs to whoever collects.
    ///
    /// ```
    /// use corox_flow::{flow, prelude::*};
    /// use corox_core::{Dispatcher, run_blocking};
    /// use std::thread;
    ///
    /// run_blocking(async |_| {
    ///     let here = thread::current().id();
    ///     let elsewhere = flow(async |emitter| emitter.emit(thread::current().id()).await)
    ///         .flow_on(Dispatcher::DEFAULT);
    ///     elsewhere.for_each(|there| {
    ///         assert!(there != here);
    ///         assert!(thread::current().id() == here);
    ///     }).await
    /// }).unwrap();
    /// ```
    #[doc(alias = "flowOn")]
    #[track_caller]
    fn flow_on(self, context: impl IntoContext) -> FlowOn<Self>
    where
        Self: Send + 'static,
        Self::Item: Send,
    {
        let context = context.into();
        assert!(
            !context.changes_parent(),
            "the context of `flow_on` has a job, or `NonCancellable`: the coroutine that runs the source belongs to the one that \
             collects; give a dispatcher or other elements alone, or use `launch_in` for a collection in another scope"
        );
        FlowOn::new(self, context)
    }

    /// Looks before each item whether the coroutine is cancelled, and does not go past that.
    ///
    /// Blocks do so by themselves where they emit; flows of known items and operators do not.
    ///
    /// Kotlin: `cancellable`.
    ///
    /// ```
    /// use corox_flow::prelude::*;
    /// use corox_core::run_blocking;
    ///
    /// let mut seen = Vec::new();
    /// let _ = run_blocking(async |scope| {
    ///     (1..=5).into_flow().cancellable().for_each(|n| {
    ///         seen.push(n);
    ///         if n == 3 {
    ///             scope.cancel();
    ///         }
    ///     }).await
    /// });
    /// assert_eq!(seen, [1, 2, 3]);
    /// ```
    fn cancellable(self) -> impl Flow<Item = Self::Item> {
        Cancellable::new(self)
    }

    /// Launches a coroutine in `scope` that collects the flow into a channel, and gives its other end.
    ///
    /// The channel has the settings of the operators of this group that are right above. It is closed when the flow
    /// has ended: with its failure if there was one, which fails the scope, too. When the last receiver is dropped the
    /// coroutine is cancelled. It begins even if it is cancelled before its turn.
    ///
    /// Kotlin: `produceIn`.
    ///
    /// # Panics
    ///
    /// Where [`launch`](CoroutineScope::launch) does.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |scope| {
    ///     let words = flow_of(["one", "two"]).buffer(1).produce_in(&scope);
    ///     assert_eq!(words.receive().await?, "one");
    ///     assert_eq!(words.receive().await?, "two");
    ///     assert_eq!(words.next().await?, None);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "produceIn")]
    #[track_caller]
    fn produce_in(mut self, scope: &CoroutineScope) -> Receiver<Self::Item>
    where
        Self: Send + 'static,
        Self::Item: Send,
    {
        let location = Location::caller();
        let producer = self.producer();
        let settings = match &producer {
            Some(producer) => Some(producer.settings.clone()),
            None => self.dissolve(),
        };
        let settings =
            settings.unwrap_or_else(|| Settings::flow_on(corox_core::CoroutineContext::empty()));
        let channel = Channel::builder(settings.channel_capacity())
            .overflow(settings.overflow)
            .build();
        let launcher = scope.with(settings.context).atomic();
        match producer {
            Some(producer) => launcher.produce_into(channel, move |scope| {
                let channel = scope.channel().clone();
                (producer.run)(CoroutineScope::clone(&scope), channel)
            }),
            None => launcher.produce_into(channel, move |scope| async move {
                let send = async |item| Ok(scope.channel().send_at(item, location).await?);
                crate::FlowCollect::collect(self, send).await
            }),
        }
    }
}

impl<S: Flow> FlowBuffer for S {}
