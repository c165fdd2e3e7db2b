//! A flow that is run again after a failure.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corox_core::{Error, Result};
use pin_project_lite::pin_project;

use crate::Flow;
use crate::ending::{Ending, is_own_cancellation};
use crate::per_item::PerItemEmitting;

/// So many failures in a row without a wait, and others have their turn.
const FAILURES_A_TURN: u32 = 128;

pin_project! {
    /// The flow of `retry`, `retry_when` and `retry_with`.
    ///
    /// `decide` completes when it is to be run again; else it gives the failure.
    pub(super) struct Retrying<S, B> {
        // Never polled. Not there once it has ended for good.
        template: Option<S>,
        #[pin]
        running: Ending<S>,
        attempt: u64,
        #[pin]
        decide: B,
    }
}

impl<S, B> Retrying<S, B>
where
    S: Flow,
    B: PerItemEmitting<(Error, u64), Item = S::Item>,
{
    pub(super) fn new(template: S, decide: B) -> Self {
        Retrying {
            template: Some(template),
            running: Ending::over(),
            attempt: 0,
            decide,
        }
    }

    /// Runs the flow, unless it runs, or another closure does. `false`: it has ended for good.
    fn begin(self: Pin<&mut Self>) -> bool {
        let this = self.project();
        if !this.running.is_over() || this.decide.is_running() {
            return true;
        }
        let Some(template) = this.template else {
            return false;
        };
        this.running.start(template.clone());
        true
    }

    /// The flow has ended. `Some`: for good.
    fn ended(self: Pin<&mut Self>, ended: Result<()>) -> Option<Result<()>> {
        let this = self.project();
        match ended {
            Err(error) if !is_own_cancellation(&error) => {
                let attempt = *this.attempt;
                *this.attempt += 1;
                this.decide.start((error, attempt));
                None
            }
            ended => {
                *this.template = None;
                Some(ended)
            }
        }
    }
}

impl<S: Clone, B: Clone> Clone for Retrying<S, B> {
    fn clone(&self) -> Self {
        Retrying {
            template: self.template.clone(),
            running: Ending::over(),
            attempt: 0,
            decide: self.decide.clone(),
        }
    }
}

impl<S, B> Flow for Retrying<S, B>
where
    S: Flow,
    B: PerItemEmitting<(Error, u64), Item = S::Item>,
{
    type Item = S::Item;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<S::Item>>> {
        for _ in 0..FAILURES_A_TURN {
            if !self.as_mut().begin() {
                return Poll::Ready(Ok(None));
            }
            let mut this = self.as_mut().project();
            if !this.running.is_over() {
                match ready!(this.running.as_mut().poll_next(cx)) {
                    ControlFlow::Continue(item) => return Poll::Ready(Ok(Some(item))),
                    ControlFlow::Break(ended) => {
                        if let Some(ended) = self.as_mut().ended(ended) {
                            return Poll::Ready(ended.map(|()| None));
                        }
                    }
                }
            }
            let this = self.as_mut().project();
            match ready!(this.decide.poll_next(cx)) {
                Ok(None) => {}
                Ok(item) => return Poll::Ready(Ok(item)),
                Err(error) => {
                    *this.template = None;
                    return Poll::Ready(Err(error));
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    #[inline]
    fn poll_each<K>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sink: &mut K,
    ) -> Poll<Result<ControlFlow<()>>>
    where
        K: FnMut(S::Item) -> ControlFlow<()>,
    {
        for _ in 0..FAILURES_A_TURN {
            if !self.as_mut().begin() {
                return Poll::Ready(Ok(ControlFlow::Continue(())));
            }
            let mut this = self.as_mut().project();
            if !this.running.is_over() {
                match ready!(this.running.as_mut().poll_each(cx, sink)) {
                    None => return Poll::Ready(Ok(ControlFlow::Break(()))),
                    Some(ended) => {
                        if let Some(ended) = self.as_mut().ended(ended) {
                            return Poll::Ready(ended.map(ControlFlow::Continue));
                        }
                    }
                }
            }
            let this = self.as_mut().project();
            match ready!(this.decide.poll_each(cx, sink)) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => return Poll::Ready(Ok(ControlFlow::Break(()))),
                Err(error) => {
                    *this.template = None;
                    return Poll::Ready(Err(error));
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    #[inline]
    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        let this = self.project();
        this.running.poll_progress(cx);
        this.decide.poll_progress(cx);
    }
}
