//! To other threads, and back.

use std::hint::black_box;
use std::sync::LazyLock;

use corox::{IO, OwnedDispatcher, new_single_thread_context, with_context};
use tokio::runtime::{Builder, Handle};

use super::Cases;
use crate::Threads;

const SWITCHES: u64 = 100_000;
const SPAWN_BLOCKING: u64 = 20_000;
const THREAD_SWITCHES: u64 = 10_000;

static OTHER_THREAD: LazyLock<OwnedDispatcher> =
    LazyLock::new(|| new_single_thread_context("single"));

/// A current-thread runtime on a thread of its own.
static OTHER_RUNTIME: LazyLock<Handle> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let handle = runtime.handle().clone();
    std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
    handle
});

async fn spawn_blocking(n: u64) {
    let mut sum = 0;
    for i in 0..n {
        let there = tokio::task::spawn_blocking(move || i);
        sum += there.await.expect("no panic");
    }
    black_box(sum);
}

pub(super) fn register(cases: &mut Cases) {
    let mut io = cases.case("ctx_switch_io", Threads::Workers, SWITCHES);
    io.corox(|_, _| async {
        let mut sum = 0;
        for i in 0..SWITCHES {
            sum += with_context(IO, async move { Ok(i) }).await?;
        }
        black_box(sum);
        Ok(())
    });
    io.tokio_with("spawn_blocking", SPAWN_BLOCKING, |_| {
        spawn_blocking(SPAWN_BLOCKING)
    });

    let mut thread = cases.case("ctx_switch_thread", Threads::One, THREAD_SWITCHES);
    thread.corox(|_, _| async {
        let mut sum = 0;
        for i in 0..THREAD_SWITCHES {
            sum += with_context(&*OTHER_THREAD, async move { Ok(i) }).await?;
        }
        black_box(sum);
        Ok(())
    });
    thread.tokio("spawn-on-2nd-runtime", |_| async {
        let mut sum = 0;
        for i in 0..THREAD_SWITCHES {
            let there = OTHER_RUNTIME.spawn(async move { i });
            sum += there.await.expect("no panic");
        }
        black_box(sum);
    });
    thread.tokio("spawn_blocking", |_| spawn_blocking(THREAD_SWITCHES));
}
