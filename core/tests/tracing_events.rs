//! Events for what happens to a coroutine.
#![cfg(feature = "tracing")]

#[path = "support/logs.rs"]
mod logs;
mod support;

use corox_core::{CompletableDeferred, Error, await_cancellation, supervisor_scope, yield_now};
use logs::{here, infos_of, name, said_of};
use tracing::info;
use tracing::level_filters::LevelFilter;

#[test]
fn the_states_of_a_coroutine_are_events() {
    let lines = said_of(LevelFilter::DEBUG, async |scope| {
        let lazy = scope.with(name("lazy")).lazy().launch(async {});
        let gate = CompletableDeferred::<()>::new();
        let waits = gate.clone();
        scope.with(name("parent")).launch(async move {
            here()
                .with(name("child"))
                .launch(async move { (&waits).await.map(drop) });
        });
        yield_now().await;
        yield_now().await;
        gate.complete(());
        lazy.join().await;
        Ok(())
    });
    let expected = [
        "DEBUG {}: started",
        "DEBUG {}:{lazy}: created",
        "DEBUG {}:{parent}: started",
        "DEBUG {}:{parent}: completing",
        "DEBUG {}:{parent}:{child}: started",
        "DEBUG {}:{parent}:{child}: completed",
        "DEBUG {}:{parent}: completed",
        "DEBUG {}:{lazy}: started",
        "DEBUG {}:{lazy}: completed",
        "DEBUG {}: completed",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn suspensions_are_events_of_the_lowest_level() {
    let lines = said_of(LevelFilter::TRACE, async |scope| {
        scope.with(name("a")).launch(async {
            yield_now().await;
            info!("goes on");
        });
        Ok(())
    });
    let lines: Vec<_> = lines.iter().filter(|line| line.contains("{a}")).collect();
    let expected = [
        "DEBUG {}:{a}: started",
        "TRACE {}:{a}: suspended",
        "TRACE {}:{a}: resumed",
        "INFO {}:{a}: goes on",
        "DEBUG {}:{a}: completed",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn cancellations_and_failures_are_events_with_their_causes() {
    let lines = said_of(LevelFilter::DEBUG, async |scope| {
        scope.with(name("parent")).launch(async {
            let scope = here();
            scope.with(name("child")).launch(await_cancellation());
            scope.with(name("lazy")).lazy().launch(async {});
            yield_now().await;
            Err::<(), _>(Error::msg("no bread"))
        });
        Ok(())
    });
    let lines: Vec<_> = lines
        .iter()
        .filter(|line| !line.contains("started"))
        .collect();
    let expected = [
        "DEBUG {}: completing",
        "DEBUG {}:{parent}:{lazy}: created",
        "DEBUG {}:{parent}: cancelling cause=no bread",
        "DEBUG {}:{parent}:{child}: cancelling cause=the parent coroutine has failed",
        "DEBUG {}:{parent}:{lazy}: cancelling cause=the parent coroutine has failed",
        "DEBUG {}:{parent}:{lazy}: cancelled cause=the parent coroutine has failed",
        "DEBUG {}: cancelling cause=no bread",
        "DEBUG {}:{parent}:{child}: cancelled cause=the parent coroutine has failed",
        "DEBUG {}:{parent}: failed error=no bread",
        "DEBUG {}: failed error=no bread",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn what_nobody_takes_is_an_error_inside_the_span_of_who_has_failed() {
    let lines = infos_of(async |_| {
        supervisor_scope(async |scope| {
            scope.with(name("fails")).launch(async {
                let child = here().launch(async { Err::<(), _>(Error::msg("lost")) });
                child.join().await;
            });
            Ok(())
        })
        .await
    });
    assert!(
        lines[0].starts_with("ERROR {}:{fails}: uncaught failure of a coroutine job="),
        "{lines:?}"
    );
    // Where the error arose.
    assert!(lines[1].starts_with("at ") && lines.len() == 2, "{lines:?}");
}
