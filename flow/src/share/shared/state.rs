//! What happens in a shared flow, one step at a time, under its lock.
//!
//! ```text
//!        floor                 slowest            end
//!          |  replay_from        |                 |
//!          v      v              v                 v
//!   freed  | 3    4      5       6       7       8 |  queue: 9, 10 ..
//!                 '---- replay cache --------------'
//! ```
//!
//! - Values have numbers. A subscriber is at the number that it takes next: `slowest` is the least of them, or `end`. The floor is the
//!   lesser of `slowest` and `replay_from`.
//! - The buffer is full when `end - slowest` is the capacity: what only the replay cache wants is never in the way. A queue of emitters
//!   is there only while it is full, hence whatever moves `slowest` or removes a subscriber has to look after the queue.
//! - With a capacity of 0 the first emitter's value is in flight: it has a number and is read, but its emitter waits until
//!   all have taken it, and takes it back if it leaves before that.
//! - A subscriber that takes several values at once has a lease: its number is then in an atomic, and put here when it matters.

use std::collections::VecDeque;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;

use corox_channels::BufferOverflow;
use corox_core::waiters_protocol::{Claimed, FirstPanic, Key as EmitterKey, Queue, Waiters};

use super::ring::{Block, Ring};
use crate::share::count::CountCell;
use crate::share::subscribers::{Key, Removed, Subscribers, Woken};

/// What does not change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) replay: u64,
    /// Of the replay cache and the extra buffer.
    pub(super) capacity: u64,
    pub(super) overflow: BufferOverflow,
}

/// Where a subscriber is.
pub(super) struct Place {
    /// Or `floor`, if that is more: values were dropped that it had not taken.
    at: u64,
    live: Arc<AtomicU64>,
    leased: bool,
}

pub(super) struct State<T> {
    limits: Limits,
    pub(super) ring: Ring<T>,
    floor: u64,
    replay_from: u64,
    slowest: u64,
    /// How many subscribers are at `floor`, at the next number, .. at `end`.
    crowds: VecDeque<usize>,
    subscribers: Subscribers<Place>,
    leases: usize,
    pub(super) emitters: Waiters<Option<T>>,
    pub(super) queue: Queue,
    /// The emitter whose value is in flight.
    pub(super) in_flight: Option<(EmitterKey, Option<Waker>)>,
    /// Changes when an emitter begins to wait, and when `slowest` moves while one does.
    pub(super) wait: u64,
    count: Option<Arc<CountCell>>,
}

/// What is left to do after the lock.
#[must_use = "somebody is to be woken"]
pub(super) struct After<T> {
    woken: Woken,
    /// Of those that were freed.
    block: Option<Block<T>>,
    rest: Vec<Rest<T>>,
}

/// What there is seldom.
enum Rest<T> {
    Emitter(Waker),
    Block(Block<T>),
    Value(T),
}

impl<T> Default for After<T> {
    #[inline]
    fn default() -> Self {
        After {
            woken: Woken::default(),
            block: None,
            rest: Vec::new(),
        }
    }
}

impl<T> After<T> {
    /// Wakes all, whatever the waker of one of them does, and drops what nobody wants.
    #[inline]
    pub(super) fn finish(self, location: &'static Location<'static>) {
        if !self.woken.is_empty() || !self.rest.is_empty() {
            self.finish_all(location);
        }
    }

    #[inline(never)]
    fn finish_all(self, location: &'static Location<'static>) {
        let mut panics = FirstPanic::default();
        for rest in self.rest {
            match rest {
                Rest::Emitter(waker) => panics.run(location, || waker.wake()),
                Rest::Block(block) => panics.run(location, || drop(block)),
                Rest::Value(value) => panics.run(location, || drop(value)),
            }
        }
        self.woken.wake(&mut panics, location);
        panics.resume();
    }

    fn free(&mut self, block: Block<T>) {
        if self.block.is_none() {
            self.block = Some(block);
        } else {
            self.rest.push(Rest::Block(block));
        }
    }

    fn wake_emitter(&mut self, waker: Option<Waker>) {
        self.rest.extend(waker.map(Rest::Emitter));
    }
}

/// What became of a value that was offered.
pub(super) enum Offered {
    /// It is in the buffer.
    Taken,
    /// Nobody wants it: to be dropped after the lock.
    Ignored,
    /// It has to wait.
    Full,
}

impl<T> State<T> {
    pub(super) fn new(limits: Limits) -> Self {
        State {
            limits,
            ring: Ring::new(limits.capacity),
            floor: 0,
            replay_from: 0,
            slowest: 0,
            crowds: VecDeque::from([0]),
            subscribers: Subscribers::new(),
            leases: 0,
            emitters: Waiters::new(),
            queue: Queue::new(),
            in_flight: None,
            wait: 0,
            count: None,
        }
    }

    #[inline]
    fn end(&self) -> u64 {
        self.ring.end()
    }

    fn has_subscribers(&self) -> bool {
        self.subscribers.len() > 0
    }

    #[inline]
    fn crowd(&mut self, at: u64) -> &mut usize {
        let index = (at - self.floor) as usize;
        &mut self.crowds[index]
    }

    #[inline]
    fn is_full(&self) -> bool {
        self.end() - self.slowest >= self.limits.capacity
    }

    /// Whether an emitter waits.
    pub(super) fn is_waited_for(&self) -> bool {
        self.in_flight.is_some() || !self.queue.is_empty()
    }

    /// Gives a value its number.
    #[inline]
    fn push(&mut self, value: T) {
        self.ring.push(value);
        self.crowds.push_back(0);
        if !self.has_subscribers() {
            self.slowest = self.end();
        }
        let first = self.end().saturating_sub(self.limits.replay);
        self.replay_from = self.replay_from.max(first);
    }

    /// Lets go of what nobody wants.
    #[inline]
    fn settle(&mut self, after: &mut After<T>) {
        let floor = self.slowest.min(self.replay_from);
        if floor > self.floor {
            self.crowds.drain(..(floor - self.floor) as usize);
            self.floor = floor;
            self.ring.free(floor, |block| after.free(block));
        }
    }

    /// `slowest` moves to where somebody is.
    #[inline]
    fn find_slowest(&mut self) {
        let end = self.end();
        while self.slowest < end && *self.crowd(self.slowest) == 0 {
            self.slowest += 1;
        }
    }

    /// Nobody is before `first` any more: who was has lost something.
    fn hurry(&mut self, first: u64) {
        let mut late = 0;
        while self.slowest < first {
            late += std::mem::take(self.crowd(self.slowest));
            self.slowest += 1;
        }
        *self.crowd(first) += late;
    }

    /// Takes a value that is emitted, if there is room.
    #[inline]
    pub(super) fn offer(&mut self, value: &mut Option<T>, after: &mut After<T>) -> Offered {
        if !self.has_subscribers() {
            return self.offer_to_nobody(value, after);
        }
        if self.is_full() {
            self.look_at_leases(after);
        }
        if self.is_full() {
            match self.limits.overflow {
                BufferOverflow::DropLatest => return Offered::Ignored,
                BufferOverflow::DropOldest => {}
                _ => return Offered::Full,
            }
        }
        if let Some(value) = value.take() {
            self.push(value);
        }
        if self.end() - self.slowest > self.limits.capacity {
            self.hurry(self.end() - self.limits.capacity);
        }
        self.settle(after);
        after.woken.append(self.subscribers.wake_all());
        Offered::Taken
    }

    fn offer_to_nobody(&mut self, value: &mut Option<T>, after: &mut After<T>) -> Offered {
        if self.limits.replay == 0 {
            return Offered::Ignored;
        }
        if let Some(value) = value.take() {
            self.push(value);
            self.settle(after);
        }
        Offered::Taken
    }

    /// Lets as many emitters go on as there is room for.
    pub(super) fn release_emitters(&mut self, after: &mut After<T>) {
        let mut pushed = false;
        loop {
            let rendezvous = self.limits.capacity == 0 && self.has_subscribers();
            if self.in_flight.is_some() {
                if self.slowest < self.end() {
                    break;
                }
                let in_flight = self.in_flight.take();
                after.wake_emitter(in_flight.and_then(|(_, waker)| waker));
            }
            if self.has_subscribers() && !rendezvous && self.is_full() {
                break;
            }
            let Claimed::First(key, waker) = self.emitters.claim_first(&mut self.queue, None)
            else {
                break;
            };
            let value = self.emitters.value(key).take();
            if rendezvous {
                self.in_flight = Some((key, waker));
            } else {
                after.wake_emitter(waker);
            }
            match value {
                Some(value) if rendezvous || self.wants() => {
                    self.push(value);
                    pushed = true;
                }
                value => after.rest.extend(value.map(Rest::Value)),
            }
        }
        if pushed {
            after.woken.append(self.subscribers.wake_all());
        }
        self.settle(after);
    }

    /// Whether a value has somewhere to go.
    fn wants(&self) -> bool {
        self.has_subscribers() || self.limits.replay > 0
    }

    /// The number of a subscriber.
    #[inline]
    fn at(&mut self, key: Key) -> u64 {
        self.subscribers.get(key).at.max(self.floor)
    }

    /// A subscriber has taken what is before `next`; whether the slowest is another one or further now.
    #[inline]
    fn advance(&mut self, key: Key, next: u64) -> bool {
        let at = self.at(key);
        if next <= at {
            return false;
        }
        self.subscribers.get(key).at = next;
        *self.crowd(next) += 1;
        self.leave(at)
    }

    /// Somebody is not at `at` any more.
    #[inline]
    fn leave(&mut self, at: u64) -> bool {
        let crowd = self.crowd(at);
        *crowd -= 1;
        let moved = *crowd == 0 && at == self.slowest;
        if moved {
            self.find_slowest();
        }
        moved
    }

    /// Puts the numbers of those who take several values at once where they count.
    fn look_at_leases(&mut self, after: &mut After<T>) {
        if self.leases == 0 {
            return;
        }
        let mut moved = false;
        for place in self.subscribers.iter_mut().filter(|place| place.leased) {
            let (at, next) = (place.at.max(self.floor), place.live.load(Ordering::Acquire));
            if next > at {
                place.at = next;
                self.crowds[(next - self.floor) as usize] += 1;
                self.crowds[(at - self.floor) as usize] -= 1;
                moved = true;
            }
        }
        if moved {
            self.find_slowest();
            self.moved(after);
        }
    }

    /// `slowest` has moved.
    #[inline]
    fn moved(&mut self, after: &mut After<T>) {
        if self.is_waited_for() {
            self.release_emitters(after);
            self.wait += 1;
        }
        self.settle(after);
    }

    /// A subscriber has taken what is before `next`; whether that has made a difference to the slowest.
    #[inline]
    pub(super) fn taken(&mut self, key: Key, next: u64, after: &mut After<T>) -> bool {
        let moved = self.advance(key, next);
        if moved {
            if self.is_waited_for() {
                self.look_at_leases(after);
            }
            self.moved(after);
        }
        moved
    }

    /// Where the subscriber is, if there is something for it.
    #[inline]
    pub(super) fn next_of(&mut self, key: Key) -> Option<u64> {
        let at = self.at(key);
        (at < self.end()).then_some(at)
    }

    /// It takes several values at once from here on, or no longer.
    #[inline]
    pub(super) fn set_lease(&mut self, key: Key, leased: bool) {
        let place = self.subscribers.get(key);
        let before = std::mem::replace(&mut place.leased, leased);
        self.leases = self.leases + usize::from(leased) - usize::from(before);
    }

    pub(super) fn subscribers(&mut self) -> &mut Subscribers<Place> {
        &mut self.subscribers
    }

    /// A new subscriber begins with the replay cache.
    pub(super) fn subscribe(&mut self, live: Arc<AtomicU64>) -> (Key, Option<Arc<CountCell>>) {
        let at = match self.in_flight {
            Some(_) => self.end() - 1,
            None => self.replay_from,
        };
        let key = self.subscribers.insert(Place {
            at,
            live,
            leased: false,
        });
        *self.crowd(at) += 1;
        self.slowest = self.slowest.min(at);
        (key, self.count.clone())
    }

    pub(super) fn unsubscribe(
        &mut self,
        key: Key,
        next: u64,
        after: &mut After<T>,
    ) -> (Removed<Place>, Option<Arc<CountCell>>) {
        self.set_lease(key, false);
        self.advance(key, next);
        let at = self.at(key);
        let removed = self.subscribers.remove(key);
        self.leave(at);
        if !self.has_subscribers() {
            self.slowest = self.end();
        }
        self.moved(after);
        (removed, self.count.clone())
    }

    /// The value in flight is nobody's any more.
    pub(super) fn retract(&mut self, after: &mut After<T>) {
        self.in_flight = None;
        self.hurry(self.end());
        // The replay cache of a flow without a buffer is empty.
        self.settle(after);
        self.release_emitters(after);
        self.wait += 1;
    }

    /// The numbers of the replay cache.
    pub(super) fn replayed(&self) -> std::ops::Range<u64> {
        match self.limits.replay {
            0 => self.end()..self.end(),
            _ => self.replay_from..self.end(),
        }
    }

    /// F-38: for those who come later; who is there gets what is in the buffer.
    pub(super) fn reset_replay_cache(&mut self, after: &mut After<T>) {
        self.replay_from = self.end();
        self.settle(after);
    }

    pub(super) fn count(&mut self, location: &'static Location<'static>) -> Arc<CountCell> {
        let live = self.subscribers.len();
        let count = self
            .count
            .get_or_insert_with(|| CountCell::new(live, location));
        count.clone()
    }
}
