//! Only the items for which something holds.

use std::fmt;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corox_core::Result;
use pin_project_lite::pin_project;

use crate::Flow;

pin_project! {
    /// The flow of [`filter`](crate::FlowTransform::filter).
    #[derive(Clone)]
    pub struct Filter<S, F> {
        #[pin]
        upstream: S,
        predicate: F,
    }
}

impl<S, F> Filter<S, F> {
    pub(super) fn new(upstream: S, predicate: F) -> Self {
        Filter {
            upstream,
            predicate,
        }
    }
}

impl<S: Flow, F: FnMut(&S::Item) -> bool + Clone> Flow for Filter<S, F> {
    type Item = S::Item;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<S::Item>>> {
        let mut this = self.project();
        loop {
            match ready!(this.upstream.as_mut().poll_next(cx))? {
                Some(item) if !(this.predicate)(&item) => {}
                item => return Poll::Ready(Ok(item)),
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
        K: FnMut(S::Item) -> ControlFlow<()>,
    {
        let this = self.project();
        let predicate = this.predicate;
        this.upstream.poll_each(cx, &mut |item| {
            if predicate(&item) {
                sink(item)
            } else {
                ControlFlow::Continue(())
            }
        })
    }

    #[inline]
    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        self.project().upstream.poll_progress(cx);
    }
}

impl<S: fmt::Debug, F> fmt::Debug for Filter<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Filter").field(&self.upstream).finish()
    }
}
