//! What runs for one item of the upstream, and is dropped for the next.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corox_core::{LaunchOutput, Result};
use pin_project_lite::pin_project;

use crate::block::{Lent, LentEmitter, with_lent};
use crate::{Emitter, Flow};

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
    struct InnerFlow<I> {
        #[pin]
        flow: I,
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
    struct InnerBlock<T, Fut, F> {
        #[pin]
        lent: Lent<T, Fut, F>,
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

/// What runs for the latest item, together with what makes it: so that the types of both can stay hidden (see the functions below).
pub(crate) trait InnerPerItem<T>: Clone {
    type Item;

    /// Makes the one for `item`. There is none.
    fn start(self: Pin<&mut Self>, item: T);

    /// Drops the one there is.
    fn stop(self: Pin<&mut Self>);

    fn is_running(&self) -> bool;

    /// Of the one there is; if there is none, it has ended.
    fn poll_each<K>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sink: &mut K,
    ) -> Poll<Result<ControlFlow<()>>>
    where
        K: FnMut(Self::Item) -> ControlFlow<()>;

    /// Of the one there is.
    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>);
}

pin_project! {
    // What `f` makes. A copy runs nothing.
    pub(crate) struct Inners<F, I> {
        f: F,
        #[pin]
        inner: Option<I>,
    }
}

impl<F, I> Inners<F, I> {
    pub(crate) fn new<T>(f: F) -> Self
    where
        F: FnMut(T) -> I,
    {
        Inners { f, inner: None }
    }
}

impl<F: Clone, I> Clone for Inners<F, I> {
    fn clone(&self) -> Self {
        Inners {
            f: self.f.clone(),
            inner: None,
        }
    }
}

impl<T, I: Inner, F: FnMut(T) -> I + Clone> InnerPerItem<T> for Inners<F, I> {
    type Item = I::Item;

    #[inline]
    fn start(self: Pin<&mut Self>, item: T) {
        let mut this = self.project();
        this.inner.set(Some((this.f)(item)));
    }

    #[inline]
    fn stop(self: Pin<&mut Self>) {
        self.project().inner.set(None);
    }

    #[inline]
    fn is_running(&self) -> bool {
        self.inner.is_some()
    }

    #[inline]
    fn poll_each<K>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sink: &mut K,
    ) -> Poll<Result<ControlFlow<()>>>
    where
        K: FnMut(I::Item) -> ControlFlow<()>,
    {
        match self.project().inner.as_pin_mut() {
            Some(inner) => inner.poll_each(cx, sink),
            None => Poll::Ready(Ok(ControlFlow::Continue(()))),
        }
    }

    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        if let Some(inner) = self.project().inner.as_pin_mut() {
            inner.poll_progress(cx);
        }
    }
}

// The closures are made here, where the upstream is not known: inside a method of the flow above they would have it in their types
// once more, and the types of a chain would double with each operator.

/// The flow that `f` gives.
pub(super) fn flows<T, I, F>(mut f: F) -> impl InnerPerItem<T, Item = I::Item>
where
    I: Flow,
    F: FnMut(T) -> I + Clone,
{
    Inners::new(move |item| InnerFlow { flow: f(item) })
}

/// The flow that a copy of `f` gives when it is done.
pub(super) fn flows_async<T, I, F>(f: F) -> impl InnerPerItem<T, Item = I::Item>
where
    I: Flow,
    F: AsyncFnOnce(T) -> I + Clone,
{
    blocks(async move |item, emitter: &Emitter<I::Item>| emitter.emit_all(f(item).await).await)
}

/// The future that a copy of `f` gives.
pub(super) fn futures<T, R, F>(f: F) -> impl InnerPerItem<T, Item = R>
where
    F: AsyncFnOnce(T) -> R + Clone,
{
    Inners::new(move |item| InnerFuture::new(f.clone()(item), Ok))
}

/// What a copy of `f` emits.
pub(super) fn blocks<X, T, R, F>(f: F) -> impl InnerPerItem<X, Item = T>
where
    F: AsyncFnOnce(X, &Emitter<T>) -> R + Clone,
    R: LaunchOutput,
{
    Inners::new(move |item| {
        let f = f.clone();
        InnerBlock {
            lent: Lent::recipe(move |lent| {
                with_lent(lent, async move |emitter: &Emitter<T>| {
                    f(item, emitter).await
                })
            }),
        }
    })
}
