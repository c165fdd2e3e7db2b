//! Any number of items for each.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corox_core::{LaunchOutput, Result};
use pin_project_lite::pin_project;

use crate::block::{Lent, LentEmitter, with_lent};
use crate::{Emitter, Flow};

pin_project! {
    /// The flow of `transform`.
    pub(super) struct Emitting<S, T, F, Fut> {
        // Not there once `f` has failed.
        #[pin]
        upstream: Option<S>,
        f: F,
        #[pin]
        lent: Lent<T, Fut>,
    }
}

pub(super) fn emitting<S, T, R, F>(upstream: S, f: F) -> impl Flow<Item = T>
where
    S: Flow,
    F: AsyncFnOnce(S::Item, &Emitter<T>) -> R + Clone,
    R: LaunchOutput,
{
    Emitting {
        upstream: Some(upstream),
        f: move |item, lent| {
            let f = f.clone();
            with_lent(lent, async move |emitter: &Emitter<T>| {
                f(item, emitter).await
            })
        },
        lent: Lent::idle(),
    }
}

impl<S: Clone, T, F: Clone, Fut> Clone for Emitting<S, T, F, Fut> {
    fn clone(&self) -> Self {
        Emitting {
            upstream: self.upstream.clone(),
            f: self.f.clone(),
            lent: self.lent.fresh(),
        }
    }
}

impl<S, T, F, Fut> Flow for Emitting<S, T, F, Fut>
where
    S: Flow,
    F: FnMut(S::Item, LentEmitter<T>) -> Fut + Clone,
    Fut: Future<Output: LaunchOutput>,
{
    type Item = T;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<T>>> {
        let mut this = self.project();
        let Some(mut upstream) = this.upstream.as_mut().as_pin_mut() else {
            return Poll::Ready(Ok(None));
        };
        loop {
            if !this.lent.is_idle() {
                match this.lent.as_mut().poll_next(cx) {
                    Poll::Ready(Ok(Some(item))) => return Poll::Ready(Ok(Some(item))),
                    Poll::Ready(Ok(None)) => {}
                    Poll::Ready(Err(error)) => {
                        this.upstream.set(None);
                        return Poll::Ready(Err(error));
                    }
                    Poll::Pending => {
                        upstream.poll_progress(cx);
                        return Poll::Pending;
                    }
                }
            }
            match ready!(upstream.as_mut().poll_next(cx))? {
                Some(item) => this.lent.as_mut().start(|lent| (this.f)(item, lent)),
                None => return Poll::Ready(Ok(None)),
            }
        }
    }

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
        let Some(mut upstream) = this.upstream.as_mut().as_pin_mut() else {
            return Poll::Ready(Ok(ControlFlow::Continue(())));
        };
        if !this.lent.is_idle() {
            match this.lent.as_mut().poll_each(cx, sink) {
                Poll::Ready(Ok(ControlFlow::Continue(()))) => {}
                Poll::Ready(Ok(ControlFlow::Break(()))) => {
                    return Poll::Ready(Ok(ControlFlow::Break(())));
                }
                Poll::Ready(Err(error)) => {
                    this.upstream.set(None);
                    return Poll::Ready(Err(error));
                }
                Poll::Pending => {
                    upstream.poll_progress(cx);
                    return Poll::Pending;
                }
            }
        }
        let (f, mut lent) = (this.f, this.lent);
        let waker = cx.waker();
        let mut ended = Poll::Ready(Ok(ControlFlow::Continue(())));
        let mut inner = |item| {
            lent.as_mut().start(|lent| f(item, lent));
            ended = lent
                .as_mut()
                .poll_each(&mut Context::from_waker(waker), sink);
            match ended {
                Poll::Ready(Ok(control)) => control,
                _ => ControlFlow::Break(()),
            }
        };
        let mut cx = Context::from_waker(waker);
        let whole = upstream.as_mut().poll_each(&mut cx, &mut inner);
        match ended {
            // Of the items so far; what becomes of the flow, the upstream says.
            Poll::Ready(Ok(ControlFlow::Continue(()))) => whole,
            Poll::Ready(Err(error)) => {
                this.upstream.set(None);
                Poll::Ready(Err(error))
            }
            Poll::Pending => {
                upstream.poll_progress(&mut cx);
                Poll::Pending
            }
            ended => ended,
        }
    }

    #[inline]
    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        let this = self.project();
        if let Some(upstream) = this.upstream.as_pin_mut() {
            this.lent.poll_progress(cx);
            upstream.poll_progress(cx);
        }
    }
}
