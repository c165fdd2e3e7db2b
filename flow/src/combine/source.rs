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

    /// Runs until its next item, if it has none ahead.
    #[inline]
    fn poll_item(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Option<Result<S::Item>> {
        let mut this = self.as_mut().project();
        if let Some(ahead) = this.ahead.take() {
            return Some(ahead);
        }
        let flow = this.flow.as_mut().as_pin_mut()?;
        match flow.poll_next(cx) {
            Poll::Pending => None,
            Poll::Ready(Ok(Some(item))) => Some(Ok(item)),
            Poll::Ready(Ok(None)) => {
                this.flow.set(None);
                None
            }
            Poll::Ready(Err(error)) => {
                this.flow.set(None);
                Some(Err(error))
            }
        }
    }

    /// Its part of a round: at most one new item.
    #[inline]
    pub(super) fn poll_update(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        round: &mut Round,
    ) -> Result<()> {
        let update = self.as_mut().poll_item(cx);
        let this = self.project();
        if let Some(item) = update {
            *this.latest = Some(item?);
            round.updated = true;
        }
        round.absent |= this.latest.is_none();
        round.alive |= this.flow.is_some();
        Ok(())
    }

    /// Goes on while the items before are processed, by one item.
    #[inline]
    pub(super) fn poll_ahead(mut self: Pin<&mut Self>, cx: &mut Context<'_>) {
        let ahead = self.as_mut().poll_item(cx);
        *self.project().ahead = ahead;
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
