//! What is told how a collection has ended.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corox_core::Result;
use pin_project_lite::pin_project;

use super::Completion;
use crate::Flow;
use crate::ending::Ending;

pin_project! {
    /// The flow of `on_completion`.
    pub(super) struct OnCompletion<S, F>
    where
        F: FnOnce(Completion),
    {
        #[pin]
        upstream: Ending<S>,
        // Of what was never polled nothing has to be told.
        begun: bool,
        action: Option<F>,
    }

    impl<S, F> PinnedDrop for OnCompletion<S, F>
    where
        F: FnOnce(Completion),
    {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if !*this.begun {
                return;
            }
            if let Some(action) = this.action.take() {
                this.upstream.stop();
                action(Completion::of_a_drop());
            }
        }
    }
}

impl<S: Flow, F: FnOnce(Completion) + Clone> OnCompletion<S, F> {
    pub(super) fn new(upstream: S, action: F) -> Self {
        OnCompletion {
            upstream: Ending::of(upstream),
            begun: false,
            action: Some(action),
        }
    }
}

impl<S: Clone, F: FnOnce(Completion) + Clone> Clone for OnCompletion<S, F> {
    fn clone(&self) -> Self {
        OnCompletion {
            upstream: self.upstream.clone(),
            begun: false,
            action: self.action.clone(),
        }
    }
}

/// Tells it, once.
fn tell<F: FnOnce(Completion)>(action: &mut Option<F>, ended: &Result<()>) {
    if let Some(action) = action.take() {
        action(Completion::of(ended));
    }
}

impl<S: Flow, F: FnOnce(Completion) + Clone> Flow for OnCompletion<S, F> {
    type Item = S::Item;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<S::Item>>> {
        let this = self.project();
        if this.upstream.is_over() {
            return Poll::Ready(Ok(None));
        }
        *this.begun = true;
        match ready!(this.upstream.poll_next(cx)) {
            ControlFlow::Continue(item) => Poll::Ready(Ok(Some(item))),
            ControlFlow::Break(ended) => {
                tell(this.action, &ended);
                Poll::Ready(ended.map(|()| None))
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
        if this.upstream.is_over() {
            return Poll::Ready(Ok(ControlFlow::Continue(())));
        }
        *this.begun = true;
        let Some(ended) = ready!(this.upstream.poll_each(cx, sink)) else {
            return Poll::Ready(Ok(ControlFlow::Break(())));
        };
        tell(this.action, &ended);
        Poll::Ready(ended.map(ControlFlow::Continue))
    }

    #[inline]
    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        self.project().upstream.poll_progress(cx);
    }
}
