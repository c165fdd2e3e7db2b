//! One coroutine that waits for several things at once, of which one may come.

use std::sync::Arc;
use std::time::Duration;

use crate::support::infos;
use crate::{launch, on_one_thread, ring, settle};
use corox_core::{
    Clause, CompletableDeferred, CoroutineScope, coroutine_scope, delay, select, with_timeout,
    yield_now,
};
use corox_debug::DebugProbes;
use corox_sync::Mutex;

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
