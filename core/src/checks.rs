//! The checks and suspension points that a body makes by itself.

use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use corox_scheduler::{mark_yield, unconfined_queue_is_empty};

use crate::error::Result;
use crate::frame;
use crate::job::Job;
use crate::launch_output::Never;
use crate::probe::{Reason, WaitReason};

/// Whether the current coroutine is neither cancelled nor complete; `true` outside coroutines.
///
/// For loops that compute without suspending: nothing stops a body that never looks.
///
/// Kotlin: `isActive`.
///
/// ```
/// use corox_core::{is_active, run_blocking};
///
/// run_blocking(async |scope| {
///     assert!(is_active());
///     scope.cancel();
///     assert!(!is_active());
///     Ok(())
/// }).unwrap_err();
/// ```
#[must_use]
#[doc(alias = "isActive")]
pub fn is_active() -> bool {
    frame::with_current(|frame| frame.is_none_or(|frame| frame.job().is_active()))
}

/// `Ok` while the current coroutine is active (and outside coroutines), else its cancellation, to be passed on with `?`.
///
/// Kotlin: `ensureActive`.
///
/// # Errors
///
/// See [`Job::ensure_active`].
///
/// ```
/// use corox_core::{ensure_active, run_blocking};
///
/// let outcome = run_blocking(async |scope| {
///     ensure_active()?;
///     scope.cancel();
///     ensure_active()?;
///     Ok("not reached")
/// });
/// assert!(outcome.unwrap_err().is_cancellation());
/// ```
#[doc(alias = "ensureActive")]
pub fn ensure_active() -> Result<()> {
    match Job::current() {
        Some(job) => job.ensure_active(),
        None => Ok(()),
    }
}

/// Lets the other coroutines of the dispatcher run, and is a point of cancellation.
///
/// The coroutine goes to the very back of its dispatcher's queue. On [`Dispatcher::UNCONFINED`](crate::Dispatcher::UNCONFINED)
/// it goes behind what waits on this thread to run in place, and does not suspend if that is nothing.
///
/// Kotlin: `yield`.
///
/// # Cancel safety
///
/// There is nothing to lose.
///
/// ```
/// use corox_core::{run_blocking, yield_now};
///
/// run_blocking(async |scope| {
///     let job = scope.launch(async {});
///     yield_now().await;
///     assert!(job.is_completed());
///     Ok(())
/// }).unwrap();
/// ```
#[doc(alias = "yield")]
pub fn yield_now() -> YieldNow {
    YieldNow { yielded: false }
}

/// The future of [`yield_now`].
#[derive(Debug)]
#[must_use = "nothing is yielded until it is awaited: `yield_now().await`"]
pub struct YieldNow {
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if frame::cancelled_here() {
            return Poll::Pending;
        }
        if self.yielded || nobody_waits() {
            return Poll::Ready(());
        }
        self.yielded = true;
        mark_yield();
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Whether the coroutine runs in place, and nobody on this thread waits for it to give way (D-9).
fn nobody_waits() -> bool {
    let unconfined = frame::with_current(|frame| {
        frame.is_some_and(|frame| frame.job().context().dispatcher.is_unconfined())
    });
    unconfined && unconfined_queue_is_empty()
}

/// Suspends until the coroutine is cancelled; never returns.
///
/// Kotlin: `awaitCancellation`.
///
/// # Cancel safety
///
/// There is nothing to lose.
///
/// ```
/// use corox_core::{await_cancellation, run_blocking};
///
/// run_blocking(async |scope| {
///     let job = scope.launch(async { await_cancellation().await });
///     job.cancel_and_join().await;
///     assert!(job.is_cancelled());
///     Ok(())
/// }).unwrap();
/// ```
#[doc(alias = "awaitCancellation")]
#[track_caller]
pub fn await_cancellation() -> impl Future<Output = Never> + Send {
    let location = Location::caller();
    async move {
        let mut reason = WaitReason::at(&Reason("await_cancellation"), location).by_coroutines();
        poll_fn(|_| {
            reason.note(String::new);
            Poll::Pending
        })
        .await
    }
}
