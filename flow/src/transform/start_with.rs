//! An item before all others.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};

use corox_core::Result;
use pin_project_lite::pin_project;

use crate::Flow;

pin_project! {
    /// `first`, and then what a flow gives, which is not started before `first` was processed.
    #[derive(Clone)]
    pub(super) struct StartWith<S, T> {
        first: Option<T>,
        begun: bool,
        #[pin]
        upstream: S,
    }
}

impl<S, T> StartWith<S, T> {
    pub(super) fn new(first: T, upstream: S) -> Self {
        StartWith {
            first: Some(first),
            begun: false,
            upstream,
        }
    }
}

impl<T: Clone, S: Flow<Item = T>> Flow for StartWith<S, T> {
    type Item = T;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<T>>> {
        let this = self.project();
        match this.first.take() {
            Some(first) => Poll::Ready(Ok(Some(first))),
            None => {
                *this.begun = true;
                this.upstream.poll_next(cx)
            }
        }
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
        let this = self.project();
        if let Some(first) = this.first.take() {
            if sink(first).is_break() {
                return Poll::Ready(Ok(ControlFlow::Break(())));
            }
        }
        *this.begun = true;
        this.upstream.poll_each(cx, sink)
    }

    #[inline]
    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        let this = self.project();
        if *this.begun {
            this.upstream.poll_progress(cx);
        }
    }
}
