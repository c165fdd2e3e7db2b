//! Waiting for time to pass.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use corox_scheduler::{Home, Sleep};
use pin_project_lite::pin_project;

use crate::frame;
use crate::probe::{Reason, WaitReason};

pin_project! {
    /// The future of [`delay`].
    #[derive(Debug)]
    #[must_use = "a delay does not begin until it is awaited: `delay(..).await`"]
    pub struct Delay {
        duration: Duration,
        reason: WaitReason,
        #[pin]
        sleep: Option<Sleep>,
    }
}

/// Suspends the coroutine for `duration`, without blocking the thread.
///
/// The clock is that of the current dispatcher. The duration counts from the first poll and is rounded up to whole
/// milliseconds; zero returns at once, without a look at cancellation; [`Duration::MAX`], and what the clock cannot hold,
/// never ends. Delays that end at the same time on an event loop end in the order in which they began.
///
/// Works outside coroutines, too.
///
/// Kotlin: `delay`.
///
/// # Cancel safety
///
/// Dropping the future takes the timer back.
///
/// ```
/// use corox_core::{delay, run_blocking};
/// use std::time::{Duration, Instant};
///
/// let start = Instant::now();
/// run_blocking(async |_| { delay(Duration::from_millis(5)).await; Ok(()) }).unwrap();
/// assert!(start.elapsed() >= Duration::from_millis(5));
/// ```
#[track_caller]
pub fn delay(duration: Duration) -> Delay {
    delay_at(Location::caller(), duration)
}

/// As [`delay`], called at `location`.
pub fn delay_at(location: &'static Location<'static>, duration: Duration) -> Delay {
    Delay {
        duration,
        reason: WaitReason::at(&Reason("delay"), location),
        sleep: None,
    }
}

/// `duration` in whole milliseconds, rounded up; `None` for one that never ends (T-1, T-2).
pub(crate) fn whole_millis(duration: Duration) -> Option<Duration> {
    let rest = duration.subsec_nanos() % 1_000_000;
    if rest == 0 {
        return Some(duration);
    }
    duration.checked_add(Duration::from_nanos(u64::from(1_000_000 - rest)))
}

impl Future for Delay {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if this.sleep.is_none() {
            if this.duration.is_zero() {
                return Poll::Ready(());
            }
            let Some(duration) = whole_millis(*this.duration) else {
                this.reason.note(|| "for ever".to_owned());
                return Poll::Pending;
            };
            let sleep = frame::with_current(|frame| {
                frame.map(|frame| Sleep::after(&frame.job().context().dispatcher, duration))
            })
            .unwrap_or_else(|| Sleep::after(&Home::current().1, duration));
            this.sleep.set(Some(sleep));
        }
        if this
            .sleep
            .as_pin_mut()
            .is_some_and(|sleep| sleep.poll(cx).is_ready())
        {
            this.reason.end();
            return Poll::Ready(());
        }
        this.reason.note_duration(*this.duration);
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::whole_millis;
    use std::time::Duration;

    /// T-1, T-2.
    #[test]
    fn durations_round_up_to_milliseconds_and_do_not_overflow() {
        let ms = Duration::from_millis;
        assert_eq!(whole_millis(Duration::from_nanos(1)), Some(ms(1)));
        assert_eq!(whole_millis(ms(1)), Some(ms(1)));
        assert_eq!(whole_millis(ms(1) + Duration::from_nanos(1)), Some(ms(2)));
        assert_eq!(whole_millis(Duration::MAX), None);
        assert_eq!(whole_millis(Duration::MAX - Duration::from_nanos(1)), None);
        assert_eq!(
            whole_millis(Duration::from_secs(u64::MAX)),
            Some(Duration::from_secs(u64::MAX))
        );
    }
}
