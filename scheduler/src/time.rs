//! [`Sleep`] and [`TimeSource`]: timers of dispatchers.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::Dispatcher;
use crate::dispatcher::Kind;
use crate::pool::{self, Pool};
use crate::task::report;
use crate::{event_loop, host, main_slot};

/// A clock with timers, of an event loop or of a custom dispatcher.
///
/// Timers are named by keys that are never used twice. They fire in the order of their deadlines, equal ones in the order in which
/// they were registered. No method may call a waker while it holds a lock.
///
/// Kotlin: `Delay`.
///
/// # Examples
/// ```
/// use corox_scheduler::{Dispatch, Dispatcher, Rejected, Sleep, Task, TimeSource, is_virtual, now};
/// use std::collections::BTreeMap;
/// use std::future::Future;
/// use std::pin::pin;
/// use std::sync::{Arc, Mutex};
/// use std::task::{Context, Waker};
/// use std::time::{Duration, Instant};
///
/// /// A clock that is moved by hand.
/// struct Manual(Mutex<State>);
///
/// struct State {
///     now: Instant,
///     last_key: u64,
///     timers: BTreeMap<u64, (Instant, Waker)>,
/// }
///
/// impl TimeSource for Manual {
///     fn now(&self) -> Instant {
///         self.0.lock().unwrap().now
///     }
///     fn register(&self, deadline: Instant, waker: &Waker) -> u64 {
///         let waker = waker.clone();
///         let mut state = self.0.lock().unwrap();
///         state.last_key += 1;
///         let key = state.last_key;
///         state.timers.insert(key, (deadline, waker));
///         key
///     }
///     fn set_waker(&self, key: u64, waker: &Waker) {
///         let mut waker = waker.clone();
///         if let Some(timer) = self.0.lock().unwrap().timers.get_mut(&key) {
///             std::mem::swap(&mut timer.1, &mut waker);
///         }
///     }
///     fn cancel(&self, key: u64) {
///         let gone = self.0.lock().unwrap().timers.remove(&key);
///         drop(gone);
///     }
///     fn is_elapsed(&self, key: u64) -> bool {
///         !self.0.lock().unwrap().timers.contains_key(&key)
///     }
///     fn is_virtual(&self) -> bool {
///         true
///     }
/// }
///
/// impl Manual {
///     fn advance(&self, by: Duration) {
///         let due: BTreeMap<_, _> = {
///             let mut state = self.0.lock().unwrap();
///             state.now += by;
///             let now = state.now;
///             let all = std::mem::take(&mut state.timers).into_iter();
///             let (due, left) = all.partition(|(_, (deadline, _))| *deadline <= now);
///             state.timers = left;
///             due
///         };
///         let mut due: Vec<_> = due.into_iter().collect();
///         due.sort_by_key(|(key, (deadline, _))| (*deadline, *key));
///         due.into_iter().for_each(|(_, (_, waker))| waker.wake());
///     }
/// }
///
/// struct OnManual(Arc<Manual>);
/// impl Dispatch for OnManual {
///     fn dispatch(&self, task: Task) -> Result<(), Rejected> {
///         std::thread::spawn(move || task.run());
///         Ok(())
///     }
///     fn time_source(&self) -> Option<Arc<dyn TimeSource>> {
///         Some(self.0.clone())
///     }
/// }
///
/// let state = State { now: Instant::now(), last_key: 0, timers: BTreeMap::new() };
/// let clock = Arc::new(Manual(Mutex::new(state)));
/// let dispatcher = Dispatcher::new(OnManual(clock.clone()));
/// assert!(is_virtual(&dispatcher));
/// let begin = now(&dispatcher);
///
/// let mut cx = Context::from_waker(Waker::noop());
/// let mut hour = pin!(Sleep::after(&dispatcher, Duration::from_secs(3600)));
/// assert!(hour.as_mut().poll(&mut cx).is_pending());
/// clock.advance(Duration::from_secs(3600));
/// assert!(hour.as_mut().poll(&mut cx).is_ready());
/// assert_eq!(now(&dispatcher) - begin, Duration::from_secs(3600));
/// ```
#[doc(alias = "Delay")]
pub trait TimeSource: Send + Sync {
    /// This clock's time.
    fn now(&self) -> Instant;

    /// Starts a timer that wakes `waker` once when `deadline` has come.
    ///
    /// The key stays valid until the timer has elapsed or is cancelled.
    fn register(&self, deadline: Instant, waker: &Waker) -> u64;

    /// Replaces the waker of a timer; nothing if it has elapsed.
    fn set_waker(&self, key: u64, waker: &Waker);

    /// Removes a timer and leaves nothing behind; nothing if it has elapsed.
    fn cancel(&self, key: u64);

    /// Whether the timer has fired.
    fn is_elapsed(&self, key: u64) -> bool;

    /// Whether its time is not that of the world, but that of a test. Messages say so.
    fn is_virtual(&self) -> bool {
        false
    }
}

/// The time on the dispatcher's clock.
///
/// It differs from [`Instant::now`] on custom dispatchers with a [time source](crate::Dispatch::time_source), and on a
/// tokio runtime whose clock is paused.
///
/// # Examples
/// ```
/// use corox_scheduler::{Dispatcher, now};
///
/// assert!(now(&Dispatcher::DEFAULT) <= std::time::Instant::now());
/// ```
pub fn now(dispatcher: &Dispatcher) -> Instant {
    Clock::of(dispatcher).now()
}

/// Whether the time of the dispatcher's clock [is virtual](TimeSource::is_virtual).
///
/// # Examples
/// ```
/// use corox_scheduler::{Dispatcher, is_virtual};
///
/// assert!(!is_virtual(&Dispatcher::DEFAULT));
/// ```
pub fn is_virtual(dispatcher: &Dispatcher) -> bool {
    match Clock::of(dispatcher) {
        Clock::Source(source) => source.is_virtual(),
        Clock::Tokio(_) => false,
    }
}

/// Where the timers of a dispatcher are.
enum Clock {
    Source(Arc<dyn TimeSource>),
    Tokio(Arc<Pool>),
}

impl Clock {
    fn of(dispatcher: &Dispatcher) -> Clock {
        match &dispatcher.kind {
            Kind::Default | Kind::Io => Clock::Tokio(pool::own().clone()),
            Kind::Pool(pool) | Kind::PoolIo(pool) => Clock::Tokio(pool.clone()),
            Kind::Loop(events) => Clock::Source(events.clone()),
            Kind::View(view) => Clock::of(view.base()),
            Kind::Immediate(base) => Clock::of(base),
            Kind::Main => main_slot::current().map_or_else(Clock::here, |main| Clock::of(&main)),
            Kind::Unconfined => Clock::unconfined(),
            Kind::Custom(custom) => match custom.time_source() {
                Some(source) => Clock::Source(source),
                None => Clock::here(),
            },
        }
    }

    /// For dispatchers without timers: those of whatever runs this thread.
    fn here() -> Clock {
        let handle = Handle::try_current().ok();
        if let Some(Dispatcher {
            kind: Kind::Loop(events),
        }) = event_loop::current(handle.as_ref())
        {
            return Clock::Source(events);
        }
        if let Some((_, dispatcher)) = host::current(handle.as_ref()) {
            // Not `of`: a host without a clock of its own would lead here again.
            if let Kind::Custom(custom) = &dispatcher.kind {
                if let Some(source) = custom.time_source() {
                    return Clock::Source(source);
                }
            }
        }
        match handle {
            Some(handle) => Clock::Tokio(pool::of(&handle)),
            None => Clock::Tokio(pool::own().clone()),
        }
    }

    /// As [`here`](Clock::here), but for event loops: their timers would confine a coroutine to the thread of the loop.
    fn unconfined() -> Clock {
        if event_loop::is_inside(Handle::try_current().ok().as_ref()) && !pool::own().is_closed() {
            return Clock::Tokio(pool::own().clone());
        }
        Clock::here()
    }

    fn now(&self) -> Instant {
        match self {
            Clock::Source(source) => source.now(),
            // Only current-thread runtimes can be paused.
            Clock::Tokio(pool) if pool.handle().runtime_flavor() == RuntimeFlavor::MultiThread => {
                Instant::now()
            }
            Clock::Tokio(pool) => {
                let _context = pool.handle().enter();
                tokio::time::Instant::now().into_std()
            }
        }
    }

    fn sleep(self, deadline: Instant) -> Inner {
        match self {
            Clock::Source(source) => Inner::Source {
                source,
                deadline,
                key: None,
            },
            Clock::Tokio(pool) => {
                let pool = if pool.has_timers() {
                    pool
                } else {
                    pool::own().clone()
                };
                let sleep = tokio_sleep(&pool, deadline);
                Inner::Tokio { sleep, pool }
            }
        }
    }
}

fn tokio_sleep(pool: &Pool, deadline: Instant) -> tokio::time::Sleep {
    let _context = pool.handle().enter();
    tokio::time::sleep_until(deadline.into())
}

pin_project! {
    /// Completes when a time has come on a dispatcher's clock.
    ///
    /// Timers of event loops and of custom [time sources](TimeSource) fire in the order of their deadlines, equal ones in the order of their first poll; those of
    /// tokio runtimes have tokio's resolution of one millisecond. Dropping it removes the timer. If the runtime
    /// behind it shuts down, the process's own runtime keeps the rest of the time.
    ///
    /// Kotlin: `delay`.
    ///
    /// # Examples
    /// ```
    /// use std::time::{Duration, Instant};
    /// use corox_scheduler::{Sleep, block_on};
    ///
    /// let start = Instant::now();
    /// block_on(|events| async move { Sleep::after(&events, Duration::from_millis(10)).await });
    /// assert!(start.elapsed() >= Duration::from_millis(10));
    /// ```
    #[must_use = "futures do nothing unless polled"]
    #[doc(alias = "delay")]
    pub struct Sleep {
        #[pin]
        inner: Inner,
    }
}

pin_project! {
    #[project = Projected]
    enum Inner {
        Never,
        Tokio {
            #[pin]
            sleep: tokio::time::Sleep,
            pool: Arc<Pool>,
        },
        Source {
            source: Arc<dyn TimeSource>,
            deadline: Instant,
            key: Option<u64>,
        },
    }

    impl PinnedDrop for Inner {
        fn drop(this: Pin<&mut Self>) {
            if let Projected::Source { source, key, .. } = this.project() {
                if let Some(key) = key.take() {
                    source.cancel(key);
                }
            }
        }
    }
}

impl Sleep {
    /// Completes at `deadline` on the clock of `dispatcher`, or at once if that has passed.
    ///
    /// Custom dispatchers without a time source use the timers of the event loop or tokio runtime that this is called on, or
    /// else of the process's own runtime; so does a tokio runtime built without a time driver.
    /// [`UNCONFINED`](Dispatcher::UNCONFINED) uses those of the process's own runtime on an event loop, too: it resumes on the
    /// thread on which the timer fires, and that is then not the loop's.
    ///
    /// # Examples
    /// ```
    /// use corox_scheduler::{Sleep, block_on, now};
    /// use std::time::Duration;
    ///
    /// block_on(|events| async move {
    ///     let deadline = now(&events) + Duration::from_millis(5);
    ///     Sleep::until(&events, deadline).await;
    ///     assert!(now(&events) >= deadline);
    /// });
    /// ```
    pub fn until(dispatcher: &Dispatcher, deadline: Instant) -> Sleep {
        Sleep {
            inner: Clock::of(dispatcher).sleep(deadline),
        }
    }

    /// Completes when `d` has gone by on the clock of `dispatcher`. It never does if an [`Instant`] cannot hold that time.
    pub fn after(dispatcher: &Dispatcher, d: Duration) -> Sleep {
        let clock = Clock::of(dispatcher);
        let inner = match clock.now().checked_add(d) {
            Some(deadline) => clock.sleep(deadline),
            None => Inner::Never,
        };
        Sleep { inner }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.project().inner;
        match inner.as_mut().project() {
            Projected::Never => Poll::Pending,
            Projected::Source {
                source,
                deadline,
                key,
            } => poll_source(&**source, *deadline, key, cx),
            Projected::Tokio { mut sleep, pool } => {
                if !pool.is_closed() {
                    // The runtime may shut down at this very moment; tokio panics then.
                    let polled = catch_unwind(AssertUnwindSafe(|| sleep.as_mut().poll(cx)));
                    match polled {
                        Ok(poll) => return poll,
                        Err(panic) => report(panic, "a tokio timer failed"),
                    }
                }
                let deadline = sleep.deadline().into_std();
                let own = pool::own().clone();
                let sleep = tokio_sleep(&own, deadline);
                inner.set(Inner::Tokio { sleep, pool: own });
                match inner.project() {
                    Projected::Tokio { sleep, .. } => sleep.poll(cx),
                    _ => Poll::Pending,
                }
            }
        }
    }
}

fn poll_source(
    source: &dyn TimeSource,
    deadline: Instant,
    key: &mut Option<u64>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    match *key {
        None if source.now() >= deadline => Poll::Ready(()),
        None => {
            *key = Some(source.register(deadline, cx.waker()));
            Poll::Pending
        }
        Some(old) => {
            let mut elapsed = source.is_elapsed(old);
            if !elapsed {
                // A timer that fires in between is seen as elapsed.
                source.set_waker(old, cx.waker());
                elapsed = source.is_elapsed(old);
            }
            if elapsed {
                *key = None;
                // Polled again after this it is ready at once, for its deadline has passed.
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Sleep");
        match &self.inner {
            Inner::Never => f.field("deadline", &"never"),
            Inner::Tokio { sleep, .. } => f.field("deadline", &sleep.deadline().into_std()),
            Inner::Source { deadline, .. } => f.field("deadline", deadline),
        };
        f.finish_non_exhaustive()
    }
}
