//! Lists of items, by number and time.

use std::ops::ControlFlow;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use corox_core::Result;
use corox_core::probe::Reason;
use corox_core::timer_protocol::Timer;
use pin_project_lite::pin_project;

use super::ITEMS_A_TURN;
use crate::Flow;

pin_project! {
    /// The flow of `chunked_within`.
    pub(super) struct ChunkedWithin<S: Flow> {
        #[pin]
        upstream: Option<S>,
        size: usize,
        duration: Duration,
        location: &'static Location<'static>,
        chunk: Vec<S::Item>,
        // What the upstream has ended with, perhaps while a list was processed.
        ended: Result<()>,
        // When `chunk` is given, if there is something in it.
        #[pin]
        timer: Timer,
        started: bool,
    }
}

impl<S: Flow> ChunkedWithin<S> {
    pub(super) fn new(
        upstream: S,
        size: usize,
        duration: Duration,
        location: &'static Location<'static>,
    ) -> Self {
        ChunkedWithin {
            upstream: Some(upstream),
            size,
            duration,
            location,
            chunk: Vec::new(),
            ended: Ok(()),
            timer: Timer::idle(),
            started: false,
        }
    }

    /// Fills the list with what is there. Gives whether there may be more.
    fn fill(self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        let mut this = self.project();
        let Some(upstream) = this.upstream.as_mut().as_pin_mut() else {
            return false;
        };
        let (chunk, size) = (this.chunk, *this.size);
        if chunk.len() >= size {
            upstream.poll_progress(cx);
            return false;
        }
        let first = chunk.is_empty();
        let mut left = ITEMS_A_TURN;
        let polled = upstream.poll_each(cx, &mut |item| {
            chunk.push(item);
            left -= 1;
            if left == 0 || chunk.len() >= size {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        if first && !chunk.is_empty() {
            this.timer.set_after(*this.duration);
        }
        match polled {
            Poll::Pending => return false,
            Poll::Ready(Ok(ControlFlow::Break(()))) => return chunk.len() < size,
            Poll::Ready(Ok(ControlFlow::Continue(()))) => {}
            Poll::Ready(Err(error)) => {
                chunk.clear();
                *this.ended = Err(error);
            }
        }
        this.upstream.set(None);
        false
    }
}

impl<S: Flow> Clone for ChunkedWithin<S> {
    fn clone(&self) -> Self {
        ChunkedWithin {
            upstream: self.upstream.clone(),
            size: self.size,
            duration: self.duration,
            location: self.location,
            chunk: Vec::new(),
            ended: Ok(()),
            timer: Timer::idle(),
            started: false,
        }
    }
}

impl<S: Flow> Flow for ChunkedWithin<S> {
    type Item = Vec<S::Item>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Vec<S::Item>>>> {
        *self.as_mut().project().started = true;
        if self.as_mut().fill(cx) {
            cx.waker().wake_by_ref();
        }
        let mut this = self.project();
        let complete = this.chunk.len() >= *this.size || this.upstream.is_none();
        if !complete {
            let what = &Reason("chunked_within");
            ready!(this.timer.as_mut().poll(cx, what, this.location));
        }
        this.timer.clear();
        if this.chunk.is_empty() {
            return Poll::Ready(std::mem::replace(this.ended, Ok(())).map(|()| None));
        }
        Poll::Ready(Ok(Some(std::mem::take(this.chunk))))
    }

    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        if self.started {
            self.fill(cx);
        }
    }
}
