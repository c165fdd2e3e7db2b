//! The virtual clock and the order of events: V-1 to V-7, V-16, V-17.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use corox_core::{
    CoroutineStart, Dispatcher, await_cancellation, coroutine_scope, delay, with_context,
    with_timeout_or_none, yield_now,
};
use corox_test::{
    EventLog, StandardTestDispatcher, TestScheduler, TestScope, UnconfinedTestDispatcher, run_test,
};

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Launches a coroutine that waits for `time` and then adds `event`.
fn later(t: &TestScope, log: &EventLog, time: u64, event: &'static str) {
    let log = log.clone();
    t.launch(async move {
        delay(ms(time)).await;
        log.add(event);
    });
}

/// V-1: by time.
#[test]
fn delays_end_in_the_order_of_their_times() {
    run_test(async |t| {
        let log = EventLog::new();
        later(&t, &log, 30, "30");
        later(&t, &log, 10, "10");
        later(&t, &log, 20, "20");
        t.advance_until_idle().await;
        log.assert(["10", "20", "30"]);
    });
}

/// V-1: equal times in the order of registration, whatever the dispatcher.
#[test]
fn equal_times_end_in_the_order_of_registration_across_dispatchers() {
    let scheduler = TestScheduler::new();
    let others = [
        StandardTestDispatcher::on(&scheduler),
        StandardTestDispatcher::named(&scheduler, "other"),
    ];
    TestScope::new(&scheduler).run_test(async |t| {
        let log = EventLog::new();
        for n in 0..6 {
            let own = log.clone();
            let body = async move {
                delay(ms(10)).await;
                own.add(n);
            };
            t.with(&others[n % 2]).launch(body);
        }
        // Registered at 5, for the same time.
        let late = log.clone();
        t.launch(async move {
            delay(ms(5)).await;
            delay(ms(5)).await;
            late.add("late");
        });
        t.advance_until_idle().await;
        log.assert(["0", "1", "2", "3", "4", "5", "late"]);
        assert_eq!(t.current_time(), ms(10));
    });
}

/// V-1: what a timer resumes has the timer's place, before what became ready at the same time but later.
#[test]
fn a_resumed_coroutine_runs_before_the_next_timer_of_the_same_time() {
    run_test(async |t| {
        let log = EventLog::new();
        let first = log.clone();
        t.launch(async move {
            delay(ms(10)).await;
            first.add("first");
            yield_now().await;
            first.add("first, after the others");
        });
        later(&t, &log, 10, "second");
        t.advance_until_idle().await;
        log.assert(["first", "second", "first, after the others"]);
    });
}

/// D-17: a body that was woken while it ran, here by the end of a scope that had suspended, still gives way to what it launches.
#[test]
fn a_body_that_was_woken_while_it_ran_gives_way_to_all() {
    run_test(async |_| {
        coroutine_scope(async |_| {
            yield_now().await;
            Ok(())
        })
        .await?;
        coroutine_scope(async |scope| {
            let job = scope.launch(async {});
            yield_now().await;
            assert!(job.is_completed());
            Ok(())
        })
        .await
    });
}

/// V-2: what is added for the moment runs, too; what is later does not.
#[test]
fn run_current_runs_the_present_and_what_it_adds_to_it() {
    run_test(async |t| {
        let log = EventLog::new();
        let own = log.clone();
        let scope = (*t).clone();
        t.launch(async move {
            own.add("present");
            let inner = own.clone();
            scope.launch(async move {
                yield_now().await;
                inner.add("added");
            });
            delay(ms(1)).await;
            own.add("later");
        });
        t.run_current().await;
        log.assert(["present", "added"]);
        assert_eq!(t.current_time(), ms(0));
        t.run_current().await;
        log.assert(["present", "added"]);
    });
}

/// V-2: the moment is that of the call, also if another coroutine moves the clock on.
#[test]
fn run_current_keeps_to_its_moment_when_the_clock_is_moved_meanwhile() {
    run_test(async |t| {
        let log = EventLog::new();
        let (own, clock) = (log.clone(), t.clone());
        t.launch(async move {
            clock.advance_time_by(ms(100)).await;
            own.add("moved");
        });
        later(&t, &log, 50, "50");
        t.run_current().await;
        log.assert(Vec::<String>::new());
        assert_eq!(t.current_time(), ms(0));
        t.advance_until_idle().await;
        log.assert(["50"]);
        assert_eq!(t.current_time(), ms(50));
        delay(ms(60)).await;
        log.assert(["50", "moved"]);
    });
}

/// V-3
#[test]
fn advance_time_by_leaves_what_is_due_at_the_target() {
    run_test(async |t| {
        let log = EventLog::new();
        later(&t, &log, 9, "9");
        later(&t, &log, 10, "10");
        later(&t, &log, 11, "11");
        t.advance_time_by(ms(10)).await;
        log.assert(["9"]);
        assert_eq!(t.current_time(), ms(10));
        t.run_current().await;
        log.assert(["9", "10"]);
        t.advance_time_by(ms(0)).await;
        log.assert(["9", "10"]);
        t.advance_time_by(ms(2)).await;
        log.assert(["9", "10", "11"]);
        assert_eq!(t.current_time(), ms(12));
    });
}

/// V-3: what follows from an earlier event before the target runs as well.
#[test]
fn advance_time_by_runs_chains_of_delays_before_the_target() {
    run_test(async |t| {
        let log = EventLog::new();
        let own = log.clone();
        t.launch(async move {
            for n in 1.. {
                delay(ms(10)).await;
                own.add(n);
                if n == 5 {
                    break;
                }
            }
        });
        t.advance_time_by(ms(35)).await;
        log.assert([1, 2, 3]);
        assert_eq!(t.current_time(), ms(35));
    });
}

/// V-4: the clock stops at the last event.
#[test]
fn advance_until_idle_stops_at_the_last_event() {
    run_test(async |t| {
        let log = EventLog::new();
        later(&t, &log, 100, "100");
        t.launch(async { await_cancellation().await });
        t.advance_until_idle().await;
        log.assert(["100"]);
        assert_eq!(t.current_time(), ms(100));
        t.advance_until_idle().await;
        assert_eq!(t.current_time(), ms(100));
        t.job().cancel_children();
    });
}

/// V-4: events of the background run on the way, and are not waited for.
#[test]
fn advance_until_idle_runs_the_background_on_the_way_only() {
    run_test(async |t| {
        let log = EventLog::new();
        let own = log.clone();
        t.background_scope().launch(async move {
            loop {
                delay(ms(30)).await;
                own.add("tick");
            }
        });
        later(&t, &log, 70, "70");
        t.advance_until_idle().await;
        log.assert(["tick", "tick", "70"]);
        assert_eq!(t.current_time(), ms(70));
    });
}

/// V-4: also where a coroutine of the background has moved to another dispatcher.
#[test]
fn the_background_stays_background_on_another_dispatcher() {
    run_test(async |t| {
        let other = StandardTestDispatcher::on(t.scheduler());
        let ticks = Arc::new(AtomicUsize::new(0));
        let own = ticks.clone();
        t.background_scope().launch(async move {
            for _ in 0.. {
                let ticks = own.clone();
                with_context(&other, async move {
                    delay(ms(10)).await;
                    ticks.fetch_add(1, Ordering::Relaxed);
                    Ok(())
                })
                .await?;
            }
            Ok(())
        });
        let log = EventLog::new();
        later(&t, &log, 35, "35");
        t.advance_until_idle().await;
        assert_eq!(t.current_time(), ms(35));
        assert_eq!(ticks.load(Ordering::Relaxed), 3);
    });
}

/// V-4: however many are ready.
#[test]
fn advance_until_idle_runs_all_that_is_ready() {
    run_test(async |t| {
        let log = EventLog::new();
        for n in 0..500 {
            let log = log.clone();
            t.launch(async move {
                yield_now().await;
                log.add(n);
            });
        }
        t.advance_until_idle().await;
        log.assert(0..500);
    });
}

/// V-4: a background that is always ready keeps nobody.
#[test]
fn advance_until_idle_does_not_wait_for_a_background_that_is_always_ready() {
    run_test(async |t| {
        t.background_scope().launch(async {
            loop {
                yield_now().await;
            }
        });
        t.advance_until_idle().await;
        assert_eq!(t.current_time(), ms(0));
    });
}

/// V-5: each of those who move the clock goes on at its own time.
#[test]
fn the_clock_can_be_moved_from_inside_of_a_coroutine() {
    run_test(async |t| {
        let log = EventLog::new();
        let (own, clock) = (log.clone(), t.clone());
        t.launch(async move {
            delay(ms(10)).await;
            clock.run_current().await;
            own.add(format!("ran {:?}", clock.current_time()));
            clock.advance_time_by(ms(5)).await;
            own.add(format!("inner {:?}", clock.current_time()));
            clock.advance_until_idle().await;
            own.add(format!("idle {:?}", clock.current_time()));
        });
        later(&t, &log, 12, "12");
        later(&t, &log, 50, "50");
        t.advance_time_by(ms(20)).await;
        log.add(format!("outer {:?}", t.current_time()));
        t.advance_until_idle().await;
        log.assert([
            "ran 10ms",
            "12",
            "inner 15ms",
            "outer 20ms",
            "50",
            "idle 50ms",
        ]);
    });
}

/// V-6
#[test]
fn an_infinite_advance_goes_to_the_end_of_time_and_does_not_run_what_is_due_there() {
    run_test(async |t| {
        let log = EventLog::new();
        let own = log.clone();
        let end = t.launch(async move {
            // What the clock cannot hold is due at its end.
            delay(Duration::from_millis(i64::MAX as u64)).await;
            own.add("end");
        });
        later(&t, &log, 1 << 50, "far");
        t.advance_time_by(Duration::MAX).await;
        log.assert(["far"]);
        assert_eq!(t.current_time(), ms(i64::MAX as u64));
        t.advance_time_by(Duration::MAX).await;
        assert_eq!(t.current_time(), ms(i64::MAX as u64));
        log.assert(["far"]);
        end.cancel();
    });
}

/// V-6: the far future does not take long, and what comes long after tokio's horizon is in order.
#[test]
fn a_delay_of_a_million_years_ends_at_its_time() {
    let start = Instant::now();
    run_test(async |t| {
        let year = Duration::from_secs(365 * 24 * 3600);
        let log = EventLog::new();
        for (years, event) in [(1_000_000, "third"), (40, "second"), (1, "first")] {
            let log = log.clone();
            t.launch(async move {
                delay(year * years).await;
                log.add(event);
            });
        }
        t.advance_until_idle().await;
        log.assert(["first", "second", "third"]);
        assert_eq!(t.current_time(), year * 1_000_000);
    });
    assert!(start.elapsed() < Duration::from_secs(10));
}

/// V-6, T-1: whole milliseconds, rounded up.
#[test]
fn times_are_rounded_up_to_milliseconds() {
    run_test(async |t| {
        delay(Duration::from_micros(1)).await;
        assert_eq!(t.current_time(), ms(1));
        t.advance_time_by(Duration::from_nanos(1)).await;
        assert_eq!(t.current_time(), ms(2));
    });
}

/// V-7
#[test]
fn on_the_standard_dispatcher_a_launch_waits_until_the_caller_suspends() {
    run_test(async |t| {
        let log = EventLog::new();
        let own = log.clone();
        let job = t.launch(async move { own.add("launched") });
        log.add("body");
        job.join().await;
        log.assert(["body", "launched"]);
        let own = log.clone();
        let undispatched = t.start(CoroutineStart::Undispatched);
        undispatched.launch(async move { own.add("undispatched") });
        log.add("body again");
        log.assert(["body", "launched", "undispatched", "body again"]);
    });
}

/// V-7, D-8
#[test]
fn on_the_unconfined_dispatcher_a_launch_runs_in_place_and_nested_ones_in_turn() {
    TestScope::new(UnconfinedTestDispatcher::new()).run_test(async |t| {
        let log = EventLog::new();
        let (own, scope) = (log.clone(), (*t).clone());
        t.launch(async move {
            own.add("outer begins");
            for n in 0..2 {
                let inner = own.clone();
                scope.launch(async move { inner.add(format!("nested {n}")) });
            }
            own.add("outer ends");
        });
        log.add("body");
        log.assert(["outer begins", "outer ends", "nested 0", "nested 1", "body"]);
    });
}

/// V-7: its delays are virtual, and resumed in place.
#[test]
fn on_the_unconfined_dispatcher_delays_are_virtual() {
    TestScope::new(UnconfinedTestDispatcher::new()).run_test(async |t| {
        let log = EventLog::new();
        later(&t, &log, 20, "20");
        later(&t, &log, 10, "10");
        t.advance_time_by(ms(15)).await;
        log.assert(["10"]);
        t.advance_until_idle().await;
        log.assert(["10", "20"]);
        assert_eq!(t.current_time(), ms(20));
        yield_now().await;
    });
}

/// V-16: while something computes nothing moves.
#[test]
fn the_clock_stands_still_while_a_coroutine_runs() {
    run_test(async |t| {
        let marks = t.time_source();
        let start = marks.now();
        let real = Instant::now();
        while real.elapsed() < ms(3) {
            std::hint::spin_loop();
        }
        assert_eq!(marks.elapsed_since(start), ms(0));
        delay(ms(7)).await;
        assert_eq!(marks.elapsed_since(start), ms(7));
        assert_eq!(marks.now() - start, ms(7));
        assert_eq!(start + ms(7), marks.now());
        assert!(start < marks.now() && marks.now().since_begin() == ms(7));
        assert_eq!(
            start - ms(1),
            start,
            "there is nothing before the beginning"
        );
        assert_eq!(start - marks.now(), ms(0), "saturates");
    });
}

/// V-16: the clock of the dispatcher, as an `Instant`, and tokio's agree.
#[test]
fn all_views_of_the_clock_agree() {
    run_test(async |t| {
        let here = t.dispatcher().clone();
        let before = (corox_scheduler::now(&here), tokio::time::Instant::now());
        delay(ms(1500)).await;
        let after = (corox_scheduler::now(&here), tokio::time::Instant::now());
        assert_eq!(after.0 - before.0, ms(1500));
        assert_eq!(after.1 - before.1, ms(1500));
        assert_eq!(after.0, after.1.into_std());
    });
}

/// V-16: a delay on another dispatcher is real, and the test waits for it.
#[test]
fn a_delay_on_a_dispatcher_outside_of_the_test_takes_real_time() {
    let real = Instant::now();
    run_test(async |t| {
        with_context(Dispatcher::DEFAULT, async {
            delay(ms(20)).await;
            Ok(())
        })
        .await?;
        assert_eq!(t.current_time(), ms(0));
        Ok(())
    });
    assert!(real.elapsed() >= ms(20));
}

/// V-17
#[test]
fn a_cancelled_delay_leaves_no_timer() {
    run_test(async |t| {
        let jobs: Vec<_> = (0..100)
            .map(|n| t.launch(async move { delay(ms(1000 + n)).await }))
            .collect();
        t.run_current().await;
        assert_eq!(t.scheduler().pending_timers(), 100);
        for job in &jobs {
            job.cancel();
        }
        t.run_current().await;
        assert_eq!(t.scheduler().pending_timers(), 0);
        let limited = with_timeout_or_none(ms(50), async |_| {
            delay(ms(5)).await;
            Ok(1)
        });
        assert_eq!(limited.await?, Some(1));
        assert_eq!(t.scheduler().pending_timers(), 0);
        t.advance_until_idle().await;
        assert_eq!(t.current_time(), ms(5));
        Ok(())
    });
}

/// A control that is dropped half-way moves nothing any more.
#[test]
fn a_dropped_advance_leaves_the_clock_where_it_is() {
    run_test(async |t| {
        let clock = t.clone();
        let job = t.launch(async move { clock.advance_time_by(ms(100)).await });
        t.run_current().await;
        delay(ms(10)).await;
        job.cancel();
        t.advance_until_idle().await;
        assert_eq!(t.current_time(), ms(10));
    });
}

/// Bad input: nobody would ever move the clock.
#[test]
#[should_panic(expected = "no test runs on this scheduler")]
fn moving_the_clock_outside_of_a_test_panics() {
    let scheduler = TestScheduler::new();
    futures::executor::block_on(scheduler.advance_time_by(ms(1)));
}
