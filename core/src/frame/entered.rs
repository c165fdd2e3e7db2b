//! The current frame of this thread: the one whose body is being polled or dropped.

use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::NonNull;

use super::FrameRef;
use crate::shim::thread_local;

thread_local! {
    // A pointer, so that a poll moves no reference count, and so that the thread has nothing to destroy at its end: bodies may be
    // dropped by destructors of other locals.
    //
    // It is that of a frame which the innermost `Entered` of this thread has borrowed, or none.
    static CURRENT: Cell<Option<NonNull<FrameRef>>> = const { Cell::new(None) };
}

thread_local! {
    // See `cancelled_here`; 0 after the current frame has become another one.
    static CLEAR_AT: Cell<usize> = const { Cell::new(0) };
}

/// The current frame is `frame`; the one before.
fn replace_current(frame: Option<NonNull<FrameRef>>) -> Option<NonNull<FrameRef>> {
    CLEAR_AT.with(|clear_at| clear_at.set(0));
    CURRENT.with(|current| current.replace(frame))
}

/// The count of cancellations at which the current frame was found not cancelled, or 0.
#[inline]
pub(super) fn clear_at() -> usize {
    CLEAR_AT.with(Cell::get)
}

pub(super) fn set_clear_at(count: usize) {
    CLEAR_AT.with(|clear_at| clear_at.set(count));
}

/// Makes a frame the current one of this thread until it is dropped, then again the one before.
///
/// Those of a thread are dropped in the reverse order of their creation, and none is leaked: they live in local variables of this
/// crate only.
pub(crate) struct Entered<'a> {
    outer: Option<NonNull<FrameRef>>,
    // Stays on its thread.
    frame: PhantomData<(&'a FrameRef, *const ())>,
}

impl<'a> Entered<'a> {
    fn new(frame: Option<&'a FrameRef>) -> Entered<'a> {
        let frame = frame.map(NonNull::from);
        Entered {
            outer: replace_current(frame),
            frame: PhantomData,
        }
    }

    /// Until it is dropped there is no current frame.
    pub(crate) fn none() -> Entered<'static> {
        Entered::new(None)
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        replace_current(self.outer);
    }
}

/// Runs `f` with `frame` as the current one of this thread.
pub(crate) fn enter<R>(frame: &FrameRef, f: impl FnOnce() -> R) -> R {
    let _entered = Entered::new(Some(frame));
    f()
}

/// Runs `f` with the current frame.
pub(crate) fn with_current<R>(f: impl FnOnce(Option<&FrameRef>) -> R) -> R {
    let current = CURRENT.with(Cell::get);
    // SAFETY: the pointer was put there by an `Entered` of this thread that has borrowed the frame, and which takes the pointer away
    // when it is dropped. That one lives in a local variable of a function further up on the stack, and so until this call has ended.
    #[allow(unsafe_code)]
    f(current.map(|frame| unsafe { &*frame.as_ptr() }))
}
