//! The event loop: a single-threaded dispatcher with a strict queue and timers of its own.
//!
//! ```text
//!             the root has ended
//!   open ───────────────────────────────────> closed: the queue, and what comes later, goes to the process's own
//!     │                                         ▲     pool; a task there fires the timers, while there are any
//!     │ the owner of the thread closes it       │
//!     ▼                                         │
//!   rejecting: what comes is rejected ──────────┘ then what is queued is given back, and what comes later rejected
//!                                       the root, which has waited for the owner, ends
//! ```

mod current;
mod local;
mod queued;
mod run;
mod timers;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Poll, Wake, Waker};
use std::time::Instant;

use parking_lot::Mutex;

use crate::pool::{self, OnClose, Told};
use crate::task::report;
use crate::{Rejected, Task, TimeSource, Wakeup};
use current::Current;
pub(crate) use current::{current, is_inside, is_of_this_thread, push_woken};
pub use local::LocalFuture;
pub(crate) use local::Locals;
use queued::Queued;
pub use run::block_on;
pub(crate) use run::block_on_owned;
use timers::Timers;

/// What every thread sees of an event loop.
///
/// The loop's own thread keeps events in a queue without a lock ([`Current`]); others push to this one. Before the loop's thread pushes,
/// it moves what is here behind its own, so that together they are one queue in which nothing overtakes what happened before it.
pub(crate) struct EventLoop {
    state: Mutex<State>,
    /// The queue in `state` is not empty.
    pushed: AtomicBool,
    /// For the task that fires what timers are left.
    this: Weak<EventLoop>,
    /// Of a dispatcher that owns its thread; what is left then is rejected instead of being moved.
    owned: Option<Owned>,
}

#[derive(Default)]
struct Owned {
    rejects: AtomicBool,
    told: Told,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Event>,
    timers: Timers,
    /// Whoever sleeps until something is queued or due.
    sleeper: Option<Waker>,
    /// The root has ended.
    closed: bool,
    /// A task on the own runtime fires the timers that are left.
    orphans: bool,
}

enum Event {
    Task(Task),
    Root(Arc<Root>),
    /// A task that stood for a future of this thread was dropped on another one.
    Discard(u64),
}

impl From<Task> for Event {
    fn from(task: Task) -> Event {
        Event::Task(task)
    }
}

/// The waker of a root future: it queues itself once; woken while it is polled, after that poll.
///
/// ```text
///   wake: queued ──> in the queue ── popped by its own loop ──> polled
///                         │ popped by a nested loop, while the root's loop is below it on the stack
///                         ▼
///                       kept ── control returns to its own loop ──> polled
/// ```
struct Root {
    events: Arc<EventLoop>,
    queued: Queued,
    kept: AtomicBool,
}

impl Wake for Root {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.queued.set() {
            self.queue();
        }
    }
}

impl Root {
    fn queue(self: &Arc<Self>) {
        // A root that has ended needs no turn.
        drop(self.events.push(Event::Root(self.clone())));
    }
}

impl EventLoop {
    fn new(owned: bool) -> Arc<EventLoop> {
        Arc::new_cyclic(|this| EventLoop {
            owned: owned.then(Owned::default),
            state: Mutex::default(),
            pushed: AtomicBool::new(false),
            this: this.clone(),
        })
    }

    /// Queues `task` behind all that is queued; after the root has ended, on the process's own pool, unless the loop is that of
    /// a dispatcher that was closed.
    pub(crate) fn push_task(&self, task: Task) -> Result<(), Rejected> {
        let closed = |task| Err(Rejected::new(task, "the dispatcher was closed"));
        if self.is_rejecting() {
            return closed(task);
        }
        let Err(task) = Current::push(self, task) else {
            return Ok(());
        };
        match self.push_from_elsewhere(Event::Task(task)) {
            Err(Event::Task(task)) if self.owned.is_some() => closed(task),
            Err(event) => {
                elsewhere(event);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Gives the event back if the root has ended.
    fn push(&self, event: Event) -> Result<(), Event> {
        Current::push(self, event).or_else(|event| self.push_from_elsewhere(event))
    }

    fn push_from_elsewhere(&self, event: Event) -> Result<(), Event> {
        let sleeper = {
            let mut state = self.state.lock();
            if state.closed {
                drop(state);
                return Err(event);
            }
            state.queue.push_back(event);
            self.pushed.store(true, Ordering::Release);
            state.sleeper.take()
        };
        if let Some(sleeper) = sleeper {
            sleeper.wake();
        }
        Ok(())
    }

    fn is_rejecting(&self) -> bool {
        self.owned
            .as_ref()
            .is_some_and(|owned| owned.rejects.load(Ordering::Acquire))
    }

    /// The dispatcher is closed: from now on tasks are rejected, and those who asked are told.
    pub(crate) fn reject(&self) {
        if let Some(owned) = &self.owned {
            owned.rejects.store(true, Ordering::SeqCst);
            owned.told.tell();
        }
    }

    /// Tells `who` when the dispatcher is closed; at once if it is. Loops that nobody owns do not tell.
    pub(crate) fn on_close(&self, who: Weak<dyn OnClose>) {
        if let Some(owned) = &self.owned {
            owned.told.add(who);
            if owned.rejects.load(Ordering::SeqCst) {
                owned.told.tell();
            }
        }
    }

    /// Moves what other threads pushed to the back of `queue`.
    #[inline]
    fn take_pushed(&self, queue: &mut VecDeque<Event>) {
        if self.pushed.load(Ordering::Acquire) {
            self.move_pushed(queue);
        }
    }

    #[cold]
    fn move_pushed(&self, queue: &mut VecDeque<Event>) {
        let mut state = self.state.lock();
        self.pushed.store(false, Ordering::Release);
        if queue.is_empty() {
            std::mem::swap(queue, &mut state.queue);
        } else {
            queue.append(&mut state.queue);
        }
    }

    /// Wakes the owners of all timers that are due, in order. False if there were none.
    fn fire_due(&self) -> bool {
        let mut fired = false;
        loop {
            let due = {
                let mut state = self.state.lock();
                if state.timers.is_empty() {
                    return fired;
                }
                let now = Instant::now();
                let due = std::iter::from_fn(|| state.timers.pop_due(now));
                due.collect::<Vec<_>>()
            };
            if due.is_empty() {
                return fired;
            }
            fired = true;
            for waker in due {
                if let Err(panic) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
                    report(panic, "the waker of a timer panicked");
                }
            }
        }
    }

    /// Completes when another thread has pushed something, or a timer is due.
    async fn wait(&self) {
        let mut sleep = pin!(None::<tokio::time::Sleep>);
        let mut until = None;
        poll_fn(|cx| {
            let waker = cx.waker().clone();
            let (earliest, old) = {
                let mut state = self.state.lock();
                if !state.queue.is_empty() {
                    return Poll::Ready(());
                }
                let old = state.sleeper.replace(waker);
                (state.timers.earliest(), old)
            };
            drop(old);
            let Some(earliest) = earliest else {
                return Poll::Pending;
            };
            if until != Some(earliest) {
                until = Some(earliest);
                sleep.set(Some(tokio::time::sleep_until(earliest.into())));
            }
            match sleep.as_mut().as_pin_mut() {
                Some(sleep) => sleep.poll(cx),
                None => Poll::Pending,
            }
        })
        .await;
    }

    /// The root has ended: what is queued, here and in `queue`, and the timers move to the process's own runtime.
    fn close(&self, mut queue: VecDeque<Event>) {
        let start = {
            let mut state = self.state.lock();
            state.closed = true;
            queue.append(&mut state.queue);
            state.needs_orphans()
        };
        for event in queue {
            match event {
                Event::Task(task) if self.owned.is_some() => pool::give_back(task),
                event => elsewhere(event),
            }
        }
        if start {
            self.start_orphans();
        }
    }

    fn start_orphans(&self) {
        let Some(events) = self.this.upgrade() else {
            return;
        };
        pool::own().handle().spawn(async move {
            loop {
                events.fire_due();
                {
                    let mut state = events.state.lock();
                    if state.timers.is_empty() {
                        state.orphans = false;
                        return;
                    }
                }
                events.wait().await;
            }
        });
    }
}

impl State {
    /// True if the caller must start the task for the timers that are left.
    fn needs_orphans(&mut self) -> bool {
        let start = self.closed && !self.orphans && !self.timers.is_empty();
        self.orphans |= start;
        start
    }
}

/// Runs what a loop cannot run any more.
fn elsewhere(event: Event) {
    if let Event::Task(task) = event {
        if let Err(rejected) = pool::own().push(task, Wakeup::Launch) {
            tracing::error!(%rejected, "a task of a loop that has ended is lost");
        }
    }
}

impl TimeSource for EventLoop {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn register(&self, deadline: Instant, waker: &Waker) -> u64 {
        let waker = waker.clone();
        let (key, sleeper, start) = {
            let mut state = self.state.lock();
            let earlier = state.timers.earliest().is_none_or(|other| deadline < other);
            let key = state.timers.insert(deadline, waker);
            let sleeper = if earlier { state.sleeper.take() } else { None };
            (key, sleeper, state.needs_orphans())
        };
        if let Some(sleeper) = sleeper {
            sleeper.wake();
        }
        if start {
            self.start_orphans();
        }
        key
    }

    fn set_waker(&self, key: u64, waker: &Waker) {
        let waker = waker.clone();
        let old = self.state.lock().timers.set_waker(key, waker);
        drop(old);
    }

    fn cancel(&self, key: u64) {
        let old = self.state.lock().timers.remove(key);
        drop(old);
    }

    fn is_elapsed(&self, key: u64) -> bool {
        !self.state.lock().timers.contains(key)
    }
}
