//! Who waits for whom, and rings of those who do: what is a deadlock, and what is none.

mod support;

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use corox_core::{
    Clause, CompletableDeferred, CoroutineName, CoroutineScope, Dispatcher, Job, await_all,
    await_cancellation, coroutine_scope, delay, non_cancellable, probe, run_blocking, select,
    with_context, with_timeout, yield_now,
};
use corox_debug::{CoroutineInfo, CoroutineState, DebugProbes};
use corox_sync::{Mutex, MutexGuard, Semaphore};
use support::{alone, infos, probed};

/// Until everybody else of this thread waits.
async fn settle() {
    for _ in 0..20 {
        yield_now().await;
    }
}

/// Whether it is suspended in so many waits.
fn is_stuck_in(waits: usize, info: &CoroutineInfo) -> bool {
    info.state == CoroutineState::Suspended && info.awaits.len() == waits
}

/// The deadlocks, without numbers and with lines as counted from `first`.
fn deadlocks(first: u32) -> Vec<String> {
    let found = DebugProbes::deadlocks().unwrap();
    let text = |text: String| plain_sentence(&text, first);
    found.iter().map(|one| text(one.to_string())).collect()
}

/// Places as lines counted from `first`, and no numbers.
fn plain_sentence(text: &str, first: u32) -> String {
    let mut parts = text.split(file!());
    let mut plain = parts.next().unwrap().to_owned();
    for part in parts {
        let mut rest = part.splitn(3, ':');
        let line = rest.nth(1).unwrap().parse::<u32>().unwrap();
        let rest = rest.next().unwrap();
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        plain.push_str(&format!("line {}{rest}", line - first));
    }
    let plain = support::without(&plain, '@');
    support::without(&plain, '#').trim_end().to_owned()
}

/// A coroutine with a name, so that it is found.
fn launch(
    scope: &CoroutineScope,
    name: &'static str,
    body: impl Future<Output = ()> + Send + 'static,
) -> Job {
    scope.with(CoroutineName::new(name)).launch(body)
}

/// Runs `test` on this thread, with probes, and cancels what it has launched.
fn on_one_thread(
    test: impl AsyncFnOnce(&CoroutineScope) -> corox_core::Result<()> + Send + 'static,
) {
    probed(|| {
        run_blocking(async |scope| {
            test(&scope).await?;
            scope.job().cancel_children();
            Ok(())
        })
        .unwrap();
    });
}

/// `n` coroutines, each of which locks its own mutex and then that of the next one.
fn ring(scope: &CoroutineScope, names: &[&'static str]) -> Vec<Job> {
    let mutexes: Vec<_> = names.iter().map(|_| Arc::new(Mutex::new(()))).collect();
    let coroutines = names.iter().enumerate().map(|(number, name)| {
        let own = mutexes[number].clone();
        let next = mutexes[(number + 1) % names.len()].clone();
        launch(scope, name, async move {
            let _own = own.lock().await;
            yield_now().await;
            let _next = next.lock().await;
        })
    });
    coroutines.collect()
}

// ---- locks

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

// ---- jobs

#[test]
fn a_child_that_waits_for_a_lock_of_its_parent_is_a_deadlock() {
    on_one_thread(async |scope| {
        let first = line!() + 1;
        launch(scope, "parent", async {
            let mutex = Arc::new(Mutex::new(()));
            let _guard = mutex.lock().await;
            let _ = coroutine_scope(async |scope| {
                let mutex = mutex.clone();
                launch(&scope, "child", async move { drop(mutex.lock().await) });
                Ok(())
            })
            .await;
        });
        settle().await;
        let expected = "Deadlock: \"parent\" waits for its child \"child\" (children at line 3), \
                        which waits for Mutex made at line 1 (lock at line 5) held by \"parent\"";
        assert_eq!(deadlocks(first), [expected]);
        Ok(())
    });
}

/// One child suffices, for all of them are waited for.
#[test]
fn of_several_children_one_that_is_stuck_suffices() {
    on_one_thread(async |scope| {
        launch(scope, "parent", async {
            let mutex = Arc::new(Mutex::new(()));
            let _guard = mutex.lock().await;
            let _ = coroutine_scope(async |scope| {
                launch(&scope, "lives", delay(Duration::from_secs(60)));
                let mutex = mutex.clone();
                let stuck = scope.spawn(async move {
                    drop(mutex.lock().await);
                    Ok(())
                });
                let lives = scope.spawn(async {
                    delay(Duration::from_secs(60)).await;
                    Ok(())
                });
                await_all([lives, stuck]).await
            })
            .await;
        });
        settle().await;
        assert_eq!(DebugProbes::deadlocks()?.len(), 1);
        Ok(())
    });
}

#[test]
fn two_that_join_one_another_are_a_deadlock() {
    on_one_thread(async |scope| {
        let first = line!() + 1;
        let jobs: Arc<[OnceLock<Job>; 2]> = Arc::default();
        for number in [0, 1] {
            let other = jobs.clone();
            let job = launch(scope, ["one", "two"][number], async move {
                other[1 - number].get().unwrap().join().await;
            });
            jobs[number].set(job).unwrap();
        }
        settle().await;
        let expected = "Deadlock: \"one\" waits for \"two\" (join at line 4), which waits for \"one\" (join at line 4)";
        assert_eq!(deadlocks(first), [expected]);
        Ok(())
    });
}

/// A plain join of a parent panics; a clause of a select waits.
#[test]
fn a_child_that_waits_for_the_end_of_its_parent_is_a_deadlock() {
    on_one_thread(async |scope| {
        let first = line!() + 1;
        let inner = scope.clone();
        let parent = inner
            .clone()
            .with(CoroutineName::new("parent"))
            .launch(coroutine_scope(async |own| {
                let job = own.job().parent().unwrap();
                launch(&own, "child", async move { select((job.on_join(),)).await });
                Ok(())
            }));
        settle().await;
        let expected = "Deadlock: \"parent\" waits for its child \"child\" (children at line 4), \
                        which waits for \"parent\" (select at line 6)";
        assert_eq!(deadlocks(first), [expected]);
        parent.cancel_and_join().await;
        assert!(deadlocks(first).is_empty());
        Ok(())
    });
}

/// A body that has ended waits for the children, without a place where it does.
#[test]
fn a_coroutine_whose_body_has_ended_waits_for_its_children() {
    on_one_thread(async |scope| {
        let first = line!() + 1;
        launch(scope, "parent", async {
            let own = Job::current().unwrap();
            let scope = CoroutineScope::new(own.clone());
            launch(
                &scope,
                "child",
                async move { select((own.on_join(),)).await },
            );
        });
        // Its scope is on another thread.
        while !is_stuck_in(1, infos().last().unwrap()) {
            yield_now().await;
        }
        let expected = "Deadlock: \"parent\" waits for its child \"child\", which waits for \"parent\" (select at line 6)";
        assert_eq!(deadlocks(first), [expected]);
        Ok(())
    });
}

#[test]
fn whoever_waits_for_his_own_end_waits_for_himself() {
    on_one_thread(async |scope| {
        let first = line!() + 1;
        launch(scope, "own", async {
            let own = Job::current().unwrap();
            select((own.on_join(),)).await;
        });
        settle().await;
        let expected = "Deadlock: \"own\" waits for \"own\" (select at line 2)";
        assert_eq!(deadlocks(first), [expected]);
        Ok(())
    });
}

/// Anybody may complete it.
#[test]
fn a_deferred_that_nobody_completes_is_no_deadlock() {
    on_one_thread(async |scope| {
        let answer = CompletableDeferred::<()>::new();
        launch(scope, "waits", async move { drop(answer.await) });
        settle().await;
        assert!(DebugProbes::deadlocks()?.is_empty());
        assert_eq!(infos()[1].awaits[0].jobs.len(), 1);
        Ok(())
    });
}

// ---- several waits at once

#[test]
fn a_select_with_a_clause_that_may_come_is_no_deadlock() {
    on_one_thread(async |scope| {
        let mutex = Arc::new(Mutex::new(()));
        let (other, answer) = (Arc::new(Mutex::new(())), CompletableDeferred::<()>::new());
        let (locks, same) = (mutex.clone(), other.clone());
        launch(scope, "selects", async move {
            let _mine = locks.lock().await;
            yield_now().await;
            select((same.on_lock().then(|_| ()), answer.on_await().then(|_| ()))).await;
        });
        launch(scope, "locks", async move {
            let _mine = other.lock().await;
            yield_now().await;
            let _other = mutex.lock().await;
        });
        settle().await;
        assert!(infos()[1].awaits[0].held_by.len() == 1);
        assert!(DebugProbes::deadlocks()?.is_empty());
        Ok(())
    });
}

#[test]
fn a_select_of_which_no_clause_can_come_is_a_deadlock() {
    on_one_thread(async |scope| {
        let mutex = Arc::new(Mutex::new(()));
        let (one, two) = (Arc::new(Mutex::new(())), Arc::new(Mutex::new(())));
        let (locks, first, second) = (mutex.clone(), one.clone(), two.clone());
        launch(scope, "selects", async move {
            let _mine = locks.lock().await;
            yield_now().await;
            select((first.on_lock().then(|_| ()), second.on_lock().then(|_| ()))).await;
        });
        let mut last = None;
        for (name, own) in [("one", one), ("two", two)] {
            let mutex = mutex.clone();
            last = Some(launch(scope, name, async move {
                let _mine = own.lock().await;
                yield_now().await;
                let _other = mutex.lock().await;
            }));
        }
        settle().await;
        assert_eq!(DebugProbes::deadlocks()?.len(), 1);
        let dump = DebugProbes::dump_coroutines()?;
        assert!(dump.contains(" held by \"one#") && dump.contains(" held by \"two#"));
        // One of two has gone, and what it has held is free.
        last.unwrap().cancel_and_join().await;
        settle().await;
        assert!(DebugProbes::deadlocks()?.is_empty());
        Ok(())
    });
}

#[test]
fn a_wait_beside_one_that_may_end_is_no_deadlock() {
    on_one_thread(async |scope| {
        launch(scope, "both", async {
            let mutex = Mutex::new(());
            let _guard = mutex.lock().await;
            let again = async { drop(mutex.lock().await) };
            futures::future::join(again, delay(Duration::from_secs(60))).await;
        });
        settle().await;
        assert!(DebugProbes::deadlocks()?.is_empty());
        Ok(())
    });
}

#[test]
fn two_waits_at_once_neither_of_which_can_end_are_a_deadlock() {
    on_one_thread(async |scope| {
        launch(scope, "both", async {
            let (one, two) = (Mutex::new(()), Mutex::new(()));
            let _guards = (one.lock().await, two.lock().await);
            let again = async { drop(one.lock().await) };
            futures::future::join(again, async { drop(two.lock().await) }).await;
        });
        settle().await;
        assert_eq!(DebugProbes::deadlocks()?.len(), 1);
        Ok(())
    });
}

/// A scope that is polled beside a wait, and waits for what is not known.
#[test]
fn a_scope_beside_a_wait_that_waits_for_anything_is_no_deadlock() {
    on_one_thread(async |scope| {
        launch(scope, "both", async {
            let mutex = Mutex::new(());
            let _guard = mutex.lock().await;
            let again = async { drop(mutex.lock().await) };
            let unknown = coroutine_scope(async |_| {
                std::future::pending::<()>().await;
                Ok(())
            });
            let _ = futures::future::join(again, unknown).await;
        });
        settle().await;
        assert!(DebugProbes::deadlocks()?.is_empty());
        Ok(())
    });
}

#[test]
fn a_limit_of_time_ends_what_would_be_a_deadlock() {
    on_one_thread(async |scope| {
        let minute = Duration::from_secs(60);
        launch(scope, "limited", async move {
            let mutex = Mutex::new(());
            let _guard = mutex.lock().await;
            let again = async |_: CoroutineScope| {
                drop(mutex.lock().await);
                Ok(())
            };
            let _ = with_timeout(minute, again).await;
        });
        // Around all of them.
        launch(scope, "around", async move {
            let _ = with_timeout(minute, async |scope| {
                ring(&scope, &["one", "two"]);
                Ok(())
            })
            .await;
        });
        settle().await;
        assert_eq!(infos().len(), 5);
        assert!(DebugProbes::deadlocks()?.is_empty());
        Ok(())
    });
}

// ---- when

#[test]
fn after_one_of_them_was_cancelled_there_is_none() {
    on_one_thread(async |scope| {
        let jobs = ring(scope, &["one", "two"]);
        settle().await;
        assert_eq!(DebugProbes::deadlocks()?.len(), 1);
        jobs[0].cancel();
        // Before it is polled, too.
        assert!(DebugProbes::deadlocks()?.is_empty());
        jobs[1].join().await;
        assert!(DebugProbes::deadlocks()?.is_empty());
        Ok(())
    });
}

#[test]
fn one_that_is_cancelled_and_cannot_be_is_not_told() {
    on_one_thread(async |scope| {
        let job = launch(scope, "shielded", async {
            let mutex = Mutex::new(());
            let _guard = mutex.lock().await;
            let _ = non_cancellable(async |_| {
                let again = async { drop(mutex.lock().await) };
                futures::future::select(Box::pin(again), Box::pin(delay(Duration::from_millis(1))))
                    .await;
                Ok(())
            })
            .await;
        });
        settle().await;
        job.cancel();
        settle().await;
        assert!(DebugProbes::deadlocks()?.is_empty());
        job.join().await;
        Ok(())
    });
}

#[test]
fn what_was_locked_before_the_probes_is_held_by_nobody_known() {
    alone(|| {
        run_blocking(async |scope| {
            let jobs = ring(&scope, &["one", "two"]);
            settle().await;
            DebugProbes::install();
            assert!(DebugProbes::deadlocks()?.is_empty());
            // Known ones beside them, one of which waits for a mutex that was locked before.
            let mutex = Arc::new(Mutex::new(()));
            let guard = mutex.lock().await;
            let mutex = mutex.clone();
            launch(&scope, "late", async move { drop(mutex.lock().await) });
            settle().await;
            assert!(DebugProbes::deadlocks()?.is_empty());
            assert!(infos()[0].awaits[0].held_by.is_empty());
            drop(guard);
            jobs.iter().for_each(Job::cancel);
            Ok(())
        })
        .unwrap();
        DebugProbes::uninstall().unwrap();
    });
}

/// A guard from the time of earlier probes strikes out nothing of the later ones.
#[test]
fn probes_that_were_taken_away_and_installed_again_know_only_what_came_after() {
    alone(|| {
        DebugProbes::install();
        run_blocking(async |scope| {
            let (mutex, semaphore) = (Arc::new(Mutex::new(())), Arc::new(Semaphore::new(3)));
            let old = (mutex.lock().await, semaphore.acquire().await);
            DebugProbes::uninstall()?;
            let unknown = semaphore.acquire().await;
            DebugProbes::install();
            let again = (mutex.clone(), semaphore.clone());
            launch(&scope, "new", async move {
                let _one = again.1.acquire().await;
                let _guard = again.0.lock().await;
                await_cancellation().await;
            });
            settle().await;
            let holds = |at: usize| {
                infos()[at]
                    .holds
                    .iter()
                    .map(|hold| hold.permits)
                    .sum::<usize>()
            };
            assert_eq!(holds(0), 1);
            drop(unknown);
            drop(old);
            settle().await;
            // Whose the permits were that came back is not known, so those of the new one are not, either.
            assert_eq!(infos()[0].holds.len(), 1);
            assert!(infos()[0].holds[0].lock.starts_with("Mutex@"));
            assert!(DebugProbes::deadlocks()?.is_empty());
            scope.job().cancel_children();
            Ok(())
        })
        .unwrap();
        DebugProbes::uninstall().unwrap();
    });
}

#[test]
fn without_probes_the_question_is_an_error() {
    alone(|| {
        let error = DebugProbes::deadlocks().unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("DebugProbes::deadlocks needs")
        );
    });
}

#[test]
fn on_several_threads_it_is_found_too() {
    probed(|| {
        let scope = CoroutineScope::new(Dispatcher::DEFAULT);
        let mutexes: [Arc<Mutex<()>>; 2] = Default::default();
        let has_one: [CompletableDeferred<()>; 2] =
            [CompletableDeferred::new(), CompletableDeferred::new()];
        for number in [0, 1] {
            let (mine, other) = (mutexes[number].clone(), mutexes[1 - number].clone());
            let (told, asked) = (has_one[number].clone(), has_one[1 - number].clone());
            launch(&scope, ["one", "two"][number], async move {
                let _mine = mine.lock().await;
                told.complete(());
                asked.await.unwrap();
                let _other = other.lock().await;
            });
        }
        let waits =
            |info: &CoroutineInfo| is_stuck_in(1, info) && !info.awaits[0].held_by.is_empty();
        while infos().iter().filter(|info| waits(info)).count() < 2 {
            std::thread::yield_now();
        }
        assert_eq!(DebugProbes::deadlocks().unwrap().len(), 1);
        let dump = DebugProbes::dump_coroutines().unwrap();
        assert!(dump.contains("\nDeadlock: \"one#"), "{dump}");
        scope.cancel();
        run_blocking(async |_| {
            scope.job().join().await;
            Ok(())
        })
        .unwrap();
    });
}

/// They lock and unlock all the time, in one order: whoever looks never sees a deadlock.
#[test]
fn those_who_go_on_are_never_taken_for_stuck() {
    probed(|| {
        let scope = CoroutineScope::new(Dispatcher::DEFAULT);
        let mutexes: Arc<[Mutex<u32>; 3]> = Arc::default();
        for number in 0..6 {
            let mutexes = mutexes.clone();
            scope.launch(async move {
                loop {
                    let first = &mutexes[number % 2];
                    let mut one = first.lock().await;
                    yield_now().await;
                    let both = async { *mutexes[2].lock().await += 1 };
                    futures::future::join(both, yield_now()).await;
                    *one += 1;
                }
            });
        }
        for _ in 0..2_000 {
            let found = DebugProbes::deadlocks().unwrap();
            assert!(found.is_empty(), "{}", found[0]);
        }
        scope.cancel();
        run_blocking(async |_| {
            scope.job().join().await;
            Ok(())
        })
        .unwrap();
    });
}

/// Each waits for the one before it, and the first one for a lock of the last.
#[test]
fn a_ring_of_a_hundred_thousand_is_found() {
    const COUNT: usize = 100_000;
    on_one_thread(async |scope| {
        let mutex = Arc::new(Mutex::new(()));
        let of_the_first = mutex.clone();
        let mut before = launch(scope, "first", async move {
            yield_now().await;
            yield_now().await;
            drop(of_the_first.lock().await);
        });
        for number in 1..COUNT {
            let locks = (number + 1 == COUNT).then(|| mutex.clone());
            before = scope.launch(async move {
                let _guard = match &locks {
                    Some(mutex) => Some(mutex.lock().await),
                    None => None,
                };
                before.join().await;
            });
        }
        settle().await;
        let found = DebugProbes::deadlocks()?;
        assert_eq!(found[0].members.len(), COUNT);
        let text = found[0].to_string();
        assert!(
            text.contains(", and so on over 99984 more, the last of which waits for"),
            "{text}"
        );
        Ok(())
    });
}

#[cfg(feature = "serde")]
#[test]
fn deadlocks_can_be_serialized() {
    on_one_thread(async |scope| {
        let jobs = ring(scope, &["one", "two"]);
        settle().await;
        let json = serde_json::to_value(DebugProbes::deadlocks()?)?;
        let first = &json[0]["members"][0];
        assert_eq!(first["id"], jobs[0].id().unwrap());
        assert!(first["lock"].as_str().unwrap().starts_with("Mutex@"));
        assert!(
            json[0]["text"]
                .as_str()
                .unwrap()
                .starts_with("Deadlock: \"one#")
        );
        let json = serde_json::to_value(infos())?;
        assert_eq!(json[1]["awaits"][0]["held_by"][0]["permits"], 1);
        assert_eq!(json[1]["holds"][0]["may_have_moved"], false);
        Ok(())
    });
}
