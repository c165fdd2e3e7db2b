//! What is told how a collection has ended, and may wait then.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use corox_core::error_protocol::suppress;
use corox_core::{Error, LaunchOutput, Result};
use pin_project_lite::pin_project;

use super::Completion;
use crate::block::{Lent, LentEmitter, with_lent};
use crate::ending::Ending;
use crate::{BlockOutput, Emitter, Flow};

/// What is told the end, and then the block that this gives.
pub(super) trait Handler {
    type Item;

    /// From now on there is an end to tell: of what was never polled there is none.
    fn begin(self: Pin<&mut Self>);

    /// There is an end to tell, and nobody has told it yet.
    fn is_untold(&self) -> bool;

    /// Tells it, once.
    fn tell(self: Pin<&mut Self>, completion: Completion);

    /// Drops the block.
    fn stop(self: Pin<&mut Self>);

    /// Of the block, as of a flow.
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<Self::Item>>>;

    /// Of the block, as of a flow.
    fn poll_each<K>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sink: &mut K,
    ) -> Poll<Result<ControlFlow<()>>>
    where
        K: FnMut(Self::Item) -> ControlFlow<()>;

    /// Of the block, as of a flow.
    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>);
}

pin_project! {
    struct Handling<T, F, Fut> {
        begun: bool,
        handler: Option<F>,
        #[pin]
        lent: Lent<T, Fut>,
    }
}

/// Not made in the operator's method, where it would have the upstream in its type.
pub(super) fn handling<T, R, F>(handler: F) -> impl Handler<Item = T> + Clone
where
    F: AsyncFnOnce(Completion, &Emitter<T>) -> R + Clone,
    R: BlockOutput,
{
    Handling {
        begun: false,
        handler: Some(move |completion, lent| {
            with_lent(lent, async move |emitter: &Emitter<T>| {
                handler(completion, emitter).await
            })
        }),
        lent: Lent::idle(),
    }
}

impl<T, F: Clone, Fut> Clone for Handling<T, F, Fut> {
    fn clone(&self) -> Self {
        Handling {
            begun: false,
            handler: self.handler.clone(),
            lent: self.lent.fresh(),
        }
    }
}

impl<T, F, Fut> Handler for Handling<T, F, Fut>
where
    F: FnOnce(Completion, LentEmitter<T>) -> Fut,
    Fut: Future<Output: LaunchOutput>,
{
    type Item = T;

    #[inline]
    fn begin(self: Pin<&mut Self>) {
        *self.project().begun = true;
    }

    #[inline]
    fn is_untold(&self) -> bool {
        self.begun && self.handler.is_some()
    }

    fn tell(self: Pin<&mut Self>, completion: Completion) {
        let this = self.project();
        if let Some(handler) = this.handler.take() {
            this.lent.start(|lent| handler(completion, lent));
        }
    }

    fn stop(self: Pin<&mut Self>) {
        self.project().lent.stop();
    }

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<T>>> {
        self.project().lent.poll_next(cx)
    }

    #[inline]
    fn poll_each<K>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sink: &mut K,
    ) -> Poll<Result<ControlFlow<()>>>
    where
        K: FnMut(T) -> ControlFlow<()>,
    {
        self.project().lent.poll_each(cx, sink)
    }

    #[inline]
    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        self.project().lent.poll_progress(cx);
    }
}

pin_project! {
    /// The flow of `on_completion_async`.
    pub(super) struct OnCompletionAsync<S, H>
    where
        H: Handler,
    {
        #[pin]
        upstream: Ending<S>,
        #[pin]
        handler: H,
        // What it was told. It can emit nothing then.
        failure: Option<Error>,
    }

    impl<S, H> PinnedDrop for OnCompletionAsync<S, H>
    where
        H: Handler,
    {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.handler.is_untold() {
                this.upstream.stop();
                this.handler.as_mut().tell(Completion::of_a_drop());
                let mut cx = Context::from_waker(Waker::noop());
                // Nobody is there for its failure.
                let _ = this.handler.poll_each(&mut cx, &mut |_| ControlFlow::Break(()));
            }
        }
    }
}

impl<S, H: Handler> OnCompletionAsync<S, H> {
    pub(super) fn new(upstream: S, handler: H) -> Self {
        OnCompletionAsync {
            upstream: Ending::of(upstream),
            handler,
            failure: None,
        }
    }

    /// The flow has ended so.
    fn tell(self: Pin<&mut Self>, ended: Result<()>) {
        let this = self.project();
        let completion = Completion::of(&ended);
        *this.failure = ended.err();
        this.handler.tell(completion);
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

impl<S: Clone, H: Handler + Clone> Clone for OnCompletionAsync<S, H> {
    fn clone(&self) -> Self {
        OnCompletionAsync {
            upstream: self.upstream.clone(),
            handler: self.handler.clone(),
            failure: None,
        }
    }
}

impl<S, H> Flow for OnCompletionAsync<S, H>
where
    S: Flow,
    H: Handler<Item = S::Item> + Clone,
{
    type Item = S::Item;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<S::Item>>> {
        let this = self.as_mut().project();
        this.handler.begin();
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
        this.handler.begin();
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
