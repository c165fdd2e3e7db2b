//! What a base may do to several workers of one view at once, and views of views (D-5 to D-7, D-15).

mod common;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};

use common::{eventually, multi, spawn, yield_now};
use corox_scheduler::{Dispatch, Dispatcher, Home, Rejected, Task, Wakeup};
use proptest::prelude::*;

/// What the base does at its next dispatch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Mood {
    #[default]
    Takes,
    Refuses,
    Panics,
    Drops,
    /// It throws its queue away, and refuses.
    Closes,
}

/// A base whose queue the test runs by hand.
#[derive(Clone, Default)]
struct Moody(Arc<(Mutex<VecDeque<Task>>, Mutex<Mood>)>);

impl Moody {
    fn set(&self, mood: Mood) {
        *self.0.1.lock().unwrap() = mood;
    }
    fn waiting(&self) -> usize {
        self.0.0.lock().unwrap().len()
    }
    fn run_one(&self) -> bool {
        let task = self.0.0.lock().unwrap().pop_front();
        task.map(Task::run).is_some()
    }
}

impl Dispatch for Moody {
    fn dispatch(&self, task: Task) -> Result<(), Rejected> {
        let mood = *self.0.1.lock().unwrap();
        match mood {
            Mood::Takes => self.0.0.lock().unwrap().push_back(task),
            Mood::Refuses => return Err(Rejected::new(task, "not now")),
            Mood::Panics => panic!("the base panics"),
            Mood::Drops => drop(task),
            Mood::Closes => {
                let queue = std::mem::take(&mut *self.0.0.lock().unwrap());
                drop(queue);
                return Err(Rejected::new(task, "closed"));
            }
        }
        Ok(())
    }
}

fn nothing() -> Task {
    Task::new(async {}, |task, _| drop(task))
}

/// D-7
#[test]
fn a_base_that_throws_away_several_workers_at_once_takes_no_permit_with_them() {
    let base = Moody::default();
    let view = Dispatcher::new(base.clone()).limited_parallelism(3);
    let back = Arc::new(AtomicUsize::new(0));
    let task = || {
        let back = back.clone();
        Task::new(async { panic!("nobody runs it") }, move |task, _| {
            back.fetch_add(1, Ordering::SeqCst);
            drop(task);
        })
    };
    for _ in 0..2 {
        view.dispatch(task(), Wakeup::Launch).unwrap();
    }
    assert_eq!(base.waiting(), 2);
    base.set(Mood::Closes);
    // Refused, or given back with the others.
    let refused = view.dispatch(task(), Wakeup::Launch).is_err();
    assert_eq!(back.load(Ordering::SeqCst) + usize::from(refused), 3);
    base.set(Mood::Takes);
    for _ in 0..4 {
        view.dispatch(nothing(), Wakeup::Launch).unwrap();
    }
    assert_eq!(base.waiting(), 3, "permits were lost");
    while base.run_one() {}
}

#[test]
fn a_view_of_a_view_knows_that_it_runs_here() {
    let rt = multi(3);
    let (_home, pool) = rt.block_on(async { Home::current() });
    let outer = pool.limited_parallelism(2);
    let inner = outer.limited_parallelism(1);
    let other = outer.limited_parallelism(1);
    let (i, o, p) = (inner.clone(), outer.clone(), pool.clone());
    let seen = spawn(&inner, async move {
        (
            i.runs_here(),
            o.runs_here(),
            p.runs_here(),
            other.runs_here(),
        )
    })
    .wait();
    assert_eq!(seen, (true, true, true, false));
}

/// D-6: the permits of the outer view are what its inner ones share.
#[test]
fn views_of_one_view_of_io_share_its_threads() {
    let rt = multi(2);
    let (home, _pool) = rt.block_on(async { Home::current() });
    let outer = Dispatcher::IO.resolve(&home).limited_parallelism(2);
    let inner: Vec<_> = (0..3).map(|_| outer.limited_parallelism(1)).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let gave_up = Arc::new(AtomicUsize::new(0));
    let started = Arc::new(Barrier::new(3));
    let busy: Vec<_> = inner[..2]
        .iter()
        .map(|view| {
            let (stop, started, gave_up) = (stop.clone(), started.clone(), gave_up.clone());
            spawn(view, async move {
                started.wait();
                for _ in 0..200_000 {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    yield_now().await;
                }
                gave_up.fetch_add(1, Ordering::SeqCst);
            })
        })
        .collect();
    started.wait();
    let last = spawn(&inner[2], async move { stop.store(true, Ordering::SeqCst) });
    last.wait();
    busy.into_iter().for_each(common::Join::wait);
    assert_eq!(gave_up.load(Ordering::SeqCst), 0, "the third view starved");
}

/// D-15: what waits when the runtime shuts down is given back, on IO too.
#[test]
fn a_view_of_io_gives_back_what_waits_when_its_runtime_shuts_down() {
    let rt = multi(2);
    let (home, _pool) = rt.block_on(async { Home::current() });
    let view = Dispatcher::IO.resolve(&home).limited_parallelism(1);
    let meet = Arc::new(Barrier::new(2));
    let inside = meet.clone();
    let first = spawn(&view, async move {
        inside.wait();
        inside.wait();
    });
    meet.wait();
    let (ran, back) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    for _ in 0..40 {
        let (ran, back) = (ran.clone(), back.clone());
        let task = Task::new(
            async move {
                ran.fetch_add(1, Ordering::SeqCst);
            },
            move |task, _| {
                back.fetch_add(1, Ordering::SeqCst);
                drop(task);
            },
        );
        view.dispatch(task, Wakeup::Launch).unwrap();
    }
    rt.shutdown_background();
    eventually("the pool is closed", || {
        view.dispatch(nothing(), Wakeup::Launch).is_err()
            || Dispatcher::IO
                .resolve(&home)
                .dispatch(nothing(), Wakeup::Launch)
                .is_err()
    });
    meet.wait();
    first.wait();
    eventually("all are accounted for", || {
        ran.load(Ordering::SeqCst) + back.load(Ordering::SeqCst) == 40
    });
    assert_eq!(
        (ran.load(Ordering::SeqCst), back.load(Ordering::SeqCst)),
        (0, 40)
    );
}

/// A base that refuses, after something was dispatched to its view meanwhile.
struct Meanwhile(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Dispatch for Meanwhile {
    fn dispatch(&self, task: Task) -> Result<(), Rejected> {
        let meanwhile = self.0.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile();
        }
        Err(Rejected::new(task, "not now"))
    }
}

/// D-7: who dispatches a given back task to the same view is refused by the base; the task does not go round for ever.
#[test]
fn a_task_given_back_to_a_view_whose_base_refuses_is_refused_itself() {
    let base = Arc::new(Meanwhile(Mutex::new(None)));
    struct Shared(Arc<Meanwhile>);
    impl Dispatch for Shared {
        fn dispatch(&self, task: Task) -> Result<(), Rejected> {
            self.0.dispatch(task)
        }
    }
    let view = Dispatcher::new(Shared(base.clone())).limited_parallelism(1);
    let (again, refused) = (view.clone(), Arc::new(AtomicUsize::new(0)));
    let count = refused.clone();
    *base.0.lock().unwrap() = Some(Box::new(move || {
        let to = again.clone();
        let task = Task::new(async {}, move |task, how| {
            if let Err(rejected) = to.dispatch(task, how) {
                count.fetch_add(1, Ordering::SeqCst);
                drop(rejected);
            }
        });
        again.dispatch(task, Wakeup::Launch).unwrap();
    }));
    assert!(view.dispatch(nothing(), Wakeup::Launch).is_err());
    assert_eq!(refused.load(Ordering::SeqCst), 1);
}

/// D-15: behind a worker of another runtime it would wait only to be given back.
#[test]
fn a_task_for_a_runtime_that_has_shut_down_is_refused_though_the_view_is_busy() {
    let view = Dispatcher::DEFAULT.limited_parallelism(1);
    let (a, b) = (multi(2), multi(2));
    let on_a = view.resolve(&a.block_on(async { Home::current() }).0);
    let on_b = view.resolve(&b.block_on(async { Home::current() }).0);
    let meet = Arc::new(Barrier::new(2));
    let inside = meet.clone();
    let busy = spawn(&on_a, async move {
        inside.wait();
        inside.wait();
    });
    meet.wait();
    drop(b);
    let refused = on_b.dispatch(nothing(), Wakeup::Launch).is_err();
    meet.wait();
    busy.wait();
    assert!(refused);
}

/// D-5: two views and a view of one of them on one pool, all at work.
#[test]
fn views_on_one_pool_keep_their_limits_side_by_side() {
    let rt = multi(4);
    let (_home, pool) = rt.block_on(async { Home::current() });
    let wide = pool.limited_parallelism(3);
    let views = [
        (wide.limited_parallelism(2), 2),
        (wide, 3),
        (pool.limited_parallelism(1), 1),
    ];
    let counts: Vec<_> = views
        .iter()
        .map(|_| Arc::new((AtomicUsize::new(0), AtomicUsize::new(0))))
        .collect();
    let joins: Vec<_> = (0..6_000)
        .map(|n| {
            let count = counts[n % 3].clone();
            spawn(&views[n % 3].0, async move {
                for _ in 0..2 {
                    let inside = count.0.fetch_add(1, Ordering::SeqCst) + 1;
                    count.1.fetch_max(inside, Ordering::SeqCst);
                    for _ in 0..n % 40 {
                        std::hint::spin_loop();
                    }
                    count.0.fetch_sub(1, Ordering::SeqCst);
                    yield_now().await;
                }
            })
        })
        .collect();
    joins.into_iter().for_each(common::Join::wait);
    for ((_, limit), count) in views.iter().zip(&counts) {
        let most = count.1.load(Ordering::SeqCst);
        assert!(most <= *limit, "{most} at once on a view of {limit}");
    }
}

/// Alive as long as its task is.
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(count: &Arc<AtomicUsize>) -> Alive {
        count.fetch_add(1, Ordering::SeqCst);
        Alive(count.clone())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// D-7: no task stays behind in the view and no permit is lost, whatever the base does, and to how many workers.
    #[test]
    fn nothing_stays_in_a_view_and_its_permits_come_back(
        limit in 1usize..4,
        steps in prop::collection::vec((0u8..3, 0usize..6), 0..60),
    ) {
        let base = Moody::default();
        let view = Dispatcher::new(base.clone()).limited_parallelism(limit);
        let alive = Arc::new(AtomicUsize::new(0));
        let task = || {
            let alive = Alive::new(&alive);
            let again = view.clone();
            // As a coroutine does: given back, it is dispatched once more, and dropped if that fails.
            Task::new(async move { drop(alive) }, move |task, how| drop(again.dispatch(task, how)))
        };
        for (step, mood) in steps {
            base.set([Mood::Takes, Mood::Takes, Mood::Refuses, Mood::Drops, Mood::Panics, Mood::Closes][mood]);
            if step == 0 {
                base.run_one();
            } else {
                let _ = catch_unwind(AssertUnwindSafe(|| drop(view.dispatch(task(), Wakeup::Launch))));
            }
            prop_assert!(base.waiting() <= limit);
        }
        base.set(Mood::Takes);
        while base.run_one() {}
        prop_assert_eq!(alive.load(Ordering::SeqCst), 0);
        for _ in 0..limit + 1 {
            view.dispatch(task(), Wakeup::Launch).unwrap();
        }
        prop_assert_eq!(base.waiting(), limit);
        while base.run_one() {}
        prop_assert_eq!(alive.load(Ordering::SeqCst), 0);
    }
}
