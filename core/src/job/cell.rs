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
use super::tally::Tally;
use crate::error::Error;
use crate::frame::{Frame, FrameRef};
use crate::job_context::JobContext;
use crate::node_list::{Key, NodeList};
use crate::probe;
use crate::select::Ticket;
use crate::shim::{AtomicU32, AtomicU64, AtomicWaker, Mutex};
use crate::trace::JobSpan;

/// The result of a job, in the job's own allocation, and by what its body is woken: `()` or a
/// [`ResultSlot`](crate::deferred::ResultSlot), alone or in a coroutine's cell, or [`Polled`].
pub(crate) trait Slot: Any + Send + Sync {
    /// Whether there is never anything for [`discard`](Slot::discard) to do.
    fn keeps_nothing(&self) -> bool {
        false
    }

    /// Drops a value that was stored before the job was cancelled: nobody may see it any more.
    fn discard(&self, _job: &Job) {}

    /// Wakes whoever polls the body of `job`, in which this is: for a cancellation, for the end of the last holder of its frame, for the
    /// end of the children.
    fn wake(&self, _job: &Job) {
        if let Some(waker) = self.waker() {
            waker.wake();
        }
    }

    /// Where whoever polls the body leaves a waker. Not there, if there is no body, or if it is that of a task.
    fn waker(&self) -> Option<&AtomicWaker> {
        None
    }

    /// For [`Job::slot`].
    fn as_any(&self) -> &dyn Any;
}

/// In the place of a result, for a job whose body is polled inside another one and gives its result there.
pub(crate) struct Polled {
    waker: AtomicWaker,
}

impl Polled {
    pub(crate) fn new() -> Polled {
        Polled {
            waker: AtomicWaker::new(),
        }
    }
}

impl Slot for Polled {
    fn keeps_nothing(&self) -> bool {
        true
    }

    fn waker(&self) -> Option<&AtomicWaker> {
        Some(&self.waker)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Slot for () {
    fn keeps_nothing(&self) -> bool {
        true
    }

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

    /// Is a part of the coroutine around it, and no coroutine by itself.
    pub(crate) fn is_part(self) -> bool {
        self.is_scoped() && self != Kind::Blocking
    }

    /// A part that has a task of its own.
    pub(crate) fn is_a_task(self) -> bool {
        self == Kind::Dispatched
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

    /// What has made it.
    pub(crate) fn builder(self) -> &'static str {
        match self {
            Kind::Standalone | Kind::LazyStandalone => "launch",
            Kind::Deferred | Kind::LazyDeferred => "spawn",
            Kind::Blocking => "run_blocking",
            Kind::Test => "run_test",
            Kind::Scope => "coroutine_scope",
            Kind::Supervisor => "supervisor_scope",
            Kind::Timeout => "with_timeout",
            Kind::Shield => "non_cancellable",
            Kind::Cleanup => "finally_launch",
            Kind::Undispatched | Kind::Dispatched => "with_context",
            Kind::JobImpl => "CompletableJob",
            Kind::SupervisorJobImpl => "SupervisorJob",
            Kind::CompletableDeferred => "CompletableDeferred",
        }
    }
}

/// One entry in the list of a job, in order of registration (J-15).
pub(crate) enum Node {
    /// An attached child, or one that has ended and is on the stack of [`JobCore::tally`].
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
///
/// In this order: `inner`, beside the counts of references, is written by those who launch children, `tally` by the children. They are
/// more than a cache line apart.
#[repr(C)]
pub(crate) struct JobCore {
    pub(crate) inner: Mutex<Inner>,
    pub(crate) location: &'static Location<'static>,
    pub(crate) context: JobContext,
    /// The frame of the coroutine's or scope's body.
    pub(crate) frame: Frame,
    /// The number of the coroutine in debug mode and with probes installed, else 0.
    pub(crate) id: u64,
    /// Names the job as the origin of a cancellation. Given out when first asked for, an even one, or at the creation if probes are
    /// installed then, an odd one: these are in the order of creation.
    token: AtomicU64,
    /// The key under which the parent holds this job.
    pub(crate) key: AtomicU64,
    /// On the stack of ended children: the next one.
    pub(crate) link: AtomicU32,
    pub(crate) flags: Flags,
    pub(crate) kind: Kind,
    /// Who is still to end.
    pub(crate) tally: Tally,
}

/// What the lock of a job guards. No waker, destructor or callback is called while it is held, and no second job is
/// locked.
pub(crate) struct Inner {
    /// The parent while this job is in its list. Nobody is shown it from the final state on (J-8).
    pub(crate) parent: Option<Job>,
    /// Children that were taken from the stack and are still in the list: a link to the first.
    ended: u32,
    pub(crate) nodes: NodeList<Node>,
    /// What the job was cancelled with or failed with first; after [`SEALED`](super::state::SEALED) the final cause.
    pub(crate) root: Option<Error>,
    /// What hardly any job has; one word in all others.
    pub(crate) rare: Option<Box<Rare>>,
}

#[derive(Default)]
pub(crate) struct Rare {
    /// Failures that came after [`Inner::root`], in their order.
    pub(crate) later: Vec<Error>,
    /// The coroutine of a lazy job before its start.
    pub(crate) unstarted: Option<Task>,
    /// Of the coroutine, until the final state.
    pub(crate) span: JobSpan,
}

impl Rare {
    #[inline]
    fn with(span: JobSpan) -> Option<Box<Rare>> {
        (!span.is_none()).then(|| {
            Box::new(Rare {
                span,
                ..Rare::default()
            })
        })
    }
}

impl Inner {
    /// The span of the coroutine, if there is one.
    #[cfg(feature = "tracing")]
    pub(crate) fn span(&self) -> JobSpan {
        match &self.rare {
            None => JobSpan::none(),
            Some(rare) => rare.span.clone(),
        }
    }

    pub(crate) fn take_span(&mut self) -> JobSpan {
        match &mut self.rare {
            None => JobSpan::none(),
            Some(rare) => rare.span.take(),
        }
    }

    /// Takes a child that has ended out of the list, if there is one.
    #[inline]
    pub(crate) fn take_ended(&mut self, tally: &Tally) -> Option<Ended> {
        if self.ended == 0 {
            self.ended = tally.take_stacked();
        }
        let place = self.ended.checked_sub(1)?;
        match self.nodes.remove_at(place) {
            Some(Node::Child(child)) => {
                self.ended = child.core().link.load(Ordering::Relaxed);
                Some(Ended(child))
            }
            _ => unreachable!("the stack has places of children"),
        }
    }

    pub(crate) fn take_unstarted(&mut self) -> Option<Task> {
        self.rare.as_mut()?.unstarted.take()
    }
}

/// A child that was in the list of its parent, and has ended; to be dropped without the lock of the parent.
pub(crate) struct Ended(pub(crate) Job);

impl Drop for Ended {
    fn drop(&mut self) {
        // Whoever else has the job would keep the parent with it.
        if Arc::strong_count(&self.0.0) > 1 {
            let parent = self.0.core().inner.lock().parent.take();
            drop(parent);
        }
    }
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

/// Even.
static NEXT_TOKEN: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(2);

/// All tokens that were given out so far are less.
pub(crate) fn next_token() -> u64 {
    NEXT_TOKEN.load(Ordering::Relaxed)
}

impl JobCore {
    // Compiled into its place, so that it is not copied there.
    #[inline(always)]
    pub(crate) fn new(
        kind: Kind,
        id: u64,
        context: JobContext,
        parent: Option<Job>,
        location: &'static Location<'static>,
        span: JobSpan,
        is_probed: bool,
    ) -> JobCore {
        let token = if is_probed {
            NEXT_TOKEN.fetch_add(2, Ordering::Relaxed) | 1
        } else {
            0
        };
        JobCore {
            inner: Mutex::new(Inner {
                parent,
                ended: 0,
                nodes: NodeList::new(),
                root: None,
                rare: Rare::with(span),
            }),
            location,
            context,
            frame: Frame::new(),
            id,
            token: AtomicU64::new(token),
            key: AtomicU64::new(0),
            link: AtomicU32::new(0),
            flags: Flags::new(if kind.is_lazy() { 0 } else { STARTED }),
            kind,
            tally: Tally::new(),
        }
    }

    /// A number that no other job of the process has.
    pub(crate) fn token(&self) -> u64 {
        let known = self.token.load(Ordering::Relaxed);
        if known != 0 {
            return known;
        }
        let fresh = NEXT_TOKEN.fetch_add(2, Ordering::Relaxed);
        match self
            .token
            .compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed)
        {
            Ok(_) => fresh,
            Err(known) => known,
        }
    }

    /// That of a job that was made with probes installed.
    pub(crate) fn token_of_creation(&self) -> Option<u64> {
        let token = self.token.load(Ordering::Relaxed);
        (token % 2 == 1).then_some(token)
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
