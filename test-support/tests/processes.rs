//! What needs a process of its own: the environment, stderr, and failures that belong to no test.

use std::process::{Command, Output};
use std::time::Duration;

use corox_core::{
    CoroutineName, CoroutineScope, Error, GlobalScope, await_cancellation, run_blocking,
};
use corox_test::{TestScope, explore, run_test};

/// In the environment of a child: the test that it is to do.
const CHILD: &str = "COROX_TEST_CHILD";

fn is_child(name: &str) -> bool {
    std::env::var(CHILD).is_ok_and(|child| child == name)
}

/// Runs the test `name` of this binary in a process of its own.
fn child(name: &str, environment: &[(&str, &str)]) -> (Output, String, String) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, name)
        .env("RUST_BACKTRACE", "0")
        .env_remove("COROX_TEST_TIMEOUT")
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    (output, out, err)
}

/// V-11: the environment sets the limit.
#[test]
fn the_environment_sets_the_limit() {
    let name = "the_environment_sets_the_limit";
    if is_child(name) {
        run_test(async |_| await_cancellation().await);
    }
    let (output, _, err) = child(name, &[("COROX_TEST_TIMEOUT", "70ms")]);
    assert!(!output.status.success());
    assert!(
        err.contains("the test has not completed after 70ms of real time"),
        "{err}"
    );
}

#[test]
fn a_limit_that_is_none_is_refused() {
    let name = "a_limit_that_is_none_is_refused";
    if is_child(name) {
        run_test(async |_| {});
    }
    let (output, _, err) = child(name, &[("COROX_TEST_TIMEOUT", "soon")]);
    assert!(!output.status.success());
    assert!(
        err.contains("COROX_TEST_TIMEOUT is \"soon\", which is no limit"),
        "{err}"
    );
    assert!(
        err.contains("processes.rs"),
        "the caller's line is named: {err}"
    );
}

/// V-11: while the thread is blocked nobody else can tell what hangs.
#[test]
fn the_dump_of_a_blocked_test_is_told_while_it_is_blocked() {
    let name = "the_dump_of_a_blocked_test_is_told_while_it_is_blocked";
    if is_child(name) {
        let limit = Duration::from_millis(20);
        TestScope::default().run_test_within(limit, async |t| {
            t.with(CoroutineName::new("waiting"))
                .launch(async { await_cancellation().await });
            t.run_current().await;
            // Beyond the limit and the second in which the loop would have answered.
            std::thread::sleep(Duration::from_millis(1200));
            println!("the thread goes on");
        });
    }
    let (output, out, err) = child(name, &[]);
    assert!(!output.status.success());
    let told = err
        .find(" has not completed after 20ms, and its thread is blocked")
        .unwrap_or_else(|| panic!("{err}"));
    assert!(err[told..].contains("`blocking(..)`"), "{err}");
    assert!(err[told..].contains("\"waiting#"), "{err}");
    assert!(out.contains("the thread goes on"), "{out}");
    assert!(
        err[told..].contains("the test has not completed after 20ms of real time"),
        "{err}"
    );
}

/// V-13: a failure of nobody's is told at once, and again by the next test.
#[test]
fn a_failure_between_tests_fails_the_next_one() {
    let name = "a_failure_between_tests_fails_the_next_one";
    if is_child(name) {
        run_test(async |_| {});
        run_blocking(async |_| {
            let job = GlobalScope.launch(async { Err::<(), _>(Error::msg("between")) });
            job.join().await;
            Ok(())
        })
        .unwrap();
        println!("the next test");
        run_test(async |_| println!("does not run"));
    }
    let (output, out, err) = child(name, &[]);
    assert!(!output.status.success());
    assert!(err.contains("uncaught failure of"), "{err}");
    assert!(
        out.contains("the next test") && !out.contains("does not run"),
        "{out}"
    );
    let at = err
        .find("there were failures that nobody took before this test began")
        .unwrap_or_else(|| panic!("{err}"));
    assert!(err[at..].contains("between"), "{err}");
}

/// V-12: a global failure while a test runs that did not launch it.
#[test]
fn a_failure_of_nobody_s_during_a_test_fails_it() {
    let name = "a_failure_of_nobody_s_during_a_test_fails_it";
    if is_child(name) {
        run_test(async |_| {
            std::thread::spawn(|| {
                let job = GlobalScope.launch(async { Err::<(), _>(Error::msg("stray")) });
                run_blocking(async |_| {
                    job.join().await;
                    Ok(())
                })
            })
            .join()
            .unwrap()
        });
    }
    let (output, _, err) = child(name, &[]);
    assert!(!output.status.success());
    assert!(err.contains("\nstray"), "{err}");
}

/// What waits in scopes of its own is named, and is no failure.
#[test]
fn coroutines_that_a_test_leaves_behind_are_named() {
    let name = "coroutines_that_a_test_leaves_behind_are_named";
    if is_child(name) {
        run_test(async |t| {
            let screen = CoroutineScope::new(t.dispatcher().clone());
            screen
                .with(CoroutineName::new("listener"))
                .launch(async { await_cancellation().await });
            t.run_current().await;
        });
        return;
    }
    let (output, _, err) = child(name, &[]);
    assert!(output.status.success(), "{err}");
    assert!(
        err.contains("wait coroutines that do not belong to it"),
        "{err}"
    );
    assert!(
        err.contains("\"listener#") && err.contains("processes.rs"),
        "{err}"
    );
}

/// All that is wrong is told, also when the test ends with a panic.
#[test]
fn the_other_failures_of_a_test_that_panics_are_told() {
    let name = "the_other_failures_of_a_test_that_panics_are_told";
    if is_child(name) {
        run_test(async |t| {
            t.background_scope()
                .launch(async { Err::<(), _>(Error::msg("background")) });
            t.run_current().await;
            panic!("body");
        });
    }
    let (output, _, err) = child(name, &[]);
    assert!(!output.status.success());
    assert!(
        err.contains("the test panicked\nand, 1: background"),
        "{err}"
    );
}

/// An exploration keeps the panics of its runs to itself, but not one that says where it cannot run.
#[test]
fn an_exploration_in_the_wrong_place_says_so() {
    let name = "an_exploration_in_the_wrong_place_says_so";
    if is_child(name) {
        run_test(async |_| {
            explore(1, async |_| {});
        });
    }
    let (output, _, err) = child(name, &[]);
    assert!(!output.status.success());
    assert!(err.contains("tests do not nest"), "{err}");
    assert!(
        err.contains("processes.rs"),
        "the caller's line is named: {err}"
    );
}
