//! Foreign code drops a scope half-way: who is cancelled, who waits, who hears of failures (decisions 5 and 8, design 4.1).

mod support;

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::mpsc;

use corox_core::{
    CompletableDeferred, CoroutineScope, Dispatcher, Error, ExceptionHandler, Job, Result,
    catch_cancellation, coroutine_scope, new_single_thread_context, non_cancellable, run_blocking,
    supervisor_scope, with_context, yield_now,
};
use support::{Log, checked};

type Parked<T> = Pin<Box<dyn Future<Output = T> + Send>>;

async fn settle() {
    for _ in 0..16 {
        yield_now().await;
    }
}

/// Design 4.1, decision 8: the children are cancelled, and the coroutine around waits for them.
#[test]
fn a_scope_dropped_by_select_cancels_its_children_and_the_coroutine_waits() {
    checked(|| {
        let log = Log::new();
        let (gate, seen) = (CompletableDeferred::<()>::new(), log.clone());
        let opened = gate.clone();
        run_blocking(async |scope| {
            let job = scope.launch(async move {
                let (child, own) = (seen.clone(), seen.clone());
                let work = coroutine_scope(async move |s| {
                    let _body = own.guard("body of the scope dropped");
                    s.launch(async move {
                        let _guard = child.guard("child dropped");
                        let _ = catch_cancellation(pending::<()>()).await;
                        let _ = non_cancellable(async |_| gate.as_deferred().await).await;
                    });
                    pending::<Result<()>>().await
                });
                tokio::select! {
                    biased;
                    _ = work => {}
                    () = yield_now() => {}
                }
                seen.add("body over");
            });
            settle().await;
            assert!(job.is_active() && !job.is_completed());
            log.add("gate opens");
            opened.complete(());
            job.join().await;
            assert!(!job.is_cancelled());
            log.add("join returns");
            Ok(())
        })
        .unwrap();
        // Outside-in: the scope's own guards go before its children.
        assert_eq!(
            log.take(),
            [
                "body of the scope dropped",
                "body over",
                "gate opens",
                "child dropped",
                "join returns"
            ]
        );
    });
}

/// Decision 8: the children keep their real parent.
#[test]
fn the_children_of_a_dropped_scope_keep_their_parent() {
    checked(|| {
        run_blocking(async |scope| {
            let (tx, rx) = tokio::sync::oneshot::channel();
            let job = scope.launch(async move {
                let mut work: Parked<Result<()>> = Box::pin(coroutine_scope(async move |s| {
                    let child = s.launch(async {
                        let _ = catch_cancellation(pending::<()>()).await;
                        let _ = non_cancellable(async |_| {
                            settle().await;
                            Ok(())
                        })
                        .await;
                    });
                    let _ = tx.send((s.job().clone(), child));
                    pending().await
                }));
                assert!(futures::poll!(work.as_mut()).is_pending());
                yield_now().await;
            });
            let (dropped, child) = rx.await?;
            settle().await;
            assert!(dropped.is_cancelled() && !dropped.is_completed());
            assert!(child.parent().unwrap().ptr_eq(&dropped));
            assert!(dropped.parent().unwrap().ptr_eq(&job));
            job.join().await;
            assert!(child.is_completed() && dropped.is_completed());
            Ok(())
        })
        .unwrap();
    });
}

/// Decision 8: nobody reads the result of the scope any more, so a late failure goes to the handler, once, and the
/// coroutine around does not fail.
#[test]
fn a_late_failure_in_a_dropped_scope_goes_to_the_handler() {
    checked(|| {
        let log = Log::new();
        let seen = log.clone();
        let handler = ExceptionHandler::new(move |_, error| seen.add(format!("handler: {error}")));
        let body = log.clone();
        run_blocking(async |scope| {
            let job = scope.with(handler).launch(async move {
                let work = coroutine_scope(async |s| {
                    s.launch(async {
                        let _ = catch_cancellation(pending::<()>()).await;
                        Err::<(), _>(Error::msg("late"))
                    });
                    pending::<Result<()>>().await
                });
                tokio::select! {
                    biased;
                    _ = work => {}
                    () = yield_now() => {}
                }
                settle().await;
                body.add("body over");
            });
            job.join().await;
            assert!(!job.is_cancelled());
            Ok(())
        })
        .unwrap();
        assert_eq!(log.take(), ["handler: late", "body over"]);
    });
}

/// Decision 8, no failure is lost: a failure that the scope had before it was dropped goes to the handler, too.
#[test]
fn a_failure_that_came_before_the_drop_goes_to_the_handler() {
    checked(|| {
        let log = Log::new();
        let seen = log.clone();
        let handler = ExceptionHandler::new(move |_, error| seen.add(format!("handler: {error}")));
        run_blocking(async |scope| {
            let job = scope.with(handler).launch(async move {
                let work = coroutine_scope(async |s| {
                    s.launch(async { Err::<(), _>(Error::msg("early")) });
                    let _ = non_cancellable(async |_| pending::<Result<()>>().await).await;
                    Ok(())
                });
                tokio::select! {
                    biased;
                    _ = work => {}
                    () = settle() => {}
                }
            });
            job.join().await;
            assert!(!job.is_cancelled());
            Ok(())
        })
        .unwrap();
        assert_eq!(log.take(), ["handler: early"]);
    });
}

/// No failure is lost: the scope has ended with a failure that nobody had read yet when it was dropped.
#[test]
fn a_failure_that_nobody_had_read_before_the_drop_goes_to_the_handler() {
    checked(|| {
        let log = Log::new();
        let seen = log.clone();
        let handler = ExceptionHandler::new(move |_, error| seen.add(format!("handler: {error}")));
        let body = log.clone();
        run_blocking(async |scope| {
            let job = scope.with(handler).launch(async move {
                let mut work: Parked<Result<()>> = Box::pin(coroutine_scope(async |s| {
                    s.launch(async {
                        yield_now().await;
                        Err::<(), _>(Error::msg("unread"))
                    });
                    Ok(())
                }));
                assert!(futures::poll!(work.as_mut()).is_pending());
                settle().await;
                body.add("drop");
                drop(work);
                let gate = CompletableDeferred::<()>::new();
                let opened = gate.clone();
                let mut work: Parked<Result<()>> =
                    Box::pin(with_context(Dispatcher::UNCONFINED, async move {
                        gate.as_deferred().await?;
                        Err(Error::msg("unread elsewhere"))
                    }));
                assert!(futures::poll!(work.as_mut()).is_pending());
                opened.complete(());
                body.add("drop");
                drop(work);
            });
            job.join().await;
            assert!(!job.is_cancelled());
            Ok(())
        })
        .unwrap();
        assert_eq!(
            log.take(),
            [
                "drop",
                "handler: unread",
                "drop",
                "handler: unread elsewhere"
            ]
        );
    });
}

/// Decision 8: the panic of a guard of the dropped body goes to the handler, and whoever dropped the scope goes on.
#[test]
fn a_panicking_guard_of_a_dropped_scope_goes_to_the_handler() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("bomb");
        }
    }
    checked(|| {
        let log = Log::new();
        let seen = log.clone();
        let handler = ExceptionHandler::new(move |_, error| seen.add(format!("handler: {error}")));
        let body = log.clone();
        run_blocking(async |scope| {
            let job = scope.with(handler).launch(async move {
                let work = coroutine_scope(async |_| {
                    let _bomb = Bomb;
                    pending::<Result<()>>().await
                });
                tokio::select! {
                    biased;
                    _ = work => {}
                    () = yield_now() => {}
                }
                body.add("goes on");
            });
            job.join().await;
            assert!(!job.is_cancelled());
            Ok(())
        })
        .unwrap();
        assert_eq!(log.take(), ["handler: panicked: bomb", "goes on"]);
    });
}

/// Decision 5: the count and the hold of a dropped scope are given back: a cancellation afterwards finds nothing held.
#[test]
fn a_dropped_scope_gives_back_its_hold() {
    checked(|| {
        let log = Log::new();
        let seen = log.clone();
        run_blocking(async |scope| {
            let job = scope.launch(async move {
                let _body = seen.guard("body dropped");
                let mut work: Parked<Result<()>> =
                    Box::pin(coroutine_scope(async |_| pending().await));
                assert!(futures::poll!(work.as_mut()).is_pending());
                drop(work);
                pending::<()>().await;
            });
            settle().await;
            assert!(job.children().is_empty());
            job.cancel_and_join().await;
            log.add("join returns");
            Ok(())
        })
        .unwrap();
        assert_eq!(log.take(), ["body dropped", "join returns"]);
    });
}

/// A scope that was made and never polled has begun nothing: no job, no child, no hold.
#[test]
fn a_scope_that_was_never_polled_leaves_nothing() {
    checked(|| {
        run_blocking(async |scope| {
            drop(coroutine_scope(async |s| {
                s.launch(async { panic!("never") });
                Ok(())
            }));
            drop(supervisor_scope(async |_| Ok(())));
            drop(with_context(Dispatcher::DEFAULT, async { Ok(()) }));
            assert!(scope.job().children().is_empty());
            Ok(())
        })
        .unwrap();
    });
}

/// Decision 8: what `with_context` handed to another dispatcher is cancelled, and the coroutine waits for it.
#[test]
fn a_with_context_dropped_by_select_is_cancelled_and_waited_for() {
    checked(|| {
        let log = Log::new();
        let (seen, there) = (log.clone(), log.clone());
        let (gate, started) = (
            CompletableDeferred::<()>::new(),
            CompletableDeferred::<()>::new(),
        );
        let (opened, begun) = (gate.clone(), started.clone());
        run_blocking(async |scope| {
            let job = scope.launch(async move {
                let work = with_context(Dispatcher::DEFAULT, async move {
                    let _guard = there.guard("the body elsewhere ended");
                    begun.complete(());
                    let _ = catch_cancellation(pending::<()>()).await;
                    non_cancellable(async |_| gate.as_deferred().await).await
                });
                tokio::select! {
                    biased;
                    _ = work => {}
                    _ = started.as_deferred() => {}
                }
                seen.add("body over");
            });
            settle().await;
            while !job.children().iter().all(Job::is_cancelled) {
                yield_now().await;
            }
            assert!(!job.is_completed());
            opened.complete(());
            job.join().await;
            assert!(!job.is_cancelled());
            log.add("join returns");
            Ok(())
        })
        .unwrap();
        assert_eq!(
            log.take(),
            ["body over", "the body elsewhere ended", "join returns"]
        );
    });
}

/// Decision 8: in a plain tokio task there is no coroutine around: the children are cancelled, and nobody waits.
#[test]
fn in_a_plain_tokio_task_children_of_an_aborted_scope_are_cancelled() {
    checked(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .build()
            .unwrap();
        let log = Log::new();
        let seen = log.clone();
        runtime.block_on(async move {
            let (tx, rx) = tokio::sync::oneshot::channel();
            let (ended, end) = tokio::sync::oneshot::channel::<()>();
            let task = tokio::spawn(coroutine_scope(async move |s| {
                s.launch(async move {
                    let _ended = ended;
                    let _ = tx.send(Job::current().unwrap());
                    let _ = catch_cancellation(pending::<()>()).await;
                    seen.add("child was cancelled");
                });
                pending::<Result<()>>().await
            }));
            let child = rx.await.unwrap();
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
            assert!(end.await.is_err());
            assert!(child.is_cancelled());
        });
        assert_eq!(log.take(), ["child was cancelled"]);
    });
}

/// Decision 5: a runtime goes away with a coroutine in its queue, which has never run; the scope that waits for it ends.
#[test]
fn a_runtime_that_goes_away_cancels_the_coroutines_in_its_queue() {
    checked(|| {
        // A current-thread runtime that nobody drives runs nothing.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let there = Dispatcher::tokio(runtime.handle().clone());
        let log = Log::new();
        let (capture, body) = (log.guard("capture dropped"), log.clone());
        run_blocking(async |scope| {
            let job = scope.with(there).launch(async move {
                let _capture = capture;
                body.add("unreachable");
            });
            settle().await;
            assert!(job.is_active());
            drop(runtime);
            job.join().await;
            assert!(job.is_cancelled());
            let cause = job.cause().unwrap();
            assert!(cause.is_cancellation());
            assert!(cause.to_string().contains("has shut down"), "{cause}");
            Ok(())
        })
        .unwrap();
        assert_eq!(log.take(), ["capture dropped"]);
    });
}

/// Decision 5: a runtime shuts down under a scope in one of its tasks: the scope is dropped, its suspended children are
/// cancelled and their guards and their async cleanup run.
#[test]
fn a_runtime_that_shuts_down_under_a_scope_cancels_its_children() {
    checked(|| {
        for workers in 0..3 {
            let runtime = match workers {
                0 => tokio::runtime::Builder::new_current_thread()
                    .build()
                    .unwrap(),
                n => tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(n)
                    .build()
                    .unwrap(),
            };
            let log = Log::new();
            let seen = log.clone();
            let (tx, rx) = tokio::sync::oneshot::channel::<Job>();
            let (alive, ended) = mpsc::channel::<()>();
            let task = runtime.spawn(coroutine_scope(async move |s| {
                s.launch(async move {
                    let _alive = alive;
                    let _ = tx.send(Job::current().unwrap());
                    let _guard = seen.guard("child dropped");
                    let _ = catch_cancellation(pending::<()>()).await;
                    let _ = non_cancellable(async |_| {
                        yield_now().await;
                        seen.add("async cleanup");
                        Ok(())
                    })
                    .await;
                });
                pending::<Result<()>>().await
            }));
            let child = runtime.block_on(rx).unwrap();
            drop(runtime);
            assert_eq!(ended.recv(), Err(mpsc::RecvError));
            assert!(child.is_cancelled());
            drop(task);
            assert_eq!(log.take(), ["async cleanup", "child dropped"]);
        }
    });
}

/// Decision 5, D-15: a suspended coroutine whose runtime goes away is cancelled, does not go on, and its async cleanup runs
/// on the process's own pool.
#[test]
fn a_coroutine_whose_runtime_goes_away_is_cancelled_and_cleans_up() {
    checked(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap();
        let there = Dispatcher::tokio(runtime.handle().clone());
        let log = Log::new();
        let seen = log.clone();
        let (tx, rx) = tokio::sync::oneshot::channel::<()>();
        let started = CompletableDeferred::<()>::new();
        let begun = started.clone();
        run_blocking(async |scope| {
            let job = scope.with(there).launch(async move {
                let _guard = seen.guard("guard");
                begun.complete(());
                let outcome = catch_cancellation(rx).await;
                seen.add(format!("cancelled: {}", outcome.is_err()));
                let _ = non_cancellable(async |_| {
                    yield_now().await;
                    let thread = std::thread::current();
                    let own = thread.name().is_some_and(|name| name.starts_with("corox-"));
                    seen.add(format!("cleanup on the own pool: {own}"));
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
            job.join().await;
            assert!(job.is_cancelled());
            assert!(tx.send(()).is_err(), "nobody waits for it any more");
            Ok(())
        })
        .unwrap();
        assert_eq!(
            log.take(),
            ["cancelled: true", "cleanup on the own pool: true", "guard"]
        );
    });
}

/// Decision 5: a runtime shuts down under coroutines; they are cancelled, their guards run, and the scope that waits for
/// them ends.
#[test]
fn a_runtime_that_shuts_down_cancels_what_is_suspended_on_it_for_ever() {
    checked(|| {
        for current_thread in [false, true] {
            let runtime = match current_thread {
                true => tokio::runtime::Builder::new_current_thread()
                    .build()
                    .unwrap(),
                false => tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(2)
                    .build()
                    .unwrap(),
            };
            let there = Dispatcher::tokio(runtime.handle().clone());
            let (told, tell) = (mpsc::channel::<()>(), CompletableDeferred::<()>::new());
            let (guards, dropped) = told;
            let begun = tell.clone();
            run_blocking(async |scope| {
                let job = scope.with(there.clone()).launch(async move {
                    let _guard = guards;
                    begun.complete(());
                    pending::<()>().await;
                });
                let queued = scope.with(there.clone()).lazy().launch(async {});
                if current_thread {
                    with_context(Dispatcher::IO, async move {
                        // A current-thread runtime runs its coroutines inside its `block_on`.
                        runtime.block_on(async { tell.as_deferred().await })?;
                        drop(runtime);
                        Ok(())
                    })
                    .await?;
                } else {
                    (&tell).await?;
                    with_context(Dispatcher::IO, async move {
                        drop(runtime);
                        Ok(())
                    })
                    .await?;
                }
                job.join().await;
                assert!(job.is_cancelled());
                queued.join().await;
                assert!(queued.is_cancelled());
                Ok(())
            })
            .unwrap();
            assert_eq!(dropped.recv(), Err(mpsc::RecvError));
        }
    });
}

/// Decision 5: the parent of a coroutine in a scope that a value owns is a job without a body, which nothing wakes.
#[test]
fn a_runtime_that_shuts_down_cancels_the_coroutines_of_a_scope_of_its_own() {
    checked(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap();
        let scope = CoroutineScope::new(Dispatcher::tokio(runtime.handle().clone()));
        let (begun, begin) = mpsc::channel();
        let job = scope.launch(async move {
            let _ = begun.send(());
            pending::<()>().await;
        });
        begin.recv().unwrap();
        drop(runtime);
        run_blocking(async |_| {
            job.join().await;
            Ok(())
        })
        .unwrap();
        let cause = job.cause().unwrap().to_string();
        assert!(cause.contains("has shut down"), "{cause}");
        assert!(scope.is_active());
        scope.cancel();
    });
}

/// Decision 5: as before, for a dispatcher that owns its thread.
#[test]
fn a_dispatcher_that_is_closed_cancels_the_coroutines_of_a_scope_of_its_own() {
    checked(|| {
        let thread = new_single_thread_context("closing");
        let scope = CoroutineScope::new(&thread);
        let (begun, begin) = mpsc::channel();
        let job = scope.launch(async move {
            let _ = begun.send(());
            pending::<()>().await;
        });
        begin.recv().unwrap();
        thread.close();
        run_blocking(async |_| {
            job.join().await;
            Ok(())
        })
        .unwrap();
        assert!(job.is_cancelled());
        scope.cancel();
    });
}

/// Decision 5: the root of the children is polled by a thread that is none of the runtime's, and goes on without it.
#[test]
fn a_runtime_that_shuts_down_cancels_the_children_of_a_root_that_is_polled_elsewhere() {
    checked(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap();
        let handle = runtime.handle().clone();
        let (begun, begin) = mpsc::channel();
        let elsewhere = std::thread::spawn(move || {
            handle.block_on(coroutine_scope(async |scope| {
                scope.launch(async move {
                    let _ = begun.send(());
                    pending::<()>().await;
                });
                Ok(())
            }))
        });
        begin.recv().unwrap();
        drop(runtime);
        let error = elsewhere.join().unwrap().unwrap_err();
        assert!(error.to_string().contains("has shut down"), "{error}");
    });
}
