//! Debug mode, and where an error has been.

use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::fmt;
use std::process::Command;

use corox::{
    CoroutineName, DEFAULT, Error, GlobalScope, Result, await_cancellation, catch_cancellation,
    coroutine_scope, debug_mode, run_blocking, set_debug_mode, thread_label, with_context,
};
use corox_test::run_test;

/// Runs the test of this name once more, in a process of its own, with what `COROX_DEBUG` says; there it is `body`.
///
/// The mode is that of a process, and `run_test` gives numbers in either.
fn in_a_process(name: &str, mode: Option<&str>, body: impl FnOnce()) {
    const CHILD: &str = "COROX_GUIDE_CHILD";
    if std::env::var_os(CHILD).is_some() {
        return body();
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", &format!("debugging::{name}"), "--nocapture"])
        .env(CHILD, "1");
    match mode {
        Some(mode) => child.env("COROX_DEBUG", mode),
        None => child.env_remove("COROX_DEBUG"),
    };
    let output = child.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

// ---- names

#[test]
fn debug_mode_naming_each_coroutine_has_a_unique_name_in_its_string_and_in_the_label_of_its_thread()
{
    set_debug_mode(true);
    run_test(async |t| {
        let mut numbers = BTreeSet::new();
        for name in ["coroutine", "loader"] {
            let launcher = match name {
                "coroutine" => t.with(DEFAULT),
                name => t.with(DEFAULT + CoroutineName::new(name)),
            };
            for _ in 0..3 {
                let deferred = launcher.spawn(async { Ok(thread_label()) });
                let number = deferred.id().expect("a number");
                assert!(numbers.insert(number), "{number} was given twice");
                let string = deferred.job().to_string();
                let begin = format!("\"{name}#{number}\":DeferredCoroutine{{");
                assert!(string.starts_with(&begin), "{string}");
                let label = deferred.await?;
                assert!(label.starts_with("corox-default-"), "{label}");
                assert!(label.ends_with(&format!(" @{name}#{number}")), "{label}");
            }
        }
        Ok(())
    });
}

fn string_and_label() -> (String, String) {
    run_blocking(async |scope| {
        let deferred = scope.spawn(async { Ok(thread_label()) });
        Ok((deferred.job().to_string(), deferred.await?))
    })
    .unwrap()
}

#[test]
fn debug_mode_naming_switched_off_there_are_no_names() {
    let this = "debug_mode_naming_switched_off_there_are_no_names";
    in_a_process(this, Some("off"), || {
        let (string, label) = string_and_label();
        assert!(string.starts_with("DeferredCoroutine{"), "{string}");
        assert!(!label.contains('@'), "{label}");
    });
}

#[test]
fn debug_mode_naming_is_switched_on_by_a_variable() {
    let this = "debug_mode_naming_is_switched_on_by_a_variable";
    in_a_process(this, Some("on"), || {
        let (string, label) = string_and_label();
        assert!(string.starts_with("\"coroutine#2\":"), "{string}");
        assert!(label.ends_with(" @coroutine#2"), "{label}");
    });
}

/// In a release build it is off.
#[test]
fn debug_mode_naming_follows_the_assertions_of_the_build() {
    let this = "debug_mode_naming_follows_the_assertions_of_the_build";
    in_a_process(this, None, || {
        assert_eq!(debug_mode(), cfg!(debug_assertions));
        let (string, _) = string_and_label();
        assert_eq!(string.starts_with('"'), cfg!(debug_assertions), "{string}");
    });
}

// ---- where an error has been

/// An error of the program: not `Clone`, with a field of its own, and a message that it makes of it.
#[derive(Debug)]
struct HttpError {
    status: u16,
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server answered {}", self.status)
    }
}

impl StdError for HttpError {}

fn request() -> Result<(), HttpError> {
    Err(HttpError { status: 503 })
}

/// A failure that was awaited twice on its way.
async fn failed_part() -> Error {
    let page = GlobalScope.spawn(async {
        request()?; // it arises
        Ok(())
    });
    let part = async {
        page.await?; // it is awaited
        Ok(())
    };
    let part = with_context(DEFAULT, part); // it comes back from another dispatcher
    part.await.unwrap_err()
}

/// The line of this file that ends with `mark`.
fn place(mark: &str) -> String {
    let mut lines = include_str!("debugging.rs").lines();
    let index = lines.position(|line| line.ends_with(mark)).unwrap();
    format!("{}:{}:", file!(), index + 1)
}

fn tells_its_way(error: &Error) {
    let arose = place("// it arises");
    let awaited = [
        place("// it is awaited"),
        place("// it comes back from another dispatcher"),
    ];
    assert!(error.location().to_string().starts_with(&arose));
    let noted: Vec<_> = error.awaited_at().iter().map(|at| at.to_string()).collect();
    assert_eq!(noted.len(), 2, "{noted:?}");
    assert!(noted[0].starts_with(&awaited[0]), "{noted:?}");
    assert!(noted[1].starts_with(&awaited[1]), "{noted:?}");
    let report = format!("{error:?}");
    let lines: Vec<_> = report.lines().map(str::trim_start).collect();
    assert_eq!(lines[0], "the server answered 503");
    assert!(lines[1].starts_with(&format!("at {arose}")), "{report}");
    for (line, place) in lines[2..].iter().zip(&awaited) {
        assert!(line.starts_with(&format!("awaited at {place}")), "{report}");
    }
    assert_eq!(lines.len(), 4, "{report}");
    assert_eq!(error.to_string(), lines[0], "the message is as it was");
}

/// In place of a copy with a stitched trace: the error notes where it arose, and each place at which it was handed on.
#[test]
fn debug_stacktrace_recovery_an_error_tells_where_it_arose_and_where_it_was_awaited() {
    run_test(async |_| tells_its_way(&failed_part().await));
}

/// It costs a note at each failure, so no switch is needed to have it or to be without.
#[test]
fn debug_stacktrace_recovery_is_there_without_debug_mode() {
    let this = "debug_stacktrace_recovery_is_there_without_debug_mode";
    in_a_process(this, Some("off"), || {
        run_blocking(async |_| {
            tells_its_way(&failed_part().await);
            Ok(())
        })
        .unwrap();
    });
}

/// What comes out of each boundary is the very error that went in, so that no type has to say how it is copied, nor whether.
#[test]
fn debug_recovery_copyable_every_boundary_hands_on_the_original() {
    run_test(async |_| {
        let original = Error::from(HttpError { status: 404 });
        let failure = original.clone();
        let deferred = GlobalScope.spawn(async move { Err::<(), _>(failure) });
        let first = (&deferred).await.unwrap_err();
        let second = (&deferred).await.unwrap_err();
        let failure = second.clone();
        let part = with_context(DEFAULT, async move { Err::<(), _>(failure) });
        let part = part.await.unwrap_err();
        let failure = part.clone();
        let scope = coroutine_scope(async |scope| {
            scope.launch(async move { Err(failure) });
            Ok(())
        });
        let scope = scope.await.unwrap_err();
        let value = original.downcast_ref::<HttpError>().unwrap();
        for error in [first, second, part, scope] {
            assert!(error.ptr_eq(&original));
            assert!(std::ptr::eq(error.downcast_ref().unwrap(), value));
        }
        // Each of the four has left its place in the one error.
        assert_eq!(original.awaited_at().len(), 4);
    });
}

/// Of an error with fields and of what is attached to it, too, there is only the one.
#[test]
fn debug_recovery_not_copied_fields_and_suppressed_errors_are_those_of_the_one_error() {
    run_test(async |t| {
        let root = GlobalScope.with(t.dispatcher().clone());
        let deferred = root.spawn(coroutine_scope(async |scope| {
            scope.launch(async {
                let _ = catch_cancellation(await_cancellation()).await;
                Err(Error::msg("and the cleanup failed"))
            });
            scope.launch(async { Ok(request()?) });
            Ok(())
        }));
        let error = (&deferred).await.unwrap_err();
        let again = (&deferred).await.unwrap_err();
        assert!(again.ptr_eq(&error));
        assert_eq!(error.downcast_ref::<HttpError>().unwrap().status, 503);
        let suppressed = again.suppressed();
        assert_eq!(suppressed.len(), 1);
        assert!(suppressed[0].ptr_eq(&error.suppressed()[0]));
        let report = format!("{error:?}");
        assert_eq!(report.matches("the server answered 503").count(), 1);
        assert_eq!(
            report.matches("suppressed: and the cleanup failed").count(),
            1,
            "{report}"
        );
    });
}
