//! Elements through one channel, of each kind of capacity: from one coroutine to one, from four to one, from four to four.
//!
//! kanal loses the element of a receive that is dropped after it was handed over; nothing is dropped here. Where a crate has no
//! rendezvous, a capacity of 1 comes nearest, and the sender does not wait for the receiver: `-cap1`.

mod blocking;
mod ends;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use corox::{Capacity, Channel, Receiver, Sender};
use crossfire::{mpmc, mpsc, spsc};
use tokio::sync::{mpsc as tokio_mpsc, watch};

use super::{By, ByCorox, Cases, Peer, Variants};
use crate::{Program, Tasks};
use ends::Forced;
pub(super) use ends::{Rx, Tx};

/// The ends of a channel of corox.
pub(super) fn channel(capacity: impl Into<Capacity>) -> (Sender<u64>, Receiver<u64>) {
    Channel::new(capacity).split()
}

/// The numbers from 0.
pub(super) async fn send_numbers(mut tx: impl Tx, count: u64) {
    for number in 0..count {
        tx.put(number).await;
    }
}

async fn sum_up(mut rx: impl Rx) -> u64 {
    let mut sum = 0;
    while let Some(number) = rx.get().await {
        sum += number;
    }
    sum
}

/// Each sender sends so many numbers, and the receivers receive until the end.
struct Traffic<T, R> {
    senders: Vec<T>,
    receivers: Vec<R>,
    each: u64,
    total: Arc<AtomicU64>,
}

impl<T: Tx, R: Rx> Program for Traffic<T, R> {
    async fn run(self, tasks: impl Tasks) {
        for tx in self.senders {
            tasks.start_task(send_numbers(tx, self.each));
        }
        for rx in self.receivers {
            let total = self.total.clone();
            tasks.start_task(async move {
                total.fetch_add(sum_up(rx).await, Relaxed);
            });
        }
    }
}

/// As many of each as the case has.
type Ends<T, R> = (Vec<T>, Vec<R>);

fn traffic<B: By, T: Tx, R: Rx>(
    case: &mut Variants<'_>,
    by: B,
    ends: fn() -> (T, R),
    several: fn((T, R)) -> Ends<T, R>,
) {
    let elements = case.operations;
    let loses = case.name.starts_with("chan_confl");
    case.programs(by, move || {
        let (senders, receivers) = several(ends());
        let each = elements / senders.len() as u64;
        let expected = senders.len() as u64 * (each * (each - 1) / 2);
        let total = Arc::new(AtomicU64::new(0));
        let program = Traffic {
            senders,
            receivers,
            each,
            total: total.clone(),
        };
        let check = move || assert!(loses || total.load(Relaxed) == expected);
        (program, check)
    });
}

fn one_to_one<T, R>((tx, rx): (T, R)) -> Ends<T, R> {
    (vec![tx], vec![rx])
}

fn four_to_one<T: Clone, R>((tx, rx): (T, R)) -> Ends<T, R> {
    (vec![tx; 4], vec![rx])
}

fn four_to_four<T: Clone, R: Clone>((tx, rx): (T, R)) -> Ends<T, R> {
    (vec![tx; 4], vec![rx; 4])
}

/// One kind, between one sender and one receiver, four and one, four and four: the channels that all have, then those that only
/// have this.
macro_rules! kind {
    (
        $cases:ident, $name:literal, $elements:expr;
        all { $($by:expr => $ends:expr),+ $(,)? }
        one_to_one { $($one_by:expr => $one:expr),* $(,)? }
        four_to_one { $($some_by:expr => $some:expr),* $(,)? }
        four_to_four { $($many_by:expr => $many:expr),* $(,)? }
    ) => {
        let elements = $cases.scaled($elements);
        $cases.both(concat!("chan_", $name, "_spsc"), elements, |mut case| {
            $(traffic(&mut case, $by, $ends, one_to_one);)+
            $(traffic(&mut case, $one_by, $one, one_to_one);)*
        });
        $cases.both(concat!("chan_", $name, "_mpsc4"), elements, |mut case| {
            $(traffic(&mut case, $by, $ends, four_to_one);)+
            $(traffic(&mut case, $some_by, $some, four_to_one);)*
        });
        $cases.both(concat!("chan_", $name, "_mpmc4"), elements, |mut case| {
            $(traffic(&mut case, $by, $ends, four_to_four);)+
            $(traffic(&mut case, $many_by, $many, four_to_four);)*
        });
    };
}

pub(super) fn register(cases: &mut Cases) {
    kind! { cases, "rdv", 400_000;
        all {
            ByCorox => || channel(Capacity::Rendezvous),
            Peer("kanal") => || kanal::bounded_async(0),
            Peer("flume") => || flume::bounded(0),
            Peer("async-channel-cap1") => || async_channel::bounded(1),
        }
        one_to_one {
            Peer("tokio-mpsc-cap1") => || tokio_mpsc::channel(1),
            Peer("crossfire-cap1") => || spsc::bounded_async(1),
        }
        four_to_one {
            Peer("tokio-mpsc-cap1") => || tokio_mpsc::channel(1),
            Peer("crossfire-cap1") => || mpsc::bounded_async(1),
        }
        four_to_four { Peer("crossfire-cap1") => || mpmc::bounded_async(1) }
    }
    kind! { cases, "buf64", 1_000_000;
        all {
            ByCorox => || channel(64),
            Peer("kanal") => || kanal::bounded_async(64),
            Peer("flume") => || flume::bounded(64),
            Peer("async-channel") => || async_channel::bounded(64),
        }
        one_to_one {
            Peer("tokio-mpsc") => || tokio_mpsc::channel(64),
            Peer("crossfire") => || spsc::bounded_async(64),
        }
        four_to_one {
            Peer("tokio-mpsc") => || tokio_mpsc::channel(64),
            Peer("crossfire") => || mpsc::bounded_async(64),
        }
        four_to_four { Peer("crossfire") => || mpmc::bounded_async(64) }
    }
    kind! { cases, "unlim", 1_000_000;
        all {
            ByCorox => || channel(Capacity::Unlimited),
            Peer("kanal") => kanal::unbounded_async,
            Peer("flume") => flume::unbounded,
            Peer("async-channel") => async_channel::unbounded,
        }
        one_to_one {
            Peer("tokio-mpsc") => tokio_mpsc::unbounded_channel,
            Peer("crossfire") => spsc::unbounded_async,
        }
        four_to_one {
            Peer("tokio-mpsc") => tokio_mpsc::unbounded_channel,
            Peer("crossfire") => mpsc::unbounded_async,
        }
        four_to_four { Peer("crossfire") => mpmc::unbounded_async }
    }
    kind! { cases, "confl", 1_000_000;
        all {
            ByCorox => || channel(Capacity::Conflated),
            Peer("async-channel-force_send") => || {
                let (tx, rx) = async_channel::bounded(1);
                (Forced(tx), rx)
            },
        }
        one_to_one { Peer("tokio-watch") => || watch::channel(0) }
        four_to_one { Peer("tokio-watch") => || watch::channel(0) }
        four_to_four {}
    }
    blocking::register(cases);
}
