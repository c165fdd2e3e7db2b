//! The worker pool: drainers that live as tasks on tokio's workers and share this crate's own queues.
//!
//! ```text
//!   launch ───> back of the pushing drainer's deque ─┐
//!   wake ─────> its next slot ───────────────────────┼──> drainers ──> Task::run
//!   yield, or ─> injector ───────────────────────────┘    (steal from one another)
//!   from outside
//! ```

mod drainer;
mod gate;
mod idle;
mod io;
mod monitor;
mod on_close;
mod pace;
mod registry;
mod seat;
mod spares;
#[cfg(test)]
mod tests;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use crossbeam_deque::Injector;
use parking_lot::RwLock;
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::here::Here;
use crate::task::report;
use crate::{Rejected, Task, Wakeup};
use drainer::{Drainer, Keeper};
use gate::Gate;
use idle::Idle;
pub(crate) use io::Io;
pub use on_close::OnClose;
pub(crate) use on_close::Told;
pub(crate) use registry::{of, own, own_if_started, shut_down_own};
use seat::{Local, Seat};
pub(crate) use spares::before_blocking;

/// Queues the task if this thread is running a task of the pool with this address: in the next slot of its drainer. Or if it is one of
/// tokio's that polls that pool's drainers, and runs something of tokio's, as the I/O driver. Else does not ask for the task.
#[inline]
pub(crate) fn push_woken(pool: usize, task: impl FnOnce() -> Option<Task>) {
    match Here::current() {
        Here::Pool(here) if here == pool => push_next(pool, task),
        Here::Nothing => {
            let push = |pool: &Arc<Pool>, seat: &Seat| {
                if !pool.gate.is_closed() {
                    if let Some(task) = task() {
                        pool.push_beside(seat, task);
                    }
                }
            };
            seat::with_polled(pool, push);
        }
        _ => {}
    }
}

fn push_next(pool: usize, task: impl FnOnce() -> Option<Task>) {
    let helped = Local::with_any(|local| {
        let this = &local.pool;
        if this.address() != pool || this.fifo || this.gate.is_closed() {
            return None;
        }
        local.push_next(task()?);
        // One is run as soon as what runs here has done its turn.
        let more = this.idle.any() && local.wants_help(1, Instant::now);
        (more || !this.armed.load(Ordering::Relaxed)).then(|| (this.clone(), more))
    });
    if let Some((pool, more)) = helped.flatten() {
        if more {
            pool.wake_one(true);
        }
        pool.watch();
    }
}

/// The tasks of one tokio runtime.
pub(crate) struct Pool {
    handle: Handle,
    own: bool,
    /// On a current-thread runtime: one drainer, strict order.
    fifo: bool,
    workers: usize,
    injector: Injector<Task>,
    gate: Gate,
    /// The monitor looks at this pool.
    armed: AtomicBool,
    /// The monitor's next look has nothing to compare with.
    rearmed: AtomicBool,
    idle: Idle,
    seats: RwLock<Arc<[Arc<Seat>]>>,
    /// Goes up when `seats` changes.
    generation: AtomicUsize,
    /// How many of the seats are stuck.
    stuck: AtomicUsize,
    /// A spare was spawned and has not run yet.
    spare_coming: AtomicBool,
    io: Io,
    timers: OnceLock<bool>,
    told: Told,
}

impl Pool {
    fn new(handle: Handle, own: bool) -> Pool {
        let fifo = handle.runtime_flavor() != RuntimeFlavor::MultiThread;
        let workers = if fifo {
            1
        } else {
            handle.metrics().num_workers()
        };
        Pool {
            handle,
            own,
            fifo,
            workers,
            injector: Injector::new(),
            gate: Gate::new(),
            armed: AtomicBool::new(false),
            rearmed: AtomicBool::new(false),
            idle: Idle::new(),
            seats: RwLock::new(Arc::from([])),
            generation: AtomicUsize::new(1),
            stuck: AtomicUsize::new(0),
            spare_coming: AtomicBool::new(false),
            io: Io::new(),
            timers: OnceLock::new(),
            told: Told::default(),
        }
    }

    /// Spawns the drainers.
    fn start(self: &Arc<Self>) {
        self.handle.spawn(Keeper(self.clone()));
        let locals = (0..self.workers).map(|number| Local::new(self.clone(), Some(number)));
        let locals = locals.collect::<Vec<_>>();
        let seats = locals.iter().map(|local| local.seat.clone());
        *self.seats.write() = seats.collect();
        self.generation.fetch_add(1, Ordering::Release);
        for local in locals {
            self.handle.spawn(Drainer::new(local));
        }
    }

    fn spawn_spare(self: &Arc<Self>) {
        let local = Local::new(self.clone(), None);
        {
            let mut seats = self.seats.write();
            *seats = seats.iter().chain([&local.seat]).cloned().collect();
        }
        self.generation.fetch_add(1, Ordering::Release);
        self.handle.spawn(Drainer::new(local));
    }

    /// A drainer is polled for the first time.
    fn started(&self, seat: &Seat) {
        if seat.spare {
            self.spare_coming.store(false, Ordering::Release);
        }
    }

    /// A spare has retired.
    fn leave(&self, seat: &Arc<Seat>) {
        {
            let mut seats = self.seats.write();
            let others = seats.iter().filter(|other| !Arc::ptr_eq(other, seat));
            *seats = others.cloned().collect();
        }
        self.generation.fetch_add(1, Ordering::Release);
    }

    fn seats(&self) -> Arc<[Arc<Seat>]> {
        self.seats.read().clone()
    }

    /// Brings a drainer's copy of the seats up to date.
    fn refresh(&self, copy: &mut (usize, Arc<[Arc<Seat>]>)) {
        let generation = self.generation.load(Ordering::Acquire);
        if copy.0 != generation {
            *copy = (generation, self.seats());
        }
    }

    /// Whether this thread is running a task of this pool, and its drainer goes on when that returns. A thread that blocks inside a
    /// task, as an IO thread or in a loop, is a stranger: what it pushes must not wait for it.
    fn is_inside(&self) -> bool {
        match Here::current() {
            Here::Pool(pool) => pool == self.address(),
            Here::Unconfined | Here::Custom(_) => Local::with(self, |_| ()).is_some(),
            Here::Nothing | Here::Io(_) | Here::Loop(_) => false,
        }
    }

    /// Takes `task` to run it.
    pub(crate) fn push(self: &Arc<Self>, task: Task, how: Wakeup) -> Result<(), Rejected> {
        if self.gate.is_closed() {
            return Err(self.rejected(task));
        }
        let inside = self.is_inside();
        if inside && !self.fifo {
            let mut task = Some(task);
            let more = Local::with(self, |local| {
                match (how, task.take()) {
                    (_, None) => {}
                    (Wakeup::Yield, Some(task)) => self.injector.push(task),
                    (Wakeup::Wake, Some(task)) => local.push_next(task),
                    (Wakeup::Launch | Wakeup::Again, Some(task)) => local.push_back(task),
                }
                self.idle.any()
                    && match how {
                        Wakeup::Wake => local.wants_help(1, Instant::now),
                        Wakeup::Launch | Wakeup::Again => local.len() > 1,
                        // What has yielded waits in the injector.
                        Wakeup::Yield => local.len() > 0,
                    }
            });
            if let Some(task) = task {
                self.push_outside(task);
                return Ok(());
            }
            if more == Some(true) {
                self.wake_one(true);
            }
            self.watch();
            return Ok(());
        }
        if inside {
            // The only drainer is running, and looks at both before it sleeps. What others pushed before this is in the
            // injector or was moved to the deque already; so the deque is its place if the injector is empty.
            let mut task = Some(task);
            if self.injector.is_empty() {
                Local::with(self, |local| task.take().map(|task| local.push_back(task)));
            }
            if let Some(task) = task {
                self.injector.push(task);
            }
            return Ok(());
        }
        self.push_outside(task);
        Ok(())
    }

    fn push_outside(self: &Arc<Self>, task: Task) {
        let mut task = Some(task);
        seat::with_polled(self.address(), |_, seat| {
            if let Some(task) = task.take() {
                self.push_beside(seat, task);
            }
        });
        if let Some(task) = task {
            self.inject(task);
        }
    }

    /// Takes `task` on the thread that polled the drainer of `seat` last, and is not polling it. tokio polls it here next if it is woken
    /// here, as it would a task of its own; so what its I/O driver or a task of tokio's wakes is run at once, on the core that has it in
    /// its cache.
    fn push_beside(self: &Arc<Self>, seat: &Seat, task: Task) {
        if !self.idle.claim_this(&seat.status) {
            return self.inject(task);
        }
        // Else where it is looked for next: a drainer that was polled for nothing has pushed since.
        if let Some(old) = seat.put_next(task) {
            self.injector.push(old);
        }
        let closed = self.gate.closed_after_push();
        self.wake(seat, false);
        self.pushed(closed);
    }

    /// Puts `task` where everybody looks for it.
    fn inject(self: &Arc<Self>, task: Task) {
        self.injector.push(task);
        // Its fence stands between the push and the look at the gate, too: one is enough for both protocols.
        let somebody_is_idle = self.idle.any_after_push();
        let closed = self.gate.is_closed();
        if somebody_is_idle {
            self.wake_one(false);
        } else if self.stuck.load(Ordering::Relaxed) > 0 {
            self.add_spare();
        }
        self.pushed(closed);
    }

    fn pushed(self: &Arc<Self>, closed: bool) {
        self.watch();
        if closed {
            self.sweep();
        }
    }

    /// Takes `task` to run it on an IO thread.
    pub(crate) fn push_io(self: &Arc<Self>, task: Task) -> Result<(), Rejected> {
        if self.gate.is_closed() {
            return Err(self.rejected(task));
        }
        io::push(self, task);
        if self.gate.closed_after_push() {
            self.sweep();
        }
        Ok(())
    }

    /// Takes `task` to run it on a blocking thread, whether the IO cap is reached or not.
    pub(crate) fn push_io_beyond_cap(self: &Arc<Self>, task: Task) -> Result<(), Rejected> {
        if self.gate.is_closed() {
            return Err(self.rejected(task));
        }
        io::run_beyond_cap(self, task);
        Ok(())
    }

    /// How many tasks run at a time, but for what blocks.
    pub(crate) fn workers(&self) -> usize {
        self.workers
    }

    fn rejected(&self, task: Task) -> Rejected {
        Rejected::new(task, "the tokio runtime of this dispatcher has shut down")
    }

    fn watch(self: &Arc<Self>) {
        if !self.fifo && !self.armed.load(Ordering::Relaxed) {
            monitor::arm(self);
        }
    }

    /// Wakes an idle drainer, unless one is being woken.
    fn wake_one(&self, from_drainer: bool) {
        let claimed = {
            let seats = self.seats.read();
            let statuses = seats.iter().map(|seat| &seat.status);
            self.idle.claim(statuses).map(|at| seats[at].clone())
        };
        if let Some(seat) = claimed {
            self.wake(&seat, from_drainer);
        }
    }

    fn wake(&self, seat: &Seat, from_drainer: bool) {
        if let Some(waker) = seat.waker.get() {
            waker.wake_by_ref();
        }
        if from_drainer {
            // tokio put the drainer into this worker's own slot, which nobody steals from, and notified
            // no one. Another task pushes it out from there.
            self.handle.spawn(async {});
        }
    }

    /// A drainer that has found work wakes the next one if there is more.
    fn chain(&self) {
        if self.idle.any() {
            let more = !self.injector.is_empty()
                || Local::with(self, |local| local.wants_help(0, Instant::now)).unwrap_or(false);
            if more {
                self.wake_one(true);
            }
        }
    }

    /// Whether there is work for a drainer that has nothing in its own deque.
    fn has_work_to_steal(&self) -> bool {
        let anywhere = |seats: &[Arc<Seat>]| seats.iter().any(|seat| !seat.stealer.is_empty());
        !self.injector.is_empty()
            || Local::with(self, |local| local.with_peers(anywhere)).unwrap_or(false)
    }

    /// The runtime shuts down: from now on tasks are rejected, and those queued are given back.
    pub(crate) fn close(&self) {
        self.gate.close();
        registry::forget(self);
        self.told.tell();
        self.sweep();
    }

    /// Tells `who` when the runtime has shut down; at once if it has.
    pub(crate) fn on_close(&self, who: Weak<dyn OnClose>) {
        self.told.add(who);
        if self.gate.closed_after_push() {
            self.told.tell();
        }
    }

    fn sweep(&self) {
        let mut left = Vec::new();
        left.extend(std::iter::from_fn(|| seat::steal(|| self.injector.steal())));
        for seat in self.seats().iter() {
            left.extend(seat.take_next());
            left.extend(std::iter::from_fn(|| seat::steal(|| seat.stealer.steal())));
        }
        left.extend(self.io.take_all());
        for task in left {
            give_back(task);
        }
    }

    pub(crate) fn io(&self) -> &Io {
        &self.io
    }

    pub(crate) fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    pub(crate) fn is_own(&self) -> bool {
        self.own
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.gate.is_closed()
    }

    /// Whether the runtime was built with a time driver. Asking tokio is making a timer, which panics if not; so it is asked once.
    pub(crate) fn has_timers(&self) -> bool {
        self.own
            || *self.timers.get_or_init(|| {
                let _context = self.handle.enter();
                let made = catch_unwind(|| drop(tokio::time::sleep(std::time::Duration::ZERO)));
                made.is_ok()
            })
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("runtime", &self.handle.id())
            .field("workers", &self.workers)
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// Hands a task that cannot run here to its schedule function, which is told to go elsewhere.
pub(crate) fn give_back(task: Task) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| task.reschedule())) {
        report(panic, "the schedule function of a task panicked");
    }
}

pub(crate) fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}
