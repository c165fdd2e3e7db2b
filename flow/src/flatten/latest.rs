//! What runs for the latest item alone.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};

use corox_core::{Error, Result};
use pin_project_lite::pin_project;

use crate::Flow;
use crate::children::Children;
use crate::per_item::PerItemEmitting;
use crate::why::because;

/// So many items that nothing waits for, and the coroutine has others go on.
const ITEMS_A_TURN: u32 = 128;

pin_project! {
    // The flow of `transform_latest` and its like, without their buffer.
    //
    // ```text
    //            item: dropped            its coroutines have ended
    // running ------------------> leaving --------------------------> running, for the next item
    //    | ends
    //    v          item
    //  idle ----------------------------> leaving
    // ```
    pub(crate) struct Latest<S: Flow, C> {
        // `None` when it has ended.
        #[pin]
        upstream: Option<S>,
        #[pin]
        inner: C,
        // What the inner ones have started.
        children: Children,
        // The next one runs for it, when the children have gone.
        next: Option<S::Item>,
        // To be told when the children have gone.
        failed: Option<Error>,
        // The one that runs waits where it emits, for whoever collects had enough.
        broke: bool,
        // It was dropped there.
        takes_back: bool,
    }
}

impl<S: Flow, C: PerItemEmitting<S::Item>> Latest<S, C> {
    pub(crate) fn new(upstream: S, inner: C) -> Self {
        Latest {
            upstream: Some(upstream),
            inner,
            children: Children::default(),
            next: None,
            failed: None,
            broke: false,
            takes_back: false,
        }
    }
}

impl<S: Flow, C: Clone> Clone for Latest<S, C> {
    fn clone(&self) -> Self {
        Latest {
            upstream: self.upstream.clone(),
            inner: self.inner.clone(),
            children: Children::default(),
            next: None,
            failed: None,
            broke: false,
            takes_back: false,
        }
    }
}

/// How far one got.
enum Ran {
    /// There is nothing to run.
    Idle,
    Waits,
    /// Whoever collects wants no more for now.
    Broke,
    /// Only the children are waited for.
    Leaving,
    Failed(Error),
}

/// Begins with the next item, if there is one and nothing is left of the one before, and runs what is there.
#[inline]
fn run<T, C, K>(
    mut inner: Pin<&mut C>,
    children: &mut Children,
    next: &mut Option<T>,
    cx: &mut Context<'_>,
    sink: &mut K,
) -> Ran
where
    C: PerItemEmitting<T>,
    K: FnMut(C::Item) -> ControlFlow<()>,
{
    if next.is_some() {
        if inner.is_running() {
            children.of(|| inner.as_mut().stop());
        }
        if children.poll_left(cx).is_pending() {
            return Ran::Leaving;
        }
        if let Some(item) = next.take() {
            inner.as_mut().start(item);
        }
    }
    if !inner.is_running() {
        return Ran::Idle;
    }
    match children.of(|| inner.as_mut().poll_each(cx, sink)) {
        Poll::Pending => Ran::Waits,
        Poll::Ready(Ok(ControlFlow::Break(()))) => Ran::Broke,
        Poll::Ready(Ok(ControlFlow::Continue(()))) => Ran::Idle,
        Poll::Ready(Err(error)) => Ran::Failed(error),
    }
}

impl<S: Flow, C: PerItemEmitting<S::Item>> Latest<S, C> {
    /// Nothing runs any more; the failure is told when what was started is gone.
    #[cold]
    fn fail(self: Pin<&mut Self>, error: Error) {
        let mut this = self.project();
        let inner = this.inner;
        because(Some(&error), || {
            this.upstream.set(None);
            this.children.of(|| inner.stop());
        });
        *this.failed = Some(error);
        *this.next = None;
    }

    #[cold]
    fn poll_failed(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<ControlFlow<()>>> {
        let this = self.project();
        let left = this.children.poll_left(cx);
        left.map(|()| {
            this.failed
                .take()
                .map_or(Ok(ControlFlow::Continue(())), Err)
        })
    }

    /// Once for all sinks: the buffer behind it has several, and so has that of each such operator further down, whose number would be
    /// how often this is compiled.
    fn poll_items(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut sink: &mut dyn FnMut(C::Item) -> ControlFlow<()>,
    ) -> Poll<Result<ControlFlow<()>>> {
        let sink = &mut sink;
        if self.failed.is_some() {
            return self.poll_failed(cx);
        }
        let mut this = self.as_mut().project();
        *this.broke = false;
        let (mut inner, children, next) = (this.inner, this.children, this.next);
        let waker = cx.waker();
        // What the last poll has left. The source comes first: what runs for an old item is not to win over a new one.
        let mut ran = match next {
            Some(_) => run(inner.as_mut(), children, next, cx, sink),
            None => Ran::Idle,
        };
        let begun = !matches!(ran, Ran::Idle);
        if let Ran::Leaving = ran {
            if let Some(upstream) = this.upstream.as_pin_mut() {
                upstream.poll_progress(cx);
            }
            return Poll::Pending;
        }
        let mut ended = false;
        let mut polled_inner = begun;
        if let (Ran::Idle | Ran::Waits, Some(upstream)) =
            (&ran, this.upstream.as_mut().as_pin_mut())
        {
            let mut left = ITEMS_A_TURN;
            let mut turn_is_over = false;
            let mut each = |item| {
                *next = Some(item);
                let mut cx = Context::from_waker(waker);
                ran = run(inner.as_mut(), children, next, &mut cx, sink);
                polled_inner = true;
                left -= 1;
                turn_is_over = left == 0;
                match ran {
                    Ran::Idle | Ran::Waits if left > 0 => ControlFlow::Continue(()),
                    _ => ControlFlow::Break(()),
                }
            };
            let mut cx = Context::from_waker(waker);
            match upstream.poll_each(&mut cx, &mut each) {
                Poll::Pending => {}
                Poll::Ready(Ok(ControlFlow::Break(()))) => {
                    if turn_is_over && matches!(ran, Ran::Idle | Ran::Waits) {
                        waker.wake_by_ref();
                        return Poll::Pending;
                    }
                }
                Poll::Ready(Ok(ControlFlow::Continue(()))) => {
                    this.upstream.set(None);
                    ended = true;
                }
                Poll::Ready(Err(error)) => {
                    self.as_mut().fail(error);
                    return self.poll_failed(&mut cx);
                }
            }
        }
        let mut cx = Context::from_waker(waker);
        if !polled_inner && inner.is_running() {
            ran = run(inner.as_mut(), children, next, &mut cx, sink);
        }
        ended |= this.upstream.is_none();
        match ran {
            Ran::Broke => {
                *this.broke = inner.is_running();
                Poll::Ready(Ok(ControlFlow::Break(())))
            }
            Ran::Failed(error) => {
                self.as_mut().fail(error);
                self.poll_failed(&mut cx)
            }
            // What was started by the last one is waited for.
            Ran::Idle if ended => children
                .poll_left(&mut cx)
                .map(|()| Ok(ControlFlow::Continue(()))),
            Ran::Idle | Ran::Waits => Poll::Pending,
            Ran::Leaving => {
                if let Some(upstream) = this.upstream.as_pin_mut() {
                    upstream.poll_progress(&mut cx);
                }
                Poll::Pending
            }
        }
    }
}

impl<S: Flow, C: PerItemEmitting<S::Item>> Flow for Latest<S, C> {
    type Item = C::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<C::Item>>> {
        let mut item = None;
        let polled = self.poll_items(cx, &mut |next| {
            item = Some(next);
            ControlFlow::Break(())
        });
        polled.map(|ended| ended.map(|_| item))
    }

    #[inline]
    fn poll_each<K>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sink: &mut K,
    ) -> Poll<Result<ControlFlow<()>>>
    where
        K: FnMut(C::Item) -> ControlFlow<()>,
    {
        self.poll_items(cx, sink)
    }

    fn poll_progress(mut self: Pin<&mut Self>, cx: &mut Context<'_>) {
        for _ in 0..ITEMS_A_TURN {
            let mut this = self.as_mut().project();
            if this.failed.is_some() {
                return;
            }
            let (mut inner, children) = (this.inner, this.children);
            if this.next.is_some() {
                if inner.is_running() {
                    children.of(|| inner.as_mut().stop());
                    *this.takes_back |= std::mem::take(this.broke);
                }
                if children.poll_left(cx).is_pending() {
                    if let Some(upstream) = this.upstream.as_pin_mut() {
                        upstream.poll_progress(cx);
                    }
                    return;
                }
                if let Some(item) = this.next.take() {
                    inner.as_mut().start(item);
                }
            }
            if inner.is_running() {
                children.of(|| inner.poll_progress(cx));
            }
            let Some(upstream) = this.upstream.as_mut().as_pin_mut() else {
                return;
            };
            match upstream.poll_next(cx) {
                Poll::Pending => return,
                Poll::Ready(Ok(Some(item))) => *this.next = Some(item),
                Poll::Ready(Ok(None)) => return this.upstream.set(None),
                Poll::Ready(Err(error)) => return self.fail(error),
            }
        }
        cx.waker().wake_by_ref();
    }

    fn takes_back(self: Pin<&mut Self>) -> bool {
        std::mem::take(self.project().takes_back)
    }
}
