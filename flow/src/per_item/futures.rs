//! A future for each item, whose output is emitted.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};

use corox_core::Result;
use pin_project_lite::pin_project;

use super::PerItemEmitting;

pin_project! {
    /// The future that `f` gives for an item; `map` says whether its output is an item or a failure.
    struct Futures<F, Fut: Future, M> {
        f: F,
        #[pin]
        state: State<Fut, Fut::Output>,
        map: M,
    }
}

pin_project! {
    /// ```text
    /// Idle --start--> Running --completes--> Done --is told--> Idle
    /// ```
    #[project = StateOf]
    enum State<Fut, O> {
        Idle,
        Running { #[pin] future: Fut },
        /// Without it: it was emitted, and whoever collects had enough.
        Done { output: Option<O> },
    }
}

impl<Fut: Future> State<Fut, Fut::Output> {
    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) {
        if let StateOf::Running { future } = self.as_mut().project() {
            if let Poll::Ready(output) = future.poll(cx) {
                let output = Some(output);
                self.set(State::Done { output });
            }
        }
    }
}

impl<F: Clone, Fut: Future, M: Clone> Clone for Futures<F, Fut, M> {
    fn clone(&self) -> Self {
        Futures {
            f: self.f.clone(),
            state: State::Idle,
            map: self.map.clone(),
        }
    }
}

impl<X, T, F, Fut, M> PerItemEmitting<X> for Futures<F, Fut, M>
where
    F: FnMut(X) -> Fut + Clone,
    Fut: Future,
    M: FnMut(Fut::Output) -> Result<T> + Clone,
{
    type Item = T;

    #[inline]
    fn start(self: Pin<&mut Self>, item: X) {
        let mut this = self.project();
        let future = (this.f)(item);
        this.state.set(State::Running { future });
    }

    #[inline]
    fn stop(self: Pin<&mut Self>) {
        self.project().state.set(State::Idle);
    }

    #[inline]
    fn is_running(&self) -> bool {
        !matches!(self.state, State::Idle)
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
        let mut this = self.project();
        this.state.as_mut().poll(cx);
        let output = match this.state.as_mut().project() {
            StateOf::Idle => None,
            StateOf::Running { .. } => return Poll::Pending,
            StateOf::Done { output } => output.take(),
        };
        let ended = match output.map(this.map) {
            None => Ok(ControlFlow::Continue(())),
            Some(item) => item.map(sink),
        };
        if !matches!(ended, Ok(ControlFlow::Break(()))) {
            this.state.set(State::Idle);
        }
        Poll::Ready(ended)
    }

    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        self.project().state.poll(cx);
    }
}

/// The future that `f` gives, whose output `map` makes an item of.
pub(crate) fn mapped_futures<X, T, R, Fut>(
    f: impl FnMut(X) -> Fut + Clone,
    map: impl FnMut(R) -> Result<T> + Clone,
) -> impl PerItemEmitting<X, Item = T>
where
    Fut: Future<Output = R>,
{
    Futures {
        f,
        state: State::Idle,
        map,
    }
}

/// The future that a copy of `f` gives.
pub(crate) fn futures<X, R, F>(f: F) -> impl PerItemEmitting<X, Item = R>
where
    F: AsyncFnOnce(X) -> R + Clone,
{
    mapped_futures(move |item| f.clone()(item), Ok)
}
