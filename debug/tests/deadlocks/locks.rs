//! Locks: who holds them, and who waits for them in a ring.

use std::sync::Arc;
use std::time::Duration;

use crate::support::infos;
use crate::{deadlocks, is_stuck_in, launch, on_one_thread, plain_sentence, ring, settle};
use corox_core::{
    CompletableDeferred, CoroutineName, CoroutineScope, Dispatcher, coroutine_scope, delay, probe,
    with_context, yield_now,
};
use corox_debug::{CoroutineState, DebugProbes};
use corox_sync::{Mutex, MutexGuard, Semaphore};

#[test]
fn two_that_lock_two_mutexes_in_two_orders_are_a_deadlock() {
    on_one_thread(async |scope| {
        let first = line!() + 1;
        let (a, b) = (Arc::new(Mutex::new(1)), Arc::new(Mutex::new(2)));
        for (name, from, to) in [("a to b", &a, &b), ("b to a", &b, &a)] {
            let (from, to) = (from.clone(), to.clone());
            launch(scope, name, async move {
                let from = from.lock().await;
                yield_now().await;
                *to.lock().await += *from;
            });
        }
        settle().await;
        let expected = "Deadlock: \"a to b\" waits for Mutex made at line 0 (lock at line 6) held by \"b to a\", \
                        which waits for Mutex made at line 0 (lock at line 6) held by \"a to b\"";
        assert_eq!(deadlocks(first), [expected]);

        // The dump says so, and so does that without this crate.
        let dump = DebugProbes::dump_coroutines()?;
        assert_eq!(
            plain_sentence(dump.lines().last().unwrap(), first),
            expected
        );
        assert!(dump.contains("\tat lock (Mutex@") && dump.contains(", held by \"b to a#"));
        assert_eq!(
            plain_sentence(probe::dump().lines().last().unwrap(), first),
            expected
        );
        let a_to_b = &infos()[1];
        assert_eq!(a_to_b.state, CoroutineState::Suspended);
        let (awaited, held) = (&a_to_b.awaits[0], &a_to_b.holds[0]);
        let by = &awaited.held_by[0];
        assert!(by.holder.as_ref().unwrap().starts_with("\"b to a#"));
        assert_eq!((by.permits, by.may_have_moved), (1, false));
        assert_ne!(held.number, by.number);
        assert_eq!(infos()[2].holds[0].number, by.number);
        Ok(())
    });
}

#[test]
fn three_in_a_ring_are_one_deadlock_that_begins_with_the_oldest() {
    on_one_thread(async |scope| {
        let others = ring(scope, &["x", "y", "z"]);
        // It only waits for one of them.
        let joined = others[1].clone();
        launch(scope, "beside", async move { joined.join().await });
        settle().await;
        let found = DebugProbes::deadlocks()?;
        let names: Vec<_> = found[0]
            .members
            .iter()
            .map(|one| one.name.clone())
            .collect();
        let ids = others.iter().map(|job| job.id().unwrap());
        let expected = ["x", "y", "z"].into_iter().zip(ids);
        let expected: Vec<_> = expected
            .map(|(name, id)| format!("\"{name}#{id}\""))
            .collect();
        assert_eq!(names, expected);
        assert_eq!(found.len(), 1);
        Ok(())
    });
}

#[test]
fn two_rings_are_two_deadlocks() {
    on_one_thread(async |scope| {
        ring(scope, &["a", "b"]);
        ring(scope, &["c", "d"]);
        settle().await;
        assert_eq!(DebugProbes::deadlocks()?.len(), 2);
        Ok(())
    });
}

#[test]
fn whoever_locks_again_what_he_has_waits_for_himself() {
    on_one_thread(async |scope| {
        let first = line!() + 1;
        launch(scope, "twice", async {
            let mutex = Mutex::new(());
            let _one = mutex.lock().await;
            let _ = coroutine_scope(async |_| {
                let _two = mutex.lock().await;
                Ok(())
            })
            .await;
        });
        settle().await;
        let expected =
            "Deadlock: \"twice\" waits for Mutex made at line 1 (lock at line 4) held by \"twice\"";
        assert_eq!(deadlocks(first), [expected]);
        Ok(())
    });
}

/// P-4: scopes inside a coroutine are parts of it, also one that is a task of its own.
#[test]
fn a_part_on_another_thread_waits_for_a_lock_of_its_own_coroutine() {
    on_one_thread(async |scope| {
        static MUTEX: Mutex<()> = Mutex::new(());
        launch(scope, "moved", async {
            let _one = MUTEX.lock().await;
            let there = async {
                let _two = MUTEX.lock().await;
                Ok(())
            };
            let _ = with_context(Dispatcher::DEFAULT, there).await;
        });
        while !is_stuck_in(2, &infos()[1]) {
            yield_now().await;
        }
        let found = DebugProbes::deadlocks()?;
        assert_eq!((found.len(), found[0].members.len()), (1, 1));
        assert!(found[0].members[0].lock.is_some());
        Ok(())
    });
}

/// The guard outlives the scope that it was made in.
#[test]
fn a_lock_that_a_scope_has_taken_is_held_by_its_coroutine() {
    on_one_thread(async |scope| {
        launch(scope, "twice", async {
            let mutex = Mutex::new(());
            let one = coroutine_scope(async |_| Ok(mutex.lock().await)).await;
            let _two = mutex.lock().await;
            drop(one);
        });
        settle().await;
        assert_eq!(infos()[1].holds.len(), 1);
        assert_eq!(DebugProbes::deadlocks()?.len(), 1);
        Ok(())
    });
}

#[test]
fn two_that_queue_for_a_lock_in_use_are_no_deadlock() {
    on_one_thread(async |scope| {
        let mutex = Arc::new(Mutex::new(()));
        let busy = mutex.clone();
        launch(scope, "busy", async move {
            let _guard = busy.lock().await;
            delay(Duration::from_secs(60)).await;
        });
        for name in ["one", "other"] {
            let mutex = mutex.clone();
            launch(scope, name, async move {
                let _guard = mutex.lock().await;
            });
        }
        settle().await;
        assert!(DebugProbes::deadlocks()?.is_empty());
        let dump = DebugProbes::dump_coroutines()?;
        assert_eq!(dump.matches(", held by \"busy#").count(), 2);
        assert!(!dump.contains("Deadlock"));
        Ok(())
    });
}

#[test]
fn a_semaphore_of_one_permit_is_a_lock() {
    on_one_thread(async |scope| {
        let first = line!() + 1;
        let (a, b) = (Arc::new(Semaphore::new(1)), Arc::new(Semaphore::new(1)));
        for (name, mine, other) in [("one", &a, &b), ("two", &b, &a)] {
            let (mine, other) = (mine.clone(), other.clone());
            launch(scope, name, async move {
                let _mine = mine.acquire().await;
                yield_now().await;
                let _other = other.acquire().await;
            });
        }
        settle().await;
        let expected = "Deadlock: \"one\" waits for Semaphore made at line 0 (acquire at line 6) held by \"two\", \
                        which waits for Semaphore made at line 0 (acquire at line 6) held by \"one\"";
        assert_eq!(deadlocks(first), [expected]);
        Ok(())
    });
}

/// Two take a permit each, and then want a second one; of three the third goes to one that goes on.
async fn both_want_two(scope: &CoroutineScope, permits: usize) {
    let semaphore = Arc::new(Semaphore::new(permits));
    for name in ["one", "two"] {
        let semaphore = semaphore.clone();
        launch(scope, name, async move {
            let _one = semaphore.acquire().await;
            yield_now().await;
            let _two = semaphore.acquire().await;
        });
    }
    if permits == 3 {
        launch(scope, "free", async move {
            let _one = semaphore.acquire().await;
            delay(Duration::from_secs(60)).await;
        });
    }
    settle().await;
}

#[test]
fn permits_that_are_all_with_those_who_want_more_are_a_deadlock() {
    on_one_thread(async |scope| {
        both_want_two(scope, 2).await;
        // Each waits for both, itself the first.
        assert!(!DebugProbes::deadlocks()?.is_empty());
        Ok(())
    });
}

#[test]
fn a_permit_of_one_that_goes_on_is_enough() {
    on_one_thread(async |scope| {
        both_want_two(scope, 3).await;
        assert_eq!(infos()[1].awaits[0].held_by.len(), 3);
        assert!(DebugProbes::deadlocks()?.is_empty());
        Ok(())
    });
}

#[test]
fn several_permits_are_waited_for_at_once_and_given_back_in_parts() {
    on_one_thread(async |scope| {
        let semaphore = Arc::new(Semaphore::new(5));
        let held = || {
            let infos = infos();
            let held = infos
                .iter()
                .find(|info| info.name.as_deref() == Some("splits"));
            held.unwrap()
                .holds
                .iter()
                .map(|hold| hold.permits)
                .sum::<usize>()
        };
        let (go, gone) = (CompletableDeferred::new(), CompletableDeferred::new());
        let (asked, told) = (go.clone(), gone.clone());
        let same = semaphore.clone();
        launch(scope, "splits", async move {
            let mut four = same.acquire_many(4).await;
            let one = four.split(1);
            asked.await.unwrap();
            drop(four);
            told.complete(());
            let _one = one;
            let _all = same.acquire_many(5).await;
        });
        settle().await;
        assert_eq!(held(), 4);
        go.complete(());
        gone.await?;
        settle().await;
        assert_eq!(held(), 1);
        assert_eq!(DebugProbes::deadlocks()?.len(), 1);
        Ok(())
    });
}

#[test]
fn what_is_given_back_is_held_no_longer() {
    on_one_thread(async |_| {
        let (mutex, semaphore) = (Arc::new(Mutex::new(1)), Arc::new(Semaphore::new(3)));
        let guards = (mutex.lock().await, semaphore.acquire_many(2).await);
        assert_eq!(infos()[0].holds.len(), 2);
        drop(guards);
        assert!(infos()[0].holds.is_empty());
        let guards = (mutex.lock_owned().await, semaphore.acquire_owned().await);
        assert!(infos()[0].holds.iter().all(|hold| hold.may_have_moved));
        assert_eq!(infos()[0].holds.len(), 2);
        drop(guards);
        assert!(infos()[0].holds.is_empty());
        let mapped = MutexGuard::map(mutex.try_lock()?, |number| number);
        assert_eq!(infos()[0].holds.len(), 1);
        drop(mapped);
        assert!(infos()[0].holds.is_empty());
        Ok(())
    });
}

/// Anybody may give it back.
#[test]
fn what_is_left_locked_without_a_guard_is_held_by_nobody() {
    on_one_thread(async |scope| {
        launch(scope, "leaves", async {
            let (mutex, semaphore) = (Mutex::new(()), Semaphore::new(1));
            MutexGuard::leave_locked(mutex.lock().await);
            semaphore.acquire().await.forget();
            let lock = async { drop(mutex.lock().await) };
            futures::future::join(lock, async { drop(semaphore.acquire().await) }).await;
        });
        settle().await;
        assert!(infos()[1].holds.is_empty());
        assert_eq!(infos()[1].awaits.len(), 2);
        assert!(DebugProbes::deadlocks()?.is_empty());
        Ok(())
    });
}

#[test]
fn a_guard_that_went_to_another_coroutine_is_in_no_deadlock() {
    on_one_thread(async |scope| {
        let (mutex, semaphore) = (Arc::new(Mutex::new(())), Arc::new(Semaphore::new(1)));
        let inner = scope.clone();
        launch(scope, "gives", async move {
            let guards = (mutex.lock_owned().await, semaphore.acquire_owned().await);
            let worker = inner.with(CoroutineName::new("works"));
            worker.launch(async move {
                let _guards = guards;
                delay(Duration::from_secs(60)).await;
            });
            let lock = async { drop(mutex.lock().await) };
            futures::future::join(lock, async { drop(semaphore.acquire().await) }).await;
        });
        settle().await;
        assert!(DebugProbes::deadlocks()?.is_empty());
        let dump = DebugProbes::dump_coroutines()?;
        assert_eq!(dump.matches(", taken by \"gives#").count(), 2, "{dump}");
        Ok(())
    });
}

#[test]
fn a_lock_of_one_that_has_ended_is_told_as_such() {
    on_one_thread(async |scope| {
        static MUTEX: Mutex<()> = Mutex::new(());
        launch(scope, "leaks", async {
            std::mem::forget(MUTEX.lock().await)
        });
        launch(scope, "waits", async { drop(MUTEX.lock().await) });
        settle().await;
        let dump = DebugProbes::dump_coroutines()?;
        assert!(
            dump.contains(", held by a coroutine that has ended)"),
            "{dump}"
        );
        assert!(DebugProbes::deadlocks()?.is_empty());
        Ok(())
    });
}
