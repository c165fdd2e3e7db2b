//! The waker of a test's body.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;

use crate::TestScheduler;

/// Puts the body into the queue of the scheduler, once until its next poll.
pub(crate) struct RootWaker {
    scheduler: TestScheduler,
    queued: AtomicBool,
}

impl RootWaker {
    pub(crate) fn new(scheduler: TestScheduler) -> Arc<RootWaker> {
        Arc::new(RootWaker {
            scheduler,
            queued: AtomicBool::new(false),
        })
    }

    /// The body is about to be polled.
    pub(crate) fn begin_poll(&self) {
        self.queued.store(false, Ordering::Release);
    }
}

impl Wake for RootWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.scheduler.0.push_root(self.clone());
        }
    }
}
