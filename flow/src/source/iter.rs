//! Flows of what an iterator gives.

use std::fmt;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};

use corox_core::Result;

use crate::Flow;

/// The flow of some items: of an array, for instance, or a vector.
///
/// It looks for no cancellation between them; [`cancellable`](crate::FlowBuffer::cancellable) adds that.
///
/// Kotlin: `flowOf`.
///
/// ```
/// use corox_flow::{flow_of, prelude::*};
/// use corox_core::run_blocking;
///
/// run_blocking(async |_| {
///     let words = flow_of(["one", "two"]);
///     assert_eq!(words.clone().count().await?, 2);
///     assert_eq!(words.to_vec().await?, ["one", "two"]);
///     Ok(())
/// }).unwrap();
/// ```
#[doc(alias = "flowOf")]
pub fn flow_of<I>(items: I) -> IterFlow<I::IntoIter>
where
    I: IntoIterator<IntoIter: Clone>,
{
    IterFlow(items.into_iter())
}

/// Whatever can be iterated over, as a flow.
///
/// Kotlin: `asFlow`.
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
pub trait IntoFlow: IntoIterator<IntoIter: Clone> + Sized {
    /// The flow of the items, which each collection iterates over anew.
    ///
    /// It looks for no cancellation between them; [`cancellable`](crate::FlowBuffer::cancellable) adds that.
    ///
    /// Kotlin: `asFlow`.
    ///
    /// ```
    /// use corox_flow::prelude::*;
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let odd = (1..).into_flow().filter(|n| n % 2 == 1);
    ///     assert_eq!(odd.take(3).to_vec().await?, [1, 3, 5]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "asFlow")]
    fn into_flow(self) -> IterFlow<Self::IntoIter> {
        IterFlow(self.into_iter())
    }
}

impl<I: IntoIterator<IntoIter: Clone>> IntoFlow for I {}

/// The flow of an iterator: of [`flow_of`] and [`into_flow`](IntoFlow::into_flow).
///
/// ```
/// use corox_flow::{IterFlow, flow_of, prelude::*};
/// use corox_core::run_blocking;
///
/// let flow: IterFlow<std::array::IntoIter<i32, 2>> = flow_of([1, 2]);
/// run_blocking(async |_| {
///     assert_eq!(flow.count().await?, 2);
///     Ok(())
/// }).unwrap();
/// ```
#[derive(Clone)]
pub struct IterFlow<I>(pub(super) I);

impl<I> Unpin for IterFlow<I> {}

impl<I: Iterator + Clone> Flow for IterFlow<I> {
    type Item = I::Item;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<Option<I::Item>>> {
        Poll::Ready(Ok(self.0.next()))
    }

    #[inline]
    fn poll_each<S>(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        sink: &mut S,
    ) -> Poll<Result<ControlFlow<()>>>
    where
        S: FnMut(I::Item) -> ControlFlow<()>,
    {
        Poll::Ready(Ok(self.0.try_for_each(sink)))
    }
}

impl<I> fmt::Debug for IterFlow<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IterFlow").finish_non_exhaustive()
    }
}
