//! Shared mutable state: the same counter, kept right in several ways.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use corox::{
    ChannelBuilders, CompletableDeferred, CoroutineScope, DEFAULT, Dispatcher, Mutex, Result,
    coroutine_scope, new_single_thread_context, with_context,
};
use tokio::time::Instant;

cases! {
    "sync-01" sync_01 "A load and a store are two things: additions get lost";
    "sync-02" sync_02 "The strictest memory order does not make one thing of them";
    "sync-03" sync_03 "An atomic addition is one";
    "sync-04" sync_04 "Confined to a thread, which each addition is sent to";
    "sync-05" sync_05 "Confined to a thread, on which all of it runs";
    "sync-06" sync_06 "A mutex, which those who have to wait suspend for";
    "sync-07" sync_07 "An actor, the only one that has the counter";
}

const COROUTINES: u32 = 100;
const TIMES: u32 = 1000;

/// Runs `action` 1000 times in each of 100 coroutines.
async fn massive_run<F>(action: impl Fn() -> F + Clone + Send + 'static) -> Result<()>
where
    F: Future<Output = Result<()>> + Send,
{
    let begin = Instant::now();
    coroutine_scope(async |scope| {
        for _ in 0..COROUTINES {
            let action = action.clone();
            scope.launch(async move {
                for _ in 0..TIMES {
                    action().await?;
                }
                Ok(())
            });
        }
        Ok(())
    })
    .await?;
    let (actions, took) = (COROUTINES * TIMES, begin.elapsed().as_millis());
    println!("Completed {actions} actions in {took} ms");
    Ok(())
}

/// What safe Rust lets through of the mistake: the load and the store are atomic, and the addition is not.
async fn add_in_two_steps(load: Ordering, store: Ordering) -> Result<()> {
    let counter = Arc::new(AtomicI32::new(0));
    let own = counter.clone();
    let action = move || {
        let counter = own.clone();
        async move {
            counter.store(counter.load(load) + 1, store);
            Ok(())
        }
    };
    with_context(DEFAULT, massive_run(action)).await?;
    println!("Counter = {}", counter.load(Ordering::Relaxed));
    Ok(())
}

async fn sync_01(_: CoroutineScope) -> Result<()> {
    add_in_two_steps(Ordering::Relaxed, Ordering::Relaxed).await
}

async fn sync_02(_: CoroutineScope) -> Result<()> {
    add_in_two_steps(Ordering::SeqCst, Ordering::SeqCst).await
}

async fn sync_03(_: CoroutineScope) -> Result<()> {
    let counter = Arc::new(AtomicI32::new(0));
    let own = counter.clone();
    let action = move || {
        let counter = own.clone();
        async move {
            counter.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    };
    with_context(DEFAULT, massive_run(action)).await?;
    println!("Counter = {}", counter.load(Ordering::Relaxed));
    Ok(())
}

/// One thread adds, in two steps, and nobody else.
async fn add_here(counter: Arc<AtomicI32>) -> Result<()> {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    Ok(())
}

async fn sync_04(_: CoroutineScope) -> Result<()> {
    let counter_context = new_single_thread_context("CounterContext");
    let counter = Arc::new(AtomicI32::new(0));
    let own = counter.clone();
    let there: Dispatcher = (*counter_context).clone();
    let action = move || with_context(there.clone(), add_here(own.clone()));
    with_context(DEFAULT, massive_run(action)).await?;
    println!("Counter = {}", counter.load(Ordering::Relaxed));
    Ok(())
}

async fn sync_05(_: CoroutineScope) -> Result<()> {
    let counter_context = new_single_thread_context("CounterContext");
    let counter = Arc::new(AtomicI32::new(0));
    let own = counter.clone();
    let action = move || add_here(own.clone());
    with_context(&*counter_context, massive_run(action)).await?;
    println!("Counter = {}", counter.load(Ordering::Relaxed));
    Ok(())
}

async fn sync_06(_: CoroutineScope) -> Result<()> {
    let counter = Arc::new(Mutex::new(0));
    let own = counter.clone();
    let action = move || {
        let counter = own.clone();
        async move {
            *counter.lock().await += 1;
            Ok(())
        }
    };
    with_context(DEFAULT, massive_run(action)).await?;
    println!("Counter = {}", counter.lock().await);
    Ok(())
}

enum CounterMsg {
    IncCounter,
    GetCounter(CompletableDeferred<i32>),
}

async fn sync_07(scope: CoroutineScope) -> Result<()> {
    let counter = scope.actor(0, async |mailbox| {
        let mut counter = 0;
        while let Some(message) = mailbox.next().await? {
            match message {
                CounterMsg::IncCounter => counter += 1,
                CounterMsg::GetCounter(response) => {
                    response.complete(counter);
                }
            }
        }
        Ok(())
    });
    let own = counter.clone();
    let action = move || {
        let counter = own.clone();
        async move { Ok(counter.send(CounterMsg::IncCounter).await?) }
    };
    with_context(DEFAULT, massive_run(action)).await?;
    let response = CompletableDeferred::new();
    counter
        .send(CounterMsg::GetCounter(response.clone()))
        .await?;
    println!("Counter = {}", response.await?);
    counter.close();
    Ok(())
}
