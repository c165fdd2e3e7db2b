//! The unconfined dispatcher, and custom ones.

mod common;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Log, make, multi, spawn};
use corox_scheduler::{
    Dispatch, Dispatcher, Home, Rejected, Sleep, Task, Wakeup, block_on, unconfined_queue_is_empty,
};
use tokio::sync::oneshot;

/// D-8: in place at the start and when woken, on the thread that wakes.
#[test]
fn an_unconfined_coroutine_starts_and_resumes_in_place() {
    let log = Log::default();
    let (tx, rx) = oneshot::channel();
    let seen = log.clone();
    spawn(&Dispatcher::UNCONFINED, async move {
        assert!(Dispatcher::UNCONFINED.runs_here());
        seen.add("started");
        let thread = rx.await.unwrap();
        assert_eq!(std::thread::current().id(), thread);
        seen.add("resumed");
    });
    log.add("after start");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            tx.send(std::thread::current().id()).unwrap();
            log.add("after wake");
        });
    });
    assert_eq!(
        log.take(),
        ["started", "after start", "resumed", "after wake"]
    );
    assert!(!Dispatcher::UNCONFINED.runs_here());
    assert!(!Dispatcher::UNCONFINED.is_dispatch_needed() && Dispatcher::UNCONFINED.is_unconfined());
}

/// D-8, D-9: nested ones wait in order.
#[test]
fn nested_unconfined_coroutines_run_in_turn_after_the_current_one() {
    let log = Log::default();
    let seen = log.clone();
    spawn(&Dispatcher::UNCONFINED, async move {
        assert!(unconfined_queue_is_empty());
        for n in 0..3 {
            let seen2 = seen.clone();
            spawn(&Dispatcher::UNCONFINED, async move {
                seen2.add(format!("{n}"));
                let seen3 = seen2.clone();
                spawn(&Dispatcher::UNCONFINED, async move {
                    seen3.add(format!("{n} nested"))
                });
                common::again().await;
                seen2.add(format!("{n} again"));
            });
        }
        assert!(!unconfined_queue_is_empty());
        seen.add("outer");
    });
    let expected = [
        "outer", "0", "1", "2", "0 nested", "0 again", "1 nested", "1 again", "2 nested", "2 again",
    ];
    assert_eq!(log.take(), expected);
}

/// D-8: a chain of ten thousand wake-ups needs no stack.
#[test]
fn ten_thousand_nested_wakes_do_not_overflow_the_stack() {
    let thread = std::thread::Builder::new()
        .stack_size(128 * 1024)
        .spawn(|| {
            let (first, mut next) = oneshot::channel::<u32>();
            for _ in 0..10_000 {
                let (tx, rx) = oneshot::channel();
                let this = std::mem::replace(&mut next, rx);
                spawn(&Dispatcher::UNCONFINED, async move {
                    tx.send(this.await.unwrap() + 1).unwrap();
                });
            }
            first.send(0).unwrap();
            next.try_recv().unwrap()
        });
    assert_eq!(thread.unwrap().join().unwrap(), 10_000);
}

/// D-8 with D-13: a loop inside an unconfined coroutine does not wait for it.
#[test]
fn a_loop_inside_an_unconfined_coroutine_runs_unconfined_ones_in_place() {
    let log = Log::default();
    let seen = log.clone();
    spawn(&Dispatcher::UNCONFINED, async move {
        let before = spawn(&Dispatcher::UNCONFINED, async { 1 });
        let sum = block_on(|_| async move {
            let inside = spawn(&Dispatcher::UNCONFINED, async { 2 });
            before.await.unwrap() + inside.await.unwrap()
        });
        let seen2 = seen.clone();
        spawn(
            &Dispatcher::UNCONFINED,
            async move { seen2.add("nested again") },
        );
        seen.add(sum.to_string());
    });
    assert_eq!(log.take(), ["3", "nested again"]);
}

/// The timers of an event loop would bring it back to the one thread of the loop; tokio's own do.
#[test]
fn a_sleep_of_an_unconfined_coroutine_on_an_event_loop_ends_on_another_thread() {
    let here = || std::thread::current().id();
    let threads = block_on(|_| async move {
        let coroutine = spawn(&Dispatcher::UNCONFINED, async move {
            let mut threads = vec![here()];
            tokio::time::sleep(Duration::from_millis(1)).await;
            threads.push(here());
            Sleep::after(&Dispatcher::UNCONFINED, Duration::from_millis(1)).await;
            threads.push(here());
            threads
        });
        let first = spawn(&Dispatcher::UNCONFINED, async move {
            Sleep::after(&Dispatcher::UNCONFINED, Duration::from_millis(1)).await;
            here()
        });
        assert_ne!(first.await.unwrap(), here());
        coroutine.await.unwrap()
    });
    assert_eq!(threads[..2], [here(), here()]);
    assert_ne!(threads[2], here());
}

#[derive(Default)]
struct Manual {
    queue: Mutex<VecDeque<(&'static str, Task)>>,
}

struct Custom {
    queue: Arc<Manual>,
    needed: bool,
}

impl Dispatch for Custom {
    fn dispatch(&self, task: Task) -> Result<(), Rejected> {
        self.queue
            .queue
            .lock()
            .unwrap()
            .push_back(("dispatch", task));
        Ok(())
    }
    fn dispatch_yield(&self, task: Task) -> Result<(), Rejected> {
        self.queue.queue.lock().unwrap().push_back(("yield", task));
        Ok(())
    }
    fn is_dispatch_needed(&self) -> bool {
        self.needed
    }
    fn as_any(&self) -> Option<&dyn std::any::Any> {
        Some(self)
    }
    fn name(&self) -> std::borrow::Cow<'static, str> {
        "mine".into()
    }
}

/// A user's dispatcher: yields apart, its identity, where it runs.
#[test]
fn a_custom_dispatcher_gets_yields_apart_and_is_known_while_it_runs() {
    let manual = Arc::new(Manual::default());
    let custom = Dispatcher::new(Custom {
        queue: manual.clone(),
        needed: true,
    });
    assert_eq!(format!("{custom:?}"), "mine");
    assert!(custom.is_dispatch_needed());
    let view = custom.limited_parallelism(1);
    for dispatcher in [&custom, &view, &custom.immediate()] {
        let found = dispatcher.downcast_ref::<Custom>().unwrap();
        assert!(Arc::ptr_eq(&found.queue, &manual));
    }
    assert!(Dispatcher::DEFAULT.downcast_ref::<Custom>().is_none());
    assert_eq!(custom, custom.clone());
    let other = Dispatcher::new(Custom {
        queue: manual.clone(),
        needed: true,
    });
    assert_ne!(custom, other);
    assert_eq!(custom.resolve(&Home::own()), custom);
    let this = custom.clone();
    spawn(&custom, async move {
        assert!(this.runs_here());
        common::yield_now().await;
        assert!(this.runs_here());
        common::again().await;
        // Nested in place, then back.
        let other = this.clone();
        spawn(&Dispatcher::UNCONFINED, async move {
            assert!(!other.runs_here())
        });
        assert!(this.runs_here());
    });
    let mut how = vec![];
    loop {
        let next = manual.queue.lock().unwrap().pop_front();
        let Some((kind, task)) = next else { break };
        how.push(kind);
        task.run();
        assert!(!custom.runs_here());
    }
    assert_eq!(how, ["dispatch", "yield", "dispatch"]);
}

/// A custom dispatcher that needs no dispatch: starts and wakes run in place and in turn, yields are dispatched.
#[test]
fn a_custom_dispatcher_that_needs_no_dispatch_gets_only_the_yields() {
    let manual = Arc::new(Manual::default());
    let custom = Dispatcher::new(Custom {
        queue: manual.clone(),
        needed: false,
    });
    let log = Arc::new(Mutex::new(Vec::new()));
    let (this, events) = (custom.clone(), log.clone());
    spawn(&custom, async move {
        let (inner, inside) = (events.clone(), this.clone());
        spawn(&this, async move {
            assert!(inside.runs_here());
            inner.lock().unwrap().push("nested");
        });
        events.lock().unwrap().push("outer");
        common::again().await;
        events.lock().unwrap().push("again");
        common::yield_now().await;
        events.lock().unwrap().push("yielded");
    });
    assert_eq!(*log.lock().unwrap(), ["outer", "nested", "again"]);
    let (kind, task) = manual.queue.lock().unwrap().pop_front().unwrap();
    assert_eq!(kind, "yield");
    task.run();
    assert_eq!(log.lock().unwrap().last(), Some(&"yielded"));
    assert!(manual.queue.lock().unwrap().is_empty());
}

/// How a task says why it is scheduled.
#[test]
fn a_task_tells_launch_wake_again_and_yield_apart() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let queue = Arc::new(Mutex::new(VecDeque::new()));
    let (tx, rx) = oneshot::channel::<()>();
    let (into, out) = (seen.clone(), queue.clone());
    let task = Task::new(
        async move {
            common::again().await;
            common::yield_now().await;
            // A mark without a rescheduling does not last into the next run.
            corox_scheduler::mark_yield();
            rx.await.unwrap();
            common::again().await;
        },
        move |task, how| {
            into.lock().unwrap().push(how);
            out.lock().unwrap().push_back(task);
        },
    );
    let run_all = || {
        while let Some(task) = { queue.lock().unwrap().pop_front() } {
            task.run();
        }
    };
    task.reschedule();
    run_all();
    tx.send(()).unwrap();
    run_all();
    use Wakeup::*;
    assert_eq!(*seen.lock().unwrap(), [Launch, Again, Yield, Wake, Again]);
}

/// A mark belongs to the poll it was made in, not to one nested in it.
#[test]
fn a_nested_run_neither_sees_nor_takes_the_mark_of_the_outer() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (into, inner_into) = (seen.clone(), seen.clone());
    let outer = Task::new(
        async move {
            corox_scheduler::mark_yield();
            let nested = Task::new(common::again(), move |_, how| {
                inner_into.lock().unwrap().push(how)
            });
            nested.run();
            common::again().await;
        },
        move |_, how| into.lock().unwrap().push(how),
    );
    outer.run();
    assert_eq!(*seen.lock().unwrap(), [Wakeup::Again, Wakeup::Yield]);
}

/// Names, equality, resolution.
#[test]
fn dispatchers_are_equal_if_they_name_the_same_place_and_print_their_names() {
    let rt = multi(1);
    let pool = Dispatcher::tokio(rt.handle().clone());
    assert_eq!(pool, Dispatcher::tokio(rt.handle().clone()));
    assert_ne!(pool, Dispatcher::DEFAULT);
    assert!(format!("{pool:?}").starts_with("Tokio("));
    let own = Home::own();
    let names = [Dispatcher::DEFAULT, Dispatcher::IO, Dispatcher::UNCONFINED]
        .map(|dispatcher| format!("{dispatcher:?} {:?}", dispatcher.resolve(&own)));
    assert_eq!(
        names,
        [
            "Dispatchers.Default Dispatchers.Default",
            "Dispatchers.IO Dispatchers.IO",
            "Dispatchers.Unconfined Dispatchers.Unconfined"
        ]
    );
    assert!(Dispatcher::IO.is_io() && Dispatcher::IO.resolve(&own).is_io() && !pool.is_io());
    let (task, join) = make(&Dispatcher::DEFAULT, async {
        Dispatcher::DEFAULT.runs_here()
    });
    Dispatcher::DEFAULT.dispatch(task, Wakeup::Launch).unwrap();
    assert!(join.wait());
    block_on(|events| async move {
        assert_eq!(format!("{events:?}"), "EventLoop");
        assert_eq!(Home::current().1, events);
        assert!(events.runs_here());
    });
}
