//! Two flows as one.
//!
//! Those of the peers: two streams in one task, where there is an operator, and two tasks with a channel of tokio's each.

use std::hint::black_box;

use corox::prelude::*;
use futures_util::stream::{self, Stream, StreamExt};
use tokio::sync::mpsc;

use super::super::{Cases, Variants};
use super::cold::{add, emitted, kept, yielded};
use crate::Threads;

/// How many numbers each flow has.
const EACH: u64 = 100_000;

/// How many numbers a channel of a peer holds.
const CAPACITY: usize = 64;

pub(super) fn register(cases: &mut Cases) {
    let each = cases.scaled(EACH);
    cases.both("flow_zip", each, zip);
    zip_of_streams(cases.case("flow_zip_st", Threads::One, each));
    cases.both("flow_combine", 2 * each, combine);
    combine_streams(cases.case("flow_combine_st", Threads::One, 2 * each));
}

/// `0..count`, from a task of its own.
fn sent(count: u64) -> impl Stream<Item = u64> {
    let (tx, mut rx) = mpsc::channel(CAPACITY);
    tokio::spawn(async move {
        for number in 0..count {
            if tx.send(number).await.is_err() {
                return;
            }
        }
    });
    stream::poll_fn(move |cx| rx.poll_recv(cx))
}

async fn sum(numbers: impl Stream<Item = u64>) {
    let sum = numbers.fold(0, |sum, n| std::future::ready(add(sum, n)));
    black_box(sum.await);
}

fn zip(mut case: Variants<'_>) {
    let count = case.operations;
    case.corox(move |_, _| async move {
        let pairs = emitted(count).zip(emitted(count), |a, b| kept(a) + b);
        black_box(pairs.fold(0, add).await?);
        Ok(())
    });
    case.tokio("tokio-mpsc", move |_| async move {
        sum(sent(count).zip(sent(count)).map(|(a, b)| kept(a) + b)).await
    });
}

fn zip_of_streams(mut case: Variants<'_>) {
    let count = case.operations;
    case.corox_too("corox-range", move |_, _| async move {
        let range = || (0..count).into_flow();
        let pairs = range().zip(range(), |a, b| kept(a) + b);
        black_box(pairs.fold(0, add).await?);
        Ok(())
    });
    case.tokio("async-stream", move |_| {
        sum(yielded(count).zip(yielded(count)).map(|(a, b)| kept(a) + b))
    });
    case.tokio("futures-iter", move |_| {
        let range = || stream::iter(0..count);
        sum(range().zip(range()).map(|(a, b)| kept(a) + b))
    });
}

/// The newest of two streams: no crate that is widely used has it.
fn newest(one: impl Stream<Item = u64>, other: impl Stream<Item = u64>) -> impl Stream<Item = u64> {
    let (mut a, mut b) = (None, None);
    stream::select(one.map(Ok), other.map(Err)).filter_map(move |next| {
        match next {
            Ok(n) => a = Some(n),
            Err(n) => b = Some(n),
        }
        std::future::ready(a.zip(b).map(|(a, b): (u64, u64)| kept(a) + b))
    })
}

fn combine(mut case: Variants<'_>) {
    let count = case.operations / 2;
    case.corox(move |_, _| async move {
        let newest = emitted(count).combine(emitted(count), |a, b| kept(a) + b);
        black_box(newest.fold(0, add).await?);
        Ok(())
    });
    case.tokio("tokio-mpsc", move |_| async move {
        sum(newest(sent(count), sent(count))).await
    });
}

fn combine_streams(mut case: Variants<'_>) {
    let count = case.operations / 2;
    case.corox_too("corox-range", move |_, _| async move {
        let range = || (0..count).into_flow();
        let newest = range().combine(range(), |a, b| kept(a) + b);
        black_box(newest.fold(0, add).await?);
        Ok(())
    });
    case.tokio("async-stream", move |_| {
        sum(newest(yielded(count), yielded(count)))
    });
    case.tokio("futures-iter", move |_| {
        sum(newest(stream::iter(0..count), stream::iter(0..count)))
    });
}
