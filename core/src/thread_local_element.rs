//! Thread-locals that have a value of their own in a coroutine.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::thread::LocalKey;

use crate::context::CoroutineContext;
use crate::context_element::ContextElement;
use crate::error::{Error, Result};

/// What a thread-local may hold to be an element of a context: a [`Cell`] or a [`RefCell`].
///
/// ```
/// use corox_core::LocalCell;
/// use std::cell::RefCell;
///
/// let cell = RefCell::new("before".to_owned());
/// assert_eq!(LocalCell::swap(&cell, "after".to_owned()), "before");
/// assert_eq!(cell.into_inner(), "after");
/// ```
pub trait LocalCell: 'static {
    /// What is in the cell.
    type Value: Clone + Send + Sync + 'static;

    /// Puts `value` in, and gives what was there.
    ///
    /// # Panics
    ///
    /// If a [`RefCell`] is borrowed.
    fn swap(&self, value: Self::Value) -> Self::Value;
}

impl<T: Clone + Send + Sync + 'static> LocalCell for Cell<T> {
    type Value = T;
    fn swap(&self, value: T) -> T {
        self.replace(value)
    }
}

impl<T: Clone + Send + Sync + 'static> LocalCell for RefCell<T> {
    type Value = T;
    fn swap(&self, value: T) -> T {
        self.replace(value)
    }
}

/// An element that gives a thread-local a value while a coroutine runs.
///
/// See the example of [`LocalKeyExt`], which makes it by [`as_context_element`](LocalKeyExt::as_context_element).
///
/// Kotlin: the `ThreadContextElement` of `asContextElement`.
pub struct ThreadLocalElement<C: LocalCell> {
    key: &'static LocalKey<C>,
    value: C::Value,
}

impl<C: LocalCell> ThreadLocalElement<C> {
    /// Constants of type `LocalKey` have no address to go by, what they name on a thread does.
    fn is_of(&self, key: &'static LocalKey<C>) -> bool {
        let address =
            |key: &'static LocalKey<C>| key.try_with(|cell| std::ptr::from_ref(cell).addr());
        matches!((address(self.key), address(key)), (Ok(a), Ok(b)) if a == b)
    }
}

impl<C: LocalCell> ContextElement for ThreadLocalElement<C> {
    fn around(&self, slice: &mut dyn FnMut()) {
        // On a thread that is ending the local may be gone; destructors run all the same.
        let before = self.key.try_with(|cell| cell.swap(self.value.clone()));
        slice();
        if let Ok(before) = before {
            drop(self.key.try_with(|cell| cell.swap(before)));
        }
    }

    fn is_replaced_by(&self, other: &Self) -> bool {
        other.is_of(self.key)
    }
}

impl<C: LocalCell<Value: fmt::Debug>> fmt::Debug for ThreadLocalElement<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ThreadLocalElement")
            .field(&self.value)
            .finish()
    }
}

/// Thread-locals as elements of a coroutine's context.
///
/// Kotlin: the extensions of `ThreadLocal`.
///
/// ```
/// use corox_core::{CoroutineName, LocalKeyExt, ContextElement, Dispatcher, run_blocking};
/// use std::cell::Cell;
///
/// thread_local!(static TENANT: Cell<u32> = const { Cell::new(0) });
///
/// run_blocking(async |scope| {
///     let context = TENANT.as_context_element(7).plus(Dispatcher::DEFAULT);
///     scope.with(context).launch(async {
///         assert_eq!(TENANT.get(), 7); // on whatever thread, after each suspension
///         assert!(TENANT.is_present());
///     });
///     assert!(!TENANT.is_present());
///     Ok(())
/// }).unwrap();
/// ```
pub trait LocalKeyExt<C: LocalCell> {
    /// An element with which the thread-local has `value` whenever the coroutine runs.
    ///
    /// Each slice of the coroutine, from one suspension to the next, begins with a clone of `value`; what the coroutine
    /// itself puts in is lost at the next suspension, and the thread gets back what it had.
    ///
    /// Kotlin: `ThreadLocal.asContextElement`.
    #[doc(alias = "asContextElement")]
    fn as_context_element(&'static self, value: C::Value) -> ThreadLocalElement<C>;

    /// Whether the current context has an element of this thread-local.
    ///
    /// Kotlin: `ThreadLocal.isPresent`.
    #[doc(alias = "isPresent")]
    fn is_present(&'static self) -> bool;

    /// `Ok` if the current context has an element of this thread-local.
    ///
    /// Kotlin: `ThreadLocal.ensurePresent`.
    ///
    /// # Errors
    ///
    /// A failure that says so, at the caller's line.
    ///
    /// ```
    /// use corox_core::{LocalKeyExt, run_blocking};
    /// use std::cell::Cell;
    ///
    /// thread_local!(static TENANT: Cell<u32> = const { Cell::new(0) });
    ///
    /// run_blocking(async |scope| {
    ///     assert!(TENANT.ensure_present().is_err());
    ///     scope.with(TENANT.as_context_element(7)).launch(async { TENANT.ensure_present() });
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "ensurePresent")]
    #[track_caller]
    fn ensure_present(&'static self) -> Result<()>;
}

impl<C: LocalCell> LocalKeyExt<C> for LocalKey<C> {
    fn as_context_element(&'static self, value: C::Value) -> ThreadLocalElement<C> {
        ThreadLocalElement { key: self, value }
    }

    fn is_present(&'static self) -> bool {
        CoroutineContext::current().any::<ThreadLocalElement<C>>(|element| element.is_of(self))
    }

    fn ensure_present(&'static self) -> Result<()> {
        if self.is_present() {
            Ok(())
        } else {
            Err(Error::msg(
                "the thread-local is no element of the current context; add `KEY.as_context_element(value)` to it",
            ))
        }
    }
}
