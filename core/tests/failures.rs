//! Which failure wins, where it goes, and what does not count as one (J-11, J-24 to J-27, J-37).

#[path = "support/panics.rs"]
mod panics;
mod support;

use std::future::pending;

use corox_core::{
    CompletableDeferred, CompletableJob, Dispatcher, Error, ExceptionHandler, GlobalScope, Job,
    Result, SupervisorJob, add_uncaught_handler, catch_cancellation, coroutine_scope,
    ensure_active, non_cancellable, run_blocking, supervisor_scope, with_context, yield_now,
};
use panics::panic_of;
use support::{Log, checked};

async fn settle() {
    for _ in 0..16 {
        yield_now().await;
    }
}

/// A body that waits for its cancellation and then fails.
async fn fails_when_cancelled(message: &'static str) -> Result<()> {
    let _ = catch_cancellation(pending::<()>()).await;
    Err(Error::msg(message))
}

fn logging(log: &Log, name: &'static str) -> ExceptionHandler {
    let log = log.clone();
    ExceptionHandler::new(move |_, error| log.add(format!("{name}: {error}")))
}

fn texts(errors: &[Error]) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

/// J-24: the first failure is the cause, the later ones are attached to it in the order of their arrival.
#[test]
fn the_first_failure_wins_and_later_ones_are_suppressed() {
    checked(|| {
        let error = run_blocking(async |scope| {
            scope.launch(fails_when_cancelled("two"));
            scope.launch(fails_when_cancelled("three"));
            scope.launch(async {
                yield_now().await;
                Err::<(), _>(Error::msg("one"))
            });
            Ok(())
        })
        .unwrap_err();
        assert_eq!(error.to_string(), "one");
        assert_eq!(texts(&error.suppressed()), ["two", "three"]);
    });
}

/// J-24, J-37: a failure wins over a cancellation that came before it, and the cancellation is not attached.
#[test]
fn a_failure_overrides_an_earlier_cancellation() {
    checked(|| {
        let log = Log::new();
        run_blocking(async |_| {
            let error = coroutine_scope(async |scope| {
                scope.launch(fails_when_cancelled("late"));
                settle().await;
                scope.cancel();
                Ok(())
            })
            .await
            .unwrap_err();
            assert!(!error.is_cancellation());
            assert_eq!(error.to_string(), "late");
            assert!(error.suppressed().is_empty());
            supervisor_scope(async |scope| {
                let job = scope
                    .with(logging(&log, "handler"))
                    .launch(fails_when_cancelled("late"));
                settle().await;
                job.cancel();
                assert!(job.cause().unwrap().is_cancellation());
                job.join().await;
                assert_eq!(job.cause().unwrap().to_string(), "late");
                Ok(())
            })
            .await
        })
        .unwrap();
        assert_eq!(log.take(), ["handler: late"]);
    });
}

/// J-24, J-37: of several cancellations the first one stays.
#[test]
fn of_several_cancellations_the_first_stays() {
    checked(|| {
        run_blocking(async |scope| {
            let first = Error::cancellation("first");
            let job = scope.launch(pending::<()>());
            job.cancel_with(first.clone());
            job.cancel_with(Error::cancellation("second"));
            job.cancel();
            job.join().await;
            assert!(job.cause().unwrap().ptr_eq(&first));
            assert!(first.suppressed().is_empty());
            Ok(())
        })
        .unwrap();
    });
}

/// J-24: a cancellation among the children of a failed scope is not attached.
#[test]
fn cancellations_are_never_suppressed_entries() {
    checked(|| {
        let error = run_blocking(async |scope| {
            scope.launch(async {
                let _ = catch_cancellation(pending::<()>()).await;
                Err::<(), _>(Error::cancellation("stopped"))
            });
            settle().await;
            Err::<(), _>(Error::msg("one"))
        })
        .unwrap_err();
        assert_eq!(error.to_string(), "one");
        assert!(error.suppressed().is_empty());
    });
}

/// J-24: one failure that arrives over several paths is one failure.
#[test]
fn the_same_failure_over_several_paths_is_attached_nowhere() {
    checked(|| {
        let failure = Error::msg("one");
        let (a, b) = (failure.clone(), failure.clone());
        let error = run_blocking(async |scope| {
            scope.launch(async move {
                let _ = catch_cancellation(pending::<()>()).await;
                Err::<(), _>(a)
            });
            let deferred = scope.spawn(async move {
                yield_now().await;
                Err::<(), _>(b)
            });
            deferred.await
        })
        .unwrap_err();
        assert!(error.ptr_eq(&failure));
        assert!(error.suppressed().is_empty());
    });
}

/// J-24: a later failure is attached once, also if it arrives twice.
#[test]
fn a_later_failure_is_attached_once() {
    checked(|| {
        let later = Error::msg("two");
        let copies = [later.clone(), later.clone()];
        let error = run_blocking(async |scope| {
            for copy in copies {
                scope.launch(async move {
                    let _ = catch_cancellation(pending::<()>()).await;
                    Err::<(), _>(copy)
                });
            }
            settle().await;
            Err::<(), _>(Error::msg("one"))
        })
        .unwrap_err();
        let suppressed = error.suppressed();
        assert_eq!(suppressed.len(), 1);
        assert!(suppressed[0].ptr_eq(&later));
    });
}

/// J-25: nested failures keep what was attached to them.
#[test]
fn nested_failures_keep_their_own_suppressed_ones() {
    checked(|| {
        let error = run_blocking(async |scope| {
            scope.launch(async {
                let inner = try_nested().await.unwrap_err();
                assert_eq!(inner.to_string(), "inner one");
                Err::<(), _>(inner)
            });
            settle().await;
            Err::<(), _>(Error::msg("outer"))
        })
        .unwrap_err();
        assert_eq!(error.to_string(), "outer");
        let suppressed = error.suppressed();
        assert_eq!(texts(&suppressed), ["inner one"]);
        assert_eq!(texts(&suppressed[0].suppressed()), ["inner two"]);
    });
}

/// Fails with "inner one", from its child, when it is cancelled, and has "inner two" attached to it.
async fn try_nested() -> Result<()> {
    coroutine_scope(async |scope| {
        scope.launch(fails_when_cancelled("inner one"));
        let _ = catch_cancellation(pending::<()>()).await;
        Err(Error::msg("inner two"))
    })
    .await
}

/// J-26: a failure goes to the parent, whatever handler the child has; the siblings are cancelled, and all are awaited.
#[test]
fn a_failure_goes_to_the_parent_and_not_to_the_handler() {
    checked(|| {
        let log = Log::new();
        let error = run_blocking(async |scope| {
            let sibling = log.clone();
            scope.launch(async move {
                let _guard = sibling.guard("sibling dropped");
                pending::<()>().await;
            });
            scope.with(logging(&log, "handler")).launch(async {
                yield_now().await;
                Err::<(), _>(Error::msg("child"))
            });
            let _guard = log.guard("body dropped");
            pending::<()>().await;
            Ok(())
        })
        .unwrap_err();
        log.add(format!("root: {error}"));
        let mut events = log.take();
        // Both are dropped before the root returns; which one first is not promised.
        events[..2].sort();
        assert_eq!(events, ["body dropped", "sibling dropped", "root: child"]);
    });
}

/// J-26: the direct child of a supervisor reports to its own handler; a `spawn` keeps its failure and reports nothing.
#[test]
fn under_a_supervisor_launch_reports_and_spawn_keeps() {
    checked(|| {
        let log = Log::new();
        run_blocking(async |_| {
            supervisor_scope(async |scope| {
                let reporting = scope.with(logging(&log, "handler"));
                let launched = reporting.launch(async { Err::<(), _>(Error::msg("launched")) });
                let spawned = reporting.spawn(async { Err::<(), _>(Error::msg("spawned")) });
                launched.join().await;
                log.add(format!("kept: {}", spawned.await.unwrap_err()));
                assert!(scope.is_active());
                Ok(())
            })
            .await
        })
        .unwrap();
        assert_eq!(log.take(), ["handler: launched", "kept: spawned"]);
    });
}

/// J-26: a root reports to the handler of its context; a root `spawn` reports nothing.
#[test]
fn a_root_launch_reports_and_a_root_spawn_keeps() {
    checked(|| {
        let log = Log::new();
        let _guard = add_uncaught_handler(logging(&log, "process"));
        run_blocking(async |_| {
            let launcher = GlobalScope.with(logging(&log, "handler"));
            launcher
                .launch(async { Err::<(), _>(Error::msg("launched")) })
                .join()
                .await;
            let spawned = GlobalScope.spawn(async { Err::<(), _>(Error::msg("spawned")) });
            assert_eq!(spawned.await.unwrap_err().to_string(), "spawned");
            let completable = CompletableDeferred::<()>::new();
            completable.fail(Error::msg("completable"));
            assert!(completable.is_cancelled());
            Ok(())
        })
        .unwrap();
        assert_eq!(log.take(), ["handler: launched"]);
    });
}

/// J-26: a completable job takes a failure but handles it only if some coroutine above it does.
#[test]
fn a_completable_job_without_coroutine_above_leaves_the_report_to_the_child() {
    checked(|| {
        let log = Log::new();
        run_blocking(async |scope| {
            let group = CompletableJob::new();
            let nested = CompletableJob::child_of(&group);
            scope
                .with(logging(&log, "handler") + nested.clone())
                .launch(async { Err::<(), _>(Error::msg("child")) })
                .join()
                .await;
            assert!(group.is_cancelled() && nested.is_cancelled());
            assert_eq!(group.cause().unwrap().to_string(), "child");
            Ok(())
        })
        .unwrap();
        assert_eq!(log.take(), ["handler: child"]);

        let error = run_blocking(async |scope| {
            let group = CompletableJob::child_of(scope.job());
            scope
                .with(logging(&log, "handler") + group)
                .launch(async { Err::<(), _>(Error::msg("child")) });
            Ok(())
        })
        .unwrap_err();
        assert_eq!(error.to_string(), "child");
        assert!(log.take().is_empty());
    });
}

/// J-26, J-12: under a supervisor job the child reports, and the job stays active.
#[test]
fn the_child_of_a_supervisor_job_reports_by_itself() {
    checked(|| {
        let log = Log::new();
        run_blocking(async |scope| {
            let supervisor = SupervisorJob::child_of(scope.job());
            let launcher = scope.with(logging(&log, "handler") + supervisor.job().clone());
            launcher
                .launch(async { Err::<(), _>(Error::msg("child")) })
                .join()
                .await;
            assert!(supervisor.is_active());
            supervisor.complete();
            Ok(())
        })
        .unwrap();
        assert_eq!(log.take(), ["handler: child"]);
    });
}

/// J-26, J-13: an inline scope gives its failure to its caller, who may go on; no handler hears of it.
#[test]
fn an_inline_scope_gives_its_failure_to_its_caller_only() {
    checked(|| {
        let log = Log::new();
        let seen = log.clone();
        run_blocking(async |scope| {
            scope.with(logging(&log, "handler")).launch(async move {
                let failing = || async { Err::<(), _>(Error::msg("inner")) };
                for error in [
                    coroutine_scope(async |s| {
                        s.launch(failing());
                        Ok(())
                    })
                    .await,
                    supervisor_scope(async |_| failing().await).await,
                    non_cancellable(async |_| failing().await).await,
                    with_context(Dispatcher::IO, failing()).await,
                ] {
                    seen.add(error.unwrap_err().to_string());
                }
                ensure_active().unwrap();
                yield_now().await;
                seen.add("goes on");
            });
            Ok(())
        })
        .unwrap();
        assert_eq!(log.take(), ["inner", "inner", "inner", "inner", "goes on"]);
    });
}

/// J-27: the handler of the coroutine that ends up responsible is asked, once; those below it are not.
#[test]
fn only_the_handler_of_the_responsible_coroutine_is_asked() {
    checked(|| {
        let log = Log::new();
        let (inner, innermost) = (logging(&log, "inner"), logging(&log, "innermost"));
        let seen = log.clone();
        let handler = ExceptionHandler::new(move |job, error| {
            seen.add(format!("outer: {error}, {:?}, {}", job.name(), job.state()));
        });
        run_blocking(async |_| {
            supervisor_scope(async |scope| {
                let name = corox_core::CoroutineName::new("responsible");
                scope.with(handler + name).launch(async move {
                    coroutine_scope(async move |scope| {
                        scope.with(inner).launch(async move {
                            coroutine_scope(async move |scope| {
                                scope
                                    .with(innermost)
                                    .launch(async { Err::<(), _>(Error::msg("deep")) });
                                Ok(())
                            })
                            .await
                        });
                        Ok(())
                    })
                    .await
                });
                Ok(())
            })
            .await
        })
        .unwrap();
        // J-19: before anybody can see the coroutine as completed.
        assert_eq!(
            log.take(),
            ["outer: deep, Some(\"responsible\"), Cancelling"]
        );
    });
}

/// J-27: one report for a failed tree, with the other failures attached.
#[test]
fn a_failed_tree_is_reported_once() {
    checked(|| {
        let log = Log::new();
        let seen = log.clone();
        let handler = ExceptionHandler::new(move |_, error| {
            seen.add(format!("{error} {:?}", texts(&error.suppressed())));
        });
        run_blocking(async |_| {
            supervisor_scope(async |scope| {
                scope.with(handler).launch(async {
                    let job = Job::current().unwrap();
                    GlobalScope
                        .with(Dispatcher::UNCONFINED + job.clone())
                        .launch(fails_when_cancelled("two"));
                    GlobalScope
                        .with(Dispatcher::UNCONFINED + job)
                        .launch(fails_when_cancelled("three"));
                    Err::<(), _>(Error::msg("one"))
                });
                Ok(())
            })
            .await
        })
        .unwrap();
        assert_eq!(log.take(), ["one [\"two\", \"three\"]"]);
    });
}

/// J-27: a cancellation is never reported.
#[test]
fn a_cancellation_is_never_reported() {
    checked(|| {
        let log = Log::new();
        let _guard = add_uncaught_handler(logging(&log, "process"));
        run_blocking(async |_| {
            supervisor_scope(async |scope| {
                let launcher = scope.with(logging(&log, "handler"));
                let returned = launcher.launch(async { Err::<(), _>(Error::cancellation("done")) });
                let cancelled = launcher.launch(pending::<()>());
                settle().await;
                cancelled.cancel();
                GlobalScope.launch(async { Err::<(), _>(Error::cancellation("done")) });
                returned.join().await;
                assert!(returned.is_cancelled());
                Ok(())
            })
            .await
        })
        .unwrap();
        assert!(log.take().is_empty());
    });
}

/// J-11: a body that returns a cancellation of its own ends as if it had been cancelled with it; the parent goes on.
#[test]
fn a_returned_cancellation_is_a_cancellation() {
    checked(|| {
        run_blocking(async |scope| {
            let own = Error::cancellation("enough");
            let returned = own.clone();
            let job = scope.launch(async move { Err::<(), _>(returned) });
            job.join().await;
            assert!(job.is_cancelled());
            assert!(job.cause().unwrap().ptr_eq(&own));
            let deferred = scope.spawn(async { Err::<(), _>(Error::cancellation("enough")) });
            assert!(deferred.await.unwrap_err().is_cancellation());
            scope.ensure_active()
        })
        .unwrap();
    });
}

/// J-11 as design 4.2 has it: the cancellation of another coroutine fails the one that lets it escape.
#[test]
fn a_foreign_cancellation_that_escapes_is_a_failure() {
    checked(|| {
        let mut cancelled_with = None;
        let error = run_blocking(async |scope| {
            let other = scope.spawn(pending::<Result<i32>>());
            let waiting = scope.spawn(async move { Ok(other.await? + 1) });
            settle().await;
            let children = scope.job().children();
            children[0].cancel();
            cancelled_with = children[0].cause();
            let error = waiting.await.unwrap_err();
            assert!(!error.is_cancellation());
            Err::<(), _>(error)
        })
        .unwrap_err();
        assert!(!error.is_cancellation());
        assert!(error.cause().unwrap().is_cancellation());
        assert!(error.cause().unwrap().ptr_eq(&cancelled_with.unwrap()));
        assert!(
            error
                .to_string()
                .starts_with("another coroutine was cancelled: ")
        );
    });
}

/// The same on its way through inline scopes and `with_context`: they give it on as it is, the coroutine fails.
#[test]
fn a_foreign_cancellation_passes_inline_scopes_unchanged() {
    checked(|| {
        let log = Log::new();
        for place in [None, Some(Dispatcher::IO), Some(Dispatcher::DEFAULT)] {
            let seen = log.clone();
            run_blocking(async |_| {
                supervisor_scope(async |scope| {
                    let other = scope.spawn(pending::<Result<()>>());
                    let seen = seen.clone();
                    scope.with(logging(&log, "handler")).launch(async move {
                        other.cancel();
                        let result = match place {
                            None => coroutine_scope(async |_| other.await).await,
                            Some(place) => with_context(place, async { other.await }).await,
                        };
                        seen.add(format!(
                            "cancellation: {}",
                            result.as_ref().unwrap_err().is_cancellation()
                        ));
                        result
                    });
                    Ok(())
                })
                .await
            })
            .unwrap();
            let events = log.take();
            assert_eq!(events[0], "cancellation: true");
            assert!(events[1].starts_with("handler: another coroutine was cancelled"));
            assert_eq!(events.len(), 2);
        }
    });
}

/// J-11: the own cancellation, returned by a check, is no failure.
#[test]
fn the_own_cancellation_that_escapes_is_none() {
    checked(|| {
        run_blocking(async |scope| {
            let job = scope.launch(async {
                Job::current().unwrap().cancel();
                ensure_active()?;
                Ok(())
            });
            job.join().await;
            assert!(job.cause().unwrap().is_cancellation());
            scope.ensure_active()
        })
        .unwrap();
    });
}

/// J-11: nor is that of an ancestor, which a shielded coroutine may pass on without being cancelled itself.
#[test]
fn the_cancellation_of_an_ancestor_that_escapes_is_none() {
    checked(|| {
        let log = Log::new();
        let seen = log.clone();
        run_blocking(async |scope| {
            let job = scope.launch(async move {
                let above = Job::current().unwrap();
                above.cancel();
                let result = non_cancellable(async |s| {
                    let child = s.launch(async move {
                        yield_now().await;
                        above.ensure_active()
                    });
                    child.join().await;
                    seen.add(format!(
                        "child: {}",
                        child.cause().unwrap().is_cancellation()
                    ));
                    Ok(())
                })
                .await;
                seen.add(format!("shield: {}", result.is_ok()));
            });
            job.join().await;
            scope.ensure_active()
        })
        .unwrap();
        assert_eq!(log.take(), ["child: true", "shield: true"]);
    });
}

/// J-11: two siblings that are cancelled together, one of which awaits the other, do not fail their scope.
#[test]
fn siblings_cancelled_together_do_not_fail() {
    checked(|| {
        let error = run_blocking(async |scope| {
            let other = scope
                .with(Dispatcher::DEFAULT)
                .spawn(pending::<Result<()>>());
            for _ in 0..8 {
                let other = other.clone();
                scope
                    .with(Dispatcher::DEFAULT)
                    .launch(async move { (&other).await });
            }
            settle().await;
            scope.cancel();
            Ok(())
        })
        .unwrap_err();
        assert!(error.is_cancellation(), "{error:?}");
    });
}

/// Design 4: the root resumes the unwinding with the very payload, of its body, of a child, of a child in a scope inside.
#[test]
fn run_blocking_resumes_a_panic_with_its_payload() {
    #[derive(Debug, PartialEq)]
    struct Payload(u32);
    fn payload_of(f: impl FnOnce() -> Result<()>) -> u32 {
        panic_of(f).payload.downcast::<Payload>().unwrap().0
    }
    checked(|| {
        let body = payload_of(|| run_blocking(async |_| std::panic::panic_any(Payload(1))));
        let child = payload_of(|| {
            run_blocking(async |scope| {
                scope.launch(async {
                    yield_now().await;
                    std::panic::panic_any(Payload(2))
                });
                Ok(())
            })
        });
        let spawned = payload_of(|| {
            run_blocking(async |scope| {
                let deferred = scope.with(Dispatcher::DEFAULT).spawn(async {
                    if true {
                        std::panic::panic_any(Payload(3));
                    }
                    Ok(())
                });
                let _ = deferred.await;
                Ok(())
            })
        });
        let inner = payload_of(|| {
            run_blocking(async |_| {
                coroutine_scope(async |scope| {
                    scope.launch(async { std::panic::panic_any(Payload(4)) });
                    Ok(())
                })
                .await
            })
        });
        assert_eq!((body, child, spawned, inner), (1, 2, 3, 4));
    });
}

/// Promise 3: a panic that was dealt with is not resumed.
#[test]
fn a_panic_that_was_dealt_with_is_not_resumed() {
    checked(|| {
        let log = Log::new();
        let value = run_blocking(async |_| {
            let error = coroutine_scope(async |scope| {
                scope.launch(async { panic!("inside") });
                Ok(())
            })
            .await
            .unwrap_err();
            assert!(error.is_panic());
            assert_eq!(error.to_string(), "panicked: inside");
            supervisor_scope(async |scope| {
                scope
                    .with(logging(&log, "handler"))
                    .launch(async { panic!("supervised") });
                Ok(7)
            })
            .await
        });
        assert_eq!(value.unwrap(), 7);
        assert_eq!(log.take(), ["handler: panicked: supervised"]);
    });
}

/// The error of a panic says where the coroutine was launched.
#[test]
fn the_error_of_a_panic_names_the_launch() {
    checked(|| {
        run_blocking(async |_| {
            supervisor_scope(async |scope| {
                let line = line!() + 1;
                let deferred = scope.spawn(async {
                    if true {
                        panic!("here");
                    }
                    Ok(())
                });
                let error = deferred.await.unwrap_err();
                assert!(
                    error.location().file().ends_with("failures.rs"),
                    "{error:?}"
                );
                assert_eq!(error.location().line(), line);
                Ok(())
            })
            .await
        })
        .unwrap();
    });
}
