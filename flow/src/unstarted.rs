//! What a running stage holds and a recipe does not.

use std::marker::PhantomPinned;
use std::pin::Pin;

use pin_project_lite::pin_project;

pin_project! {
    /// A future that a stage runs, and which a copy of the stage does not have: that is a fresh recipe.
    pub(crate) struct Running<F> {
        #[pin]
        future: Option<F>,
        #[pin]
        pinned: PhantomPinned,
    }
}

impl<F> Running<F> {
    pub(crate) fn none() -> Self {
        Running {
            future: None,
            pinned: PhantomPinned,
        }
    }

    #[inline]
    pub(crate) fn get(self: Pin<&mut Self>) -> Option<Pin<&mut F>> {
        self.project().future.as_pin_mut()
    }

    #[inline]
    pub(crate) fn is_some(&self) -> bool {
        self.future.is_some()
    }

    #[inline]
    pub(crate) fn set(self: Pin<&mut Self>, future: Option<F>) {
        self.project().future.set(future);
    }
}

impl<F> Clone for Running<F> {
    fn clone(&self) -> Self {
        Running::none()
    }
}

/// What a stage remembers while it runs, and which a copy of it does not.
pub(crate) struct Remembered<T>(Option<T>);

impl<T> Remembered<T> {
    pub(crate) fn nothing() -> Self {
        Remembered(None)
    }

    // A method, so that a closure captures all of it: of a field it would be the field's `Clone` that counts.
    #[inline]
    pub(crate) fn get(&mut self) -> &mut Option<T> {
        &mut self.0
    }
}

impl<T> Clone for Remembered<T> {
    fn clone(&self) -> Self {
        Remembered(None)
    }
}
