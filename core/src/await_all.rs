//! Waiting for many results at once.

use std::future::{Future, IntoFuture, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use crate::deferred::Await;
use crate::error::{Error, Result};
use crate::frame;
use crate::job::{Job, Node, OnEnd};
use crate::node_list::Key;
use crate::probe::awaited::Awaited;
use crate::probe::detail::Detail;
use crate::probe::{Reason, WaitReason};
use crate::shim::{AtomicUsize, AtomicWaker, Mutex};

/// Counts the members that have not ended, and keeps the first failure in time.
struct Gathering {
    left: AtomicUsize,
    failed: Mutex<Option<Error>>,
    waker: AtomicWaker,
}

impl OnEnd for Gathering {
    fn call_once(&self, _job: &Job, cause: Option<&Error>) {
        if let Some(cause) = cause {
            let mut failed = self.failed.lock();
            if failed.is_none() {
                *failed = Some(cause.clone());
            }
        }
        let last = self.left.fetch_sub(1, Ordering::AcqRel) == 1;
        if last || cause.is_some() {
            self.waker.wake();
        }
    }
}

/// The registrations at the members; taken back when dropped.
struct Registered(Vec<(Job, Key)>);

impl Drop for Registered {
    fn drop(&mut self) {
        for (job, key) in self.0.drain(..) {
            drop(job.core().remove(key));
        }
    }
}

/// Starts all `deferreds` and waits for them: the values in the order of the arguments, or the first failure in *time*.
///
/// Suspends until all have ended or one has failed; for an empty list, and if all have ended already, it does not suspend.
/// The others go on after a failure: what cancels them is their scope, which fails with the same failure. Takes
/// [`Deferred`](crate::Deferred)s by value or, if `T: Clone`, by reference; the same one may occur several times.
///
/// Kotlin: `awaitAll`.
///
/// # Errors
///
/// The failure or cancellation of the first member that ended with one.
///
/// # Cancel safety
///
/// Dropping the future leaves the coroutines running in their scope; values of deferreds that were passed by value are lost.
///
/// # Panics
///
/// Where awaiting one of them would: see [`Deferred`](crate::Deferred#panics).
///
/// ```
/// use corox_core::{await_all, run_blocking};
///
/// let squares = run_blocking(async |scope| {
///     let all: Vec<_> = (1..4).map(|n| scope.spawn(async move { Ok(n * n) })).collect();
///     await_all(all).await
/// }).unwrap();
/// assert_eq!(squares, [1, 4, 9]);
/// ```
#[doc(alias = "awaitAll")]
#[track_caller]
pub fn await_all<T, I>(deferreds: I) -> impl Future<Output = Result<Vec<T>>> + use<T, I>
where
    T: Send + 'static,
    I: IntoIterator<Item: IntoFuture<IntoFuture = Await<T>, Output = Result<T>>>,
{
    let awaits: Vec<Await<T>> = deferreds.into_iter().map(IntoFuture::into_future).collect();
    let reason = WaitReason::here(&Reason("await_all")).by_coroutines();
    gather(awaits, reason)
}

async fn gather<T: Send + 'static>(
    mut awaits: Vec<Await<T>>,
    mut reason: WaitReason,
) -> Result<Vec<T>> {
    let gathering = Arc::new(Gathering {
        left: AtomicUsize::new(awaits.len()),
        failed: Mutex::new(None),
        waker: AtomicWaker::new(),
    });
    let mut registered = Registered(Vec::with_capacity(awaits.len()));
    for member in &awaits {
        let job = member.job();
        job.start();
        if !job.is_completed() {
            frame::check_wait_for(job, reason.location());
        }
        if let Some(key) = job.add_on_end(Node::OnCompletion(gathering.clone())) {
            registered.0.push((job.clone(), key));
        }
    }
    poll_fn(|cx| {
        gathering.waker.register(cx.waker());
        let over = gathering.left.load(Ordering::Acquire) == 0 || gathering.failed.lock().is_some();
        if over {
            return Poll::Ready(());
        }
        reason.note_for(|| {
            let text = format!("{} of them", gathering.left.load(Ordering::Relaxed));
            let tokens = awaits.iter().map(|member| member.job().core().token());
            (Detail::Text(text), Awaited::All(tokens.collect()))
        });
        Poll::Pending
    })
    .await;
    drop(registered);
    if let Some(error) = gathering.failed.lock().take() {
        error.note_awaited(reason.location());
        return Err(error);
    }
    let mut values = Vec::with_capacity(awaits.len());
    for member in &mut awaits {
        values.push(poll_fn(|cx| Pin::new(&mut *member).poll(cx)).await?);
    }
    Ok(values)
}
