//! `map_concurrent`, `await_first_success`, `Retry`.

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use corox_core::{
    CompletableDeferred, Dispatcher, Error, Job, Result, Retry, await_cancellation,
    await_first_success, catch_cancellation, coroutine_scope, delay, map_concurrent,
    non_cancellable, supervisor_scope, with_timeout_or_none, yield_now,
};
use proptest::prelude::*;
use support::{Log, forever, in_virtual_time, root};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

// ---- map_concurrent

#[test]
fn results_come_in_the_order_of_the_items_whatever_the_order_of_ends() {
    let (results, took) = in_virtual_time(async |t| {
        let results = map_concurrent([30, 10, 20, 5], 4, |n| async move {
            delay(ms(n)).await;
            Ok(n)
        })
        .await?;
        Ok((results, t.current_time()))
    });
    assert_eq!((results, took), (vec![30, 10, 20, 5], ms(30)));
}

#[test]
fn no_more_than_n_run_and_items_are_taken_when_a_place_is_free() {
    let log = Log::new();
    let seen = log.clone();
    in_virtual_time(async move |t| {
        let taken = log.clone();
        let items = (0..5).inspect(|n| taken.add(format!("take {n}")));
        map_concurrent(items, 2, |n| {
            let (log, time) = (log.clone(), t.scheduler().clone());
            async move {
                log.add(format!("begin {n} at {:?}", time.current_time()));
                delay(ms(10)).await;
                Ok(())
            }
        })
        .await
    });
    assert_eq!(
        seen.take(),
        [
            "take 0",
            "take 1",
            "begin 0 at 0ns",
            "begin 1 at 0ns",
            "take 2",
            "take 3",
            "begin 2 at 10ms",
            "begin 3 at 10ms",
            "take 4",
            "begin 4 at 20ms"
        ]
    );
}

#[test]
fn a_failure_cancels_those_that_run_and_ends_an_endless_iterator() {
    let log = Log::new();
    let seen = log.clone();
    in_virtual_time(async move |t| {
        let body = log.clone();
        let result = map_concurrent(0.., 3, move |n| {
            let log = body.clone();
            async move {
                if n == 7 {
                    return Err(Error::msg("seven"));
                }
                let _guard = (n == 6).then(|| log.guard("six dropped"));
                delay(ms(if n == 6 { 1000 } else { n })).await;
                Ok(n)
            }
        })
        .await;
        assert_eq!(result.unwrap_err().to_string(), "seven");
        log.add(format!("returned at {:?}", t.current_time()));
        Ok(())
    });
    assert_eq!(seen.take(), ["six dropped", "returned at 5ms"]);
}

/// Children that end as fast as they are launched leave the body no suspension.
#[test]
fn on_a_pool_an_endless_iterator_of_quick_items_ends_with_a_failure_too() {
    let error = root(async |_| {
        supervisor_scope(async |scope| {
            let run = scope.with(Dispatcher::DEFAULT).spawn(async {
                map_concurrent(0_u32.., 4, |n| async move {
                    if n == 5000 {
                        Err(Error::msg("enough"))
                    } else {
                        Ok(())
                    }
                })
                .await
            });
            Ok(run.await.unwrap_err())
        })
        .await
    });
    assert_eq!(error.to_string(), "enough");
}

#[test]
fn no_items_give_no_results_and_nobody_at_a_time_is_refused() {
    root(async |_| {
        let none: Vec<u8> = map_concurrent([], 1, |n: u8| async move { Ok(n) }).await?;
        assert!(none.is_empty());
        Ok(())
    });
    let result = catch_unwind(|| drop(map_concurrent([1], 0, |n: i32| async move { Ok(n) })));
    let text = *result.unwrap_err().downcast::<&str>().unwrap();
    assert!(text.contains("at least 1"), "{text}");
}

#[test]
fn a_cancellation_from_outside_ends_all_of_them() {
    let running = Arc::new(AtomicUsize::new(0));
    let count = running.clone();
    root(async move |scope| {
        let job = scope.launch(async move {
            map_concurrent(0..100, 10, move |_| {
                let running = running.clone();
                async move {
                    running.fetch_add(1, Ordering::Relaxed);
                    forever().await;
                    Ok(())
                }
            })
            .await?;
            Ok(())
        });
        while count.load(Ordering::Relaxed) < 10 {
            yield_now().await;
        }
        job.cancel_and_join().await;
        assert_eq!(count.load(Ordering::Relaxed), 10);
        Ok(())
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Against a list of places: when each item begins, and the order of the results.
    #[test]
    fn items_begin_when_a_model_of_places_says_so(
        times in prop::collection::vec(1_u64..40, 0..24),
        n in 1_usize..6,
    ) {
        let mut places = vec![0_u64; n];
        let mut expected = Vec::new();
        for time in &times {
            let first = places.iter_mut().min().unwrap();
            expected.push(*first);
            *first += time;
        }
        let end = places.iter().copied().max().unwrap_or(0);
        let given = times.clone();
        let (begun, ended) = in_virtual_time(async move |t| {
            let clock = t.scheduler().clone();
            let begun = map_concurrent(given, n, move |time| {
                let clock = clock.clone();
                async move {
                    let begin = clock.current_time();
                    delay(ms(time)).await;
                    Ok(begin)
                }
            })
            .await?;
            Ok((begun, t.current_time()))
        });
        let expected: Vec<_> = expected.into_iter().map(ms).collect();
        prop_assert_eq!(begun, expected);
        prop_assert_eq!(ended, ms(end));
    }
}

// ---- await_first_success

type Runner = std::pin::Pin<Box<dyn Future<Output = Result<u32>> + Send>>;

fn after(millis: u64, result: Result<u32>) -> Runner {
    Box::pin(async move {
        delay(ms(millis)).await;
        result
    })
}

#[test]
fn the_first_value_wins_over_earlier_failures_and_the_others_are_gone() {
    let log = Log::new();
    let seen = log.clone();
    in_virtual_time(async move |t| {
        let loser = log.clone();
        let slow: Runner = Box::pin(async move {
            let _ = catch_cancellation(forever()).await;
            let _ = non_cancellable(async |_| {
                delay(ms(5)).await;
                Ok(())
            })
            .await;
            loser.add("loser has cleaned up");
            Ok(3)
        });
        let value = await_first_success([
            after(5, Err(Error::msg("early"))),
            after(20, Ok(2)),
            after(10, Ok(1)),
            slow,
        ])
        .await?;
        log.add(format!("{value} at {:?}", t.current_time()));
        Ok(())
    });
    assert_eq!(seen.take(), ["loser has cleaned up", "1 at 15ms"]);
}

#[test]
fn when_all_fail_the_first_in_time_is_returned_with_the_others() {
    in_virtual_time(async |_| {
        let panics: Runner = Box::pin(async {
            delay(ms(7)).await;
            panic!("broken")
        });
        let error = await_first_success([
            after(9, Err(Error::msg("last"))),
            after(3, Err(Error::msg("first"))),
            panics,
        ])
        .await
        .unwrap_err();
        assert_eq!(error.to_string(), "first");
        let others: Vec<_> = error.suppressed().iter().map(ToString::to_string).collect();
        assert_eq!(others, ["panicked: broken", "last"]);
        Ok(())
    });
}

#[test]
fn a_race_of_none_is_an_error_and_of_one_is_that_one() {
    root(async |_| {
        let none: [Runner; 0] = [];
        let line = line!() + 1;
        let error = await_first_success(none).await.unwrap_err();
        assert_eq!(error.location().line(), line);
        assert!(error.to_string().contains("no futures"));
        assert_eq!(await_first_success([after(0, Ok(1))]).await?, 1);
        // Of two that succeed before anybody looks, the first one.
        let both = await_first_success([after(0, Ok(1)), after(0, Ok(2))]);
        assert_eq!(both.await?, 1);
        Ok(())
    });
}

/// The value of a race that is cancelled after it was won is dropped.
#[test]
fn a_race_that_is_cancelled_drops_the_value_of_the_winner() {
    let log = Log::new();
    let seen = log.clone();
    root(async move |scope| {
        let (open, body) = (CompletableDeferred::<()>::new(), log.clone());
        let gate = open.clone();
        let job = scope.launch(async move {
            let quick = async move {
                (&gate).await?;
                Ok(Some(body.guard("value dropped")))
            };
            let slow = async {
                forever().await;
                Ok(None)
            };
            let racers: [std::pin::Pin<Box<dyn Future<Output = _> + Send>>; 2] =
                [Box::pin(quick), Box::pin(slow)];
            let result = await_first_success(racers).await;
            yield_now().await;
            unreachable!("{}", result.is_ok()) as Result<()>
        });
        yield_now().await;
        open.complete(());
        job.cancel();
        job.join().await;
        log.add("joined");
        Ok::<_, Error>(())
    });
    let seen = seen.take();
    assert_eq!(seen.last().unwrap(), "joined");
    assert!(seen.len() <= 2);
}

// ---- Retry

#[test]
fn pauses_grow_by_the_factor_up_to_the_most() {
    let log = Log::new();
    let seen = log.clone();
    in_virtual_time(async move |t| {
        let policy = Retry::new(6).exponential(ms(10), 2.0, ms(50));
        let result: Result<()> = policy
            .run(|| async {
                let now = t.current_time().as_millis();
                log.add(now.to_string());
                Err(Error::msg(format!("at {now}")))
            })
            .await;
        let error = result.unwrap_err();
        assert_eq!(error.to_string(), "at 170");
        let earlier: Vec<_> = error.suppressed().iter().map(ToString::to_string).collect();
        assert_eq!(earlier, ["at 0", "at 10", "at 30", "at 70", "at 120"]);
        Ok(())
    });
    assert_eq!(seen.take(), ["0", "10", "30", "70", "120", "170"]);
}

#[test]
fn a_success_ends_it_and_a_policy_can_be_used_again() {
    in_virtual_time(async |t| {
        let policy = Retry::new(3).fixed(ms(7));
        for _ in 0..2 {
            let begin = t.current_time();
            let mut tries = 0;
            let value = policy
                .run(|| {
                    tries += 1;
                    let n = tries;
                    async move { if n < 3 { Err(Error::msg("no")) } else { Ok(n) } }
                })
                .await?;
            assert_eq!((value, t.current_time() - begin), (3, ms(14)));
        }
        Ok(())
    });
}

#[test]
fn errors_that_the_predicate_refuses_and_cancellations_are_not_tried_again() {
    root(async |_| {
        let tries = AtomicUsize::new(0);
        let policy = Retry::new(5).retry_if(|error, attempt| {
            assert!(attempt <= 2);
            error.to_string() == "again"
        });
        let error = policy
            .run(|| async {
                let text = ["again", "fatal"][tries.fetch_add(1, Ordering::Relaxed)];
                Err::<(), _>(Error::msg(text))
            })
            .await
            .unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), tries.load(Ordering::Relaxed)),
            ("fatal", 2)
        );
        assert_eq!(error.suppressed().len(), 1);
        let tries = AtomicUsize::new(0);
        let error = Retry::new(5)
            .run(|| async {
                tries.fetch_add(1, Ordering::Relaxed);
                Err::<(), _>(Error::cancellation("quiet"))
            })
            .await
            .unwrap_err();
        assert!(error.is_cancellation() && tries.load(Ordering::Relaxed) == 1);
        Ok(())
    });
}

#[test]
fn a_cancellation_ends_it_in_an_attempt_or_in_a_pause() {
    in_virtual_time(async |t| {
        for in_pause in [false, true] {
            let tries = Arc::new(AtomicUsize::new(0));
            let count = tries.clone();
            let result = with_timeout_or_none(ms(25), async |_| {
                Retry::new(100)
                    .fixed(if in_pause { ms(10) } else { Duration::ZERO })
                    .run(|| async {
                        count.fetch_add(1, Ordering::Relaxed);
                        if !in_pause {
                            await_cancellation().await;
                        }
                        Err::<(), _>(Error::msg("no"))
                    })
                    .await
            })
            .await?;
            assert_eq!(result, None);
            assert_eq!(tries.load(Ordering::Relaxed), if in_pause { 3 } else { 1 });
        }
        assert_eq!(t.current_time(), ms(50));
        Ok(())
    });
}

#[test]
fn jitter_shortens_pauses_within_its_fraction_and_a_seed_repeats_them() {
    let run = |seed| {
        in_virtual_time(async move |t| {
            let mut at = Vec::new();
            let policy = Retry::new(20).fixed(ms(1000)).jitter(0.5).seed(seed);
            let result: Result<()> = policy
                .run(|| {
                    at.push(t.current_time());
                    async { Err(Error::msg("no")) }
                })
                .await;
            assert!(result.is_err());
            Ok(at
                .windows(2)
                .map(|pair| pair[1] - pair[0])
                .collect::<Vec<_>>())
        })
    };
    let pauses = run(1);
    assert!(
        pauses
            .iter()
            .all(|pause| (ms(500)..=ms(1000)).contains(pause))
    );
    assert!(
        pauses.iter().any(|pause| *pause < ms(700)) && pauses.iter().any(|pause| *pause > ms(800))
    );
    assert_eq!(run(1), pauses);
    assert_ne!(run(2), pauses);
}

#[test]
fn enormous_pauses_do_not_overflow() {
    in_virtual_time(async |t| {
        let pauseless = Retry::new(3).exponential(Duration::ZERO, f64::INFINITY, Duration::MAX);
        let result: Result<()> = pauseless.run(|| async { Err(Error::msg("no")) }).await;
        assert_eq!(result.unwrap_err().suppressed().len(), 2);
        assert_eq!(t.current_time(), Duration::ZERO);
        let policies = [
            Retry::new(u32::MAX).exponential(Duration::MAX, 1.0, Duration::MAX),
            Retry::new(3)
                .exponential(ms(1), f64::MAX, Duration::MAX)
                .jitter(1.0),
        ];
        let century = Duration::from_secs(100 * 365 * 24 * 60 * 60);
        for (n, policy) in (1..).zip(policies) {
            let result = with_timeout_or_none(century, async |_| {
                policy
                    .run(|| async { Err::<(), _>(Error::msg("no")) })
                    .await
            })
            .await?;
            assert_eq!((result, t.current_time()), (None, n * century));
        }
        Ok(())
    });
}

#[test]
fn senseless_policies_are_refused() {
    let refused = |make: fn() -> Retry| {
        let payload = catch_unwind(AssertUnwindSafe(make)).unwrap_err();
        match payload.downcast::<String>() {
            Ok(text) => *text,
            Err(payload) => (*payload.downcast::<&str>().unwrap()).to_owned(),
        }
    };
    assert!(refused(|| Retry::new(0)).contains("1 runs it once"));
    assert!(refused(|| Retry::new(1).exponential(ms(1), 0.5, ms(1))).contains("at least 1"));
    assert!(refused(|| Retry::new(1).exponential(ms(1), f64::NAN, ms(1))).contains("at least 1"));
    assert!(refused(|| Retry::new(1).jitter(1.5)).contains("0 to 1"));
}

/// All three are inline scopes: nothing of them outlives the call.
#[test]
fn what_they_launch_are_children_of_the_surrounding_coroutine() {
    root(async |_| {
        supervisor_scope(async |_| {
            let outer = Job::current().unwrap();
            map_concurrent([1], 1, |_| async {
                coroutine_scope(async |_| {
                    yield_now().await;
                    Ok(())
                })
                .await
            })
            .await?;
            await_first_success([after(0, Ok(1)), after(60_000, Ok(2))]).await?;
            assert!(outer.children().is_empty());
            Ok(())
        })
        .await
    });
}
