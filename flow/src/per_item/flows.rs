//! A flow for each item.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corox_core::Result;
use pin_project_lite::pin_project;

use super::{PerItemEmitting, blocks};
use crate::unstarted::Running;
use crate::{Emitter, Flow};

pin_project! {
    /// The flow that `f` gives for an item.
    #[derive(Clone)]
    struct Flows<F, I> {
        f: F,
        #[pin]
        running: Running<I>,
    }
}

impl<X, I: Flow, F: FnMut(X) -> I + Clone> PerItemEmitting<X> for Flows<F, I> {
    type Item = I::Item;

    #[inline]
    fn start(self: Pin<&mut Self>, item: X) {
        let this = self.project();
        this.running.set(Some((this.f)(item)));
    }

    #[inline]
    fn stop(self: Pin<&mut Self>) {
        self.project().running.set(None);
    }

    #[inline]
    fn is_running(&self) -> bool {
        self.running.is_some()
    }

    #[inline]
    fn poll_each<K>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sink: &mut K,
    ) -> Poll<Result<ControlFlow<()>>>
    where
        K: FnMut(I::Item) -> ControlFlow<()>,
    {
        let mut running = self.project().running;
        let ended = match running.as_mut().get() {
            Some(flow) => ready!(flow.poll_each(cx, sink)),
            None => Ok(ControlFlow::Continue(())),
        };
        if !matches!(ended, Ok(ControlFlow::Break(()))) {
            running.set(None);
        }
        Poll::Ready(ended)
    }

    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        if let Some(flow) = self.project().running.get() {
            flow.poll_progress(cx);
        }
    }
}

/// The flow that `f` gives.
pub(crate) fn flows<X, I, F>(f: F) -> impl PerItemEmitting<X, Item = I::Item>
where
    I: Flow,
    F: FnMut(X) -> I + Clone,
{
    Flows {
        f,
        running: Running::none(),
    }
}

/// The flow that a copy of `f` gives when it is done.
pub(crate) fn flows_async<X, I, F>(f: F) -> impl PerItemEmitting<X, Item = I::Item>
where
    I: Flow,
    F: AsyncFnOnce(X) -> I + Clone,
{
    blocks(async move |item, emitter: &Emitter<I::Item>| emitter.emit_all(f(item).await).await)
}
