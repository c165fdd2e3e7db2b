//! The coroutines that a collection has started.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use corox_core::{Job, join_all};

thread_local! {
    /// Those that were started in the poll that is running.
    static STARTED: RefCell<Vec<Job>> = const { RefCell::new(Vec::new()) };
}

/// A coroutine that belongs to the collection that is being polled: who runs that waits for it.
pub(crate) fn started(job: Job) {
    STARTED.with_borrow_mut(|jobs| jobs.push(job));
}

/// The coroutines that were started while a flow was polled. Whoever ends that flow waits for them (F-11, F-12): to drop it cancels
/// them, but they end by themselves.
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
            outer: Vec<Job>,
        }
        impl Drop for Outer<'_> {
            #[inline]
            fn drop(&mut self) {
                let outer = std::mem::take(&mut self.outer);
                let own = STARTED.with(|started| started.replace(outer));
                if !own.is_empty() {
                    self.children.jobs.extend(own);
                }
            }
        }
        let _outer = Outer {
            outer: STARTED.with(|started| started.take()),
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
            .get_or_insert_with(|| Box::pin(join_all(std::mem::take(jobs))));
        let left = leaving.as_mut().poll(cx);
        if left.is_ready() {
            self.leaving = None;
        }
        left
    }
}
