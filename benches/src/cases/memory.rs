//! The size of a suspended coroutine: the growth of the process, with a million of them.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use corox::{Channel, CompletableDeferred, delay};
use tokio::sync::oneshot;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::children::unless_cancelled;
use super::{Cases, Quantity::Memory, Variants};
use crate::{StopWatch, Threads, resident};

const COROUTINES: u64 = 1_000_000;
const LONG: Duration = Duration::from_secs(3_000_000);

/// Launches them, waits until all are suspended, and looks how much the process has grown.
async fn grow<F: Future>(
    watch: &StopWatch,
    mut launch: impl FnMut(Arc<AtomicU64>),
    pause: impl Fn(Duration) -> F,
) {
    let ready = Arc::new(AtomicU64::new(0));
    let before = resident();
    for _ in 0..COROUTINES {
        launch(ready.clone());
    }
    while ready.load(Relaxed) < COROUTINES {
        pause(Duration::from_millis(10)).await;
    }
    pause(Duration::from_millis(300)).await;
    watch.set_bytes(resident().saturating_sub(before));
}

/// The last thing that a coroutine does before it waits.
fn tell(ready: Arc<AtomicU64>) {
    ready.fetch_add(1, Relaxed);
}

pub(super) fn register(cases: &mut Cases) {
    in_delay(
        &mut cases
            .case("mem_delay", Threads::Workers, COROUTINES)
            .of(Memory),
    );
    in_receive(
        &mut cases
            .case("mem_channel", Threads::Workers, COROUTINES)
            .of(Memory),
    );
    in_await(
        &mut cases
            .case("mem_deferred", Threads::Workers, COROUTINES)
            .of(Memory),
    );
}

/// The tasks of tokio are left behind.
fn in_delay(case: &mut Variants<'_>) {
    case.corox(|scope, watch| async move {
        let launch = |ready| {
            scope.launch(async move {
                tell(ready);
                delay(LONG).await;
            });
        };
        grow(&watch, launch, delay).await;
        scope.job().cancel_children();
        Ok(())
    });
    case.tokio("tokio-spawn", |watch| async move {
        let launch = |ready| {
            tokio::spawn(async move {
                tell(ready);
                sleep(LONG).await;
            });
        };
        grow(&watch, launch, sleep).await;
    });
    case.tokio("tracker+childtoken", |watch| async move {
        let (tracker, token) = (TaskTracker::new(), CancellationToken::new());
        let launch = |ready| {
            let token = token.child_token();
            tracker.spawn(async move {
                tell(ready);
                unless_cancelled!(token, sleep(LONG))
            });
        };
        grow(&watch, launch, sleep).await;
    });
}

/// All in a receive on one channel. The tasks of tokio are left behind.
fn in_receive(case: &mut Variants<'_>) {
    case.corox(|scope, watch| async move {
        let channel = Channel::<u64>::new(0);
        let launch = |ready| {
            let channel = channel.clone();
            scope.launch(async move {
                tell(ready);
                let _ = channel.receive().await;
            });
        };
        grow(&watch, launch, delay).await;
        scope.job().cancel_children();
        Ok(())
    });
    case.tokio("tokio-spawn+async-channel", |watch| async move {
        let (_tx, rx) = async_channel::bounded::<u64>(1);
        let launch = |ready| {
            let rx = rx.clone();
            tokio::spawn(async move {
                tell(ready);
                let _ = rx.recv().await;
            });
        };
        grow(&watch, launch, sleep).await;
    });
    case.tokio("tokio-spawn+kanal", |watch| async move {
        let (_tx, rx) = kanal::bounded_async::<u64>(0);
        let launch = |ready| {
            let rx = rx.clone();
            tokio::spawn(async move {
                tell(ready);
                let _ = rx.recv().await;
            });
        };
        grow(&watch, launch, sleep).await;
    });
    case.tokio("tokio-spawn+flume", |watch| async move {
        let (_tx, rx) = flume::bounded::<u64>(0);
        let launch = |ready| {
            let rx = rx.clone();
            tokio::spawn(async move {
                tell(ready);
                let _ = rx.recv_async().await;
            });
        };
        grow(&watch, launch, sleep).await;
    });
    case.tokio("tracker+childtoken+async-channel", |watch| async move {
        let (_tx, rx) = async_channel::bounded::<u64>(1);
        let (tracker, token) = (TaskTracker::new(), CancellationToken::new());
        let launch = |ready| {
            let (rx, token) = (rx.clone(), token.child_token());
            tracker.spawn(async move {
                tell(ready);
                tokio::select! { biased; () = token.cancelled() => {}, _ = rx.recv() => {} }
            });
        };
        grow(&watch, launch, sleep).await;
    });
}

/// Each awaits a value of its own.
fn in_await(case: &mut Variants<'_>) {
    case.corox(|scope, watch| async move {
        let mut kept = Vec::with_capacity(COROUTINES as usize);
        let launch = |ready| {
            let (value, awaited) = CompletableDeferred::<u64>::new().into_deferred();
            kept.push(value);
            scope.launch(async move {
                tell(ready);
                let _ = awaited.await;
            });
        };
        grow(&watch, launch, delay).await;
        scope.job().cancel_children();
        Ok(())
    });
    case.tokio("tokio-spawn+oneshot", |watch| async move {
        let mut kept = Vec::with_capacity(COROUTINES as usize);
        let launch = |ready| {
            let (value, awaited) = oneshot::channel::<u64>();
            kept.push(value);
            tokio::spawn(async move {
                tell(ready);
                let _ = awaited.await;
            });
        };
        grow(&watch, launch, sleep).await;
    });
    case.tokio("tracker+childtoken+oneshot", |watch| async move {
        let (tracker, token) = (TaskTracker::new(), CancellationToken::new());
        let mut kept = Vec::with_capacity(COROUTINES as usize);
        let launch = |ready| {
            let (value, awaited) = oneshot::channel::<u64>();
            kept.push(value);
            let token = token.child_token();
            tracker.spawn(async move {
                tell(ready);
                tokio::select! { biased; () = token.cancelled() => {}, _ = awaited => {} }
            });
        };
        grow(&watch, launch, sleep).await;
    });
}
