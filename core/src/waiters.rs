//! Who waits at a channel or a lock, in order: FIFO lists whose entries lie in one slab.
//!
//! ```text
//!            push            a peer claims it           the owner releases it
//!   (none) --------> Queued -----------------> Done ------------------------> free
//!                      |  `close`           -> Closed ----------------------> free
//!                      |  the peer finds a select that another clause has won
//!                      |                    -> Gone ------------------------> free
//!                      |  the owner releases it ----------------------------> free
//! ```
//!
//! The slab lies inside the lock of whatever is waited for, and every transition happens under that lock. An operation's
//! future holds a [`Key`] and nothing else. What keeps this right:
//!
//! - An entry is in a queue if and only if it is `Queued`: whoever claims, closes or meets a dead one takes it out at once.
//! - An entry is released by its owner alone, never by the peer that resumed it: a key names the same entry as long as its
//!   owner has it, and needs no generation.
//! - No waker is cloned, woken or dropped in here: [`claim_first`](Waiters::claim_first) returns the waker to wake,
//!   [`renew`](Waiters::renew) the one that was replaced, [`release`](Waiters::release) what is left; all of them are dealt with
//!   after the lock.
//! - The vector is as long as there ever were waiters at one time; with the last one it is given back if it is a long one.

use std::mem;
use std::num::NonZeroU32;
use std::task::Waker;

use crate::frame;
use crate::select::{Claim, Ticket, claim};

/// Names an entry of [`Waiters`]; whoever has it has to [`release`](Waiters::release) it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key(NonZeroU32);

impl Key {
    fn new(index: usize) -> Key {
        let number = u32::try_from(index + 1).ok().and_then(NonZeroU32::new);
        Key(number.expect("a queue of 2^32 - 1 waiters is full"))
    }

    #[inline]
    fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// Who is to be resumed.
#[derive(Debug)]
pub enum Waiter {
    /// An entry that was resumed, or that is free.
    Nobody,
    /// A plain operation.
    Task(Waker),
    /// A clause of a select, which has to be claimed first.
    Select(Ticket),
}

/// Where an entry is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It waits.
    Queued,
    /// It was resumed with what it waits for.
    Done,
    /// It was resumed because there is nothing more to wait for.
    Closed,
    /// Another clause of its select has won, or the select is gone.
    Gone,
}

/// The order in which some entries of [`Waiters`] wait. A slab may hold those of several queues.
#[derive(Debug, Default)]
pub struct Queue {
    head: Option<Key>,
    tail: Option<Key>,
}

impl Queue {
    /// One in which nobody waits.
    #[must_use]
    pub const fn new() -> Queue {
        Queue {
            head: None,
            tail: None,
        }
    }

    /// Whether nobody waits.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.head.is_none()
    }
}

#[derive(Debug)]
struct Entry<T> {
    /// Queued: the entry before this one.
    previous: Option<Key>,
    /// Queued: the entry after this one. Free: the next free one.
    next: Option<Key>,
    state: State,
    waiter: Waiter,
    value: T,
}

/// See the module. `T` is what an operation leaves with its entry, or is given there: an element. Its default owns nothing.
#[derive(Debug)]
pub struct Waiters<T> {
    entries: Vec<Entry<T>>,
    free: Option<Key>,
    live: u32,
}

impl<T> Default for Waiters<T> {
    fn default() -> Self {
        Waiters::new()
    }
}

/// What [`Waiters::claim_first`] found.
#[derive(Debug)]
#[must_use]
pub enum Claimed {
    /// Nobody who can be claimed.
    Nobody,
    /// The select on whose behalf the waiter was to be claimed has been won by another clause.
    Lost,
    /// This one, which is `Done` now and in no queue; its waker is to be woken after the lock.
    First(Key, Option<Waker>),
}

/// What an entry leaves when it is released; to be dropped after the lock.
#[derive(Debug)]
#[must_use = "to be dropped after the lock, not under it"]
pub struct Released<T> {
    /// How far it had come.
    pub state: State,
    /// What was left with it.
    pub value: T,
    _waiter: Waiter,
    _surplus: Option<Box<Surplus<T>>>,
}

type Surplus<T> = Vec<Entry<T>>;

/// A vector of more entries than this is given back when the last of them is released.
const KEPT: usize = 64;

impl<T> Waiters<T> {
    /// A slab without entries; it allocates with the first one.
    #[must_use]
    pub const fn new() -> Self {
        Waiters {
            entries: Vec::new(),
            free: None,
            live: 0,
        }
    }

    /// How many entries there are whose owners have not released them yet.
    #[must_use]
    pub fn live(&self) -> usize {
        self.live as usize
    }

    /// For how many entries there is room without an allocation.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.entries.capacity()
    }

    /// Appends `waiter` to `queue`.
    ///
    /// # Panics
    ///
    /// With 2^32 - 1 entries alive.
    #[inline]
    pub fn push(&mut self, queue: &mut Queue, waiter: Waiter, value: T) -> Key {
        let previous = queue.tail;
        let key = match self.free {
            Some(key) => {
                let entry = &mut self.entries[key.index()];
                self.free = entry.next;
                entry.previous = previous;
                entry.next = None;
                entry.state = State::Queued;
                // Of a released entry nothing is left that would have to be dropped.
                mem::forget(mem::replace(&mut entry.waiter, waiter));
                mem::forget(mem::replace(&mut entry.value, value));
                key
            }
            None => self.grow(previous, waiter, value),
        };
        match previous {
            Some(previous) => self.entries[previous.index()].next = Some(key),
            None => queue.head = Some(key),
        }
        queue.tail = Some(key);
        self.live += 1;
        key
    }

    #[cold]
    fn grow(&mut self, previous: Option<Key>, waiter: Waiter, value: T) -> Key {
        let key = Key::new(self.entries.len());
        self.entries.push(Entry {
            previous,
            next: None,
            state: State::Queued,
            waiter,
            value,
        });
        key
    }

    /// Takes an entry that is `Queued` out of its queue.
    #[inline]
    fn unlink(&mut self, queue: &mut Queue, key: Key) {
        let entry = &self.entries[key.index()];
        let (previous, next) = (entry.previous, entry.next);
        match previous {
            None => queue.head = next,
            Some(previous) => self.entries[previous.index()].next = next,
        }
        match next {
            None => queue.tail = previous,
            Some(next) => self.entries[next.index()].previous = previous,
        }
    }

    /// Claims the first of `queue` that can be claimed, and with it the select `me` if the caller is a clause of one.
    ///
    /// Selects that another clause has won are taken out on the way. One that is being polled, and the select `me` itself, are
    /// passed over and keep their places.
    #[inline]
    pub fn claim_first(&mut self, queue: &mut Queue, me: Option<&Ticket>) -> Claimed {
        let Some(key) = queue.head else {
            return Claimed::Nobody;
        };
        if me.is_none() {
            let entry = &mut self.entries[key.index()];
            if let Waiter::Task(_) = entry.waiter {
                let waiter = mem::replace(&mut entry.waiter, Waiter::Nobody);
                entry.state = State::Done;
                let next = entry.next;
                queue.head = next;
                match next {
                    None => queue.tail = None,
                    Some(next) => self.entries[next.index()].previous = None,
                }
                let Waiter::Task(waker) = waiter else {
                    unreachable!("looked at above")
                };
                return Claimed::First(key, Some(waker));
            }
        }
        self.claim_with_selects(queue, me)
    }

    #[inline(never)]
    fn claim_with_selects(&mut self, queue: &mut Queue, me: Option<&Ticket>) -> Claimed {
        let mut at = queue.head;
        while let Some(key) = at {
            let entry = &mut self.entries[key.index()];
            at = entry.next;
            let peer = match &entry.waiter {
                Waiter::Select(ticket) => Some(ticket),
                Waiter::Task(_) | Waiter::Nobody => None,
            };
            match claim(me, peer) {
                Claim::Both(waker) => {
                    return Claimed::First(key, self.resume(queue, key, waker));
                }
                Claim::MeGone => return Claimed::Lost,
                Claim::PeerGone => {
                    entry.state = State::Gone;
                    self.unlink(queue, key);
                }
                Claim::PassOver => {}
            }
        }
        Claimed::Nobody
    }

    /// Whether somebody waits there who can be claimed, now or after the poll that it is in the middle of.
    pub fn someone_waits(&self, queue: &Queue) -> bool {
        let mut at = queue.head;
        while let Some(key) = at {
            let entry = &self.entries[key.index()];
            match &entry.waiter {
                Waiter::Select(ticket) if ticket.is_over() => at = entry.next,
                _ => return true,
            }
        }
        false
    }

    /// Takes an entry that was claimed out of its queue; gives whom to wake, which of a select is `waker`.
    #[inline]
    fn resume(&mut self, queue: &mut Queue, key: Key, waker: Option<Waker>) -> Option<Waker> {
        self.unlink(queue, key);
        let entry = &mut self.entries[key.index()];
        entry.state = State::Done;
        // The ticket of a select stays: dropping it may free the cell, and with it a waker.
        match &mut entry.waiter {
            Waiter::Select(_) => waker,
            waiter => match mem::replace(waiter, Waiter::Nobody) {
                Waiter::Task(waker) => Some(waker),
                _ => None,
            },
        }
    }

    /// Claims the first of `queue` if what was left with it `fits`, and nobody out of turn: nobody behind one that does not fit, or
    /// behind a select that is being polled, which looks itself afterwards.
    ///
    /// Selects that another clause has won are taken out on the way.
    pub fn claim_in_turn(&mut self, queue: &mut Queue, fits: impl Fn(&T) -> bool) -> Claimed {
        while let Some(key) = queue.head {
            let entry = &mut self.entries[key.index()];
            let claimed = match &entry.waiter {
                Waiter::Select(ticket) if ticket.is_over() => Claim::PeerGone,
                _ if !fits(&entry.value) => return Claimed::Nobody,
                Waiter::Select(ticket) => claim(None, Some(ticket)),
                Waiter::Task(_) | Waiter::Nobody => Claim::Both(None),
            };
            let waker = match claimed {
                Claim::Both(waker) => waker,
                Claim::PeerGone => {
                    entry.state = State::Gone;
                    self.unlink(queue, key);
                    continue;
                }
                Claim::MeGone | Claim::PassOver => return Claimed::Nobody,
            };
            return Claimed::First(key, self.resume(queue, key, waker));
        }
        Claimed::Nobody
    }

    /// An entry that was claimed has nothing to wait for any more: `Done` becomes `Closed`.
    #[inline]
    pub fn close(&mut self, key: Key) {
        self.entries[key.index()].state = State::Closed;
    }

    /// How far an entry has come.
    #[inline]
    #[must_use]
    pub fn state(&self, key: Key) -> State {
        self.entries[key.index()].state
    }

    /// What was left with an entry.
    #[inline]
    pub fn value(&mut self, key: Key) -> &mut T {
        &mut self.entries[key.index()].value
    }

    /// Whether `waker` is the one that would be woken.
    #[inline]
    #[must_use]
    pub fn wakes(&self, key: Key, waker: &Waker) -> bool {
        matches!(&self.entries[key.index()].waiter, Waiter::Task(old) if old.will_wake(waker))
    }

    /// Has `waker` be woken from now on; gives the one before, to be dropped after the lock. Of an entry that is `Queued`.
    pub fn renew(&mut self, key: Key, waker: Waker) -> Waiter {
        let entry = &mut self.entries[key.index()];
        mem::replace(&mut entry.waiter, Waiter::Task(waker))
    }

    /// Takes an entry back, out of `queue` if it still waits there.
    #[inline]
    pub fn release(&mut self, queue: &mut Queue, key: Key) -> Released<T>
    where
        T: Default,
    {
        let state = self.entries[key.index()].state;
        if state == State::Queued {
            self.unlink(queue, key);
        }
        let entry = &mut self.entries[key.index()];
        entry.next = self.free;
        self.free = Some(key);
        self.live -= 1;
        Released {
            state,
            value: mem::take(&mut entry.value),
            _waiter: mem::replace(&mut entry.waiter, Waiter::Nobody),
            _surplus: if self.live == 0 && self.entries.len() > KEPT {
                Some(self.take_surplus())
            } else {
                None
            },
        }
    }

    /// What was left with the entries that nobody has released, in no particular order.
    pub fn into_values(self) -> impl Iterator<Item = T> {
        self.entries.into_iter().map(|entry| entry.value)
    }

    #[cold]
    fn take_surplus(&mut self) -> Box<Surplus<T>> {
        self.free = None;
        Box::new(mem::take(&mut self.entries))
    }
}

/// Whether the coroutine that runs here is cancelled, and so must not go past a point of cancellation.
#[must_use]
pub fn cancelled_here() -> bool {
    frame::cancelled_here()
}

/// The same, cheaper from the second time on that it is asked in a poll.
#[inline]
#[must_use]
pub fn cancelled_here_again() -> bool {
    frame::cancelled_here_again()
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use proptest::prelude::*;

    use super::*;
    use crate::select::Registrar;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn task() -> Waiter {
        Waiter::Task(Waker::noop().clone())
    }

    /// Tickets for the first two clauses of one select, and the waker that they share.
    fn select() -> ([Ticket; 2], Arc<Count>) {
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let mut cell = None;
        let tickets = [0, 1].map(|clause| {
            Registrar::new(&mut cell, clause, &waker, &mut None, &mut Vec::new()).ticket()
        });
        (tickets, count)
    }

    fn first(claimed: Claimed) -> Option<Key> {
        match claimed {
            Claimed::First(key, waker) => {
                if let Some(waker) = waker {
                    waker.wake();
                }
                Some(key)
            }
            Claimed::Nobody => None,
            Claimed::Lost => panic!("lost"),
        }
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Push(usize),
        Claim(usize),
        /// Of the entries that are alive, this one, counted round.
        Release(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0..2_usize).prop_map(Step::Push),
            2 => (0..2_usize).prop_map(Step::Claim),
            2 => any::<usize>().prop_map(Step::Release),
        ]
    }

    proptest! {
        /// Two queues in one slab, against two `VecDeque`s.
        #[test]
        fn queues_are_first_in_first_out(steps in prop::collection::vec(step(), 0..200)) {
            let mut waiters = Waiters::new();
            let mut queues = [Queue::new(), Queue::new()];
            let mut model = [VecDeque::new(), VecDeque::new()];
            let mut alive: Vec<(Key, usize, u32)> = Vec::new();
            for (number, step) in (1_u32..).zip(steps) {
                match step {
                    Step::Push(queue) => {
                        let key = waiters.push(&mut queues[queue], task(), number);
                        model[queue].push_back(number);
                        alive.push((key, queue, number));
                    }
                    Step::Claim(queue) => {
                        let key = first(waiters.claim_first(&mut queues[queue], None));
                        let number = key.map(|key| *waiters.value(key));
                        prop_assert_eq!(number, model[queue].pop_front());
                        prop_assert!(key.is_none_or(|key| waiters.state(key) == State::Done));
                    }
                    Step::Release(_) if alive.is_empty() => {}
                    Step::Release(at) => {
                        let (key, queue, number) = alive.swap_remove(at % alive.len());
                        let released = waiters.release(&mut queues[queue], key);
                        prop_assert_eq!(released.value, number);
                        let waited = model[queue].iter().position(|other| *other == number);
                        let state = if waited.is_some() { State::Queued } else { State::Done };
                        prop_assert_eq!(released.state, state);
                        model[queue].retain(|other| *other != number);
                    }
                }
                prop_assert_eq!(waiters.live(), alive.len());
                for (queue, model) in queues.iter().zip(&model) {
                    prop_assert_eq!(queue.is_empty(), model.is_empty());
                }
            }
        }
    }

    /// As many slots as there ever were waiters at one time, and none that are kept for nobody.
    #[test]
    fn a_long_vector_is_given_back_with_its_last_entry() {
        let mut waiters = Waiters::<()>::new();
        let mut queue = Queue::new();
        for _ in 0..3 {
            let keys: Vec<_> = (0..1000)
                .map(|_| waiters.push(&mut queue, task(), ()))
                .collect();
            for key in keys {
                assert!(waiters.capacity() >= 1000);
                drop(waiters.release(&mut queue, key));
            }
            assert_eq!((waiters.live(), waiters.capacity()), (0, 0));
        }
        for _ in 0..1_000_000 {
            let key = waiters.push(&mut queue, task(), ());
            drop(waiters.release(&mut queue, key));
        }
        assert!(waiters.capacity() <= KEPT);
    }

    #[test]
    fn a_waker_is_renewed_and_the_one_before_is_given_back() {
        let mut waiters = Waiters::<()>::new();
        let mut queue = Queue::new();
        let (old, new) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let key = waiters.push(&mut queue, Waiter::Task(Waker::from(old.clone())), ());
        assert!(waiters.wakes(key, &Waker::from(old.clone())));
        assert!(!waiters.wakes(key, &Waker::from(new.clone())));
        let before = waiters.renew(key, Waker::from(new.clone()));
        assert!(
            matches!(before, Waiter::Task(waker) if waker.will_wake(&Waker::from(old.clone())))
        );
        assert_eq!(first(waiters.claim_first(&mut queue, None)), Some(key));
        let woken = [old, new].map(|count| count.0.load(Ordering::Relaxed));
        assert_eq!(woken, [0, 1]);
    }

    #[test]
    fn a_select_is_claimed_in_its_place_and_its_other_entry_is_dead() {
        let mut waiters = Waiters::<()>::new();
        let mut queue = Queue::new();
        let ([one, two], woken) = select();
        let [one, two] = [one, two].map(|it| waiters.push(&mut queue, Waiter::Select(it), ()));
        let plain = waiters.push(&mut queue, task(), ());
        assert_eq!(first(waiters.claim_first(&mut queue, None)), Some(one));
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert_eq!(first(waiters.claim_first(&mut queue, None)), Some(plain));
        assert!(queue.is_empty());
        let states = [one, two, plain].map(|key| waiters.state(key));
        assert_eq!(states, [State::Done, State::Gone, State::Done]);
        waiters.close(plain);
        assert_eq!(waiters.release(&mut queue, plain).state, State::Closed);
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn nobody_is_claimed_out_of_turn() {
        let mut waiters = Waiters::<u32>::new();
        let mut queue = Queue::new();
        let ([one, two], woken) = select();
        let [one, two] = [(one, 1), (two, 9)]
            .map(|(it, needs)| waiters.push(&mut queue, Waiter::Select(it), needs));
        let large = waiters.push(&mut queue, task(), 2);
        let small = waiters.push(&mut queue, task(), 1);
        let mut claim = |waiters: &mut Waiters<u32>, free| {
            first(waiters.claim_in_turn(&mut queue, |needs| *needs <= free))
        };
        assert_eq!(claim(&mut waiters, 0), None);
        assert_eq!(claim(&mut waiters, 1), Some(one));
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        // The other entry of the select is passed by, though it needs more; the one behind it is not.
        assert_eq!(claim(&mut waiters, 1), None);
        assert_eq!(waiters.state(two), State::Gone);
        assert_eq!(waiters.state(small), State::Queued);
        assert_eq!(claim(&mut waiters, 2), Some(large));
        assert_eq!(claim(&mut waiters, 2), Some(small));
        assert_eq!(claim(&mut waiters, 2), None);
    }

    #[test]
    fn two_selects_are_bound_together_or_not_at_all() {
        let mut waiters = Waiters::<()>::new();
        let mut queue = Queue::new();
        let ([waiting, _], woken) = select();
        let ([me, also_me], _) = select();
        // Nobody meets oneself, and the place is kept.
        let own = waiters.push(&mut queue, Waiter::Select(also_me), ());
        assert!(matches!(
            waiters.claim_first(&mut queue, Some(&me)),
            Claimed::Nobody
        ));
        assert_eq!(waiters.state(own), State::Queued);
        let key = waiters.push(&mut queue, Waiter::Select(waiting), ());
        assert_eq!(first(waiters.claim_first(&mut queue, Some(&me))), Some(key));
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        // `me` is won now: it takes nobody else, and nobody takes it.
        let plain = waiters.push(&mut queue, task(), ());
        assert!(matches!(
            waiters.claim_first(&mut queue, Some(&me)),
            Claimed::Lost
        ));
        assert_eq!(waiters.state(plain), State::Queued);
        assert_eq!(first(waiters.claim_first(&mut queue, None)), Some(plain));
        assert_eq!(waiters.state(own), State::Gone);
    }
}
