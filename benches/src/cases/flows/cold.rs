//! Chains of operators in one coroutine: over a range, and over a block that emits.
//!
//! Each number passes `black_box` once, or a chain over a range would be folded into a formula.

use std::future::ready;
use std::hint::black_box;

use corox::prelude::*;
use corox::{Emitter, Flow, flow};
use futures_util::stream::{self, Stream, StreamExt};

use super::super::{Cases, Variants};
use crate::Threads;

/// How many numbers a repetition has.
pub(super) const NUMBERS: u64 = 1_000_000;

/// How many `take` lets through.
const TAKEN: usize = 1000;

pub(super) fn kept(number: u64) -> u64 {
    black_box(number)
}

pub(super) fn add(sum: u64, number: u64) -> u64 {
    sum.wrapping_add(number)
}

/// A block that emits `0..count`.
pub(super) fn emitted(count: u64) -> impl Flow<Item = u64> {
    flow(async move |emitter: &Emitter<u64>| {
        for number in 0..count {
            emitter.emit(number).await;
        }
    })
}

/// The same by async-stream.
pub(super) fn yielded(count: u64) -> impl Stream<Item = u64> {
    async_stream::stream! {
        for number in 0..count {
            yield number;
        }
    }
}

/// The same by futures.
fn unfolded(count: u64) -> impl Stream<Item = u64> {
    stream::unfold(0, move |number| {
        ready((number < count).then_some((number, number + 1)))
    })
}

pub(super) fn register(cases: &mut Cases) {
    let numbers = cases.scaled(NUMBERS);
    range_sum(cases.case("flow_range_sum", Threads::One, numbers));
    builder_chain(cases.case("flow_builder_chain", Threads::One, numbers));
    take(cases.case("flow_take", Threads::One, numbers));
}

fn range_sum(mut case: Variants<'_>) {
    let count = case.operations;
    case.corox(move |_, _| async move {
        let all = (1..=count).into_flow().map(kept);
        let sum = all
            .filter(|n| n % 2 == 0)
            .map(|n| n * 3)
            .fold(0, add)
            .await?;
        black_box(sum);
        Ok(())
    });
    case.tokio("plain-iterator", move |_| async move {
        let all = (1..=count).map(kept);
        black_box(all.filter(|n| n % 2 == 0).map(|n| n * 3).fold(0, add));
    });
    case.tokio("futures-stream", move |_| async move {
        let all = stream::iter(1..=count).map(kept);
        let even = all.filter(|n| ready(n % 2 == 0)).map(|n| n * 3);
        black_box(even.fold(0, |sum, n| ready(add(sum, n))).await);
    });
    case.tokio("tokio-stream", move |_| async move {
        use tokio_stream::StreamExt as Tokio;
        let all = Tokio::map(tokio_stream::iter(1..=count), kept);
        let even = Tokio::filter(all, |n| n % 2 == 0);
        black_box(Tokio::fold(Tokio::map(even, |n| n * 3), 0, add).await);
    });
}

fn builder_chain(mut case: Variants<'_>) {
    let count = case.operations;
    async fn all(numbers: impl Flow<Item = u64>) -> corox::Result<()> {
        let all = numbers.map(|n| kept(n) * 3);
        black_box(all.filter(|n| n % 2 == 0).fold(0, add).await?);
        Ok(())
    }
    case.corox(move |_, _| all(emitted(count)));
    case.corox_too("corox-range", move |_, _| all((0..count).into_flow()));
    async fn chain(numbers: impl Stream<Item = u64>) {
        let all = numbers.map(|n| kept(n) * 3).filter(|n| ready(n % 2 == 0));
        black_box(all.fold(0, |sum, n| ready(add(sum, n))).await);
    }
    case.tokio("async-stream", move |_| chain(yielded(count)));
    case.tokio("futures-unfold", move |_| chain(unfolded(count)));
    case.tokio("futures-iter", move |_| chain(stream::iter(0..count)));
}

fn take(mut case: Variants<'_>) {
    let times = case.operations / TAKEN as u64;
    async fn some<S: Flow<Item = u64>>(
        times: u64,
        endless: impl Fn(u64) -> S,
    ) -> corox::Result<()> {
        for _ in 0..times {
            let some = endless(u64::MAX).take(TAKEN);
            black_box(some.fold(0, |sum, n| add(sum, kept(n))).await?);
        }
        Ok(())
    }
    case.corox(move |_, _| some(times, emitted));
    case.corox_too("corox-range", move |_, _| {
        some(times, |end| (0..end).into_flow())
    });
    async fn each<S: Stream<Item = u64>>(times: u64, endless: impl Fn(u64) -> S) {
        for _ in 0..times {
            let some = endless(u64::MAX).take(TAKEN);
            black_box(some.fold(0, |sum, n| ready(add(sum, kept(n)))).await);
        }
    }
    case.tokio("async-stream", move |_| each(times, yielded));
    case.tokio("futures-unfold", move |_| each(times, unfolded));
    case.tokio("futures-iter", move |_| {
        each(times, |end| stream::iter(0..end))
    });
}
