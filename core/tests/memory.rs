//! What is over leaves no memory behind, with probes and without.
#[path = "support/counting.rs"]
mod counting;
mod support;

use std::hint::black_box;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use corox_core::probe;
use corox_core::{
    Clause, CompletableDeferred, CompletableJob, CoroutineScope, Dispatcher, FinallyExt, Result,
    await_all, await_cancellation, catch_cancellation, coroutine_scope, delay, non_cancellable, on,
    on_timeout, run_blocking, select, supervisor_scope, with_context, yield_now,
};
use counting::live_blocks;
use support::checked;

/// The count belongs to the process.
static ALONE: Mutex<()> = Mutex::new(());

const ROUNDS: isize = 200;

/// The blocks that `rounds`, which are `ROUNDS`, leave behind, after as many to warm up. Workers of the pool may give theirs
/// back a moment later, so it looks again for a while.
fn left_behind(rounds: impl Fn()) -> isize {
    rounds();
    let before = live_blocks();
    rounds();
    let limit = Instant::now() + Duration::from_secs(2);
    loop {
        let left = live_blocks() - before;
        if left < ROUNDS / 2 || Instant::now() > limit {
            return left;
        }
        std::thread::yield_now();
    }
}

/// Nothing may be left of any round; less than half a block for each is what the harness and the pool do meanwhile.
fn leaves_nothing(round: impl Fn() + Send + Sync + 'static) {
    rounds_leave_nothing(move || (0..ROUNDS).for_each(|_| round()));
}

/// [`leaves_nothing`] for `ROUNDS` rounds at once.
fn rounds_leave_nothing(rounds: impl Fn() + Send + Sync + 'static) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);

    let rounds = Arc::new(rounds);
    let with_probes = checked({
        let rounds = rounds.clone();
        move || left_behind(&*rounds)
    });
    assert!(with_probes < ROUNDS / 2, "with probes: {with_probes}");

    assert!(!probe::is_installed());
    let (over, ended) = sync_channel(1);
    std::thread::spawn(move || over.send(left_behind(&*rounds)));
    let without = ended.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(without < ROUNDS / 2, "without: {without}");
}

/// [`leaves_nothing`] for the body of a root.
fn root_leaves_nothing<F>(body: F)
where
    F: AsyncFn(CoroutineScope) -> Result<()> + Send + Sync + 'static,
{
    leaves_nothing(move || run_blocking(&body).unwrap());
}

async fn one_turn() -> Result<()> {
    yield_now().await;
    Ok(())
}

#[test]
fn a_root_leaves_nothing() {
    root_leaves_nothing(async |_| Ok(()));
}

#[test]
fn a_coroutine_that_never_suspended_leaves_nothing() {
    root_leaves_nothing(async |scope| {
        scope.launch(async {});
        Ok(())
    });
}

/// A job, its frame, the waker in it and the task of that waker know one another.
#[test]
fn a_coroutine_that_has_suspended_leaves_nothing() {
    root_leaves_nothing(async |scope| {
        scope.launch(async { yield_now().await });
        scope.spawn(one_turn()).await
    });
}

#[test]
fn a_coroutine_that_was_cancelled_leaves_nothing() {
    root_leaves_nothing(async |scope| {
        let suspended = scope.launch(await_cancellation());
        yield_now().await;
        suspended.cancel();
        scope.launch(await_cancellation()).cancel();
        scope.lazy().launch(await_cancellation()).cancel();
        Ok(())
    });
}

#[test]
fn a_coroutine_that_was_held_leaves_nothing() {
    root_leaves_nothing(async |scope| {
        let held = scope.launch(async {
            let _ = catch_cancellation(await_cancellation()).await;
            let _ = non_cancellable(async |_| one_turn().await).await;
            async {}.finally(async { yield_now().await }).await;
            async {}
                .finally_launch(|| async { yield_now().await })
                .await;
        });
        yield_now().await;
        held.cancel_and_join().await;
        Ok(())
    });
}

#[test]
fn scopes_and_their_children_leave_nothing() {
    root_leaves_nothing(async |_| {
        coroutine_scope(async |scope| {
            scope.launch(async { yield_now().await });
            supervisor_scope(async |scope| {
                scope.launch(async { yield_now().await });
                Ok(())
            })
            .await
        })
        .await
    });
}

#[test]
fn waiting_leaves_nothing() {
    root_leaves_nothing(async |scope| {
        let gate = CompletableDeferred::new();
        let all: Vec<_> = (0..2)
            .map(|_| {
                let gate = gate.clone();
                scope.spawn(async move { (&gate).await })
            })
            .collect();
        let joiner = scope.launch({
            let gate = gate.clone();
            async move { gate.join().await }
        });
        yield_now().await;
        gate.complete(1);
        await_all(all).await?;
        joiner.join().await;
        Ok(())
    });
}

/// They take real time: all at once.
#[test]
fn delays_leave_nothing() {
    rounds_leave_nothing(|| {
        let all = run_blocking(async |scope| {
            for _ in 0..ROUNDS {
                scope.launch(async { delay(Duration::from_micros(1)).await });
            }
            Ok(())
        });
        all.unwrap();
    });
}

#[test]
fn a_delay_that_was_cancelled_leaves_nothing() {
    root_leaves_nothing(async |scope| {
        let long = scope.launch(async { delay(Duration::from_secs(60)).await });
        yield_now().await;
        long.cancel();
        Ok(())
    });
}

#[test]
fn coroutines_on_the_pool_leave_nothing() {
    root_leaves_nothing(async |scope| {
        scope
            .with(Dispatcher::DEFAULT)
            .launch(async { yield_now().await });
        with_context(Dispatcher::DEFAULT, one_turn()).await
    });
}

/// P-9: what was dropped without an end.
#[test]
fn jobs_that_nobody_completed_leave_nothing() {
    leaves_nothing(|| {
        black_box(CompletableJob::new());
        black_box(CompletableDeferred::<u8>::new());
    });
}

/// S-12: a job and a deferred that outlive many selects keep nothing of them, whether those were won by another clause or
/// dropped.
#[test]
fn selects_leave_nothing_in_sources_that_live_longer() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let left = support::root(async |_| {
        let job = CompletableJob::new();
        let deferred = CompletableDeferred::<i32>::new();
        let round = async || {
            let turn = select((
                job.on_join().then(|()| 0),
                deferred.on_await().then(|_| 1),
                on_timeout(Duration::from_secs(60)).then(|()| 2),
                on(await_cancellation()).then(|_| 3),
                on(yield_now()).then(|()| 4),
            ));
            assert_eq!(turn.await, 4);
            tokio::select! {
                biased;
                () = select((job.on_join(), deferred.on_await().then(|_| ()))) => unreachable!(),
                () = yield_now() => {}
            }
        };
        for _ in 0..ROUNDS {
            round().await;
        }
        let before = live_blocks();
        for _ in 0..ROUNDS {
            round().await;
        }
        let left = live_blocks() - before;
        job.complete();
        deferred.complete(0);
        Ok(left)
    });
    assert!(left < ROUNDS / 2, "{left}");
}

/// A select that waits knows its task, and the task knows the select.
#[test]
fn a_select_that_was_cancelled_leaves_nothing() {
    root_leaves_nothing(async |scope| {
        let job = CompletableJob::new();
        let source = job.clone();
        let waits = scope.launch(async move {
            select((source.on_join(), on(await_cancellation()).then(|_| ()))).await;
        });
        yield_now().await;
        waits.cancel_and_join().await;
        job.complete();
        Ok(())
    });
}

/// Children that have ended may wait in the list of their parent, but not all of them, also if it launches no other.
#[test]
fn of_the_children_that_have_ended_few_wait_for_their_parent() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    run_blocking(async |scope| {
        // Twice: what the first round has left, the launches of the second one take out.
        for _ in 0..2 {
            let before = live_blocks();
            for _ in 0..10_000 {
                scope.launch(async {});
            }
            yield_now().await;
            assert!(scope.job().children().is_empty());
            let left = live_blocks() - before;
            assert!(left < 80, "{left}");
        }
        Ok(())
    })
    .unwrap();
}
