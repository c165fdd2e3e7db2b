//! The same moment on several threads: each test repeats one race many times on the pool and checks what must hold however
//! it ends. The last ones are about trees that are very deep or very wide.
mod support;

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use corox_core::{
    CompletableDeferred, CompletableJob, CoroutineScope, Dispatcher, Error, ExceptionHandler, Job,
    JobState, await_cancellation, coroutine_scope, join_all, run_blocking, supervisor_scope,
    yield_now,
};
use support::checked;

/// Counts up when made and down when dropped.
#[derive(Clone, Default)]
struct Count(Arc<AtomicUsize>);

struct Counted(Count);

impl Count {
    fn one(&self) -> Counted {
        self.0.fetch_add(1, Ordering::SeqCst);
        Counted(self.clone())
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Runs both on the pool and waits for them.
async fn both<A, B>(scope: &CoroutineScope, a: A, b: B)
where
    A: FnOnce() + Send + 'static,
    B: FnOnce() + Send + 'static,
{
    let pool = scope.with(Dispatcher::DEFAULT);
    let jobs = [
        pool.launch(async move { a() }),
        pool.launch(async move { b() }),
    ];
    join_all(jobs).await;
}

// ---- races

/// J-2, J-30: a coroutine is either cancelled or has its value, never both and never neither.
#[test]
fn cancel_against_complete_ends_in_one_of_the_two() {
    checked(|| {
        let alive = Count::default();
        let ended = run_blocking(async |scope| {
            let mut ended = [0, 0];
            for round in 0..3_000 {
                let value = alive.one();
                let deferred = scope.with(Dispatcher::DEFAULT).spawn(async move {
                    for _ in 0..round % 4 {
                        yield_now().await;
                    }
                    Ok(value)
                });
                let job = deferred.job().clone();
                let canceller = scope.with(Dispatcher::DEFAULT).launch({
                    let job = job.clone();
                    async move { job.cancel() }
                });
                let result = deferred.await;
                canceller.join().await;
                assert_eq!(result.is_err(), job.is_cancelled());
                assert!(job.is_completed());
                ended[usize::from(result.is_ok())] += 1;
                drop(result);
                assert_eq!(alive.get(), 0, "the value was dropped, given or not");
            }
            Ok(ended)
        })
        .unwrap();
        assert_eq!(ended[0] + ended[1], 3_000);
    });
}

/// J-9: whatever is attached while the parent is cancelled ends cancelled, before the parent ends.
#[test]
fn attach_against_cancel_leaves_no_child_behind() {
    checked(|| {
        run_blocking(async |scope| {
            for _ in 0..1_000 {
                let parent = CompletableJob::new();
                let bodies = Count::default();
                let (sender, children) = std::sync::mpsc::channel();
                let launcher = scope.with(Dispatcher::DEFAULT + (*parent).clone());
                let (canceller, counted) = (parent.clone(), bodies.clone());
                let attach = move || {
                    for _ in 0..8 {
                        let body = counted.one();
                        let child = launcher.launch(async move {
                            let _body = body;
                            await_cancellation().await
                        });
                        sender.send(child).unwrap();
                    }
                };
                both(&scope, attach, move || canceller.cancel()).await;
                parent.join().await;
                assert_eq!(bodies.get(), 0, "the parent ended before a child's body");
                assert_eq!(parent.state(), JobState::Cancelled);
                for child in children {
                    assert_eq!(child.state(), JobState::Cancelled);
                    assert!(child.parent().is_none());
                }
            }
            Ok(())
        })
        .unwrap();
    });
}

/// J-3, J-9: a child that comes while the parent ends either runs and is waited for, or is refused and never runs.
#[test]
fn attach_against_the_end_of_the_parent_runs_the_child_or_refuses_it() {
    checked(|| {
        run_blocking(async |scope| {
            for _ in 0..1_000 {
                let parent = CompletableJob::new();
                let ran = Arc::new(AtomicUsize::new(0));
                let (sender, children) = std::sync::mpsc::channel();
                let launcher = scope.with(Dispatcher::DEFAULT + (*parent).clone());
                let (completer, counted) = (parent.clone(), ran.clone());
                let attach = move || {
                    for _ in 0..8 {
                        let counted = counted.clone();
                        let child = launcher.launch(async move {
                            yield_now().await;
                            counted.fetch_add(1, Ordering::SeqCst);
                        });
                        sender.send(child).unwrap();
                    }
                };
                both(&scope, attach, move || assert!(completer.complete())).await;
                parent.join().await;
                assert_eq!(parent.state(), JobState::Completed);
                let children: Vec<Job> = children.into_iter().collect();
                assert!(children.iter().all(Job::is_completed));
                let refused = children.iter().filter(|child| child.is_cancelled()).count();
                assert_eq!(ran.load(Ordering::SeqCst) + refused, 8);
            }
            Ok(())
        })
        .unwrap();
    });
}

/// J-21: everyone who awaits gets the value, whether it was there before, during or after the registration.
#[test]
fn await_against_complete_never_misses_the_value() {
    checked(|| {
        run_blocking(async |scope| {
            for round in 0..1_500_u32 {
                let deferred = CompletableDeferred::new();
                let pool = scope.with(Dispatcher::DEFAULT);
                let mut waiters = Vec::new();
                for _ in 0..2 {
                    let deferred = deferred.clone();
                    waiters.push(pool.spawn(async move { (&deferred).await }));
                }
                pool.launch({
                    let deferred = deferred.clone();
                    async move { assert!(deferred.complete(round)) }
                });
                for waiter in waiters {
                    assert_eq!(waiter.await?, round);
                }
            }
            Ok(())
        })
        .unwrap();
    });
}

/// J-35: `complete() == true` means that the value is the result, `false` that the cancellation is.
#[test]
fn completing_a_deferred_against_cancelling_it_tells_the_truth() {
    checked(|| {
        const ROUNDS: usize = 20_000;
        let meet = Arc::new(Barrier::new(2));
        let deferreds: Vec<_> = (0..ROUNDS).map(|_| CompletableDeferred::new()).collect();
        let canceller = thread::spawn({
            let (meet, deferreds) = (meet.clone(), deferreds.clone());
            move || {
                for deferred in &deferreds {
                    meet.wait();
                    deferred.cancel();
                }
            }
        });
        let mut taken = Vec::new();
        for (round, deferred) in deferreds.iter().enumerate() {
            meet.wait();
            taken.push(deferred.complete(round));
        }
        canceller.join().unwrap();
        for (round, (deferred, taken)) in deferreds.iter().zip(taken).enumerate() {
            match deferred.as_deferred().completed().unwrap() {
                Ok(value) => assert!(taken && value == round),
                Err(error) => assert!(!taken && error.is_cancellation()),
            }
        }
    });
}

/// J-3: a tree that is still growing is cancelled, and nothing of it runs afterwards.
#[test]
fn cancelling_a_growing_tree_stops_all_of_it() {
    type Body = Pin<Box<dyn Future<Output = corox_core::Result<()>> + Send>>;

    fn grow(depth: usize, alive: Count) -> Body {
        Box::pin(async move {
            let _alive = alive.one();
            coroutine_scope(async |scope| {
                for _ in 0..if depth == 0 { 0 } else { 4 } {
                    scope.launch(grow(depth - 1, alive.clone()));
                    yield_now().await;
                }
                await_cancellation().await
            })
            .await
        })
    }

    checked(|| {
        run_blocking(async |scope| {
            for round in 0..60 {
                let alive = Count::default();
                let root = scope
                    .with(Dispatcher::DEFAULT)
                    .launch(grow(4, alive.clone()));
                for _ in 0..round {
                    yield_now().await;
                }
                root.cancel_and_join().await;
                assert_eq!(alive.get(), 0);
            }
            Ok(())
        })
        .unwrap();
    });
}

/// J-27: failures on several threads fail their scope once; each is the cause or suppressed by it, or lost the race against
/// its own cancellation.
#[test]
fn failures_at_the_same_moment_are_one_failure_of_the_scope() {
    checked(|| {
        run_blocking(async |_| {
            for _ in 0..500 {
                let result = coroutine_scope(async |scope| {
                    for child in 0..4 {
                        scope
                            .with(Dispatcher::DEFAULT)
                            .launch(async move { Err::<(), _>(Error::msg(child.to_string())) });
                    }
                    Ok(())
                })
                .await;
                let failure = result.unwrap_err();
                let mut names: Vec<_> = failure.suppressed().iter().map(Error::to_string).collect();
                names.push(failure.to_string());
                names.sort();
                names.dedup();
                assert_eq!(names.len(), failure.suppressed().len() + 1);
            }
            Ok(())
        })
        .unwrap();
    });
}

/// J-26, J-27: under a supervisor each failure is reported exactly once, whichever thread it comes from.
#[test]
fn each_failure_under_a_supervisor_is_reported_once() {
    checked(|| {
        let reports = Arc::new(AtomicUsize::new(0));
        let handler = {
            let reports = reports.clone();
            ExceptionHandler::new(move |_, _| {
                reports.fetch_add(1, Ordering::SeqCst);
            })
        };
        run_blocking(async |_| {
            supervisor_scope(async |scope| {
                let pool = scope.with(Dispatcher::DEFAULT + handler);
                for _ in 0..5_000 {
                    pool.launch(async { Err::<(), _>(Error::msg("failure")) });
                }
                Ok(())
            })
            .await
        })
        .unwrap();
        assert_eq!(reports.load(Ordering::SeqCst), 5_000);
    });
}

/// Dropping a handle cancels nothing, and the value that nobody can ask for any more is dropped once.
#[test]
fn a_handle_dropped_at_any_moment_neither_cancels_nor_leaks() {
    checked(|| {
        const ROUNDS: usize = 10_000;
        let values = Count::default();
        let ran = Arc::new(AtomicUsize::new(0));
        run_blocking(async |scope| {
            for _ in 0..ROUNDS {
                let (values, ran) = (values.clone(), ran.clone());
                let deferred = scope.with(Dispatcher::DEFAULT).spawn(async move {
                    ran.fetch_add(1, Ordering::SeqCst);
                    Ok(values.one())
                });
                drop(deferred);
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(ran.load(Ordering::SeqCst), ROUNDS);
        // The worker that ended the last coroutines may still hold their last references.
        let limit = Instant::now() + Duration::from_secs(10);
        while values.get() > 0 && Instant::now() < limit {
            thread::yield_now();
        }
        assert_eq!(values.get(), 0);
    });
}

// ---- depth and width

const MANY: usize = 100_000;

/// Runs `test` on a stack that recursion over `MANY` levels would overflow, and says how long it took.
fn on_a_small_stack(test: impl FnOnce() + Send + 'static) -> Duration {
    let start = Instant::now();
    let thread = thread::Builder::new().stack_size(256 * 1024).spawn(test);
    thread.unwrap().join().unwrap();
    start.elapsed()
}

/// Quadratic time would be minutes.
const LINEAR: Duration = Duration::from_secs(5);

fn chain(root: &CompletableJob) -> Vec<CompletableJob> {
    let mut jobs = vec![root.clone()];
    for _ in 0..MANY {
        let last = jobs.last().unwrap();
        jobs.push(CompletableJob::child_of(last));
    }
    jobs
}

/// J-10, design 4: cancelling goes down in a loop, and completing up in a loop.
#[test]
fn a_deep_tree_is_cancelled_on_a_flat_stack_in_linear_time() {
    checked(|| {
        let took = on_a_small_stack(|| {
            let jobs = chain(&CompletableJob::new());
            jobs[0].cancel();
            assert!(jobs.iter().all(|job| job.state() == JobState::Cancelled));
            drop(jobs);
        });
        assert!(took < LINEAR, "{took:?}");
    });
}

/// J-11: a failure goes up in a loop, too.
#[test]
fn a_failure_climbs_a_deep_tree_on_a_flat_stack_in_linear_time() {
    checked(|| {
        let took = on_a_small_stack(|| {
            let jobs = chain(&CompletableJob::new());
            let failure = Error::msg("at the bottom");
            assert!(jobs[MANY].fail(failure.clone()));
            assert!(jobs.iter().all(|job| job.state() == JobState::Cancelled));
            assert!(jobs[0].cause().unwrap().ptr_eq(&failure));
            drop(jobs);
        });
        assert!(took < LINEAR, "{took:?}");
    });
}

/// J-3: the end of the innermost job ends all that wait for it.
#[test]
fn a_deep_tree_completes_on_a_flat_stack_in_linear_time() {
    checked(|| {
        let took = on_a_small_stack(|| {
            let jobs = chain(&CompletableJob::new());
            for job in &jobs {
                assert!(job.complete());
            }
            assert!(jobs.iter().all(|job| job.state() == JobState::Completed));
            drop(jobs);
        });
        assert!(took < LINEAR, "{took:?}");
    });
}

/// As the first one, with coroutines, each the parent of the next.
#[test]
fn a_deep_tree_of_coroutines_is_cancelled_on_a_flat_stack() {
    checked(|| {
        let alive = Count::default();
        let counted = alive.clone();
        let took = on_a_small_stack(move || {
            run_blocking(async |scope| {
                let root = scope.launch(await_cancellation());
                let mut last = root.clone();
                for _ in 0..MANY / 4 {
                    let body = counted.one();
                    last = scope.with(last).launch(async move {
                        let _body = body;
                        await_cancellation().await
                    });
                }
                yield_now().await;
                root.cancel_and_join().await;
                assert_eq!(last.state(), JobState::Cancelled);
                Ok(())
            })
            .unwrap();
        });
        assert_eq!(alive.get(), 0);
        assert!(took < LINEAR, "{took:?}");
    });
}

/// J-10: a wide tree.
#[test]
fn a_wide_tree_is_cancelled_in_linear_time() {
    checked(|| {
        let took = on_a_small_stack(|| {
            let root = CompletableJob::new();
            let jobs: Vec<_> = (0..MANY).map(|_| CompletableJob::child_of(&root)).collect();
            root.cancel();
            assert_eq!(root.state(), JobState::Cancelled);
            assert!(jobs.iter().all(|job| job.state() == JobState::Cancelled));
        });
        assert!(took < LINEAR, "{took:?}");
    });
}

/// J-8: detaching is O(1), from the front, from the back and from the middle.
#[test]
fn the_children_of_a_wide_tree_end_in_any_order_in_linear_time() {
    checked(|| {
        let took = on_a_small_stack(|| {
            let root = CompletableJob::new();
            let jobs: Vec<_> = (0..MANY).map(|_| CompletableJob::child_of(&root)).collect();
            root.complete();
            // 7 and `MANY` have no common divisor: each once.
            for number in 0..MANY {
                assert!(jobs[number * 7 % MANY].complete());
            }
            assert_eq!(root.state(), JobState::Completed);
        });
        assert!(took < LINEAR, "{took:?}");
    });
}

/// As before, with coroutines on the pool. More of them, and deeper, in `scale.rs`.
#[test]
fn a_wide_tree_of_coroutines_is_cancelled() {
    checked(|| {
        let alive = Count::default();
        run_blocking(async |scope| {
            let root = CompletableJob::child_of(scope.job());
            let pool = scope.with(Dispatcher::DEFAULT + (*root).clone());
            for _ in 0..MANY / 4 {
                let body = alive.one();
                pool.launch(async move {
                    let _body = body;
                    await_cancellation().await
                });
            }
            root.cancel_and_join().await;
            assert_eq!(alive.get(), 0, "joined before a body had gone");
            Ok(())
        })
        .unwrap();
    });
}
