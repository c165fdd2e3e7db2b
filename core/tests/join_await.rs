//! Waiting for jobs and their results.

mod support;

use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};

use corox_core::{
    CompletableDeferred, CompletableJob, CoroutineStart, Dispatcher, Error, ExceptionHandler, Job,
    Result, await_all, catch_cancellation, coroutine_scope, join_all, supervisor_scope, yield_now,
};
use support::{Log, checked, forever, lingering, root};

fn quiet() -> ExceptionHandler {
    ExceptionHandler::new(|_, _| {})
}

/// Counts wakes. Its own count of references tells who still keeps it.
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Polls futures by hand, outside any coroutine.
struct ByHand(Arc<Wakes>);

impl ByHand {
    fn new() -> Self {
        ByHand(Arc::new(Wakes(AtomicUsize::new(0))))
    }

    fn poll<F: Future>(&self, future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(&Waker::from(self.0.clone())))
    }

    fn wakes(&self) -> usize {
        self.0.0.load(Ordering::SeqCst)
    }

    /// Whether nobody keeps the waker any more.
    fn is_forgotten(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

/// J-20
#[test]
fn join_of_a_failed_job_returns_normally() {
    root(async |_| {
        supervisor_scope(async |scope| {
            let job = scope.with(quiet()).launch(async { Err(Error::msg("no")) });
            job.join().await;
            assert_eq!(job.cause().unwrap().to_string(), "no");
            Ok(())
        })
        .await
    });
}

/// J-20
#[test]
fn join_of_a_cancelled_job_returns_normally() {
    root(async |scope| {
        let job = scope.launch(forever());
        job.cancel();
        job.join().await;
        assert!(job.is_completed());
        Ok(())
    });
}

/// J-20
#[test]
fn join_of_a_job_that_has_ended_does_not_suspend() {
    root(async |scope| {
        let log = Log::new();
        let job = scope.launch(async {});
        job.join().await;
        scope.launch(log.event("other"));
        job.join().await;
        log.add("joined");
        yield_now().await;
        assert_eq!(log.take(), ["joined", "other"]);
        Ok(())
    });
}

/// J-20
#[test]
fn a_cancelled_caller_does_not_go_past_a_join_even_of_a_job_that_has_ended() {
    root(async |_| {
        let log = Log::new();
        let ended = CompletableJob::new();
        ended.complete();
        coroutine_scope(async |scope| {
            let _guard = log.guard("dropped");
            scope.cancel();
            log.add("joins");
            ended.join().await;
            log.add("joined");
            Ok(())
        })
        .await
        .unwrap_err();
        assert_eq!(log.take(), ["joins", "dropped"]);
        Ok(())
    });
}

/// J-20
#[test]
fn a_caller_cancelled_while_it_joins_is_dropped_at_once() {
    root(async |scope| {
        let log = Log::new();
        let (inside, target) = (log.clone(), CompletableJob::new());
        let joined = target.clone();
        let caller = scope.launch(async move {
            let _guard = inside.guard("dropped");
            joined.join().await;
            inside.add("joined");
        });
        yield_now().await;
        caller.cancel_and_join().await;
        assert!(target.is_active());
        assert_eq!(log.take(), ["dropped"]);
        Ok(())
    });
}

/// J-20
#[test]
fn a_caller_cancelled_between_the_end_of_the_target_and_its_turn_does_not_go_on() {
    root(async |scope| {
        let log = Log::new();
        let (inside, target) = (log.clone(), CompletableJob::new());
        let joined = target.clone();
        let caller = scope.launch(async move {
            joined.join().await;
            inside.add("joined");
        });
        yield_now().await;
        target.complete();
        caller.cancel();
        caller.join().await;
        assert_eq!(log.take(), [""; 0]);
        Ok(())
    });
}

/// J-20
#[test]
fn a_parent_that_joins_its_failed_child_is_cancelled_there_because_of_the_failure() {
    root(async |_| {
        let failure = Error::msg("no");
        let raised = failure.clone();
        coroutine_scope(async |scope| {
            let child = scope.launch(async { Err(raised) });
            let cancelled = catch_cancellation(child.join()).await.unwrap_err();
            assert!(cancelled.cause().is_cancellation());
            assert!(cancelled.cause().cause().unwrap().ptr_eq(&failure));
            Ok(())
        })
        .await
        .unwrap_err();
        Ok(())
    });
}

/// J-20
#[test]
fn join_waits_for_the_children_of_the_target() {
    root(async |scope| {
        let log = Log::new();
        let job = scope.launch(log.event("body"));
        let inside = log.clone();
        scope.with(&job).launch(async move {
            yield_now().await;
            inside.add("child");
        });
        job.join().await;
        log.add("joined");
        assert_eq!(log.take(), ["body", "child", "joined"]);
        Ok(())
    });
}

/// J-20
#[test]
fn join_works_outside_coroutines() {
    checked(|| {
        let job = CompletableJob::new();
        let hand = ByHand::new();
        let mut join = pin!(job.join());
        assert!(hand.poll(join.as_mut()).is_pending());
        job.complete();
        assert_eq!(hand.wakes(), 1);
        assert!(hand.poll(join).is_ready());
    });
}

/// J-20
#[test]
fn dropping_a_join_takes_its_registration_back() {
    checked(|| {
        let job = CompletableJob::new();
        let hand = ByHand::new();
        let mut join = Box::pin(job.join());
        assert!(hand.poll(join.as_mut()).is_pending());
        drop(join);
        assert!(hand.is_forgotten());
        job.complete();
        assert_eq!(hand.wakes(), 0);
    });
}

/// J-20: only the waker of the last poll counts.
#[test]
fn a_join_that_is_polled_again_with_another_waker_forgets_the_first() {
    checked(|| {
        let job = CompletableJob::new();
        let (first, second) = (ByHand::new(), ByHand::new());
        let mut join = pin!(job.join());
        assert!(first.poll(join.as_mut()).is_pending());
        assert!(second.poll(join.as_mut()).is_pending());
        assert!(first.is_forgotten());
        job.complete();
        assert_eq!((first.wakes(), second.wakes()), (0, 1));
    });
}

/// J-20
#[test]
fn cancel_and_join_cancels_at_the_call() {
    root(async |scope| {
        let job = scope.launch(forever());
        let join = job.cancel_and_join();
        assert!(job.is_cancelled());
        join.await;
        assert!(job.is_completed());
        Ok(())
    });
}

/// J-20
#[test]
fn cancel_and_join_waits_for_cleanup() {
    root(async |scope| {
        let log = Log::new();
        let gate = CompletableDeferred::new();
        let job = scope.launch(lingering(gate.clone()));
        let end = log.clone();
        job.on_completion(move |_| end.add("ended"));
        let opening = log.clone();
        yield_now().await;
        scope.launch(async move {
            yield_now().await;
            opening.add("gate opens");
            gate.complete(());
        });
        job.cancel_and_join().await;
        log.add("joined");
        assert_eq!(log.take(), ["gate opens", "ended", "joined"]);
        Ok(())
    });
}

/// Decision 14.
#[test]
fn a_coroutine_that_joins_itself_fails_instead_of_waiting_for_ever() {
    root(async |_| {
        supervisor_scope(async |scope| {
            let job = scope.with(quiet()).launch(async {
                Job::current().unwrap().join().await;
            });
            job.join().await;
            assert!(job.cause().unwrap().is_panic());
            Ok(())
        })
        .await
    });
}

/// Decision 14.
#[test]
fn a_coroutine_that_joins_an_ancestor_fails_instead_of_waiting_for_ever() {
    root(async |_| {
        supervisor_scope(async |scope| {
            let top = scope.with(quiet()).launch(forever());
            let awaited = top.clone();
            let middle = scope.with(&top).launch(forever());
            scope
                .with(&middle)
                .launch(async move { awaited.join().await });
            top.join().await;
            assert!(top.cause().unwrap().is_panic());
            Ok(())
        })
        .await
    });
}

/// Decision 14.
#[test]
fn a_deferred_that_awaits_itself_fails_instead_of_waiting_for_ever() {
    root(async |_| {
        supervisor_scope(async |scope| {
            let itself = CompletableDeferred::new();
            let told = itself.clone();
            let deferred = scope.spawn(async move {
                let own: corox_core::Deferred<i32> = (&told).await?;
                own.await
            });
            itself.complete(deferred.clone());
            assert!(deferred.await.unwrap_err().is_panic());
            Ok(())
        })
        .await
    });
}

/// J-21
#[test]
fn await_of_a_deferred_that_has_ended_does_not_suspend() {
    root(async |scope| {
        let log = Log::new();
        let deferred = scope.spawn(async { Ok(1) });
        deferred.join().await;
        scope.launch(log.event("other"));
        assert_eq!(deferred.await?, 1);
        log.add("awaited");
        yield_now().await;
        assert_eq!(log.take(), ["awaited", "other"]);
        Ok(())
    });
}

/// J-21
#[test]
fn await_of_a_deferred_that_has_ended_gives_the_value_to_a_cancelled_caller() {
    root(async |_| {
        let log = Log::new();
        coroutine_scope(async |scope| {
            scope.cancel();
            let value = CompletableDeferred::ready(1).into_deferred().1.await?;
            log.add(format!("got {value}"));
            Ok(())
        })
        .await
        .unwrap_err();
        assert_eq!(log.take(), ["got 1"]);
        Ok(())
    });
}

/// J-21
#[test]
fn await_of_a_deferred_that_has_failed_gives_the_failure_to_a_cancelled_caller() {
    root(async |_| {
        let log = Log::new();
        let failed = CompletableDeferred::<i32>::new();
        failed.fail(Error::msg("no"));
        coroutine_scope(async |scope| {
            scope.cancel();
            log.add((&failed).await.unwrap_err().to_string());
            Ok(())
        })
        .await
        .unwrap_err();
        assert_eq!(log.take(), ["no"]);
        Ok(())
    });
}

/// J-21
#[test]
fn a_caller_cancelled_while_it_awaits_is_dropped_with_its_own_cancellation() {
    root(async |scope| {
        let (tx, rx) = mpsc::channel();
        let deferred = CompletableDeferred::<i32>::new();
        let awaited = deferred.clone();
        let caller = scope.launch(async move {
            let caught = catch_cancellation((&awaited).into_future()).await;
            tx.send(caught.unwrap_err().into_error()).unwrap();
        });
        yield_now().await;
        let cause = Error::cancellation("enough");
        caller.cancel_with(cause.clone());
        caller.join().await;
        assert!(rx.recv().unwrap().ptr_eq(&cause));
        assert!(deferred.is_active());
        Ok(())
    });
}

/// J-21, J-31
#[test]
fn a_caller_cancelled_between_the_value_and_its_turn_does_not_get_the_value() {
    root(async |scope| {
        let log = Log::new();
        let deferred = CompletableDeferred::new();
        let (inside, awaited) = (log.clone(), deferred.clone());
        let caller = scope.launch(async move {
            let _ = (&awaited).await;
            inside.add("got it");
        });
        yield_now().await;
        deferred.complete(1);
        caller.cancel();
        caller.join().await;
        assert_eq!(log.take(), [""; 0]);
        Ok(())
    });
}

/// J-21
#[test]
fn await_gives_the_very_failure_of_the_body() {
    root(async |_| {
        supervisor_scope(async |scope| {
            let failure = Error::msg("no");
            let raised = failure.clone();
            let deferred = scope.spawn(async { Err::<(), _>(raised) });
            assert!(deferred.await.unwrap_err().ptr_eq(&failure));
            Ok(())
        })
        .await
    });
}

/// J-21
#[test]
fn await_gives_a_panic_of_the_body_as_an_error() {
    root(async |_| {
        supervisor_scope(async |scope| {
            let deferred = scope.spawn::<i32, _>(async { panic!("no") });
            let error = deferred.await.unwrap_err();
            assert!(error.is_panic());
            assert_eq!(error.to_string(), "panicked: no");
            Ok(())
        })
        .await
    });
}

/// J-21
#[test]
fn await_gives_the_cancellation_of_the_deferred() {
    root(async |scope| {
        let deferred = scope.spawn(async {
            forever().await;
            Ok(())
        });
        deferred.cancel_with(Error::cancellation("enough"));
        let error = deferred.await.unwrap_err();
        assert!(error.is_cancellation());
        assert_eq!(error.to_string(), "enough");
        Ok(())
    });
}

/// J-21
#[test]
fn every_await_of_a_failed_deferred_gives_the_same_failure() {
    root(async |_| {
        let deferred = CompletableDeferred::<i32>::new();
        deferred.fail(Error::msg("no"));
        let first = (&deferred).await.unwrap_err();
        let second = (&deferred).await.unwrap_err();
        assert!(first.ptr_eq(&second));
        Ok(())
    });
}

/// J-21
#[test]
fn await_gives_a_value_that_cannot_be_cloned_by_move() {
    struct NotClone(i32);
    root(async |scope| {
        let deferred = scope.spawn(async { Ok(NotClone(1)) });
        let NotClone(value) = deferred.await?;
        assert_eq!(value, 1);
        Ok(())
    });
}

/// J-21
#[test]
fn clones_of_a_deferred_give_the_value_to_each_await() {
    root(async |scope| {
        let deferred = scope.spawn(async { Ok("value".to_owned()) });
        let other = deferred.clone();
        assert_eq!((&deferred).await?, "value");
        assert_eq!(deferred.await?, "value");
        assert_eq!(other.await?, "value");
        Ok(())
    });
}

/// J-21
#[test]
fn the_result_is_there_when_the_completion_handlers_are_called() {
    root(async |scope| {
        let (tx, rx) = mpsc::channel();
        let deferred = scope.spawn(async { Ok(1) });
        let observed = deferred.clone();
        deferred.on_completion(move |_| tx.send(observed.completed()).unwrap());
        deferred.join().await;
        assert_eq!(rx.recv().unwrap().unwrap().unwrap(), 1);
        Ok(())
    });
}

/// J-21
#[test]
fn completed_gives_nothing_before_the_end() {
    root(async |scope| {
        let deferred = scope.spawn(async { Ok(1) });
        scope.with(deferred.job()).launch(yield_now());
        yield_now().await;
        assert!(deferred.completed().is_none());
        assert_eq!(deferred.await?, 1);
        Ok(())
    });
}

/// J-21
#[test]
fn completion_error_is_the_cause_of_a_deferred_that_has_ended_with_one() {
    root(async |_| {
        supervisor_scope(async |scope| {
            let failing = scope.spawn(async { Err::<(), _>(Error::msg("no")) });
            let fine = scope.spawn(async { Ok(()) });
            assert!(failing.completion_error().is_none());
            failing.join().await;
            fine.join().await;
            assert_eq!(failing.completion_error().unwrap().to_string(), "no");
            assert!(fine.completion_error().is_none());
            Ok(())
        })
        .await
    });
}

/// J-21
#[test]
fn dropping_an_await_leaves_the_value_with_the_deferred() {
    checked(|| {
        let (giver, deferred) = CompletableDeferred::new().into_deferred();
        let hand = ByHand::new();
        let mut first = Box::pin(IntoFuture::into_future(&deferred));
        assert!(hand.poll(first.as_mut()).is_pending());
        giver.complete(1);
        drop(first);
        assert!(hand.is_forgotten());
        let mut second = pin!(deferred.into_future());
        let Poll::Ready(result) = hand.poll(second.as_mut()) else {
            panic!("the value is there");
        };
        assert_eq!(result.unwrap(), 1);
    });
}

/// J-22
#[test]
fn who_joins_is_resumed_in_the_order_in_which_they_began_to_wait() {
    root(async |scope| {
        let log = Log::new();
        let job = CompletableJob::new();
        let waiters = ["one", "two", "three"].map(|event| {
            let (job, log) = (job.clone(), log.clone());
            scope.launch(async move {
                job.join().await;
                log.add(event);
            })
        });
        yield_now().await;
        job.complete();
        join_all(&waiters).await;
        assert_eq!(log.take(), ["one", "two", "three"]);
        Ok(())
    });
}

/// J-22
#[test]
fn who_joins_and_who_awaits_is_resumed_in_the_order_in_which_they_began_to_wait() {
    root(async |scope| {
        let log = Log::new();
        let deferred = CompletableDeferred::new();
        let waiters = [
            ("one", true),
            ("two", false),
            ("three", true),
            ("four", false),
        ];
        let waiters = waiters.map(|(event, joins)| {
            let (deferred, log) = (deferred.clone(), log.clone());
            scope.launch(async move {
                if joins {
                    deferred.join().await;
                } else {
                    (&deferred).await?;
                }
                log.add(event);
                Ok(())
            })
        });
        yield_now().await;
        deferred.complete(1);
        join_all(&waiters).await;
        assert_eq!(log.take(), ["one", "two", "three", "four"]);
        Ok(())
    });
}

/// J-22
#[test]
fn a_waiter_is_dispatched_and_does_not_run_inside_the_completing_call() {
    root(async |scope| {
        let log = Log::new();
        let deferred = CompletableDeferred::new();
        let (awaited, inside) = (deferred.clone(), log.clone());
        let waiter = scope.launch(async move {
            (&awaited).await?;
            inside.add("waiter");
            Ok(())
        });
        yield_now().await;
        deferred.complete(());
        log.add("complete returned");
        waiter.join().await;
        assert_eq!(log.take(), ["complete returned", "waiter"]);
        Ok(())
    });
}

/// J-22
#[test]
fn a_waiter_that_is_cancelled_leaves_the_order_of_the_others_as_it_is() {
    root(async |scope| {
        let log = Log::new();
        let job = CompletableJob::new();
        let waiters = ["one", "two", "three", "four"].map(|event| {
            let (job, log) = (job.clone(), log.clone());
            scope.launch(async move {
                job.join().await;
                log.add(event);
            })
        });
        yield_now().await;
        waiters[1].cancel_and_join().await;
        // Takes the place in the list that has become free, and still comes last.
        let (joined, inside) = (job.clone(), log.clone());
        let fifth = scope.launch(async move {
            joined.join().await;
            inside.add("five");
        });
        yield_now().await;
        job.complete();
        fifth.join().await;
        assert_eq!(log.take(), ["one", "three", "four", "five"]);
        Ok(())
    });
}

/// J-22
#[test]
fn an_unconfined_waiter_takes_its_turn_among_the_handlers_of_the_job() {
    root(async |scope| {
        let log = Log::new();
        let job = CompletableJob::new();
        let (joined, inside, ended) = (job.clone(), log.clone(), log.clone());
        let before = log.clone();
        job.on_completion(move |_| before.add("handler before"));
        let waiter = scope.with(Dispatcher::UNCONFINED).launch(async move {
            joined.join().await;
            inside.add("waiter");
        });
        job.on_completion(move |_| ended.add("handler after"));
        job.complete();
        waiter.join().await;
        assert_eq!(log.take(), ["handler before", "waiter", "handler after"]);
        Ok(())
    });
}

/// J-22
#[test]
fn an_unconfined_waiter_runs_inside_the_completing_call() {
    root(async |scope| {
        let log = Log::new();
        let deferred = CompletableDeferred::new();
        let (awaited, inside) = (deferred.clone(), log.clone());
        let waiter = scope.with(Dispatcher::UNCONFINED).launch(async move {
            (&awaited).await?;
            inside.add("waiter");
            Ok(())
        });
        deferred.complete(());
        log.add("complete returned");
        waiter.join().await;
        assert_eq!(log.take(), ["waiter", "complete returned"]);
        Ok(())
    });
}

/// J-23
#[test]
fn await_all_gives_the_values_in_the_order_of_the_arguments() {
    root(async |scope| {
        let log = Log::new();
        let gate = CompletableDeferred::new();
        let (opened, ended) = (gate.clone(), log.clone());
        let first = scope.spawn(async move {
            (&opened).await?;
            ended.add("first");
            Ok(1)
        });
        let ended = log.clone();
        let second = scope.spawn(async move {
            gate.complete(());
            ended.add("second");
            Ok(2)
        });
        assert_eq!(await_all([first, second]).await?, [1, 2]);
        assert_eq!(log.take(), ["second", "first"]);
        Ok(())
    });
}

/// J-23
#[test]
fn await_all_fails_with_the_first_failure_in_time() {
    root(async |_| {
        supervisor_scope(async |scope| {
            let first = scope.spawn(async {
                yield_now().await;
                Err::<i32, _>(Error::msg("later"))
            });
            let second = scope.spawn(async { Err(Error::msg("sooner")) });
            let error = await_all([&first, &second]).await.unwrap_err();
            assert_eq!(error.to_string(), "sooner");
            Ok(())
        })
        .await
    });
}

/// J-23
#[test]
fn await_all_does_not_wait_for_the_others_once_one_has_failed() {
    root(async |_| {
        let never = CompletableDeferred::new();
        let failing = CompletableDeferred::new();
        failing.fail(Error::msg("no"));
        let error = await_all::<i32, _>([&never, &failing]).await.unwrap_err();
        assert_eq!(error.to_string(), "no");
        Ok(())
    });
}

/// J-23
#[test]
fn await_all_leaves_the_others_running_when_one_has_failed() {
    root(async |_| {
        supervisor_scope(async |scope| {
            let running = scope.spawn(async {
                forever().await;
                Ok(1)
            });
            let failing = scope.spawn(async { Err(Error::msg("no")) });
            await_all([&running, &failing]).await.unwrap_err();
            assert!(running.is_active());
            running.cancel();
            Ok(())
        })
        .await
    });
}

/// J-23
#[test]
fn await_all_is_forgotten_by_the_others_when_one_has_failed() {
    checked(|| {
        let (running, failing) = (CompletableDeferred::new(), CompletableDeferred::new());
        let hand = ByHand::new();
        let mut all = Box::pin(await_all::<i32, _>([&running, &failing]));
        assert!(hand.poll(all.as_mut()).is_pending());
        failing.fail(Error::msg("no"));
        assert!(hand.poll(all.as_mut()).is_ready());
        drop(all);
        assert!(hand.is_forgotten());
        assert!(running.is_active());
    });
}

/// J-23
#[test]
fn await_all_is_forgotten_by_all_when_it_is_dropped() {
    checked(|| {
        let (one, two) = (CompletableDeferred::new(), CompletableDeferred::new());
        let hand = ByHand::new();
        let mut all = Box::pin(await_all::<i32, _>([&one, &two]));
        assert!(hand.poll(all.as_mut()).is_pending());
        drop(all);
        assert!(hand.is_forgotten());
        assert!(one.is_active() && two.is_active());
    });
}

/// J-23
#[test]
fn await_all_is_woken_once_when_the_last_has_ended() {
    checked(|| {
        let (one, two) = (CompletableDeferred::new(), CompletableDeferred::new());
        let hand = ByHand::new();
        let mut all = pin!(await_all([&one, &two]));
        assert!(hand.poll(all.as_mut()).is_pending());
        one.complete(1);
        assert_eq!(hand.wakes(), 0);
        two.complete(2);
        assert_eq!(hand.wakes(), 1);
        let Poll::Ready(values) = hand.poll(all.as_mut()) else {
            panic!("all have ended");
        };
        assert_eq!(values.unwrap(), [1, 2]);
    });
}

/// J-23
#[test]
fn await_all_takes_the_same_deferred_several_times() {
    root(async |scope| {
        let deferred = scope.spawn(async {
            yield_now().await;
            Ok(1)
        });
        let values = await_all([&deferred, &deferred, &deferred]).await?;
        assert_eq!(values, [1, 1, 1]);
        Ok(())
    });
}

/// J-23
#[test]
fn await_all_of_nothing_does_not_suspend() {
    checked(|| {
        let hand = ByHand::new();
        let mut all = pin!(await_all(Vec::<corox_core::Deferred<i32>>::new()));
        let Poll::Ready(values) = hand.poll(all.as_mut()) else {
            panic!("there is nothing to wait for");
        };
        assert_eq!(values.unwrap(), [0; 0]);
    });
}

/// J-23
#[test]
fn await_all_of_deferreds_that_have_ended_does_not_suspend() {
    checked(|| {
        let members = [1, 2].map(CompletableDeferred::ready);
        let hand = ByHand::new();
        let mut all = pin!(await_all(&members));
        let Poll::Ready(values) = hand.poll(all.as_mut()) else {
            panic!("all have ended");
        };
        assert_eq!(values.unwrap(), [1, 2]);
    });
}

/// J-23
#[test]
fn await_all_in_the_scope_of_its_members_ends_with_their_failure_and_cancels_the_others() {
    root(async |_| {
        let log = Log::new();
        let result: Result<Vec<i32>> = coroutine_scope(async |scope| {
            let guard = log.guard("other dropped");
            let other = scope.spawn(async move {
                forever().await;
                drop(guard);
                Ok(1)
            });
            let failing = scope.spawn(async { Err(Error::msg("no")) });
            await_all([other, failing]).await
        })
        .await;
        log.add("scope over");
        assert_eq!(result.unwrap_err().to_string(), "no");
        assert_eq!(log.take(), ["other dropped", "scope over"]);
        Ok(())
    });
}

/// J-23
#[test]
fn join_all_waits_for_all_even_if_some_fail() {
    root(async |_| {
        supervisor_scope(async |scope| {
            let failing = scope.with(quiet()).launch(async { Err(Error::msg("no")) });
            let slow = scope.launch(async {
                for _ in 0..5 {
                    yield_now().await;
                }
            });
            join_all([&failing, &slow]).await;
            assert!(failing.is_completed() && slow.is_completed());
            Ok(())
        })
        .await
    });
}

/// J-23
#[test]
fn join_all_takes_the_same_job_several_times() {
    root(async |scope| {
        let job = scope.launch(yield_now());
        join_all([&job, &job]).await;
        assert!(job.is_completed());
        Ok(())
    });
}

/// J-23
#[test]
fn join_all_of_nothing_does_not_suspend() {
    checked(|| {
        let hand = ByHand::new();
        let all = pin!(join_all(Vec::<Job>::new()));
        assert!(hand.poll(all).is_ready());
    });
}

/// J-23
#[test]
fn join_all_takes_deferreds_and_jobs_without_body() {
    root(async |scope| {
        let deferreds = [1, 2].map(|value| scope.spawn(async move { Ok(value) }));
        join_all(&deferreds).await;
        assert!(deferreds.iter().all(|deferred| deferred.is_completed()));
        let job = CompletableJob::new();
        let done = job.clone();
        scope.start(CoroutineStart::Default).launch(async move {
            done.complete();
        });
        join_all([&job]).await;
        assert!(job.is_completed());
        Ok(())
    });
}
