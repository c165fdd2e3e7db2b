//! Coroutines on a dispatcher that is closed (D-15).

mod support;

use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

use corox_core::{
    CompletableDeferred, CoroutineName, Dispatcher, FinallyExt, OwnedDispatcher,
    catch_cancellation, delay, new_fixed_thread_pool_context, new_single_thread_context,
    non_cancellable, run_blocking, supervisor_scope, with_context, yield_now,
};
use support::{Log, checked, forever, root};

fn both() -> [OwnedDispatcher; 2] {
    [
        new_single_thread_context("one"),
        new_fixed_thread_pool_context(2, "two"),
    ]
}

#[test]
fn coroutines_run_on_the_threads_of_their_dispatcher() {
    root(async |scope| {
        for owned in both() {
            let name = scope
                .with(&owned)
                .with(CoroutineName::new("c"))
                .spawn(async {
                    delay(Duration::from_millis(1)).await;
                    yield_now().await;
                    Ok(std::thread::current().name().map(str::to_owned))
                })
                .await?;
            let name = name.unwrap();
            assert!(name == "one" || name.starts_with("two-"), "{name}");
            let moved = with_context(&owned, async { Ok(std::thread::current().id()) }).await?;
            assert_ne!(moved, std::thread::current().id());
            owned.join();
        }
        Ok(())
    });
}

/// D-15: cancelled at once, in whatever state, and its cleanup runs; the scope around returns.
#[test]
fn at_the_close_coroutines_are_cancelled_and_their_cleanup_runs() {
    for owned in both() {
        let log = Log::new();
        let seen = log.clone();
        root(async move |_| {
            supervisor_scope(async move |scope| {
                let launcher = scope.with(&owned);
                let (ready, gate) = (Arc::new(Barrier::new(2)), CompletableDeferred::<()>::new());
                let suspended = {
                    let guard = log.guard("suspended dropped");
                    let ready = ready.clone();
                    launcher.launch(async move {
                        let _guard = guard;
                        ready.wait();
                        forever().await;
                    })
                };
                ready.wait();
                let cleanup = {
                    let (log, ready) = (log.clone(), ready.clone());
                    let end = log.clone();
                    launcher.launch(
                        async move {
                            ready.wait();
                            forever().await;
                        }
                        .finally(async move {
                            yield_now().await;
                            end.add("finally");
                        }),
                    )
                };
                ready.wait();
                let shielded = {
                    let (log, ready, gate) = (log.clone(), ready.clone(), gate.clone());
                    launcher.launch(async move {
                        ready.wait();
                        let _ = catch_cancellation(forever()).await;
                        let _ = non_cancellable(async |_| {
                            (&gate).await?;
                            log.add("shielded to its end");
                            Ok(())
                        })
                        .await;
                    })
                };
                ready.wait();
                let lazy = launcher
                    .clone()
                    .lazy()
                    .launch(async { unreachable!("closed before") });
                let sleeping = launcher.launch(async {
                    delay(Duration::from_secs(3600)).await;
                });
                owned.close();
                let late = scope.with(&owned).launch(async { unreachable!("closed") });
                late.join().await;
                assert!(late.cause().unwrap().is_cancellation());
                gate.complete(());
                for job in [&suspended, &cleanup, &shielded, &sleeping, &lazy] {
                    job.join().await;
                    assert!(job.is_cancelled(), "{job}");
                }
                let result = with_context(&owned, async { Ok(1) }).await;
                assert!(result.unwrap_err().is_cancellation());
                Ok(())
            })
            .await
        });
        let mut seen = seen.take();
        seen.sort();
        assert_eq!(
            seen,
            ["finally", "shielded to its end", "suspended dropped"]
        );
    }
}

/// A body that goes on computing sees the cancellation; its guards run once.
#[test]
fn a_running_body_sees_the_close() {
    for owned in both() {
        let log = Log::new();
        let seen = log.clone();
        root(async move |_| {
            supervisor_scope(async move |scope| {
                let (begin, begun) = mpsc::channel();
                let guard = log.guard("dropped");
                let job = scope.with(&owned).launch(async move {
                    let _guard = guard;
                    begin.send(()).unwrap();
                    while corox_core::is_active() {
                        std::thread::yield_now();
                    }
                });
                begun.recv()?;
                owned.close();
                job.join().await;
                assert!(job.is_cancelled());
                Ok(())
            })
            .await
        });
        assert_eq!(seen.take(), ["dropped"]);
    }
}

/// A blocking call in the place of a worker ends the way it would.
#[test]
fn a_switch_to_io_from_a_closed_pool_ends() {
    root(async |_| {
        supervisor_scope(async |scope| {
            let owned = new_fixed_thread_pool_context(2, "two");
            let (begin, begun) = mpsc::channel();
            let job = scope.with(&owned).launch(async move {
                with_context(Dispatcher::IO, async move {
                    begin.send(()).unwrap();
                    while corox_core::is_active() {
                        std::thread::yield_now();
                    }
                    Ok(())
                })
                .await
            });
            begun.recv()?;
            owned.close();
            job.join().await;
            assert!(job.is_cancelled());
            Ok(())
        })
        .await
    });
}

/// A root that runs on a closed dispatcher's thread goes on to its end.
#[test]
fn a_nested_root_on_the_thread_of_a_closed_dispatcher_ends() {
    checked(|| {
        let owned = new_single_thread_context("one");
        let to = owned.clone();
        run_blocking(async move |_| {
            supervisor_scope(async move |scope| {
                let (begin, begun) = tokio::sync::oneshot::channel();
                let (go, gone) = mpsc::channel::<()>();
                let (done, ended) = mpsc::channel();
                let job = scope.with(to).launch(async move {
                    let value = run_blocking(async move |nested| {
                        let _ = begin.send(());
                        let _ = gone.recv();
                        // Its dispatcher is closed: children are cancelled, the body is not.
                        let child = nested.launch(async {});
                        child.join().await;
                        Ok(child.is_cancelled())
                    });
                    done.send(value.unwrap()).unwrap();
                });
                begun.await?;
                owned.close();
                drop(go);
                job.join().await;
                assert!(ended.recv()?);
                Ok(())
            })
            .await
        })
        .unwrap();
    });
}
