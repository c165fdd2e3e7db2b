//! `delay`, and the event loop of `run_blocking` as coroutines see it.

#[path = "support/manual.rs"]
mod manual;
mod support;

use std::pin::pin;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use corox_core::{
    CompletableDeferred, Dispatcher, FinallyExt, GlobalScope, Job, NonCancellable, SupervisorJob,
    await_cancellation, coroutine_scope, delay, join_all, run_blocking, yield_now,
};
use manual::Manual;
use support::{Log, checked, in_virtual_time, root};

const MS: Duration = Duration::from_millis(1);
const NS: Duration = Duration::from_nanos(1);

/// The deadlines that are registered for a delay of `duration`, which is then cancelled.
fn deadlines_of(duration: Duration) -> Vec<Duration> {
    checked(move || {
        let manual = Manual::new();
        let job = GlobalScope
            .with(manual.dispatcher())
            .launch(async move { delay(duration).await });
        manual.run();
        assert!(job.is_active());
        job.cancel();
        manual.run();
        assert!(job.is_completed());
        manual.registered()
    })
}

/// T-1
#[test]
fn a_delay_of_nothing_does_not_suspend() {
    root(async |scope| {
        let log = Log::new();
        scope.launch(log.event("other"));
        delay(Duration::ZERO).await;
        log.add("caller");
        yield_now().await;
        assert_eq!(log.take(), ["caller", "other"]);
        Ok(())
    });
}

/// T-1
#[test]
fn a_delay_of_nothing_does_not_suspend_on_the_pool_either() {
    root(async |scope| {
        let on_pool = scope.with(Dispatcher::DEFAULT);
        let at_once = on_pool.spawn(async {
            let nothing = pin!(delay(Duration::ZERO));
            Ok(futures::poll!(nothing))
        });
        assert!(at_once.await?.is_ready());
        Ok(())
    });
}

/// T-1
#[test]
fn a_delay_of_nothing_does_not_look_at_cancellation() {
    root(async |_| {
        let log = Log::new();
        coroutine_scope(async |scope| {
            scope.cancel();
            delay(Duration::ZERO).await;
            log.add("past it");
            Ok(())
        })
        .await
        .unwrap_err();
        assert_eq!(log.take(), ["past it"]);
        Ok(())
    });
}

/// T-1
#[test]
fn a_delay_of_less_than_a_millisecond_takes_one() {
    assert_eq!(deadlines_of(NS), [MS]);
}

/// T-1
#[test]
fn a_delay_of_whole_milliseconds_takes_exactly_those() {
    assert_eq!(deadlines_of(7 * MS), [7 * MS]);
}

/// T-1
#[test]
fn a_delay_of_a_little_more_than_whole_milliseconds_is_rounded_up() {
    assert_eq!(deadlines_of(7 * MS + NS), [8 * MS]);
}

/// T-1
#[test]
fn a_delay_counts_from_its_first_poll() {
    in_virtual_time(async |t| {
        let later = delay(10 * MS);
        t.advance_time_by(5 * MS).await;
        t.launch(later).join().await;
        assert_eq!(t.current_time(), 15 * MS);
        Ok(())
    });
}

/// T-1
#[test]
fn a_delay_ends_when_its_time_has_come_and_not_before() {
    checked(|| {
        let manual = Manual::new();
        let job = GlobalScope.with(manual.dispatcher()).launch(delay(10 * MS));
        manual.run();
        manual.pass(10 * MS - NS);
        manual.run();
        assert!(!job.is_completed());
        manual.pass(NS);
        manual.run();
        assert!(job.is_completed());
    });
}

/// T-1: real time is the point.
#[test]
fn a_delay_on_the_loop_and_on_the_pool_takes_at_least_its_time() {
    root(async |scope| {
        for dispatcher in [
            scope.context().dispatcher().unwrap().clone(),
            Dispatcher::DEFAULT,
            Dispatcher::IO,
            Dispatcher::UNCONFINED,
        ] {
            let begin = Instant::now();
            scope.with(dispatcher).launch(delay(3 * MS)).join().await;
            assert!(begin.elapsed() >= 3 * MS);
        }
        Ok(())
    });
}

/// T-1
#[test]
fn a_delay_works_outside_coroutines_and_outside_of_tokio() {
    checked(|| {
        let begin = Instant::now();
        futures::executor::block_on(delay(3 * MS));
        assert!(begin.elapsed() >= 3 * MS);
    });
}

/// T-1
#[test]
fn a_delay_works_in_a_plain_tokio_task() {
    checked(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let begin = Instant::now();
        runtime.block_on(async { delay(3 * MS).await });
        assert!(begin.elapsed() >= 3 * MS);
    });
}

/// T-2
#[test]
fn the_longest_delay_starts_no_timer() {
    assert_eq!(deadlines_of(Duration::MAX), [Duration::ZERO; 0]);
}

/// T-2
#[test]
fn the_longest_delay_lasts_until_it_is_cancelled() {
    in_virtual_time(async |t| {
        let job = t.launch(delay(Duration::MAX));
        // To the end of the clock.
        t.advance_time_by(Duration::MAX).await;
        t.run_current().await;
        assert!(job.is_active());
        job.cancel_and_join().await;
        Ok(())
    });
}

/// T-2
#[test]
fn a_delay_that_the_clock_cannot_hold_neither_wraps_nor_ends() {
    for duration in [
        Duration::MAX - NS,
        Duration::MAX - MS,
        Duration::from_secs(u64::MAX),
        Duration::from_secs(u64::MAX / 2 + 1),
    ] {
        assert_eq!(deadlines_of(duration), [Duration::ZERO; 0]);
    }
}

/// T-2
#[test]
fn a_delay_of_centuries_is_a_timer_like_any_other() {
    let centuries = Duration::from_secs(60 * 60 * 24 * 365 * 300);
    assert_eq!(deadlines_of(centuries), [centuries]);
}

/// T-1
#[test]
fn a_cancelled_delay_takes_its_timer_back() {
    in_virtual_time(async |t| {
        let job = t.launch(delay(10 * MS));
        t.run_current().await;
        assert_eq!(t.scheduler().pending_timers(), 1);
        job.cancel_and_join().await;
        assert_eq!(t.scheduler().pending_timers(), 0);
        assert_eq!(t.current_time(), Duration::ZERO);
        Ok(())
    });
}

/// T-1, J-31
#[test]
fn a_coroutine_cancelled_between_its_timer_and_its_turn_does_not_go_on() {
    checked(|| {
        let log = Log::new();
        let manual = Manual::new();
        let inside = log.clone();
        let job = GlobalScope.with(manual.dispatcher()).launch(async move {
            delay(10 * MS).await;
            inside.add("goes on");
        });
        manual.run();
        manual.pass(10 * MS);
        job.cancel();
        manual.run();
        assert!(job.is_completed());
        assert_eq!(log.take(), [""; 0]);
    });
}

/// T-1
#[test]
fn a_delay_uses_the_clock_of_the_dispatcher_that_it_begins_on() {
    root(async |scope| {
        let manual = Manual::new();
        let job = scope.with(manual.dispatcher()).launch(delay(10 * MS));
        manual.run();
        assert_eq!(manual.registered(), [10 * MS]);
        manual.pass(10 * MS);
        manual.run();
        assert!(job.is_completed());
        Ok(())
    });
}

/// T-1
#[test]
fn the_clock_of_a_view_is_that_of_its_base() {
    in_virtual_time(async |t| {
        let hour = Duration::from_secs(3600);
        let on_view = t.with(t.dispatcher().limited_parallelism(1));
        let sleepers = [1, 2].map(|n| on_view.launch(delay(n * hour)));
        sleepers[0].join().await;
        assert_eq!(t.current_time(), hour);
        assert!(sleepers[1].is_active());
        sleepers[1].join().await;
        assert_eq!(t.current_time(), 2 * hour);
        Ok(())
    });
}

/// D-17
#[test]
fn delays_of_the_same_time_end_in_the_order_in_which_they_began() {
    root(async |scope| {
        let log = Log::new();
        let events = ["one", "two", "three", "four"];
        let jobs = events.map(|event| {
            let log = log.clone();
            scope.launch(async move {
                delay(2 * MS).await;
                log.add(event);
            })
        });
        join_all(&jobs).await;
        assert_eq!(log.take(), events);
        Ok(())
    });
}

/// D-17
#[test]
fn a_short_delay_ends_before_a_long_one_that_began_earlier() {
    root(async |scope| {
        let long = scope.launch(delay(Duration::from_secs(3600)));
        scope.launch(delay(MS)).join().await;
        assert!(long.is_active());
        long.cancel();
        Ok(())
    });
}

/// D-13
#[test]
fn what_is_launched_in_a_blocking_root_runs_on_its_thread() {
    root(async |scope| {
        let here = thread::current().id();
        let there = scope.spawn(async {
            let before = thread::current().id();
            delay(MS).await;
            Ok([before, thread::current().id()])
        });
        assert_eq!(there.await?, [here, here]);
        Ok(())
    });
}

/// D-13, D-17
#[test]
fn launches_yields_and_resumptions_take_turns_in_one_queue() {
    root(async |scope| {
        let log = Log::new();
        let gate = CompletableDeferred::new();
        let (opened, inside) = (gate.clone(), log.clone());
        scope.launch(async move {
            inside.add("a waits");
            (&opened).await?;
            inside.add("a resumed");
            Ok(())
        });
        let inside = log.clone();
        scope.launch(async move {
            inside.add("b yields");
            gate.complete(());
            yield_now().await;
            inside.add("b again");
        });
        scope.launch(log.event("c"));
        log.add("root yields");
        yield_now().await;
        log.add("root again");
        yield_now().await;
        assert_eq!(
            log.take(),
            [
                "root yields",
                "a waits",
                "b yields",
                "c",
                "root again",
                "a resumed",
                "b again"
            ]
        );
        Ok(())
    });
}

/// D-13
#[test]
fn a_nested_root_runs_the_coroutines_of_the_outer_loop() {
    root(async |scope| {
        let gate = CompletableDeferred::new();
        let opener = gate.clone();
        scope.launch(async move {
            opener.complete(1);
        });
        // Blocks the only thread: the launched coroutine can run nowhere but inside.
        assert_eq!(run_blocking(async |_| (&gate).await)?, 1);
        Ok(())
    });
}

/// D-13
#[test]
fn a_nested_root_turns_the_timers_of_the_outer_loop() {
    root(async |scope| {
        let gate = CompletableDeferred::new();
        let opener = gate.clone();
        scope.launch(async move {
            delay(2 * MS).await;
            opener.complete(1);
        });
        yield_now().await;
        assert_eq!(run_blocking(async |_| (&gate).await)?, 1);
        Ok(())
    });
}

/// D-13
#[test]
fn what_a_nested_root_launches_runs_on_the_same_thread() {
    root(async |_| {
        let here = thread::current().id();
        let there =
            run_blocking(async |scope| scope.spawn(async { Ok(thread::current().id()) }).await)?;
        assert_eq!(here, there);
        Ok(())
    });
}

/// D-13
#[test]
fn a_nested_root_is_not_a_child_of_the_coroutine_around_it() {
    root(async |scope| {
        let log = Log::new();
        let inside = log.clone();
        let around = scope.launch(async move {
            let own = Job::current().unwrap();
            run_blocking(async |nested| {
                let parent = nested.job().parent();
                own.cancel();
                yield_now().await;
                inside.add(format!(
                    "parent: {parent:?}, active: {}",
                    nested.is_active()
                ));
                Ok(())
            })
        });
        around.join().await;
        assert!(around.is_cancelled());
        assert_eq!(log.take(), ["parent: None, active: true"]);
        Ok(())
    });
}

/// D-13
#[test]
fn a_nested_root_returns_only_after_its_own_children() {
    root(async |_| {
        let log = Log::new();
        run_blocking(async |nested| {
            let inside = log.clone();
            nested.launch(async move {
                yield_now().await;
                inside.add("child");
            });
            Ok(())
        })?;
        log.add("outer goes on");
        assert_eq!(log.take(), ["child", "outer goes on"]);
        Ok(())
    });
}

/// D-13
#[test]
fn roots_nested_three_deep_go_on_in_their_order() {
    root(async |scope| {
        let log = Log::new();
        let inside = log.clone();
        let coroutine = scope.launch(async move {
            inside.add("one begins");
            run_blocking(async |scope| {
                let deeper = inside.clone();
                let coroutine = scope.launch(async move {
                    deeper.add("two begins");
                    run_blocking(async |_| {
                        yield_now().await;
                        deeper.add("three");
                        Ok(())
                    })?;
                    deeper.add("two ends");
                    Ok(())
                });
                coroutine.join().await;
                Ok(())
            })?;
            inside.add("one ends");
            Ok(())
        });
        coroutine.join().await;
        assert_eq!(
            log.take(),
            ["one begins", "two begins", "three", "two ends", "one ends"]
        );
        Ok(())
    });
}

/// D-13
#[test]
fn a_root_nested_in_a_coroutine_on_the_pool_does_not_keep_others_from_running() {
    root(async |scope| {
        let on_pool = scope.with(Dispatcher::DEFAULT);
        let gate = CompletableDeferred::new();
        let blocked: Vec<_> = (0..8)
            .map(|_| {
                let opened = gate.clone();
                on_pool.spawn(async move { run_blocking(async |_| (&opened).await) })
            })
            .collect();
        on_pool.launch(async move {
            gate.complete(1);
        });
        for blocked in blocked {
            assert_eq!(blocked.await?, 1);
        }
        Ok(())
    });
}

/// D-13
#[test]
fn a_blocking_root_gives_the_value_of_its_body() {
    checked(|| assert_eq!(run_blocking(async |_| Ok(7)).unwrap(), 7));
}

/// D-13
#[test]
fn the_body_of_a_blocking_root_may_borrow_and_need_not_be_send() {
    checked(|| {
        let shared = std::rc::Rc::new(std::cell::Cell::new(1));
        run_blocking(async |_| {
            let own = shared.clone();
            yield_now().await;
            own.set(own.get() + 1);
            Ok(())
        })
        .unwrap();
        assert_eq!(shared.get(), 2);
    });
}

/// D-13
#[test]
fn blocking_the_thread_of_a_current_thread_runtime_is_refused() {
    checked(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let refused =
            std::panic::catch_unwind(|| runtime.block_on(async { run_blocking(async |_| Ok(())) }));
        let payload = refused.unwrap_err();
        let message = payload.downcast_ref::<&str>().copied().unwrap_or("");
        assert!(message.contains("cannot block this thread"), "{message}");
    });
}

/// Says on which thread it is.
fn where_am_i() -> thread::ThreadId {
    thread::current().id()
}

/// D-14
#[test]
fn a_coroutine_that_is_still_queued_when_its_loop_ends_has_one_turn_there() {
    checked(|| {
        let (tx, rx) = mpsc::channel();
        run_blocking(async |scope| {
            scope.with(NonCancellable).launch(async move {
                tx.send(where_am_i()).unwrap();
                yield_now().await;
                tx.send(where_am_i()).unwrap();
            });
            Ok(())
        })
        .unwrap();
        assert_eq!(rx.try_recv(), Ok(where_am_i()));
        assert_ne!(rx.recv().unwrap(), where_am_i());
    });
}

/// D-14: it would else be in a race with the end of the process.
#[test]
fn what_is_cancelled_last_cleans_up_before_its_loop_ends() {
    checked(|| {
        let (tx, rx) = mpsc::channel();
        let (local_tx, local_rx) = mpsc::channel();
        run_blocking(async |scope| {
            let supervisor = SupervisorJob::new();
            let scope = scope + supervisor.clone();
            scope.launch(await_cancellation().finally(async move {
                tx.send(where_am_i()).unwrap();
            }));
            scope.launch_local(await_cancellation().finally(async move {
                local_tx.send(where_am_i()).unwrap();
            }));
            yield_now().await;
            supervisor.cancel();
            Ok(())
        })
        .unwrap();
        assert_eq!(rx.try_recv(), Ok(where_am_i()));
        assert_eq!(local_rx.try_recv(), Ok(where_am_i()));
    });
}

/// D-14
#[test]
fn a_delay_that_has_not_ended_when_its_loop_ends_ends_elsewhere() {
    checked(|| {
        let (tx, rx) = mpsc::channel();
        let begin = Instant::now();
        run_blocking(async |scope| {
            scope.with(NonCancellable).launch(async move {
                delay(5 * MS).await;
                tx.send(where_am_i()).unwrap();
            });
            yield_now().await;
            Ok(())
        })
        .unwrap();
        assert_ne!(rx.recv().unwrap(), where_am_i());
        assert!(begin.elapsed() >= 5 * MS);
    });
}

/// D-14
#[test]
fn a_coroutine_resumed_after_the_end_of_its_loop_goes_on_elsewhere() {
    checked(|| {
        let (tx, rx) = mpsc::channel();
        let gate = CompletableDeferred::new();
        let opened = gate.clone();
        run_blocking(async |scope| {
            scope.with(NonCancellable).launch(async move {
                let before = where_am_i();
                (&opened).await?;
                tx.send((before, where_am_i())).unwrap();
                Ok(())
            });
            yield_now().await;
            Ok(())
        })
        .unwrap();
        gate.complete(());
        let (before, after) = rx.recv().unwrap();
        assert_eq!(before, where_am_i());
        assert_ne!(after, where_am_i());
    });
}

/// D-14
#[test]
fn a_delay_begun_after_the_end_of_its_loop_ends() {
    checked(|| {
        let (tx, rx) = mpsc::channel();
        let gate = CompletableDeferred::new();
        let opened = gate.clone();
        run_blocking(async |scope| {
            scope.with(NonCancellable).launch(async move {
                (&opened).await?;
                delay(2 * MS).await;
                tx.send(()).unwrap();
                Ok(())
            });
            yield_now().await;
            Ok(())
        })
        .unwrap();
        gate.complete(());
        rx.recv().unwrap();
    });
}

/// D-14
#[test]
fn a_coroutine_that_outlives_its_loop_can_still_launch_children() {
    checked(|| {
        let (tx, rx) = mpsc::channel();
        let gate = CompletableDeferred::new();
        let opened = gate.clone();
        run_blocking(async |scope| {
            scope.with(NonCancellable).launch(async move {
                (&opened).await?;
                coroutine_scope(async |scope| {
                    let child = scope.spawn(async { Ok(Job::current().is_some()) });
                    tx.send(child.await?).unwrap();
                    Ok(())
                })
                .await
            });
            yield_now().await;
            Ok(())
        })
        .unwrap();
        gate.complete(());
        assert!(rx.recv().unwrap());
    });
}

/// T-1
#[test]
fn a_delay_that_loses_a_select_takes_its_timer_back() {
    in_virtual_time(async |t| {
        let gate = CompletableDeferred::new();
        let opened = gate.clone();
        let job = t.launch(async move {
            let mut lost = pin!(delay(10 * MS));
            tokio::select! {
                () = &mut lost => unreachable!("no time passes"),
                _ = async { (&opened).await } => {}
            }
            lost.set(delay(Duration::ZERO));
        });
        t.run_current().await;
        assert_eq!(t.scheduler().pending_timers(), 1);
        gate.complete(());
        job.join().await;
        assert_eq!(t.scheduler().pending_timers(), 0);
        assert_eq!(t.current_time(), Duration::ZERO);
        Ok(())
    });
}
