//! Failures and those who handle them: F-4, F-8, F-9.
#![cfg(not(corox_loom))]

mod support;

use std::cell::Cell;
use std::num::ParseIntError;
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use corox_core::{Error, Job, OrFail, Retry, delay, ensure_active, run_blocking};
use corox_flow::{Emitter, Flow, flow, flow_of, prelude::*};
use corox_test::{EventLog, run_test};
use support::cleaning::{CLEANUP, cleaning};
use support::drop_at::{drop_at_each_poll, drop_at_each_poll_in_a_test, pause};
use support::log::{Guard, Log, note};
use support::panics::panic_of;
use support::pulled::{items_of, pulled};
use support::{failing, now};

/// What `flow` gives, driven and pulled, with its failure at the end.
fn both<S: Flow<Item: ToString>>(flow: S) -> Vec<String> {
    fn all<S: Flow<Item: ToString>>(flow: S) -> Vec<String> {
        let mut seen = Vec::new();
        let ended = now(flow.for_each(|it| seen.push(it.to_string())));
        seen.extend(ended.err().map(|error| format!("failed: {error}")));
        seen
    }
    let driven = all(flow.clone());
    assert_eq!(all(pulled(flow)), driven);
    driven
}

/// The first failure of an item ends the flow, with the type that it has.
#[test]
fn items_that_fail() {
    let texts = flow_of(["1", "x", "2"]);
    let ends = ["1", "failed: invalid digit found in string"];
    assert_eq!(
        both(texts.clone().try_map(|it| Ok(it.parse::<i32>()?))),
        ends
    );
    let slow = texts
        .clone()
        .try_map_async(async |it: &str| Ok(it.parse::<i32>()?));
    assert_eq!(both(slow), ends);
    let results = texts.map(str::parse::<i32>);
    assert_eq!(both(results.clone().fail_on_err()), ends);
    let error = now(results.fail_on_err().run()).unwrap_err();
    assert!(error.downcast_ref::<ParseIntError>().is_some());
    // Its own error is itself, and a text is one by `or_fail`.
    let own = Error::msg("own");
    let results = flow_of([Ok(1), Err(own.clone())]);
    assert!(now(results.fail_on_err().run()).unwrap_err().ptr_eq(&own));
    let texts = flow_of([Ok(1), Err("a text")]).map(|it| it.or_fail());
    assert_eq!(both(texts.fail_on_err()), ["1", "failed: a text"]);
}

/// F-8: what is above it has gone, guards and all, when the handler begins.
#[test]
fn catch_handles_what_fails_above() {
    let log = Log::default();
    let numbers = flow(async |e| {
        let _guard = Guard(&log);
        e.emit(1).await;
        Err(Error::msg("no"))
    });
    let numbers = numbers.catch(async |error, e| {
        note(&log, format!("caught {error}"));
        e.emit(2).await;
        e.emit_all(flow_of([3])).await
    });
    assert_eq!(both(numbers), ["1", "2", "3"]);
    assert_eq!(log.take(), ["dropped", "caught no"].repeat(2));
}

#[test]
fn catch_fails_as_its_handler_does() {
    let other = failing([1]).catch(async |error, _| Err(Error::msg(format!("other than {error}"))));
    assert_eq!(both(other.clone()), ["1", "failed: other than failed"]);
    // Which the next one sees.
    let twice = other.catch(async |error, e| e.emit(error.to_string().len()).await);
    assert_eq!(both(twice), ["1", "17"]);
    let same = failing([1]).catch(async |error, _| Err::<(), _>(error));
    assert_eq!(both(same), ["1", "failed: failed"]);
}

/// F-8: not of what is behind it.
#[test]
fn catch_sees_nothing_of_what_is_behind() {
    let caught = Cell::new(false);
    let numbers = flow_of([1, 2]).catch(async |_, _| caught.set(true));
    assert_eq!(
        both(numbers.clone().try_map(|_| Err::<u32, _>(Error::msg("no")))),
        ["failed: no"]
    );
    let failed = now(numbers.clone().try_for_each(|_| Err(Error::msg("no"))));
    assert_eq!(failed.unwrap_err().to_string(), "no");
    let failed = now(numbers.collect(async |_| Err::<(), _>(Error::msg("no"))));
    assert_eq!(failed.unwrap_err().to_string(), "no");
    // Nor what it emits itself.
    let own = failing([]).catch(async |_, e| e.emit(1).await);
    let behind = own.try_map(|_| Err::<u32, _>(Error::msg("behind")));
    assert_eq!(both(behind.catch(async |_, e| e.emit(5).await)), ["5"]);
    assert!(!caught.get());
}

/// F-8: a cancellation that is not that of who collects is a failure as any other.
#[test]
fn catch_sees_cancellations_of_others() {
    let cancelled = Error::cancellation("of another");
    let numbers = flow(async |_| Err::<(), _>(cancelled.clone()));
    let caught = numbers.clone().catch(async |error, e| {
        assert!(error.is_cancellation());
        e.emit(1).await;
    });
    assert_eq!(both(caught.clone()), ["1"]);
    run_blocking(async |_| {
        assert_eq!(caught.single().await?, 1);
        let runs = Cell::new(0);
        let counted = numbers.on_start(async |_| runs.set(runs.get() + 1));
        let retried = counted.retry(2, |_| true).on_each(|_: &u8| ());
        assert!(retried.run().await.unwrap_err().is_cancellation());
        assert_eq!(runs.get(), 3);
        Ok(())
    })
    .unwrap();
}

/// F-8, F-9: that of the coroutine which collects is for nobody.
#[test]
fn nobody_handles_the_own_cancellation() {
    let handled = Arc::new(AtomicUsize::new(0));
    let seen = handled.clone();
    run_blocking(async move |scope| {
        let job = scope.launch(async move {
            let me = Job::current().expect("in a coroutine");
            let numbers = flow(async |e| {
                e.emit(1).await;
                me.cancel();
                ensure_active()?;
                Ok(())
            });
            let count = || seen.fetch_add(1, Ordering::SeqCst);
            numbers
                .retry(5, |_| count() < 99)
                .retry_when(async |_, _, _| count() < 99)
                .catch(async |_, _| {
                    count();
                })
                .run()
                .await
        });
        job.join().await;
        assert!(job.is_cancelled());
        Ok(())
    })
    .unwrap();
    assert_eq!(handled.load(Ordering::SeqCst), 0);
}

/// An emission of the handler in a coroutine that was cancelled in the meantime does not return (F-5).
#[test]
fn a_handler_is_cancelled_with_its_coroutine() {
    run_test(async |t| {
        let log = Arc::new(Mutex::new(Vec::new()));
        let seen = log.clone();
        let job = t.launch(async move {
            let slow = failing([1]).catch(async |_, e| {
                delay(Duration::from_secs(9)).await;
                seen.lock().unwrap().push("not reached");
                e.emit(2).await;
            });
            slow.run().await
        });
        delay(Duration::from_secs(1)).await;
        job.cancel_and_join().await;
        assert_eq!(t.current_time(), Duration::from_secs(1));
        assert!(log.lock().unwrap().is_empty());
    });
}

/// F-11: the coroutines of what has failed have ended before anything follows.
#[test]
fn what_follows_waits_for_coroutines_above() {
    for pull in [false, true] {
        what_follows_waits(pull);
    }
}

fn what_follows_waits(pull: bool) {
    run_test(async |t| {
        let log = EventLog::new();
        let failing = cleaning(&log, false).try_map(|_| Err::<u32, _>(Error::msg("no")));
        let all = failing
            .retry_when(async |_, attempt, _| {
                log.add("retry");
                attempt < 1
            })
            .catch(async |_, _| log.add("catch"));
        items_of(all, pull).await?;
        let expected = ["cleaned up", "retry", "cleaned up", "retry", "catch"];
        assert_eq!(log.take(), expected);
        assert_eq!(t.current_time(), 2 * CLEANUP);
        Ok(())
    });
}

/// The number of the run, and then a failure.
fn runs(count: &Cell<u32>) -> impl Flow<Item = u32> {
    flow(async |e| {
        count.set(count.get() + 1);
        e.emit(count.get()).await;
        Err::<(), _>(Error::msg(format!("run {}", count.get())))
    })
}

/// F-9: at most so many further runs of all that is above, while the predicate holds.
#[test]
fn retry_runs_it_again() {
    let count = Cell::new(0);
    let all = runs(&count).map(|n| n * 10).retry(2, |_| true);
    assert_eq!(both_from(&count, all), ["10", "20", "30", "failed: run 3"]);
    let some = runs(&count).retry(5, |error| error.to_string() != "run 2");
    assert_eq!(both_from(&count, some), ["1", "2", "failed: run 2"]);
    // What is behind it fails once.
    let behind = runs(&count).retry(5, |_| true).try_map(|n| match n {
        2 => Err(Error::msg("behind")),
        n => Ok(n),
    });
    assert_eq!(both_from(&count, behind), ["1", "failed: behind"]);
    // One that succeeds at last.
    let at_last = runs(&count).take_while(|n| *n < 3).retry(9, |_| true);
    assert_eq!(both_from(&count, at_last), ["1", "2"]);
}

/// As [`both`], with the count from 0 each time.
fn both_from<S: Flow<Item: ToString>>(count: &Cell<u32>, flow: S) -> Vec<String> {
    both(flow.on_start(async |_| count.set(0)))
}

/// F-9: attempts from 0; its emissions come between the runs; `false`, or a failure of its own, ends it.
#[test]
fn retry_when_decides() {
    let count = Cell::new(0);
    let log = Log::default();
    let all = runs(&count).retry_when(async |error, attempt, e| {
        note(&log, format!("{error}, attempt {attempt}"));
        e.emit(100 + u32::try_from(attempt).unwrap()).await;
        attempt < 2
    });
    let expected = ["1", "100", "2", "101", "3", "102", "failed: run 3"];
    assert_eq!(both_from(&count, all), expected);
    let expected = ["run 1, attempt 0", "run 2, attempt 1", "run 3, attempt 2"];
    assert_eq!(log.take(), expected.repeat(2));
    let other = runs(&count).retry_when(async |_, attempt, _| match attempt {
        0 => Ok(true),
        _ => Err(Error::msg("given up")),
    });
    assert_eq!(both_from(&count, other), ["1", "2", "failed: given up"]);
}

#[test]
fn retry_with_a_policy() {
    run_test(async |t| {
        let count = Cell::new(0);
        let policy = Retry::new(4).exponential(Duration::from_secs(1), 2.0, Duration::from_secs(3));
        let retried = runs(&count).retry_with(policy);
        for started in [0, 6] {
            count.set(0);
            assert_eq!(t.current_time(), Duration::from_secs(started));
            let failed = retried.clone().run().await.unwrap_err();
            assert_eq!((failed.to_string().as_str(), count.get()), ("run 4", 4));
        }
        // Its predicate, which is asked with attempts from 1, and its own for cancellations.
        count.set(0);
        let policy = Retry::new(9).retry_if(|_, attempt| attempt < 2);
        assert!(runs(&count).retry_with(policy).run().await.is_err());
        assert_eq!(count.get(), 2);
        let cancelled = flow(async |e| {
            e.emit(1).await;
            Err(Error::cancellation("of another"))
        });
        let mut seen = 0;
        let cancelled = cancelled.retry_with(Retry::new(9)).for_each(|n| seen += n);
        assert!(cancelled.await.is_err());
        assert_eq!((seen, t.current_time()), (1, Duration::from_secs(12)));
    });
}

/// Jitter without a seed is another one for each pause; with one it is the same in each collection.
#[test]
fn jitter_of_a_policy() {
    run_test(async |t| {
        let down = flow(async |_| Err::<(), _>(Error::msg("down"))).on_each(|_: &u8| ());
        let jitter = |policy: Retry| policy.fixed(Duration::from_secs(1000)).jitter(1.0);
        let seeded = down.clone().retry_with(jitter(Retry::new(3)).seed(7));
        let mut took = Vec::new();
        for flow in [seeded.clone(), seeded] {
            let before = t.current_time();
            assert!(flow.run().await.is_err());
            took.push(t.current_time() - before);
        }
        assert_eq!(took[0], took[1]);
        let free = down.retry_with(jitter(Retry::new(2)));
        for flow in [free.clone(), free] {
            let before = t.current_time();
            assert!(flow.run().await.is_err());
            took.push(t.current_time() - before);
        }
        assert_ne!(took[2], took[3]);
    });
}

#[test]
fn no_retries_at_all_panic_at_the_line_of_the_call() {
    let line = line!() + 1;
    let panicked = panic_of(|| drop(flow_of([1]).retry(0, |_| true)));
    let message = panicked.message();
    assert!(message.contains("leave it out"), "{message}");
    assert_eq!(panicked.at, format!("{}:{line}", file!()));
}

/// One that fails at once, again and again, lets others run, and takes no stack.
#[test]
fn failures_without_a_wait_let_others_run() {
    for pull in [false, true] {
        let down = flow(async |_| Err::<(), _>(Error::msg("down"))).on_each(|_: &u8| ());
        let retried = down.retry(100_000, |_| true);
        let mut polls = 0;
        let mut cx = Context::from_waker(Waker::noop());
        let mut pinned = pin!(retried);
        loop {
            let polled = if pull {
                pinned.as_mut().poll_next(&mut cx).map_ok(drop)
            } else {
                let sink = &mut |_| ControlFlow::Continue(());
                pinned.as_mut().poll_each(&mut cx, sink).map_ok(drop)
            };
            polls += 1;
            if let Poll::Ready(ended) = polled {
                assert_eq!(ended.unwrap_err().to_string(), "down");
                break;
            }
        }
        assert!((100_000 / 128..=100_000).contains(&polls), "{polls}");
    }
}

/// After its end or a failure each gives nothing more.
#[test]
fn what_has_ended_has_ended() {
    fn ended(flow: impl Flow) {
        let mut cx = Context::from_waker(Waker::noop());
        let mut flow = pin!(flow);
        while matches!(flow.as_mut().poll_next(&mut cx), Poll::Ready(Ok(Some(_)))) {}
        for _ in 0..3 {
            assert!(matches!(
                flow.as_mut().poll_next(&mut cx),
                Poll::Ready(Ok(None))
            ));
            let each = flow.as_mut().poll_each(&mut cx, &mut |_| panic!("an item"));
            assert!(matches!(each, Poll::Ready(Ok(ControlFlow::Continue(())))));
        }
    }
    let failing = failing([1]);
    ended(failing.clone().catch(async |_, _| ()));
    ended(failing.clone().catch(async |error, _| Err::<(), _>(error)));
    ended(failing.clone().retry(2, |_| true));
    ended(failing.clone().retry_when(async |_, _, _| false));
    ended(
        failing
            .clone()
            .retry_when(async |_, _, _| Err(Error::msg("no"))),
    );
    ended(failing.clone().try_map(|_| Err::<u8, _>(Error::msg("no"))));
    ended(
        failing
            .clone()
            .try_map_async(async |_| Err::<u8, _>(Error::msg("no"))),
    );
    ended(
        failing
            .clone()
            .on_start(async |_| Err::<(), _>(Error::msg("no"))),
    );
    ended(failing.clone().on_completion(|_| ()));
    ended(failing.clone().on_completion_async(async |_, _| ()));
    ended(failing.clone().on_completion_async(async |_, e| {
        e.emit(1).await;
        unreachable!("it cannot emit after a failure");
    }));
    ended(failing.clone().chunked(2));
    ended(flow_of([1, 2, 3]).chunked(2));
    ended(flow_of([1]).on_empty(async |_| ()));
    ended(flow_of([1]).transform_while(async |_, _: &Emitter<u8>| false));
    ended(flow_of([1]).on_completion_async(async |_, e| e.emit(1).await));
    ended((1..).into_flow().take_while(|n| *n < 3));
}

#[test]
fn nothing_is_left_behind() {
    for pull in [false, true] {
        drop_at_each_poll(|guards| {
            let (a, b, c) = (guards.guard(), guards.guard(), guards.guard());
            let of_handlers = guards.item(7);
            let all = guards
                .source(3)
                .try_map_async(async move |item| {
                    let _guard = a;
                    pause().await;
                    if item.number == 1 {
                        return Err(Error::msg("no"));
                    }
                    Ok(item)
                })
                .retry(1, |_| true)
                .retry_when(async move |_, attempt, e| {
                    let _guard = b;
                    pause().await;
                    e.emit(of_handlers).await;
                    pause().await;
                    attempt < 1
                })
                .catch(async move |_, e| {
                    pause().await;
                    e.emit_all(c.source(1)).await
                });
            async move {
                let items = items_of(all, pull).await.unwrap();
                let numbers: Vec<u32> = items.iter().map(|it| it.number).collect();
                assert_eq!(numbers, [0, 0, 7, 0, 0, 7, 0]);
            }
        });
    }
    drop_at_each_poll_in_a_test(|guards| {
        let policy = Retry::new(3).fixed(Duration::from_secs(1));
        let failing = guards.source(1).map(|_| Err::<u8, _>(Error::msg("no")));
        failing.fail_on_err().retry_with(policy).run()
    });
}

/// F-8: as the one of another coroutine that is awaited.
#[test]
fn an_awaited_job_that_was_cancelled_is_a_failure_above() {
    run_blocking(async |scope| {
        let gone = scope.spawn(std::future::pending::<corox_core::Result<u32>>());
        gone.cancel();
        let awaiting = flow(async |e| {
            e.emit((&gone).await?).await;
            Ok(())
        });
        let caught = awaiting.catch(async |_, e| e.emit(0).await);
        assert_eq!(caught.to_vec().await?, [0]);
        Ok(())
    })
    .unwrap();
}
