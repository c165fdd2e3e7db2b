//! [`Flow`]: what every flow is.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corox_core::Result;

use crate::fusion::{Producer, Settings, Stage};

/// Values that are made one after another while somebody collects them.
///
/// A flow is cold: nothing runs until a terminal operator such as [`collect`](crate::FlowCollect::collect) polls it, and each
/// collection runs all of it anew. The value is both the recipe and, once it is pinned and polled, the running collection; a
/// [`Clone`] is a fresh recipe, so that `flow.clone().collect(..)` can be followed by `flow.collect(..)`.
///
/// Flows are made by [`flow`](crate::flow()) and the other builders, changed by the operators of the extension traits
/// (`use corox_flow::prelude::*`), and run by terminal operators. One implements the trait only for a source or an operator that
/// these cannot express; [`flow`](crate::flow()) is enough for most.
///
/// Nothing here asks for `Send`: a flow of `Send` parts is `Send`, and one that holds an `Rc` is collected on one thread.
///
/// Kotlin: `Flow`.
///
/// # To implement it
///
/// - `poll_next` is as `poll_next` of a stream, except that an item may be a failure, which is the last. After the end or a failure
///   it gives `Ok(None)`.
/// - A value that was polled is pinned, and is cloned only by those who have a handle that was never polled: a clone of a running
///   flow may panic.
/// - To drop it is to cancel the collection.
///
/// ```
/// use corox_flow::{Flow, prelude::*};
/// use corox_core::{Result, run_blocking};
/// use std::pin::Pin;
/// use std::task::{Context, Poll};
///
/// #[derive(Clone)]
/// struct Countdown(u32);
///
/// impl Flow for Countdown {
///     type Item = u32;
///
///     fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<Option<u32>>> {
///         let next = self.0.checked_sub(1);
///         self.0 = next.unwrap_or(0);
///         Poll::Ready(Ok(next))
///     }
/// }
///
/// run_blocking(async |_| {
///     assert_eq!(Countdown(3).to_vec().await?, [2, 1, 0]);
///     Ok(())
/// }).unwrap();
/// ```
///
/// An operator, which hands on what it is asked for:
///
/// ```
/// use corox_flow::{Flow, flow_of, prelude::*};
/// use corox_core::{Result, run_blocking};
/// use pin_project_lite::pin_project;
/// use std::ops::ControlFlow;
/// use std::pin::Pin;
/// use std::task::{Context, Poll, ready};
///
/// pin_project! {
///     #[derive(Clone)]
///     struct Doubled<S> {
///         #[pin]
///         upstream: S,
///     }
/// }
///
/// impl<S: Flow<Item = i32>> Flow for Doubled<S> {
///     type Item = i32;
///
///     fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<i32>>> {
///         let item = ready!(self.project().upstream.poll_next(cx))?;
///         Poll::Ready(Ok(item.map(|n| n * 2)))
///     }
///
///     fn poll_each<K: FnMut(i32) -> ControlFlow<()>>(
///         self: Pin<&mut Self>,
///         cx: &mut Context<'_>,
///         sink: &mut K,
///     ) -> Poll<Result<ControlFlow<()>>> {
///         self.project().upstream.poll_each(cx, &mut |n| sink(n * 2))
///     }
///
///     fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
///         self.project().upstream.poll_progress(cx);
///     }
/// }
///
/// run_blocking(async |_| {
///     assert_eq!(Doubled { upstream: flow_of([1, 2]) }.to_vec().await?, [2, 4]);
///     Ok(())
/// }).unwrap();
/// ```
#[must_use = "flows do nothing until they are collected"]
pub trait Flow: Clone {
    /// What it gives.
    type Item;

    /// Runs until the next item, the end (`None`) or a failure.
    ///
    /// # Errors
    ///
    /// What the flow failed with; it gives `None` afterwards.
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<Self::Item>>>;

    /// Runs, and calls `sink` with each item, until the flow is pending, has ended (`Continue`), or `sink` gives `Break`.
    ///
    /// After `Break` the next call goes on behind the item that was the last; whoever does not want more drops the flow. It may
    /// be mixed with `poll_next`.
    ///
    /// The fast path of the library: a whole chain of stages becomes one loop. The default calls `poll_next`; an operator that
    /// can should hand it on.
    ///
    /// # Errors
    ///
    /// As `poll_next`.
    #[inline]
    fn poll_each<S>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sink: &mut S,
    ) -> Poll<Result<ControlFlow<()>>>
    where
        S: FnMut(Self::Item) -> ControlFlow<()>,
    {
        loop {
            match ready!(self.as_mut().poll_next(cx))? {
                Some(item) => {
                    if sink(item).is_break() {
                        return Poll::Ready(Ok(ControlFlow::Break(())));
                    }
                }
                None => return Poll::Ready(Ok(ControlFlow::Continue(()))),
            }
        }
    }

    /// Lets the buffers in this flow fill while whoever collects it is busy with the last item.
    ///
    /// A stage that waits for anything but its own upstream calls it there before it gives `Pending`, and one that has an
    /// upstream hands it on. It delivers nothing: failures and the end are for the next `poll_next`.
    #[inline]
    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        let _ = cx;
    }

    /// Whether the item for which a sink has given `Break` counts for nothing any more, since `poll_progress` has dropped what was emitting
    /// it: for a buffer in which it waits. Says so once.
    #[doc(hidden)]
    #[inline]
    fn takes_back(self: Pin<&mut Self>) -> bool {
        false
    }

    /// Takes over what the stage after this one was asked to do, if this one can; F-18, F-44. Before the first poll.
    #[doc(hidden)]
    #[inline]
    fn fuse(&mut self, stage: &Stage) -> bool {
        let _ = stage;
        false
    }

    /// Takes the settings of a buffer or of `flow_on` out of this flow, which does without from then on; F-18, F-45. Before the first
    /// poll.
    #[doc(hidden)]
    #[inline]
    fn dissolve(&mut self) -> Option<Settings> {
        None
    }

    /// Takes out the block that sends into a channel; the flow is not collected any more. Before the first poll.
    #[doc(hidden)]
    #[inline]
    fn producer(&mut self) -> Option<Producer<Self::Item>> {
        None
    }
}
