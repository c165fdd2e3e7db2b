//! Another item for each, which takes its time.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corox_core::Result;
use pin_project_lite::pin_project;

use crate::Flow;
use crate::per_item::PerItem;

pin_project! {
    /// The flow of `map_async`, `on_each_async` and `then`.
    #[derive(Clone)]
    pub(crate) struct MapAsync<S, C> {
        #[pin]
        upstream: S,
        #[pin]
        calls: C,
    }
}

impl<S: Flow, C: PerItem<S::Item> + Clone> MapAsync<S, C> {
    pub(crate) fn new(upstream: S, calls: C) -> Self {
        MapAsync { upstream, calls }
    }
}

impl<S: Flow, C: PerItem<S::Item> + Clone> Flow for MapAsync<S, C> {
    type Item = C::Out;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<C::Out>>> {
        let mut this = self.project();
        if !this.calls.is_running() {
            match ready!(this.upstream.as_mut().poll_next(cx))? {
                Some(item) => this.calls.as_mut().start(item),
                None => return Poll::Ready(Ok(None)),
            }
        }
        let Poll::Ready(item) = this.calls.poll(cx) else {
            this.upstream.poll_progress(cx);
            return Poll::Pending;
        };
        Poll::Ready(Ok(Some(item)))
    }

    #[inline]
    fn poll_each<K>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sink: &mut K,
    ) -> Poll<Result<ControlFlow<()>>>
    where
        K: FnMut(C::Out) -> ControlFlow<()>,
    {
        let mut this = self.project();
        if this.calls.is_running() {
            let Poll::Ready(item) = this.calls.as_mut().poll(cx) else {
                this.upstream.poll_progress(cx);
                return Poll::Pending;
            };
            if sink(item).is_break() {
                return Poll::Ready(Ok(ControlFlow::Break(())));
            }
        }
        let mut calls = this.calls;
        let waker = cx.waker();
        let mut busy = false;
        let mut inner = |item| {
            calls.as_mut().start(item);
            match calls.as_mut().poll(&mut Context::from_waker(waker)) {
                Poll::Ready(item) => sink(item),
                Poll::Pending => {
                    busy = true;
                    ControlFlow::Break(())
                }
            }
        };
        let mut cx = Context::from_waker(waker);
        let ended = this.upstream.as_mut().poll_each(&mut cx, &mut inner);
        if busy {
            this.upstream.poll_progress(&mut cx);
            return Poll::Pending;
        }
        ended
    }

    #[inline]
    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        self.project().upstream.poll_progress(cx);
    }
}
