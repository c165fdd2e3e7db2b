//! Blocking calls from coroutines.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use corox_scheduler::Dispatcher;

use crate::error::{Error, Result};
use crate::job::{DisposeHandle, Job};
use crate::probe::Reason;
use crate::with_context::{Named, elsewhere};

/// Runs a blocking call on an IO thread and waits for it without blocking the coroutine's own.
///
/// `f` runs as a child of the current coroutine, on a thread of its own for the time of the call: of
/// [`Dispatcher::IO`], of which at most 64 (or one for each core) run at a time; more wait in order. So several in one
/// `join!` run side by side, and a time-out around it works; for a sequence of short calls
/// [`with_context`](crate::with_context)`(IO, ..)` is cheaper, which usually keeps the thread.
///
/// A thread cannot be interrupted. When the coroutine is cancelled, the [`CancelFlag`] is set at once and the coroutine waits
/// until `f` has returned: look at the flag in loops, and give it what ends a call that hangs
/// ([`on_cancelled`](CancelFlag::on_cancelled)). In a cancelled coroutine `f` does not begin. With
/// `tokio::task::spawn_blocking`, its counterpart, a cancelled caller goes on and the call is left alone.
///
/// `f` goes to another thread, so it owns what it uses: `move |_| ..`, and
/// [clones](crate::CoroutineScope#if-the-compiler-refuses-the-body) of what is borrowed.
///
/// Inside `f` the coroutine is the current one ([`Job::current`], [`is_active`](crate::is_active)), and
/// [`run_blocking`](crate::run_blocking) is allowed.
///
/// Kotlin: `runInterruptible`, which interrupts the thread.
///
/// # Errors
///
/// The failure of `f`, a panic included; the cancellation.
///
/// # Cancel safety
///
/// If foreign code drops the future, the flag is set, and the coroutine around waits for `f`; in a plain tokio task nobody
/// does. The value is dropped.
///
/// ```
/// use corox_core::{blocking, run_blocking};
///
/// let lines = run_blocking(async |_| {
///     blocking(|cancel| {
///         let mut lines = 0;
///         for line in std::fs::read_to_string("Cargo.toml")?.lines() {
///             cancel.check()?;
///             lines += usize::from(!line.is_empty());
///         }
///         Ok(lines)
///     }).await
/// }).unwrap();
/// assert!(lines > 10);
/// ```
#[doc(alias = "runInterruptible")]
#[doc(alias = "spawn_blocking")]
#[track_caller]
pub fn blocking<T, F>(f: F) -> impl Future<Output = Result<T>> + Send
where
    F: FnOnce(&CancelFlag) -> Result<T>,
    F: Send,    // no `Rc`, and no guard of a lock
    F: 'static, // else `move |_| ..`, and a clone of what is behind a reference
    T: Send + 'static,
{
    let body = async move {
        let Some(job) = Job::current() else {
            unreachable!("the body of a coroutine has a job")
        };
        let flag = CancelFlag {
            job,
            over: Arc::new(AtomicBool::new(false)),
        };
        let _over = Over(flag.over.clone());
        f(&flag)
    };
    elsewhere(&BLOCKING, Dispatcher::IO.into(), body, Location::caller())
}

static BLOCKING: Named = Named {
    reason: Reason("blocking"),
    dropped: "the future of blocking was dropped before the call had returned",
};

/// The call has returned or panicked.
struct Over(Arc<AtomicBool>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Tells a [`blocking`] call that its coroutine was cancelled. Clones may go to other threads.
///
/// ```
/// use corox_core::{blocking, run_blocking};
///
/// run_blocking(async |scope| {
///     let (begin, begun) = tokio::sync::oneshot::channel();
///     let job = scope.launch(blocking(move |cancel| {
///         let _ = begin.send(());
///         while !cancel.is_cancelled() {
///             std::thread::yield_now(); // a step of the work
///         }
///         assert!(cancel.check().unwrap_err().is_cancellation());
///         cancel.check()
///     }));
///     begun.await?;
///     job.cancel_and_join().await;
///     Ok(())
/// }).unwrap();
/// ```
#[derive(Clone)]
pub struct CancelFlag {
    job: Job,
    over: Arc<AtomicBool>,
}

impl CancelFlag {
    /// Whether the coroutine was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.job.is_cancelled()
    }

    /// `Ok` until the coroutine is cancelled, then the cancellation, to be passed on with `?`.
    ///
    /// # Errors
    ///
    /// The cancellation.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() {
            self.job.ensure_active()
        } else {
            Ok(())
        }
    }

    /// Has `callback` called once if the coroutine is cancelled while the call runs.
    ///
    /// It is called on the thread that cancels; at once, if the coroutine is cancelled already. To shut a socket down, to
    /// kill a child process: whatever makes the call return.
    ///
    /// It should be quick and not block. Its panic is reported as uncaught.
    ///
    /// ```
    /// use corox_core::{blocking, run_blocking, yield_now};
    /// use std::sync::mpsc;
    ///
    /// run_blocking(async |scope| {
    ///     let (stop, stopped) = mpsc::channel();
    ///     let (begin, begun) = tokio::sync::oneshot::channel();
    ///     let job = scope.launch(blocking(move |cancel| {
    ///         cancel.on_cancelled(move |_| { let _ = stop.send(()); });
    ///         let _ = begin.send(());
    ///         Ok(stopped.recv()?) // hangs until then
    ///     }));
    ///     begun.await?;
    ///     job.cancel_and_join().await;
    ///     assert!(job.is_completed());
    ///     Ok(())
    /// }).unwrap();
    /// ```
    pub fn on_cancelled(&self, callback: impl FnOnce(&Error) + Send + 'static) -> DisposeHandle {
        let over = self.over.clone();
        self.job.on_cancelling(move |cause| {
            if let (Some(cause), false) = (cause, over.load(Ordering::Relaxed)) {
                callback(cause);
            }
        })
    }
}

impl fmt::Debug for CancelFlag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelFlag")
            .field("cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}
