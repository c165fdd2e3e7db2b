//! One flow of many: F-11, F-21 to F-24.
#![cfg(not(corox_loom))]

mod support;

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use corox_core::{Dispatcher, Error, FinallyExt, Result, delay, yield_now};
use corox_flow::{Flow, channel_flow, flow, flow_of, merge, prelude::*};
use corox_test::{EventLog, Explore, assert_events, run_test};
use proptest::prelude::*;
use support::drop_at::{drop_at_each_poll, drop_at_each_poll_in_a_test, pause};
use support::pulled::pulled;
use support::wakes::Wakes;
use support::{ms, now};

/// Pushes a line when it is dropped.
struct Says(EventLog<String>, &'static str);

impl Drop for Says {
    fn drop(&mut self) {
        self.0.push(self.1.to_owned());
    }
}

fn never<T>() -> impl Flow<Item = T> {
    flow(async |_| pending::<()>().await)
}

#[test]
fn concat_is_one_after_another() {
    let log = EventLog::new();
    let flow = flow_of([1, 2]).flat_map_concat(|n| {
        log.push(format!("begin {n}"));
        let log = &log;
        flow(async move |emitter| {
            emitter.emit(n).await;
            emitter.emit(n * 10).await;
            log.push(format!("end {n}"));
        })
    });
    now(flow.for_each(|n| log.push(format!("item {n}")))).unwrap();
    let expected = [
        "begin 1", "item 1", "item 10", "end 1", "begin 2", "item 2", "item 20", "end 2",
    ];
    assert_events(&log.events(), &expected);
}

/// F-11: the coroutines of an inner flow are gone before the next one begins.
#[test]
fn concat_waits_for_the_coroutines_of_an_inner_flow() {
    run_test(async |_| {
        let log = EventLog::new();
        let inner_log = log.clone();
        let all = flow_of([1, 2]).flat_map_concat(move |n| {
            inner_log.push(format!("begin {n}"));
            let log = inner_log.clone();
            channel_flow(async move |producer| {
                let channel = producer.channel().clone();
                async {
                    producer.send(n).await?;
                    channel.close();
                    pending::<()>().await;
                    Ok(())
                }
                .finally(async {
                    delay(ms(10)).await;
                    log.push(format!("gone {n}"));
                })
                .await
            })
        });
        assert_eq!(all.to_vec().await.unwrap(), [1, 2]);
        assert_events(&log.events(), &["begin 1", "gone 1", "begin 2", "gone 2"]);
    });
}

#[test]
fn a_failing_inner_flow_ends_all() {
    let failing = |n: i32| {
        flow(async move |emitter| {
            emitter.emit(n).await;
            if n == 2 {
                return Err(Error::msg("broken"));
            }
            Ok(())
        })
    };
    let numbers = (1..).into_flow();
    let mut seen = Vec::new();
    let concat = numbers.clone().flat_map_concat(failing);
    let error = now(concat.for_each(|n| seen.push(n))).unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), &seen[..]),
        ("broken", &[1, 2][..])
    );
    let mut seen = Vec::new();
    let merged = numbers.clone().take(2).flat_map_merge(4, failing);
    let error = now(merged.for_each(|n| seen.push(n))).unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), &seen[..]),
        ("broken", &[1, 2][..])
    );
    let mut seen = Vec::new();
    let latest = numbers.take(3).flat_map_latest(failing);
    let error = now(latest.for_each(|n| seen.push(n))).unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), &seen[..]),
        ("broken", &[1, 2][..])
    );
}

/// F-11: the failure of one inner flow cancels the coroutines of the others and waits for them, and comes then.
#[test]
fn a_failure_waits_for_the_coroutines_of_the_others() {
    for latest in [false, true] {
        run_test(async |t| {
            let log = EventLog::new();
            let inner_log = log.clone();
            let inner = move |n| {
                let log = inner_log.clone();
                channel_flow(async move |producer| {
                    if n == 2 {
                        delay(ms(5)).await;
                        return Err(Error::msg("broken"));
                    }
                    producer.send(n).await?;
                    pending::<()>()
                        .finally(async {
                            delay(ms(10)).await;
                            log.push("gone".to_owned());
                        })
                        .await;
                    Ok(())
                })
            };
            let numbers = flow(async |emitter| {
                emitter.emit(1).await;
                delay(ms(5)).await;
                emitter.emit(2).await;
            });
            let collected = async {
                if latest {
                    numbers.flat_map_latest(inner).count().await
                } else {
                    numbers.flat_map_merge(4, inner).count().await
                }
            };
            let error = collected.await.unwrap_err();
            assert_eq!(error.to_string(), "broken");
            assert_events(&log.events(), &["gone"]);
            assert_eq!(t.current_time(), ms(20));
        });
    }
}

/// F-11: an operator behind that stops early leaves nothing of the inner flows.
#[test]
fn an_early_end_waits_for_the_coroutines_of_all() {
    run_test(async |_| {
        let log = EventLog::new();
        let inner_log = log.clone();
        let inner = move |n| {
            let log = inner_log.clone();
            channel_flow(async move |producer| {
                producer.send(n).await?;
                pending::<()>()
                    .finally(async {
                        delay(ms(10)).await;
                        log.push(format!("gone {n}"));
                    })
                    .await;
                Ok(())
            })
        };
        let numbers = flow_of([1, 2, 3]);
        let merged = numbers.clone().flat_map_merge(2, inner.clone());
        assert_eq!(merged.take(2).to_vec().await.unwrap(), [1, 2]);
        assert_events(&log.events(), &["gone 1", "gone 2"]);
        let concat = numbers.flat_map_concat(inner);
        assert_eq!(concat.take(1).to_vec().await.unwrap(), [1]);
        assert_events(&log.events(), &["gone 1", "gone 2", "gone 1"]);
    });
}

/// F-21: no more than `concurrency` at a time, and as many if there are so many.
#[test]
fn at_most_so_many_at_a_time() {
    for concurrency in [1, 2, 3, 7] {
        run_test(async |t| {
            let (active, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let begun = t.current_time();
            let (counted, largest) = (active.clone(), most.clone());
            let all = (0..7).into_flow().flat_map_merge(concurrency, move |n| {
                let (active, most) = (counted.clone(), largest.clone());
                flow(async move |emitter| {
                    most.fetch_max(active.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    delay(ms(10)).await;
                    active.fetch_sub(1, Ordering::SeqCst);
                    emitter.emit(n).await;
                })
            });
            assert_eq!(all.to_vec().await.unwrap(), (0..7).collect::<Vec<_>>());
            assert_eq!(most.load(Ordering::SeqCst), concurrency);
            let rounds = 7usize.div_ceil(concurrency) as u64;
            assert_eq!(t.current_time() - begun, ms(10) * rounds as u32);
        });
    }
}

/// F-21: with a concurrency of 1 it is a concat: no buffer, the source waits.
#[test]
fn a_concurrency_of_one_is_a_concat() {
    let log = Mutex::new(Vec::new());
    let flow = (1..=3).into_flow().flat_map_merge(1, |n| {
        log.lock().unwrap().push(format!("begin {n}"));
        flow_of([n])
    });
    now(flow.for_each(|n| log.lock().unwrap().push(format!("item {n}")))).unwrap();
    let expected = [
        "begin 1", "item 1", "begin 2", "item 2", "begin 3", "item 3",
    ];
    assert_eq!(*log.lock().unwrap(), expected);
}

/// An inner flow that has always something to give leaves the others their turn.
#[test]
fn merged_flows_take_turns() {
    let endless = |n| flow_of([n]).flat_map_concat(|n| (0..).into_flow().map(move |_| n));
    let items = now(merge([endless('a'), endless('b')]).take(100).to_vec()).unwrap();
    assert!(items.contains(&'a') && items.contains(&'b'));
}

/// F-22: a cancellation that an inner flow fails with ends that one alone; one of the outer flow ends all.
#[test]
fn a_cancellation_ends_one_inner_flow() {
    let cancelled = |n| {
        flow(async move |emitter| {
            emitter.emit(n).await;
            if n == 1 {
                return Err(Error::cancellation("enough of it"));
            }
            emitter.emit(n * 10).await;
            Ok(())
        })
    };
    let all = merge([cancelled(1), cancelled(2)]);
    assert_eq!(now(all.to_vec()).unwrap(), [1, 2, 20]);
    let all = flow_of([1, 2]).flat_map_merge(2, cancelled);
    assert_eq!(now(all.to_vec()).unwrap(), [1, 2, 20]);
    let outer = flow(async |emitter| {
        emitter.emit(2).await;
        Err::<(), _>(Error::cancellation("enough"))
    });
    let ended = now(outer.flat_map_merge(2, cancelled).to_vec());
    assert!(ended.unwrap_err().is_cancellation());
}

/// Only the inner flows that were woken are polled.
#[test]
fn only_who_was_woken_is_polled() {
    #[derive(Clone)]
    struct Gate(Arc<Mutex<(usize, Option<Waker>, bool)>>);
    impl Flow for Gate {
        type Item = ();
        fn poll_next(
            self: std::pin::Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Result<Option<()>>> {
            let mut state = self.0.lock().unwrap();
            state.0 += 1;
            if state.2 {
                return Poll::Ready(Ok(None));
            }
            state.1 = Some(cx.waker().clone());
            Poll::Pending
        }
    }
    let gates: Vec<_> = (0..50).map(|_| Gate(Arc::default())).collect();
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(wakes.clone());
    let mut merged = pin!(merge(gates.clone()).count());
    let mut poll = || merged.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(poll().is_pending());
    let polls =
        |gates: &[Gate]| -> usize { gates.iter().map(|gate| gate.0.lock().unwrap().0).sum() };
    assert_eq!(polls(&gates), 50);
    for (n, gate) in gates.iter().enumerate() {
        let waker = {
            let mut state = gate.0.lock().unwrap();
            state.2 = true;
            state.1.take().unwrap()
        };
        waker.wake_by_ref();
        waker.wake();
        assert_eq!(wakes.count(), n + 1);
        assert_eq!(poll().is_ready(), n == 49);
        assert_eq!(polls(&gates), 51 + n);
    }
}

/// F-23: a new item drops what runs for the one before, waits for its coroutines, and then begins.
#[test]
fn the_one_before_has_gone_before_the_next_begins() {
    run_test(async |t| {
        let log = EventLog::new();
        let inner_log = log.clone();
        let numbers = flow(async |emitter| {
            for n in 1..=2 {
                emitter.emit(n).await;
                delay(ms(50)).await;
            }
        });
        let latest = numbers.flat_map_latest(move |n| {
            inner_log.push(format!("begin {n}"));
            let log = inner_log.clone();
            channel_flow(async move |producer| {
                producer.send(n).await?;
                delay(ms(60))
                    .finally(async {
                        delay(ms(20)).await;
                        log.push(format!("gone {n}"));
                    })
                    .await;
                Ok(())
            })
        });
        assert_eq!(latest.to_vec().await.unwrap(), [1, 2]);
        assert_events(&log.events(), &["begin 1", "gone 1", "begin 2", "gone 2"]);
        assert_eq!(t.current_time(), ms(50 + 20 + 60 + 20));
    });
}

/// F-23: what does not wait runs to its end, for each item.
#[test]
fn what_does_not_wait_is_collected_whole() {
    let latest = (0..20).into_flow().flat_map_latest(|n| flow_of([n, n]));
    let expected: Vec<_> = (0..20).flat_map(|n| [n, n]).collect();
    assert_eq!(now(latest.to_vec()).unwrap(), expected);
    let latest = (0..20).into_flow().map_latest(async |n| n);
    assert_eq!(now(latest.to_vec()).unwrap(), (0..20).collect::<Vec<_>>());
    let latest = (0..20).into_flow().transform_latest(async |n, emitter| {
        emitter.emit(n).await;
        yield_now().await;
        emitter.emit(n + 100).await;
    });
    run_test(async move |_| {
        let expected: Vec<_> = (0..20).chain([119]).collect();
        assert_eq!(latest.to_vec().await.unwrap(), expected);
    });
}

/// F-23: while whoever collects is busy, the buffer takes what is emitted, and a new item is looked for.
#[test]
fn a_busy_collector_does_not_keep_the_old_item_alive() {
    run_test(async |t| {
        let numbers = flow(async |emitter| {
            for n in 0..10 {
                emitter.emit(n).await;
                delay(ms(10)).await;
            }
        });
        let latest = numbers.map_latest(async |n| {
            delay(ms(5)).await;
            n
        });
        let seen = Mutex::new(Vec::new());
        let slow = latest.buffer(0).collect(async |n| {
            delay(ms(33)).await;
            seen.lock().unwrap().push((n, t.current_time().as_millis()));
        });
        slow.await.unwrap();
        // The first, and then each time what is the latest: what waits in the rendezvous goes when a newer one comes.
        let seen: Vec<_> = seen.into_inner().unwrap();
        let numbers: Vec<_> = seen.iter().map(|(n, _)| *n).collect();
        assert_eq!(numbers, [0, 3, 7, 9]);
    });
}

/// F-24.
#[test]
fn collect_latest_drops_the_action_of_the_one_before() {
    run_test(async |_| {
        let log = EventLog::new();
        let numbers = flow(async |emitter| {
            for n in 1..=3 {
                emitter.emit(n).await;
                delay(ms(20)).await;
            }
        });
        let collected = numbers.collect_latest(async |n| {
            let _guard = Says(log.clone(), "left");
            log.push(format!("begin {n}"));
            delay(ms(n * 15)).await;
            log.push(format!("done {n}"));
        });
        collected.await.unwrap();
        let expected = [
            "begin 1", "done 1", "left", "begin 2", "left", "begin 3", "done 3", "left",
        ];
        assert_events(&log.events(), &expected);
        let failing =
            flow_of([1, 2]).collect_latest(async |n| Err::<(), _>(Error::msg(format!("no {n}"))));
        assert_eq!(failing.await.unwrap_err().to_string(), "no 1");
    });
}

#[test]
fn no_concurrency_is_a_mistake_at_the_callers_line() {
    let caught = panics_at(|| drop(flow_of([1]).flat_map_merge(0, |n| flow_of([n]))));
    assert_eq!(caught, line!() - 1);
    let caught = panics_at(|| drop(flow_of([flow_of([1])]).flatten_merge(0)));
    assert_eq!(caught, line!() - 1);
}

/// The line that the panic of `f` names.
fn panics_at(f: impl FnOnce() + Send + 'static) -> u32 {
    let thread = std::thread::spawn(|| {
        let here = std::thread::current().id();
        let seen = Arc::new(Mutex::new(0));
        let line = seen.clone();
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if std::thread::current().id() == here {
                *line.lock().unwrap() = info.location().map_or(0, std::panic::Location::line);
            } else {
                others(info);
            }
        }));
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f));
        assert!(panicked.is_err());
        *seen.lock().unwrap()
    });
    thread.join().unwrap()
}

/// The bound of the stack is that of one inner flow.
#[test]
fn no_stack_for_ten_thousand_flows() {
    let small = std::thread::Builder::new().stack_size(256 * 1024);
    let run = small.spawn(|| {
        let block = |n: u64| flow(async move |emitter| emitter.emit(n).await);
        let sum = |flow: corox_flow::LocalBoxFlow<'_, u64>| {
            now_all(flow.fold(0, |sum, n| sum + n)).unwrap()
        };
        let numbers = (0..10_000).into_flow();
        let expected = 9_999 * 10_000 / 2;
        assert_eq!(
            sum(numbers.clone().flat_map_concat(block).boxed_local()),
            expected
        );
        assert_eq!(
            sum(numbers.clone().flat_map_merge(16, block).boxed_local()),
            expected
        );
        assert_eq!(
            sum(numbers.clone().flat_map_latest(block).boxed_local()),
            expected
        );
        let flows: Vec<_> = (0..10_000).map(block).collect();
        assert_eq!(sum(merge(flows.clone()).boxed_local()), expected);
        assert_eq!(sum(flow_of(flows).flatten_concat().boxed_local()), expected);
    });
    run.unwrap().join().unwrap();
}

/// Polls until it is ready, for those that have others go on.
fn now_all<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            return output;
        }
    }
}

#[test]
fn dropped_at_each_poll() {
    drop_at_each_poll(|guards| {
        let source = guards.source(3);
        let guards = guards.clone();
        source.flat_map_concat(move |_| guards.source(2)).to_vec()
    });
    drop_at_each_poll(|guards| {
        let source = guards.source(3);
        let guards = guards.clone();
        source.flat_map_merge(2, move |_| guards.source(2)).to_vec()
    });
    drop_at_each_poll(|guards| merge([guards.source(3), guards.source(2)]).to_vec());
    drop_at_each_poll(|guards| {
        let source = guards.source(3);
        let guards = guards.clone();
        source.flat_map_latest(move |_| guards.source(2)).to_vec()
    });
    drop_at_each_poll(|guards| {
        let closure = guards.guard();
        guards
            .source(3)
            .map_latest(async move |item| {
                let _guard = closure;
                pause().await;
                item
            })
            .to_vec()
    });
    drop_at_each_poll(|guards| {
        let closure = guards.guard();
        guards
            .source(3)
            .transform_latest(async move |item, emitter| {
                let _guard = closure;
                emitter.emit(item.clone()).await;
                pause().await;
                emitter.emit(item).await;
            })
            .to_vec()
    });
    drop_at_each_poll(|guards| {
        let closure = guards.guard();
        guards.source(3).collect_latest(async move |item| {
            let _guard = closure;
            pause().await;
            drop(item);
        })
    });
    drop_at_each_poll_in_a_test(|guards| {
        let source = guards.source(2);
        let guards = guards.clone();
        source
            .flat_map_merge(2, move |_| guards.source(2).flow_on(Dispatcher::DEFAULT))
            .to_vec()
    });
}

/// A tree of numbers as flows: each gives its numbers, some after a wait.
fn inner(numbers: Vec<u8>) -> impl Flow<Item = u8> + Send + 'static {
    flow(async move |emitter| {
        for n in numbers {
            if n % 3 == 0 {
                yield_now().await;
            }
            emitter.emit(n).await;
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn concat_is_as_that_of_a_vec(lists in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5), 0..6)) {
        let expected: Vec<u8> = lists.concat();
        run_test(async move |_| {
            let flows = flow_of(lists).flat_map_concat(inner);
            assert_eq!(flows.clone().to_vec().await.unwrap(), expected);
            assert_eq!(pulled(flows.clone()).to_vec().await.unwrap(), expected);
            assert_eq!(flows.flow_on(Dispatcher::DEFAULT).to_vec().await.unwrap(), expected);
        });
    }

    /// A merge has the same items, and those of one flow in their order.
    #[test]
    fn merge_keeps_each_order(
        lists in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5), 0..6),
        concurrency in 1..5usize,
    ) {
        run_test(async move |_| {
            let numbered: Vec<_> = lists.iter().cloned().enumerate().collect();
            let flows = flow_of(numbered).flat_map_merge(concurrency, |(nth, list)| {
                inner(list).map(move |n| (nth, n))
            });
            let items = pulled(flows.clone()).to_vec().await.unwrap();
            for items in [items, flows.to_vec().await.unwrap()] {
                for (nth, list) in lists.iter().enumerate() {
                    let own: Vec<_> = items.iter().filter(|(of, _)| *of == nth).map(|(_, n)| *n).collect();
                    assert_eq!(&own, list);
                }
                assert_eq!(items.len(), lists.iter().map(Vec::len).sum::<usize>());
            }
        });
    }
}

/// Inner flows with coroutines of their own, in many orders, some of them left early.
#[test]
fn explored() {
    let explored = Explore::new(60).run(async |_| {
        let inner = |n: usize| {
            channel_flow(async move |producer| {
                for k in 0..3 {
                    yield_now().await;
                    producer.send(n * 10 + k).await?;
                }
                Ok(())
            })
        };
        let merged = (0..4).into_flow().flat_map_merge(3, inner);
        let mut items = merged.clone().to_vec().await.unwrap();
        let order = |of: usize| {
            items
                .iter()
                .filter(|n| **n / 10 == of)
                .copied()
                .collect::<Vec<_>>()
        };
        for of in 0..4 {
            assert_eq!(order(of), [of * 10, of * 10 + 1, of * 10 + 2]);
        }
        items.sort_unstable();
        assert_eq!(items.len(), 12);
        assert_eq!(merged.take(5).count().await.unwrap(), 5);
        let latest = (0..4).into_flow().flat_map_latest(inner);
        let items = latest.to_vec().await.unwrap();
        assert_eq!(items[items.len() - 3..], [30, 31, 32]);
    });
    assert!(explored.distinct() > 20, "{explored:?}");
}

#[test]
fn a_merge_of_nothing_ends() {
    let none: [corox_flow::IterFlow<std::array::IntoIter<i32, 1>>; 0] = [];
    assert_eq!(now(merge(none).to_vec()).unwrap(), []);
    let mut waits = pin!(merge([never::<i32>()]).count());
    let polled = waits.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
}
