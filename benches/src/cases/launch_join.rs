//! One scope launches many children and waits for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use corox::coroutine_scope;
use tokio_util::sync::CancellationToken;

use super::Cases;
use super::children::{count, in_a_join_set, tracked};

const CHILDREN: u64 = 100_000;

pub(super) fn register(cases: &mut Cases) {
    cases.both("launch_join", CHILDREN, |mut case| {
        case.corox(|_, _| async {
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
        case.tokio("tokio-spawn", |_| async {
            let counter = Arc::new(AtomicU64::new(0));
            let handles: Vec<_> = (0..CHILDREN)
                .map(|_| tokio::spawn(count(counter.clone())))
                .collect();
            for handle in handles {
                handle.await.expect("no panic");
            }
            assert_eq!(counter.load(Relaxed), CHILDREN);
        });
        case.tokio("tokio-joinset", |_| async {
            let counter = Arc::default();
            in_a_join_set(CHILDREN, &counter).await;
            assert_eq!(counter.load(Relaxed), CHILDREN);
        });
        case.tokio("tracker+childtoken", |_| async {
            let counter = Arc::default();
            tracked(CHILDREN, &CancellationToken::new(), &counter).await;
            assert_eq!(counter.load(Relaxed), CHILDREN);
        });
    });
}
