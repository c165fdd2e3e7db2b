//! The spans of coroutines that a builder or an operator launches: they are those of the program's calls, as the ones of `launch` are.
#![cfg(feature = "tracing")]

use std::fmt::Debug;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context as TaskContext, Waker};

use corox::prelude::*;
use corox::{ActorScope, CompletableDeferred, ProducerScope, SharingStarted, flow};
use tracing::field::{Field, Visit};
use tracing::span::Attributes;
use tracing::{Event, Id, Subscriber, info, info_span};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// A span: its name, or what is known of the coroutine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Spanned {
    name: String,
    id: Option<u64>,
    parent: Option<u64>,
    kind: String,
    launched_at: String,
}

impl Visit for Spanned {
    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "id" => self.id = Some(value),
            "parent" => self.parent = Some(value),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = format!("{value:?}").trim_matches('"').to_owned();
        match field.name() {
            "kind" => self.kind = text,
            "launched_at" => self.launched_at = text,
            _ => {}
        }
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

type Told = (String, Vec<Spanned>);

/// Each message of this file with the spans around it, the innermost first.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Told>>>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Log {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut spanned = Spanned {
            name: attributes.metadata().name().to_owned(),
            ..Spanned::default()
        };
        attributes.record(&mut spanned);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(spanned);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if event.metadata().target() != module_path!() {
            return;
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        let spans = context.event_scope(event).into_iter().flatten();
        let spans = spans.filter_map(|span| span.extensions().get::<Spanned>().cloned());
        let line = (message.0, spans.collect());
        self.0.lock().unwrap().push(line);
    }
}

/// That of the process, for the coroutines run on a pool. Each test has messages of its own.
fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log::default();
        let subscriber = tracing_subscriber::registry().with(log.clone());
        tracing::subscriber::set_global_default(subscriber).unwrap();
        log
    })
}

/// The spans around each event with this message.
fn around(message: &str) -> Vec<Vec<Spanned>> {
    let lines = log().0.lock().unwrap();
    let lines = lines.iter().filter(|(each, _)| each == message);
    lines.map(|(_, spans)| spans.clone()).collect()
}

/// So many events with this message are in a coroutine that `parent` is the parent of, that was launched at `line` of this file, and
/// that is inside of the span `request`.
#[track_caller]
fn is_in_child(message: &str, count: usize, parent: &Job, line: u32) {
    let events = around(message);
    assert_eq!(events.len(), count, "{events:?}");
    for spans in &events {
        let own = &spans[0];
        assert_eq!(own, &events[0][0]);
        assert_eq!((&*own.name, &*own.kind), ("coroutine", "launch"));
        assert_eq!(own.parent, parent.id());
        let place = format!("{}:{line}:", file!());
        assert!(own.launched_at.starts_with(&place), "{spans:?}");
        assert_eq!(spans[1].name, "request");
        is_root(&spans[2..], parent);
    }
}

/// So many events with this message are in the coroutine of `job`, which is a root.
#[track_caller]
fn is_in_root(message: &str, count: usize, job: &Job) {
    let events = around(message);
    assert_eq!(events.len(), count, "{events:?}");
    events.iter().for_each(|spans| is_root(spans, job));
}

#[track_caller]
fn is_root(spans: &[Spanned], job: &Job) {
    assert_eq!(spans.len(), 1, "{spans:?}");
    assert_eq!(spans[0].id, job.id());
}

#[test]
fn the_source_above_flow_on_is_in_a_coroutine_of_whoever_collects() {
    log();
    let (root, line) = run_blocking(async |scope| {
        let gate = CompletableDeferred::new();
        let opened = gate.clone();
        let source = flow(async move |emitter| {
            (&opened).await?;
            for n in 1..=3 {
                info!("flow_on: above");
                emitter.emit(n).await;
                yield_now().await;
            }
            Ok(())
        });
        let elsewhere = source.flow_on(DEFAULT);
        let line = line!() - 1;
        let below = elsewhere.map(|n| {
            info!("flow_on: below");
            n
        });
        let mut all = pin!(below.to_vec());
        // The first poll launches the coroutine, and what is current then is around it. What comes later is not.
        let mut poll = || {
            all.as_mut()
                .poll(&mut TaskContext::from_waker(Waker::noop()))
        };
        assert!(info_span!("request").in_scope(&mut poll).is_pending());
        gate.complete(());
        assert_eq!(all.await?, [1, 2, 3]);
        Ok((scope.job().clone(), line))
    })
    .unwrap();
    is_in_child("flow_on: above", 3, &root, line);
    is_in_root("flow_on: below", 3, &root);
}

#[test]
fn a_flow_that_is_shared_is_in_a_coroutine_of_the_scope() {
    log();
    let (root, line) = run_blocking(async |scope| {
        let source = flow(async |emitter| {
            for n in 1..=3 {
                info!("share_in: above");
                emitter.emit(n).await;
                yield_now().await;
            }
        });
        let elsewhere = source.flow_on(DEFAULT);
        let request = info_span!("request");
        let shared = request.in_scope(|| elsewhere.share_in(&scope, SharingStarted::LAZILY, 3));
        let line = line!() - 1;
        let below = shared.map(|n| {
            info!("share_in: below");
            n
        });
        assert_eq!(below.take(3).to_vec().await?, [1, 2, 3]);
        scope.job().cancel_children();
        Ok((scope.job().clone(), line))
    })
    .unwrap();
    is_in_child("share_in: above", 3, &root, line);
    is_in_root("share_in: below", 3, &root);
}

#[test]
fn a_producer_is_a_coroutine_of_the_scope() {
    log();
    let (root, line) = run_blocking(async |scope| {
        let sends = async |producer: ProducerScope<i32>| {
            for n in 1..=3 {
                info!("produce: sends");
                producer.send(n).await?;
                yield_now().await;
            }
            Ok(())
        };
        let there = scope.with(DEFAULT);
        let numbers = info_span!("request").in_scope(|| there.produce(0, sends));
        let line = line!() - 1;
        while let Ok(n) = numbers.receive().await {
            info!("produce: receives");
            assert!(n <= 3);
        }
        Ok((scope.job().clone(), line))
    })
    .unwrap();
    is_in_child("produce: sends", 3, &root, line);
    is_in_root("produce: receives", 3, &root);
}

#[test]
fn an_actor_is_a_coroutine_of_the_scope() {
    log();
    let (root, line) = run_blocking(async |scope| {
        let handles = async |actor: ActorScope<i32>| {
            while actor.receive().await.is_ok() {
                info!("actor: handles");
                yield_now().await;
            }
        };
        let there = scope.with(DEFAULT);
        let actor = info_span!("request").in_scope(|| there.actor(0, handles));
        let line = line!() - 1;
        for n in 1..=3 {
            info!("actor: is sent");
            actor.send(n).await?;
        }
        // The root waits until it has handled the last one.
        Ok((scope.job().clone(), line))
    })
    .unwrap();
    is_in_child("actor: handles", 3, &root, line);
    is_in_root("actor: is sent", 3, &root);
}
