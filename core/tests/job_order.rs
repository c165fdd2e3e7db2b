//! What happens in which order when a job is cancelled or ends, and the callbacks at its end.

mod support;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;

use corox_core::{
    CompletableDeferred, CompletableJob, DisposeHandle, Error, ExceptionHandler, GlobalScope, Job,
    JobState, add_uncaught_handler, coroutine_scope, run_blocking, supervisor_scope, yield_now,
};
use support::{Log, checked, forever, root};

/// A handler that logs what is reported to it.
fn reporting(log: &Log) -> ExceptionHandler {
    let log = log.clone();
    ExceptionHandler::new(move |_, error| log.add(format!("reported: {error}")))
}

fn at_end(job: &Job, log: &Log, event: &str) -> DisposeHandle {
    let (log, event) = (log.clone(), event.to_owned());
    job.on_completion(move |_| log.add(event))
}

fn when_cancelling(job: &Job, log: &Log, event: &str) -> DisposeHandle {
    let (log, event) = (log.clone(), event.to_owned());
    job.on_cancelling(move |_| log.add(event))
}

fn text(cause: Option<&Error>) -> String {
    match cause {
        None => "none".to_owned(),
        Some(cause) if cause.is_cancellation() => format!("cancellation: {cause}"),
        Some(cause) => format!("failure: {cause}"),
    }
}

/// J-15, step 1 before 3.
#[test]
fn a_handler_called_at_the_cancellation_sees_the_cause_already_recorded() {
    checked(|| {
        let log = Log::new();
        let job = CompletableJob::new();
        let (seen, observed) = (log.clone(), job.clone());
        job.on_cancelling(move |_| seen.add(text(observed.cause().as_ref())));
        job.cancel_with(Error::cancellation("enough"));
        assert_eq!(log.take(), ["cancellation: enough"]);
    });
}

/// J-15, step 3.
#[test]
fn handlers_and_children_are_told_of_a_cancellation_in_the_order_of_registration() {
    checked(|| {
        let log = Log::new();
        let job = CompletableJob::new();
        when_cancelling(&job, &log, "handler 1");
        let child_1 = CompletableJob::child_of(&job);
        when_cancelling(&job, &log, "handler 2");
        let child_2 = CompletableJob::child_of(&job);
        when_cancelling(&child_2, &log, "child 2");
        when_cancelling(&child_1, &log, "child 1");
        when_cancelling(&job, &log, "handler 3");
        job.cancel();
        assert_eq!(
            log.take(),
            ["handler 1", "child 1", "handler 2", "child 2", "handler 3"]
        );
    });
}

/// J-15, step 4.
#[test]
fn a_failure_is_offered_to_the_parent_after_handlers_and_children() {
    checked(|| {
        let log = Log::new();
        let parent = CompletableJob::new();
        when_cancelling(&parent, &log, "parent");
        let job = CompletableJob::child_of(&parent);
        let child = CompletableJob::child_of(&job);
        when_cancelling(&child, &log, "child");
        when_cancelling(&job, &log, "handler");
        job.fail(Error::msg("no"));
        assert_eq!(log.take(), ["child", "handler", "parent"]);
    });
}

/// J-15, step 5 before 6.
#[test]
fn the_cause_is_final_when_the_failure_is_handled() {
    root(async |_| {
        let (tx, rx) = mpsc::channel();
        let handler = ExceptionHandler::new(move |job, error| {
            let frozen = !CompletableJob::child_of(job).is_active();
            tx.send((frozen, job.cause().unwrap().ptr_eq(error)))
                .unwrap();
        });
        supervisor_scope(async |scope| {
            let failing = scope.with(handler);
            failing.launch(async { Err(Error::msg("no")) }).join().await;
            Ok(())
        })
        .await?;
        assert_eq!(rx.recv().unwrap(), (true, true));
        Ok(())
    });
}

/// J-15, step 6 before 7.
#[test]
fn a_job_is_not_final_while_its_failure_is_handled() {
    root(async |_| {
        let (tx, rx) = mpsc::channel();
        let handler = ExceptionHandler::new(move |job, _| tx.send(job.state()).unwrap());
        supervisor_scope(async |scope| {
            let failing = scope.with(handler);
            failing.launch(async { Err(Error::msg("no")) }).join().await;
            Ok(())
        })
        .await?;
        assert_eq!(rx.recv().unwrap(), JobState::Cancelling);
        Ok(())
    });
}

/// J-15, step 6 before 9.
#[test]
fn a_failure_is_handled_before_completion_handlers_are_called() {
    root(async |_| {
        let log = Log::new();
        supervisor_scope(async |scope| {
            let failing = scope.with(reporting(&log));
            let job = failing.launch(async { Err(Error::msg("no")) });
            at_end(&job, &log, "completed");
            Ok(())
        })
        .await?;
        assert_eq!(log.take(), ["reported: no", "completed"]);
        Ok(())
    });
}

/// J-15, step 7 before 9.
#[test]
fn a_job_is_final_when_its_completion_handlers_are_called() {
    root(async |scope| {
        let (tx, rx) = mpsc::channel();
        let job = scope.launch(async {});
        let observed = job.clone();
        job.on_completion(move |_| tx.send(observed.state()).unwrap());
        job.join().await;
        assert_eq!(rx.recv().unwrap(), JobState::Completed);
        Ok(())
    });
}

/// J-15, step 8 before 9.
#[test]
fn a_job_has_left_its_parent_when_its_completion_handlers_are_called() {
    root(async |scope| {
        let (tx, rx) = mpsc::channel();
        let parent = scope.job().clone();
        let job = scope.launch(async {});
        let observed = job.clone();
        job.on_completion(move |_| {
            tx.send((observed.parent().is_none(), parent.children().is_empty()))
                .unwrap();
        });
        job.join().await;
        assert_eq!(rx.recv().unwrap(), (true, true));
        Ok(())
    });
}

/// J-15, step 9.
#[test]
fn the_handlers_of_a_child_are_called_before_those_of_its_parent() {
    root(async |scope| {
        let log = Log::new();
        let parent = scope.launch(async {});
        at_end(&parent, &log, "parent");
        let child = scope.with(&parent).launch(async {});
        at_end(&child, &log, "child");
        parent.join().await;
        assert_eq!(log.take(), ["child", "parent"]);
        Ok(())
    });
}

/// J-15, step 9 before 10.
#[test]
fn the_caller_of_a_scope_goes_on_after_the_completion_handlers_of_the_scope() {
    root(async |_| {
        let log = Log::new();
        coroutine_scope(async |scope| {
            at_end(scope.job(), &log, "scope completed");
            scope.launch(yield_now());
            Ok(())
        })
        .await?;
        log.add("caller goes on");
        assert_eq!(log.take(), ["scope completed", "caller goes on"]);
        Ok(())
    });
}

/// J-15
#[test]
fn who_joins_goes_on_after_completion_handlers_that_were_registered_later() {
    root(async |scope| {
        let log = Log::new();
        let job = scope.launch(forever());
        let (inside, joined) = (log.clone(), job.clone());
        let waiter = scope.launch(async move {
            joined.join().await;
            inside.add("joined");
        });
        yield_now().await;
        at_end(&job, &log, "completed");
        job.cancel();
        waiter.join().await;
        assert_eq!(log.take(), ["completed", "joined"]);
        Ok(())
    });
}

/// J-16
#[test]
fn completion_handlers_are_called_in_the_order_of_registration() {
    root(async |scope| {
        let log = Log::new();
        let job = scope.launch(async {});
        for event in ["one", "two", "three"] {
            at_end(&job, &log, event);
        }
        job.join().await;
        assert_eq!(log.take(), ["one", "two", "three"]);
        Ok(())
    });
}

/// J-16
#[test]
fn a_completion_handler_is_called_once_however_often_the_job_is_completed() {
    checked(|| {
        let log = Log::new();
        let job = CompletableJob::new();
        at_end(&job, &log, "completed");
        job.complete();
        job.complete();
        job.cancel();
        job.fail(Error::msg("no"));
        assert_eq!(log.take(), ["completed"]);
    });
}

/// J-16
#[test]
fn a_completion_handler_is_called_on_the_thread_that_completes_the_job() {
    checked(|| {
        let (tx, rx) = mpsc::channel();
        let job = CompletableJob::new();
        job.on_completion(move |_| tx.send(thread::current().id()).unwrap());
        let completer = thread::spawn(move || {
            job.complete();
            thread::current().id()
        });
        assert_eq!(completer.join().unwrap(), rx.recv().unwrap());
    });
}

/// J-16
#[test]
fn completion_handlers_have_been_called_when_the_completing_call_returns() {
    checked(|| {
        let log = Log::new();
        let job = CompletableJob::new();
        at_end(&job, &log, "completed");
        job.complete();
        log.add("complete returned");
        assert_eq!(log.take(), ["completed", "complete returned"]);
    });
}

/// J-16
#[test]
fn a_completion_handler_gets_nothing_after_a_normal_end() {
    root(async |scope| {
        let log = Log::new();
        let seen = log.clone();
        let job = scope.launch(async {});
        job.on_completion(move |cause| seen.add(text(cause)));
        job.join().await;
        assert_eq!(log.take(), ["none"]);
        Ok(())
    });
}

/// J-16
#[test]
fn a_completion_handler_gets_the_cancellation() {
    root(async |scope| {
        let log = Log::new();
        let seen = log.clone();
        let job = scope.launch(forever());
        job.on_completion(move |cause| seen.add(text(cause)));
        job.cancel_with(Error::cancellation("enough"));
        job.join().await;
        assert_eq!(log.take(), ["cancellation: enough"]);
        Ok(())
    });
}

/// J-16
#[test]
fn a_completion_handler_gets_the_failure() {
    root(async |_| {
        let log = Log::new();
        supervisor_scope(async |scope| {
            let seen = log.clone();
            let deferred = scope.spawn(async { Err::<(), _>(Error::msg("no")) });
            deferred.on_completion(move |cause| seen.add(text(cause)));
            deferred.join().await;
            Ok(())
        })
        .await?;
        assert_eq!(log.take(), ["failure: no"]);
        Ok(())
    });
}

/// J-16
#[test]
fn a_handler_registered_after_the_end_is_called_at_once_in_the_registering_thread() {
    checked(|| {
        let (tx, rx) = mpsc::channel();
        let job = CompletableJob::new();
        job.complete();
        job.on_completion(move |_| tx.send(thread::current().id()).unwrap());
        assert_eq!(rx.try_recv().unwrap(), thread::current().id());
    });
}

/// J-16
#[test]
fn a_handler_registered_after_the_end_gets_the_cause() {
    checked(|| {
        let log = Log::new();
        let job = CompletableJob::new();
        job.fail(Error::msg("no"));
        let seen = log.clone();
        job.on_completion(move |cause| seen.add(text(cause)));
        assert_eq!(log.take(), ["failure: no"]);
    });
}

/// J-16
#[test]
fn a_handler_that_was_disposed_of_is_not_called() {
    checked(|| {
        let log = Log::new();
        let job = CompletableJob::new();
        at_end(&job, &log, "one");
        let second = at_end(&job, &log, "two");
        at_end(&job, &log, "three");
        second.dispose();
        job.complete();
        assert_eq!(log.take(), ["one", "three"]);
    });
}

/// J-16
#[test]
fn disposing_of_a_handler_twice_takes_no_other_handler_away() {
    checked(|| {
        let log = Log::new();
        let job = CompletableJob::new();
        let first = at_end(&job, &log, "one");
        first.dispose();
        // Takes the place that has become free.
        at_end(&job, &log, "two");
        first.dispose();
        job.complete();
        first.dispose();
        assert_eq!(log.take(), ["two"]);
    });
}

/// J-16
#[test]
fn dropping_the_handle_of_a_handler_leaves_the_handler_in_place() {
    checked(|| {
        let log = Log::new();
        let job = CompletableJob::new();
        drop(at_end(&job, &log, "one"));
        job.complete();
        assert_eq!(log.take(), ["one"]);
    });
}

/// J-16
#[test]
fn a_handler_can_dispose_of_a_later_one() {
    checked(|| {
        let log = Log::new();
        let job = CompletableJob::new();
        let later = Arc::new(Mutex::new(None::<DisposeHandle>));
        let (taken, seen) = (later.clone(), log.clone());
        job.on_completion(move |_| {
            seen.add("one");
            taken.lock().unwrap().take().unwrap().dispose();
        });
        *later.lock().unwrap() = Some(at_end(&job, &log, "two"));
        at_end(&job, &log, "three");
        job.complete();
        assert_eq!(log.take(), ["one", "three"]);
    });
}

/// J-16
#[test]
fn a_handler_can_dispose_of_itself_and_of_earlier_ones() {
    checked(|| {
        let log = Log::new();
        let job = CompletableJob::new();
        let all = Arc::new(Mutex::new(vec![at_end(&job, &log, "one")]));
        let (inside, seen) = (all.clone(), log.clone());
        let own = job.on_completion(move |_| {
            for handle in inside.lock().unwrap().drain(..) {
                handle.dispose();
            }
            seen.add("two");
        });
        all.lock().unwrap().push(own);
        at_end(&job, &log, "three");
        job.complete();
        assert_eq!(log.take(), ["one", "two", "three"]);
    });
}

/// J-16
#[test]
fn a_handler_can_register_another_one_which_is_called_at_once() {
    checked(|| {
        let log = Log::new();
        let job = CompletableJob::new();
        let (seen, same) = (log.clone(), job.clone());
        job.on_completion(move |_| {
            seen.add("outer begins");
            at_end(&same, &seen, "inner");
            seen.add("outer ends");
        });
        job.complete();
        assert_eq!(log.take(), ["outer begins", "inner", "outer ends"]);
    });
}

/// J-16: a look at the whole tree takes all locks that a handler could meet.
#[test]
fn a_handler_can_use_its_job_and_the_parent() {
    checked(|| {
        let log = Log::new();
        let parent = CompletableJob::new();
        let job = CompletableJob::child_of(&parent);
        let (seen, same, above) = (log.clone(), job.clone(), parent.clone());
        job.on_cancelling(move |_| {
            let child = CompletableJob::child_of(&same);
            seen.add(format!("new child: {}", child.state()));
            above.cancel();
            seen.add(format!("parent: {}", above.is_cancelled()));
        });
        job.cancel();
        assert_eq!(log.take(), ["new child: Cancelled", "parent: true"]);
        assert!(parent.is_completed());
    });
}

/// J-16
#[test]
fn handlers_registered_while_another_thread_completes_the_job_are_called_exactly_once_each() {
    const HANDLERS: usize = 20;
    checked(|| {
        for _ in 0..200 {
            let job = CompletableJob::new();
            let calls: Vec<_> = (0..HANDLERS)
                .map(|_| Arc::new(AtomicUsize::new(0)))
                .collect();
            let barrier = Barrier::new(2);
            thread::scope(|threads| {
                threads.spawn(|| {
                    barrier.wait();
                    job.complete();
                });
                barrier.wait();
                for count in &calls {
                    let count = count.clone();
                    job.on_completion(move |_| {
                        count.fetch_add(1, Ordering::SeqCst);
                    });
                }
            });
            let calls: Vec<_> = calls
                .iter()
                .map(|count| count.load(Ordering::SeqCst))
                .collect();
            assert_eq!(calls, [1; HANDLERS]);
        }
    });
}

/// J-16
#[test]
fn a_handler_disposed_of_while_another_thread_completes_the_job_is_called_at_most_once() {
    checked(|| {
        for _ in 0..200 {
            let job = CompletableJob::new();
            let calls = Arc::new(AtomicUsize::new(0));
            let count = calls.clone();
            let handle = job.on_completion(move |_| {
                count.fetch_add(1, Ordering::SeqCst);
            });
            let barrier = Barrier::new(2);
            thread::scope(|threads| {
                threads.spawn(|| {
                    barrier.wait();
                    job.complete();
                });
                barrier.wait();
                handle.dispose();
            });
            assert!(calls.load(Ordering::SeqCst) <= 1);
            // Whether it was called or not, what it has captured is gone.
            assert_eq!(Arc::strong_count(&calls), 1);
        }
    });
}

/// J-17
#[test]
fn a_cancelling_handler_is_called_when_the_cancellation_begins() {
    root(async |scope| {
        let log = Log::new();
        let job = scope.launch(forever());
        let (seen, observed) = (log.clone(), job.clone());
        job.on_cancelling(move |cause| {
            seen.add(format!("{}, {}", observed.state(), text(cause)));
        });
        job.cancel_with(Error::cancellation("enough"));
        log.add("cancel returned");
        job.join().await;
        assert_eq!(
            log.take(),
            ["Cancelling, cancellation: enough", "cancel returned"]
        );
        Ok(())
    });
}

/// J-17
#[test]
fn a_cancelling_handler_is_called_with_nothing_at_a_normal_end() {
    root(async |scope| {
        let log = Log::new();
        let seen = log.clone();
        let job = scope.launch(async {});
        job.on_cancelling(move |cause| seen.add(text(cause)));
        job.join().await;
        assert_eq!(log.take(), ["none"]);
        Ok(())
    });
}

/// J-17
#[test]
fn a_cancelling_handler_is_not_called_again_at_the_end() {
    root(async |scope| {
        let log = Log::new();
        let job = scope.launch(forever());
        when_cancelling(&job, &log, "cancelling");
        at_end(&job, &log, "completed");
        job.cancel_and_join().await;
        assert_eq!(log.take(), ["cancelling", "completed"]);
        Ok(())
    });
}

/// J-17
#[test]
fn a_cancelling_handler_registered_during_the_cancellation_is_called_at_once() {
    root(async |scope| {
        let log = Log::new();
        let job = scope.launch(forever());
        job.cancel();
        when_cancelling(&job, &log, "cancelling");
        log.add("registered");
        job.join().await;
        assert_eq!(log.take(), ["cancelling", "registered"]);
        Ok(())
    });
}

/// J-17
#[test]
fn a_cancelling_handler_that_was_disposed_of_is_not_called() {
    checked(|| {
        let log = Log::new();
        let job = CompletableJob::new();
        when_cancelling(&job, &log, "one").dispose();
        when_cancelling(&job, &log, "two");
        job.cancel();
        assert_eq!(log.take(), ["two"]);
    });
}

/// J-17
#[test]
fn a_cancelling_handler_of_a_failing_job_gets_the_failure() {
    checked(|| {
        let log = Log::new();
        let seen = log.clone();
        let job = CompletableJob::new();
        job.on_cancelling(move |cause| seen.add(text(cause)));
        job.fail(Error::msg("no"));
        assert_eq!(log.take(), ["failure: no"]);
    });
}

/// J-18
#[test]
fn a_panicking_completion_handler_does_not_keep_the_others_from_being_called() {
    checked(|| {
        let log = Log::new();
        let _reports = add_uncaught_handler(ExceptionHandler::new(|_, _| {}));
        let job = CompletableJob::new();
        at_end(&job, &log, "one");
        job.on_completion(|_| panic!("two"));
        at_end(&job, &log, "three");
        job.complete();
        assert_eq!(log.take(), ["one", "three"]);
    });
}

/// J-18
#[test]
fn a_panicking_cancelling_handler_does_not_keep_the_children_from_being_cancelled() {
    checked(|| {
        let log = Log::new();
        let _reports = add_uncaught_handler(ExceptionHandler::new(|_, _| {}));
        let job = CompletableJob::new();
        job.on_cancelling(|_| panic!("one"));
        let child = CompletableJob::child_of(&job);
        when_cancelling(&child, &log, "child");
        when_cancelling(&job, &log, "three");
        job.cancel();
        assert_eq!(log.take(), ["child", "three"]);
    });
}

/// J-18: the panic of each handler of a coroutine is reported as uncaught.
#[test]
fn the_panic_of_a_handler_of_a_coroutine_is_reported() {
    root(async |scope| {
        let log = Log::new();
        let job = scope.with(reporting(&log)).launch(async {});
        job.on_completion(|_| panic!("one"));
        job.on_completion(|_| panic!("two"));
        job.join().await;
        assert_eq!(
            log.take(),
            ["reported: panicked: one", "reported: panicked: two"]
        );
        Ok(())
    });
}

/// J-18: a departure; in Kotlin the completing call of a job without body throws.
#[test]
fn the_panic_of_a_handler_of_a_job_without_body_is_reported_and_complete_returns() {
    checked(|| {
        let log = Log::new();
        let _reports = add_uncaught_handler(reporting(&log));
        let job = CompletableJob::new();
        job.on_completion(|_| panic!("one"));
        assert!(job.complete());
        assert_eq!(log.take(), ["reported: panicked: one"]);
    });
}

/// J-18
#[test]
fn the_panic_of_a_handler_changes_nothing_about_how_the_job_ended() {
    root(async |scope| {
        let job = scope
            .with(ExceptionHandler::new(|_, _| {}))
            .launch(async {});
        job.on_completion(|_| panic!("one"));
        job.join().await;
        assert_eq!(job.state(), JobState::Completed);
        assert!(scope.is_active());
        Ok(())
    });
}

/// J-19
#[test]
fn whoever_sees_a_final_state_sees_that_the_failure_was_handled() {
    checked(|| {
        for _ in 0..300 {
            let handled = Arc::new(AtomicBool::new(false));
            let flag = handled.clone();
            let handler = ExceptionHandler::new(move |_, _| flag.store(true, Ordering::Relaxed));
            let job = GlobalScope
                .with(handler)
                .launch(async { Err(Error::msg("no")) });
            while !job.is_completed() {
                thread::yield_now();
            }
            assert!(handled.load(Ordering::Relaxed));
        }
    });
}

/// J-19
#[test]
fn whoever_sees_a_final_child_sees_that_the_parent_was_cancelled() {
    checked(|| {
        for _ in 0..300 {
            let parent = GlobalScope
                .with(ExceptionHandler::new(|_, _| {}))
                .launch(forever());
            let child = GlobalScope
                .with(&parent)
                .launch(async { Err(Error::msg("no")) });
            while !child.is_completed() {
                thread::yield_now();
            }
            assert!(parent.is_cancelled());
        }
    });
}

/// J-19
#[test]
fn whoever_sees_a_final_deferred_finds_its_value() {
    checked(|| {
        for round in 0..300 {
            let deferred = GlobalScope.spawn(async move { Ok(round) });
            while !deferred.is_completed() {
                thread::yield_now();
            }
            assert_eq!(deferred.completed().unwrap().unwrap(), round);
        }
    });
}

/// J-16: handlers and waiters of many threads meet one completion.
#[test]
fn every_thread_that_waits_for_a_job_is_woken_by_its_end() {
    checked(|| {
        for _ in 0..50 {
            let gate = CompletableDeferred::new();
            let barrier = Arc::new(Barrier::new(3));
            let waiters = [(); 2].map(|()| {
                let (gate, barrier) = (gate.clone(), barrier.clone());
                thread::spawn(move || {
                    barrier.wait();
                    run_blocking(async |_| (&gate).await).unwrap()
                })
            });
            barrier.wait();
            gate.complete(7);
            assert_eq!(waiters.map(|waiter| waiter.join().unwrap()), [7, 7]);
        }
    });
}

/// D-17: a root that is woken while it runs, here by the end of a scope that had suspended, still gives way to what it launches.
#[test]
fn a_root_that_was_woken_while_it_ran_gives_way_to_all() {
    checked(|| {
        run_blocking(async |scope| {
            coroutine_scope(async |_| {
                yield_now().await;
                Ok(())
            })
            .await?;
            let job = scope.launch(async {});
            yield_now().await;
            assert!(job.is_completed());
            Ok(())
        })
        .unwrap();
    });
}
