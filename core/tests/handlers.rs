//! Failures that no parent takes: process-wide handlers and the last fallback (J-26 to J-28, design 4).

mod support;
#[path = "support/traces.rs"]
mod traces;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use corox_core::{
    CoroutineName, Dispatcher, Error, ExceptionHandler, GlobalScope, Job, Result,
    add_uncaught_handler, run_blocking, supervisor_scope,
};
use support::{Log, checked};
use traces::traces;

fn logging(log: &Log, name: &'static str) -> ExceptionHandler {
    let log = log.clone();
    ExceptionHandler::new(move |_, error| log.add(format!("{name}: {error}")))
}

/// A root on this thread's loop whose one child, named `lost`, fails with `message`, unsupervised by any handler.
fn fail_alone(message: &'static str) {
    run_blocking(async |_| {
        supervisor_scope(async |scope| {
            scope
                .with(CoroutineName::new("lost"))
                .launch(async move { Err::<(), _>(Error::msg(message)) });
            Ok(())
        })
        .await
    })
    .unwrap();
}

/// J-28: without a handler in the context, each process-wide handler is told in turn.
#[test]
fn process_wide_handlers_are_called_in_the_order_of_their_adding() {
    checked(|| {
        let log = Log::new();
        let _first = add_uncaught_handler(logging(&log, "first"));
        let second = add_uncaught_handler(logging(&log, "second"));
        let _third = add_uncaught_handler(logging(&log, "third"));
        fail_alone("a");
        assert_eq!(log.take(), ["first: a", "second: a", "third: a"]);
        drop(second);
        fail_alone("b");
        assert_eq!(log.take(), ["first: b", "third: b"]);
    });
}

/// J-28: they are told which coroutine it was.
#[test]
fn a_process_wide_handler_is_told_the_coroutine() {
    checked(|| {
        let log = Log::new();
        let seen = log.clone();
        let _guard = add_uncaught_handler(ExceptionHandler::new(move |job: &Job, _| {
            seen.add(format!("{:?} {}", job.name(), job.is_completed()));
        }));
        fail_alone("a");
        assert_eq!(log.take(), ["Some(\"lost\") false"]);
    });
}

/// J-26: a handler in the context takes the place of the process-wide ones.
#[test]
fn a_handler_in_the_context_shields_the_process_wide_ones() {
    checked(|| {
        let log = Log::new();
        let _guard = add_uncaught_handler(logging(&log, "process"));
        run_blocking(async |_| {
            supervisor_scope(async |scope| {
                scope
                    .with(logging(&log, "own"))
                    .launch(async { Err::<(), _>(Error::msg("a")) });
                Ok(())
            })
            .await
        })
        .unwrap();
        assert_eq!(log.take(), ["own: a"]);
    });
}

/// J-28, promise 3: with no handler anywhere the failure goes to `tracing` and stderr, with the coroutine and the error.
#[test]
fn without_any_handler_the_failure_goes_to_the_fallback() {
    checked(|| {
        let ((), events) = traces(|| fail_alone("nobody's"));
        assert_eq!(events.len(), 1, "{events:?}");
        assert!(events[0].starts_with("ERROR "), "{events:?}");
        assert!(events[0].contains("uncaught failure"), "{events:?}");
        assert!(events[0].contains("lost#"), "{events:?}");
        assert!(events[0].contains("nobody's"), "{events:?}");
        assert!(events[0].contains("handlers.rs:"), "{events:?}");
    });
}

/// J-27, promise 3: a failure that somebody took leaves no trace.
#[test]
fn a_failure_that_was_taken_is_not_traced() {
    checked(|| {
        let log = Log::new();
        let ((), events) = traces(|| {
            let result: Result<()> = run_blocking(async |scope| {
                scope.launch(async { Err::<(), _>(Error::msg("taken")) });
                Ok(())
            });
            assert_eq!(result.unwrap_err().to_string(), "taken");
            let _guard = add_uncaught_handler(logging(&log, "process"));
            fail_alone("handled");
        });
        assert_eq!(events, [""; 0]);
        assert_eq!(log.take(), ["process: handled"]);
    });
}

/// J-28: a handler that panics yields a new error, with the original attached, for the fallback.
#[test]
fn a_panicking_handler_is_reported_with_the_original_failure() {
    checked(|| {
        let ((), events) = traces(|| {
            run_blocking(async |_| {
                supervisor_scope(async |scope| {
                    let bad = ExceptionHandler::new(|_, _| panic!("bad handler"));
                    let job = scope
                        .with(bad)
                        .launch(async { Err::<(), _>(Error::msg("original")) });
                    job.join().await;
                    assert!(job.is_completed());
                    Ok(())
                })
                .await
            })
            .unwrap();
        });
        assert_eq!(events.len(), 1, "{events:?}");
        assert!(events[0].contains("panicked: bad handler"), "{events:?}");
        assert!(events[0].contains("suppressed: original"), "{events:?}");
    });
}

/// J-28: a process-wide handler that panics does not keep the others from being told.
#[test]
fn a_panicking_process_wide_handler_does_not_stop_the_others() {
    checked(|| {
        let log = Log::new();
        let _bad = add_uncaught_handler(ExceptionHandler::new(|_, _| panic!("bad handler")));
        let _good = add_uncaught_handler(logging(&log, "good"));
        let ((), events) = traces(|| fail_alone("original"));
        assert_eq!(log.take(), ["good: original"]);
        assert_eq!(events.len(), 1, "{events:?}");
        assert!(events[0].contains("panicked: bad handler"), "{events:?}");
        assert!(events[0].contains("suppressed: original"), "{events:?}");
    });
}

/// J-28: it never kills a worker: the pool runs on after more panics of handlers than it has threads.
#[test]
fn panicking_handlers_leave_the_pool_alive() {
    checked(|| {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        let bad = ExceptionHandler::new(move |_, _| {
            counted.fetch_add(1, Ordering::SeqCst);
            panic!("bad handler");
        });
        run_blocking(async |_| {
            supervisor_scope(async |scope| {
                for _ in 0..16 {
                    scope
                        .with(Dispatcher::DEFAULT + bad.clone())
                        .launch(async { Err::<(), _>(Error::msg("original")) });
                }
                Ok(())
            })
            .await?;
            let alive = supervisor_scope(async |scope| {
                scope.with(Dispatcher::DEFAULT).spawn(async { Ok(1) }).await
            });
            assert_eq!(alive.await?, 1);
            Ok(())
        })
        .unwrap();
        assert_eq!(calls.load(Ordering::SeqCst), 16);
    });
}

/// J-28: a process-wide handler may add and remove handlers, and start coroutines, while it is told.
#[test]
fn a_handler_may_use_the_library() {
    checked(|| {
        let (tx, rx) = mpsc::channel();
        let _guard = add_uncaught_handler(ExceptionHandler::new(move |_, error| {
            let text = error.to_string();
            drop(add_uncaught_handler(ExceptionHandler::new(|_, _| {})));
            let tx = tx.clone();
            GlobalScope.launch(async move { tx.send(text).unwrap() });
        }));
        fail_alone("told");
        assert_eq!(rx.recv().unwrap(), "told");
    });
}

/// Promise 3: what panics in a root of nobody reaches a process-wide handler, too.
#[test]
fn the_panic_of_a_global_coroutine_reaches_a_process_wide_handler() {
    checked(|| {
        let (tx, rx) = mpsc::channel();
        let _guard = add_uncaught_handler(ExceptionHandler::new(move |_, error| {
            tx.send((error.is_panic(), error.to_string())).unwrap();
        }));
        GlobalScope.launch(async { panic!("nobody's") });
        assert_eq!(rx.recv().unwrap(), (true, "panicked: nobody's".to_owned()));
    });
}
