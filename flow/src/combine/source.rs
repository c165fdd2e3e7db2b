//! One of several flows that are combined.

use std::pin::Pin;
use std::task::{Context, Poll};

use corox_core::Result;
use pin_project_lite::pin_project;

use crate::Flow;

pin_project! {
    /// A flow with its newest item.
    #[doc(hidden)]
    pub struct Source<S: Flow> {
        // Gone when it has ended.
        #[pin]
        flow: Option<S>,
        latest: Option<S::Item>,
        // What came while the items before were processed.
        ahead: Option<Result<S::Item>>,
    }
}

impl<S: Flow> std::fmt::Debug for Source<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").finish_non_exhaustive()
    }
}

/// What a round over all sources has found.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Round {
    /// Some source has a new item.
    pub(super) updated: bool,
    /// Some source has had no item yet.
    pub(super) absent: bool,
    /// Some source has not ended.
    pub(super) alive: bool,
}

impl<S: Flow> Source<S> {
    pub(super) fn new(flow: S) -> Self {
        Source {
            flow: Some(flow),
            latest: None,
            ahead: None,
        }
    }

    /// A copy that was never polled.
    pub(super) fn fresh(&self) -> Self {
        Source {
            flow: self.flow.clone(),
            latest: None,
            ahead: None,
        }
    }

    /// Its part of a round: at most one new item.
    #[inline]
    pub(super) fn poll_update(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        round: &mut Round,
    ) -> Result<()> {
        let mut this = self.project();
        if this.ahead.is_some() {
            if let Some(item) = this.ahead.take() {
                *this.latest = Some(item?);
                round.updated = true;
            }
        } else if let Some(flow) = this.flow.as_mut().as_pin_mut() {
            match flow.poll_next(cx)? {
                Poll::Ready(Some(item)) => {
                    *this.latest = Some(item);
                    round.updated = true;
                }
                Poll::Ready(None) => this.flow.set(None),
                Poll::Pending => {}
            }
        }
        round.absent |= this.latest.is_none();
        round.alive |= this.flow.is_some();
        Ok(())
    }

    /// Goes on while the items before are processed, by one item.
    pub(super) fn poll_ahead(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        let mut this = self.project();
        let Some(mut flow) = this.flow.as_mut().as_pin_mut() else {
            return;
        };
        if this.ahead.is_some() {
            flow.poll_progress(cx);
            return;
        }
        match flow.as_mut().poll_next(cx) {
            Poll::Ready(Ok(Some(item))) => *this.ahead = Some(Ok(item)),
            Poll::Ready(Ok(None)) => this.flow.set(None),
            Poll::Ready(Err(error)) => *this.ahead = Some(Err(error)),
            Poll::Pending => {}
        }
    }

    /// Drops the flow and its items.
    pub(super) fn end(self: Pin<&mut Self>) {
        let mut this = self.project();
        this.flow.set(None);
        *this.latest = None;
        *this.ahead = None;
    }

    /// A copy of its newest item.
    #[inline]
    pub(super) fn value(&self) -> Option<S::Item>
    where
        S::Item: Clone,
    {
        self.latest.clone()
    }
}
