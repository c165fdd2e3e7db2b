//! [`Task`]: one pending poll of one coroutine.

mod body;
mod spawned;
mod turn;
mod woken;

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use body::AnyCell;
pub use body::{TaskBody, TaskCell};
use spawned::Spawned;
pub use woken::Woken;

use crate::event_loop::LocalFuture;
use crate::here::Here;

thread_local! {
    /// Set by [`mark_yield`], read by the rescheduling that follows the poll.
    static YIELDED: Cell<bool> = const { Cell::new(false) };
}

/// Why a [`Task`] is handed to a dispatcher.
///
/// # Examples
/// ```
/// use corox_scheduler::{Task, Wakeup, mark_yield};
/// use std::future::poll_fn;
/// use std::sync::{Arc, Mutex};
/// use std::task::Poll;
///
/// let queue = Arc::new(Mutex::new(Vec::new()));
/// let mut polls = 0;
/// let body = poll_fn(move |cx| {
///     polls += 1;
///     match polls {
///         1 => cx.waker().wake_by_ref(),
///         2 => {
///             mark_yield();
///             cx.waker().wake_by_ref();
///         }
///         _ => return Poll::Ready(()),
///     }
///     Poll::Pending
/// });
/// let back = queue.clone();
/// Task::new(body, move |task, how| back.lock().unwrap().push((task, how))).reschedule();
///
/// let mut reasons = Vec::new();
/// loop {
///     let Some((task, how)) = queue.lock().unwrap().pop() else { break };
///     reasons.push(how);
///     task.run();
/// }
/// assert_eq!(reasons, [Wakeup::Launch, Wakeup::Again, Wakeup::Yield]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wakeup {
    /// The first time, or again by way of [`Task::reschedule`].
    Launch,
    /// The coroutine was suspended and something woke it.
    Wake,
    /// The coroutine was woken while it ran, so its poll just ended and the next is due.
    Again,
    /// As [`Again`](Wakeup::Again), after [`mark_yield`] was called in that very poll.
    Yield,
}

/// One pending poll of one coroutine.
///
/// There is at most one `Task` of a coroutine at a time: it is handed to the schedule function when the
/// coroutine is woken, and running it polls the future once. Dropping it without running it drops
/// the future.
///
/// ```text
///             Task::new                 run: Ready or panic
///   (future) ───────────> [scheduled] ───────────────────────> (future dropped)
///                          │  ▲    │ drop                          ▲
///                      run │  │    └───────────────────────────────┘
///                          ▼  │ waker: schedule(Task, Wake)
///   woken while running  [running] ── Pending ──> [suspended]
///   schedule(Task, Again     │                        │
///     or Yield) after poll <─┘   last waker dropped ──┘──> (future dropped)
/// ```
///
/// Kotlin: `DispatchedTask`, the `Runnable` that a `CoroutineDispatcher` gets.
///
/// # Examples
/// ```
/// use corox_scheduler::{Dispatcher, Task};
///
/// let (tx, rx) = std::sync::mpsc::channel();
/// let task = Task::new(async move { tx.send(42).unwrap() }, |task, how| {
///     Dispatcher::DEFAULT.dispatch(task, how).ok();
/// });
/// task.reschedule();
/// assert_eq!(rx.recv().unwrap(), 42);
/// ```
#[doc(alias = "DispatchedTask")]
#[doc(alias = "Runnable")]
pub struct Task(Option<Arc<dyn AnyCell>>);

impl Task {
    /// Makes a task that polls `future` when run, and calls `schedule` each time the future is woken.
    ///
    /// The task is detached: nobody waits for it. `schedule` is called on whichever thread wakes; it is not
    /// called for the task returned here.
    ///
    /// # Panics
    /// A panic of `schedule` unwinds into whoever called the waker, and drops the future.
    pub fn new<F, S>(future: F, schedule: S) -> Task
    where
        F: Future<Output = ()> + Send + 'static,
        S: Fn(Task, Wakeup) + Send + Sync + 'static,
    {
        Spawned::first(future, schedule)
    }

    /// As [`new`](Task::new), for a future that need not be `Send`.
    ///
    /// It stays with the event loop, or the [host](crate::host), of this thread, which alone polls and drops it. The task
    /// itself may go anywhere; run elsewhere it does nothing.
    ///
    /// When the loop ends, what is left of the future is dropped on its thread.
    ///
    /// # Errors
    /// Gives the future back if no event loop runs coroutines on this thread.
    ///
    /// # Examples
    /// ```
    /// use corox_scheduler::{Task, block_on};
    /// use std::rc::Rc;
    ///
    /// let words = Rc::new(vec!["a", "bc"]);
    /// let length = block_on(|events| async move {
    ///     let (tx, rx) = tokio::sync::oneshot::channel();
    ///     let body = async move { tx.send(words.concat().len()).unwrap() };
    ///     let task = Task::new_local(body, move |task, how| { events.dispatch(task, how).unwrap(); });
    ///     task.ok().expect("this is the thread of a loop").reschedule();
    ///     rx.await.unwrap()
    /// });
    /// assert_eq!(length, 3);
    /// ```
    pub fn new_local<F, S>(future: F, schedule: S) -> Result<Task, F>
    where
        F: Future<Output = ()> + 'static,
        S: Fn(Task, Wakeup) + Send + Sync + 'static,
    {
        Ok(Task::new(LocalFuture::new(future)?, schedule))
    }

    /// The first task of `cell`; see the example of [`TaskCell`].
    ///
    /// `prepare` sees the place of the future before, and may put one there that has to know the cell. Without a future the task
    /// ends in its first turn.
    ///
    /// # Panics
    /// If the cell had its first task already.
    #[track_caller]
    pub fn first<C: TaskCell>(cell: Arc<C>, prepare: impl FnOnce(&mut Option<C::Future>)) -> Task {
        assert!(cell.body().turn().begin(), "a cell has one first task");
        // SAFETY: it was begun right here.
        #[allow(unsafe_code)]
        prepare(unsafe { cell.body().place() });
        Task(Some(cell))
    }

    /// Wakes the task of `cell`, for its implementation of a waker; see the example of [`TaskCell`].
    pub fn wake<C: TaskCell>(cell: &Arc<C>) {
        if cell.body().turn().wake() {
            C::schedule(cell, Task(Some(cell.clone())), Wakeup::Wake);
        }
    }

    /// As [`wake`](Task::wake), by a waker that has no other use for its reference; see the example of [`Woken`].
    #[inline]
    pub fn wake_with<C: TaskCell>(cell: Arc<C>) {
        if cell.body().turn().wake() {
            C::schedule_woken(Woken::new(cell));
        }
    }

    /// Polls the future once.
    ///
    /// A panic of the future or of its destructor ends here: it is reported with `tracing::error!`,
    /// and the future is dropped.
    ///
    /// Kotlin: `Runnable.run`.
    ///
    /// # Examples
    /// ```
    /// use corox_scheduler::Task;
    ///
    /// let (tx, rx) = std::sync::mpsc::channel();
    /// Task::new(async move { tx.send("polled").unwrap() }, |_, _| {}).run();
    /// assert_eq!(rx.try_recv(), Ok("polled"));
    /// ```
    pub fn run(mut self) {
        let Some(cell) = self.0.take() else { return };
        let outer = YIELDED.replace(false);
        let owner = cell.owner().load(Ordering::Relaxed);
        let _here = (owner != 0).then(|| Here::Custom(owner).enter());
        cell.run();
        YIELDED.set(outer);
    }

    /// Hands this task to its schedule function once more, as a [`Wakeup::Launch`].
    ///
    /// For dispatchers that cannot run what they hold: a pool that shuts down gives its queue back in this way.
    ///
    /// # Panics
    /// Passes on a panic of the schedule function.
    pub fn reschedule(mut self) {
        if let Some(cell) = self.0.take() {
            cell.reschedule();
        }
    }

    /// Notes which custom dispatcher holds this task; 0 for none.
    pub(crate) fn set_owner(&self, owner: usize) {
        if let Some(cell) = &self.0 {
            let place = cell.owner();
            if place.load(Ordering::Relaxed) != owner {
                place.store(owner, Ordering::Relaxed);
            }
        }
    }
}

// A future that panics is dropped at once: nobody meets it half-changed.
impl UnwindSafe for Task {}
impl RefUnwindSafe for Task {}

/// Nobody will run it: its future is dropped.
impl Drop for Task {
    fn drop(&mut self) {
        if let Some(cell) = self.0.take() {
            cell.discard();
        }
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Task")
    }
}

/// Marks the running poll as one that gives way: if the coroutine was woken during this poll, it is
/// scheduled as [`Wakeup::Yield`], behind everything else that waits.
///
/// Outside of a task it does nothing of use: the mark is cleared before each run.
///
/// See the example of [`Wakeup`].
///
/// Kotlin: `CoroutineDispatcher.dispatchYield`, as `yield` calls it.
#[doc(alias = "yield")]
pub fn mark_yield() {
    YIELDED.set(true);
}

/// Why the task is handed over whose poll has just ended.
fn cause_of_next_turn() -> Wakeup {
    if YIELDED.replace(false) {
        Wakeup::Yield
    } else {
        Wakeup::Again
    }
}

/// Reports a panic that nobody is there to receive. The payload may panic in its destructor, too.
pub(crate) fn report(panic: Box<dyn Any + Send>, what: &str) {
    let text = if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic payload that is not a string".to_owned()
    };
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        // Dropping this one could go on for ever.
        std::mem::forget(second);
    }
    // A subscriber is user code.
    let told = catch_unwind(|| tracing::error!(panic = %text, "{what}"));
    if let Err(second) = told {
        std::mem::forget(second);
    }
}
