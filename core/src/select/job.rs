//! The clauses of jobs and deferreds.

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::claim::{Registered, Registrar};
use super::clause::Clause;
use crate::completable::CompletableDeferred;
use crate::deferred::{Deferred, Owns, read_final};
use crate::error::Result;
use crate::job::{Job, Node, of_job};
use crate::node_list::Key;

impl Job {
    /// The clause of a [`select`](crate::select()) that is available when the job has ended, however it ended; starts a lazy
    /// job when it is registered.
    ///
    /// Unlike [`join`](Job::join) it may name the job of the very coroutine that selects: another clause can win.
    ///
    /// Kotlin: `Job.onJoin`.
    ///
    /// ```
    /// use corox_core::{Clause, await_cancellation, run_blocking, select};
    ///
    /// run_blocking(async |scope| {
    ///     let idle = scope.launch(async { await_cancellation().await });
    ///     let quick = scope.launch(async {});
    ///     let first = select((idle.on_join().then(|()| "idle"), quick.on_join().then(|()| "quick"))).await;
    ///     assert_eq!(first, "quick");
    ///     idle.cancel();
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "onJoin")]
    pub fn on_join(&self) -> OnJoin {
        OnJoin {
            job: self.clone(),
            key: None,
        }
    }
}

impl<T: Send + 'static> Deferred<T> {
    /// The clause of a [`select`](crate::select()) that is available when the deferred has ended, and gives its result as
    /// `deferred.await` does; starts a lazy one when it is registered.
    ///
    /// Only a clause that wins takes the value; of a deferred that was cloned it takes a clone. A failed deferred gives its
    /// handler the `Err` and wins over the clauses after it.
    ///
    /// Kotlin: `Deferred.onAwait`, whose failure is thrown by the whole select.
    ///
    /// ```
    /// use corox_core::{Clause, Error, run_blocking, select, supervisor_scope};
    ///
    /// run_blocking(async |_| supervisor_scope(async |scope| {
    ///     let failed = scope.spawn(async { Err::<i32, _>(Error::msg("no answer")) });
    ///     let text = select((failed.on_await().then(|result| result.unwrap_err().to_string()),)).await;
    ///     assert_eq!(text, "no answer");
    ///     Ok(())
    /// }).await).unwrap();
    /// ```
    #[doc(alias = "onAwait")]
    #[track_caller]
    pub fn on_await(&self) -> OnAwait<T> {
        OnAwait {
            end: self.job().on_join(),
            location: Location::caller(),
            result: PhantomData,
        }
    }
}

impl<T: Send + 'static> CompletableDeferred<T> {
    /// As [`Deferred::on_await`].
    ///
    /// Kotlin: `Deferred.onAwait`.
    ///
    /// ```
    /// use corox_core::{CompletableDeferred, run_blocking, select};
    ///
    /// run_blocking(async |_| {
    ///     let answer = CompletableDeferred::new();
    ///     answer.complete(42);
    ///     assert_eq!(select((answer.on_await(),)).await?, 42);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "onAwait")]
    #[track_caller]
    pub fn on_await(&self) -> OnAwait<T> {
        OnAwait {
            end: self.on_join(),
            location: Location::caller(),
            result: PhantomData,
        }
    }
}

/// The clause of [`Job::on_join`].
///
/// Kotlin: `SelectClause0`.
#[derive(Debug)]
#[must_use = "clauses do nothing unless a select has them"]
#[doc(alias = "SelectClause0")]
pub struct OnJoin {
    job: Job,
    key: Option<Key>,
}

impl Clause for OnJoin {
    type Output = ();

    fn register(self: Pin<&mut Self>, at: &mut Registrar<'_>) -> Registered {
        let this = self.get_mut();
        at.note(|| {
            let (job, awaited) = of_job(&this.job);
            (format!("join of {job}"), awaited)
        });
        this.job.start();
        if this.job.is_completed() {
            return at.claim();
        }
        match this.job.core().push(Node::Select(at.ticket())) {
            Ok(key) => {
                this.key = Some(key);
                Registered::Waits
            }
            Err(ended) => {
                drop(ended);
                at.claim()
            }
        }
    }

    fn proceed(self: Pin<&mut Self>, at: &mut Registrar<'_>) -> Registered {
        if at.is_retry() && self.job.is_completed() {
            return at.claim();
        }
        Registered::Waits
    }

    fn complete(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

impl Drop for OnJoin {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            drop(self.job.core().remove(key));
        }
    }
}

/// The clause of [`Deferred::on_await`].
///
/// Kotlin: `SelectClause1`.
#[must_use = "clauses do nothing unless a select has them"]
#[doc(alias = "SelectClause1")]
pub struct OnAwait<T> {
    end: OnJoin,
    location: &'static Location<'static>,
    /// The slot of the job is a `ResultSlot<T>`.
    result: Owns<T>,
}

impl<T> Unpin for OnAwait<T> {}

impl<T> fmt::Debug for OnAwait<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnAwait").field(&self.end.job).finish()
    }
}

impl<T: Send + 'static> Clause for OnAwait<T> {
    type Output = Result<T>;

    fn register(self: Pin<&mut Self>, at: &mut Registrar<'_>) -> Registered {
        Pin::new(&mut self.get_mut().end).register(at)
    }

    fn proceed(self: Pin<&mut Self>, at: &mut Registrar<'_>) -> Registered {
        Pin::new(&mut self.get_mut().end).proceed(at)
    }

    fn complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        match read_final(&self.end.job) {
            Some(result) => {
                if let Err(error) = &result {
                    error.note_awaited(self.location);
                }
                Poll::Ready(result)
            }
            // Another thread is inside `T::clone`.
            None => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}
