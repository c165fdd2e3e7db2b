//! Completion by counting (decision 5): whoever brings the count of body and children to 0 completes the job and goes on
//! to the parent, in a loop.

use std::panic::{AssertUnwindSafe, catch_unwind};

use corox_scheduler::Task;

use super::cell::{Inner, Node};
use super::handle::Job;
use super::state::{ABANDONED, BODY_ENDED, CANCELLING, FINAL, SEALED, STARTED};
use crate::error::Error;
use crate::exception_handler::report_uncaught;
use crate::node_list::NodeList;
use crate::probe;

/// What came of counting down.
enum Counted {
    /// The body or children are still there.
    Waits,
    /// Sealed, with a cause that has to be handled before the job is final.
    Sealed,
    /// Ended normally, and final.
    Final(Left),
}

/// What is taken out of a job when it becomes final.
struct Left {
    nodes: NodeList<Node>,
    parent: Option<Job>,
}

impl Inner {
    fn leave(&mut self) -> Left {
        Left {
            nodes: std::mem::replace(&mut self.nodes, NodeList::new()),
            parent: self.parent.take(),
        }
    }
}

impl Job {
    /// Starts a lazy job: gives its coroutine to be dispatched. `None` if it was started or cancelled before.
    pub(crate) fn begin(&self) -> Option<Option<Task>> {
        let core = self.core();
        if core.flags.any(STARTED) {
            return None;
        }
        let mut inner = core.inner.lock();
        if core.flags.any(STARTED) {
            return None;
        }
        core.flags.set(STARTED);
        Some(inner.unstarted.take().map(|task| *task))
    }

    /// The body has ended, or was dropped; once for each job.
    pub(crate) fn end_body(&self) {
        let counted = {
            let mut inner = self.core().inner.lock();
            debug_assert!(!self.core().flags.any(BODY_ENDED));
            self.core().flags.set(BODY_ENDED);
            self.count_down(&mut inner)
        };
        self.complete(counted);
    }

    /// The same for a job without body: `true` for the call that ended it.
    pub(crate) fn end_body_less(&self) -> bool {
        self.end_body_less_unless(BODY_ENDED, || ())
    }

    /// The same, unless one of `flags` is set, with `store` for the result; the look, the store and the end are one step.
    /// `store` runs under the lock.
    pub(crate) fn end_body_less_unless(&self, flags: u8, store: impl FnOnce()) -> bool {
        let counted = {
            let mut inner = self.core().inner.lock();
            if self.core().flags.any(BODY_ENDED | flags) {
                return false;
            }
            store();
            self.core().flags.set(BODY_ENDED);
            self.count_down(&mut inner)
        };
        self.complete(counted);
        true
    }

    /// Takes one from the count; at 0 the job is sealed, and final if there is nothing to be handled before. `complete` must
    /// follow, outside the lock.
    fn count_down(&self, inner: &mut Inner) -> Counted {
        inner.pending -= 1;
        if inner.pending > 0 {
            return Counted::Waits;
        }
        if self.core().flags.any(CANCELLING) {
            self.core().flags.set(SEALED);
            return Counted::Sealed;
        }
        self.core().flags.set(SEALED | FINAL);
        Counted::Final(inner.leave())
    }

    /// Step 6 of J-15 for a sealed job with a cause, then its final state.
    fn finish(&self, cause: &Error) -> Left {
        self.0.slot.discard(self);
        let mut failure = Some(cause).filter(|cause| !cause.is_cancellation());
        if failure.is_some_and(|failure| self.handle_failure(failure)) {
            failure = None;
        }
        loop {
            let mut inner = self.core().inner.lock();
            let abandoned = self.core().flags.any(ABANDONED);
            if let Some(failure) = failure.take().filter(|_| abandoned) {
                // Abandoned between the two looks.
                drop(inner);
                report_uncaught(self, failure);
                continue;
            }
            self.core().flags.set(FINAL | STARTED);
            return inner.leave();
        }
    }

    /// Completes a job that was counted down, then each parent whose last child that was. The order is that of J-15, steps
    /// 5 to 10.
    fn complete(&self, mut counted: Counted) {
        let mut above: Option<Job> = None;
        loop {
            let job = above.as_ref().unwrap_or(self);
            let (cause, left) = match counted {
                Counted::Waits => return,
                Counted::Final(left) => (None, left),
                Counted::Sealed => {
                    let cause = job.freeze_cause();
                    let left = job.finish(&cause);
                    (Some(cause), left)
                }
            };
            let Left { nodes, parent } = left;
            probe::forget(job.core());
            for node in nodes.into_values() {
                match node {
                    Node::OnCompletion(handler) | Node::OnCancelling(handler) => {
                        handler.call_once(job, cause.as_ref());
                    }
                    Node::Waiter(waker) => job.wake(|| waker.wake()),
                    Node::Select(ticket) => job.wake(|| {
                        ticket.claim();
                    }),
                    Node::Section(frame) => job.wake(|| frame.frame().waker.wake()),
                    // A child that still hangs here could not have let the count come to 0.
                    Node::Child(_) => {}
                }
            }
            if job.core().kind.is_polled_to_the_end() {
                job.wake(|| job.core().frame.waker.wake());
            }
            let Some(parent) = parent else { return };
            let child = {
                let mut inner = parent.core().inner.lock();
                let child = inner.nodes.remove(job.core().key());
                counted = parent.count_down(&mut inner);
                child
            };
            drop(child);
            above = Some(parent);
        }
    }

    /// Wakes somebody by way of a waker, which may be foreign code: of a combinator, of a test. Its panic must not keep the
    /// others of the tree from being told; it is reported.
    pub(crate) fn wake(&self, wake: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(wake)) {
            report_uncaught(self, &Error::from_panic(payload, self.location()));
        }
    }

    /// Chooses the final cause: the first failure, else the first cancellation; the other failures are attached to it (J-24).
    fn freeze_cause(&self) -> Error {
        let (cause, others) = {
            let mut inner = self.core().inner.lock();
            let mut all: Vec<_> = inner.root.take().into_iter().collect();
            all.extend(inner.later.take().into_iter().flat_map(|later| *later));
            let first = all
                .iter()
                .position(|error| !error.is_cancellation())
                .unwrap_or(0);
            let cause = all.remove(first);
            inner.root = Some(cause.clone());
            (cause, all)
        };
        for other in others {
            if !other.is_cancellation() {
                cause.add_suppressed(other);
            }
        }
        cause
    }

    /// J-15 step 6: the parent, else the handler. `true` if the handler was told.
    fn handle_failure(&self, failure: &Error) -> bool {
        let core = self.core();
        let uncaught =
            core.flags.any(ABANDONED) || (!self.offer_up(failure) && core.kind.reports());
        if uncaught {
            report_uncaught(self, failure);
        }
        uncaught
    }

    /// Nobody reads the result of this scope any more (decision 8): cancels it, and its failure goes to the handler, also one
    /// that it has ended with already.
    pub(crate) fn abandon(&self, why: &'static str) {
        let ended = {
            let _inner = self.core().inner.lock();
            let ended = self.core().flags.any(FINAL);
            if !ended {
                self.core().flags.set(ABANDONED);
            }
            ended
        };
        if !ended {
            self.cancel_tree(Error::cancellation(why));
        } else if let Some(failure) = self.final_cause().filter(|cause| !cause.is_cancellation()) {
            report_uncaught(self, &failure);
        }
    }

    /// The cause of a sealed job that did not end normally.
    pub(crate) fn final_cause(&self) -> Option<Error> {
        if !self.core().flags.any(CANCELLING) {
            return None;
        }
        self.core().inner.lock().root.clone()
    }
}
