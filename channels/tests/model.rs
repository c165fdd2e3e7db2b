//! Two channels against a sequential model: random sends, receives, attempts, selects over both channels, drops of futures, closes and
//! cancellations, polled by hand, with every step's outcome and every wake compared.

mod support;

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::Poll;

use corox_channels::{
    BufferOverflow, Capacity, Channel, Next, SendError, Sending, TryReceiveError,
};
use corox_core::{BoxClause, Clause, select};
use proptest::prelude::*;
use support::{Bin, Hand, KINDS};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    Sent,
    Handed(u32),
    Closed,
}

/// What an operation has come to: a clause of it, by its number, and how that has ended. A send or receive is the only clause of its
/// operation.
type Ended = Option<(usize, Outcome)>;

/// A clause of a select, or a plain operation: on this channel.
#[derive(Clone, Copy, Debug)]
enum Part {
    Send(usize, u32),
    Receive(usize),
}

/// A channel as one would write it without concurrency.
struct Line {
    room: usize,
    overflow: BufferOverflow,
    hook: bool,
    buffer: VecDeque<u32>,
    put_back: Vec<u32>,
    /// By the numbers of the operation and of its clause, in the order of waiting. Of those that have ended, too, which are passed
    /// over.
    senders: VecDeque<(usize, usize, u32)>,
    receivers: VecDeque<(usize, usize)>,
    open: bool,
    cancelled: bool,
}

/// What became of an element that was offered.
enum Offered {
    Taken,
    /// This one was dropped by the policy.
    Displaced(u32),
    Full,
    Closed,
}

struct Model {
    lines: [Line; 2],
    /// Of all operations; `None` while one waits.
    ended: Vec<Ended>,
    /// Which futures were dropped before that.
    dropped: Vec<usize>,
    hooked: Vec<u32>,
}

impl Line {
    fn new((capacity, overflow): (Capacity, BufferOverflow), hook: bool) -> Self {
        let (room, overflow) = match capacity {
            Capacity::Rendezvous => (0, overflow),
            Capacity::Conflated => (1, BufferOverflow::DropOldest),
            Capacity::Exactly(room) => (room, overflow),
            _ => (usize::MAX, overflow),
        };
        Line {
            room,
            overflow,
            hook,
            buffer: VecDeque::new(),
            put_back: Vec::new(),
            senders: VecDeque::new(),
            receivers: VecDeque::new(),
            open: true,
            cancelled: false,
        }
    }

    fn has_room(&self) -> bool {
        let counted = match self.overflow {
            BufferOverflow::DropOldest => self.put_back.len(),
            _ => 0,
        };
        self.buffer.len() < self.room && self.buffer.len() + counted < self.room
    }
}

impl Model {
    fn waits(&self, operation: usize) -> bool {
        self.ended[operation].is_none() && !self.dropped.contains(&operation)
    }

    fn dispose(&mut self, at: usize, element: u32) {
        if self.lines[at].hook {
            self.hooked.push(element);
        }
    }

    /// The first receiver that waits, unless it is a clause of the operation that looks.
    fn receiver(&mut self, at: usize, me: usize) -> Option<(usize, usize)> {
        let found = self.lines[at]
            .receivers
            .iter()
            .position(|(operation, _)| *operation != me && self.waits(*operation));
        self.lines[at].receivers.remove(found?)
    }

    /// The element of the first sender that waits, which has sent it then.
    fn sent_by_first(&mut self, at: usize, me: usize) -> Option<u32> {
        let found = self.lines[at]
            .senders
            .iter()
            .position(|(operation, ..)| *operation != me && self.waits(*operation));
        let (operation, clause, element) = self.lines[at].senders.remove(found?)?;
        self.ended[operation] = Some((clause, Outcome::Sent));
        Some(element)
    }

    fn offer(&mut self, at: usize, element: u32, me: usize) -> Offered {
        if !self.lines[at].open {
            return Offered::Closed;
        }
        if let Some((receiver, clause)) = self.receiver(at, me) {
            self.ended[receiver] = Some((clause, Outcome::Handed(element)));
            return Offered::Taken;
        }
        let line = &mut self.lines[at];
        if line.has_room() {
            line.buffer.push_back(element);
            return Offered::Taken;
        }
        match line.overflow {
            BufferOverflow::Suspend => Offered::Full,
            BufferOverflow::DropOldest => {
                let oldest = match line.put_back.is_empty() {
                    true => line.buffer.pop_front(),
                    false => Some(line.put_back.remove(0)),
                };
                line.buffer.push_back(element);
                Offered::Displaced(oldest.unwrap())
            }
            BufferOverflow::DropLatest => Offered::Displaced(element),
        }
    }

    fn take(&mut self, at: usize, me: usize) -> Result<u32, bool> {
        let line = &mut self.lines[at];
        if !line.put_back.is_empty() {
            return Ok(line.put_back.remove(0));
        }
        if let Some(first) = line.buffer.pop_front() {
            let next = self.sent_by_first(at, me);
            self.lines[at].buffer.extend(next);
            return Ok(first);
        }
        let open = line.open;
        self.sent_by_first(at, me).ok_or(open)
    }

    /// The first poll of an operation: its first clause that is available, or it waits with all of them.
    fn begin(&mut self, parts: &[Part]) -> Ended {
        let me = self.ended.len();
        self.ended.push(None);
        for (clause, part) in parts.iter().enumerate() {
            let mut gone = None;
            let outcome = match *part {
                Part::Send(at, element) => match self.offer(at, element, me) {
                    Offered::Taken => Outcome::Sent,
                    Offered::Displaced(other) => {
                        gone = Some((at, other));
                        Outcome::Sent
                    }
                    Offered::Closed => {
                        gone = Some((at, element));
                        Outcome::Closed
                    }
                    Offered::Full => {
                        self.lines[at].senders.push_back((me, clause, element));
                        continue;
                    }
                },
                Part::Receive(at) => match self.take(at, me) {
                    Ok(element) => Outcome::Handed(element),
                    Err(false) => Outcome::Closed,
                    Err(true) => {
                        self.lines[at].receivers.push_back((me, clause));
                        continue;
                    }
                },
            };
            self.ended[me] = Some((clause, outcome));
            // What comes after was not registered, and is dropped as any value.
            self.lose(&parts[..clause], clause);
            if let Some((at, element)) = gone {
                self.dispose(at, element);
            }
            break;
        }
        self.ended[me]
    }

    /// The clauses but `winner` are dropped after they were registered.
    fn lose(&mut self, parts: &[Part], winner: usize) {
        for (clause, part) in parts.iter().enumerate() {
            match *part {
                Part::Send(at, element) if clause != winner => self.dispose(at, element),
                _ => {}
            }
        }
    }

    /// A future that has waited is dropped.
    fn forget(&mut self, operation: usize, parts: &[Part]) {
        self.dropped.push(operation);
        let ended = self.ended[operation];
        for (clause, part) in parts.iter().enumerate() {
            match (*part, ended) {
                (Part::Receive(at), Some((winner, Outcome::Handed(element))))
                    if winner == clause =>
                {
                    self.give_back(at, element);
                }
                // Sent, or the cancellation has disposed of it.
                (Part::Send(..), Some((winner, _))) if winner == clause => {}
                (Part::Send(at, element), _) => self.dispose(at, element),
                (Part::Receive(_), _) => {}
            }
        }
    }

    fn give_back(&mut self, at: usize, element: u32) {
        if self.lines[at].hook || self.lines[at].cancelled {
            return self.dispose(at, element);
        }
        if let Some((receiver, clause)) = self.receiver(at, usize::MAX) {
            self.ended[receiver] = Some((clause, Outcome::Handed(element)));
            return;
        }
        let line = &mut self.lines[at];
        if line.overflow == BufferOverflow::DropOldest
            && line.put_back.len() + line.buffer.len() >= line.room
        {
            return;
        }
        // Elements are numbered in the order in which they are sent, which is that of their places.
        let place = line.put_back.partition_point(|other| *other < element);
        line.put_back.insert(place, element);
    }

    fn close(&mut self, at: usize) {
        self.lines[at].open = false;
        while let Some((receiver, clause)) = self.receiver(at, usize::MAX) {
            self.ended[receiver] = Some((clause, Outcome::Closed));
        }
    }

    fn cancel(&mut self, at: usize) {
        let line = &mut self.lines[at];
        line.cancelled = true;
        let mut gone: Vec<u32> = line.put_back.drain(..).collect();
        gone.extend(line.buffer.drain(..));
        for (sender, clause, element) in std::mem::take(&mut line.senders) {
            // A select may wait with several clauses; it is told by the first.
            if self.waits(sender) {
                self.ended[sender] = Some((clause, Outcome::Closed));
                gone.push(element);
            }
        }
        self.close(at);
        for element in gone {
            self.dispose(at, element);
        }
    }

    fn has_elements(&self, at: usize) -> bool {
        let line = &self.lines[at];
        let senders = line.senders.iter().any(|(sender, ..)| self.waits(*sender));
        !line.buffer.is_empty() || !line.put_back.is_empty() || senders
    }
}

/// The clauses of a select are numbered with its step.
const CLAUSES: usize = 4;

#[derive(Clone, Copy, Debug)]
enum Kind {
    Send,
    Receive,
    ReceiveCatching,
}

#[derive(Clone, Debug)]
enum Step {
    Send(usize),
    Receive(usize),
    TrySend(usize),
    TryReceive(usize),
    Select(Vec<(Kind, usize)>),
    /// Of the futures that are alive, this one, counted round.
    Poll(usize),
    Drop(usize),
    Close(usize),
    Cancel(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![
        3 => Just(Kind::Send),
        2 => Just(Kind::Receive),
        1 => Just(Kind::ReceiveCatching),
    ];
    prop_oneof![
        6 => (0..2usize).prop_map(Step::Send),
        6 => (0..2usize).prop_map(Step::Receive),
        3 => (0..2usize).prop_map(Step::TrySend),
        3 => (0..2usize).prop_map(Step::TryReceive),
        9 => prop::collection::vec((kind, 0..2usize), 1..=CLAUSES).prop_map(Step::Select),
        8 => any::<usize>().prop_map(Step::Poll),
        6 => any::<usize>().prop_map(Step::Drop),
        1 => prop_oneof![
            2 => (0..2usize).prop_map(Step::Close),
            1 => (0..2usize).prop_map(Step::Cancel),
        ],
    ]
}

type AnyClause<'a> = BoxClause<'a, (usize, Outcome)>;

type AnySelect<'a> = Pin<Box<dyn Future<Output = (usize, Outcome)> + 'a>>;

enum Running<'a> {
    Send(Hand<Sending<'a, u32>>, bool),
    Receive(Hand<Next<'a, u32>>),
    Select(Hand<AnySelect<'a>>),
}

/// An element that was not sent is in the error, or with the hook.
fn outcome_of(sent: Result<(), SendError<u32>>, element: u32, hook: bool) -> Outcome {
    match sent {
        Ok(()) => Outcome::Sent,
        Err(error) => {
            assert_eq!(error.into_inner(), (!hook).then_some(element));
            Outcome::Closed
        }
    }
}

fn clause<'a>(
    channel: &'a Channel<u32>,
    kind: Kind,
    number: usize,
    element: u32,
    hook: bool,
) -> AnyClause<'a> {
    let received = |received: Option<u32>| received.map_or(Outcome::Closed, Outcome::Handed);
    match kind {
        Kind::Send => channel
            .on_send(element)
            .then(move |sent| (number, outcome_of(sent, element, hook)))
            .boxed(),
        Kind::Receive => channel
            .on_receive()
            .then(move |it| (number, received(it.ok())))
            .boxed(),
        Kind::ReceiveCatching => channel
            .on_receive_catching()
            .then(move |it| (number, received(it.ok())))
            .boxed(),
    }
}

/// An operation and the clauses that it consists of.
struct Op<'a> {
    running: Running<'a>,
    parts: Vec<Part>,
}

impl Op<'_> {
    fn wakes(&self) -> usize {
        match &self.running {
            Running::Send(hand, _) => hand.wakes.count(),
            Running::Receive(hand) => hand.wakes.count(),
            Running::Select(hand) => hand.wakes.count(),
        }
    }

    /// What a poll gives, in the words of the model.
    fn poll(&mut self) -> Ended {
        let polled = match &mut self.running {
            Running::Send(hand, hook) => {
                let Part::Send(_, element) = self.parts[0] else {
                    unreachable!("it sends")
                };
                let sent = hand.poll();
                sent.map(|sent| (0, outcome_of(sent, element, *hook)))
            }
            Running::Receive(hand) => hand.poll().map(|received| match received {
                Ok(Some(element)) => (0, Outcome::Handed(element)),
                _ => (0, Outcome::Closed),
            }),
            Running::Select(hand) => hand.poll(),
        };
        match polled {
            Poll::Ready(ended) => Some(ended),
            Poll::Pending => None,
        }
    }
}

fn run(kinds: [usize; 2], hooks: [bool; 2], steps: Vec<Step>) {
    let bin = Bin::new();
    let channels: [Channel<u32>; 2] = [0, 1].map(|at| {
        let (capacity, overflow) = KINDS[kinds[at]];
        if hooks[at] {
            bin.channel(capacity, overflow)
        } else {
            Channel::builder(capacity).overflow(overflow).build()
        }
    });
    let mut model = Model {
        lines: [0, 1].map(|at| Line::new(KINDS[kinds[at]], hooks[at])),
        ended: Vec::new(),
        dropped: Vec::new(),
        hooked: Vec::new(),
    };
    // Those that have waited, with their numbers.
    let mut alive: Vec<(usize, Op<'_>)> = Vec::new();
    for (number, step) in steps.into_iter().enumerate() {
        let first = (number * CLAUSES) as u32;
        let mut begun = None;
        match step {
            Step::Send(at) => {
                begun = Some(Op {
                    running: Running::Send(Hand::new(channels[at].send(first)), hooks[at]),
                    parts: vec![Part::Send(at, first)],
                });
            }
            Step::Receive(at) => {
                begun = Some(Op {
                    running: Running::Receive(Hand::new(channels[at].next())),
                    parts: vec![Part::Receive(at)],
                });
            }
            Step::Select(wanted) => {
                let (mut clauses, mut parts) = (Vec::new(), Vec::new());
                for (element, (kind, at)) in (first..).zip(wanted) {
                    clauses.push(clause(&channels[at], kind, parts.len(), element, hooks[at]));
                    parts.push(match kind {
                        Kind::Send => Part::Send(at, element),
                        _ => Part::Receive(at),
                    });
                }
                begun = Some(Op {
                    running: Running::Select(Hand::new(Box::pin(select(clauses)))),
                    parts,
                });
            }
            Step::TrySend(at) => {
                let sent = channels[at].try_send(first);
                let sent = sent.map_err(|error| (error.is_full(), error.into_inner()));
                let expected = match model.offer(at, first, usize::MAX) {
                    Offered::Taken => Ok(()),
                    Offered::Displaced(element) => {
                        // What an attempt has not sent is dropped, and was not undelivered.
                        if element != first {
                            model.dispose(at, element);
                        }
                        Ok(())
                    }
                    Offered::Full => Err((true, first)),
                    Offered::Closed => Err((false, first)),
                };
                assert_eq!(sent, expected);
            }
            Step::TryReceive(at) => {
                let taken = channels[at].try_receive();
                let taken = taken.map_err(|error| matches!(error, TryReceiveError::Empty));
                assert_eq!(taken, model.take(at, usize::MAX));
            }
            Step::Poll(_) | Step::Drop(_) if alive.is_empty() => {}
            Step::Poll(at) => {
                let at = at % alive.len();
                let (number, op) = &mut alive[at];
                let ended = op.poll();
                assert_eq!(ended, model.ended[*number]);
                if let Some((winner, _)) = ended {
                    model.lose(&op.parts, winner);
                    alive.swap_remove(at);
                }
            }
            Step::Drop(at) => {
                let (number, op) = alive.swap_remove(at % alive.len());
                model.forget(number, &op.parts);
                drop(op);
            }
            Step::Close(at) => {
                assert_eq!(channels[at].close(), model.lines[at].open);
                model.close(at);
            }
            Step::Cancel(at) => {
                assert_eq!(channels[at].cancel(), model.lines[at].open);
                model.cancel(at);
            }
        }
        if let Some(mut op) = begun {
            let expected = model.begin(&op.parts);
            assert_eq!(op.poll(), expected);
            if expected.is_none() {
                alive.push((model.ended.len() - 1, op));
            }
        }
        assert_eq!(bin.take(), std::mem::take(&mut model.hooked));
        for (number, op) in &alive {
            let woken = usize::from(model.ended[*number].is_some());
            assert_eq!(
                op.wakes(),
                woken,
                "woken if and only if there is something to do"
            );
        }
        for (at, channel) in channels.iter().enumerate() {
            let (open, full) = (model.lines[at].open, model.has_elements(at));
            assert_eq!(channel.is_empty(), open && !full);
            assert_eq!(channel.is_closed_for_receive(), !open && !full);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn channels_do_what_the_model_does(
        kinds in [0..KINDS.len(), 0..KINDS.len()],
        hooks in any::<[bool; 2]>(),
        steps in prop::collection::vec(step(), 0..80),
    ) {
        run(kinds, hooks, steps);
    }
}
