//! [`FlowShare`]: flows with more than one collector.

use std::future::Future;

use corox_core::{CoroutineScope, Result};

use crate::{BlockOutput, Emitter, Flow};

mod count;
mod hot;
mod note;
mod shared;
mod sharing;
mod state;
mod subscribers;

pub use hot::HotFlow;
pub use shared::{MutableSharedFlow, SharedFlow, SharedFlowBuilder};
pub use sharing::{SharingCommand, SharingPolicy, SharingStarted};
pub use state::{MutableStateFlow, StateFlow, States, combine_states};

/// The operators that share one collection among many, and those of flows that are shared.
///
/// ```
/// use corox_core::run_blocking;
/// use corox_flow::{SharingStarted, flow_of, prelude::*};
///
/// run_blocking(async |scope| {
///     let state = flow_of([1, 2]).state_in(&scope, SharingStarted::EAGERLY, 0);
///     assert_eq!(state.filter(|n| *n == 2).take(1).to_vec().await?, [2]);
///     Ok(())
/// }).unwrap();
/// ```
pub trait FlowShare: Flow + Sized {
    /// A shared flow of the items of this one, which a coroutine of `scope` collects when `started` says so. Those who come later
    /// get the last `replay` items first.
    ///
    /// It has a buffer of 64 items, or `replay` if that is more, for its slowest collector; while it is full the coroutine waits. That this
    /// flow ends is not seen by collectors. What it fails with fails the coroutine, and with it the scope (F-46). The coroutine belongs to
    /// the scope, which waits for it: cancel the scope to end the sharing. To drop the shared flow does not.
    ///
    /// Kotlin: `shareIn`.
    ///
    /// ```
    /// use corox_core::{delay, run_blocking};
    /// use corox_flow::{SharingStarted, flow, prelude::*};
    /// use std::time::Duration;
    ///
    /// run_blocking(async |scope| {
    ///     let ticks = flow(async |emitter| {
    ///         for n in 1.. {
    ///             emitter.emit(n).await;
    ///             delay(Duration::from_millis(1)).await;
    ///         }
    ///     });
    ///     let five_seconds = SharingStarted::while_subscribed(Duration::from_secs(5), Duration::MAX);
    ///     let shared = ticks.share_in(&scope, five_seconds, 1);
    ///     assert_eq!(shared.clone().take(2).to_vec().await?, [1, 2]);
    ///     assert!(shared.take(1).to_vec().await?[0] >= 2); // it goes on
    ///     scope.job().cancel_children();
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[track_caller]
    #[must_use]
    #[doc(alias = "shareIn")]
    fn share_in<P>(
        self,
        scope: &CoroutineScope,
        started: P,
        replay: usize,
    ) -> SharedFlow<Self::Item>
    where
        Self: Send + 'static,
        Self::Item: Clone + Send + Sync + 'static,
        P: SharingPolicy,
    {
        sharing::share_in(self, scope, started, replay)
    }

    /// A state flow of the latest item of this one, which a coroutine of `scope` collects when `started` says so; `initial` until there
    /// is one.
    ///
    /// Otherwise as [`share_in`](FlowShare::share_in). When `started` has the values forgotten, the state is `initial` again.
    ///
    /// Kotlin: `stateIn`.
    ///
    /// ```
    /// use corox_core::run_blocking;
    /// use corox_flow::{SharingStarted, flow_of, prelude::*};
    ///
    /// run_blocking(async |scope| {
    ///     let name = flow_of(["Ada"]).state_in(&scope, SharingStarted::LAZILY, "nobody");
    ///     assert_eq!(name.value(), "nobody");
    ///     assert_eq!(name.clone().take(2).to_vec().await?, ["nobody", "Ada"]);
    ///     assert_eq!(name.value(), "Ada");
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[track_caller]
    #[must_use]
    #[doc(alias = "stateIn")]
    fn state_in<P>(
        self,
        scope: &CoroutineScope,
        started: P,
        initial: Self::Item,
    ) -> StateFlow<Self::Item>
    where
        Self: Send + 'static,
        Self::Item: Clone + PartialEq + Send + Sync + 'static,
        P: SharingPolicy,
    {
        sharing::state_in(self, scope, started, initial)
    }

    /// [`state_in`](FlowShare::state_in) that begins at once, and gives the state when it has its first value.
    ///
    /// Kotlin: `stateIn(scope)`.
    ///
    /// # Cancel safety
    ///
    /// The coroutine is launched at the first poll and goes on if this is dropped: it belongs to the scope.
    ///
    /// # Errors
    ///
    /// What this flow fails with before its first item, which fails the scope, too; [`NoElement`](crate::NoElement) if it ends before, which does not; the
    /// cancellation of the scope.
    ///
    /// ```
    /// use corox_core::run_blocking;
    /// use corox_flow::{flow_of, prelude::*};
    ///
    /// run_blocking(async |scope| {
    ///     let state = flow_of([7]).state_in_first(&scope).await?;
    ///     assert_eq!(state.value(), 7);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[track_caller]
    #[doc(alias = "stateIn")]
    fn state_in_first(
        self,
        scope: &CoroutineScope,
    ) -> impl Future<Output = Result<StateFlow<Self::Item>>>
    where
        Self: Send + 'static,
        Self::Item: Clone + PartialEq + Send + Sync + 'static,
    {
        sharing::state_in_first(self, scope)
    }

    /// Runs `action` when a collector has subscribed, before it gets the replay cache: what is emitted to the shared flow from then
    /// on it will get. What `action` emits goes to this collector alone.
    ///
    /// Of several the one that was added first runs first. A failure of `action` is that of the flow.
    ///
    /// Kotlin: `onSubscription`.
    ///
    /// ```
    /// use corox_core::run_blocking;
    /// use corox_flow::{MutableSharedFlow, prelude::*};
    ///
    /// run_blocking(async |_| {
    ///     let answers = MutableSharedFlow::builder().extra_buffer(1).build();
    ///     let asked = answers.as_shared_flow().on_subscription(async |emitter| {
    ///         emitter.emit("asking").await;
    ///         answers.emit("yes").await; // is not missed
    ///     });
    ///     assert_eq!(asked.take(2).to_vec().await?, ["asking", "yes"]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "onSubscription")]
    fn on_subscription<R, F>(self, action: F) -> impl HotFlow<Item = Self::Item>
    where
        Self: HotFlow,
        F: AsyncFnOnce(&Emitter<Self::Item>) -> R + Clone,
        R: BlockOutput,
    {
        hot::on_subscription(self, action)
    }
}

impl<S: Flow> FlowShare for S {}
