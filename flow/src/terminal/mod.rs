//! [`FlowCollect`]: the operators that run a flow.

use std::future::Future;
use std::ops::ControlFlow;

use corox_core::{CoroutineScope, Error, Job, Result};
use futures_util::Sink;

use crate::{BlockOutput, Flow};

mod collect;
mod collect_latest;
mod element;
mod find;
mod fold;
mod fold_async;
mod folding;
mod forward;
mod gather;
mod keep;
mod run;
mod steps;

use collect::Collect;
use collect_latest::collect_latest;
pub use element::{MoreThanOne, NoElement};
pub use find::FlowFind;
use fold::Fold;
use fold_async::FoldAsync;
pub use folding::FlowFold;
use forward::Forward;
pub use gather::FlowGather;
use run::{Accepted, Consumer, Run};
use steps::Steps;

/// The operators that run a flow, each a future that gives what came of it.
///
/// What they have in common: the future runs the flow in whoever awaits it, and to drop it is to cancel the collection. After 128
/// items without a wait it lets others run. When it stops early or fails, the flow is dropped first, and the
/// coroutines that it has started are waited for (F-11). They take the flow by value: `flow.clone().count()` leaves the recipe.
///
/// ```
/// use corox_flow::{flow_of, prelude::*};
/// use corox_core::run_blocking;
///
/// run_blocking(async |_| {
///     assert_eq!(flow_of([1, 2, 3]).fold(0, |sum, n| sum + n).await?, 6);
///     Ok(())
/// }).unwrap();
/// ```
pub trait FlowCollect: Flow + Sized {
    /// Runs the flow and `action` with each item, one after another.
    ///
    /// The action gives `()` or a [`Result<()>`](corox_core::Result), whose failure ends the collection. It is cloned for each
    /// item: have it capture references or `Arc`s. [`for_each`](FlowCollect::for_each) takes one that does not suspend, and may
    /// change what it captures.
    ///
    /// Kotlin: `collect`.
    ///
    /// # Cancel safety
    ///
    /// To drop it is to cancel the collection, with the item that is being processed.
    ///
    /// # Errors
    ///
    /// What the flow or the action fails with.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_channels::Channel;
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let channel = Channel::new(8);
    ///     flow_of([1, 2]).collect(async |n| Ok(channel.send(n).await?)).await?;
    ///     assert_eq!(channel.receive().await?, 1);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[must_use = "the flow does not run until this is awaited"]
    fn collect<R, F>(self, action: F) -> impl Future<Output = Result<()>>
    where
        F: AsyncFnOnce(Self::Item) -> R + Clone, // what it captures by `&mut`: a `Mutex`, or `for_each`
        R: BlockOutput,
    {
        Run::new(self, Collect::new(move |item| action.clone()(item)))
    }

    /// Runs the flow and `action` with the latest item: a newer item drops the action of the one before.
    ///
    /// The coroutines that the action has started in its collections are waited for before the next one begins; the next one is polled at
    /// once, so that an action which does not wait is never dropped half-way. As in [`collect`](FlowCollect::collect), the action gives
    /// `()` or a [`Result<()>`](corox_core::Result), and is cloned for each item.
    ///
    /// Kotlin: `collectLatest`.
    ///
    /// # Cancel safety
    ///
    /// To drop it is to cancel the collection, with the item that is being processed.
    ///
    /// # Errors
    ///
    /// What the flow or the action fails with.
    ///
    /// ```
    /// use corox_flow::{flow, prelude::*};
    /// use corox_core::delay;
    /// use corox_test::run_test;
    /// use std::sync::Mutex;
    /// use std::time::Duration;
    ///
    /// run_test(async |_| {
    ///     let ticks = flow(async |emitter| {
    ///         for n in 1..=3 {
    ///             emitter.emit(n).await;
    ///             delay(Duration::from_millis(100)).await;
    ///         }
    ///     });
    ///     let done = Mutex::new(Vec::new());
    ///     ticks.collect_latest(async |n| {
    ///         delay(Duration::from_millis(60 * n)).await; // the pause is too short for 2
    ///         done.lock().unwrap().push(n);
    ///     }).await.unwrap();
    ///     assert_eq!(done.into_inner().unwrap(), [1, 3]);
    /// });
    /// ```
    #[doc(alias = "collectLatest")]
    #[must_use = "the flow does not run until this is awaited"]
    fn collect_latest<R, F>(self, action: F) -> impl Future<Output = Result<()>>
    where
        F: AsyncFnOnce(Self::Item) -> R + Clone, // what it captures by `&mut`: a `Mutex`, or `for_each`
        R: BlockOutput,
    {
        collect_latest(self, move |item| action.clone()(item))
    }

    /// Runs the flow and `action` with each item.
    ///
    /// Kotlin: `collect`.
    ///
    /// # Cancel safety
    ///
    /// To drop it is to cancel the collection.
    ///
    /// # Errors
    ///
    /// What the flow fails with.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let mut seen = Vec::new();
    ///     flow_of([1, 2]).for_each(|n| seen.push(n)).await?;
    ///     assert_eq!(seen, [1, 2]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "collect")]
    #[must_use = "the flow does not run until this is awaited"]
    fn for_each<F>(self, mut action: F) -> impl Future<Output = Result<()>>
    where
        F: FnMut(Self::Item),
    {
        self.fold((), move |(), item| action(item))
    }

    /// Sends all items to a `Sink` of futures, and closes it when the flow has ended.
    ///
    /// What the sink holds is flushed when the flow waits. If the flow fails, the sink is dropped as it is.
    ///
    /// Kotlin: no counterpart.
    ///
    /// # Cancel safety
    ///
    /// To drop it is to cancel the collection; an item that the sink was not ready for is lost.
    ///
    /// # Errors
    ///
    /// What the flow or the sink fails with.
    ///
    /// ```
    /// use corox_core::run_blocking;
    /// use corox_flow::{flow_of, prelude::*};
    /// use futures::{StreamExt, channel::mpsc};
    ///
    /// run_blocking(async |_| {
    ///     let (tx, rx) = mpsc::channel(8);
    ///     flow_of([1, 2]).forward(tx).await?;
    ///     assert_eq!(rx.collect::<Vec<_>>().await, [1, 2]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[must_use = "the flow does not run until this is awaited"]
    fn forward<K>(self, sink: K) -> impl Future<Output = Result<()>>
    where
        K: Sink<Self::Item, Error: Into<Error>>,
    {
        Forward::new(self, sink)
    }

    /// Runs the flow, and does nothing with the items.
    ///
    /// Kotlin: `collect`.
    ///
    /// # Cancel safety
    ///
    /// To drop it is to cancel the collection.
    ///
    /// # Errors
    ///
    /// What the flow fails with.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let mut log = Vec::new();
    ///     let cell = std::cell::RefCell::new(&mut log);
    ///     flow_of([1, 2]).on_each(|n| cell.borrow_mut().push(*n)).run().await?;
    ///     assert_eq!(log, [1, 2]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "collect")]
    #[must_use = "the flow does not run until this is awaited"]
    fn run(self) -> impl Future<Output = Result<()>> {
        Run::new(self, Steps::new((), |(), _| ControlFlow::Continue(()), Ok))
    }

    /// Launches a coroutine in `scope` that runs the flow.
    ///
    /// What fails in it fails the scope. A flow that is not `Send` runs by `scope.launch_local(flow.run())`.
    ///
    /// Kotlin: `launchIn`.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::run_blocking;
    /// use std::sync::atomic::{AtomicU32, Ordering};
    /// use std::sync::Arc;
    ///
    /// let sum = Arc::new(AtomicU32::new(0));
    /// let total = sum.clone();
    /// run_blocking(async |scope| {
    ///     flow_of([1, 2]).on_each(move |n| { total.fetch_add(*n, Ordering::Relaxed); }).launch_in(&scope);
    ///     Ok(())
    /// }).unwrap();
    /// assert_eq!(sum.load(Ordering::Relaxed), 3);
    /// ```
    #[doc(alias = "launchIn")]
    #[track_caller]
    fn launch_in(self, scope: &CoroutineScope) -> Job
    where
        Self: Send + 'static,
    {
        let run = Steps::new((), |(), _| ControlFlow::Continue(()), Ok);
        scope.launch(Run::new(self, run))
    }

    /// [`collect`](FlowCollect::collect) with the number of the item, from 0, as an argument before it.
    ///
    /// Kotlin: `collectIndexed`.
    ///
    /// # Cancel safety
    ///
    /// To drop it is to cancel the collection.
    ///
    /// # Errors
    ///
    /// What the flow or the action fails with.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let log = std::cell::RefCell::new(Vec::new());
    ///     flow_of(["a", "b"]).collect_indexed(async |n, letter| log.borrow_mut().push((n, letter))).await?;
    ///     assert_eq!(log.into_inner(), [(0, "a"), (1, "b")]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "collectIndexed")]
    #[must_use = "the flow does not run until this is awaited"]
    fn collect_indexed<R, F>(self, action: F) -> impl Future<Output = Result<()>>
    where
        F: AsyncFnOnce(u64, Self::Item) -> R + Clone,
        R: BlockOutput,
    {
        let mut next = 0;
        let action = move |item| {
            let index = next;
            next += 1;
            action.clone()(index, item)
        };
        Run::new(self, Collect::new(action))
    }

    /// [`for_each`](FlowCollect::for_each) with an action that may fail, which ends the collection.
    ///
    /// Kotlin: `collect`.
    ///
    /// # Cancel safety
    ///
    /// To drop it is to cancel the collection.
    ///
    /// # Errors
    ///
    /// What the flow or the action fails with.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let mut sum = 0;
    ///     let failed = flow_of(["1", "2", "x"]).try_for_each(|text| {
    ///         sum += text.parse::<i32>()?;
    ///         Ok(())
    ///     });
    ///     assert!(failed.await.is_err());
    ///     assert_eq!(sum, 3);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "collect")]
    #[must_use = "the flow does not run until this is awaited"]
    fn try_for_each<F>(self, mut action: F) -> impl Future<Output = Result<()>>
    where
        F: FnMut(Self::Item) -> Result<()>,
    {
        self.try_fold((), move |(), item| action(item))
    }
}

impl<S: Flow> FlowCollect for S {}
