//! The future of `emit`.

use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll};

use corox_core::waiters_protocol::Key;

use super::cell::SharedCell;

/// A value on its way into a flow.
pub(in crate::share) struct Emitting<C: Deref<Target = SharedCell<T>>, T> {
    cell: C,
    value: Option<T>,
    waits: Option<Key>,
}

impl<C: Deref<Target = SharedCell<T>>, T> Emitting<C, T> {
    #[inline]
    pub(in crate::share) fn new(cell: C, value: T) -> Self {
        Emitting {
            cell,
            value: Some(value),
            waits: None,
        }
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
            return this.cell.poll_emit(&mut this.value, &mut this.waits, cx);
        };
        let polled = this.cell.poll_waiting(key, cx);
        if polled.is_ready() {
            this.waits = None;
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
