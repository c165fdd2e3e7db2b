//! The one error: conversions (decision 15), identity, source chain, what `{}` and `{:?}` show.

mod support;

use std::error::Error as StdError;
use std::fmt;
use std::num::ParseIntError;

use corox_core::{
    CancellationError, Error, Result, StdErrorOf, catch_cancellation, run_blocking,
    supervisor_scope, try_catch_cancellation, yield_now,
};
use support::checked;

/// An error with a source, as users write them.
#[derive(Debug)]
struct Loading(ParseIntError);

impl fmt::Display for Loading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot load")
    }
}

impl StdError for Loading {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
}

/// An enum with a corox error as its source, as `#[from]` writes it.
#[derive(Debug)]
enum Domain {
    Corox(StdErrorOf),
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("domain")
    }
}

impl StdError for Domain {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Domain::Corox(error) => Some(error),
        }
    }
}

fn parse(text: &str) -> Result<i32> {
    Ok(text.parse::<i32>()?)
}

fn load(text: &str) -> Result<i32> {
    Ok(text.parse::<i32>().map_err(Loading)?)
}

/// Decision 15: `?` takes any `std::error::Error`, which is found again by its type.
#[test]
fn the_question_mark_takes_any_error() {
    let error = parse("x").unwrap_err();
    assert!(error.downcast_ref::<ParseIntError>().is_some());
    assert!(error.downcast_ref::<fmt::Error>().is_none());
    assert!(!error.is_cancellation() && !error.is_panic());
    assert_eq!(error.to_string(), "invalid digit found in string");
}

/// Decision 15: `?` carries an `Error` into both boxed errors.
#[test]
fn the_question_mark_carries_it_into_boxed_errors() {
    fn shared() -> std::result::Result<i32, Box<dyn StdError + Send + Sync>> {
        Ok(parse("x")?)
    }
    fn local() -> std::result::Result<i32, Box<dyn StdError>> {
        Ok(load("x")?)
    }
    assert_eq!(
        shared().unwrap_err().to_string(),
        "invalid digit found in string"
    );
    let local = local().unwrap_err();
    assert_eq!(local.to_string(), "cannot load");
    assert_eq!(
        local.source().unwrap().to_string(),
        "invalid digit found in string"
    );
}

/// Decision 15: a boxed error that came from an `Error` is the same `Error` again.
#[test]
fn a_round_trip_through_the_standard_error_keeps_the_identity() {
    let error = parse("x").unwrap_err();
    let standard = error.clone().into_std();
    assert!(standard.get_ref().ptr_eq(&error));
    let again: Error = standard.into();
    assert!(again.ptr_eq(&error));
    let boxed: Box<dyn StdError + Send + Sync> = error.clone().into();
    let inside = boxed.downcast_ref::<StdErrorOf>().unwrap();
    assert!(inside.get_ref().ptr_eq(&error));
}

/// Decision 16: as a `#[source]` field it keeps the whole chain.
#[test]
fn a_domain_error_keeps_the_source_chain() {
    let domain = Domain::Corox(load("x").unwrap_err().into_std());
    let mut chain = Vec::new();
    let mut at: Option<&dyn StdError> = Some(&domain);
    while let Some(error) = at {
        chain.push(error.to_string());
        at = error.source();
    }
    assert_eq!(
        chain,
        ["domain", "cannot load", "invalid digit found in string"]
    );
}

/// Boxed errors, and what converts into them, come in by `from_boxed`; a boxed `Error` is itself again.
#[test]
fn boxed_errors_come_in_by_from_boxed() {
    let error = Error::from_boxed("text");
    assert_eq!(error.to_string(), "text");
    let boxed: Box<dyn StdError + Send + Sync> = Box::new(Loading(parse_error()));
    let error = Error::from_boxed(boxed);
    assert!(error.downcast_ref::<Loading>().is_some());
    let own = Error::cancellation("stop");
    let boxed: Box<dyn StdError + Send + Sync> = own.clone().into();
    assert!(Error::from_boxed(boxed).ptr_eq(&own));
}

fn parse_error() -> ParseIntError {
    "x".parse::<i32>().unwrap_err()
}

/// A clone is the same error, an equal one is not.
#[test]
fn identity_is_that_of_clones() {
    let error = Error::msg("a");
    assert!(error.ptr_eq(&error.clone()));
    assert!(!error.ptr_eq(&Error::msg("a")));
}

/// The kinds tell themselves apart.
#[test]
fn the_kinds_of_errors_tell_themselves_apart() {
    checked(|| {
        let failure = Error::msg("disk full");
        let plain = Error::cancellation("stop");
        let caused = Error::cancellation_caused_by("stop", failure.clone());
        assert!(plain.is_cancellation() && plain.cause().is_none());
        assert!(caused.is_cancellation() && caused.cause().unwrap().ptr_eq(&failure));
        assert!(!failure.is_cancellation() && failure.cause().is_none());
        let panic = run_blocking(async |_| {
            supervisor_scope(async |scope| {
                let deferred = scope.spawn(async {
                    if true {
                        panic!("{}", 7);
                    }
                    Ok(())
                });
                Ok(deferred.await.unwrap_err())
            })
            .await
        })
        .unwrap();
        assert!(panic.is_panic() && !panic.is_cancellation());
        assert_eq!(panic.to_string(), "panicked: 7");
    });
}

/// `?` on a `CancellationError` gives the cancellation that it carries, not a failure round it.
#[test]
fn the_question_mark_on_a_cancellation_error_gives_the_cancellation() {
    checked(|| {
        let cause = Error::cancellation("stop");
        let with = cause.clone();
        run_blocking(async |scope| {
            let job = scope.launch(async {
                catch_cancellation(std::future::pending::<()>()).await?;
                Ok(())
            });
            yield_now().await;
            job.cancel_with(with);
            job.join().await;
            assert!(job.cause().unwrap().is_cancellation());
            let spawned = scope.spawn(async {
                let seen: CancellationError = catch_cancellation(std::future::pending::<()>())
                    .await
                    .unwrap_err();
                assert_eq!(seen.to_string(), "stop");
                assert!(seen.cause().is_cancellation());
                assert!(seen.clone().into_error().ptr_eq(seen.cause()));
                Ok(())
            });
            yield_now().await;
            spawned.cancel_with(Error::cancellation("stop"));
            assert!(spawned.await.unwrap_err().is_cancellation());
            let flat: Result<()> = try_catch_cancellation(async { Ok(()) }).await;
            flat
        })
        .unwrap();
        assert!(cause.suppressed().is_empty());
    });
}

/// `{:?}` shows the message and where the error arose: the line of the `?`, of the constructor.
#[test]
fn debug_shows_where_the_error_arose() {
    let line = line!() + 1;
    let made = Error::msg("broken");
    assert_eq!(
        format!("{made:?}"),
        format!("broken\n    at {}:{line}:16", file!())
    );
    assert_eq!(made.location().line(), line);
    let converted = parse("x").unwrap_err();
    let text = format!("{converted:?}");
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("invalid digit found in string"));
    let at = lines.next().unwrap();
    assert!(at.starts_with(&format!("    at {}:", file!())), "{text}");
    assert_eq!(lines.next(), None);
}

/// `{:?}` shows the causes and the suppressed failures, each with its place; `{}` the message alone.
#[test]
fn debug_shows_causes_and_suppressed_failures() {
    checked(|| {
        let error = run_blocking(async |scope| {
            scope.launch(async {
                let _ = catch_cancellation(std::future::pending::<()>()).await;
                Err::<(), _>(load("x").unwrap_err())
            });
            yield_now().await;
            Err::<(), _>(Error::msg("first"))
        })
        .unwrap_err();
        assert_eq!(error.to_string(), "first");
        let text = without_places(&format!("{error:?}"));
        assert_eq!(
            text,
            [
                "first",
                "    at errors.rs",
                "    awaited at errors.rs",
                "    suppressed: cannot load",
                "        at errors.rs",
                "    caused by: invalid digit found in string",
            ]
        );
    });
}

/// The chain of a cancellation goes on to the failure that led to it.
#[test]
fn debug_of_a_cancellation_shows_the_failure_behind_it() {
    checked(|| {
        run_blocking(async |_| {
            let sibling = supervisor_scope(async |scope| {
                let group = corox_core::CompletableJob::child_of(scope.job());
                let sibling = scope
                    .with(group.clone())
                    .spawn(std::future::pending::<Result<()>>());
                group.fail(load("x").unwrap_err());
                Ok(sibling)
            })
            .await?;
            let error = sibling.await.unwrap_err();
            assert!(error.is_cancellation());
            let text = without_places(&format!("{error:?}"));
            assert_eq!(
                text,
                [
                    "the parent coroutine has failed",
                    "    at cancel.rs",
                    "caused by: cannot load",
                    "    at errors.rs",
                    "caused by: invalid digit found in string",
                ]
            );
            Ok(())
        })
        .unwrap();
    });
}

/// The lines of `text` with each place cut down to its file.
fn without_places(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| match line.split_once("at ") {
            Some((before, place)) if ["", "awaited"].contains(&before.trim()) => {
                let file = place.split(':').next().unwrap();
                format!("{before}at {}", file.rsplit('/').next().unwrap())
            }
            _ => line.to_owned(),
        })
        .collect()
}

/// A chain of suppressed failures that leads back to itself is shown to a bounded depth.
#[test]
fn debug_of_suppressed_failures_is_bounded() {
    checked(|| {
        let (a, b) = (Error::msg("a"), Error::msg("b"));
        for (first, second) in [(&a, &b), (&b, &a)] {
            let (first, second) = (first.clone(), second.clone());
            let _ = run_blocking(async |scope| {
                scope.launch(async {
                    let _ = catch_cancellation(std::future::pending::<()>()).await;
                    Err::<(), _>(second)
                });
                yield_now().await;
                Err::<(), _>(first)
            });
        }
        assert!(a.suppressed()[0].ptr_eq(&b) && b.suppressed()[0].ptr_eq(&a));
        assert!(format!("{a:?}").lines().count() < 40);
    });
}

/// Errors are made to be passed between threads and kept.
#[test]
fn an_error_is_send_sync_and_static() {
    fn check<T: Send + Sync + 'static>() {}
    check::<Error>();
    check::<StdErrorOf>();
    check::<CancellationError>();
}
