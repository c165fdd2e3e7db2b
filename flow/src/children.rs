//! The coroutines that a collection has started.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use corox_core::{Job, join_all};

thread_local! {
    /// Those that were started in the poll that is running; `None` outside of [`Children::of`].
    static STARTED: RefCell<Option<Vec<Job>>> = const { RefCell::new(None) };
}

/// A coroutine that belongs to the collection that is being polled: who runs that waits for it.
pub(crate) fn started(job: Job) {
    STARTED.with_borrow_mut(|jobs| jobs.as_mut().map(|jobs| jobs.push(job)));
}

/// The coroutines that were started while a flow was polled. Whoever ends that flow waits for them (F-11, F-12): to drop it cancels
/// them, but they end by themselves. If this is dropped before they were waited for, in a poll of a collection around, that one
/// waits for them: an operator that holds it is dropped there.
#[derive(Default)]
pub(crate) struct Children {
    jobs: Vec<Job>,
    leaving: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Children {
    /// Runs `poll`; what it starts belongs here, and not to whoever polls this.
    #[inline]
    pub(crate) fn of<R>(&mut self, poll: impl FnOnce() -> R) -> R {
        /// Puts back what belongs to whoever polls this, on unwinding, too.
        struct Outer<'a> {
            children: &'a mut Children,
            outer: Option<Vec<Job>>,
        }
        impl Drop for Outer<'_> {
            #[inline]
            fn drop(&mut self) {
                let outer = std::mem::take(&mut self.outer);
                let own = STARTED.with(|started| started.replace(outer));
                if let Some(own) = own.filter(|own| !own.is_empty()) {
                    self.children.jobs.extend(own);
                }
            }
        }
        let _outer = Outer {
            outer: STARTED.with(|started| started.replace(Some(Vec::new()))),
            children: self,
        };
        poll()
    }

    /// Waits until all of them have ended. The flow was dropped before, so that they are cancelled or about to end.
    #[inline]
    pub(crate) fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.jobs.is_empty() && self.leaving.is_none() {
            return Poll::Ready(());
        }
        self.poll_leaving(cx)
    }

    #[cold]
    #[inline(never)]
    fn poll_leaving(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let jobs = &mut self.jobs;
        let leaving = self
            .leaving
            .get_or_insert_with(|| Box::pin(join_all(jobs.clone())));
        let left = leaving.as_mut().poll(cx);
        if left.is_ready() {
            self.leaving = None;
            jobs.clear();
        }
        left
    }
}

impl Drop for Children {
    #[inline]
    fn drop(&mut self) {
        if !self.jobs.is_empty() {
            let jobs = std::mem::take(&mut self.jobs);
            // On a thread that ends nobody polls any more.
            let _ = STARTED.try_with(|started| {
                let mut started = started.borrow_mut();
                started.as_mut().map(|started| started.extend(jobs))
            });
        }
    }
}
