//! Waiting for jobs.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::cell::{JobCore, Node};
use super::handle::Job;
use super::state::FINAL;
use crate::frame;
use crate::node_list::Key;
use crate::probe;
use crate::probe::awaited::Awaited;
use crate::probe::detail::Detail;

/// What a wait for the end of `job` is noted as.
pub(crate) fn of_job(job: &Job) -> (Detail, Awaited) {
    (Detail::Job(job.into()), Awaited::Job(job.core().token()))
}

/// The registration of one who waits for a job; who has it ends it.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Option<Key>);

impl Waiting {
    /// Registers the waker, or sees that the job is final.
    pub(crate) fn poll(&mut self, job: &Job, cx: &mut Context<'_>) -> Poll<()> {
        let core: &JobCore = job.core();
        if core.flags.any(FINAL) {
            self.0 = None;
            return Poll::Ready(());
        }
        if let Some(key) = self.0 {
            let mut inner = core.inner.lock();
            if let Some(Node::Waiter(waker)) = inner.nodes.get_mut(key) {
                if waker.will_wake(cx.waker()) {
                    return Poll::Pending;
                }
            }
        }
        // Cloned without the lock: a waker is foreign code.
        let waker = Node::Waiter(cx.waker().clone());
        let mut inner = core.inner.lock();
        if core.flags.any(FINAL) {
            drop(inner);
            self.0 = None;
            return Poll::Ready(());
        }
        match self.0.and_then(|key| inner.nodes.get_mut(key)) {
            Some(node) => {
                let old = std::mem::replace(node, waker);
                drop(inner);
                drop(old);
            }
            None => self.0 = Some(inner.nodes.push(waker)),
        }
        Poll::Pending
    }

    /// Takes the registration at `job` back.
    pub(crate) fn end(&mut self, job: &Job) {
        if let Some(key) = self.0.take() {
            drop(job.core().remove(key));
        }
    }
}

/// The future of [`Job::join`].
#[derive(Debug)]
#[must_use = "nobody waits until it is awaited: `.join().await`, `.cancel_and_join().await`"]
pub struct Join {
    job: Job,
    waiting: Waiting,
    reason: probe::WaitReason,
    started: bool,
}

impl Job {
    /// Waits until the job has ended, with all its children, however it ended; starts it if it is lazy.
    ///
    /// Suspends until then. It is a point of cancellation even if the job has ended already: a cancelled coroutine does not
    /// go past it. A parent that joins a child which has failed is therefore cancelled here by that failure.
    ///
    /// Joining the own job, or one above it, cannot end in a normal way; see [the panics](#panics).
    ///
    /// Kotlin: `Job.join`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future takes the registration back; nothing else changes.
    ///
    /// # Panics
    ///
    /// When it has to wait inside the very coroutine that is waited for, or in one below it: it would wait for itself. And
    /// where [`start`](Job::start) of a lazy job does.
    ///
    /// ```
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |scope| {
    ///     let job = scope.launch(async {});
    ///     job.join().await;
    ///     assert!(job.is_completed());
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[track_caller]
    pub fn join(&self) -> Join {
        join_at(Location::caller(), self)
    }

    /// [`cancel`](Job::cancel), then [`join`](Job::join).
    ///
    /// The cancellation takes place at once, at the call, not when the future is first polled.
    ///
    /// Kotlin: `Job.cancelAndJoin`.
    ///
    /// # Cancel safety
    ///
    /// As for `join`; the job stays cancelled.
    ///
    /// # Panics
    ///
    /// As `join`, when it is awaited.
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
    #[track_caller]
    #[doc(alias = "cancelAndJoin")]
    pub fn cancel_and_join(&self) -> Join {
        self.cancel();
        self.join()
    }
}

/// As [`Job::join`], called at `location`.
pub fn join_at(location: &'static Location<'static>, job: &Job) -> Join {
    Join {
        job: job.clone(),
        waiting: Waiting::default(),
        reason: probe::WaitReason::at(&probe::Reason("join"), location).by_coroutines(),
        started: false,
    }
}

impl Drop for Join {
    fn drop(&mut self) {
        self.waiting.end(&self.job);
    }
}

impl Future for Join {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if frame::cancelled_here() {
            return Poll::Pending;
        }
        if !this.started {
            this.started = true;
            this.job.start();
            if !this.job.is_completed() {
                frame::check_wait_for(&this.job, this.reason.location());
            }
        }
        match this.waiting.poll(&this.job, cx) {
            Poll::Ready(()) => {
                this.reason.end();
                Poll::Ready(())
            }
            Poll::Pending => {
                this.reason.note_for(|| of_job(&this.job));
                Poll::Pending
            }
        }
    }
}

/// Joins all `jobs`, one after the other, however they end; starts lazy ones as their turn comes.
///
/// Kotlin: `joinAll`.
///
/// # Cancel safety
///
/// As for [`Job::join`].
///
/// # Panics
///
/// Where [`Job::join`] of one of them would.
///
/// ```
/// use corox_core::{join_all, run_blocking};
///
/// run_blocking(async |scope| {
///     let jobs: Vec<_> = (0..3).map(|_| scope.launch(async {})).collect();
///     join_all(&jobs).await;
///     assert!(jobs.iter().all(|job| job.is_completed()));
///     Ok(())
/// }).unwrap();
/// ```
#[doc(alias = "joinAll")]
#[track_caller]
pub fn join_all<I>(jobs: I) -> impl Future<Output = ()> + Send + use<I>
where
    I: IntoIterator<Item: AsRef<Job>>,
{
    let location = Location::caller();
    let jobs: Vec<Job> = jobs.into_iter().map(|job| job.as_ref().clone()).collect();
    async move {
        for job in jobs {
            join_at(location, &job).await;
        }
    }
}
