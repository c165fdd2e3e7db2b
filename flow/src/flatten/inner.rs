//! What runs for one item of the upstream, and is dropped for the next.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corox_core::{LaunchOutput, Result};
use pin_project_lite::pin_project;

use crate::Flow;
use crate::block::{Lent, LentEmitter};

/// As a flow, but never cloned.
pub(crate) trait Inner {
    type Item;

    fn poll_each<K>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sink: &mut K,
    ) -> Poll<Result<ControlFlow<()>>>
    where
        K: FnMut(Self::Item) -> ControlFlow<()>;

    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>);
}

pin_project! {
    // A flow.
    pub(crate) struct InnerFlow<I> {
        #[pin]
        pub(crate) flow: I,
    }
}

impl<I: Flow> Inner for InnerFlow<I> {
    type Item = I::Item;

    #[inline]
    fn poll_each<K>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sink: &mut K,
    ) -> Poll<Result<ControlFlow<()>>>
    where
        K: FnMut(I::Item) -> ControlFlow<()>,
    {
        self.project().flow.poll_each(cx, sink)
    }

    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        self.project().flow.poll_progress(cx);
    }
}

pin_project! {
    // A block with an emitter.
    pub(crate) struct InnerBlock<T, Fut, F> {
        #[pin]
        pub(crate) lent: Lent<T, Fut, F>,
    }
}

impl<T, Fut, F> Inner for InnerBlock<T, Fut, F>
where
    F: FnOnce(LentEmitter<T>) -> Fut,
    Fut: Future<Output: LaunchOutput>,
{
    type Item = T;

    #[inline]
    fn poll_each<K>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sink: &mut K,
    ) -> Poll<Result<ControlFlow<()>>>
    where
        K: FnMut(T) -> ControlFlow<()>,
    {
        self.project().lent.poll_each(cx, sink)
    }

    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        self.project().lent.poll_progress(cx);
    }
}

pin_project! {
    // A future, and what its output is: an item, or a failure.
    pub(crate) struct InnerFuture<Fut: Future, M> {
        #[pin]
        future: Option<Fut>,
        // It has completed where no item was asked for.
        output: Option<Fut::Output>,
        map: M,
    }
}

impl<Fut: Future, M> InnerFuture<Fut, M> {
    pub(crate) fn new(future: Fut, map: M) -> Self {
        InnerFuture {
            future: Some(future),
            output: None,
            map,
        }
    }
}

impl<Fut: Future, T, M: FnMut(Fut::Output) -> Result<T>> Inner for InnerFuture<Fut, M> {
    type Item = T;

    #[inline]
    fn poll_each<K>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sink: &mut K,
    ) -> Poll<Result<ControlFlow<()>>>
    where
        K: FnMut(T) -> ControlFlow<()>,
    {
        let mut this = self.project();
        if let Some(future) = this.future.as_mut().as_pin_mut() {
            *this.output = Some(ready!(future.poll(cx)));
            this.future.set(None);
        }
        if let Some(output) = this.output.take() {
            if sink((this.map)(output)?).is_break() {
                return Poll::Ready(Ok(ControlFlow::Break(())));
            }
        }
        Poll::Ready(Ok(ControlFlow::Continue(())))
    }

    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        let mut this = self.project();
        if let Some(future) = this.future.as_mut().as_pin_mut() {
            if let Poll::Ready(output) = future.poll(cx) {
                *this.output = Some(output);
                this.future.set(None);
            }
        }
    }
}
