//! The first item of each stretch of time.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use corox_core::Result;
use corox_core::timer_protocol::Timer;
use pin_project_lite::pin_project;

use super::ITEMS_A_TURN;
use crate::Flow;

pin_project! {
    /// The flow of `throttle_first`.
    pub(super) struct ThrottleFirst<S> {
        #[pin]
        upstream: S,
        duration: Duration,
        // For the clock: nothing is waited for.
        #[pin]
        timer: Timer,
        closed: Closed,
    }
}

#[derive(Clone, Copy)]
enum Closed {
    Open,
    Until(Instant),
    /// The clock cannot hold that time.
    ForEver,
}

impl<S> ThrottleFirst<S> {
    pub(super) fn new(upstream: S, duration: Duration) -> Self {
        ThrottleFirst {
            upstream,
            duration,
            timer: Timer::idle(),
            closed: Closed::Open,
        }
    }
}

impl<S: Clone> Clone for ThrottleFirst<S> {
    fn clone(&self) -> Self {
        ThrottleFirst::new(self.upstream.clone(), self.duration)
    }
}

impl<S: Flow> Flow for ThrottleFirst<S> {
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
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sink: &mut K,
    ) -> Poll<Result<ControlFlow<()>>>
    where
        K: FnMut(S::Item) -> ControlFlow<()>,
    {
        let this = self.project();
        let (duration, closed, mut timer) = (*this.duration, this.closed, this.timer);
        let mut left = ITEMS_A_TURN;
        let mut broke = false;
        let polled = this.upstream.poll_each(cx, &mut |item| {
            let open = match *closed {
                Closed::Open => true,
                Closed::Until(at) => timer.as_mut().now() >= at,
                Closed::ForEver => false,
            };
            if open {
                timer.as_mut().set_after(duration);
                *closed = match timer.deadline() {
                    Some(at) => Closed::Until(at),
                    None => Closed::ForEver,
                };
                left = ITEMS_A_TURN;
                broke = sink(item).is_break();
                return if broke {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                };
            }
            left -= 1;
            if left == 0 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        match polled {
            Poll::Ready(Ok(ControlFlow::Break(()))) if !broke => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            polled => polled,
        }
    }

    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        self.project().upstream.poll_progress(cx);
    }
}
