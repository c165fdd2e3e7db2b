//! A dispatcher of tests with a clock of its own, which jumps to the next timer when nothing is left to run.
#![allow(dead_code, unreachable_pub)]

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use corox_core::{Dispatch, Dispatcher, GlobalScope, Rejected, Result, Task, TimeSource};

use crate::support::checked;

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
    keys: u64,
    waiting: BTreeMap<(Instant, u64), Waker>,
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

    /// Milliseconds since the beginning.
    pub fn now(&self) -> u64 {
        let passed = lock(&self.0.clock.inner).passed;
        u64::try_from(passed.as_millis()).unwrap()
    }

    /// How many timers wait.
    pub fn timers(&self) -> usize {
        lock(&self.0.clock.inner).waiting.len()
    }

    /// Lets time pass without anybody running, as a body that computes does; timers that come due fire.
    pub fn pass(&self, millis: u64) {
        let due = {
            let clock = &self.0.clock;
            let mut inner = lock(&clock.inner);
            inner.passed += Duration::from_millis(millis);
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

    /// Runs what is queued and lets time pass to the next timer, until there is neither.
    pub fn run(&self) {
        loop {
            let task = lock(&self.0.queue).pop_front();
            if let Some(task) = task {
                task.run();
                continue;
            }
            let wait = {
                let inner = lock(&self.0.clock.inner);
                let next = inner.waiting.keys().next().map(|(at, _)| *at);
                next.map(|at| at - (self.0.clock.begin + inner.passed))
            };
            match wait {
                Some(wait) => self.pass(u64::try_from(wait.as_millis()).unwrap()),
                None => return,
            }
        }
    }
}

/// Runs `make(clock)` as a coroutine on a dispatcher of that clock, to its end.
pub fn in_manual_time<T, F>(make: impl FnOnce(Manual) -> F + Send + 'static) -> T
where
    T: Clone + Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    checked(|| {
        let manual = Manual::new();
        let body = make(manual.clone());
        let deferred = GlobalScope.with(manual.dispatcher()).spawn(body);
        manual.run();
        assert_eq!(manual.timers(), 0, "timers are left");
        let result = deferred.completed().expect("the body has ended");
        result.expect("the body ends well")
    })
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
        let waker = waker.clone();
        let mut inner = lock(&self.inner);
        inner.keys += 1;
        let key = inner.keys;
        inner.waiting.insert((deadline, key), waker);
        key
    }

    fn set_waker(&self, key: u64, waker: &Waker) {
        let waker = waker.clone();
        let old = {
            let mut inner = lock(&self.inner);
            let slot = inner.waiting.iter_mut().find(|((_, k), _)| *k == key);
            slot.map(|(_, slot)| std::mem::replace(slot, waker))
        };
        drop(old);
    }

    fn cancel(&self, key: u64) {
        let old = {
            let mut inner = lock(&self.inner);
            let at = inner.waiting.keys().find(|(_, k)| *k == key).copied();
            at.and_then(|at| inner.waiting.remove(&at))
        };
        drop(old);
    }

    fn is_elapsed(&self, key: u64) -> bool {
        !lock(&self.inner).waiting.keys().any(|(_, k)| *k == key)
    }
}
