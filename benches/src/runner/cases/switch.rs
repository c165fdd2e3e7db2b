//! Changing turns and threads.

use std::hint::black_box;
use std::sync::LazyLock;

use corox::{
    IO, OwnedDispatcher, coroutine_scope, new_single_thread_context, with_context, yield_now,
};

use super::Cases;
use crate::measure::Quantity::WallTime;

const YIELDS: u64 = 400_000;
const SWITCHES: u64 = 100_000;
const THREAD_SWITCHES: u64 = 10_000;

static OTHER_THREAD: LazyLock<OwnedDispatcher> =
    LazyLock::new(|| new_single_thread_context("single"));

pub(super) fn register(cases: &mut Cases) {
    cases.one_thread("yield_pingpong_st", WallTime, YIELDS, |_, _| async {
        coroutine_scope(async |scope| {
            for _ in 0..2 {
                scope.launch(async {
                    for _ in 0..YIELDS / 2 {
                        yield_now().await;
                    }
                });
            }
            Ok(())
        })
        .await
    });
    cases.workers("ctx_switch_io", WallTime, SWITCHES, |_, _| async {
        let mut sum = 0;
        for i in 0..SWITCHES {
            sum += with_context(IO, async move { Ok(i) }).await?;
        }
        black_box(sum);
        Ok(())
    });
    cases.one_thread(
        "ctx_switch_thread",
        WallTime,
        THREAD_SWITCHES,
        |_, _| async {
            let mut sum = 0;
            for i in 0..THREAD_SWITCHES {
                sum += with_context(&*OTHER_THREAD, async move { Ok(i) }).await?;
            }
            black_box(sum);
            Ok(())
        },
    );
}
