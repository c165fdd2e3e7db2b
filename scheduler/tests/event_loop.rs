//! The event loop: order, nesting, its end, where it may not be.

mod common;

use std::cell::RefCell;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Log, again, make, multi, single, spawn, yield_now};
use corox_scheduler::{Dispatcher, Sleep, Wakeup, block_on, fallback, now};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, oneshot};

const MS: Duration = Duration::from_millis(1);

/// D-17: launches, wakes, yields and repeats are one queue.
#[test]
fn events_run_in_the_order_in_which_they_were_queued() {
    let log = Log::default();
    let seen = log.clone();
    block_on(|events| async move {
        let (tx, rx) = oneshot::channel::<()>();
        let mut joins = vec![];
        let mine = seen.clone();
        joins.push(spawn(&events, async move {
            mine.add("a");
            rx.await.unwrap();
            mine.add("a woken");
        }));
        let (mine, to) = (seen.clone(), events.clone());
        joins.push(spawn(&events, async move {
            mine.add("b");
            let mine2 = mine.clone();
            let child = spawn(&to, async move { mine2.add("b's child") });
            tx.send(()).unwrap();
            yield_now().await;
            mine.add("b yielded");
            again().await;
            mine.add("b again");
            child.await;
        }));
        let mine = seen.clone();
        joins.push(spawn(&events, async move { mine.add("c") }));
        seen.add("root");
        yield_now().await;
        seen.add("root yielded");
        for join in joins {
            join.await;
        }
    });
    let expected = [
        "root",
        "a",
        "b",
        "c",
        "root yielded",
        "b's child",
        "a woken",
        "b yielded",
        "b again",
    ];
    assert_eq!(log.take(), expected);
}

/// D-17: timers in the order of deadlines, equal ones in the order of registration.
#[test]
fn timers_fire_in_the_order_of_deadline_then_registration() {
    let log = Log::default();
    let seen = log.clone();
    block_on(|events| async move {
        let start = now(&events);
        let mut joins = vec![];
        for (n, ms) in [30, 10, 20, 10, 30, 20, 10].into_iter().enumerate() {
            let (seen, to) = (seen.clone(), events.clone());
            joins.push(spawn(&events, async move {
                Sleep::until(&to, start + ms * MS).await;
                seen.add(format!("{ms} #{n}"));
            }));
        }
        let early = Sleep::until(&events, start + 15 * MS);
        // Overdue when it is their turn: they still fire in order.
        yield_now().await;
        common::burn(40 * MS);
        early.await;
        for join in joins {
            join.await;
        }
        assert!(start.elapsed() >= 30 * MS);
    });
    assert_eq!(
        log.take(),
        [
            "10 #1", "10 #3", "10 #6", "20 #2", "20 #5", "30 #0", "30 #4"
        ]
    );
}

/// D-17: a busy queue does not keep timers waiting, nor tokio's driver.
#[test]
fn timers_and_sockets_are_served_beside_a_coroutine_that_yields_for_ever() {
    block_on(|events| async move {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        spawn(&events, async move {
            while !stopped.load(Ordering::SeqCst) {
                yield_now().await;
            }
        });
        Sleep::after(&events, 5 * MS).await;
        tokio::time::sleep(5 * MS).await;
        assert_eq!(tokio::spawn(async { 1 }).await.unwrap(), 1);
        echo(&events).await;
        stop.store(true, Ordering::SeqCst);
    });
}

async fn echo(events: &Dispatcher) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = spawn(events, async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 4];
        socket.read_exact(&mut buffer).await.unwrap();
        socket.write_all(&buffer).await.unwrap();
    });
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    socket.write_all(b"ping").await.unwrap();
    let mut buffer = [0; 4];
    socket.read_exact(&mut buffer).await.unwrap();
    assert_eq!(&buffer, b"ping");
    server.await.unwrap();
}

/// D-18: a timer queues its coroutine once, and cancelled timers wake nobody.
#[test]
fn an_expired_timer_is_one_dispatch_and_a_dropped_one_none() {
    block_on(|events| async move {
        let dispatches = Arc::new(AtomicUsize::new(0));
        let (tx, rx) = oneshot::channel();
        let (to, count) = (events.clone(), dispatches.clone());
        let sleeper = events.clone();
        let task = corox_scheduler::Task::new(
            async move {
                let mut dropped = Box::pin(Sleep::after(&sleeper, MS));
                let first = std::future::poll_fn(|cx| {
                    std::task::Poll::Ready(dropped.as_mut().poll(cx).is_ready())
                });
                assert!(!first.await);
                drop(dropped);
                Sleep::after(&sleeper, 10 * MS).await;
                tx.send(()).unwrap();
            },
            move |task, how| {
                count.fetch_add(1, Ordering::SeqCst);
                to.dispatch(task, how).unwrap();
            },
        );
        events.dispatch(task, Wakeup::Launch).unwrap();
        rx.await.unwrap();
        assert_eq!(dispatches.load(Ordering::SeqCst), 1);
    });
}

/// D-13: the nested loop runs the outer loop's tasks and timers.
#[test]
fn a_nested_loop_runs_the_queue_and_timers_of_the_outer() {
    let log = Log::default();
    let seen = log.clone();
    block_on(|events| async move {
        let (tx, rx) = oneshot::channel();
        let (mine, to) = (seen.clone(), events.clone());
        spawn(&events, async move {
            mine.add("outer task");
            Sleep::after(&to, 5 * MS).await;
            mine.add("outer timer");
            tx.send(7).unwrap();
        });
        let outer = events.clone();
        let mine = seen.clone();
        let seven = block_on(move |inner| async move {
            assert_eq!(inner, outer);
            mine.add("nested");
            rx.await.unwrap()
        });
        seen.add(format!("nested gave {seven}"));
    });
    assert_eq!(
        log.take(),
        ["outer task", "nested", "outer timer", "nested gave 7"]
    );
}

/// D-13, and beyond the design: tokio's timers and sockets go on inside a nested loop.
#[test]
fn tokio_timers_sockets_and_tasks_go_on_inside_nested_loops() {
    block_on(|events| async move {
        let outer = spawn(&events, async {
            tokio::time::sleep(10 * MS).await;
            "outer's tokio timer"
        });
        let text = block_on(|events| async move {
            tokio::time::sleep(2 * MS).await;
            echo(&events).await;
            block_on(|events| async move {
                tokio::time::sleep(2 * MS).await;
                assert_eq!(tokio::spawn(async { 5 }).await.unwrap(), 5);
                echo(&events).await;
                outer.await.unwrap()
            })
        });
        assert_eq!(text, "outer's tokio timer");
        tokio::time::sleep(MS).await;
    });
}

/// D-13: what wakes the outer root while a nested loop runs is kept for it.
#[test]
fn a_wake_up_of_the_outer_root_during_a_nested_loop_is_not_lost() {
    // The nested loop is in a task here, so the outer root is suspended, not on the stack.
    let log = Log::default();
    let seen = log.clone();
    block_on(|events| async move {
        let notify = Arc::new(Notify::new());
        let (mine, waker, to) = (seen.clone(), notify.clone(), events.clone());
        let task = spawn(&events, async move {
            block_on(|_| async {
                waker.notify_one();
                yield_now().await;
                Sleep::after(&to, 3 * MS).await;
                mine.add("nested");
            });
        });
        notify.notified().await;
        seen.add("outer");
        task.await;
        // And with a wake-up while it is on the stack itself.
        let (tx, rx) = oneshot::channel();
        let mut rx = std::pin::pin!(rx);
        let mut tx = Some(tx);
        std::future::poll_fn(|cx| {
            let polled = rx.as_mut().poll(cx);
            if let Some(tx) = tx.take() {
                block_on(|events| async move {
                    tx.send(()).unwrap();
                    Sleep::after(&events, MS).await;
                });
            }
            polled
        })
        .await
        .unwrap();
    });
    assert_eq!(log.take(), ["nested", "outer"]);
}

/// The root and what it makes need not be `Send` nor `'static`.
#[test]
fn a_root_may_borrow_and_be_bound_to_its_thread() {
    let local = Rc::new(RefCell::new(vec![1]));
    let mut borrowed = vec![2];
    let out = block_on(|_| async {
        let kept = local.clone();
        yield_now().await;
        kept.borrow_mut().push(3);
        borrowed.push(4);
        &borrowed
    });
    assert_eq!(
        (out.as_slice(), local.borrow().as_slice()),
        (&[2, 4][..], &[1, 3][..])
    );
}

/// D-14: tasks, timers and later dispatches of a loop that has ended run on the own pool.
#[test]
fn what_is_left_when_the_root_ends_moves_to_the_own_pool() {
    let ended = Log::default();
    let late_wake = Arc::new(Notify::new());
    let (mine, notify) = (ended.clone(), late_wake.clone());
    let (events, joins) = block_on(|events| async move {
        let mut joins = vec![];
        let (seen, to) = (mine.clone(), events.clone());
        joins.push(spawn(&events, async move {
            yield_now().await;
            yield_now().await;
            seen.add("queued");
            (fallback().runs_here(), to.runs_here())
        }));
        let (seen, to) = (mine.clone(), events.clone());
        joins.push(spawn(&events, async move {
            Sleep::after(&to, 20 * MS).await;
            seen.add("timer");
            (fallback().runs_here(), to.runs_here())
        }));
        let (seen, to) = (mine.clone(), events.clone());
        joins.push(spawn(&events, async move {
            notify.notified().await;
            // Registered after the end.
            Sleep::after(&to, 5 * MS).await;
            seen.add("woken");
            (fallback().runs_here(), to.runs_here())
        }));
        yield_now().await;
        (events, joins)
    });
    let mut joins = joins.into_iter();
    assert_eq!(joins.next().unwrap().wait(), (true, false));
    assert_eq!(joins.next().unwrap().wait(), (true, false));
    late_wake.notify_one();
    assert_eq!(joins.next().unwrap().wait(), (true, false));
    assert_eq!(ended.take(), ["queued", "timer", "woken"]);
    assert_eq!(spawn(&events, async { 9 }).wait(), 9);
    assert!(!events.runs_here());
}

/// D-14: one turn, so that what goes on for ever does not keep the caller.
#[test]
fn what_is_queued_when_the_root_ends_has_its_turn_before_block_on_returns() {
    let log = Log::default();
    let stop = Arc::new(AtomicBool::new(false));
    let (seen, stopped) = (log.clone(), stop.clone());
    let (tx, joins) = std::sync::mpsc::channel();
    block_on(|events| async move {
        let (mine, to, later) = (seen.clone(), events.clone(), tx.clone());
        spawn(&events, async move {
            assert!(to.runs_here());
            mine.add("queued by the root");
            // Queued by what has its turn: too late for one of its own.
            let join = spawn(&to, async { fallback().runs_here() });
            assert!(later.send(join).is_ok());
        });
        let (mine, to) = (seen.clone(), events.clone());
        let other = std::thread::spawn(move || {
            spawn(&to, async move { mine.add("by another thread") });
        });
        other.join().unwrap();
        let endless = spawn(&events, async move {
            seen.add("endless");
            yield_now().await;
            let moved = fallback().runs_here();
            while !stopped.load(Ordering::Relaxed) {
                yield_now().await;
            }
            moved
        });
        assert!(tx.send(endless).is_ok());
    });
    assert_eq!(
        log.take(),
        ["queued by the root", "by another thread", "endless"]
    );
    stop.store(true, Ordering::Relaxed);
    let moved: Vec<_> = joins.into_iter().map(common::Join::wait).collect();
    assert_eq!(moved, [true, true]);
}

/// D-14, on unwinding.
#[test]
fn a_panic_of_the_root_unwinds_out_after_what_is_left_has_moved() {
    let (tx, rx) = std::sync::mpsc::channel();
    let panic = std::panic::catch_unwind(AssertUnwindSafe(|| {
        block_on(|events| async move {
            spawn(&events, async move {
                yield_now().await;
                yield_now().await;
                tx.send(fallback().runs_here()).unwrap();
            });
            yield_now().await;
            panic!("on purpose");
        })
    }));
    let panic = panic.unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"on purpose"));
    assert!(rx.recv_timeout(Duration::from_secs(10)).unwrap());
    // The thread is as before.
    assert_eq!(block_on(|_| async { 1 }), 1);
}

/// A blocking task that never ends does not keep `block_on`; tokio's own tasks are dropped with it.
#[test]
fn the_end_of_a_loop_waits_for_no_blocking_task_and_drops_tokios_tasks() {
    let (tx, rx) = std::sync::mpsc::channel::<()>();
    let dropped = Arc::new(AtomicBool::new(false));
    struct Sets(Arc<AtomicBool>);
    impl Drop for Sets {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let sets = Sets(dropped.clone());
    block_on(|_| async move {
        tokio::task::spawn_blocking(move || rx.recv_timeout(Duration::from_secs(20)));
        tokio::spawn(async move {
            let _sets = sets;
            std::future::pending::<()>().await;
        });
        yield_now().await;
    });
    assert!(dropped.load(Ordering::SeqCst));
    tx.send(()).unwrap();
}

/// On a worker of a multi-thread runtime the others go on: `block_in_place`.
#[test]
fn a_loop_on_a_worker_of_a_multi_thread_runtime_leaves_its_tasks_running() {
    let rt = multi(1);
    let pool = Dispatcher::tokio(rt.handle().clone());
    let to = pool.clone();
    let sum = spawn(&pool, async move {
        // Queued behind this coroutine on the only worker.
        let (one, two) = (spawn(&to, async { 1 }), tokio::spawn(async { 2 }));
        block_on(|events| async move {
            assert!(events.runs_here());
            one.await.unwrap() + two.await.unwrap()
        })
    });
    assert_eq!(sum.wait(), 3);
    assert_eq!(rt.block_on(async { block_on(|_| async { 4 }) }), 4);
    // A loop, a runtime inside it, and a loop inside that: the same loop as the first.
    let same = block_on(|events| async move {
        let task = spawn(&events, async { 6 });
        multi(1).block_on(async { block_on(|inner| async move { (inner == events, task.await) }) })
    });
    assert_eq!(same, (true, Some(6)));
}

/// Threads that only carry a current-thread runtime's context may block.
#[test]
fn a_loop_may_run_on_a_blocking_thread_of_a_current_thread_runtime() {
    let rt = single();
    let out = rt.block_on(async {
        tokio::task::spawn_blocking(|| {
            block_on(|_| async {
                tokio::time::sleep(MS).await;
                8
            })
        })
        .await
        .unwrap()
    });
    assert_eq!(out, 8);
    let _context = rt.enter();
    assert_eq!(block_on(|_| async { 9 }), 9);
}

fn panic_of(f: impl FnOnce()) -> (String, String) {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let place = Arc::new(Mutex::new(String::new()));
    let (into, thread) = (place.clone(), std::thread::current().id());
    let old = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().id() == thread {
            *into.lock().unwrap() = info.location().map(ToString::to_string).unwrap_or_default();
        }
    }));
    let panic = std::panic::catch_unwind(AssertUnwindSafe(f));
    std::panic::set_hook(old);
    let text = match panic.expect_err("no panic").downcast::<String>() {
        Ok(text) => *text,
        Err(other) => other.downcast_ref::<&str>().unwrap_or(&"").to_string(),
    };
    let place = place.lock().unwrap().clone();
    (text, place)
}

/// On a current-thread runtime everything would stop: the panic says so, at the caller's line.
#[test]
fn a_loop_on_a_current_thread_runtime_panics_at_the_callers_line() {
    let rt = single();
    let mut line = 0;
    let (text, place) = panic_of(|| {
        rt.block_on(async {
            line = line!() + 1;
            block_on(|_| async {})
        })
    });
    assert!(
        text.contains("current-thread") && text.contains("coroutine_scope(..)"),
        "{text}"
    );
    assert!(
        text.contains("with_context(IO, ..)") && text.contains("spawn_blocking"),
        "{text}"
    );
    assert!(
        place.starts_with(&format!("{}:{line}:", file!())),
        "{place}"
    );
    // In a task of the pool there, too.
    let pool = Dispatcher::tokio(rt.handle().clone());
    rt.block_on(async {
        let caught = spawn(&pool, async {
            std::panic::catch_unwind(|| block_on(|_| async {})).is_err()
        });
        assert!(caught.await.unwrap());
    });
}

/// From a tokio task that runs while the loop waits.
#[test]
fn a_loop_in_a_tokio_task_of_a_loops_runtime_panics() {
    let caught = block_on(|_| async {
        let task =
            tokio::spawn(async { std::panic::catch_unwind(|| block_on(|_| async {})).is_err() });
        task.await.unwrap()
    });
    assert!(caught);
}

#[test]
#[should_panic(expected = "it runs a current-thread tokio runtime")]
fn a_loop_on_a_current_thread_runtime_panics() {
    single().block_on(async { block_on(|_| async {}) });
}

/// Pushes of other threads come in order among themselves and wake the loop from its sleep.
#[test]
fn other_threads_push_in_order_and_wake_the_loop() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let seen = log.clone();
    block_on(|events| async move {
        let (tx, rx) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            for n in 0..1000 {
                let seen = seen.clone();
                let (task, _) = make(&events, async move { seen.lock().unwrap().push(n) });
                events.dispatch(task, Wakeup::Launch).unwrap();
            }
            tx.send(()).unwrap();
        });
        rx.await.unwrap();
        thread.join().unwrap();
        // Behind all that the thread pushed.
        yield_now().await;
    });
    assert_eq!(*log.lock().unwrap(), (0..1000).collect::<Vec<_>>());
}

/// What a thread pushed before it told the loop about it stays before what the loop pushes then.
#[test]
fn nothing_overtakes_what_happened_before_it() {
    let log = Log::default();
    let seen = log.clone();
    block_on(|events| async move {
        for _ in 0..100 {
            let (mine, to) = (seen.clone(), events.clone());
            std::thread::spawn(move || spawn(&to, async move { mine.add("theirs") }))
                .join()
                .unwrap();
            let mine = seen.clone();
            spawn(&events, async move { mine.add("ours") })
                .await
                .unwrap();
        }
    });
    for pair in log.take().chunks(2) {
        assert_eq!(pair, ["theirs", "ours"]);
    }
}
