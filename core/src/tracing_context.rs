//! The element of a context that carries a span of `tracing`.

use std::ops::Add;

use tracing::Span;

use crate::context::CoroutineContext;
use crate::context_element::ContextElement;
use crate::frame;
use crate::into_context::IntoContext;

/// An element that carries a span of `tracing`, with fields of yours, to where it is not the current one.
///
/// A coroutine that is launched with it, or in a scope that has it, runs inside that span, and its children do. What
/// [`with_context`](crate::with_context) is given runs inside it up to its end; then the span before is the current one again.
///
/// It is not needed to carry the span that is current at a launch: that one follows by itself. It is for scopes that a value owns
/// ([`CoroutineScope::new`](crate::CoroutineScope::new)), and for a span that was made elsewhere. The span stays open as long as a
/// context has it; so do scopes and handles of jobs with that context.
///
/// With [`Span::none`], and with a span that nobody wants, by its level or target, it changes nothing.
///
/// Kotlin: `MDCContext` of the module kotlinx-coroutines-slf4j.
///
/// ```
/// use corox_core::{CoroutineScope, Dispatcher, SupervisorJob, TracingContext, run_blocking};
/// use tracing::{Span, info_span};
/// # let _subscriber = tracing::subscriber::set_default(tracing_subscriber::registry());
///
/// // Elsewhere, before there is anything to launch:
/// let request = info_span!("request", user = 7);
/// let scope = CoroutineScope::new(SupervisorJob::new() + Dispatcher::UNCONFINED + TracingContext::new(request));
///
/// run_blocking(async |_| {
///     scope.launch(async {
///         // As `request{user=7}:coroutine{..}: loading` in the log.
///         tracing::info!("loading");
///         assert_eq!(Span::current().metadata().unwrap().name(), "coroutine");
///     }).join().await;
///     Ok(())
/// }).unwrap();
/// ```
#[derive(Clone, Debug)]
#[doc(alias = "MDCContext")]
pub struct TracingContext {
    span: Span,
    is_root: bool,
}

impl TracingContext {
    /// The element that carries `span`.
    ///
    /// Kotlin: `MDCContext(contextMap)`.
    #[must_use]
    pub fn new(span: Span) -> Self {
        TracingContext {
            span,
            is_root: false,
        }
    }

    /// The element that carries the span which is current here; [`Span::none`], if there is none.
    ///
    /// Kotlin: `MDCContext()`.
    ///
    /// ```
    /// use corox_core::TracingContext;
    /// use tracing::info_span;
    /// # let _subscriber = tracing::subscriber::set_default(tracing_subscriber::registry());
    ///
    /// let element = info_span!("request").in_scope(TracingContext::current);
    /// assert_eq!(element.span().metadata().unwrap().name(), "request");
    /// assert!(TracingContext::current().span().is_none());
    /// ```
    #[must_use]
    pub fn current() -> Self {
        TracingContext::new(Span::current())
    }

    /// The element for what belongs to no span but its own, though it is launched inside one: a cache that is filled, say, by the first
    /// request that asks.
    ///
    /// For coroutines; [`with_context`](crate::with_context) stays inside of what is around it.
    ///
    /// Kotlin: `MDCContext(emptyMap())`.
    ///
    /// ```
    /// use corox_core::{TracingContext, run_blocking};
    /// use tracing::{Span, info_span};
    /// # let _subscriber = tracing::subscriber::set_default(tracing_subscriber::registry());
    ///
    /// run_blocking(async |scope| {
    ///     let fills = info_span!("request").in_scope(|| {
    ///         scope.with(TracingContext::root()).launch(async {
    ///             // As `coroutine{..}: filling` in the log.
    ///             tracing::info!("filling");
    ///             assert_eq!(Span::current().metadata().unwrap().name(), "coroutine");
    ///         })
    ///     });
    ///     fills.join().await; // The span of the request has closed long ago.
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[must_use]
    pub fn root() -> Self {
        TracingContext {
            span: Span::none(),
            is_root: true,
        }
    }

    /// The span that is carried; [`Span::none`] in a [`root`](TracingContext::root).
    ///
    /// Kotlin: `MDCContext.contextMap`.
    ///
    /// ```
    /// use corox_core::{CoroutineContext, TracingContext, run_blocking, with_context};
    /// use tracing::{Span, info_span};
    /// # let _subscriber = tracing::subscriber::set_default(tracing_subscriber::registry());
    ///
    /// run_blocking(async |_| {
    ///     with_context(TracingContext::new(info_span!("query")), async {
    ///         let context = CoroutineContext::current();
    ///         let query = context.get::<TracingContext>().unwrap().span();
    ///         assert_eq!(query.id(), Span::current().id());
    ///         Ok(())
    ///     }).await
    /// }).unwrap();
    /// ```
    #[must_use]
    #[doc(alias = "MDCContext.contextMap")]
    pub fn span(&self) -> &Span {
        &self.span
    }

    pub(crate) fn is_root(&self) -> bool {
        self.is_root
    }

    /// Whether this very element is that of the coroutine that runs here: what is launched is inside the span already, and perhaps
    /// inside others in it.
    pub(crate) fn is_in_force(&self) -> bool {
        frame::with_current(|frame| {
            let elements = frame.and_then(|frame| frame.job().context().elements.as_ref());
            let here = elements.and_then(|elements| elements.get::<TracingContext>());
            here.is_some_and(|here| std::ptr::eq(here, self))
        })
    }
}

// It surrounds no slices by itself: a coroutine's own span is inside of this one, and is what is entered.
impl ContextElement for TracingContext {}

/// This element with those of the right side over it.
impl<R: IntoContext> Add<R> for TracingContext {
    type Output = CoroutineContext;
    fn add(self, other: R) -> CoroutineContext {
        CoroutineContext::from(self).merge(other)
    }
}
