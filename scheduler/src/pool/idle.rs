//! Who is idle, and who wakes them: no push is left lying while everybody sleeps.
//!
//! Modelled in `tests/loom.rs`; this file knows nothing of queues, tasks and tokio.

use crate::shim::{AtomicBool, AtomicU8, AtomicUsize, Ordering, fence};

/// Woken or between two batches; on its way to a worker.
const READY: u8 = 0;
/// Inside its poll.
const RUNNING: u8 = 1;
/// Found nothing, and waits for a wake-up.
const IDLE: u8 = 2;
/// Was idle; the one wake-up in flight is on its way to it.
const NOTIFIED: u8 = 3;

/// The state of one drainer.
///
/// ```text
///            start                announce
///   READY ───────────> RUNNING ───────────> IDLE
///     ▲                │ ▲  ▲                │ │ claim (by whoever pushes)
///     └────────────────┘ │  │  start, or     │ ▼
///         end of batch   │  └────────────────┘ NOTIFIED
///                        │     second look     │
///                        └─────────────────────┘ start: the next wake-up may fly
/// ```
///
/// A spare that leaves for good goes from `IDLE` to `READY` (`retire`), unless it was claimed meanwhile.
#[derive(Debug)]
pub(crate) struct Status(AtomicU8);

impl Status {
    pub(crate) fn new() -> Status {
        Status(AtomicU8::new(READY))
    }

    /// The batch has ended with work left.
    pub(crate) fn end_batch(&self) {
        self.0.store(READY, Ordering::Release);
    }

    pub(crate) fn is_running(&self) -> bool {
        self.0.load(Ordering::Acquire) == RUNNING
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.0.load(Ordering::Acquire) == IDLE
    }

    /// A wake-up is on its way to it.
    pub(crate) fn is_notified(&self) -> bool {
        self.0.load(Ordering::Acquire) == NOTIFIED
    }

    fn claim(&self) -> bool {
        self.is_idle()
            && self
                .0
                .compare_exchange(IDLE, NOTIFIED, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
    }
}

/// The idle drainers of one pool, and the one wake-up in flight.
///
/// One wake-up at a time is enough: the woken drainer allows the next before it searches, and passes it on if it finds
/// more than it can run. Each side writes, passes a `SeqCst` fence, and then reads what the other side writes:
///
/// ```text
///   pusher                       drainer going idle          drainer woken
///   push                         status = IDLE, count += 1   in_flight = false
///   ---- fence ----              ---- fence ----             ---- fence ----
///   count > 0? in_flight?        look at all queues again    look at all queues
/// ```
#[derive(Debug)]
pub(crate) struct Idle {
    count: AtomicUsize,
    in_flight: AtomicBool,
}

impl Idle {
    pub(crate) fn new() -> Idle {
        Idle {
            count: AtomicUsize::new(0),
            in_flight: AtomicBool::new(false),
        }
    }

    /// A hint, without a fence: for drainers, which run what they push anyway.
    pub(crate) fn any(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    /// After a push from outside: whether somebody idle may have missed it.
    pub(crate) fn any_after_push(&self) -> bool {
        fence(Ordering::SeqCst);
        self.any()
    }

    /// Claims one idle drainer of `statuses` to be woken by the caller: its position.
    /// `None` if a wake-up is in flight already, or nobody is idle.
    pub(crate) fn claim<'a>(
        &self,
        statuses: impl Iterator<Item = &'a Status> + Clone,
    ) -> Option<usize> {
        loop {
            if self.in_flight.load(Ordering::Relaxed) || self.in_flight.swap(true, Ordering::AcqRel)
            {
                return None;
            }
            if let Some(found) = self.claim_any(statuses.clone()) {
                return Some(found);
            }
            // Somebody may have gone idle behind this search, and a pusher have relied on this wake-up.
            self.in_flight.swap(false, Ordering::AcqRel);
            fence(Ordering::SeqCst);
            if !statuses.clone().any(Status::is_idle) {
                return None;
            }
        }
    }

    /// As [`claim`](Idle::claim), whether a wake-up is in flight or not: it may be held up.
    pub(crate) fn claim_any<'a>(
        &self,
        mut statuses: impl Iterator<Item = &'a Status>,
    ) -> Option<usize> {
        let found = statuses.position(Status::claim);
        if found.is_some() {
            self.count.fetch_sub(1, Ordering::AcqRel);
        }
        found
    }

    /// Claims this one if it is idle, whether a wake-up is in flight or not; the caller's is from here on.
    pub(crate) fn claim_this(&self, status: &Status) -> bool {
        if !status.is_idle() {
            return false;
        }
        // Before the claim: the drainer takes it back when it starts, which may be before this thread goes on.
        let mine = !self.in_flight.swap(true, Ordering::AcqRel);
        let claimed = status.claim();
        if claimed {
            self.count.fetch_sub(1, Ordering::AcqRel);
        } else if mine {
            // Whoever relied on it meanwhile: the caller looks for another idle one after its push.
            self.in_flight.swap(false, Ordering::AcqRel);
        }
        claimed
    }

    /// The drainer found nothing. It must look once more after this, and call [`start`](Idle::start) if it finds something.
    pub(crate) fn announce(&self, status: &Status) {
        status.0.swap(IDLE, Ordering::AcqRel);
        self.count.fetch_add(1, Ordering::AcqRel);
        fence(Ordering::SeqCst);
    }

    /// The drainer looks for work from here on.
    pub(crate) fn start(&self, status: &Status) {
        match status.0.swap(RUNNING, Ordering::AcqRel) {
            IDLE => {
                self.count.fetch_sub(1, Ordering::AcqRel);
            }
            NOTIFIED => {
                self.in_flight.swap(false, Ordering::AcqRel);
                fence(Ordering::SeqCst);
            }
            _ => {}
        }
    }

    /// The announced drainer wants to leave for good: false if a wake-up is on its way to it, which it must serve.
    pub(crate) fn retire(&self, status: &Status) -> bool {
        let left = status
            .0
            .compare_exchange(IDLE, READY, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok();
        if left {
            self.count.fetch_sub(1, Ordering::AcqRel);
        }
        left
    }
}
