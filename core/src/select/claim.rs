//! Who wins a select: the cell that its clauses race for.
//!
//! ```text
//!            claim(j), by whoever is first: a job that ends, a timer, a peer, the select itself
//!   Open --------------------------------------------------------------------------> Won(j)
//!    |
//!    | the select is dropped
//!    v
//!  Closed
//! ```
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

use crate::probe::WaitReason;
use crate::shim::Mutex;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Won(usize),
    Closed,
}

struct Inner {
    state: State,
    /// The task of the select; taken out by whoever wakes it, and put back at its next poll.
    waker: Option<Waker>,
}

/// See the module.
pub(crate) struct ClaimCell {
    number: u64,
    inner: Mutex<Inner>,
}

static NUMBERS: AtomicU64 = AtomicU64::new(0);

impl ClaimCell {
    fn new(waker: Waker) -> ClaimCell {
        ClaimCell {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            inner: Mutex::new(Inner {
                state: State::Open,
                waker: Some(waker),
            }),
        }
    }

    /// `true` for the one clause that wins; the waker has to be woken if the select is not being polled here.
    fn claim(&self, clause: usize) -> (bool, Option<Waker>) {
        let mut inner = self.inner.lock();
        if inner.state != State::Open {
            return (false, None);
        }
        inner.state = State::Won(clause);
        (true, inner.waker.take())
    }

    /// The clause that has won.
    pub(crate) fn winner(&self) -> Option<usize> {
        match self.inner.lock().state {
            State::Won(clause) => Some(clause),
            State::Open | State::Closed => None,
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
            if inner.state == State::Open {
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
    /// Has this clause win and wakes the select; `false` if another has won or the select is gone. Called without any lock
    /// held.
    pub fn claim(&self) -> bool {
        let (won, waker) = self.cell.claim(self.clause);
        if let Some(waker) = waker {
            waker.wake();
        }
        won
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
    /// The peer cannot be claimed now, but may be later.
    PassOver,
}

/// Binds the two sides of a hand-over, each a clause of a select or, as `None`, a plain operation: both or neither.
///
/// Called under the lock of whatever they meet at, and from `peer`'s place in its queue.
pub(crate) fn claim(me: Option<&Ticket>, peer: Option<&Ticket>) -> Claim {
    match (me, peer) {
        (None, None) => Claim::Both(None),
        (Some(me), None) => {
            let mut mine = me.cell.inner.lock();
            if mine.state != State::Open {
                return Claim::MeGone;
            }
            // Its waker stays: to drop it here would be to do so under the lock of the meeting place.
            mine.state = State::Won(me.clause);
            Claim::Both(None)
        }
        (None, Some(peer)) => match peer.cell.claim(peer.clause) {
            (true, waker) => Claim::Both(waker),
            (false, _) => Claim::PeerGone,
        },
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
    if other.state != State::Open {
        return Claim::PeerGone;
    }
    mine.state = State::Won(me.clause);
    other.state = State::Won(peer.clause);
    Claim::Both(other.waker.take())
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

/// The select as a clause sees it while it is registered or polled.
pub struct Registrar<'a> {
    cell: &'a mut Option<Arc<ClaimCell>>,
    clause: usize,
    waker: &'a Waker,
    reason: &'a mut Option<WaitReason>,
}

impl<'a> Registrar<'a> {
    pub(crate) fn new(
        cell: &'a mut Option<Arc<ClaimCell>>,
        clause: usize,
        waker: &'a Waker,
        reason: &'a mut Option<WaitReason>,
    ) -> Self {
        Registrar {
            cell,
            clause,
            waker,
            reason,
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

    /// The source is available now: claims the select, which is being polled and needs no wake.
    pub fn claim(&mut self) -> Registered {
        // Without a cell nobody else has a ticket.
        let Some(cell) = &*self.cell else {
            return Registered::Won;
        };
        let (won, waker) = cell.claim(self.clause);
        drop(waker);
        if won {
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
