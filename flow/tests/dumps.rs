//! What a dump says of the coroutines of flows, and of what they wait for: the lines are those of whoever wrote them.
#![cfg(not(corox_loom))]

use std::future::pending;
use std::mem::forget;
use std::panic::Location;
use std::pin::pin;
use std::time::Duration;

use corox_channels::Channel;
use corox_core::probe::{self, WaitInfo};
use corox_core::{
    CoroutineName, CoroutineScope, Dispatcher, Error, FinallyExt, Job, Retry, delay, run_blocking,
    yield_now,
};
use corox_flow::{
    Flow, MutableSharedFlow, MutableStateFlow, SharingStarted, callback_flow, channel_flow, flow,
    flow_of, prelude::*,
};
use corox_test::{TestScope, run_test};

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// What a dump says of the coroutines below `scope`, and it itself.
fn dump_below(scope: &CoroutineScope) -> String {
    let is_below = |job: &Job| {
        let mut at = job.parent();
        while let Some(job) = at {
            if job.ptr_eq(scope.job()) {
                return true;
            }
            at = job.parent();
        }
        false
    };
    let jobs: Vec<_> = probe::live().into_iter().filter(is_below).collect();
    probe::dump_of(&jobs)
}

/// The dump while `flow` is collected, by a coroutine that is launched at the caller's line.
fn dump_of_collecting<S: Flow<Item: Send> + Send + 'static>(flow: S) -> String {
    let _probes = probe::install();
    run_blocking(async move |scope| {
        let job = scope.launch(async move { flow.run().await });
        for _ in 0..10 {
            yield_now().await;
        }
        let dump = dump_below(&scope);
        job.cancel();
        Ok(dump)
    })
    .unwrap()
}

/// Each line but the first, which is the coroutine that collects, names `line` of this file.
#[track_caller]
fn check_lines(dump: &str, line: u32, least: usize) {
    let here = format!(" at {}:{line}:", file!());
    let others: Vec<_> = dump.lines().skip(1).collect();
    assert!(others.len() >= least, "{dump}");
    let other = others.iter().find(|it| !it.contains(&here));
    assert_eq!(other, None, "expected{here}\n{dump}");
}

fn name(name: &str) -> CoroutineName {
    CoroutineName::new(name)
}

/// A flow whose source waits for ever is collected: its coroutine, the scope in that, and whoever collects waits for it.
#[test]
fn flow_on_is_told_at_its_call() {
    let stuck = || flow(async |_| pending::<()>().await).map(|()| 1);
    let behind = stuck().buffer(1).flow_on(name("other")).map(|n| n + 1);
    let line = line!() - 1;
    let dump = dump_of_collecting(behind);
    check_lines(&dump, line, 3);
    assert!(dump.contains("waits for flow_on (an item)"), "{dump}");

    let of_two = stuck().flow_on(name("first"));
    let line = line!() - 1;
    let dump = dump_of_collecting(of_two.flow_on(name("second")).buffer(1));
    check_lines(&dump, line, 3);

    let of_dropping = stuck().flow_on(name("first"));
    let line = line!() - 1;
    let dump = dump_of_collecting(of_dropping.conflate());
    check_lines(&dump, line, 3);

    let swapped = stuck().flow_on(name("other"));
    let line = line!() - 1;
    let dump = dump_of_collecting(swapped);
    check_lines(&dump, line, 1);
}

/// Operators that wait for the clock say so, beside what their source waits for.
#[test]
fn what_waits_for_the_clock_is_told_at_its_call() {
    const CHUNKED: &str = "chunked_within";
    fn seen(flow: impl Flow<Item: Send> + Send + 'static) -> String {
        dump_of_collecting(flow)
    }
    let one = || {
        flow(async |emitter| {
            emitter.emit(1).await;
            pending::<()>().await
        })
    };
    let hour = Duration::from_secs(3600);
    let dumps = [
        ("debounce", line!(), seen(one().debounce(hour))),
        ("debounce", line!(), seen(one().debounce_by(move |_| hour))),
        ("sample", line!(), seen(one().sample(hour))),
        ("timeout", line!(), seen(one().timeout(hour))),
        (CHUNKED, line!(), seen(one().chunked_within(2, hour))),
    ];
    for (what, line, dump) in dumps {
        let wait = format!("waits for {what} at {}:{line}:", file!());
        assert!(dump.contains(&wait), "expected {wait}\n{dump}");
    }
}

#[test]
fn a_clock_is_not_waited_for_while_an_item_is_processed() {
    run_test(async |t: TestScope| {
        let waits_of = |job: &Job| -> Vec<&str> {
            probe::waits_of(job).iter().map(|wait| wait.what).collect()
        };
        let (go, wait) = Channel::<()>::new(0).split();
        let slow = flow(async |emitter| {
            delay(ms(1)).await;
            emitter.emit(1).await;
            pending::<()>().await
        });
        let flow = slow.timeout(ms(100)).debounce(ms(10)).sample(ms(20));
        let job = t.launch(async move { flow.collect(async |_| Ok(wait.receive().await?)).await });
        t.advance_time_by(ms(5)).await;
        let mut waits = waits_of(&job);
        waits.sort_unstable();
        assert_eq!(waits, ["debounce", "sample", "timeout"]);
        t.advance_time_by(ms(16)).await;
        assert_eq!(waits_of(&job).last(), Some(&"receive"));
        assert!(!waits_of(&job).contains(&"debounce"));
        assert!(!waits_of(&job).contains(&"sample"));
        drop(go);
        job.cancel();
    });
}

/// A source that is ahead waits for room, and what it says then is forgotten when there is some.
#[test]
fn a_source_without_room_is_told() {
    let _probes = probe::install();
    run_blocking(async |scope| {
        let ahead = flow_of([1, 2, 3]).flow_on(name("ahead")).buffer(0);
        let line = line!() - 1;
        let (go, wait) = Channel::new(0).split();
        let job =
            scope.launch(async move { ahead.collect(async |_| Ok(wait.receive().await?)).await });
        let room = || {
            let waits = probe::live()
                .into_iter()
                .flat_map(|job| probe::waits_of(&job));
            let waits: Vec<_> = waits.filter(|it| it.detail == "room").collect();
            waits
        };
        for _ in 0..10 {
            yield_now().await;
        }
        let wait = &room()[0];
        assert_eq!((wait.what, wait.location.line()), ("flow_on", line));
        assert!(wait.by_coroutines);
        for _ in 0..3 {
            go.send(()).await?;
        }
        job.join().await;
        assert!(room().is_empty());
        Ok(())
    })
    .unwrap();
}

#[test]
fn blocks_with_a_channel_are_told_at_their_call() {
    let sending = channel_flow::<i32, _, _, _>(async |_| pending::<()>().await);
    let line = line!() - 1;
    check_lines(&dump_of_collecting(sending.clone()), line, 3);
    check_lines(&dump_of_collecting(sending.flow_on(name("other"))), line, 3);

    let called = callback_flow::<i32, _, _, _>(async |_| pending::<()>().await);
    let line = line!() - 1;
    check_lines(&dump_of_collecting(called), line, 3);

    let channel = Channel::<i32>::new(1);
    let received = channel.clone().receive_into_flow();
    let line = line!() - 1;
    check_lines(&dump_of_collecting(received), line, 1);
    let consumed = channel.consume_into_flow();
    let line = line!() - 1;
    check_lines(&dump_of_collecting(consumed), line, 1);
}

#[test]
fn a_pause_between_attempts_is_told_at_its_call() {
    let down = flow(async |_| Err(Error::msg("down"))).map(|()| 1);
    let patient = down.retry_with(Retry::new(2).fixed(Duration::from_secs(60)));
    let line = line!() - 1;
    let dump = dump_of_collecting(patient);
    check_lines(&dump, line, 1);
    assert!(dump.contains("waits for delay (60s)"), "{dump}");
}

/// The coroutines that belong to a scope are launched where that is given.
#[test]
fn coroutines_of_a_scope_are_told_at_their_call() {
    let _probes = probe::install();
    let stuck = || flow(async |_| pending::<()>().await).map(|()| 1);
    let block = || channel_flow::<u8, _, _, _>(async |_| pending::<()>().await);
    let (eagerly, lazily) = (SharingStarted::EAGERLY, SharingStarted::LAZILY);
    type Launch<'a> = &'a dyn Fn(&CoroutineScope);
    let launches: [(u32, Launch<'_>); 6] = [
        (line!(), &|scope| _ = stuck().launch_in(scope)),
        (line!(), &|scope| forget(stuck().produce_in(scope))),
        (line!(), &|scope| forget(block().produce_in(scope))),
        (line!(), &|scope| _ = stuck().share_in(scope, eagerly, 0)),
        (line!(), &|scope| _ = stuck().share_in(scope, lazily, 0)),
        (line!(), &|scope| _ = stuck().state_in(scope, lazily, 0)),
    ];
    for (line, launch) in launches {
        run_blocking(async |scope| {
            launch(&scope);
            for _ in 0..5 {
                yield_now().await;
            }
            let dump = dump_below(&scope);
            check_lines(&format!("\n{dump}"), line, 1);
            scope.job().cancel_children();
            Ok(())
        })
        .unwrap();
    }
}

#[test]
fn a_state_that_has_no_value_yet_is_told_at_its_call() {
    let _probes = probe::install();
    run_blocking(async |scope| {
        let inner = scope.clone();
        let mut line = 0;
        let job = scope.launch(async move {
            let stuck = flow(async |_| pending::<()>().await).map(|()| 1);
            stuck.state_in_first(&inner).await?;
            Ok(())
        });
        line += line!() - 3;
        for _ in 0..5 {
            yield_now().await;
        }
        let dump = dump_below(&scope);
        check_lines(&dump, line, 2);
        job.cancel();
        scope.job().cancel_children();
        Ok(())
    })
    .unwrap();
}

#[test]
fn the_pauses_of_while_subscribed_are_told_at_the_call_that_shares() {
    run_test(async |t: TestScope| {
        let stuck = flow(async |_| pending::<()>().await).map(|()| 1);
        let policy = SharingStarted::while_subscribed(ms(10), ms(20));
        let shared = stuck.share_in(t.background_scope(), policy, 0);
        let here = (file!().to_owned(), line!() - 1);
        let mut live = probe::live().into_iter();
        let sharing = live.find(|job| place(job.location()) == here).unwrap();
        let pauses = || {
            let waits = probe::waits_of(&sharing).into_iter();
            let pauses = waits.filter(|wait| wait.what == "delay");
            let pauses = pauses.map(|wait| (wait.detail, place(wait.location)));
            pauses.collect::<Vec<_>>()
        };
        let collector = t.launch(shared.for_each(drop));
        t.run_current().await;
        assert_eq!(pauses(), []);
        collector.cancel_and_join().await;
        t.run_current().await;
        assert_eq!(pauses(), [("10ms".to_owned(), here.clone())]);
        t.advance_time_by(ms(15)).await;
        assert_eq!(pauses(), [("20ms".to_owned(), here)]);
        t.advance_time_by(ms(20)).await;
        assert_eq!(pauses(), []);
    });
}

#[test]
fn who_waits_for_what_a_flow_has_left_is_told_where_that_was_started() {
    run_test(async |t: TestScope| {
        let elements = channel_flow(async |scope| {
            let all = async {
                scope.send(1).await?;
                pending::<corox_core::Result<()>>().await
            };
            all.finally(delay(ms(50))).await
        });
        let started = (file!().to_owned(), line!() - 7);
        let job = t.launch(elements.take(1).for_each(drop));
        t.run_current().await;
        let wait = wait_of(&job);
        assert_eq!((wait.what, place(wait.location)), ("join", started));
        t.advance_until_idle().await;
        assert!(job.is_completed());
    });
}

#[test]
fn a_collection_into_a_channel_waits_at_the_call() {
    run_test(async |t: TestScope| {
        let scope = t.background_scope();
        let received = flow_of([1, 2]).buffer(0).produce_in(scope);
        let line = line!() - 1;
        t.run_current().await;
        let children = scope.job().children();
        let wait = wait_of(&children[0]);
        assert_eq!(
            (wait.what, place(wait.location)),
            ("send", (file!().to_owned(), line))
        );
        assert_eq!(received.receive().await.unwrap(), 1);
    });
}

/// What `job` waits for, which is one thing.
fn wait_of(job: &Job) -> WaitInfo {
    let mut waits = probe::waits_of(job);
    assert_eq!(waits.len(), 1, "{waits:?}");
    waits.remove(0)
}

fn place(location: &Location<'_>) -> (String, u32) {
    (location.file().to_owned(), location.line())
}

#[test]
fn an_emit_and_the_collectors_of_a_shared_flow_are_told() {
    let _probes = probe::install();
    run_blocking(async |scope| {
        let events = MutableSharedFlow::<i32>::new();
        let made = line!() - 1;
        let (shared, by_one) = (events.as_shared_flow(), events.as_shared_flow());
        let all = scope.launch(shared.for_each(drop));
        let (go, wait) = Channel::new(0).split();
        let slow = scope.launch(by_one.collect(async move |_| Ok(wait.receive().await?)));
        yield_now().await;
        for job in [&all, &slow] {
            let wait = wait_of(job);
            assert_eq!(
                (wait.what, &*wait.detail),
                ("collect", "shared flow made there")
            );
            assert_eq!(place(wait.location), (file!().to_owned(), made));
            assert!(wait.by_coroutines);
        }
        let emitter = events.clone();
        let emits = scope.launch(async move {
            emitter.emit(0).await;
            let mut second = pin!(emitter.emit(1));
            second.as_mut().await;
            let here = Job::current();
            assert!(here.is_some_and(|job| probe::waits_of(&job).is_empty()));
        });
        let line = line!() - 6;
        yield_now().await;
        yield_now().await;
        // The slow one is busy with 0, and has not taken 1.
        assert_eq!(wait_of(&slow).what, "receive");
        let wait = wait_of(&emits);
        assert_eq!(wait.what, "emit");
        let detail = format!("shared flow made at {}:{made}:", file!());
        assert!(wait.detail.starts_with(&detail), "{}", wait.detail);
        assert_eq!(place(wait.location), (file!().to_owned(), line));
        assert!(wait.by_coroutines);
        go.send(()).await?;
        emits.join().await;
        assert!(probe::waits_of(&emits).is_empty());
        all.cancel();
        slow.cancel();
        Ok(())
    })
    .unwrap();
}

#[test]
fn the_collectors_of_a_state_are_told() {
    let _probes = probe::install();
    run_blocking(async |scope| {
        let state = MutableStateFlow::new(1);
        let made = line!() - 1;
        let direct = scope.launch(state.as_state_flow().for_each(drop));
        let derived = state.as_state_flow().map_state(|n| n + 1);
        let derived = scope.launch(derived.for_each(drop));
        let counts = scope.launch(state.subscription_count().for_each(drop));
        let (go, wait) = Channel::new(0).split();
        let busy = state.as_state_flow();
        let busy = scope.launch(busy.collect(async move |_| Ok(wait.receive().await?)));
        yield_now().await;
        yield_now().await;
        for (job, what) in [
            (&direct, "state flow"),
            (&derived, "state flow"),
            (&counts, "subscription count of the flow"),
        ] {
            let wait = wait_of(job);
            assert_eq!(
                (wait.what, wait.detail),
                ("collect", format!("{what} made there"))
            );
            assert_eq!(place(wait.location), (file!().to_owned(), made));
            assert!(wait.by_coroutines);
        }
        // A value ends the wait.
        assert_eq!(wait_of(&busy).what, "receive");
        go.send(()).await?;
        yield_now().await;
        assert_eq!(wait_of(&busy).what, "collect");
        state.set(2);
        yield_now().await;
        assert_eq!(wait_of(&busy).what, "receive");
        scope.job().cancel_children();
        Ok(())
    })
    .unwrap();
}

/// The clock of a test goes on while a coroutine outside of it waits for one inside: a source for room, a collector for a value.
#[test]
fn the_clock_of_a_test_does_not_wait_for_who_waits_for_the_test() {
    run_test(async |t| {
        let ahead = (0..200).into_flow().flow_on(Dispatcher::DEFAULT);
        let slow = ahead.collect(async |_| delay(ms(10)).await);
        slow.await.unwrap();
        assert_eq!(t.current_time(), ms(2000));

        let (events, state) = (MutableSharedFlow::new(), MutableStateFlow::new(0));
        let outside = t.with(Dispatcher::DEFAULT);
        let of_events = outside.spawn(events.as_shared_flow().take(2).to_vec());
        let of_state = outside.spawn(state.as_state_flow().filter(|n| *n > 0).take(2).to_vec());
        let both = [events.subscription_count(), state.subscription_count()];
        for count in both {
            count.filter(|n| *n == 1).first().await.unwrap();
        }
        for n in [1, 2] {
            delay(ms(10)).await;
            state.set(n);
            events.emit(n).await;
        }
        assert_eq!(of_events.await.unwrap(), [1, 2]);
        assert!(of_state.await.unwrap().len() == 2);
        assert_eq!(t.current_time(), ms(2020));
    });
}
