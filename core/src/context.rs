//! What a coroutine inherits: dispatcher, name, handler; and what `with` changes of it.

use std::fmt;
use std::ops::Add;
use std::sync::Arc;

use corox_scheduler::{Dispatcher, OwnedDispatcher};

use crate::completable::{CompletableJob, SupervisorJob};
use crate::context_element::{ContextElement, Elements};
use crate::error::Result;
use crate::exception_handler::ExceptionHandler;
use crate::frame;
use crate::into_context::IntoContext;
use crate::job::Job;
use crate::thread_local_element::{LocalCell, ThreadLocalElement};

/// A name for coroutines, shown in dumps, in [`thread_label`](crate::thread_label) and in error messages.
///
/// Kotlin: `CoroutineName`.
///
/// ```
/// use corox_core::{CoroutineName, run_blocking};
///
/// let name = CoroutineName::new("loader");
/// assert_eq!(name.as_str(), "loader");
/// run_blocking(async |scope| {
///     let job = scope.with(name).launch(async {});
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
/// Kotlin: `NonCancellable`, as an argument of a builder.
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
/// Elements are [`Dispatcher`], [`CoroutineName`], [`ExceptionHandler`], [`Job`] (the parent), [`NonCancellable`] (no parent)
/// and types of your own ([`ContextElement`]). `+` joins them; of two of a kind the right one counts.
///
/// Kotlin: `CoroutineContext`.
///
/// ```
/// use corox_core::{CoroutineContext, CoroutineName, Dispatcher};
///
/// let context = Dispatcher::IO + CoroutineName::new("a") + CoroutineName::new("b");
/// assert_eq!(context.dispatcher(), Some(&Dispatcher::IO));
/// assert_eq!(context.name().unwrap().as_str(), "b");
/// assert!(context.exception_handler().is_none() && context.job().is_none());
/// assert!(CoroutineContext::empty().is_empty() && !context.is_empty());
/// ```
///
/// One that has a job, such as the [current](CoroutineContext::current) one, can be asked and cancelled as that job:
///
/// ```
/// use corox_core::{CoroutineContext, await_cancellation, run_blocking};
///
/// run_blocking(async |scope| {
///     let child = scope.launch(async { await_cancellation().await });
///     let context = CoroutineContext::current();
///     assert!(context.job().unwrap().ptr_eq(scope.job()));
///     context.cancel_children();
///     assert!(child.is_cancelled() && context.is_active());
///     context.ensure_active()?;
///     context.cancel();
///     assert!(context.ensure_active().is_err());
///     Ok(())
/// }).unwrap_err();
/// ```
#[derive(Clone, Default)]
pub struct CoroutineContext {
    pub(crate) dispatcher: Option<Dispatcher>,
    pub(crate) name: Option<CoroutineName>,
    pub(crate) handler: Option<ExceptionHandler>,
    pub(crate) elements: Option<Elements>,
    pub(crate) parent: Option<Parent>,
}

impl CoroutineContext {
    /// The set without elements.
    ///
    /// Kotlin: `EmptyCoroutineContext`.
    #[must_use]
    #[doc(alias = "EmptyCoroutineContext")]
    pub fn empty() -> Self {
        CoroutineContext::default()
    }

    /// The elements of the coroutine or scope that this code runs in, its [`Job`] among them; outside coroutines the empty
    /// set.
    ///
    /// Kotlin: `currentCoroutineContext()`, `coroutineContext`.
    ///
    /// ```
    /// use corox_core::{CoroutineContext, CoroutineName, run_blocking};
    ///
    /// assert!(CoroutineContext::current().is_empty());
    /// run_blocking(async |scope| {
    ///     scope.with(CoroutineName::new("a")).launch(async {
    ///         assert_eq!(CoroutineContext::current().name().unwrap().as_str(), "a");
    ///     });
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[must_use]
    #[doc(alias = "currentCoroutineContext")]
    #[doc(alias = "coroutineContext")]
    pub fn current() -> Self {
        frame::current_job().map_or_else(Self::empty, |job| {
            let set = job.context().to_set();
            CoroutineContext {
                parent: Some(Parent::Job(job)),
                ..set
            }
        })
    }

    /// Whether the set has no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes_no_element() && self.parent.is_none()
    }

    /// Whether no element but the parent is in the set.
    pub(crate) fn changes_no_element(&self) -> bool {
        self.dispatcher.is_none()
            && self.name.is_none()
            && self.handler.is_none()
            && self.elements.is_none()
    }

    /// Whether the set says who becomes the parent: a job, or nobody. For flows.
    #[doc(hidden)]
    #[must_use]
    pub fn changes_parent(&self) -> bool {
        self.parent.is_some()
    }

    /// Whether the set has elements besides the dispatcher and the parent. For flows.
    #[doc(hidden)]
    #[must_use]
    pub fn has_more_than_dispatcher(&self) -> bool {
        self.name.is_some() || self.handler.is_some() || self.elements.is_some()
    }

    /// The dispatcher, if the set has one.
    ///
    /// Kotlin: `context[ContinuationInterceptor]`.
    #[must_use]
    pub fn dispatcher(&self) -> Option<&Dispatcher> {
        self.dispatcher.as_ref()
    }

    /// The name, if the set has one.
    ///
    /// Kotlin: `context[CoroutineName]`.
    #[must_use]
    pub fn name(&self) -> Option<&CoroutineName> {
        self.name.as_ref()
    }

    /// The handler, if the set has one.
    ///
    /// Kotlin: `context[CoroutineExceptionHandler]`.
    #[must_use]
    pub fn exception_handler(&self) -> Option<&ExceptionHandler> {
        self.handler.as_ref()
    }

    /// The element of your own type `E`, if the set has one.
    ///
    /// Kotlin: `CoroutineContext.get`.
    ///
    /// ```
    /// use corox_core::{ContextElement, CoroutineContext, CoroutineName};
    ///
    /// struct Depth(u32);
    /// impl ContextElement for Depth {}
    ///
    /// let context = CoroutineContext::from(Depth(1)) + CoroutineName::new("a") + Depth(2);
    /// assert_eq!(context.get::<Depth>().unwrap().0, 2);
    /// assert!(context.without::<Depth>().get::<Depth>().is_none());
    /// ```
    #[must_use]
    pub fn get<E: ContextElement>(&self) -> Option<&E> {
        self.elements.as_ref().and_then(Elements::get)
    }

    /// Whether `test` holds for some element of type `E`.
    pub(crate) fn any<E: ContextElement>(&self, test: impl FnMut(&E) -> bool) -> bool {
        self.elements
            .as_ref()
            .is_some_and(|elements| elements.all().any(test))
    }

    /// The set without its elements of your own type `E`.
    ///
    /// Kotlin: `CoroutineContext.minusKey`.
    ///
    /// ```
    /// use corox_core::{ContextElement, CoroutineContext, CoroutineName};
    ///
    /// struct RequestId(u32);
    /// impl ContextElement for RequestId {}
    ///
    /// let context = CoroutineContext::from(RequestId(7)) + CoroutineName::new("a");
    /// let rest = context.without::<RequestId>();
    /// assert!(rest.get::<RequestId>().is_none() && rest.name().is_some());
    /// ```
    #[must_use]
    #[doc(alias = "minusKey")]
    pub fn without<E: ContextElement>(mut self) -> Self {
        self.elements = self.elements.and_then(|elements| elements.without::<E>());
        self
    }

    /// Whether the job in the set is active; `true` without one.
    ///
    /// Kotlin: `CoroutineContext.isActive`.
    #[must_use]
    #[doc(alias = "isActive")]
    pub fn is_active(&self) -> bool {
        self.job().is_none_or(Job::is_active)
    }

    /// [`Job::ensure_active`] of the job in the set; `Ok` without one.
    ///
    /// Kotlin: `CoroutineContext.ensureActive`.
    ///
    /// # Errors
    ///
    /// The cancellation, if the job is cancelled or complete.
    #[doc(alias = "ensureActive")]
    pub fn ensure_active(&self) -> Result<()> {
        self.job().map_or(Ok(()), Job::ensure_active)
    }

    /// Cancels the job in the set; does nothing without one.
    ///
    /// Kotlin: `CoroutineContext.cancel`.
    #[track_caller]
    pub fn cancel(&self) {
        if let Some(job) = self.job() {
            job.cancel();
        }
    }

    /// Cancels each child of the job in the set; does nothing without one.
    ///
    /// Kotlin: `CoroutineContext.cancelChildren`.
    #[track_caller]
    #[doc(alias = "cancelChildren")]
    pub fn cancel_children(&self) {
        if let Some(job) = self.job() {
            job.cancel_children();
        }
    }

    /// The job, if the set has one: that of the current coroutine, or the parent that a coroutine is to get.
    ///
    /// Kotlin: `CoroutineContext.job`, which throws without one; `context[Job]`.
    #[must_use]
    pub fn job(&self) -> Option<&Job> {
        match &self.parent {
            Some(Parent::Job(job)) => Some(job),
            _ => None,
        }
    }

    /// This set with the elements of `other` over it.
    ///
    /// Kotlin: `CoroutineContext.plus`.
    ///
    /// ```
    /// use corox_core::{CoroutineName, Dispatcher};
    ///
    /// let context = (Dispatcher::IO + CoroutineName::new("a")).merge(CoroutineName::new("b"));
    /// assert_eq!(context.name().unwrap().as_str(), "b");
    /// assert_eq!(context.dispatcher(), Some(&Dispatcher::IO));
    /// ```
    #[must_use]
    #[doc(alias = "plus")]
    pub fn merge(self, other: impl IntoContext) -> Self {
        let other = other.into();
        CoroutineContext {
            dispatcher: other.dispatcher.or(self.dispatcher),
            name: other.name.or(self.name),
            handler: other.handler.or(self.handler),
            elements: Elements::merge(self.elements, other.elements),
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
            .field("elements", &self.elements)
            .field("parent", &self.parent)
            .finish()
    }
}

/// The set of this one element.
impl<E: ContextElement> From<E> for CoroutineContext {
    fn from(element: E) -> Self {
        CoroutineContext {
            elements: Some(Elements::of(element)),
            ..Default::default()
        }
    }
}

/// The set of this one element.
impl From<Dispatcher> for CoroutineContext {
    fn from(dispatcher: Dispatcher) -> Self {
        CoroutineContext {
            dispatcher: Some(dispatcher),
            ..Default::default()
        }
    }
}

impl From<&Dispatcher> for CoroutineContext {
    fn from(dispatcher: &Dispatcher) -> Self {
        dispatcher.clone().into()
    }
}

/// The set of this one dispatcher, which goes on to belong to its owner.
impl From<&OwnedDispatcher> for CoroutineContext {
    fn from(owned: &OwnedDispatcher) -> Self {
        Dispatcher::from(owned).into()
    }
}

/// The set of this one element.
impl From<CoroutineName> for CoroutineContext {
    fn from(name: CoroutineName) -> Self {
        CoroutineContext {
            name: Some(name),
            ..Default::default()
        }
    }
}

/// The set of this one element.
impl From<ExceptionHandler> for CoroutineContext {
    fn from(handler: ExceptionHandler) -> Self {
        CoroutineContext {
            handler: Some(handler),
            ..Default::default()
        }
    }
}

/// The set of this job, as the parent of what is launched with it.
impl From<Job> for CoroutineContext {
    fn from(job: Job) -> Self {
        CoroutineContext {
            parent: Some(Parent::Job(job)),
            ..Default::default()
        }
    }
}

/// As by value.
impl From<&Job> for CoroutineContext {
    fn from(job: &Job) -> Self {
        job.clone().into()
    }
}

/// The set that says: no parent.
impl From<NonCancellable> for CoroutineContext {
    fn from(_: NonCancellable) -> Self {
        CoroutineContext {
            parent: Some(Parent::Nobody),
            ..Default::default()
        }
    }
}

/// [`merge`](CoroutineContext::merge).
impl<R: IntoContext> Add<R> for CoroutineContext {
    type Output = CoroutineContext;
    fn add(self, other: R) -> CoroutineContext {
        self.merge(other)
    }
}

/// This element with those of the right side over it.
impl<R: IntoContext> Add<R> for CoroutineName {
    type Output = CoroutineContext;
    fn add(self, other: R) -> CoroutineContext {
        CoroutineContext::from(self).merge(other)
    }
}

/// This element with those of the right side over it.
impl<R: IntoContext> Add<R> for ExceptionHandler {
    type Output = CoroutineContext;
    fn add(self, other: R) -> CoroutineContext {
        CoroutineContext::from(self).merge(other)
    }
}

/// This element with those of the right side over it.
impl<R: IntoContext> Add<R> for Job {
    type Output = CoroutineContext;
    fn add(self, other: R) -> CoroutineContext {
        CoroutineContext::from(self).merge(other)
    }
}

/// This element with those of the right side over it.
impl<R: IntoContext> Add<R> for CompletableJob {
    type Output = CoroutineContext;
    fn add(self, other: R) -> CoroutineContext {
        CoroutineContext::from(self).merge(other)
    }
}

/// This element with those of the right side over it.
impl<R: IntoContext> Add<R> for SupervisorJob {
    type Output = CoroutineContext;
    fn add(self, other: R) -> CoroutineContext {
        CoroutineContext::from(self).merge(other)
    }
}

/// This element with those of the right side over it.
impl<R: IntoContext> Add<R> for NonCancellable {
    type Output = CoroutineContext;
    fn add(self, other: R) -> CoroutineContext {
        CoroutineContext::from(self).merge(other)
    }
}

// `Dispatcher` belongs to the scheduler crate: its sums are written out for each element.
macro_rules! dispatcher_plus {
    ($($({$parameter:ident: $bound:ident})? $element:ty),* $(,)?) => {$(
        /// This dispatcher with the elements of the right side over it.
        impl$(<$parameter: $bound>)? Add<$element> for Dispatcher {
            type Output = CoroutineContext;
            fn add(self, other: $element) -> CoroutineContext {
                CoroutineContext::from(self).merge(other)
            }
        }

        /// As its dispatcher.
        impl$(<$parameter: $bound>)? Add<$element> for &OwnedDispatcher {
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
    &Job,
    CompletableJob,
    SupervisorJob,
    NonCancellable,
    {C: LocalCell} ThreadLocalElement<C>,
);
#[cfg(feature = "tracing")]
dispatcher_plus!(crate::tracing_context::TracingContext);
