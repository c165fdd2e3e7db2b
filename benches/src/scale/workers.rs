//! More workers, also more than there are cores: it need not get faster, but must not collapse.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use corox::{Result, coroutine_scope};

use crate::row::Row;
use crate::{Block, place, size};

const WORKERS: [usize; 4] = [1, 2, 4, 8];
const REPETITIONS: usize = 7;

pub(crate) fn blocks() -> Vec<Block> {
    let block = |title: &str, what: &str| Block {
        case: "workers",
        title: title.to_owned(),
        by: "workers",
        rows: WORKERS
            .map(|workers| (format!("workers/{what}-{workers}"), Some(workers)))
            .into(),
    };
    vec![
        block("launch + join by one coroutine, each child", "flat"),
        block("launch + join by all, a tree of ten children each", "tree"),
        block("wake-ups of a pair, each", "pair"),
        block("wake-ups of 64 pairs, each", "pairs"),
    ]
}

pub(crate) fn measure(what: &str) -> Vec<Row> {
    let (what, workers) = what.split_once('-').expect("what, and the workers");
    let children = size(200_000, 10) as u64;
    let wakes = size(1_000_000, 10) as u64;
    let mut each: Vec<f64> = (0..=REPETITIONS)
        .map(|_| match what {
            "flat" => nanoseconds(children, flat(children)),
            "tree" => {
                let depth = if children > 100_000 { 5 } else { 4 };
                let nodes = (0..=depth).map(|level| 10_u64.pow(level)).sum();
                nanoseconds(nodes, tree(depth))
            }
            "pair" => nanoseconds(wakes, pairs(1, wakes)),
            "pairs" => nanoseconds(wakes, pairs(64, wakes)),
            _ => unreachable!("{what}"),
        })
        .collect();
    // Not the first one, which warms up; and the median of the others.
    let each = &mut each[1..];
    each.sort_by(f64::total_cmp);
    vec![Row {
        size: workers.parse().expect("a number of workers"),
        nanoseconds: each[REPETITIONS / 2],
        bytes: None,
    }]
}

/// The time of `body`, a coroutine of the own pool, for each of its operations.
fn nanoseconds(operations: u64, body: impl Future<Output = Result<()>> + Send + 'static) -> f64 {
    let took = place::run("pool", async move {
        let begin = Instant::now();
        body.await?;
        Ok(begin.elapsed())
    });
    took.as_secs_f64() * 1e9 / operations as f64
}

async fn flat(children: u64) -> Result<()> {
    let counter = Arc::new(AtomicU64::new(0));
    coroutine_scope(async |scope| {
        for _ in 0..children {
            let counter = counter.clone();
            scope.launch(async move {
                counter.fetch_add(1, Relaxed);
            });
        }
        Ok(())
    })
    .await?;
    assert_eq!(counter.load(Relaxed), children);
    Ok(())
}

fn tree(depth: u32) -> Pin<Box<dyn Future<Output = Result<()>> + Send>> {
    if depth == 0 {
        return Box::pin(async { Ok(()) });
    }
    Box::pin(coroutine_scope(async move |scope| {
        for _ in 0..10 {
            scope.launch(tree(depth - 1));
        }
        Ok(())
    }))
}

/// So many pairs that wake each other, `wakes` times all together.
async fn pairs(pairs: u64, wakes: u64) -> Result<()> {
    coroutine_scope(async |scope| {
        for _ in 0..pairs {
            let places = [Arc::new(Place::default()), Arc::new(Place::default())];
            places[0].wake();
            for place in 0..2 {
                let (mine, other) = (places[place].clone(), places[1 - place].clone());
                scope.launch(async move {
                    for _ in 0..wakes / pairs / 2 {
                        mine.woken().await;
                        other.wake();
                    }
                });
            }
        }
        Ok(())
    })
    .await
}

/// Where one waits to be woken.
#[derive(Default)]
struct Place(std::sync::Mutex<(bool, Option<std::task::Waker>)>);

impl Place {
    fn wake(&self) {
        let waker = {
            let mut state = self.0.lock().expect("nobody panics here");
            state.0 = true;
            state.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    async fn woken(&self) {
        std::future::poll_fn(|cx| {
            let mut state = self.0.lock().expect("nobody panics here");
            if std::mem::take(&mut state.0) {
                return std::task::Poll::Ready(());
            }
            state.1 = Some(cx.waker().clone());
            std::task::Poll::Pending
        })
        .await;
    }
}
