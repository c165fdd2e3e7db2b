//! Where the value of a state flow lies.
//!
//! The value is shared, so that it is compared and copied outside of the lock: a setter looks at the value, compares, and puts its own in
//! if the version is still the one that it has looked at. A collector keeps the version that it has seen.

use std::panic::Location;
use std::sync::Arc;
use std::task::Waker;

use corox_core::waiters_protocol::FirstPanic;
use parking_lot::Mutex;

use crate::share::count::CountCell;
use crate::share::note::Note;
use crate::share::subscribers::{Key, Subscribers};

pub(in crate::share) struct StateCell<T> {
    state: Mutex<State<T>>,
    /// What a dump calls the flow.
    name: &'static str,
    /// Where the flow was made.
    location: &'static Location<'static>,
}

struct State<T> {
    value: Arc<T>,
    /// Changes with the value; not 0.
    version: u64,
    subscribers: Subscribers<()>,
    /// How many there are, if somebody has asked.
    count: Option<Arc<CountCell>>,
}

/// What a collector finds.
pub(super) enum Look<T> {
    Changed(Arc<T>, u64),
    /// It sleeps until there is another value.
    Asleep,
    /// It would sleep, if it had given a waker.
    Unchanged,
}

impl<T> StateCell<T> {
    pub(in crate::share) fn new(value: T, location: &'static Location<'static>) -> Self {
        StateCell::named("state flow", value, location)
    }

    pub(in crate::share) fn named(
        name: &'static str,
        value: T,
        location: &'static Location<'static>,
    ) -> Self {
        StateCell {
            state: Mutex::new(State {
                value: Arc::new(value),
                version: 1,
                subscribers: Subscribers::new(),
                count: None,
            }),
            name,
            location,
        }
    }

    #[inline]
    pub(in crate::share) fn get(&self) -> Arc<T> {
        self.state.lock().value.clone()
    }

    /// Replaces the value by what `next` makes of it, unless that is nothing; gives the value before. `next` is called again if the
    /// value has changed meanwhile, and then given back what it made.
    #[inline]
    pub(in crate::share) fn change(
        &self,
        mut next: impl FnMut(&T, Option<Arc<T>>) -> Option<Arc<T>>,
    ) -> Arc<T> {
        let mut made = None;
        loop {
            let (old, version) = {
                let state = self.state.lock();
                (state.value.clone(), state.version)
            };
            let Some(new) = next(&old, made) else {
                return old;
            };
            let mut state = self.state.lock();
            if state.version != version {
                // What others have set is not lost.
                drop(state);
                made = Some(new);
                continue;
            }
            state.version += 1;
            let here = std::mem::replace(&mut state.value, new);
            let woken = state.subscribers.wake_all();
            drop(state);
            drop(here);
            if !woken.is_empty() {
                let mut panics = FirstPanic::default();
                woken.wake(&mut panics, self.location);
                panics.resume();
            }
            return old;
        }
    }

    /// Sets the value, unless it equals the one that is there.
    #[inline]
    pub(in crate::share) fn set(&self, value: T)
    where
        T: PartialEq,
    {
        self.replace(|_| true, value);
    }

    /// Puts `value` there if `expected` holds for the current one; gives whether it held.
    #[inline]
    pub(super) fn replace(&self, expected: impl Fn(&T) -> bool, value: T) -> bool
    where
        T: PartialEq,
    {
        let mut held = false;
        let mut value = Some(value);
        self.change(|current, made| {
            held = expected(current);
            let is_same = made.as_deref().or(value.as_ref()) == Some(current);
            if !held || is_same {
                return None;
            }
            made.or_else(|| value.take().map(Arc::new))
        });
        held
    }

    /// For the collector `key`, who has seen the version `seen`.
    #[inline]
    pub(super) fn look(
        &self,
        key: Key,
        seen: u64,
        waker: &Waker,
        to_sleep: Option<Waker>,
    ) -> Look<T> {
        let mut state = self.state.lock();
        if state.version != seen {
            return Look::Changed(state.value.clone(), state.version);
        }
        if state.subscribers.sleeps(key, waker) {
            return Look::Asleep;
        }
        let Some(to_sleep) = to_sleep else {
            return Look::Unchanged;
        };
        let before = state.subscribers.sleep(key, to_sleep);
        drop(state);
        drop(before);
        Look::Asleep
    }

    /// The collector sleeps.
    #[inline]
    pub(super) fn note_wait(&self, note: &mut Note) {
        note.begin(self.name, self.location);
    }

    pub(super) fn subscribe(&self) -> Key {
        let mut state = self.state.lock();
        let key = state.subscribers.insert(());
        let count = state.count.clone();
        drop(state);
        if let Some(count) = count {
            count.one_more();
        }
        key
    }

    pub(super) fn unsubscribe(&self, key: Key) {
        let mut state = self.state.lock();
        let removed = state.subscribers.remove(key);
        let count = state.count.clone();
        drop(state);
        drop(removed);
        if let Some(count) = count {
            count.one_less();
        }
    }

    /// How many collectors there are.
    pub(in crate::share) fn count(&self) -> Arc<CountCell> {
        let mut state = self.state.lock();
        let live = state.subscribers.len();
        let location = self.location;
        let count = state
            .count
            .get_or_insert_with(|| CountCell::new(live, location));
        count.clone()
    }
}
