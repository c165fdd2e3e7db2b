//! Very many coroutines: a million below one another, and beside one another, and waves of them. What is counted is the memory,
//! which has to be linear and to come back.
#[path = "support/counting.rs"]
mod counting;

use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use corox_core::{
    CoroutineContext, CoroutineScope, Dispatcher, Job, JobState, Launcher, Result,
    await_cancellation, coroutine_scope, join_all, run_blocking, yield_now,
};
use counting::{Count, live_bytes, live_of_this_thread};

const MILLION: usize = 1_000_000;

/// What is live belongs to the process.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long a test may take before it counts as hanging.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs `body` in a `run_blocking` on a stack that recursion over a million levels, or over a thousand, would overflow.
fn on_a_small_stack<T: Send + 'static>(
    body: impl AsyncFnOnce(CoroutineScope) -> Result<T> + Send + 'static,
) -> T {
    let (tx, rx) = sync_channel(1);
    let thread = thread::Builder::new().stack_size(256 * 1024);
    let thread = thread.spawn(move || tx.send(run_blocking(body).unwrap()).unwrap());
    match rx.recv_timeout(LIMIT) {
        Ok(value) => value,
        Err(RecvTimeoutError::Timeout) => panic!("the test hangs"),
        Err(RecvTimeoutError::Disconnected) => match thread.unwrap().join() {
            Err(payload) => resume_unwind(payload),
            Ok(()) => unreachable!("it sends what it gives"),
        },
    }
}

/// How many bodies there are.
#[derive(Clone, Default)]
struct Bodies(Arc<AtomicUsize>);

struct Body(Bodies);

impl Bodies {
    fn one(&self) -> Body {
        self.0.fetch_add(1, Ordering::Relaxed);
        Body(self.clone())
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A coroutine with a child in a scope of its own, which has one, and so on: `depth` below it.
fn link(depth: usize, bodies: Bodies) -> Pin<Box<dyn Future<Output = Result<()>> + Send>> {
    Box::pin(coroutine_scope(async move |scope| {
        let _body = bodies.one();
        if depth > 0 {
            scope.launch(link(depth - 1, bodies));
        }
        await_cancellation().await
    }))
}

/// Suspends with `n` coroutines below one another.
async fn chain(scope: &CoroutineScope, n: usize, bodies: &Bodies) -> Job {
    let top = scope.launch(link(n - 1, bodies.clone()));
    while bodies.get() < n {
        yield_now().await;
    }
    yield_now().await;
    top
}

/// Suspends with `n` coroutines beside one another in a scope.
async fn row(scope: &CoroutineScope, n: usize, bodies: &Bodies) -> Job {
    let all = bodies.clone();
    let top = scope.launch(async move {
        coroutine_scope(async |scope| {
            for _ in 0..n {
                let body = all.one();
                scope.launch(async move {
                    let _body = body;
                    await_cancellation().await
                });
            }
            await_cancellation().await
        })
        .await
    });
    while bodies.get() < n {
        yield_now().await;
    }
    yield_now().await;
    top
}

/// J-3, J-10: from the inside out, on a flat stack; a level is a coroutine or the scope in it.
#[test]
fn a_chain_a_million_deep_is_cancelled_and_joined() {
    let _alone = alone();
    on_a_small_stack(async |scope| {
        let bodies = Bodies::default();
        let top = chain(&scope, MILLION / 2, &bodies).await;
        top.cancel_and_join().await;
        assert_eq!(bodies.get(), 0, "joined before a body had gone");
        assert_eq!(top.state(), JobState::Cancelled);
        Ok(())
    });
}

#[test]
fn a_scope_a_million_wide_is_cancelled_and_joined() {
    let _alone = alone();
    on_a_small_stack(async |scope| {
        let bodies = Bodies::default();
        let top = row(&scope, MILLION, &bodies).await;
        top.cancel_and_join().await;
        assert_eq!(bodies.get(), 0, "joined before a body had gone");
        assert_eq!(top.state(), JobState::Cancelled);
        Ok(())
    });
}

/// What `n` coroutines cost this thread until they are suspended, and until they are cancelled and joined.
async fn cost<F>(scope: &CoroutineScope, n: usize, suspend: F) -> [Count; 2]
where
    F: AsyncFn(&CoroutineScope, usize, &Bodies) -> Job,
{
    let bodies = Bodies::default();
    let before = Count::of_this_thread();
    let top = suspend(scope, n, &bodies).await;
    let suspended = Count::of_this_thread();
    top.cancel_and_join().await;
    [suspended - before, Count::of_this_thread() - suspended]
}

/// Eight times as many cost at most eight times as much, but for the steps in which lists grow by doubling, and for the 64 bytes that
/// the loop needs each time it looks at its sockets: that is by time, so not in proportion. What does not depend on the number
/// makes it less.
fn assert_linear(few: Count, many: Count, what: &str) {
    const LOOKS: usize = 1024;
    assert!(
        many.allocations <= 8 * few.allocations + LOOKS && many.bytes <= 8 * few.bytes + 64 * LOOKS,
        "{what}: {many:?} is more than eight times {few:?}"
    );
}

#[test]
fn the_memory_for_deep_and_wide_trees_is_linear() {
    let _alone = alone();
    let costs = on_a_small_stack(async |scope| {
        // The queue of the loop grows in the first round.
        let (few, many) = (1024, 8 * 1024);
        cost(&scope, many, chain).await;
        let deep = [
            cost(&scope, few, chain).await,
            cost(&scope, many, chain).await,
        ];
        cost(&scope, many, row).await;
        let wide = [cost(&scope, few, row).await, cost(&scope, many, row).await];
        Ok([(deep, "deep"), (wide, "wide")])
    });
    for ([few, many], what) in costs {
        assert_linear(few[0], many[0], &format!("{what}, until suspended"));
        assert_linear(few[1], many[1], &format!("{what}, cancelled"));
    }
}

const WAVE: usize = 2000;
const WAVES: usize = 50;

/// Half of a wave ends by itself, half is cancelled.
async fn wave(on: &Launcher) {
    let bodies = Bodies::default();
    let mut suspended = Vec::new();
    let mut last = None;
    for _ in 0..WAVE / 2 {
        last = Some(on.launch(async { yield_now().await }));
        let body = bodies.one();
        suspended.push(on.launch(async move {
            let _body = body;
            await_cancellation().await
        }));
    }
    for job in last.iter() {
        job.join().await;
    }
    for job in &suspended {
        job.cancel();
    }
    join_all(suspended).await;
    assert_eq!(bodies.get(), 0);
}

/// On the loop everything is over when it is joined, and all of it is done by one thread: to the byte.
#[test]
fn memory_returns_after_each_wave_of_coroutines_on_the_loop() {
    let _alone = alone();
    let live = on_a_small_stack(async |scope| {
        let mut live = Vec::with_capacity(WAVES);
        for _ in 0..WAVES {
            wave(&scope.with(CoroutineContext::empty())).await;
            live.push(live_of_this_thread());
        }
        Ok(live)
    });
    assert!(live[1..].iter().all(|&after| after == live[1]), "{live:?}");
}

/// On the pool a worker may be about to give its last ones back, and lists grow when more come together than before: so not to
/// the byte, but less than half a word for each coroutine.
#[test]
fn memory_returns_after_each_wave_of_coroutines_on_the_pool() {
    let _alone = alone();
    let live = on_a_small_stack(async |scope| {
        let mut live = Vec::with_capacity(WAVES);
        for _ in 0..WAVES {
            wave(&scope.with(Dispatcher::DEFAULT)).await;
            live.push(live_bytes());
        }
        Ok(live)
    });
    let (first, last) = (live[1], live[WAVES - 1]);
    let coroutines = WAVE * (WAVES - 2);
    assert!(last - first < 4 * coroutines as isize, "{live:?}");
}
