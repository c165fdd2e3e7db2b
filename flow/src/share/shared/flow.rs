//! [`SharedFlow`]: values that all collectors get.

use std::fmt;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use corox_channels::BufferOverflow;
use corox_core::Result;
use corox_core::waiters_protocol::cancelled_here_again;

use super::cell::{Look, SharedCell, Subscription};
use crate::Flow;
use crate::fusion::{Settings, Stage};
use crate::share::hot::HotFlow;

/// Values that are emitted whether or not somebody collects them, and that each collector gets.
///
/// A collector gets the replay cache first, and then all that is emitted after its first poll, in that order; with
/// [`on_subscription`](crate::FlowShare::on_subscription) one does something in between. The collection never ends by itself: `to_vec`
/// and others that wait for the end wait for ever, `launch` it and cancel it, or use [`take`](crate::FlowLimit::take). Who is cancelled
/// gets nothing more.
///
/// Made by [`MutableSharedFlow::as_shared_flow`](crate::MutableSharedFlow::as_shared_flow) and
/// [`share_in`](crate::FlowShare::share_in). A clone is another collector of the same values. It becomes one at its first poll and is
/// none when it is dropped.
///
/// Kotlin: `SharedFlow`.
///
/// ```
/// use corox_core::{run_blocking, yield_now};
/// use corox_flow::{MutableSharedFlow, SharedFlow, prelude::*};
///
/// run_blocking(async |scope| {
///     let ticks = MutableSharedFlow::new();
///     let shared: SharedFlow<u32> = ticks.as_shared_flow();
///     let two = [shared.clone(), shared].map(|it| scope.spawn(it.take(2).to_vec()));
///     ticks.subscription_count().filter(|n| *n == 2).take(1).to_vec().await?;
///     ticks.emit(1).await;
///     ticks.emit(2).await;
///     for collector in two {
///         assert_eq!(collector.await?, [1, 2]);
///     }
///     Ok(())
/// }).unwrap();
/// ```
pub struct SharedFlow<T> {
    cell: Arc<SharedCell<T>>,
    subscription: Option<Subscription>,
}

impl<T> SharedFlow<T> {
    pub(in crate::share) fn of(cell: Arc<SharedCell<T>>) -> Self {
        SharedFlow {
            cell,
            subscription: None,
        }
    }
}

impl<T: Clone> SharedFlow<T> {
    /// What a collector that comes now gets first.
    ///
    /// Kotlin: `replayCache`.
    ///
    /// ```
    /// use corox_flow::MutableSharedFlow;
    ///
    /// let events = MutableSharedFlow::builder().replay(2).build();
    /// for n in 1..=3 {
    ///     assert!(events.try_emit(n));
    /// }
    /// assert_eq!(events.as_shared_flow().replay_cache(), [2, 3]);
    /// ```
    #[must_use]
    #[doc(alias = "replayCache")]
    pub fn replay_cache(&self) -> Vec<T> {
        self.cell.replay_cache()
    }
}

/// A copy of a running collection is a new one.
impl<T> Clone for SharedFlow<T> {
    fn clone(&self) -> Self {
        SharedFlow::of(self.cell.clone())
    }
}

impl<T> Drop for SharedFlow<T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(subscription) = &self.subscription {
            self.cell.unsubscribe(subscription);
        }
    }
}

// Nothing in it is pinned.
impl<T> Unpin for SharedFlow<T> {}

impl<T: Clone> Flow for SharedFlow<T> {
    type Item = T;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<T>>> {
        let this = &mut *self;
        let cell = &*this.cell;
        let subscription = this.subscription.get_or_insert_with(|| cell.subscribe());
        // F-39: who is cancelled gets nothing more.
        if cancelled_here_again() {
            return Poll::Pending;
        }
        let mut to_sleep = None;
        loop {
            match cell.look(subscription, false, cx.waker(), to_sleep.take()) {
                Look::Values(mut values) => return Poll::Ready(Ok(values.next())),
                Look::Asleep => return Poll::Pending,
                // Not under the lock.
                Look::Nothing => to_sleep = Some(cx.waker().clone()),
            }
        }
    }

    #[inline]
    fn poll_each<S>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sink: &mut S,
    ) -> Poll<Result<ControlFlow<()>>>
    where
        S: FnMut(T) -> ControlFlow<()>,
    {
        let this = &mut *self;
        let cell = &*this.cell;
        let subscription = this.subscription.get_or_insert_with(|| cell.subscribe());
        let lease = cell.leases();
        let mut to_sleep = None;
        // F-39: who is cancelled gets nothing more.
        while !cancelled_here_again() {
            let mut values = match cell.look(subscription, lease, cx.waker(), to_sleep.take()) {
                Look::Values(values) => values,
                Look::Asleep => return Poll::Pending,
                Look::Nothing => {
                    to_sleep = Some(cx.waker().clone());
                    continue;
                }
            };
            while let Some(value) = values.next() {
                // Taken, not processed: F-35.
                if lease {
                    cell.take(subscription);
                }
                let broke = sink(value).is_break();
                if broke || cancelled_here_again() {
                    if lease {
                        cell.give_back(subscription);
                    }
                    return match broke {
                        true => Poll::Ready(Ok(ControlFlow::Break(()))),
                        false => Poll::Pending,
                    };
                }
            }
            // They are likely to be all.
            to_sleep = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// F-44. It looks for cancellation, and runs nothing that could run elsewhere.
    fn fuse(&mut self, stage: &Stage) -> bool {
        match stage {
            Stage::Cancellable => true,
            Stage::Buffer(settings) => adds_nothing(settings),
            _ => false,
        }
    }
}

/// Whether there is no room in the buffer.
pub(in crate::share) fn adds_nothing(settings: &Settings) -> bool {
    let room = settings.capacity.map_or(0, |_| settings.settle().0);
    room == 0 && settings.overflow == BufferOverflow::Suspend
}

impl<T: Clone> HotFlow for SharedFlow<T> {
    fn poll_subscribed(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<Option<T>>> {
        let this = &mut *self;
        let cell = &*this.cell;
        this.subscription.get_or_insert_with(|| cell.subscribe());
        Poll::Ready(Ok(None))
    }
}

impl<T> fmt::Debug for SharedFlow<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedFlow").finish_non_exhaustive()
    }
}
