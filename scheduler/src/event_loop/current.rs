//! The event loop of this thread.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use tokio::runtime::{Builder, Handle, Runtime};

use super::local::Locals;
use super::{Event, EventLoop};
use crate::dispatcher::Kind;
use crate::{Dispatcher, Task};

/// What only the loop's own thread sees of it.
pub(super) struct Current {
    pub(super) events: Arc<EventLoop>,
    pub(super) runtime: Runtime,
    queue: RefCell<VecDeque<Event>>,
    pub(super) locals: Locals,
    /// The thread is inside the runtime's `block_on`, where tokio's tasks run.
    parked: Cell<bool>,
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<Current>>> = const { RefCell::new(None) };
}

/// The dispatcher of the loop whose coroutines run on this thread; `context` is the tokio runtime the caller is in.
pub(crate) fn current(context: Option<&Handle>) -> Option<Dispatcher> {
    let current = Current::get()?;
    let runs_here = current.is_inside(context) && !current.parked.get();
    runs_here.then(|| Kind::Loop(current.events.clone()).into())
}

/// Whether the tokio runtime the caller is in, `context`, is that of this thread's loop: in its coroutines, and in tokio's tasks.
pub(crate) fn is_inside(context: Option<&Handle>) -> bool {
    Current::get().is_some_and(|current| current.is_inside(context))
}

/// Whether `events` is the loop of this thread, and runs coroutines on it now.
pub(crate) fn is_of_this_thread(events: &EventLoop) -> bool {
    Current::of(events).is_some_and(|current| !current.is_parked())
}

/// Queues the task if this is the thread of the loop with this address, and it is running coroutines; else does not ask for it.
#[inline]
pub(crate) fn push_woken(events: usize, task: impl FnOnce() -> Option<Task>) {
    let _ = CURRENT.try_with(|current| {
        let current = current.borrow();
        let Some(current) = current.as_deref() else {
            return;
        };
        let same = Arc::as_ptr(&current.events).addr() == events;
        if !same || current.parked.get() || current.events.is_rejecting() {
            return;
        }
        if let Some(task) = task() {
            let mut queue = current.queue.borrow_mut();
            // What others pushed before this stays before it.
            current.events.take_pushed(&mut queue);
            queue.push_back(Event::Task(task));
        }
    });
}

impl Current {
    pub(super) fn get() -> Option<Rc<Current>> {
        CURRENT
            .try_with(|current| current.borrow().clone())
            .ok()
            .flatten()
    }

    /// That of `events`, if this is its thread.
    pub(super) fn of(events: &EventLoop) -> Option<Rc<Current>> {
        Current::get().filter(|current| std::ptr::eq(&*current.events, events))
    }

    fn is_inside(&self, context: Option<&Handle>) -> bool {
        context.is_none_or(|context| context.id() == self.runtime.handle().id())
    }

    /// Queues `event` without a lock if this is the thread of `events` and it is running coroutines; else gives it back.
    pub(super) fn push<T: Into<Event>>(events: &EventLoop, event: T) -> Result<(), T> {
        let mut event = Some(event);
        let _ = CURRENT.try_with(|current| {
            let current = current.borrow();
            let Some(current) = current.as_deref() else {
                return;
            };
            if std::ptr::eq(&*current.events, events) && !current.parked.get() {
                let mut queue = current.queue.borrow_mut();
                // What others pushed before this stays before it.
                events.take_pushed(&mut queue);
                if let Some(event) = event.take() {
                    queue.push_back(event.into());
                }
            }
        });
        event.map_or(Ok(()), Err)
    }

    pub(super) fn pop(&self) -> Option<Event> {
        let mut queue = self.queue.borrow_mut();
        if queue.is_empty() {
            self.events.take_pushed(&mut queue);
        }
        queue.pop_front()
    }

    /// How many events are queued, those of other threads too.
    pub(super) fn queued(&self) -> usize {
        let mut queue = self.queue.borrow_mut();
        self.events.take_pushed(&mut queue);
        queue.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.borrow().is_empty()
    }

    pub(super) fn is_parked(&self) -> bool {
        self.parked.get()
    }

    /// Gives the thread to tokio until there is something to do, or for one turn if there is `more` already.
    pub(super) fn park(&self, more: bool) {
        let _parked = Parked::enter(self);
        self.runtime.block_on(async {
            if more {
                tokio::task::yield_now().await;
            } else {
                self.events.wait().await;
            }
        });
    }
}

struct Parked<'a>(&'a Current);

impl<'a> Parked<'a> {
    fn enter(current: &'a Current) -> Parked<'a> {
        current.parked.set(true);
        Parked(current)
    }
}

impl Drop for Parked<'_> {
    fn drop(&mut self) {
        self.0.parked.set(false);
    }
}

/// A loop on this thread, from here to its drop.
pub(super) struct Installed(Option<Rc<Current>>);

impl Installed {
    /// Makes a loop with a runtime.
    ///
    /// # Panics
    /// If the operating system refuses the runtime its resources.
    pub(super) fn new(owned: bool) -> Installed {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("corox could not make the runtime of an event loop");
        let current = Rc::new(Current {
            events: EventLoop::new(owned),
            runtime,
            queue: RefCell::default(),
            locals: Locals::default(),
            parked: Cell::new(false),
        });
        CURRENT.set(Some(current.clone()));
        Installed(Some(current))
    }

    pub(super) fn current(&self) -> Rc<Current> {
        match &self.0 {
            Some(current) => current.clone(),
            None => unreachable!("taken in drop only"),
        }
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        if let Some(current) = &self.0 {
            // While the loop is still there for their destructors.
            let _context = current.runtime.enter();
            current.locals.discard_all();
        }
        CURRENT.set(None);
        if let Some(current) = self.0.take().and_then(Rc::into_inner) {
            current.events.close(current.queue.into_inner());
            // After the closing: what the runtime's tasks wake in their destructors goes elsewhere.
            current.runtime.shutdown_background();
        }
    }
}
