//! Errors of other libraries, and where an error was awaited (decisions 15, 16).

mod support;

use std::error::Error as StdError;

use corox_core::{
    Deferred, Dispatcher, Error, OrFail, Result, await_all, coroutine_scope, run_blocking,
    supervisor_scope, with_context, yield_now,
};
use support::{checked, root};

type Way = std::pin::Pin<Box<dyn Future<Output = Result<()>> + Send>>;

fn boxed(text: &str) -> Result<i32, Box<dyn StdError + Send + Sync>> {
    Ok(text.parse::<i32>()?)
}

/// Decision 16
#[test]
fn a_boxed_error_comes_in_with_its_type_and_the_callers_line() {
    root(async |_| {
        assert_eq!(boxed("4").or_fail()?, 4);
        let line = line!() + 1;
        let error = boxed("four").or_fail().unwrap_err();
        assert_eq!(error.location().line(), line);
        assert!(error.downcast_ref::<std::num::ParseIntError>().is_some());
        let own = Error::msg("own");
        let inside: Result<(), Box<dyn StdError + Send + Sync>> = Err(own.clone().into());
        assert!(inside.or_fail().unwrap_err().ptr_eq(&own));
        Ok(())
    });
}

/// What may not go to other threads leaves its text, with those of its causes.
#[test]
fn a_boxed_error_that_is_not_send_comes_in_as_its_texts() {
    #[derive(Debug)]
    struct Outer(std::rc::Rc<std::num::ParseIntError>);
    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("cannot read the port")
        }
    }
    impl StdError for Outer {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(&*self.0)
        }
    }
    fn port(text: &str) -> Result<u16, Box<dyn StdError>> {
        Ok(text
            .parse()
            .map_err(|error| Outer(std::rc::Rc::new(error)))?)
    }
    assert_eq!(port("80").or_fail().unwrap(), 80);
    let line = line!() + 1;
    let error = port("http").or_fail().unwrap_err();
    assert_eq!(error.location().line(), line);
    assert_eq!(
        error.to_string(),
        "cannot read the port: invalid digit found in string"
    );
}

/// Texts as errors, which is how small functions and `ok_or` have them.
#[test]
fn texts_come_in_as_messages_with_the_callers_line() {
    root(async |_| {
        let found: Result<i32, &'static str> = Some(4).ok_or("nothing there");
        assert_eq!(found.or_fail()?, 4);
        let line = line!() + 1;
        let error = None::<i32>.ok_or("nothing there").or_fail().unwrap_err();
        assert_eq!(error.location().line(), line);
        assert_eq!(error.to_string(), "nothing there");
        let owned: Result<i32, String> = Err(format!("no {}", 7));
        let line = line!() + 1;
        let error = owned.or_fail().unwrap_err();
        assert_eq!(error.location().line(), line);
        assert_eq!(error.to_string(), "no 7");
        assert_eq!(Ok::<_, String>(1).or_fail()?, 1);
        Ok(())
    });
}

/// Decision 15
#[test]
fn an_error_goes_out_as_a_box_and_comes_back_the_same() {
    let own = Error::msg("own");
    let out: Box<dyn StdError + Send + Sync> = own.clone().into();
    assert_eq!(out.to_string(), "own");
    assert!(Error::from_boxed(out).ptr_eq(&own));
}

#[cfg(feature = "anyhow")]
mod with_anyhow {
    use super::support::forever;
    use super::*;
    use anyhow::Context;

    fn parse(text: &str) -> anyhow::Result<i32> {
        text.parse::<i32>()
            .with_context(|| format!("cannot read {text}"))
    }

    /// Decision 16
    #[test]
    fn anyhows_errors_come_in_with_contexts_types_and_the_callers_line() {
        root(async |_| {
            assert_eq!(parse("4").or_fail()?, 4);
            let line = line!() + 1;
            let error = parse("four").or_fail().unwrap_err();
            assert_eq!(error.location().line(), line);
            assert_eq!(error.to_string(), "cannot read four");
            assert!(error.downcast_ref::<std::num::ParseIntError>().is_some());
            assert!(error.downcast_ref::<std::fmt::Error>().is_none());
            let text = format!("{error:?}");
            assert!(text.contains("caused by: invalid digit"), "{text}");
            Ok(())
        });
    }

    /// Decision 15
    #[test]
    fn an_error_goes_out_by_the_question_mark_and_comes_back_the_same() {
        fn fail(error: Error) -> anyhow::Result<()> {
            Err(error)?;
            Ok(())
        }
        let own = Error::msg("own");
        let out = fail(own.clone()).unwrap_err();
        assert_eq!(out.to_string(), "own");
        let back = Err::<(), _>(out).or_fail().unwrap_err();
        assert!(back.ptr_eq(&own));
        // With a context around it, it is another error.
        let around = fail(own.clone())
            .context("while saving")
            .or_fail()
            .unwrap_err();
        assert!(!around.ptr_eq(&own));
        assert_eq!(around.to_string(), "while saving");
        assert!(format!("{around:?}").contains("caused by: own"));
    }

    /// A cancellation that passes through anyhow stays one.
    #[test]
    fn a_cancellation_stays_a_cancellation() {
        root(async |scope| {
            let job = scope.spawn(async {
                let cancelled = corox_core::catch_cancellation(forever()).await;
                let through: anyhow::Result<()> = cancelled.map_err(anyhow::Error::from);
                through.or_fail()?;
                Ok(())
            });
            yield_now().await;
            job.cancel();
            job.join().await;
            assert!(job.is_cancelled() && job.cause().unwrap().is_cancellation());
            Ok(())
        });
    }
}

fn lines(error: &Error) -> Vec<u32> {
    let places = error.awaited_at();
    assert!(
        places
            .iter()
            .all(|place| place.file().ends_with("borders_of_errors.rs"))
    );
    places.iter().map(|place| place.line()).collect()
}

/// The counterpart of recovered stack traces: each place on the way, innermost first.
#[test]
fn an_error_tells_where_it_arose_and_where_it_was_awaited() {
    let mut expected = Vec::new();
    let (error, inside) = checked(|| {
        let mut inside = Vec::new();
        let error = run_blocking(async |_| {
            inside.push(line!() + 1);
            let failed = supervisor_scope(async |scope| {
                let deferred: Deferred<()> = scope.spawn(async { Err(Error::msg("deep")) });
                inside.insert(0, line!() + 1);
                deferred.await
            });
            failed.await
        });
        (error.unwrap_err(), inside)
    });
    expected.extend(inside);
    let lines = lines(&error);
    assert_eq!(lines[..2], expected[..]);
    assert_eq!(lines.len(), 3, "and run_blocking: {lines:?}");
    let text = format!("{error:?}");
    let at = |line: u32| text.find(&format!("borders_of_errors.rs:{line}:")).unwrap();
    assert!(at(error.location().line()) < at(lines[0]) && at(lines[0]) < at(lines[1]));
    assert_eq!(text.matches("awaited at").count(), 3, "{text}");
}

#[test]
fn await_all_and_changes_of_context_are_places_too_and_each_is_told_once() {
    root(async |_| {
        let mut expected = Vec::new();
        let error = supervisor_scope(async |scope| {
            let bad: Deferred<()> = scope.spawn(async {
                yield_now().await;
                Err(Error::msg("one"))
            });
            expected.push(line!() + 1);
            let all = await_all([&bad, &bad]).await.unwrap_err();
            for _ in 0..3 {
                let line = line!() + 1;
                assert!((&bad).await.unwrap_err().ptr_eq(&all));
                if expected.len() == 1 {
                    expected.push(line);
                }
            }
            expected.push(line!() + 1);
            let moved = with_context(Dispatcher::DEFAULT, async move { bad.await });
            Ok(moved.await.unwrap_err())
        })
        .await?;
        let mut lines = lines(&error);
        assert_eq!(lines.len(), 4);
        lines.dedup();
        assert_eq!(lines, expected);
        Ok(())
    });
}

#[test]
fn a_long_way_is_cut_and_cancellations_keep_none() {
    root(async |_| {
        fn nested(depth: usize) -> std::pin::Pin<Box<dyn Future<Output = Result<()>> + Send>> {
            Box::pin(async move {
                if depth == 0 {
                    return Err(Error::msg("deep"));
                }
                coroutine_scope(async |_| nested(depth - 1).await).await
            })
        }
        // One line, however often.
        assert_eq!(nested(30).await.unwrap_err().awaited_at().len(), 1);
        // Each use of the macro is a place of its own.
        macro_rules! way {
            () => {
                |error: Error| {
                    let result: Way = Box::pin(coroutine_scope(async |_| Err(error)));
                    result
                }
            };
        }
        #[rustfmt::skip]
        let ways: [fn(Error) -> Way; 18] = [
            way!(), way!(), way!(), way!(), way!(), way!(), way!(), way!(), way!(),
            way!(), way!(), way!(), way!(), way!(), way!(), way!(), way!(), way!(),
        ];
        let error = Error::msg("far");
        let cancelled = Error::cancellation("quiet");
        for way in ways {
            assert!(way(error.clone()).await.unwrap_err().ptr_eq(&error));
            assert!(way(cancelled.clone()).await.unwrap_err().ptr_eq(&cancelled));
        }
        assert_eq!(error.awaited_at().len(), 16);
        let text = format!("{error:?}");
        assert!(text.contains("and at 2 more places"), "{text}");
        assert!(cancelled.awaited_at().is_empty());
        Ok(())
    });
}
