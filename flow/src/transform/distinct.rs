//! No item that equals the one before.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corox_core::Result;
use pin_project_lite::pin_project;

use crate::Flow;
use crate::fusion::Stage;
use crate::unstarted::Remembered;

pin_project! {
    /// The flow of [`distinct_until_changed`](crate::FlowTransform::distinct_until_changed).
    pub(super) struct Distinct<S: Flow> {
        #[pin]
        upstream: S,
        // `upstream` does it.
        fused: bool,
        last: Remembered<S::Item>,
    }
}

impl<S: Flow> Distinct<S> {
    pub(super) fn new(mut upstream: S) -> Self {
        Distinct {
            fused: upstream.fuse(&Stage::Distinct),
            upstream,
            last: Remembered::nothing(),
        }
    }
}

impl<S: Flow> Clone for Distinct<S> {
    fn clone(&self) -> Self {
        Distinct {
            upstream: self.upstream.clone(),
            fused: self.fused,
            last: self.last.clone(),
        }
    }
}

/// Whether it is another one than the last, which it then is.
#[inline]
fn is_new<T: PartialEq + Clone>(last: &mut Option<T>, item: &T) -> bool {
    let new = last.as_ref() != Some(item);
    if new {
        *last = Some(item.clone());
    }
    new
}

impl<S: Flow<Item: PartialEq + Clone>> Flow for Distinct<S> {
    type Item = S::Item;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<S::Item>>> {
        let mut this = self.project();
        loop {
            match ready!(this.upstream.as_mut().poll_next(cx))? {
                Some(item) if !*this.fused && !is_new(this.last.get(), &item) => {}
                item => return Poll::Ready(Ok(item)),
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
        K: FnMut(S::Item) -> ControlFlow<()>,
    {
        let this = self.project();
        // One sink for both: with two the code of a chain would double with each operator.
        let (fused, last) = (*this.fused, this.last.get());
        this.upstream.poll_each(cx, &mut |item| {
            if fused || is_new(last, &item) {
                sink(item)
            } else {
                ControlFlow::Continue(())
            }
        })
    }

    #[inline]
    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        self.project().upstream.poll_progress(cx);
    }

    /// F-30: once is enough.
    fn fuse(&mut self, stage: &Stage) -> bool {
        matches!(stage, Stage::Distinct)
    }
}
