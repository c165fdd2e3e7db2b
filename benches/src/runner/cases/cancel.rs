//! Cancelling a tree.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use corox::{Result, await_cancellation, coroutine_scope, delay};

use super::Cases;
use crate::measure::Quantity::WallTime;

/// Ten children each, five levels below the root.
const COROUTINES: u64 = 111_111;

fn node(depth: u32, started: Arc<AtomicU64>) -> Pin<Box<dyn Future<Output = Result<()>> + Send>> {
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

pub(super) fn register(cases: &mut Cases) {
    cases.both(
        "cancel_tree",
        WallTime,
        COROUTINES,
        |scope, watch| async move {
            let started = Arc::new(AtomicU64::new(0));
            let root = scope.launch(node(5, started.clone()));
            while started.load(Relaxed) < COROUTINES {
                delay(Duration::from_millis(1)).await;
            }
            delay(Duration::from_millis(5)).await;
            watch.start();
            root.cancel_and_join().await;
            watch.stop();
            Ok(())
        },
    );
}
