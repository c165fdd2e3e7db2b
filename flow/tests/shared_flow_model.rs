//! A shared flow against a sequential model: random emits, attempts, subscriptions, polls of both kinds, drops and resets, by hand, with
//! every outcome, every wake, the replay cache and the number of subscribers compared.

use std::collections::VecDeque;
use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use corox_channels::BufferOverflow;
use corox_flow::{Flow, MutableSharedFlow, SharedFlow};
use proptest::prelude::*;

/// A flow as one would write it without concurrency.
struct Model {
    replay: usize,
    capacity: usize,
    overflow: BufferOverflow,
    /// All that were ever emitted.
    values: Vec<u32>,
    replay_from: usize,
    /// Where each subscriber is, while it is one.
    subscribers: Vec<Option<usize>>,
    /// By the numbers of their emits.
    queue: VecDeque<(usize, u32)>,
    in_flight: Option<usize>,
    /// Which emits are over.
    done: Vec<bool>,
}

impl Model {
    fn slowest(&self) -> Option<usize> {
        self.subscribers.iter().copied().flatten().min()
    }

    fn has_room(&self) -> bool {
        let slowest = self.slowest();
        slowest.is_none_or(|at| self.values.len() - at < self.capacity)
    }

    fn push(&mut self, value: u32) {
        self.values.push(value);
        let first = self.values.len().saturating_sub(self.replay);
        self.replay_from = self.replay_from.max(first);
    }

    /// Whether the value was taken.
    fn try_emit(&mut self, value: u32) -> bool {
        if self.has_room() {
            self.push(value);
            return true;
        }
        match self.overflow {
            BufferOverflow::DropLatest => true,
            BufferOverflow::DropOldest => {
                self.push(value);
                let first = self.values.len() - self.capacity;
                let places = self.subscribers.iter_mut().flatten();
                places.for_each(|at| *at = first.max(*at));
                true
            }
            _ => false,
        }
    }

    /// The number of the emit, which is over or not.
    fn emit(&mut self, value: u32) {
        let number = self.done.len();
        let taken = self.try_emit(value);
        self.done.push(taken);
        if !taken {
            self.queue.push_back((number, value));
            self.settle();
        }
    }

    /// Lets emitters go on.
    fn settle(&mut self) {
        loop {
            if let Some(number) = self.in_flight {
                if self.slowest().is_some_and(|at| at < self.values.len()) {
                    return;
                }
                self.in_flight = None;
                self.done[number] = true;
            }
            let rendezvous = self.capacity == 0 && self.slowest().is_some();
            if !rendezvous && !self.has_room() {
                return;
            }
            let Some((number, value)) = self.queue.pop_front() else {
                return;
            };
            self.push(value);
            if rendezvous {
                self.in_flight = Some(number);
            } else {
                self.done[number] = true;
            }
        }
    }

    fn drop_emit(&mut self, number: usize) {
        self.queue.retain(|(other, _)| *other != number);
        if self.in_flight == Some(number) {
            self.in_flight = None;
            let end = self.values.len();
            self.subscribers
                .iter_mut()
                .flatten()
                .for_each(|at| *at = end);
            self.settle();
        }
    }

    fn subscribe(&mut self) {
        let at = match self.in_flight {
            Some(_) => self.values.len() - 1,
            None => self.replay_from,
        };
        self.subscribers.push(Some(at));
    }

    fn take(&mut self, subscriber: usize) -> Option<u32> {
        let at = self.subscribers[subscriber].as_mut()?;
        let value = *self.values.get(*at)?;
        *at += 1;
        self.settle();
        Some(value)
    }

    /// Whether there is something for a subscriber.
    fn has_next(&self, subscriber: usize) -> bool {
        self.subscribers[subscriber].is_some_and(|at| at < self.values.len())
    }

    fn replay_cache(&self) -> &[u32] {
        match self.replay {
            0 => &[],
            _ => &self.values[self.replay_from..],
        }
    }
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Something that is polled by hand, and whether it sleeps.
struct Hand<X> {
    it: X,
    woken: Arc<Flag>,
    asleep: bool,
}

impl<X> Hand<X> {
    fn new(it: X) -> Self {
        Hand {
            it,
            woken: Arc::default(),
            asleep: false,
        }
    }

    fn poll<R>(&mut self, poll: impl FnOnce(&mut X, &mut Context<'_>) -> Poll<R>) -> Poll<R> {
        self.woken.0.store(false, Ordering::SeqCst);
        let waker = Waker::from(self.woken.clone());
        let polled = poll(&mut self.it, &mut Context::from_waker(&waker));
        self.asleep = polled.is_pending();
        polled
    }

    fn is_woken(&self) -> bool {
        self.woken.0.load(Ordering::SeqCst)
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Emit,
    TryEmit,
    Subscribe,
    /// Of those that are there, this one, counted round.
    Next(usize),
    /// At most so many items, with two attempts to emit in each of the first so many.
    Each(usize, usize, usize),
    Unsubscribe(usize),
    PollEmit(usize),
    DropEmit(usize),
    Reset,
}

fn step() -> impl Strategy<Value = Step> {
    let any = any::<usize>;
    prop_oneof![
        6 => Just(Step::Emit),
        4 => Just(Step::TryEmit),
        3 => Just(Step::Subscribe),
        6 => any().prop_map(Step::Next),
        4 => (any(), 1_usize..40, 0_usize..4).prop_map(|(at, most, emits)| Step::Each(at, most, emits)),
        2 => any().prop_map(Step::Unsubscribe),
        2 => any().prop_map(Step::PollEmit),
        2 => any().prop_map(Step::DropEmit),
        1 => Just(Step::Reset),
    ]
}

fn limits() -> impl Strategy<Value = (usize, usize, BufferOverflow)> {
    let sizes = (0_usize..4, prop_oneof![0_usize..4, Just(20), Just(70)]);
    let overflows = prop_oneof![
        3 => Just(BufferOverflow::Suspend),
        1 => Just(BufferOverflow::DropOldest),
        1 => Just(BufferOverflow::DropLatest),
    ];
    (sizes, overflows).prop_map(|((replay, extra), overflow)| match replay + extra {
        0 => (0, 0, BufferOverflow::Suspend),
        _ => (replay, extra, overflow),
    })
}

/// A value that has to be dropped, and one that need not be: they lie in blocks of different sizes.
trait Value: Clone + 'static {
    fn of(number: u32) -> Self;
    fn number(&self) -> u32;
}

impl Value for u32 {
    fn of(number: u32) -> Self {
        number
    }
    fn number(&self) -> u32 {
        *self
    }
}

impl Value for Arc<u32> {
    fn of(number: u32) -> Self {
        Arc::new(number)
    }
    fn number(&self) -> u32 {
        **self
    }
}

type Emitting<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

fn check<V: Value>(
    (replay, extra, overflow): (usize, usize, BufferOverflow),
    steps: Vec<Step>,
) -> Result<(), TestCaseError> {
    let flow = MutableSharedFlow::<V>::builder();
    let flow = flow
        .replay(replay)
        .extra_buffer(extra)
        .overflow(overflow)
        .build();
    let mut model = Model {
        replay,
        capacity: replay + extra,
        overflow,
        values: Vec::new(),
        replay_from: 0,
        subscribers: Vec::new(),
        queue: VecDeque::new(),
        in_flight: None,
        done: Vec::new(),
    };
    let mut subscribers: Vec<Option<Hand<SharedFlow<V>>>> = Vec::new();
    let mut emits: Vec<Option<Hand<Emitting<'_>>>> = Vec::new();
    let mut fresh = 0..;
    let mut fresh = || fresh.next().unwrap();
    let count = flow.subscription_count();
    for step in steps {
        match step {
            Step::Emit => {
                let value = fresh();
                model.emit(value);
                let mut emit = Hand::<Emitting<'_>>::new(Box::pin(flow.emit(V::of(value))));
                let polled = emit.poll(|it, cx| it.as_mut().poll(cx));
                prop_assert_eq!(polled.is_ready(), *model.done.last().unwrap());
                emits.push(polled.is_pending().then_some(emit));
            }
            Step::TryEmit => {
                let value = fresh();
                prop_assert_eq!(flow.try_emit(V::of(value)), model.try_emit(value));
            }
            Step::Subscribe => {
                model.subscribe();
                let mut hand = Hand::new(flow.as_shared_flow());
                let polled = hand.poll(|it, cx| Pin::new(it).poll_next(cx));
                subscribers.push(Some(hand));
                let expected = model.take(subscribers.len() - 1);
                let polled = polled.map(|item| item.unwrap().unwrap().number());
                prop_assert_eq!(polled, expected.map_or(Poll::Pending, Poll::Ready));
            }
            Step::Next(at) | Step::Each(at, ..) | Step::Unsubscribe(at) => {
                let there = subscribers.iter().enumerate();
                let there: Vec<_> = there
                    .filter_map(|(at, it)| it.as_ref().map(|_| at))
                    .collect();
                if there.is_empty() {
                    continue;
                }
                let at = there[at % there.len()];
                let hand = subscribers[at].as_mut().unwrap();
                match step {
                    Step::Next(_) => {
                        let polled = hand.poll(|it, cx| Pin::new(it).poll_next(cx));
                        let polled = polled.map(|item| item.unwrap().unwrap().number());
                        let expected = model.take(at).map_or(Poll::Pending, Poll::Ready);
                        prop_assert_eq!(polled, expected);
                    }
                    Step::Each(_, most, tries) => {
                        let (mut got, mut expected) = (Vec::new(), Vec::new());
                        let (mut left, mut tried) = (tries, VecDeque::new());
                        let polled = hand.poll(|it, cx| {
                            Pin::new(it).poll_each(cx, &mut |item| {
                                got.push(item.number());
                                if left > 0 {
                                    left -= 1;
                                    for _ in 0..2 {
                                        let next = fresh();
                                        got.push(u32::from(flow.try_emit(V::of(next))));
                                        tried.push_back(next);
                                    }
                                }
                                if got.len() >= most {
                                    return ControlFlow::Break(());
                                }
                                ControlFlow::Continue(())
                            })
                        });
                        let mut broke = false;
                        while let Some(value) = model.take(at) {
                            expected.push(value);
                            for value in tried.drain(..tried.len().min(2)) {
                                expected.push(u32::from(model.try_emit(value)));
                            }
                            broke = expected.len() >= most;
                            if broke {
                                break;
                            }
                        }
                        prop_assert_eq!(got, expected);
                        prop_assert_eq!(polled.is_ready(), broke);
                    }
                    _ => {
                        model.subscribers[at] = None;
                        model.settle();
                        subscribers[at] = None;
                    }
                }
            }
            Step::PollEmit(at) | Step::DropEmit(at) => {
                let there = emits.iter().enumerate();
                let there: Vec<_> = there
                    .filter_map(|(at, it)| it.as_ref().map(|_| at))
                    .collect();
                if there.is_empty() {
                    continue;
                }
                let at = there[at % there.len()];
                if let Step::PollEmit(_) = step {
                    let hand = emits[at].as_mut().unwrap();
                    let polled = hand.poll(|it, cx| it.as_mut().poll(cx));
                    prop_assert_eq!(polled.is_ready(), model.done[at]);
                    if polled.is_ready() {
                        emits[at] = None;
                    }
                } else {
                    if !model.done[at] {
                        model.drop_emit(at);
                    }
                    emits[at] = None;
                }
            }
            Step::Reset => {
                model.replay_from = model.values.len();
                flow.reset_replay_cache();
            }
        }
        let cache: Vec<_> = flow.as_shared_flow().replay_cache();
        let cache: Vec<_> = cache.iter().map(V::number).collect();
        prop_assert_eq!(cache, model.replay_cache());
        let live = model.subscribers.iter().flatten().count();
        prop_assert_eq!(count.value(), live);
        // Who sleeps has nothing to do; who was woken had.
        for (at, hand) in subscribers.iter().enumerate() {
            if let Some(hand) = hand.as_ref().filter(|hand| hand.asleep) {
                prop_assert!(hand.is_woken() || !model.has_next(at), "{} sleeps", at);
            }
        }
        for (at, hand) in emits.iter().enumerate() {
            if let Some(hand) = hand.as_ref().filter(|hand| hand.asleep) {
                prop_assert_eq!(hand.is_woken(), model.done[at], "emit {}", at);
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// F-33 to F-38.
    #[test]
    fn it_does_what_the_model_does(limits in limits(), steps in prop::collection::vec(step(), 0..120)) {
        check::<u32>(limits, steps)?;
    }

    #[test]
    fn it_does_so_with_values_that_are_dropped(limits in limits(), steps in prop::collection::vec(step(), 0..120)) {
        check::<Arc<u32>>(limits, steps)?;
    }
}
