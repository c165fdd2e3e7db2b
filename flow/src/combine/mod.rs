//! [`FlowCombine`]: items of several flows as one.

use crate::per_item::{Calls, PerItem, PerItemEmitting, blocks};
use crate::transform::{Emitting, MapAsync};
use crate::{BlockOutput, Emitter, Flow, FlowTransform};

mod flows;
mod newest;
mod source;
mod zip;

pub use flows::Flows;
use newest::Newest;
use zip::Zip;

/// The operators that make one item of the items of several flows. All of them run in the coroutine that collects.
///
/// For more than two, and for lists: [`combine`](combine()), [`combine_async`], [`combine_transform`].
///
/// ```
/// use corox_core::run_blocking;
/// use corox_flow::{flow_of, prelude::*};
///
/// run_blocking(async |_| {
///     let pairs = flow_of([1, 2, 3]).zip(flow_of(["one", "two"]), |n, word| format!("{n}: {word}"));
///     assert_eq!(pairs.to_vec().await?, ["1: one", "2: two"]);
///     Ok(())
/// }).unwrap();
/// ```
pub trait FlowCombine: Flow + Sized {
    /// `f` of the first items, of the second ones, and so on, until one of both flows ends; the other one is then dropped.
    ///
    /// They run at the same time: `other` is at most one item ahead, and suspends in the emit of that.
    ///
    /// Kotlin: `zip`.
    ///
    /// ```
    /// use corox_core::{delay, run_blocking};
    /// use corox_flow::{flow_of, prelude::*};
    /// use std::time::Duration;
    ///
    /// run_blocking(async |_| {
    ///     let slow = flow_of(["a", "b"]).map_async(async |word| {
    ///         delay(Duration::from_millis(2)).await;
    ///         word
    ///     });
    ///     let pairs = (1..).into_flow().zip(slow, |n, word| (n, word));
    ///     assert_eq!(pairs.to_vec().await?, [(1, "a"), (2, "b")]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    fn zip<S, R, F>(self, other: S, f: F) -> impl Flow<Item = R>
    where
        S: Flow,
        F: FnMut(Self::Item, S::Item) -> R + Clone,
    {
        Zip::new(self, other, f)
    }

    /// [`zip`](FlowCombine::zip) with a closure that may suspend. The next pair is asked for when it is done.
    ///
    /// Kotlin: `zip`.
    ///
    /// ```
    /// use corox_core::{run_blocking, yield_now};
    /// use corox_flow::{flow_of, prelude::*};
    ///
    /// run_blocking(async |_| {
    ///     let sums = flow_of([1, 2]).zip_async(flow_of([10, 20, 30]), async |a, b| {
    ///         yield_now().await;
    ///         a + b
    ///     });
    ///     assert_eq!(sums.to_vec().await?, [11, 22]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "zip")]
    fn zip_async<S, R, F>(self, other: S, f: F) -> impl Flow<Item = R>
    where
        S: Flow,
        F: AsyncFnOnce(Self::Item, S::Item) -> R + Clone,
    {
        MapAsync::new(Zip::new(self, other, pair), calls_of_pair(f))
    }

    /// `f` of the newest items of both flows: when each has given one, and then whenever one of them gives another.
    ///
    /// It ends when both have. What else there is to know: [`combine`](combine()).
    ///
    /// Kotlin: `combine`.
    ///
    /// ```
    /// use corox_core::run_blocking;
    /// use corox_flow::{flow_of, prelude::*};
    ///
    /// run_blocking(async |_| {
    ///     let sums = flow_of([1, 2, 3]).combine(flow_of([10]), |a, b| a + b);
    ///     assert_eq!(sums.to_vec().await?, [11, 12, 13]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    fn combine<S, R, F>(self, other: S, f: F) -> impl Flow<Item = R>
    where
        Self::Item: Clone,
        S: Flow<Item: Clone>,
        F: FnMut(Self::Item, S::Item) -> R + Clone,
    {
        combine((self, other), of_pair(f))
    }

    /// [`combine`](FlowCombine::combine) with a closure that may suspend.
    ///
    /// Kotlin: `combine`.
    ///
    /// ```
    /// use corox_core::{run_blocking, yield_now};
    /// use corox_flow::{flow_of, prelude::*};
    ///
    /// run_blocking(async |_| {
    ///     let sums = flow_of([1, 2]).combine_async(flow_of([10, 20]), async |a, b| {
    ///         yield_now().await;
    ///         a + b
    ///     });
    ///     assert_eq!(sums.to_vec().await?, [11, 22]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "combine")]
    fn combine_async<S, R, F>(self, other: S, f: F) -> impl Flow<Item = R>
    where
        Self::Item: Clone,
        S: Flow<Item: Clone>,
        F: AsyncFnOnce(Self::Item, S::Item) -> R + Clone,
    {
        MapAsync::new(Newest::new((self, other)), calls_of_pair(f))
    }

    /// Any number of items for the newest ones of both flows: `f` emits them. A failure that it gives is that of the flow.
    ///
    /// Kotlin: `combineTransform`.
    ///
    /// ```
    /// use corox_core::run_blocking;
    /// use corox_flow::{flow_of, prelude::*};
    ///
    /// run_blocking(async |_| {
    ///     let both = flow_of([1, 2]).combine_transform(flow_of([10, 20]), async |a, b, e| {
    ///         e.emit(a).await;
    ///         e.emit(b).await;
    ///     });
    ///     assert_eq!(both.to_vec().await?, [1, 10, 2, 20]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "combineTransform")]
    fn combine_transform<S, T, R, F>(self, other: S, f: F) -> impl Flow<Item = T>
    where
        Self::Item: Clone,
        S: Flow<Item: Clone>,
        F: AsyncFnOnce(Self::Item, S::Item, &Emitter<T>) -> R + Clone,
        R: BlockOutput,
    {
        Emitting::new(Newest::new((self, other)), blocks_of_pair(f))
    }
}

impl<S: Flow> FlowCombine for S {}

/// `f` of the newest items of several flows: when each has given one, and then whenever some of them give others.
///
/// The flows run in rounds: in a round each gives at most one item, and what several give in one round is one call of `f`. So
/// sources that are in step come in pairs, and one that is fast does not keep the others waiting. While the result is
/// processed, each source goes on by one item. It ends when all have; a failure of one ends it, and drops the others. Without
/// any flow it ends at once.
///
/// The flows are a tuple of two to six, an array or a vector ([`Flows`]), and `f` takes their items in the same form.
///
/// Kotlin: `combine`.
///
/// ```
/// use corox_core::run_blocking;
/// use corox_flow::{combine, flow_of, prelude::*};
///
/// run_blocking(async |_| {
///     let (names, ages, on) = (flow_of(["Ann", "Bob"]), flow_of([40, 41]), flow_of([true]));
///     let texts = combine((names, ages, on), |(name, age, on)| format!("{name} {age} {on}"));
///     assert_eq!(texts.to_vec().await?, ["Ann 40 true", "Bob 41 true"]);
///
///     let sums = combine(vec![flow_of([1, 2]), flow_of([10, 20])], |all: Vec<i32>| all.iter().sum::<i32>());
///     assert_eq!(sums.to_vec().await?, [11, 22]);
///     Ok(())
/// }).unwrap();
/// ```
pub fn combine<G, R, F>(flows: G, f: F) -> impl Flow<Item = R>
where
    G: Flows,
    F: FnMut(G::Items) -> R + Clone,
{
    Newest::new(flows).map(f)
}

/// [`combine`](combine()) with a closure that may suspend.
///
/// Kotlin: `combine`.
///
/// ```
/// use corox_core::{run_blocking, yield_now};
/// use corox_flow::{combine_async, flow_of, prelude::*};
///
/// run_blocking(async |_| {
///     let flows = (flow_of([1, 2]), flow_of([10, 20]), flow_of([100]));
///     let sums = combine_async(flows, async |(a, b, c)| {
///         yield_now().await;
///         a + b + c
///     });
///     assert_eq!(sums.to_vec().await?, [111, 122]);
///     Ok(())
/// }).unwrap();
/// ```
#[doc(alias = "combine")]
pub fn combine_async<G, R, F>(flows: G, f: F) -> impl Flow<Item = R>
where
    G: Flows,
    F: AsyncFnOnce(G::Items) -> R + Clone,
{
    Newest::new(flows).map_async(f)
}

/// Any number of items for the newest ones of several flows: `f` emits them. A failure that it gives is that of the flow.
///
/// As to when, see [`combine`](combine()).
///
/// Kotlin: `combineTransform`.
///
/// ```
/// use corox_core::run_blocking;
/// use corox_flow::{combine_transform, flow_of, prelude::*};
///
/// run_blocking(async |_| {
///     let flows = (flow_of([1, 2]), flow_of([3]), flow_of(["odd", "even"]));
///     let words = combine_transform(flows, async |(a, b, word), e| {
///         for _ in 0..a * b / 3 {
///             e.emit(word).await;
///         }
///     });
///     assert_eq!(words.to_vec().await?, ["odd", "even", "even"]);
///     Ok(())
/// }).unwrap();
/// ```
#[doc(alias = "combineTransform")]
pub fn combine_transform<G, T, R, F>(flows: G, f: F) -> impl Flow<Item = T>
where
    G: Flows,
    F: AsyncFnOnce(G::Items, &Emitter<T>) -> R + Clone,
    R: BlockOutput,
{
    Newest::new(flows).transform(f)
}

// Closures of two arguments as such of a pair. They are not made in the methods of `FlowCombine`, where they would have the upstream in
// their types: see `per_item`.

fn pair<A, B>(a: A, b: B) -> (A, B) {
    (a, b)
}

fn of_pair<A, B, R, F>(mut f: F) -> impl FnMut((A, B)) -> R + Clone
where
    F: FnMut(A, B) -> R + Clone,
{
    move |(a, b)| f(a, b)
}

fn calls_of_pair<A, B, R, F>(f: F) -> impl PerItem<(A, B), Out = R> + Clone
where
    F: AsyncFnOnce(A, B) -> R + Clone,
{
    Calls::new(move |(a, b)| f.clone()(a, b))
}

fn blocks_of_pair<A, B, T, R, F>(f: F) -> impl PerItemEmitting<(A, B), Item = T>
where
    F: AsyncFnOnce(A, B, &Emitter<T>) -> R + Clone,
    R: BlockOutput,
{
    blocks(async move |(a, b), emitter: &Emitter<T>| f(a, b, emitter).await)
}
