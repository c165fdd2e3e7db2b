//! What is told how a collection has ended, and may wait then.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use corox_core::error_protocol::suppress;
use corox_core::{Error, LaunchOutput, Result};
use pin_project_lite::pin_project;

use super::Completion;
use crate::Flow;
use crate::block::{Lent, LentEmitter};
use crate::ending::Ending;

pin_project! {
    /// The flow of `on_completion_async`.
    pub(super) struct OnCompletionAsync<S, T, F, Fut>
    where
        F: FnOnce(Completion, LentEmitter<T>) -> Fut,
        Fut: Future,
        Fut::Output: LaunchOutput,
    {
        #[pin]
        upstream: Ending<S>,
        // Of what was never polled nothing has to be told.
        begun: bool,
        handler: Option<F>,
        // What it was told. It can emit nothing then.
        failure: Option<Error>,
        #[pin]
        lent: Lent<T, Fut>,
    }

    impl<S, T, F, Fut> PinnedDrop for OnCompletionAsync<S, T, F, Fut>
    where
        F: FnOnce(Completion, LentEmitter<T>) -> Fut,
        Fut: Future,
        Fut::Output: LaunchOutput,
    {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if !*this.begun {
                return;
            }
            if let Some(handler) = this.handler.take() {
                this.upstream.stop();
                this.lent.as_mut().start(|lent| handler(Completion::of_a_drop(), lent));
                let mut cx = Context::from_waker(Waker::noop());
                // Nobody is there for its failure.
                let _ = this.lent.poll_each(&mut cx, &mut |_| ControlFlow::Break(()));
            }
        }
    }
}

impl<S, T, F, Fut> OnCompletionAsync<S, T, F, Fut>
where
    F: FnOnce(Completion, LentEmitter<T>) -> Fut,
    Fut: Future<Output: LaunchOutput>,
{
    pub(super) fn new(upstream: S, handler: F) -> Self {
        OnCompletionAsync {
            upstream: Ending::of(upstream),
            begun: false,
            handler: Some(handler),
            failure: None,
            lent: Lent::idle(),
        }
    }

    /// The flow has ended so.
    fn tell(self: Pin<&mut Self>, ended: Result<()>) {
        let this = self.project();
        let completion = Completion::of(&ended);
        *this.failure = ended.err();
        if let Some(handler) = this.handler.take() {
            this.lent.start(|lent| handler(completion, lent));
        }
    }

    /// Runs a handler that was told of `error`: emits nothing, and gives the failure of the flow.
    fn poll_failed(self: Pin<&mut Self>, error: Error, cx: &mut Context<'_>) -> Poll<Error> {
        let mut this = self.project();
        let mut emits = false;
        let ended = this.lent.as_mut().poll_each(cx, &mut |_| {
            emits = true;
            ControlFlow::Break(())
        });
        if emits {
            this.lent.stop();
            return Poll::Ready(error);
        }
        match ended {
            Poll::Pending => {
                *this.failure = Some(error);
                Poll::Pending
            }
            Poll::Ready(Ok(_)) => Poll::Ready(error),
            Poll::Ready(Err(own)) => {
                suppress(&own, error);
                Poll::Ready(own)
            }
        }
    }
}

impl<S: Clone, T, F, Fut> Clone for OnCompletionAsync<S, T, F, Fut>
where
    F: FnOnce(Completion, LentEmitter<T>) -> Fut + Clone,
    Fut: Future<Output: LaunchOutput>,
{
    fn clone(&self) -> Self {
        OnCompletionAsync {
            upstream: self.upstream.clone(),
            begun: false,
            handler: self.handler.clone(),
            failure: None,
            lent: self.lent.fresh(),
        }
    }
}

impl<S, T, F, Fut> Flow for OnCompletionAsync<S, T, F, Fut>
where
    S: Flow<Item = T>,
    F: FnOnce(Completion, LentEmitter<T>) -> Fut + Clone,
    Fut: Future<Output: LaunchOutput>,
{
    type Item = T;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<T>>> {
        let this = self.as_mut().project();
        *this.begun = true;
        if !this.upstream.is_over() {
            match ready!(this.upstream.poll_next(cx)) {
                ControlFlow::Continue(item) => return Poll::Ready(Ok(Some(item))),
                ControlFlow::Break(ended) => self.as_mut().tell(ended),
            }
        }
        let this = self.as_mut().project();
        match this.failure.take() {
            None => this.lent.poll_next(cx),
            Some(error) => self.poll_failed(error, cx).map(Err),
        }
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
        let this = self.as_mut().project();
        *this.begun = true;
        if !this.upstream.is_over() {
            match ready!(this.upstream.poll_each(cx, sink)) {
                None => return Poll::Ready(Ok(ControlFlow::Break(()))),
                Some(ended) => self.as_mut().tell(ended),
            }
        }
        let this = self.as_mut().project();
        match this.failure.take() {
            None => this.lent.poll_each(cx, sink),
            Some(error) => self.poll_failed(error, cx).map(Err),
        }
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
