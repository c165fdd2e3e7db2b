//! Bodies that are not `Send`.

mod support;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::ThreadId;
use std::time::Duration;

use corox_core::{
    CoroutineScope, Dispatcher, Error, ExceptionHandler, NonCancellable, Result,
    await_cancellation, coroutine_scope, delay, new_single_thread_context, non_cancellable,
    run_blocking, supervisor_scope, with_timeout_or_none, yield_now,
};
use support::{Log, checked, forever, root};

/// Not `Send`; notes the thread on which it is dropped.
struct Here {
    id: ThreadId,
    log: Log,
    name: &'static str,
    _not_send: Rc<()>,
}

impl Here {
    fn new(log: &Log, name: &'static str) -> Here {
        Here {
            id: std::thread::current().id(),
            log: log.clone(),
            name,
            _not_send: Rc::new(()),
        }
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        let here = std::thread::current().id() == self.id;
        self.log.add(format!("{} dropped here: {here}", self.name));
    }
}

#[test]
fn local_bodies_share_what_is_not_send_and_behave_as_others_do() {
    checked(|| {
        let log = Rc::new(RefCell::new(Vec::new()));
        run_blocking(async |scope| {
            for n in 0..3 {
                let log = log.clone();
                scope.launch_local(async move {
                    log.borrow_mut().push(format!("a{n}"));
                    yield_now().await;
                    log.borrow_mut().push(format!("b{n}"));
                    delay(Duration::from_millis(1)).await;
                    log.borrow_mut().push(format!("c{n}"));
                });
            }
            let rc = Rc::new(5);
            let value = scope.spawn_local(async move {
                yield_now().await;
                Ok(*rc)
            });
            assert_eq!(value.await?, 5);
            Ok(())
        })
        .unwrap();
        let log = log.take();
        assert_eq!(log[..6], ["a0", "a1", "a2", "b0", "b1", "b2"]);
        assert_eq!(log.len(), 9);
    });
}

#[test]
fn failures_and_panics_of_local_bodies_are_those_of_others() {
    checked(|| {
        let error = run_blocking(async |scope| {
            let rc = Rc::new(());
            scope.launch_local(async move {
                drop(rc);
                Err::<(), _>(Error::msg("local"))
            });
            forever().await;
            Ok(())
        });
        assert_eq!(error.unwrap_err().to_string(), "local");
        run_blocking(async |_| {
            supervisor_scope(async |scope| {
                let rc = Rc::new(());
                let panics = scope.spawn_local(async move {
                    drop(rc);
                    panic!("in the local body") as Result<()>
                });
                assert!(panics.await.unwrap_err().is_panic());
                Ok(())
            })
            .await
        })
        .unwrap();
    });
}

#[test]
fn elsewhere_a_local_body_is_refused_with_the_way_out() {
    root(async |scope| {
        let text = |refused: std::thread::Result<corox_core::Job>| {
            *refused.unwrap_err().downcast::<String>().unwrap()
        };
        // Another dispatcher.
        let on_pool = scope.with(Dispatcher::DEFAULT);
        let refused = catch_unwind(AssertUnwindSafe(|| on_pool.launch_local(async {})));
        assert!(text(refused).contains("make it `Send` and use `launch`"));
        // Another thread, and another loop.
        let inner = scope.clone();
        let refused = scope.with(Dispatcher::DEFAULT).spawn(async move {
            let refused = catch_unwind(AssertUnwindSafe(|| inner.launch_local(async {})));
            Ok(*refused.unwrap_err().downcast::<String>().unwrap())
        });
        assert!(refused.await?.contains("make it `Send`"));
        let other = new_single_thread_context("other");
        let on_other = scope.with(&other);
        let refused = catch_unwind(AssertUnwindSafe(|| on_other.launch_local(async {})));
        assert!(text(refused).contains("make it `Send`"));
        Ok(())
    });
    checked(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let refused = runtime.block_on(coroutine_scope(async |scope| {
            Ok(catch_unwind(AssertUnwindSafe(|| scope.launch_local(async {}))).is_err())
        }));
        assert!(refused.unwrap());
    });
}

#[test]
fn on_a_single_thread_context_local_bodies_run_too() {
    root(async |scope| {
        let one = new_single_thread_context("one");
        let body = async {
            coroutine_scope(async |s| {
                let inner = s.spawn_local(async {
                    let rc = Rc::new(Cell::new(1));
                    yield_now().await;
                    rc.set(rc.get() + 6);
                    Ok(rc.get())
                });
                inner.await
            })
            .await
        };
        assert_eq!(scope.with(&one).spawn(body).await?, 7);
        Ok(())
    });
}

/// Cancelled from another thread it is dropped on its own.
#[test]
fn a_cancellation_from_another_thread_drops_the_body_here() {
    let log = Log::new();
    let seen = log.clone();
    root(async move |scope| {
        let guard = Here::new(&log, "guard");
        let job = scope.launch_local(async move {
            let _guard = guard;
            forever().await;
        });
        yield_now().await;
        let target = job.clone();
        std::thread::spawn(move || target.cancel()).join().unwrap();
        job.join().await;
        Ok(())
    });
    assert_eq!(seen.take(), ["guard dropped here: true"]);
}

/// Lazy ones: started from another thread they run here; cancelled there before their start they are dropped here.
#[test]
fn lazy_local_bodies_are_started_and_cancelled_from_another_thread() {
    let log = Log::new();
    let seen = log.clone();
    root(async move |scope| {
        let (started, cancelled) = (Here::new(&log, "started"), Here::new(&log, "cancelled"));
        let here = std::thread::current().id();
        let body = log.clone();
        let first = scope.lazy().launch_local(async move {
            let _guard = started;
            body.add(format!(
                "runs here: {}",
                std::thread::current().id() == here
            ));
        });
        let second = scope.lazy().launch_local(async move {
            let _guard = cancelled;
            unreachable!("cancelled before");
        });
        let (a, b) = (first.clone(), second.clone());
        std::thread::spawn(move || {
            a.start();
            b.cancel();
        })
        .join()
        .unwrap();
        first.join().await;
        second.join().await;
        assert!(second.is_cancelled());
        Ok(())
    });
    let mut seen = seen.take();
    seen.sort();
    assert_eq!(
        seen,
        [
            "cancelled dropped here: true",
            "runs here: true",
            "started dropped here: true"
        ]
    );
}

/// Nobody waits for them: they are dropped before the loop goes, on its thread, and end as cancelled.
#[test]
fn what_is_left_when_the_loop_ends_is_dropped_on_its_thread() {
    let log = Log::new();
    let seen = log.clone();
    let jobs = checked(move || {
        run_blocking(async |scope| {
            let detached = scope.with(NonCancellable);
            let (a, b, c) = (
                Here::new(&log, "suspended"),
                Here::new(&log, "queued"),
                Here::new(&log, "shielded"),
            );
            let suspended = detached.launch_local(async move {
                let _guard = a;
                await_cancellation().await;
            });
            let shielded = detached.launch_local(async move {
                let _guard = c;
                let _ = non_cancellable(async |_| {
                    std::future::pending::<()>().await;
                    Ok(())
                })
                .await;
            });
            yield_now().await;
            let queued = detached.launch_local(async move {
                let _guard = b;
            });
            Ok([suspended, shielded, queued])
        })
        .unwrap()
    });
    let mut seen = seen.take();
    seen.sort();
    assert_eq!(
        seen,
        [
            "queued dropped here: true",
            "shielded dropped here: true",
            "suspended dropped here: true"
        ]
    );
    for job in &jobs {
        assert!(job.is_completed());
    }
    // Late wakes do nothing.
    jobs[0].cancel();
}

/// A scope dropped half-way by foreign code: its local children are cancelled and awaited as others are.
#[test]
fn a_scope_dropped_half_way_ends_its_local_children() {
    let log = Log::new();
    let seen = log.clone();
    root(async move |_| {
        let work = coroutine_scope(async |scope| {
            let guard = Here::new(&log, "child");
            scope.launch_local(async move {
                let _guard = guard;
                forever().await;
            });
            forever().await;
            Ok(())
        });
        tokio::select! {
            biased;
            _ = work => unreachable!(),
            () = async { yield_now().await; yield_now().await } => {}
        }
        Ok(())
    });
    assert_eq!(seen.take(), ["child dropped here: true"]);
}

#[test]
fn local_bodies_in_a_nested_root_and_with_limits_of_time() {
    root(async |scope| {
        let rc = Rc::new(Cell::new(0));
        let outer = rc.clone();
        let job = scope.launch_local(async move {
            let inner = outer.clone();
            run_blocking(async |nested| {
                let inner = inner.clone();
                nested.launch_local(async move {
                    yield_now().await;
                    inner.set(inner.get() + 1);
                });
                Ok(())
            })
            .unwrap();
            let late = with_timeout_or_none(Duration::from_millis(2), async |s| {
                let inner = outer.clone();
                s.launch_local(async move {
                    forever().await;
                    inner.set(100);
                });
                Ok(())
            })
            .await;
            assert_eq!(late.unwrap(), None);
            outer.set(outer.get() + 1);
        });
        job.join().await;
        assert_eq!(rc.get(), 2);
        Ok(())
    });
}

/// A handler of the context hears of a detached one.
#[test]
fn a_detached_local_failure_is_reported() {
    let log = Log::new();
    let told = log.clone();
    root(async move |scope| {
        let handler = ExceptionHandler::new(move |_, error| told.add(error.to_string()));
        let detached: CoroutineScope = scope + handler;
        let job = detached
            .with(NonCancellable)
            .launch_local(async { Err::<(), _>(Error::msg("nobody's")) });
        job.join().await;
        Ok(())
    });
    assert_eq!(log.take(), ["nobody's"]);
}

/// Wakes and cancellations from other threads while loops end: nothing is dropped elsewhere, and nothing twice.
#[test]
fn wakes_that_race_with_the_end_of_the_loop_drop_nothing_elsewhere() {
    let (made, dropped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    struct Counted(ThreadId, Arc<AtomicUsize>, #[allow(dead_code)] Rc<()>);
    impl Drop for Counted {
        fn drop(&mut self) {
            assert_eq!(self.0, std::thread::current().id());
            self.1.fetch_add(1, Ordering::SeqCst);
        }
    }
    let (m, d) = (made.clone(), dropped.clone());
    checked(move || {
        for round in 0..60 {
            let (tx, rx) = mpsc::channel::<corox_core::Job>();
            let other = std::thread::spawn(move || {
                for job in rx {
                    for _ in 0..round {
                        std::hint::spin_loop();
                    }
                    job.cancel();
                }
            });
            run_blocking(async |scope| {
                for n in 0..8 {
                    let guard = Counted(std::thread::current().id(), d.clone(), Rc::new(()));
                    m.fetch_add(1, Ordering::SeqCst);
                    let launcher = scope.with(NonCancellable);
                    let launcher = if n % 2 == 0 {
                        launcher.lazy()
                    } else {
                        launcher
                    };
                    let job = launcher.launch_local(async move {
                        let _guard = guard;
                        forever().await;
                    });
                    tx.send(job).unwrap();
                    if n % 3 == 0 {
                        yield_now().await;
                    }
                }
                Ok(())
            })
            .unwrap();
            drop(tx);
            other.join().unwrap();
        }
    });
    assert_eq!(made.load(Ordering::SeqCst), dropped.load(Ordering::SeqCst));
}
