//! What a job is made of: one allocation for state, place in the tree, root frame and result.

use std::any::Any;
use std::panic::{Location, RefUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;

use corox_scheduler::Task;

use super::handle::Job;
use super::on_completion::OnEnd;
use super::state::{FINAL, Flags, STARTED};
use crate::error::Error;
use crate::frame::{Frame, FrameRef};
use crate::job_context::JobContext;
use crate::node_list::{Key, NodeList};
use crate::probe;
use crate::select::Ticket;
use crate::shim::{AtomicU64, Mutex};

/// The result of a job, in the job's own allocation: `()` or a [`ResultSlot`](crate::deferred::ResultSlot).
pub(crate) trait Slot: Any + Send + Sync {
    /// Drops a value that was stored before the job was cancelled: nobody may see it any more.
    fn discard(&self, _job: &Job) {}

    /// For [`Job::slot`].
    fn as_any(&self) -> &dyn Any;
}

impl Slot for () {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What kind of coroutine or job this is; decides how failures travel and what the debug string says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// `launch`
    Standalone,
    /// `launch`, lazy
    LazyStandalone,
    /// `spawn`
    Deferred,
    /// `spawn`, lazy
    LazyDeferred,
    /// The root of `run_blocking`
    Blocking,
    /// The root of a test harness
    Test,
    /// `coroutine_scope`
    Scope,
    /// `supervisor_scope`
    Supervisor,
    /// `with_timeout`, `with_timeout_or_none`
    Timeout,
    /// `non_cancellable`, and the second part of `finally`
    Shield,
    /// The second part of `finally_launch` as a coroutine of its own
    Cleanup,
    /// `with_context` on the same dispatcher
    Undispatched,
    /// `with_context` on another dispatcher
    Dispatched,
    /// `CompletableJob`
    JobImpl,
    /// `SupervisorJob`
    SupervisorJobImpl,
    /// `CompletableDeferred`
    CompletableDeferred,
}

impl Kind {
    /// Failures of direct children stay theirs (J-12).
    pub(crate) fn is_supervisor(self) -> bool {
        matches!(self, Kind::Supervisor | Kind::SupervisorJobImpl)
    }

    /// Runs inside its caller and gives the failure to it, not to the parent job (J-13).
    pub(crate) fn is_scoped(self) -> bool {
        matches!(
            self,
            Kind::Blocking
                | Kind::Scope
                | Kind::Supervisor
                | Kind::Timeout
                | Kind::Shield
                | Kind::Undispatched
                | Kind::Dispatched
        )
    }

    /// Whoever polls the body polls on until the children have ended.
    pub(crate) fn is_polled_to_the_end(self) -> bool {
        self.is_scoped() || self == Kind::Test
    }

    /// Has no body: it is completed by a call.
    pub(crate) fn is_body_less(self) -> bool {
        matches!(
            self,
            Kind::JobImpl | Kind::SupervisorJobImpl | Kind::CompletableDeferred
        )
    }

    /// Is not cancelled with its parent.
    pub(crate) fn is_shield(self) -> bool {
        matches!(self, Kind::Shield | Kind::Cleanup)
    }

    /// Reports a failure that no parent took to the handler (J-26).
    pub(crate) fn reports(self) -> bool {
        matches!(
            self,
            Kind::Standalone | Kind::LazyStandalone | Kind::Cleanup
        )
    }

    pub(crate) fn is_lazy(self) -> bool {
        matches!(self, Kind::LazyStandalone | Kind::LazyDeferred)
    }

    /// The name in debug strings (P-8).
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Standalone => "StandaloneCoroutine",
            Kind::LazyStandalone => "LazyStandaloneCoroutine",
            Kind::Deferred => "DeferredCoroutine",
            Kind::LazyDeferred => "LazyDeferredCoroutine",
            Kind::Blocking => "BlockingCoroutine",
            Kind::Test => "TestCoroutine",
            Kind::Scope => "ScopeCoroutine",
            Kind::Supervisor => "SupervisorCoroutine",
            Kind::Timeout => "TimeoutCoroutine",
            Kind::Shield => "NonCancellableCoroutine",
            Kind::Cleanup => "CleanupCoroutine",
            Kind::Undispatched => "UndispatchedCoroutine",
            Kind::Dispatched => "DispatchedCoroutine",
            Kind::JobImpl => "JobImpl",
            Kind::SupervisorJobImpl => "SupervisorJobImpl",
            Kind::CompletableDeferred => "CompletableDeferredImpl",
        }
    }
}

/// One entry in the list of a job, in order of registration (J-15).
pub(crate) enum Node {
    /// An attached child; counted in [`Inner::pending`].
    Child(Job),
    /// A boundary or `finally` in the body, which is woken by a cancellation (decision 4).
    Section(FrameRef),
    /// Called once, at the end.
    OnCompletion(Arc<dyn OnEnd>),
    /// Called once, when the cancellation begins, or else at the end (J-17).
    OnCancelling(Arc<dyn OnEnd>),
    /// Somebody who waits for the end.
    Waiter(Waker),
    /// A select of which the end is a clause.
    Select(Ticket),
}

/// The part of a job that does not depend on the type of its result.
pub(crate) struct JobCore {
    pub(crate) flags: Flags,
    pub(crate) kind: Kind,
    /// The number of the coroutine in debug mode and with probes installed, else 0.
    pub(crate) id: u64,
    /// Names the job as the origin of a cancellation; given out when first asked for.
    token: AtomicU64,
    pub(crate) location: &'static Location<'static>,
    pub(crate) context: JobContext,
    /// The frame of the coroutine's or scope's body.
    pub(crate) frame: Frame,
    /// The key under which the parent holds this job.
    pub(crate) key: AtomicU64,
    pub(crate) inner: Mutex<Inner>,
}

/// What the lock of a job guards. No waker, destructor or callback is called while it is held, and no second job is
/// locked.
pub(crate) struct Inner {
    /// The parent while this job is attached; `None` without one and from the final state on (J-8).
    pub(crate) parent: Option<Job>,
    /// The body (or the outstanding `complete` of a body-less job) and the attached children.
    pub(crate) pending: u32,
    pub(crate) nodes: NodeList<Node>,
    /// What the job was cancelled with or failed with first; after [`SEALED`](super::state::SEALED) the final cause.
    pub(crate) root: Option<Error>,
    /// Failures that came after `root`, in their order.
    #[allow(clippy::box_collection)] // One word in every job; hardly any needs it.
    pub(crate) later: Option<Box<Vec<Error>>>,
    /// The coroutine of a lazy job before its start.
    pub(crate) unstarted: Option<Box<Task>>,
}

/// See [`JobCore`]. `S` is the place of the result.
pub(crate) struct JobCell<S: ?Sized> {
    pub(crate) core: JobCore,
    pub(crate) slot: S,
}

/// A job that nobody completed, and that nobody can complete any more, is forgotten by the probes.
impl Drop for JobCore {
    fn drop(&mut self) {
        if !self.flags.any(FINAL) {
            probe::forget(self);
        }
    }
}

// As tokio's handles: no lock is held while user code runs, so unwinding leaves nothing half-changed.
impl<S: ?Sized> RefUnwindSafe for JobCell<S> {}

static NEXT_TOKEN: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);

impl JobCore {
    pub(crate) fn new(
        kind: Kind,
        id: u64,
        context: JobContext,
        parent: Option<Job>,
        location: &'static Location<'static>,
    ) -> JobCore {
        JobCore {
            flags: Flags::new(if kind.is_lazy() { 0 } else { STARTED }),
            kind,
            id,
            token: AtomicU64::new(0),
            location,
            context,
            frame: Frame::new(),
            key: AtomicU64::new(0),
            inner: Mutex::new(Inner {
                parent,
                pending: 1,
                nodes: NodeList::new(),
                root: None,
                later: None,
                unstarted: None,
            }),
        }
    }

    /// A number that no other job of the process has.
    pub(crate) fn token(&self) -> u64 {
        let known = self.token.load(Ordering::Relaxed);
        if known != 0 {
            return known;
        }
        let fresh = NEXT_TOKEN.fetch_add(1, Ordering::Relaxed);
        match self
            .token
            .compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed)
        {
            Ok(_) => fresh,
            Err(known) => known,
        }
    }

    /// Whether this is the job that the number names.
    pub(crate) fn has_token(&self, token: u64) -> bool {
        self.token.load(Ordering::Relaxed) == token
    }

    /// The key under which the parent holds this job.
    pub(crate) fn key(&self) -> Key {
        Key::from_bits(self.key.load(Ordering::Relaxed))
    }

    /// Adds an entry, or gives it back if the job is final.
    pub(crate) fn push(&self, node: Node) -> Result<Key, Node> {
        let mut inner = self.inner.lock();
        if self.flags.any(FINAL) {
            return Err(node);
        }
        Ok(inner.nodes.push(node))
    }

    /// Takes an entry out; the caller drops it outside the lock.
    #[must_use]
    pub(crate) fn remove(&self, key: Key) -> Option<Node> {
        self.inner.lock().nodes.remove(key)
    }
}
