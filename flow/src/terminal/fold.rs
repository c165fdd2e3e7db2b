//! One value of all items.

use std::pin::Pin;
use std::task::Context;

use corox_core::Result;

use super::{Accepted, Consumer};

pub(super) struct Fold<A, F> {
    value: Option<A>,
    operation: F,
}

impl<A, F> Fold<A, F> {
    pub(super) fn new(initial: A, operation: F) -> Self {
        Fold {
            value: Some(initial),
            operation,
        }
    }
}

// Nothing in it is pinned.
impl<A, F> Unpin for Fold<A, F> {}

impl<T, A, F: FnMut(A, T) -> A> Consumer<T> for Fold<A, F> {
    type Output = A;

    #[inline]
    fn accept(mut self: Pin<&mut Self>, item: T, _: &mut Context<'_>) -> Accepted {
        // It is not there after a panic of the operation, and then nothing polls this.
        if let Some(value) = self.value.take() {
            self.value = Some((self.operation)(value, item));
        }
        Accepted::More
    }

    #[inline]
    fn finish(mut self: Pin<&mut Self>, ended: Result<()>) -> Result<A> {
        ended?;
        Ok(self.value.take().expect("it is finished once"))
    }
}
