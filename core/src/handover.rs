//! Handing a coroutine to its dispatcher, which may refuse it, lose it, or panic (D-15, J-39).
//!
//! ```text
//!   hand_over: noted for this thread -- dispatch --+-- takes the task -------------> runs it, now or later
//!                                                  |
//!                                                  +-- rejects it -----------------> cancelled; the task goes to the
//!                                                  |                                 process's own pool, or is dropped
//!                                                  |                                 if that rejects it, too
//!                                                  +-- drops it (and may panic) ---> noted by dropped_in_handover; the body
//!                                                  |                                 ends when dispatch has returned
//!                                                  +-- panics, and keeps it -------> fails; the body ends when the task
//!                                                                                    runs or is dropped
//! ```
//!
//! The note is for the third case: there the destructor of the body runs inside of the dispatcher, and the job may end only when
//! it is known whether that panics, too. It is made for custom dispatchers only; those of the scheduler do not do so.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use corox_scheduler::{Rejected, Task, Wakeup, fallback};

use crate::coroutine::end_with;
use crate::driver::Payload;
use crate::error::{Error, panic_message};
use crate::job::Job;

/// The coroutine that a custom dispatcher is being given.
struct Handed {
    job: Job,
    /// The dispatcher has dropped the task, and the body with it; the job has still to be told that its body has ended.
    dropped: bool,
    guard_panic: Option<Payload>,
}

thread_local! {
    static HANDED: RefCell<Option<Handed>> = const { RefCell::new(None) };
}

/// The coroutine that a custom dispatcher is being given on this thread: whose task it is that `dispatch` has been called with.
pub fn being_handed_over() -> Option<Job> {
    let job = HANDED.try_with(|handed| Some(handed.borrow().as_ref()?.job.clone()));
    job.ok().flatten()
}

impl Job {
    /// Hands the coroutine of this job to its dispatcher for the first time.
    ///
    /// # Panics
    ///
    /// With the panic of a custom dispatcher, after the coroutine has failed with it; and if it is
    /// [`MAIN`](corox_scheduler::Dispatcher::MAIN) and there is none.
    pub(crate) fn dispatch_first(&self, task: Task) {
        if self.context().dispatcher.is_custom() {
            self.dispatch_first_to_custom(task);
        } else {
            self.dispatch(task, Wakeup::Launch);
        }
    }

    #[cold]
    fn dispatch_first_to_custom(&self, task: Task) {
        if self.context().dispatcher.lacks_main() {
            // Said here, where the line of the launch is known.
            let text = format!(
                "there is no main dispatcher for what is launched at {}: call `set_main(..)` with that of the user interface's thread first, or use another dispatcher",
                self.location()
            );
            self.cancel_tree(Error::at_location(text.clone(), self.location()));
            drop(task);
            panic!("{text}");
        }
        let panicked = self.hand_over(task, Wakeup::Launch, |payload| {
            let text = panic_message(&*payload);
            let dispatcher = &self.context().dispatcher;
            let error = format!("{dispatcher:?} has panicked when {self} was handed to it: {text}");
            (Error::msg(error), Some(payload))
        });
        if let Some(payload) = panicked {
            resume_unwind(payload);
        }
    }

    /// The same at a wake, which must not unwind into whoever woke it: the coroutine fails with the panic.
    pub(crate) fn dispatch_again(&self, task: Task, how: Wakeup) {
        if self.context().dispatcher.is_custom() {
            self.hand_over(task, how, |payload| {
                (Error::from_panic(payload, self.location()), None)
            });
        } else {
            self.dispatch(task, how);
        }
    }

    /// Hands the task to a custom dispatcher; if that panics, the job fails with what `error_of` makes of that, and what it leaves of
    /// the payload is given back.
    fn hand_over(
        &self,
        task: Task,
        how: Wakeup,
        error_of: impl FnOnce(Payload) -> (Error, Option<Payload>),
    ) -> Option<Payload> {
        let handed = Handed {
            job: self.clone(),
            dropped: false,
            guard_panic: None,
        };
        let outer = HANDED.try_with(|current| current.replace(Some(handed)));
        let result = catch_unwind(AssertUnwindSafe(|| self.dispatch(task, how)));
        let outer = outer.ok().flatten();
        let handed = HANDED.try_with(|current| current.replace(outer));
        let (error, payload) = match result {
            Ok(()) => (None, None),
            Err(payload) => {
                let (error, payload) = error_of(payload);
                (Some(error), payload)
            }
        };
        match (handed.ok().flatten().filter(|handed| handed.dropped), error) {
            (Some(handed), error) => end_with(self, error, handed.guard_panic),
            // The dispatcher panicked and kept the task: the body ends when it runs or drops that.
            (None, Some(error)) => {
                self.cancel_tree(error);
            }
            (None, None) => {}
        }
        payload
    }

    /// The task of this job was dropped, and its body with it: is it in the hands of a dispatcher on this thread, which will
    /// end the body when it returns? Gives the panic back if not.
    pub(crate) fn dropped_in_handover(
        &self,
        guard_panic: Option<Payload>,
    ) -> Result<(), Option<Payload>> {
        let mut guard_panic = Some(guard_panic);
        let noted = HANDED.try_with(|current| match &mut *current.borrow_mut() {
            Some(handed) if handed.job.ptr_eq(self) => {
                handed.dropped = true;
                handed.guard_panic = guard_panic.take().flatten();
                true
            }
            _ => false,
        });
        match (noted, guard_panic) {
            (Ok(true), _) => Ok(()),
            (_, guard_panic) => Err(guard_panic.flatten()),
        }
    }

    /// If the dispatcher rejects the task, the job is cancelled and its cleanup runs on the process's own pool (D-15).
    fn dispatch(&self, task: Task, how: Wakeup) {
        let dispatcher = &self.context().dispatcher;
        let task = match &self.context().watch {
            Some(watched) => watched.handing_over(self, task),
            None => task,
        };
        if let Err(rejected) = dispatcher.dispatch(task, how) {
            self.was_rejected(rejected, how);
        }
    }

    #[cold]
    pub(crate) fn was_rejected(&self, rejected: Rejected, how: Wakeup) {
        let dispatcher = &self.context().dispatcher;
        let reason = rejected.reason();
        let message = format!("{dispatcher:?} has rejected {self}: {reason}");
        self.cancel_tree(Error::at_cancellation(message, self.location()));
        if let Err(again) = fallback().dispatch(rejected.into_task(), how) {
            // The process's own pool is gone, too: the body is dropped here, which completes the job.
            drop(again);
        }
    }
}
