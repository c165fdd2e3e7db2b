//! What the children of several cases do, and how tokio waits for many of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(super) async fn count(counter: Arc<AtomicU64>) {
    counter.fetch_add(1, Relaxed);
}

/// The value of `$work`, or a default one once `$token` is cancelled: what a coroutine is by itself. A macro, so that the work lies in the
/// task once; handed to a function it would lie there twice.
macro_rules! unless_cancelled {
    ($token:expr, $work:expr) => {
        tokio::select! {
            biased;
            () = $token.cancelled() => Default::default(),
            value = $work => value,
        }
    };
}
pub(super) use unless_cancelled;

/// Tasks that are aborted if the set is dropped.
pub(super) async fn in_a_join_set(n: u64, counter: &Arc<AtomicU64>) {
    let mut set = JoinSet::new();
    for _ in 0..n {
        set.spawn(count(counter.clone()));
    }
    while let Some(joined) = set.join_next().await {
        joined.expect("no panic");
    }
}

/// Tasks that can be cancelled one by one or all together, and are awaited together.
pub(super) async fn tracked(n: u64, token: &CancellationToken, counter: &Arc<AtomicU64>) {
    let tracker = TaskTracker::new();
    for _ in 0..n {
        let (token, counter) = (token.child_token(), counter.clone());
        tracker.spawn(async move { unless_cancelled!(token, count(counter)) });
    }
    tracker.close();
    tracker.wait().await;
}
