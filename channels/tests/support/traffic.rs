//! Producers and consumers that give up every other operation, and the account of their elements.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use corox_channels::{BufferOverflow, Capacity, Channel};
use corox_core::{Clause, on, select, select_unbiased, yield_now};

use super::chance::{Dice, given_up};
use super::{Bin, KINDS, Tracked, drain};

/// Where the elements of one run went, by their numbers.
#[derive(Clone)]
pub struct Account {
    begun: Arc<AtomicUsize>,
    /// Those of which `send` has said that it was sent.
    sent: Bin<usize>,
    received: Bin<usize>,
    /// Given to the hook.
    undelivered: Bin<usize>,
    /// Dropped by anybody else: with a future, by a policy, in an error.
    dropped: Bin<u32>,
}

/// One run, by what decides what may become of its elements.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// One of [`KINDS`].
    pub kind: usize,
    pub hook: bool,
    /// The channels are cancelled amid the traffic.
    pub cancel: bool,
    /// Two channels, and selects over both; else one, and none.
    pub selects: bool,
}

impl Case {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Case> {
        (0..KINDS.len() * 8).map(|n| Case {
            kind: n / 8,
            hook: n & 1 != 0,
            cancel: n & 2 != 0,
            selects: n & 4 != 0,
        })
    }

    pub fn channels(&self, account: &Account) -> Vec<Channel<Tracked>> {
        let (capacity, overflow) = KINDS[self.kind];
        let channel = |_| {
            let mut builder = Channel::builder(capacity).overflow(overflow);
            if self.hook {
                let undelivered = account.undelivered.clone();
                builder =
                    builder.on_undelivered_element(move |it: Tracked| undelivered.put(it.number()));
            }
            builder.build()
        };
        (0..=usize::from(self.selects)).map(channel).collect()
    }
}

impl Account {
    pub fn new() -> Self {
        Account {
            begun: Arc::default(),
            sent: Bin::new(),
            received: Bin::new(),
            undelivered: Bin::new(),
            dropped: Bin::new(),
        }
    }

    /// How many elements there are so far.
    pub fn begun(&self) -> usize {
        self.begun.load(Ordering::Relaxed)
    }

    fn element(&self) -> Tracked {
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        Tracked(number as u32, self.dropped.clone())
    }

    fn receive(&self, element: Tracked) {
        self.received.put(element.number());
    }

    /// When nobody sends or receives any more: each element is in one place, and there is no other.
    pub fn close(&self, channels: &[Channel<Tracked>], case: Case) {
        let inside = channels.iter().flat_map(drain).map(Tracked::number);
        let inside: Vec<usize> = inside.collect();
        assert!(!case.cancel || inside.is_empty(), "{case:?}");
        let mut all = inside;
        all.extend(self.received.take());
        all.extend(self.undelivered.take());
        let delivered: BTreeSet<usize> = all.iter().copied().collect();
        all.extend(self.dropped.take().into_iter().map(|it| it as usize));
        all.sort_unstable();
        assert!(all.iter().copied().eq(0..self.begun()), "{case:?}: {all:?}");
        // What was sent is dropped by a policy or a cancellation only.
        let (capacity, overflow) = KINDS[case.kind];
        let keeps = overflow == BufferOverflow::Suspend && capacity != Capacity::Conflated;
        if keeps && !case.cancel {
            let lost = self
                .sent
                .take()
                .into_iter()
                .find(|it| !delivered.contains(it));
            assert_eq!(lost, None, "{case:?}: it was sent");
        }
    }
}

/// Sends `each` times.
pub async fn produce(channels: Vec<Channel<Tracked>>, account: Account, seed: u64, each: usize) {
    let mut dice = Dice(seed);
    for _ in 0..each {
        let element = account.element();
        let number = element.0 as usize;
        let first = dice.roll(channels.len() as u64) as usize;
        let to = &channels[first];
        let sent = match dice.roll(4 * channels.len() as u64) {
            0 => to.try_send(element).is_ok().then_some(number),
            // Of two channels, all consumers might be at the other one.
            1 if channels.len() == 1 => to.send(element).await.is_ok().then_some(number),
            // Given up: it is not known whether it had taken place.
            1..=3 => {
                let sent = given_up(to.send(element), dice.roll(4)).await;
                sent.is_some_and(|it| it.is_ok()).then_some(number)
            }
            4 => {
                let other = account.element();
                let its_number = other.0 as usize;
                select_unbiased((
                    to.on_send(element).then(|it| it.is_ok().then_some(number)),
                    channels[1 - first]
                        .on_send(other)
                        .then(|it| it.is_ok().then_some(its_number)),
                ))
                .await
            }
            5 => {
                let mut lent = Some(element);
                select((
                    to.on_send_from(&mut lent)
                        .then(|it| it.is_ok().then_some(number)),
                    on(yield_now()).then(|()| None),
                ))
                .await
            }
            rolled => {
                let selecting = select((
                    to.on_send(element).then(|it| it.is_ok().then_some(number)),
                    channels[1 - first].on_receive().then(|it| {
                        it.into_iter().for_each(|element| account.receive(element));
                        None
                    }),
                ));
                match rolled {
                    6 => selecting.await,
                    _ => given_up(selecting, dice.roll(4)).await.flatten(),
                }
            }
        };
        if let Some(number) = sent {
            account.sent.put(number);
        }
        if dice.roll(8) == 0 {
            yield_now().await;
        }
    }
}

/// Receives until the end of all channels.
pub async fn consume(channels: Vec<Channel<Tracked>>, account: Account, seed: u64) {
    let mut dice = Dice(seed);
    loop {
        let first = dice.roll(channels.len() as u64) as usize;
        let from = &channels[first];
        let received = match dice.roll(4 * channels.len() as u64) {
            0 => from.try_receive().ok(),
            1 if channels.len() == 1 => from.receive().await.ok(),
            1..=3 => given_up(from.receive(), dice.roll(4))
                .await
                .and_then(Result::ok),
            4 => {
                let both = (
                    from.on_receive().then(Result::ok),
                    on(yield_now()).then(|()| None),
                );
                select(both).await
            }
            rolled => {
                let selecting = select_unbiased((
                    from.on_receive_catching().then(|it| it.ok()),
                    channels[1 - first].on_receive().then(Result::ok),
                ));
                match rolled {
                    5 => given_up(selecting, dice.roll(4)).await.flatten(),
                    _ => selecting.await,
                }
            }
        };
        match received {
            Some(element) => account.receive(element),
            None if channels.iter().all(Channel::is_closed_for_receive) => return,
            None => yield_now().await,
        }
    }
}
