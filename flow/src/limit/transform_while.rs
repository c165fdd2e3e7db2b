//! Any number of items for each, until the closure says that it is enough.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corox_core::{Error, Result};
use pin_project_lite::pin_project;

use crate::block::with_lent;
use crate::per_item::{Blocks, PerItemEmitting};
use crate::transform::Emitting;
use crate::why::Enough;
use crate::{Emitter, Flow, Verdict};

/// The block of each item: see [`per_item`](crate::per_item).
fn while_it_says<X, T, R, F>(f: F) -> impl PerItemEmitting<X, Item = T>
where
    F: AsyncFnOnce(X, &Emitter<T>) -> R + Clone,
    R: Verdict,
{
    Blocks::new(move |item, lent| {
        let f = f.clone();
        with_lent(lent, async move |emitter: &Emitter<T>| {
            if f(item, emitter).await.into_result()? {
                Ok(())
            } else {
                Err(Error::from(Enough))
            }
        })
    })
}

pub(super) fn transform_while<S, T, R, F>(upstream: S, f: F) -> impl Flow<Item = T>
where
    S: Flow,
    F: AsyncFnOnce(S::Item, &Emitter<T>) -> R + Clone,
    R: Verdict,
{
    let transformed = Emitting::new(upstream, while_it_says(f));
    EndsEarly {
        upstream: Some(transformed),
    }
}

pin_project! {
    /// Makes an end of the failure [`Enough`].
    #[derive(Clone)]
    struct EndsEarly<S> {
        #[pin]
        upstream: Option<S>,
    }
}

fn or_enough<T>(ended: Result<T>, at_the_end: T) -> Result<T> {
    match ended {
        Err(error) if Enough::is(&error) => Ok(at_the_end),
        ended => ended,
    }
}

impl<S: Flow> Flow for EndsEarly<S> {
    type Item = S::Item;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<S::Item>>> {
        let mut this = self.project();
        let Some(upstream) = this.upstream.as_mut().as_pin_mut() else {
            return Poll::Ready(Ok(None));
        };
        let item = ready!(upstream.poll_next(cx));
        if item.is_err() {
            this.upstream.set(None);
        }
        Poll::Ready(or_enough(item, None))
    }

    #[inline]
    fn poll_each<K>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sink: &mut K,
    ) -> Poll<Result<ControlFlow<()>>>
    where
        K: FnMut(S::Item) -> ControlFlow<()>,
    {
        let mut this = self.project();
        let Some(upstream) = this.upstream.as_mut().as_pin_mut() else {
            return Poll::Ready(Ok(ControlFlow::Continue(())));
        };
        let ended = ready!(upstream.poll_each(cx, sink));
        if ended.is_err() {
            this.upstream.set(None);
        }
        Poll::Ready(or_enough(ended, ControlFlow::Continue(())))
    }

    #[inline]
    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        if let Some(upstream) = self.project().upstream.as_pin_mut() {
            upstream.poll_progress(cx);
        }
    }
}
