//! What runs for an item and emits.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};

use corox_core::Result;

/// What runs for an item, one at a time, and emits: a block, a flow or a future, together with what makes it. A copy runs nothing.
pub(crate) trait PerItemEmitting<X>: Clone {
    type Item;

    /// Begins with an item. What was begun before has ended, or was stopped.
    fn start(self: Pin<&mut Self>, item: X);

    /// Drops what runs.
    fn stop(self: Pin<&mut Self>);

    /// Something was begun, has not told its end, and was not stopped.
    fn is_running(&self) -> bool;

    /// Of what runs, as of a flow; if nothing does, it has ended.
    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<Self::Item>>> {
        let mut item = None;
        let polled = self.poll_each(cx, &mut |next| {
            item = Some(next);
            ControlFlow::Break(())
        });
        polled.map(|ended| ended.map(|_| item))
    }

    /// Of what runs, as of a flow; if nothing does, it has ended.
    fn poll_each<K>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sink: &mut K,
    ) -> Poll<Result<ControlFlow<()>>>
    where
        K: FnMut(Self::Item) -> ControlFlow<()>;

    /// Of what runs, as of a flow.
    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>);
}
