//! Callbacks (J-31 to J-33).

mod support;

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use corox_core::{
    CancellableContinuation, Dispatcher, Error, ExceptionHandler, Job, Result, catch_cancellation,
    coroutine_scope, non_cancellable, run_blocking, supervisor_scope, suspend_cancellable,
    yield_now,
};
use proptest::prelude::*;
use support::{Log, checked, root};

type Shared<T> = Arc<Mutex<Option<CancellableContinuation<T>>>>;

fn slot<T>() -> Shared<T> {
    Arc::new(Mutex::new(None))
}

fn keep<T: Send>(slot: &Shared<T>) -> impl FnOnce(CancellableContinuation<T>) + use<T> {
    let slot = slot.clone();
    move |continuation| *slot.lock().unwrap() = Some(continuation)
}

fn take<T>(slot: &Shared<T>) -> CancellableContinuation<T> {
    slot.lock().unwrap().take().expect("the future was polled")
}

#[test]
fn a_resume_before_or_after_the_suspension_gives_the_value() {
    root(async |scope| {
        let now = suspend_cancellable(|c| c.resume(1).unwrap()).await?;
        let later = slot();
        let waiting = scope.spawn(suspend_cancellable(keep(&later)));
        yield_now().await;
        let continuation = take(&later);
        assert!(continuation.is_active() && !continuation.is_completed());
        continuation.resume(2).unwrap();
        assert!(continuation.is_completed() && !continuation.is_cancelled());
        let thread = suspend_cancellable(|c| {
            std::thread::spawn(move || c.resume(3).unwrap());
        })
        .await?;
        assert_eq!((now, waiting.await?, thread), (1, 2, 3));
        Ok(())
    });
}

#[test]
fn a_failure_is_returned_with_its_type() {
    root(async |_| {
        let error =
            suspend_cancellable::<i32, _>(|c| c.fail("x".parse::<i32>().unwrap_err()).unwrap())
                .await
                .unwrap_err();
        assert!(error.downcast_ref::<std::num::ParseIntError>().is_some());
        Ok(())
    });
}

#[test]
fn a_result_resumes_with_its_value_or_its_error() {
    root(async |_| {
        let value = suspend_cancellable(|c| {
            c.resume_with(Ok::<_, std::num::ParseIntError>(1)).unwrap();
            let refused = c.resume_with("x".parse::<i32>()).unwrap_err();
            assert!(!refused.was_cancelled());
            let error = refused.into_inner().unwrap_err();
            assert!(error.downcast_ref::<std::num::ParseIntError>().is_some());
        })
        .await?;
        assert_eq!(value, 1);
        let mut line = 0;
        let awaited = line!() + 1;
        let error = suspend_cancellable(|c| {
            line = line!() + 1;
            c.resume_with("x".parse::<i32>()).unwrap();
        })
        .await
        .unwrap_err();
        assert!(error.downcast_ref::<std::num::ParseIntError>().is_some());
        assert_eq!(error.location().line(), line);
        assert_eq!(error.awaited_at()[0].line(), awaited);
        Ok(())
    });
}

/// J-33
#[test]
fn a_second_resume_gives_its_value_back() {
    root(async |_| {
        let value = suspend_cancellable(|c| {
            c.resume("first".to_owned()).unwrap();
            let error = c.resume("second".to_owned()).unwrap_err();
            assert!(!error.was_cancelled());
            assert_eq!(error.to_string(), "the continuation was resumed before");
            assert_eq!(error.into_inner(), "second");
            let undone = c.resume_or_undo("third".to_owned(), |_, _| unreachable!());
            assert_eq!(undone.unwrap_err().into_inner(), "third");
            let failed = c.fail(Error::msg("fourth")).unwrap_err();
            assert_eq!(failed.into_inner().to_string(), "fourth");
            assert!(!c.cancel(Error::cancellation("too late")));
        })
        .await?;
        assert_eq!(value, "first");
        Ok(())
    });
}

/// J-33: exactly one resume after a cancellation is accepted and ignored.
#[test]
fn one_resume_after_a_cancellation_is_ignored_and_a_second_is_an_error() {
    let log = Log::new();
    let seen = log.clone();
    root(async move |scope| {
        let later = slot();
        let job = scope.launch({
            let waiting = suspend_cancellable(keep(&later));
            async move { waiting.await.map(|_: Box<i32>| ()) }
        });
        yield_now().await;
        job.cancel_and_join().await;
        let continuation = take(&later);
        assert!(continuation.is_cancelled());
        let undo = log.clone();
        continuation
            .resume_or_undo(Box::new(1), move |cause, value| {
                undo.add(format!("undo {value}: {}", cause.is_cancellation()));
            })
            .unwrap();
        let error = continuation.resume(Box::new(2)).unwrap_err();
        assert!(error.was_cancelled());
        assert_eq!(*error.into_inner(), 2);
        Ok(())
    });
    assert_eq!(seen.take(), ["undo 1: true"]);
}

/// J-31, J-32: cancelled between the resume and the turn of the coroutine.
#[test]
fn a_value_that_a_cancellation_overtakes_goes_to_the_handler_and_then_to_its_undo() {
    let log = Log::new();
    let seen = log.clone();
    root(async move |scope| {
        let later = slot();
        let waiting = suspend_cancellable(keep(&later));
        let after = log.clone();
        let job = scope.launch(async move {
            let value: i32 = waiting.await?;
            after.add(format!("got {value}"));
            Ok(())
        });
        yield_now().await;
        let continuation = take(&later);
        let handler = log.clone();
        continuation.on_cancellation(move |cause| handler.add(format!("handler: {cause}")));
        let undo = log.clone();
        continuation
            .resume_or_undo(5, move |cause, value| {
                undo.add(format!("undo {value}: {cause}"))
            })
            .unwrap();
        job.cancel_with(Error::cancellation("enough"));
        log.add("cancelled");
        job.join().await;
        assert!(continuation.is_cancelled());
        Ok(())
    });
    assert_eq!(
        seen.take(),
        ["cancelled", "handler: enough", "undo 5: enough"]
    );
}

/// J-31: also where the body is held and polled on.
#[test]
fn a_cancelled_coroutine_that_is_held_gets_no_value() {
    let log = Log::new();
    let seen = log.clone();
    root(async move |scope| {
        let (later, gate) = (slot(), slot());
        let (waiting, held) = (
            suspend_cancellable(keep(&later)),
            suspend_cancellable(keep(&gate)),
        );
        let body = log.clone();
        let job = scope.launch(async move {
            let section = non_cancellable(async move |_| held.await);
            let plain = async {
                let value: i32 = waiting.await?;
                body.add(format!("got {value}"));
                Ok(value)
            };
            let (section, _): (Result<()>, Result<i32>) = futures::join!(section, plain);
            section
        });
        yield_now().await;
        job.cancel();
        let undo = log.clone();
        take(&later)
            .resume_or_undo(1, move |_, value| undo.add(format!("undo {value}")))
            .unwrap();
        yield_now().await;
        log.add("polled on");
        take(&gate).resume(()).unwrap();
        job.join().await;
        Ok(())
    });
    assert_eq!(seen.take(), ["polled on", "undo 1"]);
}

/// J-31: a failure is not replaced by the cancellation.
#[test]
fn a_failure_that_was_handed_over_is_returned_in_a_cancelled_coroutine() {
    let log = Log::new();
    let seen = log.clone();
    root(async move |_| {
        let result = supervisor_scope(async move |scope| {
            let later = slot::<i32>();
            let waiting = suspend_cancellable(keep(&later));
            let body = log.clone();
            let deferred = scope.spawn(async move {
                // Held by the boundary, so the future is polled once more.
                let result = catch_cancellation(coroutine_scope(async move |_| {
                    let result = waiting.await;
                    body.add(format!("{}", result.as_ref().unwrap_err()));
                    result
                }))
                .await;
                result.map_err(corox_core::CancellationError::into_error)?
            });
            yield_now().await;
            take(&later).fail(Error::msg("handed over")).unwrap();
            deferred.cancel();
            deferred.await
        })
        .await;
        assert!(result.is_err());
        Ok(())
    });
    // Dropped before it was polled again, or polled and returned: never a hang, and never a value.
    assert!(seen.take().iter().all(|event| event == "handed over"));
}

#[test]
fn the_handler_runs_when_the_coroutine_is_cancelled_and_not_otherwise() {
    let log = Log::new();
    let seen = log.clone();
    root(async move |scope| {
        for cancel in [false, true] {
            let later = slot();
            let handler = log.clone();
            let keep = keep(&later);
            let job = scope.launch(suspend_map(move |c: CancellableContinuation<i32>| {
                c.on_cancellation(move |_| handler.add(format!("handler {cancel}")));
                keep(c);
            }));
            yield_now().await;
            if cancel {
                job.cancel();
            } else {
                take(&later).resume(1).unwrap();
            }
            job.join().await;
        }
        Ok(())
    });
    assert_eq!(seen.take(), ["handler true"]);
}

fn suspend_map<T: Send>(
    register: impl FnOnce(CancellableContinuation<T>) + Send,
) -> impl Future<Output = Result<()>> + Send {
    let waiting = suspend_cancellable(register);
    async move { waiting.await.map(drop) }
}

/// J-33
#[test]
fn a_second_handler_is_refused_at_the_line_of_the_call() {
    let log = Log::new();
    let seen = log.clone();
    let error = root(async move |_| {
        let result = supervisor_scope(async move |scope| {
            scope
                .spawn(suspend_map(move |c: CancellableContinuation<()>| {
                    c.on_cancellation(|_| {});
                    c.on_cancellation(move |_| log.add("second"));
                }))
                .await
        })
        .await;
        Ok(result.unwrap_err())
    });
    assert!(error.is_panic());
    assert!(
        error.to_string().contains("put both into one closure"),
        "{error}"
    );
    assert!(seen.take().is_empty());
}

#[test]
fn in_a_cancelled_coroutine_the_continuation_is_cancelled_from_the_beginning() {
    let log = Log::new();
    let seen = log.clone();
    root(async move |scope| {
        scope.launch(async move {
            Job::current().unwrap().cancel();
            let waiting = suspend_cancellable(|c| {
                log.add(format!("registered, cancelled: {}", c.is_cancelled()));
                let handler = log.clone();
                c.on_cancellation(move |_| handler.add("handler"));
                c.resume(1).unwrap();
            });
            let value: Result<i32> = waiting.await;
            log.add(format!("not reached: {value:?}"));
        });
        Ok(())
    });
    assert_eq!(seen.take(), ["registered, cancelled: true", "handler"]);
}

#[test]
fn cancelling_the_continuation_leaves_the_coroutine_alone() {
    let log = Log::new();
    let seen = log.clone();
    root(async move |scope| {
        let result = suspend_cancellable::<(), _>(|c| {
            let handler = log.clone();
            c.on_cancellation(move |cause| handler.add(format!("{cause}")));
            assert!(c.cancel(Error::cancellation("this one")));
            assert!(!c.cancel(Error::cancellation("again")));
            assert!(c.is_cancelled());
            c.resume(()).unwrap();
        })
        .await;
        assert_eq!(result.unwrap_err().to_string(), "this one");
        drop(scope);
        Ok(())
    });
    assert_eq!(seen.take(), ["this one"]);
}

/// Nobody can resume it any more.
#[test]
fn when_all_handles_are_dropped_the_coroutine_gets_an_error_that_says_where() {
    root(async |scope| {
        let line = line!() + 1;
        let error = suspend_cancellable::<(), _>(drop).await.unwrap_err();
        assert!(error.to_string().contains("never resumed"), "{error}");
        assert_eq!(error.location().line(), line);
        drop(scope);
        supervisor_scope(async |scope| {
            let later = slot::<()>();
            let waiting = scope.spawn(suspend_map(keep(&later)));
            yield_now().await;
            let one = take(&later);
            let two = one.clone();
            drop(one);
            yield_now().await;
            assert!(waiting.is_active());
            drop(two);
            assert!(waiting.await.is_err());
            Ok(())
        })
        .await
    });
}

/// Panics of handler and undo are reported, and one does not keep the other from running.
#[test]
fn panics_of_handler_and_undo_are_reported() {
    let log = Log::new();
    let seen = log.clone();
    root(async move |scope| {
        let told = log.clone();
        let handler = ExceptionHandler::new(move |_, error| told.add(error.to_string()));
        let later = slot();
        let job = scope.with(handler).launch(suspend_map(keep(&later)));
        yield_now().await;
        let continuation = take(&later);
        continuation.on_cancellation(|_| panic!("handler"));
        continuation
            .resume_or_undo(1, |_, _| panic!("undo"))
            .unwrap();
        job.cancel_and_join().await;
        Ok(())
    });
    assert_eq!(seen.take(), ["panicked: handler", "panicked: undo"]);
}

#[test]
fn dropped_by_foreign_code_it_tells_the_handler() {
    let log = Log::new();
    let seen = log.clone();
    root(async move |_| {
        let handler = log.clone();
        let waiting = suspend_cancellable::<(), _>(|c| {
            let keep = c.clone();
            c.on_cancellation(move |cause| {
                handler.add(format!("{}", cause.is_cancellation()));
                drop(keep);
            });
        });
        tokio::select! {
            biased;
            _ = waiting => unreachable!(),
            () = yield_now() => {}
        }
        Ok(())
    });
    assert_eq!(seen.take(), ["true"]);
    // Outside coroutines, too, and a panic there hurts nobody.
    let log = Log::new();
    let mut waiting = Box::pin(suspend_cancellable::<(), _>(|c| {
        let keep = c.clone();
        let handler = log.clone();
        c.on_cancellation(move |_| {
            handler.add("outside");
            drop(keep);
            panic!("in the handler");
        });
    }));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(waiting.as_mut().poll(&mut cx).is_pending());
    drop(waiting);
    assert_eq!(log.take(), ["outside"]);
}

/// The waker is renewed when another task polls.
#[test]
fn the_last_one_to_poll_is_woken() {
    struct Count(AtomicUsize);
    impl std::task::Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let (first, second) = (Arc::new(Count(0.into())), Arc::new(Count(0.into())));
    let later = slot();
    let mut waiting = Box::pin(suspend_cancellable(keep(&later)));
    for count in [&first, &second] {
        let waker = Waker::from(count.clone());
        assert!(
            waiting
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
    }
    take(&later).resume(1).unwrap();
    assert_eq!(first.0.load(Ordering::Relaxed), 0);
    assert_eq!(second.0.load(Ordering::Relaxed), 1);
}

/// Each value is returned, undone or given back, once, however resume and cancellation meet.
#[test]
fn racing_resumes_and_cancellations_account_for_each_value_once() {
    const N: usize = 300;
    let (returned, undone) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (r, u) = (returned.clone(), undone.clone());
    root(async move |_| {
        supervisor_scope(async move |scope| {
            let launcher = scope.with(Dispatcher::DEFAULT);
            for n in 0..N {
                let later = slot();
                let begun = Arc::new(AtomicBool::new(false));
                let (begin, keep) = (begun.clone(), keep(&later));
                let waiting = suspend_cancellable(move |c| {
                    keep(c);
                    begin.store(true, Ordering::Release);
                });
                let r = r.clone();
                let job = launcher.launch(async move {
                    let _: usize = waiting.await?;
                    r.fetch_add(1, Ordering::Relaxed);
                    Ok(())
                });
                let (u, ready) = (u.clone(), begun.clone());
                launcher.launch(async move {
                    while !ready.load(Ordering::Acquire) {
                        yield_now().await;
                    }
                    let undo = move |_: &Error, _| {
                        u.fetch_add(1, Ordering::Relaxed);
                    };
                    take(&later).resume_or_undo(n, undo).unwrap();
                });
                let target = job.clone();
                launcher.launch(async move {
                    // Not before it has begun: then nobody resumes.
                    while !begun.load(Ordering::Acquire) {
                        yield_now().await;
                    }
                    for _ in 0..n % 5 {
                        yield_now().await;
                    }
                    if n % 2 == 0 {
                        target.cancel();
                    }
                });
                job.join().await;
            }
            Ok(())
        })
        .await
    });
    assert_eq!(
        returned.load(Ordering::Relaxed) + undone.load(Ordering::Relaxed),
        N
    );
}

// ---- against a model

#[derive(Clone, Debug)]
enum Step {
    Poll,
    Resume(u8),
    Undo(u8),
    Fail,
    Cancel,
    Handler,
    Drop,
    Clone,
    DropHandle,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => Just(Step::Poll),
        2 => any::<u8>().prop_map(Step::Resume),
        2 => any::<u8>().prop_map(Step::Undo),
        1 => Just(Step::Fail),
        1 => Just(Step::Cancel),
        1 => Just(Step::Handler),
        1 => Just(Step::Drop),
        1 => Just(Step::Clone),
        2 => Just(Step::DropHandle),
    ];
    prop::collection::vec(step, 0..14)
}

#[derive(Clone, Debug, PartialEq)]
enum Model {
    Waiting,
    Resumed(Option<u8>, bool),
    Taken,
    Cancelled,
    Ignored,
}

/// What a correct cell does, step by step, as events.
fn expected(steps: &[Step]) -> Vec<String> {
    let (mut state, mut handles, mut alive) = (Model::Waiting, 1, true);
    let (mut handler, mut has_handler) = (false, false);
    let mut log = Vec::new();
    for step in steps {
        if handles == 0 && !matches!(step, Step::Poll | Step::Drop) {
            continue;
        }
        match step {
            Step::Poll if alive => {
                let event = match state.clone() {
                    Model::Resumed(Some(value), _) => format!("ready {value}"),
                    Model::Resumed(None, _) | Model::Cancelled | Model::Ignored => {
                        "error".to_owned()
                    }
                    Model::Waiting | Model::Taken => "pending".to_owned(),
                };
                if event != "pending" {
                    alive = false;
                    if matches!(state, Model::Resumed(..)) {
                        state = Model::Taken;
                        handler = false;
                    }
                }
                log.push(event);
            }
            Step::Resume(_) | Step::Undo(_) | Step::Fail => {
                let (value, undo) = match step {
                    Step::Resume(value) => (Some(*value), false),
                    Step::Undo(value) => (Some(*value), true),
                    _ => (None, false),
                };
                match state {
                    Model::Waiting => {
                        state = Model::Resumed(value, undo);
                        log.push("accepted".to_owned());
                    }
                    Model::Cancelled => {
                        state = Model::Ignored;
                        if undo {
                            log.push(format!("undo {}", value.unwrap()));
                        }
                        log.push("accepted".to_owned());
                    }
                    _ => log.push("refused".to_owned()),
                }
            }
            Step::Cancel => {
                let did = state == Model::Waiting;
                if did {
                    state = Model::Cancelled;
                    if std::mem::take(&mut handler) {
                        log.push("handler".to_owned());
                    }
                }
                log.push(format!("cancel {did}"));
            }
            Step::Handler if !has_handler => {
                has_handler = true;
                match state {
                    Model::Waiting | Model::Resumed(..) => handler = true,
                    Model::Cancelled | Model::Ignored => log.push("handler".to_owned()),
                    Model::Taken => {}
                }
            }
            Step::Drop if alive => {
                alive = false;
                match state.clone() {
                    Model::Waiting => {
                        state = Model::Cancelled;
                        if std::mem::take(&mut handler) {
                            log.push("handler".to_owned());
                        }
                    }
                    Model::Resumed(value, undo) => {
                        state = Model::Ignored;
                        if std::mem::take(&mut handler) {
                            log.push("handler".to_owned());
                        }
                        if let (Some(value), true) = (value, undo) {
                            log.push(format!("undo {value}"));
                        }
                    }
                    _ => {}
                }
            }
            Step::Clone => handles += 1,
            Step::DropHandle => {
                handles -= 1;
                if handles == 0 && state == Model::Waiting {
                    state = Model::Resumed(None, false);
                }
            }
            _ => {}
        }
    }
    log
}

fn observed(steps: &[Step]) -> Vec<String> {
    let log = Log::new();
    let later = slot::<u8>();
    let mut future = Some(Box::pin(suspend_cancellable(keep(&later))));
    let mut cx = Context::from_waker(Waker::noop());
    // The first poll registers.
    assert!(future.as_mut().unwrap().as_mut().poll(&mut cx).is_pending());
    let mut handles = vec![take(&later)];
    let mut has_handler = false;
    let told = |accepted| if accepted { "accepted" } else { "refused" };
    for step in steps {
        match (step, handles.last()) {
            (Step::Poll, _) => {
                if let Some(waiting) = &mut future {
                    match Pin::as_mut(waiting).poll(&mut cx) {
                        Poll::Pending => log.add("pending"),
                        Poll::Ready(result) => {
                            log.add(result.map_or("error".to_owned(), |v| format!("ready {v}")));
                            future = None;
                        }
                    }
                }
            }
            (Step::Drop, _) => future = None,
            (_, None) => {}
            (Step::Resume(value), Some(handle)) => log.add(told(handle.resume(*value).is_ok())),
            (Step::Undo(value), Some(handle)) => {
                let undo = log.clone();
                let undo = move |_: &Error, value| undo.add(format!("undo {value}"));
                log.add(told(handle.resume_or_undo(*value, undo).is_ok()));
            }
            (Step::Fail, Some(handle)) => log.add(told(handle.fail(Error::msg("f")).is_ok())),
            (Step::Cancel, Some(handle)) => {
                let did = handle.cancel(Error::cancellation("c"));
                log.add(format!("cancel {did}"));
            }
            (Step::Handler, Some(handle)) => {
                if !std::mem::replace(&mut has_handler, true) {
                    let handler = log.clone();
                    handle.on_cancellation(move |_| handler.add("handler"));
                }
            }
            (Step::Clone, Some(handle)) => handles.push(handle.clone()),
            (Step::DropHandle, Some(_)) => drop(handles.pop()),
        }
    }
    log.take()
}

proptest! {
    #[test]
    fn a_continuation_does_what_the_model_does(steps in steps()) {
        prop_assert_eq!(observed(&steps), expected(&steps));
    }
}

/// Used by a scope that a blocking thread drives.
#[test]
fn callbacks_of_other_threads_wake_an_event_loop() {
    checked(|| {
        let sum = run_blocking(async |scope| {
            let parts: Vec<_> = (0..20)
                .map(|n| {
                    let waiting = suspend_cancellable(move |c| {
                        std::thread::spawn(move || c.resume(n));
                    });
                    scope.spawn(waiting)
                })
                .collect();
            let mut sum = 0;
            for part in parts {
                sum += part.await?;
            }
            Ok(sum)
        })
        .unwrap();
        assert_eq!(sum, 190);
    });
}
