//! [`FlowTransform`]: operators that make other items of items.

use std::future::Future;

use crate::{BlockOutput, Emitter, Flow};

mod chunked;
pub(crate) mod closures;
mod distinct;
mod emitting;
mod filter;
mod map;
mod map_async;
mod start_with;
mod steps;
mod steps_async;

use chunked::Chunked;
use distinct::Distinct;
pub(crate) use emitting::Emitting;
pub use filter::Filter;
pub use map::Map;
pub(crate) use map_async::MapAsync;
use start_with::StartWith;
pub(crate) use steps::{Step, Steps};
pub(crate) use steps_async::StepsAsync;

use crate::per_item::{Calls, blocks, calls};

/// The operators that make other items of items, one by one.
///
/// Closures that suspend are bound by `AsyncFnOnce + Clone` and cloned for each item: have them capture references or `Arc`s. All
/// closures are cloned with the flow, so that each collection has its own. One that captures a local by `&mut` is therefore refused:
/// have it capture a `Cell`, a `Mutex` or an atomic; of the terminal operators `for_each` and `fold` take such a closure.
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
        F: FnMut(Self::Item) -> R + Clone, // what it captures by `&mut`: a `Cell`, or a `fold` in its place
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
        MapAsync::new(self, calls(f))
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
        MapAsync::new(self, Calls::new(f))
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

    /// [`filter`](FlowTransform::filter) with a predicate that may suspend. The next item is asked for when it is done.
    ///
    /// Kotlin: `filter`.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::{run_blocking, yield_now};
    ///
    /// run_blocking(async |_| {
    ///     let odd = flow_of([1, 2, 3]).filter_async(async |n| {
    ///         yield_now().await;
    ///         n % 2 == 1
    ///     });
    ///     assert_eq!(odd.to_vec().await?, [1, 3]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "filter")]
    fn filter_async<F>(self, predicate: F) -> impl Flow<Item = Self::Item>
    where
        F: AsyncFnOnce(&Self::Item) -> bool + Clone,
    {
        StepsAsync::new(self, closures::keep_async(predicate, true))
    }

    /// Only the items for which `predicate` does not hold.
    ///
    /// Kotlin: `filterNot`.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let words = flow_of(["a", "", "b"]).filter_not(|word| word.is_empty());
    ///     assert_eq!(words.to_vec().await?, ["a", "b"]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "filterNot")]
    fn filter_not<F>(self, predicate: F) -> impl Flow<Item = Self::Item>
    where
        F: FnMut(&Self::Item) -> bool + Clone,
    {
        Filter::new(self, closures::not(predicate))
    }

    /// [`filter_not`](FlowTransform::filter_not) with a predicate that may suspend. The next item is asked for when it is done.
    ///
    /// Kotlin: `filterNot`.
    ///
    /// ```
    /// use corox_flow::prelude::*;
    /// use corox_core::{run_blocking, yield_now};
    ///
    /// run_blocking(async |_| {
    ///     let odd = (1..=3).into_flow().filter_not_async(async |n| {
    ///         yield_now().await;
    ///         n % 2 == 0
    ///     });
    ///     assert_eq!(odd.to_vec().await?, [1, 3]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "filterNot")]
    fn filter_not_async<F>(self, predicate: F) -> impl Flow<Item = Self::Item>
    where
        F: AsyncFnOnce(&Self::Item) -> bool + Clone,
    {
        StepsAsync::new(self, closures::keep_async(predicate, false))
    }

    /// [`filter`](FlowTransform::filter) and [`map`](FlowTransform::map) in one: the items for which `f` gives `Some`.
    ///
    /// So the items of one type among several, too, Kotlin's `filterIsInstance`: `|item| match item { Event::Key(key) => Some(key),
    /// _ => None }`, or `|item: Box<dyn Any>| item.downcast::<Key>().ok()`.
    ///
    /// Kotlin: `mapNotNull`.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let numbers = flow_of(["1", "x", "3"]).filter_map(|text| text.parse::<i32>().ok());
    ///     assert_eq!(numbers.to_vec().await?, [1, 3]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "mapNotNull")]
    #[doc(alias = "filterIsInstance")]
    fn filter_map<R, F>(self, f: F) -> impl Flow<Item = R>
    where
        F: FnMut(Self::Item) -> Option<R> + Clone,
    {
        Steps::new(self, closures::some(f))
    }

    /// [`filter_map`](FlowTransform::filter_map) with a closure that may suspend. The next item is asked for when it is done.
    ///
    /// Kotlin: `mapNotNull`.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::{run_blocking, yield_now};
    ///
    /// run_blocking(async |_| {
    ///     let halves = flow_of([1, 2, 4]).filter_map_async(async |n: i32| {
    ///         yield_now().await;
    ///         (n % 2 == 0).then_some(n / 2)
    ///     });
    ///     assert_eq!(halves.to_vec().await?, [1, 2]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "mapNotNull")]
    fn filter_map_async<R, F>(self, f: F) -> impl Flow<Item = R>
    where
        F: AsyncFnOnce(Self::Item) -> Option<R> + Clone,
    {
        StepsAsync::new(self, closures::some_async(f))
    }

    /// What is in the items that are `Some`.
    ///
    /// Kotlin: `filterNotNull`.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     assert_eq!(flow_of([Some(1), None, Some(2)]).flatten_some().to_vec().await?, [1, 2]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "filterNotNull")]
    fn flatten_some<T>(self) -> impl Flow<Item = T>
    where
        Self: Flow<Item = Option<T>>,
    {
        Steps::new(self, closures::itself)
    }

    /// Runs `action` with each item before it goes on.
    ///
    /// Kotlin: `onEach`.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::run_blocking;
    /// use std::cell::RefCell;
    ///
    /// run_blocking(async |_| {
    ///     let log = RefCell::new(Vec::new());
    ///     let sum = flow_of([1, 2]).on_each(|n| log.borrow_mut().push(*n)).fold(0, |a, b| a + b);
    ///     assert_eq!(sum.await?, 3);
    ///     assert_eq!(log.into_inner(), [1, 2]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "onEach")]
    fn on_each<F>(self, action: F) -> impl Flow<Item = Self::Item>
    where
        F: FnMut(&Self::Item) + Clone,
    {
        Map::new(self, closures::seen(action))
    }

    /// [`on_each`](FlowTransform::on_each) with an action that may suspend. The item goes on when it is done.
    ///
    /// Kotlin: `onEach`.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_test::run_test;
    /// use corox_core::delay;
    /// use std::time::Duration;
    ///
    /// run_test(async |t| {
    ///     let slow = flow_of([1, 2]).on_each_async(async |_| delay(Duration::from_secs(1)).await);
    ///     assert_eq!(slow.to_vec().await?, [1, 2]);
    ///     assert_eq!(t.current_time(), Duration::from_secs(2));
    ///     Ok(())
    /// });
    /// ```
    #[doc(alias = "onEach")]
    fn on_each_async<F>(self, action: F) -> impl Flow<Item = Self::Item>
    where
        F: AsyncFnOnce(&Self::Item) + Clone,
    {
        MapAsync::new(self, closures::seen_async(action))
    }

    /// Each item with its number, from 0. A `u64` does not overflow: at an item a nanosecond it lasts for 584 years.
    ///
    /// Kotlin: `withIndex`.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     assert_eq!(flow_of(["a", "b"]).enumerate().to_vec().await?, [(0, "a"), (1, "b")]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "withIndex")]
    fn enumerate(self) -> impl Flow<Item = (u64, Self::Item)> {
        Map::new(self, closures::numbered())
    }

    /// `initial`, and then, for each item, what `f` makes of the last result and the item.
    ///
    /// `initial` is emitted before the flow is started, and even if it is empty (F-31).
    ///
    /// Kotlin: `scan`, `runningFold`.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let sums = flow_of([1, 2, 3]).scan(10, |sum, n| sum + n);
    ///     assert_eq!(sums.to_vec().await?, [10, 11, 13, 16]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "runningFold")]
    fn scan<A, F>(self, initial: A, f: F) -> impl Flow<Item = A>
    where
        A: Clone,
        F: FnMut(A, Self::Item) -> A + Clone,
    {
        let rest = Steps::new(self, closures::scanned(initial.clone(), f));
        StartWith::new(initial, rest)
    }

    /// [`scan`](FlowTransform::scan) with a closure that may suspend. The next item is asked for when it is done.
    ///
    /// Kotlin: `scan`, `runningFold`.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::{run_blocking, yield_now};
    ///
    /// run_blocking(async |_| {
    ///     let sums = flow_of([1, 2]).scan_async(0, async |sum, n| {
    ///         yield_now().await;
    ///         sum + n
    ///     });
    ///     assert_eq!(sums.to_vec().await?, [0, 1, 3]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "runningFold")]
    fn scan_async<A, F>(self, initial: A, f: F) -> impl Flow<Item = A>
    where
        A: Clone,
        F: AsyncFnOnce(A, Self::Item) -> A + Clone,
    {
        let rest = StepsAsync::new(self, closures::scanned_async(initial.clone(), f));
        StartWith::new(initial, rest)
    }

    /// The first item, and then, for each further one, what `f` makes of the last result and the item.
    ///
    /// Kotlin: `runningReduce`.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let highest = flow_of([1, 3, 2, 5]).running_reduce(|highest, n| n.max(highest));
    ///     assert_eq!(highest.to_vec().await?, [1, 3, 3, 5]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "runningReduce")]
    fn running_reduce<F>(self, f: F) -> impl Flow<Item = Self::Item>
    where
        Self::Item: Clone,
        F: FnMut(Self::Item, Self::Item) -> Self::Item + Clone,
    {
        Map::new(self, closures::reduced(f))
    }

    /// [`running_reduce`](FlowTransform::running_reduce) with a closure that may suspend. The next item is asked for when it is done.
    ///
    /// Kotlin: `runningReduce`.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::{run_blocking, yield_now};
    ///
    /// run_blocking(async |_| {
    ///     let sums = flow_of([1, 2, 3]).running_reduce_async(async |sum, n| {
    ///         yield_now().await;
    ///         sum + n
    ///     });
    ///     assert_eq!(sums.to_vec().await?, [1, 3, 6]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "runningReduce")]
    fn running_reduce_async<F>(self, f: F) -> impl Flow<Item = Self::Item>
    where
        Self::Item: Clone,
        F: AsyncFnOnce(Self::Item, Self::Item) -> Self::Item + Clone,
    {
        StepsAsync::new(self, closures::reduced_async(f))
    }

    /// Vectors of `size` items, the last one perhaps shorter; nothing for an empty flow.
    ///
    /// What has come when the flow fails is lost (F-31).
    ///
    /// Kotlin: `chunked`.
    ///
    /// # Panics
    ///
    /// If `size` is 0.
    ///
    /// ```
    /// use corox_flow::prelude::*;
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let chunks = (1..=5).into_flow().chunked(2);
    ///     assert_eq!(chunks.to_vec().await?, [vec![1, 2], vec![3, 4], vec![5]]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[track_caller]
    fn chunked(self, size: usize) -> impl Flow<Item = Vec<Self::Item>> {
        Chunked::new(self, size)
    }

    /// Leaves out items that equal the last one that went on. A second one behind it does nothing.
    ///
    /// Kotlin: `distinctUntilChanged`.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let changes = flow_of([1, 1, 2, 2, 1]).distinct_until_changed();
    ///     assert_eq!(changes.to_vec().await?, [1, 2, 1]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "distinctUntilChanged")]
    fn distinct_until_changed(self) -> impl Flow<Item = Self::Item>
    where
        Self::Item: PartialEq + Clone,
    {
        Distinct::new(self)
    }

    /// Leaves out items whose key equals that of the last one that went on.
    ///
    /// Kotlin: `distinctUntilChangedBy`.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let by_length = flow_of(["a", "b", "cc", "d"]).distinct_until_changed_by_key(|word| word.len());
    ///     assert_eq!(by_length.to_vec().await?, ["a", "cc", "d"]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "distinctUntilChangedBy")]
    fn distinct_until_changed_by_key<K, F>(self, key: F) -> impl Flow<Item = Self::Item>
    where
        K: PartialEq,
        F: FnMut(&Self::Item) -> K + Clone,
    {
        Filter::new(self, closures::other_key(key))
    }

    /// Leaves out items of which `equal` says that they are as the last one that went on, which is its first argument.
    ///
    /// Kotlin: `distinctUntilChanged(areEquivalent)`.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let steps = flow_of([1.0, 1.2, 1.6, 2.0_f64]).distinct_until_changed_with(|a, b| (a - b).abs() < 0.5);
    ///     assert_eq!(steps.to_vec().await?, [1.0, 1.6]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "distinctUntilChanged")]
    fn distinct_until_changed_with<F>(self, equal: F) -> impl Flow<Item = Self::Item>
    where
        Self::Item: Clone,
        F: FnMut(&Self::Item, &Self::Item) -> bool + Clone,
    {
        Filter::new(self, closures::other(equal))
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
        R: BlockOutput,
    {
        Emitting::new(self, blocks(f))
    }
}

impl<S: Flow> FlowTransform for S {}
