//! What is inside a channel's lock, and the steps that are taken under it.
//!
//! No step calls foreign code: what is to be woken, called or dropped is returned. What holds between two steps:
//!
//! - If a receiver waits that can be claimed, the buffer is empty, nothing was put back, and no sender waits that can be claimed.
//! - If a sender waits that can be claimed, the buffer is full.
//! - Every element is in one place: in a future that was not polled, in the buffer, among those that were put back, or with the
//!   entry of a waiter: a sender that waits, or a receiver that was handed it and has not been polled since.
//!
//! A select that polls foreign code is not claimed (see `corox_core`'s claim cell): it looks itself afterwards.

use std::collections::VecDeque;
use std::mem;
use std::task::Waker;

use corox_core::select_protocol::Ticket;
use corox_core::waiters_protocol::{Claimed, Key, Queue, Waiters};
use corox_core::{Error, Job};

use crate::capacity::BufferOverflow;

/// What an entry has: the element of a sender, or the one that a receiver was handed.
pub(crate) struct Slot<T> {
    pub(crate) element: Option<T>,
    /// Of a receiver: the place of the element among all that were handed over.
    pub(crate) place: u64,
}

impl<T> Slot<T> {
    pub(crate) fn of(element: Option<T>) -> Self {
        Slot { element, place: 0 }
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Slot::of(None)
    }
}

pub(crate) type CloseHandler = Box<dyn FnOnce(Option<&Error>) + Send>;

/// The one handler that a channel may have.
pub(crate) enum Handler {
    None,
    Set(CloseHandler),
    Called,
}

pub(crate) enum Phase {
    /// The mailbox of a lazy actor, which is started by whoever sends first or closes.
    Unstarted(Job),
    Open,
    Closed(Option<Error>),
    /// Nothing is kept any more; the cause is that of the first close.
    Cancelled(Option<Error>),
}

pub(crate) struct State<T> {
    pub(crate) buffer: VecDeque<T>,
    pub(crate) room: usize,
    pub(crate) is_open: bool,
    pub(crate) overflow: BufferOverflow,
    /// Handed over to receivers that were dropped before they took them, by their places. They are older than the buffer, and do
    /// not count against the room.
    pub(crate) put_back: VecDeque<(u64, T)>,
    pub(crate) waiters: Waiters<Slot<T>>,
    pub(crate) receivers: Queue,
    pub(crate) senders: Queue,
    handed_over: u64,
    pub(crate) phase: Phase,
    pub(crate) handler: Handler,
    /// The coroutine that a cancellation of the channel cancels: its producer.
    pub(crate) producer: Option<Job>,
}

/// What became of an element that was offered.
pub(crate) enum Offered {
    /// A receiver or the buffer has it; this one is to be woken.
    Taken(Option<Waker>),
    /// The channel was full; what lies in its place now is to be disposed of: an older element or the same.
    Displaced,
    /// There is no room: the caller may wait.
    Full,
    Closed,
    /// Its actor has to be started first.
    Unstarted,
    /// Another clause of the select has won.
    Lost,
}

/// What there was to be received.
pub(crate) enum Taken<T> {
    /// An element; the sender whose own element went into the buffer or is this one is to be woken.
    Element(T, Option<Waker>),
    Empty,
    Closed,
    Lost,
}

/// A buffer of more elements than this is given back when it runs empty.
const KEPT: usize = 256;

/// Claims the select, if the caller is a clause of one, for what needs no partner.
fn claims(me: Option<&Ticket>) -> bool {
    me.is_none_or(Ticket::claim_own)
}

impl<T> State<T> {
    pub(crate) fn new(room: usize, overflow: BufferOverflow) -> Self {
        State {
            buffer: VecDeque::new(),
            room,
            is_open: true,
            overflow,
            put_back: VecDeque::new(),
            waiters: Waiters::new(),
            receivers: Queue::new(),
            senders: Queue::new(),
            handed_over: 0,
            phase: Phase::Open,
            handler: Handler::None,
            producer: None,
        }
    }

    /// The place, among all that are handed over, of an element that is taken now.
    #[inline]
    pub(crate) fn next_place(&mut self) -> u64 {
        self.handed_over += 1;
        self.handed_over
    }

    pub(crate) fn cause(&self) -> Option<Error> {
        match &self.phase {
            Phase::Open | Phase::Unstarted(_) => None,
            Phase::Closed(cause) | Phase::Cancelled(cause) => cause.clone(),
        }
    }

    /// The usual case of [`offer`](State::offer), to be inlined: there is room, and nobody waits.
    #[inline]
    pub(crate) fn push_at_once(&mut self, slot: &mut Option<T>) -> bool {
        let at_once = self.is_open
            && self.buffer.len() < self.room
            && self.receivers.is_empty()
            && self.put_back.is_empty();
        if !at_once {
            return false;
        }
        let element = slot.take();
        let there = element.is_some();
        if let Some(element) = element {
            self.buffer.push_back(element);
        }
        there
    }

    /// The usual case of [`take`](State::take), to be inlined: an element of the buffer, and no sender waits for its room.
    #[inline]
    pub(crate) fn pop_at_once(&mut self) -> Option<T> {
        let at_once = self.put_back.is_empty()
            && self.senders.is_empty()
            && (self.buffer.capacity() <= KEPT || self.buffer.len() > 1);
        if at_once {
            self.buffer.pop_front()
        } else {
            None
        }
    }

    /// Offers the element in `slot`, which is empty afterwards if it was taken.
    #[inline(never)]
    pub(crate) fn offer(&mut self, slot: &mut Option<T>, me: Option<&Ticket>) -> Offered {
        self.offer_here(slot, me)
    }

    /// The same where it is to be fast.
    #[inline(always)]
    pub(crate) fn offer_here(&mut self, slot: &mut Option<T>, me: Option<&Ticket>) -> Offered {
        if !self.is_open {
            if let Phase::Unstarted(_) = self.phase {
                return Offered::Unstarted;
            }
            return if claims(me) {
                Offered::Closed
            } else {
                Offered::Lost
            };
        }
        if !self.receivers.is_empty() {
            match self.waiters.claim_first(&mut self.receivers, me) {
                Claimed::First(key, waker) => {
                    let place = self.next_place();
                    let theirs = self.waiters.value(key);
                    theirs.place = place;
                    // It is empty: nothing is dropped here.
                    mem::swap(&mut theirs.element, slot);
                    return Offered::Taken(waker);
                }
                Claimed::Lost => return Offered::Lost,
                Claimed::Nobody => {}
            }
        }
        if self.buffer.len() < self.room && !self.is_full_of_put_back() {
            if !claims(me) {
                return Offered::Lost;
            }
            if let Some(element) = slot.take() {
                self.buffer.push_back(element);
            }
            return Offered::Taken(None);
        }
        if self.overflow == BufferOverflow::Suspend {
            return Offered::Full;
        }
        self.displace(slot, me)
    }

    /// What was put back counts where the oldest is dropped: else a conflated channel could give an element that a newer one has
    /// replaced.
    #[inline]
    fn is_full_of_put_back(&self) -> bool {
        !self.put_back.is_empty() && self.holds_enough()
    }

    #[cold]
    fn holds_enough(&self) -> bool {
        self.overflow == BufferOverflow::DropOldest
            && self.put_back.len() + self.buffer.len() >= self.room
    }

    #[cold]
    fn displace(&mut self, slot: &mut Option<T>, me: Option<&Ticket>) -> Offered {
        if !claims(me) {
            return Offered::Lost;
        }
        if self.overflow == BufferOverflow::DropOldest {
            let oldest = self.pop_put_back().or_else(|| self.buffer.pop_front());
            if let Some(element) = mem::replace(slot, oldest) {
                self.buffer.push_back(element);
            }
        }
        Offered::Displaced
    }

    /// Takes the first element there is.
    #[inline(never)]
    pub(crate) fn take(&mut self, me: Option<&Ticket>) -> Taken<T> {
        self.take_here(me)
    }

    /// The same where it is to be fast.
    #[inline(always)]
    pub(crate) fn take_here(&mut self, me: Option<&Ticket>) -> Taken<T> {
        if !self.put_back.is_empty() {
            if !claims(me) {
                return Taken::Lost;
            }
            if let Some(element) = self.pop_put_back() {
                return Taken::Element(element, None);
            }
        }
        if !self.buffer.is_empty() {
            if !claims(me) {
                return Taken::Lost;
            }
            if let Some(element) = self.buffer.pop_front() {
                let waker = if self.senders.is_empty() {
                    None
                } else {
                    self.refill()
                };
                if self.buffer.is_empty() && self.buffer.capacity() > KEPT {
                    self.buffer = VecDeque::new();
                }
                return Taken::Element(element, waker);
            }
        }
        if !self.senders.is_empty() {
            match self.waiters.claim_first(&mut self.senders, me) {
                Claimed::First(key, waker) => {
                    if let Some(element) = self.waiters.value(key).element.take() {
                        return Taken::Element(element, waker);
                    }
                }
                Claimed::Lost => return Taken::Lost,
                Claimed::Nobody => {}
            }
        }
        if !self.is_closed() {
            Taken::Empty
        } else if claims(me) {
            Taken::Closed
        } else {
            Taken::Lost
        }
    }

    /// The element of the first sender that waits goes into the room that a receive has made.
    fn refill(&mut self) -> Option<Waker> {
        if self.buffer.len() >= self.room {
            return None;
        }
        let Claimed::First(key, waker) = self.waiters.claim_first(&mut self.senders, None) else {
            return None;
        };
        self.buffer.extend(self.waiters.value(key).element.take());
        waker
    }

    #[cold]
    fn pop_put_back(&mut self) -> Option<T> {
        let first = self.put_back.pop_front();
        if self.put_back.is_empty() {
            self.put_back = VecDeque::new();
        }
        first.map(|(_, element)| element)
    }

    /// Takes back an element whose receiver was dropped before it took it. Gives whom to wake, or the element if it is too old.
    #[cold]
    pub(crate) fn put_back(&mut self, element: T, place: u64) -> Result<Option<Waker>, T> {
        if let Phase::Cancelled(_) = self.phase {
            return Err(element);
        }
        if let Claimed::First(key, waker) = self.waiters.claim_first(&mut self.receivers, None) {
            *self.waiters.value(key) = Slot {
                element: Some(element),
                place,
            };
            return Ok(waker);
        }
        if self.holds_enough() {
            return Err(element);
        }
        let at = self.put_back.partition_point(|(other, _)| *other < place);
        self.put_back.insert(at, (place, element));
        Ok(None)
    }

    /// Ends the wait of all who can be claimed in `queue`; gives their entries and whom to wake, in order.
    pub(crate) fn close_queue(&mut self, of_senders: bool) -> Vec<(Key, Option<Waker>)> {
        let mut closed = Vec::new();
        let queue = if of_senders {
            &mut self.senders
        } else {
            &mut self.receivers
        };
        while let Claimed::First(key, waker) = self.waiters.claim_first(queue, None) {
            self.waiters.close(key);
            closed.push((key, waker));
        }
        closed
    }

    pub(crate) fn set_phase(&mut self, phase: Phase) -> Phase {
        self.is_open = matches!(phase, Phase::Open);
        mem::replace(&mut self.phase, phase)
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        !self.is_open && !matches!(self.phase, Phase::Unstarted(_))
    }

    /// Whether there is something to be received. The queue of the senders may have selects that another clause has won.
    pub(crate) fn has_elements(&self) -> bool {
        !self.buffer.is_empty()
            || !self.put_back.is_empty()
            || self.waiters.someone_waits(&self.senders)
    }
}
