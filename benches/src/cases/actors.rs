//! Coroutines that answer each other over rendezvous channels: two of them, and a ring of a hundred.

use std::hint::black_box;

use crossfire::spsc;
use tokio::sync::mpsc as tokio_mpsc;

use super::channels::{Rx, Tx, channel};
use super::{By, ByCorox, Cases, Peer, Variants};
use crate::{Program, Tasks};

/// How many coroutines the ring has.
const RING: usize = 100;

struct PingPong<T, R> {
    there: (T, R),
    back: (T, R),
    rounds: u64,
}

impl<T: Tx, R: Rx> Program for PingPong<T, R> {
    async fn run(self, tasks: impl Tasks) {
        let rounds = self.rounds;
        let ((mut ask, mut asked), (mut answer, mut answered)) = (self.there, self.back);
        tasks.start_task(async move {
            for _ in 0..rounds {
                let number = asked.get().await.expect("the other one goes on");
                answer.put(number + 1).await;
            }
        });
        tasks.start_task(async move {
            let mut sum = 0;
            for number in 0..rounds {
                ask.put(number).await;
                sum += answered.get().await.expect("the other one goes on");
            }
            black_box(sum);
        });
    }
}

/// A token counts down from coroutine to coroutine. Whoever has zero ends, and with its end the next one's channel is closed, and so on.
struct Ring<T, R> {
    ends: Vec<(T, R)>,
    hops: u64,
}

impl<T: Tx, R: Rx> Program for Ring<T, R> {
    async fn run(self, tasks: impl Tasks) {
        let hops = self.hops;
        let (mut senders, receivers): (Vec<_>, Vec<_>) = self.ends.into_iter().unzip();
        senders.rotate_left(1);
        for (at, (mut rx, mut tx)) in receivers.into_iter().zip(senders).enumerate() {
            tasks.start_task(async move {
                if at == 0 {
                    tx.put(hops).await;
                }
                while let Some(left) = rx.get().await {
                    if left == 0 {
                        break;
                    }
                    tx.put(left - 1).await;
                }
            });
        }
    }
}

fn ping_pong<B: By, T: Tx, R: Rx>(case: &mut Variants<'_>, by: B, ends: fn() -> (T, R)) {
    let rounds = case.operations;
    case.programs(by, move || {
        let (there, back) = (ends(), ends());
        let program = PingPong {
            there,
            back,
            rounds,
        };
        (program, || {})
    });
}

fn ring<B: By, T: Tx, R: Rx>(case: &mut Variants<'_>, by: B, ends: fn() -> (T, R)) {
    let hops = case.operations;
    case.programs(by, move || {
        let ends = (0..RING).map(|_| ends()).collect();
        (Ring { ends, hops }, || {})
    });
}

/// The same channels for both.
macro_rules! by_all {
    ($case:expr, $add:ident) => {
        let mut case = $case;
        $add(&mut case, ByCorox, || channel(0));
        $add(&mut case, Peer("kanal"), || kanal::bounded_async(0));
        $add(&mut case, Peer("flume"), || flume::bounded(0));
        $add(&mut case, Peer("async-channel-cap1"), || {
            async_channel::bounded(1)
        });
        $add(&mut case, Peer("tokio-mpsc-cap1"), || {
            tokio_mpsc::channel(1)
        });
        $add(&mut case, Peer("crossfire-cap1"), || spsc::bounded_async(1));
    };
}

pub(super) fn register(cases: &mut Cases) {
    let (rounds, hops) = (cases.scaled(200_000), cases.scaled(400_000));
    cases.both("actor_pingpong", rounds, |case| {
        by_all!(case, ping_pong);
    });
    cases.both("ring_100", hops, |case| {
        by_all!(case, ring);
    });
}
