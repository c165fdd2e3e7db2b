//! From a cancellation to the last cleanup.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::AcqRel, Ordering::Acquire};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use corox::{Result, await_cancellation, coroutine_scope, delay};
use corox_bench::Engine;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Each node has `width` children, `depth` levels below the root.
#[derive(Clone, Copy)]
pub(crate) struct Tree {
    width: u64,
    depth: u32,
}

pub(crate) struct Times {
    pub(crate) cleanup: Duration,
    pub(crate) end: Duration,
}

impl Tree {
    pub(crate) const fn new(width: u64, depth: u32) -> Tree {
        Tree { width, depth }
    }

    fn nodes(self) -> u64 {
        (0..=self.depth).map(|level| self.width.pow(level)).sum()
    }

    /// What each node has in place of this.
    fn below(self) -> Tree {
        Tree::new(self.width, self.depth - 1)
    }
}

/// What the nodes of a tree have in common.
struct Guards {
    begun: AtomicU64,
    left: AtomicU64,
    last: OnceLock<Instant>,
}

impl Guards {
    fn of(tree: Tree) -> Arc<Guards> {
        Arc::new(Guards {
            begun: AtomicU64::new(0),
            left: AtomicU64::new(tree.nodes()),
            last: OnceLock::new(),
        })
    }

    fn guard(self: &Arc<Self>) -> Guard {
        self.begun.fetch_add(1, AcqRel);
        Guard(self.clone())
    }

    /// Until all nodes are suspended.
    async fn all<F: Future>(&self, tree: Tree, pause: impl Fn(Duration) -> F) {
        while self.begun.load(Acquire) < tree.nodes() {
            pause(Duration::from_millis(1)).await;
        }
        pause(Duration::from_millis(2)).await;
    }

    fn times(&self, start: Instant) -> Times {
        let end = start.elapsed();
        let last = self.last.get().expect("all guards are gone");
        Times {
            cleanup: *last - start,
            end,
        }
    }
}

/// What a node has to clean up.
struct Guard(Arc<Guards>);

impl Drop for Guard {
    fn drop(&mut self) {
        if self.0.left.fetch_sub(1, AcqRel) == 1 {
            let _ = self.0.last.set(Instant::now());
        }
    }
}

type Node<T> = Pin<Box<dyn Future<Output = T> + Send>>;

fn node(tree: Tree, guards: Arc<Guards>) -> Node<Result<()>> {
    if tree.depth == 0 {
        return Box::pin(async move {
            let _guard = guards.guard();
            await_cancellation().await
        });
    }
    Box::pin(coroutine_scope(async move |scope| {
        for _ in 0..tree.width {
            scope.launch(node(tree.below(), guards.clone()));
        }
        let _guard = guards.guard();
        await_cancellation().await
    }))
}

fn node_of_tokio(tree: Tree, token: CancellationToken, guards: Arc<Guards>) -> Node<()> {
    if tree.depth == 0 {
        return Box::pin(async move {
            let _guard = guards.guard();
            token.cancelled().await;
        });
    }
    Box::pin(async move {
        let tracker = TaskTracker::new();
        for _ in 0..tree.width {
            let child = node_of_tokio(tree.below(), token.child_token(), guards.clone());
            tracker.spawn(child);
        }
        let guard = guards.guard();
        token.cancelled().await;
        drop(guard);
        tracker.close();
        tracker.wait().await;
    })
}

pub(crate) fn run(engine: &Engine, tree: Tree) -> Times {
    let guards = Guards::of(tree);
    match engine {
        Engine::Tokio(tokio) => tokio.run(async move {
            let token = CancellationToken::new();
            let root = tokio::spawn(node_of_tokio(tree, token.clone(), guards.clone()));
            guards.all(tree, tokio::time::sleep).await;
            let start = Instant::now();
            token.cancel();
            root.await.expect("no panic");
            guards.times(start)
        }),
        Engine::Corox(corox) => corox.run(move |scope| async move {
            let root = scope.launch(node(tree, guards.clone()));
            guards.all(tree, delay).await;
            let start = Instant::now();
            root.cancel_and_join().await;
            Ok(guards.times(start))
        }),
    }
}
