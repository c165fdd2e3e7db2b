//! [`HotFlow`]: flows to which a collector subscribes.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corox_core::Result;
use pin_project_lite::pin_project;

use crate::block::{Emitter, flow};
use crate::fusion;
use crate::{BlockOutput, Flow};

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
    R: BlockOutput,
{
    OnSubscription {
        upstream: Some(upstream),
        block: Some(flow(action)),
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
    struct OnSubscription<S, B> {
        // Not there after a failure.
        #[pin]
        upstream: Option<S>,
        // The flow of the action, until it has ended.
        #[pin]
        block: Option<B>,
        stage: Stage,
    }
}

impl<S: Clone, B: Clone> Clone for OnSubscription<S, B> {
    fn clone(&self) -> Self {
        OnSubscription {
            upstream: self.upstream.clone(),
            block: self.block.clone(),
            stage: Stage::Before,
        }
    }
}

impl<S, B> HotFlow for OnSubscription<S, B>
where
    S: HotFlow,
    B: Flow<Item = S::Item>,
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
            if let Some(block) = this.block.as_mut().as_pin_mut() {
                let Poll::Ready(item) = block.poll_next(cx) else {
                    upstream.poll_progress(cx);
                    return Poll::Pending;
                };
                polled = item;
            }
            if let Ok(None) = polled {
                this.block.set(None);
                *this.stage = Stage::Subscribed;
            }
        }
        if polled.is_err() {
            this.block.set(None);
            this.upstream.set(None);
        }
        Poll::Ready(polled)
    }
}

impl<S, B> Flow for OnSubscription<S, B>
where
    S: HotFlow,
    B: Flow<Item = S::Item>,
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
            if let Some(block) = this.block.as_pin_mut() {
                block.poll_progress(cx);
            }
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
