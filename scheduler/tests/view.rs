//! Views (D-4 to D-7), and what a base may do to them.

mod common;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, LazyLock, Mutex, mpsc};
use std::time::Duration;

use common::{Log, eventually, make, multi, spawn, yield_now};
use corox_scheduler::{Dispatch, Dispatcher, Home, Rejected, Task, Wakeup, block_on, run_in_place};
use proptest::prelude::*;

/// What the base does with the next task it is given.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Mood {
    #[default]
    Takes,
    Refuses,
    Panics,
    PanicsAndKeeps,
    Drops,
}

/// A base whose queue the test runs by hand.
#[derive(Clone, Default)]
struct Manual(Arc<ManualState>);

#[derive(Default)]
struct ManualState {
    queue: Mutex<VecDeque<Task>>,
    mood: Mutex<Mood>,
    dispatches: AtomicUsize,
    yields: AtomicUsize,
}

impl Manual {
    fn view(&self, n: usize) -> Dispatcher {
        Dispatcher::new(self.clone()).limited_parallelism(n)
    }
    fn set(&self, mood: Mood) {
        *self.0.mood.lock().unwrap() = mood;
    }
    fn waiting(&self) -> usize {
        self.0.queue.lock().unwrap().len()
    }
    fn run_one(&self) -> bool {
        let task = self.0.queue.lock().unwrap().pop_front();
        task.map(Task::run).is_some()
    }
    fn run_all(&self) {
        while self.run_one() {}
    }
    fn dispatches(&self) -> usize {
        self.0.dispatches.load(Ordering::Relaxed)
    }
}

impl Dispatch for Manual {
    fn dispatch(&self, task: Task) -> Result<(), Rejected> {
        self.0.dispatches.fetch_add(1, Ordering::Relaxed);
        let mood = *self.0.mood.lock().unwrap();
        match mood {
            Mood::Refuses => return Err(Rejected::new(task, "not now")),
            Mood::Panics => panic!("the base panics"),
            Mood::Drops => {}
            Mood::Takes | Mood::PanicsAndKeeps => self.0.queue.lock().unwrap().push_back(task),
        }
        assert!(mood != Mood::PanicsAndKeeps, "the base panics");
        Ok(())
    }
    fn dispatch_yield(&self, task: Task) -> Result<(), Rejected> {
        self.0.yields.fetch_add(1, Ordering::Relaxed);
        self.dispatch(task)
    }
}

/// A task that logs `event`, and what it is given back to.
fn event(log: &Log, event: impl Into<String>) -> Task {
    let (log, event) = (log.clone(), event.into());
    let back = log.clone();
    let text = event.clone();
    Task::new(async move { log.add(event) }, move |task, _| {
        back.add(format!("{text} given back"));
        drop(task);
    })
}

fn numbered(log: &Log, numbers: std::ops::Range<usize>, to: &Dispatcher) {
    for n in numbers {
        to.dispatch(event(log, n.to_string()), Wakeup::Launch)
            .unwrap();
    }
}

#[test]
fn a_view_of_nothing_and_a_view_of_unconfined_are_refused_at_the_callers_line() {
    let message = |f: fn() -> Dispatcher| {
        let (tx, rx) = mpsc::channel();
        let tx = Mutex::new(tx);
        std::panic::set_hook(Box::new(move |info| {
            let _ = tx
                .lock()
                .unwrap()
                .send(info.location().unwrap().file().to_owned());
        }));
        let payload = catch_unwind(f).unwrap_err();
        drop(std::panic::take_hook());
        assert!(rx.recv().unwrap().ends_with("view.rs"));
        match payload.downcast::<String>() {
            Ok(text) => *text,
            Err(payload) => (*payload.downcast_ref::<&str>().unwrap()).to_owned(),
        }
    };
    assert!(message(|| Dispatcher::DEFAULT.limited_parallelism(0)).contains("at least one"));
    assert!(message(|| Dispatcher::UNCONFINED.limited_parallelism(1)).contains("cannot limit"));
}

/// D-4, D-5: a view that would not limit is the dispatcher itself.
#[test]
fn a_view_that_would_not_limit_is_the_dispatcher_itself() {
    let rt = multi(2);
    let (home, pool) = rt.block_on(async { Home::current() });
    assert_eq!(pool.limited_parallelism(2), pool);
    assert_ne!(pool.limited_parallelism(1), pool);
    let named = Dispatcher::DEFAULT.limited_parallelism(2);
    assert_ne!(named, Dispatcher::DEFAULT);
    assert_eq!(named.resolve(&home), pool);
    let one = Dispatcher::DEFAULT.limited_parallelism(1);
    assert_eq!(one.resolve(&home), one.resolve(&home));
    assert_ne!(one.resolve(&home), pool);
    assert_ne!(one, Dispatcher::DEFAULT.limited_parallelism(1));
    let view = Dispatcher::IO.limited_parallelism(4);
    assert_eq!(view.limited_parallelism(4), view);
    assert_ne!(view.limited_parallelism(3), view);
    block_on(|events| async move { assert_eq!(events.limited_parallelism(1), events) });
    let text = format!("{:?}", Dispatcher::IO.limited_parallelism_named(4, "db"));
    assert_eq!(text, "db");
}

/// D-5
#[test]
fn no_more_than_the_limit_run_at_once_and_the_limit_is_reached() {
    let rt = multi(4);
    let (_home, pool) = rt.block_on(async { Home::current() });
    for limit in [1, 2, 3] {
        let view = pool.limited_parallelism(limit);
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let joins: Vec<_> = (0..400)
            .map(|n| {
                let (now, most) = (now.clone(), most.clone());
                let view_here = view.clone();
                spawn(&view, async move {
                    for _ in 0..3 {
                        let inside = now.fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(inside, Ordering::SeqCst);
                        assert!(view_here.runs_here());
                        for _ in 0..n % 50 {
                            std::hint::spin_loop();
                        }
                        now.fetch_sub(1, Ordering::SeqCst);
                        yield_now().await;
                    }
                })
            })
            .collect();
        joins.into_iter().for_each(common::Join::wait);
        assert!(most.load(Ordering::SeqCst) <= limit);
        // As many as the limit meet inside.
        let barrier = Arc::new(Barrier::new(limit));
        let joins: Vec<_> = (0..limit)
            .map(|_| {
                let barrier = barrier.clone();
                spawn(&view, async move {
                    barrier.wait();
                })
            })
            .collect();
        joins.into_iter().for_each(common::Join::wait);
    }
}

/// D-5: in order, and each sees what those before it did: a lost update would show.
#[test]
fn a_view_of_one_runs_in_order_and_needs_no_lock() {
    let rt = multi(4);
    let (_home, pool) = rt.block_on(async { Home::current() });
    let view = pool.limited_parallelism(1);
    let sum = Arc::new(AtomicUsize::new(0));
    let log = Log::default();
    let joins: Vec<_> = (0..2000)
        .map(|n| {
            let (sum, log) = (sum.clone(), log.clone());
            spawn(&view, async move {
                log.add(n.to_string());
                let old = sum.load(Ordering::Relaxed);
                std::hint::spin_loop();
                sum.store(old + 1, Ordering::Relaxed);
            })
        })
        .collect();
    joins.into_iter().for_each(common::Join::wait);
    assert_eq!(sum.load(Ordering::Relaxed), 2000);
    let order: Vec<_> = (0..2000).map(|n| n.to_string()).collect();
    assert_eq!(log.take(), order);
}

/// D-6
#[test]
fn a_worker_yields_after_sixteen_tasks_and_an_empty_queue_costs_no_dispatch() {
    let base = Manual::default();
    let view = base.view(1);
    let log = Log::default();
    numbered(&log, 0..40, &view);
    assert_eq!((base.waiting(), base.dispatches()), (1, 1));
    for ran in [16, 32, 40] {
        assert!(base.run_one());
        assert_eq!(log.len(), ran);
    }
    assert_eq!(base.0.yields.load(Ordering::Relaxed), 2);
    assert_eq!((base.waiting(), base.dispatches()), (0, 3));
    numbered(&log, 40..41, &view);
    base.run_all();
    assert_eq!((log.len(), base.dispatches()), (41, 4));
}

/// D-6: two views on one thread go on though one always has something to do.
#[test]
fn two_views_over_one_thread_share_it() {
    let base = Manual::default();
    let (busy, other) = (base.view(1), base.view(1));
    let stop = Arc::new(AtomicBool::new(false));
    let seen = stop.clone();
    let _busy = spawn(&busy, async move {
        while !seen.load(Ordering::Relaxed) {
            yield_now().await;
        }
    });
    let _other = spawn(&other, async move { stop.store(true, Ordering::Relaxed) });
    let mut turns = 0;
    while base.run_one() {
        turns += 1;
        assert!(turns < 10, "the other view starves");
    }
}

/// D-5: both limits hold.
#[test]
fn a_view_of_a_view_keeps_both_limits() {
    let base = Manual::default();
    let outer = base.view(2);
    let (a, b) = (outer.limited_parallelism(1), outer.limited_parallelism(1));
    let log = Log::default();
    numbered(&log, 0..2, &a);
    numbered(&log, 10..12, &b);
    let mut third = outer.clone();
    numbered(&log, 20..21, &third);
    // Two workers of `outer` at most, whoever is inside.
    assert_eq!(base.waiting(), 2);
    base.run_all();
    let mut all = log.take();
    all.sort();
    assert_eq!(all, ["0", "1", "10", "11", "20"]);
    third = third.limited_parallelism(5);
    assert_eq!(third, outer);
}

/// D-7
#[test]
fn a_refusal_gives_the_task_back_and_the_view_goes_on_later() {
    let base = Manual::default();
    let view = base.view(1);
    let log = Log::default();
    base.set(Mood::Refuses);
    let rejected = view
        .dispatch(event(&log, "refused"), Wakeup::Launch)
        .unwrap_err();
    assert_eq!(rejected.reason(), "not now");
    rejected.into_task().run();
    base.set(Mood::Takes);
    numbered(&log, 0..2, &view);
    base.run_all();
    assert_eq!(log.take(), ["refused", "0", "1"]);
}

/// D-7
#[test]
fn a_panic_of_the_base_reaches_the_caller_and_the_permit_comes_back() {
    let base = Manual::default();
    let view = base.view(1);
    assert!(view.is_custom());
    let log = Log::default();
    base.set(Mood::Panics);
    let task = event(&log, "lost");
    let result = catch_unwind(AssertUnwindSafe(|| view.dispatch(task, Wakeup::Launch)));
    assert!(result.is_err());
    base.set(Mood::Takes);
    numbered(&log, 0..1, &view);
    base.run_all();
    assert_eq!(log.take(), ["0"]);
    // One that keeps the worker runs it later.
    base.set(Mood::PanicsAndKeeps);
    let task = event(&log, "kept");
    let result = catch_unwind(AssertUnwindSafe(|| view.dispatch(task, Wakeup::Launch)));
    assert!(result.is_err());
    base.set(Mood::Takes);
    numbered(&log, 1..2, &view);
    base.run_all();
    assert_eq!(log.take(), ["kept", "1"]);
}

/// D-7: thrown away at the hand-over, from the queue, and at a yield.
#[test]
fn a_worker_that_the_base_throws_away_takes_no_permit_and_no_task_with_it() {
    let base = Manual::default();
    let view = base.view(1);
    let log = Log::default();
    base.set(Mood::Drops);
    view.dispatch(event(&log, "dropped"), Wakeup::Launch)
        .unwrap();
    base.set(Mood::Takes);
    numbered(&log, 0..3, &view);
    base.0.queue.lock().unwrap().clear();
    assert_eq!(log.take(), ["0 given back", "1 given back", "2 given back"]);
    numbered(&log, 0..20, &view);
    for mood in [Mood::Refuses, Mood::Drops] {
        base.set(mood);
        base.run_one();
        base.set(Mood::Takes);
        let seen = log.take();
        assert_eq!(
            seen[..16],
            (0..16).map(|n| n.to_string()).collect::<Vec<_>>()
        );
        let back: Vec<_> = (16..20).map(|n| format!("{n} given back")).collect();
        assert_eq!(seen[16..], back);
        numbered(&log, 0..20, &view);
    }
    base.run_all();
    assert_eq!(log.len(), 20);
}

/// D-7
#[test]
fn a_task_that_panics_does_not_lose_the_worker() {
    let base = Manual::default();
    let view = base.view(1);
    let log = Log::default();
    let bad = Task::new(async { panic!("a task panics") }, |_, _| {});
    view.dispatch(bad, Wakeup::Launch).unwrap();
    numbered(&log, 0..2, &view);
    base.run_all();
    assert_eq!(log.take(), ["0", "1"]);
}

fn io_cap() -> usize {
    std::thread::available_parallelism()
        .map_or(1, usize::from)
        .max(64)
}

/// D-4
#[test]
fn a_view_of_io_is_not_held_up_by_a_saturated_io_and_keeps_its_own_limit() {
    let rt = multi(2);
    let (home, _pool) = rt.block_on(async { Home::current() });
    let io = Dispatcher::IO.resolve(&home);
    let view = Dispatcher::IO.limited_parallelism(3).resolve(&home);
    assert!(view.is_io());
    let (open, gate) = mpsc::channel::<()>();
    let gate = Arc::new(Mutex::new(gate));
    let inside = Arc::new(AtomicUsize::new(0));
    let block = |to: &Dispatcher| {
        let (gate, inside) = (gate.clone(), inside.clone());
        spawn(to, async move {
            inside.fetch_add(1, Ordering::SeqCst);
            let _ = gate.lock().unwrap().recv_timeout(Duration::from_secs(20));
        })
    };
    let mut joins: Vec<_> = (0..io_cap() + 5).map(|_| block(&io)).collect();
    eventually("IO is full", || inside.load(Ordering::SeqCst) == io_cap());
    joins.extend((0..5).map(|_| block(&view)));
    eventually("the view is full", || {
        inside.load(Ordering::SeqCst) == io_cap() + 3
    });
    drop(open);
    joins.into_iter().for_each(common::Join::wait);
    assert_eq!(inside.load(Ordering::SeqCst), io_cap() + 10);
}

/// A worker blocks in place for a view of IO, within the view's limit.
#[test]
fn in_place_a_view_of_io_keeps_its_limit() {
    let rt = multi(2);
    let (home, pool) = rt.block_on(async { Home::current() });
    let view = Dispatcher::IO.limited_parallelism(1).resolve(&home);
    let inner = view.clone();
    let log = Log::default();
    let seen = log.clone();
    spawn(&pool, async move {
        assert!(!view.runs_here());
        let in_place = run_in_place(&view, || {
            assert!(view.runs_here());
            // The permit is in use: others of the view wait, and this thread may go deeper.
            assert!(run_in_place(&view, || ()).is_ok());
            let waiting = log.clone();
            drop(spawn(&view, async move { waiting.add("after") }));
            log.add("in place");
        });
        assert!(in_place.is_ok());
    })
    .wait();
    eventually("the other ran", || seen.len() == 2);
    assert_eq!(seen.take(), ["in place", "after"]);
    let busy = Arc::new(Barrier::new(2));
    let meet = busy.clone();
    let holder = spawn(&inner, async move {
        meet.wait();
        meet.wait();
    });
    busy.wait();
    let refused = spawn(&pool, async move { run_in_place(&inner, || ()).is_err() }).wait();
    assert!(refused);
    busy.wait();
    holder.wait();
}

/// One view in a static holds across runtimes, and each task runs on its own.
#[test]
fn one_view_limits_two_runtimes_and_outlives_them() {
    static ONE: LazyLock<Dispatcher> = LazyLock::new(|| Dispatcher::DEFAULT.limited_parallelism(1));
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    for _ in 0..2 {
        let (a, b) = (multi(2), multi(2));
        let mut joins = Vec::new();
        for n in 0..200 {
            let rt = if n % 3 == 0 { &a } else { &b };
            let (home, pool) = rt.block_on(async { Home::current() });
            let (now, most) = (now.clone(), most.clone());
            joins.push(spawn(&ONE.resolve(&home), async move {
                assert!(pool.runs_here());
                let inside = now.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(inside, Ordering::SeqCst);
                std::thread::yield_now();
                now.fetch_sub(1, Ordering::SeqCst);
            }));
        }
        joins.into_iter().for_each(common::Join::wait);
    }
    assert_eq!(most.load(Ordering::SeqCst), 1);
}

/// D-15: the tasks that wait for a runtime which shuts down are given back, those of others go on.
#[test]
fn a_runtime_that_shuts_down_gives_its_tasks_back_and_leaves_the_permit() {
    let view = Dispatcher::DEFAULT.limited_parallelism(1);
    let (a, b) = (multi(2), multi(2));
    let (on_a, on_b) = (
        view.resolve(&a.block_on(async { Home::current() }).0),
        view.resolve(&b.block_on(async { Home::current() }).0),
    );
    let (barrier, log) = (Arc::new(Barrier::new(2)), Log::default());
    let meet = barrier.clone();
    let first = spawn(&on_a, async move {
        meet.wait();
        meet.wait();
    });
    barrier.wait();
    numbered(&log, 0..2, &on_a);
    let (task, other) = make(&on_b, async { 7 });
    on_b.dispatch(task, Wakeup::Launch).unwrap();
    a.shutdown_background();
    barrier.wait();
    first.wait();
    assert_eq!(other.wait(), 7);
    eventually("all are accounted for", || log.len() == 2);
    // The runtime tells its pool when one of its workers gets to it.
    eventually("tasks for the runtime are refused", || {
        let late = on_a.dispatch(event(&log, "late"), Wakeup::Launch);
        late.is_err()
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// D-5 to D-7 against a queue: whatever the base does, tasks run in order or are given back, once each, and permits come back.
    #[test]
    fn tasks_run_in_order_or_are_given_back_whatever_the_base_does(
        limit in 1usize..4,
        steps in prop::collection::vec((0u8..3, 0u8..4), 0..60),
    ) {
        let base = Manual::default();
        let view = base.view(limit);
        let log = Log::default();
        let (mut next, mut accepted) = (0, 0);
        for (step, mood) in steps {
            base.set([Mood::Takes, Mood::Takes, Mood::Refuses, Mood::Drops][usize::from(mood)]);
            if step == 0 {
                base.run_one();
            } else {
                let given = view.dispatch(event(&log, next.to_string()), Wakeup::Launch);
                match given {
                    Ok(()) => accepted += 1,
                    Err(rejected) => drop(rejected),
                }
                next += 1;
            }
            prop_assert!(base.waiting() <= limit);
        }
        base.set(Mood::Takes);
        base.run_all();
        let ran = log.take();
        prop_assert!(ran.len() <= accepted);
        let mut last = None;
        for event in ran.iter().filter(|event| !event.contains("given back")) {
            let n: usize = event.parse().unwrap();
            prop_assert!(last < Some(n), "out of order: {:?}", ran);
            last = Some(n);
        }
        // The permits have all come back: as many run side by side as ever.
        for n in 0..limit + 1 {
            view.dispatch(event(&log, n.to_string()), Wakeup::Launch).unwrap();
        }
        prop_assert_eq!(base.waiting(), limit);
        base.run_all();
        prop_assert_eq!(log.len(), limit + 1);
    }
}
