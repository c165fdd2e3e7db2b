//! One value of all items, by an operation that may suspend.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corox_core::Result;
use pin_project_lite::pin_project;

use super::{Accepted, Consumer};

pin_project! {
    pub(super) struct FoldAsync<A, F, Fut, G> {
        // Not there while `running` has it.
        value: Option<A>,
        operation: F,
        #[pin]
        running: Option<Fut>,
        finish: Option<G>,
    }
}

impl<A, F, Fut, G> FoldAsync<A, F, Fut, G> {
    /// `finish` makes the output of the value.
    pub(super) fn new<T, R>(initial: A, operation: F, finish: G) -> Self
    where
        F: FnMut(A, T) -> Fut,
        Fut: Future<Output = Result<A>>,
        G: FnOnce(A) -> Result<R>,
    {
        FoldAsync {
            value: Some(initial),
            operation,
            running: None,
            finish: Some(finish),
        }
    }
}

impl<T, A, R, F, Fut, G> Consumer<T> for FoldAsync<A, F, Fut, G>
where
    F: FnMut(A, T) -> Fut,
    Fut: Future<Output = Result<A>>,
    G: FnOnce(A) -> Result<R>,
{
    type Output = R;

    #[inline]
    fn accept(mut self: Pin<&mut Self>, item: T, cx: &mut Context<'_>) -> Accepted {
        let mut this = self.as_mut().project();
        if let Some(value) = this.value.take() {
            this.running.set(Some((this.operation)(value, item)));
        }
        match Consumer::<T>::poll_busy(self, cx) {
            Poll::Ready(accepted) => accepted,
            Poll::Pending => Accepted::Busy,
        }
    }

    #[inline]
    fn poll_busy(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Accepted> {
        let mut this = self.project();
        let Some(running) = this.running.as_mut().as_pin_mut() else {
            return Poll::Ready(Accepted::More);
        };
        let value = ready!(running.poll(cx));
        this.running.set(None);
        Poll::Ready(match value {
            Ok(value) => {
                *this.value = Some(value);
                Accepted::More
            }
            Err(error) => Accepted::Failed(error),
        })
    }

    fn finish(self: Pin<&mut Self>, ended: Result<()>) -> Result<R> {
        ended?;
        let this = self.project();
        let (value, finish) = (this.value.take(), this.finish.take());
        let (value, finish) = value.zip(finish).expect("it is finished once");
        finish(value)
    }
}
