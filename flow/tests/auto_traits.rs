//! A flow of parts that are `Send` and `Sync` is both: it can lie in a struct that is shared, and be cloned from there.
#![cfg(not(corox_loom))]

use std::time::Duration;

use corox_channels::Channel;
use corox_core::{Dispatcher, Retry, coroutine_scope, delay, run_blocking, with_context};
use corox_flow::{
    Emitter, Flow, MutableSharedFlow, MutableStateFlow, channel_flow, flow, flow_of, prelude::*,
};
use futures::stream;

fn check<S: Flow + Send + Sync>(_: S) {}

#[test]
fn flows_of_sync_parts_are_sync() {
    let channel = Channel::<u32>::new(1);
    let receiving = channel.clone();
    let block = flow(async move |emitter: &Emitter<u32>| {
        delay(Duration::ZERO).await;
        emitter.emit(receiving.receive().await?).await;
        with_context(Dispatcher::IO, async { Ok(1) }).await?;
        coroutine_scope(async |scope| scope.spawn(async { Ok(1) }).await).await?;
        Ok(())
    });
    let it = || block.clone();
    check(it());
    check(flow_of([1, 2]));
    check(channel_flow::<u32, _, _, _>(async |_| ()));
    check(channel.receive_into_flow());
    check(stream::iter([1]).into_flow_once());
    check(it().map(|n| n).filter(|_| true).take(1));
    check(it().map_async(async |n| n));
    check(it().transform(async |n, emitter| emitter.emit(n).await));
    check(it().scan_async(0, async |a, b| a + b));
    check(it().buffer(1).conflate());
    check(it().flow_on(Dispatcher::IO).cancellable());
    check(it().catch(async |_, emitter| emitter.emit(1).await));
    check(it().retry(1, |_| true));
    check(it().retry_with(Retry::new(2)));
    check(it().on_start(async |emitter| emitter.emit(1).await));
    check(it().on_empty(async |emitter| emitter.emit(1).await));
    check(it().on_completion(|_| ()));
    check(it().on_completion_async(async |_, emitter| emitter.emit(1).await));
    check(it().flat_map_concat(|n| flow_of([n])));
    check(it().flat_map_merge(2, |n| flow_of([n])));
    check(it().flat_map_latest(|n| flow_of([n])));
    check(it().zip(it(), |a, b| a + b));
    check(it().combine(it(), |a, b| a + b));
    check(it().debounce(Duration::ZERO).sample(Duration::from_secs(1)));
    check(it().timeout(Duration::from_secs(1)));
    let (events, state) = (MutableSharedFlow::<u32>::new(), MutableStateFlow::new(1));
    check(events.as_shared_flow());
    check(state.as_state_flow().map_state(|n| n + 1));
}

/// Collections of one flow on several threads, each of a clone.
#[test]
fn a_flow_that_is_shared_is_cloned_on_each_thread() {
    let numbers = flow_of([1, 2, 3])
        .flow_on(Dispatcher::DEFAULT)
        .retry(1, |_| true);
    std::thread::scope(|threads| {
        for _ in 0..3 {
            threads.spawn(|| {
                let seen = run_blocking(async |_| numbers.clone().to_vec().await);
                assert_eq!(seen.unwrap(), [1, 2, 3]);
            });
        }
    });
}
