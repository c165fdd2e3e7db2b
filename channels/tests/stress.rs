//! Many threads at once, with operations that are given up in between, and an exact account of every element: each is in one place,
//! and there is no other. For every capacity and policy, on 1, 2 and 8 workers.

mod support;

use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use corox_channels::{BufferOverflow, Capacity, Channel};
use corox_core::{join_all, new_fixed_thread_pool_context, run_blocking, yield_now};
use support::{Bin, KINDS, Tracked, drain};

/// How many elements each of three producers has.
const EACH: usize = 600;

/// Small and repeatable.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// Runs `f` and gives up after some polls, as a `tokio::select!` that another branch wins.
async fn given_up<F: Future>(f: F, mut polls: u64) -> Option<F::Output> {
    let mut f = Box::pin(f);
    poll_fn(move |cx| match f.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if polls == 0 => Poll::Ready(None),
        Poll::Pending => {
            polls -= 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await
}

/// Where the elements of one run went, by their numbers.
struct Account {
    received: Vec<usize>,
    /// Given to the hook.
    undelivered: Vec<usize>,
    /// Dropped by anybody else: with a future, by a policy, in an error.
    dropped: Vec<usize>,
    inside: Vec<usize>,
    /// Those of which `send` has said that it was sent.
    sent: Vec<usize>,
    begun: usize,
}

/// Producers and consumers that give up every other operation, until all is sent, or the channel is cancelled amid the traffic.
fn traffic(workers: usize, kind: usize, hook: bool, cancel: bool) -> Account {
    let (capacity, overflow) = KINDS[kind];
    let (received, undelivered) = (Bin::new(), Bin::new());
    let (dropped, sent) = (Bin::new(), Bin::new());
    let mut builder = Channel::builder(capacity).overflow(overflow);
    if hook {
        let undelivered = undelivered.clone();
        builder = builder.on_undelivered_element(move |it: Tracked| undelivered.put(it.number()));
    }
    let channel = builder.build();
    let pool = new_fixed_thread_pool_context(workers, "stress");
    let begun = Arc::new(AtomicUsize::new(0));
    run_blocking(async |scope| {
        let scope = &scope;
        let producers = [0, 1, 2].map(|producer| {
            let (tx, begun) = (channel.clone(), begun.clone());
            let (dropped, sent) = (dropped.clone(), sent.clone());
            scope.with(&*pool).launch(async move {
                let mut dice = Dice(producer + 1);
                for _ in 0..EACH {
                    let number = begun.fetch_add(1, Ordering::Relaxed);
                    let element = Tracked(number as u32, dropped.clone());
                    let is_sent = match dice.roll(4) {
                        0 => tx.try_send(element).is_ok(),
                        1 => tx.send(element).await.is_ok(),
                        // Given up: it is not known whether it had taken place.
                        _ => given_up(tx.send(element), dice.roll(4))
                            .await
                            .is_some_and(|it| it.is_ok()),
                    };
                    if is_sent {
                        sent.put(number);
                    }
                    if dice.roll(8) == 0 {
                        yield_now().await;
                    }
                }
            })
        });
        let consumers = [0, 1, 2].map(|consumer| {
            let (rx, received) = (channel.clone(), received.clone());
            scope.with(&*pool).launch(async move {
                let mut dice = Dice(consumer + 100);
                loop {
                    let element = match dice.roll(4) {
                        0 => rx.try_receive().ok(),
                        1 => match rx.receive().await {
                            Ok(element) => Some(element),
                            Err(_) => return,
                        },
                        _ => match given_up(rx.receive(), dice.roll(4)).await {
                            Some(Ok(element)) => Some(element),
                            Some(Err(_)) => return,
                            None => None,
                        },
                    };
                    match element {
                        Some(element) => received.put(element.number()),
                        None => yield_now().await,
                    }
                }
            })
        });
        if cancel {
            while begun.load(Ordering::Relaxed) < EACH {
                yield_now().await;
            }
            channel.cancel();
        }
        join_all(&producers).await;
        channel.close();
        join_all(&consumers).await;
        Ok(())
    })
    .unwrap();
    Account {
        received: received.take(),
        undelivered: undelivered.take(),
        inside: drain(&channel).into_iter().map(Tracked::number).collect(),
        dropped: dropped.take().into_iter().map(|it| it as usize).collect(),
        sent: sent.take(),
        begun: begun.load(Ordering::Relaxed),
    }
}

fn check(workers: usize) {
    for (kind, (capacity, overflow)) in KINDS.into_iter().enumerate() {
        for (hook, cancel) in [(true, true), (true, false), (false, true), (false, false)] {
            let account = traffic(workers, kind, hook, cancel);
            let what = format!(
                "{workers} workers, {:?}, hook {hook}, cancel {cancel}",
                KINDS[kind]
            );
            let mut all = account.received.clone();
            all.extend(&account.undelivered);
            all.extend(&account.dropped);
            all.extend(&account.inside);
            all.sort_unstable();
            assert!(all.iter().copied().eq(0..account.begun), "{what}");
            assert!(!cancel || account.inside.is_empty(), "{what}");
            // What was sent is dropped by a policy or a cancellation only.
            let keeps = overflow == BufferOverflow::Suspend && capacity != Capacity::Conflated;
            if keeps && !cancel && !hook {
                let dropped: BTreeSet<_> = account.dropped.iter().collect();
                assert!(
                    account.sent.iter().all(|it| !dropped.contains(it)),
                    "{what}"
                );
            }
        }
    }
}

#[test]
fn every_element_is_accounted_for_on_one_worker() {
    check(1);
}

#[test]
fn every_element_is_accounted_for_on_two_workers() {
    check(2);
}

#[test]
fn every_element_is_accounted_for_on_eight_workers() {
    check(8);
}
