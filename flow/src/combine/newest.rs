//! The newest items of several flows.

use std::pin::Pin;
use std::task::{Context, Poll};

use corox_core::Result;
use pin_project_lite::pin_project;

use super::flows::{Flows, Sources};
use crate::Flow;
use crate::why::because;

/// So many rounds of which nothing comes, and others have their turn.
const ROUNDS_A_TURN: u32 = 128;

pin_project! {
    /// The flow of the newest items of several flows, which `combine` and its like are made of.
    pub(super) struct Newest<G: Flows> {
        #[pin]
        sources: G::Sources,
        started: bool,
    }
}

impl<G: Flows> Newest<G> {
    pub(super) fn new(flows: G) -> Self {
        Newest {
            sources: flows.into_sources(),
            started: false,
        }
    }
}

impl<G: Flows> Clone for Newest<G> {
    fn clone(&self) -> Self {
        Newest {
            sources: self.sources.clone(),
            started: false,
        }
    }
}

impl<G: Flows> Flow for Newest<G> {
    type Item = G::Items;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<G::Items>>> {
        let mut this = self.project();
        *this.started = true;
        for _ in 0..ROUNDS_A_TURN {
            let round = match this.sources.as_mut().poll_round(cx) {
                Ok(round) => round,
                Err(error) => {
                    because(Some(&error), || this.sources.end());
                    return Poll::Ready(Err(error));
                }
            };
            if round.updated && !round.absent {
                return Poll::Ready(Ok(this.sources.items()));
            }
            if !round.alive {
                return Poll::Ready(Ok(None));
            }
            if !round.updated {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    #[inline]
    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        let this = self.project();
        if *this.started {
            this.sources.poll_ahead(cx);
        }
    }
}
