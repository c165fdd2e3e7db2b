//! Another item for each, which takes its time.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corox_core::Result;
use pin_project_lite::pin_project;

use crate::Flow;
use crate::unstarted::Running;

pin_project! {
    /// The flow of `map_async` and `then`.
    pub(super) struct MapAsync<S, F, Fut> {
        #[pin]
        upstream: S,
        f: F,
        #[pin]
        running: Running<Fut>,
    }
}

impl<S: Clone, F: Clone, Fut> Clone for MapAsync<S, F, Fut> {
    fn clone(&self) -> Self {
        MapAsync {
            upstream: self.upstream.clone(),
            f: self.f.clone(),
            running: self.running.clone(),
        }
    }
}

impl<S: Flow, Fut: Future, F: FnMut(S::Item) -> Fut + Clone> MapAsync<S, F, Fut> {
    pub(super) fn new(upstream: S, f: F) -> Self {
        MapAsync {
            upstream,
            f,
            running: Running::none(),
        }
    }
}

impl<S: Flow, Fut: Future, F: FnMut(S::Item) -> Fut + Clone> Flow for MapAsync<S, F, Fut> {
    type Item = Fut::Output;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<Fut::Output>>> {
        let mut this = self.project();
        if this.running.as_mut().get().is_none() {
            match ready!(this.upstream.as_mut().poll_next(cx))? {
                Some(item) => this.running.as_mut().set(Some((this.f)(item))),
                None => return Poll::Ready(Ok(None)),
            }
        }
        let Some(running) = this.running.as_mut().get() else {
            return Poll::Pending;
        };
        let Poll::Ready(item) = running.poll(cx) else {
            this.upstream.poll_progress(cx);
            return Poll::Pending;
        };
        this.running.set(None);
        Poll::Ready(Ok(Some(item)))
    }

    #[inline]
    fn poll_each<K>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sink: &mut K,
    ) -> Poll<Result<ControlFlow<()>>>
    where
        K: FnMut(Fut::Output) -> ControlFlow<()>,
    {
        let mut this = self.project();
        if let Some(running) = this.running.as_mut().get() {
            let Poll::Ready(item) = running.poll(cx) else {
                this.upstream.poll_progress(cx);
                return Poll::Pending;
            };
            this.running.as_mut().set(None);
            if sink(item).is_break() {
                return Poll::Ready(Ok(ControlFlow::Break(())));
            }
        }
        let (f, mut running) = (this.f, this.running);
        let waker = cx.waker();
        let mut busy = false;
        let mut inner = |item| {
            running.as_mut().set(Some(f(item)));
            let polled = match running.as_mut().get() {
                Some(future) => future.poll(&mut Context::from_waker(waker)),
                None => Poll::Pending,
            };
            match polled {
                Poll::Ready(item) => {
                    running.as_mut().set(None);
                    sink(item)
                }
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
