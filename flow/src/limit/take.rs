//! At most the first items.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corox_core::Result;
use pin_project_lite::pin_project;

use crate::Flow;

pin_project! {
    /// The flow of [`take`](crate::FlowLimit::take).
    #[derive(Clone, Debug)]
    pub struct Take<S> {
        #[pin]
        upstream: Option<S>,
        left: usize,
    }
}

impl<S> Take<S> {
    pub(super) fn new(upstream: S, count: usize) -> Self {
        Take {
            upstream: (count > 0).then_some(upstream),
            left: count,
        }
    }
}

impl<S: Flow> Flow for Take<S> {
    type Item = S::Item;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<S::Item>>> {
        let mut this = self.project();
        if *this.left == 0 {
            // Not with the last item, which is processed in between.
            this.upstream.set(None);
        }
        let Some(upstream) = this.upstream.as_mut().as_pin_mut() else {
            return Poll::Ready(Ok(None));
        };
        let item = ready!(upstream.poll_next(cx));
        match item {
            Ok(Some(_)) => *this.left -= 1,
            _ => this.upstream.set(None),
        }
        Poll::Ready(item)
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
        let left = this.left;
        if *left == 0 {
            this.upstream.set(None);
        }
        let Some(upstream) = this.upstream.as_mut().as_pin_mut() else {
            return Poll::Ready(Ok(ControlFlow::Continue(())));
        };
        let mut broke = false;
        let ended = ready!(upstream.poll_each(cx, &mut |item| {
            *left -= 1;
            broke = sink(item).is_break();
            if broke || *left == 0 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        }));
        if broke {
            return Poll::Ready(Ok(ControlFlow::Break(())));
        }
        // Not inside its `poll_each`.
        this.upstream.set(None);
        Poll::Ready(ended.map(|_| ControlFlow::Continue(())))
    }

    #[inline]
    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        let this = self.project();
        // Once the last item is out, what is above is not to go on.
        if *this.left > 0 {
            if let Some(upstream) = this.upstream.as_pin_mut() {
                upstream.poll_progress(cx);
            }
        }
    }
}
