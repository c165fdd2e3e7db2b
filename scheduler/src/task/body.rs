//! The future of a task, in the allocation of whoever owns the task.

use std::cell::UnsafeCell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll};

use futures_util::task::{ArcWake, waker_ref};

use super::turn::Turn;
use super::{Task, Wakeup, Woken, report};

/// The place of a task's future, in a [`TaskCell`], and whose turn it is to poll it; see the example of [`TaskCell`].
///
/// Only a [`Task`] looks into the place, and there is one at a time.
pub struct TaskBody<F> {
    turn: Turn,
    /// The custom dispatcher that the task was last handed to, as an address; 0 for the dispatchers of this crate.
    owner: AtomicUsize,
    future: UnsafeCell<Option<F>>,
}

// SAFETY: a shared body gives no reference to its future. The future is used by one thread at a time (see the type), and moves
// between threads, for which `Send` is enough.
#[allow(unsafe_code)]
unsafe impl<F: Send> Sync for TaskBody<F> {}

// As with the future in a `Mutex`: it is dropped where it panics.
impl<F> std::panic::RefUnwindSafe for TaskBody<F> {}

impl<F> TaskBody<F> {
    /// A place with a future, or with none yet; see the example of [`TaskCell`].
    #[must_use]
    pub fn new(future: Option<F>) -> Self {
        TaskBody {
            turn: Turn::new(),
            owner: AtomicUsize::new(0),
            future: UnsafeCell::new(future),
        }
    }

    /// Takes the future out before there is a task, instead of [`Task::first`]; `None` if there was one, or none will be.
    ///
    /// ```
    /// use corox_scheduler::TaskBody;
    ///
    /// let body = TaskBody::new(Some(std::future::ready(())));
    /// assert!(body.give_back().is_some());
    /// assert!(body.give_back().is_none());
    /// ```
    pub fn give_back(&self) -> Option<F> {
        if !self.turn.begin() {
            return None;
        }
        // SAFETY: the first turn was begun right here, and nobody is given it; so far the future was not pinned.
        #[allow(unsafe_code)]
        unsafe {
            (*self.future.get()).take()
        }
    }

    /// The place before the first turn.
    ///
    /// # Safety
    ///
    /// It is the caller who has begun the first turn, and who has not given it on.
    #[allow(unsafe_code, clippy::mut_from_ref)]
    pub(super) unsafe fn place(&self) -> &mut Option<F> {
        // SAFETY: no task is there yet, so this is the only reference.
        unsafe { &mut *self.future.get() }
    }
}

impl<F> std::fmt::Debug for TaskBody<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TaskBody")
    }
}

/// Nobody has the task any more, and nobody will wake it. Panics of destructors end here.
impl<F> Drop for TaskBody<F> {
    fn drop(&mut self) {
        let place = self.future.get_mut();
        if place.is_some() {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| *place = None)) {
                report(panic, "the destructor of a task panicked");
            }
        }
    }
}

/// What owns a task: an allocation with its future and with whatever else belongs to it, so that both need one only.
///
/// For libraries that build on this crate; others use [`Task::new`].
///
/// # Examples
/// ```
/// use corox_scheduler::{Task, TaskBody, TaskCell, Wakeup};
/// use futures_util::task::ArcWake;
/// use std::future::{Ready, ready};
/// use std::sync::Arc;
///
/// /// A future and its name.
/// struct Named {
///     name: &'static str,
///     body: TaskBody<Ready<()>>,
/// }
///
/// impl ArcWake for Named {
///     fn wake_by_ref(cell: &Arc<Self>) {
///         Task::wake(cell);
///     }
/// }
///
/// // SAFETY: the cell stays in the `Arc` that `Task::first` gets.
/// unsafe impl TaskCell for Named {
///     type Future = Ready<()>;
///
///     fn body(&self) -> &TaskBody<Ready<()>> {
///         &self.body
///     }
///
///     fn schedule(cell: &Arc<Self>, task: Task, how: Wakeup) {
///         println!("{} is due: {how:?}", cell.name);
///         task.run();
///     }
/// }
///
/// let cell = Arc::new(Named { name: "one", body: TaskBody::new(Some(ready(()))) });
/// Task::first(cell.clone(), |_| {}).run();
/// Task::wake(&cell); // It has ended: nothing happens.
/// assert_eq!(Arc::strong_count(&cell), 1);
/// ```
///
/// # Safety
///
/// - A cell that was given to [`Task::first`] is never moved out of its `Arc`, and nothing in it is exposed by which its
///   [`TaskBody`] could be moved: the future in it is pinned.
/// - [`body`](TaskCell::body) gives one and the same body each time, which lies in the cell itself.
#[allow(unsafe_code)]
pub unsafe trait TaskCell: ArcWake + Sized + 'static {
    /// What the task polls.
    type Future: Future<Output = ()> + Send + 'static;

    /// The place of the future; see the example of [`TaskCell`].
    fn body(&self) -> &TaskBody<Self::Future>;

    /// Hands the task to whoever is to run it; see the example of [`TaskCell`].
    ///
    /// Called each time it is woken, on whichever thread wakes; not for the first turn.
    fn schedule(cell: &Arc<Self>, task: Task, how: Wakeup);

    /// As [`schedule`](TaskCell::schedule), called by [`Task::wake_with`]; by default it calls that. See the example of [`Woken`].
    ///
    /// One that can often do with [`Woken::queue_here`] saves a reference count for each wake.
    fn schedule_woken(woken: Woken<Self>) {
        let cell = woken.cell().clone();
        Self::schedule(&cell, woken.into_task(), Wakeup::Wake);
    }
}

/// A cell, whatever it has besides.
pub(super) trait AnyCell: Send + Sync {
    fn owner(&self) -> &AtomicUsize;

    /// Has the turn of a task: polls.
    fn run(self: Arc<Self>);

    /// Has the turn of a task, and uses it to drop the future.
    fn discard(self: Arc<Self>);

    fn reschedule(self: Arc<Self>);
}

impl<C: TaskCell> AnyCell for C {
    fn owner(&self) -> &AtomicUsize {
        &self.body().owner
    }

    fn run(self: Arc<Self>) {
        let body = self.body();
        body.turn.start();
        let waker = waker_ref(&self);
        let mut cx = Context::from_waker(&waker);
        // SAFETY: this is the task's turn, and the cell stays where it is.
        #[allow(unsafe_code)]
        let ended = unsafe { body.poll(&mut cx) };
        if ended {
            body.turn.end();
        } else if body.turn.pause() {
            let how = super::cause_of_next_turn();
            // Another thread may run the task, and drop it, before `schedule` has returned.
            let cell = self.clone();
            let again = AssertUnwindSafe(|| C::schedule(&cell, Task(Some(self)), how));
            if let Err(panic) = catch_unwind(again) {
                report(panic, "the schedule function of a task panicked");
            }
        }
    }

    fn discard(self: Arc<Self>) {
        let body = self.body();
        body.turn.start();
        // SAFETY: this is the task's turn, and the cell stays where it is.
        #[allow(unsafe_code)]
        unsafe {
            body.clear();
        }
        body.turn.end();
    }

    fn reschedule(self: Arc<Self>) {
        let cell = self.clone();
        C::schedule(&cell, Task(Some(self)), Wakeup::Launch);
    }
}

#[allow(unsafe_code)]
impl<F: Future<Output = ()>> TaskBody<F> {
    /// Polls the future once; true if it has ended, and is gone. Panics end here.
    ///
    /// # Safety
    ///
    /// It is the caller's turn, and the body is not moved any more.
    unsafe fn poll(&self, cx: &mut Context<'_>) -> bool {
        // SAFETY: nobody else has the turn, so this is the only reference.
        let place = unsafe { &mut *self.future.get() };
        let Some(future) = place else { return true };
        // SAFETY: the future stays in this place until it is dropped there.
        let future = unsafe { Pin::new_unchecked(future) };
        match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(Poll::Pending) => return false,
            Ok(Poll::Ready(())) => {}
            Err(panic) => report(panic, "a task panicked"),
        }
        // SAFETY: as the caller has promised.
        unsafe { self.clear() };
        true
    }

    /// Drops the future. Panics of its destructor end here.
    ///
    /// # Safety
    ///
    /// It is the caller's turn.
    unsafe fn clear(&self) {
        // SAFETY: nobody else has the turn, so this is the only reference.
        let place = unsafe { &mut *self.future.get() };
        // Assigning writes the `None` on the unwinding path as well.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| *place = None)) {
            report(panic, "the destructor of a task panicked");
        }
    }

    pub(super) fn turn(&self) -> &Turn {
        &self.turn
    }
}
