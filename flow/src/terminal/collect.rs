//! An action that may suspend, with each item.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corox_core::{LaunchOutput, Result};
use pin_project_lite::pin_project;

use super::{Accepted, Consumer};

pin_project! {
    pub(super) struct Collect<T, F, Fut> {
        action: F,
        #[pin]
        running: Option<Fut>,
        items: PhantomData<fn(T)>,
    }
}

impl<T, F: FnMut(T) -> Fut, Fut> Collect<T, F, Fut> {
    pub(super) fn new(action: F) -> Self {
        Collect {
            action,
            running: None,
            items: PhantomData,
        }
    }
}

impl<T, F, Fut> Consumer<T> for Collect<T, F, Fut>
where
    F: FnMut(T) -> Fut,
    Fut: Future<Output: LaunchOutput>,
{
    type Output = ();

    #[inline]
    fn accept(mut self: Pin<&mut Self>, item: T, cx: &mut Context<'_>) -> Accepted {
        let mut this = self.as_mut().project();
        let action = (this.action)(item);
        this.running.set(Some(action));
        match self.poll_busy(cx) {
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
        let result = ready!(running.poll(cx)).into_result();
        this.running.set(None);
        Poll::Ready(match result {
            Ok(()) => Accepted::More,
            Err(error) => Accepted::Failed(error),
        })
    }

    fn finish(self: Pin<&mut Self>, ended: Result<()>) -> Result<()> {
        ended
    }
}
