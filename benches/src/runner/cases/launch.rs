//! Launching and waiting.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use corox::coroutine_scope;

use super::Cases;
use crate::measure::Quantity::WallTime;

const CHILDREN: u64 = 100_000;

async fn count(counter: Arc<AtomicU64>) {
    counter.fetch_add(1, Relaxed);
}

pub(super) fn register(cases: &mut Cases) {
    cases.both("launch_join", WallTime, CHILDREN, |_, _| async {
        let counter = Arc::new(AtomicU64::new(0));
        coroutine_scope(async |scope| {
            for _ in 0..CHILDREN {
                scope.launch(count(counter.clone()));
            }
            Ok(())
        })
        .await?;
        assert_eq!(counter.load(Relaxed), CHILDREN);
        Ok(())
    });
    cases.both(
        "async_await_chain",
        WallTime,
        CHILDREN,
        |scope, _| async move {
            let mut sum = 0;
            for i in 0..CHILDREN {
                sum += scope.spawn(async move { Ok(i) }).await?;
            }
            black_box(sum);
            Ok(())
        },
    );
    cases.both("scope_nested", WallTime, CHILDREN, |_, _| async {
        let counter = Arc::new(AtomicU64::new(0));
        for _ in 0..CHILDREN / 10 {
            coroutine_scope(async |scope| {
                for _ in 0..10 {
                    scope.launch(count(counter.clone()));
                }
                Ok(())
            })
            .await?;
        }
        Ok(())
    });
}
