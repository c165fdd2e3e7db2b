//! One inner flow after another.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corox_core::{Error, Result};
use pin_project_lite::pin_project;

use crate::Flow;
use crate::children::Children;
use crate::unstarted::Running;
use crate::why::because;

pin_project! {
    // The flow of `flat_map_concat`.
    //
    // ```text
    // no inner flow --item--> inner flow --ends--> its coroutines end --> no inner flow
    // ```
    pub(super) struct Concat<S, I, F> {
        // `None` when it has ended.
        #[pin]
        upstream: Option<S>,
        f: F,
        #[pin]
        inner: Running<I>,
        // What the inner flow has started.
        children: Children,
        // The inner flow is over, and the flow with it, when the children have gone.
        failed: Option<Error>,
    }
}

impl<S: Flow, I: Flow, F: FnMut(S::Item) -> I + Clone> Concat<S, I, F> {
    pub(super) fn new(upstream: S, f: F) -> Self {
        Concat {
            upstream: Some(upstream),
            f,
            inner: Running::none(),
            children: Children::default(),
            failed: None,
        }
    }
}

impl<S: Clone, I, F: Clone> Clone for Concat<S, I, F> {
    fn clone(&self) -> Self {
        Concat {
            upstream: self.upstream.clone(),
            f: self.f.clone(),
            inner: self.inner.clone(),
            children: Children::default(),
            failed: None,
        }
    }
}

/// How far one got with an inner flow.
enum Inner {
    /// It is over, and nothing of it is left.
    Over,
    /// Whoever collects wants no more for now.
    Broke,
    /// It waits, or its children are waited for.
    Waits,
    /// The flow has failed; the children are waited for.
    Failed,
}

/// Runs the inner flow, if there is one, and then waits for its children.
#[inline]
fn run<I, K>(
    mut inner: Pin<&mut Running<I>>,
    children: &mut Children,
    failed: &mut Option<Error>,
    cx: &mut Context<'_>,
    sink: &mut K,
) -> Inner
where
    I: Flow,
    K: FnMut(I::Item) -> ControlFlow<()>,
{
    if let Some(flow) = inner.as_mut().get() {
        match children.of(|| flow.poll_each(cx, sink)) {
            Poll::Pending => return Inner::Waits,
            Poll::Ready(Ok(ControlFlow::Break(()))) => return Inner::Broke,
            Poll::Ready(Ok(ControlFlow::Continue(()))) => {}
            Poll::Ready(Err(error)) => *failed = Some(error),
        }
        children.of(|| inner.set(None));
    }
    if children.poll_left(cx).is_pending() {
        return Inner::Waits;
    }
    match failed {
        Some(_) => Inner::Failed,
        None => Inner::Over,
    }
}

impl<S: Flow, I: Flow, F: FnMut(S::Item) -> I + Clone> Flow for Concat<S, I, F> {
    type Item = I::Item;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<I::Item>>> {
        let mut this = self.project();
        loop {
            let mut item = None;
            let (inner, children) = (this.inner.as_mut(), &mut *this.children);
            let ran = run(inner, children, this.failed, cx, &mut |next| {
                item = Some(next);
                ControlFlow::Break(())
            });
            match ran {
                Inner::Over => {}
                Inner::Broke => return Poll::Ready(Ok(item)),
                Inner::Waits => {
                    if let Some(upstream) = this.upstream.as_pin_mut() {
                        upstream.poll_progress(cx);
                    }
                    return Poll::Pending;
                }
                Inner::Failed => {
                    let failed = this.failed.take();
                    because(failed.as_ref(), || this.upstream.set(None));
                    return Poll::Ready(failed.map_or(Ok(None), Err));
                }
            }
            let Some(upstream) = this.upstream.as_mut().as_pin_mut() else {
                return Poll::Ready(Ok(None));
            };
            match ready!(upstream.poll_next(cx)) {
                Ok(Some(item)) => this.inner.as_mut().set(Some((this.f)(item))),
                ended => {
                    this.upstream.set(None);
                    return Poll::Ready(ended.map(|_| None));
                }
            }
        }
    }

    #[inline]
    fn poll_each<K>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sink: &mut K,
    ) -> Poll<Result<ControlFlow<()>>>
    where
        K: FnMut(I::Item) -> ControlFlow<()>,
    {
        let mut this = self.project();
        let children = this.children;
        let mut ran = run(this.inner.as_mut(), children, this.failed, cx, sink);
        let waker = cx.waker();
        if let Inner::Over = ran {
            let (mut inner, failed, f) = (this.inner, &mut *this.failed, this.f);
            let Some(upstream) = this.upstream.as_mut().as_pin_mut() else {
                return Poll::Ready(Ok(ControlFlow::Continue(())));
            };
            let mut each = |item| {
                inner.as_mut().set(Some(f(item)));
                let mut cx = Context::from_waker(waker);
                ran = run(inner.as_mut(), children, failed, &mut cx, sink);
                match ran {
                    Inner::Over => ControlFlow::Continue(()),
                    _ => ControlFlow::Break(()),
                }
            };
            let mut cx = Context::from_waker(waker);
            let polled = upstream.poll_each(&mut cx, &mut each);
            if let Inner::Over = ran {
                let ended = ready!(polled);
                this.upstream.set(None);
                return Poll::Ready(ended.map(|_| ControlFlow::Continue(())));
            }
        }
        match ran {
            Inner::Over => unreachable!("it was looked at above"),
            Inner::Broke => Poll::Ready(Ok(ControlFlow::Break(()))),
            Inner::Waits => {
                if let Some(upstream) = this.upstream.as_pin_mut() {
                    upstream.poll_progress(&mut Context::from_waker(waker));
                }
                Poll::Pending
            }
            Inner::Failed => {
                let failed = this.failed.take();
                because(failed.as_ref(), || this.upstream.set(None));
                Poll::Ready(failed.map_or(Ok(ControlFlow::Continue(())), Err))
            }
        }
    }

    #[inline]
    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        let this = self.project();
        if let Some(inner) = this.inner.get() {
            this.children.of(|| inner.poll_progress(cx));
        }
        if let Some(upstream) = this.upstream.as_pin_mut() {
            upstream.poll_progress(cx);
        }
    }
}
