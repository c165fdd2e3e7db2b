//! Jobs that are waited for, children among them.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::support::infos;
use crate::{deadlocks, is_stuck_in, launch, on_one_thread, settle};
use corox_core::{
    CompletableDeferred, CoroutineName, CoroutineScope, Job, await_all, coroutine_scope, delay,
    select, yield_now,
};
use corox_debug::DebugProbes;
use corox_sync::Mutex;

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
