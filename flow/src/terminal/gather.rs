//! [`FlowGather`]: the operators that run a flow and make a collection of its items.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::hash::Hash;

use corox_core::Result;

use crate::{Flow, FlowCollect, FlowFold};

/// The operators that run a flow and make a collection of its items.
///
/// They are as those of [`FlowCollect`](crate::FlowCollect).
///
/// ```
/// use corox_flow::{flow_of, prelude::*};
/// use corox_core::run_blocking;
///
/// run_blocking(async |_| {
///     let lengths = flow_of(["a", "bc", "d"]).group_by(|word| word.len()).await?;
///     assert_eq!(lengths[&1], ["a", "d"]);
///     Ok(())
/// }).unwrap();
/// ```
pub trait FlowGather: Flow + Sized {
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

    /// All items, in a set.
    ///
    /// Kotlin: `toSet`.
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
    ///     let letters = flow_of(["a", "b", "a"]).to_set().await?;
    ///     assert_eq!(letters, ["a", "b"].into());
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "toSet")]
    #[must_use = "the flow does not run until this is awaited"]
    fn to_set(self) -> impl Future<Output = Result<HashSet<Self::Item>>>
    where
        Self::Item: Eq + Hash,
    {
        self.to_collection()
    }

    /// All items, in a new collection of any kind: a `BTreeSet`, a `VecDeque`, a `String`.
    ///
    /// [`extend_into`](FlowGather::extend_into) is for one that there is.
    ///
    /// Kotlin: `toCollection`.
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
    /// use std::collections::{BTreeMap, BTreeSet};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let sorted: BTreeSet<i32> = flow_of([2, 1]).to_collection().await?;
    ///     assert!(sorted.into_iter().eq([1, 2]));
    ///     // Kotlin's `associate`, in the order of the keys.
    ///     let lengths = flow_of(["b", "aa"]).map(|word| (word, word.len())).to_collection::<BTreeMap<_, _>>().await?;
    ///     assert!(lengths.into_iter().eq([("aa", 2), ("b", 1)]));
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "toCollection")]
    #[must_use = "the flow does not run until this is awaited"]
    fn to_collection<C>(self) -> impl Future<Output = Result<C>>
    where
        C: Default + Extend<Self::Item>,
    {
        self.fold(C::default(), |mut items, item| {
            items.extend(Some(item));
            items
        })
    }

    /// Adds all items to a collection, at once as they come.
    ///
    /// Kotlin: `toCollection`.
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
    ///     let mut numbers = vec![0];
    ///     flow_of([1, 2]).extend_into(&mut numbers).await?;
    ///     assert_eq!(numbers, [0, 1, 2]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "toCollection")]
    #[must_use = "the flow does not run until this is awaited"]
    fn extend_into<C>(self, collection: &mut C) -> impl Future<Output = Result<()>>
    where
        C: Extend<Self::Item>,
    {
        self.for_each(|item| collection.extend(Some(item)))
    }

    /// A map of the keys and values that `pair` makes of the items. Of those with the same key the last one stays.
    ///
    /// Where the order of the keys counts: `map(..)` and [`to_collection`](FlowGather::to_collection).
    ///
    /// Kotlin: `associate`, `associateBy`, `associateWith`.
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
    ///     let by_initial = flow_of(["ant", "bee", "ape"]).collect_map(|word| (word.as_bytes()[0], word)).await?;
    ///     assert_eq!(by_initial, [(b'a', "ape"), (b'b', "bee")].into());
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "associate")]
    #[doc(alias = "associateBy")]
    #[doc(alias = "associateWith")]
    #[must_use = "the flow does not run until this is awaited"]
    fn collect_map<K, V, F>(self, mut pair: F) -> impl Future<Output = Result<HashMap<K, V>>>
    where
        K: Eq + Hash,
        F: FnMut(Self::Item) -> (K, V),
    {
        self.fold(HashMap::new(), move |mut map, item| {
            map.extend(Some(pair(item)));
            map
        })
    }

    /// The items by their keys, in order for each.
    ///
    /// [`collect_groups`](FlowGather::collect_groups) is for values other than the items.
    ///
    /// Kotlin: `groupBy`.
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
    ///     let words = flow_of(["ant", "bee", "ape"]).group_by(|word| word.as_bytes()[0]).await?;
    ///     assert_eq!(words, [(b'a', vec!["ant", "ape"]), (b'b', vec!["bee"])].into());
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "groupBy")]
    #[must_use = "the flow does not run until this is awaited"]
    fn group_by<K, F>(self, mut key: F) -> impl Future<Output = Result<HashMap<K, Vec<Self::Item>>>>
    where
        K: Eq + Hash,
        F: FnMut(&Self::Item) -> K,
    {
        self.collect_groups(move |item| (key(&item), item))
    }

    /// The values by their keys, both as `pair` makes them of the items, in order for each.
    ///
    /// Kotlin: `groupBy`.
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
    ///     let lengths = flow_of(["ant", "bee", "aphid"]).collect_groups(|word| (word.as_bytes()[0], word.len())).await?;
    ///     assert_eq!(lengths, [(b'a', vec![3, 5]), (b'b', vec![3])].into());
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "groupBy")]
    #[must_use = "the flow does not run until this is awaited"]
    fn collect_groups<K, V, F>(
        self,
        mut pair: F,
    ) -> impl Future<Output = Result<HashMap<K, Vec<V>>>>
    where
        K: Eq + Hash,
        F: FnMut(Self::Item) -> (K, V),
    {
        self.fold(
            HashMap::new(),
            move |mut groups: HashMap<K, Vec<V>>, item| {
                let (key, value) = pair(item);
                groups.entry(key).or_default().push(value);
                groups
            },
        )
    }
}

impl<S: Flow> FlowGather for S {}
