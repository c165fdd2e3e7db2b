//! The operators that look at the clock: F-27 to F-29, and models of them.
#![cfg(not(corox_loom))]

mod support;

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use corox_core::{Error, Result, delay};
use corox_flow::{Flow, flow, flow_of, prelude::*};
use corox_test::{EventLog, TestScope, run_test};
use proptest::prelude::*;
use support::drop_at::{drop_at_each_poll_in_a_test, pause};
use support::panics::panic_of;
use support::pulled::pulled;
use support::{ms, timed};

/// What comes, with the time since the beginning.
async fn with_times<S: Flow>(t: &TestScope, flow: S) -> Result<Vec<(u64, S::Item)>> {
    let begin = t.current_time();
    let mut seen = Vec::new();
    flow.for_each(|item| {
        let now = t.current_time() - begin;
        seen.push((now.as_millis() as u64, item));
    })
    .await?;
    Ok(seen)
}

const LETTERS: [(u64, char); 5] = [(0, 'A'), (1500, 'B'), (500, 'C'), (250, 'D'), (2000, 'E')];

/// F-27
#[test]
fn debounce_gives_an_item_when_none_came_for_a_time() {
    run_test(async |t| {
        let letters = timed(&LETTERS, 100).debounce(ms(1000));
        let expected = [(1000, 'A'), (3250, 'D'), (4350, 'E')];
        assert_eq!(with_times(&t, letters.clone()).await?, expected);
        assert_eq!(with_times(&t, pulled(letters)).await?, expected);
        Ok(())
    });
}

/// F-27: the last item comes with the end, and is lost with a failure.
#[test]
fn debounce_at_the_end_and_at_a_failure() {
    run_test(async |t| {
        assert_eq!(
            with_times(&t, flow_of([1, 2]).debounce(ms(1000))).await?,
            [(0, 2)]
        );
        assert_eq!(
            with_times(&t, flow_of([0; 0]).debounce(ms(1000))).await?,
            []
        );
        let broken = flow(async |e| {
            e.emit(1).await;
            delay(ms(2000)).await;
            e.emit(2).await;
            Err(Error::msg("no"))
        });
        let mut seen = Vec::new();
        let failed = broken.debounce(ms(1000)).for_each(|n| seen.push(n)).await;
        assert_eq!(failed.unwrap_err().to_string(), "no");
        assert_eq!(seen, [1]);
        Ok(())
    });
}

/// F-27: zero passes an item on at once; the one that was kept is replaced by it.
#[test]
fn debounce_of_zero_passes_on() {
    run_test(async |t| {
        assert_eq!(
            flow_of([1, 2, 3]).debounce(Duration::ZERO).to_vec().await?,
            [1, 2, 3]
        );
        let urgent = |n: &i32| if n % 10 == 0 { Duration::ZERO } else { ms(50) };
        let numbers = timed(&[(0, 1), (10, 10), (60, 2), (60, 3), (5, 4)], 0);
        let expected = [(10, 10), (120, 2), (135, 4)];
        assert_eq!(with_times(&t, numbers.debounce_by(urgent)).await?, expected);
        Ok(())
    });
}

/// An item may have a shorter time than the one before: the timer is moved backwards.
#[test]
fn debounce_by_a_shorter_time_than_before() {
    run_test(async |t| {
        let numbers = timed(&[(0, 100), (10, 20)], 500);
        let by = numbers.debounce_by(|n| ms(*n));
        assert_eq!(with_times(&t, by).await?, [(30, 20)]);
        Ok(())
    });
}

/// F-27: of an item and the timer at one time the item is first, which waited first.
#[test]
fn an_item_at_the_very_end_of_the_pause() {
    run_test(async |t| {
        let numbers = timed(&[(0, 1), (500, 2), (1000, 3)], 2000);
        assert_eq!(
            with_times(&t, numbers.debounce(ms(1000))).await?,
            [(2500, 3)]
        );
        Ok(())
    });
}

/// One timer a stage, however many items there are; none is left where nothing is waited for.
#[test]
fn debounce_has_one_timer() {
    run_test(async |t| {
        let log = EventLog::of();
        let numbers = flow(async |e| {
            for n in 0..100 {
                e.emit(n).await;
                delay(ms(1)).await;
            }
            delay(ms(1000)).await;
        });
        let inner = t.clone();
        let timers = log.clone();
        let job = t.launch(async move {
            let numbers = numbers.on_each_here(|| timers.push(inner.scheduler().pending_timers()));
            numbers
                .debounce(ms(100))
                .collect(async |_| {
                    timers.push(100 + inner.scheduler().pending_timers());
                    delay(ms(10)).await;
                })
                .await
        });
        job.join().await;
        let timers = log.take();
        // When an item comes its `delay` is over, and the stage has its timer; before the first there is none.
        assert_eq!(timers[0], 0);
        assert!(timers[1..100].iter().all(|count| *count == 1), "{timers:?}");
        // The source's own.
        assert_eq!(timers[100..], [101]);
    });
}

trait OnEachHere: Flow + Sized {
    fn on_each_here(self, mut f: impl FnMut() + Clone) -> impl Flow<Item = Self::Item> {
        self.map(move |item| {
            f();
            item
        })
    }
}

impl<S: Flow> OnEachHere for S {}

/// F-28
#[test]
fn sample_gives_the_newest_item_at_each_tick() {
    run_test(async |t| {
        let letters = timed(&LETTERS, 0).sample(ms(1000));
        let expected = [(1000, 'A'), (2000, 'B'), (3000, 'D')];
        assert_eq!(with_times(&t, letters.clone()).await?, expected);
        assert_eq!(with_times(&t, pulled(letters)).await?, expected);
        Ok(())
    });
}

/// F-28: what is left at the end is lost, and so it is with a failure.
#[test]
fn sample_loses_what_came_after_the_last_tick() {
    run_test(async |t| {
        assert_eq!(flow_of([1, 2]).sample(ms(10)).to_vec().await?, []);
        assert_eq!(
            timed(&[(0, 1), (15, 2)], 0).sample(ms(10)).to_vec().await?,
            [1]
        );
        assert_eq!(t.current_time(), ms(15), "it ends with the flow above");
        let broken = flow(async |e| {
            e.emit(1).await;
            delay(ms(5)).await;
            Err(Error::msg("no"))
        });
        let failed = broken.sample(ms(10)).to_vec().await;
        assert_eq!(failed.unwrap_err().to_string(), "no");
        Ok(())
    });
}

/// F-28: the flow above goes on while an item is processed; a tick meanwhile counts afterwards, and the others stay where they were.
#[test]
fn sample_goes_on_while_an_item_is_processed() {
    run_test(async |t| {
        let numbers = flow(async |e| {
            for n in 0..10 {
                e.emit(n).await;
                delay(ms(4)).await;
            }
        });
        let seen = RefCell::new(Vec::new());
        numbers
            .sample(ms(10))
            .collect(async |n| {
                seen.borrow_mut().push((t.current_time().as_millis(), n));
                delay(ms(15)).await;
            })
            .await?;
        assert_eq!(seen.into_inner(), [(10, 2), (25, 6), (40, 9)]);
        Ok(())
    });
}

/// What ends while an item is processed, is told afterwards.
#[test]
fn a_failure_while_an_item_is_processed_comes_afterwards() {
    run_test(async |t| {
        let broken = || {
            flow(async |e| {
                e.emit(1).await;
                delay(ms(12)).await;
                e.emit(2).await;
                Err(Error::msg("no"))
            })
        };
        let log = EventLog::new();
        let slow = async |items: String| {
            log.add(items);
            delay(ms(20)).await;
            log.add(format!("at {}", t.current_time().as_millis()));
        };
        let sampled = broken().sample(ms(10)).map(|n| n.to_string());
        assert!(sampled.collect(slow).await.is_err());
        let chunked = broken()
            .chunked_within(2, ms(10))
            .map(|all| format!("{all:?}"));
        assert!(chunked.collect(slow).await.is_err());
        log.assert(["1", "at 30", "[1]", "at 60"]);
        Ok(())
    });
}

/// After its end, and after a failure, each stage gives the end again and again, and the flow above has gone.
#[test]
fn the_end_stays_the_end() {
    async fn ends<S: Flow>(flow: S, fails: bool) -> usize {
        let mut flow = pin!(flow);
        let (mut items, mut failures) = (0, 0);
        for _ in 0..10 {
            match poll_fn(|cx| flow.as_mut().poll_next(cx)).await {
                Ok(Some(_)) => items += 1,
                Ok(None) => break,
                Err(_) => {
                    failures += 1;
                    break;
                }
            }
        }
        for _ in 0..2 {
            let next = poll_fn(|cx| {
                flow.as_mut().poll_progress(cx);
                flow.as_mut().poll_next(cx)
            });
            assert!(matches!(next.await, Ok(None)));
        }
        assert_eq!(failures, usize::from(fails));
        items
    }
    run_test(async |t| {
        let items = || timed(&[(0, 1), (1, 2)], 10);
        let broken = || {
            flow(async |e| {
                e.emit(1).await;
                delay(ms(1)).await;
                e.emit(2).await;
                Err(Error::msg("no"))
            })
        };
        assert_eq!(ends(items().debounce(ms(5)), false).await, 1);
        assert_eq!(ends(broken().debounce(ms(5)), true).await, 0);
        assert_eq!(ends(items().sample(ms(5)), false).await, 1);
        assert_eq!(ends(broken().sample(ms(5)), true).await, 0);
        assert_eq!(ends(items().timeout(ms(50)), false).await, 2);
        assert_eq!(ends(broken().timeout(ms(50)), true).await, 2);
        assert_eq!(ends(items().timeout(ms(5)), true).await, 2);
        assert_eq!(ends(items().chunked_within(9, ms(5)), false).await, 1);
        assert_eq!(ends(broken().chunked_within(9, ms(5)), true).await, 0);
        assert_eq!(ends(items().throttle_first(ms(1)), false).await, 2);
        assert_eq!(ends(broken().throttle_first(ms(1)), true).await, 2);
        assert_eq!(t.scheduler().pending_timers(), 0);
    });
}

/// F-28: bad arguments are refused where they were written.
#[test]
fn bad_arguments_panic() {
    let zero = panic_of(|| drop(flow_of([1]).sample(Duration::ZERO)));
    let line = line!() - 1;
    assert!(
        zero.message().starts_with("sample(0): "),
        "{}",
        zero.message()
    );
    assert!(zero.message().contains("`conflate()`"));
    assert!(
        zero.at.ends_with(&format!("tests/time.rs:{line}")),
        "{}",
        zero.at
    );
    let none = panic_of(|| drop(flow_of([1]).chunked_within(0, ms(1))));
    let line = line!() - 1;
    assert!(
        none.message().starts_with("chunked_within(0, ..): "),
        "{}",
        none.message()
    );
    assert!(none.message().contains("usize::MAX"));
    assert!(
        none.at.ends_with(&format!("tests/time.rs:{line}")),
        "{}",
        none.at
    );
}

/// F-29: between items, and from the start.
#[test]
fn timeout_fails_when_no_item_comes() {
    run_test(async |t| {
        let in_time = timed(&[(9, 1), (9, 2)], 9).timeout(ms(10));
        assert_eq!(in_time.to_vec().await?, [1, 2]);
        for (items, at, seen) in [
            (vec![(11, 1)], 10, vec![]),
            (vec![(9, 1), (11, 2)], 19, vec![1]),
            (vec![(5, 1)], 15, vec![1]),
        ] {
            for pull in [false, true] {
                let begin = t.current_time();
                let flow = timed(&items, 30).timeout(ms(10));
                let flow = if pull {
                    pulled(flow).boxed()
                } else {
                    flow.boxed()
                };
                let mut all = Vec::new();
                let failed = flow.for_each(|n| all.push(n)).await.unwrap_err();
                assert!(failed.is_timeout() && !failed.is_cancellation());
                let text = failed.to_string();
                assert!(text.starts_with("timed out after 10ms of virtual time"));
                let debug = format!("{failed:?}");
                assert!(debug.contains("flow/tests/time.rs:"), "{debug}");
                assert_eq!((t.current_time() - begin, &all), (ms(at), &seen));
            }
        }
        Ok(())
    });
}

/// F-29: the time does not run while an item is processed, and begins anew after it.
#[test]
fn timeout_does_not_run_while_an_item_is_processed() {
    run_test(async |t| {
        let numbers = timed(&[(5, 1), (5, 2)], 5).timeout(ms(10));
        numbers
            .collect(async |_| {
                delay(ms(1)).await;
                assert_eq!(t.scheduler().pending_timers(), 0);
                delay(ms(49)).await;
            })
            .await?;
        let slow = flow(async |e| {
            e.emit(1).await;
            delay(ms(11)).await;
            e.emit(2).await;
        });
        let failed = slow
            .timeout(ms(10))
            .collect(async |_| delay(ms(50)).await)
            .await;
        assert!(failed.unwrap_err().is_timeout());
        Ok(())
    });
}

/// F-29: with zero nothing is started; a failure from above is its own.
#[test]
fn timeout_of_zero_and_other_failures() {
    run_test(async |_| {
        let log = EventLog::new();
        let source = flow(async |e| {
            log.add("started");
            e.emit(1).await;
            Err(Error::msg("no"))
        });
        let failed = source
            .clone()
            .timeout(Duration::ZERO)
            .count()
            .await
            .unwrap_err();
        assert!(failed.is_timeout());
        log.assert::<&str>([]);
        let failed = source.timeout(ms(10)).count().await.unwrap_err();
        assert_eq!(failed.to_string(), "no");
        Ok(())
    });
}

/// F-29: what has timed out is dropped before that is told.
#[test]
fn timeout_drops_the_flow_above() {
    struct Guard(EventLog);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.add("dropped");
        }
    }
    run_test(async |_| {
        let log = EventLog::new();
        let inner = log.clone();
        let stuck = flow(async move |e| {
            let _guard = Guard(inner);
            e.emit(1).await;
            std::future::pending::<()>().await;
        });
        let mut flow = pin!(stuck.timeout(ms(10)));
        let mut next = async || poll_fn(|cx| flow.as_mut().poll_next(cx)).await;
        assert_eq!(next().await?, Some(1));
        assert!(next().await.is_err());
        log.assert(["dropped"]);
        assert_eq!(next().await?, None);
        Ok(())
    });
}

#[test]
fn chunks_are_full_or_late() {
    run_test(async |t| {
        let numbers = timed(
            &[(5, 1), (1, 2), (1, 3), (1, 4), (30, 5), (10, 6), (10, 7)],
            3,
        );
        let expected = [
            (7, vec![1, 2, 3]),
            (28, vec![4]),
            (58, vec![5, 6]),
            (61, vec![7]),
        ];
        let chunks = numbers.chunked_within(3, ms(20));
        assert_eq!(with_times(&t, chunks.clone()).await?, expected);
        assert_eq!(with_times(&t, pulled(chunks)).await?, expected);
        let ready = flow_of([1, 2, 3, 4, 5]);
        let chunks = ready
            .clone()
            .chunked_within(2, Duration::MAX)
            .to_vec()
            .await?;
        assert_eq!(chunks, [vec![1, 2], vec![3, 4], vec![5]]);
        let chunks = ready
            .chunked_within(usize::MAX, Duration::ZERO)
            .to_vec()
            .await?;
        assert_eq!(chunks, [[1, 2, 3, 4, 5]]);
        let bursts = timed(&[(0, 1), (0, 2), (1, 3), (0, 4)], 1);
        let chunks = bursts.chunked_within(9, Duration::ZERO);
        assert_eq!(
            with_times(&t, chunks).await?,
            [(0, vec![1, 2]), (1, vec![3, 4])]
        );
        Ok(())
    });
}

#[test]
fn a_chunk_fills_while_the_one_before_is_processed() {
    run_test(async |t| {
        let numbers = flow(async |e| {
            for n in 0..8 {
                e.emit(n).await;
                delay(ms(5)).await;
            }
        });
        let seen = RefCell::new(Vec::new());
        numbers
            .chunked_within(3, ms(8))
            .collect(async |chunk| {
                seen.borrow_mut()
                    .push((t.current_time().as_millis(), chunk));
                delay(ms(30)).await;
            })
            .await?;
        let expected = [(8, vec![0, 1]), (38, vec![2, 3, 4]), (68, vec![5, 6, 7])];
        assert_eq!(seen.into_inner(), expected);
        Ok(())
    });
}

#[test]
fn throttle_first_leaves_out_what_comes_too_early() {
    run_test(async |t| {
        let numbers = timed(&[(0, 1), (9, 2), (1, 3), (5, 4), (20, 5)], 0);
        let first = numbers.throttle_first(ms(10));
        assert_eq!(
            with_times(&t, first.clone()).await?,
            [(0, 1), (10, 3), (35, 5)]
        );
        assert_eq!(
            with_times(&t, pulled(first)).await?,
            [(0, 1), (10, 3), (35, 5)]
        );
        assert_eq!(
            flow_of([1, 2])
                .throttle_first(Duration::ZERO)
                .to_vec()
                .await?,
            [1, 2]
        );
        assert_eq!(
            flow_of([1, 2])
                .throttle_first(Duration::MAX)
                .to_vec()
                .await?,
            [1]
        );
        Ok(())
    });
}

/// Sources that never wait: others have their turn, and time goes by.
#[test]
fn stages_yield_beside_a_source_that_never_waits() {
    run_test(async |t| {
        let endless = || (0..).into_flow();
        let mut flow = pin!(endless().throttle_first(ms(10)).skip_first());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(flow.as_mut().poll_next(&mut cx).is_pending());
        let mut flow = pin!(endless().debounce(ms(10)));
        assert!(flow.as_mut().poll_next(&mut cx).is_pending());
        let mut flow = pin!(endless().sample(ms(10)));
        assert!(flow.as_mut().poll_next(&mut cx).is_pending());
        let mut flow = pin!(endless().chunked_within(200, ms(10)));
        assert!(flow.as_mut().poll_next(&mut cx).is_pending());
        let Poll::Ready(Ok(Some(chunk))) = flow.as_mut().poll_next(&mut cx) else {
            panic!("it was full");
        };
        assert_eq!(chunk.len(), 200);
        let _ = t;
    });
}

trait SkipFirst: Flow + Sized {
    fn skip_first(self) -> impl Flow<Item = Self::Item> {
        let mut first = true;
        self.filter(move |_| !std::mem::replace(&mut first, false))
    }
}

impl<S: Flow> SkipFirst for S {}

/// Dropped at each suspension point, nothing is left: no item, and no timer.
#[test]
fn dropped_anywhere_nothing_is_left() {
    async fn slow<S: Flow>(flow: S) {
        let ended = flow
            .collect(async |items| {
                pause().await;
                delay(ms(7)).await;
                drop(items);
            })
            .await;
        assert!(ended.is_ok());
    }
    let source = |guards: &support::drop_at::Guards| {
        guards.source(4).map_async(async |item| {
            delay(ms(5)).await;
            item
        })
    };
    drop_at_each_poll_in_a_test(|guards| {
        let closure = guards.guard();
        slow(source(&guards).debounce_by(move |item| {
            let _ = &closure;
            ms(4 + u64::from(item.number))
        }))
    });
    drop_at_each_poll_in_a_test(|guards| slow(source(&guards).sample(ms(6))));
    drop_at_each_poll_in_a_test(|guards| slow(source(&guards).timeout(ms(60))));
    drop_at_each_poll_in_a_test(|guards| {
        let flow = source(&guards).timeout(ms(4));
        async {
            assert!(flow.count().await.unwrap_err().is_timeout());
        }
    });
    drop_at_each_poll_in_a_test(|guards| slow(source(&guards).chunked_within(2, ms(6))));
    drop_at_each_poll_in_a_test(|guards| slow(source(&guards).throttle_first(ms(6))));
}

/// The times of items, from the gaps between them.
fn times(gaps: &[u64]) -> Vec<u64> {
    let mut now = 0;
    let next = |gap: &u64| {
        now += gap;
        now
    };
    gaps.iter().map(next).collect()
}

fn debounced(at: &[u64], end: u64, pause: u64) -> Vec<(u64, usize)> {
    let mut all = Vec::new();
    for (nth, time) in at.iter().enumerate() {
        match at.get(nth + 1) {
            Some(next) if time + pause >= *next => {}
            Some(_) => all.push((time + pause, nth)),
            None => all.push((end.min(time + pause), nth)),
        }
    }
    all
}

fn sampled(at: &[u64], end: u64, period: u64) -> Vec<(u64, usize)> {
    let ticks = (1..).map(|n| n * period).take_while(|tick| *tick < end);
    let newest = |tick: u64| {
        let newest = at.iter().rposition(|time| *time < tick)?;
        (at[newest] + period > tick).then_some((tick, newest))
    };
    ticks.filter_map(newest).collect()
}

fn chunked(at: &[u64], end: u64, size: usize, wait: u64) -> Vec<(u64, Vec<usize>)> {
    let mut all = Vec::new();
    let mut nth = 0;
    while nth < at.len() {
        let late = at[nth] + wait;
        let mut chunk: Vec<usize> = (nth..at.len())
            .take_while(|next| at[*next] < late)
            .collect();
        chunk.truncate(size);
        nth += chunk.len();
        let last = at[nth - 1];
        let given = if chunk.len() == size {
            last
        } else {
            late.min(end)
        };
        all.push((given, chunk));
    }
    all
}

fn throttled(at: &[u64], closed: u64) -> Vec<(u64, usize)> {
    let mut open = 0;
    let mut all = Vec::new();
    for (nth, time) in at.iter().enumerate() {
        if *time >= open {
            all.push((*time, nth));
            open = time + closed;
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]

    /// Items come at odd times, ticks at even ones: which of two events at one time is first is not looked at.
    #[test]
    fn stages_are_as_their_models(
        gaps in prop::collection::vec(0..10_u64, 0..20),
        end in 0..10_u64,
        d in 1..10_u64,
        size in 1..5_usize,
    ) {
        let gaps: Vec<u64> = gaps.iter().enumerate().map(|(at, gap)| gap * 2 + u64::from(at == 0)).collect();
        let at = times(&gaps);
        let (end_gap, d) = (end * 2 + u64::from(gaps.is_empty()), d * 2);
        let end = at.last().unwrap_or(&0) + end_gap;
        run_test(async |t| {
            let items: Vec<_> = gaps.iter().copied().zip(0..).collect();
            let flow = timed(&items, end_gap);
            let debounce = flow.clone().debounce(ms(d));
            assert_eq!(with_times(&t, debounce.clone()).await?, debounced(&at, end, d));
            assert_eq!(with_times(&t, pulled(debounce)).await?, debounced(&at, end, d));
            let sample = flow.clone().sample(ms(d));
            assert_eq!(with_times(&t, sample.clone()).await?, sampled(&at, end, d));
            assert_eq!(with_times(&t, pulled(sample)).await?, sampled(&at, end, d));
            let chunks = flow.clone().chunked_within(size, ms(d + 1));
            assert_eq!(with_times(&t, chunks.clone()).await?, chunked(&at, end, size, d + 1));
            assert_eq!(with_times(&t, pulled(chunks)).await?, chunked(&at, end, size, d + 1));
            let first = flow.clone().throttle_first(ms(d));
            assert_eq!(with_times(&t, first.clone()).await?, throttled(&at, d));
            assert_eq!(with_times(&t, pulled(first)).await?, throttled(&at, d));
            let largest = gaps.iter().copied().chain([end_gap]).max().unwrap_or(0);
            let failed = flow.timeout(ms(d + 1)).count().await.is_err();
            assert_eq!(failed, largest > d + 1);
            Ok(())
        });
    }
}
