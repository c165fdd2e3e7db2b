//! The spans of coroutines, as tracing-subscriber's fmt layer writes them; on one thread.
#![cfg(feature = "tracing")]

#[path = "support/logs.rs"]
mod logs;
mod support;

use std::time::Duration;

use corox_core::{
    CompletableDeferred, CoroutineStart, Dispatcher, FinallyExt, await_cancellation,
    coroutine_scope, delay, run_blocking, supervisor_scope, with_context, with_timeout, yield_now,
};
use logs::{ends_of, here, infos_of, logged, name, say};
use support::checked;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::with_default;
use tracing::{Span, info, info_span};
use tracing_subscriber::fmt::format::FmtSpan;

/// Writes a line when it is dropped.
struct Line(&'static str);

impl Drop for Line {
    fn drop(&mut self) {
        info!("{}", self.0);
    }
}

#[test]
fn a_line_of_a_log_names_the_coroutine_and_what_it_is() {
    checked(|| {
        let mut jobs = Vec::new();
        let lines = logged(LevelFilter::INFO, FmtSpan::NONE, || {
            run_blocking(async |scope| {
                jobs.push(scope.job().clone());
                jobs.push(
                    scope
                        .with(name("loader"))
                        .launch(async { info!(page = 3, "loads") }),
                );
                Ok(())
            })
            .unwrap();
        });
        let [root, loader] = [&jobs[0], &jobs[1]].map(|job| (job.id().unwrap(), job.location()));
        let expected = format!(
            "INFO coroutine{{id={} kind=\"run_blocking\" launched_at={}}}:\
             coroutine{{name=\"loader\" id={} kind=\"launch\" parent={} launched_at={}}}: loads page=3",
            root.0, root.1, loader.0, root.0, loader.1,
        );
        assert_eq!(lines, [expected]);
    });
}

#[test]
fn each_kind_of_coroutine_has_a_span_and_scopes_inside_it_have_none() {
    let lines = checked(|| {
        logged(LevelFilter::INFO, FmtSpan::NONE, || {
            run_blocking(async |scope| {
                scope.launch(async { info!("launch") });
                scope.spawn(async { say("spawn") }).await?;
                scope.lazy().launch(async { info!("launch") }).join().await;
                scope.lazy().spawn(async { say("spawn") }).await?;
                scope.launch_local(async { info!("launch") }).join().await;
                scope.spawn_local(async { say("spawn") }).await?;
                let cleaned = scope.launch(async {
                    let body = async {}.finally_launch(|| async { info!("finally_launch") });
                    body.await
                });
                cleaned.join().await;
                coroutine_scope(async |_| say("run_blocking")).await?;
                supervisor_scope(async |_| say("run_blocking")).await?;
                with_timeout(Duration::from_secs(9), async |_| say("run_blocking")).await?;
                with_context(name("other"), async { say("run_blocking") }).await
            })
            .unwrap();
        })
    });
    assert_eq!(lines.len(), 11);
    for line in lines {
        let (spans, message) = line.rsplit_once(": ").unwrap();
        let (_, innermost) = spans.rsplit_once("coroutine{").unwrap();
        assert!(innermost.contains(&format!("kind=\"{message}\"")), "{line}");
    }
}

#[test]
fn a_span_is_entered_while_the_coroutine_runs_and_at_no_other_time() {
    let lines = infos_of(async |scope| {
        let job = scope.with(name("a")).launch(async {
            info!("1");
            yield_now().await;
            info!("3");
            delay(Duration::from_millis(1)).await;
            info!("4");
        });
        yield_now().await;
        info!("2");
        job.join().await;
        info!("5");
        Ok(())
    });
    assert_eq!(
        lines,
        [
            "INFO {}:{a}: 1",
            "INFO {}: 2",
            "INFO {}:{a}: 3",
            "INFO {}:{a}: 4",
            "INFO {}: 5"
        ]
    );
    checked(|| {
        with_default(tracing_subscriber::registry(), || {
            run_blocking(async |_| {
                assert!(!Span::current().is_none());
                Ok(())
            })
            .unwrap();
            assert!(Span::current().is_none());
        });
    });
}

#[test]
fn a_span_closes_when_the_coroutine_is_final_after_its_children_whoever_has_its_handle() {
    let lines = ends_of(async |_| {
        let (begun, inner) = (CompletableDeferred::new(), CompletableDeferred::new());
        let (done, there) = (inner.clone(), begun.clone());
        let mut job = None;
        coroutine_scope(async |scope| {
            job = Some(scope.with(name("parent")).launch(async move {
                coroutine_scope(async |_| Ok(())).await.unwrap();
                let scope = here();
                scope
                    .with(name("child"))
                    .launch(async move { (&done).await.map(drop) });
                there.complete(());
            }));
            (&begun).await?;
            yield_now().await;
            info!("the body has ended");
            inner.complete(());
            Ok(())
        })
        .await?;
        info!("all have ended");
        assert!(job.unwrap().is_completed());
        Ok(())
    });
    let expected = [
        "INFO {}: the body has ended",
        "INFO {}:{parent}:{child}: close",
        "INFO {}:{parent}: close",
        "INFO {}: all have ended",
        "INFO {}: close",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn what_is_dropped_by_a_cancellation_or_a_panic_is_dropped_inside_the_span() {
    let lines = infos_of(async |_| {
        supervisor_scope(async |scope| {
            let begun = scope.with(name("begun")).launch(async {
                let _line = Line("dropped");
                await_cancellation().await;
            });
            let (never, lazy) = (Line("never begun"), Line("never started"));
            yield_now().await;
            begun.cancel_and_join().await;
            let never = scope.with(name("never")).launch(async move { drop(never) });
            never.cancel_and_join().await;
            let lazy = scope
                .with(name("lazy"))
                .lazy()
                .launch(async move { drop(lazy) });
            lazy.cancel_and_join().await;
            let panics = scope.with(name("panics")).spawn(async {
                let _line = Line("unwound");
                if true {
                    panic!("as it is meant to");
                }
                Ok(())
            });
            assert!(panics.await.unwrap_err().is_panic());
            let cleaned = scope.with(name("cleaned")).launch(async {
                let body = await_cancellation().finally(async {
                    yield_now().await;
                    info!("cleaned up");
                });
                body.await;
            });
            yield_now().await;
            cleaned.cancel_and_join().await;
            say("goes on")
        })
        .await
    });
    let expected = [
        "INFO {}:{begun}: dropped",
        "INFO {}:{never}: never begun",
        "INFO {}:{lazy}: never started",
        "INFO {}:{panics}: unwound",
        "INFO {}:{cleaned}: cleaned up",
        "INFO {}: goes on",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_coroutine_polled_inside_the_poll_of_another_one_has_its_own_span_there() {
    let lines = infos_of(async |scope| {
        let gate = CompletableDeferred::<()>::new();
        let opens = gate.clone();
        let free = scope.with(Dispatcher::UNCONFINED + name("free"));
        free.launch(async move {
            info!("at once");
            (&gate).await.unwrap();
            info!("resumed");
        });
        info!("launched");
        scope.with(name("opener")).launch(async move {
            let span = info_span!("opens");
            let _entered = span.enter();
            opens.complete(());
            info!("opened");
        });
        let now = scope.with(name("now")).start(CoroutineStart::Undispatched);
        now.launch(async {
            info!("undispatched");
            yield_now().await;
            info!("dispatched");
        });
        say("over")
    });
    let expected = [
        "INFO {}:{free}: at once",
        "INFO {}: launched",
        "INFO {}:{now}: undispatched",
        "INFO {}: over",
        "INFO {}:{free}: resumed",
        "INFO {}:{opener}:opens: opened",
        "INFO {}:{now}: dispatched",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_nested_root_is_inside_of_the_coroutine_that_has_called_it() {
    let lines = infos_of(async |scope| {
        scope.with(name("outer")).launch(async {
            run_blocking(async |scope| {
                scope.with(name("inner")).launch(async { info!("nested") });
                Ok(())
            })
            .unwrap();
            info!("outer");
        });
        Ok(())
    });
    assert_eq!(
        lines,
        [
            "INFO {}:{outer}:{}:{inner}: nested",
            "INFO {}:{outer}: outer"
        ]
    );
}
