//! The probes: what is known of live coroutines, and that it costs and keeps nothing otherwise.

#[path = "support/manual.rs"]
mod manual;

use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use corox_core::probe::{self, Reason, WaitReason, dump, dump_of, install, live, waits_of};
use corox_core::probe_protocol::known;
use corox_core::{
    CompletableDeferred, CompletableJob, CoroutineName, CoroutineScope, Dispatcher, GlobalScope,
    Job, await_all, await_cancellation, blocking, coroutine_scope, delay, on, run_blocking, select,
    suspend_cancellable, with_context, yield_now,
};
use manual::Manual;

/// One test at a time, for the probes belong to the process; with a limit of time.
fn alone<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(!probe::is_installed());
    let (over, ended) = sync_channel::<()>(1);
    let thread = std::thread::spawn(move || {
        let _over = over;
        test()
    });
    if let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(Duration::from_secs(20)) {
        panic!("the test hangs; these live:\n{}", dump());
    }
    thread
        .join()
        .unwrap_or_else(|payload| resume_unwind(payload))
}

/// Without addresses and numbers of coroutines; places in this file as lines counted from `first`.
fn plain(text: &str, first: u32) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['@', '#']) {
        plain.push_str(&rest[..at]);
        rest = rest[at + 1..].trim_start_matches(|c: char| c.is_ascii_hexdigit());
    }
    plain.push_str(rest);
    let mut parts = plain.split(file!());
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        // ":line:column", and what follows.
        let mut numbers = part.splitn(3, [':', '\n']);
        let line = numbers.nth(1).and_then(|line| line.parse::<u32>().ok());
        let column_and_rest = numbers.next().unwrap_or_default();
        let rest = column_and_rest.trim_start_matches(|c: char| c.is_ascii_digit());
        text.push_str(&format!("line {}{rest}", line.unwrap() - first));
    }
    text.replace('"', "")
}

// ---- installing

/// P-1.
#[test]
fn the_probes_are_installed_until_the_last_guard_is_dropped() {
    alone(|| {
        let (one, two) = (install(), install());
        let job = CompletableJob::new();
        drop(one);
        assert!(probe::is_installed());
        assert_eq!(live().len(), 1);
        drop(two);
        assert!(!probe::is_installed());
        drop(job);
    });
}

/// P-1.
#[test]
fn the_last_guard_clears_the_registry() {
    alone(|| {
        let probes = install();
        let job = CompletableJob::new();
        assert!(live()[0].ptr_eq(&job));
        drop(probes);
        let probes = install();
        assert!(live().is_empty());
        assert_eq!(dump(), "");
        drop(probes);
    });
}

/// P-1.
#[test]
fn a_job_from_an_earlier_time_with_probes_is_unknown_and_what_comes_below_it_is_known() {
    alone(|| {
        run_blocking(async |_| {
            let first = install();
            let old = CompletableJob::new();
            let scope = CoroutineScope::new(old.clone());
            let waits = scope.launch(async {
                delay(Duration::from_millis(1)).await;
                await_cancellation().await;
            });
            drop(first);
            let second = install();
            while waits_of(&waits).first().map(|wait| wait.what) != Some("await_cancellation") {
                yield_now().await;
            }
            assert!(live().is_empty(), "{}", dump());
            let new = scope.launch(await_cancellation());
            let known = live();
            assert_eq!(known.len(), 1);
            assert!(known[0].ptr_eq(&new));
            drop(second);
            old.cancel();
            Ok(())
        })
        .unwrap();
    });
}

#[test]
fn a_scope_in_a_coroutine_from_before_is_told_as_one_by_itself() {
    alone(|| {
        run_blocking(async |_| {
            let _probes = install();
            coroutine_scope(async |scope| {
                delay(Duration::from_millis(1)).await;
                let known = known();
                assert_eq!(known.len(), 1);
                assert!(known[0].job.ptr_eq(scope.job()) && known[0].owner == known[0].token);
                let last = known[0].last_wait.as_ref().map(|wait| wait.info.what);
                assert_eq!(last, Some("delay"));
                Ok(())
            })
            .await
        })
        .unwrap();
    });
}

/// P-1.
#[test]
fn a_coroutine_from_before_the_probes_is_unknown() {
    alone(|| {
        run_blocking(async |scope| {
            let before = scope.launch(await_cancellation());
            let probes = install();
            let after = scope.launch(await_cancellation());
            let known = live();
            assert_eq!(known.len(), 1);
            assert!(known[0].ptr_eq(&after));
            drop(probes);
            before.cancel();
            after.cancel();
            Ok(())
        })
        .unwrap();
    });
}

#[test]
fn without_probes_nothing_is_recorded() {
    alone(|| {
        run_blocking(async |scope| {
            let job = scope.launch(await_cancellation());
            yield_now().await;
            assert!(live().is_empty());
            assert!(waits_of(&job).is_empty());
            assert_eq!(dump(), "");
            let probes = install();
            assert!(waits_of(&job).is_empty(), "the wait began before");
            drop(probes);
            job.cancel();
            Ok(())
        })
        .unwrap();
    });
}

/// With probes, coroutines have numbers also outside debug mode.
#[test]
fn probes_number_the_coroutines() {
    alone(|| {
        corox_core::set_debug_mode(false);
        let probes = install();
        run_blocking(async |scope| {
            assert!(scope.launch(async {}).id().is_some());
            Ok(())
        })
        .unwrap();
        drop(probes);
    });
}

// ---- what lives

/// P-3.
#[test]
fn live_jobs_are_in_the_order_of_their_creation_and_vanish_at_their_end() {
    alone(|| {
        let probes = install();
        run_blocking(async |scope| {
            let root = Job::current().unwrap();
            let one = scope.launch(await_cancellation());
            let lazy = scope.lazy().launch(async {});
            let by_hand = CompletableJob::new();
            let two = scope.spawn(async { Ok(()) });
            let expected: [&Job; 5] = [&root, &one, &lazy, &by_hand, &two];
            let found = live();
            assert_eq!(found.len(), 5);
            assert!(found.iter().zip(expected).all(|(a, b)| a.ptr_eq(b)));

            two.await?;
            // Never started: it ends in the very call.
            lazy.cancel();
            by_hand.complete();
            let found = live();
            assert_eq!(found.len(), 2);
            assert!(found[0].ptr_eq(&root) && found[1].ptr_eq(&one));
            one.cancel();
            Ok(())
        })
        .unwrap();
        assert!(live().is_empty());
        drop(probes);
    });
}

/// So many that no table has them in this order by chance.
#[test]
fn many_live_jobs_are_in_the_order_of_their_creation() {
    alone(|| {
        let probes = install();
        let jobs: Vec<_> = (0..1000).map(|_| CompletableJob::new()).collect();
        let found = live();
        assert_eq!(found.len(), jobs.len());
        assert!(found.iter().zip(&jobs).all(|(a, b)| a.ptr_eq(b)));
        drop(probes);
    });
}

/// P-3: the children of a coroutine that is gone, or was never known, are shown all the same.
#[test]
fn a_job_whose_parent_is_unknown_stands_at_the_left() {
    let text = alone(|| {
        let before = CompletableJob::new();
        let probes = install();
        let child = CompletableJob::child_of(&before);
        let text = dump();
        drop(probes);
        child.complete();
        text
    });
    assert!(text.starts_with("JobImpl{Active}@"), "{text}");
}

// ---- waiting

/// What the current coroutine waits for after one poll of `future`.
fn wait_of(future: impl Future) -> String {
    let mut future = pin!(future);
    let polled = future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
    let waits = waits_of(&Job::current().unwrap());
    assert_eq!(waits.len(), 1, "{waits:?}");
    assert_eq!(waits[0].location.file(), file!());
    format!("{} ({})", waits[0].what, plain(&waits[0].detail, 0))
}

#[test]
fn each_suspension_point_says_what_it_waits_for() {
    let waits = alone(|| {
        let probes = install();
        let waits = run_blocking(async |_| {
            let target = CompletableDeferred::<u8>::new();
            let waits = vec![
                wait_of(delay(Duration::from_secs(60))),
                wait_of(delay(Duration::MAX)),
                wait_of(target.join()),
                wait_of((&target).into_future()),
                wait_of(await_all([&target.as_deferred(), &target.as_deferred()])),
                wait_of(await_cancellation()),
            ];
            target.cancel();
            Ok(waits)
        })
        .unwrap();
        drop(probes);
        waits
    });
    assert_eq!(
        waits,
        [
            "delay (60s)",
            "delay (for ever)",
            "join (CompletableDeferredImpl{Active})",
            "await (CompletableDeferredImpl{Active})",
            "await_all (2 of them)",
            "await_cancellation ()",
        ]
    );
}

/// A wait is named where it is written down, and forgotten when it is over.
#[test]
fn a_wait_is_known_exactly_while_it_lasts() {
    alone(|| {
        let probes = install();
        run_blocking(async |scope| {
            let gate = CompletableDeferred::new();
            let line = line!() + 3;
            let job = scope.launch({
                let gate = gate.clone();
                async move { (&gate).await }
            });
            assert!(waits_of(&job).is_empty(), "it has not begun");
            yield_now().await;
            let waits = waits_of(&job);
            assert_eq!(waits.len(), 1);
            assert_eq!((waits[0].what, waits[0].location.line()), ("await", line));
            gate.complete(());
            job.join().await;
            assert!(waits_of(&job).is_empty());
            Ok(())
        })
        .unwrap();
        drop(probes);
    });
}

/// Also while its future lives on: one that is polled by reference, as loops around a `select!` do.
#[test]
fn a_wait_that_has_ended_is_forgotten_before_its_future_goes() {
    alone(|| {
        let probes = install();
        run_blocking(async |scope| {
            let own = Job::current().unwrap();
            let child = scope.spawn(async {
                yield_now().await;
                Ok(1)
            });
            let mut short = pin!(delay(Duration::from_millis(1)));
            let mut join = pin!(child.join());
            let mut value = pin!(child.into_future());
            let mut call = pin!(blocking(|_| Ok(2)));
            let mut callback = pin!(suspend_cancellable(|continuation| {
                std::thread::spawn(move || continuation.resume(3).unwrap());
            }));
            short.as_mut().await;
            join.as_mut().await;
            let values = (
                value.as_mut().await?,
                call.as_mut().await?,
                callback.as_mut().await?,
            );
            assert_eq!(values, (1, 2, 3));
            assert_eq!(waits_of(&own), []);
            Ok(())
        })
        .unwrap();
        drop(probes);
    });
}

/// What only coroutines and jobs can end is told apart from what may come from anywhere.
#[test]
fn a_wait_tells_whether_coroutines_end_it() {
    async fn ends_by_coroutines(future: impl Future) -> bool {
        let mut future = pin!(future);
        let polled = future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        let waits = waits_of(&Job::current().unwrap());
        assert_eq!(waits.len(), 1, "{waits:?}");
        waits[0].by_coroutines
    }
    alone(|| {
        let probes = install();
        run_blocking(async |_| {
            let target = CompletableDeferred::<u8>::new();
            let minute = Duration::from_secs(60);
            assert!(ends_by_coroutines(target.join()).await);
            assert!(ends_by_coroutines(await_cancellation()).await);
            assert!(ends_by_coroutines(select((target.on_join(),))).await);
            assert!(!ends_by_coroutines(delay(minute)).await);
            let callback = suspend_cancellable::<(), _>(std::mem::forget);
            assert!(!ends_by_coroutines(callback).await);
            let foreign = on(std::future::pending::<()>());
            let either = select((target.on_join(), foreign));
            assert!(!ends_by_coroutines(either).await);
            target.cancel();
            Ok(())
        })
        .unwrap();
        drop(probes);
    });
}

/// The waits of several branches in one body.
#[test]
fn a_body_may_wait_for_several_things() {
    alone(|| {
        let probes = install();
        run_blocking(async |scope| {
            let job = scope.launch(async {
                let minute = delay(Duration::from_secs(60));
                futures::future::join(minute, async { await_cancellation().await }).await;
            });
            yield_now().await;
            let waits: Vec<_> = waits_of(&job).iter().map(|wait| wait.what).collect();
            assert_eq!(waits, ["delay", "await_cancellation"]);
            job.cancel();
            Ok(())
        })
        .unwrap();
        drop(probes);
    });
}

/// A leaf of another crate says so itself; its detail is asked for once, and only with probes.
#[test]
fn a_leaf_of_your_own_notes_its_reason() {
    alone(|| {
        let asked = Arc::new(AtomicUsize::new(0));
        let leaf = |asked: &Arc<AtomicUsize>| {
            let asked = asked.clone();
            let mut reason = WaitReason::here(&Reason("my_lock"));
            poll_fn(move |_| {
                reason.note(|| {
                    asked.fetch_add(1, Ordering::Relaxed);
                    "table 7".to_owned()
                });
                Poll::<()>::Pending
            })
        };
        run_blocking(async |_| {
            let mut future = pin!(leaf(&asked));
            let cx = &mut Context::from_waker(Waker::noop());
            assert!(future.as_mut().poll(cx).is_pending());
            assert_eq!(asked.load(Ordering::Relaxed), 0);

            let probes = install();
            for _ in 0..2 {
                assert!(future.as_mut().poll(cx).is_pending());
            }
            assert_eq!(asked.load(Ordering::Relaxed), 1);
            let waits = waits_of(&Job::current().unwrap());
            assert_eq!((waits[0].what, &*waits[0].detail), ("my_lock", "table 7"));
            drop(probes);
            Ok(())
        })
        .unwrap();
    });
}

// ---- dumps

/// Section 9 of the design: the tree, where each was launched, and what it waits for.
#[test]
fn a_dump_is_the_tree_with_launch_sites_and_waits() {
    let text = alone(|| {
        let probes = install();
        let first = line!() + 1;
        let text = run_blocking(async |scope| {
            let loader = scope
                .with(CoroutineName::new("loader"))
                .launch(coroutine_scope(async |scope| {
                    scope.launch(await_cancellation());
                    Ok(())
                }));
            let body = async { await_cancellation().await };
            let moved = scope.launch(with_context(Dispatcher::DEFAULT, body));
            let lazy = scope.lazy().launch(async {});
            // The body on the pool is on its way.
            while dump().matches("waits for").count() < 4 {
                yield_now().await;
            }
            let text = plain(&dump(), first);
            for job in [loader, moved, lazy] {
                job.cancel();
            }
            Ok(text)
        });
        drop(probes);
        text.unwrap()
    });
    let expected = "\
coroutine:BlockingCoroutine{Active}, launched at line 0
    loader:StandaloneCoroutine{Active}, launched at line 3
      waits for children (loader:ScopeCoroutine{Completing}) at line 3
        loader:ScopeCoroutine{Completing}, launched at line 3
            loader:StandaloneCoroutine{Active}, launched at line 4
              waits for await_cancellation at line 4
    coroutine:StandaloneCoroutine{Active}, launched at line 8
      waits for with_context (coroutine:DispatchedCoroutine{Active}) at line 8
        coroutine:DispatchedCoroutine{Active}, launched at line 8
          waits for await_cancellation at line 7
    coroutine:LazyStandaloneCoroutine{New}, launched at line 9
";
    assert_eq!(text, expected);
}

#[test]
fn waits_for_callbacks_and_blocking_calls_are_named() {
    let waits = alone(|| {
        let probes = install();
        let first = line!() + 1;
        let waits = run_blocking(async |scope| {
            let (go, gone) = std::sync::mpsc::channel::<()>();
            let (keep, _kept) = std::sync::mpsc::channel();
            let keep = move |c| drop(keep.send(c));
            let callback = scope.launch(suspend_cancellable::<(), _>(keep));
            let call = scope.launch(blocking(move |_| Ok(gone.recv()?)));
            while dump().matches("waits for").count() < 2 {
                yield_now().await;
            }
            let text = plain(&dump(), first);
            callback.cancel();
            go.send(())?;
            call.join().await;
            Ok(text)
        });
        drop(probes);
        waits.unwrap()
    });
    let waits: Vec<_> = waits.lines().filter(|l| l.contains("waits")).collect();
    assert_eq!(
        waits,
        [
            "      waits for suspend_cancellable at line 4",
            "      waits for blocking (coroutine:DispatchedCoroutine{Active}) at line 5"
        ]
    );
}

#[test]
fn a_dump_of_some_jobs_shows_no_others() {
    alone(|| {
        let probes = install();
        let (one, two) = (CompletableJob::new(), CompletableJob::new());
        let child = CompletableJob::child_of(&two);
        let text = dump_of(&[(*two).clone(), (*child).clone()]);
        let first: Vec<_> = text
            .lines()
            .map(|line| line.split(',').next().unwrap())
            .collect();
        assert_eq!(first, [two.to_string(), format!("    {child:?}")]);
        drop((one, probes));
    });
}

/// A chain of jobs is dumped in a text that grows with their number, and not with its square.
#[test]
fn a_dump_of_a_deep_tree_stays_readable() {
    alone(|| {
        const DEPTH: usize = 5_000;
        let probes = install();
        let mut jobs = vec![CompletableJob::new()];
        for _ in 0..DEPTH {
            let parent = jobs.last().unwrap();
            jobs.push(CompletableJob::child_of(parent));
        }
        let text = dump();
        assert_eq!(text.lines().count(), DEPTH + 1);
        assert!(text.lines().all(|line| line.len() < 400));
        let last = text.lines().last().unwrap();
        assert!(last.contains(&format!("[{DEPTH}] {:?}", jobs[DEPTH])));
        jobs[0].cancel();
        drop(probes);
    });
}

/// A dump may be taken at any moment, from any thread.
#[test]
fn a_dump_is_safe_while_coroutines_come_and_go() {
    alone(|| {
        let probes = install();
        run_blocking(async |scope| {
            let work = scope.with(Dispatcher::DEFAULT).launch(async {
                for _ in 0..300 {
                    coroutine_scope(async |scope| {
                        for _ in 0..4 {
                            scope.launch(async { yield_now().await });
                        }
                        Ok(())
                    })
                    .await?;
                }
                Ok(())
            });
            while !work.is_completed() {
                let text = dump();
                assert!(text.contains("BlockingCoroutine"));
                yield_now().await;
            }
            Ok(())
        })
        .unwrap();
        assert!(live().is_empty());
        drop(probes);
    });
}

// ---- no trace

/// P-9: the same program does the same with and without probes.
#[test]
fn probes_change_no_order() {
    fn program() -> Vec<u32> {
        let order = Arc::new(Mutex::new(Vec::new()));
        // `run_test` installs the probes.
        let manual = Manual::new();
        for n in 0..5 {
            let log = order.clone();
            GlobalScope.with(manual.dispatcher()).launch(async move {
                log.lock().unwrap().push(n);
                for _ in 0..n {
                    yield_now().await;
                }
                log.lock().unwrap().push(10 + n);
                delay(Duration::from_millis(u64::from(5 - n))).await;
                log.lock().unwrap().push(20 + n);
            });
        }
        manual.run();
        for _ in 0..5 {
            manual.pass(Duration::from_millis(1));
            manual.run();
        }
        let order = order.lock().unwrap();
        order.clone()
    }

    alone(|| {
        let without = program();
        let expected = [0, 10, 1, 2, 3, 4, 11, 12, 13, 14, 24, 23, 22, 21, 20];
        assert_eq!(without, expected);
        let probes = install();
        let with = program();
        drop(probes);
        assert_eq!(with, without);
    });
}
