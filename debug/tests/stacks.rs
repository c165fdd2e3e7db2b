//! Stacks of suspended coroutines, and of launches (P-7).

mod support;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use corox_channels::Channel;
use corox_core::{
    CompletableDeferred, CoroutineScope, Dispatcher, Job, Result, await_all, await_cancellation,
    await_first_success, coroutine_scope, delay, new_single_thread_context, on_timeout,
    run_blocking, select, suspend_cancellable, with_context, with_timeout, yield_now,
};
use corox_debug::{CoroutineState, DebugProbes, StackFrame};
use corox_sync::{Mutex, Semaphore};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use support::{alone, infos, probed};

const LONG: Duration = Duration::from_secs(30);

async fn innermost() -> u32 {
    delay(Duration::from_secs(600)).await; // waits here
    line!() - 1
}

async fn middle() {
    innermost().await; // calls it here
}

fn line_of(what: &str) -> u32 {
    let mut lines = include_str!("stacks.rs").lines().enumerate();
    let line = lines.find(|(_, line)| line.ends_with(what));
    u32::try_from(line.unwrap().0).unwrap() + 1
}

/// The function of this test binary, without its closures, and the line.
fn own(trace: &[StackFrame]) -> Vec<(String, u32)> {
    let own = trace.iter().filter_map(|frame| {
        let function = frame.function.strip_prefix("stacks::")?;
        if function.starts_with("support::") {
            return None;
        }
        let name = function.split("::{").next().unwrap();
        assert!(
            frame.file.as_ref().unwrap().ends_with("tests/stacks.rs"),
            "{frame}"
        );
        Some((name.to_owned(), frame.line.unwrap()))
    });
    own.collect()
}

/// The trace of the one coroutine besides the root, after it was asked.
async fn asked() -> Vec<StackFrame> {
    assert_eq!(DebugProbes::capture_stacks(LONG).await, Ok(0));
    let mut traces = infos().remove(1).last_observed;
    assert_eq!(traces.len(), 1, "{traces:?}");
    traces.remove(0)
}

#[test]
fn a_suspended_coroutine_shows_its_functions_with_their_lines() {
    probed(|| {
        run_blocking(async |scope| {
            let launched = line!() + 1;
            let job = scope.launch(async { middle().await });
            yield_now().await;
            let trace = asked().await;
            assert_eq!(trace[0].function, "delay (600s)");
            assert_eq!(trace[0].line, Some(line_of("// waits here")));
            let functions = own(&trace);
            let test = "a_suspended_coroutine_shows_its_functions_with_their_lines".to_owned();
            let expected = [
                ("innermost".to_owned(), line_of("// waits here")),
                ("middle".to_owned(), line_of("// calls it here")),
                (test, launched),
            ];
            assert_eq!(functions, expected, "{trace:#?}");
            let last = trace.last().unwrap();
            assert_eq!((&*last.function, last.line), ("launch", Some(launched)));
            job.cancel();
            Ok(())
        })
        .unwrap();
    });
}

/// Scopes inside the task, and a part on another dispatcher: the stacks of both tasks in one trace.
#[test]
fn a_stack_goes_through_scopes_and_dispatchers() {
    async fn outer() {
        let inner = async {
            with_timeout(LONG * 20, async |_| {
                middle().await;
                Ok(())
            })
            .await
        };
        let _ = with_context(Dispatcher::DEFAULT, inner).await;
    }
    probed(|| {
        run_blocking(async |scope| {
            let job = scope.launch(coroutine_scope(async |_| {
                outer().await;
                Ok(())
            }));
            while infos()[1]
                .last_observed
                .first()
                .is_none_or(|trace| trace[0].function != "delay (600s)")
            {
                yield_now().await;
            }
            let trace = asked().await;
            let functions = own(&trace);
            let mut functions: Vec<_> = functions.iter().map(|(name, _)| &**name).collect();
            functions.dedup();
            let test = "a_stack_goes_through_scopes_and_dispatchers";
            let outer = format!("{test}::outer");
            assert_eq!(
                functions,
                ["innermost", "middle", &outer, test],
                "{trace:#?}"
            );
            let builders = ["with_context", "launch"];
            let found: Vec<_> = trace.iter().map(|frame| &*frame.function).collect();
            let found: Vec<_> = found.into_iter().filter(|f| builders.contains(f)).collect();
            assert_eq!(found, builders, "{trace:#?}");
            job.cancel();
            Ok(())
        })
        .unwrap();
    });
}

/// A thread that may block gets the stacks by the dump alone.
#[test]
fn a_dump_from_outside_has_the_stacks() {
    probed(|| {
        let own = new_single_thread_context("loop");
        let scope = CoroutineScope::new(&own);
        let job = scope.launch(async { middle().await });
        while infos()
            .iter()
            .all(|info| info.state != CoroutineState::Suspended)
        {
            std::thread::yield_now();
        }
        let dump = DebugProbes::dump_coroutines().unwrap();
        assert!(dump.contains("\tat stacks::middle"), "{dump}");
        job.cancel();
        while !job.is_completed() {
            std::thread::yield_now();
        }
        drop(own);
    });
}

/// Who waits for one whose thread is blocked waits no longer than it has said.
#[test]
fn a_blocked_thread_does_not_stop_a_dump() {
    probed(|| {
        let own = new_single_thread_context("stuck");
        let scope = CoroutineScope::new(&own);
        let waiting = scope.launch(async { middle().await });
        let (block, blocked) = sync_channel::<()>(0);
        let (go, may_go) = sync_channel::<()>(0);
        let blocking = scope.launch(async move {
            block.send(()).unwrap();
            may_go.recv().unwrap();
        });
        blocked.recv().unwrap();
        let start = Instant::now();
        let dump = DebugProbes::dump_coroutines().unwrap();
        assert!(start.elapsed() < LONG);
        assert!(dump.contains(", state: RUNNING on stuck"), "{dump}");
        assert!(dump.contains("\tat delay (600s) ("), "{dump}");
        assert!(!dump.contains("stacks::middle"), "{dump}");
        let left =
            run_blocking(
                async |_| Ok(DebugProbes::capture_stacks(Duration::from_millis(1)).await?),
            );
        assert_eq!(left.unwrap(), 1);
        go.send(()).unwrap();
        waiting.cancel();
        while !(waiting.is_completed() && blocking.is_completed()) {
            std::thread::yield_now();
        }
        // The question that was not answered is gone with the coroutine.
        let left = run_blocking(async |_| Ok(DebugProbes::capture_stacks(LONG).await?));
        assert_eq!(left.unwrap(), 0);
        drop(own);
    });
}

/// The functions in which the waits of the library are; each is the only one of its coroutine.
#[test]
fn each_suspension_point_tells_its_stack() {
    async fn waits(n: usize) {
        let minute = Duration::from_secs(60);
        let target = CompletableDeferred::<u8>::new();
        match n {
            0 => delay(minute).await,
            1 => target.join().await,
            2 => drop((&target).await),
            3 => drop(await_all([&target.as_deferred(), &target.as_deferred()]).await),
            4 => drop(await_first_success([std::future::pending::<Result<u8>>()]).await),
            5 => select((target.on_join(), on_timeout(minute))).await,
            6 => suspend_cancellable::<(), _>(std::mem::forget)
                .await
                .unwrap(),
            7 => drop(Channel::<u8>::new(0).receive().await),
            8 => drop(Channel::<u8>::new(0).send(1).await),
            9 => {
                let mutex = Mutex::new(());
                let _guard = mutex.lock().await;
                drop(mutex.lock().await);
            }
            10 => {
                let semaphore = Semaphore::new(1);
                let _permit = semaphore.acquire().await;
                drop(semaphore.acquire().await);
            }
            _ => await_cancellation().await,
        }
    }
    const KINDS: usize = 12;
    probed(|| {
        run_blocking(async |scope| {
            for n in 0..KINDS {
                scope.launch(async move { waits(n).await });
            }
            while infos()
                .iter()
                .filter(|info| info.launched.function == "launch" && !info.last_observed.is_empty())
                .count()
                < KINDS
            {
                yield_now().await;
            }
            assert_eq!(DebugProbes::capture_stacks(LONG).await?, 0);
            let infos = infos();
            for info in infos
                .iter()
                .filter(|info| info.launched.function == "launch")
            {
                let trace = info
                    .last_observed
                    .iter()
                    .find(|trace| own(trace).iter().any(|(name, _)| name.ends_with("::waits")));
                assert!(trace.is_some(), "{info:#?}");
            }
            scope.cancel();
            Ok(())
        })
        .unwrap_err();
    });
}

/// Nothing is polled by the thread that dumps: it may have what the coroutine would wait for.
#[test]
fn an_unconfined_coroutine_is_not_polled_by_a_dump() {
    probed(|| {
        let polls = Arc::new(AtomicUsize::new(0));
        let counted = polls.clone();
        let scope = CoroutineScope::new(Dispatcher::UNCONFINED);
        let job = scope.launch(async move {
            let mut waits = std::pin::pin!(middle());
            std::future::poll_fn(|cx| {
                counted.fetch_add(1, Ordering::Relaxed);
                waits.as_mut().poll(cx)
            })
            .await
        });
        assert_eq!(polls.load(Ordering::Relaxed), 1);
        let dump = DebugProbes::dump_coroutines().unwrap();
        assert!(dump.contains("\tat delay (600s) ("), "{dump}");
        assert_eq!(polls.load(Ordering::Relaxed), 1);
        job.cancel();
    });
}

/// A question costs one poll, and takes nothing away: what was ready is taken by whoever waits for it.
#[test]
fn a_question_loses_no_wake() {
    probed(|| {
        run_blocking(async |scope| {
            let polls = Arc::new(AtomicUsize::new(0));
            let gates: Vec<_> = (0..8)
                .map(|_| CompletableDeferred::<usize>::new())
                .collect();
            let mut all: FuturesUnordered<_> = gates
                .iter()
                .cloned()
                .map(|gate| async move { (&gate).await })
                .collect();
            let counted = polls.clone();
            let sum = scope.spawn(async move {
                let mut sum = 0;
                let collect = async {
                    while let Some(n) = all.next().await {
                        sum += n?;
                    }
                    Ok(sum)
                };
                let mut collect = std::pin::pin!(collect);
                std::future::poll_fn(|cx| {
                    counted.fetch_add(1, Ordering::Relaxed);
                    collect.as_mut().poll(cx)
                })
                .await
            });
            yield_now().await;
            let before = polls.load(Ordering::Relaxed);
            assert_eq!(DebugProbes::capture_stacks(LONG).await?, 0);
            assert_eq!(polls.load(Ordering::Relaxed), before + 1);
            for (n, gate) in gates.iter().enumerate() {
                gate.complete(n);
                // Not awaited to its end: the coroutine is asked when it was woken already.
                let _ = DebugProbes::capture_stacks(Duration::ZERO).await?;
            }
            assert_eq!(sum.await?, 28);
            Ok(())
        })
        .unwrap();
    });
}

/// A wait for a future of another library: its launch, and where it waited last.
#[test]
fn a_foreign_future_leaves_the_launch_and_the_last_suspension() {
    probed(|| {
        run_blocking(async |scope| {
            let launched = line!() + 1;
            let job = scope.launch(async {
                delay(Duration::from_millis(1)).await;
                std::future::pending::<()>().await
            });
            while !infos()[1].last_observed_is_over {
                yield_now().await;
            }
            assert_eq!(DebugProbes::capture_stacks(LONG).await?, 0);
            let info = infos().remove(1);
            assert_eq!(info.state, CoroutineState::Suspended);
            assert!(info.last_observed_is_over);
            let trace: Vec<_> = info.last_observed[0]
                .iter()
                .map(|f| (&*f.function, f.line))
                .collect();
            let expected = [
                ("delay (1ms)", Some(launched + 1)),
                ("launch", Some(launched)),
            ];
            assert_eq!(trace, expected);
            let dump = DebugProbes::dump_coroutines()?;
            let says = "it waits for a thread, or for what is not known";
            assert!(dump.contains(says), "{dump}");
            job.cancel();
            Ok(())
        })
        .unwrap();
    });
}

/// P-7: off at first; where on, the stack of the call of the builder.
#[test]
fn creation_stacks_are_taken_when_asked_for() {
    fn launches(scope: &CoroutineScope) -> Job {
        scope.launch(await_cancellation()) // launches here
    }
    probed(|| {
        run_blocking(async |scope| {
            let without = launches(&scope);
            DebugProbes::set_creation_stacks(true);
            let with = launches(&scope);
            let infos = infos();
            assert!(infos[1].creation_stack.is_empty());
            assert!(infos[0].creation_stack.is_empty());
            let stack = own(&infos[2].creation_stack);
            let test = "creation_stacks_are_taken_when_asked_for";
            assert_eq!(
                stack[0],
                (format!("{test}::launches"), line_of("// launches here"))
            );
            assert_eq!(stack[1].0, test);
            let dump = DebugProbes::dump_coroutines()?;
            assert!(
                dump.contains(&format!("\tat stacks::{test}::launches (")),
                "{dump}"
            );
            without.cancel();
            with.cancel();
            Ok(())
        })
        .unwrap();
    });
}

/// P-7: of a root it is the stack of whoever calls `run_blocking`.
#[test]
fn a_root_has_the_stack_of_its_caller() {
    probed(|| {
        DebugProbes::set_creation_stacks(true);
        let line = line!() + 1;
        run_blocking(async |_| {
            let stack = own(&infos()[0].creation_stack);
            assert_eq!(
                stack,
                [("a_root_has_the_stack_of_its_caller".to_owned(), line)]
            );
            Ok(())
        })
        .unwrap();
    });
}

/// P-7: with everything between, when asked for.
#[test]
fn stacks_are_sanitized_unless_switched_off() {
    probed(|| {
        run_blocking(async |scope| {
            let job = scope.launch(coroutine_scope(async |_| {
                middle().await;
                Ok(())
            }));
            yield_now().await;
            let sanitized = asked().await;
            DebugProbes::set_sanitized_stacks(false);
            let whole = asked().await;
            assert!(whole.len() > sanitized.len());
            assert_eq!(own(&whole), own(&sanitized));
            let machinery = |trace: &[StackFrame]| {
                let is = trace.iter().map(|f| {
                    f.function.trim_start_matches('<').starts_with("corox_core")
                        || f.function.contains("core::")
                });
                let is: Vec<_> = is.collect();
                is.windows(3).any(|run| run == [true; 3])
            };
            assert!(
                machinery(&whole) && !machinery(&sanitized),
                "{sanitized:#?}"
            );
            job.cancel();
            Ok(())
        })
        .unwrap();
    });
}

/// Nothing of the machinery that has taken it is in a stack.
#[test]
fn a_stack_begins_at_the_suspension_point_and_ends_at_the_coroutine() {
    probed(|| {
        DebugProbes::set_sanitized_stacks(false);
        run_blocking(async |scope| {
            let job = scope.launch(async { middle().await });
            yield_now().await;
            let trace = asked().await;
            let functions: Vec<_> = trace.iter().map(|frame| &*frame.function).collect();
            assert!(functions[1].contains("Delay"), "{functions:#?}");
            let foreign = [
                "corox_debug",
                "probe",
                "backtrace::",
                "block_on",
                "run_blocking",
            ];
            let of = |function: &&str| foreign.iter().any(|part| function.contains(part));
            assert!(!functions.iter().any(of), "{functions:#?}");
            job.cancel();
            Ok(())
        })
        .unwrap();
    });
}

/// Asked outside of the probes, nobody answers.
#[test]
fn without_probes_no_question_is_asked() {
    alone(|| {
        let error =
            run_blocking(async |_| Ok(DebugProbes::capture_stacks(LONG).await.unwrap_err()));
        assert!(error.unwrap().to_string().contains("capture_stacks"));
    });
}
