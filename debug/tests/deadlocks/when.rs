//! Since when there is one and until when, on several threads, among many, and as values.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{alone, infos, probed};
use crate::{is_stuck_in, launch, on_one_thread, ring, settle};
use corox_core::{
    CompletableDeferred, CoroutineScope, Dispatcher, Job, await_cancellation, delay,
    non_cancellable, run_blocking, yield_now,
};
use corox_debug::{CoroutineInfo, DebugProbes};
use corox_sync::{Mutex, Semaphore};

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
        end(&scope);
    });
}

fn end(scope: &CoroutineScope) {
    scope.cancel();
    run_blocking(async |_| {
        scope.job().join().await;
        Ok(())
    })
    .unwrap();
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
        end(&scope);
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
