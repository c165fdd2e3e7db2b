//! A source that runs in a coroutine of its own, on another dispatcher.

use std::collections::VecDeque;
use std::fmt;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use corox_channels::BufferOverflow;
use corox_core::{CoroutineContext, CoroutineScope, GlobalScope, Job, Result};
use pin_project_lite::pin_project;

use super::hand_over::HandOver;
use super::producing::produce;
use super::swapped::Swapped;
use crate::Flow;
use crate::children::started;
use crate::fusion::{Producer, Settings, Stage};

pin_project! {
    /// The flow of [`flow_on`](crate::FlowBuffer::flow_on).
    ///
    /// ```
    /// use corox_flow::{FlowOn, IterFlow, prelude::*};
    /// use corox_core::{Dispatcher, run_blocking};
    ///
    /// let elsewhere: FlowOn<IterFlow<std::ops::Range<i32>>> = (0..3).into_flow().flow_on(Dispatcher::DEFAULT);
    /// run_blocking(async |_| {
    ///     assert_eq!(elsewhere.to_vec().await?, [0, 1, 2]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    pub struct FlowOn<S: Flow> {
        // `None`: another stage has them, and this one hands on.
        settings: Option<Settings>,
        // `None` from the first poll on.
        source: Option<S>,
        #[pin]
        place: Place<S>,
    }
}

pin_project! {
    // ```text
    // Nowhere --first poll--> another dispatcher, or a buffer: Elsewhere
    //                   `---> the same one, other elements: Swapped
    //                   `---> no settings, or nothing changes: Here
    // ```
    #[project = PlaceOf]
    enum Place<S: Flow> {
        Nowhere,
        Elsewhere { end: Elsewhere<S::Item> },
        Swapped { source: Swapped<S::Item> },
        Here { #[pin] source: S },
    }
}

/// The end where one collects.
struct Elsewhere<T> {
    over: Arc<HandOver<T>>,
    taken: VecDeque<T>,
    job: CancelOnDrop,
}

/// Cancels the producer, unless that has ended.
struct CancelOnDrop(Option<Job>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(job) = self.0.take() {
            job.cancel();
        }
    }
}

impl<S: Flow> FlowOn<S> {
    pub(super) fn new(mut source: S, context: CoroutineContext) -> Self {
        let settings = Settings::flow_on(context);
        let stage = Stage::Buffer(settings.clone());
        let settings = match source.fuse(&stage) {
            true => None,
            false => Some(match source.dissolve() {
                Some(earlier) => earlier.then(settings),
                None => settings,
            }),
        };
        FlowOn {
            settings,
            source: Some(source),
            place: Place::Nowhere,
        }
    }
}

impl<S: Flow> Clone for FlowOn<S> {
    fn clone(&self) -> Self {
        assert!(
            self.source.is_some(),
            "a flow was cloned while it was collected: clone it before its first poll"
        );
        FlowOn {
            settings: self.settings.clone(),
            source: self.source.clone(),
            place: Place::Nowhere,
        }
    }
}

impl<S> FlowOn<S>
where
    S: Flow + Send + 'static,
    S::Item: Send,
{
    #[cold]
    #[inline(never)]
    fn start(self: Pin<&mut Self>) {
        let mut this = self.project();
        let Some(source) = this.source.take() else {
            return;
        };
        let Some(settings) = this.settings.take() else {
            this.place.set(Place::Here { source });
            return;
        };
        let current = CoroutineContext::current();
        let scope = current
            .job()
            .is_some()
            .then(|| CoroutineScope::new(current.clone()));
        let unbuffered =
            settings.capacity.is_none() && settings.overflow == BufferOverflow::Suspend;
        if let (Some(scope), true) = (&scope, unbuffered) {
            let target = scope.child_context(settings.context.clone());
            if target.dispatcher() == current.dispatcher() {
                this.place
                    .set(match settings.context.has_more_than_dispatcher() {
                        true => Place::Swapped {
                            source: Swapped::new(source, settings.context),
                        },
                        false => Place::Here { source },
                    });
                return;
            }
        }
        let (room, overflow) = settings.settle();
        let over = HandOver::new(room, overflow);
        let launcher = match scope {
            Some(scope) => scope.with(settings.context),
            None => GlobalScope.with(settings.context),
        };
        // F-13: it begins also if it is cancelled before.
        let job = launcher.atomic().launch(produce(source, over.clone()));
        started(job.clone());
        let end = Elsewhere {
            over,
            taken: VecDeque::new(),
            job: CancelOnDrop(Some(job)),
        };
        this.place.set(Place::Elsewhere { end });
    }
}

impl<T> Elsewhere<T> {
    /// Gets further items. `Ready` without any: it has ended.
    #[inline(never)]
    fn poll_refill(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let polled = self.over.poll_take(cx, &mut self.taken);
        if polled.is_ready() && self.taken.is_empty() {
            // It ends by itself.
            self.job.0 = None;
        }
        polled
    }
}

impl<S> Flow for FlowOn<S>
where
    S: Flow + Send + 'static,
    S::Item: Send,
{
    type Item = S::Item;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<S::Item>>> {
        if self.source.is_some() {
            self.as_mut().start();
        }
        let mut this = self.project();
        match this.place.as_mut().project() {
            PlaceOf::Nowhere => Poll::Ready(Ok(None)),
            PlaceOf::Elsewhere { end } => {
                if end.taken.is_empty() {
                    let refilled = ready!(end.poll_refill(cx));
                    if end.taken.is_empty() {
                        this.place.set(Place::Nowhere);
                        return Poll::Ready(refilled.map(|()| None));
                    }
                }
                Poll::Ready(Ok(end.taken.pop_front()))
            }
            PlaceOf::Swapped { source } => source.poll_next(cx),
            PlaceOf::Here { source } => source.poll_next(cx),
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
        if self.source.is_some() {
            self.as_mut().start();
        }
        let mut this = self.project();
        match this.place.as_mut().project() {
            PlaceOf::Nowhere => Poll::Ready(Ok(ControlFlow::Continue(()))),
            PlaceOf::Elsewhere { end } => loop {
                while let Some(item) = end.taken.pop_front() {
                    if sink(item).is_break() {
                        return Poll::Ready(Ok(ControlFlow::Break(())));
                    }
                }
                let refilled = ready!(end.poll_refill(cx));
                if end.taken.is_empty() {
                    this.place.set(Place::Nowhere);
                    return Poll::Ready(refilled.map(ControlFlow::Continue));
                }
            },
            PlaceOf::Swapped { source } => {
                while let Some(item) = ready!(source.poll_next(cx))? {
                    if sink(item).is_break() {
                        return Poll::Ready(Ok(ControlFlow::Break(())));
                    }
                }
                Poll::Ready(Ok(ControlFlow::Continue(())))
            }
            PlaceOf::Here { source } => source.poll_each(cx, sink),
        }
    }

    #[inline]
    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        match self.project().place.project() {
            PlaceOf::Swapped { source } => source.poll_progress(cx),
            PlaceOf::Here { source } => source.poll_progress(cx),
            PlaceOf::Nowhere | PlaceOf::Elsewhere { .. } => {}
        }
    }

    fn fuse(&mut self, stage: &Stage) -> bool {
        match (&mut self.settings, stage) {
            (None, stage) => self.source.as_mut().is_some_and(|it| it.fuse(stage)),
            (Some(settings), Stage::Buffer(later)) => {
                *settings = settings.clone().then(later.clone());
                true
            }
            _ => false,
        }
    }

    fn dissolve(&mut self) -> Option<Settings> {
        let own = self.settings.take();
        own.or_else(|| self.source.as_mut()?.dissolve())
    }

    fn producer(&mut self) -> Option<Producer<S::Item>> {
        if self.settings.is_some() {
            return None;
        }
        self.source.as_mut()?.producer()
    }
}

impl<S: Flow> fmt::Debug for FlowOn<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FlowOn").field(&self.settings).finish()
    }
}
