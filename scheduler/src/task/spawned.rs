//! A task that has nothing besides its future and what schedules it.

use std::future::Future;
use std::sync::Arc;

use futures_util::task::ArcWake;

use super::body::{TaskBody, TaskCell};
use super::{Task, Wakeup};

/// See [`Task::new`].
pub(super) struct Spawned<F, S> {
    body: TaskBody<F>,
    schedule: S,
}

impl<F, S> Spawned<F, S>
where
    F: Future<Output = ()> + Send + 'static,
    S: Fn(Task, Wakeup) + Send + Sync + 'static,
{
    pub(super) fn first(future: F, schedule: S) -> Task {
        let cell = Arc::new(Spawned {
            body: TaskBody::new(Some(future)),
            schedule,
        });
        Task::first(cell, |_| {})
    }
}

impl<F, S> ArcWake for Spawned<F, S>
where
    F: Future<Output = ()> + Send + 'static,
    S: Fn(Task, Wakeup) + Send + Sync + 'static,
{
    fn wake_by_ref(cell: &Arc<Self>) {
        Task::wake(cell);
    }
}

// SAFETY: the cell is made in `first`, which gives its only `Arc` to the task; tasks and wakers do not take it out of there.
#[allow(unsafe_code)]
unsafe impl<F, S> TaskCell for Spawned<F, S>
where
    F: Future<Output = ()> + Send + 'static,
    S: Fn(Task, Wakeup) + Send + Sync + 'static,
{
    type Future = F;

    fn body(&self) -> &TaskBody<F> {
        &self.body
    }

    fn schedule(cell: &Arc<Self>, task: Task, how: Wakeup) {
        (cell.schedule)(task, how);
    }
}
