//! What the probes know of polls: their number, and on request their times.

use std::sync::mpsc::{channel, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use corox_core::probe::{self, install};
use corox_core::probe_protocol::{Known, known, time_polls};
use corox_core::{Dispatcher, GlobalScope, Job, coroutine_scope, run_blocking, yield_now};

/// One test at a time: the probes belong to the process.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(!probe::is_installed());
    alone
}

fn of(job: &Job) -> Known {
    let mut known = known().into_iter();
    known.find(|known| known.job.ptr_eq(job)).unwrap()
}

#[test]
fn polls_are_counted() {
    let _alone = alone();
    let _probes = install();
    run_blocking(async |scope| {
        let job = scope.launch(async {
            for _ in 0..3 {
                yield_now().await;
            }
        });
        for polls in 0..4 {
            let known = of(&job);
            assert_eq!((known.polls, known.began), (polls, polls > 0));
            // Nobody has asked for times.
            assert_eq!((known.busy, known.created), (None, None));
            yield_now().await;
        }
        Ok(())
    })
    .unwrap();
}

/// The count of a scope is its own.
#[test]
fn a_poll_that_goes_on_counts_and_so_do_those_of_scopes_inside() {
    let _alone = alone();
    let _probes = install();
    run_blocking(async |scope| {
        yield_now().await;
        assert_eq!(of(scope.job()).polls, 2);
        coroutine_scope(async |inner| {
            assert_eq!((of(inner.job()).polls, of(scope.job()).polls), (1, 2));
            yield_now().await;
            assert_eq!((of(inner.job()).polls, of(scope.job()).polls), (2, 3));
            Ok(())
        })
        .await
    })
    .unwrap();
}

#[test]
fn times_are_taken_as_long_as_a_guard_of_several_lives() {
    let _alone = alone();
    let _probes = install();
    run_blocking(async |scope| {
        let spin = || {
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_micros(50) {
                std::hint::spin_loop();
            }
        };
        let job = scope.launch(async move {
            loop {
                spin();
                yield_now().await;
            }
        });
        let rounds = async || {
            let begun = Instant::now();
            yield_now().await;
            begun.elapsed()
        };
        rounds().await;
        assert_eq!(of(&job).busy, None);

        let guards = [time_polls(), time_polls()];
        let mut all = Duration::ZERO;
        let mut least = Duration::ZERO;
        for guard in guards {
            all += rounds().await;
            least += Duration::from_micros(50);
            let busy = of(&job).busy.unwrap();
            assert!(least <= busy && busy <= all, "{least:?} {busy:?} {all:?}");
            drop(guard);
        }
        let busy = of(&job).busy;
        rounds().await;
        assert_eq!(of(&job).busy, busy);
        job.cancel();
        Ok(())
    })
    .unwrap();
}

#[test]
fn jobs_that_are_made_while_polls_are_timed_know_when() {
    let _alone = alone();
    let _probes = install();
    run_blocking(async |scope| {
        let timed = time_polls();
        let before = Instant::now();
        let job = scope.launch(async {});
        let created = of(&job).created.unwrap();
        assert!(before <= created && created <= Instant::now());
        drop(timed);
        assert_eq!(of(&scope.launch(async {})).created, None);
        // It was made before.
        assert_eq!(of(scope.job()).created, None);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_poll_that_goes_on_says_since_when() {
    let _alone = alone();
    let _probes = install();
    let (begin, begun) = channel();
    let (go, gone) = sync_channel::<()>(0);
    let timed = time_polls();
    let before = Instant::now();
    let job = GlobalScope.with(Dispatcher::DEFAULT).launch(async move {
        begin.send(Instant::now()).unwrap();
        gone.recv().unwrap();
        corox_core::await_cancellation().await
    });
    let within = begun.recv().unwrap();
    // It is the begin of the poll that counts, and not whether polls are timed still.
    drop(timed);
    let known = of(&job);
    let since = known.running_since.unwrap();
    assert!(known.thread.is_some() && known.busy.is_none());
    assert!(before <= since && since <= within);
    go.send(()).unwrap();
    while of(&job).busy.is_none() {
        std::thread::yield_now();
    }
    let known = of(&job);
    assert!(known.thread.is_none() && known.running_since.is_none());
    job.cancel();
    run_blocking(async move |_| {
        job.join().await;
        Ok(())
    })
    .unwrap();
}
