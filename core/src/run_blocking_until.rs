//! A root that a signal ends, with a limit for its cleanup.
//!
//! ```text
//!              signal                    all has ended
//!   Running ------------> Cancelling --------------------> Interrupted, nothing runs
//!      |                      |
//!      | the body ends        | the grace is over, or a second signal
//!      v                      v
//!   its result            told and given up -------------> Interrupted, with what still runs
//! ```
//!
//! The signal is awaited on a thread of its own, so that it is heard, and what still runs is told, while the thread of the
//! root is busy.

use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io::Write;
use std::panic::Location;
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::time::Duration;

use corox_scheduler::new_single_thread_context;
use futures_util::future::{Either, select};
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

use crate::error::{Error, Result};
use crate::global_scope::GlobalScope;
use crate::job::{Job, Kind};
use crate::launch_output::LaunchOutput;
use crate::probe;
use crate::run_blocking::run_root;
use crate::scope_body::ScopeBody;
use crate::time::delay;

/// As [`run_blocking`](crate::run_blocking), until a signal comes: then everything is cancelled, and its cleanup has `grace`.
///
/// `signal` is called for a future of the first signal before `body` begins, and for one of the second when the first has
/// come; with the feature `signal`, [`shutdown_signal`](crate::shutdown_signal) is Ctrl-C or a request to terminate. After a
/// signal the root is cancelled. When all coroutines have ended within `grace`, the call returns. After `grace`, or at a
/// second signal, it tells what still runs and where that was launched (to `tracing`, to stderr and in the error), and returns
/// without waiting any longer; coroutines on other threads may then still run.
///
/// The signals are awaited on a thread of their own. If the thread of this call is kept busy by a body that does not suspend,
/// what still runs is told in time, but the call returns only when the body lets it.
///
/// Kotlin: no counterpart; on the JVM a shutdown hook that cancels and joins the root.
///
/// # Errors
///
/// After a signal, an [`Interrupted`], unless a failure of the body or a child came first. Otherwise as `run_blocking`; and
/// the failure of `signal`, if it fails at once, because it cannot be listened to.
///
/// # Panics
///
/// As `run_blocking`; if the operating system refuses the thread.
///
/// ```
/// use corox_core::{Interrupted, await_cancellation, run_blocking_until};
/// use std::time::Duration;
///
/// // One signal, at once.
/// let mut signals = 0;
/// let signal = move || {
///     signals += 1;
///     let now = signals == 1;
///     async move { if !now { std::future::pending().await } }
/// };
/// let error = run_blocking_until(signal, Duration::from_secs(1), async |scope| {
///     scope.launch(async { await_cancellation().await });
///     Ok(())
/// }).unwrap_err();
/// let interrupted = error.downcast_ref::<Interrupted>().unwrap();
/// assert!(interrupted.still_running().is_empty());
/// ```
#[track_caller]
pub fn run_blocking_until<T, S, Fut, F>(signal: S, grace: Duration, body: F) -> Result<T>
where
    S: FnMut() -> Fut + Send + 'static,
    Fut: Future<Output: LaunchOutput> + Send + 'static,
    F: ScopeBody<T>,
{
    let location = Location::caller();
    let watch = Arc::new(Watch {
        state: Mutex::default(),
        waker: AtomicWaker::new(),
        cancellation: Error::cancellation("interrupted by a signal"),
    });
    // Its coroutine is cancelled, and the thread ends, when this call does.
    let thread = new_single_thread_context("corox-signal");
    let (armed, is_armed) = mpsc::channel();
    GlobalScope
        .with(&thread)
        .launch(watch.clone().listen(signal, grace, armed));
    match is_armed.recv() {
        Ok(armed) => armed?,
        Err(_) => return Err(Error::msg("the signal panicked when it was listened to")),
    }
    let ended = run_root(
        location,
        body,
        |root| watch.guards(root),
        |cx| {
            watch.waker.register(cx.waker());
            watch.state.lock().given_up.is_some()
        },
    );
    drop(thread);
    match ended {
        Some(Err(error)) if !error.ptr_eq(&watch.cancellation) => Err(error),
        Some(Ok(value)) => Ok(value),
        _ => {
            let still_running = watch.state.lock().given_up.take().unwrap_or_default();
            Err(Error::from(Interrupted { still_running }))
        }
    }
}

async fn heard<F: Future<Output: LaunchOutput>>(signal: F) -> Result<()> {
    signal.await.into_result()
}

/// What the thread of the root and that of the signal share.
struct Watch {
    state: Mutex<State>,
    /// Of the root's own future.
    waker: AtomicWaker,
    /// What the root is cancelled with.
    cancellation: Error,
}

#[derive(Default)]
struct State {
    signalled: bool,
    root: Option<Job>,
    /// What still ran when the grace was over.
    given_up: Option<Vec<StillRunning>>,
}

impl Watch {
    /// The root has been made.
    fn guards(&self, root: &Job) {
        let signalled = {
            let mut state = self.state.lock();
            state.root = Some(root.clone());
            state.signalled
        };
        if signalled {
            root.cancel_with(self.cancellation.clone());
        }
    }

    /// The life of the signal's thread.
    async fn listen<S, Fut>(
        self: Arc<Self>,
        mut signal: S,
        grace: Duration,
        armed: mpsc::Sender<Result<()>>,
    ) where
        S: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output: LaunchOutput> + Send + 'static,
    {
        let mut first = pin!(heard(signal()));
        // The first poll begins to listen.
        match poll_fn(|cx| Poll::Ready(first.as_mut().poll(cx))).await {
            Poll::Pending => {
                let _ = armed.send(Ok(()));
                if first.await.is_err() {
                    return;
                }
            }
            Poll::Ready(output) => {
                let failed = output.is_err();
                let _ = armed.send(output);
                if failed {
                    return;
                }
            }
        }
        // Listened to before anybody sees that the first has come: a second one right after it is not lost.
        let mut second = pin!(heard(signal()));
        let over = poll_fn(|cx| Poll::Ready(second.as_mut().poll(cx)))
            .await
            .is_ready();
        let root = {
            let mut state = self.state.lock();
            state.signalled = true;
            state.root.clone()
        };
        if let Some(root) = root {
            root.cancel_with(self.cancellation.clone());
        }
        if !over {
            if let Either::Right((ended, grace)) = select(pin!(delay(grace)), second).await {
                // Unless it cannot be listened to a second time.
                if ended.is_err() {
                    grace.await;
                }
            }
        }
        self.give_up();
    }

    fn give_up(&self) {
        let root = self.state.lock().root.clone();
        let still_running = root.as_ref().map(what_runs_below).unwrap_or_default();
        if still_running.is_empty() {
            // It has just ended, or has not begun.
            return self.note_given_up(still_running);
        }
        let report = Interrupted { still_running };
        tracing::error!("{report}");
        let _ = std::io::stderr().write_all(format!("{report}\n").as_bytes());
        self.note_given_up(report.still_running);
    }

    fn note_given_up(&self, still_running: Vec<StillRunning>) {
        self.state.lock().given_up = Some(still_running);
        self.waker.wake();
    }
}

/// The leaves of the tree below `root`, by launch site.
fn what_runs_below(root: &Job) -> Vec<StillRunning> {
    let mut sites: BTreeMap<String, StillRunning> = BTreeMap::new();
    let mut stack = vec![root.clone()];
    while let Some(job) = stack.pop() {
        let children = job.children();
        if job.is_completed() {
            continue;
        }
        if children.is_empty() {
            let waits = probe::waits_of(&job).first().map(|wait| {
                let detail = if wait.detail.is_empty() {
                    String::new()
                } else {
                    format!(" ({})", wait.detail)
                };
                format!("{}{detail} at {}", wait.what, wait.location)
            });
            sites
                .entry(job.location().to_string())
                .or_insert(StillRunning {
                    location: job.location(),
                    count: 0,
                    is_cleanup: matches!(job.core().kind, Kind::Shield | Kind::Cleanup),
                    waits_for: waits,
                })
                .count += 1;
        }
        stack.extend(children);
    }
    sites.into_values().collect()
}

/// Coroutines that did not end within the grace of [`run_blocking_until`], launched at one place.
///
/// ```
/// use corox_core::{Interrupted, blocking, run_blocking_until};
/// use std::sync::mpsc;
/// use std::time::Duration;
///
/// let (end, ended) = mpsc::channel::<()>();
/// // One signal, when the call has begun; the second one never comes.
/// let (begin, begun) = tokio::sync::oneshot::channel();
/// let mut begun = Some(begun);
/// let signal = move || {
///     let begun = begun.take();
///     async move {
///         match begun {
///             Some(begun) => begun.await.unwrap(),
///             None => std::future::pending().await,
///         }
///     }
/// };
/// let error = run_blocking_until(signal, Duration::from_millis(1), async |_| {
///     blocking(move |_| {
///         let _ = begin.send(());
///         let _ = ended.recv(); // does not look at its flag
///         Ok(())
///     }).await
/// }).unwrap_err();
/// let left = error.downcast_ref::<Interrupted>().unwrap().still_running();
/// assert_eq!((left.len(), left[0].count, left[0].is_cleanup), (1, 1, false));
/// drop(end);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StillRunning {
    /// Where they were launched, or the scope was opened.
    pub location: &'static Location<'static>,
    /// How many there are.
    pub count: usize,
    /// Whether they are sections that a cancellation does not reach.
    pub is_cleanup: bool,
    /// What the first of them waits for, if [probes](crate::probe) are installed and it waits in this library.
    pub waits_for: Option<String>,
}

impl fmt::Display for StillRunning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.location, self.count)?;
        if self.is_cleanup {
            f.write_str(", cleaning up")?;
        }
        if let Some(waits_for) = &self.waits_for {
            write!(f, ", waits for {waits_for}")?;
        }
        f.write_str(")")
    }
}

/// A signal ended [`run_blocking_until`]: what its [`Error`] was made from.
///
/// ```
/// use corox_core::{Interrupted, await_cancellation, run_blocking_until};
/// use std::time::Duration;
///
/// let mut signals = 0;
/// let signal = move || {
///     signals += 1;
///     let first = signals == 1;
///     async move { if !first { std::future::pending().await } }
/// };
/// let error = run_blocking_until(signal, Duration::from_secs(1), async |_| {
///     await_cancellation().await;
///     # #[allow(unreachable_code)]
///     Ok(())
/// }).unwrap_err();
/// let interrupted = error.downcast_ref::<Interrupted>().unwrap();
/// assert!(interrupted.still_running().is_empty());
/// assert_eq!(interrupted.to_string(), "interrupted");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interrupted {
    still_running: Vec<StillRunning>,
}

impl Interrupted {
    /// What still ran when the grace was over; empty if everything had ended.
    #[must_use]
    pub fn still_running(&self) -> &[StillRunning] {
        &self.still_running
    }
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")?;
        for (n, site) in self.still_running.iter().enumerate() {
            let before = if n == 0 {
                "; could not stop what was launched at "
            } else {
                ", "
            };
            write!(f, "{before}{site}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Interrupted {}
