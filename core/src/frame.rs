//! Frames: what a cancellation acts on.
//!
//! Every coroutine body, inline scope, shielded section, boundary and `finally` is a frame. A frame drops its body when its
//! job is cancelling and none of its own *holders* is left: the scopes, sections and boundaries inside it that have begun
//! and not ended (decision 1). `driver` has the rule in full.
//!
//! ```text
//!                          1
//!        Free <--------------------------> Held
//!         |                2                 |
//!         | 3                                | 3
//!         v                1                 v         4: a holder was polled, or the body woke itself
//!   Cancelled, free <--------------> Cancelled, held ----+
//!         |                2               | ^           |
//!         |                                | +-----------+
//!         | 5                              | 6: nobody polls the holders
//!         v                                v
//!         +-------> the body is dropped <--+
//! ```
//!
//! 1. `Hold::take`: a scope or `with_context` begins in the body (`scope_builders::open`, `with_context::dispatched`), or a
//!    boundary or `finally` (`section`).
//! 2. The drop of the last `Hold`, when that has ended. In a cancelled job it wakes the frame.
//! 3. `job::cancel::cancel_down`: the job is marked, and the frame woken, by its own waker or, a section, by its entry in the
//!    list of the job.
//! 4. `Driver::poll_cancelled`, or `Driver::probe` if it finds the same: the body is polled on. Whoever was polled is known by
//!    `Hold::note_poll`.
//! 5. `Driver::poll_end`, before a poll that is not the first one, or `poll_cancelled` after one that gives `Pending`.
//! 6. `Driver::probe`, after it has woken the holders and they were not polled.
//!
//! From each state the body may also end by itself: `Ready`, or a panic. And it is dropped without a look at the holders
//! (`Driver::abandon`) where a launched coroutine was cancelled before its first poll, and when the owner of the driver is
//! dropped.
//!
//! The root frame of a coroutine or scope lives inside its job; a boundary or `finally` has no job and makes a [`Section`].

mod cancelled_here;
mod entered;

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;

use crate::job::{Job, Node};
use crate::node_list::{Key, NodeList};
use crate::shim::{AtomicBool, AtomicWaker, Mutex};
pub(crate) use cancelled_here::{announce_cancellation, cancelled_here, cancelled_here_again};
pub(crate) use entered::{Entered, enter, with_current};

/// See the module.
pub(crate) struct Frame {
    /// Whether a holder was polled since the body's poll began.
    holder_polled: AtomicBool,
    /// How often the body was polled while probes were installed, of which those take a carry. It lies where there was a gap.
    pub(crate) polls: std::sync::atomic::AtomicU32,
    holders: Mutex<NodeList<FrameRef>>,
}

impl Frame {
    pub(crate) fn new() -> Frame {
        Frame {
            holder_polled: AtomicBool::new(false),
            polls: std::sync::atomic::AtomicU32::new(0),
            holders: Mutex::new(NodeList::new()),
        }
    }

    pub(crate) fn is_held(&self) -> bool {
        !self.holders.lock().is_empty()
    }

    /// Forgets which holders were polled.
    pub(crate) fn begin_poll(&self) {
        self.holder_polled.store(false, Ordering::Relaxed);
    }

    pub(crate) fn holder_was_polled(&self) -> bool {
        self.holder_polled.load(Ordering::Relaxed)
    }

    /// Wakes every holder through the waker that it left.
    pub(crate) fn wake_holders(&self) {
        let holders: Vec<_> = {
            let holders = self.holders.lock();
            holders.iter().map(|(_, frame)| frame.clone()).collect()
        };
        for holder in holders {
            holder.wake();
        }
    }
}

/// The frame of a boundary or `finally`: it uses the job around it.
pub(crate) struct Section {
    job: Job,
    frame: Frame,
    /// Of whoever polls it.
    waker: AtomicWaker,
}

/// A reference to a frame and the job that it belongs to.
#[derive(Clone)]
pub(crate) enum FrameRef {
    /// The root frame of a coroutine or scope.
    Root(Job),
    Section(Arc<Section>),
}

impl FrameRef {
    /// A frame without job of its own, inside `job`.
    pub(crate) fn section(job: Job) -> FrameRef {
        FrameRef::Section(Arc::new(Section {
            job,
            frame: Frame::new(),
            waker: AtomicWaker::new(),
        }))
    }

    /// Leaves the waker of whoever polls this frame, unless that is a task, which is woken without one.
    pub(crate) fn register(&self, waker: &Waker) {
        match self {
            FrameRef::Root(job) => job.register_waker(waker),
            FrameRef::Section(section) => section.waker.register(waker),
        }
    }

    /// Wakes whoever polls this frame: for a cancellation, for the end of the last holder, for the end of the children.
    pub(crate) fn wake(&self) {
        match self {
            FrameRef::Root(job) => job.wake_body(),
            FrameRef::Section(section) => section.waker.wake(),
        }
    }

    pub(crate) fn frame(&self) -> &Frame {
        match self {
            FrameRef::Root(job) => &job.core().frame,
            FrameRef::Section(section) => &section.frame,
        }
    }

    pub(crate) fn job(&self) -> &Job {
        match self {
            FrameRef::Root(job) => job,
            FrameRef::Section(section) => &section.job,
        }
    }
}

/// The hold of an inner frame on the frame around it; ends when dropped.
pub(crate) struct Hold {
    outer: FrameRef,
    key: Key,
    /// The entry of a section in the list of its job, through which a cancellation wakes it.
    registered: Option<Key>,
}

impl Hold {
    /// `inner` begins to hold `outer`.
    pub(crate) fn take(outer: FrameRef, inner: &FrameRef) -> Hold {
        let key = outer.frame().holders.lock().push(inner.clone());
        let registered = match inner {
            FrameRef::Section(section) => {
                let core = section.job.core();
                core.push(Node::Section(inner.clone())).ok()
            }
            FrameRef::Root(_) => None,
        };
        Hold {
            outer,
            key,
            registered,
        }
    }

    /// The inner frame is being polled.
    pub(crate) fn note_poll(&self) {
        self.outer
            .frame()
            .holder_polled
            .store(true, Ordering::Relaxed);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let frame = self.outer.frame();
        let (removed, last) = {
            let mut holders = frame.holders.lock();
            (holders.remove(self.key), holders.is_empty())
        };
        if let (Some(key), Some(inner)) = (self.registered, &removed) {
            drop(inner.job().core().remove(key));
        }
        drop(removed);
        // The holder may have ended on another thread, or without anybody polling the outer frame again.
        if last && self.outer.job().is_cancelled() {
            self.outer.wake();
        }
    }
}

pub(crate) fn current() -> Option<FrameRef> {
    with_current(|frame| frame.cloned())
}

pub(crate) fn current_job() -> Option<Job> {
    with_current(|frame| frame.map(|frame| frame.job().clone()))
}

/// How far up `check_wait_for` looks.
const DEPTH: usize = 1000;

/// Refuses a wait of a coroutine for itself, or for one that waits for it.
pub(crate) fn check_wait_for(target: &Job, location: &'static Location<'static>) {
    let mut at = current_job();
    if !target.has_children() && !at.as_ref().is_some_and(|job| job.ptr_eq(target)) {
        // The usual case: what has no children has nothing below it that could wait for it.
        return;
    }
    for _ in 0..DEPTH {
        let Some(job) = at else { return };
        assert!(
            !job.ptr_eq(target),
            "the wait at {location} can never end: it waits for {target}, inside that job, and the job ends only after this \
             code does; cancel the job instead of waiting for it, or wait from outside of it"
        );
        at = job.parent();
    }
}
