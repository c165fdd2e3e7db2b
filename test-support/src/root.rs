//! The waker of a test's body.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Wake;

use crate::TestScheduler;

const QUEUED: u8 = 1;
const POLLED: u8 = 2;

/// Puts the body into the queue of the scheduler, once until its next poll; woken during a poll, after that, so that it goes
/// behind what it has queued there.
pub(crate) struct RootWaker {
    scheduler: TestScheduler,
    state: AtomicU8,
}

impl RootWaker {
    pub(crate) fn new(scheduler: TestScheduler) -> Arc<RootWaker> {
        Arc::new(RootWaker {
            scheduler,
            state: AtomicU8::new(0),
        })
    }

    /// The body is about to be polled.
    pub(crate) fn begin_poll(&self) {
        self.state.swap(POLLED, Ordering::AcqRel);
    }

    /// The poll was pending.
    pub(crate) fn end_poll(self: &Arc<Self>) {
        if self.state.fetch_and(QUEUED, Ordering::AcqRel) & QUEUED != 0 {
            self.scheduler.0.push_root(self.clone());
        }
    }
}

impl Wake for RootWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.fetch_or(QUEUED, Ordering::AcqRel) == 0 {
            self.scheduler.0.push_root(self.clone());
        }
    }
}
