//! Main, immediate dispatchers and yielding in place (D-8 to D-10, D-12, J-39).

mod support;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;

use corox_core::{
    CoroutineScope, CoroutineStart, Dispatch, Dispatcher, Error, ExceptionHandler, GlobalScope,
    Rejected, Task, await_cancellation, delay, new_single_thread_context, run_blocking, set_main,
    supervisor_scope, with_context, yield_now,
};
use futures::FutureExt;
use support::{Log, checked, forever, root};

fn dispatcher_of(scope: &CoroutineScope) -> Dispatcher {
    scope.context().dispatcher().unwrap().clone()
}

#[test]
fn main_is_what_is_set_and_nothing_once_the_guard_is_dropped() {
    checked(|| {
        let one = new_single_thread_context("ui");
        let guard = set_main(Dispatcher::from(&one)).unwrap();
        let second = set_main(Dispatcher::DEFAULT).unwrap_err();
        assert!(second.to_string().contains("drop its guard"));
        let itself = catch_unwind(|| set_main(Dispatcher::MAIN.immediate()));
        let text = *itself.unwrap_err().downcast::<&str>().unwrap();
        assert!(text.contains("to itself"));
        run_blocking(async |scope| {
            let name = || std::thread::current().name().map(str::to_owned);
            let on_main = scope
                .with(Dispatcher::MAIN)
                .spawn(async move { Ok(name()) });
            assert_eq!(on_main.await?.as_deref(), Some("ui"));
            let moved = with_context(Dispatcher::MAIN, async move { Ok(name()) });
            assert_eq!(moved.await?.as_deref(), Some("ui"));
            assert_eq!(Dispatcher::MAIN.limited_parallelism(1), Dispatcher::MAIN);
            Ok(())
        })
        .unwrap();
        drop(guard);
        let again = set_main(Dispatcher::DEFAULT).unwrap();
        drop(again);
    });
}

/// J-39: the launch panics and names the caller's line, and the coroutine fails.
#[test]
fn without_a_main_dispatcher_each_use_fails_and_says_what_to_do() {
    root(async |_| {
        supervisor_scope(async |scope| {
            for dispatcher in [Dispatcher::MAIN, Dispatcher::MAIN.immediate()] {
                let failed = Arc::new(Mutex::new(None));
                let noted = failed.clone();
                let noting = ExceptionHandler::new(move |_, error| {
                    *noted.lock().unwrap() = Some(error.clone());
                });
                let launcher = scope.with(dispatcher.clone()).with(noting);
                let line = line!() + 1;
                let launch = || launcher.launch(async { unreachable!() });
                let panic = catch_unwind(AssertUnwindSafe(launch)).unwrap_err();
                let text = *panic.downcast::<String>().unwrap();
                assert!(text.contains("call `set_main(..)`"), "{text}");
                assert!(text.contains(&format!("{}:{line}", file!())), "{text}");
                let error = failed.lock().unwrap().take().unwrap();
                assert_eq!(error.to_string(), text);
                assert_eq!(error.location().line(), line);

                let dispatcher = dispatcher.clone();
                let switching = scope.spawn(async {
                    let line = line!() + 1;
                    let switched = with_context(dispatcher, async { Ok(()) });
                    let panic = AssertUnwindSafe(switched).catch_unwind().await.unwrap_err();
                    let text = *panic.downcast::<String>().unwrap();
                    assert!(text.contains(&format!("{}:{line}", file!())), "{text}");
                    Ok(())
                });
                switching.await?;
            }
            Ok(())
        })
        .await
    });
}

/// A coroutine that is on it stays there.
#[test]
fn a_coroutine_on_main_goes_on_there_after_the_guard_is_dropped() {
    root(async |scope| {
        let guard = set_main(dispatcher_of(&scope))?;
        let here = std::thread::current().id();
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let job = scope.with(Dispatcher::MAIN).spawn(async move {
            gone.await?;
            delay(std::time::Duration::from_millis(1)).await;
            Ok(std::thread::current().id())
        });
        yield_now().await;
        drop(guard);
        go.send(()).unwrap();
        assert_eq!(job.await?, here);
        Ok(())
    });
}

#[test]
fn a_main_scope_is_a_supervisor_on_main() {
    checked(|| {
        let log = Log::new();
        let told = log.clone();
        let handler = ExceptionHandler::new(move |_, error| told.add(error.to_string()));
        run_blocking(async |scope| {
            let _main = set_main(dispatcher_of(&scope))?;
            let screen = CoroutineScope::main() + handler;
            let here = std::thread::current().id();
            let other = screen.launch(forever());
            let failing = screen.launch(async move {
                assert_eq!(std::thread::current().id(), here);
                Err::<(), _>(Error::msg("alone"))
            });
            failing.join().await;
            assert!(screen.is_active() && other.is_active());
            screen.cancel();
            other.join().await;
            screen.job().join().await;
            Ok(())
        })
        .unwrap();
        assert_eq!(log.take(), ["alone"]);
    });
}

/// D-12
#[test]
fn on_its_own_thread_an_immediate_launch_runs_in_place() {
    let log = Log::new();
    let seen = log.clone();
    root(async move |scope| {
        let _main = set_main(dispatcher_of(&scope))?;
        for (name, dispatcher) in [
            ("main", Dispatcher::MAIN),
            ("immediate", Dispatcher::MAIN.immediate()),
            ("loop", dispatcher_of(&scope).immediate()),
        ] {
            let body = log.clone();
            let job = scope.with(dispatcher).launch(async move {
                body.add(format!("{name} begins"));
                yield_now().await;
                body.add(format!("{name} goes on"));
            });
            log.add(format!("{name} launched"));
            job.join().await;
        }
        Ok(())
    });
    assert_eq!(
        seen.take(),
        [
            "main launched",
            "main begins",
            "main goes on",
            "immediate begins",
            "immediate launched",
            "immediate goes on",
            "loop begins",
            "loop launched",
            "loop goes on"
        ]
    );
}

/// D-12: from elsewhere it is dispatched to the thread.
#[test]
fn from_another_thread_an_immediate_launch_is_dispatched() {
    root(async |scope| {
        let _main = set_main(dispatcher_of(&scope))?;
        let here = std::thread::current().id();
        let there = scope.with(Dispatcher::DEFAULT).spawn(async move {
            let on_main = async { Ok(std::thread::current().id()) };
            let id = with_context(Dispatcher::MAIN.immediate(), on_main).await?;
            assert_eq!(id, here);
            Ok(std::thread::current().id())
        });
        assert_ne!(there.await?, here);
        Ok(())
    });
}

/// D-12, D-8: nested ones run after the running one, in order; the stack stays flat.
#[test]
fn nested_immediate_launches_run_in_turn_and_ten_thousand_do_not_overflow() {
    let log = Log::new();
    let seen = log.clone();
    root(async move |scope| {
        let _main = set_main(dispatcher_of(&scope))?;
        let launcher = scope.with(Dispatcher::MAIN.immediate());
        let (inner, body) = (launcher.clone(), log.clone());
        launcher.launch(async move {
            for n in 0..2 {
                let log = body.clone();
                inner.launch(async move { log.add(format!("nested {n}")) });
            }
            body.add("outer ends");
        });
        log.add("launched");
        fn chain(launcher: corox_core::Launcher, left: u32, end: tokio::sync::oneshot::Sender<()>) {
            let inner = launcher.clone();
            launcher.launch(async move {
                match left {
                    0 => drop(end.send(())),
                    left => chain(inner, left - 1, end),
                }
            });
        }
        let (end, ended) = tokio::sync::oneshot::channel();
        chain(launcher, 10_000, end);
        ended.await?;
        Ok(())
    });
    assert_eq!(
        seen.take(),
        ["outer ends", "nested 0", "nested 1", "launched"]
    );
}

/// D-10: a yield goes behind what waits in the queue, though no dispatch would be needed.
#[test]
fn a_yield_on_an_immediate_dispatcher_goes_through_the_queue() {
    let log = Log::new();
    let seen = log.clone();
    root(async move |scope| {
        let queued = log.clone();
        scope.launch(async move { queued.add("queued before") });
        let body = log.clone();
        let immediate = dispatcher_of(&scope).immediate();
        scope
            .with(immediate)
            .launch(async move {
                body.add("in place");
                yield_now().await;
                body.add("after the yield");
            })
            .join()
            .await;
        let cancelled = scope.with(dispatcher_of(&scope).immediate());
        let body = log.clone();
        cancelled.launch(async move {
            corox_core::Job::current().unwrap().cancel();
            yield_now().await;
            body.add("not reached");
        });
        Ok(())
    });
    assert_eq!(
        seen.take(),
        ["in place", "queued before", "after the yield"]
    );
}

/// A user interface's thread: its event handlers are no coroutines, and immediate launches in them run in place.
#[derive(Clone, Default)]
struct Ui {
    queue: Arc<Mutex<VecDeque<Task>>>,
    thread: Arc<Mutex<Option<ThreadId>>>,
}

impl Ui {
    fn run(&self) {
        loop {
            let task = self.queue.lock().unwrap().pop_front();
            match task {
                Some(task) => task.run(),
                None => return,
            }
        }
    }
}

impl Dispatch for Ui {
    fn dispatch(&self, task: Task) -> Result<(), Rejected> {
        self.queue.lock().unwrap().push_back(task);
        Ok(())
    }
    fn is_current_thread(&self) -> bool {
        *self.thread.lock().unwrap() == Some(std::thread::current().id())
    }
}

/// D-12
#[test]
fn a_dispatcher_may_say_that_a_thread_is_its_own() {
    checked(|| {
        let ui = Ui::default();
        let log = Log::new();
        let _main = set_main(Dispatcher::new(ui.clone())).unwrap();
        let scope = CoroutineScope::main();
        let immediate = scope.with(Dispatcher::MAIN.immediate());
        let body = log.clone();
        immediate.launch(async move { body.add("dispatched") });
        log.add("launched");
        ui.run();
        *ui.thread.lock().unwrap() = Some(std::thread::current().id());
        let (inner, body) = (immediate.clone(), log.clone());
        immediate.launch(async move {
            body.add("in place");
            let nested = body.clone();
            inner.launch(async move { nested.add("nested") });
            body.add("ends");
            yield_now().await;
            body.add("from the queue");
        });
        log.add("launched again");
        ui.run();
        assert_eq!(
            log.take(),
            [
                "launched",
                "dispatched",
                "in place",
                "ends",
                "nested",
                "launched again",
                "from the queue"
            ]
        );
        scope.cancel();
        ui.run();
    });
}

/// D-9
#[test]
fn in_place_a_yield_suspends_only_if_somebody_waits() {
    let log = Log::new();
    let seen = log.clone();
    checked(move || {
        let unconfined = GlobalScope.with(Dispatcher::UNCONFINED);
        let (inner, body) = (unconfined.clone(), log.clone());
        let job = unconfined.launch(async move {
            yield_now().await;
            body.add("nobody waited");
            let nested = body.clone();
            inner.launch(async move {
                nested.add("nested begins");
                yield_now().await;
                nested.add("nested goes on");
            });
            body.add("launched");
            yield_now().await;
            body.add("after the nested");
        });
        assert!(job.is_completed());
        // Cancellation comes first.
        let cancelled = unconfined.launch(async {
            corox_core::Job::current().unwrap().cancel();
            yield_now().await;
            unreachable!("cancelled") as corox_core::Result<()>
        });
        assert!(cancelled.is_completed() && cancelled.is_cancelled());
        let waiting = unconfined.start(CoroutineStart::Default).launch(async {
            await_cancellation().await;
        });
        waiting.cancel();
        assert!(waiting.is_completed());
    });
    assert_eq!(
        seen.take(),
        [
            "nobody waited",
            "launched",
            "nested begins",
            "after the nested",
            "nested goes on"
        ]
    );
}
