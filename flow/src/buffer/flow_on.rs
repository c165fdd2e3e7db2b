//! A source that runs in a coroutine of its own, on another dispatcher.

use std::collections::VecDeque;
use std::fmt;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use corox_channels::BufferOverflow;
use corox_core::location_protocol::launch_at;
use corox_core::probe::WaitReason;
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
        #[pin]
        place: Place<S>,
    }
}

pin_project! {
    // The source is stored once: the size of a chain would double with each stage otherwise.
    //
    // ```text
    // Recipe --first poll--> another dispatcher, or a buffer: Elsewhere --ends--> Nowhere
    //                  `---> the same one, other elements: Swapped
    //                  `---> no settings, or nothing changes: Here
    // ```
    #[project = PlaceOf]
    enum Place<S: Flow> {
        Recipe {
            source: Option<S>,
            // `None`: another stage has them, and this one hands on.
            settings: Option<Box<Settings>>,
        },
        Here { #[pin] source: S },
        Swapped { source: Swapped<S::Item> },
        Elsewhere { end: Elsewhere<S::Item> },
        Nowhere,
    }
}

/// The end where one collects.
struct Elsewhere<T> {
    over: Arc<HandOver<T>>,
    taken: VecDeque<T>,
    job: CancelOnDrop,
    note: Option<Box<WaitReason>>,
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
    #[track_caller]
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
        FlowOn::of(Some(source), settings.map(Box::new))
    }

    fn of(source: Option<S>, settings: Option<Box<Settings>>) -> Self {
        FlowOn {
            place: Place::Recipe { source, settings },
        }
    }

    /// Before the first poll: the source, and what is asked of it.
    fn recipe(&mut self) -> Option<(&mut S, &mut Option<Box<Settings>>)> {
        match &mut self.place {
            Place::Recipe { source, settings } => Some((source.as_mut()?, settings)),
            _ => None,
        }
    }
}

impl<S: Flow> Clone for FlowOn<S> {
    fn clone(&self) -> Self {
        match &self.place {
            Place::Recipe { source, settings } => FlowOn::of(source.clone(), settings.clone()),
            _ => panic!("a flow was cloned while it was collected: clone it before its first poll"),
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
        let mut place = self.project().place;
        let PlaceOf::Recipe { source, settings } = place.as_mut().project() else {
            return;
        };
        let (source, settings) = (source.take(), settings.take());
        // What follows may panic: a dispatcher is foreign code.
        place.set(Place::Nowhere);
        if let Some(source) = source {
            place.set(match settings {
                Some(settings) => Place::of(source, *settings),
                None => Place::Here { source },
            });
        }
    }
}

impl<S> Place<S>
where
    S: Flow + Send + 'static,
    S::Item: Send,
{
    fn of(source: S, settings: Settings) -> Self {
        let current = CoroutineContext::current();
        let scope = current
            .job()
            .is_some()
            .then(|| CoroutineScope::new(current.clone()));
        let location = settings.launched_at();
        let unbuffered =
            settings.capacity.is_none() && settings.overflow == BufferOverflow::Suspend;
        if let (Some(scope), true) = (&scope, unbuffered) {
            let target = scope.child_context(settings.context.clone());
            if target.dispatcher() == current.dispatcher() {
                return match settings.context.has_more_than_dispatcher() {
                    true => Place::Swapped {
                        source: Swapped::new(source, settings.context, location),
                    },
                    false => Place::Here { source },
                };
            }
        }
        let (room, overflow) = settings.settle();
        let over = HandOver::new(room, overflow, location);
        let launcher = match scope {
            Some(scope) => scope.with(settings.context),
            None => GlobalScope.with(settings.context),
        };
        // F-13: it begins also if it is cancelled before.
        let job = launch_at(location, &launcher.atomic(), produce(source, over.clone()));
        started(job.clone());
        Place::Elsewhere {
            end: Elsewhere::new(over, job),
        }
    }
}

/// A `flow_on` that is being collected, for models: its coroutine is polled by whoever has it instead of by a dispatcher.
#[cfg(corox_loom)]
#[track_caller]
pub fn unscheduled_flow_on<S>(
    source: S,
    room: usize,
    overflow: BufferOverflow,
) -> (impl Future<Output = ()>, FlowOn<S>)
where
    S: Flow + Send,
    S::Item: Send,
{
    let over = HandOver::new(room, overflow, std::panic::Location::caller());
    let produced = produce(source, over.clone());
    let (job, coroutine) = corox_core::unscheduled(None, async move {
        produced.await;
        Ok(())
    });
    let end = Elsewhere::new(over, job);
    let place = Place::Elsewhere { end };
    (coroutine, FlowOn { place })
}

impl<T> Elsewhere<T> {
    fn new(over: Arc<HandOver<T>>, job: Job) -> Self {
        Elsewhere {
            over,
            taken: VecDeque::new(),
            job: CancelOnDrop(Some(job)),
            note: None,
        }
    }

    /// Gets further items. `Ready` without any: it has ended.
    #[inline(never)]
    fn poll_refill(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let polled = self.over.poll_take(cx, &mut self.taken);
        if polled.is_pending() {
            self.over.note_wait(&mut self.note, "an item");
            return Poll::Pending;
        }
        self.note = None;
        if self.taken.is_empty() {
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
        if let Place::Recipe { .. } = self.place {
            self.as_mut().start();
        }
        let mut this = self.project();
        match this.place.as_mut().project() {
            PlaceOf::Recipe { .. } | PlaceOf::Nowhere => Poll::Ready(Ok(None)),
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
        if let Place::Recipe { .. } = self.place {
            self.as_mut().start();
        }
        let mut this = self.project();
        match this.place.as_mut().project() {
            PlaceOf::Recipe { .. } | PlaceOf::Nowhere => Poll::Ready(Ok(ControlFlow::Continue(()))),
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
            PlaceOf::Recipe { .. } | PlaceOf::Elsewhere { .. } | PlaceOf::Nowhere => {}
        }
    }

    fn fuse(&mut self, stage: &Stage) -> bool {
        match (self.recipe(), stage) {
            (Some((source, None)), stage) => source.fuse(stage),
            (Some((_, Some(settings))), Stage::Buffer(later)) => {
                **settings = (**settings).clone().then(later.clone());
                true
            }
            _ => false,
        }
    }

    fn dissolve(&mut self) -> Option<Settings> {
        let (source, settings) = self.recipe()?;
        match settings.take() {
            Some(settings) => Some(*settings),
            None => source.dissolve(),
        }
    }

    fn producer(&mut self) -> Option<Producer<S::Item>> {
        match self.recipe()? {
            (source, None) => source.producer(),
            (_, Some(_)) => None,
        }
    }
}

impl<S: Flow> fmt::Debug for FlowOn<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = match &self.place {
            Place::Recipe { settings, .. } => settings.as_deref(),
            _ => None,
        };
        f.debug_tuple("FlowOn").field(&settings).finish()
    }
}
