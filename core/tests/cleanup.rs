//! Guards and async cleanup: what runs, when, and what happens if it panics (decisions 6, 7 and 12).

#[path = "support/panics.rs"]
mod panics;
mod support;
#[path = "support/traces.rs"]
mod traces;

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll};

use corox_core::{
    CompletableDeferred, CoroutineScope, CoroutineStart, Error, ExceptionHandler, FinallyExt, Job,
    JobState, Result, catch_cancellation, coroutine_scope, is_active, non_cancellable, probe,
    run_blocking, supervisor_scope, yield_now,
};
use panics::panic_of;
use support::{Log, checked};
use traces::traces;

async fn settle() {
    for _ in 0..16 {
        yield_now().await;
    }
}

/// Runs `body`, lets it come to rest, cancels it and waits for it.
fn cancel_at_rest(log: &Log, body: impl Future<Output = ()> + Send + 'static) {
    run_blocking(async |scope| {
        let job = scope.launch(body);
        settle().await;
        log.add("cancel");
        job.cancel_and_join().await;
        log.add("join returns");
        Ok(())
    })
    .unwrap();
}

/// Calls a closure when dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Panics when dropped.
struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        std::panic::panic_any(self.0);
    }
}

/// Decision 6: the panic of a guard in a cancelled coroutine is the coroutine's failure; the coroutine ends, and the root
/// resumes the unwinding with the payload.
#[test]
fn the_panic_of_a_guard_fails_the_cancelled_coroutine() {
    checked(|| {
        let log = Log::new();
        let seen = log.clone();
        let panicked = panic_of(|| {
            run_blocking(async |scope| {
                let job = scope.launch(async {
                    let _bomb = Bomb("guard");
                    pending::<()>().await;
                });
                job.on_completion(move |cause| {
                    seen.add(format!("ended: {}", cause.unwrap().is_panic()));
                });
                settle().await;
                job.cancel();
                Ok(())
            })
        });
        assert_eq!(panicked.message(), "guard");
        assert_eq!(log.take(), ["ended: true"]);
    });
}

/// Decision 6: beside a failure the panic of a guard is a suppressed one.
#[test]
fn the_panic_of_a_guard_is_suppressed_by_the_failure_of_the_body() {
    struct Failing(#[allow(dead_code)] Bomb);
    impl Future for Failing {
        type Output = Result<()>;
        fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<()>> {
            Poll::Ready(Err(Error::msg("body")))
        }
    }
    checked(|| {
        let error = run_blocking(async |scope| {
            scope.launch(Failing(Bomb("guard")));
            Ok(())
        })
        .unwrap_err();
        assert_eq!(error.to_string(), "body");
        let suppressed = error.suppressed();
        assert_eq!(suppressed.len(), 1);
        assert!(suppressed[0].is_panic());
        assert_eq!(suppressed[0].to_string(), "panicked: guard");
    });
}

/// Decision 6: a guard of an inline scope panics while the scope unwinds: the scope ends with the panic.
#[test]
fn the_panic_of_a_guard_of_an_inline_scope_is_the_scopes_result() {
    checked(|| {
        let log = Log::new();
        let seen = log.clone();
        cancel_at_rest(&log, async move {
            let outcome: Result<()> = coroutine_scope(async |_| {
                let _bomb = Bomb("guard");
                pending().await
            })
            .await;
            seen.add(format!("scope: {}", outcome.unwrap_err()));
        });
        assert_eq!(
            log.take(),
            ["cancel", "scope: panicked: guard", "join returns"]
        );
    });
}

/// Decision 6: the panic of a guard inside a boundary goes through the boundary.
#[test]
fn the_panic_of_a_guard_in_a_boundary_goes_through_it() {
    checked(|| {
        let panicked = panic_of(|| {
            run_blocking(async |scope| {
                let job = scope.launch(async {
                    let _ = catch_cancellation(async {
                        let _bomb = Bomb("guard");
                        pending::<()>().await;
                    })
                    .await;
                    unreachable!();
                });
                settle().await;
                job.cancel_and_join().await;
                Ok(())
            })
        });
        assert_eq!(panicked.message(), "guard");
    });
}

/// Decision 6: a capture that panics when a never-started coroutine is dropped fails that coroutine.
#[test]
fn the_panic_of_a_capture_of_a_skipped_coroutine_is_its_failure() {
    checked(|| {
        let log = Log::new();
        let seen = log.clone();
        let handler = ExceptionHandler::new(move |_, error| seen.add(error.to_string()));
        run_blocking(async |_| {
            supervisor_scope(async |scope| {
                for start in [CoroutineStart::Default, CoroutineStart::Lazy] {
                    let bomb = Bomb("capture");
                    let job = scope.with(handler.clone()).start(start).launch(async move {
                        let _bomb = bomb;
                    });
                    job.cancel_and_join().await;
                }
                Ok(())
            })
            .await
        })
        .unwrap();
        assert_eq!(log.take(), ["panicked: capture", "panicked: capture"]);
    });
}

/// Decision 6: a body is dropped with its frame installed and no lock held.
#[test]
fn a_guard_sees_its_own_job_and_may_ask_it_everything() {
    checked(|| {
        let log = Log::new();
        let seen = log.clone();
        cancel_at_rest(&log, async move {
            let own = Job::current().unwrap();
            let _guard = OnDrop(move || {
                let job = Job::current().unwrap();
                assert!(job.ptr_eq(&own));
                assert_eq!(job.state(), JobState::Cancelling);
                assert!(job.children().is_empty() && job.parent().is_some());
                assert!(job.cause().unwrap().is_cancellation());
                assert!(!is_active());
                job.cancel();
                job.cancel_children();
                let log = seen.clone();
                job.on_completion(move |_| log.add("completed"));
                assert!(probe::dump().contains("Cancelling"));
                seen.add("guard");
            });
            pending::<()>().await;
        });
        assert_eq!(log.take(), ["cancel", "guard", "completed", "join returns"]);
    });
}

/// Decision 6: after the body was dropped, the frame of whoever polled it is current again.
#[test]
fn a_panicking_guard_leaves_the_frame_around_it_current() {
    checked(|| {
        run_blocking(async |scope| {
            let around = scope.job().clone();
            let mut inner: Pin<Box<dyn Future<Output = Result<()>>>> =
                Box::pin(coroutine_scope(async |_| {
                    let _bomb = Bomb("guard");
                    pending().await
                }));
            assert!(futures::poll!(inner.as_mut()).is_pending());
            around.cancel_children();
            assert!(inner.await.unwrap_err().is_panic());
            assert!(Job::current().unwrap().ptr_eq(&around));
            Ok(())
        })
        .unwrap();
    });
}

/// Decision 7: what a guard launches is attached to the cancelled job, never starts, and is waited for.
#[test]
fn what_a_guard_launches_never_starts_and_is_waited_for() {
    checked(|| {
        let log = Log::new();
        let seen = log.clone();
        cancel_at_rest(&log, async move {
            let outer = Job::current().unwrap();
            let log = seen.clone();
            let _: Result<()> = coroutine_scope(async |s: CoroutineScope| {
                let scope = s.clone();
                let _guard = OnDrop(move || {
                    let capture = log.guard("capture dropped");
                    let unreachable = log.clone();
                    let job = scope.launch(async move {
                        let _capture = capture;
                        unreachable.add("unreachable");
                    });
                    assert!(job.is_cancelled() && !job.is_completed());
                    assert!(job.parent().unwrap().ptr_eq(scope.job()));
                    log.add("launched");
                });
                pending().await
            })
            .await;
            assert!(outer.is_cancelled());
            seen.add("scope over");
        });
        assert_eq!(
            log.take(),
            [
                "cancel",
                "launched",
                "capture dropped",
                "scope over",
                "join returns"
            ]
        );
    });
}

/// Decision 7: unless it is Atomic; then it runs to its first suspension, and its shielded part to the end.
#[test]
fn what_a_guard_launches_atomically_runs_and_is_waited_for() {
    checked(|| {
        let log = Log::new();
        let seen = log.clone();
        cancel_at_rest(&log, async move {
            let log = seen.clone();
            let _: Result<()> = coroutine_scope(async |s: CoroutineScope| {
                let scope = s.clone();
                let _guard = OnDrop(move || {
                    let log = log.clone();
                    scope.start(CoroutineStart::Atomic).launch(async move {
                        log.add("atomic begins");
                        let _ = non_cancellable(async |_| {
                            yield_now().await;
                            log.add("shield ends");
                            Ok(())
                        })
                        .await;
                        yield_now().await;
                        log.add("unreachable");
                    });
                });
                pending().await
            })
            .await;
            seen.add("scope over");
        });
        assert_eq!(
            log.take(),
            [
                "cancel",
                "atomic begins",
                "shield ends",
                "scope over",
                "join returns"
            ]
        );
    });
}

/// Decision 7: after the job is sealed the launch is refused and the future dropped, before `launch` returns.
#[test]
fn a_launch_from_a_guard_after_the_end_is_refused() {
    checked(|| {
        let log = Log::new();
        let seen = log.clone();
        run_blocking(async |_| {
            let kept = coroutine_scope(async |s| Ok(s)).await?;
            let guard = OnDrop(move || {
                let capture = seen.guard("capture dropped");
                let job = kept.launch(async move {
                    let _capture = capture;
                    unreachable!();
                });
                assert!(job.is_cancelled() && job.is_completed());
                seen.add("refused");
            });
            drop(guard);
            Ok(())
        })
        .unwrap();
        assert_eq!(log.take(), ["capture dropped", "refused"]);
    });
}

/// Decision 7: `run_blocking` in a guard follows the rules of nesting: the loop goes on inside it.
#[test]
fn a_guard_may_run_a_nested_loop() {
    checked(|| {
        let log = Log::new();
        let (seen, nested) = (log.clone(), log.clone());
        let gate = CompletableDeferred::<()>::new();
        let opened = gate.clone();
        run_blocking(async |scope| {
            let job = scope.launch(async move {
                let _guard = OnDrop(move || {
                    let gate = gate.clone();
                    run_blocking(async |_| gate.as_deferred().await).unwrap();
                    nested.add("nested loop over");
                });
                pending::<()>().await;
            });
            settle().await;
            scope.launch(async move {
                settle().await;
                seen.add("other coroutine");
                opened.complete(());
            });
            job.cancel_and_join().await;
            Ok(())
        })
        .unwrap();
        assert_eq!(log.take(), ["other coroutine", "nested loop over"]);
    });
}

/// Decision 12: after a normal end, both forms run in place and are awaited, and the output is that of the first part.
#[test]
fn both_forms_of_finally_run_after_a_normal_end() {
    checked(|| {
        let log = Log::new();
        run_blocking(async |_| {
            let borrowed = log.clone();
            let output = async {
                yield_now().await;
                log.add("first");
                Ok::<_, Error>(1)
            }
            .finally(async {
                yield_now().await;
                borrowed.add("second");
            })
            .await?;
            log.add(format!("gave {output}"));
            let owned = log.clone();
            let output = async {
                log.add("first");
                2
            }
            .finally_launch(move || async move {
                yield_now().await;
                owned.add("second");
            })
            .await;
            log.add(format!("gave {output}"));
            Ok(())
        })
        .unwrap();
        assert_eq!(
            log.take(),
            ["first", "second", "gave 1", "first", "second", "gave 2"]
        );
    });
}

/// Decision 12: an `Err` of the first part is the output, after the second part.
#[test]
fn both_forms_of_finally_run_after_a_failure() {
    checked(|| {
        let log = Log::new();
        run_blocking(async |_| {
            let failing = || async { Err::<(), _>(Error::msg("first failed")) };
            let error = failing().finally(log.event("second")).await.unwrap_err();
            log.add(error.to_string());
            let owned = log.clone();
            let error = failing()
                .finally_launch(move || async move { owned.add("second") })
                .await
                .unwrap_err();
            log.add(error.to_string());
            Ok(())
        })
        .unwrap();
        assert_eq!(
            log.take(),
            ["second", "first failed", "second", "first failed"]
        );
    });
}

/// Decision 12: after a panic of the first part the second runs, then the unwinding goes on.
#[test]
fn both_forms_of_finally_run_after_a_panic() {
    checked(|| {
        for launched in [false, true] {
            let log = Log::new();
            let second = log.clone();
            let panicked = panic_of(|| {
                run_blocking(async |_| {
                    let first = async {
                        yield_now().await;
                        panic!("first");
                    };
                    let cleanup = async move {
                        yield_now().await;
                        second.add("second");
                    };
                    if launched {
                        first.finally_launch(move || cleanup).await;
                    } else {
                        first.finally(cleanup).await;
                    }
                    Ok(())
                })
            });
            assert_eq!(panicked.message(), "first");
            assert_eq!(log.take(), ["second"]);
        }
    });
}

/// Decision 12: a cancellation by corox runs both forms in place, awaited, not cancellable; the code after them does not run.
#[test]
fn both_forms_of_finally_run_after_a_cancellation() {
    checked(|| {
        for launched in [false, true] {
            let log = Log::new();
            let seen = log.clone();
            cancel_at_rest(&log, async move {
                let _outer = seen.guard("outer guard");
                let first = async {
                    let _guard = seen.guard("guard of the first part");
                    pending::<()>().await;
                };
                let second = seen.clone();
                let cleanup = async move {
                    second.add(format!("cleanup begins, active: {}", is_active()));
                    yield_now().await;
                    second.add("cleanup ends");
                };
                if launched {
                    first.finally_launch(move || cleanup).await;
                } else {
                    first.finally(cleanup).await;
                }
                seen.add("unreachable");
            });
            assert_eq!(
                log.take(),
                [
                    "cancel",
                    "guard of the first part",
                    "cleanup begins, active: true",
                    "cleanup ends",
                    "outer guard",
                    "join returns"
                ]
            );
        }
    });
}

/// Decision 12: a cancellation that comes while the second part runs does not stop it; the output is given, and the body goes
/// on to its next suspension.
#[test]
fn a_cancellation_during_the_cleanup_lets_it_end() {
    checked(|| {
        for launched in [false, true] {
            let log = Log::new();
            let (seen, gate) = (log.clone(), CompletableDeferred::<()>::new());
            let opened = gate.clone();
            run_blocking(async |scope| {
                let job = scope.launch(async move {
                    let second = seen.clone();
                    let cleanup = async move {
                        let _ = gate.as_deferred().await;
                        second.add("cleanup ends");
                    };
                    let output = if launched {
                        async { 3 }.finally_launch(move || cleanup).await
                    } else {
                        async { 3 }.finally(cleanup).await
                    };
                    seen.add(format!("gave {output}"));
                    yield_now().await;
                    seen.add("unreachable");
                });
                settle().await;
                job.cancel();
                settle().await;
                log.add("gate opens");
                opened.complete(());
                job.join().await;
                Ok(())
            })
            .unwrap();
            assert_eq!(log.take(), ["gate opens", "cleanup ends", "gave 3"]);
        }
    });
}

/// Decision 12: the scope in the first part unwinds with its children before the second part begins.
#[test]
fn the_cleanup_begins_after_the_scope_in_the_first_part_has_unwound() {
    checked(|| {
        let log = Log::new();
        let seen = log.clone();
        cancel_at_rest(&log, async move {
            let child = seen.clone();
            let first = coroutine_scope(async |s| {
                s.launch(async move {
                    let _guard = child.guard("child dropped");
                    let _ = catch_cancellation(pending::<()>()).await;
                    let _ = non_cancellable(async |_| {
                        settle().await;
                        Ok(())
                    })
                    .await;
                });
                pending::<Result<()>>().await
            });
            let output = first.finally(seen.event("cleanup")).await;
            // The scope gave its result by itself, so the body has it.
            seen.add(format!("scope: {}", output.unwrap_err().is_cancellation()));
        });
        assert_eq!(
            log.take(),
            [
                "cancel",
                "child dropped",
                "cleanup",
                "scope: true",
                "join returns"
            ]
        );
    });
}

/// Nested cleanups run from the inside out.
#[test]
fn nested_cleanups_run_from_the_inside_out() {
    checked(|| {
        let log = Log::new();
        let seen = log.clone();
        cancel_at_rest(&log, async move {
            let owned = seen.clone();
            pending::<()>()
                .finally(async {
                    yield_now().await;
                    seen.add("inner");
                })
                .finally_launch(move || async move {
                    yield_now().await;
                    owned.add("middle");
                })
                .finally(async {
                    yield_now().await;
                    seen.add("outer");
                })
                .await;
        });
        assert_eq!(
            log.take(),
            ["cancel", "inner", "middle", "outer", "join returns"]
        );
    });
}

/// Decision 12: foreign code drops the future before the first part has ended: `finally` drops its second part unrun, and
/// says so with the line.
#[test]
fn finally_dropped_by_foreign_code_is_unrun_and_says_so() {
    checked(|| {
        let log = Log::new();
        let line = line!() + 4;
        let ((), events) = traces(|| {
            run_blocking(async |_| {
                let capture = log.guard("capture dropped");
                let work = pending::<()>().finally(async {
                    let _capture = capture;
                    log.add("unreachable");
                });
                tokio::select! {
                    biased;
                    () = work => {}
                    () = yield_now() => {}
                }
                Ok(())
            })
            .unwrap();
        });
        assert_eq!(log.take(), ["capture dropped"]);
        assert_eq!(events.len(), 1, "{events:?}");
        assert!(events[0].starts_with("WARN "), "{events:?}");
        assert!(events[0].contains("dropped unrun"), "{events:?}");
        assert!(events[0].contains("finally_launch"), "{events:?}");
        assert!(
            events[0].contains(&format!("cleanup.rs:{line}:")),
            "{events:?}"
        );
    });
}

/// Decision 12: `finally_launch` starts its second part as a shielded child of the enclosing coroutine, which waits.
#[test]
fn finally_launch_dropped_by_foreign_code_runs_as_a_child() {
    checked(|| {
        let log = Log::new();
        let (seen, gate) = (log.clone(), CompletableDeferred::<()>::new());
        let opened = gate.clone();
        run_blocking(async |scope| {
            let job = scope.launch(async move {
                let second = seen.clone();
                let work = pending::<()>().finally_launch(move || async move {
                    second.add("cleanup begins");
                    let _ = gate.as_deferred().await;
                    second.add("cleanup ends");
                });
                tokio::select! {
                    biased;
                    () = work => {}
                    () = yield_now() => {}
                }
                seen.add("body over");
            });
            settle().await;
            assert!(!job.is_completed());
            let cleanup = job.children().pop().unwrap();
            // Shielded: a cancellation of the coroutine does not reach it.
            job.cancel();
            settle().await;
            assert!(cleanup.is_active());
            log.add("gate opens");
            opened.complete(());
            job.join().await;
            log.add("join returns");
            Ok(())
        })
        .unwrap();
        assert_eq!(
            log.take(),
            [
                "body over",
                "cleanup begins",
                "gate opens",
                "cleanup ends",
                "join returns"
            ]
        );
    });
}

/// Decision 12: it starts Atomic, so that it runs in a coroutine that is cancelled already, too.
#[test]
fn finally_launch_dropped_by_foreign_code_runs_in_a_cancelled_coroutine() {
    checked(|| {
        let log = Log::new();
        let seen = log.clone();
        cancel_at_rest(&log, async move {
            let second = seen.clone();
            let parked = pending::<()>().finally_launch(move || async move {
                yield_now().await;
                second.add("cleanup");
            });
            let mut parked = Box::pin(parked);
            assert!(futures::poll!(parked.as_mut()).is_pending());
            // Parked, it holds nothing, and is dropped with the body.
            pending::<()>().await;
        });
        assert_eq!(log.take(), ["cancel", "cleanup", "join returns"]);
    });
}

/// Decision 12: foreign code drops the future while the second part runs: `finally` cuts it short, and says so.
#[test]
fn finally_dropped_during_its_cleanup_is_cut_short_and_says_so() {
    checked(|| {
        let log = Log::new();
        let ((), events) = traces(|| {
            run_blocking(async |_| {
                let work = async {}.finally(async {
                    let _guard = log.guard("cleanup dropped");
                    log.add("cleanup begins");
                    pending::<()>().await;
                });
                tokio::select! {
                    biased;
                    () = work => {}
                    () = yield_now() => {}
                }
                log.add("body over");
                Ok(())
            })
            .unwrap();
        });
        assert_eq!(
            log.take(),
            ["cleanup begins", "cleanup dropped", "body over"]
        );
        assert_eq!(events.len(), 1, "{events:?}");
        assert!(events[0].contains("finally_launch"), "{events:?}");
    });
}

/// Decision 12: a cleanup of `finally` that ran to its end is not complained about, however the future ends then.
#[test]
fn finally_that_has_run_says_nothing() {
    checked(|| {
        let log = Log::new();
        let seen = log.clone();
        let ((), events) = traces(|| {
            cancel_at_rest(&log, async move {
                pending::<()>().finally(seen.event("cleanup")).await;
            });
        });
        assert_eq!(log.take(), ["cancel", "cleanup", "join returns"]);
        assert_eq!(events, [""; 0]);
    });
}

/// Decision 12: dropped by foreign code while the second part runs, `finally_launch` goes on, and the coroutine waits.
#[test]
fn finally_launch_dropped_during_its_cleanup_goes_on() {
    checked(|| {
        let log = Log::new();
        let (seen, gate) = (log.clone(), CompletableDeferred::<()>::new());
        let opened = gate.clone();
        run_blocking(async |scope| {
            let job = scope.launch(async move {
                let second = seen.clone();
                let work = async {}.finally_launch(move || async move {
                    second.add("cleanup begins");
                    let _ = gate.as_deferred().await;
                    second.add("cleanup ends");
                });
                tokio::select! {
                    biased;
                    () = work => {}
                    () = yield_now() => {}
                }
                seen.add("body over");
            });
            settle().await;
            assert!(!job.is_completed());
            opened.complete(());
            job.join().await;
            log.add("join returns");
            Ok(())
        })
        .unwrap();
        assert_eq!(
            log.take(),
            [
                "cleanup begins",
                "body over",
                "cleanup ends",
                "join returns"
            ]
        );
    });
}

/// Decision 12: outside any coroutine `finally_launch` goes to the process's own pool; `finally` runs in place.
#[test]
fn outside_coroutines_finally_launch_goes_to_the_own_pool() {
    checked(|| {
        let (tx, rx) = mpsc::channel();
        let mut work = Box::pin(pending::<()>().finally_launch(move || async move {
            yield_now().await;
            let thread = std::thread::current().name().unwrap_or("").to_owned();
            tx.send(thread).unwrap();
        }));
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(work.as_mut().poll(&mut cx).is_pending());
        drop(work);
        assert!(rx.recv().unwrap().starts_with("corox-"));

        let log = Log::new();
        let value = futures::executor::block_on(async { 4 }.finally(log.event("in place")));
        assert_eq!((value, log.take()), (4, vec!["in place".to_owned()]));
    });
}

/// A future that was never polled owes nothing, in either form.
#[test]
fn a_finally_that_was_never_polled_owes_nothing() {
    checked(|| {
        let ((), events) = traces(|| {
            run_blocking(async |_| {
                drop(pending::<()>().finally(async { unreachable!() }));
                drop(pending::<()>().finally_launch(|| async { unreachable!() }));
                Ok(())
            })
            .unwrap();
        });
        assert_eq!(events, [""; 0]);
    });
}

/// In a cancelled coroutine the first part is polled once, and the second part runs.
#[test]
fn finally_works_in_a_cancelled_coroutine() {
    checked(|| {
        let log = Log::new();
        let seen = log.clone();
        cancel_at_rest(&log, async move {
            let _ = catch_cancellation(pending::<()>()).await;
            let value = async { 5 }
                .finally(seen.event("cleanup of a ready one"))
                .await;
            seen.add(format!("gave {value}"));
            async {
                seen.add("polled once");
                yield_now().await;
                seen.add("unreachable");
            }
            .finally(async {
                yield_now().await;
                seen.add("cleanup of a suspending one");
            })
            .await;
        });
        assert_eq!(
            log.take(),
            [
                "cancel",
                "cleanup of a ready one",
                "gave 5",
                "polled once",
                "cleanup of a suspending one",
                "join returns"
            ]
        );
    });
}

/// The `Err` of a cleanup is reported as an uncaught failure, for the result is that of the first part: in both forms.
#[test]
fn the_failure_of_a_cleanup_goes_to_the_handler() {
    checked(|| {
        for launched in [false, true] {
            let log = Log::new();
            let (reported, seen) = (log.clone(), log.clone());
            let handler = ExceptionHandler::new(move |_, error| reported.add(error.to_string()));
            run_blocking(async |scope| {
                let job = scope.with(handler).launch(async move {
                    let cleanup = async {
                        yield_now().await;
                        Err::<(), _>(Error::msg("cleanup failed"))
                    };
                    let value = if launched {
                        async { 6 }.finally_launch(move || cleanup).await
                    } else {
                        async { 6 }.finally(cleanup).await
                    };
                    yield_now().await;
                    seen.add(format!("gave {value}"));
                });
                job.join().await;
                assert!(!job.is_cancelled());
                Ok(())
            })
            .unwrap();
            assert_eq!(
                log.take(),
                ["cleanup failed", "gave 6"],
                "launched: {launched}"
            );
        }
    });
}

/// Also when it runs as a child after a drop by foreign code.
#[test]
fn the_failure_of_a_cleanup_after_a_drop_goes_to_the_handler() {
    checked(|| {
        let log = Log::new();
        let reported = log.clone();
        let handler = ExceptionHandler::new(move |_, error| reported.add(error.to_string()));
        run_blocking(async |scope| {
            let job = scope.with(handler).launch(async move {
                let work = pending::<()>()
                    .finally_launch(|| async { Err::<(), _>(Error::msg("cleanup failed")) });
                tokio::select! {
                    biased;
                    () = work => {}
                    () = yield_now() => {}
                }
            });
            job.join().await;
            assert!(!job.is_cancelled());
            Ok(())
        })
        .unwrap();
        assert_eq!(log.take(), ["cleanup failed"]);
    });
}

/// A panic of the cleanup is a panic of the coroutine, in both forms, also when the closure itself panics.
#[test]
fn the_panic_of_a_cleanup_is_resumed_by_the_root() {
    checked(|| {
        let message = "cleanup panicked";
        let in_place = panic_of(|| {
            run_blocking(async |_| {
                async {}.finally(async { panic!("cleanup panicked") }).await;
                Ok(())
            })
        });
        assert_eq!(in_place.message(), message);
        let launched = panic_of(|| {
            run_blocking(async |scope| {
                scope.launch(async {
                    async {}
                        .finally_launch(|| async { panic!("cleanup panicked") })
                        .await;
                });
                Ok(())
            })
        });
        assert_eq!(launched.message(), message);
        let closure = panic_of(|| {
            run_blocking(async |scope| {
                scope.launch(async {
                    async {}
                        .finally_launch(|| -> std::future::Ready<()> { panic!("cleanup panicked") })
                        .await;
                });
                Ok(())
            })
        });
        assert_eq!(closure.message(), message);
    });
}

/// A cleanup that panics after the first part panicked: the first panic goes on, the second is reported, neither is lost.
#[test]
fn the_panic_of_a_cleanup_beside_a_panic_is_reported() {
    checked(|| {
        let log = Log::new();
        let reported = log.clone();
        let handler = ExceptionHandler::new(move |_, error| reported.add(error.to_string()));
        run_blocking(async |_| {
            supervisor_scope(async |scope| {
                scope.with(handler).launch(async {
                    async { panic!("first") }
                        .finally(async { panic!("second") })
                        .await;
                });
                Ok(())
            })
            .await
        })
        .unwrap();
        assert_eq!(log.take(), ["panicked: second", "panicked: first"]);
    });
}

/// The launch site of a cleanup that runs as a child is the line of `finally_launch`.
#[test]
fn the_launch_site_of_a_cleanup_is_its_line() {
    checked(|| {
        run_blocking(async |scope| {
            let gate = CompletableDeferred::<()>::new();
            let opened = gate.clone();
            let line = line!() + 3;
            let job = scope.launch(async move {
                async {}
                    .finally_launch(move || async move {
                        let _ = gate.as_deferred().await;
                    })
                    .await;
            });
            settle().await;
            let cleanup = job.children().pop().unwrap();
            assert!(cleanup.location().file().ends_with("cleanup.rs"));
            assert_eq!(cleanup.location().line(), line);
            opened.complete(());
            Ok(())
        })
        .unwrap();
    });
}
