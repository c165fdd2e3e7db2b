//! What loggers know of the coroutine that they are called in.

use std::sync::{Arc, Mutex};

use corox::{DEFAULT, Result, TracingContext, run_blocking, with_context, yield_now};
use tracing::field::{Field, Visit};
use tracing::span::Attributes;
use tracing::{Event, Id, Subscriber, info, info_span};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

fn say(text: &str) -> Result<()> {
    info!("{text}");
    Ok(())
}

/// Notes each message with the field `kotlin` of the spans around it.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

/// Looks for one field.
struct Find(&'static str, Option<String>);

impl Visit for Find {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == self.0 {
            self.1 = Some(format!("{value:?}").replace('"', ""));
        }
    }
}

struct Kotlin(String);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Log {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut find = Find("kotlin", None);
        attributes.record(&mut find);
        if let (Some(value), Some(span)) = (find.1, context.span(id)) {
            span.extensions_mut().insert(Kotlin(value));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if event.metadata().target() != module_path!() {
            return;
        }
        let mut find = Find("message", None);
        event.record(&mut find);
        let mut spans = context.event_scope(event).into_iter().flatten();
        let kotlin = spans.find_map(|span| Some(span.extensions().get::<Kotlin>()?.0.clone()));
        let kotlin = kotlin.as_deref().unwrap_or("nothing");
        let line = format!("{}: {kotlin}", find.1.unwrap_or_default());
        self.0.lock().unwrap().push(line);
    }
}

/// The only test of this file: the subscriber is that of the process, for the coroutines run on a pool.
#[test]
fn slf4j_mdc_what_was_there_when_the_element_was_made_is_there_on_whichever_thread() {
    let log = Log::default();
    let subscriber = tracing_subscriber::registry().with(log.clone());
    tracing::subscriber::set_global_default(subscriber).unwrap();
    run_blocking(async |scope| {
        // `MDC.put("kotlin", "rocks")`, and `MDCContext()` for each launch; the second one is made by the launch itself.
        let element = info_span!("fields", kotlin = "rocks").in_scope(|| {
            scope
                .with(DEFAULT)
                .launch(async { info!("current at the launch") });
            TracingContext::current()
        });
        let carried = scope.with(DEFAULT + element).launch(async {
            info!("carried");
            yield_now().await;
            info!("after a suspension");
            let changed = TracingContext::new(info_span!("fields", kotlin = "rolls"));
            with_context(changed, async { say("changed in a section") }).await?;
            say("back")
        });
        carried.join().await;
        scope.launch(async { info!("without") });
        Ok(())
    })
    .unwrap();
    let mut lines = log.0.lock().unwrap().clone();
    // It runs at the same time as the other one on the pool.
    let current = "current at the launch: rocks";
    assert!(lines.iter().any(|line| line == current), "{lines:?}");
    lines.retain(|line| line != current);
    let expected = [
        "carried: rocks",
        "after a suspension: rocks",
        "changed in a section: rolls",
        "back: rocks",
        "without: nothing",
    ];
    assert_eq!(lines, expected);
}
