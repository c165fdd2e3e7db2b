//! tokio inside of a test: its timers are virtual, blocking calls hold the clock, sockets and threads cannot be seen.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use corox_core::{
    CoroutineName, CoroutineScope, Dispatcher, FinallyExt, await_cancellation, blocking,
    coroutine_scope, delay, new_single_thread_context, suspend_cancellable, with_context,
    with_timeout, with_timeout_or_none, yield_now,
};
use corox_test::{EventLog, TestScope, UnconfinedTestDispatcher, run_test};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::MissedTickBehavior;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// corox's delays and tokio's sleeps, in coroutines and in tasks of tokio, end in the order of their times.
#[test]
fn both_kinds_of_timers_fire_in_one_order() {
    let real = Instant::now();
    run_test(async |t| {
        let log = EventLog::new();
        for hours in [1, 3, 5] {
            let log = log.clone();
            t.launch(async move {
                delay(Duration::from_secs(3600 * hours)).await;
                log.add(format!("corox {hours}"));
            });
        }
        for hours in [2, 6] {
            let log = log.clone();
            t.launch(async move {
                tokio::time::sleep(Duration::from_secs(3600 * hours)).await;
                log.add(format!("tokio {hours}"));
            });
        }
        let own = log.clone();
        let task = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(3600 * 4)).await;
            own.add("task 4");
        });
        task.await?;
        assert_eq!(t.current_time(), Duration::from_secs(3600 * 4));
        delay(Duration::from_secs(3600 * 3)).await;
        log.assert([
            "corox 1", "tokio 2", "corox 3", "task 4", "corox 5", "tokio 6",
        ]);
        Ok(())
    });
    assert!(real.elapsed() < Duration::from_secs(5));
}

/// `advance_time_by` fires tokio's timers on the way at their own times.
#[test]
fn tokio_timers_fire_on_the_way_of_an_advance_at_their_own_times() {
    run_test(async |t| {
        let log = EventLog::new();
        let (own, clock) = (log.clone(), t.clone());
        tokio::spawn(async move {
            for _ in 0..3 {
                tokio::time::sleep(ms(600)).await;
                own.add(format!("{:?}", clock.current_time()));
            }
        });
        t.advance_time_by(ms(1000)).await;
        log.assert(["600ms"]);
        assert_eq!(t.current_time(), ms(1000));
        t.advance_time_by(ms(1000)).await;
        log.assert(["600ms", "1.2s", "1.8s"]);
    });
}

/// At the target itself neither world has run before the caller goes on.
#[test]
fn what_tokio_has_at_the_target_of_an_advance_runs_after_the_caller() {
    run_test(async |t| {
        let log = EventLog::new();
        let own = log.clone();
        t.launch(async move {
            tokio::time::sleep(ms(10)).await;
            own.add("coroutine");
        });
        let own = log.clone();
        tokio::spawn(async move {
            tokio::time::sleep(ms(10)).await;
            own.add("task");
        });
        t.advance_time_by(ms(10)).await;
        log.assert(Vec::<String>::new());
        t.run_current().await;
        let mut ran = log.take();
        ran.sort();
        assert_eq!(ran, ["coroutine", "task"]);
        assert_eq!(t.current_time(), ms(10));
    });
}

/// `run_current` waits until the tasks of tokio have run, too, however many there are.
#[test]
fn run_current_runs_the_ready_tasks_of_tokio() {
    run_test(async |t| {
        let log = EventLog::new();
        for n in 0..500 {
            let log = log.clone();
            tokio::spawn(async move {
                for _ in 0..3 {
                    tokio::task::yield_now().await;
                }
                log.add(n);
            });
        }
        t.run_current().await;
        assert_eq!(log.events().len(), 500);
        assert_eq!(t.current_time(), ms(0));
    });
}

/// A plain function with tokio's timers and nothing of corox.
#[test]
fn a_plain_tokio_function_is_testable() {
    async fn poll_until(ready: Arc<AtomicBool>) -> Result<u32, &'static str> {
        let mut interval = tokio::time::interval(Duration::from_secs(10));
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let polling = async {
            for n in 0.. {
                interval.tick().await;
                if ready.load(Ordering::Relaxed) {
                    return n;
                }
            }
            unreachable!()
        };
        tokio::time::timeout(Duration::from_secs(60), polling)
            .await
            .map_err(|_| "too late")
    }
    run_test(async |t| {
        let ready = Arc::new(AtomicBool::new(false));
        let polls = tokio::spawn(poll_until(ready.clone()));
        tokio::time::sleep(Duration::from_secs(25)).await;
        ready.store(true, Ordering::Relaxed);
        assert_eq!(polls.await?, Ok(3));
        assert_eq!(t.current_time(), Duration::from_secs(30));
        ready.store(false, Ordering::Relaxed);
        assert_eq!(poll_until(ready).await, Err("too late"));
        assert_eq!(t.current_time(), Duration::from_secs(90));
        Ok(())
    });
}

/// A time-out of each world around a delay of the other.
#[test]
fn timeouts_of_one_world_end_waits_of_the_other() {
    run_test(async |t| {
        let outer = with_timeout_or_none(ms(100), async |_| {
            tokio::time::sleep(ms(200)).await;
            Ok(())
        });
        assert_eq!(outer.await?, None);
        assert_eq!(t.current_time(), ms(100));
        let outer = tokio::time::timeout(ms(100), delay(ms(200)));
        assert!(outer.await.is_err());
        assert_eq!(t.current_time(), ms(200));
        assert_eq!(t.scheduler().pending_timers(), 0);
        Ok(())
    });
}

/// Scopes that are opened in a task of tokio are on the test's dispatcher.
#[test]
fn corox_in_a_tokio_task_of_the_test_uses_the_test_s_clock_and_dispatcher() {
    run_test(async |t| {
        let here = t.dispatcher().clone();
        let task = tokio::spawn(async move {
            delay(ms(10)).await;
            coroutine_scope(async |scope| {
                assert_eq!(scope.context().dispatcher(), Some(&here));
                scope.launch(async { delay(ms(20)).await });
                Ok(())
            })
            .await
        });
        task.await??;
        assert_eq!(t.current_time(), ms(30));
        Ok(())
    });
}

/// The unconfined dispatcher of the library, which has no clock, uses the test's.
#[test]
fn an_unconfined_coroutine_waits_in_virtual_time() {
    run_test(async |t| {
        let job = t.with(Dispatcher::UNCONFINED).launch(async {
            delay(Duration::from_secs(60)).await;
        });
        assert_eq!(t.scheduler().pending_timers(), 1, "it ran in place");
        job.join().await;
        assert_eq!(t.current_time(), Duration::from_secs(60));
    });
}

/// A call that nobody waits for does not keep the test.
#[test]
fn a_blocking_call_that_goes_on_after_the_test_is_not_waited_for() {
    let (tx, rx) = std::sync::mpsc::channel();
    run_test(async |_| {
        tokio::task::spawn_blocking(move || rx.recv());
    });
    tx.send(()).unwrap();
}

/// A coroutine of the background that a foreign thread ends, in place.
#[test]
fn cleanup_that_a_foreign_thread_ends_is_waited_for() {
    let (begins, begun) = std::sync::mpsc::channel();
    let (ends, ended) = tokio::sync::oneshot::channel::<()>();
    let thread = std::thread::spawn(move || {
        begun.recv().unwrap();
        // The loop of the test has gone to sleep by then.
        std::thread::sleep(ms(10));
        ends.send(()).unwrap();
    });
    run_test(async |t| {
        let unconfined = t.background_scope().with(Dispatcher::UNCONFINED);
        unconfined.launch(async { await_cancellation().await }.finally(async move {
            begins.send(()).unwrap();
            let _ = ended.await;
        }));
    });
    thread.join().unwrap();
}

/// `spawn_blocking` holds the clock.
#[test]
fn the_clock_stands_still_while_a_blocking_call_runs() {
    run_test(async |t| {
        let (tx, rx) = std::sync::mpsc::channel();
        let call = tokio::task::spawn_blocking(move || rx.recv().unwrap());
        std::thread::spawn(move || {
            std::thread::sleep(ms(20));
            tx.send(7).unwrap();
        });
        let got = with_timeout(ms(1), async |_| Ok(call.await?)).await?;
        assert_eq!(got, 7);
        assert_eq!(t.current_time(), ms(0));
        Ok(())
    });
}

/// So do coroutines of the test elsewhere: while they run, wait in real time, or wait for something unknown.
#[test]
fn the_clock_stands_still_while_a_coroutine_of_the_test_is_busy_elsewhere() {
    let single = new_single_thread_context("single");
    let view = Dispatcher::IO.limited_parallelism(1);
    let dispatchers = [
        Dispatcher::DEFAULT,
        Dispatcher::IO,
        view,
        Dispatcher::clone(&single),
    ];
    run_test(async |t| {
        for dispatcher in dispatchers {
            let computed = with_timeout(ms(1), async |_| {
                with_context(dispatcher.clone(), async {
                    std::thread::sleep(ms(5));
                    delay(ms(5)).await;
                    tokio::time::sleep(ms(5)).await;
                    Ok(1)
                })
                .await
            });
            assert_eq!(computed.await?, 1);
            let job = t.with(dispatcher).spawn(async {
                tokio::time::sleep(ms(5)).await;
                Ok(2)
            });
            assert_eq!(with_timeout(ms(1), async |_| job.await).await?, 2);
        }
        let called = with_timeout(ms(1), async |_| {
            blocking(|_| {
                std::thread::sleep(ms(5));
                Ok(3)
            })
            .await
        });
        assert_eq!(called.await?, 3);
        assert_eq!(t.current_time(), ms(0));
        Ok(())
    });
    drop(single);
}

/// A coroutine elsewhere that waits for the test itself does not hold the clock for ever.
#[test]
fn a_coroutine_elsewhere_that_waits_for_the_test_lets_the_clock_go() {
    run_test(async |t| {
        let slow = t.spawn(async {
            delay(Duration::from_secs(3600)).await;
            Ok(5)
        });
        let waited = with_context(Dispatcher::DEFAULT, async move {
            coroutine_scope(async |scope| {
                // By name: a job of the test, a scope with children there, and back to the test.
                slow.join().await;
                let child = scope.with(Dispatcher::MAIN).launch(
                    async { await_cancellation().await }.finally(async {
                        delay(Duration::from_secs(60)).await;
                    }),
                );
                with_context(Dispatcher::MAIN, async { Ok(()) }).await?;
                child.cancel();
                Ok(())
            })
            .await?;
            with_context(Dispatcher::MAIN, async {
                delay(Duration::from_secs(1)).await;
                Ok(())
            })
            .await
        });
        waited.await?;
        assert_eq!(t.current_time(), Duration::from_secs(3661));
        Ok(())
    });
}

/// The other side of the rule: with a timer pending the clock does not wait for a thread that it cannot see.
#[test]
fn the_clock_jumps_over_what_it_cannot_see() {
    run_test(async |t| {
        let (tx, rx) = tokio::sync::oneshot::channel::<()>();
        let limited = with_timeout_or_none(Duration::from_secs(30), async |_| Ok(rx.await?));
        assert_eq!(limited.await?, None);
        assert_eq!(t.current_time(), Duration::from_secs(30));
        drop(tx);
        Ok(())
    });
}

/// T-10: the message of a time-out says whose time that was, and what to do.
#[test]
fn a_timeout_in_virtual_time_says_so() {
    run_test(async |t| {
        let error = with_timeout(ms(30), async |_| {
            std::future::pending::<()>().await;
            Ok(())
        });
        let text = error.await.unwrap_err().to_string();
        assert!(
            text.starts_with("timed out after 30ms of virtual time; "),
            "{text}"
        );
        assert!(text.contains("TestScope::real_time"), "{text}");
        let named = t.with(CoroutineName::new("loader")).spawn(async {
            let limited = with_timeout(ms(0), async |_| Ok(()));
            Ok(limited.await.unwrap_err().to_string())
        });
        let text = named.await?;
        assert!(
            text.starts_with("timed out after 0ns of virtual time in \"loader\"; "),
            "{text}"
        );
        Ok(())
    });
}

/// A socket: with no timer it is waited for, with one it needs `real_time`.
#[test]
fn a_socket_is_waited_for_without_timers_or_in_real_time() {
    run_test(async |t| {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = std::thread::spawn(move || {
            use std::io::{Read, Write};
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            let mut byte = [0];
            for _ in 0..2 {
                stream.read_exact(&mut byte).unwrap();
                std::thread::sleep(ms(10));
                stream.write_all(&byte).unwrap();
            }
        });
        let (mut stream, _) = listener.accept().await?;
        let mut byte = [0];
        stream.write_all(b"a").await?;
        stream.read_exact(&mut byte).await?;
        assert_eq!((&byte, t.current_time()), (b"a", ms(0)));
        stream.write_all(b"b").await?;
        let read = with_timeout(Duration::from_secs(30), async |_| {
            t.real_time(stream.read_exact(&mut byte)).await?;
            Ok(())
        });
        read.await?;
        assert_eq!((&byte, t.current_time()), (b"b", ms(0)));
        server.join().unwrap();
        Ok(())
    });
}

/// Both ends inside of the test: the bytes go through the driver, which needs no time.
#[test]
fn two_ends_of_a_socket_in_one_test_need_no_virtual_time() {
    run_test(async |t| {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = t.spawn(async move {
            let (mut stream, _) = listener.accept().await?;
            let mut text = String::new();
            stream.read_to_string(&mut text).await?;
            Ok(text)
        });
        let sent = t.real_time(async {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_all(b"hello").await?;
            stream.shutdown().await
        });
        sent.await?;
        assert_eq!(t.real_time(server).await?, "hello");
        assert_eq!(t.current_time(), ms(0));
        Ok(())
    });
}

/// The hold of `real_time` ends with its future, also when that is dropped.
#[test]
fn a_dropped_real_time_lets_the_clock_go() {
    run_test(async |t| {
        let clock = t.clone();
        let waits = t.launch(async move {
            clock.real_time(std::future::pending::<()>()).await;
        });
        t.run_current().await;
        let thread = std::thread::spawn(move || waits.cancel());
        delay(ms(50)).await;
        assert_eq!(t.current_time(), ms(50));
        thread.join().unwrap();
    });
}

/// A callback of a foreign thread.
#[test]
fn a_callback_from_another_thread_is_waited_for() {
    run_test(async |t| {
        let answer = suspend_cancellable(|continuation| {
            std::thread::spawn(move || {
                let _ = continuation.resume(9);
            });
        });
        assert_eq!(answer.await?, 9);
        assert_eq!(t.current_time(), ms(0));
        Ok(())
    });
}

/// tokio's own controls of the clock go on working.
#[test]
fn the_code_under_test_may_advance_tokio_s_clock() {
    run_test(async |t| {
        let log = EventLog::new();
        let own = log.clone();
        t.launch(async move {
            delay(ms(500)).await;
            own.add("500");
        });
        t.run_current().await;
        tokio::time::advance(ms(700)).await;
        t.run_current().await;
        log.assert(["500"]);
        assert_eq!(t.current_time(), ms(700));
    });
}

/// A coroutine that is always ready leaves tokio its turn.
#[test]
fn a_coroutine_that_polls_for_a_task_of_tokio_does_not_starve_it() {
    run_test(async |t| {
        let done = Arc::new(AtomicBool::new(false));
        let own = done.clone();
        tokio::spawn(async move { own.store(true, Ordering::Relaxed) });
        t.launch(async move {
            while !done.load(Ordering::Relaxed) {
                yield_now().await;
            }
        });
    });
}

/// tokio's own clock stands still, too.
#[test]
fn a_tokio_timeout_waits_for_a_coroutine_elsewhere() {
    run_test(async |t| {
        let elsewhere = with_context(Dispatcher::DEFAULT, async {
            delay(ms(10)).await;
            Ok(1)
        });
        assert_eq!(tokio::time::timeout(ms(1), elsewhere).await??, 1);
        assert_eq!(t.current_time(), ms(0));
        Ok(())
    });
}

/// Also when it is a task of tokio that goes elsewhere while the loop sleeps.
#[test]
fn a_task_of_tokio_that_goes_elsewhere_holds_the_clock() {
    run_test(async |t| {
        let clock = t.clone();
        let elsewhere = tokio::spawn(async move {
            let slow = with_context(Dispatcher::DEFAULT, async {
                // Beyond the moment at which tokio's clock would have jumped.
                std::thread::sleep(ms(10));
                Ok(())
            });
            slow.await.unwrap();
            clock.current_time()
        });
        delay(ms(1)).await;
        assert_eq!(elsewhere.await?, ms(0));
        assert_eq!(t.current_time(), ms(1));
        Ok(())
    });
}

/// Or waits in real time. Nothing but the end of that wakes the loop.
#[test]
fn a_task_of_tokio_that_waits_in_real_time_holds_the_clock() {
    run_test(async |t| {
        let clock = t.clone();
        let (tx, rx) = tokio::sync::oneshot::channel();
        let real = tokio::spawn(async move {
            clock.real_time(rx).await.unwrap();
            clock.current_time()
        });
        let thread = std::thread::spawn(move || {
            std::thread::sleep(ms(10));
            tx.send(()).unwrap();
        });
        delay(ms(1)).await;
        assert_eq!(real.await?, ms(0));
        assert_eq!(t.current_time(), ms(1));
        thread.join().unwrap();
        Ok(())
    });
}

/// V-4: what is busy elsewhere is not idle.
#[test]
fn advance_until_idle_waits_for_coroutines_elsewhere() {
    run_test(async |t| {
        let log = EventLog::new();
        let own = log.clone();
        t.launch(async move {
            let elsewhere = with_context(Dispatcher::IO, async {
                std::thread::sleep(ms(10));
                Ok("read")
            });
            own.add(elsewhere.await?);
            delay(ms(5)).await;
            own.add("done");
            Ok(())
        });
        t.advance_until_idle().await;
        log.assert(["read", "done"]);
        assert_eq!(t.current_time(), ms(5));
    });
}

/// V-2: a moment that tokio has left behind is over.
#[test]
fn run_current_ends_though_the_code_under_test_moves_the_clock() {
    run_test(async |t| {
        tokio::spawn(async { tokio::time::advance(ms(5)).await });
        t.run_current().await;
        assert_eq!(t.current_time(), ms(5));
    });
}

/// Not virtual: the standard library's clock.
#[test]
fn the_clock_of_the_standard_library_is_real() {
    let real = Instant::now();
    run_test(async |_| {
        let before = Instant::now();
        delay(Duration::from_secs(3600)).await;
        assert!(before.elapsed() < Duration::from_secs(3000));
        std::thread::sleep(ms(1));
    });
    assert!(real.elapsed() >= ms(1));
}

/// Not virtual: another runtime.
#[test]
fn the_timers_of_another_runtime_are_real() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let real = Instant::now();
    run_test(async |t| {
        let slept = runtime.spawn(async { tokio::time::sleep(ms(10)).await });
        slept.await?;
        assert_eq!(t.current_time(), ms(0));
        with_context(Dispatcher::tokio(runtime.handle().clone()), async {
            delay(ms(10)).await;
            Ok(())
        })
        .await?;
        assert_eq!(t.current_time(), ms(0));
        Ok(())
    });
    assert!(real.elapsed() >= ms(20));
    drop(runtime);
}

/// Cleanup that takes virtual time is run for coroutines elsewhere, too.
#[test]
fn cancelled_work_elsewhere_is_waited_for() {
    let cleaned = Arc::new(AtomicBool::new(false));
    let own = cleaned.clone();
    run_test(async |t| {
        let scope: &CoroutineScope = t.background_scope();
        let (begins, begun) = tokio::sync::oneshot::channel();
        scope.with(Dispatcher::DEFAULT).launch(
            async {
                begins.send(()).unwrap();
                std::future::pending::<()>().await
            }
            .finally(async move {
                delay(ms(5)).await;
                own.store(true, Ordering::Relaxed);
            }),
        );
        begun.await?;
        Ok(())
    });
    assert!(cleaned.load(Ordering::Relaxed));
}

/// The same on the unconfined test dispatcher, where a foreign thread resumes a coroutine on itself.
#[test]
fn an_unconfined_test_waits_for_foreign_threads() {
    TestScope::new(UnconfinedTestDispatcher::new()).run_test(async |t| {
        let (tx, rx) = tokio::sync::oneshot::channel();
        let job = t.spawn(async {
            let here = rx.await?;
            delay(ms(10)).await;
            Ok(here)
        });
        let thread = std::thread::spawn(move || tx.send(std::thread::current().id()));
        let id = thread.thread().id();
        assert_eq!(job.await?, id);
        assert_eq!(t.current_time(), ms(10));
        thread.join().unwrap().unwrap();
        Ok(())
    });
}
