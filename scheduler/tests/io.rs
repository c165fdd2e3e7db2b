//! IO: the cap, and that blocking calls and computations leave each other alone (D-2, D-3).

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use common::{burn, eventually, multi, single, spawn, yield_now};
use corox_scheduler::{Dispatcher, Home, block_on, run_in_place};

fn dispatchers(rt: &tokio::runtime::Runtime) -> (Dispatcher, Dispatcher) {
    let (home, pool) = rt.block_on(async { Home::current() });
    (pool, Dispatcher::IO.resolve(&home))
}

/// A gate that blocks threads until it is opened; it opens by itself if a test fails.
#[derive(Clone)]
struct Gate(Arc<Mutex<mpsc::Receiver<()>>>);

impl Gate {
    fn new() -> (mpsc::Sender<()>, Gate) {
        let (tx, rx) = mpsc::channel();
        (tx, Gate(Arc::new(Mutex::new(rx))))
    }
    fn block(&self) {
        let _ = self.0.lock().unwrap().recv_timeout(Duration::from_secs(20));
    }
}

fn cap() -> usize {
    std::thread::available_parallelism()
        .map_or(1, usize::from)
        .max(64)
}

/// D-2: the cap, first come first served beyond it. D-3: Default goes on meanwhile.
#[test]
fn as_many_io_tasks_as_the_cap_block_at_once_and_do_not_stop_default() {
    let rt = multi(2);
    let (pool, io) = dispatchers(&rt);
    let (open, gate) = Gate::new();
    let inside = Arc::new(AtomicUsize::new(0));
    let mut joins: Vec<_> = (0..cap())
        .map(|_| {
            let (gate, inside) = (gate.clone(), inside.clone());
            spawn(&io, async move {
                inside.fetch_add(1, Ordering::SeqCst);
                gate.block();
            })
        })
        .collect();
    eventually("all are inside", || inside.load(Ordering::SeqCst) == cap());
    let order = common::Log::default();
    for n in 0..3 {
        let order = order.clone();
        joins.push(spawn(&io, async move { order.add(n.to_string()) }));
    }
    // Both workers of Default are there, at the same time.
    let barrier = Arc::new(std::sync::Barrier::new(2));
    let both: Vec<_> = (0..2)
        .map(|_| {
            let barrier = barrier.clone();
            spawn(&pool, async move { barrier.wait().is_leader() })
        })
        .collect();
    assert_eq!(
        both.into_iter()
            .filter(|_| true)
            .map(common::Join::wait)
            .filter(|leader| *leader)
            .count(),
        1
    );
    assert!(order.take().is_empty(), "more than the cap ran");
    assert_eq!(inside.load(Ordering::SeqCst), cap());
    // One comes out, so one thread is left for the three that wait: they run in order.
    open.send(()).unwrap();
    joins.pop().unwrap().wait();
    assert_eq!(order.take(), ["0", "1", "2"]);
    for _ in 1..cap() {
        open.send(()).unwrap();
    }
    for join in joins {
        join.wait();
    }
}

/// D-3, the other way round.
#[test]
fn busy_workers_do_not_stop_io() {
    let rt = multi(1);
    let (pool, io) = dispatchers(&rt);
    let (tx, rx) = mpsc::channel();
    let (started, is_started) = mpsc::channel();
    let busy = spawn(&pool, async move {
        started.send(()).unwrap();
        rx.recv_timeout(Duration::from_secs(10)).is_ok()
    });
    is_started.recv().unwrap();
    assert_eq!(spawn(&io, async { 3 }).wait(), 3);
    tx.send(()).unwrap();
    assert!(busy.wait());
}

/// D-2, D-3: IO in place keeps the thread, and Default keeps its parallelism.
#[test]
fn blocking_in_place_keeps_the_thread_and_leaves_default_its_workers() {
    let rt = multi(2);
    let (pool, io) = dispatchers(&rt);
    let (open, gate) = Gate::new();
    let inside = Arc::new(AtomicUsize::new(0));
    let joins: Vec<_> = (0..8)
        .map(|_| {
            let (io, gate, inside, pool) = (io.clone(), gate.clone(), inside.clone(), pool.clone());
            spawn(&pool.clone(), async move {
                let thread = std::thread::current().id();
                assert!(pool.runs_here() && !io.runs_here());
                let ran = run_in_place(&io, || {
                    assert_eq!(std::thread::current().id(), thread);
                    assert!(io.runs_here() && !pool.runs_here());
                    // Already an IO thread: in place again, without another permit.
                    assert_eq!(run_in_place(&io, || 1).ok(), Some(1));
                    inside.fetch_add(1, Ordering::SeqCst);
                    gate.block();
                });
                assert!(ran.is_ok());
                assert!(pool.runs_here());
            })
        })
        .collect();
    eventually("all are inside", || inside.load(Ordering::SeqCst) == 8);
    let barrier = Arc::new(std::sync::Barrier::new(2));
    let both: Vec<_> = (0..2)
        .map(|_| {
            let barrier = barrier.clone();
            spawn(&pool, async move { barrier.wait().is_leader() })
        })
        .collect();
    for join in both {
        join.wait();
    }
    for _ in 0..8 {
        open.send(()).unwrap();
    }
    for join in joins {
        join.wait();
    }
    // The spares have gone or wait; two computations at a time is still the bound.
    let (now, max) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let joins: Vec<_> = (0..40)
        .map(|_| {
            let (now, max) = (now.clone(), max.clone());
            spawn(&pool, async move {
                max.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                burn(Duration::from_millis(1));
                now.fetch_sub(1, Ordering::SeqCst);
            })
        })
        .collect();
    for join in joins {
        join.wait();
    }
    assert_eq!(max.load(Ordering::SeqCst), 2);
}

/// D-2: a thread that was an IO thread in place does not go on as one worker too many.
#[test]
fn after_blocking_in_place_a_thread_whose_duty_was_taken_over_runs_nothing_more() {
    let rt = multi(1);
    let (pool, io) = dispatchers(&rt);
    let to = pool.clone();
    let together = spawn(&pool, async move {
        let late = Arc::new(AtomicUsize::new(0));
        let (started, is_started) = mpsc::channel();
        let (seen, its_pool) = (late.clone(), to.clone());
        let busy = run_in_place(&io, move || {
            let busy = spawn(&its_pool, async move {
                started.send(()).unwrap();
                let start = std::time::Instant::now();
                while start.elapsed() < Duration::from_millis(60) {
                    if seen.load(Ordering::SeqCst) == 1 {
                        return true;
                    }
                }
                false
            });
            is_started.recv_timeout(Duration::from_secs(10)).unwrap();
            busy
        });
        // In this drainer's own queue, while the only worker is busy.
        let child = spawn(&to, async move { late.store(1, Ordering::SeqCst) });
        (busy.ok().unwrap(), child)
    });
    let (busy, child) = together.wait();
    assert!(!busy.wait(), "two ran at a time on one worker");
    child.wait();
}

/// D-2: in-place calls count under the same cap.
#[test]
fn blocking_in_place_needs_a_permit_and_gives_it_back() {
    let rt = multi(2);
    let (pool, io) = dispatchers(&rt);
    let (open, gate) = Gate::new();
    let inside = Arc::new(AtomicUsize::new(0));
    let joins: Vec<_> = (0..cap())
        .map(|_| {
            let (gate, inside) = (gate.clone(), inside.clone());
            spawn(&io, async move {
                inside.fetch_add(1, Ordering::SeqCst);
                gate.block();
            })
        })
        .collect();
    eventually("all are inside", || inside.load(Ordering::SeqCst) == cap());
    let to = io.clone();
    assert!(spawn(&pool, async move { run_in_place(&to, || ()).is_err() }).wait());
    for _ in 0..cap() {
        open.send(()).unwrap();
    }
    for join in joins {
        join.wait();
    }
    // Every permit came back, those of panics, too.
    for _ in 0..cap() + 1 {
        let to = io.clone();
        spawn(&pool, async move {
            let caught = std::panic::catch_unwind(|| {
                let _ = run_in_place(&to, || std::panic::resume_unwind(Box::new(())));
            });
            assert!(caught.is_err());
        })
        .wait();
    }
    let to = io.clone();
    let free = || {
        let to = to.clone();
        spawn(&pool, async move { run_in_place(&to, || ()).is_ok() }).wait()
    };
    eventually("a permit is free", free);
}

/// Decision 24: elsewhere the closure comes back.
#[test]
fn blocking_in_place_is_refused_where_the_thread_is_not_a_worker_of_that_runtime() {
    let rt = multi(1);
    let (pool, io) = dispatchers(&rt);
    let other = multi(1);
    let (_, other_io) = dispatchers(&other);
    assert!(run_in_place(&io, || ()).is_err());
    assert!(
        spawn(
            &pool,
            async move { run_in_place(&other_io, || ()).is_err() }
        )
        .wait()
    );
    let (same, not_io) = (io.clone(), pool.clone());
    assert!(rt.block_on(async move {
        tokio::spawn(async move { run_in_place(&same, || ()).is_err() })
            .await
            .unwrap()
    }));
    assert!(spawn(&pool, async move { run_in_place(&not_io, || ()).is_err() }).wait());
    let to = io.clone();
    assert!(block_on(
        |_| async move { run_in_place(&to, || ()).is_err() }
    ));
    let single = single();
    single.block_on(async {
        let (home, here) = Home::current();
        let io = Dispatcher::IO.resolve(&home);
        assert!(
            spawn(&here, async move { run_in_place(&io, || ()).is_err() })
                .await
                .unwrap()
        );
    });
}

/// What a worker queued before it blocks in place is run by another; tasks that give way in IO go on there.
#[test]
fn a_worker_that_blocks_in_place_hands_its_queue_over() {
    let rt = multi(1);
    let (pool, io) = dispatchers(&rt);
    let (to, its_io) = (pool.clone(), io.clone());
    let answer = spawn(&pool, async move {
        let (reply, replied) = mpsc::channel();
        for n in 0..3 {
            let reply = reply.clone();
            spawn(&to, async move { reply.send(n).unwrap() });
        }
        let answers = run_in_place(&its_io, || {
            (0..3)
                .map(|_| replied.recv_timeout(Duration::from_secs(10)).unwrap())
                .sum::<i32>()
        });
        answers.ok().unwrap()
    });
    assert_eq!(answer.wait(), 3);
    let seen = io.clone();
    let stays = spawn(&io, async move {
        yield_now().await;
        seen.runs_here()
    });
    assert!(stays.wait());
}
