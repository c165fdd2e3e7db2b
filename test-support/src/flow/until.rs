//! A flow that ends when the test says so.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use corox_core::Result;
use corox_flow::Flow;

use super::queue::Queue;

/// The flow under test. It ends when the queue is stopped, so that whoever collects it waits for its coroutines.
pub(super) struct Until<S: Flow> {
    flow: Pin<Box<S>>,
    queue: Arc<Queue<S::Item>>,
}

impl<S: Flow> Until<S> {
    pub(super) fn new(flow: S, queue: Arc<Queue<S::Item>>) -> Self {
        Until {
            flow: Box::pin(flow),
            queue,
        }
    }
}

impl<S: Flow> Clone for Until<S> {
    fn clone(&self) -> Self {
        Until::new(S::clone(&self.flow), self.queue.clone())
    }
}

impl<S: Flow> Flow for Until<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<S::Item>>> {
        if self.queue.is_stopped() {
            return Poll::Ready(Ok(None));
        }
        self.flow.as_mut().poll_next(cx)
    }

    fn poll_each<K>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sink: &mut K,
    ) -> Poll<Result<ControlFlow<()>>>
    where
        K: FnMut(S::Item) -> ControlFlow<()>,
    {
        if self.queue.is_stopped() {
            return Poll::Ready(Ok(ControlFlow::Continue(())));
        }
        self.flow.as_mut().poll_each(cx, sink)
    }

    fn poll_progress(mut self: Pin<&mut Self>, cx: &mut Context<'_>) {
        self.flow.as_mut().poll_progress(cx);
    }
}
