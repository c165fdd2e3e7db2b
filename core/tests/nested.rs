//! `run_blocking` inside coroutines, and where `with_context(IO, ..)` runs.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use corox_core::{
    Dispatcher, Error, Job, coroutine_scope, run_blocking, thread_label, with_context, yield_now,
};
use support::{Log, checked, root};
use tokio::sync::oneshot;

/// D-13: the nested root is a root of its own, also for what the loop polls on behalf of tokio.
#[test]
fn a_tokio_task_polled_by_a_nested_loop_is_inside_no_coroutine() {
    root(async |scope| {
        scope
            .launch(async {
                run_blocking(async |_| {
                    let (tx, rx) = oneshot::channel();
                    tokio::spawn(async move {
                        let _ = tx.send(Job::current().is_none());
                    });
                    assert!(rx.await?, "the task of tokio saw the outer coroutine");
                    Ok(())
                })
            })
            .join()
            .await;
        Ok(())
    });
}

/// D-13: after a nested `run_blocking` the outer coroutine is the current one again.
#[test]
fn the_outer_coroutine_is_current_again_after_a_nested_root() {
    root(async |scope| {
        scope.launch(async {
            let outer = Job::current().expect("inside");
            run_blocking(async |inner| {
                let root = inner.job().clone();
                assert!(Job::current().expect("inside").ptr_eq(&root));
                assert!(root.parent().is_none());
                Ok(())
            })?;
            assert!(Job::current().expect("inside").ptr_eq(&outer));
            Ok(())
        });
        Ok(())
    });
}

/// D-13: the loop's other coroutines run while a nested root waits.
#[test]
fn the_coroutines_of_the_loop_go_on_inside_a_nested_root() {
    root(async |scope| {
        let log = Log::new();
        let (tx, rx) = oneshot::channel();
        let seen = log.clone();
        scope.launch(async move {
            seen.add("nested begins");
            run_blocking(async |_| Ok(rx.await?))?;
            seen.add("nested ended");
            Ok(())
        });
        let seen = log.clone();
        scope.launch(async move {
            seen.add("other coroutine");
            let _ = tx.send(());
        });
        while log_len(&log) < 3 {
            yield_now().await;
        }
        assert_eq!(
            log.take(),
            ["nested begins", "other coroutine", "nested ended"]
        );
        Ok(())
    });
}

fn log_len(log: &Log) -> usize {
    let events = log.take();
    for event in &events {
        log.add(event.clone());
    }
    events.len()
}

fn on_workers<T: Send + 'static>(
    body: impl Future<Output = corox_core::Result<T>> + Send + 'static,
) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime
        .block_on(runtime.spawn(body))
        .expect("no panic")
        .expect("no failure")
}

/// D-2: a switch from Default to IO keeps the thread.
#[test]
fn a_switch_from_a_worker_to_io_keeps_the_thread() {
    checked(|| {
        on_workers(coroutine_scope(async |scope| {
            scope
                .spawn(async {
                    for _ in 0..10 {
                        let worker = thread::current().id();
                        let during =
                            with_context(Dispatcher::IO, async { Ok(thread::current().id()) })
                                .await?;
                        assert_eq!(during, worker);
                        assert_eq!(thread::current().id(), worker);
                    }
                    Ok(())
                })
                .await
        }));
    });
}

/// D-3: as many blocking bodies on IO as there are workers leave the workers free.
#[test]
fn bodies_that_block_on_io_leave_the_workers_to_others() {
    checked(|| {
        on_workers(coroutine_scope(async |scope| {
            const BLOCKED: usize = 16;
            let inside = Arc::new(AtomicUsize::new(0));
            let (open, gate) = std::sync::mpsc::channel::<()>();
            let gate = Arc::new(std::sync::Mutex::new(gate));
            let blocked: Vec<_> = (0..BLOCKED)
                .map(|_| {
                    let (inside, gate) = (inside.clone(), gate.clone());
                    scope.spawn(async move {
                        with_context(Dispatcher::IO, async move {
                            inside.fetch_add(1, Ordering::SeqCst);
                            let gate = gate.lock().map_err(|_| Error::msg("poisoned"))?;
                            Ok(gate.recv()?)
                        })
                        .await
                    })
                })
                .collect();
            while inside.load(Ordering::SeqCst) < BLOCKED {
                yield_now().await;
            }
            // All of them block now; these run all the same.
            let free: Vec<_> = (0..8).map(|n| scope.spawn(async move { Ok(n) })).collect();
            let sum: i32 = corox_core::await_all(free).await?.into_iter().sum();
            assert_eq!(sum, 28);
            for _ in 0..BLOCKED {
                open.send(())?;
            }
            corox_core::await_all(blocked).await?;
            Ok(())
        }));
    });
}

/// D-2: the failure of a body that ran in place is returned, and the worker goes on as a worker.
#[test]
fn a_failure_on_io_is_returned_and_the_worker_goes_on() {
    checked(|| {
        on_workers(coroutine_scope(async |scope| {
            scope
                .spawn(async {
                    let failed =
                        with_context(Dispatcher::IO, async { Err::<(), _>(Error::msg("disk")) })
                            .await;
                    assert_eq!(failed.unwrap_err().to_string(), "disk");
                    assert!(!thread_label().is_empty());
                    with_context(Dispatcher::IO, async { Ok(()) }).await
                })
                .await
        }));
    });
}
