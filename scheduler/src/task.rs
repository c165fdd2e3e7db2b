//! [`Task`]: one pending poll of one coroutine.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use async_task::{Builder, Runnable, ScheduleInfo, WithInfo};
use pin_project_lite::pin_project;

use crate::event_loop::Local;
use crate::here::Here;

thread_local! {
    /// Set by [`mark_yield`], read by the rescheduling that follows the poll.
    static YIELDED: Cell<bool> = const { Cell::new(false) };
    /// Set while [`Task::reschedule`] calls the schedule function.
    static RELAUNCH: Cell<bool> = const { Cell::new(false) };
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
pub struct Task(Runnable<Owner>);

/// The custom dispatcher that a task was last handed to, as an address; 0 for the dispatchers of this crate.
#[derive(Default)]
struct Owner(AtomicUsize);

impl Task {
    /// Makes a task that polls `future` when run, and calls `schedule` each time the future is woken.
    ///
    /// The task is detached: nobody waits for it. `schedule` is called on whichever thread wakes; it is not
    /// called for the task returned here.
    ///
    /// # Panics
    /// A panic of `schedule` unwinds into whoever called the waker, and drops the future. A panic in the
    /// destructor of something `schedule` captured aborts the process.
    pub fn new<F, S>(future: F, schedule: S) -> Task
    where
        F: Future<Output = ()> + Send + 'static,
        S: Fn(Task, Wakeup) + Send + Sync + 'static,
    {
        let schedule = move |runnable: Runnable<Owner>, info: ScheduleInfo| {
            schedule(Task(runnable), cause(info.woken_while_running));
        };
        let guarded = Guarded {
            inner: Some(future),
        };
        let (runnable, handle) = Builder::new()
            .metadata(Owner::default())
            .spawn(move |_| guarded, WithInfo(schedule));
        handle.detach();
        Task(runnable)
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
        Ok(Task::new(Local::new(future)?, schedule))
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
    pub fn run(self) {
        let outer = YIELDED.replace(false);
        let owner = self.0.metadata().0.load(Ordering::Relaxed);
        let _here = (owner != 0).then(|| Here::Custom(owner).enter());
        let runnable = self.0;
        // The future's own panics are caught inside it; this one is for the schedule function,
        // which is called at the end of a poll that was woken.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| runnable.run())) {
            report(panic, "the schedule function of a task panicked");
        }
        YIELDED.set(outer);
    }

    /// Hands this task to its schedule function once more, as a [`Wakeup::Launch`].
    ///
    /// For dispatchers that cannot run what they hold: a pool that shuts down gives its queue back in this way.
    ///
    /// # Panics
    /// Passes on a panic of the schedule function.
    pub fn reschedule(self) {
        let outer = RELAUNCH.replace(true);
        let result = catch_unwind(AssertUnwindSafe(|| self.0.schedule()));
        RELAUNCH.set(outer);
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
    }

    /// Notes which custom dispatcher holds this task; 0 for none.
    pub(crate) fn set_owner(&self, owner: usize) {
        let cell = &self.0.metadata().0;
        if cell.load(Ordering::Relaxed) != owner {
            cell.store(owner, Ordering::Relaxed);
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

fn cause(woken_while_running: bool) -> Wakeup {
    if woken_while_running {
        if YIELDED.replace(false) {
            Wakeup::Yield
        } else {
            Wakeup::Again
        }
    } else if RELAUNCH.replace(false) {
        Wakeup::Launch
    } else {
        Wakeup::Wake
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

pin_project! {
    /// Keeps the panics of a future and of its destructor inside: async-task aborts on the latter.
    struct Guarded<F> {
        #[pin]
        inner: Option<F>,
    }

    impl<F> PinnedDrop for Guarded<F> {
        fn drop(this: Pin<&mut Self>) {
            this.discard();
        }
    }
}

impl<F> Guarded<F> {
    fn discard(self: Pin<&mut Self>) {
        let mut inner = self.project().inner;
        if inner.is_some() {
            // Assigning writes the `None` on the unwinding path as well.
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| inner.set(None))) {
                report(panic, "the destructor of a task panicked");
            }
        }
    }
}

impl<F: Future<Output = ()>> Future for Guarded<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(inner) = self.as_mut().project().inner.as_pin_mut() else {
            return Poll::Ready(());
        };
        match catch_unwind(AssertUnwindSafe(|| inner.poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(())) => {}
            Err(panic) => report(panic, "a task panicked"),
        }
        self.discard();
        Poll::Ready(())
    }
}
