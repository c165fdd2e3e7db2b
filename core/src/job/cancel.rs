//! Cancelling and failing: down the tree, then up (J-10, J-11, J-15).
//!
//! Nothing here recurses: down goes an explicit stack, up goes a loop.

use super::cell::{Kind, Node};
use super::handle::Job;
use super::on_completion::OnEnd;
use super::state::{CANCELLING, FINAL, SEALED, STARTED};
use crate::error::Error;
use crate::frame::{FrameRef, announce_cancellation};
use crate::trace;
use corox_scheduler::Task;
use std::sync::Arc;

/// What happened to the cause that was offered to a job.
enum Offered {
    /// Sealed or final: too late.
    Refused,
    /// It was cancelling already; the cause was noted.
    Noted,
    /// Cancelled before it was started: its coroutine is to be dropped, which completes it (J-5).
    Unstarted(Option<Task>),
    /// The cancellation begins: these are to be told, in order of registration.
    Begins(Vec<Told>),
}

enum Told {
    Child(Job),
    Section(FrameRef),
    Handler(Arc<dyn OnEnd>),
}

impl Job {
    /// Cancels or fails this job with `cause`: all descendants first, synchronously and in order of attachment, then, if
    /// it is a failure, the parent. `false` if it came too late (J-25).
    pub(crate) fn cancel_tree(&self, cause: Error) -> bool {
        self.cancel_tree_unless(cause, 0)
    }

    /// The same, unless one of `flags` is set; the look and the cancellation are one step.
    pub(crate) fn cancel_tree_unless(&self, cause: Error, flags: u8) -> bool {
        let Some(begun) = self.cancel_down(cause.clone(), flags) else {
            return false;
        };
        if begun && !cause.is_cancellation() {
            self.offer_up(&cause);
        }
        if self.core().kind.is_body_less() {
            self.end_body_less();
        }
        true
    }

    /// Offers a failure to the parent, which offers it on to its own, and so on. `true` if it is accounted for: taken by
    /// the parent, or to be returned to the caller of a scope. The answer counts only for a job that would report it.
    pub(crate) fn offer_up(&self, failure: &Error) -> bool {
        // What fails the coroutine around a cleanup is its panic only, whether it runs in place or as a child.
        if self.core().kind == Kind::Cleanup && !failure.is_panic() {
            return false;
        }
        let mut taken = None;
        let mut climbed = Vec::new();
        let mut at = self.clone();
        while !at.core().kind.is_scoped() {
            let Some(parent) = at.parent() else { break };
            if parent.core().kind.is_supervisor() {
                break;
            }
            let Some(begun) = parent.cancel_down(failure.clone(), 0) else {
                break;
            };
            if taken.is_none() {
                // The look may go up the whole tree, so only for those who report.
                taken = Some(!self.core().kind.reports() || parent.handles_failures());
            }
            climbed.push(parent.clone());
            if !begun {
                break;
            }
            at = parent;
        }
        for job in climbed.into_iter().rev() {
            if job.core().kind.is_body_less() {
                job.end_body_less();
            }
        }
        taken.unwrap_or(self.core().kind.is_scoped())
    }

    /// Whether failures of children are accounted for once this job was cancelled with them (J-26): a coroutine gives them
    /// on; a body-less job does so only if some job above it does.
    fn handles_failures(&self) -> bool {
        let mut at = self.clone();
        loop {
            match at.core().kind {
                Kind::JobImpl | Kind::SupervisorJobImpl => match at.parent() {
                    Some(parent) => at = parent,
                    None => return false,
                },
                _ => return true,
            }
        }
    }

    /// This job and everything below it. `None`: too late; otherwise whether the cancellation began here.
    fn cancel_down(&self, cause: Error, unless: u8) -> Option<bool> {
        cause.set_origin(self.core().token());
        let begun = match self.offer(&cause, unless) {
            Offered::Refused => return None,
            Offered::Noted => return Some(false),
            Offered::Unstarted(task) => {
                announce_cancellation();
                trace::cancelling(self, &cause);
                drop(task);
                return Some(true);
            }
            Offered::Begins(told) => told,
        };
        announce_cancellation();
        // Whether jobs were cancelled since.
        let mut more = false;
        trace::cancelling(self, &cause);
        let below = self.cause_for_children(cause.clone());
        // Each level is an iterator, so that what was registered between two children is told between them.
        let mut stack = vec![(self.clone(), begun.into_iter())];
        loop {
            let depth = stack.len();
            let Some((job, told)) = stack.last_mut() else {
                if more {
                    announce_cancellation();
                }
                return Some(true);
            };
            match told.next() {
                None => {
                    job.wake(|| job.wake_body());
                    let (job, _) = stack.pop().expect("the entry that was just looked at");
                    // The one on which `cancel_tree` was called is ended by it, after the way up.
                    if !stack.is_empty() && job.core().kind.is_body_less() {
                        if std::mem::take(&mut more) {
                            announce_cancellation();
                        }
                        job.end_body_less();
                    }
                }
                Some(Told::Section(frame)) => job.wake(|| frame.wake()),
                Some(Told::Handler(handler)) => {
                    let own = if depth == 1 { &cause } else { &below };
                    if std::mem::take(&mut more) {
                        announce_cancellation();
                    }
                    handler.call_once(job, Some(own));
                }
                Some(Told::Child(child)) => match child.offer(&below, 0) {
                    Offered::Refused | Offered::Noted => {}
                    Offered::Unstarted(task) => {
                        announce_cancellation();
                        trace::cancelling(&child, &below);
                        drop(task);
                    }
                    Offered::Begins(told) => {
                        more = true;
                        trace::cancelling(&child, &below);
                        stack.push((child, told.into_iter()));
                    }
                },
            }
        }
    }

    /// One job: notes the cause under its lock, and says what is to be done outside of it.
    fn offer(&self, cause: &Error, unless: u8) -> Offered {
        let core = self.core();
        let mut inner = core.inner.lock();
        if core.flags.any(SEALED | FINAL | unless) {
            return Offered::Refused;
        }
        if core.flags.any(CANCELLING) {
            // The first cancellation stays; a failure is kept beside it (J-24, J-37).
            let known = |error: &Error| error.ptr_eq(cause);
            if !cause.is_cancellation() && !inner.root.as_ref().is_some_and(known) {
                let later = &mut inner.rare.get_or_insert_default().later;
                if !later.iter().any(known) {
                    later.push(cause.clone());
                }
            }
            return Offered::Noted;
        }
        inner.root = Some(cause.clone());
        if !core.flags.any(STARTED) {
            core.flags.set(STARTED | CANCELLING);
            return Offered::Unstarted(inner.take_unstarted());
        }
        core.flags.set(CANCELLING);
        let told = inner
            .nodes
            .iter()
            .filter_map(|(_, node)| match node {
                Node::Child(child) if child.core().kind.is_shield() || child.is_completed() => None,
                Node::Child(child) => Some(Told::Child(child.clone())),
                Node::Section(frame) => Some(Told::Section(frame.clone())),
                // It stays in the list: if the job ends while its children are told, its turn comes with the end. Of the
                // two calls the first one counts.
                Node::OnCancelling(handler) => Some(Told::Handler(handler.clone())),
                Node::OnCompletion(_) | Node::Waiter(_) | Node::Select(_) => None,
            })
            .collect();
        Offered::Begins(told)
    }

    /// What the children of a job that was cancelled with `cause` are cancelled with (J-10).
    pub(crate) fn cause_for_children(&self, cause: Error) -> Error {
        if cause.is_cancellation() {
            return cause;
        }
        let below = Error::cancellation_caused_by("the parent coroutine has failed", cause);
        below.set_origin(self.core().token());
        below
    }
}
