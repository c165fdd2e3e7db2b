//! Any number of items for each.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corox_core::Result;
use pin_project_lite::pin_project;

use crate::Flow;
use crate::per_item::PerItemEmitting;
use crate::why::because;

pin_project! {
    /// The flow of `transform`.
    #[derive(Clone)]
    pub(crate) struct Emitting<S, B> {
        // Not there once a block has failed.
        #[pin]
        upstream: Option<S>,
        #[pin]
        blocks: B,
    }
}

impl<S: Flow, B: PerItemEmitting<S::Item>> Emitting<S, B> {
    pub(crate) fn new(upstream: S, blocks: B) -> Self {
        Emitting {
            upstream: Some(upstream),
            blocks,
        }
    }
}

impl<S, B> Flow for Emitting<S, B>
where
    S: Flow,
    B: PerItemEmitting<S::Item>,
{
    type Item = B::Item;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<B::Item>>> {
        let mut this = self.project();
        let Some(mut upstream) = this.upstream.as_mut().as_pin_mut() else {
            return Poll::Ready(Ok(None));
        };
        loop {
            if this.blocks.is_running() {
                match this.blocks.as_mut().poll_next(cx) {
                    Poll::Ready(Ok(Some(item))) => return Poll::Ready(Ok(Some(item))),
                    Poll::Ready(Ok(None)) => {}
                    Poll::Ready(Err(error)) => {
                        because(Some(&error), || this.upstream.set(None));
                        return Poll::Ready(Err(error));
                    }
                    Poll::Pending => {
                        upstream.poll_progress(cx);
                        return Poll::Pending;
                    }
                }
            }
            match ready!(upstream.as_mut().poll_next(cx))? {
                Some(item) => this.blocks.as_mut().start(item),
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
        K: FnMut(B::Item) -> ControlFlow<()>,
    {
        let mut this = self.project();
        let Some(mut upstream) = this.upstream.as_mut().as_pin_mut() else {
            return Poll::Ready(Ok(ControlFlow::Continue(())));
        };
        if this.blocks.is_running() {
            match this.blocks.as_mut().poll_each(cx, sink) {
                Poll::Ready(Ok(ControlFlow::Continue(()))) => {}
                Poll::Ready(Ok(ControlFlow::Break(()))) => {
                    return Poll::Ready(Ok(ControlFlow::Break(())));
                }
                Poll::Ready(Err(error)) => {
                    because(Some(&error), || this.upstream.set(None));
                    return Poll::Ready(Err(error));
                }
                Poll::Pending => {
                    upstream.poll_progress(cx);
                    return Poll::Pending;
                }
            }
        }
        let mut blocks = this.blocks;
        let waker = cx.waker();
        let mut ended = Poll::Ready(Ok(ControlFlow::Continue(())));
        let mut inner = |item| {
            blocks.as_mut().start(item);
            ended = blocks
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
                because(Some(&error), || this.upstream.set(None));
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
            this.blocks.poll_progress(cx);
            upstream.poll_progress(cx);
        }
    }
}
