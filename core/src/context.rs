//! What a coroutine inherits: dispatcher, name, handler; and what `with` changes of it.

use std::fmt;
use std::ops::Add;
use std::sync::Arc;

use corox_scheduler::Dispatcher;

use crate::exception_handler::ExceptionHandler;
use crate::job::Job;
use crate::shim::{Home, resolve};

/// A name for coroutines, shown in dumps, in [`thread_label`](crate::thread_label) and in error messages.
///
/// ```
/// use corox_core::{CoroutineName, run_blocking};
///
/// run_blocking(async |scope| {
///     let job = scope.with(CoroutineName::new("loader")).launch(async {});
///     assert_eq!(job.name().as_deref(), Some("loader"));
///     Ok(())
/// }).unwrap();
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CoroutineName(Arc<str>);

impl CoroutineName {
    /// A name; any text.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        CoroutineName(name.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// As an element of a context: the coroutine gets no parent ([`CoroutineScope::with`](crate::CoroutineScope::with)).
///
/// Nothing waits for such a coroutine and nothing cancels it but its own [`Job`]; its failures go to its
/// [`ExceptionHandler`]. For cleanup that must not be cancelled use [`non_cancellable`](crate::non_cancellable), which
/// keeps the structure.
///
/// ```
/// use corox_core::{NonCancellable, run_blocking};
///
/// run_blocking(async |scope| {
///     let job = scope.with(NonCancellable).launch(async {});
///     assert!(job.parent().is_none());
///     job.join().await;
///     Ok(())
/// }).unwrap();
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NonCancellable;

/// Who becomes the parent of a coroutine.
#[derive(Clone, Debug)]
pub(crate) enum Parent {
    Job(Job),
    Nobody,
}

/// A set of context elements: what [`CoroutineScope::with`](crate::CoroutineScope::with) and
/// [`with_context`](crate::with_context) lay over the context of the surrounding coroutine.
///
/// Elements are [`Dispatcher`], [`CoroutineName`], [`ExceptionHandler`], [`Job`] (the parent) and [`NonCancellable`] (no
/// parent). `+` joins them; of two of a kind the right one counts.
///
/// ```
/// use corox_core::{CoroutineContext, CoroutineName, Dispatcher};
///
/// let context = Dispatcher::IO + CoroutineName::new("a") + CoroutineName::new("b");
/// assert_eq!(context.name().map(|name| name.as_str().to_owned()), Some("b".to_owned()));
/// ```
#[derive(Clone, Default)]
pub struct CoroutineContext {
    pub(crate) dispatcher: Option<Dispatcher>,
    pub(crate) name: Option<CoroutineName>,
    pub(crate) handler: Option<ExceptionHandler>,
    pub(crate) parent: Option<Parent>,
}

impl CoroutineContext {
    /// The set without elements.
    #[must_use]
    #[doc(alias = "EmptyCoroutineContext")]
    pub fn empty() -> Self {
        CoroutineContext::default()
    }

    /// The dispatcher, if the set has one.
    #[must_use]
    pub fn dispatcher(&self) -> Option<&Dispatcher> {
        self.dispatcher.as_ref()
    }

    /// The name, if the set has one.
    #[must_use]
    pub fn name(&self) -> Option<&CoroutineName> {
        self.name.as_ref()
    }

    /// The handler, if the set has one.
    #[must_use]
    pub fn exception_handler(&self) -> Option<&ExceptionHandler> {
        self.handler.as_ref()
    }

    /// The parent, if the set names one.
    #[must_use]
    pub fn job(&self) -> Option<&Job> {
        match &self.parent {
            Some(Parent::Job(job)) => Some(job),
            _ => None,
        }
    }

    /// This set with the elements of `other` over it.
    #[must_use]
    pub fn merge(self, other: impl Into<CoroutineContext>) -> Self {
        let other = other.into();
        CoroutineContext {
            dispatcher: other.dispatcher.or(self.dispatcher),
            name: other.name.or(self.name),
            handler: other.handler.or(self.handler),
            parent: other.parent.or(self.parent),
        }
    }
}

impl fmt::Debug for CoroutineContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoroutineContext")
            .field("dispatcher", &self.dispatcher)
            .field("name", &self.name)
            .field("handler", &self.handler)
            .field("parent", &self.parent)
            .finish()
    }
}

impl From<Dispatcher> for CoroutineContext {
    fn from(dispatcher: Dispatcher) -> Self {
        CoroutineContext {
            dispatcher: Some(dispatcher),
            ..Default::default()
        }
    }
}

impl From<CoroutineName> for CoroutineContext {
    fn from(name: CoroutineName) -> Self {
        CoroutineContext {
            name: Some(name),
            ..Default::default()
        }
    }
}

impl From<ExceptionHandler> for CoroutineContext {
    fn from(handler: ExceptionHandler) -> Self {
        CoroutineContext {
            handler: Some(handler),
            ..Default::default()
        }
    }
}

impl From<Job> for CoroutineContext {
    fn from(job: Job) -> Self {
        CoroutineContext {
            parent: Some(Parent::Job(job)),
            ..Default::default()
        }
    }
}

impl From<&Job> for CoroutineContext {
    fn from(job: &Job) -> Self {
        job.clone().into()
    }
}

impl From<NonCancellable> for CoroutineContext {
    fn from(_: NonCancellable) -> Self {
        CoroutineContext {
            parent: Some(Parent::Nobody),
            ..Default::default()
        }
    }
}

impl<R: Into<CoroutineContext>> Add<R> for CoroutineContext {
    type Output = CoroutineContext;
    fn add(self, other: R) -> CoroutineContext {
        self.merge(other)
    }
}

impl<R: Into<CoroutineContext>> Add<R> for CoroutineName {
    type Output = CoroutineContext;
    fn add(self, other: R) -> CoroutineContext {
        CoroutineContext::from(self).merge(other)
    }
}

impl<R: Into<CoroutineContext>> Add<R> for ExceptionHandler {
    type Output = CoroutineContext;
    fn add(self, other: R) -> CoroutineContext {
        CoroutineContext::from(self).merge(other)
    }
}

impl<R: Into<CoroutineContext>> Add<R> for Job {
    type Output = CoroutineContext;
    fn add(self, other: R) -> CoroutineContext {
        CoroutineContext::from(self).merge(other)
    }
}

impl<R: Into<CoroutineContext>> Add<R> for NonCancellable {
    type Output = CoroutineContext;
    fn add(self, other: R) -> CoroutineContext {
        CoroutineContext::from(self).merge(other)
    }
}

// `Dispatcher` belongs to the scheduler crate: its sums are written out for each element.
macro_rules! dispatcher_plus {
    ($($element:ty),*) => {$(
        impl Add<$element> for Dispatcher {
            type Output = CoroutineContext;
            fn add(self, other: $element) -> CoroutineContext {
                CoroutineContext::from(self).merge(other)
            }
        }
    )*};
}
dispatcher_plus!(
    CoroutineContext,
    CoroutineName,
    ExceptionHandler,
    Job,
    NonCancellable
);

/// The context that a job runs in, resolved: shared by a whole tree until somebody changes an element.
#[derive(Clone)]
pub(crate) struct JobContext(Arc<JobContextData>);

pub(crate) struct JobContextData {
    pub(crate) home: Home,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) name: Option<CoroutineName>,
    pub(crate) handler: Option<ExceptionHandler>,
}

impl std::ops::Deref for JobContext {
    type Target = JobContextData;
    fn deref(&self) -> &JobContextData {
        &self.0
    }
}

impl JobContext {
    pub(crate) fn new(home: Home, dispatcher: Dispatcher) -> JobContext {
        JobContext(Arc::new(JobContextData {
            home,
            dispatcher,
            name: None,
            handler: None,
        }))
    }

    /// The context of a root that is entered here, outside any coroutine (decision 22).
    pub(crate) fn of_this_thread() -> JobContext {
        let (home, dispatcher) = Home::current();
        JobContext::new(home, dispatcher)
    }

    /// The context of roots that belong to no place: the process's own pool.
    pub(crate) fn own() -> JobContext {
        let home = Home::own();
        let dispatcher = resolve(&Dispatcher::DEFAULT, &home);
        JobContext::new(home, dispatcher)
    }

    /// This context with the elements of `changes` over it; the parent among them is not looked at.
    pub(crate) fn merged(&self, changes: &CoroutineContext) -> JobContext {
        if changes.dispatcher.is_none() && changes.name.is_none() && changes.handler.is_none() {
            return self.clone();
        }
        JobContext(Arc::new(JobContextData {
            dispatcher: match &changes.dispatcher {
                Some(dispatcher) => resolve(dispatcher, &self.home),
                None => self.dispatcher.clone(),
            },
            name: changes.name.clone().or_else(|| self.name.clone()),
            handler: changes.handler.clone().or_else(|| self.handler.clone()),
            home: self.home.clone(),
        }))
    }

    /// The elements that a coroutine started from here inherits.
    pub(crate) fn elements(&self) -> CoroutineContext {
        CoroutineContext {
            dispatcher: Some(self.dispatcher.clone()),
            name: self.name.clone(),
            handler: self.handler.clone(),
            parent: None,
        }
    }
}
