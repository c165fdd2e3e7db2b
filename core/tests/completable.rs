//! Jobs without a body: `CompletableJob`, `SupervisorJob`, `CompletableDeferred`.

mod support;

use std::hint::spin_loop;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;

use corox_core::{
    CompletableDeferred, CompletableJob, Dispatcher, Error, ExceptionHandler, JobState,
    SupervisorJob, coroutine_scope, supervisor_scope, yield_now,
};
use support::{Log, checked, forever, lingering, root};

fn quiet() -> ExceptionHandler {
    ExceptionHandler::new(|_, _| {})
}

/// A handler that logs what is reported to it.
fn reporting(log: &Log) -> ExceptionHandler {
    let log = log.clone();
    ExceptionHandler::new(move |_, error| log.add(format!("reported: {error}")))
}

/// J-35
#[test]
fn complete_succeeds_once() {
    checked(|| {
        let job = CompletableJob::new();
        assert_eq!([job.complete(), job.complete()], [true, false]);
        assert_eq!(job.state(), JobState::Completed);
    });
}

/// J-35
#[test]
fn fail_succeeds_once() {
    checked(|| {
        let job = CompletableJob::new();
        assert!(job.fail(Error::msg("first")));
        assert!(!job.fail(Error::msg("second")));
        assert_eq!(job.cause().unwrap().to_string(), "first");
    });
}

/// J-35
#[test]
fn fail_after_complete_changes_nothing() {
    checked(|| {
        let job = CompletableJob::new();
        job.complete();
        assert!(!job.fail(Error::msg("no")));
        assert_eq!(job.state(), JobState::Completed);
    });
}

/// J-35
#[test]
fn complete_after_fail_changes_nothing() {
    checked(|| {
        let job = CompletableJob::new();
        job.fail(Error::msg("no"));
        assert!(!job.complete());
        assert_eq!(job.state(), JobState::Cancelled);
    });
}

/// J-35
#[test]
fn complete_after_cancel_changes_nothing() {
    checked(|| {
        let job = CompletableJob::new();
        job.cancel();
        assert!(!job.complete());
        assert_eq!(job.state(), JobState::Cancelled);
    });
}

/// J-35
#[test]
fn complete_in_the_middle_of_a_cancellation_changes_nothing() {
    checked(|| {
        let (tx, rx) = mpsc::channel();
        let job = CompletableJob::new();
        let same = job.clone();
        job.on_cancelling(move |_| tx.send(same.complete()).unwrap());
        job.cancel();
        assert!(!rx.recv().unwrap());
        assert_eq!(job.state(), JobState::Cancelled);
    });
}

/// J-35
#[test]
fn of_threads_that_complete_a_job_together_exactly_one_is_told_true() {
    checked(|| {
        for _ in 0..300 {
            let job = CompletableJob::new();
            let barrier = Barrier::new(3);
            let told = thread::scope(|threads| {
                let all = [0, 1, 2].map(|thread| {
                    let (job, barrier) = (&job, &barrier);
                    threads.spawn(move || {
                        barrier.wait();
                        match thread {
                            0 => job.fail(Error::msg("no")),
                            _ => job.complete(),
                        }
                    })
                });
                all.map(|thread| usize::from(thread.join().unwrap()))
            });
            assert_eq!(told.iter().sum::<usize>(), 1);
            let expected = match told[0] {
                1 => JobState::Cancelled,
                _ => JobState::Completed,
            };
            assert_eq!(job.state(), expected);
        }
    });
}

/// J-35
#[test]
fn a_completed_job_with_a_pending_child_stays_active() {
    root(async |scope| {
        let job = CompletableJob::new();
        let child = scope.with(&*job).launch(forever());
        assert!(job.complete());
        assert_eq!(job.state(), JobState::Completing);
        assert!(job.is_active());
        child.cancel_and_join().await;
        assert_eq!(job.state(), JobState::Completed);
        Ok(())
    });
}

/// J-35
#[test]
fn a_completed_job_with_a_pending_child_takes_further_children() {
    root(async |scope| {
        let log = Log::new();
        let job = CompletableJob::new();
        let first = scope.with(&*job).launch(forever());
        job.complete();
        let second = scope.with(&*job).launch(log.event("second child ran"));
        first.cancel_and_join().await;
        job.join().await;
        assert!(second.is_completed());
        assert_eq!(log.take(), ["second child ran"]);
        Ok(())
    });
}

/// J-35
#[test]
fn a_completed_job_with_a_pending_child_can_be_cancelled() {
    root(async |scope| {
        let job = CompletableJob::new();
        let child = scope.with(&*job).launch(forever());
        job.complete();
        job.cancel();
        assert!(child.is_cancelled());
        job.join().await;
        assert_eq!(job.state(), JobState::Cancelled);
        Ok(())
    });
}

/// J-35
#[test]
fn a_completed_job_with_a_pending_child_cannot_be_failed_by_a_call() {
    root(async |scope| {
        let job = CompletableJob::new();
        let child = scope.with(&*job).launch(forever());
        job.complete();
        assert!(!job.fail(Error::msg("no")));
        assert!(job.is_active());
        child.cancel_and_join().await;
        assert_eq!(job.state(), JobState::Completed);
        Ok(())
    });
}

/// J-35
#[test]
fn a_completed_job_with_a_pending_child_fails_with_the_child() {
    root(async |scope| {
        let job = CompletableJob::new();
        let failing = scope.with(quiet() + job.clone());
        let child = failing.launch(async {
            yield_now().await;
            Err(Error::msg("no"))
        });
        job.complete();
        child.join().await;
        assert_eq!(job.cause().unwrap().to_string(), "no");
        assert_eq!(job.state(), JobState::Cancelled);
        Ok(())
    });
}

/// J-35
#[test]
fn cancelling_a_job_without_children_ends_it_at_once() {
    checked(|| {
        let job = CompletableJob::new();
        job.cancel();
        assert_eq!(job.state(), JobState::Cancelled);
    });
}

/// J-35
#[test]
fn cancelling_a_job_with_children_waits_for_them_without_a_further_call() {
    root(async |scope| {
        let gate = CompletableDeferred::new();
        let job = CompletableJob::new();
        let child = scope.with(&*job).launch(lingering(gate.clone()));
        yield_now().await;
        job.cancel();
        assert_eq!(job.state(), JobState::Cancelling);
        gate.complete(());
        child.join().await;
        assert_eq!(job.state(), JobState::Cancelled);
        Ok(())
    });
}

/// J-35
#[test]
fn a_job_does_not_complete_when_its_children_have() {
    root(async |scope| {
        let job = CompletableJob::new();
        scope.with(&*job).launch(async {}).join().await;
        assert_eq!(job.state(), JobState::Active);
        Ok(())
    });
}

/// J-35
#[test]
fn a_scope_waits_for_a_job_below_it_to_be_completed() {
    root(async |_| {
        let log = Log::new();
        coroutine_scope(async |scope| {
            let job = CompletableJob::child_of(scope.job());
            let inside = log.clone();
            scope.launch(async move {
                yield_now().await;
                inside.add("completed");
                job.complete();
            });
            Ok(())
        })
        .await?;
        log.add("scope over");
        assert_eq!(log.take(), ["completed", "scope over"]);
        Ok(())
    });
}

/// J-35
#[test]
fn cancelling_the_parent_cancels_and_ends_a_job_without_body() {
    root(async |scope| {
        let parent = scope.launch(forever());
        let job = CompletableJob::child_of(&parent);
        parent.cancel();
        assert_eq!(job.state(), JobState::Cancelled);
        Ok(())
    });
}

/// J-35
#[test]
fn failing_a_job_fails_its_parent_with_the_same_error() {
    checked(|| {
        let failure = Error::msg("no");
        let parent = CompletableJob::new();
        let job = CompletableJob::child_of(&parent);
        job.fail(failure.clone());
        assert!(parent.cause().unwrap().ptr_eq(&failure));
        assert_eq!(parent.state(), JobState::Cancelled);
    });
}

/// J-35
#[test]
fn failing_a_job_with_a_cancellation_leaves_its_parent_alone() {
    checked(|| {
        let parent = CompletableJob::new();
        let job = CompletableJob::child_of(&parent);
        assert!(job.fail(Error::cancellation("enough")));
        assert_eq!(job.state(), JobState::Cancelled);
        assert!(parent.is_active());
    });
}

/// J-35
#[test]
fn cancelling_a_job_leaves_its_parent_alone() {
    checked(|| {
        let parent = CompletableJob::new();
        CompletableJob::child_of(&parent).cancel();
        assert!(parent.is_active());
    });
}

/// J-35, J-26
#[test]
fn a_failing_child_of_a_job_without_coroutine_above_cancels_it_and_is_reported() {
    root(async |scope| {
        let log = Log::new();
        let job = CompletableJob::new();
        let child = scope
            .with(reporting(&log) + job.clone())
            .launch(async { Err(Error::msg("no")) });
        child.join().await;
        assert_eq!(job.state(), JobState::Cancelled);
        assert_eq!(job.cause().unwrap().to_string(), "no");
        assert_eq!(log.take(), ["reported: no"]);
        Ok(())
    });
}

/// J-35, J-26
#[test]
fn a_failing_child_of_a_job_below_a_scope_fails_the_scope_and_is_not_reported() {
    root(async |_| {
        let log = Log::new();
        let error = coroutine_scope(async |scope| {
            let job = CompletableJob::child_of(scope.job());
            scope
                .with(reporting(&log) + job.clone())
                .launch(async { Err(Error::msg("no")) });
            Ok(())
        })
        .await
        .unwrap_err();
        assert_eq!(error.to_string(), "no");
        assert_eq!(log.take(), [""; 0]);
        Ok(())
    });
}

/// J-35, J-12
#[test]
fn a_failing_child_of_a_supervisor_job_is_reported_even_below_a_scope() {
    root(async |scope| {
        let log = Log::new();
        let job = SupervisorJob::child_of(scope.job());
        let failing = scope.with(reporting(&log) + job.clone());
        failing.launch(async { Err(Error::msg("no")) }).join().await;
        assert!(job.is_active() && scope.is_active());
        assert_eq!(log.take(), ["reported: no"]);
        job.complete();
        Ok(())
    });
}

/// J-35, J-12
#[test]
fn failing_a_supervisor_job_fails_its_parent() {
    checked(|| {
        let parent = CompletableJob::new();
        let supervisor = SupervisorJob::child_of(&parent);
        supervisor.fail(Error::msg("no"));
        assert_eq!(parent.cause().unwrap().to_string(), "no");
    });
}

/// J-35, J-12
#[test]
fn failing_a_supervisor_job_cancels_its_children() {
    root(async |scope| {
        let supervisor = SupervisorJob::new();
        let child = scope.with(supervisor.clone()).launch(forever());
        supervisor.fail(Error::msg("no"));
        assert!(child.is_cancelled());
        child.join().await;
        Ok(())
    });
}

/// J-35
#[test]
fn dropping_the_handle_of_a_job_does_not_end_it() {
    checked(|| {
        let parent = CompletableJob::new();
        drop(CompletableJob::child_of(&parent));
        let children = parent.children();
        assert_eq!(children.len(), 1);
        assert!(children[0].is_active());
        parent.cancel();
    });
}

/// J-35
#[test]
fn completing_a_deferred_succeeds_once_and_the_first_value_stays() {
    root(async |_| {
        let deferred = CompletableDeferred::new();
        assert_eq!([deferred.complete(1), deferred.complete(2)], [true, false]);
        assert_eq!((&deferred).await?, 1);
        Ok(())
    });
}

/// J-35
#[test]
fn failing_a_completed_deferred_changes_nothing() {
    root(async |_| {
        let deferred = CompletableDeferred::new();
        deferred.complete(1);
        assert!(!deferred.fail(Error::msg("no")));
        assert_eq!((&deferred).await?, 1);
        Ok(())
    });
}

/// J-35
#[test]
fn completing_a_failed_deferred_changes_nothing() {
    root(async |_| {
        let deferred = CompletableDeferred::new();
        assert!(deferred.fail(Error::msg("no")));
        assert!(!deferred.complete(1));
        assert_eq!((&deferred).await.unwrap_err().to_string(), "no");
        Ok(())
    });
}

/// J-35
#[test]
fn completing_a_cancelled_deferred_changes_nothing() {
    root(async |_| {
        let deferred = CompletableDeferred::new();
        deferred.cancel_with(Error::cancellation("enough"));
        assert!(!deferred.complete(1));
        assert_eq!((&deferred).await.unwrap_err().to_string(), "enough");
        Ok(())
    });
}

/// J-35
#[test]
fn a_refused_value_is_given_back() {
    checked(|| {
        let deferred = CompletableDeferred::new();
        assert_eq!(deferred.try_complete("first".to_owned()), Ok(()));
        let back = deferred.try_complete("second".to_owned());
        assert_eq!(back, Err("second".to_owned()));
    });
}

/// J-35
#[test]
fn a_value_for_a_cancelled_deferred_is_given_back() {
    checked(|| {
        let deferred = CompletableDeferred::new();
        deferred.cancel();
        assert_eq!(deferred.try_complete(1), Err(1));
    });
}

/// J-35
#[test]
fn a_value_for_a_deferred_that_is_being_cancelled_is_given_back() {
    root(async |scope| {
        let deferred = CompletableDeferred::new();
        let child = scope.with(deferred.job()).launch(forever());
        deferred.cancel();
        assert_eq!(deferred.state(), JobState::Cancelling);
        assert_eq!(deferred.try_complete(1), Err(1));
        child.join().await;
        assert_eq!(deferred.state(), JobState::Cancelled);
        Ok(())
    });
}

/// J-35
#[test]
fn a_value_given_in_the_middle_of_a_cancellation_is_given_back() {
    checked(|| {
        let (tx, rx) = mpsc::channel();
        let deferred = CompletableDeferred::new();
        let same = deferred.clone();
        deferred.on_cancelling(move |_| tx.send(same.try_complete(1)).unwrap());
        deferred.cancel();
        assert_eq!(rx.recv().unwrap(), Err(1));
    });
}

/// J-35
#[test]
fn complete_with_takes_a_value_or_a_failure() {
    root(async |_| {
        let good = CompletableDeferred::new();
        assert!(good.complete_with(Ok(1)));
        let bad = CompletableDeferred::<i32>::new();
        assert!(bad.complete_with(Err(Error::msg("no"))));
        assert_eq!((&good).await?, 1);
        assert_eq!((&bad).await.unwrap_err().to_string(), "no");
        Ok(())
    });
}

/// J-35
#[test]
fn a_completed_deferred_with_a_pending_child_gives_its_value_only_after_the_child() {
    root(async |scope| {
        let log = Log::new();
        let deferred = CompletableDeferred::new();
        let (gate, ending) = (CompletableDeferred::new(), log.clone());
        let opened = gate.clone();
        scope.with(deferred.job()).launch(async move {
            (&opened).await?;
            ending.add("child");
            Ok(())
        });
        deferred.complete(1);
        assert_eq!(deferred.state(), JobState::Completing);
        gate.complete(());
        assert_eq!((&deferred).await?, 1);
        log.add("awaited");
        assert_eq!(log.take(), ["child", "awaited"]);
        Ok(())
    });
}

/// J-35, J-2
#[test]
fn a_completed_deferred_cancelled_before_its_child_has_ended_drops_its_value() {
    root(async |scope| {
        let log = Log::new();
        let (giver, deferred) = CompletableDeferred::new().into_deferred();
        scope.with(deferred.job()).launch(forever());
        giver.complete(log.guard("value dropped"));
        deferred.cancel();
        deferred.join().await;
        log.add("ended");
        assert!(deferred.await.unwrap_err().is_cancellation());
        assert_eq!(log.take(), ["value dropped", "ended"]);
        Ok(())
    });
}

/// J-35
#[test]
fn a_deferred_that_gets_several_values_at_once_keeps_one_and_gives_the_others_back() {
    checked(|| {
        for _ in 0..300 {
            let deferred = CompletableDeferred::new();
            let barrier = Barrier::new(3);
            let refused = thread::scope(|threads| {
                let all = [0, 1, 2].map(|value| {
                    let (deferred, barrier) = (&deferred, &barrier);
                    threads.spawn(move || {
                        barrier.wait();
                        deferred.try_complete(value).err()
                    })
                });
                all.map(|thread| thread.join().unwrap())
            });
            let kept = deferred.as_deferred().completed().unwrap().unwrap();
            let expected = [0, 1, 2].map(|value| (value != kept).then_some(value));
            assert_eq!(refused, expected);
        }
    });
}

/// Counts how many of its kind are dropped.
#[derive(Debug)]
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Lets two threads go on at the same moment, without the system's help.
fn meet(arrived: &AtomicUsize, round: usize) {
    arrived.fetch_add(1, Ordering::SeqCst);
    for spin in 1.. {
        if arrived.load(Ordering::SeqCst) >= 2 * (round + 1) {
            return;
        }
        if spin % 100 == 0 {
            thread::yield_now();
        }
    }
}

/// J-35: the value goes to exactly one place, and who gave it is told which.
#[test]
fn a_value_that_meets_a_failure_is_either_awaited_or_given_back() {
    checked(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let rounds: Vec<_> = (0..5_000)
            .map(|_| CompletableDeferred::new().into_deferred())
            .collect();
        let arrived = AtomicUsize::new(0);
        let (failed, given): (Vec<_>, Vec<_>) = thread::scope(|threads| {
            let failing = threads.spawn(|| {
                let rounds = rounds.iter().enumerate();
                let fails = rounds.map(|(round, (giver, _))| {
                    meet(&arrived, round);
                    giver.fail(Error::msg("no"))
                });
                fails.collect()
            });
            let rounds = rounds.iter().enumerate();
            let gives = rounds.map(|(round, (giver, _))| {
                meet(&arrived, round);
                // Now early, now late against the other thread.
                (0..round % 300).for_each(|_| spin_loop());
                giver.try_complete(Counted(drops.clone())).is_ok()
            });
            let given = gives.collect();
            (failing.join().unwrap(), given)
        });
        for ((failed, given), (giver, deferred)) in failed.iter().zip(&given).zip(rounds) {
            assert_ne!(failed, given);
            let mut cx = Context::from_waker(Waker::noop());
            let Poll::Ready(awaited) = pin!(deferred.into_future()).poll(&mut cx) else {
                panic!("it has ended");
            };
            assert_eq!(awaited.is_ok(), *given);
            drop((giver, awaited));
        }
        assert_eq!(drops.load(Ordering::SeqCst), given.len());
    });
}

/// J-35
#[test]
fn a_ready_deferred_is_complete() {
    root(async |_| {
        let deferred = CompletableDeferred::ready(1);
        assert_eq!(deferred.state(), JobState::Completed);
        assert_eq!((&deferred).await?, 1);
        Ok(())
    });
}

/// J-35
#[test]
fn a_value_that_cannot_be_cloned_goes_to_the_one_deferred_by_move() {
    struct NotClone(i32);
    root(async |_| {
        let (giver, deferred) = CompletableDeferred::new().into_deferred();
        assert!(giver.complete(NotClone(1)));
        assert_eq!(deferred.await?.0, 1);
        Ok(())
    });
}

/// J-35
#[test]
fn a_view_of_a_deferred_can_be_awaited_and_cancels_the_same_job() {
    root(async |_| {
        let deferred = CompletableDeferred::<i32>::new();
        let view = deferred.as_deferred();
        assert!(view.job().ptr_eq(deferred.job()));
        view.cancel();
        assert!(deferred.is_cancelled());
        assert!(view.await.unwrap_err().is_cancellation());
        Ok(())
    });
}

/// J-35
#[test]
fn completing_a_deferred_wakes_who_awaits_it_on_another_thread() {
    root(async |scope| {
        let (tx, rx) = mpsc::channel();
        let deferred = CompletableDeferred::new();
        let awaited = deferred.clone();
        let waiter = scope.with(Dispatcher::DEFAULT).launch(async move {
            tx.send((&awaited).await?).unwrap();
            Ok(())
        });
        deferred.complete(1);
        waiter.join().await;
        assert_eq!(rx.recv().unwrap(), 1);
        Ok(())
    });
}

/// J-36
#[test]
fn failing_a_deferred_cancels_its_parent_with_the_failure() {
    root(async |_| {
        let failure = Error::msg("no");
        let error = coroutine_scope(async |scope| {
            let deferred = CompletableDeferred::<i32>::child_of(scope.job());
            deferred.fail(failure.clone());
            Ok(())
        })
        .await
        .unwrap_err();
        assert!(error.ptr_eq(&failure));
        Ok(())
    });
}

/// J-36
#[test]
fn cancelling_a_deferred_leaves_its_parent_active() {
    root(async |scope| {
        let deferred = CompletableDeferred::<i32>::child_of(scope.job());
        deferred.cancel();
        assert_eq!(deferred.state(), JobState::Cancelled);
        assert!(scope.is_active());
        Ok(())
    });
}

/// J-36
#[test]
fn failing_a_deferred_with_a_cancellation_leaves_its_parent_active() {
    root(async |scope| {
        let deferred = CompletableDeferred::<i32>::child_of(scope.job());
        assert!(deferred.fail(Error::cancellation("enough")));
        assert_eq!(deferred.state(), JobState::Cancelled);
        assert!(scope.is_active());
        Ok(())
    });
}

/// J-36
#[test]
fn cancelling_the_parent_cancels_a_deferred() {
    root(async |_| {
        let parent = CompletableJob::new();
        let deferred = CompletableDeferred::<i32>::child_of(&parent);
        let cause = Error::cancellation("enough");
        parent.cancel_with(cause.clone());
        assert_eq!(deferred.state(), JobState::Cancelled);
        assert!((&deferred).await.unwrap_err().ptr_eq(&cause));
        Ok(())
    });
}

/// J-36
#[test]
fn a_scope_waits_for_a_deferred_below_it() {
    root(async |_| {
        let log = Log::new();
        coroutine_scope(async |scope| {
            let deferred = CompletableDeferred::child_of(scope.job());
            let inside = log.clone();
            scope.launch(async move {
                yield_now().await;
                inside.add("completed");
                deferred.complete(1);
            });
            Ok(())
        })
        .await?;
        log.add("scope over");
        assert_eq!(log.take(), ["completed", "scope over"]);
        Ok(())
    });
}

/// J-36, J-26
#[test]
fn a_failing_deferred_under_a_supervisor_is_kept_and_not_reported() {
    root(async |scope| {
        let log = Log::new();
        let inside = log.clone();
        let child = scope.with(reporting(&log)).launch(async move {
            supervisor_scope(async |scope| {
                let deferred = CompletableDeferred::<i32>::child_of(scope.job());
                deferred.fail(Error::msg("no"));
                inside.add((&deferred).await.unwrap_err().to_string());
                Ok(())
            })
            .await
        });
        child.join().await;
        assert_eq!(log.take(), ["no"]);
        Ok(())
    });
}
