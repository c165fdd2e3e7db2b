//! A future for each item, whose output is wanted.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::unstarted::Running;

/// A future for each item, one at a time.
pub(crate) trait PerItem<T> {
    type Out;

    /// Begins with an item. What was begun before has been polled to its end.
    fn start(self: Pin<&mut Self>, item: T);

    /// Goes on with what was begun; `Pending` if there is nothing.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Out>;

    /// Something was begun and is not done.
    fn is_running(&self) -> bool;
}

pin_project! {
    /// The future that `f` gives for an item.
    pub(crate) struct Calls<F, Fut> {
        f: F,
        #[pin]
        running: Running<Fut>,
    }
}

impl<F, Fut> Calls<F, Fut> {
    pub(crate) fn new<T>(f: F) -> Self
    where
        F: FnMut(T) -> Fut,
    {
        Calls {
            f,
            running: Running::none(),
        }
    }
}

impl<F: Clone, Fut> Clone for Calls<F, Fut> {
    fn clone(&self) -> Self {
        Calls {
            f: self.f.clone(),
            running: Running::none(),
        }
    }
}

impl<T, F: FnMut(T) -> Fut, Fut: Future> PerItem<T> for Calls<F, Fut> {
    type Out = Fut::Output;

    #[inline]
    fn start(self: Pin<&mut Self>, item: T) {
        let this = self.project();
        this.running.set(Some((this.f)(item)));
    }

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Fut::Output> {
        let mut running = self.project().running;
        let Some(future) = running.as_mut().get() else {
            return Poll::Pending;
        };
        let output = ready!(future.poll(cx));
        running.set(None);
        Poll::Ready(output)
    }

    #[inline]
    fn is_running(&self) -> bool {
        self.running.is_some()
    }
}

/// The future of a copy of `f`.
pub(crate) fn calls<T, R, F>(f: F) -> impl PerItem<T, Out = R> + Clone
where
    F: AsyncFnOnce(T) -> R + Clone,
{
    Calls::new(move |item| f.clone()(item))
}

pin_project! {
    /// The same with a state that goes from item to item.
    pub(crate) struct Stateful<A, F, Fut> {
        // Not there while `running` has it.
        state: Option<A>,
        f: F,
        #[pin]
        running: Running<Fut>,
    }
}

impl<A, F, Fut> Stateful<A, F, Fut> {
    pub(crate) fn new<T, R>(state: A, f: F) -> Self
    where
        F: FnMut(A, T) -> Fut,
        Fut: Future<Output = (A, R)>,
    {
        Stateful {
            state: Some(state),
            f,
            running: Running::none(),
        }
    }
}

impl<A: Clone, F: Clone, Fut> Clone for Stateful<A, F, Fut> {
    fn clone(&self) -> Self {
        Stateful {
            state: self.state.clone(),
            f: self.f.clone(),
            running: Running::none(),
        }
    }
}

impl<T, A, R, F, Fut> PerItem<T> for Stateful<A, F, Fut>
where
    F: FnMut(A, T) -> Fut,
    Fut: Future<Output = (A, R)>,
{
    type Out = R;

    #[inline]
    fn start(self: Pin<&mut Self>, item: T) {
        let this = self.project();
        // It is not there after a panic of the future, and then nothing polls this.
        if let Some(state) = this.state.take() {
            this.running.set(Some((this.f)(state, item)));
        }
    }

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let mut this = self.project();
        let Some(future) = this.running.as_mut().get() else {
            return Poll::Pending;
        };
        let (state, output) = ready!(future.poll(cx));
        this.running.set(None);
        *this.state = Some(state);
        Poll::Ready(output)
    }

    #[inline]
    fn is_running(&self) -> bool {
        self.running.is_some()
    }
}
