//! A flow after whose end something follows.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corox_core::waiters_protocol::cancelled_here;
use corox_core::{Error, Result};
use pin_project_lite::pin_project;

use crate::Flow;
use crate::children::Children;

pin_project! {
    /// Runs a flow, and says how it has ended when nothing of it is left: it is dropped then, and its coroutines have ended.
    ///
    /// ```text
    /// upstream --ends or fails--> ended, children leave --> over
    ///    ^------------------------ start -------------------'
    /// ```
    pub(crate) struct Ending<S> {
        #[pin]
        upstream: Option<S>,
        ended: Option<Result<()>>,
        children: Children,
    }
}

impl<S: Clone> Clone for Ending<S> {
    fn clone(&self) -> Self {
        Ending {
            upstream: self.upstream.clone(),
            ended: None,
            children: Children::default(),
        }
    }
}

impl<S> Ending<S> {
    pub(crate) fn of(upstream: S) -> Self {
        Ending {
            upstream: Some(upstream),
            ..Ending::over()
        }
    }

    /// Of nothing, until [`start`](Ending::start).
    pub(crate) fn over() -> Self {
        Ending {
            upstream: None,
            ended: None,
            children: Children::default(),
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.upstream.is_none() && self.ended.is_none()
    }

    /// Runs `upstream`; it was over.
    pub(crate) fn start(self: Pin<&mut Self>, upstream: S) {
        self.project().upstream.set(Some(upstream));
    }

    /// Drops the flow.
    pub(crate) fn stop(self: Pin<&mut Self>) {
        let mut this = self.project();
        *this.ended = None;
        this.children.of(|| this.upstream.set(None));
    }
}

impl<S: Flow> Ending<S> {
    /// The next item, or how it has ended (`Break`), once.
    #[inline]
    pub(crate) fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<ControlFlow<Result<()>, S::Item>> {
        let mut this = self.project();
        if let Some(upstream) = this.upstream.as_mut().as_pin_mut() {
            let ended = match ready!(this.children.of(|| upstream.poll_next(cx))) {
                Ok(Some(item)) => return Poll::Ready(ControlFlow::Continue(item)),
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            *this.ended = Some(ended);
            this.children.of(|| this.upstream.set(None));
        }
        ready!(this.children.poll_left(cx));
        let ended = this.ended.take().unwrap_or(Ok(()));
        Poll::Ready(ControlFlow::Break(ended))
    }

    /// How it has ended, once; `None` when `sink` wants no more for now.
    #[inline]
    pub(crate) fn poll_each<K>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sink: &mut K,
    ) -> Poll<Option<Result<()>>>
    where
        K: FnMut(S::Item) -> ControlFlow<()>,
    {
        let mut this = self.project();
        if let Some(upstream) = this.upstream.as_mut().as_pin_mut() {
            let ended = match ready!(this.children.of(|| upstream.poll_each(cx, sink))) {
                Ok(ControlFlow::Break(())) => return Poll::Ready(None),
                Ok(ControlFlow::Continue(())) => Ok(()),
                Err(error) => Err(error),
            };
            *this.ended = Some(ended);
            this.children.of(|| this.upstream.set(None));
        }
        ready!(this.children.poll_left(cx));
        Poll::Ready(Some(this.ended.take().unwrap_or(Ok(()))))
    }

    #[inline]
    pub(crate) fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        let this = self.project();
        if let Some(upstream) = this.upstream.as_pin_mut() {
            this.children.of(|| upstream.poll_progress(cx));
        }
    }
}

/// Whether a failure is the cancellation of the coroutine that collects, which nobody is to handle (F-8).
pub(crate) fn is_own_cancellation(error: &Error) -> bool {
    error.is_cancellation() && cancelled_here()
}
