//! A select over two and over eight channels, each with a sender of its own.
//!
//! `corox` prefers the clause that is written first, as kotlinx does; `corox-unbiased` and `tokio::select!` do not. A pending
//! receive of kanal cannot be dropped without losing its element, so its streams are merged instead.

use std::future::Future;
use std::hint::black_box;

use corox::{Capacity, Channel, select, select_unbiased};
use crossfire::spsc;
use futures_util::stream::{StreamExt, select_all};
use tokio::sync::mpsc as tokio_mpsc;

use super::channels::{Rx, Tx, send_numbers};
use super::{By, ByCorox, ByCoroxAs, Cases, Peer, Variants};
use crate::{Program, Tasks};

const ELEMENTS: u64 = 400_000;

/// Receives from whichever channel has something.
trait Choose: Send + 'static {
    fn choose(&mut self) -> impl Future<Output = u64> + Send;
}

/// Kotlin's and corox's `select`.
struct Biased<const N: usize>([Channel<u64>; N]);

struct Unbiased<const N: usize>([Channel<u64>; N]);

/// `tokio::select!`
struct Tokios<R, const N: usize>([R; N]);

macro_rules! choices {
    ($($n:literal: $($end:ident)+;)+) => {$(
        impl Choose for Biased<$n> {
            async fn choose(&mut self) -> u64 {
                let [$($end),+] = &self.0;
                select(($($end.on_receive(),)+)).await.expect("it is open")
            }
        }

        impl Choose for Unbiased<$n> {
            async fn choose(&mut self) -> u64 {
                let [$($end),+] = &self.0;
                select_unbiased(($($end.on_receive(),)+)).await.expect("it is open")
            }
        }

        impl<R: Rx> Choose for Tokios<R, $n> {
            async fn choose(&mut self) -> u64 {
                let [$($end),+] = &mut self.0;
                tokio::select! {
                    $(Some(number) = $end.get() => number,)+
                    else => unreachable!("as many were sent as are received"),
                }
            }
        }
    )+};
}

choices! {
    2: a b;
    8: a b c d e f g h;
}

struct Choosing<T, C> {
    senders: Vec<T>,
    elements: u64,
    choice: C,
}

impl<T: Tx, C: Choose> Program for Choosing<T, C> {
    async fn run(mut self, tasks: impl Tasks) {
        let each = self.elements / self.senders.len() as u64;
        for tx in self.senders {
            tasks.start_task(send_numbers(tx, each));
        }
        let mut sum = 0;
        for _ in 0..self.elements {
            sum += self.choice.choose().await;
        }
        black_box(sum);
    }
}

/// Streams of kanal, merged.
struct Merging {
    ends: Vec<(kanal::AsyncSender<u64>, kanal::AsyncReceiver<u64>)>,
    elements: u64,
}

impl Program for Merging {
    async fn run(self, tasks: impl Tasks) {
        let each = self.elements / self.ends.len() as u64;
        let mut receivers = Vec::new();
        for (tx, rx) in self.ends {
            tasks.start_task(send_numbers(tx, each));
            receivers.push(rx);
        }
        let mut merged = select_all(receivers.iter().map(|rx| rx.stream()));
        let mut sum = 0;
        while let Some(number) = merged.next().await {
            sum += number;
        }
        black_box(sum);
    }
}

fn choosing<B: By, T: Tx, R: 'static, C: Choose, const N: usize>(
    case: &mut Variants<'_>,
    by: B,
    ends: fn() -> (T, R),
    choice: fn([R; N]) -> C,
) {
    let elements = case.operations;
    case.programs(by, move || {
        let mut senders = Vec::new();
        let receivers = std::array::from_fn(|_| {
            let (tx, rx) = ends();
            senders.push(tx);
            rx
        });
        let choice = choice(receivers);
        let program = Choosing {
            senders,
            elements,
            choice,
        };
        (program, || {})
    });
}

/// Not split: a sender that has ended does not close it, and its clause never wins again.
fn open(capacity: impl Into<Capacity>) -> (Channel<u64>, Channel<u64>) {
    let channel = Channel::new(capacity);
    (channel.clone(), channel)
}

fn rendezvous<const N: usize>(case: &mut Variants<'_>)
where
    Biased<N>: Choose,
    Unbiased<N>: Choose,
    Tokios<tokio_mpsc::Receiver<u64>, N>: Choose,
    Tokios<async_channel::Receiver<u64>, N>: Choose,
    Tokios<flume::Receiver<u64>, N>: Choose,
    Tokios<crossfire::AsyncRx<spsc::Array<u64>>, N>: Choose,
{
    choosing(case, ByCorox, || open(0), Biased::<N>);
    choosing(case, ByCoroxAs("corox-unbiased"), || open(0), Unbiased::<N>);
    choosing(case, Peer("flume"), || flume::bounded(0), Tokios::<_, N>);
    let one = || async_channel::bounded(1);
    choosing(case, Peer("async-channel-cap1"), one, Tokios::<_, N>);
    let one = || tokio_mpsc::channel(1);
    choosing(case, Peer("tokio-mpsc-cap1"), one, Tokios::<_, N>);
    let one = || spsc::bounded_async(1);
    choosing(case, Peer("crossfire-cap1"), one, Tokios::<_, N>);
    merging::<N>(case, 0);
}

fn buffered<const N: usize>(case: &mut Variants<'_>)
where
    Biased<N>: Choose,
    Unbiased<N>: Choose,
    Tokios<tokio_mpsc::Receiver<u64>, N>: Choose,
    Tokios<async_channel::Receiver<u64>, N>: Choose,
    Tokios<flume::Receiver<u64>, N>: Choose,
    Tokios<crossfire::AsyncRx<spsc::Array<u64>>, N>: Choose,
{
    choosing(case, ByCorox, || open(64), Biased::<N>);
    choosing(
        case,
        ByCoroxAs("corox-unbiased"),
        || open(64),
        Unbiased::<N>,
    );
    choosing(case, Peer("flume"), || flume::bounded(64), Tokios::<_, N>);
    let many = || async_channel::bounded(64);
    choosing(case, Peer("async-channel"), many, Tokios::<_, N>);
    let many = || tokio_mpsc::channel(64);
    choosing(case, Peer("tokio-mpsc"), many, Tokios::<_, N>);
    let many = || spsc::bounded_async(64);
    choosing(case, Peer("crossfire"), many, Tokios::<_, N>);
    merging::<N>(case, 64);
}

fn merging<const N: usize>(case: &mut Variants<'_>, room: usize) {
    let elements = case.operations;
    case.programs(Peer("kanal+select_all"), move || {
        let ends = (0..N).map(|_| kanal::bounded_async(room)).collect();
        (Merging { ends, elements }, || {})
    });
}

pub(super) fn register(cases: &mut Cases) {
    let elements = cases.scaled(ELEMENTS);
    cases.both("select2_rdv", elements, |mut case| {
        rendezvous::<2>(&mut case)
    });
    cases.both("select8_rdv", elements, |mut case| {
        rendezvous::<8>(&mut case)
    });
    cases.both("select2_buf64", elements, |mut case| {
        buffered::<2>(&mut case)
    });
    cases.both("select8_buf64", elements, |mut case| {
        buffered::<8>(&mut case)
    });
}
