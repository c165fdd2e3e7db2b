//! Blocking calls, and futures that cancel when dropped.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

use corox_core::{
    CancelFlag, Dispatcher, Error, GlobalScope, Job, Result, await_all, blocking, coroutine_scope,
    is_active, run_blocking, supervisor_scope, with_timeout_or_none, yield_now,
};
use support::{Log, checked, forever, root};

#[test]
fn the_value_comes_back_from_a_thread_of_its_own() {
    root(async |_| {
        let here = std::thread::current().id();
        let (there, current) = blocking(|_| {
            Ok((
                std::thread::current().id(),
                Job::current().is_some() && is_active(),
            ))
        })
        .await?;
        assert_ne!(here, there);
        assert!(current);
        Ok(())
    });
}

/// Never in place: they wait for one another.
#[test]
fn two_calls_of_one_coroutine_run_side_by_side() {
    root(async |scope| {
        for dispatcher in [Dispatcher::DEFAULT, Dispatcher::IO, Dispatcher::UNCONFINED] {
            scope
                .with(dispatcher)
                .spawn(async {
                    let barrier = Arc::new(Barrier::new(2));
                    let meet = || {
                        let barrier = barrier.clone();
                        blocking(move |_| {
                            barrier.wait();
                            Ok(())
                        })
                    };
                    let (a, b) = futures::join!(meet(), meet());
                    a?;
                    b
                })
                .await?;
        }
        Ok(())
    });
}

#[test]
fn a_cancellation_sets_the_flag_and_waits_for_the_call() {
    let log = Log::new();
    let seen = log.clone();
    root(async move |scope| {
        let (begin, begun) = tokio::sync::oneshot::channel();
        let (go, gone) = mpsc::channel::<()>();
        let call = log.clone();
        let job = scope.launch(async move {
            let result = blocking(move |cancel| {
                let told = call.clone();
                cancel.on_cancelled(move |cause| told.add(format!("told: {cause}")));
                assert!(cancel.check().is_ok() && !cancel.is_cancelled());
                let _ = begin.send(());
                gone.recv()?;
                assert!(cancel.is_cancelled() && !is_active());
                call.add(format!("{}", cancel.check().unwrap_err().is_cancellation()));
                Ok(5)
            })
            .await;
            drop(result);
            yield_now().await;
            unreachable!("cancelled") as Result<()>
        });
        begun.await?;
        job.cancel_with(Error::cancellation("enough"));
        log.add("cancelled");
        yield_now().await;
        assert!(!job.is_completed());
        go.send(())?;
        job.join().await;
        Ok(())
    });
    assert_eq!(seen.take(), ["told: enough", "cancelled", "true"]);
}

#[test]
fn in_a_cancelled_coroutine_the_call_does_not_begin() {
    root(async |scope| {
        let began = Arc::new(AtomicBool::new(false));
        let call = began.clone();
        let job = scope.launch(async move {
            Job::current().unwrap().cancel();
            blocking(move |_| {
                call.store(true, Ordering::Relaxed);
                Ok(())
            })
            .await
        });
        job.join().await;
        assert!(job.is_cancelled() && !began.load(Ordering::Relaxed));
        Ok(())
    });
}

/// A limit around a call in the same task fires, for the call does not block the task.
#[test]
fn a_limit_of_time_ends_a_call_that_looks_at_the_flag() {
    root(async |scope| {
        let limited = async {
            with_timeout_or_none(Duration::from_millis(3), async |_| {
                blocking(|cancel| {
                    while !cancel.is_cancelled() {
                        std::thread::yield_now();
                    }
                    cancel.check()
                })
                .await
            })
            .await
        };
        assert_eq!(scope.with(Dispatcher::DEFAULT).spawn(limited).await?, None);
        Ok(())
    });
}

#[test]
fn failures_and_panics_of_the_call_are_failures() {
    root(async |_| {
        supervisor_scope(async |_| {
            let error = blocking::<(), _>(|_| Err(Error::msg("no")))
                .await
                .unwrap_err();
            assert_eq!(error.to_string(), "no");
            let error = blocking::<(), _>(|_| panic!("broken")).await.unwrap_err();
            assert!(error.is_panic());
            Ok(())
        })
        .await
    });
}

/// What is registered is for cancellations during the call.
#[test]
fn callbacks_of_the_flag_are_not_called_after_the_call_or_by_its_own_failure() {
    let log = Log::new();
    let seen = log.clone();
    root(async move |_| {
        for fail in [false, true] {
            let call = log.clone();
            let result = blocking(move |cancel| {
                cancel.on_cancelled(move |_| call.add("called"));
                if fail { Err(Error::msg("own")) } else { Ok(()) }
            })
            .await;
            assert_eq!(result.is_err(), fail);
        }
        let call = log.clone();
        let kept: CancelFlag = blocking(move |cancel| Ok(cancel.clone())).await?;
        kept.on_cancelled(move |_| call.add("late"));
        Ok(())
    });
    assert!(seen.take().is_empty());
}

#[test]
fn a_root_may_run_inside_a_call() {
    root(async |_| {
        let value = blocking(|_| {
            run_blocking(async |scope| {
                let child = scope.spawn(async {
                    yield_now().await;
                    Ok(3)
                });
                child.await
            })
        })
        .await?;
        assert_eq!(value, 3);
        Ok(())
    });
}

#[test]
fn dropped_half_way_it_sets_the_flag_and_the_coroutine_waits() {
    let log = Log::new();
    let seen = log.clone();
    root(async move |scope| {
        let call = log.clone();
        scope
            .spawn(async move {
                let (begin, begun) = tokio::sync::oneshot::channel();
                let work = blocking(move |cancel| {
                    let _ = begin.send(());
                    while !cancel.is_cancelled() {
                        std::thread::yield_now();
                    }
                    call.add(cancel.check().unwrap_err().to_string());
                    Ok(())
                });
                tokio::select! {
                    _ = work => unreachable!("it waits for the flag"),
                    _ = begun => {}
                }
                Ok(())
            })
            .await?;
        log.add("coroutine ended");
        Ok(())
    });
    assert_eq!(
        seen.take(),
        [
            "the future of blocking was dropped before the call had returned",
            "coroutine ended"
        ]
    );
}

#[test]
fn outside_coroutines_it_works_too() {
    checked(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let value = runtime.block_on(blocking(|cancel| {
            cancel.check()?;
            Ok(9)
        }));
        assert_eq!(value.unwrap(), 9);
    });
}

#[test]
fn more_calls_than_threads_wait_for_their_turn() {
    root(async |scope| {
        let calls: Vec<_> = (0..300)
            .map(|n| scope.spawn(blocking(move |_| Ok(n))))
            .collect();
        let mut sum = 0;
        for call in calls {
            sum += call.await?;
        }
        assert_eq!(sum, 300 * 299 / 2);
        Ok(())
    });
}

// ---- cancel_on_drop

#[test]
fn a_future_that_cancels_gives_the_result_or_cancels_when_dropped() {
    root(async |scope| {
        assert_eq!(scope.spawn(async { Ok(1) }).cancel_on_drop().await?, 1);
        let job = scope.launch(async { yield_now().await });
        job.cancel_on_drop().await;
        assert!(!job.is_cancelled());
        let job = scope.launch(forever());
        drop(job.cancel_on_drop());
        assert!(job.is_cancelled());
        let deferred = GlobalScope.spawn(async {
            forever().await;
            Ok(())
        });
        let job = deferred.job().clone();
        tokio::select! {
            biased;
            _ = deferred.cancel_on_drop() => unreachable!(),
            () = yield_now() => {}
        }
        job.join().await;
        assert!(job.is_cancelled());
        Ok(())
    });
}

#[test]
fn one_that_has_ended_or_is_detached_cancels_nothing() {
    root(async |scope| {
        let job = scope.launch(async {});
        let mut future = job.cancel_on_drop();
        (&mut future).await;
        drop(future);
        assert!(!job.is_cancelled());
        let (tx, rx) = tokio::sync::oneshot::channel();
        let job = scope.launch(async move {
            rx.await?;
            Ok(())
        });
        job.cancel_on_drop().detach();
        drop(job.cancel_on_drop().into_inner());
        assert!(job.is_active());
        let end = job.cancel_on_drop().into_inner();
        tx.send(()).unwrap();
        end.await;
        assert!(!job.is_cancelled());
        Ok(())
    });
}

/// What the documentation of `DEFAULT` warns of, and what helps.
#[test]
fn what_blocks_in_default_keeps_its_worker_from_the_others_and_in_io_nobody() {
    const WORKERS: usize = 2;
    checked(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .build()
            .unwrap();
        for (dispatcher, holds_up) in [(Dispatcher::DEFAULT, true), (Dispatcher::IO, false)] {
            let scope = coroutine_scope(async |scope| {
                let other_ran = Arc::new(AtomicBool::new(false));
                let met = Arc::new(Barrier::new(WORKERS + 1));
                let blockers: Vec<_> = (0..WORKERS)
                    .map(|_| {
                        let (other_ran, met) = (other_ran.clone(), met.clone());
                        scope.with(&dispatcher).spawn(async move {
                            met.wait();
                            met.wait();
                            if holds_up {
                                // Turns enough for whoever could run it.
                                for _ in 0..10_000 {
                                    std::thread::yield_now();
                                }
                            } else {
                                while !other_ran.load(Ordering::SeqCst) {
                                    std::thread::yield_now();
                                }
                            }
                            let seen = other_ran.load(Ordering::SeqCst);
                            met.wait();
                            Ok(seen)
                        })
                    })
                    .collect();
                // This thread is no worker of the runtime.
                met.wait();
                let ran = other_ran.clone();
                let other = scope.launch(async move { ran.store(true, Ordering::SeqCst) });
                met.wait();
                met.wait();
                other.join().await;
                await_all(blockers).await
            });
            let seen = runtime.block_on(scope).unwrap();
            assert_eq!(seen, [!holds_up; WORKERS]);
        }
    });
}
