//! Dispatchers with threads of their own (D-13, D-15, D-17).

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Weak, mpsc};
use std::time::Duration;

use common::{Log, again, eventually, make, spawn, yield_now};
use corox_scheduler::{
    OnClose, OwnedDispatcher, Sleep, Task, Wakeup, block_on, new_fixed_thread_pool_context,
    new_single_thread_context,
};

fn thread_name() -> Option<String> {
    std::thread::current().name().map(str::to_owned)
}

/// A task that logs its run, and that it was given back.
fn event(log: &Log, text: &str) -> Task {
    let (ran, back, event) = (log.clone(), log.clone(), text.to_owned());
    let text = event.clone();
    Task::new(async move { ran.add(event) }, move |task, _| {
        back.add(format!("{text} given back"));
        drop(task);
    })
}

/// D-17
#[test]
fn a_single_thread_has_its_name_and_runs_in_strict_order() {
    let owned = new_single_thread_context("only");
    let log = Log::default();
    let joins: Vec<_> = (0..3)
        .map(|n| {
            let log = log.clone();
            spawn(&owned, async move {
                assert_eq!(thread_name().as_deref(), Some("only"));
                log.add(format!("a{n}"));
                yield_now().await;
                log.add(format!("b{n}"));
                again().await;
                log.add(format!("c{n}"));
            })
        })
        .collect();
    joins.into_iter().for_each(common::Join::wait);
    let seen = log.take();
    // The tasks may begin while others are still being launched; each one's turns keep their order.
    for n in 0..3 {
        let own: Vec<_> = seen
            .iter()
            .filter(|line| line.ends_with(&n.to_string()))
            .collect();
        assert_eq!(own, [&format!("a{n}"), &format!("b{n}"), &format!("c{n}")]);
    }
    assert!(!owned.runs_here());
    owned.join();
}

/// D-13: an event loop with its own timers, and tokio's I/O on the same thread.
#[test]
fn timers_sockets_and_nested_roots_work_on_a_single_thread() {
    let owned = new_single_thread_context("io");
    let here = owned.clone();
    spawn(&owned, async move {
        Sleep::after(&here, Duration::from_millis(1)).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (a, b) = tokio::join!(listener.accept(), tokio::net::TcpStream::connect(address));
        drop((a.unwrap(), b.unwrap()));
        // The same loop goes on inside.
        let to = here.clone();
        let inner = block_on(|events| {
            assert_eq!(events, here);
            async move { spawn(&to, async { thread_name() }).await.unwrap() }
        });
        assert_eq!(inner.as_deref(), Some("io"));
    })
    .wait();
    owned.join();
}

#[test]
fn a_fixed_pool_has_its_threads_with_numbered_names() {
    let owned = new_fixed_thread_pool_context(3, "crew");
    let barrier = Arc::new(Barrier::new(3));
    let joins: Vec<_> = (0..3)
        .map(|_| {
            let barrier = barrier.clone();
            spawn(&owned, async move {
                barrier.wait();
                thread_name().unwrap()
            })
        })
        .collect();
    let mut names: Vec<_> = joins.into_iter().map(common::Join::wait).collect();
    names.sort();
    assert_eq!(names, ["crew-1", "crew-2", "crew-3"]);
    owned.join();
    let one = new_fixed_thread_pool_context(1, "solo");
    assert_eq!(
        spawn(&one, async { thread_name() }).wait().as_deref(),
        Some("solo")
    );
}

#[test]
fn a_pool_without_threads_is_refused() {
    let result = catch_unwind(|| new_fixed_thread_pool_context(0, "none"));
    let text = *result.unwrap_err().downcast::<&str>().unwrap();
    assert!(text.contains("at least one thread"));
}

fn both() -> [OwnedDispatcher; 2] {
    [
        new_single_thread_context("one"),
        new_fixed_thread_pool_context(2, "two"),
    ]
}

/// D-15
#[test]
fn a_closed_dispatcher_rejects_and_closing_again_does_nothing() {
    for owned in both() {
        let log = Log::default();
        spawn(&owned, async {}).wait();
        owned.close();
        owned.close();
        let rejected = owned
            .dispatch(event(&log, "late"), Wakeup::Launch)
            .unwrap_err();
        rejected.into_task().run();
        assert_eq!(log.take(), ["late"]);
        let outlives = owned.clone();
        drop(owned);
        assert!(
            outlives
                .dispatch(event(&log, "later"), Wakeup::Launch)
                .is_err()
        );
    }
}

/// D-15: what runs at the close ends its poll, what waits runs or is given back; nothing is lost.
#[test]
fn at_the_close_the_running_poll_ends_and_no_waiting_task_is_lost() {
    for owned in both() {
        let (log, meet) = (Log::default(), Arc::new(Barrier::new(3)));
        let running = 2;
        let mut joins = Vec::new();
        for _ in 0..running {
            let meet = meet.clone();
            joins.push(spawn(&owned, async move {
                meet.wait();
                meet.wait();
            }));
            if format!("{owned:?}").contains("EventLoop") {
                break;
            }
        }
        let blocked = joins.len();
        for _ in blocked..running {
            let meet = meet.clone();
            std::thread::spawn(move || {
                meet.wait();
                meet.wait();
            });
        }
        meet.wait();
        for n in 0..5 {
            owned
                .dispatch(event(&log, &n.to_string()), Wakeup::Launch)
                .unwrap();
        }
        owned.close();
        meet.wait();
        joins.into_iter().for_each(common::Join::wait);
        eventually("all are accounted for", || log.len() == 5);
        owned.join();
        assert_eq!(log.len(), 5);
    }
}

/// A thread-local of the thread is gone when `join` returns.
#[test]
fn join_returns_when_the_threads_have_ended() {
    struct Gone(Arc<AtomicUsize>);
    impl Drop for Gone {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    thread_local!(static HELD: std::cell::RefCell<Option<Gone>> = const { std::cell::RefCell::new(None) });
    let gone = Arc::new(AtomicUsize::new(0));
    for owned in both() {
        let held = gone.clone();
        spawn(&owned, async move { HELD.set(Some(Gone(held))) }).wait();
        owned.join();
    }
    assert_eq!(gone.load(Ordering::SeqCst), 2);
}

#[test]
fn closed_from_one_of_its_own_threads_it_ends_and_join_there_is_refused() {
    for owned in both() {
        let to = owned.clone();
        let (tx, rx) = mpsc::channel();
        spawn(&to, async move {
            owned.close();
            let joined = catch_unwind(AssertUnwindSafe(|| owned.join()));
            let text = *joined.unwrap_err().downcast::<&str>().unwrap();
            tx.send(text.contains("on one of them")).unwrap();
        })
        .wait();
        assert!(rx.recv().unwrap());
    }
}

/// Inside a tokio task, where tokio itself refuses to wait for a runtime.
#[test]
fn close_and_join_work_inside_a_tokio_runtime() {
    let runtime = common::multi(1);
    runtime.block_on(async {
        for owned in both() {
            spawn(&owned, async {}).await;
            owned.close();
        }
        for owned in both() {
            owned.join();
        }
    });
}

#[test]
fn those_who_asked_are_told_of_the_close() {
    struct Told(Log);
    impl OnClose for Told {
        fn closed(self: Arc<Self>) {
            self.0.add("told");
        }
    }
    for owned in both() {
        let log = Log::default();
        let early: Arc<dyn OnClose> = Arc::new(Told(log.clone()));
        let early_weak: Weak<dyn OnClose> = Arc::downgrade(&early);
        owned.on_close(early_weak);
        assert_eq!(log.len(), 0);
        owned.close();
        assert_eq!(log.take(), ["told"]);
        let late: Arc<dyn OnClose> = Arc::new(Told(log.clone()));
        let late_weak: Weak<dyn OnClose> = Arc::downgrade(&late);
        owned.on_close(late_weak);
        assert_eq!(log.take(), ["told"]);
    }
}

/// Launches from other threads while it closes: each runs or is rejected, once.
#[test]
fn launches_that_race_with_the_close_are_run_or_rejected() {
    for round in 0..40 {
        let owned = if round % 2 == 0 {
            new_single_thread_context("race")
        } else {
            new_fixed_thread_pool_context(2, "race")
        };
        let to = owned.clone();
        let pusher = std::thread::spawn(move || {
            // The fallback runs what is rejected.
            (0..200)
                .map(|n| spawn(&to, async move { n }))
                .collect::<Vec<_>>()
        });
        for _ in 0..round * 10 {
            std::hint::spin_loop();
        }
        owned.close();
        let joins = pusher.join().unwrap();
        let sum: usize = joins.into_iter().map(common::Join::wait).sum();
        assert_eq!(sum, 200 * 199 / 2);
        drop(owned);
    }
    let (task, join) = make(&corox_scheduler::fallback(), async { 1 });
    task.run();
    assert_eq!(join.wait(), 1);
}
