//! The newest item at each tick.

use std::ops::ControlFlow;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use corox_core::Result;
use corox_core::probe::Reason;
use corox_core::timer_protocol::Timer;
use pin_project_lite::pin_project;

use super::ITEMS_A_TURN;
use crate::Flow;

pin_project! {
    /// The flow of `sample`.
    pub(super) struct Sample<S: Flow> {
        #[pin]
        upstream: Option<S>,
        period: Duration,
        location: &'static Location<'static>,
        latest: Option<S::Item>,
        // What the upstream has ended with, perhaps while an item was processed.
        ended: Result<()>,
        // The next tick. It is set while a collection runs.
        #[pin]
        timer: Timer,
        started: bool,
    }
}

impl<S: Flow> Sample<S> {
    pub(super) fn new(upstream: S, period: Duration, location: &'static Location<'static>) -> Self {
        Sample {
            upstream: Some(upstream),
            period,
            location,
            latest: None,
            ended: Ok(()),
            timer: Timer::idle(),
            started: false,
        }
    }

    /// Takes the items that are there. Gives whether there may be more.
    fn take_items(self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        let mut this = self.project();
        let Some(upstream) = this.upstream.as_mut().as_pin_mut() else {
            return false;
        };
        let latest = this.latest;
        let mut left = ITEMS_A_TURN;
        let polled = upstream.poll_each(cx, &mut |item| {
            *latest = Some(item);
            left -= 1;
            if left == 0 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        match polled {
            Poll::Pending => return false,
            Poll::Ready(Ok(ControlFlow::Break(()))) => return true,
            Poll::Ready(Ok(ControlFlow::Continue(()))) => {}
            Poll::Ready(Err(error)) => *this.ended = Err(error),
        }
        this.timer.clear();
        this.upstream.set(None);
        *latest = None;
        false
    }
}

impl<S: Flow> Clone for Sample<S> {
    fn clone(&self) -> Self {
        Sample {
            upstream: self.upstream.clone(),
            period: self.period,
            location: self.location,
            latest: None,
            ended: Ok(()),
            timer: Timer::idle(),
            started: false,
        }
    }
}

/// The first tick after `now`, if the clock can hold it. That of `tick` has just been.
fn tick_after(tick: Instant, now: Instant, period: Duration) -> Option<Instant> {
    let missed = now.saturating_duration_since(tick).as_nanos() / period.as_nanos();
    let steps = u32::try_from(missed + 1).ok()?;
    tick.checked_add(period.checked_mul(steps)?)
}

impl<S: Flow> Flow for Sample<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<S::Item>>> {
        let this = self.as_mut().project();
        if !*this.started {
            *this.started = true;
            this.timer.set_after(*this.period);
        }
        if self.as_mut().take_items(cx) {
            cx.waker().wake_by_ref();
        }
        let mut this = self.project();
        if this.upstream.is_none() {
            return Poll::Ready(std::mem::replace(this.ended, Ok(())).map(|()| None));
        }
        loop {
            let tick = this.timer.deadline();
            let what = &Reason("sample");
            ready!(this.timer.as_mut().poll(cx, what, this.location));
            let now = this.timer.as_mut().now();
            let next = tick.and_then(|tick| tick_after(tick, now, *this.period));
            this.timer.as_mut().set_at(next);
            if let Some(item) = this.latest.take() {
                return Poll::Ready(Ok(Some(item)));
            }
        }
    }

    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        if self.started {
            self.take_items(cx);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::tick_after;
    use std::time::{Duration, Instant};

    /// F-28: ticks that were missed are left out, and the others stay where they are.
    #[test]
    fn ticks_keep_their_distance_from_the_start() {
        let start = Instant::now();
        let at = |n| start + Duration::from_millis(n);
        let next = |now| tick_after(at(10), now, Duration::from_millis(10));
        assert_eq!(next(at(10)), Some(at(20)));
        assert_eq!(next(at(19)), Some(at(20)));
        assert_eq!(next(at(20)), Some(at(30)));
        assert_eq!(next(at(55)), Some(at(60)));
        assert_eq!(tick_after(at(10), at(10), Duration::MAX), None);
        let second = Duration::from_secs(1);
        assert_eq!(
            tick_after(at(0), start + second * u32::MAX, Duration::from_nanos(1)),
            None
        );
    }
}
