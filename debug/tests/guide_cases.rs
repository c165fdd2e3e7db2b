//! What the guide of kotlinx.coroutines shows of its debugger and of its debug module, by the names of its examples.

mod support;

use std::cell::RefCell;
use std::time::Duration;

use corox_channels::{Capacity, Channel};
use corox_core::{Dispatcher, Result, coroutine_scope, delay, run_blocking, yield_now};
use corox_debug::{CoroutineState, DebugProbes};
use corox_flow::{flow, prelude::*};
use support::{infos, probed};

use CoroutineState::{Created, Running, Suspended};

fn states() -> Vec<CoroutineState> {
    infos().iter().map(|info| info.state).collect()
}

/// `ide-coroutines-02`: what a debugger shows at three stops.
#[test]
fn the_states_at_three_stops() {
    probed(|| {
        run_blocking(async |scope| {
            let first = scope.spawn(async { Ok((states(), 6)) });
            let second = scope.spawn(async { Ok((states(), 7)) });
            assert_eq!(states(), [Running, Created, Created]);
            let (at_first, six) = first.await?;
            assert_eq!(at_first, [Suspended, Running, Created]);
            let (at_second, seven) = second.await?;
            assert_eq!(at_second, [Suspended, Running]);
            assert_eq!(six * seven, 42);
            Ok(())
        })
        .unwrap();
    });
}

/// Until the debugger shows `expected`; blocks the thread, so that the caller runs meanwhile.
fn stop_at(expected: &[CoroutineState]) {
    while states() != expected {
        std::thread::yield_now();
    }
}

/// `ide-flow-02`: two coroutines, of which one is suspended wherever the other one is stopped. A buffer is one that runs by itself where
/// it is given a dispatcher.
#[test]
fn the_two_coroutines_of_a_buffered_flow_at_both_stops() {
    probed(|| {
        run_blocking(async |_| {
            let (next, may_emit) = Channel::new(Capacity::Unlimited).split();
            let line = line!() + 9;
            let numbers = flow(async move |emitter| {
                for n in 1..=3 {
                    stop_at(&[Suspended, Running]);
                    emitter.emit(n).await;
                    may_emit.receive().await?;
                }
                Ok(())
            })
            .flow_on(Dispatcher::DEFAULT);
            let printed = RefCell::new(Vec::new());
            let print = async |n| {
                stop_at(&[Running, Suspended]);
                let infos = infos();
                assert_eq!(infos[1].launched.line, Some(line));
                assert!(infos[1].awaits[0].what.function.starts_with("receive"));
                printed.borrow_mut().push(n);
                Ok(next.send(()).await?)
            };
            numbers.buffer(Capacity::Buffered).collect(print).await?;
            assert_eq!(*printed.borrow(), [1, 2, 3]);
            Ok(())
        })
        .unwrap();
    });
}

/// The same without a dispatcher: the source runs inside of whoever collects, who then waits for two things at once.
#[test]
fn a_buffered_flow_in_one_coroutine_waits_on_both_sides() {
    probed(|| {
        run_blocking(async |scope| {
            let first = line!();
            let job = scope.launch(async {
                let numbers = flow(async |emitter| {
                    emitter.emit(1).await;
                    delay(Duration::from_secs(60)).await;
                });
                let numbers = numbers.buffer(Capacity::Buffered);
                let print = async |_| Ok(Channel::<()>::new(0).receive().await?);
                let _ = numbers.collect(print).await;
            });
            while states() != [Running, Suspended] || infos()[1].awaits.len() < 2 {
                yield_now().await;
            }
            let infos = infos();
            let mut waits: Vec<_> = infos[1]
                .awaits
                .iter()
                .map(|wait| (wait.what.line.unwrap() - first, &*wait.what.function))
                .collect();
            waits.sort_unstable();
            assert_eq!(waits[0], (4, "delay (60s)"));
            assert_eq!(waits[1].0, 7);
            assert!(waits[1].1.starts_with("receive"), "{waits:?}");
            job.cancel();
            Ok(())
        })
        .unwrap();
    });
}

async fn compute_value() -> Result<i32> {
    coroutine_scope(async |scope| {
        let one = scope.spawn(compute_one());
        let two = scope.spawn(compute_two());
        combine(one, two).await
    })
    .await
}

async fn combine(one: corox_core::Deferred<i32>, two: corox_core::Deferred<i32>) -> Result<i32> {
    Ok(one.await? + two.await?)
}

async fn compute_one() -> Result<i32> {
    delay(Duration::from_secs(5)).await;
    Ok(1)
}

async fn compute_two() -> Result<i32> {
    delay(Duration::from_secs(5)).await;
    Ok(2)
}

/// Runs `look` while the example computes.
fn while_it_computes(creation_stacks: bool, look: fn(&corox_core::Job) -> Result<()>) {
    probed(move || {
        DebugProbes::set_creation_stacks(creation_stacks);
        run_blocking(async |scope| {
            let deferred = scope.spawn(compute_value());
            while states() != [Running, Suspended, Suspended, Suspended] {
                yield_now().await;
            }
            DebugProbes::capture_stacks(Duration::from_secs(30)).await?;
            look(deferred.job())?;
            deferred.cancel();
            Ok(())
        })
        .unwrap();
    });
}

/// `debug-probes-dump`.
#[test]
fn a_dump_of_the_example() {
    while_it_computes(true, |_| {
        let dump = DebugProbes::dump_coroutines()?;
        let paragraphs: Vec<_> = dump.split("\n\n").collect();
        assert!(paragraphs[0].starts_with("Coroutines dump "), "{dump}");
        assert_eq!(paragraphs.len(), 5, "{dump}");
        assert!(
            paragraphs[1].contains(":BlockingCoroutine{Active}@"),
            "{dump}"
        );
        assert!(paragraphs[1].contains(", state: RUNNING"), "{dump}");
        let waits = [
            ("await", "guide_cases::combine"),
            ("delay (5s)", "guide_cases::compute_one"),
            ("delay (5s)", "guide_cases::compute_two"),
        ];
        for (text, (wait, function)) in paragraphs[2..].iter().zip(waits) {
            assert!(text.contains(":DeferredCoroutine{Active}@"), "{text}");
            assert!(text.contains(", state: SUSPENDED\n"), "{text}");
            assert!(text.contains(&format!("\tat {wait}")), "{text}");
            assert!(text.contains(&format!("\tat {function}")), "{text}");
            assert!(text.contains("\t(it was created)\n"), "{text}");
        }
        Ok(())
    });
}

/// `debug-probes-print-job`.
#[test]
fn the_tree_of_the_example() {
    while_it_computes(false, |job| {
        let mut out = Vec::new();
        DebugProbes::print_job(job, &mut out)?;
        let out = String::from_utf8(out)?;
        let lines: Vec<_> = out.lines().collect();
        assert_eq!(lines.len(), 3, "{out}");
        for (line, indent) in lines.iter().zip(["", "\t", "\t"]) {
            let rest = line.strip_prefix(indent).unwrap();
            assert!(rest.starts_with("\"coroutine#"), "{out}");
            assert!(
                rest.contains("\":DeferredCoroutine{Active}, continuation is SUSPENDED at line "),
                "{out}"
            );
            assert!(rest.contains("guide_cases.rs:"), "{out}");
        }
        Ok(())
    });
}

/// `debug-no-creation-traces`.
#[test]
fn without_creation_stacks_the_dump_has_the_rest() {
    while_it_computes(false, |_| {
        let dump = DebugProbes::dump_coroutines()?;
        assert_eq!(dump.matches("\nCoroutine ").count(), 4, "{dump}");
        assert_eq!(dump.matches(", state: SUSPENDED").count(), 3, "{dump}");
        assert!(!dump.contains("(it was created)"), "{dump}");
        Ok(())
    });
}
