//! The clause for any future.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Wake, Waker};

use pin_project_lite::pin_project;

use super::claim::{Registered, Registrar, Ticket};
use super::clause::Clause;
use crate::shim::AtomicBool;

pin_project! {
    /// The clause of [`on`].
    #[must_use = "clauses do nothing unless a select has them"]
    pub struct On<F, T> {
        // Until it has ended.
        #[pin]
        future: Option<F>,
        output: Option<T>,
        branch: Option<Arc<Branch>>,
    }
}

impl<F, T> fmt::Debug for On<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("On").finish_non_exhaustive()
    }
}

/// The clause that is available when `future` has ended.
///
/// The select polls the future, and again only when it was woken. During such a poll no other clause wins, so that an output is
/// never lost. If another clause wins, the future is dropped where it stands, as `tokio::select!` does; pass `&mut future` for
/// one that is to go on.
///
/// Kotlin: no counterpart: an `async` and its `onAwait`.
///
/// # Cancel safety
///
/// That of the future: a receive that loses what it has taken when it is dropped does so here, too.
///
/// ```
/// use corox_core::{Clause, on, on_timeout, run_blocking, select};
/// use std::{pin::pin, time::Duration};
///
/// run_blocking(async |_| {
///     let mut answer = pin!(async { tokio::time::sleep(Duration::from_millis(5)).await; 42 });
///     let late = select((
///         on(&mut answer).then(|_| false),
///         on_timeout(Duration::from_millis(1)).then(|()| true),
///     )).await;
///     assert!(late);
///     assert_eq!(answer.await, 42);
///     Ok(())
/// }).unwrap();
/// ```
pub fn on<F: IntoFuture>(future: F) -> On<F::IntoFuture, F::Output> {
    On {
        future: Some(future.into_future()),
        output: None,
        branch: None,
    }
}

/// The waker of the future.
struct Branch {
    ticket: Ticket,
    woken: AtomicBool,
}

impl Wake for Branch {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            self.ticket.wake();
        }
    }
}

impl<F: Future> Clause for On<F, F::Output> {
    type Output = F::Output;

    fn register(mut self: Pin<&mut Self>, at: &mut Registrar<'_>) -> Registered {
        at.waits_for_anything();
        let branch = Branch {
            ticket: at.ticket(),
            woken: AtomicBool::new(true),
        };
        *self.as_mut().project().branch = Some(Arc::new(branch));
        self.proceed(at)
    }

    fn proceed(self: Pin<&mut Self>, at: &mut Registrar<'_>) -> Registered {
        if at.is_retry() {
            return Registered::Waits;
        }
        let mut this = self.project();
        let (Some(future), Some(branch)) = (this.future.as_mut().as_pin_mut(), &*this.branch)
        else {
            return Registered::Waits;
        };
        // Before the poll: a wake during the poll counts for the next one.
        if !branch.woken.swap(false, Ordering::AcqRel) {
            return Registered::Waits;
        }
        if !at.enter() {
            return Registered::Lost;
        }
        let waker = Waker::from(branch.clone());
        let polled = future.poll(&mut Context::from_waker(&waker));
        let registered = at.leave(polled.is_ready());
        if let Poll::Ready(output) = polled {
            *this.output = Some(output);
            this.future.set(None);
        }
        registered
    }

    fn complete(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.project().output.take() {
            Some(output) => Poll::Ready(output),
            None => unreachable!("the output is there when the clause has won"),
        }
    }
}
