//! Views: a dispatcher that runs at most so many tasks at a time on another one (D-4 to D-7).
//!
//! A view is a *limiter*, which holds across all runtimes, and a *base*, which is resolved for each tree of coroutines. Tasks
//! wait in the limiter's one queue, each with the base that it is to run on. Who runs them is a *worker*: a task on the base
//! that holds one of the permits.
//!
//! ```text
//!            push, and a permit is free                 the queue is empty
//!   (permit) ------------------------> [worker] --------------------------------> (permit returned)
//!      ^                                |  ^  | the next task is for another base: the permit moves
//!      |      16 tasks: behind the      |  |  +-------------------> [worker on that base]
//!      |      others of the base        +--+
//!      |                                   | refused or dropped by the base: the tasks for this base
//!      +-----------------------------------+ are given back, the permit moves on
//! ```
//!
//! While a task waits, a worker holds a permit: whoever returns one looks at the queue in the same step. The lock is held for
//! that step only; tasks run, and are dropped, without it. A dispatch that starts a worker allocates that (about 200 bytes);
//! one that finds all permits in use does not.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;

use crate::dispatcher::Kind;
use crate::task::report;
use crate::{Dispatcher, Home, Rejected, Task, Wakeup, mark_yield, pool};

/// How many tasks a worker runs before it goes behind the others of its base.
const BATCH: usize = 16;

/// Why a task for a runtime that has ended is refused.
const SHUT_DOWN: &str = "the tokio runtime of this dispatcher has shut down";

thread_local! {
    /// The limiters whose permits this thread has right now, as addresses: the views of views, the outermost first.
    static INSIDE: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    /// The hand-over of a worker that this thread is in.
    static HANDING: Cell<Handing> = const { Cell::new(Handing { limiter: 0, worker: 0, dropped: false }) };
}

#[derive(Clone, Copy)]
struct Handing {
    limiter: usize,
    /// The number of this very worker: a base may throw away others at the same time.
    worker: u64,
    /// The worker was dropped meanwhile: its permit is the giver's again.
    dropped: bool,
}

/// Notes that this thread has a permit of a limiter, until it is dropped.
struct Inside;

impl Inside {
    fn enter(limiter: &Limiter) -> Inside {
        INSIDE.with_borrow_mut(|inside| inside.push(limiter.address()));
        Inside
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.with_borrow_mut(Vec::pop);
    }
}

/// A limiter over a base.
pub(crate) struct View {
    limiter: Arc<Limiter>,
    base: Dispatcher,
}

struct Limiter {
    limit: usize,
    name: Option<Arc<str>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Entry>,
    /// Permits in use.
    running: usize,
    /// The last number given to a task or a worker.
    last: u64,
}

impl State {
    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}

struct Entry {
    task: Task,
    view: Arc<View>,
    number: u64,
}

/// How a hand-over of a worker to its base went.
enum Handed {
    /// The worker has the permit.
    Taken,
    Refused(String),
    /// The base threw the worker away.
    Dropped,
    Panicked {
        payload: Box<dyn Any + Send>,
        permit_back: bool,
    },
}

impl View {
    pub(crate) fn over(base: &Dispatcher, limit: usize, name: Option<Arc<str>>) -> Arc<View> {
        Arc::new(View {
            limiter: Arc::new(Limiter {
                limit,
                name,
                state: Mutex::default(),
            }),
            base: base.clone(),
        })
    }

    pub(crate) fn base(&self) -> &Dispatcher {
        &self.base
    }

    pub(crate) fn limit(&self) -> usize {
        self.limiter.limit
    }

    /// The same limiter on what the base stands for in `home`; `None` if that is the base itself, which has no more workers
    /// than the view allows.
    pub(crate) fn resolve(&self, home: &Home) -> Option<Arc<View>> {
        let base = self.base.resolve(home);
        if base.is_at_most(self.limiter.limit) {
            return None;
        }
        Some(Arc::new(View {
            limiter: self.limiter.clone(),
            base,
        }))
    }

    pub(crate) fn same(&self, other: &View) -> bool {
        Arc::ptr_eq(&self.limiter, &other.limiter) && self.base == other.base
    }

    pub(crate) fn runs_here(&self) -> bool {
        let limiter = self.limiter.address();
        INSIDE.with_borrow(|inside| inside.contains(&limiter)) && self.root().runs_here()
    }

    /// What is under all the views.
    fn root(&self) -> &Dispatcher {
        let mut base = &self.base;
        while let Kind::View(view) = &base.kind {
            base = &view.base;
        }
        base
    }

    /// Whether the runtime under this view has shut down.
    fn is_closed(&self) -> bool {
        match &self.root().kind {
            Kind::Pool(pool) | Kind::PoolIo(pool) => pool.is_closed(),
            _ => false,
        }
    }

    /// Queues `task`, and starts a worker if a permit is free.
    pub(crate) fn push(self: &Arc<Self>, task: Task) -> Result<(), Rejected> {
        if self.is_closed() {
            // Behind a worker of another runtime it would wait only to be given back.
            return Err(Rejected::new(task, SHUT_DOWN));
        }
        let limiter = &self.limiter;
        let (number, start) = {
            let mut state = limiter.state.lock();
            let number = state.number();
            state.queue.push_back(Entry {
                task,
                view: self.clone(),
                number,
            });
            let start = state.running < limiter.limit;
            state.running += usize::from(start);
            (number, start)
        };
        if !start {
            return Ok(());
        }
        let (reason, payload) = match self.hand_over_worker(number) {
            Handed::Taken => return Ok(()),
            Handed::Refused(reason) => (Some(reason), None),
            Handed::Dropped => (None, None),
            Handed::Panicked {
                payload,
                permit_back: true,
            } => (None, Some(payload)),
            // The base has kept the worker, which runs the task all the same.
            Handed::Panicked { payload, .. } => resume_unwind(payload),
        };
        // The permit is here again. Another worker may have taken the task meanwhile.
        let own = {
            let mut state = limiter.state.lock();
            let at = state.queue.iter().position(|entry| entry.number == number);
            at.and_then(|at| state.queue.remove(at))
        };
        limiter.pass_permit(VecDeque::new());
        match (own, reason, payload) {
            (Some(own), Some(reason), _) => Err(Rejected::new(own.task, reason)),
            (own, _, Some(payload)) => {
                drop(own);
                resume_unwind(payload)
            }
            (own, _, None) => {
                drop(own);
                Ok(())
            }
        }
    }

    /// Gives the base a worker for a permit that the caller has. No other worker of the limiter has this number.
    fn hand_over_worker(self: &Arc<Self>, number: u64) -> Handed {
        let base = self.base.clone();
        let worker = Worker {
            view: self.clone(),
            number,
            ended: false,
        };
        let worker = Task::new(worker, move |task, how| {
            // A refused worker is dropped, which gives back what it had to run.
            drop(start_on(&base, task, how).map_err(Rejected::into_task));
        });
        let outer = HANDING.replace(Handing {
            limiter: self.limiter.address(),
            worker: number,
            dropped: false,
        });
        let result = catch_unwind(AssertUnwindSafe(|| {
            start_on(&self.base, worker, Wakeup::Launch).map_err(|rejected| {
                let reason = rejected.reason().to_owned();
                drop(rejected);
                reason
            })
        }));
        let dropped = HANDING.replace(outer).dropped;
        match result {
            Ok(Err(reason)) => Handed::Refused(reason),
            // A runtime that has just shut down drops what it is given.
            Ok(Ok(())) if dropped && !self.base.is_custom() => {
                Handed::Refused(SHUT_DOWN.to_owned())
            }
            Ok(Ok(())) if dropped => Handed::Dropped,
            Ok(Ok(())) => Handed::Taken,
            Err(payload) => Handed::Panicked {
                payload,
                permit_back: dropped,
            },
        }
    }

    /// A permit for this thread to run something itself, if one is free.
    pub(crate) fn try_permit(&self) -> Option<Permit<'_>> {
        let mut state = self.limiter.state.lock();
        if state.running == self.limiter.limit {
            return None;
        }
        state.running += 1;
        Some(Permit {
            inside: Some(Inside::enter(&self.limiter)),
            limiter: &self.limiter,
        })
    }
}

/// Views on IO have threads of their own, beyond its cap (D-4).
fn start_on(base: &Dispatcher, worker: Task, how: Wakeup) -> Result<(), Rejected> {
    match &base.kind {
        Kind::PoolIo(pool) => pool.push_io_beyond_cap(worker),
        Kind::Io => pool::own().push_io_beyond_cap(worker),
        _ => base.dispatch(worker, how),
    }
}

impl Limiter {
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Uses a permit for the task at the front of the queue, or returns it if there is none; then gives back `given`, and the
    /// tasks whose base refused to take the permit.
    ///
    /// In this order: who reschedules a task to this very view must find the permit free and be refused by the base
    /// itself. While the permit was held, the task would queue here and be given back for ever.
    fn pass_permit(self: &Arc<Self>, mut given: VecDeque<Entry>) {
        loop {
            let (view, number) = {
                let mut state = self.state.lock();
                match state.queue.front() {
                    Some(entry) => (entry.view.clone(), state.number()),
                    None => {
                        state.running -= 1;
                        break;
                    }
                }
            };
            match view.hand_over_worker(number) {
                Handed::Taken
                | Handed::Panicked {
                    permit_back: false, ..
                } => break,
                Handed::Panicked { payload, .. } => {
                    report(payload, "a dispatcher under a view panicked");
                }
                Handed::Refused(_) | Handed::Dropped => {}
            }
            given.extend(self.take_all(&view.base));
        }
        for entry in given {
            pool::give_back(entry.task);
        }
    }

    /// The waiting tasks for `base`.
    fn take_all(&self, base: &Dispatcher) -> VecDeque<Entry> {
        let mut state = self.state.lock();
        let all = std::mem::take(&mut state.queue);
        let (taken, kept) = all.into_iter().partition(|entry| entry.view.base == *base);
        state.queue = kept;
        taken
    }
}

/// A permit in use by a thread; returned when dropped.
pub(crate) struct Permit<'a> {
    inside: Option<Inside>,
    limiter: &'a Arc<Limiter>,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.inside = None;
        self.limiter.pass_permit(VecDeque::new());
    }
}

/// Runs the tasks of a view; has a permit until it has ended.
struct Worker {
    view: Arc<View>,
    number: u64,
    ended: bool,
}

/// What a worker finds to do.
enum Next {
    Run(Task),
    /// Nothing, and the permit is returned.
    End,
    /// A task for another base.
    Move,
}

impl Worker {
    fn next(&self) -> Next {
        let mut state = self.view.limiter.state.lock();
        match state.queue.front() {
            Some(entry) if entry.view.base == self.view.base => match state.queue.pop_front() {
                Some(entry) => Next::Run(entry.task),
                None => Next::End,
            },
            Some(_) => Next::Move,
            None => {
                state.running -= 1;
                Next::End
            }
        }
    }
}

impl Future for Worker {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // An IO thread is there for this worker alone: nobody waits for it. A view under this one has others to serve.
        let batch = match self.view.base.kind {
            Kind::Io | Kind::PoolIo(_) => usize::MAX,
            _ => BATCH,
        };
        for _ in 0..batch {
            if self.view.is_closed() {
                // Dropped without having ended, it gives back what waits.
                return Poll::Ready(());
            }
            match self.next() {
                Next::Run(task) => {
                    let _inside = Inside::enter(&self.view.limiter);
                    task.run();
                }
                Next::End => {
                    self.ended = true;
                    return Poll::Ready(());
                }
                Next::Move => {
                    self.ended = true;
                    self.view.limiter.pass_permit(VecDeque::new());
                    return Poll::Ready(());
                }
            }
        }
        mark_yield();
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let mut handing = HANDING.get();
        if handing.worker == self.number && handing.limiter == self.view.limiter.address() {
            handing.dropped = true;
            HANDING.set(handing);
            return;
        }
        // The base has shut down, refused it, or thrown it away.
        let limiter = &self.view.limiter;
        limiter.pass_permit(limiter.take_all(&self.view.base));
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.limiter.name {
            Some(name) => f.write_str(name),
            None => write!(
                f,
                "{:?}.limited_parallelism({})",
                self.base, self.limiter.limit
            ),
        }
    }
}
