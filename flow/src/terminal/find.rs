//! [`FlowFind`]: the operators that run a flow for one of its items.

use std::future::Future;
use std::panic::Location;

use corox_core::Result;

use super::keep::{keep_first, keep_first_where, keep_last, keep_single, stop_at};
use super::{MoreThanOne, NoElement, Run, Steps};
use crate::{Flow, FlowTransform};

/// The operators that run a flow until they have found what they look for.
///
/// They are as those of [`FlowCollect`](crate::FlowCollect). Where they stop before its end, the flow is dropped, and the coroutines
/// that it has started have ended, before they give what they have found (F-6).
///
/// ```
/// use corox_flow::prelude::*;
/// use corox_core::run_blocking;
///
/// run_blocking(async |_| {
///     let powers = std::iter::successors(Some(1_u64), |n| n.checked_mul(2)).into_flow();
///     assert_eq!(powers.first_where(|n| *n > 1000).await?, 1024);
///     Ok(())
/// }).unwrap();
/// ```
pub trait FlowFind: Flow + Sized {
    /// The first item. What is above is dropped then, before this gives it.
    ///
    /// Kotlin: `first`.
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
    /// use corox_flow::prelude::*;
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     assert_eq!((5..).into_flow().first().await?, 5);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[must_use = "the flow does not run until this is awaited"]
    #[track_caller]
    fn first(self) -> impl Future<Output = Result<Self::Item>> {
        let location = Location::caller();
        let finish = move |item: Option<_>| item.ok_or_else(|| NoElement::at(location));
        Run::new(self, Steps::new(None, keep_first, finish))
    }

    /// The first item, or `None` if there is none. What is above is dropped then, before this gives it.
    ///
    /// Kotlin: `firstOrNull`.
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
    ///     assert_eq!((5..).into_flow().first_or_none().await?, Some(5));
    ///     assert_eq!((5..5).into_flow().first_or_none().await?, None);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "firstOrNull")]
    #[must_use = "the flow does not run until this is awaited"]
    fn first_or_none(self) -> impl Future<Output = Result<Option<Self::Item>>> {
        Run::new(self, Steps::new(None, keep_first, Ok))
    }

    /// The first item for which `predicate` holds. What is above is dropped then, before this gives it.
    ///
    /// Kotlin: `first { }`.
    ///
    /// # Cancel safety
    ///
    /// To drop it is to cancel the collection.
    ///
    /// # Errors
    ///
    /// [`NoElement`](crate::NoElement), if there is none; else what the flow fails with.
    ///
    /// ```
    /// use corox_flow::prelude::*;
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     assert_eq!((5..).into_flow().first_where(|n| n % 4 == 0).await?, 8);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "first")]
    #[must_use = "the flow does not run until this is awaited"]
    #[track_caller]
    fn first_where<F>(self, predicate: F) -> impl Future<Output = Result<Self::Item>>
    where
        F: FnMut(&Self::Item) -> bool,
    {
        let location = Location::caller();
        let finish = move |item: Option<_>| item.ok_or_else(|| NoElement::at(location));
        Run::new(self, Steps::new(None, keep_first_where(predicate), finish))
    }

    /// [`first_where`](FlowFind::first_where) with a predicate that may suspend.
    ///
    /// Kotlin: `first { }`.
    ///
    /// # Cancel safety
    ///
    /// To drop it is to cancel the collection.
    ///
    /// # Errors
    ///
    /// [`NoElement`](crate::NoElement), if there is none; else what the flow fails with.
    ///
    /// ```
    /// use corox_flow::prelude::*;
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let found = (5..).into_flow().first_where_async(async |n| {
    ///         corox_core::yield_now().await;
    ///         n % 4 == 0
    ///     });
    ///     assert_eq!(found.await?, 8);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "first")]
    #[must_use = "the flow does not run until this is awaited"]
    #[track_caller]
    fn first_where_async<F>(self, predicate: F) -> impl Future<Output = Result<Self::Item>>
    where
        F: AsyncFnOnce(&Self::Item) -> bool + Clone,
    {
        self.filter_async(predicate).first()
    }

    /// The first item for which `predicate` holds, or `None` if there is none. What is above is dropped then, before this gives it.
    ///
    /// Kotlin: `firstOrNull { }`.
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
    ///     assert_eq!((1..4).into_flow().first_or_none_where(|n| n % 4 == 0).await?, None);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "firstOrNull")]
    #[must_use = "the flow does not run until this is awaited"]
    fn first_or_none_where<F>(
        self,
        predicate: F,
    ) -> impl Future<Output = Result<Option<Self::Item>>>
    where
        F: FnMut(&Self::Item) -> bool,
    {
        Run::new(self, Steps::new(None, keep_first_where(predicate), Ok))
    }

    /// [`first_or_none_where`](FlowFind::first_or_none_where) with a predicate that may suspend.
    ///
    /// Kotlin: `firstOrNull { }`.
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
    ///     let found = (1..4).into_flow().first_or_none_where_async(async |n| {
    ///         corox_core::yield_now().await;
    ///         n % 4 == 0
    ///     });
    ///     assert_eq!(found.await?, None);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "firstOrNull")]
    #[must_use = "the flow does not run until this is awaited"]
    fn first_or_none_where_async<F>(
        self,
        predicate: F,
    ) -> impl Future<Output = Result<Option<Self::Item>>>
    where
        F: AsyncFnOnce(&Self::Item) -> bool + Clone,
    {
        self.filter_async(predicate).first_or_none()
    }

    /// The last item.
    ///
    /// Kotlin: `last`.
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
    /// use corox_flow::prelude::*;
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     assert_eq!((1..=3).into_flow().last().await?, 3);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[must_use = "the flow does not run until this is awaited"]
    #[track_caller]
    fn last(self) -> impl Future<Output = Result<Self::Item>> {
        let location = Location::caller();
        let finish = move |item: Option<_>| item.ok_or_else(|| NoElement::at(location));
        Run::new(self, Steps::new(None, keep_last, finish))
    }

    /// The last item, or `None` if there is none.
    ///
    /// Kotlin: `lastOrNull`.
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
    ///     assert_eq!((1..=3).into_flow().last_or_none().await?, Some(3));
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "lastOrNull")]
    #[must_use = "the flow does not run until this is awaited"]
    fn last_or_none(self) -> impl Future<Output = Result<Option<Self::Item>>> {
        Run::new(self, Steps::new(None, keep_last, Ok))
    }

    /// The only item. It waits for the end of the flow, and ends it at a second item (F-32).
    ///
    /// Kotlin: `single`.
    ///
    /// # Cancel safety
    ///
    /// To drop it is to cancel the collection.
    ///
    /// # Errors
    ///
    /// [`NoElement`](crate::NoElement), if there is no item; [`MoreThanOne`](crate::MoreThanOne), at a second one; else what the flow
    /// fails with.
    ///
    /// ```
    /// use corox_flow::prelude::*;
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     assert_eq!((1..=1).into_flow().single().await?, 1);
    ///     assert!((1..).into_flow().single().await.is_err());
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[must_use = "the flow does not run until this is awaited"]
    #[track_caller]
    fn single(self) -> impl Future<Output = Result<Self::Item>> {
        let location = Location::caller();
        let finish = move |(item, more): (Option<_>, bool)| {
            if more {
                return Err(MoreThanOne::at(location));
            }
            item.ok_or_else(|| NoElement::at(location))
        };
        Run::new(self, Steps::new((None, false), keep_single, finish))
    }

    /// The only item, or `None` if there is none or a second one, which ends the flow (F-32).
    ///
    /// Kotlin: `singleOrNull`.
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
    ///     assert_eq!((1..=1).into_flow().single_or_none().await?, Some(1));
    ///     assert_eq!((1..).into_flow().single_or_none().await?, None);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "singleOrNull")]
    #[must_use = "the flow does not run until this is awaited"]
    fn single_or_none(self) -> impl Future<Output = Result<Option<Self::Item>>> {
        let finish = |(item, more): (Option<_>, bool)| Ok(item.filter(|_| !more));
        Run::new(self, Steps::new((None, false), keep_single, finish))
    }

    /// Whether `predicate` holds for an item; `false` for an empty flow. The first such item ends the flow.
    ///
    /// Kotlin: `any`.
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
    ///     assert!((1..).into_flow().any(|n| n > 100).await?);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[must_use = "the flow does not run until this is awaited"]
    fn any<F>(self, predicate: F) -> impl Future<Output = Result<bool>>
    where
        F: FnMut(Self::Item) -> bool,
    {
        Run::new(self, Steps::new(false, stop_at(predicate, true), Ok))
    }

    /// [`any`](FlowFind::any) with a predicate that may suspend.
    ///
    /// Kotlin: `any`.
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
    ///     assert!((1..).into_flow().any_async(async |n| n > 100).await?);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "any")]
    #[must_use = "the flow does not run until this is awaited"]
    fn any_async<F>(self, predicate: F) -> impl Future<Output = Result<bool>>
    where
        F: AsyncFnOnce(Self::Item) -> bool + Clone,
    {
        self.map_async(predicate).any(|holds| holds)
    }

    /// Whether `predicate` holds for all items; `true` for an empty flow. The first other item ends the flow.
    ///
    /// Kotlin: `all`.
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
    ///     assert!(!(1..).into_flow().all(|n| n < 100).await?);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[must_use = "the flow does not run until this is awaited"]
    fn all<F>(self, predicate: F) -> impl Future<Output = Result<bool>>
    where
        F: FnMut(Self::Item) -> bool,
    {
        let finish = |found_other: bool| Ok(!found_other);
        Run::new(self, Steps::new(false, stop_at(predicate, false), finish))
    }

    /// [`all`](FlowFind::all) with a predicate that may suspend.
    ///
    /// Kotlin: `all`.
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
    ///     assert!(!(1..).into_flow().all_async(async |n| n < 100).await?);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "all")]
    #[must_use = "the flow does not run until this is awaited"]
    fn all_async<F>(self, predicate: F) -> impl Future<Output = Result<bool>>
    where
        F: AsyncFnOnce(Self::Item) -> bool + Clone,
    {
        self.map_async(predicate).all(|holds| holds)
    }

    /// Whether `predicate` holds for no item; `true` for an empty flow. The first for which it holds ends the flow.
    ///
    /// Kotlin: `none`.
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
    ///     assert!((1..5).into_flow().none(|n| n > 100).await?);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[must_use = "the flow does not run until this is awaited"]
    fn none<F>(self, predicate: F) -> impl Future<Output = Result<bool>>
    where
        F: FnMut(Self::Item) -> bool,
    {
        let finish = |found: bool| Ok(!found);
        Run::new(self, Steps::new(false, stop_at(predicate, true), finish))
    }

    /// [`none`](FlowFind::none) with a predicate that may suspend.
    ///
    /// Kotlin: `none`.
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
    ///     assert!((1..5).into_flow().none_async(async |n| n > 100).await?);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "none")]
    #[must_use = "the flow does not run until this is awaited"]
    fn none_async<F>(self, predicate: F) -> impl Future<Output = Result<bool>>
    where
        F: AsyncFnOnce(Self::Item) -> bool + Clone,
    {
        self.map_async(predicate).none(|holds| holds)
    }
}

impl<S: Flow> FlowFind for S {}
