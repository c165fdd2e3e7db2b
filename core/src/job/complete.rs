//! Completion by counting (decision 5): whoever brings the count of body and children to 0 completes the job and goes on
//! to the parent, in a loop.

use std::panic::{AssertUnwindSafe, catch_unwind};

use corox_scheduler::Task;

use super::cell::{Ended, Inner, Node};
use super::handle::Job;
use super::state::{ABANDONED, BODY_ENDED, CANCELLING, FINAL, NOTED, SEALED, STARTED};
use super::tally::{MANY, Pushed};
use crate::error::Error;
use crate::exception_handler::report_uncaught;
use crate::node_list::NodeList;
use crate::probe;
use crate::trace::{self, JobSpan};

/// What came of counting down.
enum Counted {
    /// The body or children are still there.
    Waits,
    /// Sealed, with a cause that has to be handled before the job is final.
    Sealed,
    /// Ended normally, or by a cancellation of which nobody has to be told first, and final.
    Final(Left),
    /// As `Final`, nobody has to be told of the end, and it is on the stack of its parent, where more is to be done if this is here.
    Stacked(Option<(Job, Pushed)>),
}

/// What is taken out of a job when it becomes final.
struct Left {
    nodes: NodeList<Node>,
    parent: Option<Job>,
    span: JobSpan,
}

impl Inner {
    /// Cancelled, and by nothing that has failed: the cause is what it is, and no handler wants it.
    fn is_only_cancelled(&self) -> bool {
        let later = self
            .rare
            .as_ref()
            .is_some_and(|rare| !rare.later.is_empty());
        self.root.as_ref().is_some_and(Error::is_cancellation) && !later
    }

    fn leave(&mut self) -> Left {
        Left {
            nodes: std::mem::replace(&mut self.nodes, NodeList::new()),
            parent: self.parent.take(),
            span: self.take_span(),
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
        Some(inner.take_unstarted())
    }

    /// The body has ended, or was dropped; once for each job.
    pub(crate) fn end_body(&self) {
        trace::completing(self);
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
        if self.core().tally.take_off() {
            self.seal(inner)
        } else {
            Counted::Waits
        }
    }

    /// Nobody is left.
    fn seal(&self, inner: &mut Inner) -> Counted {
        let core = self.core();
        if core.flags.any(CANCELLING) && !(inner.is_only_cancelled() && self.0.slot.keeps_nothing())
        {
            core.flags.set(SEALED);
            return Counted::Sealed;
        }
        core.flags.set(SEALED | FINAL | STARTED);
        if self.may_be_stacked(inner) {
            if let Some(parent) = &inner.parent {
                // The parent stays with the job until it is out of the list.
                let pushed = parent.core().tally.push(core.key().place(), &core.link);
                match pushed {
                    None => {}
                    Some(Pushed::Done) => return Counted::Stacked(None),
                    Some(pushed) => return Counted::Stacked(Some((parent.clone(), pushed))),
                }
            }
        }
        Counted::Final(inner.leave())
    }

    /// Whether this job may stay in the list of its parent for a while after its end, with all that it has. Nobody may wait for
    /// that, or see when it goes: so it has no result, no elements of its own and no span, and the probes have noted nothing of
    /// it. And the parent has a body, with whose end it ends: a parent that nobody completes would be kept by its children, and
    /// they by it.
    fn may_be_stacked(&self, inner: &Inner) -> bool {
        let core = self.core();
        let Some(parent) = inner.parent.as_ref().map(Job::core) else {
            return false;
        };
        inner.nodes.is_empty()
            && inner.rare.as_ref().is_none_or(|rare| rare.span.is_none())
            && !core.kind.is_polled_to_the_end()
            && !parent.kind.is_body_less()
            && core.context.ptr_eq(&parent.context)
            && self.0.slot.keeps_nothing()
            && !core.flags.any(NOTED)
    }

    /// Does at the parent of a stacked child what is to be done there.
    fn after_push(&self, pushed: Pushed) -> Counted {
        let core = self.core();
        match pushed {
            Pushed::Done => Counted::Waits,
            Pushed::Last => {
                let mut inner = core.inner.lock();
                // Somebody may have launched another one in between, which may have ended as well.
                if core.tally.left() > 0 || core.flags.any(SEALED) {
                    return Counted::Waits;
                }
                self.seal(&mut inner)
            }
            Pushed::Many => {
                let mut ended: Vec<Ended> = Vec::with_capacity(MANY as usize);
                let mut inner = core.inner.lock();
                if core.flags.any(SEALED) {
                    // They leave with the list.
                    return Counted::Waits;
                }
                ended.extend(std::iter::from_fn(|| inner.take_ended(&core.tally)));
                drop(inner);
                drop(ended);
                Counted::Waits
            }
        }
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
            let left = match counted {
                Counted::Waits | Counted::Stacked(None) => return,
                Counted::Stacked(Some((parent, pushed))) => {
                    counted = parent.after_push(pushed);
                    above = Some(parent);
                    continue;
                }
                Counted::Final(left) => left,
                Counted::Sealed => job.finish(&job.freeze_cause()),
            };
            let Left {
                nodes,
                parent,
                span,
            } = left;
            let core = job.core();
            probe::forget(core);
            trace::ended(job, span);
            if !nodes.is_empty() {
                job.tell_the_end(nodes);
            }
            if core.kind.is_polled_to_the_end() {
                job.wake(|| job.wake_body());
            }
            let Some(parent) = parent else { return };
            let child = {
                let mut inner = parent.core().inner.lock();
                let child = inner.nodes.remove(core.key());
                counted = parent.count_down(&mut inner);
                child
            };
            drop(child);
            above = Some(parent);
        }
    }

    /// Tells those who are in the list of a job that it has ended.
    fn tell_the_end(&self, nodes: NodeList<Node>) {
        let cause = self.final_cause();
        for node in nodes.into_values() {
            match node {
                Node::OnCompletion(handler) | Node::OnCancelling(handler) => {
                    handler.call_once(self, cause.as_ref());
                }
                Node::Waiter(waker) => self.wake(|| waker.wake()),
                Node::Select(ticket) => self.wake(|| {
                    ticket.claim();
                }),
                Node::Section(frame) => self.wake(|| frame.wake()),
                Node::Child(child) => drop(Ended(child)),
            }
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
            let later = inner.rare.as_mut().map(|rare| &mut rare.later);
            let mut all = later.map(std::mem::take).unwrap_or_default();
            all.splice(..0, inner.root.take());
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
