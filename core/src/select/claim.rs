//! Who wins a select: the cell that its clauses race for.
//!
//! ```text
//!            claim(j), by whoever is first: a job that ends, a timer, a peer, the select itself
//!   Open --------------------------------------------------------------------------> Won(j)
//!    |  ^                                                                              ^
//!    |  | a poll of foreign code begins and ends                                       |
//!    |  v                                                        its future is ready   |
//!    | Busy ----------------------------------------------------------------------------+
//!    |
//!    | the select is dropped
//!    v
//!  Closed
//! ```
//!
//! `Busy`: the select polls a future of `on`, whose output would be lost if another clause were claimed meanwhile. Whoever comes
//! to claim it passes it over, leaves its entry in its place, and notes that: on leaving, the select has each clause look at its
//! source once more. Of two selects that passed each other over the last to leave finds the other one open.
//!
//! The lock of a cell is a leaf: no waker is cloned, woken or dropped while it is held, and nothing else is locked but a second
//! cell. That is where both sides of a hand-over are selects ([`claim`]): the one with the lower number first, so that two that
//! meet in two places at once do not wait for each other, and both are won or neither. Numbers and not addresses, which differ
//! from one run of a model to the next.

use std::fmt;
use std::sync::Arc;
// A static is no part of a model.
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;

use crate::probe::awaited::Awaited;
use crate::probe::{self, WaitReason};
use crate::shim::Mutex;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Busy,
    Won(usize),
    Closed,
}

struct Inner {
    state: State,
    /// Somebody came while it was busy.
    passed_over: bool,
    /// The task of the select; taken out by whoever wakes it, and put back at its next poll.
    waker: Option<Waker>,
}

/// See the module.
pub(crate) struct ClaimCell {
    number: u64,
    inner: Mutex<Inner>,
}

impl Inner {
    fn claim(&mut self, clause: usize) -> Claim {
        match self.state {
            State::Open => {
                self.state = State::Won(clause);
                Claim::Both(self.waker.take())
            }
            State::Busy => {
                self.passed_over = true;
                Claim::PassOver
            }
            State::Won(_) | State::Closed => Claim::PeerGone,
        }
    }
}

static NUMBERS: AtomicU64 = AtomicU64::new(0);

impl ClaimCell {
    fn new(waker: Waker) -> ClaimCell {
        ClaimCell {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            inner: Mutex::new(Inner {
                state: State::Open,
                passed_over: false,
                waker: Some(waker),
            }),
        }
    }

    /// For a source that has become available.
    fn claim(&self, clause: usize) -> Claim {
        self.inner.lock().claim(clause)
    }

    /// For the select itself, which needs no wake. Its waker stays: to drop it here might be to do so under the lock of a source.
    fn claim_own(&self, clause: usize) -> bool {
        let mut inner = self.inner.lock();
        let is_open = inner.state == State::Open;
        if is_open {
            inner.state = State::Won(clause);
        }
        is_open
    }

    /// A poll of foreign code begins; `false` if a clause has won.
    fn enter(&self) -> bool {
        let mut inner = self.inner.lock();
        // Busy already: such a poll has panicked.
        let free = matches!(inner.state, State::Open | State::Busy);
        if free {
            inner.state = State::Busy;
        }
        free
    }

    /// The poll has ended, and this clause has won if there is one; else whether somebody was passed over meanwhile.
    fn leave(&self, winner: Option<usize>) -> bool {
        let mut inner = self.inner.lock();
        inner.state = winner.map_or(State::Open, State::Won);
        std::mem::take(&mut inner.passed_over)
    }

    /// The clause that has won.
    pub(crate) fn winner(&self) -> Option<usize> {
        match self.inner.lock().state {
            State::Won(clause) => Some(clause),
            State::Open | State::Busy | State::Closed => None,
        }
    }

    /// The clause that has won; while there is none, `waker` is the one to wake.
    pub(crate) fn renew(&self, waker: &Waker) -> Option<usize> {
        {
            let inner = self.inner.lock();
            if let State::Won(clause) = inner.state {
                return Some(clause);
            }
            if inner.waker.as_ref().is_some_and(|old| old.will_wake(waker)) {
                return None;
            }
        }
        // Cloned without the lock: a waker is foreign code.
        let fresh = waker.clone();
        let mut inner = self.inner.lock();
        if let State::Won(clause) = inner.state {
            return Some(clause);
        }
        let old = inner.waker.replace(fresh);
        drop(inner);
        drop(old);
        None
    }

    /// The select is gone: nobody wins any more, and nobody is woken.
    pub(crate) fn close(&self) {
        let waker = {
            let mut inner = self.inner.lock();
            if matches!(inner.state, State::Open | State::Busy) {
                inner.state = State::Closed;
            }
            inner.waker.take()
        };
        drop(waker);
    }
}

/// What a clause leaves at its source: the right to claim a select for this clause.
#[derive(Clone)]
pub struct Ticket {
    cell: Arc<ClaimCell>,
    clause: usize,
}

impl Ticket {
    /// Has this clause win and wakes the select; `false` if another has won, if the select is gone, or if it is being polled
    /// and will look itself. Called without any lock held.
    pub fn claim(&self) -> bool {
        match self.cell.claim(self.clause) {
            Claim::Both(waker) => {
                if let Some(waker) = waker {
                    waker.wake();
                }
                true
            }
            Claim::MeGone | Claim::PeerGone | Claim::PassOver => false,
        }
    }

    /// Has this clause win for the select that is polled here; `false` if another has won. May be called under the lock of the
    /// source.
    pub fn claim_own(&self) -> bool {
        self.cell.claim_own(self.clause)
    }

    /// Whether a clause has won, or the select is gone: this ticket claims nothing any more.
    pub(crate) fn is_over(&self) -> bool {
        let state = self.cell.inner.lock().state;
        matches!(state, State::Won(_) | State::Closed)
    }

    /// Has the select poll this clause again.
    pub(crate) fn wake(&self) {
        let waker = self.cell.inner.lock().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// What came of an attempt to hand something over, to whoever is first in a queue.
#[derive(Debug)]
pub(crate) enum Claim {
    /// Both sides are bound to it; the waker is that of the peer, if it is a select.
    Both(Option<Waker>),
    /// The select that makes the attempt has been won by another clause.
    MeGone,
    /// The peer is a select that another clause has won, or that is gone.
    PeerGone,
    /// The peer is the caller's own select, or busy: it keeps its place, and will look itself.
    PassOver,
}

/// Binds the two sides of a hand-over, each a clause of a select or, as `None`, a plain operation: both or neither.
///
/// Called under the lock of whatever they meet at, and from `peer`'s place in its queue.
pub(crate) fn claim(me: Option<&Ticket>, peer: Option<&Ticket>) -> Claim {
    match (me, peer) {
        (None, None) => Claim::Both(None),
        (Some(me), None) if me.claim_own() => Claim::Both(None),
        (Some(_), None) => Claim::MeGone,
        (None, Some(peer)) => peer.cell.claim(peer.clause),
        (Some(me), Some(peer)) => claim_two(me, peer),
    }
}

fn claim_two(me: &Ticket, peer: &Ticket) -> Claim {
    // Two clauses of one select never meet.
    if me.cell.number == peer.cell.number {
        return Claim::PassOver;
    }
    let (mut mine, mut other);
    if me.cell.number < peer.cell.number {
        mine = me.cell.inner.lock();
        other = peer.cell.inner.lock();
    } else {
        other = peer.cell.inner.lock();
        mine = me.cell.inner.lock();
    }
    if mine.state != State::Open {
        return Claim::MeGone;
    }
    let claimed = other.claim(peer.clause);
    if let Claim::Both(_) = claimed {
        mine.state = State::Won(me.clause);
    }
    claimed
}

/// What became of a clause when it was registered or polled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Registered {
    /// It has claimed the select.
    Won,
    /// It is registered at its source.
    Waits,
    /// It was available, but another clause has claimed the select before.
    Lost,
}

/// What a clause knows before any of its select is registered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attempt {
    /// It was available, and has what it is to give: it has won.
    Won,
    /// It is not available.
    Nothing,
    /// That shows only when it is registered.
    Unknown,
}

/// The select as a clause sees it while it is registered or polled.
pub struct Registrar<'a> {
    cell: &'a mut Option<Arc<ClaimCell>>,
    clause: usize,
    waker: &'a Waker,
    reason: &'a mut Option<WaitReason>,
    notes: &'a mut Vec<(String, Awaited)>,
    is_retry: bool,
    passed_over: bool,
}

impl<'a> Registrar<'a> {
    pub(crate) fn new(
        cell: &'a mut Option<Arc<ClaimCell>>,
        clause: usize,
        waker: &'a Waker,
        reason: &'a mut Option<WaitReason>,
        notes: &'a mut Vec<(String, Awaited)>,
    ) -> Self {
        Registrar {
            cell,
            clause,
            waker,
            reason,
            notes,
            is_retry: false,
            passed_over: false,
        }
    }

    /// The clause is to look at its source, since somebody may have passed the select over.
    pub(crate) fn retrying(mut self, is_retry: bool) -> Self {
        self.is_retry = is_retry;
        self
    }

    /// Whether the source has to be tried once more, though the clause is registered there: somebody may have passed the select
    /// over while it was busy with foreign code.
    pub fn is_retry(&self) -> bool {
        self.is_retry
    }

    /// Whether somebody was passed over while this clause polled foreign code.
    pub(crate) fn has_passed_over(&self) -> bool {
        self.passed_over
    }

    /// Foreign code is about to be polled: nobody claims the select until [`leave`](Registrar::leave). `false` if a clause has
    /// won, and nothing is to be polled.
    pub(crate) fn enter(&mut self) -> bool {
        self.cell.as_ref().is_none_or(|cell| cell.enter())
    }

    /// Foreign code was polled; if it is `ready`, its clause has won.
    pub(crate) fn leave(&mut self, ready: bool) -> Registered {
        let winner = ready.then_some(self.clause);
        self.passed_over |= self.cell.as_ref().is_some_and(|cell| cell.leave(winner));
        if ready {
            Registered::Won
        } else {
            Registered::Waits
        }
    }

    /// What this clause waits for, for dumps; asked only if probes are installed.
    pub fn note(&mut self, what: impl FnOnce() -> (String, Awaited)) {
        if probe::is_installed() && !self.is_retry {
            self.notes.push(what());
        }
    }

    /// This clause waits for something that is not known.
    pub(crate) fn waits_for_anything(&mut self) {
        if let Some(reason) = self.reason {
            reason.set_by_coroutines(false);
        }
    }

    /// A ticket to leave at the source. The first one of a select makes its cell.
    pub fn ticket(&mut self) -> Ticket {
        let cell = match &mut *self.cell {
            Some(cell) => cell.clone(),
            None => {
                let cell = Arc::new(ClaimCell::new(self.waker.clone()));
                *self.cell = Some(cell.clone());
                cell
            }
        };
        Ticket {
            cell,
            clause: self.clause,
        }
    }

    /// A ticket, if some clause before this one has made one: without any, nobody else can claim the select.
    pub fn existing_ticket(&self) -> Option<Ticket> {
        let cell = self.cell.clone()?;
        Some(Ticket {
            cell,
            clause: self.clause,
        })
    }

    /// The source is available now: claims the select, which is being polled and needs no wake.
    pub fn claim(&mut self) -> Registered {
        // Without a cell nobody else has a ticket.
        let Some(cell) = &*self.cell else {
            return Registered::Won;
        };
        if cell.claim_own(self.clause) {
            Registered::Won
        } else {
            Registered::Lost
        }
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ticket").field(&self.clause).finish()
    }
}

impl fmt::Debug for Registrar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registrar").field(&self.clause).finish()
    }
}
