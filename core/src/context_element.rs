//! Elements of a context that users define, keyed by their type.

use std::any::{Any, type_name};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use crate::context::CoroutineContext;
use crate::into_context::IntoContext;

/// A value of yours that coroutines inherit: a request id, a tracing span, a setting of a thread-local.
///
/// A type that implements it is an element by itself: give a value to [`CoroutineScope::with`](crate::CoroutineScope::with),
/// [`with_context`](crate::with_context) or `+`, and read it with [`CoroutineContext::get`]. A context holds one value of
/// each type; a second one takes the place of the first.
///
/// `Dispatcher::IO + RequestId(7)` does not compile, for neither `+` nor `Dispatcher` belongs to your crate; write
/// `RequestId(7).plus(Dispatcher::IO)`, or call `with` twice.
///
/// Kotlin: `CoroutineContext.Element`; by its provided methods also `ThreadContextElement` and `CopyableThreadContextElement`.
///
/// ```
/// use corox_core::{ContextElement, CoroutineContext, Dispatcher, run_blocking};
///
/// struct RequestId(u32);
/// impl ContextElement for RequestId {}
///
/// run_blocking(async |scope| {
///     let seen = scope.with(RequestId(7).plus(Dispatcher::DEFAULT)).spawn(async {
///         let context = CoroutineContext::current();
///         Ok(context.get::<RequestId>().map(|id| id.0))
///     });
///     assert_eq!(seen.await?, Some(7));
///     assert!(scope.context().get::<RequestId>().is_none());
///     Ok(())
/// }).unwrap();
/// ```
#[doc(alias = "CoroutineContext.Element")]
#[doc(alias = "ThreadContextElement")]
#[doc(alias = "CopyableThreadContextElement")]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an element of your own: it does not implement `ContextElement`",
    label = "not a context element of your own",
    note = "what the library brings has methods of its own: `context.name()`, `.dispatcher()`, `.exception_handler()`, `.job()`"
)]
pub trait ContextElement: Send + Sync + 'static {
    /// Runs one slice of a coroutine that has this element: whatever runs between two suspensions, and the destructors of a
    /// body that is dropped.
    ///
    /// The default only calls `slice`.
    ///
    /// Override it to have something in force on the thread exactly while the coroutine runs there: set it, call `slice`,
    /// put back what was there before. A panic of the coroutine does not pass through `slice`. A scope inside the coroutine
    /// that changes the element has its slices inside those of the coroutine, so each sees its own. Of several elements the
    /// one that was added first is outermost.
    ///
    /// Kotlin: `ThreadContextElement.updateThreadContext` and `restoreThreadContext`, in one.
    ///
    /// # Panics
    ///
    /// The coroutine fails with a panic of this method, and with one that says so if it did not call `slice`. Further calls
    /// of `slice` do nothing.
    ///
    /// ```
    /// use corox_core::{ContextElement, delay, run_blocking};
    /// use std::cell::Cell;
    /// use std::time::Duration;
    ///
    /// thread_local!(static LEVEL: Cell<u8> = const { Cell::new(0) });
    ///
    /// struct Level(u8);
    /// impl ContextElement for Level {
    ///     fn around(&self, slice: &mut dyn FnMut()) {
    ///         let before = LEVEL.replace(self.0);
    ///         slice();
    ///         LEVEL.set(before);
    ///     }
    /// }
    ///
    /// run_blocking(async |scope| {
    ///     scope.with(Level(3)).launch(async {
    ///         delay(Duration::from_millis(1)).await;
    ///         assert_eq!(LEVEL.get(), 3);
    ///     }).join().await;
    ///     assert_eq!(LEVEL.get(), 0);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "updateThreadContext")]
    #[doc(alias = "restoreThreadContext")]
    fn around(&self, slice: &mut dyn FnMut()) {
        slice();
    }

    /// What a launched coroutine gets instead of this very value: `None`, the default, shares the value.
    ///
    /// For values with state of their own that a child must not share with its siblings. Asked by `launch` and `spawn`, at
    /// the call. [`with_context`](crate::with_context) asks it of an element that it is given; it and inline scopes go on with
    /// what they inherit.
    ///
    /// Kotlin: `CopyableThreadContextElement.copyForChild`.
    ///
    /// ```
    /// use corox_core::{ContextElement, CoroutineContext, run_blocking};
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// #[derive(Default)]
    /// struct Steps(AtomicU32);
    /// impl ContextElement for Steps {
    ///     fn copy_for_child(&self) -> Option<Self> {
    ///         Some(Steps::default())
    ///     }
    /// }
    ///
    /// /// The number of this step of the coroutine.
    /// fn step() -> u32 {
    ///     CoroutineContext::current().get::<Steps>().unwrap().0.fetch_add(1, Ordering::Relaxed)
    /// }
    ///
    /// run_blocking(async |scope| {
    ///     let scope = scope + Steps::default();
    ///     for _ in 0..2 {
    ///         assert_eq!(scope.spawn(async { Ok((step(), step())) }).await?, (0, 1));
    ///     }
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[must_use]
    #[doc(alias = "copyForChild")]
    fn copy_for_child(&self) -> Option<Self>
    where
        Self: Sized,
    {
        None
    }

    /// What takes the place of this value where `overriding` is laid over it: `None`, the default, is `overriding` itself.
    ///
    /// Asked where a coroutine or [`with_context`](crate::with_context) is started with `overriding`; a `+` between two
    /// contexts just replaces.
    ///
    /// Kotlin: `CopyableThreadContextElement.mergeForChild`.
    ///
    /// ```
    /// use corox_core::{ContextElement, CoroutineContext, run_blocking};
    ///
    /// struct Tags(Vec<&'static str>);
    /// impl ContextElement for Tags {
    ///     fn merge_for_child(&self, overriding: &Self) -> Option<Self> {
    ///         Some(Tags([&self.0[..], &overriding.0[..]].concat()))
    ///     }
    /// }
    ///
    /// run_blocking(async |scope| {
    ///     let scope = scope + Tags(vec!["http"]);
    ///     let tags = scope.with(Tags(vec!["login"])).spawn(async {
    ///         Ok(CoroutineContext::current().get::<Tags>().unwrap().0.clone())
    ///     });
    ///     assert_eq!(tags.await?, ["http", "login"]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[must_use]
    #[doc(alias = "mergeForChild")]
    fn merge_for_child(&self, overriding: &Self) -> Option<Self>
    where
        Self: Sized,
    {
        let _ = overriding;
        None
    }

    /// Whether `other` would take the place of this value: always, unless one type stands for several keys.
    ///
    /// With several values of one type in a context, [`get`](CoroutineContext::get) finds the first; each is
    /// [around](ContextElement::around) the slices.
    ///
    /// Kotlin: whether `Element.key` is the same.
    ///
    /// ```
    /// use corox_core::{ContextElement, run_blocking};
    /// use std::cell::RefCell;
    ///
    /// thread_local!(static OPEN: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) });
    ///
    /// struct Span(&'static str);
    /// impl ContextElement for Span {
    ///     fn around(&self, slice: &mut dyn FnMut()) {
    ///         OPEN.with_borrow_mut(|open| open.push(self.0));
    ///         slice();
    ///         OPEN.with_borrow_mut(|open| open.pop());
    ///     }
    ///     fn is_replaced_by(&self, other: &Self) -> bool {
    ///         self.0 == other.0
    ///     }
    /// }
    ///
    /// run_blocking(async |scope| {
    ///     scope.with(Span("request").plus(Span("query"))).launch(async {
    ///         assert_eq!(OPEN.with_borrow(Vec::clone), ["request", "query"]);
    ///     });
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[must_use]
    fn is_replaced_by(&self, other: &Self) -> bool
    where
        Self: Sized,
    {
        let _ = other;
        true
    }

    /// This element with the elements of `other` over it: what `+` is for the elements of the library.
    ///
    /// Kotlin: `CoroutineContext.plus`.
    #[must_use]
    fn plus(self, other: impl IntoContext) -> CoroutineContext
    where
        Self: Sized,
    {
        CoroutineContext::from(self).merge(other)
    }
}

/// [`ContextElement`] without its type.
trait AnyElement: Send + Sync {
    fn run_around(&self, slice: &mut dyn FnMut());
    fn copied(&self) -> Option<Arc<dyn AnyElement>>;
    fn merged(&self, overriding: &dyn AnyElement) -> Option<Arc<dyn AnyElement>>;
    fn gives_way_to(&self, other: &dyn AnyElement) -> bool;
    fn as_any(&self) -> &dyn Any;
    fn type_name(&self) -> &'static str;
}

impl<E: ContextElement> AnyElement for E {
    fn run_around(&self, slice: &mut dyn FnMut()) {
        self.around(slice);
    }

    fn copied(&self) -> Option<Arc<dyn AnyElement>> {
        self.copy_for_child().map(|copy| Arc::new(copy) as _)
    }

    fn merged(&self, overriding: &dyn AnyElement) -> Option<Arc<dyn AnyElement>> {
        let overriding = overriding.as_any().downcast_ref()?;
        self.merge_for_child(overriding)
            .map(|merged| Arc::new(merged) as _)
    }

    fn gives_way_to(&self, other: &dyn AnyElement) -> bool {
        let other = other.as_any().downcast_ref();
        other.is_some_and(|other| self.is_replaced_by(other))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn type_name(&self) -> &'static str {
        type_name::<E>()
    }
}

/// The user's elements of a context, in the order in which they were added; never empty.
#[derive(Clone)]
pub(crate) struct Elements(Arc<[Arc<dyn AnyElement>]>);

impl Elements {
    pub(crate) fn of(element: impl ContextElement) -> Elements {
        Elements(Arc::from([Arc::new(element) as Arc<dyn AnyElement>]))
    }

    pub(crate) fn get<E: ContextElement>(&self) -> Option<&E> {
        self.all().next()
    }

    /// Those of type `E`: several if the type stands for several keys.
    pub(crate) fn all<E: ContextElement>(&self) -> impl Iterator<Item = &E> {
        self.0
            .iter()
            .filter_map(|element| element.as_any().downcast_ref())
    }

    pub(crate) fn without<E: ContextElement>(&self) -> Option<Elements> {
        let rest = self.0.iter().filter(|element| !element.as_any().is::<E>());
        Elements::collect(rest.cloned())
    }

    fn collect(elements: impl Iterator<Item = Arc<dyn AnyElement>>) -> Option<Elements> {
        let elements: Arc<[_]> = elements.collect();
        (!elements.is_empty()).then_some(Elements(elements))
    }

    /// `left` with `right` over it.
    pub(crate) fn merge(left: Option<Elements>, right: Option<Elements>) -> Option<Elements> {
        let (left, right) = match (left, right) {
            (left, None) => return left,
            (None, right) => return right,
            (Some(left), Some(right)) => (left, right),
        };
        let kept = left.0.iter().filter(|old| right.replacing(old).is_none());
        Elements::collect(kept.chain(right.0.iter()).cloned())
    }

    fn replacing(&self, old: &Arc<dyn AnyElement>) -> Option<&Arc<dyn AnyElement>> {
        self.0.iter().find(|new| old.gives_way_to(&***new))
    }

    /// The elements of a coroutine that begins in a context with `inherited`, with `added` laid over them (D-20).
    ///
    /// `launched`: a coroutine of its own, which gets copies of what it inherits; a part of the surrounding one does not.
    pub(crate) fn for_child(
        inherited: Option<&Elements>,
        added: Option<&Elements>,
        launched: bool,
    ) -> Option<Elements> {
        let old = inherited.map_or(&[][..], |elements| &elements.0);
        let new = added.map_or(&[][..], |elements| &elements.0);
        let mut result = Vec::with_capacity(old.len() + new.len());
        let mut merged = vec![false; new.len()];
        let mut changed = !new.is_empty();
        for element in old {
            let over = new.iter().position(|new| element.gives_way_to(&**new));
            match over {
                Some(at) => {
                    if let Some(both) = element.merged(&*new[at]) {
                        merged[at] = true;
                        result.push(both);
                    }
                }
                None => {
                    let copy = if launched { element.copied() } else { None };
                    changed |= copy.is_some();
                    result.push(copy.unwrap_or_else(|| element.clone()));
                }
            }
        }
        if !changed {
            return inherited.cloned();
        }
        for (element, merged) in new.iter().zip(merged) {
            if !merged {
                result.push(element.copied().unwrap_or_else(|| element.clone()));
            }
        }
        Elements::collect(result.into_iter())
    }

    /// Runs `slice` inside all of them (D-19).
    pub(crate) fn around<R>(&self, slice: impl FnOnce() -> R) -> R {
        let mut slice = Some(slice);
        let mut result = None;
        around_each(&self.0, &mut || {
            if let Some(slice) = slice.take() {
                result = Some(slice());
            }
        });
        match result {
            Some(result) => result,
            None => panic!(
                "an element of the coroutine's context ({self:?}) did not call the `slice` that its `ContextElement::around` was given"
            ),
        }
    }
}

/// As deep as there are elements, of which a program has as many as it has types for them.
fn around_each(elements: &[Arc<dyn AnyElement>], slice: &mut dyn FnMut()) {
    match elements.split_first() {
        None => slice(),
        Some((first, rest)) => first.run_around(&mut || around_each(rest, slice)),
    }
}

// As the rest of a context: it is never changed.
impl UnwindSafe for Elements {}
impl RefUnwindSafe for Elements {}

impl fmt::Debug for Elements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|element| element.type_name());
        f.debug_list().entries(names).finish()
    }
}
