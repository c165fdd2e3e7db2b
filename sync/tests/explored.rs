//! Locks under many orders of their coroutines; and mistakes in their use, which exploration has to find and name.

mod support;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use corox_core::{Clause, CoroutineName, join_all, on, probe, run_blocking, select, yield_now};
use corox_sync::{Mutex, Semaphore};
use corox_test::{TestScope, explore, run_test};
use support::{Dice, given_up};

/// The report of an exploration that fails.
fn found(body: impl AsyncFn(TestScope)) -> String {
    let outcome = catch_unwind(AssertUnwindSafe(|| explore(1000, body)));
    let payload: Box<dyn Any + Send> = outcome.expect_err("nothing was found");
    *payload.downcast::<String>().expect("a text")
}

/// Everything at once, in 300 orders: never two at the value, and every permit is there at the end.
#[test]
fn nothing_is_lost_in_any_order() {
    let explored = explore(300, async |t| {
        let (mutex, semaphore) = (Arc::new(Mutex::new(0)), Arc::new(Semaphore::new(2)));
        let jobs: Vec<_> = (1..=5)
            .map(|seed| {
                let (mutex, semaphore) = (mutex.clone(), semaphore.clone());
                t.launch(async move {
                    let mut dice = Dice(seed);
                    for _ in 0..4 {
                        match dice.roll(5) {
                            0 => {
                                let mut guard = mutex.lock().await;
                                let seen = *guard;
                                yield_now().await;
                                *guard = seen + 1;
                            }
                            1 => {
                                let _permits = semaphore.acquire_many(2).await;
                                yield_now().await;
                            }
                            2 => {
                                drop(given_up(mutex.lock(), dice.roll(2)).await);
                                drop(given_up(semaphore.acquire(), dice.roll(2)).await);
                            }
                            3 => {
                                select((
                                    mutex.on_lock().then(|mut guard| *guard += 1),
                                    semaphore.on_acquire().then(drop),
                                    on(yield_now()),
                                ))
                                .await;
                            }
                            _ => {
                                let _permit = semaphore.acquire().await;
                                *mutex.lock().await += 1;
                            }
                        }
                    }
                })
            })
            .collect();
        let cancelled = t.launch({
            let (mutex, semaphore) = (mutex.clone(), semaphore.clone());
            async move {
                loop {
                    let _both = (semaphore.acquire().await, mutex.lock().await);
                    yield_now().await;
                }
            }
        });
        yield_now().await;
        cancelled.cancel();
        join_all(&jobs).await;
        cancelled.join().await;
        assert!(!mutex.is_locked());
        assert_eq!(semaphore.available_permits(), 2);
    });
    assert!(explored.distinct() > 250, "{explored:?}");
}

async fn transfer(first: Arc<Mutex<i32>>, second: Arc<Mutex<i32>>) {
    let mut from = first.lock().await;
    yield_now().await;
    let mut to = second.lock().await;
    *from -= 1;
    *to += 1;
}

/// Two locks in opposite orders: some order of the coroutines hangs, and the report says who waits for which lock, and where.
#[test]
fn two_locks_in_opposite_orders_are_found() {
    let report = found(async |t| {
        let (savings, current) = (Arc::new(Mutex::new(1)), Arc::new(Mutex::new(1)));
        let there = (savings.clone(), current.clone());
        let there = t
            .with(CoroutineName::new("there"))
            .launch(async move { transfer(there.0, there.1).await });
        let back = t.with(CoroutineName::new("back")).launch(async move {
            yield_now().await;
            yield_now().await;
            transfer(current, savings).await;
        });
        join_all(&[there, back]).await;
    });
    let waits: Vec<_> = report
        .lines()
        .filter(|line| line.contains("waits for lock (Mutex@"))
        .collect();
    assert_eq!(waits.len(), 2, "{report}");
    assert!(waits[0] != waits[1], "{report}");
    for wait in waits {
        assert_eq!(wait.matches("explored.rs:").count(), 2, "{wait}");
    }
    assert!(
        report.contains("\"there#") && report.contains("\"back#"),
        "{report}"
    );
    // Who has what the other one waits for, and that this is a ring, is said, too.
    for name in ["there", "back"] {
        assert!(report.contains(&format!(", held by \"{name}#")), "{report}");
        assert!(report.contains(&format!(") held by \"{name}#")), "{report}");
    }
    assert_eq!(report.matches("Deadlock: \"there#").count(), 1, "{report}");
    // In the same order always, there is nothing to be found.
    let repaired = explore(1000, async |t| {
        let (savings, current) = (Arc::new(Mutex::new(1)), Arc::new(Mutex::new(1)));
        let jobs = [0, 1].map(|_| {
            let (savings, current) = (savings.clone(), current.clone());
            t.launch(transfer(savings, current))
        });
        join_all(&jobs).await;
        assert_eq!((*savings.lock().await, *current.lock().await), (-1, 3));
    });
    assert_eq!(repaired.schedules(), 1000);
}

/// A look and an act, each with the lock, and without it in between.
#[test]
fn a_lock_that_is_released_between_look_and_act_is_found() {
    async fn book(seats: Arc<Mutex<i32>>, keep: bool) {
        let guard = seats.lock().await;
        if *guard == 0 {
            return;
        }
        let guard = keep.then_some(guard);
        // It is paid for.
        yield_now().await;
        match guard {
            Some(mut guard) => *guard -= 1,
            None => *seats.lock().await -= 1,
        }
    }
    let body = |keep: bool| {
        async move |t: TestScope| {
            let seats = Arc::new(Mutex::new(1));
            let first = t.launch(book(seats.clone(), keep));
            let seats_of_second = seats.clone();
            let second = t.launch(async move {
                yield_now().await;
                yield_now().await;
                book(seats_of_second, keep).await;
            });
            join_all(&[first, second]).await;
            assert_eq!(*seats.lock().await, 0, "a seat was sold twice");
        }
    };
    run_test(body(false));
    assert!(found(body(false)).contains("a seat was sold twice"));
    assert_eq!(explore(1000, body(true)).schedules(), 1000);
}

/// What a dump says of those who wait: for which lock or how many permits of it, where the lock was made, and where they wait.
#[test]
fn waits_are_named() {
    let _probes = probe::install();
    run_blocking(async |scope| {
        let made = line!() + 1;
        let mutex = Arc::new(Mutex::locked(()));
        let semaphore = Arc::new(Semaphore::with_acquired(2, 2));
        let (m, s) = (mutex.clone(), semaphore.clone());
        let locks = scope.launch(async move { drop(m.lock().await) });
        let acquires = scope.launch(async move { drop(s.acquire_many(2).await) });
        let (m, s) = (mutex.clone(), semaphore.clone());
        let selects = scope.launch(async move {
            select((m.on_lock().then(drop), s.on_acquire().then(drop))).await;
        });
        yield_now().await;
        let wait = &probe::waits_of(&locks)[0];
        assert_eq!((wait.what, wait.by_coroutines), ("lock", true));
        assert_eq!(wait.location.line(), made + 3);
        assert!(wait.detail.starts_with("Mutex@"), "{wait:?}");
        assert!(
            wait.detail.contains(&format!("explored.rs:{made}:")),
            "{wait:?}"
        );
        let wait = &probe::waits_of(&acquires)[0];
        assert_eq!((wait.what, wait.location.line()), ("acquire", made + 4));
        assert!(wait.detail.starts_with("2 of Semaphore@"), "{wait:?}");
        let wait = &probe::waits_of(&selects)[0];
        assert_eq!((wait.what, wait.by_coroutines), ("select", true));
        assert!(wait.detail.contains("lock of Mutex@"), "{wait:?}");
        assert!(wait.detail.contains("acquire of Semaphore@"), "{wait:?}");
        mutex.unlock(None).unwrap();
        semaphore.release_many(2).unwrap();
        let jobs = [locks, acquires, selects];
        join_all(&jobs).await;
        assert!(jobs.iter().all(|job| probe::waits_of(job).is_empty()));
        Ok(())
    })
    .unwrap();
}
