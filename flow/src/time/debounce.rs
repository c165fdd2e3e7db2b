//! Items after which there is a pause.

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
    /// The flow of `debounce` and `debounce_by`.
    pub(super) struct Debounce<S: Flow, F> {
        #[pin]
        upstream: Option<S>,
        duration: F,
        location: &'static Location<'static>,
        latest: Option<S::Item>,
        // When `latest` is given, if there is one.
        #[pin]
        timer: Timer,
    }
}

impl<S: Flow, F> Debounce<S, F> {
    pub(super) fn new(upstream: S, duration: F, location: &'static Location<'static>) -> Self {
        Debounce {
            upstream: Some(upstream),
            duration,
            location,
            latest: None,
            timer: Timer::idle(),
        }
    }
}

/// The same for each item. Not a closure of the operator's method, which would have the upstream in its type.
pub(super) fn always<T>(duration: Duration) -> impl FnMut(&T) -> Duration + Clone {
    move |_| duration
}

impl<S: Flow, F: Clone> Clone for Debounce<S, F> {
    fn clone(&self) -> Self {
        Debounce {
            upstream: self.upstream.clone(),
            duration: self.duration.clone(),
            location: self.location,
            latest: None,
            timer: Timer::idle(),
        }
    }
}

impl<S, F> Flow for Debounce<S, F>
where
    S: Flow,
    F: FnMut(&S::Item) -> Duration + Clone,
{
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<S::Item>>> {
        let mut this = self.project();
        let Some(upstream) = this.upstream.as_mut().as_pin_mut() else {
            return Poll::Ready(Ok(this.latest.take()));
        };
        let (duration_of, latest) = (this.duration, this.latest);
        let (mut at_once, mut newer) = (None, None);
        let mut left = ITEMS_A_TURN;
        let polled = upstream.poll_each(cx, &mut |item| {
            let duration = duration_of(&item);
            if duration.is_zero() {
                at_once = Some(item);
                return ControlFlow::Break(());
            }
            *latest = Some(item);
            newer = Some(duration);
            left -= 1;
            if left == 0 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        if at_once.is_some() {
            *latest = None;
            this.timer.clear();
            return Poll::Ready(Ok(at_once));
        }
        match polled {
            Poll::Ready(Ok(ControlFlow::Continue(()))) => {
                this.timer.clear();
                this.upstream.set(None);
                return Poll::Ready(Ok(latest.take()));
            }
            Poll::Ready(Err(error)) => {
                this.timer.clear();
                this.upstream.set(None);
                *latest = None;
                return Poll::Ready(Err(error));
            }
            Poll::Ready(Ok(ControlFlow::Break(()))) => cx.waker().wake_by_ref(),
            Poll::Pending => {}
        }
        // One look at the clock for all items that have come in this poll: nothing was waited for in between.
        if let Some(duration) = newer {
            this.timer.as_mut().set_after(duration);
        }
        ready!(this.timer.poll(cx, &Reason("debounce"), this.location));
        match latest.take() {
            Some(item) => Poll::Ready(Ok(Some(item))),
            None => Poll::Pending,
        }
    }

    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        if let Some(upstream) = self.project().upstream.as_pin_mut() {
            upstream.poll_progress(cx);
        }
    }
}
