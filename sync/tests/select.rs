//! Locks as clauses of a select (S-1 to S-4, S-6, S-7, S-11 to S-13).

mod support;

use std::future::{pending, poll_fn, ready};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use corox_core::{Clause, on, on_timeout, select, select_unbiased, while_select, yield_now};
use corox_sync::{LockOwner, Mutex, MutexGuard, Semaphore};
use corox_test::{EventLog, run_test};
use support::{Dice, Hand};

/// S-1, S-3: the first that is free in the order in which they are written, without a suspension; the others are left alone.
#[test]
fn the_first_that_is_free_wins_at_once() {
    let (a, b, c) = (Mutex::new('a'), Mutex::new('b'), Mutex::new('c'));
    let taken = a.try_lock().unwrap();
    let guard = Hand::new(select((a.on_lock(), b.on_lock(), c.on_lock()))).ready();
    assert_eq!((*guard, c.is_locked()), ('b', false));
    drop((taken, guard));
    assert!(!a.is_locked() && !b.is_locked());
}

/// Locks are looked at before anything is registered, and futures show only then what they have.
#[test]
fn a_free_lock_does_not_overtake_a_future_that_is_written_before_it() {
    let (taken, free, owner) = (Mutex::locked(0), Mutex::new(0), LockOwner::new());
    let semaphore = Semaphore::new(1);
    let first = on(ready(1));
    let clauses = (
        taken.on_lock().then(|_| 0),
        first,
        free.on_lock().then(|_| 2),
    );
    assert_eq!(Hand::new(select(clauses)).ready(), 1);
    let clauses = (on(ready(1)), free.on_lock_as(owner).then(|_| 2));
    assert_eq!(Hand::new(select(clauses)).ready(), 1);
    let clauses = (on(ready(1)), semaphore.on_acquire().then(|_| 2));
    assert_eq!(Hand::new(select(clauses)).ready(), 1);
    assert!(!free.is_locked() && semaphore.available_permits() == 1);
}

/// S-1: shuffled, each of several that are free wins.
#[test]
fn an_unbiased_select_has_no_favourite() {
    let semaphore = [Semaphore::new(1), Semaphore::new(1)];
    let mut wins = [0, 0];
    for _ in 0..1000 {
        let [a, b] = &semaphore;
        let clauses = (a.on_acquire().then(|_| 0), b.on_acquire().then(|_| 1));
        wins[Hand::new(select_unbiased(clauses)).ready()] += 1;
    }
    assert!(wins[0] > 300 && wins[1] > 300, "{wins:?}");
}

/// S-2: the lock is taken with winning, and the others are as if nothing had been.
#[test]
fn one_lock_is_taken_and_the_others_are_not() {
    let [a, b] = [Mutex::new('a'), Mutex::new('b')];
    let (of_a, of_b) = (a.try_lock().unwrap(), b.try_lock().unwrap());
    let selecting = Hand::waiting(select((a.on_lock(), b.on_lock())));
    let behind = [Hand::waiting(a.lock()), Hand::waiting(b.lock())];
    drop(of_b);
    assert_eq!((selecting.wakes(), behind[1].wakes()), (1, 0));
    // It has `b` already: `a` passes it by, though it has not run.
    drop(of_a);
    assert_eq!((selecting.wakes(), behind[0].wakes()), (1, 1));
    assert_eq!(*selecting.ready(), 'b');
    let [one, other] = behind;
    assert_eq!((*one.ready(), *other.ready()), ('a', 'b'));
    assert!(!a.is_locked() && !b.is_locked());
}

/// A select waits in its place in the line: M-1 among plain waits and clauses.
#[test]
fn a_select_keeps_its_place_in_the_line() {
    let (mutex, other) = (Mutex::new(0), Mutex::locked(0));
    let guard = mutex.try_lock().unwrap();
    let first = Hand::waiting(mutex.lock());
    let mut second = Hand::waiting(select((other.on_lock(), mutex.on_lock())));
    let third = Hand::waiting(mutex.lock());
    assert!(second.poll().is_pending());
    drop(guard);
    assert_eq!([first.wakes(), second.wakes(), third.wakes()], [1, 0, 0]);
    drop(first.ready());
    assert_eq!((second.wakes(), third.wakes()), (1, 0));
    assert_eq!(mutex.try_lock().map(|guard| *guard).ok(), None);
    drop(second.ready());
    assert_eq!(third.wakes(), 1);
    drop(third.ready());
}

/// S-4: the handler runs when all other clauses have gone, and may use the same lock.
#[test]
fn a_handler_may_use_the_same_locks() {
    run_test(async |_| {
        let (a, b) = (Mutex::new(1), Semaphore::new(1));
        let permit = b.acquire().await;
        let both = select((
            b.on_acquire().then_async(async |_| 0),
            a.on_lock().then_async(async |guard| {
                drop(permit);
                let permit = b.acquire().await;
                *guard + i32::try_from(permit.count()).unwrap()
            }),
        ))
        .await;
        assert_eq!((both, b.available_permits(), a.is_locked()), (2, 1, false));
    });
}

/// S-7: two clauses of one lock in one select: it has the lock once.
#[test]
fn two_clauses_on_one_lock_take_it_once() {
    let semaphore = Semaphore::new(2);
    let permits = semaphore.try_acquire_many(2).unwrap();
    let selecting = Hand::waiting(select((semaphore.on_acquire(), semaphore.on_acquire())));
    drop(permits);
    assert_eq!(selecting.wakes(), 1);
    let permit = selecting.ready();
    assert_eq!(semaphore.available_permits(), 1);
    drop(permit);
    let mutex = Mutex::new(());
    drop(Hand::new(select((mutex.on_lock(), mutex.on_lock()))).ready());
    assert!(!mutex.is_locked());
}

/// M-4, M-5 in a select: an owner has what is handed to its clause at once; twice is an error, and the first that is there wins.
#[test]
fn owners_in_a_select() {
    let (mutex, other) = (Mutex::new(()), Mutex::locked(()));
    let (anna, ben) = (LockOwner::new(), LockOwner::new());
    let guard = mutex.try_lock_as(anna).unwrap();
    let relock = Hand::new(select((other.on_lock_as(anna), mutex.on_lock_as(anna)))).ready();
    assert!(relock.unwrap_err().to_string().contains("re-entrant"));
    let selecting = Hand::waiting(select((other.on_lock_as(ben), mutex.on_lock_as(ben))));
    drop(guard);
    assert!(mutex.holds_lock(ben) && !other.holds_lock(ben));
    drop(selecting);
    assert!(!mutex.holds_lock(ben) && !mutex.is_locked());
}

/// S-11: dropped before or after it was handed the lock.
#[test]
fn a_select_that_is_dropped_hands_the_lock_on() {
    for after in [false, true] {
        let (a, b) = (Mutex::new(()), Semaphore::with_acquired(1, 1));
        let guard = a.try_lock().unwrap();
        let selecting = Hand::waiting(select((
            b.on_acquire().then(drop),
            a.on_lock().then(drop),
            on(pending()),
        )));
        let next = [(); 2].map(|()| Hand::waiting(a.lock()));
        if after {
            drop(guard);
            assert_eq!(next[0].wakes(), 0);
            drop(selecting);
        } else {
            drop(selecting);
            drop(guard);
        }
        assert_eq!((next[0].wakes(), next[1].wakes()), (1, 0));
        b.release().unwrap();
        assert_eq!(b.available_permits(), 1);
    }
}

/// S-11: a coroutine that is cancelled after its select was handed a lock does not have it.
#[test]
fn a_cancelled_coroutine_does_not_go_into_the_handler() {
    run_test(async |t| {
        let (mutex, log) = (Arc::new(Mutex::new(())), EventLog::new());
        let guard = mutex.lock().await;
        let job = t.launch({
            let (mutex, log) = (mutex.clone(), log.clone());
            async move {
                select((mutex.on_lock().then(|_guard| log.add("locked")),)).await;
            }
        });
        t.run_current().await;
        drop(guard);
        assert!(mutex.is_locked());
        job.cancel_and_join().await;
        assert!(!mutex.is_locked());
        assert!(log.take().is_empty());
    });
}

/// S-10: a time-out beside a lock, again and again.
#[test]
fn a_time_out_beside_a_lock() {
    run_test(async |t| {
        let mutex = Arc::new(Mutex::new(0));
        let guard = mutex.lock().await;
        let mut ticks = 0;
        let releaser = t.launch(async move {
            corox_core::delay(Duration::from_millis(35)).await;
        });
        let mut guard = Some(guard);
        while_select(async || {
            if releaser.is_completed() {
                guard.take();
            }
            select((
                mutex.on_lock().then(|_| false),
                on_timeout(Duration::from_millis(10)).then(|()| {
                    ticks += 1;
                    true
                }),
            ))
            .await
        })
        .await;
        assert_eq!((ticks, mutex.is_locked()), (4, false));
    });
}

/// S-13: a panic in a clause leaves the others usable.
#[test]
fn a_panic_in_a_select_leaves_the_locks_as_they_were() {
    let mutex = Mutex::new(());
    let guard = mutex.try_lock().unwrap();
    let mut selecting = Hand::new(select((
        mutex.on_lock().then(drop),
        on(poll_fn(|_| -> Poll<()> { panic!("inside") })),
    )));
    let poll = std::panic::AssertUnwindSafe(|| selecting.poll());
    assert!(std::panic::catch_unwind(poll).is_err());
    let next = Hand::waiting(mutex.lock());
    drop(guard);
    // The select is busy for ever, until it is dropped.
    drop(selecting);
    assert_eq!(next.wakes(), 1);
    drop(next.ready());
    assert!(!mutex.is_locked());
}

/// A release amid a poll of foreign code: nobody comes in between, and the select sees the lock when the poll has ended.
#[test]
fn a_busy_select_keeps_its_turn() {
    let mutex = Mutex::new(0);
    let mut guard = Some(mutex.try_lock().unwrap());
    let mut late = None;
    let clauses = (
        mutex.on_lock(),
        on(poll_fn(|_| -> Poll<MutexGuard<'_, i32>> {
            drop(guard.take());
            assert!(mutex.is_locked() && mutex.try_lock().is_err());
            late.get_or_insert_with(|| Hand::waiting(mutex.lock()));
            Poll::Pending
        })),
    );
    let mut own = Hand::new(select(clauses)).ready();
    *own += 1;
    let late = late.unwrap();
    assert_eq!(late.wakes(), 0);
    drop(own);
    assert_eq!((late.wakes(), *late.ready()), (1, 1));
}

/// If the foreign code wins instead, those behind are served.
#[test]
fn those_behind_a_busy_select_that_loses_are_served() {
    let mutex = Mutex::new(0);
    let mut guard = Some(mutex.try_lock().unwrap());
    let mut late = None;
    let clauses = (
        mutex.on_lock().then(|_| "lock"),
        on(poll_fn(|_| {
            drop(guard.take());
            late.get_or_insert_with(|| Hand::waiting(mutex.lock()));
            Poll::Ready("foreign")
        })),
    );
    assert_eq!(Hand::new(select(clauses)).ready(), "foreign");
    let late = late.unwrap();
    assert_eq!(late.wakes(), 1);
    drop(late.ready());
    assert!(!mutex.is_locked());
}

/// S-6: philosophers who take their forks one after another by selects, in whatever order they are free.
#[test]
fn philosophers_eat() {
    run_test(async |t| {
        let forks = Arc::new([(); 3].map(|()| Mutex::new(0)));
        let jobs: Vec<_> = (0..3_u64)
            .map(|at| {
                let forks = forks.clone();
                t.launch(async move {
                    let mut dice = Dice(at + 1);
                    let (left, right) = (&forks[at as usize], &forks[(at as usize + 1) % 3]);
                    for _ in 0..50 {
                        // One fork, whichever; the other one only if it is free: else none.
                        loop {
                            let mut fork = select_unbiased((left.on_lock(), right.on_lock())).await;
                            let others = [left, right].map(Mutex::try_lock);
                            if let Some(mut other) = others.into_iter().find_map(Result::ok) {
                                *fork += 1;
                                *other += 1;
                                break;
                            }
                            drop(fork);
                            for _ in 0..=dice.roll(3) {
                                yield_now().await;
                            }
                        }
                        yield_now().await;
                    }
                })
            })
            .collect();
        corox_core::join_all(&jobs).await;
        let eaten: i32 = forks.iter().map(|fork| *fork.try_lock().unwrap()).sum();
        assert_eq!(eaten, 3 * 50 * 2);
    });
}

/// Beside selects of others.
#[test]
fn clauses_work_in_foreign_selects() {
    run_test(async |_| {
        let (a, b) = (Mutex::new(1), Mutex::locked(2));
        tokio::select! {
            biased;
            _ = b.lock() => panic!("it is locked"),
            guard = select((b.on_lock(), a.on_lock())) => assert_eq!(*guard, 1),
        }
        b.unlock(None).unwrap();
        assert!(!a.is_locked() && !b.is_locked());
    });
}
