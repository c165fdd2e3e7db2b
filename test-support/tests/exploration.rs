//! Exploration itself: what it counts, and that correct programs pass. The bugs that it has to find are in `planted_bugs`.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use corox_core::{
    Dispatcher, Result, await_cancellation, delay, join_all, on, select_unbiased,
    with_timeout_or_none, yield_now,
};
use corox_test::{EventLog, Explore, TestScope, assert_events, explore, run_test};

/// The text of the panic of `test`, which must panic.
fn failure_of(test: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(test)).expect_err("the test must fail");
    *payload.downcast::<String>().expect("a text")
}

async fn ask(times: u32) {
    for _ in 0..times {
        yield_now().await;
    }
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Ten coroutines that yield once have more orders than are run.
#[test]
fn schedules_differ() {
    for explore in [
        Explore::new(200),
        Explore::new(200).only_random(),
        Explore::new(200).only_priorities(),
    ] {
        let explored = explore.run(async |t| {
            for _ in 0..10 {
                t.launch(async { yield_now().await });
            }
        });
        assert_eq!(explored.schedules(), 200);
        assert!(explored.distinct() > 190, "{explored:?}");
    }
}

/// One coroutine at a time has one order.
#[test]
fn a_program_without_choice_has_one_schedule() {
    let explored = explore(50, async |t| {
        for _ in 0..3 {
            t.launch(async { delay(Duration::from_millis(1)).await })
                .join()
                .await;
        }
    });
    assert_eq!(explored.distinct(), 1);
}

/// The same number of schedules are the same schedules; another seed gives others.
#[test]
fn the_schedules_follow_from_the_seed() {
    let orders = |seed| {
        let orders = RefCell::new(Vec::new());
        Explore::new(50).seed(seed).run(async |t| {
            let log = corox_test::EventLog::new();
            for n in 0..4 {
                let log = log.clone();
                t.launch(async move {
                    yield_now().await;
                    log.add(n);
                });
            }
            t.run_current().await;
            orders.borrow_mut().push(log.take());
        });
        orders.into_inner()
    };
    assert_eq!(orders(1), orders(1));
    assert_ne!(orders(1), orders(2));
}

/// A coroutine that polls by yielding does not keep the others waiting for ever, whatever its priority.
#[test]
fn a_coroutine_that_yields_until_another_has_run_passes() {
    for depth in 1..4 {
        Explore::new(100)
            .only_priorities()
            .depth(depth)
            .run(async |t| {
                let done = [(); 3].map(|()| Arc::new(AtomicBool::new(false)));
                for n in 0..2 {
                    let (mine, next) = (done[n].clone(), done[n + 1].clone());
                    t.launch(async move {
                        while !next.load(Ordering::Relaxed) {
                            yield_now().await;
                        }
                        mine.store(true, Ordering::Relaxed);
                    });
                }
                let last = done[2].clone();
                t.launch(async move { last.store(true, Ordering::Relaxed) });
            });
    }
}

#[test]
#[should_panic(expected = "an exploration of no schedule")]
fn no_schedule_is_refused() {
    let _ = Explore::new(0);
}

#[test]
#[should_panic(expected = "at least 1")]
fn no_depth_is_refused() {
    let _ = Explore::new(1).depth(0);
}

/// The limit is that of each run.
#[test]
#[should_panic(expected = "the test has not completed after 50ms of real time")]
fn a_run_that_hangs_fails() {
    Explore::new(3)
        .limit(Duration::from_millis(50))
        .run(async |t| {
            let clock = t.clone();
            // Held by something that does not come, so that it is no deadlock.
            clock.real_time(pending::<()>()).await;
        });
}

/// At one instant: a delay, a time-out that was set after it, and what yields in between.
async fn many_at_one_instant(t: TestScope, log: EventLog) -> Result<()> {
    let given_up = Arc::new(AtomicBool::new(false));
    let (sees, log_of_first) = (given_up.clone(), log.clone());
    t.launch(async move {
        delay(ms(10)).await;
        log_of_first.add(format!("given up: {}", sees.load(Ordering::Relaxed)));
        yield_now().await;
        log_of_first.add(format!("now it is: {}", sees.load(Ordering::Relaxed)));
    });
    let log_of_second = log.clone();
    t.launch(async move {
        let answer = with_timeout_or_none(ms(10), async |scope| {
            scope
                .job()
                .on_cancelling(move |_| given_up.store(true, Ordering::Relaxed));
            silence().await
        });
        log_of_second.add(format!("answered: {}", answer.await?.is_some()));
        Ok(())
    });
    for n in 0..3 {
        let log = log.clone();
        t.launch(async move {
            delay(ms(10)).await;
            log.add(format!("{n} once"));
            yield_now().await;
            log.add(format!("{n} twice"));
        });
    }
    delay(ms(10)).await;
    log.add("body");
    Ok(())
}

async fn silence() -> Result<()> {
    await_cancellation().await
}

/// A time-out is not over before what was due earlier at the same instant has run.
#[test]
fn the_first_schedule_is_the_order_of_run_test() {
    let log = EventLog::new();
    run_test(async |t| many_at_one_instant(t, log.clone()).await);
    let order = log.take();
    assert_eq!(order[0], "body");
    assert_eq!(order[1], "given up: false");
    Explore::new(1).run(async |t| many_at_one_instant(t, log.clone()).await);
    assert_events(&log.take(), &order);
}

/// Also the timers of one instant have many orders, those among them that have a time-out first.
#[test]
fn what_is_due_at_one_instant_comes_in_any_order() {
    let seen = RefCell::new(HashSet::new());
    Explore::new(300).run(async |t| {
        let log = EventLog::new();
        many_at_one_instant(t.clone(), log.clone()).await?;
        t.advance_until_idle().await;
        let events = log.take();
        assert_eq!(events.len(), 10);
        seen.borrow_mut().insert(events);
        Ok(())
    });
    let seen = seen.into_inner();
    assert!(seen.len() > 200, "{}", seen.len());
    let first = |text: &str| seen.iter().any(|events| events[0] == text);
    assert!(first("answered: false") && first("given up: false") && first("2 once"));
    let early = "given up: true".to_owned();
    assert!(seen.iter().any(|events| events.contains(&early)));
}

/// What waits is told as it waited, not as it was cancelled for that.
#[test]
fn a_deadlock_is_told_with_the_waits() {
    let outcome = catch_unwind(|| {
        Explore::new(3).run(async |t| {
            let silent = t.launch(async { await_cancellation().await });
            silent.join().await;
        })
    });
    let report = *outcome.unwrap_err().downcast::<String>().unwrap();
    assert!(report.contains("deadlock"), "{report}");
    assert_eq!(report.matches("{Active}").count(), 3, "{report}");
    for waits in ["waits for join", "waits for await_cancellation"] {
        let line = report.lines().find(|line| line.contains(waits));
        let here = format!(" at {}:", file!());
        assert!(line.is_some_and(|line| line.contains(&here)), "{report}");
    }
}

/// Each run of that would take its limit.
#[test]
fn a_run_that_hangs_is_not_shrunk() {
    let runs = Cell::new(0);
    let explore = Explore::new(100).limit(ms(400));
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        explore.run(async |t| {
            runs.set(runs.get() + 1);
            let first = t.launch(ask(3));
            let others = [(); 3].map(|()| t.launch(ask(3)));
            join_all(&others).await;
            if !first.is_completed() {
                // A loop that nobody ends.
                loop {
                    yield_now().await;
                }
            }
        })
    }));
    let report = *outcome.unwrap_err().downcast::<String>().unwrap();
    let start = format!("schedule {} of 100 fails", runs.get());
    assert!(report.starts_with(&start), "{report}");
    assert!(report.contains("has not completed after 400ms"), "{report}");
    assert!(!report.contains("no switch is needed"), "{report}");
    let seed = report.lines().last().unwrap();
    let kinds = ["replay: COROX_SEED=random:", "replay: COROX_SEED=pct:"];
    assert!(kinds.iter().any(|kind| seed.starts_with(kind)), "{report}");
}

/// A failure stays the failure that it is, though runs with fewer switches hang; and they do not take a limit each.
#[test]
fn a_failure_is_not_shrunk_to_a_run_that_hangs() {
    let bad = RefCell::new(None);
    let hung = Cell::new(0);
    let explore = Explore::new(100).limit(ms(400));
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        explore.run(async |t| {
            let log = EventLog::new();
            let jobs = ["a", "b", "c", "d"].map(|name| {
                let log = log.clone();
                t.launch(async move { log.add(name) })
            });
            join_all(&jobs).await;
            let order = log.take().concat();
            let known = bad.borrow().clone();
            match known {
                _ if order == "abcd" => {}
                Some(known) if known != order => {
                    hung.set(hung.get() + 1);
                    t.real_time(pending::<()>()).await;
                }
                // The first one that begins with the last.
                _ if order.starts_with('d') && order != "dabc" => {
                    *bad.borrow_mut() = Some(order);
                    panic!("the order is bad");
                }
                _ => {}
            }
        })
    }));
    let report = *outcome.unwrap_err().downcast::<String>().unwrap();
    assert!(report.contains("the order is bad"), "{report}");
    assert!(!report.contains("has not completed"), "{report}");
    assert!(report.contains("replay: COROX_SEED=switches:"), "{report}");
    assert_eq!(hung.get(), 1, "{report}");
}

/// A panic on another thread is told, also beside one on this thread that the test has caught.
#[test]
fn a_report_tells_each_failure() {
    let text = failure_of(|| {
        explore(1, async |t| {
            let caught = tokio::spawn(async { panic!("caught") }).await;
            assert!(caught.is_err());
            t.with(Dispatcher::DEFAULT)
                .launch(async { panic!("on the pool") })
                .join()
                .await;
        });
    });
    assert!(text.contains("on the pool"), "{text}");
    let text = failure_of(|| {
        explore(1, async |t| {
            t.launch(async { std::panic::panic_any(42) });
        });
    });
    assert!(text.contains("a value that is not a string"), "{text}");
}

/// What fails by the order of a select alone does not fail in `run_test`, where that order is another one.
#[test]
fn a_report_tells_that_the_order_of_a_select_is_needed() {
    let text = failure_of(|| {
        explore(1000, async |_| {
            let mut order = Vec::new();
            for _ in 0..4 {
                order.push(select_unbiased((on(async { 1 }), on(async { 2 }))).await);
            }
            assert_ne!(order, [2; 4]);
        });
    });
    assert!(text.contains("no switch is needed"), "{text}");
    assert!(text.contains("orders of `select_unbiased`"), "{text}");
}
