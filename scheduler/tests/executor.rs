//! Executors of others as dispatchers, and dispatchers as executors; homes with a main dispatcher of their own.

mod common;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use common::{Log, again, spawn};
use corox_scheduler::MainSlot;
use corox_scheduler::{
    Dispatch, Dispatcher, Home, Rejected, Task, Wakeup, block_on, new_single_thread_context,
    set_main,
};
use futures_util::task::{FutureObj, Spawn};

#[test]
fn a_closure_that_runs_tasks_elsewhere_is_a_dispatcher() {
    let (tx, rx) = mpsc::channel::<Task>();
    let tx = Mutex::new(tx);
    let executor = Dispatcher::from_executor("a thread", move |task| {
        tx.lock().unwrap().send(task).unwrap();
    });
    assert_eq!(format!("{executor:?}"), "a thread");
    assert!(executor.is_custom());
    let runner = std::thread::spawn(move || rx.into_iter().for_each(Task::run));
    let here = executor.clone();
    let join = spawn(&executor, async move {
        again().await;
        assert!(here.runs_here());
        std::thread::current().id()
    });
    assert_eq!(join.wait(), runner.thread().id());
    drop(executor);
    runner.join().unwrap();
}

#[test]
fn closures_run_on_the_dispatcher_and_a_panic_of_one_loses_nobody() {
    let one = new_single_thread_context("exec");
    let executor = one.as_executor();
    let log = Log::default();
    executor.execute(|| panic!("a closure panics")).unwrap();
    let (tx, rx) = mpsc::channel();
    let body = log.clone();
    executor
        .execute(move || {
            body.add(std::thread::current().name().unwrap().to_owned());
            tx.send(()).unwrap();
        })
        .unwrap();
    rx.recv().unwrap();
    assert_eq!(log.take(), ["exec"]);
    // In place where no dispatch is needed.
    let ran = Arc::new(AtomicBool::new(false));
    let set = ran.clone();
    let unconfined = Dispatcher::UNCONFINED.as_executor();
    unconfined
        .execute(move || set.store(true, Ordering::Relaxed))
        .unwrap();
    assert!(ran.load(Ordering::Relaxed));
    one.close();
    let refused = executor.execute(|| unreachable!("closed")).unwrap_err();
    assert!(refused.reason().contains("closed"));
}

#[test]
fn futures_are_spawned_to_their_end() {
    let one = new_single_thread_context("exec");
    let executor = one.as_executor();
    let (tx, rx) = mpsc::channel();
    let future = async move {
        again().await;
        tx.send(std::thread::current().name().map(str::to_owned))
            .unwrap();
    };
    executor
        .spawn_obj(FutureObj::new(Box::new(future)))
        .unwrap();
    assert_eq!(rx.recv().unwrap().as_deref(), Some("exec"));
    one.close();
    let late = FutureObj::new(Box::new(async { unreachable!("closed") }));
    assert!(executor.spawn_obj(late).unwrap_err().is_shutdown());
}

struct Counting(Arc<Mutex<Vec<Task>>>);
impl Dispatch for Counting {
    fn dispatch(&self, task: Task) -> Result<(), Rejected> {
        self.0.lock().unwrap().push(task);
        Ok(())
    }
}

/// A tree of its own comes before the process.
#[test]
fn the_main_dispatcher_of_a_home_comes_before_that_of_the_process() {
    block_on(|events| async move {
        let _main = set_main(events.clone()).unwrap();
        let queue = Arc::new(Mutex::new(Vec::new()));
        let own = Dispatcher::new(Counting(queue.clone()));
        let slot = MainSlot::new();
        let home = Home::own().with_main(slot.clone());
        assert_eq!(Dispatcher::MAIN.resolve(&home), events);
        let _own = slot.set(own.clone()).unwrap();
        assert!(slot.set(own.clone()).is_err());
        assert_eq!(slot.get(), Some(own.clone()));
        assert_eq!(Dispatcher::MAIN.resolve(&Home::own()), events);
        assert_eq!(Dispatcher::MAIN.resolve(&home), own);
        let immediate = Dispatcher::MAIN.immediate().resolve(&home);
        assert_eq!(immediate, own.immediate());
        immediate
            .dispatch(Task::new(async {}, |_, _| {}), Wakeup::Launch)
            .unwrap();
        assert_eq!(queue.lock().unwrap().len(), 1);
    });
}
