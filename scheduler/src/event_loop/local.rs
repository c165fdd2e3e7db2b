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
use crate::host::{self, HostKey};
use crate::task::report;

type Boxed = Pin<Box<dyn Future<Output = ()>>>;

/// The futures of one loop, on its thread.
#[derive(Default)]
pub(crate) struct Locals {
    last: Cell<u64>,
    kept: RefCell<BTreeMap<u64, Boxed>>,
}

impl Locals {
    fn add(&self, future: Boxed) -> u64 {
        let number = self.last.get() + 1;
        self.last.set(number);
        self.keep(number, future);
        number
    }

    fn take(&self, number: u64) -> Option<Boxed> {
        self.kept.borrow_mut().remove(&number)
    }

    fn keep(&self, number: u64, future: Boxed) {
        let old = self.kept.borrow_mut().insert(number, future);
        debug_assert!(old.is_none(), "numbers are not used twice");
    }

    pub(crate) fn discard(&self, number: u64) {
        discard(self.take(number));
    }

    /// Drops them all, and those that their destructors add.
    pub(crate) fn discard_all(&self) {
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
fn discard(future: Option<Boxed>) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(future))) {
        report(panic, "the destructor of a task panicked");
    }
}

/// Who keeps a future.
#[derive(Clone)]
enum Keeper {
    Loop(Arc<EventLoop>),
    Host(Arc<HostKey>),
}

impl Keeper {
    /// The one whose thread this is, and who runs coroutines now.
    fn here() -> Option<Keeper> {
        match Current::get() {
            Some(current) if !current.is_parked() => Some(Keeper::Loop(current.events.clone())),
            Some(_) => None,
            None => host::key().map(Keeper::Host),
        }
    }

    /// Calls `f` with what it keeps, if this is its thread.
    fn with<R>(&self, f: impl FnOnce(&Locals) -> R) -> Option<R> {
        match self {
            Keeper::Loop(events) => Current::of(events).map(|current| f(&current.locals)),
            Keeper::Host(key) => host::locals_of(key).map(|locals| f(&locals)),
        }
    }
}

/// Stands for a future that need not be `Send` and stays with the event loop, or the [host](crate::host), of its thread.
///
/// It is `Send` itself, and does nothing if it is polled elsewhere; see the example of [`new`](LocalFuture::new).
///
/// # Cancel safety
/// Dropped, it has the future dropped on its thread.
pub struct LocalFuture {
    keeper: Keeper,
    number: u64,
    over: bool,
}

impl LocalFuture {
    /// Leaves `future` with the loop of this thread.
    ///
    /// # Errors
    /// Gives the future back if no event loop runs coroutines on this thread.
    ///
    /// # Examples
    /// ```
    /// use corox_scheduler::{LocalFuture, block_on};
    /// use std::rc::Rc;
    ///
    /// let kept = Rc::new(1);
    /// assert!(LocalFuture::new(async { drop(kept) }).is_err(), "no event loop");
    /// let kept = Rc::new(1);
    /// block_on(|_| async move {
    ///     let stands_for_it = LocalFuture::new(async { drop(kept) }).ok().unwrap();
    ///     std::thread::spawn(|| drop(stands_for_it)).join().unwrap();
    /// });
    /// ```
    pub fn new<F: Future<Output = ()> + 'static>(future: F) -> Result<LocalFuture, F> {
        let Some(keeper) = Keeper::here() else {
            return Err(future);
        };
        let mut future = Some(future);
        let added = keeper.with(|locals| future.take().map(|future| locals.add(Box::pin(future))));
        match (added.flatten(), future) {
            (Some(number), _) => Ok(LocalFuture {
                keeper,
                number,
                over: false,
            }),
            (None, Some(future)) => Err(future),
            (None, None) => unreachable!("it was either taken or is still here"),
        }
    }
}

impl std::fmt::Debug for LocalFuture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LocalFuture")
    }
}

impl Future for LocalFuture {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let number = self.number;
        let Some(taken) = self.keeper.with(|locals| locals.take(number)) else {
            // The loop has ended, or its dispatcher was closed: the loop's thread drops the future.
            return Poll::Ready(());
        };
        let Some(mut future) = taken else {
            self.over = true;
            return Poll::Ready(());
        };
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => {
                let mut future = Some(future);
                let keep =
                    |locals: &Locals| future.take().map(|future| locals.keep(number, future));
                self.keeper.with(keep);
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

impl Drop for LocalFuture {
    fn drop(&mut self) {
        let number = self.number;
        if self.over || self.keeper.with(|locals| locals.discard(number)).is_some() {
            return;
        }
        // If the loop has ended the future has gone with it.
        match &self.keeper {
            Keeper::Loop(events) => drop(events.push(Event::Discard(number))),
            Keeper::Host(key) => key.discard_later(number),
        }
    }
}
