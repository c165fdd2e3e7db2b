//! A dispatcher with a clock that both go only when they are told to, for what virtual time does not have: time that passes
//! while a body runs, timers that wake early, a task that is woken and not run yet, and the deadlines that a clock is asked for.
#![allow(dead_code, unreachable_pub)]

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use corox_core::{Dispatch, Dispatcher, Rejected, Task, TimeSource};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Clone)]
pub struct Manual(Arc<State>);

struct State {
    queue: Mutex<VecDeque<Task>>,
    clock: Arc<Clock>,
}

struct Clock {
    begin: Instant,
    inner: Mutex<Timers>,
}

#[derive(Default)]
struct Timers {
    passed: Duration,
    waiting: BTreeMap<(Instant, u64), Waker>,
    /// The deadline of every timer that was ever registered, from the beginning.
    registered: Vec<Duration>,
}

impl Manual {
    pub fn new() -> Self {
        Manual(Arc::new(State {
            queue: Mutex::default(),
            clock: Arc::new(Clock {
                begin: Instant::now(),
                inner: Mutex::default(),
            }),
        }))
    }

    pub fn dispatcher(&self) -> Dispatcher {
        Dispatcher::new(self.clone())
    }

    /// Runs everything that is queued.
    pub fn run(&self) {
        loop {
            let next = lock(&self.0.queue).pop_front();
            match next {
                Some(task) => task.run(),
                None => return,
            }
        }
    }

    /// Lets time pass without anybody running, and wakes those whose time has come.
    pub fn pass(&self, time: Duration) {
        let due = {
            let clock = &self.0.clock;
            let mut inner = lock(&clock.inner);
            inner.passed += time;
            let after = clock.begin + inner.passed + Duration::from_nanos(1);
            let later = inner.waiting.split_off(&(after, 0));
            std::mem::replace(&mut inner.waiting, later)
        };
        due.into_values().for_each(Waker::wake);
    }

    /// Wakes those who wait for a timer though its time has not come.
    pub fn wake_early(&self) {
        let wakers: Vec<_> = lock(&self.0.clock.inner)
            .waiting
            .values()
            .cloned()
            .collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    pub fn registered(&self) -> Vec<Duration> {
        lock(&self.0.clock.inner).registered.clone()
    }
}

impl Dispatch for Manual {
    fn dispatch(&self, task: Task) -> Result<(), Rejected> {
        lock(&self.0.queue).push_back(task);
        Ok(())
    }

    fn time_source(&self) -> Option<Arc<dyn TimeSource>> {
        Some(self.0.clock.clone())
    }
}

impl TimeSource for Clock {
    fn now(&self) -> Instant {
        self.begin + lock(&self.inner).passed
    }

    fn register(&self, deadline: Instant, waker: &Waker) -> u64 {
        let mut inner = lock(&self.inner);
        let key = inner.registered.len() as u64;
        inner.registered.push(deadline - self.begin);
        inner.waiting.insert((deadline, key), waker.clone());
        key
    }

    fn set_waker(&self, key: u64, waker: &Waker) {
        let mut inner = lock(&self.inner);
        let slot = inner
            .waiting
            .iter_mut()
            .find(|((_, other), _)| *other == key);
        let old = slot.map(|(_, slot)| std::mem::replace(slot, waker.clone()));
        drop((inner, old));
    }

    fn cancel(&self, key: u64) {
        let mut inner = lock(&self.inner);
        let at = inner
            .waiting
            .keys()
            .find(|(_, other)| *other == key)
            .copied();
        let old = at.and_then(|at| inner.waiting.remove(&at));
        drop((inner, old));
    }

    fn is_elapsed(&self, key: u64) -> bool {
        !lock(&self.inner)
            .waiting
            .keys()
            .any(|(_, other)| *other == key)
    }
}
