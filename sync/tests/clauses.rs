//! What locks promise, a test for each clause (M-1 to M-9), and what is refused.

mod support;

use std::cell::Cell;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use corox_core::{
    Dispatcher, Job, catch_cancellation, coroutine_scope, non_cancellable, run_blocking, select,
    yield_now,
};
use corox_sync::{
    Acquire, Lock, LockOwned, LockOwner, Mutex, MutexGuard, OwnedMutexGuard, OwnedSemaphorePermit,
    RelockError, Semaphore, SemaphorePermit, TryLockError, UnlockError,
};
use corox_test::{EventLog, run_test};
use support::{Hand, given_up};

fn message(f: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).expect_err("a panic");
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => (*payload.downcast::<&str>().expect("a text")).to_owned(),
    }
}

/// M-1: straight to the oldest, with nobody in between; the one who unlocks goes on.
#[test]
fn a_mutex_is_handed_to_the_oldest() {
    let mutex = Mutex::new(Vec::new());
    let guard = mutex.try_lock().unwrap();
    let waiting = [1, 2, 3].map(|n| (n, Hand::waiting(mutex.lock())));
    drop(guard);
    for (at, (n, hand)) in waiting.into_iter().enumerate() {
        assert_eq!(hand.wakes(), 1, "{n}");
        // It has not run yet, and nobody else comes in.
        assert!(mutex.is_locked());
        assert_eq!(mutex.try_lock().unwrap_err(), TryLockError::Locked);
        let late = Hand::waiting(mutex.lock());
        hand.ready().push(n);
        assert_eq!(late.wakes(), usize::from(at == 2));
    }
    assert_eq!(mutex.into_inner(), [1, 2, 3]);
}

/// M-1, of coroutines: the order of arrival, and the releaser keeps running.
#[test]
fn coroutines_lock_in_the_order_in_which_they_came() {
    run_test(async |t| {
        let (mutex, log) = (Arc::new(Mutex::new(())), EventLog::new());
        let guard = mutex.lock().await;
        for n in 0..5 {
            let (mutex, log) = (mutex.clone(), log.clone());
            t.launch(async move {
                let _guard = mutex.lock().await;
                log.add(format!("locked by {n}"));
                yield_now().await;
                log.add(format!("unlocked by {n}"));
            });
        }
        t.run_current().await;
        drop(guard);
        log.add("released");
        t.run_current().await;
        let mut expected = vec!["released".to_owned()];
        for n in 0..5 {
            expected.push(format!("locked by {n}"));
            expected.push(format!("unlocked by {n}"));
        }
        assert_eq!(log.take(), expected);
    });
}

/// M-1, of permits: nobody overtakes one who waits for several.
#[test]
fn permits_are_handed_over_in_order() {
    let semaphore = Semaphore::new(3);
    let mut held: Vec<_> = (0..3).map(|_| semaphore.try_acquire().unwrap()).collect();
    let two = Hand::waiting(semaphore.acquire_many(2));
    let one = Hand::waiting(semaphore.acquire());
    held.pop();
    // One is there, and the first needs two: it waits for them, and so do all behind it.
    assert_eq!((two.wakes(), one.wakes()), (0, 0));
    assert_eq!(semaphore.available_permits(), 1);
    assert!(semaphore.try_acquire().is_err());
    held.pop();
    assert_eq!((two.wakes(), one.wakes()), (1, 0));
    held.pop();
    assert_eq!((two.wakes(), one.wakes()), (1, 1));
    assert_eq!(semaphore.available_permits(), 0);
    assert_eq!((two.ready().count(), one.ready().count()), (2, 1));
    assert_eq!(semaphore.available_permits(), 3);
}

/// M-1: one release serves several.
#[test]
fn several_permits_serve_as_many_as_they_go_for() {
    let semaphore = Semaphore::new(4);
    let four = semaphore.try_acquire_many(4).unwrap();
    let waiting = [1, 2, 2].map(|n| Hand::waiting(semaphore.acquire_many(n)));
    drop(four);
    assert_eq!(waiting.each_ref().map(Hand::wakes), [1, 1, 0]);
    let [one, two, last] = waiting;
    drop(one.ready());
    assert_eq!(last.wakes(), 1);
    assert_eq!((two.ready().count(), last.ready().count()), (2, 2));
    assert_eq!(semaphore.available_permits(), 4);
}

/// M-2: one who gives up while it waits takes no permit and wakes nobody.
#[test]
fn a_wait_that_is_given_up_takes_nothing() {
    let semaphore = Semaphore::new(1);
    let permit = semaphore.try_acquire().unwrap();
    let [first, second, third] = [(); 3].map(|()| Hand::waiting(semaphore.acquire()));
    drop(second);
    drop(first);
    assert_eq!((third.wakes(), semaphore.available_permits()), (0, 0));
    drop(permit);
    assert_eq!(third.wakes(), 1);
    drop(third.ready());
    assert_eq!(semaphore.available_permits(), 1);
}

/// M-2: one who gives up after it was handed the permit hands it on.
#[test]
fn what_was_handed_to_one_who_gives_up_goes_to_the_next() {
    let (semaphore, mutex) = (Semaphore::new(1), Mutex::new(()));
    let (permit, guard) = (semaphore.try_acquire().unwrap(), mutex.try_lock().unwrap());
    let [first, second] = [(); 2].map(|()| Hand::waiting(semaphore.acquire()));
    let [one, other] = [(); 2].map(|()| Hand::waiting(mutex.lock()));
    drop((permit, guard));
    assert_eq!((first.wakes(), second.wakes()), (1, 0));
    drop((first, one));
    assert_eq!((second.wakes(), other.wakes()), (1, 1));
    drop((second, other));
    assert_eq!(semaphore.available_permits(), 1);
    assert!(!mutex.is_locked());
}

/// M-2: if the first of the line goes, those whom it has held up are served.
#[test]
fn those_behind_one_who_gives_up_are_served() {
    let semaphore = Semaphore::new(3);
    let two = semaphore.try_acquire_many(2).unwrap();
    let three = Hand::waiting(semaphore.acquire_many(3));
    let one = Hand::waiting(semaphore.acquire());
    assert_eq!((one.wakes(), semaphore.available_permits()), (0, 1));
    drop(three);
    assert_eq!((one.wakes(), semaphore.available_permits()), (1, 0));
    drop((two, one));
    assert_eq!(semaphore.available_permits(), 3);
}

/// M-2, of coroutines: prompt cancellation, before and after the hand-over.
#[test]
fn a_cancelled_coroutine_never_has_the_lock() {
    run_test(async |t| {
        let (mutex, semaphore) = (Arc::new(Mutex::new(())), Arc::new(Semaphore::new(1)));
        for after_the_grant in [false, true] {
            let (guard, permit) = (mutex.lock().await, semaphore.acquire().await);
            let jobs: [Job; 2] = [
                t.launch({
                    let mutex = mutex.clone();
                    async move {
                        let _guard = mutex.lock().await;
                        unreachable!("it is cancelled");
                    }
                }),
                t.launch({
                    let semaphore = semaphore.clone();
                    async move {
                        let _permit = semaphore.acquire().await;
                        unreachable!("it is cancelled");
                    }
                }),
            ];
            t.run_current().await;
            let held = (guard, permit);
            if after_the_grant {
                drop(held);
                assert!(mutex.is_locked());
                assert_eq!(semaphore.available_permits(), 0);
                jobs.iter().for_each(Job::cancel);
            } else {
                jobs.iter().for_each(Job::cancel);
                drop(held);
            }
            t.run_current().await;
            assert!(jobs.iter().all(|job| job.is_cancelled()));
            assert!(!mutex.is_locked());
            assert_eq!(semaphore.available_permits(), 1);
        }
    });
}

/// M-2: also one that is polled on, because something in it holds up its cancellation.
#[test]
fn a_cancelled_coroutine_that_is_held_up_does_not_have_the_lock() {
    run_test(async |t| {
        let (mutex, log) = (Arc::new(Mutex::new(())), EventLog::new());
        let guard = mutex.lock().await;
        let job = t.launch({
            let (mutex, log) = (mutex.clone(), log.clone());
            async move {
                let locks = async {
                    let _guard = mutex.lock().await;
                    log.add("locked");
                };
                let holds = non_cancellable(async |_| {
                    yield_now().await;
                    yield_now().await;
                    log.add("held up");
                    Ok(())
                });
                let (_, held) = futures::join!(locks, holds);
                held
            }
        });
        yield_now().await;
        job.cancel();
        drop(guard);
        job.join().await;
        assert_eq!(log.take(), ["held up"]);
        assert!(!mutex.is_locked());
    });
}

/// M-3: what is free is taken without a suspension, and by one who is cancelled, too.
#[test]
fn what_is_free_is_taken_at_once() {
    let (mutex, semaphore) = (Mutex::new(()), Semaphore::new(1));
    drop(Hand::new(mutex.lock()).ready());
    drop(Hand::new(semaphore.acquire()).ready());
    run_test(async |t| {
        let log = EventLog::new();
        let job = t.launch({
            let log = log.clone();
            async move {
                let (mutex, semaphore) = (Mutex::new(()), Semaphore::new(1));
                let inside = catch_cancellation(async {
                    Job::current().unwrap().cancel();
                    drop(mutex.lock().await);
                    drop(semaphore.acquire().await);
                    drop(mutex.lock_as(LockOwner::new()).await);
                    log.add("taken");
                    yield_now().await;
                    log.add("and suspended");
                });
                assert!(inside.await.is_err());
            }
        });
        t.run_current().await;
        assert!(job.is_cancelled());
        assert_eq!(log.take(), ["taken"]);
    });
}

/// M-4: a second lock in the same name is an error; an owner is itself and nobody else.
#[test]
fn an_owner_who_locks_twice_is_told() {
    let (mutex, anna, ben) = (Mutex::new(()), LockOwner::new(), LockOwner::new());
    assert!(anna == { anna } && anna != ben);
    let guard = mutex.try_lock_as(anna).unwrap();
    let relock: RelockError = Hand::new(mutex.lock_as(anna)).ready().unwrap_err();
    assert!(relock.to_string().contains("not re-entrant"));
    assert_eq!(mutex.try_lock_as(anna).unwrap_err(), TryLockError::Relock);
    assert_eq!(mutex.try_lock_as(ben).unwrap_err(), TryLockError::Locked);
    let selected = Hand::new(select((mutex.on_lock_as(anna),))).ready();
    assert_eq!(selected.unwrap_err(), relock);
    // The mutex is none the worse, and others may wait.
    let other = Hand::waiting(mutex.lock_as(ben));
    let nobody = Hand::waiting(mutex.lock());
    drop(guard);
    drop(other.ready().unwrap());
    drop(nobody.ready());
    assert!(!mutex.holds_lock(anna) && !mutex.holds_lock(ben));
    drop(mutex.try_lock_as(anna).unwrap());
    assert!(!mutex.holds_lock(anna));
    assert!(!mutex.is_locked());
}

/// M-4: to unlock what is not locked, or by another owner, or by a guard.
#[test]
fn a_mutex_is_unlocked_by_its_owner_alone() {
    let (mutex, anna, ben) = (Mutex::new(()), LockOwner::new(), LockOwner::new());
    assert_eq!(mutex.unlock(None), Err(UnlockError::NotLocked));
    assert_eq!(mutex.unlock(anna), Err(UnlockError::NotLocked));
    let guard = mutex.try_lock_as(anna).unwrap();
    assert_eq!(mutex.unlock(anna), Err(UnlockError::Guarded));
    MutexGuard::leave_locked(guard);
    assert!(mutex.holds_lock(anna));
    assert_eq!(mutex.unlock(ben), Err(UnlockError::OtherOwner));
    assert!(mutex.holds_lock(anna));
    assert_eq!(mutex.unlock(anna), Ok(()));
    assert_eq!(mutex.unlock(anna), Err(UnlockError::NotLocked));
    // Without a name it is unlocked whoever has it.
    MutexGuard::leave_locked(mutex.try_lock_as(ben).unwrap());
    assert_eq!(mutex.unlock(None), Ok(()));
    assert!(!mutex.holds_lock(ben) && !mutex.is_locked());
    let messages = [
        (UnlockError::NotLocked, "not locked"),
        (UnlockError::OtherOwner, "by this owner"),
        (UnlockError::Guarded, "leave_locked"),
    ];
    for (error, says) in messages {
        assert!(error.to_string().contains(says), "{error}");
    }
}

/// M-4: whoever unlocks hands it over, and one who waits without a guard in sight has it.
#[test]
fn an_unlock_hands_the_mutex_over() {
    let mutex = Mutex::locked(1);
    let waiting = Hand::waiting(mutex.lock());
    mutex.unlock(None).unwrap();
    assert_eq!(waiting.wakes(), 1);
    // The next one has a guard, though it has not run yet.
    assert_eq!(mutex.unlock(None), Err(UnlockError::Guarded));
    assert_eq!(*waiting.ready(), 1);
}

/// M-5: the new owner has it before it runs.
#[test]
fn a_lock_that_is_handed_over_has_its_new_owner_at_once() {
    let (mutex, anna, ben) = (Mutex::new(()), LockOwner::new(), LockOwner::new());
    let guard = mutex.try_lock_as(anna).unwrap();
    let waiting = Hand::waiting(mutex.lock_as(ben));
    let nobody = Hand::waiting(mutex.lock());
    assert!(mutex.holds_lock(anna) && !mutex.holds_lock(ben));
    drop(guard);
    assert!(!mutex.holds_lock(anna) && mutex.holds_lock(ben));
    // One who gives up hands the name on, too.
    drop(waiting);
    assert!(mutex.is_locked());
    assert!(!mutex.holds_lock(anna) && !mutex.holds_lock(ben));
    drop(nobody);
    assert!(!mutex.is_locked());
}

/// M-6: one release too many is an error, and nothing is released.
#[test]
fn more_than_there_were_are_not_released() {
    let semaphore = Semaphore::new(2);
    let error = semaphore.release().unwrap_err();
    assert!(error.to_string().contains("1 released, but 0 of"));
    assert_eq!(semaphore.available_permits(), 2);
    // What a guard has is released by the guard, and by nobody else.
    let permit = semaphore.try_acquire().unwrap();
    assert!(semaphore.release().is_err());
    assert_eq!(semaphore.available_permits(), 1);
    permit.forget();
    assert!(semaphore.release_many(2).is_err());
    assert_eq!(semaphore.available_permits(), 1);
    semaphore.release().unwrap();
    assert!(semaphore.release().is_err());
    assert_eq!(semaphore.available_permits(), 2);
}

/// M-6: the bounds of the constructors.
#[test]
fn a_semaphore_has_a_permit_and_not_too_many() {
    assert!(message(|| drop(Semaphore::new(0))).contains("at least one"));
    assert!(message(|| drop(Semaphore::new(usize::MAX))).contains("MAX_PERMITS"));
    assert!(message(|| drop(Semaphore::with_acquired(0, 0))).contains("at least one"));
    assert!(message(|| drop(Semaphore::with_acquired(2, 3))).contains("of 2 permits 3"));
    let all = Semaphore::with_acquired(Semaphore::MAX_PERMITS, Semaphore::MAX_PERMITS);
    let waiting = Hand::waiting(all.acquire_many(Semaphore::MAX_PERMITS));
    all.release_many(Semaphore::MAX_PERMITS).unwrap();
    drop(waiting.ready());
    assert_eq!(all.available_permits(), Semaphore::MAX_PERMITS);
    assert!(all.release().is_err());
    let three = Semaphore::new(3);
    assert!(
        message(|| drop(three.acquire_many(4))).contains("4 permits of a semaphore that has 3")
    );
    assert!(message(|| drop(three.on_acquire_many(4))).contains("at most 3"));
    assert!(three.try_acquire_many(4).is_err() && three.try_acquire_many(usize::MAX).is_err());
    // For none nobody waits, though others do.
    let all = three.try_acquire_many(3).unwrap();
    let waiting = Hand::waiting(three.acquire());
    assert_eq!(three.try_acquire_many(0).unwrap().count(), 0);
    assert_eq!(Hand::new(three.acquire_many(0)).ready().count(), 0);
    let clauses = (three.on_acquire(), three.on_acquire_many(0));
    assert_eq!(Hand::new(select(clauses)).ready().count(), 0);
    drop((all, waiting));
    assert_eq!(three.available_permits(), 3);
}

/// M-7: in whatever way a scope is left.
#[test]
fn a_guard_unlocks_on_every_way_out() {
    run_test(async |t| {
        let (mutex, semaphore) = (Arc::new(Mutex::new(0)), Arc::new(Semaphore::new(1)));
        let free = || !mutex.is_locked() && semaphore.available_permits() == 1;
        // The end, and an early one.
        for early in [false, true] {
            let ended: Result<u32, &str> = async {
                let mut n = mutex.lock().await;
                let action = semaphore.with_permit(async {
                    *n += 1;
                    if early { Err("early") } else { Ok(*n) }
                });
                action.await
            }
            .await;
            assert_eq!(ended, if early { Err("early") } else { Ok(1) });
            assert!(free());
        }
        assert_eq!(mutex.with_lock(|n| *n).await, 2);
        // A cancellation inside.
        let (m, s) = (mutex.clone(), semaphore.clone());
        let job = t.launch(async move {
            let _guard = m.lock().await;
            s.with_permit(std::future::pending::<()>()).await;
        });
        t.run_current().await;
        assert!(mutex.is_locked() && semaphore.available_permits() == 0);
        job.cancel_and_join().await;
        assert!(free());
        // A panic inside. It poisons nothing.
        let panics = poll_fn(|_| -> Poll<()> { panic!("inside") });
        let mut inside = Hand::new(async {
            let _guard = mutex.lock().await;
            semaphore.with_permit(panics).await;
        });
        assert_eq!(message(|| assert!(inside.poll().is_ready())), "inside");
        assert!(free());
        let calls = mutex.with_lock(|n| assert_eq!(*n, 0, "inside"));
        assert!(message(|| Hand::new(calls).ready()).contains("inside"));
        assert!(free());
        // A wait that is given up.
        let guard = mutex.lock().await;
        assert!(given_up(mutex.with_lock(|n| *n += 1), 2).await.is_none());
        drop(guard);
        assert_eq!(mutex.with_lock(|n| *n).await, 2);
    });
}

/// M-8: on a dispatcher that runs in place those who wait are run one after another, not one inside of another.
#[test]
fn many_who_wait_in_place_are_served_iteratively() {
    const MANY: usize = 30_000;
    thread_local!(static DEPTH: Cell<usize> = const { Cell::new(0) });
    run_blocking(async |_| {
        let mutex = Arc::new(Mutex::new(0));
        let guard = mutex.lock().await;
        coroutine_scope(async |scope| {
            for _ in 0..MANY {
                let mutex = mutex.clone();
                scope.with(Dispatcher::UNCONFINED).launch(async move {
                    let mut guard = mutex.lock().await;
                    DEPTH.set(DEPTH.get() + 1);
                    assert_eq!(DEPTH.get(), 1);
                    *guard += 1;
                    drop(guard);
                    DEPTH.set(DEPTH.get() - 1);
                });
            }
            drop(guard);
            Ok(())
        })
        .await?;
        assert_eq!(*mutex.lock().await, MANY);
        Ok(())
    })
    .unwrap();
}

/// M-9: not below zero, however many wait.
#[test]
fn available_permits_are_not_below_zero() {
    let semaphore = Semaphore::with_acquired(2, 2);
    let mut waiting: Vec<_> = (0..100)
        .map(|_| Hand::waiting(semaphore.acquire()))
        .collect();
    assert_eq!(semaphore.available_permits(), 0);
    semaphore.release_many(2).unwrap();
    assert_eq!(semaphore.available_permits(), 0);
    drop(waiting.split_off(50));
    assert_eq!(semaphore.available_permits(), 0);
    drop(waiting);
    assert_eq!(semaphore.available_permits(), 2);
}

/// A future may be polled by one task and then by another one, which is the one that is woken.
#[test]
fn a_wait_that_moves_to_another_task_is_woken_there() {
    let mutex = Mutex::new(());
    let guard = mutex.try_lock().unwrap();
    let old = Hand::waiting(mutex.lock());
    let mut new = old.moved();
    assert!(new.poll().is_pending());
    // A second poll by the same task changes nothing.
    assert!(new.poll().is_pending());
    drop(guard);
    assert_eq!(new.wakes(), 1);
    drop(new.ready());
}

#[test]
#[should_panic(expected = "was polled after it had ended")]
fn a_future_that_has_ended_is_not_polled() {
    let mutex = Mutex::new(());
    let mut lock = Hand::new(mutex.lock());
    drop(lock.poll());
    let _ = lock.poll();
}

/// A guard that is leaked keeps the mutex locked, and nothing else goes wrong.
#[test]
fn a_leaked_guard_keeps_the_mutex() {
    let mut mutex = Mutex::new(1);
    std::mem::forget(mutex.try_lock().unwrap());
    assert_eq!(mutex.unlock(None), Err(UnlockError::Guarded));
    assert!(given(&mutex).is_none());
    *mutex.get_mut() += 1;
    assert_eq!(mutex.into_inner(), 2);
    // Of a future that was served and is leaked: as lost as a guard.
    let semaphore = Semaphore::new(1);
    let permit = semaphore.try_acquire().unwrap();
    std::mem::forget(Hand::waiting(semaphore.acquire()));
    drop(permit);
    assert!(semaphore.try_acquire().is_err());
}

fn given(mutex: &Mutex<i32>) -> Option<i32> {
    mutex.try_lock().ok().map(|guard| *guard)
}

#[test]
fn guards_of_parts_and_of_unsized_values() {
    let mutex: Box<Mutex<[u32]>> = Box::new(Mutex::new([1, 2, 3]));
    let mut last = MutexGuard::map(mutex.try_lock().unwrap(), |all| &mut all[2]);
    *last += 1;
    assert!(mutex.try_lock().is_err());
    assert_eq!(format!("{last} {last:?}"), "4 4");
    drop(last);
    assert_eq!(*mutex.try_lock().unwrap(), [1, 2, 4]);
    let panicked = message(|| {
        drop(MutexGuard::map(
            mutex.try_lock().unwrap(),
            |all| -> &mut u32 { panic!("{}", all.len()) },
        ))
    });
    assert_eq!((panicked.as_str(), mutex.is_locked()), ("3", false));
    let shared: Arc<Mutex<dyn std::fmt::Debug + Send>> = Arc::new(Mutex::new("text"));
    let guard = shared.try_lock_owned().unwrap();
    assert_eq!(format!("{guard:?}"), "\"text\"");
    drop(guard);
    assert!(!shared.is_locked());
}

/// The value goes with the last share, once, also if that is a guard's.
#[test]
fn an_owned_guard_may_be_the_last_to_share_the_mutex() {
    let value = Arc::new(());
    let mutex = Arc::new(Mutex::new(value.clone()));
    let (guard, waiting) = (
        mutex.try_lock_owned().unwrap(),
        Hand::waiting(mutex.lock_owned()),
    );
    drop(mutex);
    drop(guard);
    let guard = waiting.ready();
    assert_eq!(Arc::strong_count(&guard), 2);
    drop(guard);
    assert_eq!(Arc::strong_count(&value), 1);
}

#[test]
fn what_is_shown_for_debugging() {
    let line = line!() + 1;
    let (mutex, semaphore) = (Mutex::from(1), Semaphore::new(2));
    let made = format!("clauses.rs:{line}:");
    let shown = format!("{mutex:?}");
    assert!(
        shown.contains("value: 1") && shown.contains(&made),
        "{shown}"
    );
    let _guard = mutex.try_lock().unwrap();
    let shown = format!("{mutex:?} {:?}", mutex.lock());
    assert!(shown.contains("value: <locked>"), "{shown}");
    let permit = semaphore.try_acquire().unwrap();
    let shown = format!("{semaphore:?} {permit:?}");
    assert!(
        shown.contains("permits: 2, available: 1") && shown.contains(&made),
        "{shown}"
    );
    assert_eq!(*Mutex::<u32>::default().try_lock().unwrap(), 0);
}

/// Locks in statics.
#[test]
fn locks_are_made_in_constants() {
    static ROW: Mutex<Vec<u32>> = Mutex::new(Vec::new());
    static SEATS: Semaphore = Semaphore::new(1);
    ROW.try_lock().unwrap().push(1);
    assert_eq!(SEATS.try_acquire().unwrap().count(), 1);
    assert_eq!(*ROW.try_lock().unwrap(), [1]);
}

/// Does not compile if one of the types has the trait: there would be two ways to say `_`.
macro_rules! not {
    ($trait:ident: $($type:ty),+) => {{
        trait Ambiguous<A> {
            fn check() {}
        }
        impl<T: ?Sized> Ambiguous<()> for T {}
        impl<T: ?Sized + $trait> Ambiguous<u8> for T {}
        $(<$type as Ambiguous<_>>::check();)+
    }};
}

/// What may go to other threads, and what is not there for a value that may not.
#[test]
fn guards_go_to_other_threads() {
    fn sends<T: Send>() {}
    fn shares<T: Sync>() {}
    // A `Cell` may be sent and not shared: enough for a mutex, and for a guard to be sent.
    sends::<Mutex<Cell<u32>>>();
    shares::<Mutex<Cell<u32>>>();
    sends::<MutexGuard<'_, Cell<u32>>>();
    sends::<OwnedMutexGuard<Cell<u32>>>();
    sends::<Lock<'_, Cell<u32>>>();
    sends::<LockOwned<Cell<u32>>>();
    shares::<MutexGuard<'_, u32>>();
    shares::<OwnedMutexGuard<u32>>();
    sends::<SemaphorePermit<'_>>();
    sends::<OwnedSemaphorePermit>();
    sends::<Acquire<'_>>();
    shares::<Semaphore>();
    not!(Send: Mutex<Rc<u32>>, MutexGuard<'_, Rc<u32>>, OwnedMutexGuard<Rc<u32>>, LockOwned<Rc<u32>>);
    not!(Sync: Mutex<Rc<u32>>, MutexGuard<'_, Cell<u32>>, OwnedMutexGuard<Cell<u32>>);
    fn is_send<F: Future + Send>(future: F) -> F {
        future
    }
    let (mutex, semaphore) = (Mutex::new(Cell::new(0)), Semaphore::new(1));
    let held = is_send(async {
        let guard = mutex.lock().await;
        yield_now().await;
        guard.set(1);
        mutex_and_permit(&semaphore).await;
    });
    drop(held);
    // Bodies that are spawned may use the forms with actions.
    run_blocking(async |scope| {
        let (mutex, semaphore) = (Arc::new(Mutex::new(0)), Arc::new(Semaphore::new(1)));
        let (m, s) = (mutex.clone(), semaphore.clone());
        let body = scope.launch(async move {
            m.with_lock(|n| *n += 1).await;
            s.with_permit(yield_now()).await;
        });
        body.join().await;
        assert_eq!(*mutex.lock().await, 1);
        Ok(())
    })
    .unwrap();
}

async fn mutex_and_permit(semaphore: &Semaphore) {
    let _permit = semaphore.acquire().await;
    yield_now().await;
}
