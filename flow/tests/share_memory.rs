//! What shared and state flows keep: nothing of those who have left, and what a step allocates.
#![cfg(not(corox_loom))]

#[path = "../../core/tests/support/counting.rs"]
mod counting;
mod support;

use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use corox_channels::BufferOverflow;
use corox_core::CoroutineScope;
use corox_flow::{Flow, MutableSharedFlow, MutableStateFlow, SharingStarted, prelude::*};
use counting::{Count, live_of_this_thread};
use support::drop_at::{drop_at_each_poll, drop_at_each_poll_in_a_test};

fn poll<S: Flow + Unpin>(flow: &mut S) -> bool {
    let cx = &mut Context::from_waker(Waker::noop());
    Pin::new(flow).poll_next(cx).is_ready()
}

/// What is alive afterwards, beyond what was after the first of them.
fn left_by(mut subscription: impl FnMut(usize)) -> (isize, isize) {
    (0..100).for_each(&mut subscription);
    let before = live_of_this_thread();
    (0..1_000_000).for_each(&mut subscription);
    let after = live_of_this_thread();
    (after.0 - before.0, after.1 - before.1)
}

/// A million subscriptions that come and go leave nothing, whether somebody stays or not.
#[test]
fn a_million_subscriptions_leave_nothing() {
    for stays in [false, true] {
        let shared = MutableSharedFlow::builder()
            .replay(2)
            .extra_buffer(2)
            .build();
        let mut staying = stays.then(|| shared.as_shared_flow());
        let left = left_by(|n| {
            let mut one = shared.as_shared_flow();
            poll(&mut one);
            shared.try_emit(n);
            poll(&mut one);
            if let Some(staying) = &mut staying {
                poll(staying);
            }
        });
        assert_eq!(left, (0, 0), "of a shared flow");

        let state = MutableStateFlow::new(0);
        let mut staying = stays.then(|| state.as_state_flow());
        let count = state.subscription_count();
        let left = left_by(|n| {
            let mut one = state.as_state_flow();
            while poll(&mut one) {}
            state.set(n);
            if let Some(staying) = &mut staying {
                while poll(staying) {}
            }
        });
        assert_eq!(left, (0, 0), "of a state flow");
        assert_eq!(count.value(), usize::from(stays));
    }
}

/// As many at a time, too.
#[test]
fn ten_thousand_collectors_leave_nothing() {
    let (shared, state) = (MutableSharedFlow::<u32>::new(), MutableStateFlow::new(0));
    let many = || {
        let mut all: Vec<_> = (0..10_000)
            .map(|_| (shared.as_shared_flow(), state.as_state_flow()))
            .collect();
        for (shared, state) in &mut all {
            poll(shared);
            while poll(state) {}
        }
    };
    many();
    let before = live_of_this_thread();
    many();
    assert_eq!(live_of_this_thread(), before);
}

/// What an operation allocates, of which there have been some.
fn allocations(mut operation: impl FnMut()) -> f64 {
    (0..64).for_each(|_| operation());
    let before = Count::of_this_thread();
    (0..1600).for_each(|_| operation());
    (Count::of_this_thread() - before).allocations as f64 / 1600.0
}

#[test]
fn what_a_step_allocates() {
    let mut number = 0;
    let state = MutableStateFlow::new(0);
    let unseen = allocations(|| {
        number += 1;
        state.set(number);
    });
    let mut collected = state.as_state_flow();
    let seen = allocations(|| {
        number += 1;
        state.set(number);
        while poll(&mut collected) {}
    });
    let same = allocations(|| state.set(number));
    // The value, and for one who is to be woken nothing.
    assert_eq!((unseen, seen, same), (1.0, 1.0, 0.0));

    let shared = MutableSharedFlow::builder().extra_buffer(64).build();
    let mut collected: Vec<_> = (0..8).map(|_| shared.as_shared_flow()).collect();
    let mut take_all = || {
        for collected in &mut collected {
            let cx = &mut Context::from_waker(Waker::noop());
            let polled = Pin::new(collected).poll_each(cx, &mut |_| ControlFlow::Continue(()));
            assert!(polled.is_pending());
        }
    };
    take_all();
    let batch = allocations(|| {
        assert!((0..64).all(|n| shared.try_emit(n)));
        take_all();
    });
    // Four blocks of 16, and the list of those who are to be woken.
    assert_eq!(batch, 5.0);
}

/// Dropped after each of its polls, nothing is left of a collection.
#[test]
fn a_collection_can_be_dropped_anywhere() {
    let polls = drop_at_each_poll(|guards| {
        let shared = MutableSharedFlow::builder().replay(3).build();
        (0..5).for_each(|n| assert!(shared.try_emit(guards.item(n))));
        let (item, closure) = (guards.item(7), guards.guard());
        let collected = shared.as_shared_flow().on_subscription(async move |e| {
            let _closure = closure;
            support::drop_at::pause().await;
            e.emit(item).await;
            support::drop_at::pause().await;
        });
        async move {
            let taken = collected.take(4).to_vec().await.unwrap();
            shared.emit(guards.item(8)).await;
            assert_eq!(
                taken.iter().map(|it| it.number).collect::<Vec<_>>(),
                [7, 2, 3, 4]
            );
        }
    });
    assert!(polls >= 3);
    drop_at_each_poll(|guards| {
        let state = MutableStateFlow::new(guards.item(0));
        let closure = guards.guard();
        let derived = state.as_state_flow().map_state(move |it| {
            let _closure = &closure;
            it.number
        });
        async move {
            support::drop_at::pause().await;
            derived.take(1).to_vec().await.unwrap();
            state.set(guards.item(1));
        }
    });
}

/// The same of flows that are shared, with the coroutine that shares.
#[test]
fn sharing_can_be_dropped_anywhere() {
    for started in [
        SharingStarted::EAGERLY,
        SharingStarted::LAZILY,
        SharingStarted::while_subscribed(Duration::ZERO, Duration::ZERO),
    ] {
        let polls = drop_at_each_poll_in_a_test(|guards| async move {
            struct Cancelled(CoroutineScope);
            impl Drop for Cancelled {
                fn drop(&mut self) {
                    self.0.cancel();
                }
            }
            let context = corox_core::CoroutineContext::current();
            let job = corox_core::CompletableJob::child_of(context.job().unwrap());
            let scope = Cancelled(CoroutineScope::new(context + job));
            let source = guards.source(3);
            let shared = source.share_in(&scope.0, started, 3);
            let buffered = shared.buffer_with_overflow(1, BufferOverflow::Suspend);
            buffered.take(3).to_vec().await
        });
        assert!(polls >= 2);
    }
}
