//! A flow that is ahead of whoever collects it: by a buffer, on another thread, by its newest alone, or until it comes to rest.
//!
//! The peers have a task that sends, and a channel.

use std::hint::black_box;
use std::sync::LazyLock;
use std::time::Duration;

use corox::prelude::*;
use corox::{OwnedDispatcher, new_single_thread_context};
use crossfire::spsc;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{mpsc, watch};

use super::super::channels::{Rx, Tx, send_numbers};
use super::super::{Cases, Variants};
use super::cold::{NUMBERS, add, emitted, kept};
use crate::Threads;

/// How many numbers are debounced.
const EMISSIONS: u64 = 200_000;

/// How many numbers a buffer holds.
const BUFFER: usize = 64;

const REST: Duration = Duration::from_millis(5);

pub(super) fn register(cases: &mut Cases) {
    let numbers = cases.scaled(NUMBERS);
    cases.both("flow_buffer64", numbers, buffer);
    elsewhere(cases.case("flow_on_buffer64_st", Threads::One, numbers));
    cases.both("flow_conflate", numbers, conflate);
    let emissions = cases.scaled(EMISSIONS);
    cases.both("flow_debounce", emissions, debounce);
}

async fn sum(mut rx: impl Rx) {
    let mut sum = 0;
    while let Some(number) = rx.get().await {
        sum = add(sum, kept(number));
    }
    black_box(sum);
}

fn buffer(mut case: Variants<'_>) {
    let count = case.operations;
    case.corox(move |_, _| async move {
        let ahead = emitted(count).buffer(BUFFER);
        black_box(ahead.fold(0, |sum, n| add(sum, kept(n))).await?);
        Ok(())
    });
    beside_a_task(&mut case, "tokio-mpsc", || mpsc::channel(BUFFER));
    beside_a_task(&mut case, "kanal", || kanal::bounded_async(BUFFER));
    beside_a_task(&mut case, "crossfire", || spsc::bounded_async(BUFFER));
}

fn beside_a_task<T: Tx, R: Rx>(
    case: &mut Variants<'_>,
    variant: &'static str,
    ends: fn() -> (T, R),
) {
    let count = case.operations;
    case.tokio(variant, move |_| async move {
        let (tx, rx) = ends();
        tokio::spawn(send_numbers(tx, count));
        sum(rx).await;
    });
}

fn elsewhere(mut case: Variants<'_>) {
    static PRODUCER: LazyLock<OwnedDispatcher> =
        LazyLock::new(|| new_single_thread_context("producer"));
    let count = case.operations;
    case.corox(move |_, _| async move {
        let elsewhere = emitted(count).buffer(BUFFER).flow_on(&*PRODUCER);
        black_box(elsewhere.fold(0, |sum, n| add(sum, kept(n))).await?);
        Ok(())
    });
    beside_another_thread(&mut case, "tokio-mpsc", || mpsc::channel(BUFFER));
    beside_another_thread(&mut case, "kanal", || kanal::bounded_async(BUFFER));
    beside_another_thread(&mut case, "crossfire", || spsc::bounded_async(BUFFER));
}

/// A runtime with a thread of its own.
fn another_thread() -> Handle {
    static HANDLE: LazyLock<Handle> = LazyLock::new(|| {
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        let handle = runtime.handle().clone();
        std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
        handle
    });
    HANDLE.clone()
}

fn beside_another_thread<T: Tx, R: Rx>(
    case: &mut Variants<'_>,
    variant: &'static str,
    ends: fn() -> (T, R),
) {
    let count = case.operations;
    case.tokio(variant, move |_| async move {
        let (tx, rx) = ends();
        another_thread().spawn(send_numbers(tx, count));
        sum(rx).await;
    });
}

fn conflate(mut case: Variants<'_>) {
    let count = case.operations;
    case.corox(move |_, _| async move {
        let newest = emitted(count).conflate();
        black_box(newest.fold(0, |sum, n| add(sum, kept(n))).await?);
        Ok(())
    });
    case.tokio("tokio-watch", move |_| async move {
        let (tx, mut rx) = watch::channel(0);
        tokio::spawn(async move {
            for number in 0..count {
                tx.send_replace(number);
            }
        });
        let mut sum = 0;
        while rx.changed().await.is_ok() {
            sum = add(sum, kept(*rx.borrow_and_update()));
        }
        black_box(sum);
    });
}

fn debounce(mut case: Variants<'_>) {
    let count = case.operations;
    case.corox(move |_, _| async move {
        let at_rest = emitted(count).debounce(REST);
        black_box(at_rest.fold(0, |sum, n| add(sum, kept(n))).await?);
        Ok(())
    });
    case.tokio("tokio-mpsc+timeout", move |_| debounced(count));
}

async fn debounced(count: u64) {
    let (tx, mut rx) = mpsc::channel(BUFFER);
    tokio::spawn(send_numbers(tx, count));
    let (mut newest, mut sum) = (None, 0);
    loop {
        match tokio::time::timeout(REST, rx.recv()).await {
            Ok(Some(number)) => newest = Some(number),
            Ok(None) => break,
            Err(_) => sum += newest.take().map_or(0, kept),
        }
    }
    black_box(sum + newest.map_or(0, kept));
}
