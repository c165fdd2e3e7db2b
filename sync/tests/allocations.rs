//! What locks cost in memory: exact numbers of allocations and bytes, and sizes.
//!
//! A number that has changed is shown beside the one expected. If it got better, the new one goes into its line here.
#![cfg(not(corox_loom))]

#[path = "../../core/tests/support/counting.rs"]
mod counting;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use corox_core::{Clause, coroutine_scope, run_blocking, select, yield_now};
use corox_sync::{LockOwner, Mutex, Semaphore};
use counting::{Count, are_bytes_comparable, live_of_this_thread};

const OPERATIONS: usize = 100;

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[track_caller]
fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

#[track_caller]
fn waiting<F: Future + Unpin>(mut future: F) -> F {
    assert!(poll(&mut future).is_pending(), "it does not wait");
    future
}

/// What the operation allocates, of which there have been some.
fn steady(mut operation: impl FnMut()) -> Count {
    (0..3).for_each(|_| operation());
    let before = Count::of_this_thread();
    (0..OPERATIONS).for_each(|_| operation());
    Count::of_this_thread() - before
}

const NOTHING: Count = expected(0, 0);

const fn expected(allocations: usize, bytes: usize) -> Count {
    Count { allocations, bytes }
}

/// A line if the count of so many operations is another than expected.
fn difference(what: &str, expected: Count, all: Count, operations: usize) -> Option<String> {
    let same = all.allocations == expected.allocations * operations
        && (!are_bytes_comparable() || all.bytes == expected.bytes * operations);
    let each = |n: usize| n as f64 / operations as f64;
    (!same).then(|| {
        let (allocations, bytes) = (each(all.allocations), each(all.bytes));
        format!("{what}: {expected:?}, is now {allocations}, {bytes}")
    })
}

fn assert_none(changed: impl IntoIterator<Item = Option<String>>) {
    let changed: Vec<_> = changed.into_iter().flatten().collect();
    assert!(changed.is_empty(), "\n{}\n", changed.join("\n"));
}

#[test]
fn a_lock_that_is_free_allocates_nothing() {
    let (mutex, owner) = (Arc::new(Mutex::new(0)), LockOwner::new());
    let operation = || {
        *ready(mutex.lock()) += 1;
        *ready(mutex.lock_as(owner)).unwrap() += 1;
        *ready(mutex.lock_owned()) += 1;
        *mutex.try_lock().unwrap() += 1;
        *mutex.try_lock_as(owner).unwrap() += 1;
        *mutex.try_lock_owned().unwrap() += 1;
        ready(pin!(mutex.with_lock(|n| *n += 1)));
    };
    assert_eq!(steady(operation), NOTHING);
}

#[test]
fn permits_that_are_there_allocate_nothing() {
    let semaphore = Arc::new(Semaphore::new(3));
    let operation = || {
        let _one = ready(semaphore.acquire());
        let _two = semaphore.try_acquire_owned().unwrap();
        assert!(semaphore.try_acquire_many(2).is_err());
        drop(ready(semaphore.acquire_owned()));
        ready(pin!(semaphore.with_permit(async {})));
    };
    assert_eq!(steady(operation), NOTHING);
}

/// Also one that is refused, and one that goes unserved.
#[test]
fn a_lock_that_is_handed_over_allocates_nothing() {
    let (mutex, owner) = (Arc::new(Mutex::new(0)), LockOwner::new());
    let operation = || {
        let guard = ready(mutex.lock());
        let mut first = waiting(mutex.lock());
        let mut second = waiting(mutex.lock_as(owner));
        let gone = waiting(mutex.lock());
        let mut last = waiting(mutex.lock_owned());
        assert!(mutex.try_lock().is_err());
        drop((gone, guard));
        drop(ready(&mut first));
        drop(ready(&mut second).unwrap());
        drop(ready(&mut last));
    };
    assert_eq!(steady(operation), NOTHING);
}

#[test]
fn permits_that_are_handed_over_allocate_nothing() {
    let semaphore = Arc::new(Semaphore::new(2));
    let operation = || {
        let both = ready(semaphore.acquire_many(2));
        let mut first = waiting(semaphore.acquire());
        let mut all = waiting(semaphore.acquire_many(2));
        let mut last = waiting(semaphore.acquire_owned());
        drop(both);
        drop(ready(&mut first));
        drop(ready(&mut all));
        drop(ready(&mut last));
    };
    assert_eq!(steady(operation), NOTHING);
}

/// Three at once, the wakers of two of which go into a list.
#[test]
fn a_release_that_serves_several_allocates_a_list_of_wakers() {
    let semaphore = Semaphore::new(3);
    let operation = || {
        let all = ready(semaphore.acquire_many(3));
        let waiting = [(); 3].map(|()| waiting(semaphore.acquire()));
        drop(all);
        for mut acquire in waiting {
            ready(&mut acquire).forget();
        }
        semaphore.release_many(3).unwrap();
    };
    let changed = difference(
        "3 are served",
        expected(1, 64),
        steady(operation),
        OPERATIONS,
    );
    assert_none([changed]);
}

fn select_at_once(one: &Mutex<u8>, two: &Mutex<u8>) {
    let _guard = one.try_lock().unwrap();
    let both = (one.on_lock().then(|n| *n), two.on_lock().then(|n| *n));
    assert_eq!(ready(select(both)), 2);
}

fn select_that_waits(one: &Mutex<u8>, two: &Mutex<u8>) {
    let _guard = one.try_lock().unwrap();
    let other = two.try_lock().unwrap();
    let both = (one.on_lock().then(|n| *n), two.on_lock().then(|n| *n));
    let mut select = pin!(select(both));
    assert!(poll(&mut select).is_pending());
    drop(other);
    assert!(matches!(poll(&mut select), Poll::Ready(2)));
}

fn select_that_is_dropped(one: &Mutex<u8>, two: &Mutex<u8>) {
    let _guards = (one.try_lock().unwrap(), two.try_lock().unwrap());
    let mut select = pin!(select((one.on_lock(), two.on_lock())));
    assert!(poll(&mut select).is_pending());
}

#[test]
fn a_select_over_two_locks_allocates_what_it_is_known_to_allocate() {
    type Selecting = fn(&Mutex<u8>, &Mutex<u8>);
    let cases: [(&str, Count, Selecting); 3] = [
        ("the second is free", NOTHING, select_at_once),
        ("it waits", expected(1, 72), select_that_waits),
        ("it is dropped", expected(1, 72), select_that_is_dropped),
    ];
    let (one, two) = (Mutex::new(1), Mutex::new(2));
    let changed = cases.map(|(what, expected, operation)| {
        difference(what, expected, steady(|| operation(&one, &two)), OPERATIONS)
    });
    assert_none(changed);
}

/// Between coroutines, and with them what wakes them.
#[test]
fn turns_of_coroutines_allocate_nothing() {
    run_blocking(async |_| {
        // The queue of the loop grows to its size.
        turns(100).await?;
        let few = turns(100).await?.allocations;
        let many = turns(1000).await?.allocations;
        // After 128 turns it is tokio's turn on this thread, which allocates. A round of a coroutine has at most four: two that wait
        // and two that yield.
        assert!(many < few + 4 * 4 * 900 / 128, "{few}, {many}");
        Ok(())
    })
    .unwrap();
}

async fn turns(each: u64) -> corox_core::Result<Count> {
    let (mutex, semaphore) = (Mutex::new(0), Semaphore::new(2));
    let shared = Arc::new((mutex, semaphore));
    let before = Count::of_this_thread();
    coroutine_scope(async |scope| {
        for _ in 0..4 {
            let shared = shared.clone();
            scope.launch(async move {
                let (mutex, semaphore) = &*shared;
                for _ in 0..each {
                    let mut guard = mutex.lock().await;
                    *guard += 1;
                    yield_now().await;
                    drop(guard);
                    let _permit = semaphore.acquire().await;
                    yield_now().await;
                }
            });
        }
        Ok(())
    })
    .await?;
    let count = Count::of_this_thread() - before;
    assert_eq!(*shared.0.lock().await, 4 * each);
    Ok(count)
}

/// What a lock has allocated and not given back.
fn held_by<L>(lock: L, used: impl Fn(&L)) -> Count {
    let before = live_of_this_thread();
    used(&lock);
    let after = live_of_this_thread();
    expected((after.0 - before.0) as usize, (after.1 - before.1) as usize)
}

#[test]
fn a_lock_holds_nothing_before_somebody_has_waited() {
    let of_mutex = |waiting: usize| {
        held_by(Mutex::new(()), |mutex| {
            let guard = ready(mutex.lock());
            let all: Vec<_> = (0..waiting).map(|_| self::waiting(mutex.lock())).collect();
            drop((all, guard));
        })
    };
    let of_semaphore = |waiting: usize| {
        held_by(Semaphore::new(1), |semaphore| {
            let permit = ready(semaphore.acquire());
            let all: Vec<_> = (0..waiting)
                .map(|_| self::waiting(semaphore.acquire()))
                .collect();
            drop((all, permit));
        })
    };
    let rows = [
        ("a mutex nobody has waited for", NOTHING, of_mutex(0)),
        ("one has waited", expected(1, 224), of_mutex(1)),
        ("1000 have waited at once", NOTHING, of_mutex(1000)),
        ("a semaphore", NOTHING, of_semaphore(0)),
        ("one has waited for it", expected(1, 224), of_semaphore(1)),
    ];
    assert_none(rows.map(|(what, expected, held)| difference(what, expected, held, 1)));
}

#[test]
fn locks_and_their_futures_are_as_large_as_they_are_known_to_be() {
    let (mutex, semaphore) = (Mutex::new(()), Semaphore::new(1));
    let sizes = [
        ("Mutex<()>", 88, size_of_val(&mutex)),
        ("Semaphore", 88, size_of_val(&semaphore)),
        ("lock", 32, size_of_val(&mutex.lock())),
        ("acquire", 40, size_of_val(&semaphore.acquire())),
        ("on_lock", 16, size_of_val(&mutex.on_lock())),
        ("on_acquire", 24, size_of_val(&semaphore.on_acquire())),
    ];
    if !are_bytes_comparable() {
        return;
    }
    assert_none(sizes.map(|(what, expected, size)| {
        (expected != size).then(|| format!("{what}: {expected}, is now {size}"))
    }));
}
