//! Calls in parallel: what happens to the others when one fails, or one has won.

use std::pin::Pin;
use std::result::Result as StdResult;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use corox::{
    Capacity, Channel, ChannelBuilders, CoroutineScope, Error, FinallyExt, GlobalScope,
    NonCancellable, Result, Semaphore, await_all, await_first_success, coroutine_scope, delay,
    supervisor_scope, with_timeout_or_none, yield_now,
};
use corox_test::{EventLog, TestScope, run_test};

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A service that answers after a while.
async fn get<T>(after: u64, answer: T) -> Result<T> {
    delay(ms(after)).await;
    Ok(answer)
}

/// A service that does not.
async fn fail(after: u64, message: &'static str) -> Result<&'static str> {
    delay(ms(after)).await;
    Err(Error::msg(message))
}

/// Calls of several services, in one list.
type Call = Pin<Box<dyn Future<Output = Result<&'static str>> + Send>>;

/// Notes that it was dropped before its end.
struct Noted<'a>(&'a EventLog, &'static str);

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        self.0.add(self.1);
    }
}

#[test]
fn parallel_async_await_fails_with_the_first_failure_and_cancels_the_others() {
    run_test(async |t| {
        let log = EventLog::new();
        let noted = log.clone();
        let outcome = coroutine_scope(async |scope| {
            let user = scope.spawn(async move {
                let _noted = Noted(&noted, "user cancelled");
                get(500, "user").await
            });
            let posts = scope.spawn(fail(100, "no posts"));
            Ok((user.await?, posts.await?))
        });
        assert_eq!(outcome.await.unwrap_err().to_string(), "no posts");
        log.assert(["user cancelled"]);
        assert_eq!(t.current_time(), ms(100));
    });
}

#[test]
fn parallel_await_all_fails_with_the_first_failure_at_once() {
    run_test(async |t| {
        let outcome = coroutine_scope(async |scope| {
            let calls = [
                scope.spawn(get(300, "a")),
                scope.spawn(fail(100, "b is broken")),
                scope.spawn(get(200, "c")),
            ];
            await_all(calls).await
        });
        assert_eq!(outcome.await.unwrap_err().to_string(), "b is broken");
        assert_eq!(t.current_time(), ms(100));
    });
}

/// The permits of calls that fail or are cancelled, whether they are held by a guard or released by hand.
#[test]
fn parallel_throttle_returns_the_permits_of_what_fails_or_is_cancelled() {
    async fn throttled(
        permits: Arc<Semaphore>,
        by_hand: bool,
        call: impl Future<Output = Result<&'static str>>,
    ) -> Result<&'static str> {
        if by_hand {
            permits.acquire().await.forget();
            let release = async { permits.release().expect("it was acquired") };
            call.finally(release).await
        } else {
            permits.with_permit(call).await
        }
    }

    run_test(async |t| {
        for by_hand in [false, true] {
            let begin = t.current_time();
            let permits = Arc::new(Semaphore::new(3));
            let outcome = coroutine_scope(async |scope| {
                let mut calls = Vec::new();
                for _ in 0..4 {
                    calls.push(scope.spawn(throttled(permits.clone(), by_hand, get(300, "data"))));
                }
                yield_now().await;
                assert_eq!(permits.available_permits(), 0);
                calls.push(scope.spawn(fail(100, "broken")));
                await_all(calls).await
            });
            // Three are cancelled amid their calls, and the fourth while it waits.
            assert_eq!(outcome.await.unwrap_err().to_string(), "broken");
            assert_eq!(t.current_time() - begin, ms(100));
            assert_eq!(permits.available_permits(), 3);

            let alone = throttled(permits.clone(), by_hand, fail(100, "broken, too")).await;
            assert_eq!(alone.unwrap_err().to_string(), "broken, too");
            assert_eq!(permits.available_permits(), 3);
        }
    });
}

/// A screen that shows whether it loads.
#[test]
fn parallel_viewmodel_lowers_the_flag_however_loading_ends() {
    async fn load(log: &EventLog, call: impl Future<Output = Result<&'static str>>) {
        let shown = async {
            match call.await {
                Ok(data) => log.add(data),
                // A cancellation ends the coroutine at its suspension point, and does not come here.
                Err(error) => log.add(error),
            }
        };
        log.add("loading true");
        shown.finally(async { log.add("loading false") }).await;
    }

    fn shown_by(
        call: impl Future<Output = Result<&'static str>> + Send + 'static,
        cancel_after: Option<u64>,
    ) -> EventLog {
        let log = EventLog::new();
        let shown = log.clone();
        run_test(async move |t| {
            let job = t.launch(async move { load(&shown, call).await });
            if let Some(after) = cancel_after {
                delay(ms(after)).await;
                job.cancel();
            }
        });
        log
    }

    shown_by(get(10, "data"), None).assert(["loading true", "data", "loading false"]);
    shown_by(fail(10, "no network"), None).assert(["loading true", "no network", "loading false"]);
    shown_by(get(10, "data"), Some(5)).assert(["loading true", "loading false"]);
}

/// Each call keeps its own outcome. A cancellation is none: it ends the coroutine.
#[test]
fn parallel_partial_failure_leaves_the_other_data_intact() {
    run_test(async |t| {
        let (user, posts, settings) = coroutine_scope(async |scope| {
            let user = scope.spawn(async { Ok(get(100, "user").await.map_err(|e| e.to_string())) });
            let posts =
                scope.spawn(async { Ok(get(200, "posts").await.map_err(|e| e.to_string())) });
            let settings =
                scope.spawn(async { Ok(fail(50, "no settings").await.map_err(|e| e.to_string())) });
            Ok((user.await?, posts.await?, settings.await?))
        })
        .await?;
        let errors: Vec<_> = [&user, &posts, &settings]
            .into_iter()
            .filter_map(|outcome| outcome.as_ref().err().map(String::as_str))
            .collect();
        assert_eq!(errors, ["no settings"]);
        assert_eq!(user, Ok("user"));
        assert_eq!(posts, Ok("posts"));
        assert_eq!(settings.unwrap_or("default settings"), "default settings");
        assert_eq!(t.current_time(), ms(200));
        Ok(())
    });
}

#[test]
fn parallel_await_all_safe_drops_what_has_failed_and_keeps_the_order() {
    run_test(async |t| {
        let users = coroutine_scope(async |scope| {
            let calls = [
                scope.spawn(async { Ok(get(300, "a").await.ok()) }),
                scope.spawn(async { Ok(fail(100, "b is broken").await.ok()) }),
                scope.spawn(async { Ok(get(200, "c").await.ok()) }),
            ];
            await_all(calls).await
        })
        .await?;
        let users: Vec<_> = users.into_iter().flatten().collect();
        assert_eq!(users, ["a", "c"]);
        assert_eq!(t.current_time(), ms(300));
        Ok(())
    });
}

#[test]
fn parallel_load_feeds_joins_the_feeds_in_the_order_of_their_sources() {
    async fn load_feed(source: &'static str, after: u64) -> Result<Vec<String>> {
        get(after, vec![format!("{source} 1"), format!("{source} 2")]).await
    }

    run_test(async |t| {
        let feeds = coroutine_scope(async |scope| {
            let sources = [
                ("news", 300),
                ("sport", 100),
                ("weather", 400),
                ("stocks", 200),
            ];
            let calls = sources.map(|(source, after)| scope.spawn(load_feed(source, after)));
            await_all(calls).await
        })
        .await?;
        let expected = [
            "news 1",
            "news 2",
            "sport 1",
            "sport 2",
            "weather 1",
            "weather 2",
            "stocks 1",
            "stocks 2",
        ];
        assert_eq!(feeds.concat(), expected);
        assert_eq!(t.current_time(), ms(400));
        Ok(())
    });
}

#[test]
fn parallel_supervisor_takes_a_default_for_what_has_failed() {
    run_test(async |_| {
        let log = EventLog::new();
        let dashboard = supervisor_scope(async |scope| {
            let news = scope.spawn(fail(100, "no news"));
            let weather = scope.spawn(get(200, "sunny"));
            let stocks = scope.spawn(get(300, "up"));
            let news = match news.await {
                Ok(news) => news,
                Err(error) => {
                    log.add(error);
                    "nothing new"
                }
            };
            Ok([news, weather.await?, stocks.await?])
        });
        assert_eq!(dashboard.await?, ["nothing new", "sunny", "up"]);
        log.assert(["no news"]);
        Ok(())
    });
}

/// The first success wins, whatever its place; a failure before it hides nothing; what has lost is cancelled.
#[test]
fn parallel_race_gives_the_first_success_in_time() {
    run_test(async |t| {
        let log = EventLog::new();
        let slow = {
            let log = log.clone();
            async move {
                let _noted = Noted(&log, "the slow one is cancelled");
                get(300, "slow").await
            }
        };
        let winner = await_first_success([
            Box::pin(fail(50, "broken")) as Call,
            Box::pin(slow),
            Box::pin(get(100, "quick")),
        ]);
        assert_eq!(winner.await?, "quick");
        log.assert(["the slow one is cancelled"]);
        assert_eq!(t.current_time(), ms(100));

        let all_fail = await_first_success([fail(20, "second"), fail(10, "first")]).await;
        let error = all_fail.unwrap_err();
        let told = format!("{error:?}");
        assert!(told.contains("first") && told.contains("second"), "{told}");
        Ok(())
    });
}

/// Awaiting in the order of the list gives the first success by its place, not by time.
#[test]
fn parallel_race_ordered_gives_the_first_success_in_the_list() {
    async fn first_in_order(
        calls: Vec<(u64, StdResult<&'static str, &'static str>)>,
    ) -> Result<&'static str> {
        supervisor_scope(async |scope| {
            let calls: Vec<_> = calls
                .into_iter()
                .map(|(after, answer)| {
                    scope.spawn(async move {
                        delay(ms(after)).await;
                        answer.map_err(Error::msg)
                    })
                })
                .collect();
            for call in &calls {
                if let Ok(answer) = call.clone().await {
                    scope.job().cancel_children();
                    return Ok(answer);
                }
            }
            Err(Error::msg("all have failed"))
        })
        .await
    }

    run_test(async |t| {
        let winner = first_in_order(vec![
            (300, Ok("first")),
            (100, Ok("second")),
            (9000, Ok("third")),
        ]);
        assert_eq!(winner.await?, "first");
        assert_eq!(t.current_time(), ms(300), "the third is cancelled");
        let winner = first_in_order(vec![(300, Err("broken")), (100, Ok("second"))]);
        assert_eq!(winner.await?, "second");
        let none = first_in_order(vec![(1, Err("broken")), (2, Err("broken"))]);
        assert_eq!(none.await.unwrap_err().to_string(), "all have failed");
        Ok(())
    });
}

#[test]
fn parallel_cdn_cancels_the_other_mirrors_before_it_returns() {
    async fn download(log: EventLog, after: u64, mirror: &'static str) -> Result<&'static str> {
        let _noted = Noted(&log, mirror);
        get(after, mirror).await
    }

    run_test(async |_| {
        let log = EventLog::new();
        let bytes = await_first_success([
            download(log.clone(), 300, "eu"),
            download(log.clone(), 100, "us"),
            download(log.clone(), 200, "asia"),
        ])
        .await?;
        log.add("returned");
        assert_eq!(bytes, "us");
        let events = log.take();
        assert_eq!(events.len(), 4);
        assert_eq!(events.last().map(String::as_str), Some("returned"));
        Ok(())
    });
}

/// Who expects as many answers as there were calls waits for ever when a call fails. The channel of a producer is closed when all its
/// children have ended, and needs no count.
#[test]
fn parallel_flow_channel_hang_needs_no_count_with_a_producer() {
    const USERS: [(u64, StdResult<&str, &str>); 3] =
        [(300, Ok("a")), (100, Err("no b")), (200, Ok("c"))];

    async fn get_user(
        (after, answer): (u64, StdResult<&'static str, &'static str>),
    ) -> Result<&'static str> {
        delay(ms(after)).await;
        answer.map_err(Error::msg)
    }

    async fn counted(
        users: &[(u64, StdResult<&'static str, &'static str>)],
        seen: &mut Vec<&'static str>,
    ) -> Result<()> {
        coroutine_scope(async |scope| {
            let channel = Channel::new(Capacity::Unlimited);
            for user in users.iter().copied() {
                let channel = channel.clone();
                scope.launch(async move {
                    if let Ok(user) = get_user(user).await {
                        channel.send(user).await?;
                    }
                    Ok(())
                });
            }
            for _ in users {
                seen.push(channel.receive().await?);
            }
            Ok(())
        })
        .await
    }

    run_test(async |t| {
        let mut seen = Vec::new();
        counted(&[USERS[0], USERS[2]], &mut seen).await?;
        assert_eq!(seen, ["c", "a"], "in the order of their answers");
        seen.clear();
        let limit = ms(60_000);
        let hangs = with_timeout_or_none(limit, async |_| counted(&USERS, &mut seen).await);
        assert_eq!(hangs.await?, None);
        assert_eq!(seen, ["c", "a"]);
        let begin = t.current_time();

        let users = t.produce(Capacity::Unlimited, async |producer| {
            for user in USERS {
                let channel = producer.channel().clone();
                producer.launch(async move {
                    if let Ok(user) = get_user(user).await {
                        channel.send(user).await?;
                    }
                    Ok(())
                });
            }
        });
        assert_eq!(users.to_vec().await?, ["c", "a"]);
        assert_eq!(t.current_time() - begin, ms(300));
        Ok(())
    });
}

#[test]
fn parallel_do_collect_successes_gives_those_only() {
    run_test(async |_| {
        let results = coroutine_scope(async |scope| {
            let calls = [
                scope.spawn(async { Ok(get(10, "data 1").await) }),
                scope.spawn(async { Ok(fail(20, "no data 2").await) }),
            ];
            await_all(calls).await
        })
        .await?;
        let successes: Vec<_> = results.into_iter().filter_map(Result::ok).collect();
        assert_eq!(successes, ["data 1"]);
        Ok(())
    });
}

/// The failure belongs to who awaits: no handler is called, and the sibling goes on.
#[test]
fn parallel_do_supervised_guards_each_await() {
    run_test(async |_| {
        let results = supervisor_scope(async |scope| {
            let a = scope.spawn(fail(10, "broken"));
            let b = scope.spawn(get(20, "data"));
            Ok([a.await.ok(), b.await.ok()])
        });
        assert_eq!(results.await?, [None, Some("data")]);
        // A failure that nobody awaits at all is stored, and reported nowhere: it would fail this test.
        supervisor_scope(async |scope| {
            scope.spawn(fail(10, "broken")).join().await;
            Ok(())
        })
        .await
    });
}

#[test]
fn parallel_dont_global_outlives_and_ignores_its_caller() {
    run_test(async |t: TestScope| {
        let done = Arc::new(AtomicU32::new(0));
        let job = Arc::new(Mutex::new(None));
        let (counted, kept, dispatcher) = (done.clone(), job.clone(), t.dispatcher().clone());
        let caller = t.launch(async move {
            let work = GlobalScope.with(dispatcher).launch(async move {
                delay(ms(100)).await;
                counted.fetch_add(1, Ordering::Relaxed);
            });
            *kept.lock().unwrap() = Some(work.clone());
            work.join().await;
        });
        yield_now().await;
        caller.cancel_and_join().await;
        assert_eq!(t.current_time(), Duration::ZERO, "nobody waited for it");
        let work = job.lock().unwrap().take().expect("it was launched");
        assert!(work.is_active());
        work.join().await;
        assert_eq!(done.load(Ordering::Relaxed), 1);
    });
}

/// `NonCancellable` as the job of a coroutine takes it out of its scope.
#[test]
fn parallel_dont_noncancellable_is_neither_cancelled_nor_waited_for() {
    run_test(async |t| {
        let job = Arc::new(Mutex::new(None));
        let kept = job.clone();
        coroutine_scope(async move |scope: CoroutineScope| {
            let detached = scope
                .with(NonCancellable)
                .launch(async { delay(ms(100)).await });
            *kept.lock().unwrap() = Some(detached);
            yield_now().await;
            scope.job().cancel_children();
            Ok(())
        })
        .await?;
        assert_eq!(t.current_time(), Duration::ZERO, "the scope has not waited");
        let detached = job.lock().unwrap().take().expect("it was launched");
        assert!(detached.is_active() && !detached.is_cancelled());
        detached.join().await;
        assert_eq!(t.current_time(), ms(100));
        Ok(())
    });
}
