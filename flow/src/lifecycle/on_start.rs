//! A block that emits before a flow.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corox_core::Result;
use pin_project_lite::pin_project;

use crate::Flow;

pin_project! {
    /// The flow of `on_start`.
    pub(super) struct OnStart<S, B> {
        // The flow of the block, until it has ended.
        #[pin]
        block: Option<B>,
        // Not there once the block has failed.
        #[pin]
        upstream: Option<S>,
    }
}

impl<S, B> OnStart<S, B> {
    pub(super) fn new(block: B, upstream: S) -> Self {
        OnStart {
            block: Some(block),
            upstream: Some(upstream),
        }
    }
}

impl<S: Clone, B: Clone> Clone for OnStart<S, B> {
    fn clone(&self) -> Self {
        OnStart {
            block: self.block.clone(),
            upstream: self.upstream.clone(),
        }
    }
}

impl<S: Flow, B: Flow<Item = S::Item>> Flow for OnStart<S, B> {
    type Item = S::Item;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<S::Item>>> {
        let mut this = self.project();
        if let Some(block) = this.block.as_mut().as_pin_mut() {
            match ready!(block.poll_next(cx)) {
                Ok(None) => this.block.set(None),
                Ok(item) => return Poll::Ready(Ok(item)),
                Err(error) => {
                    this.block.set(None);
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
        K: FnMut(S::Item) -> ControlFlow<()>,
    {
        let mut this = self.project();
        if let Some(block) = this.block.as_mut().as_pin_mut() {
            match ready!(block.poll_each(cx, sink)) {
                Ok(ControlFlow::Continue(())) => this.block.set(None),
                Ok(ControlFlow::Break(())) => return Poll::Ready(Ok(ControlFlow::Break(()))),
                Err(error) => {
                    this.block.set(None);
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
        if let Some(block) = this.block.as_pin_mut() {
            block.poll_progress(cx);
        } else if let Some(upstream) = this.upstream.as_pin_mut() {
            upstream.poll_progress(cx);
        }
    }
}
