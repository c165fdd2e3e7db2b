//! Up to a million coroutines below one another, and beside one another: time and bytes until they are suspended, time until they
//! are cancelled and joined.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use corox::{CoroutineScope, Job, Result, await_cancellation, coroutine_scope, delay, yield_now};
use corox_bench::resident;

use crate::row::Row;
use crate::{Block, SIZES, place, size};

pub(crate) fn blocks() -> Vec<Block> {
    let mut blocks = Vec::new();
    for (what, title) in [
        ("deep", "a chain, each in a scope of the one above"),
        ("wide", "children of one scope"),
    ] {
        for place in place::ALL {
            for (part, end) in [
                ("grow", "until suspended"),
                ("cancel", "cancelled and joined"),
            ] {
                let row = |full| {
                    let n = size(full, 100);
                    (format!("trees/{what}-{place}-{part}-{n}"), None)
                };
                blocks.push(Block {
                    case: "trees",
                    title: format!("{title}, {}, {end}, each", place::name(place)),
                    by: "coroutines",
                    rows: SIZES.map(row).into(),
                });
            }
        }
    }
    blocks
}

pub(crate) fn measure(what: &str) -> Vec<Row> {
    let fields: Vec<&str> = what.split('-').collect();
    let [what, place, part, n] = fields[..] else {
        unreachable!("{what}")
    };
    let n: usize = n.parse().expect("a number of coroutines");
    let deep = what == "deep";
    let times = (1_000_000 / n).clamp(1, 10);
    let mut all: Vec<Tree> = (0..times)
        .map(|_| place::run(place, tree(deep, n)))
        .collect();
    // Memory that was used once is not given back: the first one tells.
    let bytes = all[0].grown;
    let time = |tree: &Tree| {
        if part == "grow" {
            tree.grow
        } else {
            tree.cancel
        }
    };
    all.sort_by_key(time);
    vec![Row {
        size: n,
        nanoseconds: time(&all[times / 2]).as_secs_f64() * 1e9 / n as f64,
        bytes: (part == "grow").then_some(bytes as f64 / n as f64),
    }]
}

/// What one tree has taken.
struct Tree {
    grow: Duration,
    cancel: Duration,
    grown: u64,
}

async fn tree(deep: bool, n: usize) -> Result<Tree> {
    coroutine_scope(async |scope: CoroutineScope| {
        let ready = Arc::new(AtomicUsize::new(0));
        let (before, begin) = (resident(), Instant::now());
        let top: Job = if deep {
            scope.launch(link(n, ready.clone()))
        } else {
            scope.launch(row(n, ready.clone()))
        };
        while ready.load(Relaxed) < n {
            yield_now().await;
        }
        let grow = begin.elapsed();
        // The last ones are just suspending.
        delay(Duration::from_millis(5)).await;
        let grown = resident().saturating_sub(before);
        let begin = Instant::now();
        top.cancel_and_join().await;
        let cancel = begin.elapsed();
        Ok(Tree {
            grow,
            cancel,
            grown,
        })
    })
    .await
}

/// A coroutine with `n - 1` below it.
fn link(n: usize, ready: Arc<AtomicUsize>) -> Pin<Box<dyn Future<Output = Result<()>> + Send>> {
    Box::pin(coroutine_scope(async move |scope| {
        ready.fetch_add(1, Relaxed);
        if n > 1 {
            scope.launch(link(n - 1, ready));
        }
        await_cancellation().await
    }))
}

async fn row(n: usize, ready: Arc<AtomicUsize>) -> Result<()> {
    coroutine_scope(async |scope| {
        for _ in 0..n {
            let ready = ready.clone();
            scope.launch(async move {
                ready.fetch_add(1, Relaxed);
                drop(ready);
                await_cancellation().await
            });
        }
        await_cancellation().await
    })
    .await
}
