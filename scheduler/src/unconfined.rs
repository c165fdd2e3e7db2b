//! The unconfined dispatcher: tasks run in place, nested ones in turn.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use crate::Task;
use crate::here::Here;

thread_local! {
    static ACTIVE: Cell<bool> = const { Cell::new(false) };
    static QUEUE: RefCell<VecDeque<Task>> = const { RefCell::new(VecDeque::new()) };
}

/// Runs `task` here and now, or, inside a running unconfined task of this thread, behind those already waiting.
pub(crate) fn dispatch(task: Task) {
    if ACTIVE.get() {
        QUEUE.with_borrow_mut(|queue| queue.push_back(task));
        return;
    }
    let _here = Here::Unconfined.enter();
    run_first(task);
}

/// The same for an immediate dispatcher, whose thread this is: what runs here stays what it was.
pub(crate) fn run_in_turn(task: Task) {
    if ACTIVE.get() {
        QUEUE.with_borrow_mut(|queue| queue.push_back(task));
        return;
    }
    run_first(task);
}

fn run_first(task: Task) {
    let _active = Active::enter(true);
    task.run();
    run_queue();
}

/// True if no task of the unconfined dispatcher waits on this thread for the running one to return.
///
/// A coroutine that yields in [`Dispatcher::UNCONFINED`](crate::Dispatcher::UNCONFINED) has nobody to give way to then.
///
/// # Examples
/// ```
/// use corox_scheduler::{Dispatcher, Task, Wakeup, unconfined_queue_is_empty};
/// use std::sync::mpsc;
///
/// assert!(unconfined_queue_is_empty());
/// let (tx, rx) = mpsc::channel();
/// let body = async move {
///     let other = Task::new(async {}, |_, _| {});
///     Dispatcher::UNCONFINED.dispatch(other, Wakeup::Launch).unwrap(); // runs after this one
///     tx.send(unconfined_queue_is_empty()).unwrap();
/// };
/// Dispatcher::UNCONFINED.dispatch(Task::new(body, |_, _| {}), Wakeup::Launch).unwrap();
/// assert_eq!(rx.try_recv(), Ok(false));
/// ```
pub fn unconfined_queue_is_empty() -> bool {
    QUEUE.with_borrow(VecDeque::is_empty)
}

fn run_queue() {
    while let Some(task) = QUEUE.with_borrow_mut(VecDeque::pop_front) {
        task.run();
    }
}

/// Before this thread blocks inside an unconfined task: runs what waits for that task, which would otherwise wait
/// for the blocking to end, and lets tasks run in place until the guard is dropped.
pub(crate) fn suspend() -> Active {
    if ACTIVE.get() {
        let _here = Here::Unconfined.enter();
        run_queue();
    }
    Active::enter(false)
}

/// Restores whether this thread is in the unconfined loop.
#[derive(Debug)]
pub(crate) struct Active(bool);

impl Active {
    fn enter(active: bool) -> Active {
        Active(ACTIVE.replace(active))
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        ACTIVE.set(self.0);
    }
}
