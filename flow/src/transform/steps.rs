//! At most one item for each, decided at once: what most operators are.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corox_core::{Error, Result};
use pin_project_lite::pin_project;

use crate::Flow;
use crate::why::because;

/// What becomes of an item.
pub(crate) enum Step<R> {
    Emit(R),
    Skip,
    /// The flow ends here; what is above is dropped.
    End,
    Fail(Error),
}

impl<R> Step<R> {
    /// Hands the item to `sink`, or notes in `stopped` how the flow ends here, for when its `poll_each` has returned.
    // Always: 50 in place of 67 instructions for an item of two stages with asynchronous closures.
    #[inline(always)]
    pub(super) fn settle(
        self,
        sink: &mut impl FnMut(R) -> ControlFlow<()>,
        stopped: &mut Option<Result<ControlFlow<()>>>,
    ) -> ControlFlow<()> {
        match self {
            Step::Emit(item) => return sink(item),
            Step::Skip => return ControlFlow::Continue(()),
            Step::End => *stopped = Some(Ok(ControlFlow::Continue(()))),
            Step::Fail(error) => *stopped = Some(Err(error)),
        }
        ControlFlow::Break(())
    }
}

pin_project! {
    /// A flow and what becomes of its items.
    #[derive(Clone)]
    pub(crate) struct Steps<S, F> {
        #[pin]
        upstream: Option<S>,
        step: F,
    }
}

impl<S: Flow, R, F: FnMut(S::Item) -> Step<R> + Clone> Steps<S, F> {
    pub(crate) fn new(upstream: S, step: F) -> Self {
        Steps {
            upstream: Some(upstream),
            step,
        }
    }
}

impl<S: Flow, R, F: FnMut(S::Item) -> Step<R> + Clone> Flow for Steps<S, F> {
    type Item = R;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<R>>> {
        let mut this = self.project();
        let Some(mut upstream) = this.upstream.as_mut().as_pin_mut() else {
            return Poll::Ready(Ok(None));
        };
        let stopped = loop {
            let Some(item) = ready!(upstream.as_mut().poll_next(cx))? else {
                return Poll::Ready(Ok(None));
            };
            match (this.step)(item) {
                Step::Emit(item) => return Poll::Ready(Ok(Some(item))),
                Step::Skip => {}
                Step::End => break Ok(None),
                Step::Fail(error) => break Err(error),
            }
        };
        because(stopped.as_ref().err(), || this.upstream.set(None));
        Poll::Ready(stopped)
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
        let mut this = self.project();
        let Some(upstream) = this.upstream.as_mut().as_pin_mut() else {
            return Poll::Ready(Ok(ControlFlow::Continue(())));
        };
        let step = this.step;
        let mut stopped = None;
        let mut each = |item| step(item).settle(sink, &mut stopped);
        let ended = ready!(upstream.poll_each(cx, &mut each));
        let Some(stopped) = stopped else {
            return Poll::Ready(ended);
        };
        // Not inside its `poll_each`.
        because(stopped.as_ref().err(), || this.upstream.set(None));
        Poll::Ready(stopped)
    }

    #[inline]
    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        if let Some(upstream) = self.project().upstream.as_pin_mut() {
            upstream.poll_progress(cx);
        }
    }
}
