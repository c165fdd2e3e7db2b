//! While an operator or what is behind it waits, a buffer above fills: each hands `poll_progress` on.
#![cfg(not(corox_loom))]

use std::time::Duration;

use corox_core::{delay, non_cancellable};
use corox_flow::{Flow, LocalBoxFlow, flow, prelude::*};
use corox_test::run_test;

const SLOW: Duration = Duration::from_millis(300);

/// 1, 2, 3, each after 100 ms, with a buffer. Whoever takes 300 ms for each is done after 1000 ms, and not after 1200.
fn buffered() -> impl Flow<Item = u32> {
    let numbers = flow(async |e| {
        for n in 1..=3 {
            delay(Duration::from_millis(100)).await;
            e.emit(n).await;
        }
    });
    numbers.buffer(2)
}

fn boxed(flow: impl Flow<Item = u32> + 'static) -> LocalBoxFlow<'static, u32> {
    flow.boxed_local()
}

/// Operators whose closures wait.
#[test]
fn while_a_closure_waits() {
    let it = buffered;
    let flows = [
        (
            "map",
            boxed(it().map_async(async |n| {
                delay(SLOW).await;
                n
            })),
        ),
        (
            "filter",
            boxed(it().filter_async(async |_| {
                delay(SLOW).await;
                true
            })),
        ),
        (
            "filter_not",
            boxed(it().filter_not_async(async |_| {
                delay(SLOW).await;
                false
            })),
        ),
        (
            "filter_map",
            boxed(it().filter_map_async(async |n| {
                delay(SLOW).await;
                Some(n)
            })),
        ),
        (
            "on_each",
            boxed(it().on_each_async(async |_| delay(SLOW).await)),
        ),
        (
            "scan",
            boxed(it().scan_async(0, async |_, n| {
                delay(SLOW).await;
                n
            })),
        ),
        (
            "try_map",
            boxed(it().try_map_async(async |n| {
                delay(SLOW).await;
                Ok(n)
            })),
        ),
        (
            "take_while",
            boxed(it().take_while_async(async |_| {
                delay(SLOW).await;
                true
            })),
        ),
        (
            "skip_while",
            boxed(it().skip_while_async(async |_| {
                delay(SLOW).await;
                true
            })),
        ),
        (
            "transform",
            boxed(it().transform(async |n, e| {
                delay(SLOW).await;
                e.emit(n).await
            })),
        ),
        (
            "transform_while",
            boxed(it().transform_while(async |n, e| {
                delay(SLOW).await;
                e.emit(n).await;
                true
            })),
        ),
        (
            "emit_all",
            boxed(flow(async |e| {
                e.emit_all(buffered().on_each_async(async |_| delay(SLOW).await))
                    .await
            })),
        ),
    ];
    for (name, flow) in flows {
        run_test(async |t| {
            flow.run().await?;
            assert_eq!(t.current_time(), Duration::from_millis(1000), "{name}");
            Ok(())
        });
    }
    // The first item takes no time there.
    run_test(async |t| {
        it().running_reduce_async(async |_, n| {
            delay(SLOW).await;
            n
        })
        .run()
        .await?;
        assert_eq!(t.current_time(), Duration::from_millis(800));
        Ok(())
    });
}

/// Operators that something behind waits for.
#[test]
fn while_what_is_behind_waits() {
    let it = buffered;
    let flows = [
        ("filter", boxed(it().filter(|_| true))),
        ("filter_map", boxed(it().filter_map(Some))),
        ("enumerate", boxed(it().enumerate().map(|(_, n)| n))),
        ("scan", boxed(it().scan(0, |_, n| n).filter(|n| *n > 0))),
        ("chunked", boxed(it().chunked(1).map(|chunk| chunk[0]))),
        ("distinct", boxed(it().distinct_until_changed())),
        ("take", boxed(it().take(5))),
        (
            "transform_while",
            boxed(it().transform_while(async |n, e| {
                e.emit(n).await;
                true
            })),
        ),
        ("on_start", boxed(it().on_start(async |_| ()))),
        ("on_empty", boxed(it().on_empty(async |_| ()))),
        ("on_completion", boxed(it().on_completion(|_| ()))),
        (
            "on_completion_async",
            boxed(it().on_completion_async(async |_, _| ())),
        ),
        ("catch", boxed(it().catch(async |_, _| ()))),
        ("retry", boxed(it().retry(1, |_| true))),
        ("filter_async", boxed(it().filter_async(async |_| true))),
        // In blocks of their own.
        (
            "of on_start",
            boxed(corox_flow::empty_flow().on_start(async |e| e.emit_all(buffered()).await)),
        ),
        (
            "of on_empty",
            boxed(corox_flow::empty_flow().on_empty(async |e| e.emit_all(buffered()).await)),
        ),
        (
            "of the end",
            boxed(
                corox_flow::empty_flow()
                    .on_completion_async(async |_, e| e.emit_all(buffered()).await),
            ),
        ),
    ];
    for (name, flow) in flows {
        run_test(async |t| {
            flow.collect(async |_| delay(SLOW).await).await?;
            assert_eq!(t.current_time(), Duration::from_millis(1000), "{name}");
            Ok(())
        });
    }
}

/// And terminal operators.
#[test]
fn while_a_terminal_operator_waits() {
    run_test(async |t| {
        let at = |ms| assert_eq!(t.current_time(), Duration::from_millis(ms));
        buffered()
            .collect_indexed(async |_, _| delay(SLOW).await)
            .await?;
        at(1000);
        buffered()
            .fold_async((), async |(), _| delay(SLOW).await)
            .await?;
        at(2000);
        buffered()
            .any_async(async |_| {
                delay(SLOW).await;
                false
            })
            .await?;
        at(3000);
        let uncancelled = buffered().collect(async |_| {
            non_cancellable(async |_| {
                delay(SLOW).await;
                Ok(())
            })
            .await
        });
        uncancelled.await?;
        at(4000);
        Ok(())
    });
}
