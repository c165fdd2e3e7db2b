//! Executors of other libraries as dispatchers, and dispatchers as executors.

use std::borrow::Cow;
use std::fmt;

use futures_util::task::{FutureObj, Spawn, SpawnError};

use crate::{Dispatch, Dispatcher, Rejected, Task, Wakeup};

struct FromExecutor<F> {
    name: Cow<'static, str>,
    execute: F,
}

impl<F: Fn(Task) + Send + Sync + 'static> Dispatch for FromExecutor<F> {
    fn dispatch(&self, task: Task) -> Result<(), Rejected> {
        (self.execute)(task);
        Ok(())
    }

    fn name(&self) -> Cow<'static, str> {
        self.name.clone()
    }
}

impl Dispatcher {
    /// A dispatcher that gives its tasks to `execute`, which has some executor call [`Task::run`], once, after it has
    /// returned.
    ///
    /// A task that is dropped instead ends its coroutine as cancelled; an executor that refuses tasks is better told by an
    /// own [`Dispatch`].
    ///
    /// Kotlin: `Executor.asCoroutineDispatcher()`.
    ///
    /// # Examples
    /// ```
    /// use corox_scheduler::{Dispatcher, Task, Wakeup};
    ///
    /// let threads = Dispatcher::from_executor("a thread each", |task| {
    ///     std::thread::spawn(move || task.run());
    /// });
    /// let (tx, rx) = std::sync::mpsc::channel();
    /// let task = Task::new(async move { tx.send(1).unwrap() }, |_, _| {});
    /// threads.dispatch(task, Wakeup::Launch).unwrap();
    /// assert_eq!(rx.recv().unwrap(), 1);
    /// ```
    #[must_use]
    #[doc(alias = "asCoroutineDispatcher")]
    pub fn from_executor(
        name: impl Into<Cow<'static, str>>,
        execute: impl Fn(Task) + Send + Sync + 'static,
    ) -> Dispatcher {
        Dispatcher::new(FromExecutor {
            name: name.into(),
            execute,
        })
    }

    /// This dispatcher for libraries that want an executor: of closures, or futures' [`Spawn`].
    ///
    /// Kotlin: `CoroutineDispatcher.asExecutor()`.
    ///
    /// # Examples
    /// ```
    /// use corox_scheduler::Dispatcher;
    ///
    /// let io = Dispatcher::IO.as_executor();
    /// let (tx, rx) = std::sync::mpsc::channel();
    /// io.execute(move || tx.send(std::fs::read_to_string("Cargo.toml")).unwrap()).unwrap();
    /// assert!(rx.recv().unwrap().is_ok());
    /// ```
    #[must_use]
    #[doc(alias = "asExecutor")]
    pub fn as_executor(&self) -> Executor {
        Executor(self.clone())
    }
}

/// A dispatcher as an executor; see [`Dispatcher::as_executor`].
///
/// What it runs belongs to no scope: nothing waits for it and nothing cancels it.
///
/// Kotlin: the `Executor` of `asExecutor`.
///
/// # Examples
/// ```
/// use corox_scheduler::Dispatcher;
///
/// let (tx, rx) = std::sync::mpsc::channel();
/// Dispatcher::DEFAULT.as_executor().execute(move || tx.send(5).unwrap()).unwrap();
/// assert_eq!(rx.recv().unwrap(), 5);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Executor(Dispatcher);

impl Executor {
    /// Runs `f` on the dispatcher; in place, if that needs no dispatch. A panic of `f` is reported to `tracing`.
    ///
    /// # Errors
    /// If the dispatcher refuses; `f` is dropped.
    ///
    /// # Panics
    /// As [`Dispatcher::dispatch`].
    pub fn execute(&self, f: impl FnOnce() + Send + 'static) -> Result<(), Rejected> {
        // Never woken: the closure runs in its only poll.
        let task = Task::new(async move { f() }, |_, _| {});
        self.0.dispatch(task, Wakeup::Launch)
    }
}

/// Futures run to their end, or until the dispatcher refuses a wake, which drops them.
impl Spawn for Executor {
    fn spawn_obj(&self, future: FutureObj<'static, ()>) -> Result<(), SpawnError> {
        let to = self.0.clone();
        let task = Task::new(future, move |task, how| drop(to.dispatch(task, how)));
        self.0
            .dispatch(task, Wakeup::Launch)
            .map_err(|_| SpawnError::shutdown())
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Executor").field(&self.0).finish()
    }
}
