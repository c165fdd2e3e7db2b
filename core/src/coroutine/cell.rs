//! The task of a coroutine lies in the allocation of its job.

use std::any::Any;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use corox_scheduler::{Task, TaskBody, TaskCell, Wakeup, Woken};
use futures_util::task::ArcWake;

use crate::job::{Job, JobCell, Slot};

/// What the job of a launched coroutine has besides its core: the place of the result, and that of the body.
pub(super) struct CoroutineCell<S, P> {
    result: S,
    body: TaskBody<P>,
}

impl<S, P> CoroutineCell<S, P> {
    pub(super) fn new(result: S, body: Option<P>) -> Self {
        CoroutineCell {
            result,
            body: TaskBody::new(body),
        }
    }

    /// The body of a coroutine that will not be started.
    pub(super) fn give_back(&self) -> Option<P> {
        self.body.give_back()
    }
}

impl<S, P> Slot for CoroutineCell<S, P>
where
    S: Slot,
    P: Future<Output = ()> + Send + 'static,
{
    fn keeps_nothing(&self) -> bool {
        self.result.keeps_nothing()
    }

    fn discard(&self, job: &Job) {
        self.result.discard(job);
    }

    fn wake(&self, job: &Job) {
        assert!(
            std::ptr::addr_eq(&job.0.slot, self),
            "the slot is that of another job"
        );
        let cell = Arc::as_ptr(&job.0).cast::<JobCell<Self>>();
        // SAFETY: a coroutine's cell is nowhere but in a job's, and this one is in that of `job`; so that is of this type. The count that
        // stands for this `Arc` is the one of `job`, which is borrowed longer than this lives.
        #[allow(unsafe_code)]
        let cell = ManuallyDrop::new(unsafe { Arc::from_raw(cell) });
        Task::wake(&cell);
    }

    fn as_any(&self) -> &dyn Any {
        self.result.as_any()
    }
}

impl<S, P> ArcWake for JobCell<CoroutineCell<S, P>>
where
    S: Slot,
    P: Future<Output = ()> + Send + 'static,
{
    fn wake(self: Arc<Self>) {
        Task::wake_with(self);
    }

    fn wake_by_ref(cell: &Arc<Self>) {
        Task::wake(cell);
    }
}

// SAFETY: a job is made in an `Arc` by `JobCell::attach`, and nothing in this crate takes one out of it: handles of jobs show only
// their core and their result.
#[allow(unsafe_code)]
unsafe impl<S, P> TaskCell for JobCell<CoroutineCell<S, P>>
where
    S: Slot,
    P: Future<Output = ()> + Send + 'static,
{
    type Future = P;

    fn body(&self) -> &TaskBody<P> {
        &self.slot.body
    }

    fn schedule(cell: &Arc<Self>, task: Task, how: Wakeup) {
        let context = &cell.core.context;
        if context.watch.is_some() || context.dispatcher.is_custom() {
            Job(cell.clone()).dispatch_again(task, how);
        } else if let Err(rejected) = context.dispatcher.dispatch(task, how) {
            Job(cell.clone()).was_rejected(rejected, how);
        }
    }

    #[inline]
    fn schedule_woken(woken: Woken<Self>) {
        let woken = if woken.cell().core.context.watch.is_some() {
            woken
        } else {
            match woken.queue_here(|cell| &cell.core.context.dispatcher) {
                Ok(()) => return,
                Err(woken) => woken,
            }
        };
        let cell = woken.cell().clone();
        Self::schedule(&cell, woken.into_task(), Wakeup::Wake);
    }
}
