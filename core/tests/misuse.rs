//! What cannot work says so: a typed error, or a panic that names the caller's line and the way out; nobody waits for ever.

#[path = "support/panics.rs"]
mod panics;
mod support;

use std::future::pending;
use std::time::Duration;

use corox_core::{
    CompletableDeferred, CompletableJob, CoroutineScope, CoroutineStart, Deferred, Dispatcher,
    Error, GlobalScope, Job, Result, await_all, catch_cancellation, coroutine_scope, delay,
    ensure_active, join_all, new_single_thread_context, non_cancellable, run_blocking,
    supervisor_scope, with_context, yield_now,
};
use futures::future::BoxFuture;
use panics::{last_place, panic_of, watch};
use support::{Log, checked};

async fn settle() {
    for _ in 0..16 {
        yield_now().await;
    }
}

/// `file:line` of a line of this file.
fn at(line: u32) -> String {
    format!("{}:{line}", file!())
}

/// `run_blocking` on the thread of a current-thread runtime, as in `#[tokio::test]`, panics at the caller's line.
#[tokio::test]
async fn run_blocking_in_a_current_thread_runtime_panics_at_the_callers_line() {
    let line = line!() + 1;
    let panicked = panic_of(|| run_blocking(async |_| Ok(())));
    assert_eq!(panicked.at, at(line));
    let message = panicked.message();
    assert!(
        message.contains("current-thread tokio runtime"),
        "{message}"
    );
    assert!(message.contains("coroutine_scope"), "{message}");
}

/// The way out that the message names works there.
#[tokio::test]
async fn coroutine_scope_in_a_current_thread_runtime_works() {
    let value = coroutine_scope(async |scope| scope.spawn(async { Ok(1) }).await);
    assert_eq!(value.await.unwrap(), 1);
}

/// In a coroutine whose dispatcher is a current-thread runtime the panic is the coroutine's failure.
#[tokio::test]
async fn run_blocking_in_a_coroutine_of_a_current_thread_runtime_fails_it() {
    let error = coroutine_scope(async |scope| {
        scope.launch(async {
            run_blocking(async |_| Ok(())).unwrap();
        });
        Ok(())
    })
    .await
    .unwrap_err();
    assert!(error.is_panic());
    assert!(
        error.to_string().contains("current-thread tokio runtime"),
        "{error}"
    );
}

/// In a plain tokio task on the runtime of a loop it would stop that loop.
#[test]
fn run_blocking_in_a_tokio_task_of_the_loop_panics_at_the_callers_line() {
    checked(|| {
        watch();
        run_blocking(async |_| {
            let line = line!() + 1;
            let task = tokio::spawn(async { run_blocking(async |_| Ok(())).is_ok() });
            let error = task.await.unwrap_err();
            assert!(error.is_panic());
            assert_eq!(last_place(), at(line));
            Ok(())
        })
        .unwrap();
    });
}

/// On a worker of a multi-thread runtime it is allowed, in a task and in a coroutine.
#[test]
fn run_blocking_on_a_worker_of_a_multi_thread_runtime_works() {
    checked(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap();
        let sum = runtime.block_on(async {
            let task = tokio::spawn(async {
                run_blocking(async |scope| scope.spawn(async { Ok(1) }).await).unwrap()
            });
            let inside = coroutine_scope(async |scope| {
                scope
                    .spawn(async { run_blocking(async |s| s.spawn(async { Ok(2) }).await) })
                    .await
            });
            task.await.unwrap() + inside.await.unwrap()
        });
        assert_eq!(sum, 3);
    });
}

/// A launch in a scope that has ended: the future is dropped unrun, the job is cancelled and says why, and where.
#[test]
fn a_launch_in_a_finished_scope_is_refused_and_says_why() {
    checked(|| {
        let log = Log::new();
        run_blocking(async |_| {
            let kept = coroutine_scope(async |scope| Ok(scope)).await?;
            for start in [
                CoroutineStart::Default,
                CoroutineStart::Atomic,
                CoroutineStart::Lazy,
                CoroutineStart::Undispatched,
            ] {
                let capture = log.guard("capture dropped");
                let line = line!() + 1;
                let job = kept.start(start).launch(async move {
                    let _capture = capture;
                    unreachable!();
                });
                assert_eq!(log.take(), ["capture dropped"]);
                assert!(job.is_cancelled() && job.is_completed());
                assert!(!job.start());
                assert!(job.parent().is_none());
                let cause = job.cause().unwrap();
                assert!(cause.is_cancellation());
                assert!(
                    cause.to_string().contains("has already completed"),
                    "{cause}"
                );
                assert!(
                    cause.to_string().contains("before its scope ends"),
                    "{cause}"
                );
                assert_eq!(job.location().line(), line);
                assert_eq!(cause.location(), job.location());
                job.join().await;
            }
            ensure_active()
        })
        .unwrap();
    });
}

/// A `spawn` there gives a deferred whose await does not wait.
#[test]
fn a_spawn_in_a_finished_scope_gives_an_error_at_once() {
    checked(|| {
        let mut kept = None;
        run_blocking(async |scope| {
            kept = Some(scope);
            Ok(())
        })
        .unwrap();
        let kept: CoroutineScope = kept.unwrap();
        assert!(!kept.is_active());
        assert!(kept.ensure_active().unwrap_err().is_cancellation());
        let deferred = kept.spawn(async { Ok(1) });
        run_blocking(async |_| {
            assert!(deferred.await.unwrap_err().is_cancellation());
            let failed = coroutine_scope(async |scope| {
                scope.launch(async { Err::<(), _>(Error::msg("over")) });
                pending::<Result<()>>().await
            });
            assert_eq!(failed.await.unwrap_err().to_string(), "over");
            Ok(())
        })
        .unwrap();
    });
}

/// In a scope that has failed the cause of the refusal leads to the failure.
#[test]
fn a_launch_in_a_failed_scope_names_the_failure() {
    checked(|| {
        let mut kept = None;
        let failure = run_blocking(async |scope| {
            kept = Some(scope);
            Err::<(), _>(Error::msg("disk full"))
        })
        .unwrap_err();
        let job = kept.unwrap().launch(async { unreachable!() });
        assert!(job.cause().unwrap().cause().unwrap().ptr_eq(&failure));
    });
}

/// Durations that no clock can hold never end, on every kind of dispatcher; a cancellation ends them.
#[test]
fn overflowing_delays_never_end_and_can_be_cancelled() {
    checked(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_time()
            .build()
            .unwrap();
        let places = [
            None,
            Some(Dispatcher::DEFAULT),
            Some(Dispatcher::IO),
            Some(Dispatcher::UNCONFINED),
            Some(Dispatcher::tokio(runtime.handle().clone())),
        ];
        let durations = [
            Duration::MAX,
            Duration::MAX - Duration::from_nanos(1),
            Duration::from_secs(u64::MAX),
            Duration::from_secs(u64::MAX / 2),
            Duration::from_millis(u64::MAX),
            Duration::from_nanos(u64::MAX),
        ];
        for place in places {
            run_blocking(async |_| {
                let error = coroutine_scope(async |scope| {
                    let scope_of = |place: &Option<Dispatcher>| match place {
                        Some(place) => scope.with(place.clone()),
                        None => scope.start(CoroutineStart::Default),
                    };
                    for duration in durations {
                        let started = CompletableDeferred::<()>::new();
                        let begun = started.clone();
                        let job = scope_of(&place).launch(async move {
                            futures::join!(delay(duration), async { begun.complete(()) });
                            panic!("{duration:?} is over");
                        });
                        (&started).await?;
                        settle().await;
                        assert!(job.is_active(), "{place:?} {duration:?}");
                    }
                    scope.cancel();
                    Ok(())
                })
                .await
                .unwrap_err();
                assert!(error.is_cancellation(), "{error:?}");
                Ok(())
            })
            .unwrap();
        }
    });
}

/// Launching on a runtime that went away: the coroutine is cancelled, says why, and its scope goes on.
#[test]
fn a_launch_on_a_runtime_that_went_away_is_cancelled_and_says_why() {
    checked(|| {
        for current_thread in [true, false] {
            let runtime = match current_thread {
                true => tokio::runtime::Builder::new_current_thread()
                    .build()
                    .unwrap(),
                false => tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(1)
                    .build()
                    .unwrap(),
            };
            let gone = Dispatcher::tokio(runtime.handle().clone());
            drop(runtime);
            let log = Log::new();
            run_blocking(async |scope| {
                let capture = log.guard("capture dropped");
                let line = line!() + 1;
                let job = scope.with(gone.clone()).launch(async move {
                    let _capture = capture;
                    unreachable!();
                });
                job.join().await;
                assert_eq!(log.take(), ["capture dropped"]);
                let cause = job.cause().unwrap();
                assert!(cause.is_cancellation());
                assert!(cause.to_string().contains("has shut down"), "{cause}");
                assert_eq!(cause.location().line(), line);
                let lazy = scope
                    .with(gone.clone())
                    .lazy()
                    .launch(async { unreachable!() });
                lazy.join().await;
                assert!(lazy.is_cancelled());
                let spawned = scope.with(gone.clone()).spawn(async { Ok(1) });
                assert!(spawned.await.unwrap_err().is_cancellation());
                let switched = with_context(gone.clone(), async { Ok(1) }).await;
                let error = switched.unwrap_err();
                assert!(error.to_string().contains("has shut down"), "{error}");
                ensure_active()
            })
            .unwrap();
        }
    });
}

/// The same on a dispatcher that was closed: the cause names the dispatcher, the line of the launch, and what to do.
#[test]
fn a_launch_on_a_closed_dispatcher_is_cancelled_and_says_why() {
    checked(|| {
        let owner = new_single_thread_context("closed");
        let closed = Dispatcher::from(&owner);
        owner.join();
        run_blocking(async |scope| {
            let line = line!() + 1;
            let job = scope.with(closed.clone()).launch(async { unreachable!() });
            job.join().await;
            let cause = job.cause().unwrap();
            assert!(cause.is_cancellation());
            assert_eq!(cause.location().line(), line);
            let text = cause.to_string();
            assert!(
                text.starts_with("EventLoop was closed, or its runtime has shut down, under "),
                "{text}"
            );
            assert!(
                text.ends_with("; keep it until its coroutines have ended"),
                "{text}"
            );
            ensure_active()
        })
        .unwrap();
    });
}

/// Cleanup that delays works in a coroutine whose runtime, and its timers, went away.
#[test]
fn cleanup_may_delay_after_the_runtime_went_away() {
    checked(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_time()
            .build()
            .unwrap();
        let there = Dispatcher::tokio(runtime.handle().clone());
        let log = Log::new();
        let seen = log.clone();
        let started = CompletableDeferred::<()>::new();
        let begun = started.clone();
        run_blocking(async |scope| {
            let job = scope.with(there).launch(async move {
                let wait = catch_cancellation(delay(Duration::from_secs(3600)));
                let (outcome, _) = futures::join!(wait, async { begun.complete(()) });
                seen.add(format!("cancelled: {}", outcome.is_err()));
                let _ = non_cancellable(async |_| {
                    delay(Duration::from_millis(2)).await;
                    seen.add("cleaned up");
                    Ok(())
                })
                .await;
            });
            (&started).await?;
            with_context(Dispatcher::IO, async move {
                drop(runtime);
                Ok(())
            })
            .await?;
            job.cancel_and_join().await;
            Ok(())
        })
        .unwrap();
        assert_eq!(log.take(), ["cancelled: true", "cleaned up"]);
    });
}

/// Waiting for oneself, or for one that waits for oneself, panics; the message has the line of the wait and the way out.
#[test]
fn waiting_for_oneself_or_an_ancestor_panics_with_the_line_of_the_wait() {
    type Wait = fn(Job) -> (u32, BoxFuture<'static, ()>);
    checked(|| {
        let waits: [Wait; 5] = [
            |job| (line!(), Box::pin(async move { job.join().await })),
            |job| (line!(), Box::pin(async move { join_all([&job]).await })),
            |job| {
                let shielded = async move {
                    let _ = non_cancellable(async |_| {
                        job.join().await;
                        Ok(())
                    })
                    .await
                    .inspect_err(|error| panic!("{error}"));
                };
                (line!() - 6, Box::pin(shielded))
            },
            |job| {
                let scoped = async move {
                    let _ = coroutine_scope(async |_| {
                        job.join().await;
                        Ok(())
                    })
                    .await
                    .inspect_err(|error| panic!("{error}"));
                };
                (line!() - 6, Box::pin(scoped))
            },
            |job| {
                let child = async move {
                    let _ = coroutine_scope(async |scope| {
                        scope.launch(async move { job.join().await });
                        Ok(())
                    })
                    .await
                    .inspect_err(|error| panic!("{error}"));
                };
                (line!() - 6, Box::pin(child))
            },
        ];
        for (index, wait) in waits.into_iter().enumerate() {
            run_blocking(async |_| {
                supervisor_scope(async |scope| {
                    let (tx, rx) = tokio::sync::oneshot::channel::<BoxFuture<'static, ()>>();
                    let deferred = scope.spawn(async move {
                        rx.await.unwrap().await;
                        Ok(())
                    });
                    let (line, wait) = wait(deferred.job().clone());
                    let _ = tx.send(wait);
                    let error = deferred.await.unwrap_err();
                    assert!(error.is_panic(), "{index}: {error}");
                    let text = error.to_string();
                    assert!(text.contains("can never end"), "{index}: {text}");
                    assert!(text.contains("cancel the job instead"), "{index}: {text}");
                    assert!(text.contains(&at(line)), "{index}: {text} but {line}");
                    Ok(())
                })
                .await
            })
            .unwrap();
        }
    });
}

/// The same for the result of oneself.
#[test]
fn awaiting_oneself_panics_with_the_line_of_the_await() {
    checked(|| {
        run_blocking(async |_| {
            supervisor_scope(async |scope| {
                for all in [false, true] {
                    let (tx, rx) = tokio::sync::oneshot::channel::<Deferred<i32>>();
                    let line = line!() + 5;
                    let deferred = scope.spawn(async move {
                        let own = rx.await.unwrap();
                        match all {
                            // The line of the wait is that of the call.
                            true => Ok(await_all([&own]).await?[0]),
                            false => (&own).await,
                        }
                    });
                    let line = if all { line } else { line + 1 };
                    let _ = tx.send(deferred.clone());
                    let error = deferred.await.unwrap_err();
                    assert!(error.is_panic());
                    let text = error.to_string();
                    assert!(text.contains(&at(line)), "{text} but {line}");
                }
                Ok(())
            })
            .await
        })
        .unwrap();
    });
}

/// The job of the root in its own body.
#[test]
fn the_root_that_joins_itself_panics() {
    checked(|| {
        let panicked = panic_of(|| {
            run_blocking(async |scope| {
                scope.job().join().await;
                Ok(())
            })
        });
        assert!(panicked.message().contains("can never end"));
    });
}

/// What has ended can be joined from anywhere, also from what was below it, and siblings may wait for one another.
#[test]
fn waits_that_can_end_are_not_refused() {
    checked(|| {
        let log = Log::new();
        run_blocking(async |scope| {
            let ended = scope.launch(async {});
            ended.join().await;
            let (other, seen) = (ended.clone(), log.clone());
            scope.launch(async move {
                other.join().await;
                seen.add("joined");
            });
            let group = CompletableJob::child_of(scope.job());
            let (a, seen) = (group.clone(), log.clone());
            // Not below the group: it may wait for it.
            scope.launch(async move {
                a.join().await;
                seen.add("group over");
            });
            settle().await;
            group.complete();
            Ok(())
        })
        .unwrap();
        assert_eq!(log.take(), ["joined", "group over"]);
    });
}

/// The value of a deferred that is no clone can be taken once; a second await gives an error that says so.
#[test]
fn the_value_of_a_deferred_is_taken_once() {
    struct NotClone;
    checked(|| {
        run_blocking(async |_| {
            let (giver, first) = CompletableDeferred::new().into_deferred();
            let (giver, second) = giver.into_deferred();
            assert!(giver.complete(NotClone));
            let NotClone = first.await?;
            let Err(error) = second.await else {
                panic!("the value was there twice")
            };
            assert!(!error.is_cancellation());
            assert!(
                error.to_string().contains("taken by an earlier await"),
                "{error}"
            );
            assert!(error.to_string().contains("clone the deferred"), "{error}");
            Ok(())
        })
        .unwrap();
    });
}

/// A scope that was carried out of its coroutine unpolled belongs to where it is polled first.
#[test]
fn a_scope_carried_out_of_an_ended_coroutine_runs_where_it_is_polled() {
    checked(|| {
        run_blocking(async |scope| {
            let (tx, rx) = tokio::sync::oneshot::channel::<BoxFuture<'static, Result<i32>>>();
            scope
                .launch(async move {
                    let carried = coroutine_scope(async |s| s.spawn(async { Ok(1) }).await);
                    let _ = tx.send(Box::pin(carried));
                })
                .join()
                .await;
            // Never polled there, so it belongs to where it is polled first.
            assert_eq!(rx.await?.await?, 1);
            Ok(())
        })
        .unwrap();
    });
}

/// A parent that has ended, given by hand.
#[test]
fn a_finished_job_as_parent_refuses_the_coroutine() {
    checked(|| {
        let parent = CompletableJob::new();
        parent.complete();
        let job = GlobalScope.with(parent).launch(async { unreachable!() });
        assert!(job.is_completed() && job.is_cancelled());
        let cancelled = CompletableJob::new();
        cancelled.cancel();
        let job = GlobalScope.with(cancelled).launch(async { unreachable!() });
        assert!(job.is_completed() && job.is_cancelled());
        assert!(job.cause().unwrap().is_cancellation());
    });
}
