//! The size of a suspended coroutine: the growth of the process, with a million of them.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use corox::{CompletableDeferred, CoroutineScope, delay};

use super::Cases;
use crate::measure::{Quantity::Memory, StopWatch, resident};

const COROUTINES: u64 = 1_000_000;
const LONG: Duration = Duration::from_secs(3_000_000);

/// Launches them, waits until all are suspended, and looks how much the process has grown.
async fn grow<F>(scope: CoroutineScope, watch: StopWatch, mut body: impl FnMut(Arc<AtomicU64>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let ready = Arc::new(AtomicU64::new(0));
    let before = resident();
    for _ in 0..COROUTINES {
        scope.launch(body(ready.clone()));
    }
    while ready.load(Relaxed) < COROUTINES {
        delay(Duration::from_millis(10)).await;
    }
    delay(Duration::from_millis(300)).await;
    watch.set((resident() - before) as f64);
    scope.job().cancel_children();
}

pub(super) fn register(cases: &mut Cases) {
    cases.workers("mem_delay", Memory, COROUTINES, |scope, watch| async move {
        grow(scope, watch, |ready| async move {
            ready.fetch_add(1, Relaxed);
            drop(ready);
            delay(LONG).await;
        })
        .await;
        Ok(())
    });
    cases.workers(
        "mem_deferred",
        Memory,
        COROUTINES,
        |scope, watch| async move {
            let mut kept = Vec::with_capacity(COROUTINES as usize);
            grow(scope, watch, |ready| {
                let (value, awaited) = CompletableDeferred::<u64>::new().into_deferred();
                kept.push(value);
                async move {
                    ready.fetch_add(1, Relaxed);
                    drop(ready);
                    let _ = awaited.await;
                }
            })
            .await;
            Ok(())
        },
    );
}
