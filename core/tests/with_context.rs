//! `with_context`: where its body runs, whose child it is, and what cancellation does to its result.

mod support;

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use corox_core::{
    CompletableDeferred, CompletableJob, CoroutineContext, CoroutineName, Dispatch, Dispatcher,
    Error, Job, NonCancellable, Rejected, Result, Task, await_cancellation, catch_cancellation,
    coroutine_scope, delay, non_cancellable, supervisor_scope, with_context, yield_now,
};
use std::time::Duration;
use support::{Log, forever, lingering, root};

/// A dispatcher that counts, and runs each task on a thread of its own.
#[derive(Clone, Default)]
struct Counting(Arc<AtomicUsize>);

impl Counting {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Dispatch for Counting {
    fn dispatch(&self, task: Task) -> std::result::Result<(), Rejected> {
        self.0.fetch_add(1, Ordering::SeqCst);
        thread::spawn(move || task.run());
        Ok(())
    }

    fn name(&self) -> Cow<'static, str> {
        "counting".into()
    }
}

/// D-16
#[test]
fn with_an_equal_context_the_body_runs_in_place_without_a_dispatch() {
    root(async |scope| {
        let log = Log::new();
        scope.launch(log.event("other"));
        with_context(CoroutineContext::empty(), {
            let log = log.clone();
            async move {
                log.add("body");
                Ok(())
            }
        })
        .await?;
        log.add("caller goes on");
        yield_now().await;
        assert_eq!(log.take(), ["body", "caller goes on", "other"]);
        Ok(())
    });
}

/// D-16
#[test]
fn with_the_dispatcher_of_the_caller_and_another_name_the_body_runs_in_place() {
    root(async |scope| {
        let log = Log::new();
        scope.launch(log.event("other"));
        let same = scope.context().dispatcher().unwrap().clone();
        let inside = log.clone();
        with_context(same + CoroutineName::new("inner"), async move {
            inside.add("body");
            Ok(())
        })
        .await?;
        log.add("caller goes on");
        yield_now().await;
        assert_eq!(log.take(), ["body", "caller goes on", "other"]);
        Ok(())
    });
}

/// D-16
#[test]
fn a_body_in_place_resumes_its_caller_without_a_dispatch() {
    root(async |scope| {
        let log = Log::new();
        let (inside, launched) = (log.clone(), scope.clone());
        with_context(CoroutineName::new("inner"), async move {
            yield_now().await;
            launched.launch(inside.event("other"));
            inside.add("body ends");
            Ok(())
        })
        .await?;
        log.add("caller goes on");
        yield_now().await;
        assert_eq!(log.take(), ["body ends", "caller goes on", "other"]);
        Ok(())
    });
}

/// D-16
#[test]
fn a_body_in_place_has_its_own_job() {
    root(async |scope| {
        let own = with_context(CoroutineName::new("inner"), async {
            Ok(Job::current().unwrap())
        })
        .await?;
        assert!(!own.ptr_eq(scope.job()));
        Ok(())
    });
}

/// D-16
#[test]
fn a_body_in_place_sees_the_other_elements() {
    root(async |_| {
        let name = with_context(CoroutineName::new("inner"), async {
            Ok(Job::current().unwrap().name())
        })
        .await?;
        assert_eq!(name.as_deref(), Some("inner"));
        Ok(())
    });
}

/// D-16
#[test]
fn a_body_on_another_dispatcher_runs_there() {
    root(async |_| {
        let here = thread::current().id();
        let there = with_context(Dispatcher::DEFAULT, async { Ok(thread::current().id()) }).await?;
        assert_ne!(here, there);
        Ok(())
    });
}

/// D-16
#[test]
fn after_a_body_on_another_dispatcher_the_caller_is_back_on_its_own() {
    root(async |_| {
        let here = thread::current().id();
        with_context(Dispatcher::DEFAULT, async { Ok(()) }).await?;
        assert_eq!(here, thread::current().id());
        Ok(())
    });
}

/// D-16
#[test]
fn a_body_on_another_dispatcher_is_dispatched_once_if_it_does_not_suspend() {
    root(async |_| {
        let counting = Counting::default();
        let dispatcher = Dispatcher::new(counting.clone());
        with_context(dispatcher, async { Ok(()) }).await?;
        assert_eq!(counting.count(), 1);
        Ok(())
    });
}

/// D-16
#[test]
fn the_caller_of_a_body_on_another_dispatcher_is_resumed_through_a_dispatch() {
    root(async |scope| {
        let counting = Counting::default();
        let gate = CompletableDeferred::new();
        let opened = gate.clone();
        let caller = scope
            .with(Dispatcher::new(counting.clone()))
            .launch(async move {
                with_context(Dispatcher::DEFAULT, async move { (&opened).await }).await
            });
        while !waits(&caller) {
            yield_now().await;
        }
        let before = counting.count();
        gate.complete(());
        caller.join().await;
        assert_eq!(counting.count(), before + 1);
        Ok(())
    });
}

/// Whether `job` waits inside `with_context`.
fn waits(job: &Job) -> bool {
    corox_core::probe::waits_of(job)
        .iter()
        .any(|wait| wait.what == "with_context")
}

/// D-16
#[test]
fn clones_of_a_dispatcher_are_equal_and_do_not_dispatch() {
    root(async |scope| {
        let counting = Counting::default();
        let dispatcher = Dispatcher::new(counting.clone());
        let clone = dispatcher.clone();
        let caller = scope.with(dispatcher).spawn(async move {
            let before = thread::current().id();
            let inside = with_context(clone, async { Ok(thread::current().id()) }).await?;
            Ok(before == inside)
        });
        assert!(caller.await?);
        assert_eq!(counting.count(), 1);
        Ok(())
    });
}

/// D-16
#[test]
fn two_dispatchers_of_the_same_kind_are_not_equal_and_do_dispatch() {
    root(async |scope| {
        let (outer, inner) = (Counting::default(), Counting::default());
        let other = Dispatcher::new(inner.clone());
        let caller = scope
            .with(Dispatcher::new(outer))
            .spawn(async move { with_context(other, async { Ok(()) }).await });
        caller.await?;
        assert_eq!(inner.count(), 1);
        Ok(())
    });
}

/// D-16
#[test]
fn the_body_is_a_child_of_the_caller_in_place_and_elsewhere() {
    root(async |scope| {
        let caller = scope.job().clone();
        let contexts: [CoroutineContext; 2] = [
            CoroutineName::new("in place").into(),
            Dispatcher::DEFAULT.into(),
        ];
        for context in contexts {
            let parent =
                with_context(context, async { Ok(Job::current().unwrap().parent()) }).await?;
            assert!(parent.unwrap().ptr_eq(&caller));
        }
        Ok(())
    });
}

/// J-3
#[test]
fn with_context_returns_only_after_the_children_of_its_body() {
    root(async |scope| {
        let log = Log::new();
        for context in [Dispatcher::UNCONFINED, Dispatcher::DEFAULT] {
            let (inside, launcher) = (log.clone(), scope.clone());
            with_context(context, async move {
                let own = Job::current().unwrap();
                launcher.with(own).launch(async move {
                    yield_now().await;
                    inside.add("child");
                });
                Ok(())
            })
            .await?;
            log.add("caller goes on");
        }
        assert_eq!(
            log.take(),
            ["child", "caller goes on", "child", "caller goes on"]
        );
        Ok(())
    });
}

/// J-13
#[test]
fn the_failure_of_a_body_is_returned_and_leaves_the_caller_uncancelled() {
    root(async |scope| {
        for context in [
            scope.context().dispatcher().unwrap().clone(),
            Dispatcher::DEFAULT,
        ] {
            let failure = Error::msg("no");
            let raised = failure.clone();
            let failed = with_context(context, async { Err::<(), _>(raised) }).await;
            assert!(failed.unwrap_err().ptr_eq(&failure));
            assert!(scope.is_active());
        }
        Ok(())
    });
}

/// J-13
#[test]
fn the_panic_of_a_body_is_returned_and_leaves_the_caller_uncancelled() {
    root(async |scope| {
        let failed: Result = with_context(Dispatcher::DEFAULT, async { panic!("no") }).await;
        assert!(failed.unwrap_err().is_panic());
        assert!(scope.is_active());
        Ok(())
    });
}

/// J-14
#[test]
fn with_no_parent_the_job_of_the_body_has_none() {
    root(async |_| {
        let parent = with_context(NonCancellable, async {
            Ok(Job::current().unwrap().parent())
        })
        .await?;
        assert!(parent.is_none());
        Ok(())
    });
}

/// J-14
#[test]
fn with_no_parent_a_body_is_not_cancelled_with_its_caller() {
    root(async |scope| {
        let log = Log::new();
        let gate = CompletableDeferred::new();
        let (inside, opened) = (log.clone(), gate.clone());
        let caller = scope.launch(async move {
            with_context(NonCancellable, async move {
                (&opened).await?;
                inside.add("body ends");
                Ok(())
            })
            .await
        });
        yield_now().await;
        caller.cancel();
        yield_now().await;
        assert!(!caller.is_completed());
        gate.complete(());
        caller.join().await;
        assert_eq!(log.take(), ["body ends"]);
        Ok(())
    });
}

/// J-14
#[test]
fn children_of_a_body_with_no_parent_belong_to_it_and_are_not_cancelled_with_the_caller() {
    root(async |scope| {
        let (tx, rx) = mpsc::channel();
        let gate = CompletableDeferred::new();
        let opened = gate.clone();
        let caller = scope.launch(async move {
            with_context(NonCancellable, async move {
                let own = Job::current().unwrap();
                coroutine_scope(async |scope| {
                    let child = scope.launch(async move { (&opened).await });
                    tx.send((own, child)).unwrap();
                    Ok(())
                })
                .await
            })
            .await
        });
        yield_now().await;
        let (own, child) = rx.recv().unwrap();
        caller.cancel();
        let scope_inside = child.parent().unwrap();
        assert!(scope_inside.parent().unwrap().ptr_eq(&own));
        assert!(child.is_active() && own.is_active());
        gate.complete(());
        caller.join().await;
        assert!(!child.is_cancelled());
        Ok(())
    });
}

/// J-14
#[test]
fn a_job_given_to_with_context_is_the_parent_of_the_body() {
    root(async |_| {
        let other = CompletableJob::new();
        let parent = with_context(&*other, async { Ok(Job::current().unwrap().parent()) }).await?;
        assert!(parent.unwrap().ptr_eq(&other));
        Ok(())
    });
}

/// J-14
#[test]
fn cancelling_a_job_given_to_with_context_cancels_the_body_and_not_the_caller() {
    root(async |scope| {
        let other = CompletableJob::new();
        let stopper = other.clone();
        scope.launch(async move { stopper.cancel_with(Error::cancellation("enough")) });
        let cancelled = with_context(&*other, async {
            forever().await;
            Ok(())
        })
        .await;
        assert_eq!(cancelled.unwrap_err().to_string(), "enough");
        assert!(scope.is_active());
        Ok(())
    });
}

/// J-34
#[test]
fn in_a_cancelled_coroutine_the_body_does_not_begin() {
    root(async |_| {
        let log = Log::new();
        for dispatcher in [Dispatcher::UNCONFINED, Dispatcher::DEFAULT, Dispatcher::IO] {
            let inside = log.clone();
            coroutine_scope(async |scope| {
                scope.cancel();
                with_context(dispatcher, async move {
                    inside.add("body");
                    Ok(())
                })
                .await?;
                log.add("caller goes on");
                Ok(())
            })
            .await
            .unwrap_err();
        }
        assert_eq!(log.take(), [""; 0]);
        Ok(())
    });
}

/// J-34
#[test]
fn in_a_cancelled_coroutine_a_body_in_place_does_not_begin_either() {
    root(async |_| {
        let log = Log::new();
        let inside = log.clone();
        coroutine_scope(async |scope| {
            scope.cancel();
            with_context(CoroutineName::new("inner"), async move {
                inside.add("body");
                Ok(())
            })
            .await
        })
        .await
        .unwrap_err();
        assert_eq!(log.take(), [""; 0]);
        Ok(())
    });
}

/// J-34
#[test]
fn with_a_cancelled_job_the_body_does_not_begin_and_the_active_caller_gets_the_cancellation() {
    root(async |scope| {
        let log = Log::new();
        let other = CompletableJob::new();
        other.cancel_with(Error::cancellation("enough"));
        let inside = log.clone();
        let error = with_context(&*other, async move {
            inside.add("body");
            Ok(())
        })
        .await
        .unwrap_err();
        assert_eq!(error.to_string(), "enough");
        assert!(scope.is_active());
        assert_eq!(log.take(), [""; 0]);
        Ok(())
    });
}

/// J-34
#[test]
fn with_no_parent_the_body_begins_in_a_cancelled_coroutine() {
    root(async |_| {
        let log = Log::new();
        let inside = log.clone();
        coroutine_scope(async |scope| {
            scope.cancel();
            with_context(NonCancellable, async move {
                inside.add("body");
                yield_now().await;
                inside.add("body after a suspension");
                Ok(())
            })
            .await
        })
        .await
        .unwrap_err();
        assert_eq!(log.take(), ["body", "body after a suspension"]);
        Ok(())
    });
}

/// J-34
#[test]
fn with_an_active_job_the_body_begins_in_a_cancelled_coroutine() {
    root(async |_| {
        let log = Log::new();
        let other = CompletableJob::new();
        let inside = log.clone();
        coroutine_scope(async |scope| {
            scope.cancel();
            with_context(&*other, async move {
                inside.add("body");
                Ok(())
            })
            .await
        })
        .await
        .unwrap_err();
        assert_eq!(log.take(), ["body"]);
        other.complete();
        Ok(())
    });
}

/// J-34
#[test]
fn a_scope_begins_its_body_in_a_cancelled_coroutine() {
    root(async |_| {
        let log = Log::new();
        coroutine_scope(async |scope| {
            scope.cancel();
            let inner = coroutine_scope(async |_| {
                log.add("body");
                Ok(())
            })
            .await;
            log.add(format!(
                "cancelled: {}",
                inner.unwrap_err().is_cancellation()
            ));
            Ok(())
        })
        .await
        .unwrap_err();
        assert_eq!(log.take(), ["body", "cancelled: true"]);
        Ok(())
    });
}

/// J-34
#[test]
fn a_supervisor_scope_begins_its_body_in_a_cancelled_coroutine() {
    root(async |_| {
        let log = Log::new();
        coroutine_scope(async |scope| {
            scope.cancel();
            supervisor_scope(async |_| {
                log.add("body");
                Ok(())
            })
            .await
        })
        .await
        .unwrap_err();
        assert_eq!(log.take(), ["body"]);
        Ok(())
    });
}

/// J-34: what of a cancelled body is past a suspension point.
async fn goes_past<F: Future>(point: F) -> bool {
    let log = Log::new();
    coroutine_scope(async |scope| {
        scope.cancel();
        point.await;
        log.add("past it");
        Ok(())
    })
    .await
    .unwrap_err();
    !log.take().is_empty()
}

/// J-34
#[test]
fn yield_now_is_a_point_of_cancellation() {
    root(async |_| {
        assert!(!goes_past(yield_now()).await);
        Ok(())
    });
}

/// J-34
#[test]
fn await_cancellation_is_a_point_of_cancellation() {
    root(async |_| {
        assert!(!goes_past(async { await_cancellation().await }).await);
        Ok(())
    });
}

/// J-34
#[test]
fn a_delay_of_some_time_is_a_point_of_cancellation() {
    root(async |_| {
        assert!(!goes_past(delay(Duration::from_millis(1))).await);
        Ok(())
    });
}

/// J-34
#[test]
fn ensure_active_gives_the_cancellation_in_a_cancelled_coroutine() {
    root(async |_| {
        let cause = Error::cancellation("enough");
        coroutine_scope(async |scope| {
            scope.job().cancel_with(cause.clone());
            assert!(corox_core::ensure_active().unwrap_err().ptr_eq(&cause));
            assert!(scope.ensure_active().unwrap_err().ptr_eq(&cause));
            Ok(())
        })
        .await
        .unwrap_err();
        Ok(())
    });
}

/// J-29
#[test]
fn a_value_from_another_dispatcher_is_lost_if_the_caller_was_cancelled_meanwhile() {
    root(async |scope| {
        let log = Log::new();
        let (started, gate) = (CompletableDeferred::new(), CompletableDeferred::new());
        let (announces, opened) = (started.clone(), gate.clone());
        let (value, inside) = (log.guard("value dropped"), log.clone());
        let caller = scope.launch(async move {
            let got = with_context(Dispatcher::DEFAULT, async move {
                announces.complete(());
                non_cancellable(async |_| (&opened).await).await?;
                Ok(value)
            })
            .await;
            inside.add(format!("caller goes on with a value: {}", got.is_ok()));
        });
        (&started).await?;
        caller.cancel();
        gate.complete(());
        caller.join().await;
        assert_eq!(
            log.take(),
            ["value dropped", "caller goes on with a value: false"]
        );
        Ok(())
    });
}

/// J-29: cancelled after the body has ended with a value and before the caller's turn.
#[test]
fn a_caller_cancelled_between_the_end_of_the_body_and_its_turn_does_not_get_the_value() {
    root(async |scope| {
        let log = Log::new();
        let (tx, rx) = mpsc::channel();
        let (go, may_end) = mpsc::channel::<()>();
        let (value, inside) = (log.guard("value dropped"), log.clone());
        let caller = scope.launch(async move {
            let _got = with_context(Dispatcher::DEFAULT, async move {
                tx.send(Job::current().unwrap()).unwrap();
                // Blocks, so that the body ends only when its caller is suspended.
                may_end.recv().unwrap();
                Ok(value)
            })
            .await;
            inside.add("caller goes on");
        });
        yield_now().await;
        // Blocks the loop until the body has ended elsewhere, so that the caller waits for its turn.
        let body = rx.recv().unwrap();
        let (ended, end) = mpsc::channel();
        body.on_completion(move |_| ended.send(()).unwrap());
        go.send(()).unwrap();
        end.recv().unwrap();
        assert_eq!(log.take(), [""; 0]);
        caller.cancel();
        caller.join().await;
        assert_eq!(log.take(), ["value dropped"]);
        Ok(())
    });
}

/// J-29
#[test]
fn a_failure_from_another_dispatcher_reaches_a_caller_that_was_cancelled_meanwhile() {
    root(async |scope| {
        let (tx, rx) = mpsc::channel();
        let (started, gate) = (CompletableDeferred::new(), CompletableDeferred::new());
        let (announces, opened) = (started.clone(), gate.clone());
        let caller = scope
            .with(corox_core::ExceptionHandler::new(|_, _| {}))
            .with(corox_core::SupervisorJob::new())
            .launch(async move {
                let got: Result = with_context(Dispatcher::DEFAULT, async move {
                    announces.complete(());
                    non_cancellable(async |_| (&opened).await).await?;
                    Err(Error::msg("no"))
                })
                .await;
                tx.send(got.unwrap_err().to_string()).unwrap();
            });
        (&started).await?;
        caller.cancel();
        gate.complete(());
        caller.join().await;
        assert_eq!(rx.recv().unwrap(), "no");
        Ok(())
    });
}

/// J-29
#[test]
fn a_failure_in_place_reaches_a_caller_that_was_cancelled_meanwhile() {
    root(async |_| {
        let log = Log::new();
        coroutine_scope(async |scope| {
            let cancels = scope.clone();
            let got: Result = with_context(CoroutineName::new("inner"), async move {
                cancels.cancel();
                Err(Error::msg("no"))
            })
            .await;
            log.add(got.unwrap_err().to_string());
            Ok(())
        })
        .await
        .unwrap_err();
        assert_eq!(log.take(), ["no"]);
        Ok(())
    });
}

/// J-29
#[test]
fn a_failure_of_a_scope_reaches_a_caller_that_was_cancelled_meanwhile() {
    root(async |_| {
        let log = Log::new();
        coroutine_scope(async |outer| {
            let got: Result = coroutine_scope(async |_| {
                outer.cancel();
                Err(Error::msg("no"))
            })
            .await;
            log.add(got.unwrap_err().to_string());
            Ok(())
        })
        .await
        .unwrap_err();
        assert_eq!(log.take(), ["no"]);
        Ok(())
    });
}

/// J-29
#[test]
fn a_scope_resumes_its_caller_without_a_dispatch() {
    root(async |scope| {
        let log = Log::new();
        coroutine_scope(async |_| {
            yield_now().await;
            scope.launch(log.event("other"));
            log.add("body ends");
            Ok(())
        })
        .await?;
        log.add("caller goes on");
        yield_now().await;
        assert_eq!(log.take(), ["body ends", "caller goes on", "other"]);
        Ok(())
    });
}

/// Design 4.1.
#[test]
fn a_body_elsewhere_is_cancelled_with_its_caller_and_awaited() {
    root(async |scope| {
        let log = Log::new();
        let (started, gate) = (CompletableDeferred::new(), CompletableDeferred::new());
        let (announces, opened, inside) = (started.clone(), gate.clone(), log.clone());
        let caller = scope.launch(async move {
            let _guard = inside.guard("caller dropped");
            let body_log = inside.clone();
            with_context(Dispatcher::DEFAULT, async move {
                let _guard = body_log.guard("body dropped");
                announces.complete(());
                lingering(opened).await;
                body_log.add("body cleaned up");
                Ok(())
            })
            .await
        });
        (&started).await?;
        caller.cancel();
        assert!(!caller.is_completed());
        log.add("cancel returned");
        gate.complete(());
        caller.join().await;
        assert_eq!(
            log.take(),
            [
                "cancel returned",
                "body cleaned up",
                "body dropped",
                "caller dropped"
            ]
        );
        Ok(())
    });
}

/// Decision 8: a body elsewhere whose caller's future is dropped is cancelled.
#[test]
fn dropping_the_future_cancels_a_body_elsewhere_and_the_coroutine_waits_for_it() {
    root(async |scope| {
        let log = Log::new();
        let started = CompletableDeferred::new();
        let (announces, inside) = (started.clone(), log.clone());
        let caller = scope.launch(async move {
            let guard = inside.guard("body dropped");
            let elsewhere = with_context(Dispatcher::DEFAULT, async move {
                let _guard = guard;
                announces.complete(());
                forever().await;
                Ok(())
            });
            tokio::select! {
                biased;
                _ = elsewhere => unreachable!("it runs for ever"),
                _ = async { (&started).await } => {}
            }
            Ok(())
        });
        caller.join().await;
        assert!(!caller.is_cancelled());
        assert_eq!(log.take(), ["body dropped"]);
        Ok(())
    });
}

/// Design 4.1: a boundary around it catches the cancellation only after the body has gone.
#[test]
fn a_boundary_around_with_context_waits_for_the_body_elsewhere() {
    root(async |scope| {
        let log = Log::new();
        let started = CompletableDeferred::new();
        let (announces, inside) = (started.clone(), log.clone());
        let caller = scope.launch(async move {
            let guard = inside.guard("body dropped");
            let elsewhere = with_context(Dispatcher::DEFAULT, async move {
                let _guard = guard;
                announces.complete(());
                forever().await;
                Ok(())
            });
            let cancelled = match catch_cancellation(elsewhere).await {
                Ok(result) => result.unwrap_err().is_cancellation(),
                Err(_) => true,
            };
            inside.add(format!("boundary: {cancelled}"));
        });
        (&started).await?;
        caller.cancel_and_join().await;
        assert_eq!(log.take(), ["body dropped", "boundary: true"]);
        Ok(())
    });
}
