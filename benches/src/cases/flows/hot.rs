//! A state that many watch, and items that all of several get; of the peers, `watch` and `broadcast` of tokio's.

use std::hint::black_box;

use corox::prelude::*;
use corox::{MutableSharedFlow, MutableStateFlow};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;

use super::super::{Cases, Variants};
use super::cold::NUMBERS;
use crate::Threads;

/// How many updates there are where each is seen by all.
const SEEN: u64 = 50_000;

/// How many collect, at most.
const COLLECTORS: usize = 8;

/// How many items are held for the slowest.
const BUFFER: usize = 64;

pub(super) fn register(cases: &mut Cases) {
    for collectors in [1, COLLECTORS] {
        let name = format!("stateflow{collectors}");
        let updates = cases.scaled(NUMBERS);
        state(
            cases.case(&format!("{name}_mt"), Threads::Workers, updates),
            collectors,
            false,
        );
        let updates = cases.scaled(SEEN);
        state(
            cases.case(&format!("{name}_st"), Threads::One, updates),
            collectors,
            true,
        );
    }
    let emissions = cases.scaled(SEEN);
    cases.both("sharedflow8", emissions, shared);
}

/// The numbers up to the last, as one of several sees them; `yields`: after each update everybody sees it.
fn state(mut case: Variants<'_>, collectors: usize, yields: bool) {
    let last = case.operations;
    case.corox(move |_, _| {
        coroutine_scope(async move |scope| {
            let state = MutableStateFlow::new(0);
            for _ in 0..collectors {
                let watched = state.as_state_flow();
                scope.launch(async move { watched.first_where(|n| *n == last).await.map(drop) });
            }
            let all_there = |count: &usize| *count == collectors;
            state.subscription_count().first_where(all_there).await?;
            for n in 1..=last {
                state.set(n);
                if yields {
                    yield_now().await;
                }
            }
            Ok(())
        })
    });
    case.tokio("tokio-watch", move |_| async move {
        let (tx, rx) = watch::channel(0);
        let mut tasks = JoinSet::new();
        for _ in 0..collectors {
            let mut rx = rx.clone();
            tasks.spawn(async move {
                while *rx.borrow_and_update() != last {
                    rx.changed().await.expect("the sender is there");
                }
            });
        }
        tokio::task::yield_now().await;
        for n in 1..=last {
            tx.send_replace(n);
            if yields {
                tokio::task::yield_now().await;
            }
        }
        tasks.join_all().await;
    });
}

fn shared(mut case: Variants<'_>) {
    let emissions = case.operations;
    case.corox(move |_, watch| {
        coroutine_scope(async move |scope| {
            let shared = MutableSharedFlow::builder().extra_buffer(BUFFER).build();
            for _ in 0..COLLECTORS {
                let all = shared.as_shared_flow().take(emissions as usize);
                scope.launch(async move {
                    black_box(all.fold(0, |sum, n| sum + n).await?);
                    Ok(())
                });
            }
            let all_there = |count: &usize| *count == COLLECTORS;
            shared.subscription_count().first_where(all_there).await?;
            watch.start();
            for n in 0..emissions {
                shared.emit(n).await;
            }
            Ok(())
        })
    });
    // Which does not wait for the slowest, and loses what it has not taken.
    case.tokio("tokio-broadcast[lossy]", move |_| async move {
        let (tx, _) = broadcast::channel(BUFFER);
        let mut tasks = JoinSet::new();
        for _ in 0..COLLECTORS {
            let mut rx = tx.subscribe();
            tasks.spawn(async move {
                let mut sum = 0;
                loop {
                    match rx.recv().await {
                        Ok(n) => sum += n,
                        Err(broadcast::error::RecvError::Lagged(_)) => {}
                        Err(broadcast::error::RecvError::Closed) => break,
                    }
                }
                black_box(sum);
            });
        }
        tokio::task::yield_now().await;
        for n in 0..emissions {
            tx.send(n).expect("somebody listens");
        }
        drop(tx);
        tasks.join_all().await;
    });
}
