//! Timers and clocks of every kind of dispatcher.

mod common;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::{eventually, multi, spawn};
use corox_scheduler::{Dispatcher, Sleep, TimeSource, Wakeup, block_on, fallback, now};

const MS: Duration = Duration::from_millis(1);

type Timer = (Instant, Option<std::task::Waker>);

struct Manual(Mutex<(Instant, Vec<Timer>)>);

impl Manual {
    fn advance(&self, by: Duration) {
        let due: Vec<_> = {
            let mut state = self.0.lock().unwrap();
            state.0 += by;
            let now = state.0;
            let due = state.1.iter_mut().filter(|timer| timer.0 <= now);
            due.filter_map(|timer| timer.1.take()).collect()
        };
        due.into_iter().for_each(|waker| waker.wake());
    }
}

impl TimeSource for Manual {
    fn now(&self) -> Instant {
        self.0.lock().unwrap().0
    }
    fn register(&self, deadline: Instant, waker: &std::task::Waker) -> u64 {
        let mut state = self.0.lock().unwrap();
        state.1.push((deadline, Some(waker.clone())));
        state.1.len() as u64 - 1
    }
    fn set_waker(&self, key: u64, waker: &std::task::Waker) {
        if let Some(old) = &mut self.0.lock().unwrap().1[key as usize].1 {
            old.clone_from(waker);
        }
    }
    fn cancel(&self, key: u64) {
        self.0.lock().unwrap().1[key as usize].1 = None;
    }
    fn is_elapsed(&self, key: u64) -> bool {
        self.0.lock().unwrap().1[key as usize].1.is_none()
    }
}

struct WithClock(Arc<Manual>);

impl corox_scheduler::Dispatch for WithClock {
    fn dispatch(&self, task: corox_scheduler::Task) -> Result<(), corox_scheduler::Rejected> {
        fallback().dispatch(task, Wakeup::Launch)
    }
    fn time_source(&self) -> Option<Arc<dyn TimeSource>> {
        Some(self.0.clone())
    }
}

/// A custom dispatcher's clock is asked, and no other.
#[test]
fn a_sleep_uses_the_clock_of_a_custom_dispatcher() {
    let manual = Arc::new(Manual(Mutex::new((Instant::now(), vec![]))));
    let custom = Dispatcher::new(WithClock(manual.clone()));
    assert_eq!(now(&custom), manual.now());
    let hour = Duration::from_secs(3600);
    let to = custom.clone();
    let sleeper = spawn(&custom, async move { Sleep::after(&to, hour).await });
    eventually("it is registered", || {
        !manual.0.lock().unwrap().1.is_empty()
    });
    manual.advance(hour);
    sleeper.wait();
    // Past deadlines are ready at once.
    let mut past = std::pin::pin!(Sleep::until(&custom, manual.now() - MS));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(past.as_mut().poll(&mut cx).is_ready());
}

/// Every kind of dispatcher has a timer; too long is for ever.
#[test]
fn every_dispatcher_can_sleep_and_no_duration_overflows() {
    let rt = multi(1);
    let without = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let kinds = [
        Dispatcher::DEFAULT,
        Dispatcher::IO,
        Dispatcher::UNCONFINED,
        Dispatcher::tokio(rt.handle().clone()),
        Dispatcher::tokio(without.handle().clone()),
    ];
    for dispatcher in kinds {
        let to = dispatcher.clone();
        let (start, slept) = (
            Instant::now(),
            spawn(&dispatcher, async move { Sleep::after(&to, 5 * MS).await }),
        );
        slept.wait();
        assert!(start.elapsed() >= 5 * MS);
        let mut never = std::pin::pin!(Sleep::after(&dispatcher, Duration::MAX));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(never.as_mut().poll(&mut cx).is_pending());
    }
    block_on(|events| async move {
        Sleep::after(&Dispatcher::UNCONFINED, MS).await;
        let mut never = Box::pin(Sleep::after(&events, Duration::MAX));
        let pending =
            std::future::poll_fn(|cx| std::task::Poll::Ready(never.as_mut().poll(cx).is_pending()));
        assert!(pending.await);
    });
    let paused = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    paused.block_on(async { Sleep::after(&Dispatcher::UNCONFINED, MS).await });
}
