//! A shared flow: its state behind a lock, and what is done before and after it.

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use corox_channels::BufferOverflow;
use corox_core::waiters_protocol::{
    Key as EmitterKey, State as Entry, Waiter, cancelled_here_again,
};
use parking_lot::{Mutex, MutexGuard};

use super::ring::Block;
use super::state::{After, Limits, Offered, State};
use crate::share::count::CountCell;
use crate::share::note::Note;
use crate::share::subscribers::Key;

pub(in crate::share) struct SharedCell<T> {
    state: Mutex<State<T>>,
    /// `wait` of the state while an emitter waits, else 0: whoever takes several values at once looks whether it is waited for.
    waiting: AtomicU64,
    /// Whether subscribers take several values at once. Not if the oldest are dropped: each is to get the newest.
    leases: bool,
    /// Where the flow was made.
    location: &'static Location<'static>,
}

/// A running collection.
pub(super) struct Subscription {
    key: Key,
    /// The number of the value that it takes next.
    next: u64,
    /// The same, for others.
    live: Arc<AtomicU64>,
    /// The wait in which somebody else is the slowest.
    not_for_me: u64,
    note: Note,
}

/// What a subscriber finds.
pub(super) enum Look<T> {
    /// Some values.
    Values(Values<T>),
    /// It sleeps until there are more.
    Asleep,
    /// It would sleep, if it had given a waker.
    Nothing,
}

pub(super) struct Values<T> {
    block: Block<T>,
    index: usize,
    left: usize,
}

impl<T: Clone> Values<T> {
    /// The next one.
    #[inline]
    pub(super) fn next(&mut self) -> Option<T> {
        if self.left == 0 {
            return None;
        }
        let value = self.block[self.index].get().cloned();
        self.index += 1;
        self.left -= 1;
        value
    }
}

impl<T> SharedCell<T> {
    pub(super) fn new(limits: Limits, location: &'static Location<'static>) -> Self {
        SharedCell {
            state: Mutex::new(State::new(limits)),
            waiting: AtomicU64::new(0),
            leases: limits.overflow != BufferOverflow::DropOldest,
            location,
        }
    }

    /// Where the flow was made.
    pub(in crate::share) fn location(&self) -> &'static Location<'static> {
        self.location
    }

    /// After the lock.
    #[inline]
    fn end(&self, state: MutexGuard<'_, State<T>>, after: After<T>) {
        drop(state);
        after.finish(self.location);
    }

    /// The same where emitters may wait, or do not any more.
    #[inline]
    fn end_with_emitters(&self, state: MutexGuard<'_, State<T>>, after: After<T>) {
        let wait = if state.is_waited_for() { state.wait } else { 0 };
        self.waiting.store(wait, Ordering::Release);
        self.end(state, after);
    }

    /// Whether the value was taken; it is left there if not.
    #[inline]
    pub(in crate::share) fn try_emit(&self, value: &mut Option<T>) -> bool {
        let mut after = After::default();
        let mut state = self.state.lock();
        let offered = state.offer(value, &mut after);
        self.end_with_emitters(state, after);
        match offered {
            Offered::Taken => true,
            Offered::Ignored => {
                drop(value.take());
                true
            }
            Offered::Full => false,
        }
    }

    /// Begins to wait with a value that could not be emitted, unless now it can.
    pub(super) fn wait(
        &self,
        value: &mut Option<T>,
        waits: &mut Option<EmitterKey>,
        cx: &mut Context<'_>,
    ) {
        let waker = cx.waker().clone();
        let mut after = After::default();
        let mut state = self.state.lock();
        let offered = state.offer(value, &mut after);
        if let Offered::Full = offered {
            let it = &mut *state;
            let waiter = Waiter::Task(waker);
            *waits = Some(it.emitters.push(&mut it.queue, waiter, value.take()));
            state.wait += 1;
            state.release_emitters(&mut after);
        }
        self.end_with_emitters(state, after);
    }

    /// The later polls.
    pub(super) fn poll_waiting(&self, key: EmitterKey, cx: &mut Context<'_>) -> Poll<()> {
        if cancelled_here_again() {
            return Poll::Pending;
        }
        let mut fresh = None;
        loop {
            let mut state = self.state.lock();
            let it = &mut *state;
            let in_flight = it.in_flight.as_mut().filter(|(other, _)| *other == key);
            let wakes = match (&in_flight, it.emitters.state(key)) {
                (Some((_, waker)), _) => waker.as_ref().is_some_and(|it| it.will_wake(cx.waker())),
                (None, Entry::Queued) => it.emitters.wakes(key, cx.waker()),
                (None, _) => {
                    let released = it.emitters.release(&mut it.queue, key);
                    drop(state);
                    drop(released);
                    return Poll::Ready(());
                }
            };
            if wakes {
                return Poll::Pending;
            }
            let Some(waker) = fresh.take() else {
                drop(state);
                fresh = Some(cx.waker().clone());
                continue;
            };
            let before: (Option<Waker>, Option<Waiter>) = match in_flight {
                Some((_, before)) => (before.replace(waker), None),
                None => (None, Some(it.emitters.renew(key, waker))),
            };
            drop(state);
            drop(before);
            return Poll::Pending;
        }
    }

    /// An emit is dropped that has waited.
    #[cold]
    pub(super) fn leave(&self, key: EmitterKey) {
        let mut after = After::default();
        let mut state = self.state.lock();
        let it = &mut *state;
        let mut waker = None;
        if it
            .in_flight
            .as_ref()
            .is_some_and(|(other, _)| *other == key)
        {
            waker = it.in_flight.take();
            it.retract(&mut after);
        }
        let released = it.emitters.release(&mut it.queue, key);
        self.end_with_emitters(state, after);
        drop((waker, released));
    }

    pub(super) fn subscribe(&self) -> Subscription {
        let live = Arc::new(AtomicU64::new(0));
        let (key, count) = self.state.lock().subscribe(live.clone());
        if let Some(count) = count {
            count.one_more();
        }
        Subscription {
            key,
            next: 0,
            live,
            not_for_me: 0,
            note: Note::default(),
        }
    }

    pub(super) fn unsubscribe(&self, subscription: &Subscription) {
        let mut after = After::default();
        let mut state = self.state.lock();
        let (removed, count) = state.unsubscribe(subscription.key, subscription.next, &mut after);
        self.end_with_emitters(state, after);
        drop(removed);
        if let Some(count) = count {
            count.one_less();
        }
    }

    #[inline]
    pub(super) fn leases(&self) -> bool {
        self.leases
    }

    /// What there is for a subscriber: one value, which counts as taken, or some with a `lease`, which count one by one, by
    /// [`take`](SharedCell::take).
    #[inline]
    pub(super) fn look(
        &self,
        subscription: &mut Subscription,
        lease: bool,
        waker: &Waker,
        to_sleep: Option<Waker>,
    ) -> Look<T> {
        let key = subscription.key;
        let mut after = After::default();
        let mut state = self.state.lock();
        state.taken(key, subscription.next, &mut after);
        let Some(at) = state.next_of(key) else {
            state.set_lease(key, false);
            let mut before = None;
            let look = if state.subscribers().sleeps(key, waker) {
                Look::Asleep
            } else if let Some(waker) = to_sleep {
                before = state.subscribers().sleep(key, waker);
                Look::Asleep
            } else {
                Look::Nothing
            };
            self.end_with_emitters(state, after);
            drop(before);
            if let Look::Asleep = look {
                subscription.note.begin("shared flow", self.location);
            }
            return look;
        };
        let (block, index, mut left) = state.ring.read(at);
        subscription.next = at;
        if lease {
            subscription.live.store(at, Ordering::Relaxed);
        } else {
            left = 1;
            subscription.next = at + 1;
            state.taken(key, at + 1, &mut after);
        }
        state.set_lease(key, lease);
        self.end_with_emitters(state, after);
        subscription.note.end();
        Look::Values(Values { block, index, left })
    }

    /// A subscriber with a lease has taken one more.
    #[inline]
    pub(super) fn take(&self, subscription: &mut Subscription) {
        subscription.next += 1;
        subscription
            .live
            .store(subscription.next, Ordering::Release);
        let waiting = self.waiting.load(Ordering::Acquire);
        if waiting != 0 && waiting != subscription.not_for_me {
            self.tell(subscription);
        }
    }

    #[inline(never)]
    fn tell(&self, subscription: &mut Subscription) {
        let mut after = After::default();
        let mut state = self.state.lock();
        if !state.taken(subscription.key, subscription.next, &mut after) {
            subscription.not_for_me = state.wait;
        }
        self.end_with_emitters(state, after);
    }

    /// A subscriber gives its lease back.
    pub(super) fn give_back(&self, subscription: &Subscription) {
        let mut after = After::default();
        let mut state = self.state.lock();
        state.set_lease(subscription.key, false);
        state.taken(subscription.key, subscription.next, &mut after);
        self.end_with_emitters(state, after);
    }

    pub(in crate::share) fn reset_replay_cache(&self) {
        let mut after = After::default();
        let mut state = self.state.lock();
        state.reset_replay_cache(&mut after);
        self.end(state, after);
    }

    pub(super) fn replay_cache(&self) -> Vec<T>
    where
        T: Clone,
    {
        let mut blocks = Vec::new();
        let state = self.state.lock();
        let mut numbers = state.replayed();
        while numbers.start < numbers.end {
            let (block, index, left) = state.ring.read(numbers.start);
            numbers.start += left as u64;
            blocks.push(Values { block, index, left });
        }
        drop(state);
        let mut values = Vec::new();
        for mut block in blocks {
            values.extend(std::iter::from_fn(|| block.next()));
        }
        values
    }

    /// How many subscribers there are.
    pub(in crate::share) fn count(&self) -> Arc<CountCell> {
        self.state.lock().count(self.location)
    }
}
