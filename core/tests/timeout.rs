//! Time-outs (T-1 to T-10, J-34, decision 13), in virtual time wherever another thread has no part in it.

#[path = "support/manual.rs"]
mod manual;
mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use corox_core::{
    CoroutineName, Dispatcher, Error, ExceptionHandler, GlobalScope, Job, Result,
    await_cancellation, catch_cancellation, coroutine_scope, delay, is_active, non_cancellable,
    run_blocking, supervisor_scope, with_context, with_timeout, with_timeout_or_none, yield_now,
};
use manual::Manual;
use support::{Log, checked, forever, in_virtual_time, root};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

async fn never() -> Result<()> {
    forever().await;
    Ok(())
}

async fn after(millis: u64) -> Result<()> {
    delay(ms(millis)).await;
    Ok(())
}

/// T-3
#[test]
fn with_zero_the_time_is_out_at_once_and_the_body_is_not_called() {
    root(async |_| {
        let called = AtomicUsize::new(0);
        let body = async |_| {
            called.fetch_add(1, Ordering::Relaxed);
            Ok(1)
        };
        let error = with_timeout(Duration::ZERO, body).await.unwrap_err();
        assert!(error.is_timeout() && !error.is_cancellation());
        assert_eq!(error.to_string(), "timed out after 0ns");
        assert_eq!(with_timeout_or_none(Duration::ZERO, body).await?, None);
        assert_eq!(called.load(Ordering::Relaxed), 0);
        Ok(())
    });
}

/// T-2
#[test]
fn the_longest_durations_are_no_limit() {
    let (long, max) = in_virtual_time(async |t| {
        let before_max = Duration::MAX - Duration::from_nanos(1);
        let body = async |_| {
            // No timer but that of the body itself.
            delay(ms(10)).await;
            Ok(t.scheduler().pending_timers())
        };
        let long = with_timeout(before_max, body).await?;
        Ok((long, with_timeout(Duration::MAX, body).await?))
    });
    assert_eq!((long, max), (0, 0));
}

/// T-1: the virtual clock rounds by itself.
#[test]
fn durations_are_rounded_up_to_milliseconds() {
    checked(|| {
        let nanos = Duration::from_nanos(1);
        let manual = Manual::new();
        let results = GlobalScope.with(manual.dispatcher()).spawn(async move {
            let none = with_timeout_or_none(nanos, async |_| never().await).await?;
            let late = with_timeout(ms(2) + nanos, async |_| never().await).await;
            Ok((none, late.unwrap_err().is_timeout()))
        });
        manual.run();
        for millis in [1, 3] {
            manual.pass(ms(millis) - nanos);
            manual.run();
            assert!(!results.is_completed());
            manual.pass(nanos);
            manual.run();
        }
        assert_eq!(results.completed().unwrap().unwrap(), (None, true));
        assert_eq!(manual.registered(), [ms(1), ms(4)]);
    });
}

/// T-4: the body runs at once, in its caller, and a time-out that is not needed leaves no timer.
#[test]
fn a_body_in_time_gives_its_value_and_the_timer_is_taken_back() {
    in_virtual_time(async |t| {
        let local = 5;
        let value = with_timeout(ms(100), async |_| {
            assert_eq!(t.scheduler().pending_timers(), 1);
            delay(ms(99)).await;
            Ok(local + 1)
        })
        .await?;
        assert_eq!(
            (value, t.current_time(), t.scheduler().pending_timers()),
            (6, ms(99), 0)
        );
        let failure = with_timeout(ms(100), async |_| Err::<(), _>(Error::msg("own"))).await;
        assert_eq!(failure.unwrap_err().to_string(), "own");
        assert_eq!(t.scheduler().pending_timers(), 0);
        Ok(())
    });
}

/// T-5
#[test]
fn the_caller_goes_on_only_after_body_children_and_cleanup_have_ended() {
    let log = Log::new();
    let seen = log.clone();
    in_virtual_time(async move |t| {
        let (child, time) = (log.clone(), t.scheduler().clone());
        let result = with_timeout(ms(10), async |scope| {
            scope.launch(async move {
                let _ = catch_cancellation(forever()).await;
                child.add(format!("child cancelled at {:?}", time.current_time()));
                let _ = non_cancellable(async |_| {
                    delay(ms(20)).await;
                    Ok(())
                })
                .await;
                child.add(format!("child ends at {:?}", time.current_time()));
            });
            let _guard = log.guard("body dropped");
            forever().await;
            Ok(())
        })
        .await;
        assert!(result.unwrap_err().is_timeout());
        log.add(format!("caller at {:?}", t.current_time()));
        Ok(())
    });
    assert_eq!(
        seen.take(),
        [
            "child cancelled at 10ms",
            "body dropped",
            "child ends at 30ms",
            "caller at 30ms"
        ]
    );
}

/// T-6
#[test]
fn a_value_given_without_suspending_counts_though_the_time_is_out() {
    checked(|| {
        let manual = Manual::new();
        let clock = manual.clone();
        let values = GlobalScope.with(manual.dispatcher()).spawn(async move {
            let value = with_timeout(ms(10), async |_| {
                clock.pass(ms(50));
                assert!(!is_active());
                Ok(7)
            })
            .await?;
            let or_none = with_timeout_or_none(ms(10), async |_| {
                clock.pass(ms(50));
                Ok(8)
            })
            .await?;
            Ok((value, or_none))
        });
        manual.run();
        assert_eq!(values.completed().unwrap().unwrap(), (7, Some(8)));
    });
}

/// T-6: the value of a body that has suspended is dropped after the expiry, with what it owns.
#[test]
fn a_value_given_after_the_expiry_is_dropped() {
    checked(|| {
        let log = Log::new();
        let (inside, manual) = (log.clone(), Manual::new());
        let clock = manual.clone();
        let job = GlobalScope.with(manual.dispatcher()).spawn(async move {
            let result = with_timeout(ms(10), async |_| {
                yield_now().await;
                clock.pass(ms(50));
                Ok(inside.guard("value dropped"))
            })
            .await;
            inside.add("returned");
            assert!(result.unwrap_err().is_timeout());
            Ok(())
        });
        manual.run();
        job.completed().unwrap().unwrap();
        assert_eq!(log.take(), ["value dropped", "returned"]);
    });
}

/// T-6, decision 13
#[test]
fn the_value_of_a_body_that_has_caught_the_expiry_is_dropped() {
    in_virtual_time(async |t| {
        let caught = with_timeout_or_none(ms(10), async |_| {
            let cancelled = catch_cancellation(forever()).await.unwrap_err();
            assert!(cancelled.cause().is_timeout() && cancelled.cause().is_cancellation());
            Ok(1)
        })
        .await?;
        assert_eq!((caught, t.current_time()), (None, ms(10)));
        Ok(())
    });
}

/// T-6, J-24
#[test]
fn a_failure_after_the_expiry_is_the_result() {
    in_virtual_time(async |t| {
        for or_none in [false, true] {
            let body = async |_| {
                let _ = catch_cancellation(forever()).await;
                Err::<(), _>(Error::msg("failed late"))
            };
            let error = if or_none {
                with_timeout_or_none(ms(10), body).await.unwrap_err()
            } else {
                with_timeout(ms(10), body).await.unwrap_err()
            };
            assert_eq!(error.to_string(), "failed late");
            assert!(!error.is_timeout());
        }
        assert_eq!(t.current_time(), ms(20));
        Ok(())
    });
}

/// T-7
#[test]
fn the_time_out_of_an_inner_scope_passes_an_outer_one_as_an_error() {
    in_virtual_time(async |t| {
        let outer = with_timeout_or_none(ms(100), async |_| {
            with_timeout(ms(10), async |_| never().await).await
        })
        .await;
        assert!(outer.unwrap_err().is_timeout());
        assert_eq!(t.current_time(), ms(10));
        Ok(())
    });
}

/// T-7
#[test]
fn the_time_out_of_an_outer_scope_unwinds_through_an_inner_one() {
    let log = Log::new();
    let seen = log.clone();
    in_virtual_time(async move |t| {
        let outer = with_timeout_or_none(ms(10), async |_| {
            let _outer = log.guard("outer body");
            let inner = with_timeout_or_none(ms(100), async |_| {
                let _inner = log.guard("inner body");
                never().await
            })
            .await;
            let error = inner.unwrap_err();
            log.add(format!("cancelled by a time-out: {}", error.is_timeout()));
            yield_now().await;
            log.add("not reached");
            Err::<(), _>(error)
        })
        .await?;
        assert_eq!(
            (outer, t.current_time(), t.scheduler().pending_timers()),
            (None, ms(10), 0)
        );
        Ok(())
    });
    assert_eq!(
        seen.take(),
        ["inner body", "cancelled by a time-out: true", "outer body"]
    );
}

/// T-7: both have fired, the outer one first.
#[test]
fn a_limit_that_fires_while_an_outer_one_unwinds_does_not_own_the_outcome() {
    in_virtual_time(async |t| {
        let outer = with_timeout_or_none(ms(10), async |_| {
            let inner = with_timeout_or_none(ms(20), async |_| {
                let shielded = non_cancellable(async |_| after(30).await).await;
                yield_now().await;
                shielded
            })
            .await;
            assert_eq!(t.current_time(), ms(30));
            assert!(inner.as_ref().unwrap_err().is_timeout());
            inner
        })
        .await?;
        assert_eq!(outer, None);
        Ok(())
    });
}

/// A runtime that shuts down wakes its timers before their time.
#[test]
fn a_timer_that_wakes_early_is_no_expiry() {
    checked(|| {
        let manual = Manual::new();
        let clock = manual.clone();
        let late = GlobalScope.with(manual.dispatcher()).spawn(async move {
            with_timeout(ms(10), async |_| {
                clock.wake_early();
                yield_now().await;
                assert!(is_active());
                after(5).await
            })
            .await?;
            with_timeout_or_none(ms(10), async |_| {
                clock.wake_early();
                never().await
            })
            .await
        });
        manual.run();
        for millis in [5, 9] {
            manual.pass(ms(millis));
            manual.run();
            assert!(!late.is_completed());
        }
        manual.pass(ms(1));
        manual.run();
        assert_eq!(late.completed().unwrap().unwrap(), None);
    });
}

/// T-7: ownership goes by identity, not by kind: a time-out carried in from elsewhere is not the own one.
#[test]
fn a_foreign_time_out_returned_by_the_body_is_an_error() {
    in_virtual_time(async |t| {
        let foreign = with_timeout(ms(1), async |_| never().await).await;
        let foreign = foreign.unwrap_err();
        let inside = foreign.cause().unwrap().clone();
        assert!(inside.is_cancellation() && inside.is_timeout());
        for error in [foreign, inside] {
            let given = error.clone();
            let result = with_timeout_or_none(ms(10), async |_| Err::<(), _>(given)).await;
            assert!(result.unwrap_err().ptr_eq(&error));
        }
        assert_eq!(t.current_time(), ms(1));
        Ok(())
    });
}

/// T-8 as the design has it: a failure of the coroutine that lets it escape.
#[test]
fn a_time_out_that_escapes_fails_the_parent() {
    in_virtual_time(async |t| {
        let result = coroutine_scope(async |scope| {
            scope.launch(async {
                with_timeout(ms(5), async |_| never().await).await?;
                Ok(())
            });
            forever().await;
            Ok(())
        })
        .await;
        let error = result.unwrap_err();
        assert!(error.is_timeout() && !error.is_cancellation());
        assert_eq!(t.current_time(), ms(5));
        Ok(())
    });
}

/// T-8: seen from inside it is a cancellation, so a child that ends with it is quiet.
#[test]
fn inside_the_scope_an_expiry_is_a_cancellation() {
    let causes = in_virtual_time(async |t| {
        let handler = ExceptionHandler::new(|_, error| panic!("told of {error}"));
        let (tx, rx) = mpsc::channel();
        let result = with_timeout(ms(5), async |scope| {
            let job = scope.with(handler).launch(forever());
            let own = scope.job().clone();
            job.on_completion(move |cause| {
                let cause = cause.unwrap();
                tx.send((
                    cause.is_timeout(),
                    cause.is_cancellation(),
                    own.is_cancelled(),
                ))
                .unwrap();
            });
            forever().await;
            Ok(())
        })
        .await;
        assert!(result.is_err());
        assert_eq!(t.current_time(), ms(5));
        Ok(rx.try_recv().unwrap())
    });
    assert_eq!(causes, (true, true, true));
}

/// T-9
#[test]
fn a_body_that_ends_exactly_at_the_deadline_times_out() {
    in_virtual_time(async |t| {
        let result = with_timeout_or_none(ms(100), async |_| after(100).await).await?;
        assert_eq!((result, t.current_time()), (None, ms(100)));
        // Of two limits with one deadline the outer one was set first.
        let result = with_timeout_or_none(ms(100), async |_| {
            with_timeout(ms(100), async |_| never().await).await
        })
        .await?;
        assert_eq!((result, t.current_time()), (None, ms(200)));
        Ok(())
    });
}

/// T-9 on an event loop.
#[test]
fn on_an_event_loop_too_the_limit_fires_before_an_equal_delay_of_its_body() {
    root(async |_| {
        let result = with_timeout_or_none(ms(5), async |_| after(5).await).await?;
        assert_eq!(result, None);
        Ok(())
    });
}

/// T-10: in virtual time the message would say so.
#[test]
fn the_message_names_the_duration_the_coroutine_and_the_line_of_the_limit() {
    root(async |scope| {
        let named = scope.with(CoroutineName::new("loader")).spawn(async {
            let line = line!() + 1;
            let result = with_timeout(ms(3), async |_| never().await).await;
            Ok((line, result.unwrap_err()))
        });
        let (line, error) = named.await?;
        assert_eq!(error.to_string(), "timed out after 3ms in \"loader\"");
        assert_eq!(error.location().line(), line);
        let text = format!("{error:?}");
        assert_eq!(text.matches("timed out after").count(), 1, "{text}");
        Ok(())
    });
}

/// T-10: `from_millis(1300)` is not `1.3s` in the message, which is searched for with what the code says.
#[test]
fn the_message_has_milliseconds_unless_they_are_whole_seconds() {
    in_virtual_time(async |_| {
        for (limit, expected) in [
            (ms(1300), "1300ms"),
            (ms(2000), "2s"),
            (ms(90_500), "90500ms"),
            (Duration::from_micros(1500), "1.5ms"),
        ] {
            let error = with_timeout(limit, async |_| never().await).await;
            let text = error.unwrap_err().to_string();
            let expected = format!("timed out after {expected} of virtual time;");
            assert!(text.starts_with(&expected), "{text}");
        }
        Ok(())
    });
}

/// J-34
#[test]
fn in_a_cancelled_coroutine_the_body_still_begins() {
    let log = Log::new();
    let seen = log.clone();
    in_virtual_time(async move |_| {
        supervisor_scope(async |scope| {
            scope.launch(async move {
                Job::current().unwrap().cancel();
                let result = with_timeout(ms(10), async |_| {
                    log.add("begun");
                    yield_now().await;
                    log.add("not reached");
                    Ok(())
                })
                .await;
                assert!(!result.unwrap_err().is_timeout());
            });
            Ok(())
        })
        .await
    });
    assert_eq!(seen.take(), ["begun"]);
}

/// Decision 13
#[test]
fn in_a_shield_a_limit_fires_and_a_shield_in_a_limit_runs_to_its_end() {
    in_virtual_time(async |t| {
        let inner = non_cancellable(async |_| {
            Job::current().unwrap().parent().unwrap().cancel();
            with_timeout_or_none(ms(10), async |_| never().await).await
        });
        let result = supervisor_scope(async |s| s.spawn(async { Ok(1) }).await).await;
        assert_eq!(result?, 1);
        let cancelled = coroutine_scope(async |_| {
            assert_eq!(inner.await?, None);
            Ok(())
        })
        .await;
        assert!(cancelled.is_err());
        assert_eq!(t.current_time(), ms(10));
        let shielded = with_timeout_or_none(ms(10), async |_| {
            non_cancellable(async |_| {
                delay(ms(30)).await;
                Ok(())
            })
            .await
        })
        .await?;
        assert_eq!((shielded, t.current_time()), (None, ms(40)));
        Ok(())
    });
}

/// The expiry needs nobody to poll: a body that computes on a pool sees it.
#[test]
fn a_body_that_never_suspends_sees_the_expiry() {
    root(async |scope| {
        let turns = scope
            .with(Dispatcher::DEFAULT)
            .spawn(async {
                let result = with_timeout(ms(10), async |_| {
                    yield_now().await;
                    while is_active() {
                        std::hint::spin_loop();
                    }
                    Ok(())
                })
                .await;
                Ok(result.unwrap_err().is_timeout())
            })
            .await?;
        assert!(turns);
        Ok(())
    });
}

/// The same with a body that has moved elsewhere to block.
#[test]
fn a_limit_around_another_dispatcher_cancels_what_runs_there() {
    root(async |_| {
        let result = with_timeout_or_none(ms(5), async |_| {
            with_context(Dispatcher::IO, async {
                while is_active() {
                    std::thread::yield_now();
                }
                Ok(())
            })
            .await
        })
        .await?;
        assert_eq!(result, None);
        Ok(())
    });
}

/// Decision 8
#[test]
fn dropped_half_way_it_cancels_its_children_and_takes_the_timer_back() {
    let log = Log::new();
    let seen = log.clone();
    in_virtual_time(async move |t| {
        let child = log.clone();
        let mut work = Box::pin(with_timeout(ms(100), async |scope| {
            scope.launch(async move {
                let _guard = child.guard("child dropped");
                forever().await;
            });
            yield_now().await;
            forever().await;
            Ok(())
        }));
        let polled = futures::poll!(work.as_mut());
        assert!(polled.is_pending());
        yield_now().await;
        assert_eq!(t.scheduler().pending_timers(), 1);
        drop(work);
        assert_eq!(t.scheduler().pending_timers(), 0);
        Ok(())
    });
    assert_eq!(seen.take(), ["child dropped"]);
}

#[test]
fn in_a_plain_tokio_task_it_works_and_tokios_own_limit_works_around_ours() {
    checked(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let result = with_timeout_or_none(ms(5), async |scope| {
                scope.launch(forever());
                Ok(())
            })
            .await;
            assert_eq!(result.unwrap(), None);
            let outer =
                tokio::time::timeout(ms(5), with_timeout(ms(60_000), async |_| never().await))
                    .await;
            assert!(outer.is_err());
        });
    });
}

/// Its debug name, its place in the tree.
#[test]
fn the_scope_is_a_child_of_the_coroutine_with_a_name_of_its_own() {
    root(async |scope| {
        with_timeout(ms(60_000), async |inner| {
            assert!(inner.job().to_string().contains("TimeoutCoroutine{Active}"));
            assert!(inner.job().parent().unwrap().ptr_eq(scope.job()));
            Ok(())
        })
        .await
    });
}

/// Ends near the limit on other threads: a value or a time-out, never both, and everything is dropped once.
#[test]
fn races_between_value_and_expiry_have_one_winner() {
    let dropped = Arc::new(AtomicUsize::new(0));
    struct Counted(Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    const N: usize = 400;
    let count = dropped.clone();
    let (values, none) = root(async move |_| {
        supervisor_scope(async move |scope| {
            let launcher = scope.with(Dispatcher::DEFAULT);
            let runs: Vec<_> = (0..N)
                .map(|n| {
                    let value = Counted(count.clone());
                    launcher.spawn(async move {
                        let spins = n % 7;
                        let result: Result<Option<Counted>> =
                            with_timeout_or_none(ms(3), async move |_| {
                                delay(ms(2 + n as u64 % 3)).await;
                                for _ in 0..spins {
                                    yield_now().await;
                                }
                                Ok(value)
                            })
                            .await;
                        Ok(result?.is_some())
                    })
                })
                .collect();
            let mut counts = (0, 0);
            for run in runs {
                if run.await? {
                    counts.0 += 1;
                } else {
                    counts.1 += 1;
                }
            }
            Ok(counts)
        })
        .await
    });
    assert_eq!(values + none, N);
    assert_eq!(dropped.load(Ordering::Relaxed), N);
}

/// A limit in a coroutine whose runtime goes away does not keep it.
#[test]
fn a_runtime_that_shuts_down_ends_a_limited_scope() {
    checked(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (tx, rx) = mpsc::channel();
        let job = GlobalScope
            .with(Dispatcher::tokio(runtime.handle().clone()))
            .launch(async move {
                let _ = with_timeout(ms(60_000), async |_| {
                    tx.send(()).unwrap();
                    await_cancellation().await;
                    #[allow(unreachable_code)]
                    Ok(())
                })
                .await;
            });
        rx.recv().unwrap();
        drop(runtime);
        run_blocking(async |_| {
            job.join().await;
            Ok(())
        })
        .unwrap();
        assert!(job.is_cancelled());
    });
}
