//! Races of cancellation with results, and which suspension points look at it (J-29 to J-34, J-38).

#[path = "support/manual.rs"]
mod manual;
mod support;

use std::future::{Future, pending};
use std::time::Duration;

use corox_core::{
    CompletableDeferred, Dispatcher, Error, GlobalScope, Job, NonCancellable, Result, await_all,
    await_cancellation, catch_cancellation, coroutine_scope, delay, ensure_active, is_active,
    non_cancellable, run_blocking, supervisor_scope, try_catch_cancellation, with_context,
    yield_now,
};
use manual::Manual;
use support::{Log, checked, in_virtual_time};

async fn settle() {
    for _ in 0..16 {
        yield_now().await;
    }
}

/// Runs `body` in a coroutine that is cancelled already: the code after a boundary.
fn in_a_cancelled_coroutine<F>(body: impl FnOnce(Log) -> F) -> Vec<String>
where
    F: Future<Output = ()> + Send + 'static,
{
    let log = Log::new();
    let body = body(log.clone());
    run_blocking(async |scope| {
        let job = scope.launch(async move {
            let _ = catch_cancellation(pending::<()>()).await;
            body.await;
        });
        settle().await;
        job.cancel_and_join().await;
        Ok(())
    })
    .unwrap();
    log.take()
}

/// J-29: a value that was produced elsewhere after the cancellation is dropped, a failure is not.
#[test]
fn with_context_loses_a_value_to_a_cancellation_and_never_a_failure() {
    checked(|| {
        for fails in [false, true] {
            let log = Log::new();
            let seen = log.clone();
            let started = CompletableDeferred::<()>::new();
            let begun = started.clone();
            run_blocking(async |scope| {
                let job = scope.launch(async move {
                    let value = seen.guard("value dropped");
                    let result =
                        try_catch_cancellation(with_context(Dispatcher::DEFAULT, async move {
                            begun.complete(());
                            let _ = catch_cancellation(pending::<()>()).await;
                            match fails {
                                true => Err(Error::msg("failure")),
                                false => Ok(value),
                            }
                        }))
                        .await;
                    let error = result.map(|_| ()).unwrap_err();
                    seen.add(format!("caller: {} {error}", error.is_cancellation()));
                });
                (&started).await?;
                job.cancel_with(Error::cancellation("stop"));
                job.join().await;
                Ok(())
            })
            .unwrap();
            let expected = if fails {
                "caller: false failure"
            } else {
                "caller: true stop"
            };
            assert_eq!(log.take(), ["value dropped", expected]);
        }
    });
}

/// J-29: a scope gives a failure that its body had after the cancellation; a value gives way to the cancellation.
#[test]
fn a_scope_loses_a_value_to_a_cancellation_and_never_a_failure() {
    checked(|| {
        let log = Log::new();
        let seen = log.clone();
        run_blocking(async |scope| {
            let job = scope.launch(async move {
                let both = async {
                    let failing = coroutine_scope(async |_| {
                        let _ = catch_cancellation(pending::<()>()).await;
                        Err::<(), _>(Error::msg("failure"))
                    });
                    let giving = coroutine_scope(async |_| {
                        let _ = catch_cancellation(pending::<()>()).await;
                        Ok(seen.guard("value dropped"))
                    });
                    futures::join!(failing, giving)
                };
                let (failed, gave) = both.await;
                seen.add(failed.unwrap_err().to_string());
                seen.add(format!("{}", gave.unwrap_err().is_cancellation()));
            });
            settle().await;
            job.cancel_and_join().await;
            Ok(())
        })
        .unwrap();
        assert_eq!(log.take(), ["value dropped", "failure", "true"]);
    });
}

/// J-30: a body that never suspends runs to its end; its value is discarded in favour of the cancellation.
#[test]
fn a_body_that_never_suspends_runs_to_its_end_and_its_value_is_discarded() {
    checked(|| {
        let log = Log::new();
        let seen = log.clone();
        run_blocking(async |scope| {
            let deferred = scope.spawn(async move {
                Job::current().unwrap().cancel();
                assert!(!is_active());
                seen.add("runs on");
                Ok(seen.guard("value dropped"))
            });
            deferred.join().await;
            log.add("joined");
            assert!(deferred.await.map(|_| ()).unwrap_err().is_cancellation());
            Ok(())
        })
        .unwrap();
        assert_eq!(log.take(), ["runs on", "value dropped", "joined"]);
    });
}

/// J-30: cleanup may suspend inside a shield only; any other suspension in it is the end.
#[test]
fn code_after_a_boundary_suspends_in_a_shield_only() {
    in_virtual_time(async |t| {
        let log = Log::new();
        let seen = log.clone();
        let job = t.launch(async move {
            let _ = catch_cancellation(pending::<()>()).await;
            let _guard = seen.guard("dropped");
            let _ = non_cancellable(async |_| {
                delay(Duration::from_secs(60)).await;
                Ok(())
            })
            .await;
            seen.add("after the shield");
            delay(Duration::from_secs(60)).await;
            seen.add("unreachable");
        });
        t.run_current().await;
        job.cancel_and_join().await;
        assert_eq!(log.take(), ["after the shield", "dropped"]);
        assert_eq!(t.current_time(), Duration::from_secs(60));
        Ok(())
    });
}

/// J-31: cancelled after the value was sent, but before the coroutine had its turn: it does not go on.
#[test]
fn a_cancellation_between_the_wake_and_the_turn_wins() {
    checked(|| {
        // What the coroutine waits for, and how it is made ready, in the same turn as the cancellation.
        type Case = (
            &'static str,
            fn(Log, CompletableDeferred<()>) -> futures::future::BoxFuture<'static, ()>,
        );
        let cases: [Case; 6] = [
            ("await", |log, gate| {
                Box::pin(async move {
                    let _ = gate.as_deferred().await;
                    log.add("unreachable");
                })
            }),
            ("join", |log, gate| {
                Box::pin(async move {
                    gate.join().await;
                    log.add("unreachable");
                })
            }),
            ("await_all", |log, gate| {
                Box::pin(async move {
                    let _ = await_all([gate.as_deferred()]).await;
                    log.add("unreachable");
                })
            }),
            ("scope", |log, gate| {
                Box::pin(async move {
                    let _ = coroutine_scope(async |_| {
                        let _ = gate.as_deferred().await;
                        log.add("unreachable");
                        Ok(())
                    })
                    .await;
                })
            }),
            ("boundary", |_, gate| {
                Box::pin(async move {
                    let outcome = catch_cancellation(gate.as_deferred().into_future()).await;
                    assert!(outcome.is_err());
                })
            }),
            ("tokio", |log, gate| {
                let (tx, rx) = tokio::sync::oneshot::channel();
                gate.on_completion(move |_| {
                    let _ = tx.send(());
                });
                Box::pin(async move {
                    let _ = rx.await;
                    log.add("unreachable");
                })
            }),
        ];
        for (name, case) in cases {
            let log = Log::new();
            let gate = CompletableDeferred::<()>::new();
            let body = case(log.clone(), gate.clone());
            run_blocking(async |scope| {
                let job = scope.launch(body);
                settle().await;
                assert!(!job.is_completed());
                gate.complete(());
                job.cancel();
                job.join().await;
                Ok(())
            })
            .unwrap();
            assert!(log.take().is_empty(), "{name}");
        }
    });
}

/// J-31: the same for a timer that fired.
#[test]
fn a_cancellation_after_a_timer_fired_wins() {
    checked(|| {
        let log = Log::new();
        let manual = Manual::new();
        let scope = GlobalScope.with(manual.dispatcher());
        // Both timers are due at the same time, so the first one's turn is before the second's.
        let (first, second) = (log.clone(), log.clone());
        let target = CompletableDeferred::<Job>::new();
        let found = target.clone();
        scope.launch(async move {
            let target = found.as_deferred().await.unwrap();
            delay(Duration::from_millis(5)).await;
            first.add("cancels");
            target.cancel();
        });
        let job = scope.launch(async move {
            yield_now().await;
            yield_now().await;
            delay(Duration::from_millis(5)).await;
            second.add("unreachable");
        });
        target.complete(job.clone());
        manual.run();
        assert_eq!(manual.registered(), [Duration::from_millis(5); 2]);
        // Both turns are queued before either runs.
        manual.pass(Duration::from_millis(5));
        manual.run();
        assert!(job.is_completed() && job.is_cancelled());
        assert_eq!(log.take(), ["cancels"]);
    });
}

/// J-34: scopes do not check on entry; their bodies begin.
#[test]
fn scopes_begin_in_a_cancelled_coroutine() {
    checked(|| {
        let events = in_a_cancelled_coroutine(|log| async move {
            let _ = coroutine_scope(async |_| {
                log.add("scope");
                Ok(())
            })
            .await;
            let _ = supervisor_scope(async |_| {
                log.add("supervisor");
                Ok(())
            })
            .await;
            let _ = non_cancellable(async |_| {
                log.add("shield");
                Ok(())
            })
            .await;
        });
        assert_eq!(events, ["scope", "supervisor", "shield"]);
    });
}

/// J-34: `with_context` checks first: the body does not begin, and the coroutine does not go past it.
#[test]
fn with_context_does_not_begin_in_a_cancelled_coroutine() {
    checked(|| {
        for place in [None, Some(Dispatcher::DEFAULT), Some(Dispatcher::IO)] {
            let events = in_a_cancelled_coroutine(|log| async move {
                let _guard = log.guard("dropped");
                let context = match place {
                    None => corox_core::CoroutineName::new("same place").into(),
                    Some(place) => corox_core::CoroutineContext::from(place),
                };
                let body = log.event("unreachable");
                let _ = with_context(context, async move {
                    body.await;
                    Ok(())
                })
                .await;
                log.add("unreachable, too");
            });
            assert_eq!(events, ["dropped"]);
        }
    });
}

/// J-34: the check is against the job that the body gets: `NonCancellable`, or a job that is active, lets it run.
#[test]
fn with_context_checks_the_job_of_the_new_context() {
    checked(|| {
        let events = in_a_cancelled_coroutine(|log| async move {
            let body = log.clone();
            let value = with_context(NonCancellable, async move {
                yield_now().await;
                body.add(format!("active: {}", is_active()));
                Ok(1)
            })
            .await;
            log.add(format!("gave {:?}", value.unwrap()));
        });
        assert_eq!(events, ["active: true", "gave 1"]);
        run_blocking(async |_| {
            let other = corox_core::CompletableJob::new();
            other.cancel();
            let error = with_context(&*other, async { Ok(()) }).await.unwrap_err();
            assert!(error.is_cancellation());
            // The caller itself is not cancelled.
            ensure_active()
        })
        .unwrap();
    });
}

/// J-34: these are points of cancellation, also where nothing has to be waited for.
#[test]
fn yield_join_and_await_cancellation_check() {
    checked(|| {
        type Case = (
            &'static str,
            fn() -> futures::future::BoxFuture<'static, ()>,
        );
        let cases: [Case; 3] = [
            ("yield", || Box::pin(async { yield_now().await })),
            ("join", || {
                Box::pin(async {
                    let ended = CompletableDeferred::ready(());
                    ended.join().await;
                })
            }),
            ("await_cancellation", || {
                Box::pin(async { await_cancellation().await })
            }),
        ];
        for (name, case) in cases {
            let events = in_a_cancelled_coroutine(|log| async move {
                log.add("before");
                case().await;
                log.add("unreachable");
            });
            assert_eq!(events, ["before"], "{name}");
        }
    });
}

/// J-34: also where the body is still polled, because a shield beside them holds it.
#[test]
fn points_of_cancellation_beside_a_shield_are_not_passed() {
    checked(|| {
        let log = Log::new();
        let gate = CompletableDeferred::<()>::new();
        let (opened, seen) = (gate.clone(), log.clone());
        let (tx, rx) = tokio::sync::oneshot::channel::<()>();
        run_blocking(async |scope| {
            let job = scope.launch(async move {
                let plain = async {
                    let _ = rx.await;
                    seen.add("plain branch goes on");
                    futures::join!(
                        async {
                            yield_now().await;
                            seen.add("past the yield");
                        },
                        async {
                            CompletableDeferred::ready(()).join().await;
                            seen.add("past the join");
                        },
                        async {
                            let _ = with_context(Dispatcher::DEFAULT, async { Ok(()) }).await;
                            seen.add("past with_context");
                        },
                    );
                };
                let shield = non_cancellable(async |_| gate.as_deferred().await);
                let _ = futures::join!(shield, plain);
            });
            settle().await;
            job.cancel();
            settle().await;
            let _ = tx.send(());
            settle().await;
            log.add("gate opens");
            opened.complete(());
            job.join().await;
            Ok(())
        })
        .unwrap();
        assert_eq!(log.take(), ["plain branch goes on", "gate opens"]);
    });
}

/// J-29, J-31: a `with_context` that nothing cancels, elsewhere: its body ends, and the cancelled caller does not go past it.
#[test]
fn a_value_from_elsewhere_is_dropped_in_a_cancelled_caller() {
    checked(|| {
        let events = in_a_cancelled_coroutine(|log| async move {
            let body = log.clone();
            let context = Dispatcher::DEFAULT + NonCancellable;
            let value = with_context(context, async move {
                body.add(format!("active: {}", is_active()));
                Ok(body.guard("value dropped"))
            })
            .await;
            log.add("unreachable");
            drop(value);
        });
        assert_eq!(events, ["active: true", "value dropped"]);
    });
}

/// J-34, J-21, T-1: these are not, if nothing has to be waited for.
#[test]
fn a_zero_delay_and_the_await_of_an_ended_deferred_do_not_check() {
    checked(|| {
        let events = in_a_cancelled_coroutine(|log| async move {
            delay(Duration::ZERO).await;
            log.add("after a zero delay");
            let ended = CompletableDeferred::ready(4);
            let value = (&ended).await.unwrap();
            log.add(format!("after an await: {value}"));
            let all = await_all([ended.as_deferred()]).await.unwrap();
            log.add(format!("after await_all: {all:?}"));
            log.add(format!(
                "check: {}",
                ensure_active().unwrap_err().is_cancellation()
            ));
        });
        assert_eq!(
            events,
            [
                "after a zero delay",
                "after an await: 4",
                "after await_all: [4]",
                "check: true"
            ]
        );
    });
}

/// J-34: what `ensure_active` gives names the cause of the cancellation.
#[test]
fn ensure_active_gives_the_cause() {
    checked(|| {
        run_blocking(async |scope| {
            let cause = Error::cancellation("not needed");
            let expected = cause.clone();
            let job = scope.launch(async move {
                let _ = catch_cancellation(pending::<()>()).await;
                assert!(ensure_active().unwrap_err().ptr_eq(&expected));
            });
            settle().await;
            job.cancel_with(cause);
            job.join().await;
            assert!(job.is_cancelled());
            Ok(())
        })
        .unwrap();
    });
}

/// J-38: outside any coroutine code counts as active, and nothing is to be checked.
#[test]
fn outside_coroutines_code_is_active() {
    checked(|| {
        assert!(is_active());
        assert!(ensure_active().is_ok());
        assert!(Job::current().is_none());
        let value: Result<i32> =
            futures::executor::block_on(with_context(Dispatcher::DEFAULT, async { Ok(3) }));
        assert_eq!(value.unwrap(), 3);
    });
}
