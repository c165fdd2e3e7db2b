//! Dispatchers of users that reject, panic or lose tasks: nothing is lost, nobody waits for ever (D-15, J-39, decision 5).

#[path = "support/panics.rs"]
mod panics;
mod support;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::future::{IntoFuture, pending};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use corox_core::{
    CompletableDeferred, CoroutineStart, Dispatch, Dispatcher, ExceptionHandler, Rejected, Result,
    Task, catch_cancellation, coroutine_scope, delay, non_cancellable, run_blocking,
    supervisor_scope, with_context, yield_now,
};
use panics::panic_of;
use support::{Log, checked};

/// What a [`Flaky`] dispatcher does with a task when its patience is over.
#[derive(Clone, Copy)]
enum Then {
    Reject,
    Panic,
    Drop,
    KeepAndPanic,
}

/// Takes the first `good` tasks, and fails from then on.
struct Flaky {
    good: AtomicUsize,
    then: Then,
    queue: Queue,
}

/// The tasks that a [`Flaky`] dispatcher has taken; run by hand.
#[derive(Clone, Default)]
struct Queue(Arc<Mutex<VecDeque<Task>>>);

impl Queue {
    /// Runs what is there, and what comes meanwhile.
    fn run(&self) {
        while let Some(task) = self.pop() {
            task.run();
        }
    }

    fn pop(&self) -> Option<Task> {
        self.0.lock().unwrap().pop_front()
    }

    fn push(&self, task: Task) {
        self.0.lock().unwrap().push_back(task);
    }
}

fn flaky(good: usize, then: Then) -> (Dispatcher, Queue) {
    let queue = Queue::default();
    let dispatcher = Dispatcher::new(Flaky {
        good: good.into(),
        then,
        queue: queue.clone(),
    });
    (dispatcher, queue)
}

impl Dispatch for Flaky {
    fn dispatch(&self, task: Task) -> std::result::Result<(), Rejected> {
        let good = self
            .good
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |good| {
                good.checked_sub(1)
            });
        if good.is_ok() {
            self.queue.push(task);
            return Ok(());
        }
        match self.then {
            Then::Reject => Err(Rejected::new(task, "full")),
            Then::Panic => panic!("dispatcher broken"),
            Then::Drop => {
                drop(task);
                Ok(())
            }
            Then::KeepAndPanic => {
                self.queue.push(task);
                panic!("dispatcher broken")
            }
        }
    }

    fn name(&self) -> Cow<'static, str> {
        "Flaky".into()
    }
}

/// D-15: rejected at the launch, the coroutine is cancelled, says why, and does not run; its captures are dropped; its
/// parent goes on.
#[test]
fn a_coroutine_rejected_at_its_launch_is_cancelled_and_says_why() {
    checked(|| {
        let log = Log::new();
        run_blocking(async |scope| {
            for start in [CoroutineStart::Default, CoroutineStart::Lazy] {
                let capture = log.guard("capture dropped");
                let line = line!() + 4;
                let job = scope
                    .with(flaky(0, Then::Reject).0)
                    .start(start)
                    .launch(async move {
                        let _capture = capture;
                        unreachable!();
                    });
                job.join().await;
                let cause = job.cause().unwrap();
                assert!(cause.is_cancellation());
                let text = cause.to_string();
                assert!(text.starts_with("Flaky has rejected "), "{text}");
                assert!(text.ends_with(": full"), "{text}");
                assert_eq!(cause.location().line(), line);
                assert_eq!(log.take(), ["capture dropped"]);
            }
            scope.ensure_active()
        })
        .unwrap();
    });
}

/// D-15: an Atomic one runs to its first suspension, elsewhere.
#[test]
fn an_atomic_coroutine_rejected_at_its_launch_runs_its_cleanup_elsewhere() {
    checked(|| {
        let log = Log::new();
        let seen = log.clone();
        run_blocking(async |scope| {
            scope
                .with(flaky(0, Then::Reject).0)
                .start(CoroutineStart::Atomic)
                .launch(async move {
                    let thread = std::thread::current();
                    let own = thread.name().is_some_and(|name| name.starts_with("corox-"));
                    seen.add(format!("on the own pool: {own}"));
                    let _guard = seen.guard("dropped");
                    pending::<()>().await;
                })
                .join()
                .await;
            Ok(())
        })
        .unwrap();
        assert_eq!(log.take(), ["on the own pool: true", "dropped"]);
    });
}

/// D-15: rejected when it is woken, it unwinds elsewhere: boundaries, async cleanup with delays, guards.
#[test]
fn a_coroutine_rejected_at_a_wake_cleans_up_elsewhere() {
    checked(|| {
        let log = Log::new();
        let seen = log.clone();
        let gate = CompletableDeferred::<()>::new();
        let opened = gate.clone();
        run_blocking(async |scope| {
            let (place, queue) = flaky(1, Then::Reject);
            let job = scope.with(place).launch(async move {
                let _guard = seen.guard("dropped");
                let outcome = catch_cancellation(gate.as_deferred().into_future()).await;
                seen.add(format!("cancelled: {}", outcome.is_err()));
                let _ = non_cancellable(async |_| {
                    yield_now().await;
                    delay(std::time::Duration::from_millis(1)).await;
                    seen.add("cleaned up");
                    Ok(())
                })
                .await;
            });
            queue.run();
            opened.complete(());
            job.join().await;
            let cause = job.cause().unwrap();
            assert!(
                cause.to_string().starts_with("Flaky has rejected "),
                "{cause}"
            );
            scope.ensure_active()
        })
        .unwrap();
        assert_eq!(log.take(), ["cancelled: true", "cleaned up", "dropped"]);
    });
}

/// D-15: rejected, a `with_context` gives the cancellation; the caller is not cancelled.
#[test]
fn a_rejected_with_context_gives_an_error() {
    checked(|| {
        run_blocking(async |scope| {
            let error = with_context(flaky(0, Then::Reject).0, async { Ok(1) })
                .await
                .unwrap_err();
            assert!(error.to_string().ends_with(": full"), "{error}");
            scope.ensure_active()
        })
        .unwrap();
    });
}

/// Decision 5: a dispatcher that drops a task it was given cancels the coroutine: at the launch, at a wake, and later.
#[test]
fn a_coroutine_whose_task_is_dropped_is_cancelled() {
    checked(|| {
        for (good, then) in [(0, Then::Drop), (1, Then::Drop), (1, Then::Reject)] {
            let log = Log::new();
            let seen = log.clone();
            let capture = log.guard("dropped");
            let gate = CompletableDeferred::<()>::new();
            let opened = gate.clone();
            run_blocking(async |scope| {
                let (place, queue) = flaky(good, then);
                let job = scope.with(place).launch(async move {
                    let _capture = capture;
                    let _ = gate.as_deferred().await;
                    seen.add("unreachable");
                });
                match then {
                    Then::Drop => queue.run(),
                    _ => drop(queue.pop()),
                }
                opened.complete(());
                job.join().await;
                let cause = job.cause().unwrap();
                assert!(cause.is_cancellation());
                assert!(cause.to_string().contains("dropped"), "{cause}");
                scope.ensure_active()
            })
            .unwrap();
            assert_eq!(log.take(), ["dropped"]);
        }
    });
}

/// J-39: a dispatcher that panics at the launch makes `launch` panic; the coroutine fails with the dispatcher's error, and so
/// does its scope.
#[test]
fn a_dispatcher_that_panics_at_the_launch_panics_there_and_fails_the_coroutine() {
    checked(|| {
        for then in [Then::Panic, Then::KeepAndPanic] {
            let log = Log::new();
            let capture = log.guard("capture dropped");
            let error = run_blocking(async |_| {
                coroutine_scope(async |scope| {
                    let (place, queue) = flaky(0, then);
                    let panicked = panic_of(|| {
                        scope.with(place).launch(async move {
                            let _capture = capture;
                            unreachable!();
                        })
                    });
                    log.add(panicked.message());
                    assert!(!scope.is_active());
                    // What the dispatcher has kept ends when it runs: it is skipped.
                    queue.run();
                    Ok(())
                })
                .await
            })
            .unwrap_err();
            assert!(!error.is_cancellation());
            assert!(error.to_string().contains("Flaky has panicked"), "{error}");
            assert!(error.to_string().contains("dispatcher broken"), "{error}");
            let mut events = log.take();
            events.sort();
            assert_eq!(events, ["capture dropped", "dispatcher broken"]);
        }
    });
}

/// J-39: at the start of a lazy coroutine it is the same, wherever that happens.
#[test]
fn a_dispatcher_that_panics_at_a_lazy_start_panics_there_and_fails_the_coroutine() {
    checked(|| {
        let log = Log::new();
        let seen = log.clone();
        let handler = ExceptionHandler::new(move |_, error| seen.add(error.to_string()));
        run_blocking(async |_| {
            supervisor_scope(async |scope| {
                let job = scope
                    .with(flaky(0, Then::Panic).0 + handler)
                    .lazy()
                    .launch(async { unreachable!() });
                let panicked = panic_of(|| job.start());
                assert_eq!(panicked.message(), "dispatcher broken");
                job.join().await;
                assert!(!job.cause().unwrap().is_cancellation());
                Ok(())
            })
            .await
        })
        .unwrap();
        let events = log.take();
        assert_eq!(events.len(), 1);
        assert!(events[0].contains("Flaky has panicked"), "{events:?}");
    });
}

/// J-39: a dispatcher that panics at a wake fails the coroutine with its panic; whoever woke it does not unwind.
#[test]
fn a_dispatcher_that_panics_at_a_wake_fails_the_coroutine_and_spares_the_waker() {
    checked(|| {
        for then in [Then::Panic, Then::KeepAndPanic] {
            let log = Log::new();
            let seen = log.clone();
            let capture = log.guard("dropped");
            let gate = CompletableDeferred::<()>::new();
            let opened = gate.clone();
            run_blocking(async |_| {
                supervisor_scope(async |scope| {
                    let (place, queue) = flaky(1, then);
                    let deferred = scope.with(place).spawn(async move {
                        let _capture = capture;
                        gate.as_deferred().await?;
                        seen.add("unreachable");
                        Ok(())
                    });
                    queue.run();
                    opened.complete(());
                    queue.run();
                    log.add("waker goes on");
                    let error = deferred.await.unwrap_err();
                    assert!(error.is_panic(), "{error:?}");
                    assert_eq!(error.to_string(), "panicked: dispatcher broken");
                    Ok(())
                })
                .await
            })
            .unwrap();
            assert_eq!(log.take(), ["dropped", "waker goes on"]);
        }
    });
}

/// J-39: cancelling does not unwind either, and the tree ends; the panic is the coroutine's failure.
#[test]
fn a_dispatcher_that_panics_at_a_cancellation_spares_the_canceller() {
    checked(|| {
        let log = Log::new();
        let capture = log.guard("dropped");
        run_blocking(async |_| {
            supervisor_scope(async |scope| {
                let (place, queue) = flaky(1, Then::Panic);
                let deferred = scope.with(place).spawn(async move {
                    let _capture = capture;
                    pending::<Result<()>>().await
                });
                queue.run();
                deferred.cancel();
                log.add("canceller goes on");
                assert!(deferred.await.unwrap_err().is_panic());
                Ok(())
            })
            .await
        })
        .unwrap();
        assert_eq!(log.take(), ["dropped", "canceller goes on"]);
    });
}

/// Decision 6: a guard that panics while the dispatcher drops its task is attached to what happened.
#[test]
fn the_panic_of_a_guard_in_a_dropped_task_is_not_lost() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("guard");
        }
    }
    checked(|| {
        run_blocking(async |_| {
            supervisor_scope(async |scope| {
                let bomb = Bomb;
                let deferred = scope.with(flaky(0, Then::Drop).0).spawn(async move {
                    let _bomb = bomb;
                    Ok(())
                });
                let error = deferred.await.unwrap_err();
                assert_eq!(error.to_string(), "panicked: guard");
                Ok(())
            })
            .await
        })
        .unwrap();
    });
}

/// J-39: `with_context` on such a dispatcher panics in its caller; the coroutine around fails with that panic.
#[test]
fn a_with_context_whose_dispatcher_panics_panics_in_its_caller() {
    checked(|| {
        let panicked = panic_of(|| {
            run_blocking(async |_| with_context(flaky(0, Then::Panic).0, async { Ok(()) }).await)
        });
        assert_eq!(panicked.message(), "dispatcher broken");
    });
}

/// D-15: of many coroutines, each rejected at some time of its life, all come to their end.
#[test]
fn all_coroutines_of_a_dispatcher_that_closes_come_to_their_end() {
    struct CountOnDrop(Arc<AtomicUsize>);
    impl Drop for CountOnDrop {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    checked(|| {
        for good in [0, 1, 7, 50, 120] {
            let ended = Arc::new(AtomicUsize::new(0));
            run_blocking(async |_| {
                supervisor_scope(async |scope| {
                    let (place, queue) = flaky(good, Then::Reject);
                    let launcher = scope.with(place);
                    for _ in 0..50 {
                        let count = CountOnDrop(ended.clone());
                        launcher.launch(async move {
                            let _count = count;
                            let _: Result<()> = coroutine_scope(async |inner| {
                                inner.launch(async { yield_now().await });
                                yield_now().await;
                                Ok(())
                            })
                            .await;
                        });
                    }
                    while !scope.job().children().is_empty() {
                        queue.run();
                        yield_now().await;
                    }
                    Ok(())
                })
                .await
            })
            .unwrap();
            assert_eq!(ended.load(Ordering::SeqCst), 50);
        }
    });
}
