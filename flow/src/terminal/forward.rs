//! All items into a sink of futures.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corox_core::{Error, Result};
use futures_util::Sink;
use pin_project_lite::pin_project;

use super::run::{Accepted, Consumer, Run};
use crate::Flow;

pin_project! {
    /// The sink, and the item that it was not ready for.
    struct Filling<T, K> {
        #[pin]
        sink: K,
        item: Option<T>,
        // There is something in the sink that was not flushed.
        filled: bool,
    }
}

/// What a step of the sink has come to.
fn accepted<E: Into<Error>>(result: Result<(), E>) -> Accepted {
    match result {
        Ok(()) => Accepted::More,
        Err(error) => Accepted::Failed(error.into()),
    }
}

impl<T, K: Sink<T, Error: Into<Error>>> Consumer<T> for Filling<T, K> {
    type Output = ();

    #[inline]
    fn accept(mut self: Pin<&mut Self>, item: T, cx: &mut Context<'_>) -> Accepted {
        *self.as_mut().project().item = Some(item);
        match self.poll_busy(cx) {
            Poll::Ready(accepted) => accepted,
            Poll::Pending => Accepted::Busy,
        }
    }

    #[inline]
    fn poll_busy(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Accepted> {
        let mut this = self.as_mut().project();
        let mut result = ready!(this.sink.as_mut().poll_ready(cx));
        if let (Ok(()), Some(item)) = (&result, this.item.take()) {
            *this.filled = true;
            result = this.sink.start_send(item);
        }
        Poll::Ready(accepted(result))
    }

    fn poll_idle(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Accepted {
        let mut this = self.as_mut().project();
        if !*this.filled {
            return Accepted::More;
        }
        match this.sink.as_mut().poll_flush(cx) {
            Poll::Pending => Accepted::More,
            Poll::Ready(result) => {
                *this.filled = false;
                accepted(result)
            }
        }
    }

    fn finish(self: Pin<&mut Self>, ended: Result<()>) -> Result<()> {
        ended
    }
}

pin_project! {
    /// The future of `forward`.
    pub(super) struct Forward<S, T, K> {
        #[pin]
        run: Run<S, Filling<T, K>>,
        ended: bool,
    }
}

impl<S, T, K> Forward<S, T, K> {
    pub(super) fn new(upstream: S, sink: K) -> Self {
        let filling = Filling {
            sink,
            item: None,
            filled: false,
        };
        Forward {
            run: Run::new(upstream, filling),
            ended: false,
        }
    }
}

impl<S, K> Future for Forward<S, S::Item, K>
where
    S: Flow,
    K: Sink<S::Item, Error: Into<Error>>,
{
    type Output = Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let mut this = self.project();
        if !*this.ended {
            ready!(this.run.as_mut().poll(cx))?;
            *this.ended = true;
        }
        let sink = this.run.consumer().project().sink;
        sink.poll_close(cx).map_err(Into::into)
    }
}
