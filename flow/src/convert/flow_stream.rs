//! A flow as a stream.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corox_core::Result;
use futures_util::Stream;
use futures_util::stream::FusedStream;
use pin_project_lite::pin_project;

use crate::Flow;
use crate::children::Children;

pin_project! {
    /// A flow that runs as a `Stream`; made by [`into_stream`](crate::FlowConvert::into_stream).
    ///
    /// Its items are [`Result`](corox_core::Result)s; after a failure it ends. Nothing runs before it is polled. When the flow has
    /// ended or failed, the coroutines that it has started are waited for before that is told; to drop the stream is to cancel
    /// the collection.
    ///
    /// Kotlin: `Flow.asPublisher`.
    ///
    /// ```
    /// use corox_core::run_blocking;
    /// use corox_flow::{flow_of, prelude::*};
    /// use futures::TryStreamExt;
    ///
    /// run_blocking(async |_| {
    ///     let stream = flow_of([1, 2, 3]).into_stream();
    ///     let even: Vec<i32> = stream.try_filter(|n| std::future::ready(n % 2 == 0)).try_collect().await?;
    ///     assert_eq!(even, [2]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[must_use = "streams do nothing unless they are polled"]
    #[doc(alias = "asPublisher")]
    pub struct FlowStream<S> {
        #[pin]
        upstream: Option<S>,
        // What the flow has ended with, while its coroutines are waited for.
        ended: Result<()>,
        children: Children,
        over: bool,
    }
}

impl<S: Flow> FlowStream<S> {
    pub(super) fn new(upstream: S) -> Self {
        FlowStream {
            upstream: Some(upstream),
            ended: Ok(()),
            children: Children::default(),
            over: false,
        }
    }
}

impl<S: Flow> Stream for FlowStream<S> {
    type Item = Result<S::Item>;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<S::Item>>> {
        let mut this = self.project();
        let children = this.children;
        if let Some(upstream) = this.upstream.as_mut().as_pin_mut() {
            match ready!(children.of(|| upstream.poll_next(cx))) {
                Ok(Some(item)) => return Poll::Ready(Some(Ok(item))),
                Ok(None) => {}
                Err(error) => *this.ended = Err(error),
            }
            children.of(|| this.upstream.set(None));
        }
        ready!(children.poll_left(cx));
        *this.over = true;
        let ended = std::mem::replace(this.ended, Ok(()));
        Poll::Ready(ended.err().map(Err))
    }
}

impl<S: Flow> FusedStream for FlowStream<S> {
    fn is_terminated(&self) -> bool {
        self.over
    }
}

impl<S> fmt::Debug for FlowStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlowStream").finish_non_exhaustive()
    }
}
