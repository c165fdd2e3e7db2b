//! [`FlowFold`]: the operators that run a flow and make one value of all items.

use std::future::Future;
use std::ops::ControlFlow;
use std::panic::Location;

use corox_core::Result;

use super::{Fold, FoldAsync, NoElement, Run, Steps};
use crate::{Flow, FlowTransform};

/// The operators that run a flow and make one value of all items.
///
/// They are as those of [`FlowCollect`](crate::FlowCollect); [`FlowGather`](crate::FlowGather) has those that make collections.
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
pub trait FlowFold: Flow + Sized {
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

    /// [`fold`](FlowFold::fold) with an operation that may suspend. It is cloned for each item: have it capture references or
    /// `Arc`s.
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
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let sum = flow_of([1, 2]).fold_async(0, async |sum, n| {
    ///         corox_core::yield_now().await;
    ///         sum + n
    ///     });
    ///     assert_eq!(sum.await?, 3);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "fold")]
    #[must_use = "the flow does not run until this is awaited"]
    fn fold_async<A, F>(self, initial: A, operation: F) -> impl Future<Output = Result<A>>
    where
        F: AsyncFnOnce(A, Self::Item) -> A + Clone,
    {
        let operation = move |value, item| {
            let operation = operation.clone();
            async move { Ok(operation(value, item).await) }
        };
        Run::new(self, FoldAsync::new(initial, operation, Ok))
    }

    /// [`fold`](FlowFold::fold) with an operation that may fail, which ends the collection.
    ///
    /// Kotlin: `fold`.
    ///
    /// # Cancel safety
    ///
    /// To drop it is to cancel the collection.
    ///
    /// # Errors
    ///
    /// What the flow or the operation fails with.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let sum = flow_of(["1", "2"]).try_fold(0, |sum, text| Ok(sum + text.parse::<i32>()?));
    ///     assert_eq!(sum.await?, 3);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "fold")]
    #[must_use = "the flow does not run until this is awaited"]
    fn try_fold<A, F>(self, initial: A, mut operation: F) -> impl Future<Output = Result<A>>
    where
        F: FnMut(A, Self::Item) -> Result<A>,
    {
        let step = move |state: &mut Option<A>, item| {
            // It is not there after a panic of the operation, and then nothing polls this.
            if let Some(value) = state.take() {
                match operation(value, item) {
                    Ok(value) => *state = Some(value),
                    Err(error) => return ControlFlow::Break(Err(error)),
                }
            }
            ControlFlow::Continue(())
        };
        let finish = |state: Option<A>| Ok(state.expect("it is finished once"));
        Run::new(self, Steps::new(Some(initial), step, finish))
    }

    /// [`try_fold`](FlowFold::try_fold) with an operation that may suspend. It is cloned for each item: have it capture references
    /// or `Arc`s.
    ///
    /// Kotlin: `fold`.
    ///
    /// # Cancel safety
    ///
    /// To drop it is to cancel the collection.
    ///
    /// # Errors
    ///
    /// What the flow or the operation fails with.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let sum = flow_of(["1", "x"]).try_fold_async(0, async |sum, text: &str| {
    ///         corox_core::yield_now().await;
    ///         Ok(sum + text.parse::<i32>()?)
    ///     });
    ///     assert!(sum.await.is_err());
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "fold")]
    #[must_use = "the flow does not run until this is awaited"]
    fn try_fold_async<A, F>(self, initial: A, operation: F) -> impl Future<Output = Result<A>>
    where
        F: AsyncFnOnce(A, Self::Item) -> Result<A> + Clone,
    {
        let operation = move |value, item| operation.clone()(value, item);
        Run::new(self, FoldAsync::new(initial, operation, Ok))
    }

    /// Folds all items into one value, from the first one on.
    ///
    /// Kotlin: `reduce`.
    ///
    /// # Cancel safety
    ///
    /// To drop it is to cancel the collection.
    ///
    /// # Errors
    ///
    /// [`NoElement`](crate::NoElement), if there is no item; else what the flow fails with.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     assert_eq!(flow_of([2, 3, 4]).reduce(|product, n| product * n).await?, 24);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[must_use = "the flow does not run until this is awaited"]
    #[track_caller]
    fn reduce<F>(self, mut operation: F) -> impl Future<Output = Result<Self::Item>>
    where
        F: FnMut(Self::Item, Self::Item) -> Self::Item,
    {
        let location = Location::caller();
        let step = move |value: &mut Option<Self::Item>, item| {
            *value = Some(match value.take() {
                Some(value) => operation(value, item),
                None => item,
            });
            ControlFlow::Continue(())
        };
        let finish = move |value: Option<_>| value.ok_or_else(|| NoElement::at(location));
        Run::new(self, Steps::new(None, step, finish))
    }

    /// [`reduce`](FlowFold::reduce) with an operation that may suspend. It is cloned for each item: have it capture references or
    /// `Arc`s.
    ///
    /// Kotlin: `reduce`.
    ///
    /// # Cancel safety
    ///
    /// To drop it is to cancel the collection.
    ///
    /// # Errors
    ///
    /// [`NoElement`](crate::NoElement), if there is no item; else what the flow fails with.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let product = flow_of([2, 3, 4]).reduce_async(async |product, n| {
    ///         corox_core::yield_now().await;
    ///         product * n
    ///     });
    ///     assert_eq!(product.await?, 24);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "reduce")]
    #[must_use = "the flow does not run until this is awaited"]
    #[track_caller]
    fn reduce_async<F>(self, operation: F) -> impl Future<Output = Result<Self::Item>>
    where
        F: AsyncFnOnce(Self::Item, Self::Item) -> Self::Item + Clone,
    {
        let location = Location::caller();
        let operation = move |value: Option<Self::Item>, item| {
            let operation = operation.clone();
            async move {
                Ok(Some(match value {
                    Some(value) => operation(value, item).await,
                    None => item,
                }))
            }
        };
        let finish = move |value: Option<_>| value.ok_or_else(|| NoElement::at(location));
        Run::new(self, FoldAsync::new(None, operation, finish))
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

    /// How many items there are for which `predicate` holds.
    ///
    /// Kotlin: `count { }`.
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
    ///     assert_eq!(flow_of([1, 2, 3]).count_if(|n| n % 2 == 1).await?, 2);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "count")]
    #[must_use = "the flow does not run until this is awaited"]
    fn count_if<F>(self, mut predicate: F) -> impl Future<Output = Result<usize>>
    where
        F: FnMut(&Self::Item) -> bool,
    {
        self.fold(0, move |count, item| count + usize::from(predicate(&item)))
    }

    /// [`count_if`](FlowFold::count_if) with a predicate that may suspend.
    ///
    /// Kotlin: `count { }`.
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
    ///     let odd = flow_of([1, 2, 3]).count_if_async(async |n| {
    ///         corox_core::yield_now().await;
    ///         n % 2 == 1
    ///     });
    ///     assert_eq!(odd.await?, 2);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "count")]
    #[must_use = "the flow does not run until this is awaited"]
    fn count_if_async<F>(self, predicate: F) -> impl Future<Output = Result<usize>>
    where
        F: AsyncFnOnce(&Self::Item) -> bool + Clone,
    {
        self.filter_async(predicate).count()
    }
}

impl<S: Flow> FlowFold for S {}
