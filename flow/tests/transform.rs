//! Items one by one: F-2, F-30, F-31, and that every operator lets go of what it holds.
#![cfg(not(corox_loom))]

mod support;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use corox_core::{Dispatcher, Error, run_blocking, yield_now};
use corox_flow::{Emitter, Flow, empty_flow, flow, flow_of, prelude::*};
use support::drop_at::{drop_at_each_poll, pause};
use support::panics::panic_of;
use support::pulled::{items_of, pulled};
use support::{failing, now};

/// F-30: the comparison is with the last item that went on, and the first is compared with none.
#[test]
fn distinct_compares_with_the_last_that_went_on() {
    let compared = RefCell::new(Vec::new());
    let steps = flow_of([1, 2, 3, 5]).distinct_until_changed_with(|a, b| {
        compared.borrow_mut().push((*a, *b));
        b - a < 2
    });
    assert_eq!(now(steps.clone().to_vec()).unwrap(), [1, 3, 5]);
    assert_eq!(compared.take(), [(1, 2), (1, 3), (3, 5)]);
    assert_eq!(now(pulled(steps).to_vec()).unwrap(), [1, 3, 5]);
    let words =
        flow_of(["a", "b", "cc", "dd", "e"]).distinct_until_changed_by_key(|word| word.len());
    assert_eq!(now(words.to_vec()).unwrap(), ["a", "cc", "e"]);
}

/// F-30: a second one behind the first compares nothing.
#[test]
fn repeated_distinct_is_one() {
    thread_local! {
        static COMPARED: Cell<u32> = const { Cell::new(0) };
    }
    #[derive(Clone, Debug)]
    struct Counting(u32);
    impl PartialEq for Counting {
        fn eq(&self, other: &Self) -> bool {
            COMPARED.set(COMPARED.get() + 1);
            self.0 == other.0
        }
    }
    let items = flow_of([1, 1, 2, 2].map(Counting));
    let once = items.clone().distinct_until_changed();
    assert_eq!(now(once.clone().count()).unwrap(), 2);
    assert_eq!(COMPARED.replace(0), 3);
    let thrice = once.distinct_until_changed().distinct_until_changed();
    assert_eq!(now(thrice.clone().count()).unwrap(), 2);
    assert_eq!(COMPARED.replace(0), 3);
    assert_eq!(now(pulled(thrice).count()).unwrap(), 2);
    assert_eq!(COMPARED.replace(0), 3);
    // Nothing is fused over another operator.
    let apart = items
        .distinct_until_changed()
        .filter(|_| true)
        .distinct_until_changed();
    assert_eq!(now(apart.count()).unwrap(), 2);
    assert_eq!(COMPARED.get(), 4);
}

/// What one collection remembers is nothing to the next one.
#[test]
fn each_collection_begins_anew() {
    let numbers = flow_of([1, 1, 2]);
    let all = numbers
        .clone()
        .distinct_until_changed()
        .enumerate()
        .scan(0, |sum, (index, n)| sum + index + n);
    assert_eq!(now(all.clone().to_vec()).unwrap(), [0, 1, 4]);
    assert_eq!(now(all.to_vec()).unwrap(), [0, 1, 4]);
    let all = numbers
        .running_reduce(|a, b| a + b)
        .distinct_until_changed_by_key(|n| n / 2)
        .skip(1)
        .skip_while(|n| *n < 3)
        .chunked(2);
    assert_eq!(now(all.clone().to_vec()).unwrap(), [[4]]);
    assert_eq!(now(all.to_vec()).unwrap(), [[4]]);
}

/// F-31: the tail comes at the end, and is lost with a failure; nothing comes of nothing.
#[test]
fn chunks() {
    let chunks = (1..=5).into_flow().chunked(2);
    let expected = [vec![1, 2], vec![3, 4], vec![5]];
    assert_eq!(now(chunks.clone().to_vec()).unwrap(), expected);
    assert_eq!(now(pulled(chunks).to_vec()).unwrap(), expected);
    assert_eq!(now(empty_flow::<u32>().chunked(2).count()).unwrap(), 0);
    // It does not reserve what it is told.
    let all = (1..=2).into_flow().chunked(usize::MAX);
    assert_eq!(now(all.to_vec()).unwrap(), [[1, 2]]);
    for pull in [false, true] {
        let mut seen = Vec::new();
        let chunks = failing([1, 2, 3]).chunked(2);
        let error = if pull {
            now(pulled(chunks).for_each(|it| seen.push(it)))
        } else {
            now(chunks.for_each(|it| seen.push(it)))
        };
        assert_eq!(error.unwrap_err().to_string(), "failed");
        assert_eq!(seen, [[1, 2]]);
    }
}

#[test]
fn chunks_of_nothing_panic_at_the_line_of_the_call() {
    let line = line!() + 1;
    let panicked = panic_of(|| drop(flow_of([1]).chunked(0)));
    let message = panicked.message();
    assert!(message.contains("`chunked(1)`"), "{message}");
    assert_eq!(panicked.at, format!("{}:{line}", file!()));
}

/// F-31: the initial value comes before the flow is started, and of an empty one, too.
#[test]
fn scan_gives_its_initial_value_first() {
    let log = RefCell::new(Vec::new());
    let numbers = flow(async |e| {
        log.borrow_mut().push("started".to_owned());
        e.emit(1).await;
    });
    let sums = numbers.scan(10, |sum, n| sum + n);
    now(sums
        .clone()
        .for_each(|n| log.borrow_mut().push(n.to_string())))
    .unwrap();
    assert_eq!(log.take(), ["10", "started", "11"]);
    now(sums.take(1).run()).unwrap();
    assert_eq!(log.take(), [""; 0]);
    let nothing = empty_flow::<i32>();
    assert_eq!(
        now(nothing.clone().scan(1, |a, b| a + b).to_vec()).unwrap(),
        [1]
    );
    let slow = nothing.clone().scan_async(1, async |a, b| a + b);
    assert_eq!(now(slow.to_vec()).unwrap(), [1]);
    assert_eq!(
        now(nothing.running_reduce(|a, b| a + b).count()).unwrap(),
        0
    );
}

/// Nor does a buffer above begin while the initial value is processed; after that it goes on as ever.
#[test]
fn scan_starts_a_buffer_after_its_initial_value() {
    let log = run_blocking(async |_| {
        let log = Mutex::new(Vec::new());
        let note = |text: String| log.lock().unwrap().push(text);
        let numbers = (1..=2).into_flow().on_each(|n| note(format!("emit {n}")));
        let sums = numbers.buffer(4).scan(0, |sum, n| sum + n);
        sums.collect(async |n| {
            pause().await;
            note(format!("see {n}"));
        })
        .await?;
        Ok(log.into_inner().unwrap())
    });
    assert_eq!(
        log.unwrap(),
        ["see 0", "emit 1", "emit 2", "see 1", "see 3"]
    );
}

/// The row `filterIsInstance`.
#[test]
fn filter_map_by_type() {
    let items: [fn() -> Box<dyn Any>; 3] = [|| Box::new(1), || Box::new("a"), || Box::new(2)];
    let numbers = flow_of(items)
        .map(|make| make())
        .filter_map(|item| item.downcast::<i32>().ok());
    assert_eq!(now(numbers.map(|n| *n).to_vec()).unwrap(), [1, 2]);
}

/// Closures that suspend, over an upstream that does, in a coroutine on other threads, with captures by reference; and the same with
/// those that do not suspend.
#[test]
fn twins_do_the_same() {
    let sum = run_blocking(async |scope| {
        let coroutine = scope.with(Dispatcher::DEFAULT).spawn(async {
            let seen = Mutex::new(Vec::new());
            let numbers = flow(async |e| {
                for n in 0..20 {
                    e.emit(n).await;
                    yield_now().await;
                }
            });
            let slowly = numbers
                .clone()
                .filter_async(async |n| {
                    yield_now().await;
                    n % 3 != 0
                })
                .filter_not_async(async |n| n % 5 == 0)
                .filter_map_async(async |n: u64| {
                    yield_now().await;
                    (n != 7).then_some(n * 2)
                })
                .on_each_async(async |n| {
                    yield_now().await;
                    seen.lock().unwrap().push(*n);
                })
                .skip_while_async(async |n| *n < 6)
                .take_while_async(async |n| {
                    yield_now().await;
                    *n < 34
                })
                .scan_async(0, async |sum, n| {
                    yield_now().await;
                    sum + n
                })
                .running_reduce_async(async |a, b| a.max(b))
                .try_map_async(async |n| {
                    yield_now().await;
                    Ok(n + 1)
                })
                .to_vec()
                .await?;
            let at_once = numbers
                .filter(|n| n % 3 != 0)
                .filter_not(|n| n % 5 == 0)
                .filter_map(|n| (n != 7).then_some(n * 2))
                .on_each(|n| seen.lock().unwrap().push(*n))
                .skip_while(|n| *n < 6)
                .take_while(|n| *n < 34)
                .scan(0, |sum, n| sum + n)
                .running_reduce(|a, b| a.max(b))
                .try_map(|n| Ok(n + 1))
                .to_vec()
                .await?;
            assert_eq!(slowly, at_once);
            let seen = seen.into_inner().unwrap();
            assert_eq!(seen[..seen.len() / 2], seen[seen.len() / 2..]);
            Ok(slowly.len())
        });
        coroutine.await
    });
    // 1, 2, 4, 8, 11, 13, 14, 16, 17, doubled: 8, 16, 22, 26, 28, 32 are let through; and the initial value.
    assert_eq!(sum.unwrap(), 7);
}

/// A closure that fails ends the flow for good, and drops what is above.
#[test]
fn a_failed_transform_has_ended() {
    for pull in [false, true] {
        let dropped = Cell::new(false);
        struct Guard<'a>(&'a Cell<bool>);
        impl Drop for Guard<'_> {
            fn drop(&mut self) {
                self.0.set(true);
            }
        }
        let numbers = flow(async |e| {
            let _guard = Guard(&dropped);
            e.emit(1).await;
            e.emit(2).await;
        });
        let numbers = numbers.transform(async |n, e| {
            e.emit(n).await;
            Err(Error::msg("no"))
        });
        let mut numbers = pin!(numbers);
        let mut cx = Context::from_waker(Waker::noop());
        if pull {
            let first = numbers.as_mut().poll_next(&mut cx);
            assert!(matches!(first, Poll::Ready(Ok(Some(1)))));
            let failed = numbers.as_mut().poll_next(&mut cx);
            assert!(matches!(failed, Poll::Ready(Err(_))));
        } else {
            let failed = numbers
                .as_mut()
                .poll_each(&mut cx, &mut |_| std::ops::ControlFlow::Continue(()));
            assert!(matches!(failed, Poll::Ready(Err(_))));
        }
        assert!(dropped.get());
        for _ in 0..2 {
            let ended = numbers.as_mut().poll_next(&mut cx);
            assert!(matches!(ended, Poll::Ready(Ok(None))));
        }
    }
}

#[test]
fn nothing_is_left_behind() {
    for pull in [false, true] {
        drop_at_each_poll(|guards| {
            let guard = || guards.guard();
            let (a, b, c, d, e) = (guard(), guard(), guard(), guard(), guard());
            let all = guards
                .source(6)
                .filter_async(async move |item| {
                    let _guard = a;
                    pause().await;
                    item.number != 1
                })
                .filter_map_async(async move |item| {
                    let _guard = b;
                    pause().await;
                    Some(item)
                })
                .on_each_async(async move |_| {
                    let _guard = c;
                    pause().await;
                })
                .scan_async(guards.item(9), async move |_, item| {
                    let _guard = d;
                    pause().await;
                    item
                })
                .running_reduce_async(async move |_, item| {
                    let _guard = e;
                    pause().await;
                    item
                })
                .distinct_until_changed()
                .distinct_until_changed_with(|a, b| a == b)
                .distinct_until_changed_by_key(Clone::clone)
                .enumerate()
                .filter_not(|(index, _)| *index == 2)
                .map(|(_, item)| Some(item))
                .flatten_some()
                .running_reduce(|_, item| item)
                .scan(guards.item(8), |_, item| item)
                .chunked(2);
            async move {
                let chunks = items_of(all, pull).await.unwrap();
                let numbers: Vec<u32> = chunks.iter().flatten().map(|it| it.number).collect();
                assert_eq!(numbers, [8, 9, 0, 3, 4, 5]);
            }
        });
    }
}

/// What a stage adds to the size of the flow, for items of 8 bytes: its state, and no copy of what is above.
#[test]
fn sizes() {
    fn added<S: Flow, T: Flow>(_: &S, _: T, most: usize, name: &str) {
        let added = size_of::<T>() - size_of::<S>();
        assert!(added <= most, "{name} adds {added} bytes");
    }
    let it = flow(async |e: &Emitter<u64>| e.emit(1).await);
    let all = || it.clone();
    added(&it, all().filter_map(Some), 0, "filter_map");
    added(&it, all().filter_async(async |_| true), 48, "filter_async");
    added(&it, all().on_each_async(async |_| ()), 40, "on_each_async");
    added(
        &it,
        all().scan_async(0, async |a, b| a + b),
        96,
        "scan_async",
    );
    added(&it, all().enumerate(), 8, "enumerate");
    added(&it, all().skip(1), 8, "skip");
    added(&it, all().skip_while(|_| true), 8, "skip_while");
    added(&it, all().chunked(2), 32, "chunked");
    added(&it, all().distinct_until_changed(), 24, "distinct");
    added(
        &it,
        all().transform(async |n, e| e.emit(n).await),
        208,
        "transform",
    );
    added(
        &it,
        all().transform_while(async |n, e| {
            e.emit(n).await;
            true
        }),
        232,
        "transform_while",
    );
    added(&it, all().catch(async |_, e| e.emit(1).await), 256, "catch");
    added(
        &it,
        all().on_start(async |e| e.emit(1).await),
        168,
        "on_start",
    );
    added(
        &it,
        all().on_empty(async |e| e.emit(1).await),
        208,
        "on_empty",
    );
    added(&it, all().on_completion(|_| ()), 64, "on_completion");
    added(
        &it,
        all().on_completion_async(async |_, e| e.emit(1).await),
        288,
        "on_completion_async",
    );
    added(&it, all().retry(1, |_| true), 320, "retry");
}
