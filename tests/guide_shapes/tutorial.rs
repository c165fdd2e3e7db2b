//! The tutorial: the contributors of all repositories of an organisation, loaded in several ways, of which some are wrong.

#[path = "../../examples/guide/cases/tutorial/aggregate.rs"]
mod aggregate;
mod callbacks;
#[path = "../../examples/guide/cases/tutorial/service.rs"]
mod service;

use std::collections::HashSet;
use std::hint;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use corox::{
    Capacity, Channel, CompletableDeferred, CoroutineContext, CoroutineScope, DEFAULT, Dispatcher,
    GlobalScope, Result, await_all, coroutine_scope, delay, run_blocking, set_debug_mode,
    thread_label, yield_now,
};
use corox_test::{EventLog, StandardTestDispatcher, run_test};

use self::aggregate::aggregate;
use self::service::{MockService, ORG, User, user};

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// What every way to load them is to show.
fn all_contributors() -> Vec<User> {
    vec![user("user-b", 70), user("user-a", 50), user("user-c", 20)]
}

#[test]
fn tutorial_task1_aggregate_adds_up_each_user_and_sorts_by_the_sum() {
    let users = ORG.iter().flat_map(|project| project.contributors.to_vec());
    assert_eq!(aggregate(users), all_contributors());
    assert_eq!(aggregate([]), []);
    // Of equal sums the first seen comes first: in a list long enough for an unstable sort to show.
    const LOGINS: &str = "zyxwvutsrqponmlkjihgfedcbaZYXWVUTSRQPONMLKJIHGFEDCBA";
    let tied = (0..LOGINS.len()).map(|i| user(&LOGINS[i..=i], 1 + (i % 2) as u32));
    let (ones, twos): (Vec<_>, Vec<_>) = tied.clone().partition(|user| user.contributions == 1);
    assert_eq!(aggregate(tied), [twos, ones].concat());
}

/// While the requests are under way, another coroutine has the thread.
#[test]
fn tutorial_task4_suspend_leaves_the_thread_to_others() {
    run_test(async |t| {
        let ticks = Arc::new(AtomicU32::new(0));
        let counted = ticks.clone();
        t.background_scope().launch(async move {
            loop {
                delay(ms(100)).await;
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        let mut users = Vec::new();
        for repo in MockService.get_org_repos().await? {
            users.extend(MockService.get_repo_contributors(repo).await?);
        }
        assert_eq!(aggregate(users), all_contributors());
        assert_eq!(t.current_time(), ms(4000));
        // The last one is due at this very moment.
        t.run_current().await;
        assert_eq!(ticks.load(Ordering::Relaxed), 40);
        Ok(())
    });
}

#[test]
fn tutorial_suspend_log_has_one_thread_one_coroutine_and_growing_times() {
    set_debug_mode(true);
    run_test(async |t| {
        let log = EventLog::of();
        let (lines, clock) = (log.clone(), t.scheduler().clone());
        let job = t.launch(async move {
            let repos = MockService.get_org_repos().await?;
            lines.push((clock.current_time(), thread_label(), "kotlin"));
            for repo in repos {
                MockService.get_repo_contributors(repo).await?;
                lines.push((clock.current_time(), thread_label(), repo.name));
            }
            Ok(())
        });
        job.join().await;
        let thread = thread::current();
        let (thread, number) = (thread.name().expect("a name"), job.id().expect("a number"));
        let label = format!("{thread} @coroutine#{number}");
        let expected = [
            (ms(1000), "kotlin"),
            (ms(2000), "repo-1"),
            (ms(3200), "repo-2"),
            (ms(4000), "repo-3"),
        ];
        let expected = expected.map(|(at, loaded)| (at, label.clone(), loaded));
        assert_eq!(log.take(), expected);
    });
}

#[test]
fn tutorial_task5_default_dispatcher_has_workers_and_a_coroutine_keeps_its_number_on_them() {
    set_debug_mode(true);
    let logs = run_blocking(async |scope| {
        let loads = ORG.iter().map(|_| {
            scope.with(DEFAULT).spawn(async {
                let mut log = vec![thread_label()];
                for _ in 0..100 {
                    yield_now().await;
                    log.push(thread_label());
                }
                Ok(log)
            })
        });
        await_all(loads).await
    });
    let mut numbers = HashSet::new();
    for log in logs.unwrap() {
        let of_this: HashSet<_> = log
            .iter()
            .map(|label| {
                let (thread, number) = label.split_once(" @coroutine#").expect("a number");
                assert!(thread.starts_with("corox-default-"), "{thread}");
                number.to_owned()
            })
            .collect();
        assert_eq!(of_this.len(), 1, "{log:?}");
        numbers.extend(of_this);
    }
    assert_eq!(numbers.len(), ORG.len(), "a number for each");
}

/// Tests that block two workers take turns: there may be no third.
static TWO_WORKERS: Mutex<()> = Mutex::new(());

/// Keeps the worker until `event` has happened, which takes another one.
fn block_until(event: &AtomicBool) {
    let begin = Instant::now();
    while !event.load(Ordering::Relaxed) {
        assert!(begin.elapsed() < Duration::from_secs(60), "nobody else ran");
        hint::spin_loop();
    }
}

#[test]
fn tutorial_task5_default_dispatcher_runs_several_at_the_same_time() {
    let _turn = TWO_WORKERS.lock().unwrap_or_else(PoisonError::into_inner);
    let started = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
    let threads = run_blocking(async |scope| {
        let loads = [0, 1].map(|n| {
            let (this, other) = (started[n].clone(), started[1 - n].clone());
            scope.with(DEFAULT).spawn(async move {
                this.store(true, Ordering::Relaxed);
                block_until(&other);
                Ok(thread::current().id())
            })
        });
        await_all(loads).await
    });
    let threads: HashSet<_> = threads.unwrap().into_iter().collect();
    assert_eq!(threads.len(), 2);
}

#[test]
fn tutorial_task5_default_dispatcher_starts_a_coroutine_on_one_worker_and_resumes_it_on_another() {
    let _turn = TWO_WORKERS.lock().unwrap_or_else(PoisonError::into_inner);
    set_debug_mode(true);
    let load = async {
        let start = thread_label();
        coroutine_scope(async |scope| {
            // Of two workers the first time does it; of more a third may take a part.
            for _ in 0..1000 {
                let [busy, released, resumed] = [(); 3].map(|()| Arc::new(AtomicBool::new(false)));
                let (is_busy, is_released) = (busy.clone(), released.clone());
                scope.launch(async move {
                    is_busy.store(true, Ordering::Relaxed);
                    block_until(&is_released);
                });
                block_until(&busy);
                // Gets the worker that this coroutine leaves, and keeps it until that runs: on the one that it releases.
                let (response, responded) = CompletableDeferred::new().into_deferred();
                let is_resumed = resumed.clone();
                scope.launch(async move {
                    released.store(true, Ordering::Relaxed);
                    response.complete(());
                    block_until(&is_resumed);
                });
                responded.await?;
                resumed.store(true, Ordering::Relaxed);
                if thread_label() != start {
                    break;
                }
            }
            Ok((start, thread_label()))
        })
        .await
    };
    let labels = run_blocking(async |scope| scope.with(DEFAULT).spawn(load).await);
    let (start, end) = labels.unwrap();
    let (first, number) = start.split_once(" @").expect("a number");
    let (second, same) = end.split_once(" @").expect("a number");
    assert_ne!(first, second);
    assert_eq!(number, same);
}

#[test]
fn tutorial_cancel_structured_sends_no_request_after_the_cancellation() {
    async fn load_contributors(service: MockService, log: EventLog) -> Result<Vec<User>> {
        coroutine_scope(async |scope| {
            let repos = service.get_org_repos().await?;
            let deferreds: Vec<_> = repos
                .into_iter()
                .map(|repo| {
                    let log = log.clone();
                    scope.spawn(async move {
                        log.add(format!("starting loading for {}", repo.name));
                        delay(ms(3000)).await;
                        log.add(format!("asking for {}", repo.name));
                        service.get_repo_contributors(repo).await
                    })
                })
                .collect();
            Ok(aggregate(await_all(deferreds).await?.concat()))
        })
        .await
    }

    run_test(async |t| {
        let log = EventLog::new();
        let events = log.clone();
        let loading = t.spawn(load_contributors(MockService, events));
        delay(ms(2000)).await;
        loading.cancel_and_join().await;
        assert_eq!(t.current_time(), ms(2000));
        let started =
            ["repo-1", "repo-2", "repo-3"].map(|repo| format!("starting loading for {repo}"));
        log.assert(&started);
        t.advance_until_idle().await;
        assert_eq!(
            t.current_time(),
            ms(2000),
            "nothing is left that could wait"
        );
        log.assert(&started);
    });
}

/// The same, but for `GlobalScope` in the place of the scope. It gets the dispatcher of the test, so that the clock is virtual.
#[test]
fn tutorial_cancel_globalscope_sends_all_requests_although_nobody_waits_for_them() {
    async fn load_contributors(
        service: MockService,
        log: EventLog<(Duration, String)>,
        here: Dispatcher,
    ) -> Result<Vec<User>> {
        let begin = tokio::time::Instant::now();
        let repos = service.get_org_repos().await?;
        let deferreds: Vec<_> = repos
            .into_iter()
            .map(|repo| {
                let log = log.clone();
                GlobalScope.with(here.clone()).spawn(async move {
                    delay(ms(3000)).await;
                    log.push((begin.elapsed(), format!("asking for {}", repo.name)));
                    let users = service.get_repo_contributors(repo).await?;
                    log.push((begin.elapsed(), format!("loaded {}", repo.name)));
                    Ok(users)
                })
            })
            .collect();
        Ok(aggregate(await_all(deferreds).await?.concat()))
    }

    run_test(async |t| {
        let log = EventLog::of();
        let here = t.dispatcher().clone();
        let loading = t.spawn(load_contributors(MockService, log.clone(), here));
        delay(ms(2000)).await;
        loading.cancel_and_join().await;
        assert_eq!(t.current_time(), ms(2000), "who has awaited them is gone");
        assert_eq!(log.events(), []);
        t.advance_until_idle().await;
        let expected = [
            (4000, "asking for repo-1"),
            (4000, "asking for repo-2"),
            (4000, "asking for repo-3"),
            (4800, "loaded repo-3"),
            (5000, "loaded repo-1"),
            (5200, "loaded repo-2"),
        ];
        assert_eq!(
            log.take(),
            expected.map(|(at, event)| (ms(at), event.to_owned()))
        );
    });
}

/// Names no dispatcher. Gives the one that it was called on, that of its scope, and those of its coroutines.
async fn dispatchers_of_a_load() -> Result<Vec<Dispatcher>> {
    fn current() -> Dispatcher {
        CoroutineContext::current()
            .dispatcher()
            .expect("there is one")
            .clone()
    }

    let caller = current();
    coroutine_scope(async |scope: CoroutineScope| {
        let repos = MockService.get_org_repos().await?;
        let its = scope.context().dispatcher().expect("there is one").clone();
        let deferreds = repos.into_iter().map(|repo| {
            scope.spawn(async move {
                let inner =
                    coroutine_scope(async |inner| inner.spawn(async { Ok(current()) }).await);
                MockService.get_repo_contributors(repo).await?;
                Ok([current(), inner.await?])
            })
        });
        let loads = await_all(deferreds.collect::<Vec<_>>()).await?;
        Ok([vec![caller, its], loads.concat()].concat())
    })
    .await
}

#[test]
fn tutorial_context_inherited_gives_all_the_dispatcher_of_the_outermost_launch() {
    run_test(async |t| {
        let loader = StandardTestDispatcher::named(t.scheduler(), "loader");
        let dispatchers = t.with(&loader).spawn(dispatchers_of_a_load()).await?;
        assert_eq!(dispatchers, vec![Dispatcher::from(&loader); 8]);
        assert_ne!(dispatchers[0], *t.dispatcher());
        let dispatchers = t.spawn(dispatchers_of_a_load()).await?;
        assert_eq!(dispatchers, vec![t.dispatcher().clone(); 8]);
        Ok(())
    });
}

/// As in `test-other-dispatcher`: the test waits for it in real time.
#[test]
fn tutorial_virtual_default_takes_real_time_and_leaves_the_virtual_clock_where_it_was() {
    async fn bar(done: Arc<AtomicBool>) -> Result<()> {
        coroutine_scope(async |scope| {
            scope.with(DEFAULT).launch(async move {
                delay(ms(100)).await;
                done.store(true, Ordering::Relaxed);
            });
            Ok(())
        })
        .await
    }

    run_test(async |t| {
        let (begin, done) = (Instant::now(), Arc::new(AtomicBool::new(false)));
        bar(done.clone()).await?;
        assert!(done.load(Ordering::Relaxed));
        assert!(begin.elapsed() >= ms(100));
        assert_eq!(t.current_time(), Duration::ZERO);
        Ok(())
    });
}

// ---- channels

/// Sends 1, 2 and so on, each noted when its send has returned.
fn send_and_note(t: &CoroutineScope, channel: &Channel<u32>, count: u32) -> EventLog {
    let (log, channel) = (EventLog::new(), channel.clone());
    let sent = log.clone();
    t.launch(async move {
        for n in 1..=count {
            channel.send(n).await?;
            sent.add(format!("sent {n}"));
        }
        Ok(())
    });
    log
}

#[test]
fn tutorial_channel_unlimited_a_send_never_waits_and_a_receive_does() {
    run_test(async |t| {
        let channel = Channel::new(Capacity::Unlimited);
        let waits = t.spawn({
            let channel = channel.clone();
            async move { Ok(channel.receive().await?) }
        });
        t.run_current().await;
        assert!(!waits.job().is_completed(), "the channel is empty");
        let log = send_and_note(&t, &channel, 1000);
        t.run_current().await;
        assert_eq!(log.take().len(), 1000);
        assert_eq!(waits.await?, 1);
        Ok(())
    });
}

#[test]
fn tutorial_channel_buffered_a_send_waits_while_the_buffer_is_full() {
    run_test(async |t| {
        let channel = Channel::new(2);
        let log = send_and_note(&t, &channel, 4);
        t.run_current().await;
        log.assert(["sent 1", "sent 2"]);
        assert_eq!(channel.receive().await?, 1);
        t.run_current().await;
        log.assert(["sent 1", "sent 2", "sent 3"]);
        assert_eq!((channel.receive().await?, channel.receive().await?), (2, 3));
        t.run_current().await;
        log.assert(["sent 1", "sent 2", "sent 3", "sent 4"]);
        Ok(())
    });
}

#[test]
fn tutorial_channel_rendezvous_each_side_waits_for_the_other() {
    run_test(async |t| {
        let channel = Channel::new(Capacity::Rendezvous);
        let log = send_and_note(&t, &channel, 2);
        t.run_current().await;
        log.assert([] as [&str; 0]);
        assert_eq!(channel.receive().await?, 1);
        t.run_current().await;
        log.assert(["sent 1"]);
        assert_eq!(channel.receive().await?, 2);
        let first = t.spawn({
            let channel = channel.clone();
            async move { Ok(channel.receive().await?) }
        });
        t.run_current().await;
        assert!(!first.job().is_completed(), "nobody sends");
        channel.send(3).await?;
        assert_eq!(first.await?, 3);
        Ok(())
    });
}

#[test]
fn tutorial_channel_conflated_keeps_the_newest_and_a_send_never_waits() {
    run_test(async |t| {
        let channel = Channel::new(Capacity::Conflated);
        let log = send_and_note(&t, &channel, 5);
        t.run_current().await;
        assert_eq!(log.take().len(), 5);
        assert_eq!(channel.receive().await?, 5);
        assert!(channel.is_empty());
        Ok(())
    });
}
