//! The end of the process's own pool.

use std::fmt;
use std::time::Duration;

use crate::here::Here;
use crate::pool;

/// Ends the process's own pool for good, and waits up to `timeout` for its threads to end.
///
/// That is [`DEFAULT`](crate::Dispatcher::DEFAULT) and [`IO`](crate::Dispatcher::IO), their timers and sockets, wherever
/// no other runtime stands in for them. It blocks this thread meanwhile.
///
/// For checks that look for threads left behind, and for libraries that are unloaded; a program that just ends needs it not.
/// Tasks in the queue, and those that are woken or launched later, are not run: their coroutines end as cancelled, and their
/// destructors run. A poll that runs goes on to its end. A second call waits again. A pool that was never used is not
/// started any more.
///
/// Kotlin: `Dispatchers.shutdown()`.
///
/// # Errors
/// If threads still run after `timeout`; they end when what they run does.
///
/// # Panics
/// On a thread of that pool, which would wait for itself.
///
/// # Examples
/// ```
/// use corox_scheduler::{Dispatcher, Task, Wakeup, shutdown};
/// use std::time::Duration;
///
/// shutdown(Duration::from_secs(1)).unwrap();
/// let late = Task::new(async {}, |_, _| {});
/// assert!(Dispatcher::DEFAULT.dispatch(late, Wakeup::Launch).is_err());
/// ```
#[track_caller]
#[doc(alias = "Dispatchers.shutdown")]
pub fn shutdown(timeout: Duration) -> Result<(), ShutdownTimedOut> {
    let own = pool::own_if_started().map(|pool| pool.address());
    let here = Here::current();
    assert!(
        own.is_none_or(|own| here != Here::Pool(own) && here != Here::Io(own)),
        "the pool cannot be shut down from one of its own threads; do it after `run_blocking` has returned, in `main`"
    );
    match pool::shut_down_own(timeout) {
        0 => Ok(()),
        threads => Err(ShutdownTimedOut { threads }),
    }
}

/// Threads still run after a [`shutdown`].
///
/// # Examples
/// ```
/// use corox_scheduler::{Dispatcher, Task, Wakeup, shutdown};
/// use std::sync::mpsc;
/// use std::time::Duration;
///
/// let (end, ended) = mpsc::channel::<()>();
/// let (begin, begun) = mpsc::channel();
/// let blocks = async move {
///     begin.send(()).unwrap();
///     let _ = ended.recv();
/// };
/// Dispatcher::IO.dispatch(Task::new(blocks, |_, _| {}), Wakeup::Launch).unwrap();
/// begun.recv().unwrap();
/// assert!(shutdown(Duration::from_millis(1)).unwrap_err().threads() > 0);
/// drop(end);
/// shutdown(Duration::from_secs(60)).unwrap();
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ShutdownTimedOut {
    threads: usize,
}

impl ShutdownTimedOut {
    /// How many threads still run.
    pub fn threads(&self) -> usize {
        self.threads
    }
}

impl fmt::Display for ShutdownTimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} threads of the pool still run", self.threads)
    }
}

impl std::error::Error for ShutdownTimedOut {}
