//! Flows of what a function gives.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corox_core::Result;
use pin_project_lite::pin_project;

use super::IterFlow;
use crate::Flow;
use crate::unstarted::Running;

/// The flow without items, which ends at once.
///
/// Kotlin: `emptyFlow`.
///
/// ```
/// use corox_flow::{empty_flow, prelude::*};
/// use corox_core::run_blocking;
///
/// run_blocking(async |_| {
///     assert_eq!(empty_flow::<i32>().count().await?, 0);
///     Ok(())
/// }).unwrap();
/// ```
#[doc(alias = "emptyFlow")]
#[must_use]
pub fn empty_flow<T>() -> IterFlow<std::iter::Empty<T>> {
    IterFlow(std::iter::empty())
}

/// The flow of the one value that `f` gives, which is called anew by each collection.
///
/// For as many as it has to give there is `std::iter::from_fn(f).into_flow()`.
///
/// Kotlin: `(() -> T).asFlow()`.
///
/// ```
/// use corox_flow::{flow_from_fn, prelude::*};
/// use corox_core::run_blocking;
/// use std::cell::Cell;
///
/// run_blocking(async |_| {
///     let calls = Cell::new(0);
///     let call = flow_from_fn(|| { calls.set(calls.get() + 1); calls.get() });
///     assert_eq!(call.clone().to_vec().await?, [1]);
///     assert_eq!(call.to_vec().await?, [2]);
///     Ok(())
/// }).unwrap();
/// ```
#[doc(alias = "asFlow")]
pub fn flow_from_fn<T, F: FnOnce() -> T + Clone>(f: F) -> IterFlow<std::iter::OnceWith<F>> {
    IterFlow(std::iter::once_with(f))
}

/// The flow of the one value that `f` gives, which may suspend, and is called anew by each collection.
///
/// A future as a flow is this, too: of a function that makes it, or of a clone of one that can be cloned.
///
/// Kotlin: `(suspend () -> T).asFlow()`.
///
/// ```
/// use corox_flow::{flow_from_async_fn, prelude::*};
/// use corox_core::{run_blocking, yield_now};
///
/// async fn fetch() -> u32 {
///     yield_now().await;
///     7
/// }
///
/// run_blocking(async |_| {
///     assert_eq!(flow_from_async_fn(fetch).map(|n| n + 1).to_vec().await?, [8]);
///     Ok(())
/// }).unwrap();
/// ```
#[doc(alias = "asFlow")]
pub fn flow_from_async_fn<T, F>(f: F) -> impl Flow<Item = T>
where
    F: AsyncFnOnce() -> T + Clone,
{
    Call {
        make: Some(move || f()),
        running: Running::none(),
    }
}

pin_project! {
    /// The output of one future.
    struct Call<F, Fut> {
        make: Option<F>,
        #[pin]
        running: Running<Fut>,
    }
}

impl<F: Clone, Fut> Clone for Call<F, Fut> {
    fn clone(&self) -> Self {
        Call {
            make: self.make.clone(),
            running: self.running.clone(),
        }
    }
}

impl<F: FnOnce() -> Fut + Clone, Fut: Future> Flow for Call<F, Fut> {
    type Item = Fut::Output;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<Fut::Output>>> {
        let mut this = self.project();
        if let Some(make) = this.make.take() {
            this.running.as_mut().set(Some(make()));
        }
        let Some(running) = this.running.as_mut().get() else {
            return Poll::Ready(Ok(None));
        };
        let value = ready!(running.poll(cx));
        this.running.set(None);
        Poll::Ready(Ok(Some(value)))
    }
}
