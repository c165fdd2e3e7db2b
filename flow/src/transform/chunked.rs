//! Items in vectors.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corox_core::Result;
use pin_project_lite::pin_project;

use crate::Flow;
use crate::unstarted::Remembered;

pin_project! {
    /// The flow of [`chunked`](crate::FlowTransform::chunked).
    pub(super) struct Chunked<S: Flow> {
        // Not there once it has ended.
        #[pin]
        upstream: Option<S>,
        size: usize,
        chunk: Remembered<Vec<S::Item>>,
    }
}

impl<S: Flow> Chunked<S> {
    #[track_caller]
    pub(super) fn new(upstream: S, size: usize) -> Self {
        assert!(
            size > 0,
            "a chunk of 0 items would never be full; `chunked(1)` puts each item into a vector of its own"
        );
        Chunked {
            upstream: Some(upstream),
            size,
            chunk: Remembered::nothing(),
        }
    }
}

impl<S: Flow> Clone for Chunked<S> {
    fn clone(&self) -> Self {
        Chunked {
            upstream: self.upstream.clone(),
            size: self.size,
            chunk: self.chunk.clone(),
        }
    }
}

/// Adds an item; gives the chunk when it is full.
#[inline]
fn add<T>(chunk: &mut Option<Vec<T>>, item: T, size: usize) -> Option<Vec<T>> {
    // A size that is a mistake, or means "all", is no reason to reserve it.
    let items = chunk.get_or_insert_with(|| Vec::with_capacity(size.min(MOST_RESERVED)));
    items.push(item);
    if items.len() == size {
        return chunk.take();
    }
    None
}

const MOST_RESERVED: usize = 1024;

impl<S: Flow> Flow for Chunked<S> {
    type Item = Vec<S::Item>;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<Self::Item>>> {
        let mut this = self.project();
        let Some(mut upstream) = this.upstream.as_mut().as_pin_mut() else {
            return Poll::Ready(Ok(None));
        };
        let ended = loop {
            match ready!(upstream.as_mut().poll_next(cx)) {
                Ok(Some(item)) => {
                    if let Some(full) = add(this.chunk.get(), item, *this.size) {
                        return Poll::Ready(Ok(Some(full)));
                    }
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        this.upstream.set(None);
        let left = this.chunk.get().take();
        Poll::Ready(ended.map(|()| left))
    }

    #[inline]
    fn poll_each<K>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sink: &mut K,
    ) -> Poll<Result<ControlFlow<()>>>
    where
        K: FnMut(Self::Item) -> ControlFlow<()>,
    {
        let mut this = self.project();
        let Some(upstream) = this.upstream.as_mut().as_pin_mut() else {
            return Poll::Ready(Ok(ControlFlow::Continue(())));
        };
        let (chunk, size) = (this.chunk.get(), *this.size);
        let ended = upstream.poll_each(cx, &mut |item| match add(chunk, item, size) {
            Some(full) => sink(full),
            None => ControlFlow::Continue(()),
        });
        let ended = ready!(ended);
        if let Ok(ControlFlow::Break(())) = ended {
            return Poll::Ready(ended);
        }
        this.upstream.set(None);
        let left = this.chunk.get().take();
        match ended {
            Ok(ended) => Poll::Ready(Ok(left.map_or(ended, sink))),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    #[inline]
    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        if let Some(upstream) = self.project().upstream.as_pin_mut() {
            upstream.poll_progress(cx);
        }
    }
}
