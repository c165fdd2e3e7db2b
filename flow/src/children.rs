//! The coroutines that a collection has started.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use corox_core::Job;
use corox_core::location_protocol::join_at;

thread_local! {
    static NOW: Now = const {
        Now {
            depth: Cell::new(0),
            count: Cell::new(0),
        }
    };
    /// Those that were started in the polls that are running, the innermost last.
    static STARTED: RefCell<Vec<Job>> = const { RefCell::new(Vec::new()) };
}

/// What every poll looks at; it has no destructor, and so costs little.
struct Now {
    /// How many [`Children::of`] are running.
    depth: Cell<usize>,
    /// How many coroutines are in [`STARTED`].
    count: Cell<usize>,
}

/// A coroutine that belongs to the collection that is being polled: who runs that waits for it.
pub(crate) fn started(job: Job) {
    NOW.with(|now| {
        if now.depth.get() > 0 {
            STARTED.with_borrow_mut(|started| started.push(job));
            now.count.set(now.count.get() + 1);
        }
    });
}

/// The coroutines that were started while a flow was polled. Whoever ends that flow waits for them (F-11, F-12): to drop it cancels
/// them, but they end by themselves. If this is dropped before they were waited for, in a poll of a collection around, that one
/// waits for them: an operator that holds it is dropped there.
#[derive(Default)]
pub(crate) struct Children(Option<Box<Left>>);

/// On the heap, for most collections start nothing.
#[derive(Default)]
struct Left {
    jobs: Vec<Job>,
    leaving: Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>,
}

impl Children {
    /// Runs `poll`; what it starts belongs here, and not to whoever polls this.
    #[inline]
    pub(crate) fn of<R>(&mut self, poll: impl FnOnce() -> R) -> R {
        /// Takes what is this one's, on unwinding, too.
        struct Inner<'a> {
            children: &'a mut Children,
            now: &'a Now,
            before: usize,
        }
        impl Drop for Inner<'_> {
            #[inline]
            fn drop(&mut self) {
                self.now.depth.set(self.now.depth.get() - 1);
                if self.now.count.get() > self.before {
                    self.children.take(self.now, self.before);
                }
            }
        }
        NOW.with(|now| {
            let _inner = Inner {
                children: self,
                now,
                before: now.count.get(),
            };
            now.depth.set(now.depth.get() + 1);
            poll()
        })
    }

    #[cold]
    fn take(&mut self, now: &Now, before: usize) {
        let jobs = &mut self.0.get_or_insert_default().jobs;
        STARTED.with_borrow_mut(|started| jobs.extend(started.drain(before..)));
        now.count.set(before);
    }

    /// Waits until all of them have ended. The flow was dropped before, so that they are cancelled or about to end.
    #[inline]
    pub(crate) fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.0.is_none() {
            return Poll::Ready(());
        }
        self.poll_leaving(cx)
    }

    #[cold]
    #[inline(never)]
    fn poll_leaving(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(left) = &mut self.0 else {
            return Poll::Ready(());
        };
        let jobs = &left.jobs;
        let leaving = left.leaving.get_or_insert_with(|| {
            let jobs = jobs.clone();
            Box::pin(async move {
                for job in jobs {
                    // There the user has written what has started it.
                    join_at(job.location(), &job).await;
                }
            })
        });
        let polled = leaving.as_mut().poll(cx);
        if polled.is_ready() {
            self.0 = None;
        }
        polled
    }
}

impl Drop for Children {
    #[inline]
    fn drop(&mut self) {
        if let Some(left) = self.0.take() {
            left.jobs.into_iter().for_each(started);
        }
    }
}
