//! Launching, joining and cancelling, beside tokio with and without structure.
#![allow(missing_docs)]

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use corox::{Result, await_cancellation, coroutine_scope, run_blocking};
use corox_bench::{on_worker, runtime};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const CHILDREN: u64 = 10_000;

async fn count(counter: Arc<AtomicU64>) {
    counter.fetch_add(1, Relaxed);
}

async fn corox_children(n: u64) -> Result<()> {
    let counter = Arc::new(AtomicU64::new(0));
    coroutine_scope(async |scope| {
        for _ in 0..n {
            scope.launch(count(counter.clone()));
        }
        Ok(())
    })
    .await?;
    assert_eq!(counter.load(Relaxed), n);
    Ok(())
}

async fn tokio_spawned(n: u64) {
    let counter = Arc::new(AtomicU64::new(0));
    let handles: Vec<_> = (0..n)
        .map(|_| tokio::spawn(count(counter.clone())))
        .collect();
    for handle in handles {
        handle.await.expect("no panic");
    }
}

async fn join_set(n: u64) {
    let counter = Arc::new(AtomicU64::new(0));
    let mut set = JoinSet::new();
    for _ in 0..n {
        set.spawn(count(counter.clone()));
    }
    while let Some(joined) = set.join_next().await {
        joined.expect("no panic");
    }
}

async fn tracker_with_tokens(n: u64) {
    let counter = Arc::new(AtomicU64::new(0));
    let (tracker, token) = (TaskTracker::new(), CancellationToken::new());
    for _ in 0..n {
        let (token, counter) = (token.child_token(), counter.clone());
        tracker.spawn(async move {
            tokio::select! { biased; () = token.cancelled() => {}, () = count(counter) => {} }
        });
    }
    tracker.close();
    tracker.wait().await;
}

fn launch_join(c: &mut Criterion) {
    for workers in [true, false] {
        let rt = runtime(workers);
        let threads = if workers { "2_workers" } else { "1_thread" };
        let mut group = c.benchmark_group(format!("launch_join/{threads}"));
        group.throughput(Throughput::Elements(CHILDREN));
        group.bench_function("corox", |b| {
            b.iter(|| on_worker(&rt, corox_children(CHILDREN)).expect("no failure"));
        });
        group.bench_function("tokio_spawn", |b| {
            b.iter(|| on_worker(&rt, tokio_spawned(CHILDREN)));
        });
        group.bench_function("join_set", |b| {
            b.iter(|| on_worker(&rt, join_set(CHILDREN)));
        });
        group.bench_function("tracker_child_token", |b| {
            b.iter(|| on_worker(&rt, tracker_with_tokens(CHILDREN)));
        });
        if !workers {
            group.bench_function("corox_run_blocking", |b| {
                b.iter(|| {
                    run_blocking(async |_| corox_children(CHILDREN).await).expect("no failure")
                });
            });
        }
        group.finish();
    }
}

fn scope_of_10(c: &mut Criterion) {
    const SCOPES: u64 = 1000;
    for workers in [true, false] {
        let rt = runtime(workers);
        let threads = if workers { "2_workers" } else { "1_thread" };
        let mut group = c.benchmark_group(format!("scope_of_10/{threads}"));
        group.throughput(Throughput::Elements(SCOPES * 10));
        group.bench_function("corox", |b| {
            b.iter(|| {
                on_worker(&rt, async {
                    for _ in 0..SCOPES {
                        corox_children(10).await.expect("no failure");
                    }
                });
            });
        });
        group.bench_function("tokio_spawn", |b| {
            b.iter(|| {
                on_worker(&rt, async {
                    for _ in 0..SCOPES {
                        tokio_spawned(10).await;
                    }
                });
            });
        });
        group.bench_function("join_set", |b| {
            b.iter(|| {
                on_worker(&rt, async {
                    for _ in 0..SCOPES {
                        join_set(10).await;
                    }
                });
            });
        });
        group.finish();
    }
}

fn spawn_await(c: &mut Criterion) {
    const N: u64 = 10_000;
    let rt = runtime(true);
    let mut group = c.benchmark_group("spawn_await/2_workers");
    group.throughput(Throughput::Elements(N));
    group.bench_function("corox", |b| {
        b.iter(|| {
            on_worker(&rt, async {
                let sum = coroutine_scope(async |scope| {
                    let mut sum = 0;
                    for i in 0..N {
                        sum += scope.spawn(async move { Ok(i) }).await?;
                    }
                    Ok(sum)
                });
                black_box(sum.await.expect("no failure"));
            });
        });
    });
    group.bench_function("tokio_spawn", |b| {
        b.iter(|| {
            on_worker(&rt, async {
                let mut sum = 0;
                for i in 0..N {
                    sum += tokio::spawn(async move { i }).await.expect("no panic");
                }
                black_box(sum);
            });
        });
    });
    group.finish();
}

/// A tree of scopes: each coroutine launches `width` children down to `depth`, then waits to be cancelled.
fn grow(
    depth: u32,
    width: u32,
    started: Arc<AtomicU64>,
) -> std::pin::Pin<Box<dyn Future<Output = Result<()>> + Send>> {
    Box::pin(async move {
        coroutine_scope(async |scope| {
            if depth > 0 {
                for _ in 0..width {
                    scope.launch(grow(depth - 1, width, started.clone()));
                }
            }
            started.fetch_add(1, Relaxed);
            await_cancellation().await
        })
        .await
    })
}

/// The same with tokens and trackers, one tracker a node.
fn grow_tokens(
    token: CancellationToken,
    depth: u32,
    width: u32,
    started: Arc<AtomicU64>,
) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        let tracker = TaskTracker::new();
        if depth > 0 {
            for _ in 0..width {
                tracker.spawn(grow_tokens(
                    token.child_token(),
                    depth - 1,
                    width,
                    started.clone(),
                ));
            }
        }
        started.fetch_add(1, Relaxed);
        token.cancelled().await;
        tracker.close();
        tracker.wait().await;
    })
}

fn cancel_tree(c: &mut Criterion) {
    const NODES: u64 = 1 + 10 + 100 + 1000 + 10_000;
    let rt = runtime(true);
    let mut group = c.benchmark_group("cancel_tree/2_workers");
    group.throughput(Throughput::Elements(NODES));
    group.sample_size(10);
    group.bench_function(BenchmarkId::from_parameter("corox"), |b| {
        b.iter_custom(|n| (0..n).map(|_| on_worker(&rt, cancel_corox(NODES))).sum());
    });
    group.bench_function(BenchmarkId::from_parameter("child_token_tracker"), |b| {
        b.iter_custom(|n| (0..n).map(|_| on_worker(&rt, cancel_tokens(NODES))).sum());
    });
    group.finish();
}

async fn cancel_corox(nodes: u64) -> Duration {
    let started = Arc::new(AtomicU64::new(0));
    let mut took = Duration::ZERO;
    coroutine_scope(async |scope| {
        let root = scope.launch(grow(4, 10, started.clone()));
        while started.load(Relaxed) < nodes {
            tokio::task::yield_now().await;
        }
        let start = Instant::now();
        root.cancel_and_join().await;
        took = start.elapsed();
        Ok(())
    })
    .await
    .expect("only the tree is cancelled");
    took
}

async fn cancel_tokens(nodes: u64) -> Duration {
    let started = Arc::new(AtomicU64::new(0));
    let token = CancellationToken::new();
    let root = tokio::spawn(grow_tokens(token.clone(), 4, 10, started.clone()));
    while started.load(Relaxed) < nodes {
        tokio::task::yield_now().await;
    }
    let start = Instant::now();
    token.cancel();
    root.await.expect("no panic");
    start.elapsed()
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .sample_size(20);
    targets = launch_join, scope_of_10, spawn_await, cancel_tree
}
criterion_main!(benches);
