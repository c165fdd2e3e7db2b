//! Many delays at once.

use std::time::Duration;

use corox::{coroutine_scope, delay};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Cases;
use super::Quantity::{ProcessorTime, WallTime};
use super::children::unless_cancelled;

const COROUTINES: u64 = 100_000;

/// From 1 to 100 ms, in no order.
fn pause(i: u64) -> Duration {
    Duration::from_millis(1 + (i * 7919) % 100)
}

pub(super) fn register(cases: &mut Cases) {
    for (name, of) in [
        ("delay_many_wall", WallTime),
        ("delay_many_cpu", ProcessorTime),
    ] {
        cases.both(name, COROUTINES, |case| {
            let mut case = case.of(of);
            case.corox(|_, _| async {
                coroutine_scope(async |scope| {
                    for i in 0..COROUTINES {
                        scope.launch(async move { delay(pause(i)).await });
                    }
                    Ok(())
                })
                .await
            });
            case.tokio("tokio-spawn", |_| async {
                let handles: Vec<_> = (0..COROUTINES)
                    .map(|i| tokio::spawn(sleep(pause(i))))
                    .collect();
                for handle in handles {
                    handle.await.expect("no panic");
                }
            });
            case.tokio("tracker+childtoken", |_| async {
                let (tracker, token) = (TaskTracker::new(), CancellationToken::new());
                for i in 0..COROUTINES {
                    let token = token.child_token();
                    tracker.spawn(async move { unless_cancelled!(token, sleep(pause(i))) });
                }
                tracker.close();
                tracker.wait().await;
            });
        });
    }
}
