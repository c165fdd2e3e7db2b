//! Parents and children: who is attached to whom, and which way cancellations and failures travel.

mod support;

use std::sync::mpsc;

use corox_core::{
    CompletableDeferred, CompletableJob, CoroutineStart, Error, ExceptionHandler, Job, JobState,
    NonCancellable, Result, SupervisorJob, await_cancellation, catch_cancellation, coroutine_scope,
    non_cancellable, run_blocking, supervisor_scope, yield_now,
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

fn log_cancelling(log: &Log, job: &Job, event: &str) {
    let (log, event) = (log.clone(), event.to_owned());
    job.on_cancelling(move |_| log.add(event));
}

/// J-8
#[test]
fn a_child_is_attached_when_launch_returns() {
    root(async |scope| {
        let parent = scope.job().clone();
        let child = scope.launch(async {});
        assert!(child.parent().unwrap().ptr_eq(&parent));
        assert!(parent.children()[0].ptr_eq(&child));
        Ok(())
    });
}

/// J-8
#[test]
fn a_child_is_attached_before_any_of_its_code_runs() {
    root(async |scope| {
        let parent = scope.job().clone();
        let (tx, rx) = mpsc::channel();
        scope
            .start(CoroutineStart::Undispatched)
            .launch(async move {
                tx.send(Job::current().and_then(|job| job.parent()))
                    .unwrap();
            });
        assert!(rx.recv().unwrap().unwrap().ptr_eq(&parent));
        Ok(())
    });
}

/// J-8
#[test]
fn attaching_a_child_starts_a_lazy_parent() {
    root(async |scope| {
        let log = Log::new();
        let parent = scope.lazy().launch(log.event("parent ran"));
        let child = scope.with(&parent).lazy().launch(async {});
        assert_eq!(parent.state(), JobState::Active);
        yield_now().await;
        assert_eq!(log.take(), ["parent ran"]);
        child.cancel();
        Ok(())
    });
}

/// J-8
#[test]
fn a_child_that_has_ended_has_no_parent() {
    root(async |scope| {
        let child = scope.launch(async {});
        child.join().await;
        assert!(child.parent().is_none());
        Ok(())
    });
}

/// J-8
#[test]
fn a_parent_does_not_list_children_that_have_ended() {
    root(async |scope| {
        let ended = scope.launch(async {});
        let live = scope.launch(forever());
        ended.join().await;
        let children = scope.job().children();
        assert!(matches!(&children[..], [child] if child.ptr_eq(&live)));
        live.cancel();
        Ok(())
    });
}

/// J-8
#[test]
fn children_are_listed_in_the_order_of_their_launch() {
    root(async |scope| {
        let first = scope.launch(forever());
        let second = scope.launch(async {});
        let third = scope.launch(forever());
        second.join().await;
        let fourth = scope.launch(forever());
        let children = scope.job().children();
        let expected = [first, third, fourth];
        assert_eq!(children.len(), expected.len());
        assert!(children.iter().zip(&expected).all(|(a, b)| a.ptr_eq(b)));
        scope.job().cancel_children();
        Ok(())
    });
}

/// J-9
#[test]
fn a_child_attached_to_a_cancelling_parent_is_cancelled_at_once() {
    root(async |_| {
        coroutine_scope(async |scope| {
            scope.cancel();
            let child = scope.launch(async {});
            assert_eq!(child.state(), JobState::Cancelling);
            Ok(())
        })
        .await
        .unwrap_err();
        Ok(())
    });
}

/// J-9
#[test]
fn a_child_attached_to_a_cancelling_parent_is_waited_for() {
    root(async |_| {
        let log = Log::new();
        coroutine_scope(async |scope| {
            scope.cancel();
            let inside = log.clone();
            scope.start(CoroutineStart::Atomic).launch(async move {
                let _ = non_cancellable(async |_| {
                    yield_now().await;
                    inside.add("child cleaned up");
                    Ok(())
                })
                .await;
            });
            log.add("body over");
            Ok(())
        })
        .await
        .unwrap_err();
        log.add("scope over");
        assert_eq!(log.take(), ["body over", "child cleaned up", "scope over"]);
        Ok(())
    });
}

/// J-9
#[test]
fn a_child_attached_to_a_cancelled_parent_has_the_cause_of_the_parent() {
    root(async |_| {
        coroutine_scope(async |scope| {
            let cause = Error::cancellation("enough");
            scope.job().cancel_with(cause.clone());
            let child = scope.launch(async {});
            assert!(child.cause().unwrap().ptr_eq(&cause));
            Ok(())
        })
        .await
        .unwrap_err();
        Ok(())
    });
}

/// J-9
#[test]
fn a_completing_parent_takes_a_child_while_others_are_pending() {
    root(async |scope| {
        let log = Log::new();
        let parent = scope.launch(async {});
        let first = scope.with(&parent).launch(forever());
        yield_now().await;
        assert_eq!(parent.state(), JobState::Completing);
        let second = scope.with(&parent).launch(log.event("second child ran"));
        assert!(second.parent().unwrap().ptr_eq(&parent));
        second.join().await;
        first.cancel();
        assert_eq!(log.take(), ["second child ran"]);
        Ok(())
    });
}

/// J-9
#[test]
fn a_completing_parent_waits_for_a_child_that_it_took_late() {
    root(async |scope| {
        let parent = scope.launch(async {});
        let first = scope.with(&parent).launch(forever());
        yield_now().await;
        let second = scope.with(&parent).launch(forever());
        first.cancel_and_join().await;
        assert_eq!(parent.state(), JobState::Completing);
        second.cancel_and_join().await;
        assert_eq!(parent.state(), JobState::Completed);
        Ok(())
    });
}

/// J-9
#[test]
fn a_child_of_a_parent_that_has_ended_is_cancelled_and_over_at_once() {
    root(async |scope| {
        let parent = scope.launch(async {});
        parent.join().await;
        let child = scope.with(&parent).launch(async {});
        assert_eq!(child.state(), JobState::Cancelled);
        Ok(())
    });
}

/// J-9
#[test]
fn a_child_of_a_parent_that_has_ended_has_no_parent() {
    root(async |scope| {
        let parent = scope.launch(async {});
        parent.join().await;
        let child = scope.with(&parent).launch(async {});
        assert!(child.parent().is_none());
        assert!(parent.children().is_empty());
        Ok(())
    });
}

/// J-9, decision 7.
#[test]
fn the_body_of_a_child_of_a_parent_that_has_ended_is_dropped_without_being_run() {
    root(async |scope| {
        let log = Log::new();
        let parent = scope.launch(async {});
        parent.join().await;
        let (captured, inside) = (log.guard("captured dropped"), log.clone());
        let start = CoroutineStart::Atomic;
        scope.with(&parent).start(start).launch(async move {
            inside.add("ran");
            drop(captured);
        });
        log.add("launch returned");
        yield_now().await;
        assert_eq!(log.take(), ["captured dropped", "launch returned"]);
        Ok(())
    });
}

/// J-9
#[test]
fn a_child_of_a_cancelled_parent_that_has_ended_has_the_cause_of_the_parent() {
    root(async |scope| {
        let cause = Error::cancellation("enough");
        let parent = scope.launch(forever());
        parent.cancel_with(cause.clone());
        parent.join().await;
        let child = scope.with(&parent).launch(async {});
        assert!(child.cause().unwrap().ptr_eq(&cause));
        Ok(())
    });
}

/// J-9
#[test]
fn a_child_of_a_failed_parent_that_has_ended_has_a_cancellation_caused_by_the_failure() {
    checked(|| {
        let failure = Error::msg("no");
        let parent = CompletableJob::new();
        parent.fail(failure.clone());
        let cause = CompletableJob::child_of(&parent).cause().unwrap();
        assert!(cause.is_cancellation());
        assert!(cause.cause().unwrap().ptr_eq(&failure));
    });
}

/// J-9
#[test]
fn a_child_of_a_parent_that_ended_normally_is_told_that_it_came_too_late() {
    root(async |scope| {
        let parent = scope.launch(async {});
        parent.join().await;
        let cause = scope.with(&parent).launch(async {}).cause().unwrap();
        assert!(cause.is_cancellation());
        assert!(cause.to_string().contains("already completed"), "{cause}");
        Ok(())
    });
}

/// J-10
#[test]
fn all_descendants_are_cancelled_when_cancel_returns() {
    root(async |scope| {
        let top = scope.launch(forever());
        let mut all = vec![top.clone()];
        for index in 0..60 {
            let parent = all[index / 3].clone();
            all.push(scope.with(parent).launch(forever()));
        }
        top.cancel();
        assert!(all.iter().all(Job::is_cancelled));
        Ok(())
    });
}

/// J-10
#[test]
fn descendants_are_cancelled_depth_first_in_the_order_of_their_attachment() {
    root(async |scope| {
        let log = Log::new();
        let top = scope.launch(forever());
        let a = scope.with(&top).launch(forever());
        let b = scope.with(&top).launch(forever());
        let a1 = scope.with(&a).launch(forever());
        let b1 = scope.with(&b).launch(forever());
        let a2 = scope.with(&a).launch(forever());
        for (job, name) in [(&a1, "a1"), (&b1, "b1"), (&a2, "a2")] {
            log_cancelling(&log, job, name);
        }
        let c = scope.with(&top).launch(forever());
        log_cancelling(&log, &c, "c");
        top.cancel();
        assert_eq!(log.take(), ["a1", "a2", "b1", "c"]);
        Ok(())
    });
}

/// J-10
#[test]
fn children_are_cancelled_with_the_very_cancellation_of_their_parent() {
    root(async |scope| {
        let cause = Error::cancellation("enough");
        let parent = scope.launch(forever());
        let child = scope.with(&parent).launch(forever());
        let grandchild = scope.with(&child).launch(forever());
        parent.cancel_with(cause.clone());
        assert!(child.cause().unwrap().ptr_eq(&cause));
        assert!(grandchild.cause().unwrap().ptr_eq(&cause));
        Ok(())
    });
}

/// J-10
#[test]
fn children_of_a_failing_parent_get_a_cancellation_caused_by_the_failure() {
    root(async |scope| {
        let failure = Error::msg("no");
        let parent = CompletableJob::new();
        let child = scope.with(&*parent).launch(forever());
        parent.fail(failure.clone());
        let cause = child.cause().unwrap();
        assert!(cause.is_cancellation());
        assert!(cause.cause().unwrap().ptr_eq(&failure));
        child.join().await;
        Ok(())
    });
}

/// J-10
#[test]
fn siblings_of_a_failing_child_get_a_cancellation_caused_by_its_failure() {
    root(async |_| {
        let failure = Error::msg("no");
        let raised = failure.clone();
        let (tx, rx) = mpsc::channel();
        coroutine_scope(async |scope| {
            let sibling = scope.launch(forever());
            sibling.on_completion(move |cause| tx.send(cause.cloned()).unwrap());
            scope.launch(async { Err(raised) });
            Ok(())
        })
        .await
        .unwrap_err();
        let cause = rx.recv().unwrap().unwrap();
        assert!(cause.is_cancellation());
        assert!(cause.cause().unwrap().ptr_eq(&failure));
        Ok(())
    });
}

/// J-10
#[test]
fn children_are_cancelled_before_a_failure_is_offered_to_the_grandparent() {
    checked(|| {
        let log = Log::new();
        let grandparent = CompletableJob::new();
        log_cancelling(&log, &grandparent, "grandparent");
        let parent = CompletableJob::child_of(&grandparent);
        let child = CompletableJob::child_of(&parent);
        let uncle = CompletableJob::child_of(&grandparent);
        for (job, name) in [(&uncle, "uncle"), (&parent, "parent"), (&child, "child")] {
            log_cancelling(&log, job, name);
        }
        parent.fail(Error::msg("no"));
        assert_eq!(log.take(), ["child", "parent", "grandparent", "uncle"]);
    });
}

/// J-10
#[test]
fn cancelling_a_child_leaves_its_parent_and_siblings_active() {
    root(async |scope| {
        let child = scope.launch(forever());
        let sibling = scope.launch(forever());
        child.cancel_and_join().await;
        assert!(sibling.is_active() && scope.is_active());
        sibling.cancel();
        Ok(())
    });
}

/// J-10
#[test]
fn cancel_children_leaves_the_parent_active() {
    root(async |scope| {
        let child = scope.launch(forever());
        scope.job().cancel_children();
        child.join().await;
        assert!(scope.is_active());
        Ok(())
    });
}

/// J-11
#[test]
fn a_child_that_ends_with_a_cancellation_does_not_cancel_its_parent() {
    root(async |scope| {
        let child = scope.launch(async { Err(Error::cancellation("I stop")) });
        child.join().await;
        assert_eq!(child.state(), JobState::Cancelled);
        assert!(scope.is_active());
        Ok(())
    });
}

/// J-11
#[test]
fn a_body_that_returns_a_cancellation_ends_with_that_very_one() {
    root(async |scope| {
        let cause = Error::cancellation("I stop");
        let returned = cause.clone();
        let child = scope.launch(async move { Err(returned) });
        child.join().await;
        assert!(child.cause().unwrap().ptr_eq(&cause));
        Ok(())
    });
}

/// J-11
#[test]
fn a_body_that_returns_a_cancellation_cancels_its_children_with_it() {
    root(async |scope| {
        let cause = Error::cancellation("I stop");
        let returned = cause.clone();
        let parent = scope.launch(async move {
            yield_now().await;
            Err(returned)
        });
        let child = scope.with(&parent).launch(forever());
        parent.join().await;
        assert!(child.cause().unwrap().ptr_eq(&cause));
        Ok(())
    });
}

/// J-11
#[test]
fn a_child_that_fails_cancels_its_parent_with_the_same_failure() {
    root(async |_| {
        let failure = Error::msg("no");
        let raised = failure.clone();
        let error = coroutine_scope(async |scope| {
            scope.launch(async { Err(raised) });
            Ok(())
        })
        .await
        .unwrap_err();
        assert!(error.ptr_eq(&failure));
        Ok(())
    });
}

/// J-11
#[test]
fn a_child_that_fails_cancels_its_parent_before_it_has_ended_itself() {
    root(async |_| {
        coroutine_scope(async |scope| {
            let parent = scope.job().clone();
            let gate = CompletableDeferred::new();
            let child = scope.launch(async {
                yield_now().await;
                Err::<(), _>(Error::msg("no"))
            });
            scope.with(&child).launch(lingering(gate.clone()));
            catch_cancellation(await_cancellation()).await.unwrap_err();
            assert!(parent.is_cancelled());
            assert_eq!(child.state(), JobState::Cancelling);
            gate.complete(());
            Ok(())
        })
        .await
        .unwrap_err();
        Ok(())
    });
}

/// J-11
#[test]
fn a_failure_climbs_through_all_ancestors_as_the_same_error() {
    root(async |scope| {
        let failure = Error::msg("no");
        let top = CompletableJob::new();
        let mut job = scope.with(quiet() + top.clone()).launch(forever());
        for _ in 0..10 {
            job = scope.with(job).launch(forever());
        }
        let bottom = CompletableJob::child_of(&job);
        bottom.fail(failure.clone());
        assert!(top.cause().unwrap().ptr_eq(&failure));
        top.join().await;
        Ok(())
    });
}

/// J-11 as design 4.2 has it: a departure.
#[test]
fn a_foreign_cancellation_that_a_body_lets_escape_is_its_failure() {
    root(async |_| {
        let error = coroutine_scope(async |scope| {
            let deferred = CompletableDeferred::<i32>::new();
            deferred.cancel_with(Error::cancellation("cancelled by somebody else"));
            scope.launch(async move {
                (&deferred).await?;
                Ok(())
            });
            Ok(())
        })
        .await
        .unwrap_err();
        assert!(!error.is_cancellation());
        let cause = error.cause().unwrap();
        assert_eq!(cause.to_string(), "cancelled by somebody else");
        Ok(())
    });
}

/// J-12
#[test]
fn a_failing_child_of_a_supervisor_scope_leaves_scope_and_siblings_active() {
    root(async |_| {
        supervisor_scope(async |scope| {
            let sibling = scope.launch(forever());
            let failing = scope.with(quiet()).launch(async { Err(Error::msg("no")) });
            failing.join().await;
            assert!(failing.is_cancelled());
            assert!(scope.is_active() && sibling.is_active());
            sibling.cancel();
            Ok(())
        })
        .await
    });
}

/// J-12
#[test]
fn a_failing_child_of_a_supervisor_job_leaves_job_and_siblings_active() {
    root(async |scope| {
        let supervisor = SupervisorJob::child_of(scope.job());
        let under = scope.with(supervisor.clone());
        let sibling = under.launch(forever());
        let failing = under
            .clone()
            .with(quiet())
            .launch(async { Err(Error::msg("no")) });
        failing.join().await;
        assert!(failing.is_cancelled());
        assert!(supervisor.is_active() && sibling.is_active());
        supervisor.cancel();
        Ok(())
    });
}

/// J-12
#[test]
fn a_failing_launch_under_a_supervisor_is_reported_to_its_own_handler() {
    root(async |_| {
        let log = Log::new();
        supervisor_scope(async |scope| {
            let failing = scope.with(reporting(&log));
            failing.launch(async { Err(Error::msg("no")) }).join().await;
            Ok(())
        })
        .await?;
        assert_eq!(log.take(), ["reported: no"]);
        Ok(())
    });
}

/// J-12
#[test]
fn a_failing_spawn_under_a_supervisor_is_kept_and_not_reported() {
    root(async |_| {
        let log = Log::new();
        supervisor_scope(async |scope| {
            let failing = scope.with(reporting(&log));
            let deferred = failing.spawn(async { Err::<i32, _>(Error::msg("no")) });
            assert_eq!(deferred.await.unwrap_err().to_string(), "no");
            Ok(())
        })
        .await?;
        assert_eq!(log.take(), [""; 0]);
        Ok(())
    });
}

/// J-12
#[test]
fn cancelling_a_supervisor_cancels_its_children() {
    root(async |scope| {
        let supervisor = SupervisorJob::new();
        let child = scope.with(supervisor.clone()).launch(forever());
        supervisor.cancel();
        assert!(child.is_cancelled());
        child.join().await;
        Ok(())
    });
}

/// J-12
#[test]
fn a_failing_body_of_a_supervisor_scope_cancels_the_children() {
    root(async |_| {
        let log = Log::new();
        supervisor_scope(async |scope| {
            let child = scope.launch(forever());
            log_cancelling(&log, &child, "child cancelled");
            Err::<(), _>(Error::msg("no"))
        })
        .await
        .unwrap_err();
        assert_eq!(log.take(), ["child cancelled"]);
        Ok(())
    });
}

/// J-12
#[test]
fn a_failing_body_of_a_supervisor_scope_is_what_the_scope_returns() {
    root(async |_| {
        let failure = Error::msg("no");
        let raised = failure.clone();
        let error = supervisor_scope(async |_| Err::<(), _>(raised)).await;
        assert!(error.unwrap_err().ptr_eq(&failure));
        Ok(())
    });
}

/// J-12
#[test]
fn a_failure_two_levels_below_a_supervisor_fails_the_child_but_not_its_siblings() {
    root(async |_| {
        supervisor_scope(async |scope| {
            let sibling = scope.launch(forever());
            let child = scope.with(quiet()).launch(forever());
            let failing = scope.with(&child).launch(async { Err(Error::msg("no")) });
            child.join().await;
            assert!(failing.is_cancelled());
            assert_eq!(child.cause().unwrap().to_string(), "no");
            assert!(scope.is_active() && sibling.is_active());
            sibling.cancel();
            Ok(())
        })
        .await
    });
}

/// J-13
#[test]
fn a_failing_scope_leaves_the_coroutine_around_it_uncancelled() {
    root(async |scope| {
        let failed = coroutine_scope(async |inner| {
            inner.launch(async { Err(Error::msg("no")) });
            Ok(())
        })
        .await;
        assert_eq!(failed.unwrap_err().to_string(), "no");
        assert!(scope.is_active());
        yield_now().await;
        Ok(())
    });
}

/// J-13
#[test]
fn a_failing_supervisor_scope_leaves_the_coroutine_around_it_uncancelled() {
    root(async |scope| {
        let failed: Result = supervisor_scope(async |_| Err(Error::msg("no"))).await;
        assert_eq!(failed.unwrap_err().to_string(), "no");
        assert!(scope.is_active());
        Ok(())
    });
}

/// J-13
#[test]
fn a_panicking_scope_leaves_the_coroutine_around_it_uncancelled() {
    root(async |scope| {
        let failed: Result = coroutine_scope(async |_| panic!("no")).await;
        assert!(failed.unwrap_err().is_panic());
        assert!(scope.is_active());
        Ok(())
    });
}

/// J-13
#[test]
fn a_failing_shield_leaves_the_coroutine_around_it_uncancelled() {
    root(async |scope| {
        let failed: Result = non_cancellable(async |_| Err(Error::msg("no"))).await;
        assert_eq!(failed.unwrap_err().to_string(), "no");
        assert!(scope.is_active());
        Ok(())
    });
}

/// J-13
#[test]
fn a_failing_scope_is_not_reported_to_a_handler() {
    root(async |scope| {
        let log = Log::new();
        let child = scope.with(reporting(&log)).launch(async {
            let _: Result = coroutine_scope(async |_| Err(Error::msg("no"))).await;
        });
        child.join().await;
        assert!(!child.is_cancelled());
        assert_eq!(log.take(), [""; 0]);
        Ok(())
    });
}

/// J-14
#[test]
fn a_coroutine_launched_with_no_parent_is_not_linked_to_its_scope() {
    root(async |scope| {
        let child = scope.with(NonCancellable).launch(forever());
        assert!(child.parent().is_none());
        assert!(scope.job().children().is_empty());
        child.cancel_and_join().await;
        Ok(())
    });
}

/// J-14
#[test]
fn a_coroutine_launched_with_no_parent_is_not_cancelled_with_its_scope() {
    root(async |_| {
        let (tx, rx) = mpsc::channel();
        coroutine_scope(async |scope| {
            tx.send(scope.with(NonCancellable).launch(forever()))
                .unwrap();
            scope.cancel();
            Ok(())
        })
        .await
        .unwrap_err();
        let child = rx.recv().unwrap();
        assert!(child.is_active());
        child.cancel_and_join().await;
        Ok(())
    });
}

/// J-14
#[test]
fn a_coroutine_launched_with_no_parent_does_not_fail_its_scope() {
    root(async |scope| {
        let child = scope
            .with(NonCancellable + quiet())
            .launch(async { Err(Error::msg("no")) });
        child.join().await;
        assert!(scope.is_active());
        Ok(())
    });
}

/// J-14
#[test]
fn a_job_given_to_a_builder_is_the_parent_in_place_of_the_scope() {
    root(async |scope| {
        let other = CompletableJob::new();
        let child = scope.with(&*other).launch(forever());
        assert!(child.parent().unwrap().ptr_eq(&other));
        assert!(scope.job().children().is_empty());
        other.cancel();
        assert!(child.is_cancelled());
        child.join().await;
        Ok(())
    });
}

/// J-14
#[test]
fn a_scope_does_not_wait_for_a_coroutine_with_another_parent() {
    checked(|| {
        let other = CompletableJob::new();
        let child = run_blocking(async |scope| Ok(scope.with(&*other).launch(forever()))).unwrap();
        assert!(child.is_active());
        other.cancel();
    });
}

/// J-14
#[test]
fn a_coroutine_with_another_parent_is_not_cancelled_with_the_scope() {
    root(async |_| {
        let other = CompletableJob::new();
        let (tx, rx) = mpsc::channel();
        coroutine_scope(async |scope| {
            tx.send(scope.with(&*other).launch(forever())).unwrap();
            scope.cancel();
            Ok(())
        })
        .await
        .unwrap_err();
        assert!(rx.recv().unwrap().is_active());
        other.cancel();
        Ok(())
    });
}
