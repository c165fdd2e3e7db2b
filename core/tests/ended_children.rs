//! Children that have ended, and what of them stays with a parent that has not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use corox_core::{
    ContextElement, CoroutineScope, Dispatcher, ExceptionHandler, Job, coroutine_scope,
    run_blocking, yield_now,
};

/// Its count of references tells whether whoever holds the other one is still there.
#[derive(Clone)]
struct Token(Arc<()>);

impl ContextElement for Token {}

impl Token {
    fn new() -> Token {
        Token(Arc::new(()))
    }

    fn is_alone(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

/// Waits for the end of `job` without being known to it: one that nobody waits for may stay with its parent.
async fn has_ended(job: &Job) {
    while !job.is_completed() {
        yield_now().await;
    }
}

/// A result that nobody can ask for any more does not wait for the parent's next launch.
#[test]
fn the_result_of_a_child_goes_with_its_last_handle() {
    run_blocking(async |scope| {
        let token = Token::new();
        for _ in 0..3 {
            let kept = token.clone();
            let deferred = scope.spawn(async move { Ok(kept) });
            has_ended(&deferred).await;
            assert!(!token.is_alone());
            drop(deferred);
            assert!(token.is_alone());
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn the_elements_of_a_child_go_with_it() {
    run_blocking(async |scope| {
        let token = Token::new();
        for _ in 0..3 {
            has_ended(&scope.with(token.clone()).launch(async {})).await;
            assert!(token.is_alone());
        }
        Ok(())
    })
    .unwrap();
}

/// A scope that nobody ends is not kept by its children that have ended.
#[test]
fn a_scope_without_a_body_goes_with_its_last_handle() {
    let token = Token::new();
    let kept = token.clone();
    let handler = ExceptionHandler::new(move |_, _| drop(kept.clone()));
    let scope = CoroutineScope::new(Dispatcher::DEFAULT + handler);
    let jobs: Vec<_> = (0..10).map(|_| scope.launch(async {})).collect();
    run_blocking(async |_| {
        for job in &jobs {
            has_ended(job).await;
        }
        Ok(())
    })
    .unwrap();
    drop((jobs, scope));
    // The worker may have the last job for a moment more.
    let limit = Instant::now() + Duration::from_secs(10);
    while !token.is_alone() {
        assert!(Instant::now() < limit, "the scope is still there");
        std::thread::yield_now();
    }
}

/// J-8: nobody is shown what is only waiting to be taken out.
#[test]
fn an_ended_child_has_no_parent_and_is_no_child() {
    run_blocking(async |scope| {
        let jobs: Vec<_> = (0..100).map(|_| scope.launch(async {})).collect();
        let last = scope.launch(async { corox_core::await_cancellation().await });
        yield_now().await;
        assert!(
            jobs.iter()
                .all(|job| job.is_completed() && job.parent().is_none())
        );
        let children = scope.job().children();
        assert!(children.len() == 1 && children[0].ptr_eq(&last));
        last.cancel();
        Ok(())
    })
    .unwrap();
}

/// J-3: on the pool, where they end beside the launches: each is counted once, and the scope ends after all of them.
#[test]
fn a_scope_whose_children_end_beside_its_launches_waits_for_all() {
    for round in 0..20 {
        let ended = Arc::new(AtomicUsize::new(0));
        let seen = ended.clone();
        run_blocking(async move |_| {
            corox_core::with_context(Dispatcher::DEFAULT, async move {
                coroutine_scope(async move |scope| {
                    for n in 0..2000 {
                        let ended = ended.clone();
                        scope.launch(async move {
                            if n % 7 == round % 7 {
                                yield_now().await;
                            }
                            ended.fetch_add(1, Ordering::Relaxed);
                        });
                        if n % 500 == 499 {
                            yield_now().await;
                        }
                    }
                    Ok(())
                })
                .await?;
                assert_eq!(seen.load(Ordering::Relaxed), 2000);
                Ok(())
            })
            .await
        })
        .unwrap();
    }
}
