//! [`FlowCollect`]: the operators that run a flow.

use std::future::Future;

use corox_core::{Error, LaunchOutput, Result};
use futures_util::Sink;

use crate::Flow;

mod collect;
mod collect_latest;
mod fold;
mod forward;
mod run;

use collect::Collect;
use collect_latest::collect_latest;
use fold::Fold;
use forward::Forward;
use run::{Accepted, Consumer, Run};

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
        F: AsyncFnOnce(Self::Item) -> R + Clone,
        R: LaunchOutput,
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
        F: AsyncFnOnce(Self::Item) -> R + Clone,
        R: LaunchOutput,
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

    /// Folds all items into one value, from `initial` on.
    ///
    /// Kotlin: `fold`.
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
    /// use corox_flow::prelude::*;
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     assert_eq!((1..=5).into_flow().fold(1, |product, n| product * n).await?, 120);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[must_use = "the flow does not run until this is awaited"]
    fn fold<A, F>(self, initial: A, operation: F) -> impl Future<Output = Result<A>>
    where
        F: FnMut(A, Self::Item) -> A,
    {
        Run::new(self, Fold::new(initial, operation))
    }

    /// How many items there are.
    ///
    /// Kotlin: `count`.
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
    ///     assert_eq!(flow_of(["a", "b"]).count().await?, 2);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[must_use = "the flow does not run until this is awaited"]
    fn count(self) -> impl Future<Output = Result<usize>> {
        self.fold(0, |count, _| count + 1)
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

    /// All items, in order.
    ///
    /// Kotlin: `toList`.
    ///
    /// # Cancel safety
    ///
    /// To drop it is to cancel the collection; the items so far are dropped.
    ///
    /// # Errors
    ///
    /// What the flow fails with.
    ///
    /// ```
    /// use corox_flow::prelude::*;
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     assert_eq!((1..=3).into_flow().to_vec().await?, [1, 2, 3]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "toList")]
    #[must_use = "the flow does not run until this is awaited"]
    fn to_vec(self) -> impl Future<Output = Result<Vec<Self::Item>>> {
        self.fold(Vec::new(), |mut items, item| {
            items.push(item);
            items
        })
    }
}

impl<S: Flow> FlowCollect for S {}
