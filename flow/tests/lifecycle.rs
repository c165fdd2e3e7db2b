//! What runs before, after or in place of the items: F-7, F-10.
#![cfg(not(corox_loom))]

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use corox_core::{Dispatcher, Error, FinallyExt, Job, delay, run_blocking, yield_now};
use corox_flow::{Completion, Flow, combine, empty_flow, flow, flow_of, prelude::*};
use corox_test::{EventLog, run_test};
use support::cleaning::{CLEANUP, cleaning};
use support::drop_at::{drop_at_each_poll, pause};
use support::log::{Guard, Log, logs, note};
use support::pulled::items_of;
use support::{failing, now};

fn told(end: &Completion) -> String {
    match end {
        Completion::Finished => "finished".to_owned(),
        Completion::Failed(error) => format!("failed: {error}"),
        Completion::Cancelled(None) => "cancelled".to_owned(),
        // Whose text has the number of the coroutine in it.
        Completion::Cancelled(Some(error)) if error.is_cancellation() => {
            "cancelled with its coroutine".to_owned()
        }
        Completion::Cancelled(Some(error)) => format!("cancelled: {error}"),
    }
}

/// 1 and 2, with a guard, and what becomes of it.
fn numbers(log: &Log) -> impl Flow<Item = u32> {
    flow(async |e| {
        note(log, "started");
        let _guard = Guard(log);
        e.emit(1).await;
        e.emit(2).await;
    })
}

/// F-10: it runs, and what it emits is processed, before what is above is started; the last one written runs first.
#[test]
fn on_start_comes_first() {
    let log = Log::default();
    let all = numbers(&log)
        .on_start(async |e| {
            note(&log, "inner");
            e.emit(10).await;
        })
        .on_start(async |e| {
            note(&log, "outer");
            e.emit(20).await;
        });
    let expected = [
        "outer", "20", "inner", "10", "started", "1", "2", "dropped", "end",
    ];
    for seen in logs(&log, all.clone()) {
        assert_eq!(seen, expected);
    }
    for seen in logs(&log, all.take(2)) {
        assert_eq!(seen, ["outer", "20", "inner", "10", "end"]);
    }
}

#[test]
fn on_start_that_fails_starts_nothing() {
    let log = Log::default();
    let fails = numbers(&log).on_start(async |e| {
        e.emit(0).await;
        Err(Error::msg("no"))
    });
    for seen in logs(&log, fails) {
        assert_eq!(seen, ["0", "error: no"]);
    }
}

/// F-10: only after a normal end without an item, when what is above has gone.
#[test]
fn on_empty_is_for_the_normal_end_of_nothing() {
    let log = Log::default();
    let nothing = flow(async |_| {
        let _guard = Guard(&log);
    });
    for seen in logs(&log, nothing.on_empty(async |e| e.emit(9).await)) {
        assert_eq!(seen, ["dropped", "9", "end"]);
    }
    for seen in logs(&log, numbers(&log).on_empty(async |e| e.emit(9).await)) {
        assert_eq!(seen, ["started", "1", "2", "dropped", "end"]);
    }
    for seen in logs(&log, failing([]).on_empty(async |e| e.emit(9).await)) {
        assert_eq!(seen, ["error: failed"]);
    }
    for seen in logs(
        &log,
        empty_flow().on_empty(async |_| Err(Error::msg("empty"))),
    ) {
        assert_eq!(seen, ["error: empty"]);
    }
}

/// F-7: a normal end of what is above, an early one of it included, is one; it is told when nothing is left above.
#[test]
fn on_completion_of_a_normal_end() {
    let log = Log::default();
    let all = numbers(&log).on_completion(|end| note(&log, told(&end)));
    for seen in logs(&log, all) {
        assert_eq!(seen, ["started", "1", "2", "dropped", "finished", "end"]);
    }
    let few = numbers(&log)
        .take(1)
        .on_completion(|end| note(&log, told(&end)));
    for seen in logs(&log, few) {
        assert_eq!(seen, ["started", "1", "dropped", "finished", "end"]);
    }
}

/// F-7: an early end behind it cancels it.
#[test]
fn on_completion_of_an_early_end_behind() {
    let log = Log::default();
    let all = numbers(&log).on_completion(|end| note(&log, told(&end)));
    for seen in logs(&log, all.clone().take(1)) {
        assert_eq!(seen, ["started", "1", "dropped", "cancelled", "end"]);
    }
    // Wanted were all that there are; but whether there are more was not asked.
    for seen in logs(&log, all.clone().take(2)) {
        assert_eq!(seen, ["started", "1", "2", "dropped", "cancelled", "end"]);
    }
    assert_eq!(now(all.first()).unwrap(), 1);
    assert_eq!(log.take(), ["started", "dropped", "cancelled"]);
}

#[test]
fn on_completion_of_a_failure() {
    let log = Log::default();
    let all = failing([1]).on_completion(|end| note(&log, told(&end)));
    for seen in logs(&log, all) {
        assert_eq!(seen, ["1", "failed: failed", "error: failed"]);
    }
    // It was handled above.
    let caught = failing([1])
        .catch(async |_, _| ())
        .on_completion(|end| note(&log, told(&end)));
    for seen in logs(&log, caught) {
        assert_eq!(seen, ["1", "finished", "end"]);
    }
}

/// F-7: what fails behind it cancels it, and it is told of that.
#[test]
fn on_completion_of_a_failure_behind() {
    let log = Log::default();
    let all = numbers(&log)
        .on_completion(|end| note(&log, told(&end)))
        .try_map(|n| {
            if n == 1 {
                Ok(n)
            } else {
                Err(Error::msg("behind"))
            }
        });
    for seen in logs(&log, all) {
        let told = "cancelled: behind";
        assert_eq!(seen, ["started", "1", "dropped", told, "error: behind"]);
    }
}

/// F-7: where several flows are one, so does what fails beside it.
#[test]
fn on_completion_of_a_failure_beside() {
    fn check<S: Flow<Item = u32>>(name: &str, log: &Log, flow: S) {
        for seen in logs(log, flow) {
            let told = seen.iter().filter(|line| line.starts_with("cancelled"));
            assert_eq!(
                told.collect::<Vec<_>>(),
                ["cancelled: failed"],
                "{name}: {seen:?}"
            );
            assert_eq!(seen.last().unwrap(), "error: failed", "{name}");
        }
    }
    let log = Log::default();
    let watched = || numbers(&log).on_completion(|end| note(&log, told(&end)));
    let broken = |_: u32| failing([]);
    check("concat", &log, watched().flat_map_concat(broken));
    check("merge", &log, watched().flat_map_merge(4, broken));
    check("latest", &log, watched().flat_map_latest(broken));
    check(
        "transform_latest",
        &log,
        watched().transform_latest(async |_, _| Err::<(), _>(Error::msg("failed"))),
    );
    check("zip", &log, watched().zip(failing([0]), |a, b: u32| a + b));
    check(
        "combine",
        &log,
        watched().combine(failing([0]), |a, b: u32| a + b),
    );
    check(
        "list",
        &log,
        combine(
            vec![watched().boxed_local(), failing([]).boxed_local()],
            |all| all[0],
        ),
    );
}

/// A flow that gives nothing in time is cancelled, and told of the failure.
#[test]
fn on_completion_of_a_time_out() {
    run_test(async |t| {
        for pull in [false, true] {
            let log = EventLog::new();
            let silent = flow(async |e| {
                delay(Duration::from_secs(9)).await;
                e.emit(1).await;
            });
            let watched = silent.on_completion(|end| log.add(told(&end)));
            let begin = t.current_time();
            let error = items_of(watched.timeout(Duration::from_secs(1)), pull)
                .await
                .unwrap_err();
            assert_eq!(log.take(), [format!("cancelled: {error}")]);
            assert_eq!(t.current_time() - begin, Duration::from_secs(1));
        }
    });
}

/// An early end is no failure, however it came: `None` is what it is told.
#[test]
fn on_completion_of_early_ends_of_all_kinds() {
    fn check<S: Flow<Item = u32>>(name: &str, log: &Log, flow: S) {
        for seen in logs(log, flow) {
            assert_eq!(
                seen,
                ["started", "1", "dropped", "cancelled", "end"],
                "{name}"
            );
        }
    }
    let log = Log::default();
    let watched = || numbers(&log).on_completion(|end| note(&log, told(&end)));
    check("take_while", &log, watched().take_while(|n| *n < 2));
    check(
        "take_while_async",
        &log,
        watched().take_while_async(async |n| *n < 2),
    );
    check(
        "transform_while",
        &log,
        watched().transform_while(async |n, e| {
            e.emit(n).await;
            false
        }),
    );
    check("zip", &log, watched().zip(flow_of([0]), |a, b| a + b));
}

#[test]
fn on_completion_of_what_never_began() {
    let log = Log::default();
    let all = numbers(&log)
        .on_completion(|end| note(&log, told(&end)))
        .on_completion_async(async |end, _| note(&log, told(&end)));
    drop(all.clone());
    drop(all.clone().count());
    now(all.take(0).run()).unwrap();
    assert_eq!(log.take(), [""; 0]);
}

/// Outer ones are told after inner ones, each once.
#[test]
fn on_completion_in_order() {
    let log = Log::default();
    let all = numbers(&log)
        .on_completion(|_| note(&log, "first"))
        .on_completion_async(async |_, _| note(&log, "second"))
        .on_completion(|_| note(&log, "third"));
    for seen in logs(&log, all.clone()) {
        assert_eq!(seen[4..], ["first", "second", "third", "end"]);
    }
    for seen in logs(&log, all.take(1)) {
        assert_eq!(seen[3..], ["first", "second", "third", "end"]);
    }
}

/// F-7: after a normal end it may emit, and fail.
#[test]
fn on_completion_async_emits_after_a_normal_end() {
    let log = Log::default();
    let all = numbers(&log).on_completion_async(async |end, e| {
        note(&log, told(&end));
        e.emit(3).await;
        e.emit_all(flow_of([4])).await
    });
    let expected = ["started", "1", "2", "dropped", "finished", "3", "4"];
    for seen in logs(&log, all.clone()) {
        assert_eq!(seen[..7], expected);
        assert_eq!(seen[7..], ["end"]);
    }
    // One that wants no more of what the handler emits.
    for seen in logs(&log, all.clone().take(3)) {
        assert_eq!(seen[..6], expected[..6]);
        assert_eq!(seen[6..], ["end"]);
    }
    let fails = all.on_completion_async(async |_, _| Err(Error::msg("no")));
    for seen in logs(&log, fails) {
        assert_eq!(seen[..7], expected);
        assert_eq!(seen[7..], ["error: no"]);
    }
}

/// F-7: with a failure above, an emission does not return, and the failure goes on; the handler's own has it attached.
#[test]
fn on_completion_async_of_a_failure() {
    let log = Log::default();
    let all = failing([1]).on_completion_async(async |end, e| {
        let _guard = Guard(&log);
        note(&log, told(&end));
        e.emit(2).await;
        note(&log, "not reached");
    });
    for seen in logs(&log, all) {
        assert_eq!(seen, ["1", "failed: failed", "dropped", "error: failed"]);
    }
    let silent = failing([1]).on_completion_async(async |_, _| note(&log, "told"));
    for seen in logs(&log, silent) {
        assert_eq!(seen, ["1", "told", "error: failed"]);
    }
    let own = failing([1]).on_completion_async(async |_, _| Err(Error::msg("own")));
    let error = now(own.run()).unwrap_err();
    assert_eq!(error.to_string(), "own");
    let suppressed = error.suppressed();
    assert_eq!(suppressed.len(), 1);
    assert_eq!(suppressed[0].to_string(), "failed");
    // The same one, given back.
    let same = failing([1]).on_completion_async(async |end, _| match end {
        Completion::Failed(error) => Err(error),
        _ => Ok(()),
    });
    let error = now(same.run()).unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.suppressed().len()),
        ("failed", 0)
    );
}

/// A drop cannot wait: the handler runs to its first suspension, and no emission returns.
#[test]
fn on_completion_async_of_an_early_end() {
    let log = Log::default();
    let waits = numbers(&log).on_completion_async(async |end, _| {
        note(&log, told(&end));
        pause().await;
        note(&log, "not reached");
    });
    for seen in logs(&log, waits.take(1)) {
        assert_eq!(seen, ["started", "1", "dropped", "cancelled", "end"]);
    }
    let emits = numbers(&log).on_completion_async(async |end, e| {
        note(&log, told(&end));
        e.emit(9).await;
        note(&log, "not reached");
    });
    for seen in logs(&log, emits.take(1)) {
        assert_eq!(seen, ["started", "1", "dropped", "cancelled", "end"]);
    }
}

/// What has to suspend even at a drop: a cleanup that is launched, and which the coroutine waits for.
#[test]
fn a_cleanup_that_suspends_survives_an_early_end() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let closed = log.clone();
    run_test(async |t| {
        let lines = flow(async move |e| {
            let log = closed.clone();
            let reading = async {
                for n in 0.. {
                    e.emit(n).await;
                }
            };
            let close = move || async move {
                delay(Duration::from_secs(1)).await;
                log.lock().unwrap().push("closed");
            };
            reading.finally_launch(close).await;
        });
        let job = t.launch(async move {
            assert_eq!(lines.first().await?, 0);
            Ok(())
        });
        job.join().await;
        assert_eq!(t.current_time(), Duration::from_secs(1));
        assert_eq!(*log.lock().unwrap(), ["closed"]);
    });
}

/// The coroutine that collects is cancelled: both are told, in it.
#[test]
fn a_cancelled_coroutine_tells_it() {
    run_test(async |t| {
        let log = Arc::new(Mutex::new(Vec::new()));
        let seen = log.clone();
        let job = t.launch(async move {
            let note = |text: String| seen.lock().unwrap().push(text);
            let endless = flow(async |e| {
                for n in 0.. {
                    delay(Duration::from_secs(1)).await;
                    e.emit(n).await;
                }
            });
            endless
                .on_completion(|end| {
                    assert!(Job::current().is_some_and(|job| job.is_cancelled()));
                    note(told(&end));
                })
                .on_completion_async(async |end, _| note(told(&end)))
                .for_each(|n| note(format!("{n}")))
                .await
        });
        delay(Duration::from_millis(2500)).await;
        job.cancel_and_join().await;
        let told = "cancelled with its coroutine";
        assert_eq!(*log.lock().unwrap(), ["0", "1", told, told]);
    });
}

/// A handler that waits after a normal end is cancelled as all code is, and nothing tells it a second time.
#[test]
fn a_handler_is_cancelled_with_its_coroutine() {
    run_test(async |t| {
        let log = Arc::new(Mutex::new(Vec::new()));
        let seen = log.clone();
        let job = t.launch(async move {
            let note = |text: &str| seen.lock().unwrap().push(text.to_owned());
            let slow = flow_of([1]).on_completion_async(async |end, _| {
                note(&told(&end));
                delay(Duration::from_secs(9)).await;
                note("not reached");
            });
            slow.run().await
        });
        delay(Duration::from_secs(1)).await;
        job.cancel_and_join().await;
        assert_eq!(*log.lock().unwrap(), ["finished"]);
        assert_eq!(t.current_time(), Duration::from_secs(1));
    });
}

/// A panic tells it, too.
#[test]
fn a_panic_tells_it() {
    let log = Log::default();
    let panics = numbers(&log)
        .on_each(|_| panic!("above"))
        .on_completion(|end| note(&log, told(&end)));
    let panicked = catch_unwind(AssertUnwindSafe(|| now(panics.run())));
    assert!(panicked.is_err());
    assert_eq!(log.take(), ["started", "dropped", "cancelled"]);
}

/// F-11: the coroutines above have ended when it is told that the flow has.
#[test]
fn it_is_told_when_coroutines_above_have_ended() {
    for pull in [false, true] {
        told_when_they_have_ended(pull);
    }
}

fn told_when_they_have_ended(pull: bool) {
    run_test(async |t| {
        let log = EventLog::new();
        let failing = cleaning(&log, false).try_map(|_| Err::<u32, _>(Error::msg("no")));
        let told = failing
            .on_completion(|end| log.add(told(&end)))
            .on_empty(async |_| ());
        assert!(items_of(told, pull).await.is_err());
        assert_eq!(log.take(), ["cleaned up", "failed: no"]);
        assert_eq!(t.current_time(), CLEANUP);
    });
}

/// All of them, with captures by reference, in a coroutine on other threads.
#[test]
fn in_a_coroutine_elsewhere() {
    let all = run_blocking(async |scope| {
        let coroutine = scope.with(Dispatcher::DEFAULT).spawn(async {
            let ends = Mutex::new(0);
            let numbers = empty_flow()
                .on_empty(async |e| {
                    yield_now().await;
                    e.emit(2).await;
                })
                .on_start(async |e| {
                    yield_now().await;
                    e.emit(1).await;
                })
                .on_completion(|_| *ends.lock().unwrap() += 1)
                .on_completion_async(async |_, e| {
                    yield_now().await;
                    let ends = *ends.lock().unwrap();
                    e.emit(ends + 2).await;
                });
            numbers.to_vec().await
        });
        coroutine.await
    });
    assert_eq!(all.unwrap(), [1, 2, 3]);
}

#[test]
fn nothing_is_left_behind() {
    for pull in [false, true] {
        drop_at_each_poll(|guards| {
            let guard = || guards.guard();
            let (a, b, c, d) = (guard(), guard(), guard(), guard());
            let all = guards
                .source(1)
                .filter(|_| false)
                .on_empty(async move |e| e.emit_all(a.source(1)).await)
                .on_start(async move |e| {
                    pause().await;
                    e.emit_all(b.source(1)).await
                })
                .on_completion(move |_| drop(c))
                .on_completion_async(async move |_, e| {
                    pause().await;
                    e.emit_all(d.source(1)).await
                });
            async move {
                let items = items_of(all, pull).await.unwrap();
                assert_eq!(items.len(), 3);
            }
        });
        drop_at_each_poll(|guards| {
            let guard = guards.guard();
            let failing = guards.source(1).map(|_| Err::<u8, _>(Error::msg("no")));
            let told = failing
                .fail_on_err()
                .on_completion_async(async move |_, _| {
                    let _guard = guard;
                    pause().await;
                });
            items_of(told, pull)
        });
    }
}
