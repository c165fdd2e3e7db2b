//! Subscribers that do things when they are told of coroutines.
#![cfg(feature = "tracing")]

#[path = "support/logs.rs"]
mod logs;
mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use corox_core::{
    CompletableDeferred, Deferred, Dispatcher, Error, Job, Result, await_cancellation,
    catch_cancellation, run_blocking, supervisor_scope, yield_now,
};
use logs::{here, infos_and_ends, name, said_of, short};
use support::checked;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::with_default;
use tracing::{Event, Metadata, Subscriber, info};

/// A subscriber that calls `on` whenever it is told anything, and says that each span is the current one.
struct Calls<F>(F);

impl<F: Fn(&'static str) + 'static> Subscriber for Calls<F> {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        (self.0)("new");
        Id::from_u64(1)
    }
    fn record(&self, _span: &Id, _values: &Record<'_>) {}
    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}
    fn event(&self, event: &Event<'_>) {
        if event.metadata().target().starts_with("corox") {
            (self.0)("event");
        }
    }
    fn enter(&self, _span: &Id) {
        (self.0)("enter");
    }
    fn exit(&self, _span: &Id) {
        (self.0)("exit");
    }
    fn try_close(&self, _id: Id) -> bool {
        (self.0)("close");
        true
    }
}

/// Everything that coroutines do.
fn everything(seen: &Mutex<Vec<Job>>) -> Result<()> {
    run_blocking(async |root| {
        let see = |job: &Job| seen.lock().unwrap().push(job.clone());
        see(root.job());
        supervisor_scope(async |scope| {
            see(scope.job());
            see(&scope.launch(async { yield_now().await }));
            scope.lazy().launch(async {}).join().await;
            let deferred: Deferred<()> = scope.spawn(async { Err(Error::msg("kept")) });
            assert!(deferred.await.is_err());
            let job = scope.launch(async {
                let children = async || {
                    here().launch(await_cancellation());
                    await_cancellation().await;
                };
                let _ = catch_cancellation(children()).await;
            });
            see(&job);
            yield_now().await;
            job.cancel_and_join().await;
            Ok(())
        })
        .await
    })
}

/// Has a subscriber look at all jobs whenever it is told anything, and perhaps cancel those that are launched.
fn looked_at(cancels: bool) -> Vec<Job> {
    checked(move || {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let looked = Arc::new(AtomicUsize::new(0));
        let (jobs, count) = (seen.clone(), looked.clone());
        let calls = Calls(move |what| {
            let jobs: Vec<Job> = jobs.lock().unwrap().clone();
            for job in &jobs {
                count.fetch_add(1, Ordering::Relaxed);
                // Each takes the lock of the job.
                let _ = (job.parent(), job.children(), job.cause());
            }
            if cancels && what == "event" {
                for job in jobs.iter().skip(2) {
                    job.cancel();
                }
            }
        });
        with_default(calls, || everything(&seen)).unwrap();
        assert!(looked.load(Ordering::Relaxed) > 100);
        seen.lock().unwrap().clone()
    })
}

#[test]
fn a_subscriber_may_look_at_jobs() {
    let jobs = looked_at(false);
    assert!(!jobs[2].is_cancelled() && jobs[3].is_cancelled());
}

#[test]
fn a_subscriber_may_cancel_jobs() {
    let jobs = looked_at(true);
    assert!(jobs[2..].iter().all(Job::is_cancelled));
}

#[test]
fn a_subscriber_that_launches_is_not_told_of_what_it_launches() {
    checked(|| {
        let launched = Arc::new(AtomicUsize::new(0));
        let ran = Arc::new(AtomicUsize::new(0));
        let (count, runs) = (launched.clone(), ran.clone());
        let calls = Calls(move |_| {
            if Job::current().is_none_or(|job| job.is_completed()) {
                return;
            }
            count.fetch_add(1, Ordering::Relaxed);
            let runs = runs.clone();
            here().launch(async move {
                runs.fetch_add(1, Ordering::Relaxed);
            });
        });
        with_default(calls, || {
            run_blocking(async |scope| {
                scope.launch(async { yield_now().await });
                Ok(())
            })
        })
        .unwrap();
        let launched = launched.load(Ordering::Relaxed);
        assert!((1..50).contains(&launched), "{launched}");
        assert_eq!(ran.load(Ordering::Relaxed), launched);
    });
}

#[test]
fn a_subscriber_that_panics_fails_no_coroutine() {
    for panics_at in ["new", "enter", "exit", "event", "close"] {
        let count = Arc::new(AtomicUsize::new(0));
        let told = count.clone();
        checked(move || {
            let calls = Calls(move |what| {
                if what == panics_at {
                    told.fetch_add(1, Ordering::Relaxed);
                    panic!("a subscriber panics at {what}, as it is meant to");
                }
            });
            with_default(calls, || everything(&Mutex::default())).unwrap();
        });
        assert!(count.load(Ordering::Relaxed) > 4, "{panics_at}");
    }
}

#[test]
fn spans_stay_with_the_subscriber_that_has_made_them() {
    checked(|| {
        let second = logs::Text::default();
        let writer = second.clone();
        let first = infos_and_ends(|| {
            run_blocking(async |scope| {
                let gate = CompletableDeferred::<()>::new();
                let waits = gate.clone();
                scope.with(name("old")).launch(async move {
                    (&waits).await.unwrap();
                    info!("to the second");
                });
                yield_now().await;
                let subscriber = tracing_subscriber::fmt().with_writer(writer).without_time();
                let subscriber = subscriber.with_ansi(false).with_target(false).finish();
                let changed = tracing::subscriber::set_default(subscriber);
                let new = scope.with(name("new")).launch(async { info!("also") });
                gate.complete(());
                new.join().await;
                while !scope.job().children().is_empty() {
                    yield_now().await;
                }
                drop(changed);
                Ok(())
            })
            .unwrap();
        });
        let second: Vec<_> = second.lines().iter().map(|line| short(line)).collect();
        assert_eq!(second, ["INFO also", "INFO to the second"]);
        assert_eq!(
            first,
            [
                "INFO {}:{new}: close",
                "INFO {}:{old}: close",
                "INFO {}: close"
            ]
        );
    });
}

#[test]
fn a_subscriber_of_one_thread_is_told_what_happens_to_its_coroutines_on_others() {
    let lines = said_of(LevelFilter::DEBUG, async |scope| {
        let there = scope.with(Dispatcher::DEFAULT + name("there"));
        there.launch(async { here().with(name("child")).launch(async {}).join().await });
        Ok(())
    });
    let lines: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("{there}"))
        .collect();
    let expected = [
        "DEBUG {}:{there}: started",
        "DEBUG {}:{there}:{child}: started",
        "DEBUG {}:{there}:{child}: completed",
        "DEBUG {}:{there}: completed",
    ];
    assert_eq!(lines, expected);
}
