//! Futures that stay on the thread of their loop.
//!
//! ```text
//!   add ──> [kept] ── poll, on the loop's thread ──> out of the map meanwhile ── Pending ──> [kept]
//!             │                                                  └── Ready ──> dropped here
//!             │ its task is dropped on this thread, or tells so from another one; the loop ends
//!             ▼
//!          dropped here
//! ```
//!
//! The task that stands for such a future holds only its number, and may go and be dropped anywhere.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::current::Current;
use super::{Event, EventLoop};
use crate::task::report;

type LocalFuture = Pin<Box<dyn Future<Output = ()>>>;

/// The futures of one loop, on its thread.
#[derive(Default)]
pub(super) struct Locals {
    last: Cell<u64>,
    kept: RefCell<BTreeMap<u64, LocalFuture>>,
}

impl Locals {
    fn take(&self, number: u64) -> Option<LocalFuture> {
        self.kept.borrow_mut().remove(&number)
    }

    fn keep(&self, number: u64, future: LocalFuture) {
        let old = self.kept.borrow_mut().insert(number, future);
        debug_assert!(old.is_none(), "numbers are not used twice");
    }

    pub(super) fn discard(&self, number: u64) {
        discard(self.take(number));
    }

    /// Drops them all, and those that their destructors add.
    pub(super) fn discard_all(&self) {
        loop {
            let first = self.kept.borrow_mut().pop_first();
            match first {
                Some((_, future)) => discard(Some(future)),
                None => return,
            }
        }
    }
}

/// Destructors of users may panic; the loop goes on.
fn discard(future: Option<LocalFuture>) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(future))) {
        report(panic, "the destructor of a task panicked");
    }
}

/// Stands for a future of a loop, and is `Send`.
pub(crate) struct Local {
    events: Arc<EventLoop>,
    number: u64,
    over: bool,
}

impl Local {
    /// Leaves `future` with the loop of this thread; gives it back if there is none that runs coroutines.
    pub(crate) fn new<F: Future<Output = ()> + 'static>(future: F) -> Result<Local, F> {
        let current = match Current::get() {
            Some(current) if !current.is_parked() => current,
            _ => return Err(future),
        };
        let number = current.locals.last.get() + 1;
        current.locals.last.set(number);
        current.locals.keep(number, Box::pin(future));
        Ok(Local {
            events: current.events.clone(),
            number,
            over: false,
        })
    }
}

impl Future for Local {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(current) = Current::of(&self.events) else {
            // The loop has ended, or its dispatcher was closed: the loop's thread drops the future.
            return Poll::Ready(());
        };
        let Some(mut future) = current.locals.take(self.number) else {
            self.over = true;
            return Poll::Ready(());
        };
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => {
                current.locals.keep(self.number, future);
                return Poll::Pending;
            }
            Ok(Poll::Ready(())) => {}
            Err(panic) => report(panic, "a task panicked"),
        }
        self.over = true;
        discard(Some(future));
        Poll::Ready(())
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        match Current::of(&self.events) {
            Some(current) => current.locals.discard(self.number),
            // If the loop has ended the future has gone with it.
            None => drop(self.events.push(Event::Discard(self.number))),
        }
    }
}
