//! zip and combine: F-22, F-25, F-26, and a model of both.
#![cfg(not(corox_loom))]

mod support;

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use corox_core::{Error, Result, delay};
use corox_flow::{Flow, combine, combine_async, combine_transform, flow, flow_of, prelude::*};
use corox_test::{EventLog, run_test};
use proptest::prelude::*;
use support::drop_at::{drop_at_each_poll, pause};
use support::pulled::pulled;
use support::wakes::Wakes;
use support::{ms, timed};

struct Guard(EventLog, &'static str);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.add(format!("{} dropped", self.1));
    }
}

/// A flow that waits for ever, and logs its drop.
fn stuck(log: &EventLog, name: &'static str) -> impl Flow<Item = i32> {
    let log = log.clone();
    flow(async move |e| {
        let _guard = Guard(log, name);
        pending::<()>().await;
        e.emit(0).await;
    })
}

fn failing(after: u64, text: &'static str) -> impl Flow<Item = i32> {
    flow(async move |e| {
        delay(ms(after)).await;
        e.emit(1).await;
        Err(Error::msg(text))
    })
}

/// What comes, with the time at which it does.
async fn with_times<T, S: Flow<Item = T>>(
    t: &corox_test::TestScope,
    flow: S,
) -> Result<Vec<(u64, T)>> {
    let mut seen = Vec::new();
    flow.for_each(|item| seen.push((t.current_time().as_millis() as u64, item)))
        .await?;
    Ok(seen)
}

/// F-25: nothing comes until each source has given an item.
#[test]
fn combine_waits_for_an_item_of_each() {
    run_test(async |t| {
        let numbers = timed(&[(10, 1), (10, 2), (10, 3), (10, 4)], 0);
        let letters = timed(&[(25, 'a')], 0);
        let both = numbers.combine(letters, |n, c| (n, c));
        let seen = with_times(&t, both).await?;
        assert_eq!(seen, [(25, (2, 'a')), (30, (3, 'a')), (40, (4, 'a'))]);
        Ok(())
    });
}

/// F-25: sources in step come in pairs, and none gives two items in one round.
#[test]
fn combine_takes_one_item_of_each_a_round() {
    run_test(async |_| {
        let pairs = flow_of([1, 2, 3]).combine(flow_of(['a', 'b', 'c']), |n, c| (n, c));
        assert_eq!(pairs.to_vec().await?, [(1, 'a'), (2, 'b'), (3, 'c')]);
        let (a, b, c) = (flow_of([1, 2, 3]), flow_of([10]), flow_of([100, 200]));
        let sums = combine((a, b, c), |(a, b, c)| a + b + c);
        assert_eq!(sums.to_vec().await?, [111, 212, 213]);
        Ok(())
    });
}

/// F-25: it ends when all have, the last items of the others stay; with nothing to combine at once.
#[test]
fn combine_ends_when_all_sources_have() {
    run_test(async |t| {
        let both = timed(&[(5, 1)], 0).combine(timed(&[(10, 2), (10, 3)], 15), |a, b| a + b);
        assert_eq!(with_times(&t, both).await?, [(10, 3), (20, 4)]);
        assert_eq!(t.current_time(), ms(35));

        let without = timed::<i32>(&[], 0).combine(timed(&[(10, 1)], 5), |a, b| a + b);
        assert_eq!(with_times(&t, without).await?, []);
        assert_eq!(t.current_time(), ms(50), "the other one runs to its end");

        let none = combine(
            Vec::<corox_flow::IterFlow<std::array::IntoIter<i32, 1>>>::new(),
            |all| all,
        );
        assert_eq!(none.count().await?, 0);
        Ok(())
    });
}

/// F-25: while a result is processed, each source goes on by one item.
#[test]
fn sources_of_combine_go_on_while_a_result_is_processed() {
    run_test(async |t| {
        let log = EventLog::new();
        let source = |name: &'static str| {
            let log = log.clone();
            flow(async move |e| {
                for n in 1..=3 {
                    log.add(format!("{name}{n}"));
                    e.emit(n).await;
                }
            })
        };
        let seen = RefCell::new(Vec::new());
        source("a")
            .combine(source("b"), |a, b| (a, b))
            .collect(async |pair| {
                delay(ms(10)).await;
                log.add("processed");
                seen.borrow_mut().push((t.current_time().as_millis(), pair));
            })
            .await?;
        assert_eq!(
            seen.into_inner(),
            [(10, (1, 1)), (20, (2, 2)), (30, (3, 3))]
        );
        log.assert([
            "a1",
            "b1",
            "a2",
            "b2",
            "processed",
            "a3",
            "b3",
            "processed",
            "processed",
        ]);
        Ok(())
    });
}

/// F-11, F-22: a failure of one source, a cancellation as well, ends all of them, and is what the collector gets.
#[test]
fn a_failure_of_a_source_drops_the_others() {
    run_test(async |_| {
        for error in [Error::msg("no"), Error::cancellation("no")] {
            let log = EventLog::new();
            let is_cancellation = error.is_cancellation();
            let broken = flow(async move |e| {
                delay(ms(5)).await;
                if false {
                    e.emit(1).await;
                }
                Err(error.clone())
            });
            let zipped = broken.clone().zip(stuck(&log, "second"), |a, b| a + b);
            let failed = zipped.to_vec().await.unwrap_err();
            assert_eq!(failed.is_cancellation(), is_cancellation);
            let zipped = stuck(&log, "first").zip(broken.clone(), |a, b| a + b);
            assert_eq!(zipped.to_vec().await.unwrap_err().to_string(), "no");
            let (one, two) = (stuck(&log, "one"), stuck(&log, "two"));
            let failed = combine((one, broken, two), |(a, b, c)| a + b + c);
            let failed = failed.to_vec().await.unwrap_err();
            assert_eq!(failed.to_string(), "no");
            log.assert([
                "second dropped",
                "first dropped",
                "one dropped",
                "two dropped",
            ]);
        }
        Ok(())
    });
}

/// After its end, and after a failure, it gives the end again and again.
#[test]
fn the_end_stays_the_end() {
    fn ends<S: Flow>(flow: S, fails: bool) {
        let mut flow = pin!(flow);
        let mut cx = Context::from_waker(Waker::noop());
        let mut failures = 0;
        for _ in 0..10 {
            match flow.as_mut().poll_next(&mut cx) {
                Poll::Ready(Err(_)) => failures += 1,
                Poll::Ready(Ok(_)) => {}
                Poll::Pending => panic!("it waits"),
            }
            flow.as_mut().poll_progress(&mut cx);
        }
        assert!(matches!(
            flow.as_mut().poll_next(&mut cx),
            Poll::Ready(Ok(None))
        ));
        assert_eq!(failures, usize::from(fails));
    }
    let broken = || {
        flow(async |e| {
            e.emit(1).await;
            Err(Error::msg("no"))
        })
    };
    ends(flow_of([1, 2]).zip(flow_of([1]), |a, b| a + b), false);
    ends(flow_of([1, 2]).zip(broken(), |a, b| a + b), true);
    ends(broken().zip(flow_of([1, 2]), |a, b| a + b), true);
    ends(flow_of([1, 2]).combine(flow_of([1]), |a, b| a + b), false);
    ends(flow_of([1, 2]).combine(broken(), |a, b| a + b), true);
    ends(combine([flow_of([1]), flow_of([2])], |all| all), false);
    ends(combine(vec![broken(), broken()], |all| all), true);
}

/// A source that never waits, beside one that does: others have their turn.
#[test]
fn combine_yields_beside_a_source_that_never_waits() {
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(wakes.clone());
    let given = Cell::new(0);
    let endless = (0..).into_flow().map(|n| {
        given.set(n);
        n
    });
    let silent = flow(async |e| {
        pending::<()>().await;
        e.emit(0).await;
    });
    let mut both = pin!(endless.combine(silent, |a, b| a + b));
    for polls in 1..=3 {
        let mut cx = Context::from_waker(&waker);
        assert!(both.as_mut().poll_next(&mut cx).is_pending());
        assert_eq!(wakes.count(), polls);
        assert_eq!(given.get() + 1, 128 * polls);
    }
}

/// F-26: it ends when either ends, and drops the other one, also where that waits.
#[test]
fn zip_ends_when_either_flow_does() {
    run_test(async |t| {
        let log = EventLog::new();
        let pairs = timed::<i32>(&[], 10).zip(stuck(&log, "second"), |a, b| a + b);
        assert_eq!(pairs.to_vec().await?, []);
        assert_eq!(t.current_time(), ms(10));
        let pairs = stuck(&log, "first").zip(timed::<i32>(&[], 10), |a, b| a + b);
        assert_eq!(pairs.to_vec().await?, []);
        assert_eq!(t.current_time(), ms(20));
        log.assert(["second dropped", "first dropped"]);

        let endless = (1..).into_flow();
        let pairs = endless.clone().zip(flow_of(['a', 'b']), |n, c| (n, c));
        assert_eq!(pairs.to_vec().await?, [(1, 'a'), (2, 'b')]);
        let pairs = flow_of(['a', 'b']).zip(endless, |c, n| (n, c));
        assert_eq!(pairs.to_vec().await?, [(1, 'a'), (2, 'b')]);
        Ok(())
    });
}

/// Both flows go with the end, and not with the flow of the pairs.
#[test]
fn zip_drops_both_flows_when_it_ends() {
    run_test(async |_| {
        let log = EventLog::new();
        let guarded = |name: &'static str, count: usize| {
            let log = log.clone();
            flow(async move |e| {
                let _guard = Guard(log, name);
                for n in 0..count {
                    e.emit(n).await;
                }
                if count > 1 {
                    pending::<()>().await;
                }
            })
        };
        for (first, second) in [(1, 2), (2, 1)] {
            let mut pairs =
                pin!(guarded("first", first).zip(guarded("second", second), |a, b| a + b));
            let mut next = async || poll_fn(|cx| pairs.as_mut().poll_next(cx)).await;
            assert_eq!(next().await?, Some(0));
            assert_eq!(next().await?, None);
            let mut dropped = log.take();
            dropped.sort();
            assert_eq!(dropped, ["first dropped", "second dropped"]);
        }
        Ok(())
    });
}

/// F-26: the second flow may end while a pair is processed: then the first one is not asked for another item.
#[test]
fn zip_sees_the_end_of_the_second_flow_while_a_pair_is_processed() {
    run_test(async |t| {
        let log = EventLog::new();
        let first = {
            let log = log.clone();
            flow(async move |e| {
                let _guard = Guard(log.clone(), "first");
                e.emit(1).await;
                log.add("first goes on");
                pending::<()>().await;
            })
        };
        let pairs = first.zip(timed(&[(0, 'a')], 5), |n, c| (n, c));
        pairs.collect(async |_| delay(ms(20)).await).await?;
        assert_eq!(t.current_time(), ms(20));
        log.assert(["first dropped"]);
        Ok(())
    });
}

/// F-26: the second flow is at most one item ahead, and waits in the emit of that.
#[test]
fn the_second_flow_of_zip_is_at_most_one_item_ahead() {
    run_test(async |_| {
        let log = EventLog::new();
        let second = {
            let log = log.clone();
            flow(async move |e| {
                for n in 1..=3 {
                    log.add(format!("emit {n}"));
                    e.emit(n).await;
                    log.add(format!("emitted {n}"));
                }
            })
        };
        let first = timed(&[(10, 'a'), (10, 'b')], 10);
        first
            .zip(second, |c, n| format!("{c}{n}"))
            .collect(async |pair| {
                log.add(pair);
                delay(ms(5)).await;
                log.add("processed");
            })
            .await?;
        log.assert([
            "emit 1",
            "a1",
            "emitted 1",
            "emit 2",
            "processed",
            "b2",
            "emitted 2",
            "emit 3",
            "processed",
        ]);
        Ok(())
    });
}

/// F-26: both run at the same time.
#[test]
fn flows_of_zip_run_at_the_same_time() {
    run_test(async |t| {
        let numbers = flow_of([1, 2, 3]).map_async(async |n| {
            delay(ms(300)).await;
            n
        });
        let words = flow_of(["one", "two", "three"]).map_async(async |word| {
            delay(ms(400)).await;
            word
        });
        let pairs = numbers.clone().zip(words.clone(), |n, word| (n, word));
        let seen = with_times(&t, pairs).await?;
        assert_eq!(
            seen,
            [(400, (1, "one")), (800, (2, "two")), (1200, (3, "three"))]
        );

        let begin = t.current_time().as_millis() as u64;
        let newest = numbers.combine(words, |n, word| (n, word));
        let mut seen = with_times(&t, newest).await?;
        seen.iter_mut().for_each(|it| it.0 -= begin);
        let expected = [
            (400, (1, "one")),
            (600, (2, "one")),
            (800, (2, "two")),
            (900, (3, "two")),
            (1200, (3, "three")),
        ];
        assert_eq!(seen, expected);
        Ok(())
    });
}

/// All forms of all arities, in a coroutine that goes from thread to thread.
#[test]
fn all_arities_in_a_spawned_coroutine() {
    fn one(n: i32) -> impl Flow<Item = i32> {
        flow(async move |e| {
            corox_core::yield_now().await;
            e.emit(n).await;
        })
    }
    let sum = corox_core::run_blocking(async |scope| {
        let sum = scope.with(corox_core::Dispatcher::DEFAULT).spawn(async {
            let mut all = Vec::new();
            let mut add = |items: Vec<i32>| all.extend(items);
            add(one(1).zip(one(2), |a, b| a + b).to_vec().await?);
            add(one(1)
                .zip_async(one(2), async |a, b| a + b)
                .to_vec()
                .await?);
            add(one(1).combine(one(2), |a, b| a + b).to_vec().await?);
            add(one(1)
                .combine_async(one(2), async |a, b| a + b)
                .to_vec()
                .await?);
            let both = one(1).combine_transform(one(2), async |a, b, e| e.emit(a + b).await);
            add(both.to_vec().await?);
            add(combine((one(1), one(2), one(3)), |(a, b, c)| a + b + c)
                .to_vec()
                .await?);
            let four = (one(1), one(2), one(3), one(4));
            add(combine_async(four, async |(a, b, c, d)| a + b + c + d)
                .to_vec()
                .await?);
            let five = (one(1), one(2), one(3), one(4), one(5));
            let five = combine_transform(five, async |(a, b, c, d, f), e| {
                corox_core::yield_now().await;
                e.emit(a + b + c + d + f).await;
            });
            add(five.to_vec().await?);
            let six = (one(1), one(2), one(3), one(4), one(5), one(6));
            add(combine(six, |(a, b, c, d, e, f)| a + b + c + d + e + f)
                .to_vec()
                .await?);
            add(combine([one(1), one(2)], |[a, b]| a + b).to_vec().await?);
            let list = combine(vec![one(1), one(2)], |all: Vec<i32>| all.into_iter().sum());
            add(list.to_vec().await?);
            Ok(all)
        });
        sum.await
    });
    assert_eq!(sum.unwrap(), [3, 3, 3, 3, 3, 6, 10, 15, 21, 3, 3]);
}

/// What fails in a closure is the failure of the flow.
#[test]
fn a_failure_of_combine_transform_is_that_of_the_flow() {
    run_test(async |_| {
        let both = flow_of([1, 2]).combine_transform(flow_of([1, 2]), async |a, b, e| {
            e.emit(a * b).await;
            if a == 2 {
                return Err(Error::msg("two"));
            }
            Ok(())
        });
        let mut seen = Vec::new();
        let failed = both.for_each(|n| seen.push(n)).await.unwrap_err();
        assert_eq!(failed.to_string(), "two");
        assert_eq!(seen, [1, 4]);
        assert_eq!(
            failing(0, "x")
                .zip(failing(0, "y"), |a, _| a)
                .to_vec()
                .await
                .unwrap_err()
                .to_string(),
            "x"
        );
        Ok(())
    });
}

/// Dropped at each suspension point, nothing is left.
#[test]
fn dropped_anywhere_nothing_is_left() {
    drop_at_each_poll(|guards| {
        let closure = guards.guard();
        let f = async move |a: support::drop_at::Item, b| {
            let _guard = closure;
            pause().await;
            (a, b)
        };
        guards.source(3).zip_async(guards.source(2), f).to_vec()
    });
    drop_at_each_poll(|guards| {
        let (a, b) = (guards.source(2), guards.source(3));
        pulled(a.zip(b, |a, b| (a, b))).collect(async |pair| {
            pause().await;
            pause().await;
            drop(pair);
        })
    });
    drop_at_each_poll(|guards| {
        let closure = guards.guard();
        let three = (guards.source(3), guards.source(1), guards.source(2));
        let f = async move |items, e: &corox_flow::Emitter<_>| {
            let _guard = closure;
            pause().await;
            e.emit(items).await;
        };
        combine_transform(three, f).collect(async |items| {
            pause().await;
            drop(items);
        })
    });
    drop_at_each_poll(|guards| {
        let failing = guards.source(2).transform(async |item, e| {
            e.emit(item.clone()).await;
            if item.number == 1 {
                return Err(Error::msg("no"));
            }
            Ok(())
        });
        let list = vec![failing.boxed_local(), guards.source(3).boxed_local()];
        async {
            let failed = combine(list, |all| all).count().await;
            assert!(failed.is_err());
        }
    });
}

/// A source whose items are there from a tick on, and its end.
#[derive(Clone)]
struct Script {
    clock: Rc<Cell<u32>>,
    items: Rc<Vec<u32>>,
    end: u32,
    given: usize,
}

impl Script {
    fn new(clock: &Rc<Cell<u32>>, gaps: &[u32], end: u32) -> Script {
        let mut at = 0;
        let times = gaps.iter().map(|gap| {
            at += gap;
            at
        });
        let items: Rc<Vec<u32>> = Rc::new(times.collect());
        Script {
            clock: clock.clone(),
            items,
            end: at + end,
            given: 0,
        }
    }
}

impl Flow for Script {
    type Item = usize;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<Option<usize>>> {
        let now = self.clock.get();
        match self.items.get(self.given) {
            Some(at) if *at <= now => {
                self.given += 1;
                Poll::Ready(Ok(Some(self.given)))
            }
            None if self.end <= now => Poll::Ready(Ok(None)),
            _ => Poll::Pending,
        }
    }
}

/// Items with their ticks, and the tick of the end.
type Ticked<T> = (Vec<(u32, T)>, u32);

/// Runs a flow of scripts tick by tick.
fn ticked<S: Flow>(clock: &Cell<u32>, flow: S) -> Ticked<S::Item> {
    let mut flow = pin!(flow);
    let mut cx = Context::from_waker(Waker::noop());
    let mut all = Vec::new();
    for now in 0..1000 {
        clock.set(now);
        let polled = flow.as_mut().poll_each(&mut cx, &mut |item| {
            all.push((now, item));
            std::ops::ControlFlow::Continue(())
        });
        if polled.is_ready() {
            return (all, now);
        }
    }
    panic!("it does not end");
}

/// A source: the gaps before its items, and the one before its end.
type Gaps = (Vec<u32>, u32);

fn gaps() -> impl Strategy<Value = Gaps> {
    (prop::collection::vec(0..4_u32, 0..8), 0..4_u32)
}

/// The rounds of F-25, on lists of ticks.
fn combined(sources: &[Script]) -> Ticked<Vec<usize>> {
    let end = sources.iter().map(|source| source.end).max().unwrap_or(0);
    let mut given = vec![0; sources.len()];
    let mut all = Vec::new();
    for now in 0..=end {
        loop {
            let due: Vec<usize> = (0..sources.len())
                .filter(|at| {
                    sources[*at]
                        .items
                        .get(given[*at])
                        .is_some_and(|at| *at <= now)
                })
                .collect();
            if due.is_empty() {
                break;
            }
            due.iter().for_each(|at| given[*at] += 1);
            if given.iter().all(|count| *count > 0) {
                all.push((now, given.clone()));
            }
        }
    }
    (all, end)
}

/// F-26 on lists of ticks.
fn zipped(a: &Script, b: &Script) -> Ticked<(usize, usize)> {
    let ticks = a.items.iter().zip(&*b.items).map(|(a, b)| *a.max(b));
    let pairs: Vec<_> = ticks
        .enumerate()
        .map(|(at, now)| (now, (at + 1, at + 1)))
        .collect();
    let last = pairs.last().map_or(0, |pair| pair.0);
    let end_of = |one: &Script, other: &Script| {
        (one.items.len() <= other.items.len()).then_some(one.end.max(last))
    };
    let ends = [end_of(a, b), end_of(b, a)];
    (pairs, ends.into_iter().flatten().min().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn zip_and_combine_are_as_their_models(a in gaps(), b in gaps(), c in gaps()) {
        let clock = Rc::new(Cell::new(0));
        let [a, b, c] = [a, b, c].map(|(gaps, end)| Script::new(&clock, &gaps, end));

        let zip = a.clone().zip(b.clone(), |a, b| (a, b));
        prop_assert_eq!(ticked(&clock, zip.clone()), zipped(&a, &b));
        prop_assert_eq!(ticked(&clock, pulled(zip)), zipped(&a, &b));

        let two = a.clone().combine(b.clone(), |a, b| vec![a, b]);
        prop_assert_eq!(ticked(&clock, two), combined(&[a.clone(), b.clone()]));
        let sources = [a, b, c];
        let expected = combined(&sources);
        prop_assert_eq!(ticked(&clock, combine(sources.to_vec(), |all| all)), expected.clone());
        let array = combine(sources.clone(), |all| all.to_vec());
        prop_assert_eq!(ticked(&clock, pulled(array)), expected.clone());
        let [a, b, c] = sources;
        let tuple = combine((a, b, c), |(a, b, c)| vec![a, b, c]);
        prop_assert_eq!(ticked(&clock, tuple.boxed_local()), expected);
    }
}
