//! What is told how a collection has ended, and may wait then.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use corox_core::error_protocol::suppress;
use corox_core::{Error, Result};
use pin_project_lite::pin_project;

use super::Completion;
use crate::Flow;
use crate::ending::Ending;
use crate::per_item::PerItemEmitting;

pin_project! {
    /// The flow of `on_completion_async`.
    pub(super) struct OnCompletionAsync<S, B>
    where
        B: PerItemEmitting<Completion>,
    {
        #[pin]
        upstream: Ending<S>,
        // For the end, of which there is one.
        #[pin]
        handler: B,
        // It was polled: of what never was there is no end to tell.
        begun: bool,
        told: bool,
        // What it was told. It can emit nothing then.
        failure: Option<Error>,
    }

    impl<S, B> PinnedDrop for OnCompletionAsync<S, B>
    where
        B: PerItemEmitting<Completion>,
    {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if *this.begun && !*this.told {
                this.upstream.stop();
                this.handler.as_mut().start(Completion::of_a_drop());
                let mut cx = Context::from_waker(Waker::noop());
                // Nobody is there for its failure.
                let _ = this.handler.poll_each(&mut cx, &mut |_| ControlFlow::Break(()));
            }
        }
    }
}

impl<S, B: PerItemEmitting<Completion>> OnCompletionAsync<S, B> {
    pub(super) fn new(upstream: S, handler: B) -> Self {
        OnCompletionAsync {
            upstream: Ending::of(upstream),
            handler,
            begun: false,
            told: false,
            failure: None,
        }
    }

    /// The flow has ended so.
    fn tell(self: Pin<&mut Self>, ended: Result<()>) {
        let this = self.project();
        let completion = Completion::of(&ended);
        *this.failure = ended.err();
        *this.told = true;
        this.handler.start(completion);
    }

    /// Runs a handler that was told of `error`: emits nothing, and gives the failure of the flow.
    fn poll_failed(self: Pin<&mut Self>, error: Error, cx: &mut Context<'_>) -> Poll<Error> {
        let mut this = self.project();
        let mut emits = false;
        let ended = this.handler.as_mut().poll_each(cx, &mut |_| {
            emits = true;
            ControlFlow::Break(())
        });
        if emits {
            this.handler.stop();
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

impl<S: Clone, B: PerItemEmitting<Completion>> Clone for OnCompletionAsync<S, B> {
    fn clone(&self) -> Self {
        OnCompletionAsync {
            upstream: self.upstream.clone(),
            handler: self.handler.clone(),
            begun: false,
            told: false,
            failure: None,
        }
    }
}

impl<S, B> Flow for OnCompletionAsync<S, B>
where
    S: Flow,
    B: PerItemEmitting<Completion, Item = S::Item>,
{
    type Item = S::Item;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<S::Item>>> {
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
            None => this.handler.poll_next(cx),
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
        K: FnMut(S::Item) -> ControlFlow<()>,
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
            None => this.handler.poll_each(cx, sink),
            Some(error) => self.poll_failed(error, cx).map(Err),
        }
    }

    #[inline]
    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        let this = self.project();
        if this.upstream.is_over() {
            this.handler.poll_progress(cx);
        } else {
            this.upstream.poll_progress(cx);
        }
    }
}
