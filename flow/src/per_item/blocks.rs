//! A block for each item.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};

use corox_core::Result;
use pin_project_lite::pin_project;

use super::PerItemEmitting;
use crate::block::{Lent, LentEmitter, with_lent};
use crate::{BlockOutput, Emitter};

pin_project! {
    /// The block that `f` gives for an item.
    pub(crate) struct Blocks<T, F, Fut> {
        f: F,
        #[pin]
        lent: Lent<T, Fut>,
    }
}

impl<T, F, Fut> Blocks<T, F, Fut> {
    pub(crate) fn new<X>(f: F) -> Self
    where
        F: FnMut(X, LentEmitter<T>) -> Fut,
    {
        Blocks {
            f,
            lent: Lent::idle(),
        }
    }
}

impl<T, F: Clone, Fut> Clone for Blocks<T, F, Fut> {
    fn clone(&self) -> Self {
        Blocks {
            f: self.f.clone(),
            lent: self.lent.fresh(),
        }
    }
}

impl<X, T, F, Fut> PerItemEmitting<X> for Blocks<T, F, Fut>
where
    F: FnMut(X, LentEmitter<T>) -> Fut + Clone,
    Fut: Future<Output: BlockOutput>,
{
    type Item = T;

    #[inline]
    fn start(self: Pin<&mut Self>, item: X) {
        let this = self.project();
        this.lent.start(|lent| (this.f)(item, lent));
    }

    #[inline]
    fn stop(self: Pin<&mut Self>) {
        self.project().lent.stop();
    }

    #[inline]
    fn is_running(&self) -> bool {
        self.lent.is_running()
    }

    #[inline]
    fn poll_each<K>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sink: &mut K,
    ) -> Poll<Result<ControlFlow<()>>>
    where
        K: FnMut(T) -> ControlFlow<()>,
    {
        self.project().lent.poll_each(cx, sink)
    }

    #[inline]
    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        self.project().lent.poll_progress(cx);
    }
}

/// The block of a copy of `f`.
pub(crate) fn blocks<X, T, R, F>(f: F) -> impl PerItemEmitting<X, Item = T>
where
    F: AsyncFnOnce(X, &Emitter<T>) -> R + Clone,
    R: BlockOutput,
{
    Blocks::new(move |item, lent| {
        let f = f.clone();
        with_lent(lent, async move |emitter: &Emitter<T>| {
            f(item, emitter).await
        })
    })
}
