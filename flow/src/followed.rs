//! A block that emits after the end of a flow.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corox_core::{LaunchOutput, Result};
use pin_project_lite::pin_project;

use crate::Flow;
use crate::block::{Lent, LentEmitter};
use crate::ending::Ending;

/// How a flow has ended, and whether it has emitted.
pub(crate) struct End {
    pub(crate) result: Result<()>,
    pub(crate) emitted: bool,
}

pin_project! {
    /// The flow of `catch` and `on_empty`.
    pub(crate) struct Followed<S, T, P, F, Fut> {
        #[pin]
        upstream: Ending<S>,
        emitted: bool,
        applies: P,
        block: Option<F>,
        #[pin]
        lent: Lent<T, Fut>,
    }
}

impl<S, T, P, F, Fut> Followed<S, T, P, F, Fut>
where
    P: FnMut(&End) -> bool,
    F: FnOnce(Result<()>, LentEmitter<T>) -> Fut,
    Fut: Future<Output: LaunchOutput>,
{
    /// `block` is run if `applies` says so at the end of `upstream`.
    pub(crate) fn new(upstream: S, applies: P, block: F) -> Self {
        Followed {
            upstream: Ending::of(upstream),
            emitted: false,
            applies,
            block: Some(block),
            lent: Lent::idle(),
        }
    }

    /// The flow has ended: with what this gives, or `block` says it.
    fn begin(self: Pin<&mut Self>, result: Result<()>) -> Result<()> {
        let this = self.project();
        let end = End {
            result,
            emitted: *this.emitted,
        };
        match this.block.take().filter(|_| (this.applies)(&end)) {
            Some(block) => this.lent.start(|lent| block(end.result, lent)),
            None => return end.result,
        }
        Ok(())
    }
}

impl<S: Clone, T, P: Clone, F: Clone, Fut> Clone for Followed<S, T, P, F, Fut> {
    fn clone(&self) -> Self {
        Followed {
            upstream: self.upstream.clone(),
            emitted: self.emitted,
            applies: self.applies.clone(),
            block: self.block.clone(),
            lent: self.lent.fresh(),
        }
    }
}

impl<S, T, P, F, Fut> Flow for Followed<S, T, P, F, Fut>
where
    S: Flow<Item = T>,
    P: FnMut(&End) -> bool + Clone,
    F: FnOnce(Result<()>, LentEmitter<T>) -> Fut + Clone,
    Fut: Future<Output: LaunchOutput>,
{
    type Item = T;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<T>>> {
        let mut this = self.as_mut().project();
        if !this.upstream.is_over() {
            match ready!(this.upstream.as_mut().poll_next(cx)) {
                ControlFlow::Continue(item) => {
                    *this.emitted = true;
                    return Poll::Ready(Ok(Some(item)));
                }
                ControlFlow::Break(ended) => self.as_mut().begin(ended)?,
            }
        }
        self.project().lent.poll_next(cx)
    }

    #[inline]
    fn poll_each<K>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sink: &mut K,
    ) -> Poll<Result<ControlFlow<()>>>
    where
        K: FnMut(T) -> ControlFlow<()>,
    {
        let mut this = self.as_mut().project();
        if !this.upstream.is_over() {
            let emitted = this.emitted;
            let ended = this.upstream.as_mut().poll_each(cx, &mut |item| {
                *emitted = true;
                sink(item)
            });
            match ready!(ended) {
                None => return Poll::Ready(Ok(ControlFlow::Break(()))),
                Some(ended) => self.as_mut().begin(ended)?,
            }
        }
        self.project().lent.poll_each(cx, sink)
    }

    #[inline]
    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        let this = self.project();
        if this.upstream.is_over() {
            this.lent.poll_progress(cx);
        } else {
            this.upstream.poll_progress(cx);
        }
    }
}
