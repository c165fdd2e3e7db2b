//! Failures between tests (V-13). They belong to the process, so this is the only test here.

use std::panic::{AssertUnwindSafe, catch_unwind};

use corox_core::{Error, GlobalScope, run_blocking};
use corox_test::{TestScope, UnconfinedTestDispatcher, run_test};

fn failure_of_next_test() -> String {
    let test = AssertUnwindSafe(|| run_test(async |_| {}));
    let payload = catch_unwind(test).expect_err("the test must fail");
    *payload.downcast::<String>().expect("a text")
}

#[test]
fn a_failure_between_tests_is_told_by_the_next_one() {
    run_test(async |_| {});
    run_blocking(async |_| {
        let failing = GlobalScope.launch(async { Err::<(), _>(Error::msg("of nobody")) });
        failing.join().await;
        Ok(())
    })
    .unwrap();
    let text = failure_of_next_test();
    assert!(text.contains("before this test began"), "{text}");
    assert!(text.contains("of nobody"), "{text}");
    run_test(async |_| {});

    // Of a coroutine that a test has launched, when the test has told all that it knew.
    let (tx, rx) = tokio::sync::oneshot::channel::<()>();
    let mut late = None;
    run_test(async |_| {
        late = Some(GlobalScope.launch(async move {
            let _ = rx.await;
            Err::<(), _>(Error::msg("late"))
        }));
    });
    drop(tx);
    run_blocking(async |_| {
        late.unwrap().join().await;
        Ok(())
    })
    .unwrap();
    let text = failure_of_next_test();
    assert!(text.contains("before this test began"), "{text}");
    assert!(text.contains("late"), "{text}");
    run_test(async |_| {});

    // Of one that has failed itself nobody else is told.
    let (tx, rx) = tokio::sync::oneshot::channel::<()>();
    let mut late = None;
    let failed = catch_unwind(AssertUnwindSafe(|| {
        run_test(async |_| {
            late = Some(GlobalScope.launch(async move {
                let _ = rx.await;
                Err::<(), _>(Error::msg("later still"))
            }));
            panic!("as planned");
        });
    }));
    assert!(failed.is_err());
    drop(tx);
    run_blocking(async |_| {
        late.unwrap().join().await;
        Ok(())
    })
    .unwrap();
    run_test(async |_| {});

    // In a scope that never had a test.
    let unused = TestScope::new(UnconfinedTestDispatcher::new());
    let background = unused.background_scope();
    background.launch(async { Err::<(), _>(Error::msg("without a test")) });
    drop(unused);
    let text = failure_of_next_test();
    assert!(text.contains("without a test"), "{text}");
    run_test(async |_| {});
}
