//! Items of two flows in pairs.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};

use corox_core::Result;
use pin_project_lite::pin_project;

use crate::Flow;
use crate::why::because;

pin_project! {
    /// The flow of `zip`.
    pub(super) struct Zip<A: Flow, B: Flow, F> {
        // Both are gone when it has ended.
        #[pin]
        first: Option<A>,
        #[pin]
        second: Option<B>,
        // Items without their partners.
        left: Option<A::Item>,
        right: Option<Ahead<B::Item>>,
        f: F,
        started: bool,
    }
}

/// What the second flow has given before it was asked for.
enum Ahead<T> {
    Item(T),
    Ended(Result<()>),
}

impl<T> Ahead<T> {
    #[inline]
    fn of(next: Result<Option<T>>) -> Self {
        match next {
            Ok(Some(item)) => Ahead::Item(item),
            Ok(None) => Ahead::Ended(Ok(())),
            Err(error) => Ahead::Ended(Err(error)),
        }
    }
}

/// The item that is ahead, or the next. An end that is ahead was looked at before.
#[inline]
fn poll_partner<B: Flow>(
    right: &mut Option<Ahead<B::Item>>,
    second: Pin<&mut B>,
    cx: &mut Context<'_>,
) -> Poll<Result<Option<B::Item>>> {
    if right.is_some() {
        if let Some(Ahead::Item(partner)) = right.take() {
            return Poll::Ready(Ok(Some(partner)));
        }
    }
    second.poll_next(cx)
}

impl<A: Flow, B: Flow, F> Zip<A, B, F> {
    pub(super) fn new(first: A, second: B, f: F) -> Self {
        Zip {
            first: Some(first),
            second: Some(second),
            left: None,
            right: None,
            f,
            started: false,
        }
    }

    /// Ends as the second flow has.
    fn finish(mut self: Pin<&mut Self>) -> Poll<Result<ControlFlow<()>>> {
        let ended = match self.as_mut().project().right.take() {
            Some(Ahead::Ended(ended)) => ended,
            _ => Ok(()),
        };
        self.end(&ended);
        Poll::Ready(ended.map(ControlFlow::Continue))
    }

    /// Drops both flows, since one has `ended`, and what they have given.
    fn end<T>(self: Pin<&mut Self>, ended: &Result<T>) {
        let mut this = self.project();
        because(ended.as_ref().err(), || {
            this.first.set(None);
            this.second.set(None);
        });
        *this.left = None;
        *this.right = None;
    }

    /// Has the second flow go on to its next item, while something else is waited for.
    fn poll_ahead(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        let this = self.project();
        if let Some(second) = this.second.as_pin_mut() {
            match this.right {
                // An item that was not taken yet: its emit waits, and what runs beside it goes on.
                Some(Ahead::Item(_)) => second.poll_progress(cx),
                Some(Ahead::Ended(_)) => {}
                None => {
                    if let Poll::Ready(next) = second.poll_next(cx) {
                        *this.right = Some(Ahead::of(next));
                    }
                }
            }
        }
    }
}

impl<A: Flow, B: Flow, F: Clone> Clone for Zip<A, B, F> {
    fn clone(&self) -> Self {
        Zip {
            first: self.first.clone(),
            second: self.second.clone(),
            left: None,
            right: None,
            f: self.f.clone(),
            started: false,
        }
    }
}

impl<A, B, R, F> Flow for Zip<A, B, F>
where
    A: Flow,
    B: Flow,
    F: FnMut(A::Item, B::Item) -> R + Clone,
{
    type Item = R;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<R>>> {
        let mut item = None;
        let polled = self.as_mut().poll_each(cx, &mut |next| {
            item = Some(next);
            ControlFlow::Break(())
        });
        polled.map_ok(|_| item)
    }

    #[inline]
    fn poll_each<K>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sink: &mut K,
    ) -> Poll<Result<ControlFlow<()>>>
    where
        K: FnMut(R) -> ControlFlow<()>,
    {
        if let Some(Ahead::Ended(_)) = self.right {
            return self.finish();
        }
        let this = self.as_mut().project();
        *this.started = true;
        let (Some(mut first), Some(mut second)) =
            (this.first.as_pin_mut(), this.second.as_pin_mut())
        else {
            return Poll::Ready(Ok(ControlFlow::Continue(())));
        };
        let (left, right, f) = (this.left, this.right, this.f);
        if let Some(item) = left.take() {
            match poll_partner(right, second.as_mut(), cx) {
                Poll::Ready(Ok(Some(partner))) => {
                    if sink(f(item, partner)).is_break() {
                        return Poll::Ready(Ok(ControlFlow::Break(())));
                    }
                }
                Poll::Ready(ended) => {
                    self.end(&ended);
                    return Poll::Ready(ended.map(|_| ControlFlow::Continue(())));
                }
                Poll::Pending => {
                    *left = Some(item);
                    first.poll_progress(cx);
                    return Poll::Pending;
                }
            }
        }
        let waker = cx.waker();
        // What the second flow has given in place of an item.
        let mut none = None;
        // Called in one place, and small: it becomes a part of the loop of the first flow.
        let mut pair = |item| {
            let mut cx = Context::from_waker(waker);
            match poll_partner(right, second.as_mut(), &mut cx) {
                Poll::Ready(Ok(Some(partner))) => sink(f(item, partner)),
                other => {
                    *left = Some(item);
                    none = Some(other);
                    ControlFlow::Break(())
                }
            }
        };
        let mut cx = Context::from_waker(waker);
        let polled = first.as_mut().poll_each(&mut cx, &mut pair);
        match (none, polled) {
            (Some(Poll::Pending), _) => {
                first.poll_progress(&mut cx);
                Poll::Pending
            }
            (Some(Poll::Ready(ended)), _) => {
                self.end(&ended);
                Poll::Ready(ended.map(|_| ControlFlow::Continue(())))
            }
            (None, Poll::Ready(Ok(ControlFlow::Break(())))) => {
                Poll::Ready(Ok(ControlFlow::Break(())))
            }
            (None, Poll::Pending) => {
                self.as_mut().poll_ahead(&mut cx);
                match self.right {
                    Some(Ahead::Ended(_)) => self.finish(),
                    _ => Poll::Pending,
                }
            }
            (None, Poll::Ready(ended)) => {
                self.end(&ended);
                Poll::Ready(ended)
            }
        }
    }

    #[inline]
    fn poll_progress(mut self: Pin<&mut Self>, cx: &mut Context<'_>) {
        if !self.started {
            return;
        }
        self.as_mut().poll_ahead(cx);
        if let Some(first) = self.project().first.as_pin_mut() {
            first.poll_progress(cx);
        }
    }
}
