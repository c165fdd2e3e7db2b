//! A flow that is asked for one item after another, whatever runs it.

use std::pin::Pin;
use std::task::{Context, Poll};

use corox_core::Result;
use corox_flow::{Flow, prelude::*};

/// `flow`, polled by `poll_next` alone.
pub fn pulled<S: Flow>(flow: S) -> Pulled<S> {
    Pulled(Box::pin(flow))
}

/// All items of `flow`, pulled or driven.
pub async fn items_of<S: Flow>(flow: S, pull: bool) -> Result<Vec<S::Item>> {
    if pull {
        pulled(flow).to_vec().await
    } else {
        flow.to_vec().await
    }
}

/// The flow of [`pulled`]: its own `poll_each` is the default.
pub struct Pulled<S>(Pin<Box<S>>);

impl<S: Flow> Clone for Pulled<S> {
    fn clone(&self) -> Self {
        pulled(S::clone(&self.0))
    }
}

impl<S: Flow> Flow for Pulled<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<S::Item>>> {
        self.0.as_mut().poll_next(cx)
    }

    fn poll_progress(mut self: Pin<&mut Self>, cx: &mut Context<'_>) {
        self.0.as_mut().poll_progress(cx);
    }
}
