//! Another flow's items, emitted by a block.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corox_core::Result;
use pin_project_lite::pin_project;

use super::{Emit, Emitter};
use crate::Flow;
use crate::children::Children;

pin_project! {
    /// The future of [`emit_all`](Emitter::emit_all).
    pub(super) struct EmitAll<'e, S: Flow> {
        emitter: &'e Emitter<S::Item>,
        emit: Option<Emit<'e, S::Item>>,
        #[pin]
        upstream: Option<S>,
        result: Result<()>,
        children: Children,
    }
}

impl<'e, S: Flow> EmitAll<'e, S> {
    pub(super) fn new(emitter: &'e Emitter<S::Item>, upstream: S) -> Self {
        EmitAll {
            emitter,
            emit: None,
            upstream: Some(upstream),
            result: Ok(()),
            children: Children::default(),
        }
    }
}

impl<S: Flow> Future for EmitAll<'_, S> {
    type Output = Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let mut this = self.project();
        let children = this.children;
        if let Some(mut upstream) = this.upstream.as_mut().as_pin_mut() {
            if let Some(emit) = this.emit {
                if Pin::new(emit).poll(cx).is_pending() {
                    children.of(|| upstream.poll_progress(cx));
                    return Poll::Pending;
                }
                *this.emit = None;
            }
            let (emitter, emit) = (*this.emitter, this.emit);
            let waker = cx.waker();
            let mut sink = |item| {
                let mut emitting = emitter.emit(item);
                let mut cx = Context::from_waker(waker);
                if Pin::new(&mut emitting).poll(&mut cx).is_ready() {
                    return ControlFlow::Continue(());
                }
                *emit = Some(emitting);
                ControlFlow::Break(())
            };
            let mut cx = Context::from_waker(waker);
            let ended = children.of(|| upstream.as_mut().poll_each(&mut cx, &mut sink));
            *this.result = match ready!(ended) {
                Ok(ControlFlow::Break(())) => {
                    children.of(|| upstream.poll_progress(&mut cx));
                    return Poll::Pending;
                }
                Ok(ControlFlow::Continue(())) => Ok(()),
                Err(error) => Err(error),
            };
            this.upstream.set(None);
        }
        ready!(children.poll_left(cx));
        Poll::Ready(std::mem::replace(this.result, Ok(())))
    }
}
