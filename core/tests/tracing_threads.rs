//! Spans of coroutines that go from thread to thread, with a subscriber of the process.
#![cfg(feature = "tracing")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, MutexGuard, OnceLock, PoisonError, mpsc};

use corox_core::{
    CoroutineName, CoroutineScope, Dispatcher, Job, Result, TracingContext, blocking,
    coroutine_scope, delay, new_single_thread_context, run_blocking, with_context, yield_now,
};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Span, Subscriber, info, info_span};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

fn say(text: &str) -> Result<()> {
    info!("{text}");
    Ok(())
}

/// What the layer of the process has seen.
#[derive(Default)]
struct Seen {
    /// The messages, each with the names of the spans around it, and of coroutines.
    messages: Mutex<Vec<(String, Vec<String>)>>,
    entered: AtomicUsize,
    left: AtomicUsize,
    opened: AtomicUsize,
    closed: AtomicUsize,
}

struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let text = format!("{value:?}").trim_matches('"').to_owned();
        self.0.insert(field.name(), text);
    }
}

struct Look(Arc<Seen>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Look {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields(BTreeMap::new());
        attributes.record(&mut fields);
        let own = attributes.metadata().name();
        let name = fields.0.remove("name").unwrap_or_else(|| own.to_owned());
        context.span(id).unwrap().extensions_mut().insert(name);
        self.0.opened.fetch_add(1, Ordering::Relaxed);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if event.metadata().target().starts_with("corox") {
            return;
        }
        let mut fields = Fields(BTreeMap::new());
        event.record(&mut fields);
        let spans = context.event_scope(event).into_iter();
        let spans = spans.flat_map(|scope| scope.from_root());
        let spans = spans.map(|span| span.extensions().get::<String>().unwrap().clone());
        let message = fields.0.remove("message").unwrap();
        self.0
            .messages
            .lock()
            .unwrap()
            .push((message, spans.collect()));
    }

    fn on_enter(&self, _id: &Id, _context: Context<'_, S>) {
        self.0.entered.fetch_add(1, Ordering::Relaxed);
    }

    fn on_exit(&self, _id: &Id, _context: Context<'_, S>) {
        self.0.left.fetch_add(1, Ordering::Relaxed);
    }

    fn on_close(&self, _id: Id, _context: Context<'_, S>) {
        self.0.closed.fetch_add(1, Ordering::Relaxed);
    }
}

/// One test at a time, for they share the subscriber.
fn alone() -> (Arc<Seen>, MutexGuard<'static, ()>) {
    static SEEN: OnceLock<Arc<Seen>> = OnceLock::new();
    static ALONE: Mutex<()> = Mutex::new(());
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let seen = SEEN.get_or_init(|| {
        let seen = Arc::new(Seen::default());
        let subscriber = tracing_subscriber::registry().with(Look(seen.clone()));
        tracing::subscriber::set_global_default(subscriber).unwrap();
        seen
    });
    seen.messages.lock().unwrap().clear();
    (seen.clone(), guard)
}

impl Seen {
    fn messages(&self) -> Vec<(String, Vec<String>)> {
        std::mem::take(&mut *self.messages.lock().unwrap())
    }

    fn all_have_closed(&self) {
        let [opened, closed] = [&self.opened, &self.closed].map(|n| n.load(Ordering::Relaxed));
        assert_eq!(opened, closed, "spans that were opened, and closed");
        let [entered, left] = [&self.entered, &self.left].map(|n| n.load(Ordering::Relaxed));
        assert_eq!(entered, left, "spans that were entered, and left");
    }
}

#[test]
fn each_of_a_thousand_coroutines_on_many_threads_speaks_in_its_own_span() {
    let (seen, _alone) = alone();
    run_blocking(async |scope| {
        let request = info_span!("request");
        let _entered = request.entered();
        for n in 0..1000 {
            let name = CoroutineName::new(n.to_string());
            scope.with(Dispatcher::DEFAULT + name).launch(async move {
                for _ in 0..3 {
                    info!("{n}");
                    yield_now().await;
                }
                with_context(Dispatcher::IO, async move { say(&n.to_string()) }).await?;
                blocking(move |_| say(&n.to_string())).await?;
                coroutine_scope(async |scope| {
                    scope.launch(async move { info!("{n}") });
                    Ok(())
                })
                .await?;
                delay(std::time::Duration::from_millis(1)).await;
                say(&n.to_string())
            });
        }
        Ok(())
    })
    .unwrap();
    let messages = seen.messages();
    assert_eq!(messages.len(), 8 * 1000 - 1000);
    for (message, spans) in messages {
        let expected = ["coroutine", "request", &message, &message];
        let own = &expected[..3];
        assert!(spans == own || spans == expected, "{message}: {spans:?}");
    }
    seen.all_have_closed();
}

#[test]
fn no_span_is_left_entered_on_the_threads_of_a_pool() {
    let (seen, _alone) = alone();
    let threads = new_single_thread_context("one");
    run_blocking(async |scope| {
        for _ in 0..10 {
            scope.with(&threads).launch(async {
                assert!(!Span::current().is_none());
                yield_now().await;
            });
        }
        let (sender, receiver) = mpsc::channel();
        let executor = threads.as_executor();
        executor.execute(move || sender.send(Span::current().is_none()).unwrap())?;
        assert!(receiver.recv()?);
        Ok(())
    })
    .unwrap();
    seen.all_have_closed();
}

#[test]
fn a_coroutine_that_moves_between_threads_takes_its_span_along() {
    let (seen, _alone) = alone();
    let [one, two] = ["one", "two"].map(new_single_thread_context);
    run_blocking(async |scope| {
        let (to_two, name) = (two.clone(), CoroutineName::new("moves"));
        scope.with(&one + name).launch(async move {
            info!("on one");
            let user = info_span!("user");
            let section = user.in_scope(|| {
                with_context(to_two + TracingContext::new(info_span!("section")), async {
                    info!("on two");
                    yield_now().await;
                    say("still on two")
                })
            });
            section.await?;
            say("on one again")
        });
        Ok(())
    })
    .unwrap();
    let around = ["coroutine", "moves"].map(String::from);
    let section = ["coroutine", "moves", "user", "section"].map(String::from);
    let expected = [
        ("on one", &around[..]),
        ("on two", &section[..]),
        ("still on two", &section[..]),
        ("on one again", &around[..]),
    ];
    let expected = expected.map(|(message, spans)| (message.to_owned(), spans.to_vec()));
    assert_eq!(seen.messages(), expected);
    seen.all_have_closed();
}

#[test]
fn a_span_closes_with_its_coroutine_though_the_parent_and_handles_live_on() {
    let (seen, _alone) = alone();
    run_blocking(async |scope| {
        let before = seen.closed.load(Ordering::Relaxed);
        let jobs: Vec<Job> = (0..10).map(|_| scope.launch(async {})).collect();
        while !jobs.iter().all(Job::is_completed) {
            yield_now().await;
        }
        assert_eq!(seen.closed.load(Ordering::Relaxed), before + 10);
        Ok(())
    })
    .unwrap();
    seen.all_have_closed();
}

#[test]
fn a_cancellation_that_meets_the_end_leaves_no_span_open() {
    let (seen, _alone) = alone();
    for _ in 0..200 {
        let scope = CoroutineScope::new(Dispatcher::DEFAULT);
        let barrier = Arc::new(Barrier::new(2));
        let there = barrier.clone();
        let job = scope.launch(async move {
            there.wait();
            yield_now().await;
        });
        barrier.wait();
        scope.cancel();
        run_blocking(async |_| {
            job.join().await;
            Ok(())
        })
        .unwrap();
    }
    seen.all_have_closed();
}
