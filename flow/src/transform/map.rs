//! Another item for each.

use std::fmt;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corox_core::Result;
use pin_project_lite::pin_project;

use crate::Flow;

pin_project! {
    /// The flow of [`map`](crate::FlowTransform::map).
    #[derive(Clone)]
    pub struct Map<S, F> {
        #[pin]
        upstream: S,
        f: F,
    }
}

impl<S, F> Map<S, F> {
    pub(super) fn new(upstream: S, f: F) -> Self {
        Map { upstream, f }
    }
}

impl<S: Flow, R, F: FnMut(S::Item) -> R + Clone> Flow for Map<S, F> {
    type Item = R;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<R>>> {
        let this = self.project();
        let item = ready!(this.upstream.poll_next(cx))?;
        Poll::Ready(Ok(item.map(this.f)))
    }

    #[inline]
    fn poll_each<K>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sink: &mut K,
    ) -> Poll<Result<ControlFlow<()>>>
    where
        K: FnMut(R) -> ControlFlow<()>,
    {
        let this = self.project();
        let f = this.f;
        this.upstream.poll_each(cx, &mut |item| sink(f(item)))
    }

    #[inline]
    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        self.project().upstream.poll_progress(cx);
    }
}

impl<S: fmt::Debug, F> fmt::Debug for Map<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Map").field(&self.upstream).finish()
    }
}
