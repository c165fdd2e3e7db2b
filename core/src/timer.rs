//! A timer that is moved: for flows, which wait for a time again and again.

use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use corox_scheduler::{Dispatcher, Home, Sleep, now};
use pin_project_lite::pin_project;

use crate::error::Error;
use crate::frame;
use crate::probe::{Reason, WaitReason, is_installed};
use crate::time::whole_millis;
use crate::timeout::describe;

pin_project! {
    /// A deadline on the clock of the dispatcher that it was first used on.
    ///
    /// To move the deadline forward costs no call to the clock's timers: what was set before is left to fire early, and then set again.
    #[derive(Debug)]
    pub struct Timer {
        dispatcher: Option<Dispatcher>,
        deadline: Option<Instant>,
        // Completes at `fires`: at the deadline or before, or it is replaced.
        #[pin]
        sleep: Option<Sleep>,
        fires: Option<Instant>,
        // Of the probes, while the deadline is waited for.
        note: Option<Box<WaitReason>>,
    }
}

impl Timer {
    /// Without a deadline.
    #[must_use]
    pub const fn idle() -> Self {
        Timer {
            dispatcher: None,
            deadline: None,
            sleep: None,
            fires: None,
            note: None,
        }
    }

    /// The time on its clock.
    pub fn now(self: Pin<&mut Self>) -> Instant {
        now(dispatcher(self.project().dispatcher))
    }

    /// Sets the deadline: in `duration`, rounded up to whole milliseconds; never, if the clock cannot hold that.
    pub fn set_after(self: Pin<&mut Self>, duration: Duration) {
        let this = self.project();
        let now = now(dispatcher(this.dispatcher));
        *this.deadline = whole_millis(duration).and_then(|duration| now.checked_add(duration));
    }

    /// Sets the deadline.
    pub fn set_at(self: Pin<&mut Self>, deadline: Option<Instant>) {
        *self.project().deadline = deadline;
    }

    /// Takes the deadline away, and leaves no timer behind.
    pub fn clear(self: Pin<&mut Self>) {
        let mut this = self.project();
        *this.deadline = None;
        *this.note = None;
        if this.fires.take().is_some() {
            this.sleep.set(None);
        }
    }

    /// The deadline, if one is set.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Waits for the deadline, which it then takes away; for ever without one. Dumps show the wait as one of `what` at `location`.
    pub fn poll(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        what: &'static Reason,
        location: &'static Location<'static>,
    ) -> Poll<()> {
        let mut this = self.project();
        let Some(deadline) = *this.deadline else {
            *this.note = None;
            return Poll::Pending;
        };
        loop {
            match this.sleep.as_mut().as_pin_mut() {
                Some(sleep) if this.fires.is_some_and(|fires| fires <= deadline) => {
                    if sleep.poll(cx).is_pending() {
                        if is_installed() {
                            note_wait(this.note, what, location);
                        }
                        return Poll::Pending;
                    }
                    this.sleep.set(None);
                    if this.fires.take() == Some(deadline) {
                        *this.deadline = None;
                        *this.note = None;
                        return Poll::Ready(());
                    }
                }
                _ => {
                    let sleep = Sleep::until(dispatcher(this.dispatcher), deadline);
                    this.sleep.set(Some(sleep));
                    *this.fires = Some(deadline);
                }
            }
        }
    }

    /// The failure of something that took longer than `duration`, as of [`with_timeout`](crate::with_timeout).
    pub fn timed_out(
        self: Pin<&mut Self>,
        duration: Duration,
        location: &'static Location<'static>,
    ) -> Error {
        let dispatcher = dispatcher(self.project().dispatcher);
        let name = frame::with_current(|frame| frame.and_then(|frame| frame.job().name()));
        let message = describe(duration, name.as_deref(), dispatcher);
        Error::timed_out(Error::timeout(message, location), location)
    }
}

#[cold]
fn note_wait(
    note: &mut Option<Box<WaitReason>>,
    what: &'static Reason,
    location: &'static Location<'static>,
) {
    let new = || Box::new(WaitReason::at(what, location));
    note.get_or_insert_with(new).note(String::new);
}

/// As of [`delay`](crate::delay).
fn dispatcher(known: &mut Option<Dispatcher>) -> &Dispatcher {
    known.get_or_insert_with(|| {
        frame::with_current(|frame| frame.map(|frame| frame.job().context().dispatcher.clone()))
            .unwrap_or_else(|| Home::current().1)
    })
}
