//! The clause of a time-out.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use corox_scheduler::{Dispatcher, Home, Sleep, now};
use pin_project_lite::pin_project;

use super::claim::{Registered, Registrar, Ticket};
use super::clause::Clause;
use crate::frame;
use crate::time::whole_millis;

pin_project! {
    /// The clause of [`on_timeout`].
    #[must_use = "clauses do nothing unless a select has them"]
    pub struct OnTimeout {
        duration: Duration,
        #[pin]
        sleep: Option<Sleep>,
        expiry: Option<Arc<Expiry>>,
    }
}

impl fmt::Debug for OnTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnTimeout").field(&self.duration).finish()
    }
}

/// The clause that is available when `duration` has gone by without another clause winning.
///
/// The clock is that of the current dispatcher; the duration counts from the first poll of the select and is rounded up to
/// whole milliseconds. Zero is available at once, in its place among the clauses; [`Duration::MAX`], and what the clock cannot
/// hold, never is. A select may have several; the timers of those that lose are taken back.
///
/// Kotlin: `onTimeout`.
///
/// ```
/// use corox_core::{Clause, await_cancellation, on, on_timeout, run_blocking, select};
/// use std::time::Duration;
///
/// run_blocking(async |_| {
///     let answer = select((
///         on(await_cancellation()).then(|_| "cancelled"),
///         on_timeout(Duration::from_millis(1)).then(|()| "late"),
///     )).await;
///     assert_eq!(answer, "late");
///     Ok(())
/// }).unwrap();
/// ```
#[doc(alias = "onTimeout")]
pub fn on_timeout(duration: Duration) -> OnTimeout {
    OnTimeout {
        duration,
        sleep: None,
        expiry: None,
    }
}

/// The waker of the timer: it claims the select, on whatever thread the timer fires.
struct Expiry {
    ticket: Ticket,
    dispatcher: Dispatcher,
    deadline: Instant,
    /// Woken for another reason than the time: a runtime that shuts down wakes its timers.
    woken_early: AtomicBool,
    /// The time has come, also for a select that could not be claimed then.
    fired: AtomicBool,
}

impl Wake for Expiry {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if now(&self.dispatcher) < self.deadline {
            self.woken_early.store(true, Ordering::Release);
            self.ticket.wake();
        } else {
            self.fired.store(true, Ordering::Release);
            self.ticket.claim();
        }
    }
}

impl OnTimeout {
    /// Has the timer wake its expiry.
    fn set(self: Pin<&mut Self>, at: &mut Registrar<'_>) -> Registered {
        let this = self.project();
        let (Some(sleep), Some(expiry)) = (this.sleep.as_pin_mut(), &*this.expiry) else {
            return Registered::Waits;
        };
        let waker = Waker::from(expiry.clone());
        match sleep.poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(()) => at.claim(),
            Poll::Pending => Registered::Waits,
        }
    }
}

impl Clause for OnTimeout {
    type Output = ();

    fn register(mut self: Pin<&mut Self>, at: &mut Registrar<'_>) -> Registered {
        let mut this = self.as_mut().project();
        if this.duration.is_zero() {
            return at.claim();
        }
        let dispatcher = frame::with_current(|frame| {
            frame.map(|frame| frame.job().context().dispatcher.clone())
        })
        .unwrap_or_else(|| Home::current().1);
        let deadline = whole_millis(*this.duration).and_then(|d| now(&dispatcher).checked_add(d));
        let Some(deadline) = deadline else {
            return Registered::Waits;
        };
        this.sleep.set(Some(Sleep::until(&dispatcher, deadline)));
        *this.expiry = Some(Arc::new(Expiry {
            ticket: at.ticket(),
            dispatcher,
            deadline,
            woken_early: AtomicBool::new(false),
            fired: AtomicBool::new(false),
        }));
        self.set(at)
    }

    fn proceed(self: Pin<&mut Self>, at: &mut Registrar<'_>) -> Registered {
        let Some(expiry) = &self.expiry else {
            return Registered::Waits;
        };
        if at.is_retry() && expiry.fired.load(Ordering::Acquire) {
            return at.claim();
        }
        if expiry.woken_early.swap(false, Ordering::Acquire) {
            return self.set(at);
        }
        Registered::Waits
    }

    fn complete(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}
