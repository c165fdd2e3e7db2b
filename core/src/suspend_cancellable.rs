//! From callbacks into coroutines.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::catch_cancellation::cancellation_of;
use crate::continuation::{CancellableContinuation, Cell};
use crate::error::{Error, Result};
use crate::frame;
use crate::probe::{Reason, WaitReason};

/// Suspends the coroutine until a callback resumes it.
///
/// `register` is called once, when the future is first polled, with a [`CancellableContinuation`]: it starts the operation and
/// hands the continuation to its callback. The coroutine then waits until the continuation is
/// [resumed](CancellableContinuation::resume), [failed](CancellableContinuation::fail) or
/// [cancelled](CancellableContinuation::cancel). It may be resumed before `register` returns.
///
/// In a coroutine that is cancelled already `register` is still called, with a continuation that is cancelled, too.
///
/// Kotlin: `suspendCancellableCoroutine`.
///
/// # Errors
///
/// What the continuation was failed or cancelled with; an error that says so, if all its handles were dropped.
///
/// # Cancel safety
///
/// When the future is dropped, by a cancellation or by foreign code, the handler of
/// [`on_cancellation`](CancellableContinuation::on_cancellation) is called, to stop the operation. A value that was handed
/// over but not yet returned goes to its [undo](CancellableContinuation::resume_or_undo), or is dropped: a cancelled coroutine
/// gets none.
///
/// ```
/// use corox_core::{run_blocking, suspend_cancellable};
///
/// fn load(id: u32, done: impl FnOnce(Result<String, std::io::Error>) + Send + 'static) {
///     std::thread::spawn(move || done(Ok(format!("record {id}"))));
/// }
///
/// let text = run_blocking(async |_| {
///     suspend_cancellable(|continuation| {
///         load(7, move |result| {
///             let _ = continuation.resume_with(result);
///         });
///     }).await
/// }).unwrap();
/// assert_eq!(text, "record 7");
/// ```
#[doc(alias = "suspendCancellableCoroutine")]
#[doc(alias = "suspendCoroutine")]
#[track_caller]
pub fn suspend_cancellable<T, F>(register: F) -> impl Future<Output = Result<T>>
where
    T: Send,
    F: FnOnce(CancellableContinuation<T>),
{
    Suspended {
        register: Some(register),
        cell: None,
        reason: WaitReason::at(&Reason("suspend_cancellable"), Location::caller()),
    }
}

struct Suspended<T, F> {
    register: Option<F>,
    /// Until the outcome was given.
    cell: Option<Arc<Cell<T>>>,
    reason: WaitReason,
}

impl<T, F> Unpin for Suspended<T, F> {}

impl<T, F> Future for Suspended<T, F>
where
    T: Send,
    F: FnOnce(CancellableContinuation<T>),
{
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        let this = &mut *self;
        if let Some(register) = this.register.take() {
            let job = frame::current_job();
            let cancelled = job.as_ref().filter(|job| job.is_cancelled());
            let cancelled = cancelled.map(cancellation_of);
            let cell = Cell::new(job, this.reason.location(), cancelled);
            this.cell = Some(cell.clone());
            register(CancellableContinuation::new(cell));
        }
        let Some(cell) = &this.cell else {
            return Poll::Pending;
        };
        match cell.poll(cx, frame::cancelled_here()) {
            Poll::Ready(result) => {
                this.cell = None;
                this.reason.end();
                match &result {
                    // That nobody can resume it any more arises here.
                    Err(error) if error.location() != this.reason.location() => {
                        error.note_awaited(this.reason.location());
                    }
                    _ => {}
                }
                Poll::Ready(result)
            }
            Poll::Pending => {
                this.reason.note(String::new);
                Poll::Pending
            }
        }
    }
}

impl<T, F> Drop for Suspended<T, F> {
    fn drop(&mut self) {
        if let Some(cell) = self.cell.take() {
            let cancelled = frame::current_job().filter(|job| job.is_cancelled());
            let cause = match cancelled {
                Some(job) => cancellation_of(&job),
                None => Error::at_cancellation(
                    "the future of suspend_cancellable was dropped",
                    self.reason.location(),
                ),
            };
            cell.abandon(cause);
        }
    }
}
