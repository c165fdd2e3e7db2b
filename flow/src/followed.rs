//! A block that emits after the end of a flow.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corox_core::Result;
use pin_project_lite::pin_project;

use crate::Flow;
use crate::ending::Ending;
use crate::per_item::PerItemEmitting;

/// How a flow has ended, and whether it has emitted.
pub(crate) struct End {
    pub(crate) result: Result<()>,
    pub(crate) emitted: bool,
}

pin_project! {
    /// The flow of `catch` and `on_empty`.
    #[derive(Clone)]
    pub(crate) struct Followed<S, B> {
        #[pin]
        upstream: Ending<S>,
        emitted: bool,
        applies: fn(&End) -> bool,
        // For the end, of which there is one.
        #[pin]
        block: B,
    }
}

impl<S, B> Followed<S, B>
where
    S: Flow,
    B: PerItemEmitting<Result<()>, Item = S::Item>,
{
    /// `block` is run if `applies` says so at the end of `upstream`.
    pub(crate) fn new(upstream: S, applies: fn(&End) -> bool, block: B) -> Self {
        Followed {
            upstream: Ending::of(upstream),
            emitted: false,
            applies,
            block,
        }
    }

    /// The flow has ended: with what this gives, or `block` says it.
    fn begin(self: Pin<&mut Self>, result: Result<()>) -> Result<()> {
        let this = self.project();
        let end = End {
            result,
            emitted: *this.emitted,
        };
        if !(this.applies)(&end) {
            return end.result;
        }
        this.block.start(end.result);
        Ok(())
    }
}

impl<S, B> Flow for Followed<S, B>
where
    S: Flow,
    B: PerItemEmitting<Result<()>, Item = S::Item>,
{
    type Item = S::Item;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<S::Item>>> {
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
        self.project().block.poll_next(cx)
    }

    #[inline]
    fn poll_each<K>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sink: &mut K,
    ) -> Poll<Result<ControlFlow<()>>>
    where
        K: FnMut(S::Item) -> ControlFlow<()>,
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
        self.project().block.poll_each(cx, sink)
    }

    #[inline]
    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        let this = self.project();
        if this.upstream.is_over() {
            this.block.poll_progress(cx);
        } else {
            this.upstream.poll_progress(cx);
        }
    }
}
