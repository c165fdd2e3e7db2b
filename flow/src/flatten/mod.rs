//! [`FlowFlatten`]: operators that make one flow of many.

use std::convert::identity;

use corox_channels::{BufferOverflow, Capacity};

use crate::buffer::Buffer;
use crate::fusion::Settings;
use crate::per_item::{blocks, flows, flows_async, futures};
use crate::{BlockOutput, Emitter, Flow, FlowTransform, flow_of};

mod concat;
mod latest;
mod merge;

use concat::Concat;
pub(crate) use latest::Latest;
use merge::Merge;

/// How many inner flows are usually collected at a time: for [`flat_map_merge`](FlowFlatten::flat_map_merge).
///
/// Kotlin: `DEFAULT_CONCURRENCY`, or the property named by `DEFAULT_CONCURRENCY_PROPERTY_NAME`; here another number is an argument.
///
/// ```
/// use corox_flow::{DEFAULT_CONCURRENCY, flow_of, prelude::*};
/// use corox_core::run_blocking;
///
/// run_blocking(async |_| {
///     let all = flow_of([1, 3]).flat_map_merge(DEFAULT_CONCURRENCY, |n| flow_of([n, n + 1]));
///     assert_eq!(all.to_vec().await?, [1, 2, 3, 4]);
///     Ok(())
/// }).unwrap();
/// ```
#[doc(alias = "DEFAULT_CONCURRENCY_PROPERTY_NAME")]
pub const DEFAULT_CONCURRENCY: usize = 16;

/// The settings of the buffer that some operators have.
fn default_buffer() -> Settings {
    Settings::buffer(Capacity::Buffered, BufferOverflow::Suspend)
}

/// The items of all `flows`, which are collected at the same time, as they come.
///
/// All of them run in the task of whoever collects; [`flow_on`](crate::FlowBuffer::flow_on) on each has them run in parallel. Flows of different types are
/// [`boxed`](crate::FlowConvert::boxed). Between them and whoever collects is a buffer of 64 items, which a
/// [`buffer`](crate::FlowBuffer::buffer) right behind changes.
///
/// Kotlin: `merge`.
///
/// # Errors
///
/// The flow fails with the first failure of one of them, when the others have gone. A cancellation that one fails with ends that one alone.
///
/// ```
/// use corox_flow::{flow, merge, prelude::*};
/// use corox_core::delay;
/// use corox_test::run_test;
/// use std::time::Duration;
///
/// run_test(async |_| {
///     let every = |ms| flow(async move |emitter| {
///         for _ in 0..2 {
///             delay(Duration::from_millis(ms)).await;
///             emitter.emit(ms).await;
///         }
///     });
///     assert_eq!(merge([every(20), every(50)]).to_vec().await.unwrap(), [20, 20, 50, 50]);
/// });
/// ```
pub fn merge<I>(flows: I) -> impl Flow<Item = <I::Item as Flow>::Item>
where
    I: IntoIterator<Item: Flow, IntoIter: Clone>,
{
    let merged = Merge::new(flow_of(flows), usize::MAX, identity);
    Buffer::of(merged, Some(default_buffer()))
}

/// The operators that make one flow of many.
///
/// - one after another: `_concat`;
/// - several at a time: `_merge`, and the function [`merge`];
/// - the latest alone: `_latest`.
///
/// ```
/// use corox_flow::{flow_of, prelude::*};
/// use corox_core::run_blocking;
///
/// run_blocking(async |_| {
///     let all = flow_of([1, 3]).flat_map_concat(|n| flow_of([n, n + 1]));
///     assert_eq!(all.to_vec().await?, [1, 2, 3, 4]);
///     Ok(())
/// }).unwrap();
/// ```
pub trait FlowFlatten: Flow + Sized {
    /// The items of a flow for each item, one flow after another.
    ///
    /// Kotlin: `flatMapConcat`.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let all = flow_of(["ab", "c"]).flat_map_concat(|word| word.chars().into_flow());
    ///     assert_eq!(all.to_vec().await?, ['a', 'b', 'c']);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "flatMapConcat")]
    fn flat_map_concat<I, F>(self, f: F) -> impl Flow<Item = I::Item>
    where
        I: Flow,
        F: FnMut(Self::Item) -> I + Clone,
    {
        Concat::new(self, f)
    }

    /// [`flat_map_concat`](FlowFlatten::flat_map_concat) with a closure that may suspend.
    ///
    /// Kotlin: `flatMapConcat`.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::{run_blocking, yield_now};
    ///
    /// run_blocking(async |_| {
    ///     let all = flow_of([1, 3]).flat_map_concat_async(async |n| {
    ///         yield_now().await;
    ///         flow_of([n, n + 1])
    ///     });
    ///     assert_eq!(all.to_vec().await?, [1, 2, 3, 4]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "flatMapConcat")]
    fn flat_map_concat_async<I, F>(self, f: F) -> impl Flow<Item = I::Item>
    where
        I: Flow,
        F: AsyncFnOnce(Self::Item) -> I + Clone,
    {
        Concat::new(self.map_async(f), identity)
    }

    /// The items of the flows that this one gives, one flow after another.
    ///
    /// Kotlin: `flattenConcat`.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let flows = flow_of([flow_of([1, 2]), flow_of([3, 4])]);
    ///     assert_eq!(flows.flatten_concat().to_vec().await?, [1, 2, 3, 4]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "flattenConcat")]
    fn flatten_concat(self) -> impl Flow<Item = <Self::Item as Flow>::Item>
    where
        Self::Item: Flow,
    {
        Concat::new(self, identity)
    }

    /// The items of a flow for each item, as they come, of at most `concurrency` flows at a time; the next item is asked for when one of
    /// them has ended.
    ///
    /// All of them run in the task of whoever collects; [`flow_on`](crate::FlowBuffer::flow_on) on each has them run in parallel. Between them and whoever
    /// collects is a buffer of 64 items, which a [`buffer`](crate::FlowBuffer::buffer) right behind changes. With a concurrency of 1 it
    /// is [`flat_map_concat`](FlowFlatten::flat_map_concat).
    ///
    /// Kotlin: `flatMapMerge`.
    ///
    /// # Errors
    ///
    /// The flow fails with the first failure of any of them, when the others have gone. A cancellation that an inner flow fails
    /// with ends that one alone.
    ///
    /// # Panics
    ///
    /// If `concurrency` is 0.
    ///
    /// ```
    /// use corox_flow::{flow, flow_of, prelude::*};
    /// use corox_core::delay;
    /// use corox_test::run_test;
    /// use std::time::Duration;
    ///
    /// run_test(async |t| {
    ///     let all = flow_of([30, 20, 10]).flat_map_merge(2, |ms| flow(async move |emitter| {
    ///         delay(Duration::from_millis(ms)).await;
    ///         emitter.emit(ms).await;
    ///     }));
    ///     let mut all = all.to_vec().await.unwrap();
    ///     assert_eq!(all[0], 20);
    ///     all.sort();
    ///     assert_eq!(all, [10, 20, 30]);
    ///     assert_eq!(t.current_time(), Duration::from_millis(30));
    /// });
    /// ```
    #[doc(alias = "flatMapMerge")]
    #[track_caller]
    fn flat_map_merge<I, F>(self, concurrency: usize, f: F) -> impl Flow<Item = I::Item>
    where
        I: Flow,
        F: FnMut(Self::Item) -> I + Clone,
    {
        assert!(
            concurrency > 0,
            "`flat_map_merge(0, ..)` and `flatten_merge(0)` would collect no flow: the concurrency is at least 1, which is \
             `flat_map_concat`; `DEFAULT_CONCURRENCY` is a usual one"
        );
        let buffer = (concurrency > 1).then(default_buffer);
        Buffer::of(Merge::new(self, concurrency, f), buffer)
    }

    /// [`flat_map_merge`](FlowFlatten::flat_map_merge) with a closure that may suspend; the closure runs for one item at a time.
    ///
    /// Kotlin: `flatMapMerge`.
    ///
    /// # Panics
    ///
    /// If `concurrency` is 0.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::{run_blocking, yield_now};
    ///
    /// run_blocking(async |_| {
    ///     let all = flow_of([1, 3]).flat_map_merge_async(4, async |n| {
    ///         yield_now().await;
    ///         flow_of([n, n + 1])
    ///     });
    ///     assert_eq!(all.to_vec().await?, [1, 2, 3, 4]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "flatMapMerge")]
    #[track_caller]
    fn flat_map_merge_async<I, F>(self, concurrency: usize, f: F) -> impl Flow<Item = I::Item>
    where
        I: Flow,
        F: AsyncFnOnce(Self::Item) -> I + Clone,
    {
        self.map_async(f).flat_map_merge(concurrency, identity)
    }

    /// The items of the flows that this one gives, as they come, of at most `concurrency` flows at a time: as
    /// [`flat_map_merge`](FlowFlatten::flat_map_merge).
    ///
    /// Kotlin: `flattenMerge`.
    ///
    /// # Panics
    ///
    /// If `concurrency` is 0.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let flows = flow_of([flow_of([1, 2]), flow_of([3, 4])]);
    ///     assert_eq!(flows.flatten_merge(2).count().await?, 4);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "flattenMerge")]
    #[track_caller]
    fn flatten_merge(self, concurrency: usize) -> impl Flow<Item = <Self::Item as Flow>::Item>
    where
        Self::Item: Flow,
    {
        self.flat_map_merge(concurrency, identity)
    }

    /// The items of a flow for the latest item: a newer item ends the flow of the one before.
    ///
    /// That one is dropped, and the coroutines that it has started are waited for, before the next is begun; that is polled at once, so
    /// that a flow which does not wait is collected whole. Between them and whoever collects is a buffer of 64 items, which a
    /// [`buffer`](crate::FlowBuffer::buffer) right behind changes.
    ///
    /// Kotlin: `flatMapLatest`.
    ///
    /// ```
    /// use corox_flow::{flow, prelude::*};
    /// use corox_core::delay;
    /// use corox_test::run_test;
    /// use std::time::Duration;
    ///
    /// run_test(async |_| {
    ///     let typed = flow(async |emitter| {
    ///         for (pause, text) in [(0, "a"), (10, "ab"), (200, "abc")] {
    ///             delay(Duration::from_millis(pause)).await;
    ///             emitter.emit(text).await;
    ///         }
    ///     });
    ///     let found = typed.flat_map_latest(|text| flow(async move |emitter| {
    ///         delay(Duration::from_millis(100)).await;
    ///         emitter.emit(format!("{text}: found")).await;
    ///     }));
    ///     assert_eq!(found.to_vec().await.unwrap(), ["ab: found", "abc: found"]);
    /// });
    /// ```
    #[doc(alias = "flatMapLatest")]
    fn flat_map_latest<I, F>(self, f: F) -> impl Flow<Item = I::Item>
    where
        I: Flow,
        F: FnMut(Self::Item) -> I + Clone,
    {
        let latest = Latest::new(self, flows(f));
        Buffer::of(latest, Some(default_buffer()))
    }

    /// [`flat_map_latest`](FlowFlatten::flat_map_latest) with a closure that may suspend, and which a newer item ends, too.
    ///
    /// Kotlin: `flatMapLatest`.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::{run_blocking, yield_now};
    ///
    /// run_blocking(async |_| {
    ///     let latest = flow_of([1, 3]).flat_map_latest_async(async |n| {
    ///         yield_now().await;
    ///         flow_of([n, n + 1])
    ///     });
    ///     assert_eq!(latest.to_vec().await?, [3, 4]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "flatMapLatest")]
    fn flat_map_latest_async<I, F>(self, f: F) -> impl Flow<Item = I::Item>
    where
        I: Flow,
        F: AsyncFnOnce(Self::Item) -> I + Clone,
    {
        let latest = Latest::new(self, flows_async(f));
        Buffer::of(latest, Some(default_buffer()))
    }

    /// What `f` gives for the latest item: a newer item ends the run of `f` for the one before, as in
    /// [`flat_map_latest`](FlowFlatten::flat_map_latest).
    ///
    /// Kotlin: `mapLatest`.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::{run_blocking, yield_now};
    ///
    /// run_blocking(async |_| {
    ///     let latest = flow_of([1, 2, 3]).map_latest(async |n| {
    ///         yield_now().await;
    ///         n * 10
    ///     });
    ///     assert_eq!(latest.to_vec().await?, [30]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "mapLatest")]
    fn map_latest<R, F>(self, f: F) -> impl Flow<Item = R>
    where
        F: AsyncFnOnce(Self::Item) -> R + Clone,
    {
        let latest = Latest::new(self, futures(f));
        Buffer::of(latest, Some(default_buffer()))
    }

    /// What `f` emits for the latest item: a newer item ends the run of `f` for the one before, as in
    /// [`flat_map_latest`](FlowFlatten::flat_map_latest). A failure that it gives is that of the flow.
    ///
    /// Kotlin: `transformLatest`.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::{run_blocking, yield_now};
    ///
    /// run_blocking(async |_| {
    ///     let latest = flow_of([1, 2]).transform_latest(async |n, emitter| {
    ///         emitter.emit(format!("begun {n}")).await;
    ///         yield_now().await;
    ///         emitter.emit(format!("done {n}")).await;
    ///     });
    ///     assert_eq!(latest.to_vec().await?, ["begun 1", "begun 2", "done 2"]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "transformLatest")]
    fn transform_latest<T, R, F>(self, f: F) -> impl Flow<Item = T>
    where
        F: AsyncFnOnce(Self::Item, &Emitter<T>) -> R + Clone,
        R: BlockOutput,
    {
        let latest = Latest::new(self, blocks(f));
        Buffer::of(latest, Some(default_buffer()))
    }
}

impl<S: Flow> FlowFlatten for S {}
