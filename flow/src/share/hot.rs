//! [`HotFlow`]: flows to which a collector subscribes.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corox_core::{LaunchOutput, Result};
use pin_project_lite::pin_project;

use crate::Flow;
use crate::block::{Emitter, Lent, LentEmitter, with_lent};
use crate::fusion;

/// A flow to which a collector subscribes: a [`SharedFlow`](crate::SharedFlow), a [`StateFlow`](crate::StateFlow), and what
/// [`on_subscription`](crate::FlowShare::on_subscription) makes of them.
///
/// ```
/// use corox_flow::{Flow, HotFlow, MutableStateFlow, prelude::*};
/// use corox_core::run_blocking;
///
/// fn greeted(names: impl HotFlow<Item = &'static str>) -> impl Flow<Item = &'static str> {
///     names.on_subscription(async |emitter| emitter.emit("hello").await)
/// }
///
/// run_blocking(async |_| {
///     let name = MutableStateFlow::new("Ada").as_state_flow();
///     assert_eq!(greeted(name).take(2).to_vec().await?, ["hello", "Ada"]);
///     Ok(())
/// }).unwrap();
/// ```
pub trait HotFlow: Flow {
    /// Subscribes, and runs what was to be done then; gives what that emits. `None` when it is done.
    #[doc(hidden)]
    fn poll_subscribed(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Self::Item>>>;
}

pub(super) fn on_subscription<S, R, F>(upstream: S, action: F) -> impl HotFlow<Item = S::Item>
where
    S: HotFlow,
    F: AsyncFnOnce(&Emitter<S::Item>) -> R + Clone,
    R: LaunchOutput,
{
    OnSubscription {
        upstream: Some(upstream),
        lent: Lent::recipe(move |lent| with_lent(lent, action)),
        stage: Stage::Before,
    }
}

/// How far a collection has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// What is above has still to do something at its subscription.
    Before,
    Action,
    Subscribed,
}

pin_project! {
    struct OnSubscription<S: Flow, Fut, F> {
        // Not there after a failure.
        #[pin]
        upstream: Option<S>,
        #[pin]
        lent: Lent<S::Item, Fut, F>,
        stage: Stage,
    }
}

impl<S: Flow, Fut, F: Clone> Clone for OnSubscription<S, Fut, F> {
    fn clone(&self) -> Self {
        OnSubscription {
            upstream: self.upstream.clone(),
            lent: self.lent.fresh(),
            stage: Stage::Before,
        }
    }
}

impl<S, Fut, F> HotFlow for OnSubscription<S, Fut, F>
where
    S: HotFlow,
    F: FnOnce(LentEmitter<S::Item>) -> Fut + Clone,
    Fut: Future<Output: LaunchOutput>,
{
    fn poll_subscribed(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<S::Item>>> {
        let mut this = self.project();
        let Some(mut upstream) = this.upstream.as_mut().as_pin_mut() else {
            return Poll::Ready(Ok(None));
        };
        let mut polled = Ok(None);
        if *this.stage == Stage::Before {
            polled = ready!(upstream.as_mut().poll_subscribed(cx));
            if let Ok(None) = polled {
                *this.stage = Stage::Action;
            }
        }
        if *this.stage == Stage::Action {
            let Poll::Ready(item) = this.lent.as_mut().poll_next(cx) else {
                upstream.poll_progress(cx);
                return Poll::Pending;
            };
            polled = item;
            if let Ok(None) = polled {
                *this.stage = Stage::Subscribed;
            }
        }
        if polled.is_err() {
            this.upstream.set(None);
        }
        Poll::Ready(polled)
    }
}

impl<S, Fut, F> Flow for OnSubscription<S, Fut, F>
where
    S: HotFlow,
    F: FnOnce(LentEmitter<S::Item>) -> Fut + Clone,
    Fut: Future<Output: LaunchOutput>,
{
    type Item = S::Item;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<S::Item>>> {
        if self.stage != Stage::Subscribed {
            if let Some(item) = ready!(self.as_mut().poll_subscribed(cx))? {
                return Poll::Ready(Ok(Some(item)));
            }
        }
        match self.project().upstream.as_pin_mut() {
            Some(upstream) => upstream.poll_next(cx),
            None => Poll::Ready(Ok(None)),
        }
    }

    #[inline]
    fn poll_each<K>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sink: &mut K,
    ) -> Poll<Result<ControlFlow<()>>>
    where
        K: FnMut(S::Item) -> ControlFlow<()>,
    {
        while self.stage != Stage::Subscribed {
            let Some(item) = ready!(self.as_mut().poll_subscribed(cx))? else {
                break;
            };
            if sink(item).is_break() {
                return Poll::Ready(Ok(ControlFlow::Break(())));
            }
        }
        match self.project().upstream.as_pin_mut() {
            Some(upstream) => upstream.poll_each(cx, sink),
            None => Poll::Ready(Ok(ControlFlow::Continue(()))),
        }
    }

    #[inline]
    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        let this = self.project();
        if *this.stage == Stage::Action {
            this.lent.poll_progress(cx);
        }
        if let Some(upstream) = this.upstream.as_pin_mut() {
            upstream.poll_progress(cx);
        }
    }

    /// What is above looks for cancellation, and so does the emitter.
    fn fuse(&mut self, stage: &fusion::Stage) -> bool {
        matches!(stage, fusion::Stage::Cancellable)
    }
}
