//! A task that was woken and is not handed over yet.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Task;
use super::body::{AnyCell, TaskCell};
use crate::dispatcher::Kind;
use crate::{Dispatcher, event_loop, pool};

/// What [`TaskCell::schedule_woken`] is given: a task that is due, as the waker's own reference to its cell.
///
/// Dropping it drops the future of the task, as it is with a [`Task`].
///
/// # Examples
/// ```
/// use corox_scheduler::{Dispatcher, Task, TaskBody, TaskCell, Wakeup, Woken, block_on};
/// use futures_util::task::ArcWake;
/// use std::future::Future;
/// use std::pin::Pin;
/// use std::sync::Arc;
///
/// type Body = Pin<Box<dyn Future<Output = ()> + Send>>;
///
/// struct Cell {
///     dispatcher: Dispatcher,
///     body: TaskBody<Body>,
/// }
///
/// impl ArcWake for Cell {
///     fn wake(self: Arc<Self>) {
///         Task::wake_with(self);
///     }
///
///     fn wake_by_ref(cell: &Arc<Self>) {
///         Task::wake(cell);
///     }
/// }
///
/// // SAFETY: the cell stays in the `Arc` that `Task::first` gets.
/// unsafe impl TaskCell for Cell {
///     type Future = Body;
///
///     fn body(&self) -> &TaskBody<Body> {
///         &self.body
///     }
///
///     fn schedule(cell: &Arc<Self>, task: Task, how: Wakeup) {
///         cell.dispatcher.dispatch(task, how).unwrap();
///     }
///
///     fn schedule_woken(woken: Woken<Self>) {
///         if let Err(woken) = woken.queue_here(|cell| &cell.dispatcher) {
///             let cell = woken.cell().clone();
///             Self::schedule(&cell, woken.into_task(), Wakeup::Wake);
///         }
///     }
/// }
///
/// let (tx, rx) = tokio::sync::oneshot::channel();
/// let (done, wait) = tokio::sync::oneshot::channel();
/// let body: Body = Box::pin(async move { done.send(rx.await.unwrap() + 1).unwrap() });
/// let answer = block_on(|dispatcher| async move {
///     let cell = Arc::new(Cell { dispatcher, body: TaskBody::new(Some(body)) });
///     let task = Task::first(cell.clone(), |_| {});
///     Cell::schedule(&cell, task, Wakeup::Launch);
///     std::thread::spawn(move || tx.send(41).unwrap());
///     wait.await.unwrap()
/// });
/// assert_eq!(answer, 42);
/// ```
#[must_use = "dropping it drops the future of the task"]
pub struct Woken<C: TaskCell>(Option<Arc<C>>);

impl<C: TaskCell> Woken<C> {
    /// The caller was told to make a task of the cell.
    pub(super) fn new(cell: Arc<C>) -> Woken<C> {
        Woken(Some(cell))
    }

    /// Where it lies; see the example of [`Woken`].
    #[must_use]
    pub fn cell(&self) -> &Arc<C> {
        match &self.0 {
            Some(cell) => cell,
            None => unreachable!("it is taken out only with the whole"),
        }
    }

    /// The task; see the example of [`Woken`].
    pub fn into_task(mut self) -> Task {
        Task(self.0.take().map(|cell| cell as Arc<dyn AnyCell>))
    }

    /// Queues the task with `dispatcher`, which may lie in the cell, if it queues on this thread and does nothing else: an event
    /// loop that runs here, or the pool that has this worker. Then no other reference to the cell is needed, though the task may
    /// have run and gone before this returns.
    ///
    /// See the example of [`Woken`].
    ///
    /// # Errors
    /// For any other dispatcher: gives the task back.
    #[inline]
    pub fn queue_here(self, dispatcher: impl FnOnce(&C) -> &Dispatcher) -> Result<(), Woken<C>> {
        let cell = self.cell();
        if AnyCell::owner(&**cell).load(Ordering::Relaxed) != 0 {
            return Err(self);
        }
        // By address: what lies in the cell is not looked at once the task is queued.
        let (is_loop, address) = match &dispatcher(cell).kind {
            Kind::Loop(events) => (true, Arc::as_ptr(events).addr()),
            Kind::Default => (false, pool::own().address()),
            Kind::Pool(pool) => (false, pool.address()),
            _ => return Err(self),
        };
        let mut woken = Some(self);
        let task = || woken.take().map(Woken::into_task);
        if is_loop {
            event_loop::push_woken(address, task);
        } else {
            pool::push_woken(address, task);
        }
        woken.map_or(Ok(()), Err)
    }
}

impl<C: TaskCell> Drop for Woken<C> {
    fn drop(&mut self) {
        if let Some(cell) = self.0.take() {
            drop(Task(Some(cell)));
        }
    }
}

impl<C: TaskCell> fmt::Debug for Woken<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Woken")
    }
}
