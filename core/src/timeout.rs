//! Scopes with a limit of time.
//!
//! ```text
//!            poll: the timer is set, then the body runs        body and children ended
//!  Unpolled ---------------------------------------> Running -------------------------> value, failure
//!                                                       |
//!                                                       | the timer fires: its waker cancels the scope's job,
//!                                                       | on whatever thread that is
//!                                                       v
//!                                                   Cancelling ----------------------> time-out, or a failure
//!                                                               body and children ended
//! ```
//!
//! The waker that the timer is given *is* the expiry: it cancels the job, which wakes those who unwind. So an expiry needs
//! nobody to poll the caller, and a body that computes on a pool sees it by `is_active`. A time-out costs two allocations,
//! the job of its scope and the waker, and an entry among the timers of the dispatcher.

use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

use corox_scheduler::{Dispatcher, Sleep, is_virtual, now};

use crate::error::{Error, Result};
use crate::frame;
use crate::job::{Job, Kind};
use crate::job_context::JobContext;
use crate::scope::CoroutineScope;
use crate::scope_body::ScopeBody;
use crate::scope_builders::{ScopeFuture, open};
use crate::time::whole_millis;

/// As [`coroutine_scope`](crate::coroutine_scope), for `duration` at most: when that has gone by, the scope is cancelled with
/// everything in it.
///
/// The clock is that of the current dispatcher; the duration counts from the first poll and is rounded up to whole
/// milliseconds. With zero the time is out at once, and the body is not called; [`Duration::MAX`], and what the clock cannot
/// hold, is no limit.
///
/// It returns only after the body and all children have ended, so cleanup may take it beyond the limit. The expiry does not
/// wait for the caller to be polled: a body that computes without suspending on a pool sees it by
/// [`is_active`](crate::is_active). A value that the body gives after the expiry is dropped, but for one given without ever
/// suspending.
///
/// `tokio::time::timeout` drops its future where it stands, and what it has started goes on; here it is ended and awaited. In
/// a coroutine both work.
///
/// Kotlin: `withTimeout`, which throws a cancellation.
///
/// # Errors
///
/// If the time ran out, an error that [`is_timeout`](Error::is_timeout). Inside the scope the expiry is a cancellation; to
/// the caller it is an ordinary failure, which fails a coroutine that lets it escape with `?`. Otherwise as `coroutine_scope`;
/// a failure of the body or a child counts also after the expiry.
///
/// # Cancel safety
///
/// As [`coroutine_scope`](crate::coroutine_scope); the timer is taken back.
///
/// ```
/// use corox_core::{await_cancellation, run_blocking, with_timeout};
/// use std::time::Duration;
///
/// run_blocking(async |_| {
///     let limit = Duration::from_millis(5);
///     let error = with_timeout(limit, async |scope| {
///         scope.launch(async { await_cancellation().await });
///         Ok(())
///     }).await.unwrap_err();
///     assert!(error.is_timeout() && !error.is_cancellation());
///     assert_eq!(error.to_string(), "timed out after 5ms");
///     Ok(())
/// }).unwrap();
/// ```
#[doc(alias = "withTimeout")]
#[track_caller]
pub fn with_timeout<T, F>(duration: Duration, body: F) -> impl Future<Output = Result<T>>
where
    F: ScopeBody<T>,
{
    let location = Location::caller();
    async move {
        match timed(duration, location, body).await {
            Ok(value) => Ok(value),
            Err(Unfinished::Failed(error)) => Err(error),
            Err(Unfinished::TimedOut(cancellation)) => {
                Err(Error::timed_out(cancellation, location))
            }
        }
    }
}

/// As [`with_timeout`], and gives `None` if the time ran out.
///
/// Only its own: the time-out of a [`with_timeout`] inside is returned as the error that it is, and that of one outside
/// cancels this one.
///
/// Kotlin: `withTimeoutOrNull`.
///
/// # Errors
///
/// As `with_timeout`, but for its own time-out.
///
/// # Cancel safety
///
/// As `with_timeout`.
///
/// ```
/// use corox_core::{delay, run_blocking, with_timeout_or_none};
/// use std::time::Duration;
///
/// run_blocking(async |_| {
///     let slow = with_timeout_or_none(Duration::from_millis(1), async |_| {
///         delay(Duration::from_secs(60)).await;
///         Ok("done")
///     }).await?;
///     assert_eq!(slow, None);
///     Ok(())
/// }).unwrap();
/// ```
#[doc(alias = "withTimeoutOrNull")]
#[track_caller]
pub fn with_timeout_or_none<T, F>(
    duration: Duration,
    body: F,
) -> impl Future<Output = Result<Option<T>>>
where
    F: ScopeBody<T>,
{
    let location = Location::caller();
    async move {
        match timed(duration, location, body).await {
            Ok(value) => Ok(Some(value)),
            Err(Unfinished::Failed(error)) => Err(error),
            Err(Unfinished::TimedOut(_)) => Ok(None),
        }
    }
}

/// Why there is no value.
enum Unfinished {
    /// This very scope timed out.
    TimedOut(Error),
    Failed(Error),
}

async fn timed<T, F>(
    duration: Duration,
    location: &'static Location<'static>,
    body: F,
) -> Result<T, Unfinished>
where
    F: AsyncFnOnce(CoroutineScope) -> Result<T>,
{
    let outer = frame::current();
    let context = match &outer {
        Some(outer) => outer.job().context().clone(),
        None => JobContext::of_this_thread(),
    };
    let parent = outer.as_ref().map(|outer| outer.job().clone());
    if duration.is_zero() {
        let name = context.name.as_ref().map(|name| name.as_str());
        let message = describe(duration, name, &context.dispatcher);
        let error = Error::timeout(message, location);
        return Err(Unfinished::TimedOut(error));
    }
    let dispatcher = context.dispatcher.clone();
    let deadline = whole_millis(duration).and_then(|d| now(&dispatcher).checked_add(d));
    let (job, hold) = open(Kind::Timeout, context, parent.as_ref(), outer, location);
    let expiry = Arc::new(Expiry {
        job: job.clone(),
        duration,
        dispatcher,
        deadline,
        woken_early: AtomicBool::new(false),
        cancellation: OnceLock::new(),
    });
    let waker = Waker::from(expiry.clone());
    // Set before the body starts: of two timers with one deadline the first to be set is the first to fire (T-9).
    let mut timer = pin!(deadline.map(|deadline| Sleep::until(&expiry.dispatcher, deadline)));
    set(timer.as_mut(), &waker);
    let mut scope = pin!(ScopeFuture::new(
        job.clone(),
        hold,
        body(CoroutineScope::of(job))
    ));
    let mut suspended = false;
    let result = poll_fn(|cx| {
        if expiry.woken_early.swap(false, Ordering::Relaxed) {
            set(timer.as_mut(), &waker);
        }
        let polled = scope.as_mut().poll(cx);
        suspended |= polled.is_pending();
        polled
    })
    .await;
    let Err(cause) = result else {
        return result.map_err(Unfinished::Failed);
    };
    match expiry.cancellation.get() {
        Some(own) if own.ptr_eq(&cause) => match scope.take_value() {
            Some(value) if !suspended => Ok(value),
            _ => Err(Unfinished::TimedOut(cause)),
        },
        _ => Err(Unfinished::Failed(cause)),
    }
}

/// Has the timer wake `waker`, which it may do at once.
fn set(timer: Pin<&mut Option<Sleep>>, waker: &Waker) {
    if let Some(timer) = timer.as_pin_mut() {
        if timer.poll(&mut Context::from_waker(waker)).is_ready() {
            waker.wake_by_ref();
        }
    }
}

/// The waker of the timer.
struct Expiry {
    job: Job,
    duration: Duration,
    dispatcher: Dispatcher,
    deadline: Option<Instant>,
    /// Woken for another reason than the time: a runtime that shuts down wakes its timers.
    woken_early: AtomicBool,
    /// What the job was cancelled with, for the scope to know it as its own (T-7).
    cancellation: OnceLock<Error>,
}

impl Wake for Expiry {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.deadline.is_none_or(|at| now(&self.dispatcher) < at) {
            self.woken_early.store(true, Ordering::Relaxed);
            self.job.wake_body();
            return;
        }
        if self.job.is_completed() {
            return;
        }
        let name = self.job.name();
        let cancellation = self.cancellation.get_or_init(|| {
            let message = describe(self.duration, name.as_deref(), &self.dispatcher);
            Error::timeout(message, self.job.location())
        });
        self.job.cancel_tree(cancellation.clone());
    }
}

/// T-10
pub(crate) fn describe(duration: Duration, name: Option<&str>, dispatcher: &Dispatcher) -> String {
    // As its caller has most likely written it: the unit of the clock, or whole seconds.
    let mut text = match (
        duration.subsec_millis(),
        duration.subsec_nanos() % 1_000_000,
    ) {
        (1.., 0) => format!("timed out after {}ms", duration.as_millis()),
        _ => format!("timed out after {duration:?}"),
    };
    let is_virtual = is_virtual(dispatcher);
    if is_virtual {
        text.push_str(" of virtual time");
    }
    if let Some(name) = name {
        text.push_str(&format!(" in \"{name}\""));
    }
    if is_virtual {
        text.push_str(
            "; the clock of a test does not wait for sockets and threads, unless `TestScope::real_time` holds it",
        );
    }
    text
}
