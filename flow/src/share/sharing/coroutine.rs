//! The coroutine that runs a flow for those who share it.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use corox_core::Result;
use pin_project_lite::pin_project;

use super::started::SharingCommand;
use crate::Flow;
use crate::children::Children;
use crate::share::shared::{Emitting, SharedCell};
use crate::share::state::StateCell;

/// So many items without a wait, and others have their turn.
const ITEMS_A_TURN: u32 = 128;

/// Where the items go.
pub(super) trait Target {
    type Item;
    type Emitting: Future<Output = ()> + Unpin;

    fn emit(&self, item: Self::Item) -> Self::Emitting;

    /// Forgets what there was.
    fn reset(&self);
}

impl<T> Target for Arc<SharedCell<T>> {
    type Item = T;
    type Emitting = Emitting<Arc<SharedCell<T>>, T>;

    #[inline]
    fn emit(&self, item: T) -> Self::Emitting {
        Emitting::new(self.clone(), item, self.location())
    }

    fn reset(&self) {
        self.reset_replay_cache();
    }
}

/// A state, and what it is without a value of the flow.
pub(super) struct Resettable<T> {
    pub(super) cell: Arc<StateCell<T>>,
    pub(super) initial: Arc<T>,
}

impl<T: PartialEq> Target for Resettable<T> {
    type Item = T;
    type Emitting = std::future::Ready<()>;

    #[inline]
    fn emit(&self, item: T) -> Self::Emitting {
        self.cell.set(item);
        std::future::ready(())
    }

    fn reset(&self) {
        let initial = &self.initial;
        self.cell
            .change(|value, _| (*value != **initial).then(|| initial.clone()));
    }
}

pin_project! {
    /// ```text
    /// idle --Start--> collecting --the flow has ended--> idle
    ///   ^                 | any other command: the collection is dropped
    ///   |                 v
    ///   '--applied-- waiting for its coroutines
    /// ```
    pub(super) struct Sharing<S: Flow, C, K: Target> {
        flow: S,
        target: K,
        // Not there after their end.
        #[pin]
        commands: Option<C>,
        last: Option<SharingCommand>,
        // To be applied when nothing is left of the collection before.
        next: Option<SharingCommand>,
        #[pin]
        running: Option<S>,
        emitting: Option<K::Emitting>,
        failed: Result<()>,
        children: Children,
    }
}

impl<S: Flow, C, K: Target> Sharing<S, C, K> {
    pub(super) fn new(flow: S, commands: C, target: K) -> Self {
        Sharing {
            flow,
            target,
            commands: Some(commands),
            last: None,
            next: None,
            running: None,
            emitting: None,
            failed: Ok(()),
            children: Children::default(),
        }
    }
}

impl<S, C, K> Future for Sharing<S, C, K>
where
    S: Flow,
    C: Flow<Item = SharingCommand>,
    K: Target<Item = S::Item>,
{
    type Output = Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let mut this = self.project();
        loop {
            if this.running.is_none() {
                ready!(this.children.poll_left(cx));
                if this.failed.is_err() {
                    return Poll::Ready(std::mem::replace(this.failed, Ok(())));
                }
                match this.next.take() {
                    Some(SharingCommand::Start) => this.running.set(Some(this.flow.clone())),
                    Some(SharingCommand::StopAndResetReplayCache) => this.target.reset(),
                    Some(SharingCommand::Stop) => {}
                    None if this.commands.is_none() => return Poll::Ready(Ok(())),
                    None => {}
                }
            }
            if let Some(commands) = this.commands.as_mut().as_pin_mut() {
                match commands.poll_next(cx) {
                    Poll::Pending => {}
                    Poll::Ready(Ok(Some(command))) if *this.last == Some(command) => continue,
                    Poll::Ready(Ok(Some(command))) => {
                        *this.last = Some(command);
                        *this.next = Some(command);
                        *this.emitting = None;
                        this.children.of(|| this.running.set(None));
                        continue;
                    }
                    Poll::Ready(Ok(None)) => {
                        this.commands.set(None);
                        continue;
                    }
                    Poll::Ready(Err(error)) => {
                        *this.failed = Err(error);
                        *this.emitting = None;
                        this.children.of(|| this.running.set(None));
                        continue;
                    }
                }
            }
            let Some(mut running) = this.running.as_mut().as_pin_mut() else {
                return Poll::Pending;
            };
            let children = &mut *this.children;
            if let Some(emitting) = this.emitting {
                if Pin::new(emitting).poll(cx).is_pending() {
                    children.of(|| running.poll_progress(cx));
                    return Poll::Pending;
                }
                *this.emitting = None;
            }
            let (target, emitting) = (&*this.target, &mut *this.emitting);
            let mut left = ITEMS_A_TURN;
            let waker = cx.waker();
            let mut sink = |item| {
                let mut emit = target.emit(item);
                let mut cx = Context::from_waker(waker);
                if Pin::new(&mut emit).poll(&mut cx).is_pending() {
                    *emitting = Some(emit);
                    return ControlFlow::Break(());
                }
                left -= 1;
                if left == 0 {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            };
            let mut cx = Context::from_waker(waker);
            match ready!(children.of(|| running.as_mut().poll_each(&mut cx, &mut sink))) {
                Ok(ControlFlow::Break(())) => {
                    if this.emitting.is_some() {
                        children.of(|| running.poll_progress(&mut cx));
                    } else {
                        waker.wake_by_ref();
                    }
                    return Poll::Pending;
                }
                Ok(ControlFlow::Continue(())) => {}
                // F-46: of the coroutine, and so of the scope.
                Err(error) => *this.failed = Err(error),
            }
            children.of(|| this.running.set(None));
        }
    }
}
