//! What is around the span of a coroutine: the one that was current at the launch, or that of an element.
#![cfg(feature = "tracing")]

#[path = "support/logs.rs"]
mod logs;
mod support;

use corox_core::{
    CoroutineName, CoroutineScope, SupervisorJob, TracingContext, await_cancellation,
    coroutine_scope, run_blocking, with_context, yield_now,
};
use logs::{ends_of, here, infos_of, logged, name, say};
use support::checked;
use tracing::level_filters::LevelFilter;
use tracing::{error_span, info, info_span, warn};
use tracing_subscriber::fmt::format::FmtSpan;

#[test]
fn the_span_that_is_current_at_the_launch_follows_the_coroutine() {
    let lines = ends_of(async |scope| {
        let lazy = info_span!("request", user = 7).in_scope(|| {
            scope.with(name("now")).launch(async {
                info!("loads");
                yield_now().await;
                here()
                    .with(name("part"))
                    .launch(async { info!("loads a part") });
            });
            scope
                .with(name("lazy"))
                .lazy()
                .launch(async { info!("loads later") })
        });
        yield_now().await;
        info!("the span has not closed");
        info_span!("start").in_scope(|| lazy.start());
        Ok(())
    });
    let expected = [
        "INFO {}:request{user=7}:{now}: loads",
        "INFO {}: the span has not closed",
        "INFO {}:start: close",
        "INFO {}:request{user=7}:{now}:{part}: loads a part",
        "INFO {}:request{user=7}:{now}:{part}: close",
        "INFO {}:request{user=7}:{now}: close",
        "INFO {}:request{user=7}:{lazy}: loads later",
        "INFO {}:request{user=7}:{lazy}: close",
        "INFO {}:request{user=7}: close",
        "INFO {}: close",
    ];
    let mut lines: Vec<_> = lines.iter().map(String::as_str).collect();
    lines.sort_unstable();
    let mut sorted = expected;
    sorted.sort_unstable();
    assert_eq!(lines, sorted);
}

#[test]
fn an_instrumented_function_is_inside_of_its_coroutine_across_suspensions() {
    #[tracing::instrument]
    async fn load(page: u32) -> u32 {
        info!("begins");
        yield_now().await;
        info!("ends");
        page
    }

    let lines = infos_of(async |scope| {
        let loads = [1, 2].map(|page| scope.spawn(async move { Ok(load(page).await) }));
        for load in loads {
            load.await?;
        }
        Ok(())
    });
    let expected = [
        "INFO {}:{}:load{page=1}: begins",
        "INFO {}:{}:load{page=2}: begins",
        "INFO {}:{}:load{page=1}: ends",
        "INFO {}:{}:load{page=2}: ends",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn what_is_launched_outside_of_spans_is_inside_of_its_parent() {
    let lines = infos_of(async |scope| {
        let open = scope.with(name("open")).launch(await_cancellation());
        let group = coroutine_scope(async |inner| {
            let there = inner.with(&open).with(name("below"));
            let grouped = inner.with(name("grouped"));
            // A thread without a subscriber, and so without a span.
            let thread = std::thread::spawn(move || {
                there.launch(async { info!("in the coroutine given") });
                grouped.launch(async { info!("in that of the scope") });
            });
            thread.join().unwrap();
            Ok(())
        });
        group.await?;
        yield_now().await;
        open.cancel();
        Ok(())
    });
    assert_eq!(
        lines,
        [
            "INFO {}:{open}:{below}: in the coroutine given",
            "INFO {}:{grouped}: in that of the scope"
        ]
    );
}

#[test]
fn where_spans_of_coroutines_are_not_wanted_the_one_at_the_launch_follows_all_the_same() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let lines = checked(move || {
        logged(LevelFilter::WARN, FmtSpan::CLOSE, || {
            run_blocking(async |scope| {
                let job = error_span!("request").in_scope(|| {
                    scope.launch(async {
                        yield_now().await;
                        warn!("inside");
                        here().launch(async { warn!("a child") });
                    })
                });
                job.join().await;
                warn!("outside");
                sender.send(job)?; // Handles keep no span open.
                Ok(())
            })
            .unwrap();
        })
    });
    assert!(receiver.recv().unwrap().is_completed());
    assert_eq!(
        lines,
        [
            "WARN request: inside",
            "WARN request: a child",
            "ERROR request: close",
            "WARN outside"
        ]
    );
}

// ---- the element of a context

#[test]
fn the_span_of_an_element_is_around_coroutines_of_its_scope_and_their_children() {
    let lines = infos_of(async |scope| {
        let session = info_span!(parent: None, "session", user = 7);
        let owned = CoroutineScope::new(
            SupervisorJob::new() + scope.context().dispatcher().unwrap().clone(),
        ) + TracingContext::new(session);
        let job = info_span!("caller").in_scope(|| {
            owned.with(name("loads")).launch(async {
                info!("loads");
                let part = info_span!("part");
                part.in_scope(|| here().launch(async { info!("a part") }));
                let out = TracingContext::root();
                here().with(out).launch(async { info!("outside") });
            })
        });
        job.join().await;
        let other = owned.with(TracingContext::new(info_span!(parent: None, "other")));
        other.launch(async { info!("replaced") }).join().await;
        let unwanted = owned.with(TracingContext::new(tracing::debug_span!("unwanted")));
        unwanted.launch(async { info!("as without") }).join().await;
        owned.cancel();
        Ok(())
    });
    let expected = [
        "INFO session{user=7}:{loads}: loads",
        "INFO session{user=7}:{loads}:part:{loads}: a part",
        "INFO {loads}: outside",
        "INFO other:{}: replaced",
        "INFO {}:{}: as without",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn the_current_span_is_captured_by_an_element_and_carried_where_it_is_not() {
    let lines = infos_of(async |scope| {
        let element = info_span!("request").in_scope(TracingContext::current);
        scope
            .with(element.clone())
            .launch(async { info!("carried") })
            .join()
            .await;
        scope.launch(async { info!("not carried") });
        drop(element);
        Ok(())
    });
    assert_eq!(
        lines,
        ["INFO {}:request:{}: carried", "INFO {}:{}: not carried"]
    );
}

#[test]
fn the_span_given_to_with_context_is_around_that_section_only() {
    let lines = infos_of(async |scope| {
        scope.with(name("a")).launch(async {
            info!("before");
            let section = with_context(TracingContext::new(info_span!("query")), async {
                info!("inside");
                yield_now().await;
                info!("resumed");
                coroutine_scope(async |scope| {
                    Ok(scope.with(name("b")).launch(async { info!("launched") }))
                })
                .await?;
                let same = CoroutineName::new("same span");
                with_context(same, async { say("inner") }).await
            });
            section.await.unwrap();
            info!("after");
        });
        yield_now().await;
        info!("meanwhile");
        Ok(())
    });
    let expected = [
        "INFO {}:{a}: before",
        "INFO {}:{a}:query: inside",
        "INFO {}: meanwhile",
        "INFO {}:{a}:query: resumed",
        "INFO {}:{a}:query:{b}: launched",
        "INFO {}:{a}:query: inner",
        "INFO {}:{a}: after",
    ];
    assert_eq!(lines, expected);
}
