//! A flow for each item: one after another, and so many at a time.

use std::hint::black_box;

use corox::prelude::*;
use futures_util::stream::{self, StreamExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::super::{Cases, Variants};
use super::cold::{NUMBERS, add, emitted, kept, yielded};
use crate::Threads;

/// How many numbers each inner flow has.
const EACH: u64 = 1000;

/// How many inner flows run at a time, where they do.
const AT_A_TIME: usize = 16;

/// How many numbers a channel of a peer holds.
const CAPACITY: usize = 64;

pub(super) fn register(cases: &mut Cases) {
    let numbers = cases.scaled(NUMBERS);
    concat(cases.case("flow_flatmap_concat", Threads::One, numbers));
    cases.both("flow_flatmap_merge16", numbers, merge);
    merge_streams(cases.case("flow_flatmap_merge16_st", Threads::One, numbers));
}

fn concat(mut case: Variants<'_>) {
    let outer = case.operations / EACH;
    case.corox(move |_, _| async move {
        let all = (0..outer)
            .into_flow()
            .flat_map_concat(|a| emitted(EACH).map(move |b| kept(b) + a));
        black_box(all.fold(0, add).await?);
        Ok(())
    });
    case.corox_too("corox-range", move |_, _| async move {
        let all = (0..outer)
            .into_flow()
            .flat_map_concat(|a| (0..EACH).into_flow().map(move |b| kept(b) + a));
        black_box(all.fold(0, add).await?);
        Ok(())
    });
    case.tokio("async-stream", move |_| async move {
        let all = stream::iter(0..outer).flat_map(|a| yielded(EACH).map(move |b| kept(b) + a));
        black_box(all.fold(0, |sum, n| std::future::ready(add(sum, n))).await);
    });
    case.tokio("futures-iter", move |_| async move {
        let all =
            stream::iter(0..outer).flat_map(|a| stream::iter(0..EACH).map(move |b| kept(b) + a));
        black_box(all.fold(0, |sum, n| std::future::ready(add(sum, n))).await);
    });
}

fn merge(mut case: Variants<'_>) {
    let outer = case.operations / EACH;
    case.corox(move |_, _| async move {
        let all = (0..outer)
            .into_flow()
            .flat_map_merge(AT_A_TIME, |a| emitted(EACH).map(move |b| kept(b) + a));
        black_box(all.fold(0, add).await?);
        Ok(())
    });
    case.tokio("tasks+tokio-mpsc", move |_| async move {
        let (tx, mut rx) = mpsc::channel(CAPACITY);
        let all = tokio::spawn(async move {
            let mut tasks = JoinSet::new();
            for a in 0..outer {
                if tasks.len() == AT_A_TIME {
                    tasks.join_next().await;
                }
                let tx = tx.clone();
                tasks.spawn(async move {
                    for b in 0..EACH {
                        if tx.send(kept(b) + a).await.is_err() {
                            return;
                        }
                    }
                });
            }
            tasks.join_all().await;
        });
        let mut sum = 0;
        while let Some(number) = rx.recv().await {
            sum = add(sum, number);
        }
        all.await.expect("it does not panic");
        black_box(sum);
    });
}

fn merge_streams(mut case: Variants<'_>) {
    let outer = case.operations / EACH;
    case.tokio("async-stream", move |_| async move {
        let all = stream::iter(0..outer).flat_map_unordered(AT_A_TIME, |a| {
            Box::pin(yielded(EACH).map(move |b| kept(b) + a))
        });
        black_box(all.fold(0, |sum, n| std::future::ready(add(sum, n))).await);
    });
}
