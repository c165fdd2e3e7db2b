//! [`Dispatch`]: dispatchers of users' own.

use std::any::Any;
use std::borrow::Cow;
use std::sync::Arc;

use crate::{Rejected, Task, TimeSource};

/// A dispatcher of your own: it runs the tasks it is given, each exactly once, by [`Task::run`].
///
/// Kotlin: `CoroutineDispatcher`.
///
/// # Examples
/// ```
/// use corox_scheduler::{Dispatch, Dispatcher, Rejected, Task};
/// use std::borrow::Cow;
/// use std::sync::mpsc;
///
/// /// One thread that runs what it is sent.
/// struct Worker(mpsc::Sender<Task>);
///
/// impl Dispatch for Worker {
///     fn dispatch(&self, task: Task) -> Result<(), Rejected> {
///         self.0.send(task).map_err(|refused| Rejected::new(refused.0, "the worker has ended"))
///     }
///     fn name(&self) -> Cow<'static, str> {
///         "Worker".into()
///     }
/// }
///
/// let (tasks, queue) = mpsc::channel();
/// let thread = std::thread::spawn(move || queue.into_iter().for_each(Task::run));
/// let worker = Dispatcher::new(Worker(tasks));
/// assert_eq!(format!("{worker:?}"), "Worker");
///
/// let (tx, rx) = mpsc::channel();
/// let task = Task::new(async move { tx.send(std::thread::current().id()).unwrap() }, move |task, how| {
///     worker.dispatch(task, how).unwrap();
/// });
/// task.reschedule();
/// assert_eq!(rx.recv().unwrap(), thread.thread().id());
/// ```
#[doc(alias = "CoroutineDispatcher")]
pub trait Dispatch: Send + Sync + 'static {
    /// Takes `task` to run it, on whatever thread, after this call has returned.
    ///
    /// Kotlin: `CoroutineDispatcher.dispatch`.
    ///
    /// # Errors
    /// If it cannot run it: the task goes back with the reason.
    fn dispatch(&self, task: Task) -> Result<(), Rejected>;

    /// As [`dispatch`](Dispatch::dispatch), for a task that gave way to the others: it goes behind all that wait.
    ///
    /// Kotlin: `CoroutineDispatcher.dispatchYield`.
    ///
    /// # Errors
    /// As [`dispatch`](Dispatch::dispatch).
    ///
    /// # Examples
    /// ```
    /// use corox_scheduler::{Dispatch, Dispatcher, Rejected, Task, Wakeup};
    /// use std::collections::VecDeque;
    /// use std::sync::{Arc, Mutex};
    ///
    /// /// Runs the newest task first, and what gives way last.
    /// #[derive(Clone, Default)]
    /// struct Stack(Arc<Mutex<VecDeque<Task>>>);
    ///
    /// impl Dispatch for Stack {
    ///     fn dispatch(&self, task: Task) -> Result<(), Rejected> {
    ///         self.0.lock().unwrap().push_front(task);
    ///         Ok(())
    ///     }
    ///     fn dispatch_yield(&self, task: Task) -> Result<(), Rejected> {
    ///         self.0.lock().unwrap().push_back(task);
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let stack = Stack::default();
    /// let dispatcher = Dispatcher::new(stack.clone());
    /// let ran = Arc::new(Mutex::new(Vec::new()));
    /// for (n, how) in [(1, Wakeup::Yield), (2, Wakeup::Launch), (3, Wakeup::Launch)] {
    ///     let ran = ran.clone();
    ///     let task = Task::new(async move { ran.lock().unwrap().push(n) }, |_, _| {});
    ///     dispatcher.dispatch(task, how).unwrap();
    /// }
    /// stack.0.lock().unwrap().drain(..).for_each(Task::run);
    /// assert_eq!(*ran.lock().unwrap(), [3, 2, 1]);
    /// ```
    #[doc(alias = "dispatchYield")]
    fn dispatch_yield(&self, task: Task) -> Result<(), Rejected> {
        self.dispatch(task)
    }

    /// Whether a coroutine that is started or resumed on this very thread must be dispatched.
    ///
    /// `false` lets it run in place, in turn with others that run so; to give way it is dispatched all the same.
    ///
    /// Kotlin: `CoroutineDispatcher.isDispatchNeeded`.
    ///
    /// # Examples
    /// ```
    /// use corox_scheduler::{Dispatch, Dispatcher, Rejected, Task, Wakeup};
    /// use std::sync::mpsc;
    ///
    /// struct InPlace;
    /// impl Dispatch for InPlace {
    ///     fn dispatch(&self, task: Task) -> Result<(), Rejected> {
    ///         Err(Rejected::new(task, "only to give way"))
    ///     }
    ///     fn is_dispatch_needed(&self) -> bool {
    ///         false
    ///     }
    /// }
    ///
    /// let (tx, rx) = mpsc::channel();
    /// let task = Task::new(async move { tx.send("ran").unwrap() }, |_, _| {});
    /// Dispatcher::new(InPlace).dispatch(task, Wakeup::Launch).unwrap();
    /// assert_eq!(rx.try_recv(), Ok("ran"));
    /// ```
    #[doc(alias = "isDispatchNeeded")]
    fn is_dispatch_needed(&self) -> bool {
        true
    }

    /// Whether this very thread is the dispatcher's, so that [immediate](crate::Dispatcher::immediate) coroutines may run in place.
    ///
    /// Inside its tasks that is known anyway. A user interface's dispatcher says it also for its event handlers.
    ///
    /// # Examples
    /// ```
    /// use corox_scheduler::{Dispatch, Dispatcher, Rejected, Task, Wakeup};
    /// use std::sync::{Mutex, mpsc};
    /// use std::thread::{self, ThreadId};
    ///
    /// /// The queue of a window, which the thread of the window works off.
    /// struct Window(ThreadId, Mutex<Vec<Task>>);
    ///
    /// impl Dispatch for Window {
    ///     fn dispatch(&self, task: Task) -> Result<(), Rejected> {
    ///         self.1.lock().unwrap().push(task);
    ///         Ok(())
    ///     }
    ///     fn is_current_thread(&self) -> bool {
    ///         thread::current().id() == self.0
    ///     }
    /// }
    ///
    /// let window = Dispatcher::new(Window(thread::current().id(), Mutex::default()));
    /// let (tx, rx) = mpsc::channel();
    /// let task = Task::new(async move { tx.send("at once").unwrap() }, |_, _| {});
    /// window.immediate().dispatch(task, Wakeup::Launch).unwrap();
    /// assert_eq!(rx.try_recv(), Ok("at once"));
    /// ```
    fn is_current_thread(&self) -> bool {
        false
    }

    /// Whether [immediate](crate::Dispatcher::immediate) means something here. `false`: the dispatcher is its own immediate one.
    ///
    /// # Examples
    /// ```
    /// use corox_scheduler::{Dispatch, Dispatcher, Rejected, Task};
    ///
    /// struct Strict;
    /// impl Dispatch for Strict {
    ///     fn dispatch(&self, task: Task) -> Result<(), Rejected> {
    ///         Err(Rejected::new(task, "an example"))
    ///     }
    ///     fn has_immediate(&self) -> bool {
    ///         false
    ///     }
    /// }
    ///
    /// let strict = Dispatcher::new(Strict);
    /// assert_eq!(strict.immediate(), strict);
    /// ```
    fn has_immediate(&self) -> bool {
        true
    }

    /// Whether this very thread is that of a [`host`](crate::host), and the only one that runs the dispatcher's tasks, so that
    /// [`Task::new_local`] is possible.
    ///
    /// # Examples
    /// ```
    /// use corox_scheduler::{Dispatch, Dispatcher, Rejected, Task};
    /// use std::thread::{self, ThreadId};
    ///
    /// struct OneThread(ThreadId);
    /// impl Dispatch for OneThread {
    ///     fn dispatch(&self, task: Task) -> Result<(), Rejected> {
    ///         Err(Rejected::new(task, "an example"))
    ///     }
    ///     fn is_local(&self) -> bool {
    ///         thread::current().id() == self.0
    ///     }
    /// }
    ///
    /// let here = Dispatcher::new(OneThread(thread::current().id()));
    /// assert!(here.is_local());
    /// assert!(!thread::spawn(move || here.is_local()).join().unwrap());
    /// ```
    fn is_local(&self) -> bool {
        false
    }

    /// The clock and timers of this dispatcher, if it has its own.
    ///
    /// See the example of [`TimeSource`].
    ///
    /// Kotlin: a dispatcher that implements `Delay`.
    fn time_source(&self) -> Option<Arc<dyn TimeSource>> {
        None
    }

    /// Itself, for [`downcast_ref`](crate::Dispatcher::downcast_ref); `None` if that is not to find it.
    ///
    /// # Examples
    /// ```
    /// use corox_scheduler::{Dispatch, Dispatcher, Rejected, Task};
    /// use std::any::Any;
    ///
    /// struct Numbered(u32);
    /// impl Dispatch for Numbered {
    ///     fn dispatch(&self, task: Task) -> Result<(), Rejected> {
    ///         Err(Rejected::new(task, "an example"))
    ///     }
    ///     fn as_any(&self) -> Option<&dyn Any> {
    ///         Some(self)
    ///     }
    /// }
    ///
    /// let dispatcher = Dispatcher::new(Numbered(7));
    /// assert_eq!(dispatcher.downcast_ref::<Numbered>().unwrap().0, 7);
    /// ```
    fn as_any(&self) -> Option<&dyn Any> {
        None
    }

    /// What `Debug` prints.
    fn name(&self) -> Cow<'static, str> {
        "custom".into()
    }
}
