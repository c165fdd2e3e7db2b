//! IO: blocking tasks on threads beyond the workers, up to a cap.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use super::Pool;
use crate::Task;
use crate::config::sizes;
use crate::here::Here;

/// The IO queue of a pool, and its permits.
#[derive(Debug)]
pub(crate) struct Io {
    cap: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Task>,
    /// Threads that run IO tasks, and workers that block in place.
    active: usize,
}

impl Io {
    pub(super) fn new() -> Io {
        Io {
            cap: sizes().io,
            state: Mutex::default(),
        }
    }

    /// Queues `task`: true if the caller must start a thread for it, for which a permit is taken.
    fn push(&self, task: Task) -> bool {
        let mut state = self.state.lock();
        state.queue.push_back(task);
        let start = state.active < self.cap;
        state.active += usize::from(start);
        start
    }

    /// A permit to block in place, if one is free.
    pub(crate) fn try_permit<'a>(&'a self, pool: &'a Arc<Pool>) -> Option<Permit<'a>> {
        let mut state = self.state.lock();
        if state.active == self.cap {
            return None;
        }
        state.active += 1;
        Some(Permit(pool))
    }

    /// The next task for a thread with a permit; without one the permit is returned.
    fn pop(&self) -> Option<Task> {
        let mut state = self.state.lock();
        let task = state.queue.pop_front();
        state.active -= usize::from(task.is_none());
        task
    }

    /// Returns a permit: true if a task waited for it and the caller must start a thread, which has the permit.
    fn release(&self) -> bool {
        let mut state = self.state.lock();
        let start = !state.queue.is_empty();
        state.active -= usize::from(!start);
        start
    }

    pub(super) fn take_all(&self) -> VecDeque<Task> {
        std::mem::take(&mut self.state.lock().queue)
    }
}

/// A place under the cap, for a worker that blocks in place.
pub(crate) struct Permit<'a>(&'a Arc<Pool>);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.0.io.release() {
            start_thread(self.0);
        }
    }
}

/// Queues an IO task.
pub(super) fn push(pool: &Arc<Pool>, task: Task) {
    if pool.io.push(task) {
        start_thread(pool);
    }
}

/// Runs `task` on a thread of its own, without a permit. If the runtime shuts down before, the task is dropped.
pub(super) fn run_beyond_cap(pool: &Arc<Pool>, task: Task) {
    let here = Here::Io(pool.address());
    pool.handle.spawn_blocking(move || {
        let _here = here.enter();
        task.run();
    });
}

fn start_thread(pool: &Arc<Pool>) {
    let mut thread = Thread {
        pool: pool.clone(),
        done: false,
    };
    pool.handle.spawn_blocking(move || thread.run());
}

/// The work of one IO thread. Dropped without having run, it tells that the runtime has shut down.
struct Thread {
    pool: Arc<Pool>,
    done: bool,
}

impl Thread {
    fn run(&mut self) {
        let _here = Here::Io(self.pool.address()).enter();
        while !self.pool.gate.is_closed() {
            let Some(task) = self.pool.io.pop() else {
                self.done = true;
                return;
            };
            task.run();
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        if !self.done {
            self.pool.io.release();
            // The own runtime lives as long as the process: there it was the system that refused a thread.
            if !self.pool.own {
                self.pool.close();
            }
        }
    }
}
