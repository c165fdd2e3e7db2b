//! A drainer's queues: the part everybody sees, and the part only the drainer's thread sees.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::time::Instant;

use crossbeam_deque::{Injector, Steal, Stealer, Worker};
use crossbeam_utils::CachePadded;
use crossbeam_utils::atomic::AtomicCell;

use super::Pool;
use super::idle::Status;
use super::pace::Pace;
use crate::Task;

/// How many tasks may run from the next slot in a row, so that the deque gets its turn.
const STREAK: u8 = 3;
/// Every so many tasks the injector comes first.
const INJECTOR_FIRST: u32 = 61;

/// So many short tasks may wait here while another drainer is idle: what they wait is less than it takes to wake one, and few coroutines
/// that wake each other all the time stay together.
const KEPT: usize = 4;

/// What everybody sees of a drainer.
pub(crate) struct Seat {
    pub(super) status: Status,
    /// Goes up with each task; the monitor compares.
    pub(super) epoch: CachePadded<AtomicUsize>,
    /// What the monitor saw last.
    pub(super) seen: AtomicUsize,
    /// The thread that polls this drainer is blocked; its batch ends when it comes back.
    pub(super) stuck: AtomicBool,
    /// What runs next. Others may take it.
    next: AtomicCell<Option<Task>>,
    /// False if the slot is surely empty, or was emptied by another; then its true content shows at the end of the batch.
    full: AtomicBool,
    pub(super) stealer: Stealer<Task>,
    /// Wakes the drainer, whichever of its polls it was taken from: it is that of a task of tokio.
    pub(super) waker: OnceLock<Waker>,
    pub(super) spare: bool,
}

impl Seat {
    fn new(stealer: Stealer<Task>, spare: bool) -> Seat {
        Seat {
            status: Status::new(),
            epoch: CachePadded::new(AtomicUsize::new(0)),
            seen: AtomicUsize::new(0),
            stuck: AtomicBool::new(false),
            next: AtomicCell::new(None),
            full: AtomicBool::new(false),
            stealer,
            waker: OnceLock::new(),
            spare,
        }
    }

    /// Whether a task waits here, as far as one can see.
    pub(super) fn has_work(&self) -> bool {
        self.full.load(Ordering::Relaxed) || !self.stealer.is_empty()
    }

    /// Takes the next slot's task, from whatever thread.
    pub(super) fn take_next(&self) -> Option<Task> {
        self.full.store(false, Ordering::Relaxed);
        self.next.take()
    }

    pub(super) fn put_next(&self, task: Task) -> Option<Task> {
        let old = self.next.swap(Some(task));
        self.full.store(true, Ordering::Relaxed);
        old
    }
}

/// The drainer's own part. It lies in [`LOCAL`] while the drainer is polled, else in the drainer.
pub(crate) struct Local {
    pub(super) pool: Arc<Pool>,
    pub(super) seat: Arc<Seat>,
    deque: Worker<Task>,
    epoch: Cell<usize>,
    streak: Cell<u8>,
    pub(super) pace: Pace,
    random: Cell<u32>,
    /// The seats of the pool, and the generation of that list.
    peers: RefCell<(usize, Arc<[Arc<Seat>]>)>,
}

thread_local! {
    /// The drainer that this thread polls.
    static LOCAL: RefCell<Option<Box<Local>>> = const { RefCell::new(None) };
    /// The one it polled last, neither a spare nor the only one, with its pool.
    static POLLED: RefCell<Option<(Arc<Pool>, Arc<Seat>)>> = const { RefCell::new(None) };
}

/// Runs `f` with the drainer, not a spare, that this thread polled last, if that is one of several of the pool with this address: a hint
/// which one is polled here next.
#[inline]
pub(super) fn with_polled<R>(pool: usize, f: impl FnOnce(&Arc<Pool>, &Seat) -> R) -> Option<R> {
    let run = |polled: &RefCell<Option<(Arc<Pool>, Arc<Seat>)>>| {
        let polled = polled.try_borrow().ok()?;
        let (its_pool, seat) = polled.as_ref()?;
        (its_pool.address() == pool).then(|| f(its_pool, seat))
    };
    POLLED.try_with(run).ok().flatten()
}

/// This thread polls the drainer of `local`.
fn note_polled(local: &Local) {
    if local.seat.spare || local.pool.fifo {
        return;
    }
    let note = |polled: &RefCell<Option<(Arc<Pool>, Arc<Seat>)>>| {
        let mut polled = polled.try_borrow_mut().ok()?;
        let same = polled
            .as_ref()
            .is_some_and(|(_, seat)| Arc::ptr_eq(seat, &local.seat));
        if same {
            return None;
        }
        polled.replace((local.pool.clone(), local.seat.clone()))
    };
    // What it was before goes when nothing is borrowed any more.
    drop(POLLED.try_with(note));
}

impl Local {
    /// `number` is `None` for a spare.
    pub(super) fn new(pool: Arc<Pool>, number: Option<usize>) -> Box<Local> {
        let deque = Worker::new_fifo();
        let seat = Arc::new(Seat::new(deque.stealer(), number.is_none()));
        let seed = number.map_or(pool.generation.load(Ordering::Relaxed), |number| !number);
        let peers = RefCell::new((0, Arc::from([])));
        Box::new(Local {
            pool,
            seat,
            deque,
            epoch: Cell::new(0),
            streak: Cell::new(0),
            pace: Pace::new(),
            random: Cell::new((seed as u32).wrapping_mul(0x9E37_79B9) | 1),
            peers,
        })
    }

    /// Runs `f` with the drainer of `pool` that this thread polls, if it does.
    pub(super) fn with<R>(pool: &Pool, f: impl FnOnce(&Local) -> R) -> Option<R> {
        Self::with_any(|local| std::ptr::eq(&*local.pool, pool).then(|| f(local))).flatten()
    }

    pub(super) fn with_any<R>(f: impl FnOnce(&Local) -> R) -> Option<R> {
        LOCAL
            .try_with(|local| local.borrow().as_deref().map(f))
            .ok()
            .flatten()
    }

    /// Puts `task` in the next slot, and what was there behind all others.
    pub(super) fn push_next(&self, task: Task) {
        if let Some(old) = self.seat.put_next(task) {
            self.deque.push(old);
        }
    }

    pub(super) fn push_back(&self, task: Task) {
        self.deque.push(task);
    }

    /// How many tasks wait in the deque and the slot.
    pub(super) fn len(&self) -> usize {
        self.deque.len() + usize::from(self.seat.full.load(Ordering::Relaxed))
    }

    /// Whether more than so many tasks wait here, and not just a few short ones: then an idle drainer shall take some. If one of those
    /// that are kept takes long all the same, the monitor sends help.
    pub(super) fn wants_help(&self, beyond: usize, now: impl FnOnce() -> Instant) -> bool {
        let waiting = self.len();
        waiting > beyond && (waiting > KEPT || !self.pace.is_short(self.epoch.get(), now))
    }

    /// Whether the next slot's task is the next to run.
    pub(super) fn has_next(&self) -> bool {
        self.seat.full.load(Ordering::Relaxed) && self.streak.get() < STREAK
    }

    /// Moves the next slot's task behind the others. Called before anything that keeps this drainer from running it.
    pub(super) fn flush(&self) {
        if let Some(task) = self.seat.take_next() {
            self.deque.push(task);
        }
        self.streak.set(0);
    }

    /// The monitor sees that this drainer moves.
    pub(super) fn bump(&self) -> usize {
        let epoch = self.epoch.get().wrapping_add(1);
        self.epoch.set(epoch);
        self.seat.epoch.store(epoch, Ordering::Relaxed);
        epoch
    }

    /// The next task to run, from wherever there is one.
    pub(super) fn next(&self) -> Option<Task> {
        let epoch = self.bump() as u32;
        let injector = &self.pool.injector;
        if self.pool.fifo {
            // What is in the deque came out of the injector, so it is older than what is still there.
            return self.deque.pop().or_else(|| self.take_batch(injector));
        }
        if epoch % INJECTOR_FIRST == 0 {
            if let Some(task) = steal(|| injector.steal()) {
                return Some(task);
            }
        }
        if self.seat.full.load(Ordering::Relaxed) {
            let streak = self.streak.get() + 1;
            if streak <= STREAK {
                self.streak.set(streak);
                if let Some(task) = self.seat.take_next() {
                    return Some(task);
                }
            } else {
                self.flush();
            }
        }
        self.streak.set(0);
        self.deque
            .pop()
            .or_else(|| self.take_batch(injector))
            .or_else(|| self.rob())
            // The flag of the slot is only a hint.
            .or_else(|| self.seat.take_next())
    }

    fn take_batch(&self, injector: &Injector<Task>) -> Option<Task> {
        if injector.is_empty() {
            return None;
        }
        steal(|| injector.steal_batch_and_pop(&self.deque))
    }

    /// Takes half of somebody's deque, starting anywhere.
    fn rob(&self) -> Option<Task> {
        self.with_peers(|peers| self.rob_one_of(peers))
    }

    /// Calls `f` with all seats of the pool.
    pub(super) fn with_peers<R>(&self, f: impl FnOnce(&[Arc<Seat>]) -> R) -> R {
        let mut peers = self.peers.borrow_mut();
        self.pool.refresh(&mut peers);
        f(&peers.1)
    }

    fn rob_one_of(&self, peers: &[Arc<Seat>]) -> Option<Task> {
        let mut random = self.random.get();
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        self.random.set(random);
        let start = random as usize % peers.len().max(1);
        let (after, before) = (&peers[start.min(peers.len())..], &peers[..start]);
        after
            .iter()
            .chain(before)
            .filter(|peer| !Arc::ptr_eq(peer, &self.seat) && !peer.stealer.is_empty())
            .find_map(|peer| steal(|| peer.stealer.steal_batch_and_pop(&self.deque)))
    }
}

/// Repeats an attempt that lost a race.
pub(super) fn steal(mut attempt: impl FnMut() -> Steal<Task>) -> Option<Task> {
    loop {
        match attempt() {
            Steal::Success(task) => return Some(task),
            Steal::Empty => return None,
            Steal::Retry => std::hint::spin_loop(),
        }
    }
}

/// While it lives, the drainer's own part lies in the thread-local; after it, in the drainer again, also on unwinding.
pub(super) struct Seated<'a> {
    home: &'a mut Option<Box<Local>>,
    outer: Option<Box<Local>>,
}

impl<'a> Seated<'a> {
    pub(super) fn enter(home: &'a mut Option<Box<Local>>) -> Seated<'a> {
        if let Some(local) = home {
            note_polled(local);
        }
        let outer = LOCAL.replace(home.take());
        Seated { home, outer }
    }
}

impl Drop for Seated<'_> {
    fn drop(&mut self) {
        *self.home = LOCAL.replace(self.outer.take());
    }
}
