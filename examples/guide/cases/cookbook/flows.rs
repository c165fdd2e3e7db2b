//! What the cookbook says of flows.

use std::fmt;
use std::time::Duration;

use corox::prelude::*;
use corox::{DEFAULT, Emitter, flow, thread_label, with_timeout_or_none};

/// What `check` fails with; printed as in Kotlin.
#[derive(Debug)]
struct CheckFailed;

impl fmt::Display for CheckFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IllegalStateException: Check failed.")
    }
}

impl std::error::Error for CheckFailed {}

fn check(holds: bool) -> Result<()> {
    if holds {
        Ok(())
    } else {
        Err(CheckFailed.into())
    }
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// One to `last`, a fifth of a second before each.
fn numbers(last: i32) -> impl Flow<Item = i32> {
    flow(async move |emitter| {
        println!("Inside flow builder");
        for n in 1..=last {
            delay(ms(200)).await;
            emitter.emit(n).await;
        }
    })
}

pub(super) async fn not_blocking(scope: CoroutineScope) -> Result<()> {
    let numbers = flow(async |emitter| {
        for n in 1..=5 {
            delay(ms(200)).await;
            emitter.emit(n).await;
        }
    });
    scope.launch(numbers.for_each(|n| println!("{n}")));
    scope.launch(async {
        for n in 11..=15 {
            delay(ms(100)).await;
            println!("{n}");
        }
    });
    Ok(())
}

pub(super) async fn are_cold(_: CoroutineScope) -> Result<()> {
    println!("test flows are cold");
    let flow = numbers(2);
    println!("collecting");
    flow.clone().for_each(|n| println!("{n}")).await?;
    println!("collecting one more time");
    flow.for_each(|n| println!("{n}")).await
}

pub(super) async fn cancelled(_: CoroutineScope) -> Result<()> {
    let collected = numbers(5).for_each(|n| println!("{n}"));
    if with_timeout_or_none(ms(500), async |_| collected.await)
        .await?
        .is_none()
    {
        println!("cancelled");
    }
    Ok(())
}

pub(super) async fn transformed(_: CoroutineScope) -> Result<()> {
    numbers(2)
        .transform(async |n, emitter: &Emitter<i32>| {
            println!("transforming {n}");
            emitter.emit(2).await;
        })
        .for_each(|it| println!("collected {it}"))
        .await
}

pub(super) async fn on_another_thread(_: CoroutineScope) -> Result<()> {
    println!("test flow flowOn operator");
    let numbers = flow(async |emitter| {
        println!("{}", thread_label());
        emitter.emit(1).await;
        emitter.emit(2).await;
    });
    numbers
        .flow_on(DEFAULT)
        .for_each(|n| println!("collected {n} on {}", thread_label()))
        .await
}

pub(super) async fn failure(_: CoroutineScope) -> Result<()> {
    let checked = numbers(5).try_map(|n| check(n <= 3).map(|()| n));
    if let Err(error) = checked.for_each(|n| println!("{n}")).await {
        println!("Exception {error}");
    }
    Ok(())
}

pub(super) async fn caught(_: CoroutineScope) -> Result<()> {
    println!("test flow exception catch");
    numbers(5)
        .try_map(|n| check(n <= 3))
        .catch(async |error, _| println!("Exception {error}"))
        .for_each(|it| println!("{it:?}"))
        .await
}

pub(super) async fn caught_declaratively(_: CoroutineScope) -> Result<()> {
    println!("test flow exception catch declarative");
    numbers(5)
        .try_map(|n| {
            check(n <= 3)?;
            println!("{n}");
            Ok(())
        })
        .catch(async |error, _| println!("Exception {error}"))
        .for_each(|()| ())
        .await
}

pub(super) async fn launched(scope: CoroutineScope) -> Result<()> {
    println!("test flow launch in");
    numbers(5).on_each(|n| println!("{n}")).launch_in(&scope);
    println!("Done");
    Ok(())
}
