//! What all terminal operators do: run a flow, hand its items on, stop it, and wait for what it started.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corox_core::{Error, Result};
use pin_project_lite::pin_project;

use crate::Flow;
use crate::children::Children;
use crate::why::because;

/// So many items without a wait, and others have their turn.
const ITEMS_A_TURN: u32 = 128;

/// What a terminal operator makes of the items.
pub(crate) trait Consumer<T> {
    type Output;

    /// Takes the next item. `cx` is that of the running poll.
    fn accept(self: Pin<&mut Self>, item: T, cx: &mut Context<'_>) -> Accepted;

    /// Goes on with what was [`Busy`](Accepted::Busy). Gives something else than `Busy`.
    fn poll_busy(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Accepted> {
        let _ = cx;
        Poll::Ready(Accepted::More)
    }

    /// The flow waits, and nothing is busy: for what is to be done when no item comes. Gives something else than `Busy`.
    fn poll_idle(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Accepted {
        let _ = cx;
        Accepted::More
    }

    /// The flow has ended or failed, or `accept` has said that it is `Enough`. Called once, when nothing of the flow is left.
    fn finish(self: Pin<&mut Self>, ended: Result<()>) -> Result<Self::Output>;
}

pub(crate) enum Accepted {
    /// It wants the next one.
    More,
    /// It waits for something: it is to be polled.
    Busy,
    /// It wants no more.
    Enough,
    /// It has failed, and so has the collection.
    Failed(Error),
}

pin_project! {
    /// A flow that is run for a consumer.
    ///
    /// ```text
    /// upstream, not busy <--> upstream, busy
    ///     | ended, failed, Enough    | Enough
    ///     v                          |
    /// waiting for the children <-----'
    ///     v
    /// ready
    /// ```
    pub(crate) struct Run<S, C> {
        #[pin]
        upstream: Option<S>,
        busy: bool,
        ended: Option<Result<()>>,
        children: Children,
        #[pin]
        consumer: C,
    }
}

impl<S, C> Run<S, C> {
    pub(crate) fn new(upstream: S, consumer: C) -> Self {
        Run {
            upstream: Some(upstream),
            busy: false,
            ended: Some(Ok(())),
            children: Children::default(),
            consumer,
        }
    }
}

impl<S, C> Run<S, C> {
    /// What has taken the items, when it is finished.
    pub(crate) fn consumer(self: Pin<&mut Self>) -> Pin<&mut C> {
        self.project().consumer
    }
}

impl<S: Flow, C: Consumer<S::Item>> Future for Run<S, C> {
    type Output = Result<C::Output>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<C::Output>> {
        let mut this = self.project();
        let children = this.children;
        let mut consumer = this.consumer;
        if let Some(mut upstream) = this.upstream.as_mut().as_pin_mut() {
            let mut enough = false;
            if *this.busy {
                match consumer.as_mut().poll_busy(cx) {
                    Poll::Pending => {
                        children.of(|| upstream.poll_progress(cx));
                        return Poll::Pending;
                    }
                    Poll::Ready(Accepted::More | Accepted::Busy) => {}
                    Poll::Ready(Accepted::Enough) => enough = true,
                    Poll::Ready(Accepted::Failed(error)) => {
                        *this.ended = Some(Err(error));
                        enough = true;
                    }
                }
                *this.busy = false;
            }
            if !enough {
                let mut left = ITEMS_A_TURN;
                let waker = cx.waker();
                let (busy, ended) = (this.busy, &mut *this.ended);
                let mut sink = |item| {
                    let mut cx = Context::from_waker(waker);
                    match consumer.as_mut().accept(item, &mut cx) {
                        Accepted::More => {
                            left -= 1;
                            if left > 0 {
                                return ControlFlow::Continue(());
                            }
                        }
                        Accepted::Busy => *busy = true,
                        Accepted::Enough => enough = true,
                        Accepted::Failed(error) => {
                            *ended = Some(Err(error));
                            enough = true;
                        }
                    }
                    ControlFlow::Break(())
                };
                let mut cx = Context::from_waker(waker);
                let polled = children.of(|| upstream.as_mut().poll_each(&mut cx, &mut sink));
                let polled = match polled {
                    Poll::Ready(polled) => polled,
                    Poll::Pending => match consumer.as_mut().poll_idle(&mut cx) {
                        Accepted::Enough => {
                            enough = true;
                            Ok(ControlFlow::Break(()))
                        }
                        Accepted::Failed(error) => Err(error),
                        Accepted::More | Accepted::Busy => return Poll::Pending,
                    },
                };
                match polled {
                    Ok(ControlFlow::Break(())) if *busy => {
                        children.of(|| upstream.poll_progress(&mut cx));
                        return Poll::Pending;
                    }
                    Ok(ControlFlow::Break(())) if !enough => {
                        waker.wake_by_ref();
                        return Poll::Pending;
                    }
                    Ok(_) => {}
                    Err(error) => *this.ended = Some(Err(error)),
                }
            }
            // What it drops may start something, too: it belongs here.
            let failure = this.ended.as_ref().and_then(|ended| ended.as_ref().err());
            because(failure, || children.of(|| this.upstream.set(None)));
        }
        ready!(children.poll_left(cx));
        let ended = this.ended.take().expect("it is not polled after its end");
        Poll::Ready(consumer.finish(ended))
    }
}
