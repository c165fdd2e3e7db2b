//! A tree of suspended coroutines: its root is cancelled, and awaited with all below it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use corox::{Result, await_cancellation, coroutine_scope, delay};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Cases;

/// Ten children each, five levels below the root.
const DEPTH: u32 = 5;
const COROUTINES: u64 = 111_111;

type Node<T> = Pin<Box<dyn Future<Output = T> + Send>>;

fn node(depth: u32, started: Arc<AtomicU64>) -> Node<Result<()>> {
    if depth == 0 {
        return Box::pin(async move {
            started.fetch_add(1, Relaxed);
            drop(started);
            await_cancellation().await
        });
    }
    Box::pin(coroutine_scope(async move |scope| {
        for _ in 0..10 {
            scope.launch(node(depth - 1, started.clone()));
        }
        started.fetch_add(1, Relaxed);
        drop(started);
        await_cancellation().await
    }))
}

fn node_with_join_set(token: CancellationToken, depth: u32, started: Arc<AtomicU64>) -> Node<()> {
    Box::pin(async move {
        let mut set = JoinSet::new();
        if depth > 0 {
            for _ in 0..10 {
                let child = node_with_join_set(token.child_token(), depth - 1, started.clone());
                set.spawn(child);
            }
        }
        started.fetch_add(1, Relaxed);
        token.cancelled().await;
        while let Some(joined) = set.join_next().await {
            joined.expect("no panic");
        }
    })
}

/// A tracker for each node, so that a parent ends after its children.
fn node_with_tracker(token: CancellationToken, depth: u32, started: Arc<AtomicU64>) -> Node<()> {
    Box::pin(async move {
        let tracker = TaskTracker::new();
        if depth > 0 {
            for _ in 0..10 {
                let child = node_with_tracker(token.child_token(), depth - 1, started.clone());
                tracker.spawn(child);
            }
        }
        started.fetch_add(1, Relaxed);
        token.cancelled().await;
        tracker.close();
        tracker.wait().await;
    })
}

/// Until all are suspended.
async fn all<F: Future>(started: &AtomicU64, pause: impl Fn(Duration) -> F) {
    while started.load(Relaxed) < COROUTINES {
        pause(Duration::from_millis(1)).await;
    }
    pause(Duration::from_millis(5)).await;
}

pub(super) fn register(cases: &mut Cases) {
    cases.both("cancel_tree", COROUTINES, |mut case| {
        case.corox(|scope, watch| async move {
            let started = Arc::default();
            let root = scope.launch(node(DEPTH, Arc::clone(&started)));
            all(&started, delay).await;
            watch.start();
            root.cancel_and_join().await;
            watch.stop();
            Ok(())
        });
        let grow: [(_, fn(_, _, _) -> _); 2] = [
            ("childtoken+joinset", node_with_join_set),
            ("childtoken+tracker-nested", node_with_tracker),
        ];
        for (variant, grow) in grow {
            case.tokio(variant, move |watch| async move {
                let (token, started) = (CancellationToken::new(), Arc::default());
                let root = tokio::spawn(grow(token.clone(), DEPTH, Arc::clone(&started)));
                all(&started, tokio::time::sleep).await;
                watch.start();
                token.cancel();
                root.await.expect("no panic");
                watch.stop();
            });
        }
    });
}
