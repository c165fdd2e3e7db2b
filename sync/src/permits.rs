//! Permits, and who waits for them: what a semaphore is, and a lock with one of them.
//!
//! One word says how many permits there are and whether somebody waits. As long as nobody does, they are taken and given back by
//! one exchange of the word. Once the mark `WAITED` is set, every such exchange fails, and the word belongs to whoever has the lock
//! of the line: so those who wait are served in their order, and nobody overtakes them.
//!
//! What holds whenever the lock of the line is free:
//!
//! - `WAITED` is set if and only if somebody waits.
//! - The first who waits needs more permits than there are; or is a select that is being polled, which looks itself afterwards; or
//!   one that another clause has won, which settles the line when it leaves.
//! - Each permit is in one place: in the word, with an entry that was served and whose owner has not been polled since, with a
//!   guard, or without one (`unguarded`).
//!
//! No step under the lock calls foreign code: what is to be woken or dropped is returned.

use std::fmt;
use std::panic::Location;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::task::Waker;

use corox_core::probe::is_installed;
use corox_core::probe_protocol::{self as probes, Identity, Which};
use corox_core::waiters_protocol::{
    Claimed, FirstPanic, Key, Queue, Released, State, Waiter, Waiters,
};

use crate::owner::OwnerNumber;
use crate::shim::{AtomicU64, AtomicUsize, Mutex, MutexGuard};

/// Somebody waits.
const WAITED: usize = 1;
/// A permit in the word.
const ONE: usize = 2;

/// As many permits as the word has room for.
pub(crate) const MOST: usize = usize::MAX / ONE;

pub(crate) struct Permits {
    word: AtomicUsize,
    /// Of a lock: who has it, as a number of [`LockOwner`](crate::LockOwner), or 0.
    owner: AtomicU64,
    line: Mutex<Line>,
    all: usize,
    made: &'static Location<'static>,
}

/// Who waits, and what was taken and belongs to no guard.
pub(crate) struct Line {
    pub(crate) waiters: Waiters<Want>,
    queue: Queue,
    unguarded: usize,
}

/// What somebody waits for.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Want {
    pub(crate) permits: usize,
    pub(crate) owner: OwnerNumber,
}

impl Want {
    /// A lock, for nobody by name.
    pub(crate) const ONE: Want = Want::of(1);

    pub(crate) const fn of(permits: usize) -> Want {
        Want { permits, owner: 0 }
    }
}

/// Whom to wake after the lock, in order.
#[derive(Default)]
#[must_use = "to be woken after the lock"]
pub(crate) struct Wakers {
    first: Option<Waker>,
    others: Vec<Waker>,
    /// That of the caller, who needs no wake: only to be dropped.
    own: Option<Waker>,
}

impl Wakers {
    fn push(&mut self, waker: Waker) {
        if self.first.is_none() {
            self.first = Some(waker);
        } else {
            self.others.push(waker);
        }
    }

    /// Each of them, whatever another one does; `made` is where the lock was.
    fn wake(self, made: &'static Location<'static>) {
        drop(self.own);
        let Some(first) = self.first else { return };
        if self.others.is_empty() {
            return first.wake();
        }
        let mut panics = FirstPanic::default();
        for waker in [first].into_iter().chain(self.others) {
            panics.run(made, || waker.wake());
        }
        panics.resume();
    }
}

/// Why permits without a guard cannot be given back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NotUnguarded {
    /// As many are not there: this many are.
    Only(usize),
    OtherOwner,
}

macro_rules! constructor {
    ($($const:tt)?) => {
        pub(crate) $($const)? fn new(all: usize, unguarded: usize, made: &'static Location<'static>) -> Self {
            Permits {
                word: AtomicUsize::new((all - unguarded) * ONE),
                owner: AtomicU64::new(0),
                line: Mutex::new(Line {
                    waiters: Waiters::new(),
                    queue: Queue::new(),
                    unguarded,
                }),
                all,
                made,
            }
        }
    };
}

impl Permits {
    #[cfg(not(corox_loom))]
    constructor!(const);
    #[cfg(corox_loom)]
    constructor!();

    /// How many there are in all.
    pub(crate) fn all(&self) -> usize {
        self.all
    }

    /// How many nobody has.
    pub(crate) fn available(&self) -> usize {
        self.word.load(Acquire) / ONE
    }

    /// Whether one who comes now would have to wait for all of them.
    pub(crate) fn is_taken(&self) -> bool {
        self.word.load(Acquire) != self.all * ONE
    }

    /// Whether `owner` has them.
    pub(crate) fn is_owned_by(&self, owner: OwnerNumber) -> bool {
        owner != 0 && self.owner.load(Acquire) == owner
    }

    /// Takes what is there, unless somebody waits.
    #[inline]
    pub(crate) fn try_take(&self, want: Want) -> bool {
        let size = want.permits * ONE;
        if size == 0 {
            return true;
        }
        let mut word = self.word.load(Relaxed);
        loop {
            if word < size {
                return false;
            }
            if word & WAITED != 0 {
                if self.is_waited_for() {
                    return false;
                }
                word = self.word.load(Relaxed);
                continue;
            }
            match self
                .word
                .compare_exchange_weak(word, word - size, Acquire, Relaxed)
            {
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        if want.owner != 0 {
            self.owner.store(want.owner, Release);
        }
        true
    }

    /// Somebody waited a moment ago; whether that is so is known under the lock alone, where a select is perhaps just served.
    #[cold]
    #[inline(never)]
    fn is_waited_for(&self) -> bool {
        let mut line = self.line.lock();
        // Perhaps there are only selects that another clause has won.
        let wakers = self.settle(&mut line, 0, None);
        let waited = !line.queue.is_empty();
        drop(line);
        wakers.wake(self.made);
        waited
    }

    /// Gives back what was taken, to those who wait first.
    #[inline]
    pub(crate) fn give_back(&self, permits: usize) {
        let mut word = self.word.load(Relaxed);
        while word & WAITED == 0 {
            let more = word + permits * ONE;
            match self
                .word
                .compare_exchange_weak(word, more, Release, Relaxed)
            {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
        self.give_back_slowly(permits);
    }

    #[inline(never)]
    fn give_back_slowly(&self, permits: usize) {
        let mut line = self.line.lock();
        let wakers = self.settle(&mut line, permits, None);
        drop(line);
        wakers.wake(self.made);
    }

    /// The same of a lock, which nobody owns afterwards.
    #[inline]
    pub(crate) fn give_back_owned(&self, permits: usize) {
        if self.owner.load(Relaxed) != 0 {
            self.owner.store(0, Release);
        }
        self.give_back(permits);
    }

    /// Adds `more` permits and serves those who wait, in order, as far as the permits go. `me` is the caller's own entry, which
    /// is not woken.
    fn settle(&self, line: &mut Line, more: usize, me: Option<Key>) -> Wakers {
        // From here on nobody else writes the word. What was done before a release that it has seen is seen by those it serves.
        let mut free = self.word.fetch_or(WAITED, Acquire) / ONE + more;
        let mut wakers = Wakers::default();
        loop {
            let fits = |want: &Want| want.permits <= free;
            let Claimed::First(key, waker) = line.waiters.claim_in_turn(&mut line.queue, fits)
            else {
                break;
            };
            let want = *line.waiters.value(key);
            free -= want.permits;
            if want.owner != 0 {
                self.owner.store(want.owner, Release);
            }
            match waker {
                waker if me == Some(key) => wakers.own = waker,
                Some(waker) => wakers.push(waker),
                None => {}
            }
        }
        let waited = if line.queue.is_empty() { 0 } else { WAITED };
        self.word.store((free * ONE) | waited, Release);
        wakers
    }

    /// Appends one who waits, unless it is its turn already.
    pub(crate) fn wait(&self, waiter: Waiter, want: Want) -> (Key, bool) {
        let mut guard = self.line.lock();
        let line = &mut *guard;
        let key = line.waiters.push(&mut line.queue, waiter, want);
        let wakers = self.settle(line, 0, Some(key));
        let served = line.waiters.state(key) != State::Queued;
        drop(guard);
        wakers.wake(self.made);
        (key, served)
    }

    pub(crate) fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock()
    }

    /// Looks whether somebody can be served: a select that was passed over while it was polled. Whether that was `me`, or it was
    /// lost by another one.
    pub(crate) fn look_again(&self, me: Key) -> bool {
        let mut line = self.line.lock();
        let wakers = self.settle(&mut line, 0, Some(me));
        let served = line.waiters.state(me) != State::Queued;
        drop(line);
        wakers.wake(self.made);
        served
    }

    /// Takes back the entry of one who was served and has been told.
    pub(crate) fn take_up(&self, key: Key) {
        let released = self.line.lock().take_up(key);
        drop(released);
    }

    /// Takes back the entry of one who has gone; what it was served goes to the next.
    #[cold]
    #[inline(never)]
    pub(crate) fn leave(&self, key: Key) {
        let mut line = self.line.lock();
        let released = line.release(key);
        let mut more = 0;
        if released.state == State::Done {
            more = released.value.permits;
            self.owner.store(0, Release);
        }
        let wakers = self.settle(&mut line, more, None);
        drop(line);
        drop(released);
        wakers.wake(self.made);
    }

    /// Permits that were taken belong to no guard any more.
    pub(crate) fn forget(&self, permits: usize) {
        self.line.lock().unguarded += permits;
    }

    /// Gives back permits that belong to no guard; `owner`: only if it has the lock.
    pub(crate) fn give_back_unguarded(
        &self,
        permits: usize,
        owner: Option<OwnerNumber>,
    ) -> Result<(), NotUnguarded> {
        let mut line = self.line.lock();
        let Some(left) = line.unguarded.checked_sub(permits) else {
            return Err(NotUnguarded::Only(line.unguarded));
        };
        // Only whoever holds the lock of the line can end a lock without a guard, and so change its owner.
        if owner.is_some_and(|owner| self.owner.load(Relaxed) != owner) {
            return Err(NotUnguarded::OtherOwner);
        }
        line.unguarded = left;
        self.owner.store(0, Release);
        let wakers = self.settle(&mut line, permits, None);
        drop(line);
        wakers.wake(self.made);
        Ok(())
    }

    pub(crate) fn made(&self) -> &'static Location<'static> {
        self.made
    }

    /// Which one it is, for dumps.
    pub(crate) fn which(&self, kind: &'static str) -> Which {
        Which {
            kind,
            identity: Identity::of(self),
            made: self.made,
        }
    }

    /// A guard of permits that were taken begins, for the probes if there are any. `may_move`: to another coroutine.
    #[inline]
    pub(crate) fn note_taken(&self, permits: usize, kind: &'static str, may_move: bool) {
        if is_installed() {
            self.note_taken_slowly(permits, kind, may_move);
        }
    }

    #[cold]
    #[inline(never)]
    fn note_taken_slowly(&self, permits: usize, kind: &'static str, may_move: bool) {
        if permits > 0 {
            probes::taken(self.which(kind), permits, may_move);
        }
    }

    /// The guard ends. Before the permits go to others, so that these are not taken for two who hold one permit.
    #[inline]
    pub(crate) fn note_given_back(&self, permits: usize, may_have_moved: bool) {
        if is_installed() {
            self.note_given_back_slowly(permits, may_have_moved);
        }
    }

    #[cold]
    #[inline(never)]
    fn note_given_back_slowly(&self, permits: usize, may_have_moved: bool) {
        if permits > 0 {
            probes::given_back(Identity::of(self), permits, may_have_moved);
        }
    }
}

impl Line {
    /// As [`Permits::take_up`]; to be dropped after the lock.
    pub(crate) fn take_up(&mut self, key: Key) -> Released<Want> {
        let released = self.release(key);
        debug_assert_eq!(released.state, State::Done);
        released
    }

    fn release(&mut self, key: Key) -> Released<Want> {
        self.waiters.release(&mut self.queue, key)
    }
}

/// Which one it is, by the line that made it.
impl fmt::Debug for Permits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "made at {}", self.made)
    }
}

#[cfg(all(test, not(corox_loom)))]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll};

    use super::*;
    use crate::{Mutex, Semaphore};

    fn wait<F: Future>(future: F) {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(pin!(future).poll(&mut cx).is_pending());
    }

    #[test]
    fn a_million_waits_that_are_given_up_leave_nothing() {
        let (mutex, semaphore) = (Mutex::new(()), Semaphore::with_acquired(2, 2));
        let guard = mutex.try_lock().unwrap();
        for _ in 0..250_000 {
            wait(mutex.lock());
            wait(corox_core::select((mutex.on_lock(), mutex.on_lock())));
            wait(semaphore.acquire_many(2));
            wait(semaphore.acquire());
        }
        let mut many: Vec<_> = (0..1000).map(|_| mutex.lock()).collect();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(
            many.iter_mut()
                .all(|it| pin!(it).poll(&mut cx).is_pending())
        );
        drop(many);
        for permits in [&mutex.permits, &semaphore.permits] {
            let line = permits.line();
            assert_eq!(line.waiters.live(), 0);
            assert!(line.waiters.capacity() <= 64 && line.queue.is_empty());
            assert_eq!(permits.word.load(Relaxed), 0);
        }
        drop(guard);
        assert_eq!(mutex.permits.word.load(Relaxed), ONE);
    }

    /// A lock is a word, its owner, the line and where it was made; a future is a reference, a place and no allocation.
    #[test]
    fn sizes() {
        let word = size_of::<usize>();
        assert!(
            size_of::<Mutex<()>>() <= 14 * word,
            "{}",
            size_of::<Mutex<()>>()
        );
        assert!(size_of::<crate::Lock<'_, ()>>() <= 4 * word);
        assert_eq!(size_of::<crate::SemaphorePermit<'_>>(), 2 * word);
        assert_eq!(size_of::<crate::MutexGuard<'_, ()>>(), 2 * word);
        assert_eq!(size_of::<Option<crate::MutexGuard<'_, ()>>>(), 2 * word);
        assert!(matches!(
            pin!(Mutex::new(()).lock()).poll(&mut Context::from_waker(Waker::noop())),
            Poll::Ready(_)
        ));
    }
}
