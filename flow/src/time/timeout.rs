//! A limit to the time between items.

use std::ops::ControlFlow;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use corox_core::Result;
use corox_core::probe::Reason;
use corox_core::timer_protocol::Timer;
use pin_project_lite::pin_project;

use crate::Flow;
use crate::why::because;

pin_project! {
    /// The flow of `timeout`.
    pub(super) struct Timeout<S> {
        #[pin]
        upstream: Option<S>,
        duration: Duration,
        location: &'static Location<'static>,
        // It runs while an item is waited for.
        #[pin]
        timer: Timer,
        waits: bool,
    }
}

impl<S> Timeout<S> {
    pub(super) fn new(
        upstream: S,
        duration: Duration,
        location: &'static Location<'static>,
    ) -> Self {
        Timeout {
            upstream: Some(upstream),
            duration,
            location,
            timer: Timer::idle(),
            waits: false,
        }
    }

    /// The upstream is pending; `fresh` if it has given items in this poll.
    fn poll_timer(self: Pin<&mut Self>, fresh: bool, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let mut this = self.project();
        if fresh || !*this.waits {
            *this.waits = true;
            this.timer.as_mut().set_after(*this.duration);
        }
        let what = &Reason("timeout");
        ready!(this.timer.as_mut().poll(cx, what, this.location));
        let error = this.timer.timed_out(*this.duration, this.location);
        because(Some(&error), || this.upstream.set(None));
        Poll::Ready(Err(error))
    }

    /// Nothing is waited for any more.
    fn stop_timer(self: Pin<&mut Self>) {
        let this = self.project();
        *this.waits = false;
        this.timer.clear();
    }
}

impl<S: Clone> Clone for Timeout<S> {
    fn clone(&self) -> Self {
        Timeout {
            upstream: self.upstream.clone(),
            duration: self.duration,
            location: self.location,
            timer: Timer::idle(),
            waits: false,
        }
    }
}

impl<S: Flow> Flow for Timeout<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<S::Item>>> {
        let mut item = None;
        let ended = ready!(self.as_mut().poll_each(cx, &mut |next| {
            item = Some(next);
            ControlFlow::Break(())
        }));
        Poll::Ready(ended.map(|_| item))
    }

    fn poll_each<K>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sink: &mut K,
    ) -> Poll<Result<ControlFlow<()>>>
    where
        K: FnMut(S::Item) -> ControlFlow<()>,
    {
        let mut this = self.as_mut().project();
        let Some(upstream) = this.upstream.as_mut().as_pin_mut() else {
            return Poll::Ready(Ok(ControlFlow::Continue(())));
        };
        if this.duration.is_zero() {
            this.upstream.set(None);
            let error = this.timer.timed_out(Duration::ZERO, this.location);
            return Poll::Ready(Err(error));
        }
        let mut fresh = false;
        let polled = upstream.poll_each(cx, &mut |item| {
            fresh = true;
            sink(item)
        });
        match polled {
            Poll::Pending => self
                .poll_timer(fresh, cx)
                .map_ok(|()| ControlFlow::Continue(())),
            Poll::Ready(Ok(ControlFlow::Break(()))) => {
                self.stop_timer();
                polled
            }
            Poll::Ready(_) => {
                this.upstream.set(None);
                self.stop_timer();
                polled
            }
        }
    }

    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        if let Some(upstream) = self.project().upstream.as_pin_mut() {
            upstream.poll_progress(cx);
        }
    }
}
