//! A state that items change, until it is enough.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::Context;

use corox_core::Result;

use super::{Accepted, Consumer};

/// What most terminal operators are.
pub(super) struct Steps<A, F, G> {
    state: Option<A>,
    step: F,
    finish: Option<G>,
}

impl<A, F, G> Steps<A, F, G> {
    /// `step` changes the state by an item and says whether it wants another one, or has failed; `finish` makes the output of it.
    pub(super) fn new<T, R>(state: A, step: F, finish: G) -> Self
    where
        F: FnMut(&mut A, T) -> ControlFlow<Result<()>>,
        G: FnOnce(A) -> Result<R>,
    {
        Steps {
            state: Some(state),
            step,
            finish: Some(finish),
        }
    }
}

// Nothing in it is pinned.
impl<A, F, G> Unpin for Steps<A, F, G> {}

impl<T, A, R, F, G> Consumer<T> for Steps<A, F, G>
where
    F: FnMut(&mut A, T) -> ControlFlow<Result<()>>,
    G: FnOnce(A) -> Result<R>,
{
    type Output = R;

    #[inline]
    fn accept(mut self: Pin<&mut Self>, item: T, _: &mut Context<'_>) -> Accepted {
        let this = &mut *self;
        let Some(state) = &mut this.state else {
            return Accepted::Enough;
        };
        match (this.step)(state, item) {
            ControlFlow::Continue(()) => Accepted::More,
            ControlFlow::Break(Ok(())) => Accepted::Enough,
            ControlFlow::Break(Err(error)) => Accepted::Failed(error),
        }
    }

    fn finish(mut self: Pin<&mut Self>, ended: Result<()>) -> Result<R> {
        ended?;
        let (state, finish) = (self.state.take(), self.finish.take());
        let (state, finish) = state.zip(finish).expect("it is finished once");
        finish(state)
    }
}
