//! At most one item for each, which takes its time to be decided.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corox_core::Result;
use pin_project_lite::pin_project;

use super::Step;
use crate::Flow;
use crate::unstarted::Running;

pin_project! {
    /// A flow and what becomes of its items, by a state that goes from one to the next.
    pub(crate) struct StepsAsync<S, A, F, Fut> {
        #[pin]
        upstream: Option<S>,
        // Not there while `running` has it.
        state: Option<A>,
        step: F,
        #[pin]
        running: Running<Fut>,
    }
}

impl<S: Clone, A: Clone, F: Clone, Fut> Clone for StepsAsync<S, A, F, Fut> {
    fn clone(&self) -> Self {
        StepsAsync {
            upstream: self.upstream.clone(),
            state: self.state.clone(),
            step: self.step.clone(),
            running: self.running.clone(),
        }
    }
}

impl<S, A, R, F, Fut> StepsAsync<S, A, F, Fut>
where
    S: Flow,
    F: FnMut(A, S::Item) -> Fut,
    Fut: Future<Output = (A, Step<R>)>,
{
    pub(crate) fn new(upstream: S, state: A, step: F) -> Self {
        StepsAsync {
            upstream: Some(upstream),
            state: Some(state),
            step,
            running: Running::none(),
        }
    }
}

impl<S, A, R, F, Fut> Flow for StepsAsync<S, A, F, Fut>
where
    S: Flow,
    A: Clone,
    F: FnMut(A, S::Item) -> Fut + Clone,
    Fut: Future<Output = (A, Step<R>)>,
{
    type Item = R;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<R>>> {
        let mut this = self.project();
        let Some(mut upstream) = this.upstream.as_mut().as_pin_mut() else {
            return Poll::Ready(Ok(None));
        };
        let stopped = loop {
            // It is not there while `running` is, or after a panic of that.
            if let Some(state) = this.state.take() {
                match upstream.as_mut().poll_next(cx) {
                    Poll::Ready(Ok(Some(item))) => {
                        this.running.as_mut().set(Some((this.step)(state, item)));
                    }
                    ended => {
                        *this.state = Some(state);
                        ready!(ended)?;
                        return Poll::Ready(Ok(None));
                    }
                }
            }
            let Poll::Ready(step) = poll_running(this.running.as_mut(), this.state, cx) else {
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
        this.upstream.set(None);
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
        let (step, state, mut running) = (this.step, this.state, this.running);
        let (mut busy, mut stopped) = (false, None);
        let mut settle = |polled| {
            match polled {
                Poll::Ready(Step::Emit(item)) => return sink(item),
                Poll::Ready(Step::Skip) => return ControlFlow::Continue(()),
                Poll::Ready(Step::End) => stopped = Some(Ok(ControlFlow::Continue(()))),
                Poll::Ready(Step::Fail(error)) => stopped = Some(Err(error)),
                Poll::Pending => busy = true,
            }
            ControlFlow::Break(())
        };
        let waker = cx.waker();
        let mut cx = Context::from_waker(waker);
        let mut ended = Poll::Ready(Ok(ControlFlow::Continue(())));
        if running.as_mut().get().is_some() {
            let settled = settle(poll_running(running.as_mut(), state, &mut cx));
            ended = Poll::Ready(Ok(settled));
        }
        if let Poll::Ready(Ok(ControlFlow::Continue(()))) = ended {
            ended = upstream.as_mut().poll_each(&mut cx, &mut |item| {
                if let Some(last) = state.take() {
                    running.as_mut().set(Some(step(last, item)));
                }
                let mut cx = Context::from_waker(waker);
                settle(poll_running(running.as_mut(), state, &mut cx))
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
        this.upstream.set(None);
        Poll::Ready(stopped)
    }

    #[inline]
    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        if let Some(upstream) = self.project().upstream.as_pin_mut() {
            upstream.poll_progress(cx);
        }
    }
}

/// The step that runs; the state comes back with it. There is none after a panic of a step, and then nothing polls this.
#[inline]
fn poll_running<A, R, Fut: Future<Output = (A, Step<R>)>>(
    mut running: Pin<&mut Running<Fut>>,
    state: &mut Option<A>,
    cx: &mut Context<'_>,
) -> Poll<Step<R>> {
    let Some(future) = running.as_mut().get() else {
        return Poll::Pending;
    };
    let (next, step) = ready!(future.poll(cx));
    running.set(None);
    *state = Some(next);
    Poll::Ready(step)
}
