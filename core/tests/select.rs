//! Select (S-1, S-3, S-4, S-9 to S-13), in virtual time where time counts.

#[path = "support/manual.rs"]
mod manual;
mod support;

use std::future::{pending, poll_fn, ready};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use corox_core::harness_protocol::set_select_seed as set_seed;
use corox_core::{
    Clause, CompletableDeferred, CompletableJob, Dispatcher, Error, GlobalScope, Job, Result,
    catch_cancellation, delay, non_cancellable, on, on_timeout, probe, run_blocking, select,
    select_unbiased, supervisor_scope, while_select, yield_now,
};
use futures::stream::{FuturesUnordered, StreamExt};
use manual::Manual;
use proptest::prelude::*;
use support::{Log, checked, forever, in_virtual_time, root};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn ended() -> CompletableJob {
    let job = CompletableJob::new();
    job.complete();
    job
}

/// Counts its wakes.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Wakes {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

fn poll_with<F: Future>(future: Pin<&mut F>, wakes: &Arc<Wakes>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(&Waker::from(wakes.clone())))
}

// ---- the first poll

/// S-1, S-9: what comes after the winner is not registered, so a lazy job stays unstarted.
#[test]
fn the_first_clause_that_is_available_wins_and_later_ones_are_not_registered() {
    root(async |scope| {
        let waits = CompletableJob::new();
        let lazy = scope.lazy().launch(async {});
        let polled = AtomicUsize::new(0);
        let foreign = poll_fn(|_| {
            polled.fetch_add(1, Ordering::Relaxed);
            Poll::Ready(())
        });
        let who = select((
            waits.on_join().then(|()| 0),
            ended().on_join().then(|()| 1),
            lazy.on_join().then(|()| 2),
            on(foreign).then(|()| 3),
        ))
        .await;
        assert_eq!((who, polled.load(Ordering::Relaxed)), (1, 0));
        assert!(!lazy.is_active());
        lazy.cancel();
        waits.complete();
        Ok(())
    });
}

/// S-3: nobody else on the dispatcher runs between the select and its handler.
#[test]
fn a_clause_that_is_available_is_handled_without_a_dispatch() {
    let log = Log::new();
    let seen = log.clone();
    root(async move |scope| {
        scope.launch(log.event("other"));
        select((ended().on_join().then(|()| log.add("handler")),)).await;
        log.add("after");
        Ok(())
    });
    assert_eq!(seen.take(), ["handler", "after", "other"]);
}

/// S-9
#[test]
fn lazy_jobs_are_started_when_they_are_registered() {
    root(async |scope| {
        let lazy = scope.lazy().spawn(async { Ok(7) });
        assert_eq!(select((lazy.on_await(),)).await?, 7);
        let lazy = scope.lazy().launch(async {});
        select((lazy.on_join(),)).await;
        assert!(lazy.is_completed());
        Ok(())
    });
}

/// S-9
#[test]
fn a_failed_deferred_wins_over_later_clauses_and_join_never_fails() {
    root(async |_| {
        supervisor_scope(async |scope| {
            let failed = scope.spawn(async { Err::<i32, _>(Error::msg("no")) });
            failed.join().await;
            let text = select((
                failed
                    .on_await()
                    .then(|result| result.unwrap_err().to_string()),
                ended().on_join().then(|()| "later".to_owned()),
            ))
            .await;
            assert_eq!(text, "no");
            let line = line!() + 1;
            let error = select((failed.on_await(),)).await.unwrap_err();
            assert_eq!(error.awaited_at().last().unwrap().line(), line);
            select((failed.on_join(),)).await;
            Ok(())
        })
        .await
    });
}

/// S-10
#[test]
fn a_time_out_of_zero_is_available_in_its_place() {
    in_virtual_time(async |t| {
        let job = ended();
        let zero = || on_timeout(Duration::ZERO).then(|()| "zero");
        assert_eq!(
            select((zero(), job.on_join().then(|()| "job"))).await,
            "zero"
        );
        assert_eq!(
            select((job.on_join().then(|()| "job"), zero())).await,
            "job"
        );
        let waits = CompletableJob::new();
        assert_eq!(
            select((waits.on_join().then(|()| "job"), zero())).await,
            "zero"
        );
        waits.complete();
        assert_eq!(t.current_time(), Duration::ZERO);
        Ok(())
    });
}

/// S-10: tokio would round its deadline up to the next millisecond.
#[tokio::test]
async fn a_time_out_of_zero_is_available_on_a_tokio_runtime_too() {
    let zero = on_timeout(Duration::ZERO).then(|()| "zero");
    let who = select((zero, ended().on_join().then(|()| "job"))).await;
    assert_eq!(who, "zero");
}

/// Kotlin: select "does not check for cancellation when it is not suspended".
#[test]
fn a_clause_that_is_available_is_handled_in_a_cancelled_coroutine_too() {
    let log = Log::new();
    let seen = log.clone();
    root(async move |scope| {
        let job = scope.launch(async move {
            Job::current().unwrap().cancel();
            select((ended().on_join().then(|()| log.add("handled")),)).await;
            forever().await;
        });
        job.join().await;
        Ok(())
    });
    assert_eq!(seen.take(), ["handled"]);
}

// ---- while it waits

#[test]
fn the_clause_that_is_first_in_time_wins_and_not_the_first_in_the_tuple() {
    let wakes = Arc::new(Wakes::default());
    let (one, two) = (CompletableJob::new(), CompletableDeferred::new());
    let mut selecting = pin!(select((
        one.on_join().then(|()| 1),
        two.on_await().then(|result| result.unwrap()),
    )));
    assert!(poll_with(selecting.as_mut(), &wakes).is_pending());
    two.complete(2);
    assert_eq!(wakes.count(), 1);
    one.complete();
    assert_eq!(wakes.count(), 1, "the select is claimed already");
    assert_eq!(poll_with(selecting.as_mut(), &wakes), Poll::Ready(2));
}

/// The readiness of a foreign future counts when it is polled: a job that ended before is first.
#[test]
fn a_foreign_future_that_is_ready_after_a_job_has_ended_loses() {
    let wakes = Arc::new(Wakes::default());
    let job = CompletableJob::new();
    let (tx, rx) = tokio::sync::oneshot::channel();
    let mut selecting = pin!(select((
        on(rx).then(|n: std::result::Result<i32, _>| n.unwrap()),
        job.on_join().then(|()| 0),
    )));
    assert!(poll_with(selecting.as_mut(), &wakes).is_pending());
    job.complete();
    tx.send(1).unwrap();
    assert_eq!(poll_with(selecting.as_mut(), &wakes), Poll::Ready(0));
}

#[test]
fn only_foreign_futures_that_were_woken_are_polled() {
    fn counted<'a>(
        polls: &'a AtomicUsize,
        rx: tokio::sync::oneshot::Receiver<i32>,
    ) -> impl Future<Output = i32> + 'a {
        let mut rx = Box::pin(rx);
        poll_fn(move |cx| {
            polls.fetch_add(1, Ordering::Relaxed);
            rx.as_mut().poll(cx).map(std::result::Result::unwrap)
        })
    }
    let wakes = Arc::new(Wakes::default());
    let polls = [AtomicUsize::new(0), AtomicUsize::new(0)];
    let (_kept, one) = tokio::sync::oneshot::channel();
    let (tx, two) = tokio::sync::oneshot::channel();
    let mut selecting = pin!(select((
        on(counted(&polls[0], one)),
        on(counted(&polls[1], two)),
    )));
    assert!(poll_with(selecting.as_mut(), &wakes).is_pending());
    assert!(poll_with(selecting.as_mut(), &wakes).is_pending());
    tx.send(5).unwrap();
    assert_eq!(wakes.count(), 1);
    assert_eq!(poll_with(selecting.as_mut(), &wakes), Poll::Ready(5));
    let polls = [&polls[0], &polls[1]].map(|count| count.load(Ordering::Relaxed));
    assert_eq!(polls, [1, 2]);
}

/// S-10: several time-outs, the timers of losers are taken back (`in_virtual_time` looks at the end, too).
#[test]
fn of_several_time_outs_the_shortest_wins_and_the_timers_of_the_others_are_taken_back() {
    in_virtual_time(async |t| {
        let left = select((
            on_timeout(ms(30)).then(|()| 99),
            on_timeout(ms(10)).then(|()| t.scheduler().pending_timers()),
            on_timeout(Duration::MAX).then(|()| 99),
        ))
        .await;
        assert_eq!((left, t.current_time()), (0, ms(10)));
        Ok(())
    });
}

/// A timer claims at its time, though the task is polled only after a later event.
#[test]
fn a_timer_that_fires_before_a_job_ends_wins_though_both_are_seen_together() {
    let who = in_virtual_time(async |t| {
        let job = CompletableJob::new();
        let mut selecting = pin!(select((
            job.on_join().then(|()| "job"),
            on_timeout(ms(5)).then(|()| "time"),
        )));
        let first = poll_fn(|cx| Poll::Ready(selecting.as_mut().poll(cx))).await;
        assert!(first.is_pending());
        t.advance_time_by(ms(5)).await;
        // The timer is due and fires.
        t.run_current().await;
        job.complete();
        Ok((selecting.await, t.current_time()))
    });
    assert_eq!(who, ("time", ms(5)));
}

/// A runtime that shuts down wakes its timers before their time.
#[test]
fn a_timer_that_is_woken_early_is_set_again() {
    checked(|| {
        let manual = Manual::new();
        let clock = manual.clone();
        let job = GlobalScope.with(manual.dispatcher()).launch(async move {
            let mut selecting = pin!(select((on_timeout(ms(5)),)));
            let first = poll_fn(|cx| Poll::Ready(selecting.as_mut().poll(cx))).await;
            assert!(first.is_pending());
            clock.wake_early();
            selecting.await;
        });
        manual.run();
        manual.pass(ms(4));
        manual.run();
        assert!(!job.is_completed());
        manual.pass(ms(1));
        manual.run();
        assert!(job.is_completed() && !job.is_cancelled());
    });
}

/// The timers of a runtime that has shut down go on elsewhere.
#[test]
fn a_time_out_outlives_the_runtime_that_it_began_on() {
    checked(|| {
        let wakes = Arc::new(Wakes::default());
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().build().unwrap();
        let mut selecting = pin!(select((on_timeout(ms(50)).then(|()| "late"),)));
        {
            let _inside = runtime.enter();
            assert!(poll_with(selecting.as_mut(), &wakes).is_pending());
        }
        drop(runtime);
        assert_eq!(wakes.count(), 1, "woken early");
        assert_eq!(futures::executor::block_on(selecting), "late");
    });
}

/// S-2: while it is polled the future ends the job, and then itself: its output is there already, and is not lost.
#[test]
fn a_foreign_future_that_ends_another_source_wins_with_its_output() {
    let wakes = Arc::new(Wakes::default());
    let job = CompletableJob::new();
    let foreign = async {
        job.complete();
        7
    };
    let mut selecting = pin!(select((job.on_join().then(|()| 0), on(foreign))));
    assert_eq!(poll_with(selecting.as_mut(), &wakes), Poll::Ready(7));
    assert!(job.is_completed());
}

/// S-5: what becomes available while foreign code is polled cannot claim the select, which looks itself afterwards.
#[test]
fn what_becomes_available_during_the_poll_of_a_foreign_future_is_not_missed() {
    let wakes = Arc::new(Wakes::default());
    let job = CompletableJob::new();
    let answer = CompletableDeferred::new();
    let polls = AtomicUsize::new(0);
    let foreign = |ends: &'static str| {
        let (polls, job, answer) = (&polls, &job, &answer);
        poll_fn(move |_| {
            polls.fetch_add(1, Ordering::Relaxed);
            match ends {
                "job" => _ = job.complete(),
                _ => _ = answer.complete(7),
            }
            Poll::<u32>::Pending
        })
    };
    let mut selecting = pin!(select((job.on_join().then(|()| 1), on(foreign("job")))));
    assert_eq!(poll_with(selecting.as_mut(), &wakes), Poll::Ready(1));
    let mut selecting = pin!(select((
        on(foreign("answer")),
        answer.on_await().then(|n| n.unwrap())
    )));
    assert_eq!(poll_with(selecting.as_mut(), &wakes), Poll::Ready(7));
    assert_eq!(polls.load(Ordering::Relaxed), 2, "no poll without a wake");
    assert_eq!(wakes.count(), 0);
}

/// S-5, of a timer: it fires on another thread while foreign code is polled.
#[test]
fn a_time_out_that_fires_during_the_poll_of_a_foreign_future_is_not_missed() {
    let late = root(async |scope| {
        let pool = scope.with(Dispatcher::DEFAULT);
        // Its timer is later than that of the select, so that one has fired when this has.
        let (fired, has_fired) = std::sync::mpsc::channel();
        pool.launch(async move {
            delay(ms(20)).await;
            fired.send(()).ok();
        });
        let late = pool.spawn(async move {
            let mut polled = false;
            let foreign = poll_fn(move |_| {
                if !polled {
                    polled = true;
                    has_fired
                        .recv()
                        .expect("the other coroutine is not stopped");
                }
                Poll::<&str>::Pending
            });
            Ok(select((on_timeout(ms(1)).then(|()| "late"), on(foreign))).await)
        });
        late.await
    });
    assert_eq!(late, "late");
}

/// After a panic of a foreign future the select can be dropped, and the sources are usable.
#[test]
fn a_panic_of_a_foreign_future_leaves_the_sources_usable() {
    let job = CompletableJob::new();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut selecting = pin!(select((
            job.on_join(),
            on(poll_fn(|_| -> Poll<()> { panic!("foreign") }))
        )));
        let _ = poll_with(selecting.as_mut(), &Arc::default());
    }));
    assert!(panicked.is_err());
    job.complete();
    let mut selecting = pin!(select((job.on_join(),)));
    assert!(poll_with(selecting.as_mut(), &Arc::default()).is_ready());
}

// ---- handlers

/// S-4: what has lost is gone before the handler begins, which may use the same sources again.
#[test]
fn the_handler_begins_after_the_losers_are_dropped_and_may_use_their_sources() {
    let log = Log::new();
    let seen = log.clone();
    root(async move |scope| {
        let guard = log.guard("loser dropped");
        let loser = async move {
            let _guard = guard;
            pending::<i32>().await
        };
        let deferred = scope.spawn(async { Ok(1) });
        let again = scope.spawn(async {
            yield_now().await;
            Ok(10)
        });
        let sum = select((
            on(loser),
            again.on_await().then(|_| 0),
            deferred.on_await().then_async(async |one| {
                log.add("handler");
                one.unwrap() + select((again.on_await(),)).await.unwrap()
            }),
        ))
        .await;
        assert_eq!(sum, 11);
        Ok(())
    });
    assert_eq!(seen.take(), ["loser dropped", "handler"]);
}

#[test]
fn a_deferred_that_loses_keeps_its_value() {
    root(async |scope| {
        let value = scope.spawn(async { Ok("kept".to_owned()) });
        value.join().await;
        let job = ended();
        select((job.on_join().then(|()| ()), value.on_await().then(|_| ()))).await;
        assert_eq!(value.await?, "kept");
        Ok(())
    });
}

#[test]
fn a_future_that_is_passed_by_reference_goes_on_after_it_has_lost() {
    in_virtual_time(async |t| {
        let mut work = pin!(async {
            delay(ms(20)).await;
            42
        });
        let late = select((on(&mut work), on_timeout(ms(10)).then(|()| 0))).await;
        assert_eq!((late, t.current_time()), (0, ms(10)));
        assert_eq!((work.await, t.current_time()), (42, ms(20)));
        Ok(())
    });
}

#[test]
fn a_panic_of_a_handler_fails_the_coroutine_and_leaves_the_sources_usable() {
    root(async |_| {
        let source = CompletableJob::new();
        let waits = source.clone();
        let outcome = supervisor_scope(async |scope| {
            let bad = scope.spawn(async move {
                let panics = on_timeout(Duration::ZERO).then(|()| panic!("bad handler"));
                select((waits.on_join(), panics)).await;
                Ok(())
            });
            Ok(bad.await.unwrap_err().is_panic())
        })
        .await?;
        assert!(outcome);
        source.complete();
        select((source.on_join(),)).await;
        Ok(())
    });
}

// ---- cancellation

/// S-11: the claim came first, the cancellation before the coroutine went on.
#[test]
fn a_coroutine_that_is_cancelled_before_it_goes_on_does_not_handle() {
    let log = Log::new();
    let seen = log.clone();
    root(async move |scope| {
        let source = CompletableJob::new();
        let waits = source.clone();
        let job = scope.launch(async move {
            select((waits.on_join().then(|()| log.add("handled")),)).await;
        });
        yield_now().await;
        source.complete();
        job.cancel();
        job.join().await;
        Ok(())
    });
    assert_eq!(seen.take(), <[&str; 0]>::default());
}

/// A shield in a clause runs to its end, as one that is awaited does.
#[test]
fn a_shield_in_a_clause_runs_to_its_end() {
    let log = Log::new();
    let seen = log.clone();
    root(async move |scope| {
        let job = scope.launch(async move {
            let shield = non_cancellable(async |_| {
                for _ in 0..3 {
                    yield_now().await;
                }
                log.add("shield ended");
                Ok(())
            });
            select((
                on(forever()).then(|()| ()),
                on(shield).then(|_| log.add("handled")),
            ))
            .await;
        });
        yield_now().await;
        job.cancel_and_join().await;
        Ok(())
    });
    assert_eq!(seen.take(), ["shield ended"]);
}

/// S-11, S-13: without clauses it waits until it is cancelled.
#[test]
fn a_select_without_clauses_waits_until_it_is_cancelled() {
    root(async |scope| {
        let nobody = scope.launch(async {
            select(()).await;
        });
        let empty = scope.launch(async {
            let outcome = catch_cancellation(select(Vec::<corox_core::OnJoin>::new())).await;
            assert!(outcome.is_err());
        });
        yield_now().await;
        assert!(nobody.is_active() && empty.is_active());
        nobody.cancel_and_join().await;
        empty.cancel_and_join().await;
        Ok(())
    });
}

/// S-11: dropped by foreign code, nothing of it wakes or claims any more, nor holds the task, though a foreign source keeps
/// the waker that it was given.
#[test]
fn a_select_that_is_dropped_is_unregistered() {
    let wakes = Arc::new(Wakes::default());
    let job = CompletableJob::new();
    let kept = Mutex::new(None);
    let foreign = poll_fn(|cx| {
        *kept.lock().unwrap() = Some(cx.waker().clone());
        Poll::<()>::Pending
    });
    let mut selecting = Box::pin(select((job.on_join(), on(foreign))));
    assert!(poll_with(selecting.as_mut(), &wakes).is_pending());
    drop(selecting);
    assert_eq!(Arc::strong_count(&wakes), 1);
    kept.lock().unwrap().take().unwrap().wake();
    job.complete();
    assert_eq!(wakes.count(), 0);
}

// ---- beside other combinators

#[test]
fn the_waker_of_the_last_poll_is_the_one_that_is_woken() {
    let (old, new) = (Arc::new(Wakes::default()), Arc::new(Wakes::default()));
    let job = CompletableJob::new();
    let mut selecting = pin!(select((job.on_join(),)));
    assert!(poll_with(selecting.as_mut(), &old).is_pending());
    assert!(poll_with(selecting.as_mut(), &new).is_pending());
    job.complete();
    assert_eq!((old.count(), new.count()), (0, 1));
}

#[test]
fn selects_work_inside_tokios_select_and_futures_unordered() {
    root(async |scope| {
        let job = scope.launch(async { yield_now().await });
        let jobs: Vec<_> = (0..10)
            .map(|n| {
                scope.spawn(async move {
                    yield_now().await;
                    Ok(n)
                })
            })
            .collect();
        tokio::select! {
            biased;
            () = select((job.on_join(), on(forever()))) => {}
            () = forever() => unreachable!(),
        }
        let mut all: FuturesUnordered<_> = jobs
            .iter()
            .map(|one| select((one.on_await(), on(pending()))))
            .collect();
        let mut sum = 0;
        while let Some(n) = all.next().await {
            sum += n?;
        }
        assert_eq!(sum, 45);
        Ok(())
    });
}

#[test]
fn a_select_works_outside_coroutines() {
    checked(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let job = CompletableJob::new();
            let late = select((
                job.on_join().then(|()| false),
                on_timeout(ms(1)).then(|()| true),
            ))
            .await;
            assert!(late);
            job.complete();
        });
    });
}

#[test]
fn a_dump_names_the_select_and_its_line() {
    root(async |scope| {
        let source = CompletableJob::new();
        let waits = source.clone();
        let line = line!() + 1;
        let job = scope.launch(async move { select((waits.on_join(),)).await });
        let handling = scope.launch(async move {
            let clause = on(yield_now()).then_async(async |()| {
                yield_now().await;
                assert_eq!(probe::dump().matches("waits for select").count(), 1);
            });
            select((clause,)).await;
        });
        yield_now().await;
        let expected = format!(
            "waits for select (1 clauses: join of {}) at {}:{line}",
            source.as_ref(),
            file!()
        );
        assert!(probe::dump().contains(&expected), "{}", probe::dump());
        handling.join().await;
        source.complete();
        job.join().await;
        assert!(!probe::dump().contains("waits for select"));
        Ok(())
    });
}

#[test]
fn selects_are_send_where_their_clauses_and_handlers_are() {
    fn send<T: Send>(value: T) -> T {
        value
    }
    let job = ended();
    let selecting = send(select((
        job.on_join().then_async(async |()| 1),
        on(async { 2 }),
        on_timeout(ms(1)).then(|()| 3),
    )));
    drop(selecting);
    drop(send(select_unbiased([job.on_join().boxed()])));
    drop(send(while_select(async || {
        select((ended().on_join().then(|()| false),)).await
    })));
}

// ---- many clauses, random order

#[test]
fn a_vec_an_array_and_boxed_clauses_are_taken() {
    root(async |_| {
        let jobs = [CompletableJob::new(), ended(), ended()];
        let indexed = |(n, job): (usize, &CompletableJob)| job.on_join().then(move |()| n);
        let vec: Vec<_> = jobs.iter().enumerate().map(indexed).collect();
        assert_eq!(select(vec).await, 1);
        assert_eq!(select([on(ready(4)), on(ready(5))]).await, 4);
        let mixed = vec![
            jobs[0].on_join().then(|()| 6).boxed(),
            on(async { 7 }).boxed(),
        ];
        assert_eq!(select(mixed).await, 7);
        jobs[0].complete();
        Ok(())
    });
}

#[test]
fn the_twelfth_of_twelve_clauses_can_win() {
    root(async |_| {
        let w = || on(pending::<i32>());
        let last = on(ready(12));
        let who = select((w(), w(), w(), w(), w(), w(), w(), w(), w(), w(), w(), last)).await;
        assert_eq!(who, 12);
        Ok(())
    });
}

/// S-1: each of the six orders of three clauses comes equally often. The bound is six standard deviations.
#[test]
fn the_unbiased_order_is_uniform_and_follows_from_a_seed() {
    let order = || {
        let log = Log::new();
        let clause = |n: usize| {
            let log = log.clone();
            on(poll_fn(move |_| {
                log.add(n.to_string());
                Poll::<()>::Pending
            }))
        };
        let mut selecting = pin!(select_unbiased((clause(0), clause(1), clause(2))));
        let wakes = Arc::new(Wakes::default());
        assert!(poll_with(selecting.as_mut(), &wakes).is_pending());
        log.take().concat()
    };
    set_seed(7);
    let first: Vec<_> = (0..20).map(|_| order()).collect();
    set_seed(7);
    let second: Vec<_> = (0..20).map(|_| order()).collect();
    assert_eq!(first, second);
    let mut counts = std::collections::BTreeMap::new();
    for _ in 0..6000 {
        *counts.entry(order()).or_insert(0) += 1;
    }
    assert_eq!(counts.len(), 6);
    assert!(
        counts.values().all(|n| (827..1173).contains(n)),
        "{counts:?}"
    );
}

// ---- against a model, and in a race

/// What a clause of the model waits for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Source {
    /// Available when the select begins.
    AtOnce,
    Job(u64),
    Deferred(u64),
    Timer(u64),
    Foreign(u64),
    Never,
}

fn sources() -> impl Strategy<Value = Vec<Source>> {
    // Every clause gets a time of its own, so that the order of events is known.
    let one = (0_u8..8, any::<bool>());
    prop::collection::vec(one, 0..10).prop_flat_map(|kinds| {
        let times: Vec<u64> = (1..=kinds.len() as u64).collect();
        Just(times).prop_shuffle().prop_map(move |times| {
            let make = |((kind, _), at): (&(u8, bool), u64)| match kind {
                0 => Source::AtOnce,
                1 | 2 => Source::Job(at),
                3 | 4 => Source::Deferred(at),
                5 => Source::Timer(at),
                6 => Source::Foreign(at),
                _ => Source::Never,
            };
            kinds.iter().zip(times).map(make).collect()
        })
    })
}

fn time(source: &Source) -> Option<u64> {
    match *source {
        Source::AtOnce => Some(0),
        Source::Job(at) | Source::Deferred(at) | Source::Timer(at) | Source::Foreign(at) => {
            Some(at)
        }
        Source::Never => None,
    }
}

fn winner_of(sources: &[Source]) -> Option<usize> {
    let timed = sources.iter().enumerate();
    let timed = timed.filter_map(|(index, source)| Some((time(source)?, index)));
    timed.min().map(|(_, index)| index)
}

async fn selected(sources: Vec<Source>) -> Option<usize> {
    let never = CompletableJob::new();
    let done = ended();
    let clauses: Vec<_> = sources
        .iter()
        .enumerate()
        .map(|(index, source)| match *source {
            Source::AtOnce => done.on_join().then(move |()| Some(index)).boxed(),
            Source::Job(at) => {
                let job = CompletableJob::new();
                let clause = job.on_join().then(move |()| Some(index)).boxed();
                GlobalScope.with(current()).launch(async move {
                    delay(ms(at)).await;
                    job.complete();
                });
                clause
            }
            Source::Deferred(at) => {
                let deferred = GlobalScope.with(current()).spawn(async move {
                    delay(ms(at)).await;
                    Ok(index)
                });
                deferred.on_await().then(Result::ok).boxed()
            }
            Source::Timer(at) => on_timeout(ms(at)).then(move |()| Some(index)).boxed(),
            Source::Foreign(at) => on(delay(ms(at))).then(move |()| Some(index)).boxed(),
            Source::Never => never.on_join().then(|()| None).boxed(),
        })
        .chain([on_timeout(ms(100)).then(|()| None).boxed()])
        .collect();
    let who = select(clauses).await;
    never.complete();
    delay(ms(100)).await;
    who
}

fn current() -> Dispatcher {
    let context = corox_core::CoroutineContext::current();
    context.dispatcher().cloned().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// The first that is available at once, in order; else the first event in time.
    #[test]
    fn the_winner_is_that_of_the_model(sources in sources()) {
        let expected = winner_of(&sources);
        let who = in_virtual_time(async |_| Ok(selected(sources).await));
        prop_assert_eq!(who, expected);
    }
}

/// S-12 in a race: jobs end on another thread while selects over them begin, wait and go.
#[test]
fn no_end_of_a_job_is_missed_while_selects_begin() {
    checked(|| {
        const ROUNDS: usize = 3000;
        run_blocking(async |_| {
            let lasting = CompletableJob::new();
            let (tx, rx) =
                std::sync::mpsc::channel::<(CompletableJob, CompletableDeferred<usize>)>();
            let start = Arc::new(Barrier::new(2));
            let gate = start.clone();
            let completer = std::thread::spawn(move || {
                for (round, (job, deferred)) in rx.into_iter().enumerate() {
                    gate.wait();
                    if round % 2 == 0 {
                        job.complete();
                        deferred.complete(round);
                    } else {
                        deferred.complete(round);
                        job.complete();
                    }
                }
            });
            for round in 0..ROUNDS {
                let (job, deferred) = (CompletableJob::new(), CompletableDeferred::new());
                tx.send((job.clone(), deferred.clone())).unwrap();
                start.wait();
                let value = select((
                    lasting.on_join().then(|()| usize::MAX),
                    job.on_join().then(|()| round),
                    deferred.on_await().then(|value| value.unwrap()),
                ))
                .await;
                assert_eq!(value, round);
                // Both still end.
                job.join().await;
                deferred.join().await;
            }
            drop(tx);
            completer.join().unwrap();
            lasting.complete();
            Ok(())
        })
        .unwrap();
    });
}
