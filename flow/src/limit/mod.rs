//! [`FlowLimit`]: operators that leave out items at the beginning or the end.

use crate::transform::{Steps, StepsAsync, closures};
use crate::{Emitter, Flow, Verdict};

mod take;
mod transform_while;

pub use take::Take;
use transform_while::transform_while;

/// The operators that leave out items at the beginning or the end.
///
/// Those that end the flow early drop what is above them at once, and end normally.
///
/// ```
/// use corox_flow::prelude::*;
/// use corox_core::run_blocking;
///
/// run_blocking(async |_| {
///     assert_eq!((1..).into_flow().take(3).to_vec().await?, [1, 2, 3]);
///     Ok(())
/// }).unwrap();
/// ```
pub trait FlowLimit: Flow + Sized {
    /// At most the first `count` items. When the last of them has been processed, what is above is dropped; `take(0)` does not
    /// start it.
    ///
    /// Kotlin: `take`.
    ///
    /// ```
    /// use corox_flow::{flow, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let endless = flow(async |emitter| {
    ///         loop {
    ///             emitter.emit(1).await;
    ///         }
    ///     });
    ///     assert_eq!(endless.take(2).to_vec().await?, [1, 1]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    fn take(self, count: usize) -> Take<Self> {
        Take::new(self, count)
    }

    /// The items before the first one for which `predicate` does not hold. What is above is dropped at that one.
    ///
    /// Kotlin: `takeWhile`.
    ///
    /// ```
    /// use corox_flow::prelude::*;
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     assert_eq!((1..).into_flow().take_while(|n| *n < 4).to_vec().await?, [1, 2, 3]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "takeWhile")]
    fn take_while<F>(self, predicate: F) -> impl Flow<Item = Self::Item>
    where
        F: FnMut(&Self::Item) -> bool + Clone,
    {
        Steps::new(self, closures::until_not(predicate))
    }

    /// [`take_while`](FlowLimit::take_while) with a predicate that may suspend. The next item is asked for when it is done.
    ///
    /// Kotlin: `takeWhile`.
    ///
    /// ```
    /// use corox_flow::prelude::*;
    /// use corox_core::{run_blocking, yield_now};
    ///
    /// run_blocking(async |_| {
    ///     let few = (1..).into_flow().take_while_async(async |n| {
    ///         yield_now().await;
    ///         *n < 3
    ///     });
    ///     assert_eq!(few.to_vec().await?, [1, 2]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "takeWhile")]
    fn take_while_async<F>(self, predicate: F) -> impl Flow<Item = Self::Item>
    where
        F: AsyncFnOnce(&Self::Item) -> bool + Clone,
    {
        StepsAsync::new(self, closures::until_not_async(predicate))
    }

    /// All items but the first `count`.
    ///
    /// Kotlin: `drop`.
    ///
    /// ```
    /// use corox_flow::prelude::*;
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     assert_eq!((1..=4).into_flow().skip(2).to_vec().await?, [3, 4]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "drop")]
    fn skip(self, count: usize) -> impl Flow<Item = Self::Item> {
        Steps::new(self, closures::after(count))
    }

    /// All items from the first one on for which `predicate` does not hold; it is not asked again after that.
    ///
    /// Kotlin: `dropWhile`.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     assert_eq!(flow_of([1, 2, 3, 1]).skip_while(|n| *n < 3).to_vec().await?, [3, 1]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "dropWhile")]
    fn skip_while<F>(self, predicate: F) -> impl Flow<Item = Self::Item>
    where
        F: FnMut(&Self::Item) -> bool + Clone,
    {
        Steps::new(self, closures::from_not(predicate))
    }

    /// [`skip_while`](FlowLimit::skip_while) with a predicate that may suspend. The next item is asked for when it is done.
    ///
    /// Kotlin: `dropWhile`.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::{run_blocking, yield_now};
    ///
    /// run_blocking(async |_| {
    ///     let from_three = flow_of([1, 3, 2]).skip_while_async(async |n| {
    ///         yield_now().await;
    ///         *n < 3
    ///     });
    ///     assert_eq!(from_three.to_vec().await?, [3, 2]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "dropWhile")]
    fn skip_while_async<F>(self, predicate: F) -> impl Flow<Item = Self::Item>
    where
        F: AsyncFnOnce(&Self::Item) -> bool + Clone,
    {
        StepsAsync::new(self, closures::from_not_async(predicate))
    }

    /// Any number of items for each, as [`transform`](crate::FlowTransform::transform), until `f` gives `false`. What is above is
    /// dropped then.
    ///
    /// `f` gives a `bool` or a [`Result<bool>`](corox_core::Result), whose failure is that of the flow.
    ///
    /// Kotlin: `transformWhile`.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     // Up to the last part, and that too, which `take_while` would leave out.
    ///     let download = flow_of([30, 70, 100, 7]).transform_while(async |percent, emitter| {
    ///         emitter.emit(percent).await;
    ///         percent < 100
    ///     });
    ///     assert_eq!(download.to_vec().await?, [30, 70, 100]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "transformWhile")]
    fn transform_while<T, R, F>(self, f: F) -> impl Flow<Item = T>
    where
        F: AsyncFnOnce(Self::Item, &Emitter<T>) -> R + Clone,
        R: Verdict,
    {
        transform_while(self, f)
    }
}

impl<S: Flow> FlowLimit for S {}
