//! The life of a test: V-8 to V-15, and bad input.

mod common;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use corox_core::{
    CompletableDeferred, CompletableJob, ContextElement, CoroutineContext, CoroutineName,
    CoroutineScope, Dispatcher, Error, ExceptionHandler, FinallyExt, GlobalScope, Job,
    SupervisorJob, await_cancellation, coroutine_scope, delay, non_cancellable, run_blocking,
    supervisor_scope, with_context, yield_now,
};
use corox_test::{
    EventLog, StandardTestDispatcher, TestScheduler, TestScope, UnconfinedTestDispatcher,
    assert_events, run_test, set_main,
};

use common::failure_of;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// V-8
#[test]
fn a_coroutine_on_the_dispatcher_of_another_scheduler_fails_the_test() {
    let text = failure_of(|| {
        run_test(async |t| {
            let other = StandardTestDispatcher::on(&TestScheduler::new());
            t.with(&other).launch(async { panic!("does not run") });
        });
    });
    assert!(text.contains("another TestScheduler"), "{text}");
    assert!(!text.contains("has not completed"), "nobody waits: {text}");
    assert!(text.contains("run_test.rs"), "{text}");
}

/// V-8
#[test]
fn a_scope_with_two_schedulers_is_refused() {
    let text = failure_of(|| {
        let context = StandardTestDispatcher::new() + TestScheduler::new();
        drop(TestScope::new(context));
    });
    assert!(text.contains("two schedulers"), "{text}");
}

/// V-8
#[test]
fn dispatchers_made_after_set_main_share_its_scheduler() {
    let main = StandardTestDispatcher::new();
    let before = UnconfinedTestDispatcher::new();
    let guard = set_main(&main).unwrap();
    let shared = UnconfinedTestDispatcher::new();
    TestScope::new(&main).run_test(async |t| {
        // Works only with one scheduler: V-8.
        t.with(&shared)
            .launch(async { delay(ms(10)).await })
            .join()
            .await;
        assert_eq!(t.current_time(), ms(10));
        assert_eq!(shared.scheduler().current_time(), ms(10));
        assert_eq!(before.scheduler().current_time(), ms(0));
    });
    drop(guard);
    let after = StandardTestDispatcher::new();
    assert_eq!(after.scheduler().current_time(), ms(0));
}

/// A scope takes test dispatchers only, and no handler.
#[test]
fn a_scope_refuses_other_dispatchers_and_handlers() {
    let text = failure_of(|| drop(TestScope::new(Dispatcher::DEFAULT)));
    assert!(text.contains("needs a test dispatcher"), "{text}");
    let handler = ExceptionHandler::new(|_, _| {});
    let text = failure_of(|| drop(TestScope::new(handler)));
    assert!(text.contains("cannot have an ExceptionHandler"), "{text}");
}

/// V-9: a coroutine that was launched before the test runs before the body, as the body waits for its turn.
#[test]
fn the_body_waits_for_its_turn() {
    let t = TestScope::default();
    let log = EventLog::new();
    let own = log.clone();
    t.launch(async move { own.add("launched before") });
    t.run_test(async |t| {
        log.add("body");
        let own = log.clone();
        t.launch(async move { own.add("launched inside") });
        yield_now().await;
        log.assert(["launched before", "body", "launched inside"]);
    });
}

/// V-9: with nothing to do, a foreign thread is waited for.
#[test]
fn a_foreign_thread_is_waited_for_in_real_time() {
    run_test(async |t| {
        let (tx, rx) = tokio::sync::oneshot::channel();
        let (go, gone) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            gone.recv().unwrap();
            tx.send("hello").unwrap();
        });
        let child = t.spawn(async { Ok(rx.await?) });
        t.run_current().await;
        go.send(()).unwrap();
        assert_eq!(child.await?, "hello");
        thread.join().unwrap();
        assert_eq!(t.current_time(), ms(0));
        Ok(())
    });
}

/// V-10: the body, then its children, then the background and all cleanup.
#[test]
fn a_test_ends_after_its_children_and_the_cleanup_of_the_background() {
    let log = EventLog::new();
    run_test(async |t| {
        let own = log.clone();
        t.background_scope()
            .launch(async { await_cancellation().await }.finally(async move {
                own.add("background is cancelled");
                delay(ms(50)).await;
                own.add("background has cleaned up");
            }));
        let own = log.clone();
        t.launch(async move {
            delay(ms(100)).await;
            own.add("child");
        });
        t.run_current().await;
        log.add("body");
    });
    log.assert([
        "body",
        "child",
        "background is cancelled",
        "background has cleaned up",
    ]);
}

/// V-10: also what is due in scopes that are no part of the test.
#[test]
fn what_is_still_due_after_the_test_is_run() {
    let log = EventLog::new();
    let dispatcher = StandardTestDispatcher::new();
    let own = CoroutineScope::new(&dispatcher);
    TestScope::new(&dispatcher).run_test(async |_| {
        let events = log.clone();
        own.launch(async move {
            delay(ms(10)).await;
            events.add("due");
        });
    });
    log.assert(["due"]);
}

/// V-10, V-6: what is due at the end of time is never due.
#[test]
fn a_delay_for_ever_in_another_scope_does_not_keep_a_test() {
    run_test(async |t| {
        let leaked = CoroutineScope::new(t.dispatcher().clone());
        let job = leaked.launch(async {
            delay(Duration::from_millis(i64::MAX as u64)).await;
            panic!("the end of time");
        });
        t.run_current().await;
        assert!(job.is_active());
    });
}

/// V-11
#[test]
fn a_test_whose_children_do_not_end_names_them() {
    let text = failure_of(|| {
        TestScope::default().run_test_within(ms(50), async |t| {
            t.with(CoroutineName::new("stuck"))
                .launch(async { await_cancellation().await });
        });
    });
    assert!(
        text.starts_with("the test has not completed after 50ms of real time: its body has ended, and 1 of its coroutines has not:"),
        "{text}"
    );
    assert!(text.contains("\"stuck#"), "{text}");
    assert!(text.contains("waits for await_cancellation at "), "{text}");
    assert!(text.contains("COROX_TEST_TIMEOUT"), "{text}");
}

/// V-11
#[test]
fn a_test_whose_body_does_not_end_says_so() {
    let cleaned = Arc::new(AtomicBool::new(false));
    let own = cleaned.clone();
    let text = failure_of(|| {
        TestScope::default().run_test_within(ms(50), async move |_| {
            async { await_cancellation().await }
                .finally(async move { own.store(true, Ordering::Relaxed) })
                .await
        });
    });
    assert!(text.contains("its body has not ended"), "{text}");
    assert!(
        !text.contains("and, 1"),
        "the cancellation is no failure of its own: {text}"
    );
    assert!(cleaned.load(Ordering::Relaxed), "the test was cancelled");
}

/// V-11: what fails while the test is wound down is told behind the time-out.
#[test]
fn failures_while_winding_down_are_told_after_the_timeout() {
    let text = failure_of(|| {
        TestScope::default().run_test_within(ms(50), async |t| {
            t.launch(
                async { await_cancellation().await }.finally(async { panic!("cleanup is broken") }),
            );
        });
    });
    assert!(text.starts_with("the test has not completed"), "{text}");
    assert!(
        text.contains("and, 1: panicked: cleanup is broken"),
        "{text}"
    );
}

/// V-11: a cleanup that hangs does not keep the test.
#[test]
fn a_test_whose_cleanup_does_not_end_is_given_up() {
    let text = failure_of(|| {
        TestScope::default().run_test_within(ms(50), async |_| {
            let never = CompletableDeferred::<()>::new();
            non_cancellable(async |_| (&never).await).await
        });
    });
    assert!(text.starts_with("the test has not completed"), "{text}");
    assert!(
        text.contains("its cleanup waits for something that does not come"),
        "{text}"
    );
}

/// V-11: a thread that is blocked cannot be stopped, and the test fails when it goes on.
#[test]
fn a_test_that_completes_late_fails() {
    let text = failure_of(|| {
        TestScope::default().run_test_within(ms(20), async |_| {
            std::thread::sleep(ms(40));
        });
    });
    assert!(text.contains("it ended after that"), "{text}");
}

/// V-12: the body's failure first, then the others in their order.
#[test]
fn failures_are_told_in_order_the_body_first() {
    let text = failure_of(|| {
        run_test(async |t| {
            t.background_scope()
                .launch(async { Err::<(), _>(Error::msg("background")) });
            let supervised = supervisor_scope(async |scope| {
                scope.launch(async { Err::<(), _>(Error::msg("supervised")) });
                Ok(())
            });
            supervised.await?;
            t.run_current().await;
            Err::<(), _>(Error::msg("body"))
        });
    });
    let at = |part: &str| {
        text.find(part)
            .unwrap_or_else(|| panic!("no {part} in {text}"))
    };
    assert!(text.starts_with("body"), "{text}");
    assert!(
        at("body") < at("and, 1: background") && at("background") < at("and, 2: supervised"),
        "{text}"
    );
}

/// V-12: without a failure of the body the first of the others counts.
#[test]
fn an_uncaught_failure_fails_a_test_whose_body_is_well() {
    let text = failure_of(|| {
        run_test(async |_| {
            supervisor_scope(async |scope| {
                scope.launch(async { Err::<(), _>(Error::msg("first")) });
                scope.launch(async { Err::<(), _>(Error::msg("second")) });
                Ok(())
            })
            .await
        });
    });
    assert!(
        text.starts_with("first") && text.contains("and, 1: second"),
        "{text}"
    );
}

/// V-12: a failed `spawn` of the background, which nobody awaits, and one failure only once.
#[test]
fn a_failed_spawn_of_the_background_is_told_once() {
    let text = failure_of(|| {
        run_test(async |t| {
            let _ = t
                .background_scope()
                .spawn(async { Err::<(), _>(Error::msg("deferred")) });
            t.background_scope()
                .launch(async { Err::<(), _>(Error::msg("launched")) });
            t.run_current().await;
        });
    });
    assert_eq!(text.matches("deferred").count(), 1, "{text}");
    assert_eq!(text.matches("launched\n").count(), 1, "{text}");
}

/// V-12: a failure that the body passes on is one failure.
#[test]
fn a_failure_of_the_background_that_the_body_returns_is_told_once() {
    let text = failure_of(|| {
        run_test(async |t| {
            let deferred = t
                .background_scope()
                .spawn(async { Err::<(), _>(Error::msg("both ways")) });
            deferred.await
        });
    });
    assert!(text.starts_with("both ways"), "{text}");
    assert_eq!(text.matches("both ways").count(), 1, "{text}");
}

/// V-12: of a coroutine of the background elsewhere.
#[test]
fn a_failed_spawn_of_the_background_elsewhere_is_told() {
    let text = failure_of(|| {
        run_test(async |t| {
            let launcher = t.background_scope().with(Dispatcher::DEFAULT);
            let failed = launcher.spawn(async { Err::<(), _>(Error::msg("elsewhere")) });
            failed.join().await;
        });
    });
    assert!(text.starts_with("elsewhere"), "{text}");
}

/// V-12: of a global coroutine that the test has launched.
#[test]
fn a_failed_global_coroutine_fails_its_test() {
    let text = failure_of(|| {
        run_test(async |_| {
            let job = GlobalScope.launch(async { Err::<(), _>(Error::msg("global")) });
            job.join().await;
        });
    });
    assert!(text.starts_with("global"), "{text}");
}

/// V-12: a test on another thread at the same time has nothing to do with it.
#[test]
fn a_failed_global_coroutine_fails_only_the_test_that_has_launched_it() {
    let both_run = Arc::new(std::sync::Barrier::new(2));
    let other_begins = both_run.clone();
    let other = std::thread::spawn(move || {
        run_test(async |_| {
            other_begins.wait();
            other_begins.wait();
        });
    });
    let text = failure_of(|| {
        run_test(async |_| {
            both_run.wait();
            let job = GlobalScope.launch(async { Err::<(), _>(Error::msg("mine")) });
            job.join().await;
            let scope = CoroutineScope::new(SupervisorJob::new());
            let job = scope.launch(async { Err::<(), _>(Error::msg("also mine")) });
            job.join().await;
            both_run.wait();
        });
    });
    assert!(
        text.starts_with("mine") && text.contains("and, 1: also mine"),
        "{text}"
    );
    other.join().expect("the other test passes");
}

/// A failure of a child fails the test with that failure, a panic with its own payload.
#[test]
fn the_panic_of_a_child_is_the_panic_of_the_test() {
    let payload = catch_unwind(|| {
        run_test(async |t| {
            t.launch(async { std::panic::panic_any(42_u32) });
            await_cancellation().await
        });
    });
    assert_eq!(*payload.unwrap_err().downcast::<u32>().unwrap(), 42);
}

/// V-13
#[test]
fn a_failure_before_the_test_fails_it_at_its_start() {
    let t = TestScope::new(UnconfinedTestDispatcher::new());
    let ran = AtomicBool::new(false);
    t.background_scope()
        .launch(async { Err::<(), _>(Error::msg("too early")) });
    let text = failure_of(|| t.run_test(async |_| ran.store(true, Ordering::Relaxed)));
    assert!(
        text.starts_with("there were failures that nobody took before this test began"),
        "{text}"
    );
    assert!(text.contains("too early"), "{text}");
    assert!(!ran.load(Ordering::Relaxed));
}

/// V-14
#[test]
fn a_given_parent_is_not_completed_by_the_test() {
    let parent = CompletableJob::new();
    let job: Job = (*parent).clone();
    TestScope::new(job.clone()).run_test(async |t| {
        assert!(t.job().parent().is_some_and(|parent| parent.ptr_eq(&job)));
    });
    assert!(parent.is_active());
    assert!(parent.children().is_empty());
}

/// V-14: a failure of the test is one of its parent's child.
#[test]
fn a_failed_test_cancels_its_parent() {
    let parent = CompletableJob::new();
    let job: Job = (*parent).clone();
    let text = failure_of(|| {
        TestScope::new(job.clone()).run_test(async |_| Err::<(), _>(Error::msg("broken")));
    });
    assert!(text.starts_with("broken"), "{text}");
    assert!(parent.is_cancelled());
}

/// V-14
#[test]
fn a_cancelled_test_fails() {
    let text = failure_of(|| run_test(async |t| t.cancel()));
    assert!(text.contains("cancelled"), "{text}");
}

/// V-14
#[test]
fn tests_do_not_nest() {
    let text = failure_of(|| run_test(async |_| run_test(async |_| {})));
    assert!(text.contains("tests do not nest"), "{text}");
}

/// V-14
#[test]
fn a_scope_runs_one_test() {
    let t = TestScope::default();
    t.run_test(async |_| {});
    let text = failure_of(|| t.run_test(async |_| {}));
    assert!(text.contains("has run already"), "{text}");
}

/// V-8: what is made inside of a test belongs to it; scopes that wait for their tests have nothing in common.
#[test]
fn a_dispatcher_made_in_a_test_shares_its_scheduler() {
    let (a, b) = (TestScope::default(), TestScope::default());
    b.run_test(async |t| {
        let other = StandardTestDispatcher::new();
        t.with(other)
            .launch(async { delay(ms(10)).await })
            .join()
            .await;
        assert_eq!(t.current_time(), ms(10));
    });
    a.run_test(async |t| {
        assert_eq!(t.current_time(), ms(0));
        let context = t.child_context(Dispatcher::MAIN);
        assert_eq!(context.dispatcher(), Some(t.dispatcher()));
    });
}

/// A scheduler lives on after a test: its time goes on in the next one.
#[test]
fn tests_can_share_a_scheduler_one_after_the_other() {
    let scheduler = TestScheduler::new();
    for n in 1..=2 {
        TestScope::new(&scheduler).run_test(async |t| {
            delay(ms(10)).await;
            assert_eq!(t.current_time(), ms(10 * n));
        });
    }
}

#[tokio::test]
async fn inside_of_a_tokio_runtime_it_says_what_to_do() {
    let text = failure_of(|| run_test(async |_| {}));
    assert!(
        text.contains("use `#[test]` in place of `#[tokio::test]`"),
        "{text}"
    );
}

/// V-15
#[test]
fn main_is_the_dispatcher_of_the_test_unless_it_is_set() {
    run_test(async |t| {
        let here = t.dispatcher().clone();
        let on_main = t.with(Dispatcher::MAIN).launch(async {});
        on_main.join().await;
        let context = t.child_context(Dispatcher::MAIN);
        assert_eq!(context.dispatcher(), Some(&here));
        let other = StandardTestDispatcher::on(t.scheduler());
        let guard = set_main(&other).unwrap();
        let context = t.child_context(Dispatcher::MAIN);
        assert_eq!(context.dispatcher(), Some(&*other));
        // V-15: a second one is detected; the first stays.
        assert!(set_main(here.clone()).is_err());
        let context = t.child_context(Dispatcher::MAIN);
        assert_eq!(context.dispatcher(), Some(&*other));
        drop(guard);
        let context = t.child_context(Dispatcher::MAIN);
        assert_eq!(context.dispatcher(), Some(&here));
    });
}

/// V-15: its timers are virtual, and it stays the same from other threads.
#[test]
fn main_stays_the_test_s_across_dispatchers() {
    run_test(async |t| {
        let thread = std::thread::current().id();
        with_context(Dispatcher::DEFAULT, async move {
            assert_ne!(std::thread::current().id(), thread);
            with_context(Dispatcher::MAIN, async move {
                assert_eq!(std::thread::current().id(), thread);
                delay(ms(100)).await;
                Ok(())
            })
            .await
        })
        .await?;
        assert_eq!(t.current_time(), ms(100));
        Ok(())
    });
}

/// V-15: the immediate one of a plain dispatcher is itself.
#[test]
fn the_immediate_main_of_a_test_is_the_dispatcher_itself() {
    run_test(async |t| {
        let immediate = Dispatcher::MAIN.immediate();
        let context = t.child_context(immediate.clone());
        assert_eq!(context.dispatcher(), Some(t.dispatcher()));
        let job = t.with(immediate).launch(async {});
        assert!(!job.is_completed(), "a launch is queued");
    });
}

/// A screen of a user interface, made in a test, gets that test's main dispatcher.
#[test]
fn a_main_scope_made_in_a_test_runs_on_its_dispatcher() {
    run_test(async |t| {
        let screen = CoroutineScope::main();
        let loaded = screen.spawn(async {
            delay(ms(300)).await;
            Ok("loaded")
        });
        assert_eq!(loaded.await?, "loaded");
        assert_eq!(t.current_time(), ms(300));
        let own = CoroutineScope::new(SupervisorJob::new());
        own.with(Dispatcher::MAIN)
            .launch(async { delay(ms(300)).await })
            .join()
            .await;
        assert_eq!(t.current_time(), ms(600));
        Ok(())
    });
}

/// A scope that belongs to nobody is no part of the test, also if it was given a job of its own.
#[test]
fn the_clock_does_not_wait_for_a_scope_of_its_own() {
    run_test(async |t| {
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let own = CoroutineScope::new(SupervisorJob::new());
        let blocked = own.launch(async move {
            let _ = ended.recv();
        });
        delay(ms(3_600_000)).await;
        assert_eq!(t.current_time(), ms(3_600_000));
        assert!(!blocked.is_completed());
        drop(end);
        blocked.join().await;
    });
}

/// V-15: tests on other threads have their own.
#[test]
fn main_dispatchers_of_parallel_tests_do_not_meet() {
    let barrier = Arc::new(std::sync::Barrier::new(4));
    let threads: Vec<_> = (1..=4)
        .map(|n| {
            let barrier = barrier.clone();
            std::thread::spawn(move || {
                let main = StandardTestDispatcher::new();
                let _guard = set_main(&main).unwrap();
                barrier.wait();
                run_test(async |t| {
                    let screen = CoroutineScope::main();
                    screen
                        .launch(async move { delay(ms(n)).await })
                        .join()
                        .await;
                    barrier.wait();
                    assert_eq!(t.current_time(), ms(n));
                    assert_eq!(main.scheduler().current_time(), ms(n));
                });
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

/// Coroutines that were launched on the dispatcher of the test, belong to nobody and never stop.
#[test]
fn a_coroutine_that_goes_on_after_the_test_is_named() {
    let cleaned = Arc::new(AtomicBool::new(false));
    let leaked = Mutex::new(None);
    let text = failure_of(|| {
        run_test(async |t| {
            let scope = CoroutineScope::new(t.dispatcher().clone());
            let own = cleaned.clone();
            let job = scope.with(CoroutineName::new("poller")).launch(
                async {
                    loop {
                        delay(ms(1000)).await;
                    }
                }
                .finally(async move { own.store(true, Ordering::Relaxed) }),
            );
            *leaked.lock().unwrap() = Some(job);
        });
    });
    let job = leaked.into_inner().unwrap().unwrap();
    run_blocking(async |_| {
        job.join().await;
        Ok(())
    })
    .unwrap();
    assert!(job.is_cancelled() && cleaned.load(Ordering::Relaxed));
    assert!(
        text.starts_with("the test has ended, and on its dispatcher coroutines go on and on"),
        "{text}"
    );
    assert!(
        text.contains("\"poller#") && text.contains("launched at test-support/tests/run_test.rs"),
        "{text}"
    );
}

/// A scope that never runs its test lets go of what was launched in it.
#[test]
fn a_scope_without_a_test_drops_its_coroutines() {
    struct Flag(Arc<AtomicBool>);
    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let dropped = Arc::new(AtomicBool::new(false));
    let t = TestScope::default();
    let flag = Flag(dropped.clone());
    let test = t.job().clone();
    let job = t.launch(async move {
        let _flag = flag;
        await_cancellation().await
    });
    drop(t);
    assert!(job.is_completed() && job.is_cancelled());
    assert!(test.is_completed() && test.is_cancelled());
    assert!(dropped.load(Ordering::Relaxed));
}

/// A failed test leaves nothing behind either, whatever it holds.
#[test]
fn what_a_given_up_test_has_left_is_cancelled_elsewhere() {
    let ended = CompletableDeferred::<()>::new();
    let (leave, left) = (ended.clone(), Arc::new(Mutex::new(None)));
    let cleaned = Arc::new(AtomicBool::new(false));
    let own = cleaned.clone();
    let kept = left.clone();
    let text = failure_of(|| {
        TestScope::default().run_test_within(ms(50), async move |t| {
            let job = t.launch(async move {
                let cleanup = non_cancellable(async |_| {
                    (&leave).await?;
                    own.store(true, Ordering::Relaxed);
                    Ok(())
                });
                let _ = cleanup.await;
            });
            *kept.lock().unwrap() = Some(job);
            await_cancellation().await
        });
    });
    assert!(text.contains("was cancelled and did not end"), "{text}");
    // Its cleanup goes on where something runs it.
    let job = left.lock().unwrap().take().unwrap();
    ended.complete(());
    run_blocking(async |_| {
        job.join().await;
        Ok(())
    })
    .unwrap();
    assert!(job.is_cancelled());
    assert!(cleaned.load(Ordering::Relaxed), "not thrown away half-way");
}

/// Nothing of a test is kept: its context, its coroutines, its background.
#[test]
fn a_test_is_freed_with_its_scope() {
    struct Kept(#[allow(dead_code)] Arc<()>);
    impl ContextElement for Kept {}
    let held = Arc::new(());
    for fails in [false, true] {
        let t = TestScope::new(Kept(held.clone()));
        let text = catch_unwind(AssertUnwindSafe(|| {
            t.run_test_within(ms(200), async |t| {
                t.background_scope()
                    .launch(async { await_cancellation().await });
                t.launch(async { delay(ms(10)).await });
                let scope = (*t).clone();
                t.launch(async move {
                    scope.launch(async {});
                    delay(ms(20)).await;
                });
                with_context(Dispatcher::DEFAULT, async { Ok(()) }).await?;
                if fails {
                    await_cancellation().await;
                }
                Ok(())
            });
        }));
        assert_eq!(text.is_err(), fails);
        drop(t);
        assert_eq!(Arc::strong_count(&held), 1);
    }
    drop(TestScope::new(Kept(held.clone())));
    assert_eq!(Arc::strong_count(&held), 1);
}

/// The context of the test can have more elements; children inherit them.
#[test]
fn a_test_has_the_elements_of_its_context() {
    let context: CoroutineContext = CoroutineName::new("mine").into();
    TestScope::new(context).run_test(async |t| {
        assert_eq!(t.launch(async {}).name().as_deref(), Some("mine"));
        coroutine_scope(async |scope| {
            assert_eq!(scope.context().name().unwrap().as_str(), "mine");
            Ok(())
        })
        .await
    });
}

/// What the log of events says.
#[test]
fn recorded_orders_are_compared_with_the_first_difference_marked() {
    let text = failure_of(|| assert_events(&[1, 2, 3], &[1, 3]));
    assert_eq!(
        text,
        "the recorded events differ from the expected ones at place 1:\n     0  1\n->   1  2    expected: 3\n     2  3    expected: (nothing)"
    );
    let log = EventLog::of();
    log.push((ms(1), "a"));
    assert_events(&log.events(), &[(ms(1), "a")]);
    assert_eq!(log.take(), [(ms(1), "a")]);
    assert!(log.events().is_empty());
    assert_events::<u8, u8>(&[], &[]);
}

/// Bodies that are not `Send`.
#[test]
fn local_bodies_run_in_a_test() {
    let log = EventLog::new();
    run_test(async |t| {
        let shared = Rc::new(Cell::new(0));
        for n in 1..=3 {
            let shared = shared.clone();
            t.launch_local(async move {
                delay(ms(10 * n)).await;
                shared.set(shared.get() + n);
            });
        }
        let own = shared.clone();
        let sum = t.spawn_local(async move {
            tokio::time::sleep(ms(25)).await;
            Ok(own.get())
        });
        assert_eq!(sum.await?, 3);
        let other = StandardTestDispatcher::on(t.scheduler());
        let own = shared.clone();
        t.with(&other)
            .launch_local(async move { own.set(own.get() + 10) })
            .join()
            .await;
        t.advance_until_idle().await;
        assert_eq!(shared.get(), 16);
        // Cancelled from another thread it is dropped here.
        let (here, kept) = (std::thread::current().id(), log.clone());
        let dropped = scopeguard(shared, move || {
            kept.add(format!(
                "dropped here: {}",
                std::thread::current().id() == here
            ));
        });
        let job = t.launch_local(async move {
            let _dropped = dropped;
            await_cancellation().await
        });
        t.run_current().await;
        let thread = std::thread::spawn(move || job.cancel());
        thread.join().unwrap();
        Ok(())
    });
    log.assert(["dropped here: true"]);
}

struct OnDrop<F: FnMut()>(#[allow(dead_code)] Rc<Cell<u64>>, F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.1)();
    }
}

fn scopeguard<F: FnMut()>(kept: Rc<Cell<u64>>, f: F) -> OnDrop<F> {
    OnDrop(kept, f)
}

/// What a test leaves of them is dropped on its thread.
#[test]
fn local_bodies_that_are_left_are_dropped_with_the_test() {
    let log = EventLog::new();
    run_test(async |t| {
        let scope = CoroutineScope::new(t.dispatcher().clone());
        let kept = log.clone();
        let dropped = scopeguard(Rc::default(), move || kept.add("dropped"));
        scope.launch_local(async move {
            let _dropped = dropped;
            await_cancellation().await
        });
        t.run_current().await;
    });
    log.assert(["dropped"]);
}

/// Elsewhere they are refused.
#[test]
fn local_bodies_are_refused_before_the_test_and_on_other_threads() {
    let t = TestScope::default();
    let text = failure_of(|| drop(t.launch_local(async {})));
    assert!(
        text.contains("must be the event loop of its dispatcher"),
        "{text}"
    );
    t.run_test(async |t| {
        let scope = (*t).clone();
        let thread = std::thread::spawn(move || failure_of(|| drop(scope.launch_local(async {}))));
        let text = thread.join().unwrap();
        assert!(
            text.contains("must be the event loop of its dispatcher"),
            "{text}"
        );
    });
}
