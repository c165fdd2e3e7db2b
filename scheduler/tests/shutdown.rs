//! What a closing runtime and a refusing dispatcher do with tasks: nothing is lost (D-15).

mod common;

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{eventually, make, multi, send, single, spawn};
use corox_scheduler::{Dispatch, Dispatcher, Home, Rejected, Sleep, Task, Wakeup, fallback};

/// Counts the coroutines that came to their end; those that were dropped do not count.
#[derive(Clone)]
struct Ends(Arc<AtomicUsize>);

impl Ends {
    fn reached(self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn coroutine(
    to: &Dispatcher,
    rejections: &Arc<AtomicUsize>,
    future: impl Future<Output = ()> + Send + 'static,
) -> Task {
    let (to, rejections) = (to.clone(), rejections.clone());
    Task::new(future, move |task, how| send(&to, &rejections, task, how))
}

/// D-15: a dispatcher that refuses gives the task back with its reason, and it runs elsewhere.
#[test]
fn a_rejected_task_comes_back_and_runs_on_the_fallback() {
    struct Closed;
    impl Dispatch for Closed {
        fn dispatch(&self, task: Task) -> Result<(), Rejected> {
            Err(Rejected::new(task, String::from("closed")))
        }
    }
    let closed = Dispatcher::new(Closed);
    let (task, join) = make(&closed, async { fallback().runs_here() });
    let rejected = closed.dispatch(task, Wakeup::Launch).unwrap_err();
    assert_eq!(rejected.reason(), "closed");
    assert!(rejected.to_string().contains("closed"));
    fallback()
        .dispatch(rejected.into_task(), Wakeup::Launch)
        .unwrap();
    assert!(join.wait());
}

/// D-15: after shutdown every dispatch is rejected, on the pool and on IO, for both kinds of runtime.
#[test]
fn a_runtime_that_has_shut_down_rejects() {
    for rt in [multi(2), single()] {
        let pool = Dispatcher::tokio(rt.handle().clone());
        rt.block_on(async {
            spawn(&pool, async {}).await.unwrap();
        });
        drop(rt);
        let (task, _join) = make(&pool, async {});
        let rejected = pool.dispatch(task, Wakeup::Launch).unwrap_err();
        assert!(rejected.reason().contains("shut down"));
    }
    let rt = multi(1);
    let home = rt.block_on(async { Home::current().0 });
    let io = Dispatcher::IO.resolve(&home);
    assert!(spawn(&io, async { true }).wait());
    drop(rt);
    assert!(io.dispatch(make(&io, async {}).0, Wakeup::Launch).is_err());
    // A pool asked for after the end is closed from the start.
    let rt = multi(1);
    let handle = rt.handle().clone();
    drop(rt);
    let late = Dispatcher::tokio(handle);
    assert!(
        late.dispatch(make(&late, async {}).0, Wakeup::Launch)
            .is_err()
    );
}

/// D-15, D-1: queued and suspended coroutines all end when their runtime goes.
#[test]
fn shutdown_loses_neither_queued_nor_suspended_coroutines() {
    for kind in 0..2 {
        let rt = if kind == 0 { multi(2) } else { single() };
        let pool = Dispatcher::tokio(rt.handle().clone());
        let rejections = Arc::new(AtomicUsize::new(0));
        let ended = Arc::new(AtomicUsize::new(0));
        let (stop, _) = tokio::sync::watch::channel(());
        for _ in 0..100 {
            let (ends, mut stopped) = (Ends(ended.clone()), stop.subscribe());
            let task = coroutine(&pool, &rejections, async move {
                stopped.changed().await.unwrap();
                ends.reached();
            });
            pool.dispatch(task, Wakeup::Launch).unwrap();
        }
        rt.block_on(async { spawn(&pool, async {}).await });
        // Queued when the end comes: a worker that blocks keeps them where they are.
        if kind == 0 {
            let (entered, inside) = std::sync::mpsc::channel();
            let (tx, rx) = std::sync::mpsc::channel::<()>();
            let rx = Arc::new(Mutex::new(rx));
            for _ in 0..2 {
                let (rx, entered) = (rx.clone(), entered.clone());
                spawn(&pool, async move {
                    entered.send(()).unwrap();
                    let _ = rx.lock().unwrap().recv_timeout(Duration::from_secs(5));
                });
            }
            for _ in 0..2 {
                inside.recv().unwrap();
            }
            for _ in 0..300 {
                let ends = Ends(ended.clone());
                let task = coroutine(&pool, &rejections, async move { ends.reached() });
                pool.dispatch(task, Wakeup::Launch).unwrap();
            }
            rt.shutdown_background();
            drop(tx);
        } else {
            for _ in 0..300 {
                let ends = Ends(ended.clone());
                let task = coroutine(&pool, &rejections, async move { ends.reached() });
                pool.dispatch(task, Wakeup::Launch).unwrap();
            }
            drop(rt);
        }
        eventually("the queued end", || ended.load(Ordering::SeqCst) == 300);
        stop.send(()).unwrap();
        eventually("the suspended end", || ended.load(Ordering::SeqCst) == 400);
        assert!(rejections.load(Ordering::SeqCst) >= 100);
    }
}

/// A timer of a runtime that is gone keeps its promise.
#[test]
fn a_sleep_outlives_the_runtime_it_was_made_on() {
    // tokio's own timer would panic.
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        report(info);
    }));
    let rt = multi(1);
    let pool = Dispatcher::tokio(rt.handle().clone());
    let rejections = Arc::new(AtomicUsize::new(0));
    let done = Arc::new(AtomicBool::new(false));
    let (started, is_started) = std::sync::mpsc::channel();
    let (to, seen) = (pool.clone(), done.clone());
    let task = coroutine(&pool, &rejections, async move {
        let sleep = Sleep::after(&to, Duration::from_millis(80));
        started.send(()).unwrap();
        sleep.await;
        seen.store(true, Ordering::SeqCst);
    });
    pool.dispatch(task, Wakeup::Launch).unwrap();
    is_started.recv().unwrap();
    drop(rt);
    eventually("the sleep ends", || done.load(Ordering::SeqCst));
    // Made after the end.
    let late = Sleep::after(&pool, Duration::from_millis(1));
    spawn(&fallback(), late).wait();
    assert_eq!(PANICS.load(Ordering::SeqCst), 0);
}

/// The race of pushes against the closing, many times over.
#[test]
fn nothing_is_lost_when_threads_push_while_the_runtime_closes() {
    for round in 0..60 {
        let rt = if round % 2 == 0 { multi(2) } else { single() };
        let pool = Dispatcher::tokio(rt.handle().clone());
        let mut to = vec![pool.clone(), pool];
        if round % 2 == 0 {
            to.push(Dispatcher::IO.resolve(&rt.block_on(async { Home::current().0 })));
        }
        let (pushed, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let go = Arc::new(std::sync::Barrier::new(to.len() + 1));
        let threads: Vec<_> = to
            .into_iter()
            .map(|to| {
                let (pushed, ended, go) = (pushed.clone(), ended.clone(), go.clone());
                std::thread::spawn(move || {
                    let rejections = Arc::new(AtomicUsize::new(0));
                    go.wait();
                    // Until the closing is seen, so that it happens between two pushes or in one.
                    while rejections.load(Ordering::SeqCst) == 0 {
                        pushed.fetch_add(1, Ordering::SeqCst);
                        let ends = Ends(ended.clone());
                        let task = coroutine(&to, &rejections, async move {
                            common::yield_now().await;
                            common::again().await;
                            ends.reached();
                        });
                        send(&to, &rejections, task, Wakeup::Launch);
                    }
                })
            })
            .collect();
        go.wait();
        for _ in 0..round * 20 {
            std::hint::spin_loop();
        }
        rt.shutdown_background();
        for thread in threads {
            thread.join().unwrap();
        }
        let all = || ended.load(Ordering::SeqCst) == pushed.load(Ordering::SeqCst);
        eventually("all have ended", all);
    }
}

/// A runtime whose only drainer is in a poll for long closes all the same: those who would wait for it are told at once.
#[test]
fn a_runtime_whose_only_worker_is_blocked_closes_at_shutdown() {
    let rt = multi(1);
    let (home, pool) = rt.block_on(async { Home::current() });
    let (entered, inside) = std::sync::mpsc::channel();
    let (tx, rx) = std::sync::mpsc::channel::<()>();
    let blocked = spawn(&pool, async move {
        tokio::task::block_in_place(|| {
            entered.send(()).unwrap();
            rx.recv_timeout(Duration::from_secs(20)).is_ok()
        })
    });
    inside.recv().unwrap();
    rt.shutdown_background();
    eventually("it is closed", || {
        format!("{home:?}").contains("closed: true")
    });
    assert!(
        pool.dispatch(make(&pool, async {}).0, Wakeup::Launch)
            .is_err()
    );
    tx.send(()).unwrap();
    assert!(blocked.wait());
}
