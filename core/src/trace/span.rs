//! The span of a coroutine: made at its launch, entered whenever it runs, closed when it is final.

use std::panic::Location;
use std::sync::Arc;
use std::task::Poll;

use tracing::level_filters::LevelFilter;
use tracing::span::{Entered, Id};
use tracing::{Span, dispatcher, info_span};

use super::state_events;
use super::telling::{is_telling, tell};
use crate::frame::FrameRef;
use crate::job::{Job, Kind};
use crate::job_context::JobContext;
use crate::tracing_context::TracingContext;

/// Where a coroutine's own span is written to, and its events.
pub(super) const TARGET: &str = "corox::coroutine";

/// How far up a parent with a span is looked for.
const DEPTH: usize = 100;

/// The span in which a job runs, if there is one. The job has it until it is final.
#[derive(Clone, Default)]
pub(crate) struct JobSpan(Option<Arc<Entry>>);

struct Entry {
    span: Span,
    /// Of this coroutine; else the one that it was launched in.
    is_own: bool,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let span = std::mem::replace(&mut self.span, Span::none());
        let Some(subscriber) = span.with_subscriber(|(_, subscriber)| subscriber.clone()) else {
            return;
        };
        // Perhaps the last handle of the span, whose end a subscriber is told then. tracing-subscriber gives up the span around it to
        // the subscriber of the thread, so let that be the one that knows it.
        tell(|| dispatcher::with_default(&subscriber, || drop(span)));
    }
}

/// What is around a new coroutine.
enum Around {
    /// The span that is current on this thread, or none.
    Current,
    Given(Span),
    /// Kept out of the current one by intention.
    Nothing,
}

/// Whether coroutines have numbers for their spans: some subscriber may want those.
#[inline]
pub(crate) fn numbers_are_wanted() -> bool {
    LevelFilter::current() >= LevelFilter::INFO
}

/// Whether there is any subscriber that wants anything.
#[inline]
fn is_on() -> bool {
    LevelFilter::current() != LevelFilter::OFF
}

impl JobSpan {
    pub(crate) fn none() -> JobSpan {
        JobSpan(None)
    }

    /// The span of a new job, if it is a coroutine, or a part of one with a task or an element of its own.
    #[inline]
    pub(crate) fn of_new(
        kind: Kind,
        id: u64,
        context: &JobContext,
        parent: Option<&Job>,
        location: &'static Location<'static>,
    ) -> JobSpan {
        if !is_on() || !kind.is_traced() || is_telling() {
            return JobSpan(None);
        }
        tell(|| make(kind, id, context, parent, location)).unwrap_or(JobSpan(None))
    }

    /// Whether the body of the frame is polled inside of a span of its job. Asked when that is about to begin.
    #[inline]
    pub(crate) fn is_of(frame: &FrameRef) -> bool {
        match frame {
            FrameRef::Root(job) => {
                is_on() && job.core().kind.is_traced() && !JobSpan::of_job(job).is_none()
            }
            // It is polled inside of its job.
            FrameRef::Section(_) => false,
        }
    }

    /// The span of a job that is not final.
    pub(crate) fn of_job(job: &Job) -> JobSpan {
        job.core().inner.lock().span()
    }

    fn new(span: Span, is_own: bool) -> JobSpan {
        if span.is_disabled() {
            return JobSpan(None);
        }
        JobSpan(Some(Arc::new(Entry { span, is_own })))
    }

    pub(crate) fn is_none(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn take(&mut self) -> JobSpan {
        JobSpan(self.0.take())
    }

    /// Runs `slice` inside of the span.
    #[inline]
    pub(crate) fn inside<R>(&self, slice: impl FnOnce() -> R) -> R {
        let entered = self.0.as_ref().and_then(|entry| entry.enter());
        let result = slice();
        if entered.is_some() {
            leave(entered);
        }
        result
    }

    /// Polls the body, which was polled before, or not.
    #[inline]
    pub(crate) fn poll<T>(&self, began: bool, poll: impl FnOnce() -> Poll<T>) -> Poll<T> {
        // One call for both cases, which is compiled into its place.
        self.inside(|| {
            if self.0.is_some() {
                state_events::polling(self, began);
            }
            let polled = poll();
            if self.0.is_some() && polled.is_pending() {
                state_events::suspended(self);
            }
            polled
        })
    }

    /// Has `event` write an event of the coroutine to the subscriber of its own span, whatever thread this is; given is the span.
    pub(super) fn write(&self, event: impl FnOnce(&Id)) {
        let Some(entry) = self.0.as_ref().filter(|entry| entry.is_own) else {
            return;
        };
        if !is_telling() {
            tell(|| {
                let span = &entry.span;
                span.with_subscriber(|(id, subscriber)| {
                    dispatcher::with_default(subscriber, || event(id));
                })
            });
        }
    }
}

impl Entry {
    #[cold]
    fn enter(&self) -> Option<Entered<'_>> {
        tell(|| self.span.enter())
    }
}

#[cold]
fn leave(entered: Option<Entered<'_>>) {
    tell(|| drop(entered));
}

impl Kind {
    /// Is a coroutine by itself, with a body.
    pub(super) fn is_a_coroutine(self) -> bool {
        !self.is_part() && !self.is_body_less()
    }

    /// May have a span in its job.
    fn is_traced(self) -> bool {
        self.is_a_coroutine() || matches!(self, Kind::Dispatched | Kind::Undispatched)
    }
}

impl Around {
    /// What is around a new coroutine with `context` below `parent`.
    fn new(context: &JobContext, parent: Option<&Job>) -> Around {
        if let Some(around) = Around::by_element(context) {
            return around;
        }
        if dispatcher::get_default(|subscriber| subscriber.current_span().id().is_some()) {
            return Around::Current;
        }
        match parent.and_then(span_above) {
            Some(span) => Around::Given(span),
            None => Around::Current,
        }
    }

    /// What the element of `context` says, if it is not that of the coroutine that runs here.
    fn by_element(context: &JobContext) -> Option<Around> {
        let element: &TracingContext = context.elements.as_ref()?.get()?;
        let span = element.span();
        if element.is_in_force() {
            None
        } else if element.is_root() {
            Some(Around::Nothing)
        } else if span.is_disabled() {
            // None, or nobody wants it: as if it were not there.
            None
        } else {
            Some(Around::Given(span.clone()))
        }
    }
}

/// The span of the coroutine that `parent` is, or is a part of.
fn span_above(parent: &Job) -> Option<Span> {
    let mut at = parent.clone();
    for _ in 0..DEPTH {
        if let Some(entry) = JobSpan::of_job(&at).0 {
            return Some(entry.span.clone());
        }
        if at.core().kind.is_a_coroutine() {
            return None;
        }
        at = at.parent()?;
    }
    None
}

#[cold]
fn make(
    kind: Kind,
    id: u64,
    context: &JobContext,
    parent: Option<&Job>,
    location: &'static Location<'static>,
) -> JobSpan {
    if kind == Kind::Undispatched {
        // It is polled inside the coroutine around it, but for what `with_context` has changed.
        return match Around::by_element(context) {
            Some(Around::Given(span)) => JobSpan::new(span, false),
            _ => JobSpan(None),
        };
    }
    let around = Around::new(context, parent);
    if kind.is_a_coroutine() {
        let name = context.name.as_ref().map(|name| name.as_str());
        let number = (id != 0).then_some(id);
        let above = parent.map(|parent| parent.core().id).filter(|id| *id != 0);
        // The same fields for each kind of parent, which is a part of the syntax.
        macro_rules! coroutine_span {
            ($($parent:tt)*) => {
                info_span!(
                    target: TARGET,
                    $($parent)*
                    "coroutine",
                    name,
                    id = number,
                    kind = kind.builder(),
                    parent = above,
                    launched_at = %location,
                )
            };
        }
        let span = match &around {
            Around::Current => coroutine_span!(),
            Around::Nothing => coroutine_span!(parent: None,),
            Around::Given(span) => {
                // In the subscriber that knows the span.
                let made = span.with_subscriber(|(around, subscriber)| {
                    dispatcher::with_default(subscriber, || coroutine_span!(parent: around,))
                });
                made.unwrap_or_else(Span::none)
            }
        };
        if !span.is_disabled() {
            return JobSpan::new(span, true);
        }
    }
    // Nobody wants those of coroutines. The one around follows all the same.
    let span = match around {
        Around::Current => Span::current(),
        Around::Given(span) => span,
        Around::Nothing => Span::none(),
    };
    JobSpan::new(span, false)
}

/// Runs `f` inside of the span of `job`, wherever this is.
pub(crate) fn inside<R>(job: &Job, f: impl FnOnce() -> R) -> R {
    if is_on() {
        JobSpan::of_job(job).inside(f)
    } else {
        f()
    }
}
