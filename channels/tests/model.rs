//! Channels against a sequential model: random sends, receives, attempts, drops of futures, closes and cancellations, polled by hand,
//! with every step's outcome and every wake compared.

mod support;

use std::collections::VecDeque;
use std::task::Poll;

use corox_channels::{BufferOverflow, Channel, Next, Sending, TryReceiveError};
use proptest::prelude::*;
use support::{Bin, Hand, KINDS};

/// What a waiting operation has come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Waits,
    /// Of a sender: received. Of a receiver: this element, with its place.
    Sent,
    Handed(u32),
    Closed,
}

/// The channel as one would write it without concurrency.
struct Model {
    room: usize,
    overflow: BufferOverflow,
    hook: bool,
    buffer: VecDeque<u32>,
    put_back: Vec<u32>,
    /// By the number of the operation, in the order of waiting.
    senders: VecDeque<(usize, u32)>,
    receivers: VecDeque<usize>,
    fates: Vec<Fate>,
    open: bool,
    cancelled: bool,
    hooked: Vec<u32>,
}

impl Model {
    fn has_room(&self) -> bool {
        let counted = match self.overflow {
            BufferOverflow::DropOldest => self.put_back.len(),
            _ => 0,
        };
        self.buffer.len() < self.room && self.buffer.len() + counted < self.room
    }

    fn dispose(&mut self, element: u32) {
        if self.hook {
            self.hooked.push(element);
        }
    }

    /// `Ok`: taken or dropped by the policy; `Err(true)`: full.
    fn offer(&mut self, element: u32, attempt: bool) -> Result<(), bool> {
        if !self.open {
            return Err(false);
        }
        if let Some(receiver) = self.receivers.pop_front() {
            self.fates[receiver] = Fate::Handed(element);
        } else if self.has_room() {
            self.buffer.push_back(element);
        } else {
            match self.overflow {
                BufferOverflow::Suspend => return Err(true),
                BufferOverflow::DropOldest => {
                    let oldest = match self.put_back.is_empty() {
                        true => self.buffer.pop_front(),
                        false => Some(self.put_back.remove(0)),
                    };
                    self.dispose(oldest.unwrap());
                    self.buffer.push_back(element);
                }
                BufferOverflow::DropLatest if attempt => {}
                BufferOverflow::DropLatest => self.dispose(element),
            }
        }
        Ok(())
    }

    fn take(&mut self) -> Result<u32, bool> {
        if !self.put_back.is_empty() {
            return Ok(self.put_back.remove(0));
        }
        if let Some(first) = self.buffer.pop_front() {
            if let Some((sender, element)) = self.senders.pop_front() {
                self.fates[sender] = Fate::Sent;
                self.buffer.push_back(element);
            }
            return Ok(first);
        }
        if let Some((sender, element)) = self.senders.pop_front() {
            self.fates[sender] = Fate::Sent;
            return Ok(element);
        }
        Err(self.open)
    }

    fn give_back(&mut self, element: u32) {
        if self.hook || self.cancelled {
            return self.dispose(element);
        }
        if let Some(receiver) = self.receivers.pop_front() {
            self.fates[receiver] = Fate::Handed(element);
            return;
        }
        if self.overflow == BufferOverflow::DropOldest
            && self.put_back.len() + self.buffer.len() >= self.room
        {
            return;
        }
        // Elements are numbered in the order in which they are sent, which is that of their places.
        let at = self.put_back.partition_point(|other| *other < element);
        self.put_back.insert(at, element);
    }

    fn close(&mut self) {
        self.open = false;
        for receiver in self.receivers.drain(..) {
            self.fates[receiver] = Fate::Closed;
        }
    }

    fn cancel(&mut self) {
        self.close();
        self.cancelled = true;
        let mut gone: Vec<u32> = self.put_back.drain(..).collect();
        gone.extend(self.buffer.drain(..));
        for (sender, element) in self.senders.drain(..) {
            self.fates[sender] = Fate::Closed;
            if self.hook {
                gone.push(element);
            }
        }
        for element in gone {
            self.dispose(element);
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Send,
    Receive,
    TrySend,
    TryReceive,
    /// Of the futures that are alive, this one, counted round.
    Poll(usize),
    Drop(usize),
    Close,
    Cancel,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Send),
        6 => Just(Step::Receive),
        3 => Just(Step::TrySend),
        3 => Just(Step::TryReceive),
        6 => any::<usize>().prop_map(Step::Poll),
        5 => any::<usize>().prop_map(Step::Drop),
        1 => prop_oneof![2 => Just(Step::Close), 1 => Just(Step::Cancel)],
    ]
}

enum Op<'a> {
    Send(Hand<Sending<'a, u32>>, u32),
    Receive(Hand<Next<'a, u32>>),
}

impl Op<'_> {
    fn wakes(&self) -> usize {
        match self {
            Op::Send(hand, _) => hand.wakes.count(),
            Op::Receive(hand) => hand.wakes.count(),
        }
    }

    /// What a poll gives, in the words of the model; `None` beside it if the element came back in an error.
    fn poll(&mut self, hook: bool) -> Fate {
        match self {
            Op::Send(hand, element) => match hand.poll() {
                Poll::Pending => Fate::Waits,
                Poll::Ready(Ok(())) => Fate::Sent,
                Poll::Ready(Err(error)) => {
                    assert_eq!(error.into_inner(), (!hook).then_some(*element));
                    Fate::Closed
                }
            },
            Op::Receive(hand) => match hand.poll() {
                Poll::Pending => Fate::Waits,
                Poll::Ready(Ok(Some(element))) => Fate::Handed(element),
                Poll::Ready(_) => Fate::Closed,
            },
        }
    }
}

fn run(kind: usize, hook: bool, steps: Vec<Step>) {
    let (capacity, overflow) = KINDS[kind];
    let bin = Bin::new();
    let channel: Channel<u32> = if hook {
        bin.channel(capacity, overflow)
    } else {
        Channel::builder(capacity).overflow(overflow).build()
    };
    use corox_channels::Capacity::*;
    let (room, overflow) = match (capacity, overflow) {
        (Rendezvous, _) => (0, overflow),
        (Conflated, _) => (1, BufferOverflow::DropOldest),
        (Exactly(room), _) => (room, overflow),
        _ => (usize::MAX, overflow),
    };
    let mut model = Model {
        room,
        overflow,
        hook,
        buffer: VecDeque::new(),
        put_back: Vec::new(),
        senders: VecDeque::new(),
        receivers: VecDeque::new(),
        fates: Vec::new(),
        open: true,
        cancelled: false,
        hooked: Vec::new(),
    };
    // Those that have waited, with their numbers.
    let mut alive: Vec<(usize, Op<'_>)> = Vec::new();
    for (element, step) in (0..).zip(steps) {
        match step {
            Step::Send => {
                let mut op = Op::Send(Hand::new(channel.send(element)), element);
                let expected = match model.offer(element, false) {
                    Ok(()) => Fate::Sent,
                    Err(true) => Fate::Waits,
                    Err(false) => {
                        model.dispose(element);
                        Fate::Closed
                    }
                };
                assert_eq!(op.poll(hook), expected);
                if expected == Fate::Waits {
                    model.senders.push_back((model.fates.len(), element));
                    alive.push((model.fates.len(), op));
                    model.fates.push(Fate::Waits);
                }
            }
            Step::Receive => {
                let mut op = Op::Receive(Hand::new(channel.next()));
                let expected = match model.take() {
                    Ok(element) => Fate::Handed(element),
                    Err(true) => Fate::Waits,
                    Err(false) => Fate::Closed,
                };
                assert_eq!(op.poll(hook), expected);
                if expected == Fate::Waits {
                    model.receivers.push_back(model.fates.len());
                    alive.push((model.fates.len(), op));
                    model.fates.push(Fate::Waits);
                }
            }
            Step::TrySend => {
                let sent = channel.try_send(element);
                let sent = sent.map_err(|error| (error.is_full(), error.into_inner()));
                let expected = model.offer(element, true);
                assert_eq!(sent, expected.map_err(|full| (full, element)));
            }
            Step::TryReceive => {
                let taken = channel.try_receive();
                let taken = taken.map_err(|error| matches!(error, TryReceiveError::Empty));
                assert_eq!(taken, model.take());
            }
            Step::Poll(_) | Step::Drop(_) if alive.is_empty() => {}
            Step::Poll(at) => {
                let at = at % alive.len();
                let number = alive[at].0;
                let fate = alive[at].1.poll(hook);
                assert_eq!(fate, model.fates[number]);
                if fate != Fate::Waits {
                    alive.swap_remove(at);
                }
            }
            Step::Drop(at) => {
                let (number, op) = alive.swap_remove(at % alive.len());
                match (&op, model.fates[number]) {
                    (Op::Send(_, element), Fate::Waits) => {
                        model.senders.retain(|(other, _)| *other != number);
                        model.dispose(*element);
                    }
                    (Op::Send(_, element), Fate::Closed) if !hook => model.dispose(*element),
                    (Op::Receive(_), Fate::Waits) => model.receivers.retain(|it| *it != number),
                    (Op::Receive(_), Fate::Handed(element)) => model.give_back(element),
                    _ => {}
                }
                drop(op);
            }
            Step::Close => {
                assert_eq!(channel.close(), model.open);
                model.close();
            }
            Step::Cancel => {
                assert_eq!(channel.cancel(), model.open);
                model.cancel();
            }
        }
        assert_eq!(bin.take(), std::mem::take(&mut model.hooked));
        for (number, op) in &alive {
            let woken = usize::from(model.fates[*number] != Fate::Waits);
            assert_eq!(
                op.wakes(),
                woken,
                "woken if and only if there is something to do"
            );
        }
        let full =
            !model.buffer.is_empty() || !model.put_back.is_empty() || !model.senders.is_empty();
        assert_eq!(channel.is_empty(), model.open && !full);
        assert_eq!(channel.is_closed_for_receive(), !model.open && !full);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn a_channel_does_what_the_model_does(
        kind in 0..KINDS.len(),
        hook in any::<bool>(),
        steps in prop::collection::vec(step(), 0..80),
    ) {
        run(kind, hook, steps);
    }
}
