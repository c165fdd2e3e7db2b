//! A block that emits before a flow.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corox_core::{LaunchOutput, Result};
use pin_project_lite::pin_project;

use crate::Flow;
use crate::block::{Lent, LentEmitter};

pin_project! {
    /// The flow of `on_start`.
    pub(super) struct OnStart<S, T, F, Fut> {
        #[pin]
        lent: Lent<T, Fut, F>,
        // Not there once the block has failed.
        #[pin]
        upstream: Option<S>,
    }
}

impl<S, T, F, Fut> OnStart<S, T, F, Fut>
where
    F: FnOnce(LentEmitter<T>) -> Fut,
    Fut: Future<Output: LaunchOutput>,
{
    pub(super) fn new(block: F, upstream: S) -> Self {
        OnStart {
            lent: Lent::recipe(block),
            upstream: Some(upstream),
        }
    }
}

impl<S: Clone, T, F: Clone, Fut> Clone for OnStart<S, T, F, Fut> {
    fn clone(&self) -> Self {
        OnStart {
            lent: self.lent.fresh(),
            upstream: self.upstream.clone(),
        }
    }
}

impl<S, T, F, Fut> Flow for OnStart<S, T, F, Fut>
where
    S: Flow<Item = T>,
    F: FnOnce(LentEmitter<T>) -> Fut + Clone,
    Fut: Future<Output: LaunchOutput>,
{
    type Item = T;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<T>>> {
        let mut this = self.project();
        if !this.lent.is_idle() {
            match ready!(this.lent.poll_next(cx)) {
                Ok(None) => {}
                Ok(item) => return Poll::Ready(Ok(item)),
                Err(error) => {
                    this.upstream.set(None);
                    return Poll::Ready(Err(error));
                }
            }
        }
        match this.upstream.as_pin_mut() {
            Some(upstream) => upstream.poll_next(cx),
            None => Poll::Ready(Ok(None)),
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
        if !this.lent.is_idle() {
            match ready!(this.lent.poll_each(cx, sink)) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => return Poll::Ready(Ok(ControlFlow::Break(()))),
                Err(error) => {
                    this.upstream.set(None);
                    return Poll::Ready(Err(error));
                }
            }
        }
        match this.upstream.as_pin_mut() {
            Some(upstream) => upstream.poll_each(cx, sink),
            None => Poll::Ready(Ok(ControlFlow::Continue(()))),
        }
    }

    #[inline]
    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        let this = self.project();
        if !this.lent.is_idle() {
            this.lent.poll_progress(cx);
        } else if let Some(upstream) = this.upstream.as_pin_mut() {
            upstream.poll_progress(cx);
        }
    }
}
