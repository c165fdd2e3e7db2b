//! Tests in virtual time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use corox::{
    Capacity, Channel, CoroutineScope, Error, MAIN, await_cancellation, delay, set_main,
    with_context, with_timeout,
};
use corox_test::{StandardTestDispatcher, TestScheduler, TestScope, run_test};

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// The text that a test fails with, which must fail.
fn failure_of(test: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(test)).expect_err("the test must fail");
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => (*payload.downcast::<&str>().expect("a text")).to_owned(),
    }
}

/// What is `MAIN` for a program is replaced in a test, and comes back after it. Each test has a main dispatcher of its own, so that
/// tests may run at the same time.
#[test]
fn test_set_main_replaces_the_main_dispatcher_and_gives_it_back() {
    let screen = corox::new_single_thread_context("screen");
    // That of the program.
    let program = set_main(screen.clone()).unwrap();
    let thread_of_main = || {
        let name = async { Ok(thread::current().name().map(str::to_owned)) };
        corox::run_blocking(async |_| with_context(MAIN, name).await)
    };
    assert_eq!(thread_of_main().unwrap().as_deref(), Some("screen"));
    {
        let replaced = StandardTestDispatcher::new();
        let _main = corox_test::set_main(&replaced).unwrap();
        TestScope::new(&replaced).run_test(async |_| {
            let here = thread::current().id();
            let there = with_context(MAIN, async { Ok(thread::current().id()) }).await?;
            assert_eq!(here, there, "the thread of the test");
            Ok(())
        });
    }
    assert_eq!(thread_of_main().unwrap().as_deref(), Some("screen"));
    drop(program);
    // `run_blocking` gives a panic on.
    let text = failure_of(|| drop(thread_of_main()));
    assert!(text.contains("there is no main dispatcher"), "{text}");
    screen.close();
}

#[test]
fn test_main_shares_scheduler_with_what_is_made_later() {
    let main = StandardTestDispatcher::new();
    let _main = corox_test::set_main(&main).unwrap();
    let later = StandardTestDispatcher::new();
    assert_eq!(later.scheduler().current_time(), Duration::ZERO);
    run_test(async |t| {
        with_context(&later, async {
            delay(ms(100)).await;
            Ok(())
        })
        .await?;
        with_context(MAIN, async {
            delay(ms(100)).await;
            Ok(())
        })
        .await?;
        assert_eq!(t.current_time(), ms(200));
        assert_eq!(main.scheduler().current_time(), ms(200));
        assert_eq!(later.scheduler().current_time(), ms(200));
        Ok(())
    });
}

/// The limit is 60 seconds unless a test, or `COROX_TEST_TIMEOUT`, sets another.
#[test]
fn test_hanging_timeout_fails_the_test_after_its_body_was_cancelled() {
    struct Noted(Arc<AtomicBool>);
    impl Drop for Noted {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    let cancelled = Arc::new(AtomicBool::new(false));
    let noted = Noted(cancelled.clone());
    let begin = Instant::now();
    let text = failure_of(|| {
        TestScope::new(TestScheduler::new()).run_test_within(ms(100), async |_| {
            let _noted = noted;
            await_cancellation().await
        });
    });
    assert!(begin.elapsed() >= ms(100), "real time");
    assert!(text.contains("100ms"), "{text}");
    assert!(cancelled.load(Ordering::Relaxed));
}

#[test]
fn test_delay_skipping_takes_no_real_time() {
    let begin = Instant::now();
    run_test(async |t| {
        delay(Duration::from_secs(3600)).await;
        assert_eq!(t.current_time(), Duration::from_secs(3600));
    });
    assert!(begin.elapsed() < Duration::from_secs(60));
}

/// A class gets the scope of the test, and launches in it before the test begins.
#[test]
fn test_scope_before_test_runs_nothing_until_the_test() {
    struct Poller {
        polls: Arc<Mutex<u32>>,
    }
    impl Poller {
        fn start(scope: &CoroutineScope) -> Poller {
            let polls = Arc::new(Mutex::new(0));
            let counted = polls.clone();
            scope.launch(async move {
                for _ in 0..3 {
                    *counted.lock().unwrap() += 1;
                    delay(ms(10)).await;
                }
            });
            Poller { polls }
        }
    }

    let scope = TestScope::new(TestScheduler::new());
    let poller = Poller::start(&scope);
    assert_eq!(*poller.polls.lock().unwrap(), 0);
    scope.run_test(async |t| {
        assert_eq!(
            *poller.polls.lock().unwrap(),
            1,
            "it was first in the queue"
        );
        t.advance_time_by(ms(15)).await;
        assert_eq!(*poller.polls.lock().unwrap(), 2);
    });
    assert_eq!(*poller.polls.lock().unwrap(), 3, "the test has waited");
    assert_eq!(scope.current_time(), ms(30));

    let text = failure_of(|| scope.run_test(async |_| {}));
    assert!(text.contains("runs one test"), "{text}");
}

#[test]
fn test_with_timeout_measures_virtual_time() {
    let begin = Instant::now();
    run_test(async |t| {
        let reached = Arc::new(AtomicBool::new(false));
        let end = reached.clone();
        let outcome = with_timeout(ms(1000), async |_| {
            delay(ms(999)).await;
            delay(ms(2)).await;
            end.store(true, Ordering::Relaxed);
            Ok(())
        })
        .await;
        assert!(outcome.unwrap_err().is_timeout());
        assert!(!reached.load(Ordering::Relaxed));
        assert_eq!(t.current_time(), ms(1000));
    });
    assert!(begin.elapsed() < Duration::from_secs(60));
}

#[test]
fn test_uncaught_child_fails_the_test_at_its_end() {
    let end_of_body = Arc::new(AtomicBool::new(false));
    let end = end_of_body.clone();
    let text = failure_of(|| {
        run_test(async |t| {
            t.launch(async {
                delay(ms(10)).await;
                Err(Error::msg("the child is broken"))
            });
            end.store(true, Ordering::Relaxed);
        });
    });
    assert!(end_of_body.load(Ordering::Relaxed));
    assert!(text.contains("the child is broken"), "{text}");
}

/// What a test needs while it runs, and does not wait for.
#[test]
fn test_background_scope_is_cancelled_when_the_test_ends() {
    let producer = Arc::new(Mutex::new(None));
    let kept = producer.clone();
    run_test(async move |t| {
        let channel = Channel::new(Capacity::Rendezvous);
        let numbers = channel.clone();
        let job = t.background_scope().launch(async move {
            for n in 0.. {
                numbers.send(n).await?;
            }
            Ok(())
        });
        *kept.lock().unwrap() = Some(job);
        for n in 0..100 {
            assert_eq!(channel.receive().await?, n);
        }
        assert_eq!(t.current_time(), Duration::ZERO);
        Ok(())
    });
    let job = producer.lock().unwrap().take().expect("it was launched");
    assert!(job.is_cancelled() && job.is_completed());
}
