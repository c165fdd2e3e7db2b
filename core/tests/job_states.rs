//! The states of a job, the ways between them, and how coroutines start.

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread::ThreadId;

use corox_core::{
    CompletableDeferred, CompletableJob, CoroutineScope, CoroutineStart, Dispatcher, Error,
    ExceptionHandler, GlobalScope, Job, JobState, Result, await_all, coroutine_scope, join_all,
    run_blocking, supervisor_scope, yield_now,
};
use support::{Log, checked, forever, lingering, root};

/// Active, completed, cancelled.
fn flags(job: &Job) -> (bool, bool, bool) {
    (job.is_active(), job.is_completed(), job.is_cancelled())
}

/// A job whose body has ended and whose child runs until it is cancelled.
async fn completing(scope: &CoroutineScope) -> (Job, Job) {
    let job = scope.launch(async {});
    let child = scope.with(&job).launch(forever());
    yield_now().await;
    (job, child)
}

/// J-1
#[test]
fn a_new_job_has_no_flag_set() {
    root(async |scope| {
        let job = scope.lazy().launch(async {});
        assert_eq!(job.state(), JobState::New);
        assert_eq!(flags(&job), (false, false, false));
        job.cancel();
        Ok(())
    });
}

/// J-1
#[test]
fn an_active_job_is_active_only() {
    root(async |scope| {
        let job = scope.launch(forever());
        yield_now().await;
        assert_eq!(job.state(), JobState::Active);
        assert_eq!(flags(&job), (true, false, false));
        job.cancel();
        Ok(())
    });
}

/// J-1
#[test]
fn a_job_that_waits_for_a_child_still_has_the_flags_of_an_active_one() {
    root(async |scope| {
        let (job, child) = completing(&scope).await;
        assert_eq!(job.state(), JobState::Completing);
        assert_eq!(flags(&job), (true, false, false));
        child.cancel();
        Ok(())
    });
}

/// J-1
#[test]
fn a_job_being_cancelled_is_cancelled_only() {
    root(async |scope| {
        let job = scope.launch(forever());
        yield_now().await;
        job.cancel();
        assert_eq!(job.state(), JobState::Cancelling);
        assert_eq!(flags(&job), (false, false, true));
        Ok(())
    });
}

/// J-1
#[test]
fn a_cancelled_job_that_has_ended_is_completed_and_cancelled() {
    root(async |scope| {
        let job = scope.launch(forever());
        job.cancel_and_join().await;
        assert_eq!(job.state(), JobState::Cancelled);
        assert_eq!(flags(&job), (false, true, true));
        Ok(())
    });
}

/// J-1
#[test]
fn a_failed_job_that_has_ended_is_completed_and_cancelled() {
    root(async |_| {
        supervisor_scope(async |scope| {
            let quiet = ExceptionHandler::new(|_, _| {});
            let job = scope.with(quiet).launch(async { Err(Error::msg("no")) });
            job.join().await;
            assert_eq!(job.state(), JobState::Cancelled);
            assert_eq!(flags(&job), (false, true, true));
            Ok(())
        })
        .await
    });
}

/// J-1
#[test]
fn a_job_that_ended_normally_is_completed_only() {
    root(async |scope| {
        let job = scope.launch(async {});
        job.join().await;
        assert_eq!(job.state(), JobState::Completed);
        assert_eq!(flags(&job), (false, true, false));
        Ok(())
    });
}

/// J-2
#[test]
fn a_new_job_becomes_active_by_its_start() {
    root(async |scope| {
        let job = scope.lazy().launch(async {});
        job.start();
        assert_eq!(job.state(), JobState::Active);
        Ok(())
    });
}

/// J-2
#[test]
fn an_active_job_goes_through_completing_to_completed() {
    root(async |scope| {
        let gate = CompletableDeferred::new();
        let opened = gate.clone();
        let job = scope.launch(async {});
        let child = scope.with(&job).launch(async move { (&opened).await });
        let mut states = vec![job.state()];
        yield_now().await;
        states.push(job.state());
        gate.complete(());
        child.join().await;
        states.push(job.state());
        use JobState::{Active, Completed, Completing};
        assert_eq!(states, [Active, Completing, Completed]);
        Ok(())
    });
}

/// J-2
#[test]
fn an_active_job_goes_through_cancelling_to_cancelled() {
    root(async |scope| {
        let job = scope.launch(forever());
        let mut states = vec![job.state()];
        job.cancel();
        states.push(job.state());
        job.join().await;
        states.push(job.state());
        use JobState::{Active, Cancelled, Cancelling};
        assert_eq!(states, [Active, Cancelling, Cancelled]);
        Ok(())
    });
}

/// J-2
#[test]
fn a_completing_job_goes_through_cancelling_to_cancelled() {
    root(async |scope| {
        let (job, _child) = completing(&scope).await;
        let mut states = vec![job.state()];
        job.cancel();
        states.push(job.state());
        job.join().await;
        states.push(job.state());
        use JobState::{Cancelled, Cancelling, Completing};
        assert_eq!(states, [Completing, Cancelling, Cancelled]);
        Ok(())
    });
}

/// J-2
#[test]
fn a_completing_deferred_that_is_cancelled_gives_the_cancellation_and_not_its_value() {
    root(async |scope| {
        let deferred = scope.spawn(async { Ok(1) });
        scope.with(deferred.job()).launch(forever());
        yield_now().await;
        assert_eq!(deferred.state(), JobState::Completing);
        deferred.cancel_with(Error::cancellation("too late"));
        assert_eq!(deferred.await.unwrap_err().to_string(), "too late");
        Ok(())
    });
}

/// J-2
#[test]
fn the_value_of_a_completing_deferred_that_is_cancelled_is_dropped_before_the_end() {
    root(async |scope| {
        let log = Log::new();
        let value = log.guard("value dropped");
        let deferred = scope.spawn(async move { Ok(value) });
        scope.with(deferred.job()).launch(forever());
        let at_end = log.clone();
        deferred.on_completion(move |_| at_end.add("completed"));
        yield_now().await;
        assert_eq!(log.take(), [""; 0]);
        deferred.cancel();
        deferred.join().await;
        assert_eq!(log.take(), ["value dropped", "completed"]);
        Ok(())
    });
}

/// J-2
#[test]
fn cancelling_a_completed_job_changes_nothing() {
    root(async |scope| {
        let job = scope.launch(async {});
        job.join().await;
        job.cancel();
        assert_eq!(job.state(), JobState::Completed);
        assert!(job.cause().is_none());
        Ok(())
    });
}

/// J-2
#[test]
fn starting_a_completed_job_changes_nothing() {
    root(async |scope| {
        let job = scope.lazy().launch(async {});
        job.join().await;
        assert!(!job.start());
        assert_eq!(job.state(), JobState::Completed);
        Ok(())
    });
}

/// J-2
#[test]
fn another_thread_sees_states_only_go_forward() {
    fn rank(state: JobState) -> u8 {
        match state {
            JobState::New => 0,
            JobState::Active => 1,
            JobState::Completing => 2,
            JobState::Cancelling => 3,
            JobState::Cancelled | JobState::Completed => 4,
        }
    }
    checked(|| {
        for round in 0..200 {
            let job = GlobalScope.lazy().launch(async {
                yield_now().await;
            });
            let child = GlobalScope.with(&job).lazy().launch(async {});
            let watched = job.clone();
            let barrier = Arc::new(Barrier::new(2));
            let ready = barrier.clone();
            let watcher = std::thread::spawn(move || {
                ready.wait();
                let mut seen = vec![watched.state()];
                while rank(seen[seen.len() - 1]) < 4 {
                    let state = watched.state();
                    if seen.last() != Some(&state) {
                        seen.push(state);
                    }
                    std::thread::yield_now();
                }
                seen
            });
            barrier.wait();
            child.start();
            if round % 2 == 0 {
                job.cancel();
            }
            let seen = watcher.join().unwrap();
            assert!(
                seen.windows(2).all(|pair| rank(pair[0]) < rank(pair[1])),
                "{seen:?}"
            );
        }
    });
}

/// J-3
#[test]
fn a_job_whose_body_has_ended_completes_only_after_its_last_child() {
    root(async |scope| {
        let (first, second) = (CompletableDeferred::new(), CompletableDeferred::new());
        let (one, two) = (first.clone(), second.clone());
        let job = scope.launch(async {});
        let one = scope.with(&job).launch(async move { (&one).await });
        let two = scope.with(&job).launch(async move { (&two).await });
        yield_now().await;
        first.complete(());
        one.join().await;
        assert!(!job.is_completed());
        second.complete(());
        two.join().await;
        assert!(job.is_completed());
        Ok(())
    });
}

/// J-3
#[test]
fn a_job_whose_children_have_ended_completes_only_after_its_body() {
    root(async |scope| {
        let gate = CompletableDeferred::new();
        let opened = gate.clone();
        let job = scope.launch(async move { (&opened).await });
        scope.with(&job).launch(async {}).join().await;
        assert!(!job.is_completed());
        gate.complete(());
        job.join().await;
        assert!(job.is_completed());
        Ok(())
    });
}

/// J-3
#[test]
fn a_cancelled_job_ends_only_after_a_child_that_cleans_up() {
    root(async |scope| {
        let gate = CompletableDeferred::new();
        let job = scope.launch(forever());
        let child = scope.with(&job).launch(lingering(gate.clone()));
        yield_now().await;
        job.cancel();
        yield_now().await;
        yield_now().await;
        assert_eq!(job.state(), JobState::Cancelling);
        gate.complete(());
        child.join().await;
        assert_eq!(job.state(), JobState::Cancelled);
        Ok(())
    });
}

/// J-3
#[test]
fn a_failed_job_ends_only_after_a_child_that_cleans_up() {
    root(async |_| {
        supervisor_scope(async |scope| {
            let gate = CompletableDeferred::new();
            let quiet = ExceptionHandler::new(|_, _| {});
            let job = scope.with(quiet).launch(async {
                yield_now().await;
                Err(Error::msg("no"))
            });
            let child = scope.with(&job).launch(lingering(gate.clone()));
            while !job.is_cancelled() {
                yield_now().await;
            }
            yield_now().await;
            yield_now().await;
            assert_eq!(job.state(), JobState::Cancelling);
            gate.complete(());
            child.join().await;
            assert_eq!(job.state(), JobState::Cancelled);
            Ok(())
        })
        .await
    });
}

/// J-3
#[test]
fn a_scope_returns_only_after_its_children() {
    root(async |_| {
        let log = Log::new();
        coroutine_scope(async |scope| {
            let inside = log.clone();
            scope.launch(async move {
                yield_now().await;
                inside.add("child");
            });
            log.add("body");
            Ok(())
        })
        .await?;
        log.add("after the scope");
        assert_eq!(log.take(), ["body", "child", "after the scope"]);
        Ok(())
    });
}

/// J-3
#[test]
fn a_blocking_root_returns_only_after_its_children() {
    checked(|| {
        let log = Log::new();
        run_blocking(async |scope| {
            let inside = log.clone();
            scope.with(Dispatcher::DEFAULT).launch(async move {
                yield_now().await;
                inside.add("child");
            });
            Ok(())
        })
        .unwrap();
        log.add("after the root");
        assert_eq!(log.take(), ["child", "after the root"]);
    });
}

/// J-4
#[test]
fn a_lazy_job_stays_new_while_others_run() {
    root(async |scope| {
        let log = Log::new();
        let job = scope.lazy().launch(log.event("ran"));
        for _ in 0..5 {
            yield_now().await;
        }
        assert_eq!(job.state(), JobState::New);
        job.cancel();
        assert_eq!(log.take(), [""; 0]);
        Ok(())
    });
}

/// J-4
#[test]
fn start_starts_a_lazy_job() {
    root(async |scope| {
        let log = Log::new();
        let job = scope.lazy().launch(log.event("ran"));
        assert!(job.start());
        yield_now().await;
        assert_eq!(log.take(), ["ran"]);
        Ok(())
    });
}

/// J-4
#[test]
fn join_starts_a_lazy_job() {
    root(async |scope| {
        let log = Log::new();
        scope.lazy().launch(log.event("ran")).join().await;
        assert_eq!(log.take(), ["ran"]);
        Ok(())
    });
}

/// J-4
#[test]
fn await_starts_a_lazy_deferred() {
    root(async |scope| {
        assert_eq!(scope.lazy().spawn(async { Ok(1) }).await?, 1);
        Ok(())
    });
}

/// J-4
#[test]
fn await_all_starts_all_lazy_deferreds_before_it_waits_for_the_first() {
    root(async |scope| {
        let gate = CompletableDeferred::new();
        let opened = gate.clone();
        let first = scope.lazy().spawn(async move { (&opened).await });
        let second = scope.lazy().spawn(async move {
            gate.complete(1);
            Ok(2)
        });
        assert_eq!(await_all([first, second]).await?, [1, 2]);
        Ok(())
    });
}

/// J-4
#[test]
fn join_all_starts_lazy_jobs() {
    root(async |scope| {
        let log = Log::new();
        let jobs = ["one", "two"].map(|event| scope.lazy().launch(log.event(event)));
        join_all(&jobs).await;
        assert_eq!(log.take(), ["one", "two"]);
        Ok(())
    });
}

/// J-4
#[test]
fn a_join_that_is_not_polled_does_not_start_a_lazy_job() {
    root(async |scope| {
        let job = scope.lazy().launch(async {});
        let join = job.join();
        yield_now().await;
        assert_eq!(job.state(), JobState::New);
        join.await;
        Ok(())
    });
}

/// J-4
#[test]
fn start_says_true_to_the_first_caller_only() {
    root(async |scope| {
        let job = scope.lazy().launch(async {});
        assert_eq!(
            [job.start(), job.start(), job.start()],
            [true, false, false]
        );
        Ok(())
    });
}

/// J-4
#[test]
fn of_threads_that_start_a_job_together_exactly_one_is_told_true() {
    checked(|| {
        for _ in 0..200 {
            let ran = Arc::new(AtomicUsize::new(0));
            let runs = ran.clone();
            let job = GlobalScope.lazy().launch(async move {
                runs.fetch_add(1, Ordering::SeqCst);
            });
            let barrier = Barrier::new(3);
            let starts = std::thread::scope(|threads| {
                let all = [(); 3].map(|()| {
                    threads.spawn(|| {
                        barrier.wait();
                        job.start()
                    })
                });
                all.map(|thread| usize::from(thread.join().unwrap()))
            });
            assert_eq!(starts.iter().sum::<usize>(), 1);
            run_blocking(async |_| {
                job.join().await;
                Ok(())
            })
            .unwrap();
            assert_eq!(ran.load(Ordering::SeqCst), 1);
        }
    });
}

/// J-4
#[test]
fn a_completion_handler_does_not_start_a_lazy_job() {
    root(async |scope| {
        let job = scope.lazy().launch(async {});
        job.on_completion(|_| {});
        job.on_cancelling(|_| {});
        yield_now().await;
        assert_eq!(job.state(), JobState::New);
        job.cancel();
        Ok(())
    });
}

/// J-4
#[test]
fn a_scope_waits_for_a_lazy_child_until_somebody_starts_it() {
    root(async |_| {
        let log = Log::new();
        coroutine_scope(async |scope| {
            let lazy = scope.lazy().launch(log.event("lazy child"));
            let other = log.clone();
            scope.launch(async move {
                yield_now().await;
                other.add("started by a sibling");
                lazy.start();
            });
            Ok(())
        })
        .await?;
        log.add("scope over");
        assert_eq!(
            log.take(),
            ["started by a sibling", "lazy child", "scope over"]
        );
        Ok(())
    });
}

/// J-5
#[test]
fn cancelling_a_new_job_completes_it_at_once() {
    root(async |scope| {
        let job = scope.lazy().launch(async {});
        job.cancel();
        assert_eq!(job.state(), JobState::Cancelled);
        Ok(())
    });
}

/// J-5
#[test]
fn a_new_job_that_is_cancelled_has_left_its_parent_when_cancel_returns() {
    root(async |scope| {
        let job = scope.lazy().launch(async {});
        job.cancel();
        assert!(job.parent().is_none());
        assert!(scope.job().children().is_empty());
        Ok(())
    });
}

/// J-5
#[test]
fn a_new_job_that_is_cancelled_shows_its_handlers_no_cancelling_state() {
    root(async |scope| {
        let log = Log::new();
        let job = scope.lazy().launch(async {});
        let (seen, observed) = (log.clone(), job.clone());
        job.on_cancelling(move |_| seen.add(format!("cancelling: {}", observed.state())));
        let (seen, observed) = (log.clone(), job.clone());
        job.on_completion(move |_| seen.add(format!("completion: {}", observed.state())));
        job.cancel();
        assert_eq!(
            log.take(),
            ["cancelling: Cancelled", "completion: Cancelled"]
        );
        Ok(())
    });
}

/// J-5
#[test]
fn the_body_of_a_new_job_that_is_cancelled_never_runs() {
    root(async |scope| {
        let log = Log::new();
        let job = scope.lazy().launch(log.event("ran"));
        job.cancel();
        job.join().await;
        yield_now().await;
        assert_eq!(log.take(), [""; 0]);
        Ok(())
    });
}

/// J-5
#[test]
fn a_new_job_that_was_cancelled_cannot_be_started() {
    root(async |scope| {
        let job = scope.lazy().launch(async {});
        job.cancel();
        assert!(!job.start());
        assert_eq!(job.state(), JobState::Cancelled);
        Ok(())
    });
}

/// J-5
#[test]
fn what_a_new_job_has_captured_is_dropped_when_it_is_cancelled() {
    root(async |scope| {
        let log = Log::new();
        let captured = log.guard("captured dropped");
        let job = scope.lazy().launch(async move { drop(captured) });
        job.cancel();
        log.add("cancel returned");
        assert_eq!(log.take(), ["captured dropped", "cancel returned"]);
        Ok(())
    });
}

/// J-5
#[test]
fn awaiting_a_new_deferred_that_was_cancelled_gives_the_cancellation() {
    root(async |scope| {
        let deferred = scope.lazy().spawn(async { Ok(1) });
        deferred.cancel_with(Error::cancellation("not needed"));
        assert_eq!(deferred.await.unwrap_err().to_string(), "not needed");
        Ok(())
    });
}

/// J-5
#[test]
fn a_lazy_child_that_was_never_started_is_ended_by_the_cancellation_of_its_scope() {
    root(async |_| {
        let log = Log::new();
        let error = coroutine_scope(async |scope| {
            let captured = log.guard("captured dropped");
            scope.lazy().launch(async move { drop(captured) });
            scope.cancel();
            Ok(())
        })
        .await
        .unwrap_err();
        assert!(error.is_cancellation());
        assert_eq!(log.take(), ["captured dropped"]);
        Ok(())
    });
}

/// J-6
#[test]
fn a_default_body_cancelled_before_its_turn_never_runs() {
    root(async |scope| {
        let log = Log::new();
        let job = scope.launch(log.event("ran"));
        job.cancel();
        job.join().await;
        assert_eq!(log.take(), [""; 0]);
        assert!(job.is_cancelled());
        Ok(())
    });
}

/// J-6
#[test]
fn what_a_body_that_never_ran_has_captured_is_dropped_before_the_job_ends() {
    root(async |scope| {
        let log = Log::new();
        let captured = log.guard("captured dropped");
        let job = scope.launch(async move { drop(captured) });
        let at_end = log.clone();
        job.on_completion(move |_| at_end.add("completed"));
        job.cancel();
        log.add("cancelled");
        job.join().await;
        assert_eq!(log.take(), ["cancelled", "captured dropped", "completed"]);
        Ok(())
    });
}

/// J-6
#[test]
fn an_atomic_body_cancelled_before_its_turn_runs_to_its_first_suspension() {
    root(async |scope| {
        let log = Log::new();
        let inside = log.clone();
        let job = scope.start(CoroutineStart::Atomic).launch(async move {
            let _guard = inside.guard("dropped");
            inside.add("begins");
            yield_now().await;
            inside.add("goes on");
        });
        job.cancel();
        job.join().await;
        assert_eq!(log.take(), ["begins", "dropped"]);
        Ok(())
    });
}

/// J-6
#[test]
fn an_atomic_body_launched_in_a_cancelled_scope_runs_to_its_first_suspension() {
    root(async |_| {
        let log = Log::new();
        coroutine_scope(async |scope| {
            scope.cancel();
            let inside = log.clone();
            scope.start(CoroutineStart::Atomic).launch(async move {
                inside.add("begins");
                yield_now().await;
                inside.add("goes on");
            });
            Ok(())
        })
        .await
        .unwrap_err();
        assert_eq!(log.take(), ["begins"]);
        Ok(())
    });
}

/// J-6
#[test]
fn an_undispatched_body_in_a_cancelled_scope_runs_in_the_caller_to_its_first_suspension() {
    root(async |_| {
        let log = Log::new();
        coroutine_scope(async |scope| {
            scope.cancel();
            let inside = log.clone();
            scope
                .start(CoroutineStart::Undispatched)
                .launch(async move {
                    inside.add("begins");
                    yield_now().await;
                    inside.add("goes on");
                });
            log.add("launch returned");
            Ok(())
        })
        .await
        .unwrap_err();
        assert_eq!(log.take(), ["begins", "launch returned"]);
        Ok(())
    });
}

/// J-6
#[test]
fn a_lazy_body_in_a_cancelled_scope_never_runs() {
    root(async |_| {
        let log = Log::new();
        coroutine_scope(async |scope| {
            scope.cancel();
            let job = scope.lazy().launch(log.event("ran"));
            assert_eq!(job.state(), JobState::Cancelled);
            assert!(!job.start());
            Ok(())
        })
        .await
        .unwrap_err();
        assert_eq!(log.take(), [""; 0]);
        Ok(())
    });
}

/// J-6
#[test]
fn a_default_body_does_not_begin_before_launch_returns() {
    root(async |scope| {
        let log = Log::new();
        let job = scope.launch(log.event("body"));
        log.add("launch returned");
        job.join().await;
        assert_eq!(log.take(), ["launch returned", "body"]);
        Ok(())
    });
}

/// J-6
#[test]
fn an_atomic_body_does_not_begin_before_launch_returns() {
    root(async |scope| {
        let log = Log::new();
        let job = scope
            .start(CoroutineStart::Atomic)
            .launch(log.event("body"));
        log.add("launch returned");
        job.join().await;
        assert_eq!(log.take(), ["launch returned", "body"]);
        Ok(())
    });
}

async fn resumption_is_dispatched(scope: CoroutineScope, start: CoroutineStart) -> Result {
    let log = Log::new();
    let gate = CompletableDeferred::new();
    let (inside, opened) = (log.clone(), gate.clone());
    let job = scope.start(start).launch(async move {
        (&opened).await?;
        inside.add("resumed");
        Ok(())
    });
    yield_now().await;
    scope.launch(log.event("launched before"));
    gate.complete(());
    scope.launch(log.event("launched after"));
    log.add("caller");
    job.join().await;
    yield_now().await;
    assert_eq!(
        log.take(),
        ["caller", "launched before", "resumed", "launched after"]
    );
    Ok(())
}

/// J-6
#[test]
fn an_atomic_body_is_resumed_through_the_queue_like_any_other() {
    root(async |scope| resumption_is_dispatched(scope, CoroutineStart::Atomic).await);
}

/// J-6
#[test]
fn an_undispatched_body_is_resumed_through_the_queue_like_any_other() {
    root(async |scope| resumption_is_dispatched(scope, CoroutineStart::Undispatched).await);
}

/// J-7
#[test]
fn an_undispatched_launch_returns_after_the_first_suspension_of_the_body() {
    root(async |scope| {
        let log = Log::new();
        let inside = log.clone();
        let job = scope
            .start(CoroutineStart::Undispatched)
            .launch(async move {
                inside.add("begins");
                yield_now().await;
                inside.add("goes on");
            });
        log.add("launch returned");
        job.join().await;
        assert_eq!(log.take(), ["begins", "launch returned", "goes on"]);
        Ok(())
    });
}

/// J-7
#[test]
fn an_undispatched_launch_of_a_body_that_does_not_suspend_returns_after_its_end() {
    root(async |scope| {
        let job = scope.start(CoroutineStart::Undispatched).launch(async {});
        assert_eq!(job.state(), JobState::Completed);
        Ok(())
    });
}

/// J-7
#[test]
fn an_undispatched_body_sees_itself_as_the_current_job() {
    root(async |scope| {
        let (tx, rx) = std::sync::mpsc::channel();
        let job = scope
            .start(CoroutineStart::Undispatched)
            .launch(async move {
                tx.send(Job::current().unwrap()).unwrap();
            });
        assert!(rx.recv().unwrap().ptr_eq(&job));
        Ok(())
    });
}

/// J-7
#[test]
fn after_an_undispatched_launch_the_caller_is_the_current_job_again() {
    root(async |scope| {
        scope.start(CoroutineStart::Undispatched).launch(async {
            yield_now().await;
        });
        assert!(Job::current().unwrap().ptr_eq(scope.job()));
        Ok(())
    });
}

/// J-7
#[test]
fn an_undispatched_body_begins_in_the_caller_and_goes_on_in_its_own_dispatcher() {
    root(async |scope| {
        let here = std::thread::current().id();
        let on_pool = scope
            .with(Dispatcher::DEFAULT)
            .start(CoroutineStart::Undispatched);
        let threads = on_pool.spawn(async {
            let before: ThreadId = std::thread::current().id();
            yield_now().await;
            Ok((before, std::thread::current().id()))
        });
        let (before, after) = threads.await?;
        assert_eq!(before, here);
        assert_ne!(after, here);
        Ok(())
    });
}

/// J-7
#[test]
fn a_panic_in_the_first_part_of_an_undispatched_body_fails_its_job_and_not_the_caller() {
    root(async |_| {
        supervisor_scope(async |scope| {
            let quiet = ExceptionHandler::new(|_, _| {});
            let job = scope
                .with(quiet)
                .start(CoroutineStart::Undispatched)
                .launch(async { panic!("in the first part") });
            assert!(job.cause().unwrap().is_panic());
            Ok(())
        })
        .await
    });
}

/// J-1: a job without a body has the same states.
#[test]
fn a_job_without_body_is_active_from_its_creation() {
    checked(|| {
        let job = CompletableJob::new();
        assert_eq!(job.state(), JobState::Active);
        assert_eq!(flags(&job), (true, false, false));
    });
}
