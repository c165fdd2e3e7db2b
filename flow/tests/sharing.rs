//! Cold flows that are shared: F-45 to F-50.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use corox_channels::BufferOverflow;
use corox_core::{
    CoroutineContext, CoroutineName, CoroutineScope, Error, SupervisorJob, await_cancellation,
    coroutine_scope, delay, non_cancellable, yield_now,
};
use corox_flow::{
    Flow, MutableStateFlow, NoElement, SharingCommand, SharingPolicy, SharingStarted, StateFlow,
    flow, flow_of, prelude::*,
};
use corox_test::{EventLog, explore, run_test};

const NEVER: Duration = Duration::MAX;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Logs when it ends or is dropped.
struct Guard(EventLog);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.add("stop");
    }
}

/// 1, 2, 3 .. with 10 ms in between, logged.
fn ticks(log: &EventLog) -> impl Flow<Item = u32> + Send + use<> {
    let log = log.clone();
    flow(async move |e| {
        log.add("start");
        let _guard = Guard(log);
        for n in 1.. {
            e.emit(n).await;
            delay(ms(10)).await;
        }
    })
}

/// F-45: eagerly it is dispatched, else it looks for collectors before `share_in` returns.
#[test]
fn it_starts_when_it_is_told_to() {
    run_test(async |t| {
        let log = EventLog::new();
        let eager = ticks(&log).share_in(t.background_scope(), SharingStarted::EAGERLY, 1);
        log.assert([] as [&str; 0]);
        t.run_current().await;
        log.assert(["start"]);
        assert_eq!(eager.replay_cache(), [1]);

        let log = EventLog::new();
        let lazy = ticks(&log).share_in(t.background_scope(), SharingStarted::LAZILY, 0);
        t.advance_time_by(ms(100)).await;
        log.assert([] as [&str; 0]);
        assert_eq!(lazy.clone().take(2).to_vec().await.unwrap(), [1, 2]);
        t.advance_time_by(ms(100)).await;
        log.assert(["start"]);
        assert!(
            lazy.take(1).to_vec().await.unwrap()[0] > 10,
            "it was never stopped"
        );
    });
}

/// How many items a flow that nobody takes from gives before it waits; a collector is there.
async fn room(shared: impl Flow<Item = u32> + Send + 'static, taken: &AtomicUsize) -> usize {
    let scope = CoroutineScope::new(CoroutineContext::current());
    let stuck = scope.launch(shared.collect(async |_| await_cancellation().await));
    for _ in 0..10 {
        yield_now().await;
    }
    let taken = taken.load(Ordering::SeqCst);
    stuck.cancel_and_join().await;
    taken
}

/// F-45: 64 or the replay, or what the flow was asked for.
#[test]
fn the_buffer_is_that_of_the_flow() {
    run_test(async |t| {
        let scope = t.background_scope();
        let counted = || {
            let taken = Arc::new(AtomicUsize::new(0));
            let count = taken.clone();
            let items = (0_u32..1000).into_flow().map(move |n| {
                count.fetch_add(1, Ordering::SeqCst);
                n
            });
            (items, taken)
        };
        let lazily = SharingStarted::LAZILY;
        // One item is taken, one waits.
        for (replay, expected) in [(0, 66), (1, 66), (64, 66), (100, 102)] {
            let (items, taken) = counted();
            let shared = items.share_in(scope, lazily, replay);
            assert_eq!(room(shared, &taken).await, expected, "replay {replay}");
        }
        let (items, taken) = counted();
        let shared = items.buffer(3).share_in(scope, lazily, 2);
        assert_eq!(room(shared, &taken).await, 7);
        let (items, taken) = counted();
        let shared = items.buffer(0).share_in(scope, lazily, 0);
        assert_eq!(room(shared, &taken).await, 2);
        let (items, taken) = counted();
        let shared = items.conflate().share_in(scope, lazily, 0);
        let copy = shared.clone();
        assert_eq!(room(shared, &taken).await, 1000);
        drop(copy);
        let (items, taken) = counted();
        let shared = items.buffer_with_overflow(8, BufferOverflow::DropOldest);
        let shared = shared.share_in(scope, lazily, 0);
        assert_eq!(room(shared, &taken).await, 1000);
    });
}

/// F-45: what `flow_on` says is where the coroutine runs.
#[test]
fn it_runs_where_flow_on_says() {
    run_test(async |t| {
        let name = flow(async |e| {
            let context = CoroutineContext::current();
            e.emit(context.name().map(|it| it.as_str().to_owned()))
                .await;
        });
        let named = name.flow_on(CoroutineName::new("upstream"));
        let state = named
            .clone()
            .state_in(t.background_scope(), SharingStarted::EAGERLY, None);
        t.run_current().await;
        assert_eq!(state.value().as_deref(), Some("upstream"));
        let state = named
            .clone()
            .state_in_first(t.background_scope())
            .await
            .unwrap();
        assert_eq!(state.value().as_deref(), Some("upstream"));
        let shared = named.share_in(t.background_scope(), SharingStarted::LAZILY, 0);
        assert_eq!(
            shared.take(1).to_vec().await.unwrap()[0].as_deref(),
            Some("upstream")
        );
    });
}

/// F-46: that it ends is not seen.
#[test]
fn the_end_leaves_all_as_it_is() {
    run_test(async |t| {
        let shared = flow_of([1, 2]).share_in(&t, SharingStarted::EAGERLY, 1);
        let collector = t.launch(shared.clone().for_each(drop));
        t.run_current().await;
        assert!(collector.is_active());
        assert_eq!(shared.replay_cache(), [2]);
        collector.cancel();
        // The coroutine has ended: the test would wait for it.
    });
}

/// F-46: what it fails with is the failure of the scope, and not of the collectors.
#[test]
fn a_failure_fails_the_scope() {
    run_test(async |t| {
        let seen = EventLog::new();
        let collectors = CoroutineScope::new(t.context() + SupervisorJob::new());
        let failed = coroutine_scope(async |scope| {
            let failing = flow(async |e| {
                e.emit(1).await;
                Err::<(), _>(Error::msg("no"))
            });
            let shared = failing.share_in(&scope, SharingStarted::LAZILY, 0);
            let log = seen.clone();
            collectors.launch(async move {
                let ended = shared.for_each(|n| log.add(n)).await;
                log.add(format!("{ended:?}"));
            });
            Ok(())
        });
        assert_eq!(failed.await.unwrap_err().to_string(), "no");
        t.run_current().await;
        seen.assert(["1"]);
        collectors.cancel();
    });
}

/// A policy that says what a state says.
struct Remote(MutableStateFlow<Option<SharingCommand>>);

impl SharingPolicy for Remote {
    fn commands(self, _: StateFlow<usize>) -> impl Flow<Item = SharingCommand> + Send + 'static {
        // Twice, as one that equals the one before changes nothing.
        let commands = self
            .0
            .as_state_flow()
            .filter(Option::is_some)
            .map(Option::unwrap);
        commands.transform(async |command, e| {
            e.emit(command).await;
            yield_now().await;
            e.emit(command).await;
        })
    }
}

/// F-47: of a shared flow.
#[test]
fn commands_are_followed() {
    run_test(async |t| {
        let (log, command) = (EventLog::new(), MutableStateFlow::new(None));
        let tell = async |to| {
            command.set(Some(to));
            t.advance_time_by(ms(15)).await;
        };
        let policy = Remote(command.clone());
        let shared = ticks(&log).share_in(t.background_scope(), policy, 1);
        tell(SharingCommand::Start).await;
        log.assert(["start"]);
        assert_eq!(shared.replay_cache(), [2]);
        tell(SharingCommand::Stop).await;
        log.assert(["start", "stop"]);
        assert_eq!(shared.replay_cache(), [2]);
        tell(SharingCommand::Start).await;
        log.assert(["start", "stop", "start"]);
        assert_eq!(shared.replay_cache(), [2]);
        tell(SharingCommand::StopAndResetReplayCache).await;
        log.assert(["start", "stop", "start", "stop"]);
        assert!(shared.replay_cache().is_empty());
    });
}

/// F-47: of a state, which is then what it was initially.
#[test]
fn a_state_is_reset_to_what_it_was() {
    run_test(async |t| {
        let command = MutableStateFlow::new(None);
        let policy = Remote(command.clone());
        let state = ticks(&EventLog::new()).state_in(t.background_scope(), policy, 0);
        assert_eq!(state.value(), 0);
        for (to, value) in [
            (SharingCommand::Start, 2),
            (SharingCommand::Stop, 2),
            (SharingCommand::StopAndResetReplayCache, 0),
        ] {
            command.set(Some(to));
            t.advance_time_by(ms(15)).await;
            assert_eq!(state.value(), value, "{to:?}");
        }
    });
}

/// F-47: a command waits until nothing is left of the collection before, its coroutines either.
#[test]
fn a_command_waits_for_what_it_ends() {
    run_test(async |t| {
        let (log, command) = (EventLog::new(), MutableStateFlow::new(None));
        let upstream = {
            let log = log.clone();
            corox_flow::channel_flow(async move |scope| {
                log.add("start");
                scope.send(1).await?;
                non_cancellable(async |_| {
                    delay(ms(100)).await;
                    Ok(())
                })
                .await?;
                log.add("gone");
                Ok(())
            })
        };
        let shared = upstream.share_in(t.background_scope(), Remote(command.clone()), 1);
        command.set(Some(SharingCommand::Start));
        t.advance_time_by(ms(50)).await;
        assert_eq!(shared.replay_cache(), [1]);
        command.set(Some(SharingCommand::StopAndResetReplayCache));
        t.advance_time_by(ms(25)).await;
        assert_eq!(shared.replay_cache(), [1], "it is not gone yet");
        log.assert(["start"]);
        t.advance_time_by(ms(100)).await;
        assert!(shared.replay_cache().is_empty());
        log.assert(["start", "gone"]);
    });
}

/// The commands of a policy, with the times at which they come.
async fn commands(
    t: &corox_test::TestScope,
    started: SharingStarted,
    counts: &[(u64, usize)],
) -> Vec<String> {
    let state = MutableStateFlow::new(0);
    let log = EventLog::new();
    let job = t.launch({
        let (log, clock) = (log.clone(), t.clone());
        let begun = t.current_time();
        let commands = started.commands(state.as_state_flow());
        commands.for_each(move |command| {
            let now = (clock.current_time() - begun).as_millis();
            log.add(format!("{now} {command:?}"));
        })
    });
    t.run_current().await;
    let begun = t.current_time();
    for (at, count) in counts {
        t.advance_time_by(begun + ms(*at) - t.current_time()).await;
        t.run_current().await;
        state.set(*count);
        t.run_current().await;
    }
    t.advance_time_by(ms(1000)).await;
    job.cancel_and_join().await;
    log.take()
}

/// F-48.
#[test]
fn while_subscribed_waits_before_it_stops() {
    run_test(async |t| {
        let started = SharingStarted::while_subscribed(ms(50), ms(30));
        let counts = [
            (5, 1),
            (10, 2),
            (20, 0),
            (60, 1),
            (100, 0),
            (160, 1),
            (200, 0),
        ];
        assert_eq!(
            commands(&t, started, &counts).await,
            [
                "5 Start",
                "150 Stop",
                "160 Start",
                "250 Stop",
                "280 StopAndResetReplayCache"
            ]
        );
        let started = SharingStarted::while_subscribed(ms(50), Duration::ZERO);
        let expected = ["5 Start", "70 StopAndResetReplayCache"];
        assert_eq!(commands(&t, started, &[(5, 1), (20, 0)]).await, expected);
        let started = SharingStarted::while_subscribed(Duration::ZERO, NEVER);
        let expected = ["5 Start", "20 Stop", "30 Start"];
        assert_eq!(
            commands(&t, started, &[(5, 1), (20, 0), (30, 1)]).await,
            expected
        );
        let started = SharingStarted::while_subscribed(ms(50), NEVER);
        assert!(
            commands(&t, started, &[]).await.is_empty(),
            "the first is Start"
        );
        let expected = ["5 Start"];
        let counts = [(5, 1), (20, 0), (30, 3)];
        assert_eq!(
            commands(&t, SharingStarted::LAZILY, &counts).await,
            expected
        );
        assert_eq!(
            commands(&t, SharingStarted::EAGERLY, &[]).await,
            ["0 Start"]
        );
    });
}

/// F-48, with a flow: it goes on if somebody comes in time, and starts anew if not.
#[test]
fn it_runs_while_somebody_collects() {
    run_test(async |t| {
        let log = EventLog::new();
        let started = SharingStarted::while_subscribed(ms(50), NEVER);
        let shared = ticks(&log).share_in(t.background_scope(), started, 1);
        assert_eq!(shared.clone().take(2).to_vec().await.unwrap(), [1, 2]);
        t.advance_time_by(ms(30)).await;
        assert!(shared.clone().take(1).to_vec().await.unwrap()[0] >= 4);
        log.assert(["start"]);
        t.advance_time_by(ms(51)).await;
        log.assert(["start", "stop"]);
        let last = shared.replay_cache()[0];
        assert_eq!(shared.take(3).to_vec().await.unwrap(), [last, 1, 2]);
        log.assert(["start", "stop", "start"]);
    });
}

/// F-48: without a time-out it stops with the last collector, though the next comes before the coroutine has its turn.
#[test]
fn it_begins_anew_for_who_comes_next() {
    run_test(async |t| {
        let started = SharingStarted::while_subscribed(Duration::ZERO, Duration::ZERO);
        let shared = flow_of([1, 2]).share_in(t.background_scope(), started, 0);
        for _ in 0..3 {
            assert_eq!(shared.clone().take(2).to_vec().await.unwrap(), [1, 2]);
        }
    });
}

/// F-49: somebody who came and left before the coroutine had its turn is not missed.
#[test]
fn who_comes_and_leaves_is_not_missed() {
    run_test(async |t| {
        let while_subscribed = SharingStarted::while_subscribed(NEVER, NEVER);
        for started in [SharingStarted::LAZILY, while_subscribed] {
            let log = EventLog::new();
            let shared = ticks(&log).share_in(t.background_scope(), started, 1);
            let mut passing = std::pin::pin!(shared.clone());
            let cx = &mut std::task::Context::from_waker(std::task::Waker::noop());
            assert!(passing.as_mut().poll_next(cx).is_pending());
            passing.set(shared.clone());
            t.run_current().await;
            log.assert(["start"]);
        }
    });
}

/// F-50: it gives the state with its first value, which goes on changing.
#[test]
fn a_state_of_the_first_value() {
    run_test(async |t| {
        let log = EventLog::new();
        let late = ticks(&log).map(|n| n * 10);
        let late = late.map_async(async |n| {
            delay(ms(5)).await;
            n
        });
        let state = late.state_in_first(t.background_scope()).await.unwrap();
        assert_eq!((state.value(), t.current_time()), (10, ms(5)));
        assert_eq!(state.take(2).to_vec().await.unwrap(), [10, 20]);
    });
}

/// F-50: the failure is the caller's and the scope's, the end the caller's alone, the cancellation of the scope the caller's.
#[test]
fn a_state_without_a_first_value() {
    run_test(async |t| {
        let (told, caller) = (EventLog::new(), t.background_scope());
        let failed = coroutine_scope::<(), _>(async |scope| {
            let failing = flow(async |_: &corox_flow::Emitter<i32>| {
                yield_now().await;
                Err::<(), _>(Error::msg("no"))
            });
            let to = told.clone();
            caller.launch(async move {
                to.add(failing.state_in_first(&scope).await.unwrap_err());
            });
            await_cancellation().await
        });
        assert_eq!(failed.await.unwrap_err().to_string(), "no");
        told.assert(["no"]);

        coroutine_scope(async |scope| {
            let error = flow_of([0; 0]).state_in_first(&scope).await.unwrap_err();
            assert!(error.downcast_ref::<NoElement>().is_some());
            assert!(scope.is_active());
            Ok(())
        })
        .await
        .unwrap();

        let cancelled = CoroutineScope::new(t.dispatcher().clone());
        cancelled.cancel_with(Error::cancellation("closing"));
        let error = flow_of([1]).state_in_first(&cancelled).await.unwrap_err();
        assert!(error.is_cancellation(), "{error:?}");
        let open = CoroutineScope::new(t.dispatcher().clone());
        let waits = t.spawn({
            let open = open.clone();
            async move {
                Ok(
                    flow(async |_: &corox_flow::Emitter<i32>| await_cancellation().await)
                        .state_in_first(&open)
                        .await,
                )
            }
        });
        t.run_current().await;
        open.cancel();
        let error = waits.await.unwrap().unwrap_err();
        assert!(error.is_cancellation(), "{error:?}");
    });
}

/// Collectors that come and go in any order: each gets what it asked for, and at the end nothing runs.
#[test]
fn collectors_come_and_go_in_any_order() {
    let explored = explore(150, async |t| {
        let running = Arc::new(AtomicUsize::new(0));
        struct Running(Arc<AtomicUsize>);
        impl Drop for Running {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        let upstream = {
            let running = running.clone();
            flow(async move |e| {
                assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0, "one at a time");
                let _running = Running(running);
                for n in 0.. {
                    e.emit(n).await;
                    yield_now().await;
                }
            })
        };
        let scope = CoroutineScope::new(t.dispatcher().clone());
        let started = SharingStarted::while_subscribed(Duration::ZERO, Duration::ZERO);
        let shared = upstream.share_in(&scope, started, 1);
        let collectors = [1, 2, 5].map(|count| {
            let shared = shared.clone();
            t.launch(async move {
                for _ in 0..2 {
                    let got = shared.clone().take(count).to_vec().await?;
                    assert!(
                        got.windows(2)
                            .all(|two| two[1] == two[0] + 1 || two[1] == 0),
                        "{got:?}"
                    );
                    yield_now().await;
                }
                Ok(())
            })
        });
        let cancelled = t.launch(shared.clone().for_each(drop));
        yield_now().await;
        cancelled.cancel();
        for collector in collectors {
            collector.join().await;
        }
        t.run_current().await;
        assert_eq!(running.load(Ordering::SeqCst), 0);
        assert!(shared.replay_cache().is_empty());
        scope.cancel();
    });
    assert!(explored.distinct() > 50, "{explored:?}");
}
