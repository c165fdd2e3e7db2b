//! Dispatchers with threads of their own.
//!
//! ```text
//!            close, join, drop                               what its threads run has returned
//!   open ────────────────────────> closed: tasks are rejected ─────────────────────────────────> the threads have ended
//!                                  and given back, those who                                     (join waits for that)
//!                                  asked by on_close are told
//! ```

use std::fmt;
use std::future::poll_fn;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::thread::{self, JoinHandle, ThreadId};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::runtime::{Builder, Runtime};

use crate::Dispatcher;
use crate::dispatcher::Kind;
use crate::event_loop::{EventLoop, block_on_owned};
use crate::here::Here;
use crate::pool::{self, Pool};
use crate::task::report;

/// Long enough to wait for threads that end.
const FOR_EVER: Duration = Duration::from_secs(u32::MAX as u64);

/// A dispatcher with one thread of its own, called `name`: an event loop, with strict order.
///
/// Sockets and timers of tokio work on that thread. What has to be on one particular thread belongs here; to run one task at
/// a time, [`DEFAULT.limited_parallelism(1)`](Dispatcher::limited_parallelism) costs no thread.
///
/// Kotlin: `newSingleThreadContext`.
///
/// # Panics
/// If the operating system refuses the thread, or the runtime on it its resources.
///
/// # Examples
/// ```
/// use corox_scheduler::{Task, new_single_thread_context};
///
/// let worker = new_single_thread_context("worker");
/// let (tx, rx) = std::sync::mpsc::channel();
/// let to = worker.clone();
/// Task::new(
///     async move { tx.send(std::thread::current().name().map(str::to_owned)).unwrap() },
///     move |task, how| { to.dispatch(task, how).unwrap(); },
/// ).reschedule();
/// assert_eq!(rx.recv().unwrap().as_deref(), Some("worker"));
/// worker.join();
/// ```
#[doc(alias = "newSingleThreadContext")]
#[track_caller]
pub fn new_single_thread_context(name: impl Into<String>) -> OwnedDispatcher {
    let stop = Arc::new(Stop::default());
    let seen = stop.clone();
    let (tx, rx) = mpsc::channel();
    let thread = thread::Builder::new().name(name.into()).spawn(move || {
        let made = catch_unwind(AssertUnwindSafe(|| {
            block_on_owned(|events| {
                let _ = tx.send(events);
                async move { seen.wait().await }
            });
        }));
        if let Err(panic) = made {
            report(panic, "the thread of a dispatcher panicked");
        }
    });
    let thread = thread.expect("corox could not start the thread of a dispatcher");
    let events = rx
        .recv()
        .expect("corox could not make the runtime of a dispatcher");
    OwnedDispatcher {
        dispatcher: Kind::Loop(events.clone()).into(),
        threads: Threads::One {
            events,
            stop,
            id: thread.thread().id(),
            thread: Mutex::new(Some(thread)),
        },
    }
}

/// A dispatcher with `n` threads of its own, called `name-1` and so on: a pool as [`DEFAULT`](Dispatcher::DEFAULT).
///
/// With `n` = 1 it is [`new_single_thread_context`].
///
/// To limit how many tasks run at a time, [`limited_parallelism`](Dispatcher::limited_parallelism) costs no threads.
///
/// Kotlin: `newFixedThreadPoolContext`.
///
/// # Panics
/// If `n` is 0, and if the operating system refuses the threads.
///
/// # Examples
/// ```
/// use corox_scheduler::{Task, Wakeup, new_fixed_thread_pool_context};
///
/// let pool = new_fixed_thread_pool_context(2, "crunch");
/// let (tx, rx) = std::sync::mpsc::channel();
/// let task = Task::new(
///     async move { tx.send(std::thread::current().name().map(str::to_owned)).unwrap() },
///     |_, _| {},
/// );
/// pool.dispatch(task, Wakeup::Launch).unwrap();
/// assert!(rx.recv().unwrap().unwrap().starts_with("crunch-"));
/// pool.join();
/// ```
#[track_caller]
#[doc(alias = "newFixedThreadPoolContext")]
pub fn new_fixed_thread_pool_context(n: usize, name: impl Into<String>) -> OwnedDispatcher {
    assert!(n > 0, "a pool needs at least one thread");
    if n == 1 {
        return new_single_thread_context(name);
    }
    let name = name.into();
    let number = AtomicUsize::new(1);
    let runtime = Builder::new_multi_thread()
        .worker_threads(n)
        .thread_name_fn(move || format!("{name}-{}", number.fetch_add(1, Ordering::Relaxed)))
        .enable_all()
        .build()
        .expect("corox could not start the threads of a dispatcher");
    let pool = pool::of(runtime.handle());
    OwnedDispatcher {
        dispatcher: Kind::Pool(pool.clone()).into(),
        threads: Threads::Pool {
            pool,
            runtime: Mutex::new(Some(runtime)),
        },
    }
}

/// A dispatcher that owns its threads; made by [`new_single_thread_context`] and [`new_fixed_thread_pool_context`].
///
/// Derefs to [`Dispatcher`]. Dropping it closes it.
///
/// Kotlin: `CloseableCoroutineDispatcher`, `ExecutorCoroutineDispatcher`.
///
/// # Examples
/// ```
/// use corox_scheduler::{Task, Wakeup, new_single_thread_context};
///
/// let worker = new_single_thread_context("worker");
/// worker.close();
/// let late = Task::new(async {}, |_, _| {});
/// assert!(worker.dispatch(late, Wakeup::Launch).is_err());
/// worker.join();
/// ```
#[must_use = "dropping the owner closes the dispatcher"]
#[doc(alias = "CloseableCoroutineDispatcher")]
#[doc(alias = "ExecutorCoroutineDispatcher")]
pub struct OwnedDispatcher {
    dispatcher: Dispatcher,
    threads: Threads,
}

enum Threads {
    One {
        events: Arc<EventLoop>,
        stop: Arc<Stop>,
        id: ThreadId,
        thread: Mutex<Option<JoinHandle<()>>>,
    },
    Pool {
        pool: Arc<Pool>,
        runtime: Mutex<Option<Runtime>>,
    },
}

impl OwnedDispatcher {
    /// Ends the dispatcher: from now on it rejects tasks, and its threads end when what they run has suspended or ended.
    ///
    /// Coroutines on it are cancelled, the suspended ones, too, and their cleanup runs on the process's own pool. Returns at
    /// once; a second call does nothing. May be called from one of its own threads.
    ///
    /// Kotlin: `CloseableCoroutineDispatcher.close`.
    pub fn close(&self) {
        match &self.threads {
            Threads::One { events, stop, .. } => {
                events.reject();
                stop.stop();
            }
            Threads::Pool { pool, runtime } => {
                pool.close();
                if let Some(runtime) = runtime.lock().take() {
                    runtime.shutdown_background();
                }
            }
        }
    }

    /// [`close`](OwnedDispatcher::close), and waits until the threads have ended. Blocks this thread.
    ///
    /// # Panics
    /// On one of its own threads: it would wait for itself.
    #[track_caller]
    pub fn join(self) {
        let own = match &self.threads {
            Threads::One { id, .. } => *id == thread::current().id(),
            Threads::Pool { pool, .. } => {
                let here = Here::current();
                here == Here::Pool(pool.address()) || here == Here::Io(pool.address())
            }
        };
        assert!(
            !own,
            "a dispatcher cannot wait for its threads on one of them; call `close`, or `join` elsewhere"
        );
        match &self.threads {
            Threads::One { thread, .. } => {
                self.close();
                let thread = thread.lock().take();
                // Its panics are reported where they happen.
                drop(thread.map(JoinHandle::join));
            }
            Threads::Pool { pool, runtime } => {
                pool.close();
                let runtime = runtime.lock().take();
                // On a thread of its own: tokio refuses to wait for a runtime inside another one.
                if let Some(runtime) = runtime {
                    let waiter = thread::spawn(move || runtime.shutdown_timeout(FOR_EVER));
                    drop(waiter.join());
                }
            }
        }
    }
}

impl Drop for OwnedDispatcher {
    fn drop(&mut self) {
        self.close();
    }
}

impl Deref for OwnedDispatcher {
    type Target = Dispatcher;
    fn deref(&self) -> &Dispatcher {
        &self.dispatcher
    }
}

/// The dispatcher as one of the others: it does not keep the threads.
impl From<&OwnedDispatcher> for Dispatcher {
    fn from(owned: &OwnedDispatcher) -> Dispatcher {
        owned.dispatcher.clone()
    }
}

impl UnwindSafe for OwnedDispatcher {}
impl RefUnwindSafe for OwnedDispatcher {}

impl fmt::Debug for OwnedDispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnedDispatcher")
            .field(&self.dispatcher)
            .finish()
    }
}

/// Ends the root of a single thread's loop.
#[derive(Default)]
struct Stop {
    stopped: AtomicBool,
    waker: AtomicWaker,
}

impl Stop {
    fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.waker.wake();
    }

    async fn wait(&self) {
        poll_fn(|cx| {
            self.waker.register(cx.waker());
            if self.stopped.load(Ordering::Acquire) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}
