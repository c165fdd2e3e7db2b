//! Fan-out with a bound.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use futures_util::task::AtomicWaker;

use crate::coroutine_body::ResultBody;
use crate::deferred::Deferred;
use crate::error::Result;
use crate::job::Kind;
use crate::probe::{Reason, WaitReason};
use crate::scope_builders::inline;

/// Runs `f` for each item, for at most `n` items at a time, and gives the results in the order of the items.
///
/// Each item gets a coroutine of its own, launched when one of the `n` places is free; items are taken from the iterator only
/// then. The first failure cancels the coroutines that run, they are awaited, and the failure is returned; what is left of
/// the items is dropped.
///
/// Kotlin: `flatMapMerge(concurrency) { .. }` of a flow, which does not keep the order.
///
/// # Errors
///
/// The first failure; the cancellation.
///
/// # Panics
///
/// If `n` is 0.
///
/// # Cancel safety
///
/// As [`coroutine_scope`](crate::coroutine_scope).
///
/// ```
/// use corox_core::{delay, map_concurrent, run_blocking};
/// use std::time::Duration;
///
/// let squares = run_blocking(async |_| {
///     map_concurrent(1..=5, 2, |n| async move {
///         delay(Duration::from_millis(1)).await;
///         Ok(n * n)
///     }).await
/// }).unwrap();
/// assert_eq!(squares, [1, 4, 9, 16, 25]);
/// ```
#[track_caller]
pub fn map_concurrent<I, F, Fut, R>(
    items: I,
    n: usize,
    mut f: F,
) -> impl Future<Output = Result<Vec<R>>>
where
    I: IntoIterator,
    F: FnMut(I::Item) -> Fut,
    Fut: ResultBody<R>,
    Fut: Send,    // no `Rc`, and no guard held across an `.await`
    Fut: 'static, // else `async move`, and a clone of what is behind a reference
    R: Send + 'static,
{
    assert!(
        n > 0,
        "map_concurrent with 0 at a time would never begin; give at least 1"
    );
    let location = Location::caller();
    let mut items = items.into_iter();
    async move {
        inline(Kind::Scope, location, async |scope| {
            let places = Arc::new(Places {
                free: AtomicUsize::new(n),
                waker: AtomicWaker::new(),
            });
            let mut running: VecDeque<Deferred<R>> = VecDeque::new();
            let mut results = Vec::new();
            loop {
                let place = Places::take(&places, location).await;
                // Children may end as fast as they are launched, and then nothing here suspends.
                scope.ensure_active()?;
                let Some(item) = items.next() else { break };
                let future = f(item);
                running.push_back(scope.spawn_at(location, async move {
                    let _place = place;
                    future.await
                }));
                while running.front().is_some_and(|first| first.is_completed()) {
                    if let Some(first) = running.pop_front() {
                        results.push(first.await?);
                    }
                }
            }
            for last in running {
                results.push(last.await?);
            }
            Ok(results)
        })
        .await
    }
}

/// The places that are free.
struct Places {
    free: AtomicUsize,
    waker: AtomicWaker,
}

/// One place in use.
struct Place(Arc<Places>);

impl Places {
    /// Only the body of the scope takes places, so one that is seen free stays so.
    async fn take(places: &Arc<Places>, location: &'static Location<'static>) -> Place {
        let mut reason = WaitReason::at(&Reason("map_concurrent"), location).by_coroutines();
        poll_fn(|cx| {
            if places.free.load(Ordering::Acquire) == 0 {
                places.waker.register(cx.waker());
                if places.free.load(Ordering::Acquire) == 0 {
                    reason.note(String::new);
                    return Poll::Pending;
                }
            }
            Poll::Ready(())
        })
        .await;
        places.free.fetch_sub(1, Ordering::Relaxed);
        Place(places.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.free.fetch_add(1, Ordering::Release);
        self.0.waker.wake();
    }
}
