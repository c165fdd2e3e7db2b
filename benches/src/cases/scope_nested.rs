//! Many scopes of ten children, one after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use corox::coroutine_scope;
use tokio_util::sync::CancellationToken;

use super::Cases;
use super::children::{count, in_a_join_set, tracked};

const SCOPES: u64 = 10_000;
const CHILDREN: u64 = 10;

pub(super) fn register(cases: &mut Cases) {
    cases.both("scope_nested", SCOPES * CHILDREN, |mut case| {
        case.corox(|_, _| async {
            let counter = Arc::new(AtomicU64::new(0));
            for _ in 0..SCOPES {
                coroutine_scope(async |scope| {
                    for _ in 0..CHILDREN {
                        scope.launch(count(counter.clone()));
                    }
                    Ok(())
                })
                .await?;
            }
            assert_eq!(counter.load(Relaxed), SCOPES * CHILDREN);
            Ok(())
        });
        case.tokio("tokio-spawn", |_| async {
            let counter = Arc::new(AtomicU64::new(0));
            for _ in 0..SCOPES {
                let handles: [_; CHILDREN as usize] =
                    std::array::from_fn(|_| tokio::spawn(count(counter.clone())));
                for handle in handles {
                    handle.await.expect("no panic");
                }
            }
            assert_eq!(counter.load(Relaxed), SCOPES * CHILDREN);
        });
        case.tokio("tokio-joinset", |_| async {
            let counter = Arc::default();
            for _ in 0..SCOPES {
                in_a_join_set(CHILDREN, &counter).await;
            }
            assert_eq!(counter.load(Relaxed), SCOPES * CHILDREN);
        });
        case.tokio("tracker+childtoken", |_| async {
            let (root, counter) = (CancellationToken::new(), Arc::default());
            for _ in 0..SCOPES {
                tracked(CHILDREN, &root.child_token(), &counter).await;
            }
            assert_eq!(counter.load(Relaxed), SCOPES * CHILDREN);
        });
    });
}
