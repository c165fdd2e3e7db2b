//! [`FlowTransform`]: operators that make other items of items.

use std::future::Future;

use corox_core::LaunchOutput;

use crate::{Emitter, Flow};

mod emitting;
mod filter;
mod map;
mod map_async;

use emitting::emitting;
pub use filter::Filter;
pub use map::Map;
use map_async::MapAsync;

/// The operators that make other items of items, one by one.
///
/// Closures that suspend are bound by `AsyncFnOnce + Clone` and cloned for each item: have them capture references or `Arc`s. All
/// closures are cloned with the flow, so that each collection has its own.
///
/// ```
/// use corox_flow::{flow_of, prelude::*};
/// use corox_core::run_blocking;
///
/// run_blocking(async |_| {
///     let squares = flow_of([1, 2, 3]).filter(|n| n % 2 == 1).map(|n| n * n);
///     assert_eq!(squares.to_vec().await?, [1, 9]);
///     Ok(())
/// }).unwrap();
/// ```
pub trait FlowTransform: Flow + Sized {
    /// Another item for each.
    ///
    /// Kotlin: `map`.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     assert_eq!(flow_of([1, 2]).map(|n| n * 10).to_vec().await?, [10, 20]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    fn map<R, F>(self, f: F) -> Map<Self, F>
    where
        F: FnMut(Self::Item) -> R + Clone,
    {
        Map::new(self, f)
    }

    /// [`map`](FlowTransform::map) with a closure that may suspend. The next item is asked for when it is done.
    ///
    /// Kotlin: `map`.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::{delay, run_blocking};
    /// use std::time::Duration;
    ///
    /// run_blocking(async |_| {
    ///     let slow = flow_of([1, 2]).map_async(async |n| {
    ///         delay(Duration::from_millis(1)).await;
    ///         n * 10
    ///     });
    ///     assert_eq!(slow.to_vec().await?, [10, 20]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "map")]
    fn map_async<R, F>(self, f: F) -> impl Flow<Item = R>
    where
        F: AsyncFnOnce(Self::Item) -> R + Clone,
    {
        MapAsync::new(self, move |item| f.clone()(item))
    }

    /// [`map_async`](FlowTransform::map_async) for a plain closure that gives a future. Where an item borrows, this one compiles.
    ///
    /// Kotlin: `map`.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let words = ["a".to_owned(), "bc".to_owned()];
    ///     let lengths = flow_of(&words).then(|word| async move { word.len() });
    ///     assert_eq!(lengths.to_vec().await?, [1, 2]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "map")]
    fn then<Fut, F>(self, f: F) -> impl Flow<Item = Fut::Output>
    where
        F: FnMut(Self::Item) -> Fut + Clone,
        Fut: Future,
    {
        MapAsync::new(self, f)
    }

    /// Only the items for which `predicate` holds.
    ///
    /// Kotlin: `filter`.
    ///
    /// ```
    /// use corox_flow::prelude::*;
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     assert_eq!((1..=5).into_flow().filter(|n| n % 2 == 0).to_vec().await?, [2, 4]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    fn filter<F>(self, predicate: F) -> Filter<Self, F>
    where
        F: FnMut(&Self::Item) -> bool + Clone,
    {
        Filter::new(self, predicate)
    }

    /// Any number of items for each, of another type: `f` emits them. A failure that it gives is that of the flow.
    ///
    /// Kotlin: `transform`.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let all = flow_of([1, 2]).transform(async |n, emitter| {
    ///         emitter.emit(format!("before {n}")).await;
    ///         emitter.emit(n.to_string()).await;
    ///     });
    ///     assert_eq!(all.to_vec().await?, ["before 1", "1", "before 2", "2"]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    fn transform<T, R, F>(self, f: F) -> impl Flow<Item = T>
    where
        F: AsyncFnOnce(Self::Item, &Emitter<T>) -> R + Clone,
        R: LaunchOutput,
    {
        emitting(self, f)
    }
}

impl<S: Flow> FlowTransform for S {}
