//! The worker pool: order, parallelism, fairness, blocked workers, faults.

mod common;

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use common::{Log, again, burn, eventually, make, multi, spawn, yield_now};
use corox_scheduler::{Dispatcher, Home, Task, Wakeup, fallback};
use tokio::sync::Notify;

/// D-1.
#[test]
fn each_dispatch_is_one_poll_also_under_concurrent_wakes_and_steals() {
    let rt = multi(3);
    let pool = Dispatcher::tokio(rt.handle().clone());
    let (polls, dispatches) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let done = Arc::new(AtomicUsize::new(0));
    let notifies: Vec<_> = (0..300).map(|_| Arc::new(Notify::new())).collect();
    for notify in &notifies {
        let (polls, done, notify) = (polls.clone(), done.clone(), notify.clone());
        let (dispatches, to) = (dispatches.clone(), pool.clone());
        let mut work = Box::pin(async move {
            for n in 0..20 {
                match n % 3 {
                    0 => notify.notified().await,
                    1 => yield_now().await,
                    _ => again().await,
                }
            }
            done.fetch_add(1, Ordering::SeqCst);
        });
        let counted = std::future::poll_fn(move |cx| {
            polls.fetch_add(1, Ordering::SeqCst);
            work.as_mut().poll(cx)
        });
        let task = Task::new(counted, move |task, how| {
            dispatches.fetch_add(1, Ordering::SeqCst);
            to.dispatch(task, how).unwrap();
        });
        task.reschedule();
    }
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let (notifies, done) = (notifies.clone(), done.clone());
            std::thread::spawn(move || {
                while done.load(Ordering::SeqCst) < 300 {
                    notifies.iter().for_each(|notify| notify.notify_one());
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let same = || polls.load(Ordering::SeqCst) == dispatches.load(Ordering::SeqCst);
    eventually("as many polls as dispatches", same);
}

/// D-2: no more CPU-bound tasks at a time than workers.
#[test]
fn no_more_tasks_run_at_a_time_than_there_are_workers() {
    let rt = multi(2);
    let pool = Dispatcher::tokio(rt.handle().clone());
    let (now, max) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let joins: Vec<_> = (0..60)
        .map(|_| {
            let (now, max) = (now.clone(), max.clone());
            spawn(&pool, async move {
                max.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                // Longer than the monitor's tick, so that spares are tempted.
                burn(Duration::from_millis(8));
                now.fetch_sub(1, Ordering::SeqCst);
            })
        })
        .collect();
    for join in joins {
        join.wait();
    }
    assert_eq!(max.load(Ordering::SeqCst), 2);
}

/// Decision 18.
#[test]
fn two_cpu_bound_children_run_on_two_workers_at_once() {
    let rt = multi(2);
    let pool = Dispatcher::tokio(rt.handle().clone());
    let mut fastest = Duration::MAX;
    for _ in 0..20 {
        let to = pool.clone();
        let together = spawn(&pool, async move {
            // They can only both get past the barrier if they run at the same time.
            let barrier = Arc::new(Barrier::new(2));
            let children: Vec<_> = (0..2)
                .map(|_| {
                    let barrier = barrier.clone();
                    spawn(&to, async move {
                        let start = Instant::now();
                        barrier.wait();
                        start.elapsed()
                    })
                })
                .collect();
            let mut waited = Duration::ZERO;
            for child in children {
                waited = waited.max(child.await.unwrap());
            }
            waited
        });
        fastest = fastest.min(together.wait());
    }
    // At once, that is: the monitor alone would need a tick of 5 ms.
    assert!(fastest < Duration::from_millis(3), "{fastest:?}");
    // Others may be busy on this machine, so the best of some.
    let took = (0..5).map(|_| {
        let to = pool.clone();
        let both = spawn(&pool, async move {
            let start = Instant::now();
            let children: Vec<_> = (0..2)
                .map(|_| spawn(&to, async { burn(Duration::from_millis(100)) }))
                .collect();
            for child in children {
                child.await.unwrap();
            }
            start.elapsed()
        });
        both.wait()
    });
    assert!(
        took.into_iter()
            .any(|took| took < Duration::from_millis(180))
    );
}

/// Decision 17: an always-ready tokio channel beside others on one worker.
#[test]
fn a_loop_over_an_always_ready_tokio_channel_does_not_starve_its_worker() {
    let rt = multi(1);
    let pool = Dispatcher::tokio(rt.handle().clone());
    let (tx, mut rx) = tokio::sync::mpsc::unbounded_channel();
    for n in 0..100_000u32 {
        tx.send(n).unwrap();
    }
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let greedy = spawn(&pool, async move {
        let mut seen = 0;
        while !stopped.load(Ordering::SeqCst) {
            let n = rx.recv().await.unwrap();
            tx.send(n).unwrap();
            seen += 1;
        }
        seen
    });
    // A tokio task and a coroutine both get their turn on the only worker.
    let neighbour = rt.spawn(async { 1 });
    assert_eq!(spawn(&pool, async { 2 }).wait(), 2);
    assert_eq!(rt.block_on(neighbour).unwrap(), 1);
    stop.store(true, Ordering::SeqCst);
    assert!(greedy.wait() > 0);
}

/// Decision 17: the batch ends with the budget, so neighbours are not made pending for long.
#[test]
fn a_batch_ends_when_tokios_budget_is_spent() {
    let rt = multi(1);
    let pool = Dispatcher::tokio(rt.handle().clone());
    let to = pool.clone();
    let polls = spawn(&pool, async move {
        // Queued behind this one, in this very batch: the first spends the budget, the second counts its polls.
        let spender = spawn(&to, async {
            for _ in 0..500 {
                tokio::task::consume_budget().await;
            }
        });
        let counter = spawn(&to, async {
            let mut polls = 0;
            let mut work = std::pin::pin!(async {
                for _ in 0..100 {
                    tokio::task::consume_budget().await;
                }
            });
            std::future::poll_fn(|cx| {
                polls += 1;
                work.as_mut().poll(cx)
            })
            .await;
            polls
        });
        spender.await.unwrap();
        counter.await.unwrap()
    })
    .wait();
    assert_eq!(polls, 1);
}

/// D-11, and the order of launches and wakes on one worker.
#[test]
fn a_yield_goes_behind_everything_that_waits_and_a_wake_before() {
    let rt = multi(1);
    let pool = Dispatcher::tokio(rt.handle().clone());
    let log = Log::default();
    let (to, seen) = (pool.clone(), log.clone());
    spawn(&pool, async move {
        let woken = Arc::new(Notify::new());
        let (notify, seen2) = (woken.clone(), seen.clone());
        let waiter = spawn(&to, async move {
            notify.notified().await;
            seen2.add("woken");
        });
        yield_now().await;
        let mut joins = vec![waiter];
        for n in 0..3 {
            let seen = seen.clone();
            joins.push(spawn(&to, async move { seen.add(format!("launched {n}")) }));
        }
        woken.notify_one();
        yield_now().await;
        seen.add("yielded");
        for join in joins {
            join.await;
        }
    })
    .wait();
    assert_eq!(
        log.take(),
        ["woken", "launched 0", "launched 1", "launched 2", "yielded"]
    );
}

/// D-11: without `mark_yield` the next poll waits in the deque only, which is run before the injector.
#[test]
fn a_coroutine_that_wakes_itself_goes_to_the_back_of_its_own_queue() {
    let rt = multi(1);
    let pool = Dispatcher::tokio(rt.handle().clone());
    let log = Log::default();
    let (to, seen) = (pool.clone(), log.clone());
    spawn(&pool, async move {
        let (seen1, seen2) = (seen.clone(), seen.clone());
        let yielder = spawn(&to, async move {
            yield_now().await;
            seen1.add("yield");
        });
        let repeater = spawn(&to, async move {
            again().await;
            seen2.add("again");
        });
        yielder.await;
        repeater.await;
    })
    .wait();
    assert_eq!(log.take(), ["again", "yield"]);
}

/// The next slot does not run for ever: two that wake each other let the launched one through.
#[test]
fn a_ping_pong_in_the_next_slot_lets_others_through() {
    let rt = multi(1);
    let pool = Dispatcher::tokio(rt.handle().clone());
    let to = pool.clone();
    let turns = spawn(&pool, async move {
        let stop = Arc::new(AtomicBool::new(false));
        let (a, b) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let turns = Arc::new(AtomicUsize::new(0));
        let mut joins = vec![];
        for (mine, other) in [(a.clone(), b.clone()), (b.clone(), a.clone())] {
            let (stop, turns) = (stop.clone(), turns.clone());
            joins.push(spawn(&to, async move {
                // A bound, so that the test fails rather than hangs.
                while !stop.load(Ordering::SeqCst) && turns.load(Ordering::SeqCst) < 10_000 {
                    mine.notified().await;
                    turns.fetch_add(1, Ordering::SeqCst);
                    other.notify_one();
                }
                other.notify_one();
            }));
        }
        a.notify_one();
        yield_now().await;
        let (stop2, turns2) = (stop.clone(), turns.clone());
        let through = spawn(&to, async move {
            stop2.store(true, Ordering::SeqCst);
            turns2.load(Ordering::SeqCst)
        });
        let turns = through.await.unwrap();
        for join in joins {
            join.await;
        }
        turns
    })
    .wait();
    assert!(turns < 200, "{turns}");
}

/// The injector is not kept waiting by deques that never run empty: what comes from outside gets its turn, on one worker and
/// on as many as are busy.
#[test]
fn a_launch_from_outside_gets_through_to_busy_workers() {
    for workers in [1, 2] {
        let rt = multi(workers);
        let pool = Dispatcher::tokio(rt.handle().clone());
        let (stop, turns) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let busy: Vec<_> = (0..workers)
            .map(|_| {
                let (stop, turns) = (stop.clone(), turns.clone());
                spawn(&pool, async move {
                    // A bound, so that the test fails rather than hangs.
                    for _ in 0..1_000_000 {
                        if stop.load(Ordering::SeqCst) {
                            return;
                        }
                        turns.fetch_add(1, Ordering::SeqCst);
                        again().await;
                    }
                })
            })
            .collect();
        eventually("they are busy", || turns.load(Ordering::SeqCst) > 1000);
        let seen = turns.clone();
        let through = spawn(&pool, async move { seen.load(Ordering::SeqCst) });
        let launched = turns.load(Ordering::SeqCst);
        let waited = through.wait().saturating_sub(launched);
        stop.store(true, Ordering::SeqCst);
        busy.into_iter().for_each(common::Join::wait);
        assert!(waited < 200 * workers, "{workers} workers: {waited} turns");
    }
}

/// Decision 19: wake X, then block until X answers.
#[test]
fn what_a_task_woke_before_it_blocks_in_place_runs_meanwhile() {
    for workers in [1, 2] {
        let rt = multi(workers);
        let pool = Dispatcher::tokio(rt.handle().clone());
        let to = pool.clone();
        let answer = spawn(&pool, async move {
            let (ask, asked) = tokio::sync::oneshot::channel();
            let (reply, replied) = std::sync::mpsc::channel();
            spawn(&to, async move {
                let n: i32 = asked.await.unwrap();
                reply.send(n + 1).unwrap();
            });
            yield_now().await;
            ask.send(41).unwrap();
            tokio::task::block_in_place(|| replied.recv_timeout(Duration::from_secs(10)).unwrap())
        })
        .wait();
        assert_eq!(answer, 42);
    }
}

/// After short turns a few that are woken are kept for the same worker; if it computes instead, the monitor sends them elsewhere.
#[test]
fn what_a_task_woke_after_short_turns_runs_elsewhere_while_it_computes() {
    let rt = multi(2);
    let pool = Dispatcher::tokio(rt.handle().clone());
    for others in 1..=4 {
        let to = pool.clone();
        let all_ran = spawn(&pool, async move {
            let ran = Arc::new(AtomicUsize::new(0));
            let (ask, _) = tokio::sync::broadcast::channel::<()>(1);
            for _ in 0..others {
                let (ran, mut asked) = (ran.clone(), ask.subscribe());
                spawn(&to, async move {
                    asked.recv().await.unwrap();
                    ran.fetch_add(1, Ordering::SeqCst);
                });
            }
            for _ in 0..1000 {
                again().await;
            }
            ask.send(()).unwrap();
            let begun = Instant::now();
            while ran.load(Ordering::SeqCst) < others && begun.elapsed() < Duration::from_secs(10) {
                std::hint::spin_loop();
            }
            ran.load(Ordering::SeqCst) == others
        });
        assert!(all_ran.wait(), "{others}");
    }
}

/// Decision 20: the woken drainer is in that worker's own slot in tokio, from where nobody takes it.
#[test]
fn what_a_task_of_tokios_woke_before_it_blocks_its_thread_runs_on_another() {
    let rt = multi(2);
    let pool = Dispatcher::tokio(rt.handle().clone());
    for _ in 0..20 {
        let (notify, begun) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let (reply, replied) = std::sync::mpsc::channel();
        let woken = {
            let (notify, begun) = (notify.clone(), begun.clone());
            spawn(&pool, async move {
                let notified = notify.notified();
                begun.store(true, Ordering::SeqCst);
                notified.await;
                reply.send(()).unwrap();
            })
        };
        eventually("it waits", || begun.load(Ordering::SeqCst));
        let blocks = rt.spawn(async move {
            notify.notify_waiters();
            replied.recv_timeout(Duration::from_secs(10)).unwrap();
        });
        rt.block_on(blocks).unwrap();
        woken.wait();
    }
}

/// Decision 20: as many blocked as there are drainers, and a launch from outside.
#[test]
fn a_launch_does_not_wait_for_workers_that_block_in_place() {
    let rt = multi(2);
    let pool = Dispatcher::tokio(rt.handle().clone());
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = Arc::new(std::sync::Mutex::new(released));
    let blocked = Arc::new(AtomicUsize::new(0));
    let joins: Vec<_> = (0..2)
        .map(|_| {
            let (released, blocked) = (released.clone(), blocked.clone());
            spawn(&pool, async move {
                tokio::task::block_in_place(|| {
                    blocked.fetch_add(1, Ordering::SeqCst);
                    released
                        .lock()
                        .unwrap()
                        .recv_timeout(Duration::from_secs(10))
                        .unwrap();
                });
            })
        })
        .collect();
    eventually("both block", || blocked.load(Ordering::SeqCst) == 2);
    for _ in 0..20 {
        assert_eq!(spawn(&pool, async { 7 }).wait(), 7);
    }
    release.send(()).unwrap();
    release.send(()).unwrap();
    for join in joins {
        join.wait();
    }
}

/// Decision 21: a task's panic, a panicking destructor, and a panicking schedule function.
#[test]
fn panics_of_tasks_destructors_and_schedule_functions_leave_the_pool_working() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in a destructor, on purpose");
        }
    }
    let rt = multi(1);
    let pool = Dispatcher::tokio(rt.handle().clone());
    for _ in 0..3 {
        spawn(&pool, async { panic!("on purpose") });
        spawn(&pool, async {
            let _bomb = Bomb;
            yield_now().await;
        });
        let suspended = Bomb;
        let (task, _join) = make(&pool, async move {
            let _bomb = suspended;
            std::future::pending::<()>().await;
        });
        pool.dispatch(task, Wakeup::Launch).unwrap();
        let task = Task::new(again(), |_, _| panic!("schedule, on purpose"));
        pool.dispatch(task, Wakeup::Launch).unwrap();
    }
    assert_eq!(spawn(&pool, async { 5 }).wait(), 5);
    let (unrun, _join) = make(&pool, {
        let bomb = Bomb;
        async move { drop(bomb) }
    });
    assert!(std::panic::catch_unwind(AssertUnwindSafe(|| drop(unrun))).is_ok());
}

/// Decision 22 and 23: `Home::current` in each place.
#[test]
fn a_root_on_a_multi_thread_runtime_is_at_home_there() {
    let rt = multi(2);
    let (task, plain) = rt.block_on(async {
        let plain = Home::current().1;
        (
            tokio::spawn(async { Home::current().1 }).await.unwrap(),
            plain,
        )
    });
    assert_eq!(task, plain);
    assert_eq!(task, Dispatcher::tokio(rt.handle().clone()));
    assert_ne!(task, fallback());
    assert_eq!(Home::current().1, fallback());
    let io = rt.block_on(async { Dispatcher::IO.resolve(&Home::current().0) });
    let seen = io.clone();
    assert!(spawn(&io, async move { seen.runs_here() }).wait());
    let seen = task.clone();
    assert!(spawn(&task, async move { seen.runs_here() }).wait());
    assert!(!task.runs_here());
}

/// The I/O driver gets its turn beside coroutines that yield for ever (batches end).
#[test]
fn sockets_are_served_beside_a_coroutine_that_yields_for_ever() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let rt = multi(1);
    let pool = Dispatcher::tokio(rt.handle().clone());
    let stop = Arc::new(AtomicBool::new(false));
    for yields in [true, false] {
        let stop = stop.clone();
        spawn(&pool, async move {
            while !stop.load(Ordering::SeqCst) {
                if yields {
                    yield_now().await;
                } else {
                    again().await;
                }
            }
        });
    }
    let to = pool.clone();
    let echoed = spawn(&pool, async move {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        spawn(&to, async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 4];
            for _ in 0..50 {
                socket.read_exact(&mut buffer).await.unwrap();
                socket.write_all(&buffer).await.unwrap();
            }
        });
        let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
        let mut buffer = *b"ping";
        for _ in 0..50 {
            socket.write_all(&buffer).await.unwrap();
            socket.read_exact(&mut buffer).await.unwrap();
        }
        buffer
    });
    let (tx, rx) = std::sync::mpsc::channel();
    std::thread::spawn(move || tx.send(echoed.wait()));
    let echoed = rx.recv_timeout(Duration::from_secs(10));
    stop.store(true, Ordering::SeqCst);
    assert_eq!(echoed.unwrap(), *b"ping");
}

/// And soon, when each turn takes long: a batch ends by time, too.
#[test]
fn sockets_are_served_soon_beside_coroutines_that_compute_and_yield() {
    use std::io::Write;
    use tokio::io::AsyncReadExt;
    let rt = multi(1);
    let pool = Dispatcher::tokio(rt.handle().clone());
    let (turns, stop) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    for _ in 0..2 {
        let (turns, stop) = (turns.clone(), stop.clone());
        spawn(&pool, async move {
            while !stop.load(Ordering::SeqCst) {
                burn(Duration::from_millis(1));
                turns.fetch_add(1, Ordering::SeqCst);
                yield_now().await;
            }
        });
    }
    let (to_address, address) = std::sync::mpsc::channel();
    let (to_seen, seen) = std::sync::mpsc::channel();
    let counted = turns.clone();
    spawn(&pool, async move {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        to_address.send(listener.local_addr().unwrap()).unwrap();
        let (mut socket, _) = listener.accept().await.unwrap();
        while socket.read_u8().await.is_ok() {
            to_seen.send(counted.load(Ordering::SeqCst)).unwrap();
        }
    });
    let mut socket = std::net::TcpStream::connect(address.recv().unwrap()).unwrap();
    let late: Vec<_> = (0..5)
        .map(|_| {
            socket.write_all(b"x").unwrap();
            let written = turns.load(Ordering::SeqCst);
            seen.recv().unwrap().saturating_sub(written)
        })
        .collect();
    stop.store(true, Ordering::SeqCst);
    assert!(
        late.iter().all(|turns| *turns < 40),
        "late by {late:?} turns"
    );
}

/// A push beyond one's own work wakes one who sleeps.
#[test]
fn a_burst_from_one_coroutine_reaches_all_workers_at_once() {
    let rt = multi(4);
    let pool = Dispatcher::tokio(rt.handle().clone());
    let mut fastest = Duration::MAX;
    for _ in 0..30 {
        let to = pool.clone();
        let round = spawn(&pool, async move {
            // All four must be inside at once, or the barrier never opens.
            let (start, barrier) = (Instant::now(), Arc::new(Barrier::new(4)));
            let children: Vec<_> = (0..4)
                .map(|_| {
                    let barrier = barrier.clone();
                    spawn(&to, async move {
                        barrier.wait();
                    })
                })
                .collect();
            for child in children {
                child.await.unwrap();
            }
            start.elapsed()
        });
        fastest = fastest.min(round.wait());
    }
    // The monitor alone would need a tick of 5 ms for each.
    assert!(fastest < Duration::from_millis(4), "{fastest:?}");
}
