//! Who is known, and in which state: P-1 to P-4, P-9, P-10.

mod support;

use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Weak};
use std::time::Duration;

use corox_core::{
    CompletableJob, CoroutineName, CoroutineStart, Dispatcher, Job, Result, await_cancellation,
    coroutine_scope, delay, new_single_thread_context, probe, run_blocking, supervisor_scope,
    with_context, with_timeout, yield_now,
};
use corox_debug::{CoroutineState, DebugProbes};
use support::{alone, infos, probed};

// ---- installing

/// P-1.
#[test]
fn what_was_installed_twice_is_taken_back_twice() {
    alone(|| {
        DebugProbes::install();
        DebugProbes::install();
        assert_eq!(DebugProbes::uninstall(), Ok(()));
        assert!(DebugProbes::is_installed());
        assert_eq!(DebugProbes::uninstall(), Ok(()));
        assert!(!DebugProbes::is_installed());
    });
}

/// P-1.
#[test]
fn one_uninstall_too_many_says_so_and_changes_nothing() {
    alone(|| {
        let error = DebugProbes::uninstall().unwrap_err();
        assert_eq!(
            error.to_string(),
            "DebugProbes::uninstall was called more often than DebugProbes::install: each install is taken back once"
        );
        DebugProbes::install();
        assert!(DebugProbes::is_installed());
        DebugProbes::uninstall().unwrap();
    });
}

/// P-1: a guard is not taken away from its owner.
#[test]
fn uninstall_leaves_the_guards_of_others() {
    alone(|| {
        let guard = probe::install();
        assert!(DebugProbes::uninstall().is_err());
        assert!(DebugProbes::is_installed());
        drop(guard);
        DebugProbes::with_probes(|| assert!(DebugProbes::uninstall().is_err()));
    });
}

#[test]
fn with_probes_takes_them_back_after_a_panic() {
    alone(|| {
        let panicked = std::panic::catch_unwind(|| DebugProbes::with_probes(|| panic!("meant")));
        assert!(panicked.is_err());
        assert!(!DebugProbes::is_installed());
    });
}

/// P-1.
#[test]
fn each_query_needs_the_probes() {
    alone(|| {
        let job = CompletableJob::new();
        let job: &Job = job.as_ref();
        let scope = corox_core::CoroutineScope::new(Dispatcher::DEFAULT);
        let in_io = |result: std::io::Result<()>| {
            let error = result.unwrap_err().into_inner().unwrap();
            *error.downcast::<corox_debug::NotInstalled>().unwrap()
        };
        let errors = [
            DebugProbes::dump_coroutines().unwrap_err(),
            DebugProbes::dump_coroutines_info().unwrap_err(),
            DebugProbes::job_to_string(job).unwrap_err(),
            DebugProbes::scope_to_string(&scope).unwrap_err(),
            in_io(DebugProbes::print_job(job, &mut Vec::new())),
            in_io(DebugProbes::print_scope(&scope, &mut Vec::new())),
            run_blocking(async |_| {
                Ok(DebugProbes::capture_stacks(Duration::ZERO)
                    .await
                    .unwrap_err())
            })
            .unwrap(),
        ];
        let names = [
            "dump_coroutines",
            "dump_coroutines_info",
            "job_to_string",
            "scope_to_string",
            "print_job",
            "print_scope",
            "capture_stacks",
        ];
        for (error, name) in errors.iter().zip(names) {
            let text = error.to_string();
            assert!(
                text.starts_with(&format!("DebugProbes::{name} needs the debug probes")),
                "{text}"
            );
            assert!(
                text.contains("call DebugProbes::install() before"),
                "{text}"
            );
        }
    });
}

/// P-1.
#[test]
fn the_last_uninstall_forgets_everything() {
    alone(|| {
        run_blocking(async |scope| {
            DebugProbes::install();
            let job = scope.launch(await_cancellation());
            assert_eq!(infos().len(), 1);
            DebugProbes::uninstall()?;
            DebugProbes::install();
            assert_eq!(infos().len(), 0);
            DebugProbes::uninstall()?;
            job.cancel();
            Ok(())
        })
        .unwrap();
    });
}

/// P-1.
#[test]
fn coroutines_from_before_are_unknown() {
    alone(|| {
        run_blocking(async |scope| {
            let before = scope.launch(await_cancellation());
            yield_now().await;
            DebugProbes::install();
            let after = scope.launch(await_cancellation());
            yield_now().await;
            let known = infos();
            assert_eq!(known.len(), 1);
            assert!(known[0].job().ptr_eq(&after));
            DebugProbes::uninstall()?;
            before.cancel();
            after.cancel();
            Ok(())
        })
        .unwrap();
    });
}

// ---- states

/// P-2.
#[test]
fn a_coroutine_is_created_then_runs_then_is_suspended() {
    probed(|| {
        run_blocking(async |scope| {
            let (seen, was_seen) = sync_channel(1);
            let job = scope.launch(async move {
                seen.send(infos().remove(1)).unwrap();
                await_cancellation().await
            });
            let before = infos().remove(1);
            assert_eq!(
                (before.state, before.thread),
                (CoroutineState::Created, None)
            );
            yield_now().await;
            let during = was_seen.recv()?;
            assert_eq!(during.state, CoroutineState::Running);
            assert_eq!(during.thread.as_deref(), Some("tester"));
            let after = infos().remove(1);
            assert_eq!(
                (after.state, after.thread),
                (CoroutineState::Suspended, None)
            );
            job.cancel();
            Ok(())
        })
        .unwrap();
    });
}

/// P-2: the thread of a dispatcher, seen from another one.
#[test]
fn a_running_coroutine_says_on_which_thread() {
    probed(|| {
        run_blocking(async |scope| {
            let own = new_single_thread_context("crunch");
            let (begun, has_begun) = sync_channel::<()>(1);
            let (go, may_go) = sync_channel::<()>(1);
            let job = scope.with(&own).launch(async move {
                begun.send(()).unwrap();
                may_go.recv().unwrap();
            });
            has_begun.recv()?;
            let info = infos().remove(1);
            assert_eq!(info.state, CoroutineState::Running);
            assert!(
                info.thread.as_ref().unwrap().starts_with("crunch"),
                "{info:?}"
            );
            go.send(())?;
            job.join().await;
            Ok(())
        })
        .unwrap();
    });
}

/// P-2: an undispatched start counts as running; and so does everything that is further out on the stack.
#[test]
fn those_around_a_running_one_run_too() {
    probed(|| {
        run_blocking(async |scope| {
            let (seen, was_seen) = sync_channel(1);
            let undispatched = scope.start(CoroutineStart::Undispatched);
            undispatched.launch(async move {
                seen.send(infos()).unwrap();
            });
            let states: Vec<_> = was_seen.recv()?.iter().map(|info| info.state).collect();
            assert_eq!(states, [CoroutineState::Running, CoroutineState::Running]);
            Ok(())
        })
        .unwrap();
    });
}

/// P-2: a coroutine that was suspended and goes on shows where it was.
#[test]
fn a_running_coroutine_shows_its_last_suspension() {
    probed(|| {
        run_blocking(async |scope| {
            let (seen, was_seen) = sync_channel(1);
            let line = line!() + 2;
            let job = scope.launch(async move {
                delay(Duration::from_millis(1)).await;
                seen.send(infos().remove(1)).unwrap();
            });
            job.join().await;
            let info = was_seen.recv()?;
            assert_eq!(info.state, CoroutineState::Running);
            assert!(info.last_observed_is_over);
            let first = &info.last_observed[0][0];
            assert_eq!((&*first.function, first.line), ("delay (1ms)", Some(line)));
            Ok(())
        })
        .unwrap();
    });
}

// ---- which ones

/// P-3.
#[test]
fn a_dump_is_in_the_order_of_creation_and_without_what_has_ended() {
    probed(|| {
        run_blocking(async |scope| {
            let named = |name: &str| scope.with(CoroutineName::new(name));
            let names = || {
                let names = infos().into_iter().skip(1);
                names.map(|info| info.name.unwrap()).collect::<Vec<_>>()
            };
            let first = named("first").launch(await_cancellation());
            let second = named("second").lazy().launch(async {});
            let third = named("third").spawn(async { Ok(()) });
            let fourth = named("fourth").launch(await_cancellation());
            assert_eq!(names(), ["first", "second", "third", "fourth"]);
            third.await?;
            assert_eq!(names(), ["first", "second", "fourth"]);
            // Never started.
            second.cancel();
            assert_eq!(names(), ["first", "fourth"]);
            first.cancel_and_join().await;
            assert_eq!(names(), ["fourth"]);
            fourth.cancel();
            Ok(())
        })
        .unwrap();
        assert!(infos().is_empty());
    });
}

/// P-4: also through another dispatcher; the trace goes through the scopes, from the inside out.
#[test]
fn scopes_are_a_part_of_their_coroutine() {
    probed(|| {
        run_blocking(async |scope| {
            let base = line!() + 1;
            let job = scope.launch(async {
                supervisor_scope(async |_| {
                    with_timeout(Duration::from_secs(600), async |_| {
                        with_context(Dispatcher::DEFAULT, async {
                            coroutine_scope(async |_| -> Result<()> { await_cancellation().await })
                                .await
                        })
                        .await
                    })
                    .await
                })
                .await
            });
            // The part on the pool is on its way.
            let info = loop {
                let info = infos().remove(1);
                let begun = info
                    .last_observed
                    .first()
                    .is_some_and(|trace| trace.len() > 4);
                if begun && info.state == CoroutineState::Suspended {
                    break info;
                }
                yield_now().await;
            };
            assert_eq!(infos().len(), 2);
            assert_eq!(info.last_observed.len(), 1, "{info:?}");
            let trace = info.last_observed[0].iter();
            let trace: Vec<_> = trace
                .map(|frame| (&*frame.function, frame.line.unwrap() - base))
                .collect();
            let expected = [
                ("await_cancellation", 4),
                ("coroutine_scope", 4),
                ("with_context", 3),
                ("with_timeout", 2),
                ("supervisor_scope", 1),
                ("launch", 0),
            ];
            assert_eq!(trace, expected);
            job.cancel();
            Ok(())
        })
        .unwrap();
    });
}

/// P-4: the part that runs elsewhere makes its coroutine a running one.
#[test]
fn a_coroutine_runs_while_its_part_on_another_dispatcher_does() {
    probed(|| {
        run_blocking(async |scope| {
            let (begun, has_begun) = sync_channel::<()>(1);
            let (go, may_go) = sync_channel::<()>(1);
            let job = scope.launch(with_context(Dispatcher::DEFAULT, async move {
                begun.send(())?;
                may_go.recv()?;
                Ok(())
            }));
            yield_now().await;
            has_begun.recv()?;
            let info = infos().remove(1);
            assert_eq!(info.state, CoroutineState::Running);
            assert!(info.thread.unwrap().starts_with("corox-default-"));
            go.send(())?;
            job.join().await;
            Ok(())
        })
        .unwrap();
    });
}

/// What a body waits for at the same time is told as often.
#[test]
fn each_branch_of_a_join_has_its_trace() {
    probed(|| {
        run_blocking(async |scope| {
            let job = scope.launch(async {
                let minute = delay(Duration::from_secs(60));
                futures::future::join(minute, async { await_cancellation().await }).await;
            });
            yield_now().await;
            let traces = infos().remove(1).last_observed;
            let first: Vec<_> = traces.iter().map(|trace| &*trace[0].function).collect();
            assert_eq!(first, ["delay (60s)", "await_cancellation"]);
            assert!(
                traces
                    .iter()
                    .all(|trace| trace.last().unwrap().function == "launch")
            );
            job.cancel();
            Ok(())
        })
        .unwrap();
    });
}

/// P-10: what is no coroutine by itself is left out, unless it is asked for.
#[test]
fn scopes_are_listed_when_they_are_asked_for() {
    probed(|| {
        run_blocking(async |scope| {
            let job = scope.launch(coroutine_scope(async |_| -> Result<()> {
                await_cancellation().await
            }));
            yield_now().await;
            assert_eq!(infos().len(), 2);
            DebugProbes::set_ignore_inline_scopes(false);
            let infos = infos();
            assert_eq!(infos.len(), 3);
            assert!(infos[2].description.contains(":ScopeCoroutine{"));
            let functions = |at: usize| {
                let trace = infos[at].last_observed.first();
                trace.map(|trace| {
                    trace
                        .iter()
                        .map(|frame| &*frame.function)
                        .collect::<Vec<_>>()
                })
            };
            assert_eq!(functions(1), None, "what it waits for is the scope's");
            assert_eq!(
                functions(2).unwrap(),
                ["await_cancellation", "coroutine_scope", "launch"]
            );
            job.cancel();
            Ok(())
        })
        .unwrap();
    });
}

/// P-10: a scope that nobody's coroutine is around is one by itself.
#[test]
fn a_scope_in_a_plain_task_is_listed() {
    probed(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            coroutine_scope(async |_| {
                let infos = infos();
                assert_eq!(infos.len(), 1);
                assert_eq!(infos[0].launched.function, "coroutine_scope");
                assert_eq!(infos[0].state, CoroutineState::Running);
                Ok(())
            })
            .await
            .unwrap();
        });
    });
}

// ---- no trace

/// P-9.
#[test]
fn what_a_coroutine_had_is_dropped_with_it() {
    probed(|| {
        DebugProbes::set_creation_stacks(true);
        let (dropped, job): (Weak<()>, Weak<()>) = run_blocking(async |scope| {
            let (owned, result) = (Arc::new(()), Arc::new(()));
            let weak = (Arc::downgrade(&owned), Arc::downgrade(&result));
            let deferred = scope.spawn(async move {
                yield_now().await;
                drop(owned);
                Ok(result)
            });
            yield_now().await;
            DebugProbes::capture_stacks(Duration::from_secs(20)).await?;
            deferred.join().await;
            drop(deferred);
            assert_eq!(infos().len(), 1);
            Ok(weak)
        })
        .unwrap();
        assert!(dropped.upgrade().is_none() && job.upgrade().is_none());
    });
}

/// P-9: neither probes nor dumps change what happens in which order.
#[test]
fn probes_and_dumps_change_no_order() {
    fn program(look: impl Fn()) -> Vec<u32> {
        run_blocking(async |scope| {
            let (log, logged) = std::sync::mpsc::channel();
            for n in 0..4_u32 {
                let log = log.clone();
                scope.launch(async move {
                    log.send(n).unwrap();
                    for _ in 0..n {
                        yield_now().await;
                    }
                    log.send(10 + n).unwrap();
                });
            }
            for _ in 0..6 {
                look();
                yield_now().await;
            }
            drop(log);
            Ok(logged.into_iter().collect())
        })
        .unwrap()
    }
    let without = alone(|| program(|| ()));
    let with = probed(|| program(|| drop(DebugProbes::dump_coroutines())));
    assert_eq!(without, with);
    assert_eq!(without.len(), 8);
}
