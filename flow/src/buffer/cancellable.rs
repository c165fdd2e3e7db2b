//! A look for a cancellation before each item.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};

use corox_core::Result;
use corox_core::waiters_protocol::cancelled_here_again;
use pin_project_lite::pin_project;

use crate::Flow;
use crate::fusion::Stage;

pin_project! {
    /// The flow of `cancellable`.
    #[derive(Clone)]
    pub(super) struct Cancellable<S> {
        #[pin]
        upstream: S,
        // The upstream does it.
        fused: bool,
    }
}

impl<S: Flow> Cancellable<S> {
    pub(super) fn new(mut upstream: S) -> Self {
        let fused = upstream.fuse(&Stage::Cancellable);
        Cancellable { upstream, fused }
    }
}

impl<S: Flow> Flow for Cancellable<S> {
    type Item = S::Item;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<S::Item>>> {
        let this = self.project();
        // The coroutine is dropped when this poll returns.
        if !*this.fused && cancelled_here_again() {
            return Poll::Pending;
        }
        this.upstream.poll_next(cx)
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
        // One sink for both: with two the code of a chain would double with each operator.
        let fused = *this.fused;
        let mut cancelled = !fused && cancelled_here_again();
        if cancelled {
            return Poll::Pending;
        }
        // Looked for behind each item, where the next is not made yet: what is not delivered is not lost.
        let mut broke = false;
        let polled = this.upstream.poll_each(cx, &mut |item| {
            broke = sink(item).is_break();
            cancelled = !fused && cancelled_here_again();
            if broke || cancelled {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        if cancelled && !broke {
            return Poll::Pending;
        }
        polled
    }

    #[inline]
    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        self.project().upstream.poll_progress(cx);
    }

    fn fuse(&mut self, stage: &Stage) -> bool {
        matches!(stage, Stage::Cancellable) || (self.fused && self.upstream.fuse(stage))
    }
}
