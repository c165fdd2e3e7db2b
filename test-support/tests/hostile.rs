//! Code under test that does what a harness does not expect.

mod common;

use std::future::{Future, IntoFuture, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use corox_core::{
    CompletableJob, ContextElement, CoroutineScope, Dispatch, Dispatcher, Error, ExceptionHandler,
    FinallyExt, GlobalScope, Rejected, Result, Task, await_cancellation, await_first_success,
    blocking, coroutine_scope, delay, join_all, map_concurrent, non_cancellable, run_blocking,
    select, supervisor_scope, with_context, yield_now,
};
use corox_test::{
    EventLog, StandardTestDispatcher, TestScheduler, TestScope, UnconfinedTestDispatcher, explore,
    run_test, set_main,
};

use common::failure_of;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Part of the context of a whole test.
struct Everywhere(#[allow(dead_code)] Arc<()>);
impl ContextElement for Everywhere {}

/// Runs `test` with something that it has in the context of its scopes, and asserts that nothing of that is left.
fn leaves_nothing(test: impl FnOnce(Everywhere)) {
    let held = Arc::new(());
    let weak = Arc::downgrade(&held);
    test(Everywhere(held));
    // What a failed test has left is cleaned up on other threads.
    let begun = Instant::now();
    while weak.strong_count() > 0 {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "a test was not freed"
        );
        std::thread::yield_now();
    }
}

#[test]
fn a_test_is_freed_however_it_ends() {
    leaves_nothing(|everywhere| {
        TestScope::new(everywhere).run_test(async |t| {
            t.launch(async { delay(ms(10)).await });
            t.background_scope()
                .launch(async { await_cancellation().await });
            t.with(Dispatcher::DEFAULT).launch(async {});
        });
    });
    leaves_nothing(|everywhere| {
        let t = TestScope::new(everywhere);
        t.launch(async { delay(ms(10)).await });
        t.background_scope()
            .launch(async { await_cancellation().await });
    });
    leaves_nothing(|everywhere| {
        let text = failure_of(|| {
            TestScope::new(everywhere).run_test(async |t| {
                let held = t.clone();
                t.launch(async move {
                    let _held = held;
                    await_cancellation().await
                });
                t.launch(async { panic!("as planned") });
                await_cancellation().await;
            });
        });
        assert_eq!(text, "as planned");
    });
    leaves_nothing(|everywhere| {
        let text = failure_of(|| {
            let scheduler = TestScheduler::new();
            let t = TestScope::new(UnconfinedTestDispatcher::on(&scheduler) + everywhere);
            let held = t.clone();
            t.with(StandardTestDispatcher::on(&scheduler))
                .launch(async move { drop(held) });
            t.background_scope()
                .launch(async { Err::<(), _>(Error::msg("too early")) });
            t.run_test(async |_| {});
        });
        assert!(text.contains("before this test began"), "{text}");
    });
}

#[test]
fn a_test_that_was_given_up_is_freed() {
    leaves_nothing(|everywhere| {
        let (tx, rx) = tokio::sync::oneshot::channel::<()>();
        let text = failure_of(|| {
            TestScope::new(everywhere).run_test_within(ms(100), async |t| {
                let held = t.clone();
                t.launch(async move {
                    let _held = held;
                    let _ = non_cancellable(async |_| Ok(rx.await?)).await;
                });
            });
        });
        assert!(text.contains("was cancelled and did not end"), "{text}");
        drop(tx);
    });
    leaves_nothing(|everywhere| {
        let text = failure_of(|| {
            TestScope::new(everywhere).run_test(async |t| {
                let held = t.clone();
                let own = CoroutineScope::new(t.dispatcher().clone());
                own.launch(async move {
                    let _held = held;
                    loop {
                        delay(ms(1000)).await;
                    }
                });
            });
        });
        assert!(text.contains("go on and on"), "{text}");
    });
    leaves_nothing(|everywhere| {
        let text = failure_of(|| {
            let everywhere = Arc::new(everywhere);
            explore(3, async |t| {
                let held = (t.clone(), everywhere.clone());
                t.launch(async move {
                    let _held = held;
                    await_cancellation().await
                });
            });
        });
        assert!(text.contains("deadlock"), "{text}");
    });
}

/// V-1: a coroutine that is resumed in place by its timer does not give what it launches and wakes its own place in the order.
#[test]
fn what_a_coroutine_in_place_launches_comes_after_what_is_due() {
    run_test(async |t| {
        let in_place = [
            Dispatcher::UNCONFINED,
            UnconfinedTestDispatcher::on(t.scheduler()).into(),
        ];
        for dispatcher in in_place {
            let log = EventLog::new();
            let (scope, own) = (t.clone(), log.clone());
            t.with(dispatcher).launch(async move {
                delay(ms(100)).await;
                own.add("in place");
                scope.launch(async move { own.add("launched") });
            });
            let own = log.clone();
            t.launch(async move {
                delay(ms(100)).await;
                own.add("due");
            });
            t.advance_until_idle().await;
            log.assert(["in place", "due", "launched"]);
        }
    });
}

/// The end of one test is not that of a scope whose test is still to come.
#[test]
fn a_scope_waits_for_its_test_while_others_on_its_scheduler_end() {
    let scheduler = TestScheduler::new();
    let scopes = [(); 3].map(|()| TestScope::new(&scheduler));
    let early = scopes[1].launch(async { delay(ms(5)).await });
    scopes[0].run_test(async |_| delay(ms(10)).await);
    for t in &scopes[1..] {
        t.run_test(async |t| {
            let job = t.launch(async { delay(ms(10)).await });
            job.join().await;
            assert!(!job.is_cancelled());
        });
    }
    assert!(early.is_completed() && !early.is_cancelled());
    assert_eq!(scheduler.current_time(), ms(30));
    let late = scopes[2].launch(async {});
    assert!(late.is_cancelled());
}

/// A scope that goes without a test takes only what is its own with it.
#[test]
fn a_scope_without_a_test_leaves_the_others_on_its_scheduler_alone() {
    run_test(async |t| {
        let job = t.launch(async { yield_now().await });
        let other = TestScope::new(t.scheduler());
        let dropped = other.launch(async {});
        drop(other);
        assert!(dropped.is_cancelled() && dropped.is_completed());
        job.join().await;
        assert!(!job.is_cancelled());
    });
}

#[test]
fn main_stays_when_another_scope_on_the_dispatcher_goes() {
    run_test(async |t| {
        drop(TestScope::new(t.dispatcher().clone()));
        let screen = CoroutineScope::main();
        screen.launch(async { delay(ms(10)).await }).join().await;
        assert_eq!(t.current_time(), ms(10));
    });
}

/// A scope in one branch of a body does not hide the delay in another one.
#[test]
fn a_branch_beside_a_scope_elsewhere_holds_the_clock() {
    run_test(async |t| {
        let inner = t.spawn(async {
            delay(ms(100)).await;
            Ok(1)
        });
        let begun = Instant::now();
        let outer = t.with(Dispatcher::DEFAULT).spawn(async move {
            let scope = coroutine_scope(async |_| inner.await);
            tokio::join!(scope, delay(ms(20))).0
        });
        delay(ms(10)).await;
        assert!(begun.elapsed() >= ms(20));
        assert_eq!(outer.await?, 1);
        Ok(())
    });
}

/// Also of coroutines that began to wait before the test it is known what they wait for.
#[test]
fn a_coroutine_elsewhere_that_has_waited_before_the_test_lets_the_clock_go() {
    let t = TestScope::default();
    let inner = t.spawn(async {
        delay(ms(100)).await;
        Ok(1)
    });
    let (tx, rx) = mpsc::channel();
    let outer = t.with(Dispatcher::DEFAULT).spawn(async move {
        let mut inner = pin!(inner.into_future());
        poll_fn(|cx| {
            let polled = inner.as_mut().poll(cx);
            tx.send(()).unwrap();
            polled
        })
        .await
    });
    rx.recv().unwrap();
    t.run_test(async |t| {
        assert_eq!(outer.await?, 1);
        assert_eq!(t.current_time(), ms(100));
        Ok(())
    });
}

/// A dump shows the whole tree, the test itself included.
#[test]
fn the_body_of_a_hanging_test_is_in_its_dump() {
    let text = failure_of(|| {
        TestScope::default().run_test_within(ms(100), async |_| await_cancellation().await);
    });
    assert!(text.contains("TestCoroutine{Active}"), "{text}");
    assert!(text.contains("waits for await_cancellation"), "{text}");
}

/// A wait that has ended does not hold the clock, though its future is still there.
#[test]
fn a_delay_elsewhere_that_has_ended_lets_the_clock_go() {
    run_test(async |t| {
        let inner = t.spawn(async {
            delay(ms(100)).await;
            Ok(1)
        });
        let outer = t.with(Dispatcher::DEFAULT).spawn(async move {
            let mut short = pin!(delay(ms(1)));
            short.as_mut().await;
            inner.await
        });
        assert_eq!(outer.await?, 1);
        assert_eq!(t.current_time(), ms(100));
        Ok(())
    });
}

/// Whatever it is that waits for coroutines: a select, a race, a move of the clock itself.
#[test]
fn a_coroutine_elsewhere_that_waits_for_several_of_the_test_lets_the_clock_go() {
    run_test(async |t| {
        let after = |time| {
            t.spawn(async move {
                delay(ms(time)).await;
                Ok(time)
            })
        };
        let (a, b) = (after(50), after(70));
        let selects = t
            .with(Dispatcher::DEFAULT)
            .spawn(async move { select((a.on_await(), b.on_await())).await });
        assert_eq!(selects.await?, 50);

        let (a, b) = (after(50), after(70));
        let races = t
            .with(Dispatcher::DEFAULT)
            .spawn(await_first_success([a.into_future(), b.into_future()]));
        assert_eq!(races.await?, 50);

        let test = t.dispatcher().clone();
        let maps = t
            .with(Dispatcher::DEFAULT)
            .spawn(map_concurrent([1, 2, 3], 2, move |n| {
                with_context(test.clone(), async move {
                    delay(ms(50)).await;
                    Ok(n)
                })
            }));
        assert_eq!(maps.await?, [1, 2, 3]);

        let (before, clock) = (t.current_time(), t.clone());
        let moves = t.with(Dispatcher::DEFAULT).launch(async move {
            clock.advance_time_by(ms(10)).await;
        });
        moves.join().await;
        assert_eq!(t.current_time() - before, ms(10));
        Ok(())
    });
}

/// Nobody waits for the background, the clock neither: a server that polls in real time would stop it for ever.
#[test]
fn a_coroutine_of_the_background_elsewhere_holds_the_clock_only_while_it_runs() {
    run_test(async |t| {
        let background = t.background_scope().with(Dispatcher::DEFAULT);
        background.launch(async {
            loop {
                delay(ms(1)).await;
            }
        });
        let (tx, rx) = tokio::sync::oneshot::channel();
        let computes = background.spawn(async move {
            std::thread::sleep(ms(20));
            let _ = tx.send(());
            std::future::pending::<Result<()>>().await
        });
        let waited = tokio::time::timeout(ms(10), rx).await;
        assert!(waited.is_ok(), "it has run");
        delay(ms(1000)).await;
        assert_eq!(t.current_time(), ms(1000));
        drop(computes);
    });
}

/// What holds the clock of a hanging test is named, also what waits for its turn.
#[test]
fn what_holds_the_clock_of_a_hanging_test_is_named() {
    struct Nowhere(Mutex<Vec<Task>>);
    impl Dispatch for Nowhere {
        fn dispatch(&self, task: Task) -> std::result::Result<(), Rejected> {
            self.0.lock().unwrap().push(task);
            Ok(())
        }
    }
    let text = failure_of(|| {
        TestScope::default().run_test_within(ms(100), async |t| {
            let nowhere = Dispatcher::new(Nowhere(Mutex::default()));
            t.with(nowhere).launch(async {});
            t.with(Dispatcher::DEFAULT)
                .launch(std::future::pending::<()>());
            t.real_time(delay(ms(1))).await;
        });
    });
    let holders = text.split("the virtual clock is held by:").nth(1);
    let holders = holders.unwrap_or_default();
    assert!(
        holders.contains("real_time at test-support/tests/hostile.rs"),
        "{text}"
    );
    assert!(holders.contains("on custom, launched at"), "{text}");
    assert!(
        holders.contains("on Dispatchers.Default, launched at"),
        "{text}"
    );
    assert!(holders.contains("wait there for their turn"), "{text}");
}

/// What needs no dispatch runs on the thread of the test, and waits by its clock.
#[test]
fn a_custom_dispatcher_that_runs_in_place_waits_in_virtual_time() {
    struct InPlace;
    impl Dispatch for InPlace {
        fn dispatch(&self, task: Task) -> std::result::Result<(), Rejected> {
            task.run();
            Ok(())
        }
        fn is_dispatch_needed(&self) -> bool {
            false
        }
    }
    run_test(async |t| {
        let job = t.with(Dispatcher::new(InPlace)).launch(async {
            delay(ms(50)).await;
            tokio::time::sleep(ms(50)).await;
        });
        job.join().await;
        assert_eq!(t.current_time(), ms(100));
    });
}

/// What a test that hangs has left is told and dropped as if it still ran: the wait is named, and a guard may use tokio.
#[test]
fn a_body_that_is_given_up_is_told_and_dropped_in_its_runtime() {
    struct Guard(mpsc::Sender<bool>);
    impl Drop for Guard {
        fn drop(&mut self) {
            let _ = self.0.send(Handle::try_current().is_ok());
        }
    }
    let (tx, rx) = mpsc::channel();
    let guard = Guard(tx.clone());
    let text = failure_of(move || {
        TestScope::default().run_test_within(ms(100), async |_| {
            let _guard = guard;
            non_cancellable(async |_| -> Result<()> { await_cancellation().await }).await
        });
    });
    let why = text.split("did not end").nth(1).unwrap_or_default();
    assert!(why.contains("TestCoroutine{Cancelling}"), "{text}");
    assert!(why.contains("waits for await_cancellation"), "{text}");
    let text = failure_of(move || {
        explore(1, async |t| {
            let guard = Guard(tx.clone());
            t.with(Dispatcher::UNCONFINED).launch(async move {
                let _guard = guard;
                await_cancellation().await
            });
            await_cancellation().await;
        });
    });
    assert!(text.contains("waits for await_cancellation"), "{text}");
    assert!(!text.contains("SupervisorJobImpl"), "{text}");
    // Once for the first test, and for each run of the second one.
    assert_eq!(rx.into_iter().collect::<Vec<_>>(), [true; 3]);
}

/// The waker of a combinator may panic: that fails the test, and nothing else of the harness.
#[test]
fn a_panic_of_a_waker_is_the_panic_of_the_test() {
    struct Bomb;
    impl Wake for Bomb {
        fn wake(self: Arc<Self>) {
            panic!("in a waker")
        }
    }
    let scheduler = TestScheduler::new();
    for leave in [false, true] {
        let text = failure_of(|| {
            TestScope::new(&scheduler).run_test(async |t| {
                let mut timer = Box::pin(delay(ms(10)));
                let mut control = Box::pin(t.advance_time_by(ms(10)));
                let waker = Waker::from(Arc::new(Bomb));
                let mut cx = Context::from_waker(&waker);
                assert!(timer.as_mut().poll(&mut cx).is_pending());
                assert!(control.as_mut().poll(&mut cx).is_pending());
                if leave {
                    std::mem::forget((timer, control));
                } else {
                    await_cancellation().await;
                }
            });
        });
        assert_eq!(text, "in a waker");
    }
    TestScope::new(&scheduler).run_test(async |_| delay(ms(10)).await);
}

#[test]
fn a_panic_of_a_handler_fails_the_test() {
    let text = failure_of(|| {
        run_test(async |t| {
            let handler = ExceptionHandler::new(|_, _| panic!("in the handler"));
            supervisor_scope(async |scope| {
                scope
                    .with(handler)
                    .launch(async { Err::<(), _>(Error::msg("handed to it")) });
                Ok(())
            })
            .await?;
            t.launch(async {})
                .on_completion(|_| panic!("in the callback"));
            Ok(())
        });
    });
    assert_eq!(text, "in the handler");
}

/// Free scopes that a task of tokio makes belong to the test whose runtime that is.
#[test]
fn scopes_made_in_a_task_of_tokio_know_their_test() {
    let text = failure_of(|| {
        run_test(async |t| {
            let task = tokio::spawn(async {
                let screen = CoroutineScope::main();
                screen.launch(async { delay(ms(10)).await }).join().await;
                let failing = GlobalScope.launch(async { Err::<(), _>(Error::msg("of the task")) });
                failing.join().await;
                let own = CoroutineScope::new(Dispatcher::MAIN);
                own.launch(async { Err::<(), _>(Error::msg("of its scope")) });
            });
            task.await?;
            assert_eq!(t.current_time(), ms(10));
            Ok(())
        });
    });
    assert!(text.contains("of the task"), "{text}");
    assert!(text.contains("of its scope"), "{text}");
}

/// The thread is busy with the test: also a call that would not have to wait is refused, with what to do instead.
#[test]
fn to_block_inside_of_a_test_panics() {
    for wait in [false, true] {
        let text = failure_of(|| {
            run_test(async |_| {
                run_blocking(async |_| {
                    if wait {
                        yield_now().await;
                    }
                    Ok(())
                })
            });
        });
        assert!(text.contains("cannot block this thread"), "{text}");
        assert!(text.contains("coroutine_scope"), "{text}");
    }
    run_test(async |_| {
        let elsewhere = blocking(|_| run_blocking(async |_| Ok(1))).await?;
        let task = tokio::task::spawn_blocking(|| run_blocking(async |_| Ok(2)));
        assert_eq!((elsewhere, task.await??), (1, 2));
        Ok(())
    });
}

/// Tasks of tokio are not waited for at the end of a test, and one that is always ready does not keep it from ending.
#[test]
fn a_task_of_tokio_that_spins_does_not_outlive_the_test() {
    let held = Arc::new(());
    let task = held.clone();
    run_test(async |_| {
        tokio::spawn(async move {
            let _held = task;
            loop {
                tokio::task::yield_now().await;
            }
        });
    });
    assert_eq!(Arc::strong_count(&held), 1);
}

/// As outside of tests: what a dispatcher gives back because it has closed is handed over again, and refused.
#[test]
fn what_a_closing_dispatcher_gives_back_is_cancelled() {
    #[derive(Default)]
    struct Closing {
        closed: AtomicBool,
        queue: Mutex<Vec<Task>>,
    }
    struct Loop(Arc<Closing>);
    impl Dispatch for Loop {
        fn dispatch(&self, task: Task) -> std::result::Result<(), Rejected> {
            if self.0.closed.load(Ordering::Relaxed) {
                return Err(Rejected::new(task, "closed"));
            }
            self.0.queue.lock().unwrap().push(task);
            Ok(())
        }
    }
    run_test(async |t| {
        let closing = Arc::new(Closing::default());
        let dispatcher = Dispatcher::new(Loop(closing.clone()));
        let view = dispatcher.limited_parallelism(1);
        let ran = Arc::new(AtomicUsize::new(0));
        let jobs = [&dispatcher, &dispatcher, &view, &view].map(|dispatcher| {
            let ran = ran.clone();
            t.with(dispatcher.clone()).launch(async move {
                ran.fetch_add(1, Ordering::Relaxed);
            })
        });
        closing.closed.store(true, Ordering::Relaxed);
        let queue = std::mem::take(&mut *closing.queue.lock().unwrap());
        queue.into_iter().for_each(Task::reschedule);
        join_all(&jobs).await;
        assert!(jobs.iter().all(|job| job.is_cancelled()));
        assert_eq!(ran.load(Ordering::Relaxed), 0);
    });
}

/// Cleanup that outlives its test waits in real time: nobody moves the clock of a scheduler that has no test any more.
#[test]
fn the_delays_of_cleanup_after_a_given_up_test_end() {
    let (tx, rx) = tokio::sync::oneshot::channel::<()>();
    let (cleaned, done) = mpsc::channel();
    let text = failure_of(|| {
        TestScope::default().run_test_within(ms(100), async |t| {
            let clock = t.clone();
            t.launch(async move {
                let _ = non_cancellable(async |_| Ok(clock.real_time(rx).await?)).await;
            });
            // One waits already, and cannot go on while the clock is held; the other one begins to wait after the test.
            for early in [true, false] {
                let cleaned = cleaned.clone();
                let ended = t.scheduler().clone();
                t.launch(await_cancellation().finally(async move {
                    if !early {
                        with_context(Dispatcher::DEFAULT, async {
                            delay(ms(1400)).await;
                            Ok(())
                        })
                        .await
                        .unwrap();
                    }
                    delay(ms(10)).await;
                    cleaned.send(ended.current_time()).unwrap();
                }));
            }
            await_cancellation().await;
        });
    });
    assert!(text.contains("was cancelled and did not end"), "{text}");
    drop((tx, cleaned));
    assert_eq!(done.into_iter().collect::<Vec<_>>(), [ms(0), ms(0)]);
}

/// A scope goes where its test runs: it sees what is main there, and leaves the thread that has made it alone.
#[test]
fn a_scope_made_on_another_thread_gets_the_main_dispatcher_of_its_test() {
    run_test(async |here| {
        let made = TestScope::new(TestScheduler::new());
        let thread = std::thread::spawn(move || {
            let main = StandardTestDispatcher::on(made.scheduler());
            made.run_test(async |t| {
                let found = t.child_context(Dispatcher::MAIN);
                assert_eq!(found.dispatcher(), Some(t.dispatcher()));
                let set = set_main(&main).unwrap();
                let found = t.child_context(Dispatcher::MAIN);
                assert_eq!(found.dispatcher(), Some(&*main));
                drop(set);
            });
        });
        here.real_time(tokio::task::spawn_blocking(|| thread.join()))
            .await?
            .unwrap();
        let found = here.child_context(Dispatcher::MAIN);
        assert_eq!(found.dispatcher(), Some(here.dispatcher()));
        Ok(())
    });
    // Without a test it has one of its own, too.
    let scopes = [TestScope::default(), TestScope::default()];
    for t in &scopes {
        let found = t.child_context(Dispatcher::MAIN);
        assert_eq!(found.dispatcher(), Some(t.dispatcher()));
    }
    let main = StandardTestDispatcher::new();
    let set = set_main(&main).unwrap();
    for t in &scopes {
        let found = t.child_context(Dispatcher::MAIN);
        assert_eq!(found.dispatcher(), Some(&*main));
    }
    drop(set);
}

#[test]
fn a_waker_of_an_earlier_test_does_not_wake_the_next_one() {
    let scheduler = TestScheduler::new();
    let mut old = None;
    TestScope::new(&scheduler).run_test(async |_| {
        poll_fn(|cx| {
            old = Some(cx.waker().clone());
            Poll::Ready(())
        })
        .await;
    });
    let old = old.unwrap();
    old.wake_by_ref();
    TestScope::new(&scheduler).run_test(async |t| {
        old.wake_by_ref();
        let (mut timer, mut polls) = (pin!(delay(ms(10))), 0);
        poll_fn(|cx| {
            polls += 1;
            timer.as_mut().poll(cx)
        })
        .await;
        assert_eq!((polls, t.current_time()), (2, ms(10)));
    });
}

/// To look at each of them whenever the clock is to move would take a minute here.
#[test]
fn many_coroutines_that_wait_elsewhere_do_not_slow_the_clock_down() {
    TestScope::default().run_test_within(ms(10_000), async |t| {
        let gate = CompletableJob::new();
        for _ in 0..2000 {
            let gate = gate.clone();
            t.with(Dispatcher::DEFAULT)
                .launch(async move { gate.join().await });
        }
        for _ in 0..200 {
            delay(ms(1)).await;
        }
        assert_eq!(t.current_time(), ms(200));
        gate.complete();
    });
}

/// Also where a job wakes those who wait for it: the tree goes on to its end.
#[test]
fn a_panic_of_a_waker_does_not_stop_the_tree() {
    struct Bomb;
    impl Wake for Bomb {
        fn wake(self: Arc<Self>) {
            panic!("in a waker")
        }
    }
    for cancel in [false, true] {
        let text = failure_of(|| {
            TestScope::default().run_test_within(ms(2000), async |t| {
                let waker = Waker::from(Arc::new(Bomb));
                let mut cx = Context::from_waker(&waker);
                let job = t.launch(async { delay(ms(1)).await });
                let mut join = pin!(job.join());
                assert!(join.as_mut().poll(&mut cx).is_pending());
                let mut scope = pin!(coroutine_scope(async |_| -> Result<()> {
                    await_cancellation().await
                }));
                if cancel {
                    assert!(scope.as_mut().poll(&mut cx).is_pending());
                    t.cancel();
                }
                delay(ms(2)).await;
            });
        });
        assert!(
            text.ends_with("in a waker") || text.contains(": in a waker"),
            "{text}"
        );
        assert!(!text.contains("has not completed"), "{text}");
    }
}

/// The time for the cleanup counts from when the thread is free again, not from the limit.
#[test]
fn a_thread_that_was_blocked_beyond_the_limit_has_time_to_clean_up() {
    let (cleaned, done) = mpsc::channel();
    let text = failure_of(|| {
        TestScope::default().run_test_within(ms(500), async |_| {
            async {
                // Beyond the limit, the answer to it, and what the cleanup may take from then on.
                std::thread::sleep(ms(2200));
                await_cancellation().await
            }
            .finally(async move {
                let slow = async {
                    delay(ms(1000)).await;
                    Ok(())
                };
                with_context(Dispatcher::DEFAULT, slow).await.unwrap();
                cleaned.send(()).unwrap();
            })
            .await;
        });
    });
    assert!(text.contains("has not completed after 500ms"), "{text}");
    assert!(!text.contains("did not end"), "{text}");
    assert!(done.recv().is_ok());
}

/// Coroutines of a test that run in place do so on its thread, whoever wakes them.
#[test]
fn an_unconfined_coroutine_that_another_thread_wakes_stays_on_the_thread_of_the_test() {
    TestScope::new(UnconfinedTestDispatcher::new()).run_test_within(ms(5000), async |t| {
        let here = std::thread::current().id();
        let (tx, rx) = tokio::sync::oneshot::channel();
        let local = Rc::new(1);
        let woken = t.spawn_local(async move {
            let sent: i32 = rx.await?;
            assert_eq!(std::thread::current().id(), here);
            delay(ms(10)).await;
            Ok(sent + *local)
        });
        let thread = std::thread::spawn(move || tx.send(1));
        assert_eq!(woken.await?, 2);
        assert_eq!(t.current_time(), ms(10));
        thread.join().unwrap().unwrap();
        Ok(())
    });
}

/// Tests of several threads that share a scheduler by mistake are told so, and do not run through each other.
#[test]
fn of_tests_on_one_scheduler_at_the_same_time_one_runs() {
    const THREADS: usize = 4;
    for _ in 0..100 {
        let scheduler = TestScheduler::new();
        let (barrier, inside) = (Barrier::new(THREADS), AtomicUsize::new(0));
        let ran = AtomicUsize::new(0);
        std::thread::scope(|threads| {
            for _ in 0..THREADS {
                threads.spawn(|| {
                    let t = TestScope::new(&scheduler);
                    barrier.wait();
                    let outcome = catch_unwind(AssertUnwindSafe(|| {
                        t.run_test_within(ms(3000), async |_| {
                            assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0);
                            delay(ms(1)).await;
                            inside.fetch_sub(1, Ordering::Relaxed);
                            ran.fetch_add(1, Ordering::Relaxed);
                        });
                    }));
                    if let Err(payload) = outcome {
                        let text = payload.downcast::<&str>().expect("that of the harness");
                        assert!(text.contains("at the same time"), "{text}");
                    }
                });
            }
        });
        let ran = ran.into_inner();
        assert!(ran > 0);
        assert_eq!(scheduler.current_time(), ms(ran as u64));
    }
}
