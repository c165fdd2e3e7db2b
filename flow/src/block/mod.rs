//! [`flow()`]: a block that emits.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};

use corox_core::{LaunchOutput, Result};
use pin_project_lite::pin_project;

use crate::Flow;
use crate::fusion::Stage;

mod emit_all;
mod emitter;
mod output;

pub use emitter::{Emit, Emitter};
pub(crate) use emitter::{Lent, LentEmitter, with_lent};
pub use output::BlockOutput;

/// The flow of what a block emits, which is run anew by each collection.
///
/// The block runs inside whoever collects the flow: what it borrows need not be `'static`, and each
/// [`emit`](Emitter::emit) runs the stages behind it before it returns. It is dropped when the collection ends before it
/// has. It gives `()`, or a [`Result<()>`](corox_core::Result), whose failure is then that of the flow:
/// [`catch`](crate::FlowErrors::catch) handles it, or the terminal operator gives it.
///
/// In a function that returns the flow, write `async move |emitter| ..`, or rustc says that the arguments do
/// not live long enough.
///
/// Kotlin: `flow { }`.
///
/// ```
/// use corox_flow::{Flow, flow, prelude::*};
/// use corox_core::{delay, run_blocking};
/// use std::time::Duration;
///
/// fn countdown(from: u32) -> impl Flow<Item = u32> {
///     flow(async move |emitter| {
///         for n in (0..from).rev() {
///             delay(Duration::from_millis(1)).await;
///             emitter.emit(n).await;
///         }
///     })
/// }
///
/// run_blocking(async |_| {
///     assert_eq!(countdown(3).to_vec().await?, [2, 1, 0]);
///
///     let numbers = flow(async |emitter| {
///         for word in "1 2 x".split(' ') {
///             emitter.emit(word.parse::<i32>()?).await;
///         }
///         Ok(())
///     });
///     let mut seen = Vec::new();
///     let error = numbers.for_each(|n| seen.push(n)).await.unwrap_err();
///     assert_eq!(seen, [1, 2]);
///     assert!(error.downcast_ref::<std::num::ParseIntError>().is_some());
///     Ok(())
/// }).unwrap();
/// ```
pub fn flow<T, R, F>(block: F) -> impl Flow<Item = T>
where
    F: AsyncFnOnce(&Emitter<T>) -> R + Clone, // what it captures by `&mut`: a `Cell`, or an atomic
    R: BlockOutput,
{
    Block {
        lent: Lent::recipe(move |lent| with_lent(lent, block)),
    }
}

pin_project! {
    struct Block<T, Fut, F> {
        #[pin]
        lent: Lent<T, Fut, F>,
    }
}

impl<T, Fut, F: Clone> Clone for Block<T, Fut, F> {
    fn clone(&self) -> Self {
        Block {
            lent: self.lent.fresh(),
        }
    }
}

impl<T, Fut, F> Flow for Block<T, Fut, F>
where
    F: FnOnce(LentEmitter<T>) -> Fut + Clone,
    Fut: Future<Output: LaunchOutput>,
{
    type Item = T;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<T>>> {
        self.project().lent.poll_next(cx)
    }

    #[inline]
    fn poll_each<S>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sink: &mut S,
    ) -> Poll<Result<ControlFlow<()>>>
    where
        S: FnMut(T) -> ControlFlow<()>,
    {
        self.project().lent.poll_each(cx, sink)
    }

    #[inline]
    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        self.project().lent.poll_progress(cx);
    }

    /// F-5: each `emit` looks whether the coroutine is cancelled.
    fn fuse(&mut self, stage: &Stage) -> bool {
        matches!(stage, Stage::Cancellable)
    }
}
