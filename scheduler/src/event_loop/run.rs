//! [`block_on`]: a root future and its loop, nested or not.

use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;

use super::current::{Current, Installed};
use super::queued::Queued;
use super::{Event, EventLoop, Root};
use crate::dispatcher::Kind;
use crate::here::Here;
use crate::may_block::is_in_task;
use crate::slice::Slice;
use crate::{Dispatcher, host, pool, unconfined};

/// How many events run before tokio gets its turn, if they are done soon.
const BATCH: usize = 128;
/// If they are not. tokio's turn costs more here: it is entered, and left.
const SLICE: Duration = Duration::from_millis(1);
/// How many events run before the timers are looked at.
const TIMERS: usize = 16;

/// Blocks this thread: runs the future that `make` returns as the root of the thread's event loop, until it completes.
///
/// `make` is called once, with the loop's dispatcher. Root and tasks are run one at a time on this thread, in the exact
/// order in which they were launched or woken, timers by deadline; tokio's I/O and timers work in them. At least
/// after every 128 events tokio gets its turn, and after about a millisecond.
///
/// **Nested**, from inside a task or the root of the same thread's loop, it runs the same queue, timers and runtime, so what it waits for may be
/// a task of the outer loop. A future that is being polled further down the stack is polled again when control returns there.
///
/// **In a multi-thread tokio runtime** it is wrapped in [`tokio::task::block_in_place`].
///
/// **When the root is done**, each task in the queue has one turn more. What is queued after that moves to the process's own pool, and so
/// do the timers and everything that is dispatched to this loop later. Tasks started by `tokio::spawn` on the loop's thread belong to the
/// loop's runtime and are dropped; its blocking tasks are not waited for; sockets and tokio timers registered with it report errors
/// from then on.
///
/// Kotlin: `runBlocking`.
///
/// # Panics
/// On the thread of a current-thread tokio runtime, from inside its `block_on`: everything there would stop. Passes on
/// a panic of the root, after what is queued was moved, without a turn. Panics if the operating system refuses the runtime its
/// resources.
///
/// # Examples
/// ```
/// use corox_scheduler::{Task, block_on};
///
/// let (tx, rx) = tokio::sync::oneshot::channel();
/// let sum = block_on(|events| async move {
///     let here = events.clone();
///     let task = Task::new(async move { tx.send(20).unwrap() }, move |task, how| {
///         here.dispatch(task, how).unwrap();
///     });
///     task.reschedule();
///     rx.await.unwrap() + 22
/// });
/// assert_eq!(sum, 42);
/// ```
#[doc(alias = "runBlocking")]
#[track_caller]
pub fn block_on<F: Future>(make: impl FnOnce(Dispatcher) -> F) -> F::Output {
    let current = Current::get();
    let context = Handle::try_current().ok();
    let parked = current.as_ref().is_some_and(|current| current.is_parked());
    let own_context = match (&current, &context) {
        (Some(current), Some(context)) => context.id() == current.runtime.handle().id(),
        (None, Some(_)) => false,
        (_, None) => true,
    };
    if !parked && own_context {
        return nested_or_not(current, make);
    }
    let hosted = host::current(context.as_ref()).is_some();
    let multi_thread =
        context.is_some_and(|context| context.runtime_flavor() == RuntimeFlavor::MultiThread);
    if !parked && multi_thread {
        return block_in_place(|| {
            pool::before_blocking();
            nested_or_not(current, make)
        });
    }
    // The thread may only carry the runtime's context, as those of `spawn_blocking` do.
    if parked || hosted || is_in_task() {
        panic!(
            "cannot block this thread: it runs a current-thread tokio runtime, where all tasks would stop. \
             Await `coroutine_scope(..)` instead, or block elsewhere: in `tokio::task::spawn_blocking` or `with_context(IO, ..)`"
        );
    }
    nested_or_not(current, make)
}

fn nested_or_not<F: Future>(
    current: Option<Rc<Current>>,
    make: impl FnOnce(Dispatcher) -> F,
) -> F::Output {
    match current {
        Some(current) => drive(&current, End::Left, make),
        None => {
            // Dropped after the last other `Rc`, on unwinding, too.
            let installed = Installed::new(false);
            let current = installed.current();
            drive(&current, End::Drained, make)
        }
    }
}

/// Makes a new thread that of a dispatcher which owns it, until the future that `make` returns has completed.
pub(crate) fn block_on_owned<F: Future>(make: impl FnOnce(Arc<EventLoop>) -> F) -> F::Output {
    let installed = Installed::new(true);
    let current = installed.current();
    let events = current.events.clone();
    drive(&current, End::Left, |_| make(events))
}

/// What becomes of the queue when a root has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// What is in it has one turn more: else the cleanup of what the root cancelled last would be in a race with what the thread
    /// does next, which may be to end the process.
    Drained,
    /// It stays as it is: the outer loop goes on with it, or it is that of a dispatcher that was closed.
    Left,
}

fn drive<F: Future>(
    current: &Rc<Current>,
    end: End,
    make: impl FnOnce(Dispatcher) -> F,
) -> F::Output {
    let events = &current.events;
    let _unconfined = unconfined::suspend();
    // Held for the whole time, so that the root is dropped in it as well.
    let _context = current.runtime.enter();
    let here = Here::Loop(Arc::as_ptr(events).addr());
    let _here = here.enter();
    let mut future = pin!(make(Kind::Loop(events.clone()).into()));
    let root = Arc::new(Root {
        events: events.clone(),
        queued: Queued::new(),
        kept: AtomicBool::new(false),
    });
    let waker = Waker::from(root.clone());
    let mut cx = Context::from_waker(&waker);
    waker.wake_by_ref();
    loop {
        let mut slice = Slice::new(SLICE);
        for count in 0..BATCH {
            if slice.is_over() {
                break;
            }
            if count % TIMERS == 0 {
                events.fire_due();
            }
            let kept = root.kept.load(Ordering::Acquire);
            let its_turn = if kept {
                // Set by a nested loop of this very thread only.
                root.kept.store(false, Ordering::Relaxed);
                true
            } else {
                match current.pop() {
                    None if events.fire_due() => false,
                    None => break,
                    Some(event) => run_event(current, event, &root),
                }
            };
            if its_turn {
                root.queued.begin_poll();
                if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
                    if end == End::Drained {
                        // One turn each: what is queued from here on is left.
                        for _ in 0..current.queued() {
                            if let Some(event) = current.pop() {
                                run_event(current, event, &root);
                            }
                        }
                    }
                    return output;
                }
                if root.queued.end_poll() {
                    root.queue();
                }
            }
        }
        // What tokio runs meanwhile is no coroutine of this loop.
        let _nothing = Here::Nothing.enter();
        current.park(!current.is_empty() || root.kept.load(Ordering::Acquire));
    }
}

/// True if it is the turn of `root`.
fn run_event(current: &Current, event: Event, root: &Arc<Root>) -> bool {
    match event {
        Event::Task(task) => task.run(),
        Event::Discard(number) => current.locals.discard(number),
        Event::Root(other) if Arc::ptr_eq(&other, root) => return true,
        Event::Root(other) => other.kept.store(true, Ordering::Release),
    }
    false
}
