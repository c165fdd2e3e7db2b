//! At most one item for each, which takes its time to be decided.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corox_core::Result;
use pin_project_lite::pin_project;

use super::Step;
use crate::Flow;
use crate::per_item::PerItem;
use crate::why::because;

pin_project! {
    /// The flow of most operators whose closure may suspend.
    #[derive(Clone)]
    pub(crate) struct StepsAsync<S, C> {
        // Not there once a step has ended or failed the flow.
        #[pin]
        upstream: Option<S>,
        #[pin]
        calls: C,
    }
}

impl<S, R, C> StepsAsync<S, C>
where
    S: Flow,
    C: PerItem<S::Item, Out = Step<R>> + Clone,
{
    pub(crate) fn new(upstream: S, calls: C) -> Self {
        StepsAsync {
            upstream: Some(upstream),
            calls,
        }
    }
}

impl<S, R, C> Flow for StepsAsync<S, C>
where
    S: Flow,
    C: PerItem<S::Item, Out = Step<R>> + Clone,
{
    type Item = R;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<R>>> {
        let mut this = self.project();
        let Some(mut upstream) = this.upstream.as_mut().as_pin_mut() else {
            return Poll::Ready(Ok(None));
        };
        let stopped = loop {
            if !this.calls.is_running() {
                match ready!(upstream.as_mut().poll_next(cx))? {
                    Some(item) => this.calls.as_mut().start(item),
                    None => return Poll::Ready(Ok(None)),
                }
            }
            let Poll::Ready(step) = this.calls.as_mut().poll(cx) else {
                upstream.poll_progress(cx);
                return Poll::Pending;
            };
            match step {
                Step::Emit(item) => return Poll::Ready(Ok(Some(item))),
                Step::Skip => {}
                Step::End => break Ok(None),
                Step::Fail(error) => break Err(error),
            }
        };
        because(stopped.as_ref().err(), || this.upstream.set(None));
        Poll::Ready(stopped)
    }

    #[inline]
    fn poll_each<K>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sink: &mut K,
    ) -> Poll<Result<ControlFlow<()>>>
    where
        K: FnMut(R) -> ControlFlow<()>,
    {
        let mut this = self.project();
        let Some(mut upstream) = this.upstream.as_mut().as_pin_mut() else {
            return Poll::Ready(Ok(ControlFlow::Continue(())));
        };
        let mut calls = this.calls;
        let (mut busy, mut stopped) = (false, None);
        let mut settle = |polled: Poll<Step<R>>| match polled {
            Poll::Ready(step) => step.settle(sink, &mut stopped),
            Poll::Pending => {
                busy = true;
                ControlFlow::Break(())
            }
        };
        let waker = cx.waker();
        let mut cx = Context::from_waker(waker);
        let mut ended = Poll::Ready(Ok(ControlFlow::Continue(())));
        if calls.is_running() {
            let settled = settle(calls.as_mut().poll(&mut cx));
            ended = Poll::Ready(Ok(settled));
        }
        if let Poll::Ready(Ok(ControlFlow::Continue(()))) = ended {
            ended = upstream.as_mut().poll_each(&mut cx, &mut |item| {
                calls.as_mut().start(item);
                settle(calls.as_mut().poll(&mut Context::from_waker(waker)))
            });
        }
        if busy {
            upstream.poll_progress(&mut cx);
            return Poll::Pending;
        }
        let Some(stopped) = stopped else {
            return ended;
        };
        // Not inside its `poll_each`.
        because(stopped.as_ref().err(), || this.upstream.set(None));
        Poll::Ready(stopped)
    }

    #[inline]
    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        if let Some(upstream) = self.project().upstream.as_pin_mut() {
            upstream.poll_progress(cx);
        }
    }
}
