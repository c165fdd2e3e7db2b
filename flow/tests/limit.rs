//! Operators that end a flow early, or leave out its beginning: F-6.
#![cfg(not(corox_loom))]

mod support;

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use corox_core::{Error, Job, run_blocking};
use corox_flow::{Flow, flow, flow_of, prelude::*};
use corox_test::{EventLog, run_test};
use support::cleaning::{CLEANUP, cleaning};
use support::drop_at::{drop_at_each_poll, pause};
use support::log::{Guard, Log, logs, note};
use support::now;
use support::pulled::{items_of, pulled};

/// 1, 2, 3 .., and what becomes of it.
fn numbers(log: &Log) -> impl Flow<Item = u32> {
    flow(async |e| {
        let _guard = Guard(log);
        for n in 1.. {
            note(log, format!("emit {n}"));
            e.emit(n).await;
        }
    })
}

/// F-6: the guards of what is above run when the last item was processed, and before the terminal operator is done.
#[test]
fn take_drops_what_is_above_after_the_last_item() {
    let log = Log::default();
    let expected = ["emit 1", "1", "emit 2", "2", "dropped", "end"];
    for seen in logs(&log, numbers(&log).take(2)) {
        assert_eq!(seen, expected);
    }
    // An operator behind it goes on after that.
    let framed = numbers(&log)
        .take(2)
        .on_completion_async(async |_, e| e.emit(9).await);
    for seen in logs(&log, framed) {
        assert_eq!(seen[..5], expected[..5]);
        assert_eq!(seen[5..], ["9", "end"]);
    }
}

#[test]
fn take_of_nothing_does_not_start_it() {
    let log = Log::default();
    for seen in logs(&log, numbers(&log).take(0)) {
        assert_eq!(seen, ["end"]);
    }
}

/// F-6: each ends its own part, and no other's.
#[test]
fn nested_takes_end_what_is_theirs() {
    let log = Log::default();
    let inner = numbers(&log).take(3).take(2).take(5);
    let both = flow(async |e| {
        e.emit_all(inner.clone()).await?;
        e.emit_all(inner.clone().take_while(|n| *n < 2)).await
    });
    assert_eq!(now(both.clone().to_vec()).unwrap(), [1, 2, 1]);
    assert_eq!(
        now(pulled(both.take(3).take(3)).to_vec()).unwrap(),
        [1, 2, 1]
    );
}

/// F-6: an early end is nothing that `catch` or `retry` above it would see.
#[test]
fn an_early_end_is_no_failure() {
    let log = Log::default();
    let watched = numbers(&log)
        .catch(async |_, e| e.emit(100).await)
        .retry(3, |_| true);
    assert_eq!(now(watched.clone().take(1).to_vec()).unwrap(), [1]);
    let below_three = watched.clone().take_while(|n| *n < 3);
    assert_eq!(now(below_three.to_vec()).unwrap(), [1, 2]);
    assert_eq!(now(watched.first()).unwrap(), 1);
}

#[test]
fn take_while_drops_what_is_above_at_the_first_other_one() {
    let log = Log::default();
    let expected = ["emit 1", "1", "emit 2", "dropped", "end"];
    for seen in logs(&log, numbers(&log).take_while(|n| *n < 2)) {
        assert_eq!(seen, expected);
    }
    for seen in logs(&log, numbers(&log).take_while_async(async |n| *n < 2)) {
        assert_eq!(seen, expected);
    }
}

/// F-6: when the end is told, what is above has gone, though the rest of the flow is still there.
#[test]
fn an_early_end_drops_what_is_above_by_itself() {
    fn check<S: Flow<Item = u32>>(log: &Log, flow: S) {
        for pull in [false, true] {
            let mut cx = Context::from_waker(Waker::noop());
            let mut flow = pin!(flow.clone());
            if pull {
                while let Poll::Ready(Ok(Some(_))) = flow.as_mut().poll_next(&mut cx) {}
            } else {
                let ended = flow
                    .as_mut()
                    .poll_each(&mut cx, &mut |_| ControlFlow::Continue(()));
                assert!(matches!(ended, Poll::Ready(Ok(ControlFlow::Continue(())))));
            }
            assert_eq!(log.take().pop().as_deref(), Some("dropped"));
        }
    }
    let log = Log::default();
    check(&log, numbers(&log).take(2));
    check(&log, numbers(&log).take_while(|n| *n < 2));
    check(&log, numbers(&log).take_while_async(async |n| *n < 2));
    check(
        &log,
        numbers(&log).transform_while(async |n, e| {
            e.emit(n).await;
            n < 2
        }),
    );
}

/// The predicate is not asked any more after its first `false`.
#[test]
fn skip_while_asks_until_it_does_not_hold() {
    let asked = RefCell::new(Vec::new());
    let ask = |n: &u32| {
        asked.borrow_mut().push(*n);
        *n < 3
    };
    let few = flow_of([1, 2, 3, 1, 4]);
    assert_eq!(
        now(few.clone().skip_while(ask).to_vec()).unwrap(),
        [3, 1, 4]
    );
    assert_eq!(asked.take(), [1, 2, 3]);
    let slow = few.clone().skip_while_async(async |n| ask(n));
    assert_eq!(now(slow.to_vec()).unwrap(), [3, 1, 4]);
    assert_eq!(asked.take(), [1, 2, 3]);
    assert_eq!(now(few.clone().skip(0).count()).unwrap(), 5);
    assert_eq!(now(few.skip(9).count()).unwrap(), 0);
}

#[test]
fn transform_while_emits_until_it_gives_false() {
    let log = Log::default();
    let twice = numbers(&log).transform_while(async |n, e| {
        e.emit(n).await;
        e.emit(n + 10).await;
        n < 2
    });
    let expected = ["emit 1", "1", "11", "emit 2", "2", "12", "dropped", "end"];
    for seen in logs(&log, twice.clone()) {
        assert_eq!(seen, expected);
    }
    // One that emits all of another one that has ended in the same way.
    let nested = flow_of([1, 2, 3]).transform_while(async |n, e| {
        e.emit_all(twice.clone()).await?;
        Ok(n < 2)
    });
    assert_eq!(now(nested.to_vec()).unwrap(), [1, 11, 2, 12, 1, 11, 2, 12]);
}

#[test]
fn transform_while_fails_as_its_closure_does() {
    let log = Log::default();
    let failing = numbers(&log).transform_while(async |n, e| {
        e.emit(n).await;
        if n == 2 {
            return Err(Error::msg("no"));
        }
        Ok(true)
    });
    let mut seen = Vec::new();
    let error = now(failing.for_each(|n| seen.push(n))).unwrap_err();
    assert_eq!((error.to_string().as_str(), seen), ("no", vec![1, 2]));
}

/// F-6: the caller's cancellation is looked at again: what ended early in a coroutine that is cancelled does not go on.
#[test]
fn an_early_end_in_a_cancelled_coroutine() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let seen = log.clone();
    run_blocking(async move |scope| {
        let job = scope.launch(async move {
            let me = Job::current().expect("in a coroutine");
            let numbers = flow(async |e| {
                e.emit(1).await;
                me.cancel();
                e.emit(2).await;
                seen.lock().unwrap().push("emitted");
            });
            let found = numbers
                .take_while(|n| *n < 2)
                .first_where(|n| *n == 2)
                .await;
            seen.lock().unwrap().push("found");
            found.map(drop)
        });
        job.join().await;
        assert!(job.is_cancelled());
        Ok(())
    })
    .unwrap();
    assert!(log.lock().unwrap().is_empty());
}

/// Early ends behind a coroutine: it has ended, with its guards, when the terminal operator is done.
#[test]
fn an_early_end_waits_for_what_was_started() {
    run_test(async |t| {
        let log = EventLog::new();
        assert_eq!(cleaning(&log, false).take(1).to_vec().await?, [1]);
        assert_eq!(log.take(), ["cleaned up"]);
        assert_eq!(t.current_time(), CLEANUP);
        Ok(())
    });
}

#[test]
fn nothing_is_left_behind() {
    for pull in [false, true] {
        drop_at_each_poll(|guards| {
            let guard = || guards.guard();
            let (a, b, c) = (guard(), guard(), guard());
            let all = guards
                .source(9)
                .skip(1)
                .skip_while(|item| item.number < 2)
                .skip_while_async(async move |item| {
                    let _guard = a;
                    pause().await;
                    item.number < 3
                })
                .take(5)
                .take_while_async(async move |item| {
                    let _guard = b;
                    pause().await;
                    item.number < 7
                })
                .transform_while(async move |item, e| {
                    let _guard = c;
                    e.emit(item.clone()).await;
                    pause().await;
                    item.number < 6
                })
                .take_while(|item| item.number < 5);
            async move {
                let items = items_of(all, pull).await.unwrap();
                assert_eq!(items.iter().map(|it| it.number).collect::<Vec<_>>(), [3, 4]);
            }
        });
    }
}
