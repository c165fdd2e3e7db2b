//! Futures that stay on the thread of their loop.

mod common;

use std::rc::Rc;
use std::sync::mpsc;

use common::{Log, again, yield_now};
use corox_scheduler::{Dispatcher, Task, Wakeup, block_on};

/// Logs when it is dropped, and on which thread.
struct Noted(Log, std::thread::ThreadId, Rc<()>);

impl Drop for Noted {
    fn drop(&mut self) {
        let here = std::thread::current().id() == self.1;
        self.0.add(format!("dropped here: {here}"));
        drop(self.2.clone());
    }
}

fn noted(log: &Log) -> Noted {
    Noted(log.clone(), std::thread::current().id(), Rc::new(()))
}

#[test]
fn without_a_loop_the_future_comes_back() {
    let back = Task::new_local(async {}, |_, _| {});
    assert!(back.is_err());
}

#[test]
fn on_its_loop_it_runs_to_its_end() {
    let log = Log::default();
    let body = log.clone();
    block_on(|events| async move {
        assert!(events.is_local() && !Dispatcher::DEFAULT.is_local());
        let (guard, to) = (noted(&body), events.clone());
        let end = body.clone();
        let task = Task::new_local(
            async move {
                let _guard = guard;
                again().await;
                end.add("ends");
            },
            move |task, how| to.dispatch(task, how).unwrap(),
        );
        events.dispatch(task.ok().unwrap(), Wakeup::Launch).unwrap();
        for _ in 0..3 {
            yield_now().await;
        }
    });
    assert_eq!(log.take(), ["ends", "dropped here: true"]);
}

/// The same number on another loop is another future.
#[test]
fn a_task_that_strays_to_another_loop_runs_nothing_there() {
    let log = Log::default();
    let body = log.clone();
    block_on(|_| async move {
        let (guard, strayed) = (noted(&body), body.clone());
        let task = Task::new_local(
            async move {
                let _guard = guard;
                strayed.add("the one that strayed");
            },
            |_, _| {},
        )
        .ok()
        .unwrap();
        let there = body.clone();
        std::thread::spawn(move || {
            block_on(|_| async move {
                let other = there.clone();
                let own = Task::new_local(async move { other.add("its own") }, |_, _| {});
                task.run();
                there.add("ran the stray");
                own.ok().unwrap().run();
            });
        })
        .join()
        .unwrap();
        body.add("back");
        // The loop drops what the task stood for.
        yield_now().await;
        yield_now().await;
    });
    assert_eq!(
        log.take(),
        ["ran the stray", "its own", "back", "dropped here: true"]
    );
}

/// In the runtime of the loop, so that their destructors may use it.
#[test]
fn what_is_left_is_dropped_while_the_loop_is_there() {
    struct InContext(mpsc::Sender<bool>, Rc<()>);
    impl Drop for InContext {
        fn drop(&mut self) {
            let inside = tokio::runtime::Handle::try_current().is_ok();
            self.0.send(inside).unwrap();
            drop(self.1.clone());
        }
    }
    let (tx, rx) = mpsc::channel();
    let mut kept = None;
    block_on(|_| async {
        let guard = InContext(tx, Rc::new(()));
        let left = async move {
            let _guard = guard;
            std::future::pending::<()>().await;
        };
        kept = Task::new_local(left, |_, _| {}).ok();
    });
    assert!(rx.recv().unwrap());
    // Its task may go on for as long as it likes.
    kept.unwrap().run();
}
