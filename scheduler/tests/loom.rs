//! Models of the lock-free protocols: `RUSTFLAGS="--cfg corox_loom" cargo test -p corox-scheduler --release --test loom`.
#![cfg(corox_loom)]
#![allow(dead_code, unreachable_pub)]

#[path = "../src/pool/gate.rs"]
mod gate;
#[path = "../src/pool/idle.rs"]
mod idle;
#[path = "../src/event_loop/queued.rs"]
mod queued;
#[path = "../src/shim.rs"]
mod shim;
#[path = "../src/task/turn.rs"]
mod turn;

use gate::Gate;
use idle::{Idle, Status};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;
use queued::Queued;
use turn::Turn;

fn model(preemptions: usize, f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(f);
}

/// A pool without tasks: a number of queued items, and a flag for each drainer that stands for tokio's wake-up.
struct Pool {
    idle: Idle,
    statuses: Vec<Status>,
    woken: Vec<AtomicBool>,
    /// The injector. Relaxed, so that only the protocol's fences order it.
    queued: AtomicUsize,
    /// The next slots.
    slots: Vec<AtomicUsize>,
}

impl Pool {
    fn new(drainers: usize) -> Arc<Pool> {
        Arc::new(Pool {
            idle: Idle::new(),
            statuses: (0..drainers).map(|_| Status::new()).collect(),
            woken: (0..drainers).map(|_| AtomicBool::new(false)).collect(),
            queued: AtomicUsize::new(0),
            slots: (0..drainers).map(|_| AtomicUsize::new(0)).collect(),
        })
    }

    fn wake_one(&self) {
        if let Some(at) = self.idle.claim(self.statuses.iter()) {
            // Not a plain store: loom does not order that behind an exchange that it follows.
            self.woken[at].swap(true, Ordering::AcqRel);
        }
    }

    fn push(&self) {
        self.queued.fetch_add(1, Ordering::Relaxed);
        if self.idle.any_after_push() {
            self.wake_one();
        }
    }

    /// From the thread that polled the drainer `me` last.
    fn push_here(&self, me: usize) {
        if self.idle.claim_this(&self.statuses[me]) {
            self.slots[me].fetch_add(1, Ordering::Relaxed);
            self.woken[me].swap(true, Ordering::AcqRel);
        } else {
            self.push();
        }
    }

    fn pop_of(&self, me: usize) -> bool {
        self.slots[me].swap(0, Ordering::Relaxed) > 0 || self.pop()
    }

    fn pop(&self) -> bool {
        let queued = self.queued.load(Ordering::Relaxed);
        queued > 0 && {
            let new = queued - 1;
            let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
            let popped = self.queued.compare_exchange(queued, new, success, failure);
            // A lost race means that there is somebody else, who looks again.
            popped.is_ok() || self.pop()
        }
    }

    /// As `Drainer::batch`.
    fn batch(&self, me: usize) {
        let status = &self.statuses[me];
        self.idle.start(status);
        let mut ran = 0;
        loop {
            if self.pop_of(me) {
                if ran == 0 && self.idle.any() && self.queued.load(Ordering::Relaxed) > 0 {
                    self.wake_one();
                }
                ran += 1;
                continue;
            }
            self.idle.announce(status);
            if self.queued.load(Ordering::Relaxed) == 0 {
                return;
            }
            self.idle.start(status);
        }
    }

    /// A drainer that sleeps once, and is polled again if it was woken by then.
    fn drain(&self, me: usize) {
        self.batch(me);
        if self.woken[me].swap(false, Ordering::AcqRel) {
            self.batch(me);
        }
    }

    /// Everybody sleeps now. Those who were woken run; after that nothing may be left, and the next push wakes somebody.
    fn finish(&self) {
        self.run_woken();
        self.push();
        self.run_woken();
    }

    fn run_woken(&self) {
        while let Some(me) =
            (0..self.woken.len()).find(|&me| self.woken[me].swap(false, Ordering::AcqRel))
        {
            self.batch(me);
        }
        assert_eq!(
            self.queued.load(Ordering::Relaxed),
            0,
            "a push is left, and everybody sleeps"
        );
        let slots = self.slots.iter().map(|slot| slot.load(Ordering::Relaxed));
        assert_eq!(slots.sum::<usize>(), 0, "a push to a slot is left");
    }
}

fn pushers_and_drainers(preemptions: usize, pushers: usize, pushes: usize, drainers: usize) {
    model(preemptions, move || {
        let pool = Pool::new(drainers);
        let mut threads = vec![];
        for _ in 0..pushers {
            let pool = pool.clone();
            threads.push(thread::spawn(move || (0..pushes).for_each(|_| pool.push())));
        }
        for me in 1..drainers {
            let pool = pool.clone();
            threads.push(thread::spawn(move || pool.drain(me)));
        }
        pool.drain(0);
        for thread in threads {
            thread.join().unwrap();
        }
        pool.finish();
    });
}

/// Preemption bound 3.
#[test]
fn two_pushers_and_a_drainer_going_to_sleep_lose_no_push() {
    pushers_and_drainers(3, 2, 1, 1);
}

/// Preemption bound 2.
#[test]
fn a_pusher_and_two_drainers_lose_no_push_while_a_wake_up_is_in_flight() {
    pushers_and_drainers(2, 1, 2, 2);
}

/// Preemption bound 2: the search that finds nobody, while another pusher relies on it.
#[test]
fn two_pushers_and_two_drainers_lose_no_push() {
    pushers_and_drainers(2, 2, 1, 2);
}

fn a_push_to_an_idle_one_beside_others(preemptions: usize, drainers: usize) {
    model(preemptions, move || {
        let pool = Pool::new(drainers);
        let here = {
            let pool = pool.clone();
            thread::spawn(move || (0..2).for_each(|_| pool.push_here(0)))
        };
        let pusher = {
            let pool = pool.clone();
            thread::spawn(move || pool.push())
        };
        pool.drain(drainers - 1);
        here.join().unwrap();
        pusher.join().unwrap();
        pool.finish();
    });
}

/// Preemption bound 2: pushes to the slot of a drainer claimed by number, while another push looks for anybody.
#[test]
fn a_push_to_the_slot_of_an_idle_drainer_loses_neither_its_task_nor_a_wake_up() {
    a_push_to_an_idle_one_beside_others(2, 1);
}

/// Preemption bound 2.
#[test]
fn a_push_to_the_slot_of_an_idle_drainer_beside_another_drainer_loses_nothing() {
    a_push_to_an_idle_one_beside_others(2, 2);
}

/// Preemption bound 2: a drainer is polled for nothing (tokio may do so) between the claim and the push to its slot.
#[test]
fn a_drainer_that_is_polled_before_the_push_to_its_slot_is_polled_again() {
    model(2, || {
        let pool = Pool::new(1);
        pool.batch(0);
        let here = {
            let pool = pool.clone();
            thread::spawn(move || pool.push_here(0))
        };
        let pusher = {
            let pool = pool.clone();
            thread::spawn(move || pool.push())
        };
        // For nothing.
        pool.batch(0);
        here.join().unwrap();
        pusher.join().unwrap();
        pool.finish();
    });
}

/// Preemption bound 3: a spare that retires serves the wake-up that was sent to it.
#[test]
fn a_spare_that_retires_takes_no_wake_up_with_it() {
    model(3, || {
        let pool = Pool::new(1);
        let pusher = {
            let pool = pool.clone();
            thread::spawn(move || {
                pool.queued.fetch_add(1, Ordering::Relaxed);
                pool.idle
                    .any_after_push()
                    .then(|| pool.idle.claim(pool.statuses.iter()))
                    .flatten()
            })
        };
        let status = &pool.statuses[0];
        pool.idle.start(status);
        let mut ran = pool.pop();
        let mut retired = false;
        if !ran {
            pool.idle.announce(status);
            if pool.queued.load(Ordering::Relaxed) > 0 || !pool.idle.retire(status) {
                pool.idle.start(status);
                ran = pool.pop();
            } else {
                retired = true;
            }
        }
        let claimed = pusher.join().unwrap();
        // Whoever was claimed stayed, and somebody who stayed found the item.
        assert!(!(retired && claimed.is_some()));
        assert!(ran || retired);
        assert!(!pool.idle.any());
    });
}

/// Preemption bound 3.
#[test]
fn a_push_against_a_closing_pool_is_swept_by_one_side() {
    model(3, || {
        let (gate, queued) = (Arc::new(Gate::new()), Arc::new(AtomicUsize::new(0)));
        let swept = Arc::new(AtomicUsize::new(0));
        let sweep = |queued: &AtomicUsize, swept: &AtomicUsize| {
            let n = queued.swap(0, Ordering::Relaxed);
            swept.fetch_add(n, Ordering::Relaxed);
        };
        let pushers: Vec<_> = (0..2)
            .map(|_| {
                let (gate, queued, swept) = (gate.clone(), queued.clone(), swept.clone());
                thread::spawn(move || {
                    if gate.is_closed() {
                        swept.fetch_add(1, Ordering::Relaxed);
                        return;
                    }
                    queued.fetch_add(1, Ordering::Relaxed);
                    if gate.closed_after_push() {
                        sweep(&queued, &swept);
                    }
                })
            })
            .collect();
        gate.close();
        sweep(&queued, &swept);
        for pusher in pushers {
            pusher.join().unwrap();
        }
        assert_eq!(swept.load(Ordering::Relaxed), 2);
    });
}

/// Preemption bound 3: what a waker changed is seen by a poll that follows.
#[test]
fn a_root_is_polled_after_every_wake_and_queued_once() {
    model(3, || {
        let root = Arc::new((
            Queued::new(),
            AtomicBool::new(false),
            AtomicBool::new(false),
        ));
        let in_queue = Arc::new(AtomicUsize::new(0));
        let wakers: Vec<_> = (0..2)
            .map(|n| {
                let (root, in_queue) = (root.clone(), in_queue.clone());
                thread::spawn(move || {
                    let change = if n == 0 { &root.1 } else { &root.2 };
                    change.store(true, Ordering::Relaxed);
                    if root.0.set() {
                        assert_eq!(in_queue.fetch_add(1, Ordering::AcqRel), 0, "queued twice");
                    }
                })
            })
            .collect();
        let seen = std::cell::Cell::new((false, false));
        let poll = || {
            if in_queue.load(Ordering::Acquire) == 1 {
                in_queue.store(0, Ordering::Release);
                root.0.begin_poll();
                seen.set((
                    root.1.load(Ordering::Relaxed),
                    root.2.load(Ordering::Relaxed),
                ));
                if root.0.end_poll() {
                    assert_eq!(in_queue.fetch_add(1, Ordering::AcqRel), 0, "queued twice");
                }
            }
        };
        poll();
        for waker in wakers {
            waker.join().unwrap();
        }
        // Here everything is visible; what matters is that a wake-up that was let through is still queued.
        let before = seen.get();
        let still = in_queue.load(Ordering::Acquire) == 1;
        assert!(still || before == (true, true));
    });
}

/// A task as `TaskBody` has it: a future that counts its polls and looks at what the wakers have written.
struct Body {
    turn: Turn,
    /// What the future saw at its last poll; only the one whose turn it is may touch it.
    future: loom::cell::UnsafeCell<usize>,
    written: AtomicUsize,
    /// How many tasks wait for somebody to run them.
    tasks: AtomicUsize,
}

impl Body {
    fn new() -> Arc<Body> {
        let body = Arc::new(Body {
            turn: Turn::new(),
            future: loom::cell::UnsafeCell::new(0),
            written: AtomicUsize::new(0),
            tasks: AtomicUsize::new(0),
        });
        assert!(body.turn.begin());
        assert!(!body.turn.begin(), "once");
        body.tasks.store(1, Ordering::Relaxed);
        body
    }

    /// Relaxed, so that only the turn orders what was written before it.
    fn write_and_wake(&self) {
        self.written.fetch_add(1, Ordering::Relaxed);
        if self.turn.wake() {
            self.tasks.fetch_add(1, Ordering::Release);
        }
    }

    /// Takes a task, if there is one, and runs it; ends it once it has seen `last`.
    fn run(&self, last: usize) {
        let tasks = self.tasks.load(Ordering::Acquire);
        if tasks == 0
            || self
                .tasks
                .compare_exchange(tasks, tasks - 1, Ordering::AcqRel, Ordering::Relaxed)
                .is_err()
        {
            return;
        }
        assert_eq!(tasks, 1, "there is one task at a time");
        self.turn.start();
        let seen = self.written.load(Ordering::Relaxed);
        // Loom fails the model if two threads do this at a time, or unordered.
        self.future.with_mut(|future| unsafe { *future = seen });
        if seen == last {
            self.turn.end();
        } else if self.turn.pause() {
            self.tasks.fetch_add(1, Ordering::Release);
        }
    }
}

/// No wake is lost, also one that comes while another asks for the same turn, or during it; the turns exclude each other.
#[test]
fn a_woken_task_has_a_turn_that_sees_what_was_written_before() {
    model(3, || {
        let body = Body::new();
        let wakers: Vec<_> = (0..2)
            .map(|_| {
                let body = body.clone();
                thread::spawn(move || {
                    body.write_and_wake();
                    body.run(2);
                })
            })
            .collect();
        body.run(2);
        for waker in wakers {
            waker.join().unwrap();
        }
        // Whatever is left to be run is run now; then all was seen.
        body.run(2);
        body.run(2);
        assert_eq!(body.future.with(|future| unsafe { *future }), 2);
        assert!(!body.turn.wake(), "it has ended");
    });
}
