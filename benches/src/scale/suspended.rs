//! Up to a million coroutines suspended at once: time and bytes for each.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use corox::{CompletableDeferred, Result, coroutine_scope, delay, yield_now};
use corox_bench::resident;

use crate::row::Row;
use crate::{Block, SIZES, place, size};

const LONG: Duration = Duration::from_secs(3_000_000);

pub(crate) fn blocks() -> Vec<Block> {
    let mut blocks = Vec::new();
    for (what, title) in [
        ("delay", "launched and suspended in a delay"),
        (
            "await",
            "launched and suspended in the await of a deferred of its own",
        ),
    ] {
        for place in place::ALL {
            let row = |full| {
                (
                    format!("suspended/{what}-{place}-{}", size(full, 100)),
                    None,
                )
            };
            blocks.push(Block {
                case: "suspended",
                title: format!("{title}, {}, each", place::name(place)),
                by: "coroutines",
                rows: SIZES.map(row).into(),
            });
        }
    }
    blocks
}

pub(crate) fn measure(what: &str) -> Vec<Row> {
    let fields: Vec<&str> = what.split('-').collect();
    let [what, place, n] = fields[..] else {
        unreachable!("{what}")
    };
    let n = n.parse().expect("a number of coroutines");
    let row = match what {
        "delay" => place::run(place, in_delays(n)),
        _ => place::run(place, in_awaits(n)),
    };
    vec![row]
}

async fn in_delays(n: usize) -> Result<Row> {
    coroutine_scope(async |scope| {
        let growth = Growth::begin(n);
        for _ in 0..n {
            let ready = growth.ready.clone();
            scope.launch(async move {
                ready.fetch_add(1, Relaxed);
                drop(ready);
                delay(LONG).await;
            });
        }
        growth.end().await;
    })
    .await
}

async fn in_awaits(n: usize) -> Result<Row> {
    coroutine_scope(async |scope| {
        let mut kept = Vec::with_capacity(n);
        let growth = Growth::begin(n);
        for _ in 0..n {
            let ready = growth.ready.clone();
            let (value, awaited) = CompletableDeferred::<u64>::new().into_deferred();
            kept.push(value);
            scope.launch(async move {
                ready.fetch_add(1, Relaxed);
                drop(ready);
                let _ = awaited.await;
            });
        }
        growth.end().await;
    })
    .await
}

/// What the process has grown by while coroutines were launched.
struct Growth {
    n: usize,
    ready: Arc<AtomicUsize>,
    begin: Instant,
    before: u64,
}

impl Growth {
    fn begin(n: usize) -> Growth {
        Growth {
            n,
            ready: Arc::default(),
            before: resident(),
            begin: Instant::now(),
        }
    }

    /// When all have counted themselves: prints the row and ends the process, which is the quickest way to get rid of them.
    async fn end(self) -> ! {
        while self.ready.load(Relaxed) < self.n {
            yield_now().await;
        }
        let took = self.begin.elapsed();
        // The last ones are just suspending.
        delay(Duration::from_millis(50)).await;
        let grown = resident().saturating_sub(self.before);
        Row {
            size: self.n,
            nanoseconds: took.as_secs_f64() * 1e9 / self.n as f64,
            bytes: Some(grown as f64 / self.n as f64),
        }
        .send();
        std::process::exit(0)
    }
}
