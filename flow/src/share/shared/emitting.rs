//! The future of `emit`.

use std::future::Future;
use std::ops::Deref;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use corox_core::probe::{Reason, WaitReason, is_installed};
use corox_core::waiters_protocol::{Key, cancelled_here_again};

use super::cell::SharedCell;

/// A value on its way into a flow.
pub(in crate::share) struct Emitting<C: Deref<Target = SharedCell<T>>, T> {
    cell: C,
    value: Option<T>,
    /// Where it is emitted.
    location: &'static Location<'static>,
    waits: Option<Key>,
    note: Option<Box<WaitReason>>,
}

impl<C: Deref<Target = SharedCell<T>>, T> Emitting<C, T> {
    #[inline]
    pub(in crate::share) fn new(cell: C, value: T, location: &'static Location<'static>) -> Self {
        Emitting {
            cell,
            value: Some(value),
            location,
            waits: None,
            note: None,
        }
    }

    #[inline]
    fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.cell.try_emit(&mut self.value) {
            return Poll::Ready(());
        }
        self.wait(cx)
    }

    #[inline(never)]
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // F-40: it suspends, and so looks.
        if cancelled_here_again() {
            return Poll::Pending;
        }
        self.cell.wait(&mut self.value, &mut self.waits, cx);
        if self.waits.is_none() {
            return Poll::Ready(());
        }
        if is_installed() {
            let mut reason = WaitReason::at(&Reason("emit"), self.location).by_coroutines();
            reason.note(|| format!("shared flow made at {}", self.cell.location()));
            self.note = Some(Box::new(reason));
        }
        Poll::Pending
    }
}

// It has no pointer into itself, and gives none to others.
impl<C: Deref<Target = SharedCell<T>>, T> Unpin for Emitting<C, T> {}

impl<C: Deref<Target = SharedCell<T>>, T> Future for Emitting<C, T> {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let Some(key) = this.waits else {
            return this.poll_first(cx);
        };
        let polled = this.cell.poll_waiting(key, cx);
        if polled.is_ready() {
            this.waits = None;
            this.note = None;
        }
        polled
    }
}

impl<C: Deref<Target = SharedCell<T>>, T> Drop for Emitting<C, T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(key) = self.waits.take() {
            self.cell.leave(key);
        }
    }
}
