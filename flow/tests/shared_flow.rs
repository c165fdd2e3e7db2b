//! Shared flows: F-33 to F-40, F-43, F-44, and `on_subscription`.
#![cfg(not(corox_loom))]

mod support;

use std::future::Future;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use corox_channels::{BufferOverflow, Capacity};
use corox_core::{CoroutineContext, Dispatcher, Error, Job, join_all, run_blocking, yield_now};
use corox_flow::fusion::{Settings, Stage};
use corox_flow::{Flow, HotFlow, MutableSharedFlow, MutableStateFlow, SharedFlow, prelude::*};
use corox_test::{EventLog, explore, run_test};
use support::wakes::{Wakes, next, wait_beside_a_panic};

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// One that has subscribed.
fn subscribed<T: Clone>(flow: &MutableSharedFlow<T>) -> SharedFlow<T> {
    let mut collected = flow.as_shared_flow();
    assert!(next(&mut collected).is_pending());
    collected
}

fn buffered<T>(replay: usize, extra: usize, overflow: BufferOverflow) -> MutableSharedFlow<T> {
    let builder = MutableSharedFlow::builder().replay(replay);
    builder.extra_buffer(extra).overflow(overflow).build()
}

/// F-33.
#[test]
fn an_emit_waits_for_the_slowest_if_there_is_one() {
    let flow = buffered(1, 1, BufferOverflow::Suspend);
    assert!((0..10).all(|n| flow.try_emit(n)), "nobody to wait for");
    assert_eq!(flow.as_shared_flow().replay_cache(), [9]);
    let (mut slow, mut fast) = (flow.as_shared_flow(), flow.as_shared_flow());
    assert_eq!(
        (next(&mut slow), next(&mut fast)),
        (Poll::Ready(9), Poll::Ready(9))
    );
    assert!(flow.try_emit(10) && flow.try_emit(11));
    assert_eq!(
        (next(&mut fast), next(&mut fast)),
        (Poll::Ready(10), Poll::Ready(11))
    );
    assert!(!flow.try_emit(12));
    let mut emit = Box::pin(flow.emit(12));
    assert!(poll(&mut emit).is_pending());
    assert_eq!(next(&mut slow), Poll::Ready(10));
    assert!(poll(&mut emit).is_ready());
    assert_eq!(next(&mut fast), Poll::Ready(12));
}

/// F-34.
#[test]
fn each_collector_gets_all_since_it_came_and_the_replay_before() {
    run_test(async |t| {
        let flow = buffered(2, 0, BufferOverflow::Suspend);
        for n in 0..3 {
            flow.emit(n).await;
        }
        let early = t.spawn(flow.as_shared_flow().take(6).to_vec());
        t.run_current().await;
        for n in 3..6 {
            flow.emit(n).await;
        }
        let late = t.spawn(flow.as_shared_flow().take(4).to_vec());
        t.run_current().await;
        flow.emit(6).await;
        flow.emit(7).await;
        assert_eq!(early.await.unwrap(), [1, 2, 3, 4, 5, 6]);
        assert_eq!(late.await.unwrap(), [4, 5, 6, 7]);
    });
}

/// F-35: it waits until each has taken the value, not until it is processed.
#[test]
fn without_a_buffer_an_emit_meets_all_collectors() {
    run_test(async |t| {
        let flow = MutableSharedFlow::new();
        assert!(flow.try_emit("to nobody"));
        let log = EventLog::new();
        let collectors = ["a", "b"].map(|name| {
            let log = log.clone();
            t.launch(flow.as_shared_flow().collect(async move |item| {
                log.add(format!("{name} takes {item}"));
                yield_now().await;
                yield_now().await;
                log.add(format!("{name} is done"));
            }))
        });
        t.run_current().await;
        assert!(!flow.try_emit("now"));
        log.add("emit");
        flow.emit("one").await;
        log.add("emitted");
        t.run_current().await;
        for job in &collectors {
            job.cancel();
        }
        join_all(&collectors).await;
        log.assert([
            "emit",
            "a takes one",
            "b takes one",
            "emitted",
            "a is done",
            "b is done",
        ]);
    });
}

/// F-36: they go on in their order and before newer ones; what was given up does not appear; who waits for values is woken at once.
#[test]
fn emitters_wait_in_line() {
    let flow = buffered(0, 1, BufferOverflow::Suspend);
    let mut slow = subscribed(&flow);
    let mut fast = subscribed(&flow);
    assert!(flow.try_emit(0));
    assert_eq!(next(&mut fast), Poll::Ready(0));
    assert!(next(&mut fast).is_pending());
    let mut emits: Vec<_> = (1..=4).map(|n| Box::pin(flow.emit(n))).collect();
    for emit in &mut emits {
        assert!(poll(emit).is_pending());
    }
    drop(emits.remove(1));
    assert_eq!(next(&mut slow), Poll::Ready(0));
    assert_eq!(next(&mut fast), Poll::Ready(1));
    assert!(poll(&mut emits[0]).is_ready() && poll(&mut emits[1]).is_pending());
    assert!(!flow.try_emit(5), "3 is before it");
    drop(slow);
    assert!(poll(&mut emits[1]).is_ready(), "the slowest has left");
    assert_eq!(next(&mut fast), Poll::Ready(3));
    assert_eq!(next(&mut fast), Poll::Ready(4));
    assert!(poll(&mut emits[2]).is_ready());
}

/// F-36: all of them when the last collector leaves; F-39.
#[test]
fn who_leaves_lets_emitters_go_on() {
    run_test(async |t| {
        let flow = buffered(2, 0, BufferOverflow::Suspend);
        let stuck = t.launch(flow.as_shared_flow().collect(async |_| {
            corox_core::await_cancellation().await;
        }));
        t.run_current().await;
        let emits = [(); 5].map(|()| {
            let flow = flow.clone();
            t.launch(async move {
                for n in 0..3 {
                    flow.emit(n).await;
                }
            })
        });
        t.run_current().await;
        assert!(emits.iter().any(Job::is_active));
        stuck.cancel();
        t.run_current().await;
        assert!(!emits.iter().any(Job::is_active));
        assert_eq!(flow.as_shared_flow().replay_cache(), [1, 2]);
    });
}

/// F-37: against the slowest; without collectors the cache keeps the newest whatever the policy.
#[test]
fn a_policy_drops_the_oldest_or_the_latest() {
    for (overflow, cache, slow_gets) in [
        (BufferOverflow::DropOldest, [4, 5], [3, 4, 5].as_slice()),
        (BufferOverflow::DropLatest, [1, 2], &[0, 1, 2]),
    ] {
        let flow = buffered(2, 1, overflow);
        let mut slow = subscribed(&flow);
        let mut fast = subscribed(&flow);
        for n in 0..6 {
            assert!(flow.try_emit(n));
            if overflow == BufferOverflow::DropOldest || n < 3 {
                assert_eq!(next(&mut fast), Poll::Ready(n));
            }
            assert!(next(&mut fast).is_pending());
        }
        assert_eq!(flow.as_shared_flow().replay_cache(), cache);
        for n in slow_gets {
            assert_eq!(next(&mut slow), Poll::Ready(*n));
        }
        assert!(next(&mut slow).is_pending());
        drop((slow, fast));
        assert!((10..20).all(|n| flow.try_emit(n)));
        assert_eq!(flow.as_shared_flow().replay_cache(), [18, 19]);
    }
}

/// F-38.
#[test]
fn a_reset_is_for_those_who_come_later() {
    let flow = buffered(2, 0, BufferOverflow::Suspend);
    let mut slow = subscribed(&flow);
    assert!(flow.try_emit(1) && flow.try_emit(2) && !flow.try_emit(3));
    flow.reset_replay_cache();
    assert!(flow.as_shared_flow().replay_cache().is_empty());
    assert!(!flow.try_emit(3), "it is no room for who is there");
    let mut later = subscribed(&flow);
    assert_eq!(
        (next(&mut slow), next(&mut slow)),
        (Poll::Ready(1), Poll::Ready(2))
    );
    assert!(flow.try_emit(3));
    assert_eq!(
        (next(&mut slow), next(&mut later)),
        (Poll::Ready(3), Poll::Ready(3))
    );
}

/// F-39: it looks before each value, those of the replay cache, too.
#[test]
fn a_cancelled_collector_gets_nothing_more() {
    run_test(async |t| {
        for at_most in [1, 5] {
            let flow = buffered(8, 0, BufferOverflow::Suspend);
            (0..8).for_each(|n| assert!(flow.try_emit(n)));
            let seen = Arc::new(AtomicUsize::new(0));
            let collector = t.launch({
                let (flow, seen) = (flow.as_shared_flow(), seen.clone());
                flow.for_each(move |_| {
                    if seen.fetch_add(1, Ordering::SeqCst) + 1 == at_most {
                        CoroutineContext::current().job().unwrap().cancel();
                    }
                })
            });
            collector.join().await;
            assert_eq!(seen.load(Ordering::SeqCst), at_most);
            assert_eq!(flow.subscription_count().value(), 0);
        }
    });
}

/// F-40: an emit looks for a cancellation only if it suspends.
#[test]
fn an_emit_of_a_cancelled_coroutine_succeeds_at_once_or_never() {
    run_test(async |t| {
        let flow = buffered(1, 0, BufferOverflow::Suspend);
        let mut slow = subscribed(&flow);
        let log = EventLog::new();
        let job = t.launch({
            let (flow, log) = (flow.clone(), log.clone());
            async move {
                CoroutineContext::current().job().unwrap().cancel();
                flow.emit(1).await;
                log.add("emitted 1");
                flow.emit(2).await;
                log.add("emitted 2");
            }
        });
        job.join().await;
        log.assert(["emitted 1"]);
        assert_eq!(next(&mut slow), Poll::Ready(1));
        assert!(next(&mut slow).is_pending());
    });
}

/// F-40: a value that is not emitted wakes nobody.
#[test]
fn an_emit_of_a_cancelled_coroutine_wakes_nobody() {
    run_test(async |t| {
        let flow = MutableSharedFlow::new();
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(wakes.clone());
        let mut collected = flow.as_shared_flow();
        let polled = Pin::new(&mut collected).poll_next(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        let job = t.launch({
            let flow = flow.clone();
            async move {
                CoroutineContext::current().job().unwrap().cancel();
                flow.emit(1).await;
            }
        });
        job.join().await;
        assert_eq!(wakes.count(), 0);
    });
}

/// F-36: an emitter goes on when the slowest has taken a value, though it processes many in one poll.
#[test]
fn who_takes_many_at_once_lets_emitters_go_on() {
    let flow = buffered(0, 4, BufferOverflow::Suspend);
    let (mut one, mut other) = (subscribed(&flow), subscribed(&flow));
    assert!((0..4).all(|n| flow.try_emit(n)));
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(wakes.clone());
    let mut emit = Box::pin(flow.emit(4));
    assert!(
        emit.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    let take_all = |collected: &mut SharedFlow<i32>| {
        let mut woken = Vec::new();
        let cx = &mut Context::from_waker(Waker::noop());
        let polled = Pin::new(collected).poll_each(cx, &mut |_| {
            woken.push(wakes.count());
            ControlFlow::Continue(())
        });
        assert!(polled.is_pending());
        woken
    };
    assert_eq!(take_all(&mut one), [0; 4]);
    assert_eq!(take_all(&mut other), [1; 5]);
}

/// F-40: it does not end when nobody can emit any more.
#[test]
fn a_collection_never_ends() {
    let flow = buffered::<i32>(1, 0, BufferOverflow::Suspend);
    flow.try_emit(1);
    let mut collected = flow.as_shared_flow();
    drop(flow);
    assert_eq!(next(&mut collected), Poll::Ready(1));
    assert!(next(&mut collected).is_pending());
}

/// F-43.
#[test]
fn collectors_are_counted() {
    let flow = MutableSharedFlow::<i32>::new();
    let count = flow.subscription_count();
    let unpolled = flow.as_shared_flow();
    assert_eq!(count.value(), 0);
    let two = [subscribed(&flow), subscribed(&flow)];
    assert_eq!((count.value(), flow.subscription_count().value()), (2, 2));
    let copies = two.clone();
    drop(two);
    assert_eq!(count.value(), 0);
    drop((copies, unpolled));
    assert_eq!(count.value(), 0);
}

/// F-44.
#[test]
fn what_it_does_itself_is_fused() {
    let mut flow = MutableSharedFlow::<i32>::new().as_shared_flow();
    let buffer = |capacity: Capacity, overflow| Stage::Buffer(Settings::buffer(capacity, overflow));
    for stage in [
        Stage::Cancellable,
        Stage::Buffer(Settings::flow_on(Dispatcher::DEFAULT.into())),
        buffer(Capacity::Rendezvous, BufferOverflow::Suspend),
    ] {
        assert!(flow.fuse(&stage), "{stage:?}");
    }
    for stage in [
        Stage::Distinct,
        buffer(Capacity::Conflated, BufferOverflow::Suspend),
        buffer(Capacity::Buffered, BufferOverflow::Suspend),
        buffer(Capacity::Exactly(1), BufferOverflow::Suspend),
    ] {
        assert!(!flow.fuse(&stage), "{stage:?}");
    }
}

/// `on_subscription`: after the registration, before the replay, for this collector alone; the first that was added first.
#[test]
fn an_action_at_the_subscription() {
    run_test(async |t| {
        let flow = buffered(1, 8, BufferOverflow::Suspend);
        flow.emit("replay").await;
        let other = t.spawn(flow.as_shared_flow().take(2).to_vec());
        t.run_current().await;
        let first = flow.as_shared_flow().on_subscription({
            let flow = flow.clone();
            async move |e| {
                e.emit("first").await;
                assert_eq!(flow.subscription_count().value(), 2);
                flow.emit("emitted by it").await;
            }
        });
        let second = first.on_subscription(async |e| {
            yield_now().await;
            e.emit("second").await;
        });
        let again = second.clone();
        let seen = second.take(4).to_vec().await.unwrap();
        // The cache has moved on.
        assert_eq!(seen[..2], ["first", "second"]);
        assert_eq!(seen[2..], ["replay", "emitted by it"]);
        assert_eq!(other.await.unwrap(), ["replay", "emitted by it"]);
        drop(again);
        let state = MutableStateFlow::new(1).as_state_flow();
        let state = state.on_subscription(async |e| e.emit(0).await);
        assert_eq!(state.take(2).to_vec().await.unwrap(), [0, 1]);
    });
}

/// Its failure is that of the flow, and the collector is none any more.
#[test]
fn an_action_at_the_subscription_that_fails() {
    fn failing(flow: &MutableSharedFlow<i32>) -> impl HotFlow<Item = i32> + use<> {
        let shared = flow.as_shared_flow();
        shared.on_subscription(async |e| {
            e.emit(1).await;
            Err::<(), _>(Error::msg("no"))
        })
    }
    let flow = buffered(1, 0, BufferOverflow::Suspend);
    flow.try_emit(2);
    run_blocking(async |_| {
        let mut seen = Vec::new();
        let outer = failing(&flow).on_subscription(async |e| e.emit(7).await);
        let mut outer = pin!(outer);
        let error = loop {
            let item = std::future::poll_fn(|cx| outer.as_mut().poll_next(cx)).await;
            match item {
                Ok(item) => seen.push(item.unwrap()),
                Err(error) => break error,
            }
        };
        assert_eq!((seen, error.to_string()), (vec![1], "no".to_owned()));
        assert_eq!(flow.subscription_count().value(), 0);
        let after = std::future::poll_fn(|cx| outer.as_mut().poll_next(cx)).await?;
        assert_eq!(after, None);
        Ok(())
    })
    .unwrap();
}

/// Bad limits are a panic that names the caller's line and says what to write.
#[test]
fn a_policy_without_a_buffer_is_a_panic() {
    let seen = Arc::new(Mutex::new((0, String::new())));
    let (here, last, others) = (thread::current().id(), seen.clone(), take_hook());
    set_hook(Box::new(move |info| {
        if thread::current().id() != here {
            return others(info);
        }
        let line = info.location().unwrap().line();
        *last.lock().unwrap() = (line, info.to_string());
    }));
    for overflow in [BufferOverflow::DropOldest, BufferOverflow::DropLatest] {
        let builder = MutableSharedFlow::<i32>::builder().overflow(overflow);
        let build = || builder.build();
        let expected = line!() - 1;
        assert!(catch_unwind(AssertUnwindSafe(build)).is_err());
        let (line, message) = seen.lock().unwrap().clone();
        assert_eq!(line, expected);
        assert!(
            message.contains("`.replay(1)` or `.extra_buffer(1)`"),
            "{message}"
        );
    }
    let all = buffered(usize::MAX, usize::MAX, BufferOverflow::Suspend);
    let mut collected = subscribed(&all);
    assert!((0..1000).all(|n| all.try_emit(n)));
    assert_eq!(next(&mut collected), Poll::Ready(0));
}

/// Values are copied, dropped, and collectors woken, without a lock: they may use the flow themselves.
#[test]
fn foreign_code_may_use_the_flow() {
    static FLOW: OnceLock<MutableSharedFlow<Nosy>> = OnceLock::new();
    static LOOKS: AtomicUsize = AtomicUsize::new(0);
    thread_local! { static INSIDE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) }; }
    fn look() {
        let Some(flow) = FLOW.get().filter(|_| !INSIDE.replace(true)) else {
            return;
        };
        LOOKS.fetch_add(1, Ordering::SeqCst);
        drop(flow.as_shared_flow().replay_cache());
        drop(next(&mut flow.as_shared_flow()));
        let _ = flow.subscription_count().value();
        INSIDE.set(false);
    }
    struct Nosy;
    impl Clone for Nosy {
        fn clone(&self) -> Self {
            look();
            Nosy
        }
    }
    impl Drop for Nosy {
        fn drop(&mut self) {
            look();
        }
    }
    struct Looking;
    impl Wake for Looking {
        fn wake(self: Arc<Self>) {
            look();
        }
    }
    let flow = FLOW.get_or_init(|| buffered(1, 1, BufferOverflow::DropOldest));
    let mut collected = flow.as_shared_flow();
    let waker = Waker::from(Arc::new(Looking));
    assert!(
        Pin::new(&mut collected)
            .poll_next(&mut Context::from_waker(&waker))
            .is_pending()
    );
    for _ in 0..5 {
        assert!(flow.try_emit(Nosy));
    }
    assert!(next(&mut collected).is_ready());
    flow.reset_replay_cache();
    assert!(next(&mut collected).is_ready() && next(&mut collected).is_pending());
    assert!(LOOKS.load(Ordering::SeqCst) > 5);
}

/// A value is dropped when nobody can want it any more, at once if it was the last.
#[test]
fn a_value_does_not_live_longer_than_it_is_wanted() {
    for extra in [0, 1, 64] {
        let flow = buffered(0, extra, BufferOverflow::Suspend);
        let mut collected = subscribed(&flow);
        for _ in 0..100 {
            let value = Arc::new(());
            let mut emit = Box::pin(flow.emit(value.clone()));
            let emitted = poll(&mut emit);
            assert!(next(&mut collected).is_ready());
            assert!(emitted.is_ready() || poll(&mut emit).is_ready());
            assert_eq!(Arc::strong_count(&value), 1, "with {extra}");
        }
    }
    let flow = buffered(1, 0, BufferOverflow::Suspend);
    let value = Arc::new(());
    assert!(flow.try_emit(value.clone()) && flow.try_emit(Arc::new(())));
    assert_eq!(
        Arc::strong_count(&value),
        1,
        "it is not in the cache any more"
    );
    let given_up = MutableSharedFlow::new();
    let (_one, mut two) = (subscribed(&given_up), subscribed(&given_up));
    let mut emit = Box::pin(given_up.emit(value.clone()));
    assert!(poll(&mut emit).is_pending());
    drop(next(&mut two));
    drop(emit);
    assert_eq!(Arc::strong_count(&value), 1);
}

/// A waker that panics keeps nobody else from being woken.
#[test]
fn a_waker_that_panics_keeps_nobody_asleep() {
    let flow = buffered(0, 1, BufferOverflow::Suspend);
    let mut collected = [(); 3].map(|()| flow.as_shared_flow());
    let wakes = wait_beside_a_panic(&mut collected);
    assert!(catch_unwind(AssertUnwindSafe(|| flow.try_emit(1))).is_err());
    assert_eq!(wakes.count(), 2);
    for collected in &mut collected {
        assert_eq!(next(collected), Poll::Ready(1));
    }
}

/// Emitters, collectors and those of both that are cancelled, in any order: every value that was emitted, once, in order.
#[test]
fn every_value_is_accounted_for_in_any_order() {
    for (replay, extra) in [(0, 0), (1, 0), (0, 2), (2, 3)] {
        let explored = explore(60, async |t| {
            let flow = buffered(replay, extra, BufferOverflow::Suspend);
            let collectors = [(); 2].map(|()| {
                let log = EventLog::of();
                let to = log.clone();
                let job = t.launch(flow.as_shared_flow().collect(async move |n: u32| {
                    to.push(n);
                    yield_now().await;
                }));
                (job, log)
            });
            let cancelled = t.launch(flow.as_shared_flow().collect(async |_| yield_now().await));
            while flow.subscription_count().value() < 3 {
                yield_now().await;
            }
            let emitters = [100, 200, 300].map(|base| {
                let (flow, log) = (flow.clone(), EventLog::of());
                let to = log.clone();
                let job = t.launch(async move {
                    for n in base..base + 4 {
                        flow.emit(n).await;
                        to.push(n);
                    }
                });
                (job, log)
            });
            for _ in 0..3 {
                yield_now().await;
            }
            emitters[2].0.cancel();
            yield_now().await;
            cancelled.cancel();
            for (job, _) in &emitters {
                job.join().await;
            }
            t.run_current().await;
            let lists = collectors.each_ref().map(|(_, log)| log.take());
            for (job, _) in &collectors {
                job.cancel_and_join().await;
            }
            let emitted = emitters.each_ref().map(|(_, log)| log.take());
            // Of the emitter that was cancelled one more may have been taken: by all, or without a buffer by some.
            let next = 300 + emitted[2].len() as u32;
            let certain = lists.each_ref().map(|list| {
                let certain = list.iter().copied().filter(|n| *n != next);
                certain.collect::<Vec<_>>()
            });
            assert_eq!(certain[0], certain[1], "all in one order");
            assert!(replay + extra == 0 || lists[0] == lists[1]);
            for (base, emitted) in [1, 2, 3].into_iter().zip(emitted) {
                let of_one = certain[0].iter().copied().filter(|n| n / 100 == base);
                assert!(of_one.eq(emitted));
            }
            assert_eq!(flow.subscription_count().value(), 0);
        });
        assert!(explored.distinct() > 30, "{explored:?}");
    }
}

/// Threads: emitters that suspend, collectors that stay and get all, and collectors that come and go.
#[test]
fn every_value_is_accounted_for_on_threads() {
    const EMITTERS: u64 = 3;
    const EACH: u64 = 5_000;
    for (replay, extra) in [(0, 0), (1, 0), (0, 1), (3, 61)] {
        let flow = buffered(replay, extra, BufferOverflow::Suspend);
        let done = run_blocking(async |scope| {
            let pool = scope.with(Dispatcher::DEFAULT);
            let collectors = [(); 3].map(|()| {
                let all = flow.as_shared_flow().take((EMITTERS * EACH) as usize);
                pool.spawn(all.to_vec())
            });
            flow.subscription_count()
                .filter(|n| *n == 3)
                .take(1)
                .count()
                .await?;
            let emitters: Vec<_> = (0..EMITTERS)
                .map(|base| {
                    let flow = flow.clone();
                    pool.launch(async move {
                        for n in 0..EACH {
                            flow.emit(base * EACH + n).await;
                        }
                    })
                })
                .collect();
            let guests: Vec<_> = (0..2)
                .map(|_| {
                    let flow = flow.clone();
                    pool.launch(async move {
                        loop {
                            let few = flow.as_shared_flow().take(3).to_vec().await.unwrap();
                            assert_eq!(few.len(), 3);
                            yield_now().await;
                        }
                    })
                })
                .collect();
            let mut lists = Vec::new();
            for collector in collectors {
                lists.push(collector.await?);
            }
            join_all(&emitters).await;
            for guest in &guests {
                guest.cancel_and_join().await;
            }
            Ok(lists)
        });
        let lists = done.unwrap();
        for list in &lists {
            assert!(*list == lists[0], "all in one order");
            for base in 0..EMITTERS {
                let of_one = list.iter().filter(|n| **n / EACH == base);
                assert!(of_one.copied().eq(base * EACH..(base + 1) * EACH));
            }
        }
        assert_eq!(flow.subscription_count().value(), 0);
    }
}
