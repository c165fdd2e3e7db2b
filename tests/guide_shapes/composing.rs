//! Composing suspending functions: what goes on when their caller has failed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use corox::{Deferred, Dispatcher, Error, GlobalScope, Result, coroutine_scope, delay};
use corox_test::run_test;

async fn do_something_useful(done: Arc<AtomicBool>) -> Result<i32> {
    delay(Duration::from_secs(1)).await;
    done.store(true, Ordering::Relaxed);
    Ok(13)
}

/// Stands for a mistake in the code between the start of the work and its await.
async fn decide() -> Result<()> {
    delay(Duration::from_millis(500)).await;
    Err(Error::msg("a logic error"))
}

#[test]
fn compose_04_leak_global_work_runs_to_its_end_though_its_caller_has_failed() {
    /// On a dispatcher that is given to it, so that the clock is that of the test.
    fn something_useful_async(here: &Dispatcher, done: Arc<AtomicBool>) -> Deferred<i32> {
        GlobalScope
            .with(here.clone())
            .spawn(do_something_useful(done))
    }

    async fn operation(here: &Dispatcher, done: Arc<AtomicBool>) -> Result<i32> {
        let one = something_useful_async(here, done);
        decide().await?;
        one.await
    }

    run_test(async |t| {
        let done = Arc::new(AtomicBool::new(false));
        let error = operation(t.dispatcher(), done.clone()).await.unwrap_err();
        assert_eq!(error.to_string(), "a logic error");
        let failed = Duration::from_millis(500);
        assert_eq!(t.current_time(), failed, "nobody has waited");
        assert!(!done.load(Ordering::Relaxed));
        t.advance_until_idle().await;
        assert_eq!(t.current_time(), Duration::from_secs(1));
        assert!(done.load(Ordering::Relaxed), "for nobody");
    });
}

/// The same operation with a scope: what it has started is cancelled, and gone when it returns.
#[test]
fn compose_04_leak_does_not_happen_in_a_scope() {
    async fn operation(done: Arc<AtomicBool>) -> Result<i32> {
        coroutine_scope(async |scope| {
            let one = scope.spawn(do_something_useful(done));
            decide().await?;
            one.await
        })
        .await
    }

    run_test(async |t| {
        let done = Arc::new(AtomicBool::new(false));
        let error = operation(done.clone()).await.unwrap_err();
        assert_eq!(error.to_string(), "a logic error");
        assert_eq!(Arc::strong_count(&done), 1, "the work was dropped");
        t.advance_until_idle().await;
        assert_eq!(t.current_time(), Duration::from_millis(500));
        assert!(!done.load(Ordering::Relaxed));
    });
}
