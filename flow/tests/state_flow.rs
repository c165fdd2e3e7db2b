//! State flows: F-41 to F-44, and those that are derived.
#![cfg(not(corox_loom))]

mod support;

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use corox_channels::{BufferOverflow, Capacity};
use corox_core::{Dispatcher, Result, coroutine_scope, run_blocking, yield_now};
use corox_flow::fusion::{Settings, Stage};
use corox_flow::{Flow, MutableStateFlow, StateFlow, combine_states, prelude::*};
use corox_test::{EventLog, explore, run_test};
use support::wakes::{Wakes, next, wait_beside_a_panic};

/// Calls `see` with each value, up to `last`.
async fn collect_until<T: Clone + PartialEq>(
    mut state: StateFlow<T>,
    last: T,
    mut see: impl FnMut(T),
) -> Result<()> {
    std::future::poll_fn(|cx| {
        let mut sink = |value: T| {
            let ended = value == last;
            see(value);
            if ended {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        };
        Pin::new(&mut state).poll_each(cx, &mut sink).map_ok(drop)
    })
    .await
}

/// F-41: a collector gets the current value first, and who is slow the latest.
#[test]
fn a_slow_collector_gets_the_latest_value() {
    run_test(async |t| {
        let state = MutableStateFlow::new(0);
        let log = EventLog::new();
        let slow = t.launch({
            let (collected, log) = (state.as_state_flow(), log.clone());
            collected.collect(async move |n| {
                log.add(n);
                yield_now().await;
                yield_now().await;
            })
        });
        t.run_current().await;
        for n in 1..=3 {
            state.set(n);
        }
        t.run_current().await;
        state.set(4);
        t.run_current().await;
        slow.cancel_and_join().await;
        log.assert(["0", "3", "4"]);
    });
}

/// F-41: what equals the value is not set, and wakes nobody; from A to B and back is no change.
#[test]
fn it_is_conflated_by_equality() {
    /// Equal by its first part.
    #[derive(Clone, Debug)]
    struct Named(u32, &'static str);
    impl PartialEq for Named {
        fn eq(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }
    let state = MutableStateFlow::new(Named(1, "first"));
    let mut collected = state.as_state_flow();
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(wakes.clone());
    let cx = &mut Context::from_waker(&waker);
    assert!(Pin::new(&mut collected).poll_next(cx).is_ready());
    assert!(Pin::new(&mut collected).poll_next(cx).is_pending());
    state.set(Named(1, "second"));
    assert_eq!(state.value().1, "first");
    assert_eq!(wakes.count(), 0);
    state.set(Named(2, "second"));
    state.set(Named(1, "third"));
    assert_eq!(wakes.count(), 1);
    assert!(Pin::new(&mut collected).poll_next(cx).is_pending());
    assert_eq!(state.value().1, "third");
    state.set(Named(2, "fourth"));
    assert_eq!(wakes.count(), 2);
    assert_eq!(next(&mut collected).map(|it| it.1), Poll::Ready("fourth"));
}

/// A collector that is polled and sleeps keeps the waker that it has.
#[test]
fn a_waker_is_registered_again_only_if_it_is_another() {
    let state = MutableStateFlow::new(0);
    let mut collected = state.as_state_flow();
    assert_eq!(next(&mut collected), Poll::Ready(0));
    let [one, two] = [(), ()].map(|()| Arc::new(Wakes::default()));
    let poll = |collected: &mut StateFlow<i32>, wakes: &Arc<Wakes>| {
        let waker = Waker::from(wakes.clone());
        let polled = Pin::new(collected).poll_next(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
    };
    for _ in 0..3 {
        poll(&mut collected, &one);
        assert_eq!(Arc::strong_count(&one), 2);
    }
    poll(&mut collected, &two);
    assert_eq!((Arc::strong_count(&one), Arc::strong_count(&two)), (1, 2));
    state.set(1);
    assert_eq!(two.count(), 1);
    assert_eq!((Arc::strong_count(&one), Arc::strong_count(&two)), (1, 1));
    drop(collected);
}

/// F-41: `eq`, `clone`, destructors and wakers are called without a lock: they may use the flow themselves.
#[test]
fn foreign_code_may_use_the_flow() {
    static FLOW: OnceLock<MutableStateFlow<Nosy>> = OnceLock::new();
    static LOOKS: AtomicUsize = AtomicUsize::new(0);
    #[derive(Debug)]
    struct Nosy(u32);
    thread_local! { static INSIDE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) }; }
    fn look() {
        let Some(flow) = FLOW.get().filter(|_| !INSIDE.replace(true)) else {
            return;
        };
        LOOKS.fetch_add(1, Ordering::SeqCst);
        let _ = flow.value();
        drop(flow.as_state_flow());
        let _ = flow.subscription_count().value();
        INSIDE.set(false);
    }
    impl PartialEq for Nosy {
        fn eq(&self, other: &Self) -> bool {
            look();
            self.0 == other.0
        }
    }
    impl Clone for Nosy {
        fn clone(&self) -> Self {
            look();
            Nosy(self.0)
        }
    }
    impl Drop for Nosy {
        fn drop(&mut self) {
            look();
        }
    }
    struct Setting;
    impl Wake for Setting {
        fn wake(self: Arc<Self>) {
            FLOW.get().unwrap().set(Nosy(100));
        }
    }
    let flow = FLOW.get_or_init(|| MutableStateFlow::new(Nosy(0)));
    let mut collected = flow.as_state_flow();
    let waker = Waker::from(Arc::new(Setting));
    let cx = &mut Context::from_waker(&waker);
    assert!(Pin::new(&mut collected).poll_next(cx).is_ready());
    assert!(Pin::new(&mut collected).poll_next(cx).is_pending());
    flow.set(Nosy(1));
    assert_eq!(flow.value().0, 100);
    flow.update(|it| Nosy(it.0 + 1));
    assert!(flow.compare_and_set(&Nosy(101), Nosy(102)));
    assert!(LOOKS.load(Ordering::SeqCst) > 5);
}

/// A waker that panics keeps nobody else from being woken, and the value is set.
#[test]
fn a_waker_that_panics_keeps_nobody_asleep() {
    let state = MutableStateFlow::new(0);
    let mut collected = [(); 3].map(|()| state.as_state_flow());
    for collected in &mut collected {
        assert_eq!(next(collected), Poll::Ready(0));
    }
    let wakes = wait_beside_a_panic(&mut collected);
    assert!(catch_unwind(AssertUnwindSafe(|| state.set(1))).is_err());
    assert_eq!((wakes.count(), state.value()), (2, 1));
}

/// F-42.
#[test]
fn it_is_compared_by_equality_and_set() {
    let state = MutableStateFlow::new("a".to_owned());
    assert!(!state.compare_and_set(&"b".to_owned(), "c".to_owned()));
    assert!(state.compare_and_set(&"a".to_owned(), "b".to_owned()));
    assert_eq!(state.value(), "b");
    assert!(
        state.compare_and_set(&"b".to_owned(), "b".to_owned()),
        "nothing to change"
    );
    assert_eq!(state.get_and_update(|it| it.clone() + "c"), "b");
    assert_eq!(state.update_and_get(|it| it.clone() + "d"), "bcd");
}

/// F-42: what others set while `update` computes is not lost; it computes again.
#[test]
fn an_update_is_one_step() {
    let state = MutableStateFlow::new(1);
    let mut runs = 0;
    state.update(|n| {
        runs += 1;
        if runs == 1 {
            state.set(10);
        }
        n + 1
    });
    assert_eq!((runs, state.value()), (2, 11));
}

/// F-41, F-42: many threads, each update counted, and a collector that sees them rise and the last of them.
#[test]
fn setters_serialise() {
    const THREADS: usize = 4;
    const EACH: usize = 20_000;
    let state = MutableStateFlow::new(0);
    let seen = run_blocking({
        let state = state.clone();
        async move |scope| {
            let rising = state.as_state_flow();
            let seen = scope.with(Dispatcher::DEFAULT).spawn(async move {
                let mut seen = Vec::new();
                collect_until(rising, THREADS * EACH, |n| seen.push(n)).await?;
                Ok(seen)
            });
            for _ in 0..THREADS {
                let state = state.clone();
                scope.with(Dispatcher::DEFAULT).launch(async move {
                    for _ in 0..EACH {
                        state.update(|n| n + 1);
                    }
                });
            }
            seen.await
        }
    });
    let seen = seen.unwrap();
    assert!(seen.is_sorted_by(|a, b| a < b));
    assert_eq!(state.value(), THREADS * EACH);
}

/// F-43: it changes when a collector comes or goes, and who was late learns that it was more than 0, or 0, in between.
#[test]
fn collectors_are_counted() {
    let state = MutableStateFlow::new(0);
    let mut count = state.subscription_count();
    assert_eq!((count.value(), next(&mut count)), (0, Poll::Ready(0)));
    let mut one = state.as_state_flow();
    assert_eq!(count.value(), 0, "it is none before its first poll");
    assert_eq!(next(&mut one), Poll::Ready(0));
    assert_eq!((count.value(), next(&mut count)), (1, Poll::Ready(1)));
    let mut two = one.clone();
    assert_eq!(next(&mut two), Poll::Ready(0));
    assert_eq!(state.subscription_count().value(), 2);
    drop((one, two));
    assert_eq!((count.value(), next(&mut count)), (0, Poll::Ready(0)));
    let pass_by = || assert_eq!(next(&mut state.as_state_flow()), Poll::Ready(0));
    pass_by();
    pass_by();
    assert_eq!(next(&mut count), Poll::Ready(1));
    assert_eq!(next(&mut count), Poll::Ready(0));
    assert_eq!(next(&mut count), Poll::Pending);
    let mut one = state.as_state_flow();
    assert_eq!(next(&mut one), Poll::Ready(0));
    assert_eq!(next(&mut count), Poll::Ready(1));
    drop(one);
    let mut other = state.as_state_flow();
    assert_eq!(next(&mut other), Poll::Ready(0));
    assert_eq!(next(&mut count), Poll::Ready(0));
    assert_eq!(next(&mut count), Poll::Ready(1));
    assert_eq!(next(&mut count), Poll::Pending);
}

/// F-44.
#[test]
fn what_it_does_itself_is_fused() {
    let mut state = MutableStateFlow::new(0).as_state_flow();
    let buffer = |capacity: Capacity, overflow| Stage::Buffer(Settings::buffer(capacity, overflow));
    let (suspend, oldest) = (BufferOverflow::Suspend, BufferOverflow::DropOldest);
    for stage in [
        Stage::Cancellable,
        Stage::Distinct,
        Stage::Buffer(Settings::flow_on(Dispatcher::DEFAULT.into())),
        buffer(Capacity::Conflated, suspend),
        buffer(Capacity::Rendezvous, suspend),
        buffer(Capacity::Exactly(1), oldest),
        buffer(Capacity::Buffered, oldest),
    ] {
        assert!(state.fuse(&stage), "{stage:?}");
    }
    for stage in [
        buffer(Capacity::Buffered, suspend),
        buffer(Capacity::Exactly(1), suspend),
        buffer(Capacity::Exactly(2), oldest),
        buffer(Capacity::Exactly(1), BufferOverflow::DropLatest),
        buffer(Capacity::Unlimited, suspend),
    ] {
        assert!(!state.fuse(&stage), "{stage:?}");
    }
}

/// F-39, F-40: who is cancelled gets nothing more, though a value is there.
#[test]
fn a_cancelled_collector_gets_nothing_more() {
    run_test(async |t| {
        let state = MutableStateFlow::new(0);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let collector = t.launch({
            let (flow, state, seen) = (state.as_state_flow(), state.clone(), seen.clone());
            async move {
                flow.for_each(|n| {
                    seen.lock().unwrap().push(n);
                    state.set(n + 1);
                    if n == 2 {
                        corox_core::CoroutineContext::current()
                            .job()
                            .unwrap()
                            .cancel();
                    }
                })
                .await
            }
        });
        collector.join().await;
        assert_eq!(*seen.lock().unwrap(), [0, 1, 2]);
        assert_eq!(state.subscription_count().value(), 0);
    });
}

/// Derived states have a value whether or not they are collected, and are conflated.
#[test]
fn a_derived_state_is_a_state() {
    let (a, b) = (MutableStateFlow::new(1), MutableStateFlow::new(10));
    let (aa, bb) = (a.as_state_flow(), b.as_state_flow());
    let parity = aa.clone().map_state(|n| n % 2);
    let sum = combine_states((aa.clone(), bb, parity.clone()), |(a, b, parity)| {
        a + b + parity
    });
    let text = sum.clone().map_state(|n| n.to_string());
    assert_eq!(
        (parity.value(), sum.value(), text.value()),
        (1, 12, "12".to_owned())
    );
    assert_eq!(a.subscription_count().value(), 0);

    let (mut parities, mut texts) = (parity.clone(), text.clone());
    assert_eq!(next(&mut parities), Poll::Ready(1));
    assert_eq!(next(&mut texts), Poll::Ready("12".to_owned()));
    assert_eq!(
        a.subscription_count().value(),
        3,
        "parity, sum, and its parity"
    );
    a.set(3);
    assert_eq!(next(&mut parities), Poll::Pending, "it is the same");
    assert_eq!(next(&mut texts), Poll::Ready("14".to_owned()));
    a.set(4);
    b.set(10);
    assert_eq!(next(&mut texts), Poll::Pending, "4 + 10 + 0 is 14, too");
    b.set(11);
    assert_eq!(next(&mut texts), Poll::Ready("15".to_owned()));
    assert_eq!(next(&mut parities), Poll::Ready(0));
    assert_eq!(text.value(), "15");
    drop((parities, texts));
    assert_eq!(a.subscription_count().value(), 0);

    let all = combine_states(vec![aa.clone(), aa], |values| values);
    assert_eq!(all.value(), [4, 4]);
    let none = combine_states(Vec::<StateFlow<i32>>::new(), |values| values.len());
    let mut none = (none.value(), none);
    assert_eq!(
        (none.0, next(&mut none.1), next(&mut none.1)),
        (0, Poll::Ready(0), Poll::Pending)
    );
}

/// It is woken by each of its sources.
#[test]
fn a_derived_state_is_collected() {
    run_test(async |t| {
        let (a, b) = (MutableStateFlow::new(1), MutableStateFlow::new(2));
        let product = combine_states((a.as_state_flow(), b.as_state_flow()), |(a, b)| a * b);
        let seen = t.spawn(product.take(3).to_vec());
        t.run_current().await;
        a.set(2);
        t.run_current().await;
        b.set(5);
        assert_eq!(seen.await.unwrap(), [2, 4, 10]);
    });
}

/// Collectors that come, are cancelled, and see the end, in any order.
#[test]
fn collectors_come_and_go_in_any_order() {
    let explored = explore(200, async |t| {
        let state = MutableStateFlow::new(0);
        let collectors = [(); 3].map(|()| {
            let state = state.as_state_flow();
            let state = state.map_state(|n| n / 2);
            t.spawn(async move {
                let mut last = -1;
                collect_until(state, 4, |n| {
                    assert!(n > last);
                    last = n;
                })
                .await?;
                Ok(last)
            })
        });
        let setter = t.launch({
            let state = state.clone();
            async move {
                for n in 1..=8 {
                    state.set(n);
                    yield_now().await;
                }
            }
        });
        let [one, two, three] = collectors;
        yield_now().await;
        two.cancel();
        setter.join().await;
        assert_eq!((one.await.unwrap(), three.await.unwrap()), (4, 4));
        two.join().await;
        assert_eq!(state.subscription_count().value(), 0);
    });
    assert!(explored.distinct() > 50, "{explored:?}");
}

/// Threads that subscribe and leave while others set.
#[test]
fn a_set_is_seen_by_who_comes_and_goes() {
    let state = MutableStateFlow::new(0_u32);
    thread::scope(|s| {
        for _ in 0..3 {
            s.spawn(|| {
                let mut last = 0;
                while last < 10_000 {
                    let mut collected = pin!(state.as_state_flow());
                    let Poll::Ready(n) = next(&mut *collected) else {
                        panic!("a new collector gets the value");
                    };
                    assert!(n >= last);
                    last = n;
                }
            });
        }
        for n in 1..=10_000 {
            state.set(n);
        }
    });
    assert_eq!(state.subscription_count().value(), 0);
}

/// It is collected by a coroutine that suspends: `collect` ends with the scope, never by itself (F-40).
#[test]
fn a_collection_never_ends() {
    run_test(async |t| {
        let state = MutableStateFlow::new(0);
        let job = t.launch(state.as_state_flow().for_each(drop));
        drop(state);
        t.run_current().await;
        assert!(job.is_active());
        coroutine_scope(async |_| {
            job.cancel_and_join().await;
            Ok(())
        })
        .await
        .unwrap();
    });
}
