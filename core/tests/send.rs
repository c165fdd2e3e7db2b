//! What compiles: futures that are `Send` where their bodies are, in spawned coroutines above all, and the auto traits of
//! every public type.
mod support;

use std::cell::Cell;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Mutex;
use std::time::Duration;

use corox_core::probe::{Installed, Reason, WaitInfo, WaitReason};
use corox_core::{
    AlreadyConfigured, Await, CancelFlag, CancellableContinuation, CancellationError,
    CompletableDeferred, CompletableJob, CoroutineContext, CoroutineName, CoroutineScope,
    CoroutineStart, Deferred, Delay, Dispatcher, DisposeHandle, Error, ExceptionHandler, Executor,
    FinallyExt, GlobalScope, Interrupted, Job, JobState, Join, Launcher, MainAlreadySet, MainGuard,
    MainSlot, NonCancellable, OnAwait, OnJoin, OnTimeout, OwnedDispatcher, Rejected, Result,
    ResumeError, Retry, SchedulerConfig, ShutdownTimedOut, StdErrorOf, StillRunning, SupervisorJob,
    Task, UncaughtHandlerGuard, YieldNow, await_all, await_cancellation, catch_cancellation,
    coroutine_scope, delay, join_all, non_cancellable, run_blocking, supervisor_scope,
    try_catch_cancellation, with_context, with_timeout, with_timeout_or_none, yield_now,
};
use support::checked;

/// Runs `body` as a coroutine on the pool: it compiles only if `body` is `Send`.
fn spawned<T: Send + 'static>(body: impl Future<Output = Result<T>> + Send + 'static) -> T {
    checked(|| {
        run_blocking(async |scope| scope.with(Dispatcher::DEFAULT).spawn(body).await).unwrap()
    })
}

// ---- bodies of inline scopes, in a spawned coroutine

#[test]
fn a_scope_body_may_hold_a_mutable_borrow_of_a_local() {
    let sum = spawned(async {
        let mut sum = 0;
        let borrowed = &mut sum;
        coroutine_scope(async |scope| {
            *borrowed += scope.spawn(async { Ok(2) }).await?;
            *borrowed += 1;
            Ok(())
        })
        .await?;
        Ok(sum)
    });
    assert_eq!(sum, 3);
}

#[test]
fn a_scope_body_may_hold_a_borrowed_closure_and_a_boxed_iterator() {
    let found = spawned(async {
        let double = |n: i32| n * 2;
        let function: &(dyn Fn(i32) -> i32 + Sync) = &double;
        let items: Box<dyn Iterator<Item = i32> + Send> = Box::new(1..4);
        coroutine_scope(async |scope| {
            let mut all = Vec::new();
            for item in items {
                let item = function(item);
                all.push(scope.spawn(async move { Ok(item) }).await?);
            }
            Ok(all)
        })
        .await
    });
    assert_eq!(found, [2, 4, 6]);
}

#[test]
fn a_scope_body_may_borrow_from_the_arguments_of_its_function() {
    async fn lengths(words: &[String], factor: &mut usize) -> Result<usize> {
        coroutine_scope(async |_| {
            yield_now().await;
            *factor += 1;
            Ok(words.iter().map(String::len).sum::<usize>() * *factor)
        })
        .await
    }

    let total = spawned(async {
        let words = vec!["one".to_owned(), "three".to_owned()];
        lengths(&words, &mut 1).await
    });
    assert_eq!(total, 16);
}

trait Repo {
    fn load(&self, id: u32) -> impl Future<Output = Result<u32>> + Send;
}

struct Doubling;

impl Repo for Doubling {
    async fn load(&self, id: u32) -> Result<u32> {
        yield_now().await;
        Ok(id * 2)
    }
}

async fn load_two(repo: &(impl Repo + Sync)) -> Result<u32> {
    coroutine_scope(async |_| Ok(repo.load(1).await? + repo.load(2).await?)).await
}

#[test]
fn a_scope_body_may_use_a_generic_service_with_async_methods() {
    assert_eq!(spawned(async { load_two(&Doubling).await }), 6);
}

#[test]
fn a_function_may_recurse_through_scopes_with_a_boxed_future() {
    fn count(depth: u32) -> Pin<Box<dyn Future<Output = Result<u32>> + Send>> {
        Box::pin(async move {
            if depth == 0 {
                return Ok(1);
            }
            coroutine_scope(async |scope| {
                let left = scope.spawn(count(depth - 1));
                let right = count(depth - 1).await?;
                Ok(left.await? + right)
            })
            .await
        })
    }

    assert_eq!(spawned(count(5)), 32);
}

#[test]
fn scopes_of_all_kinds_nest() {
    let n = spawned(async {
        coroutine_scope(async |_| {
            supervisor_scope(async |outer| {
                let part = outer.spawn(async { Ok(1) });
                non_cancellable(async |inner| {
                    let other = inner.spawn(async { Ok(2) });
                    Ok(part.await? + other.await?)
                })
                .await
            })
            .await
        })
        .await
    });
    assert_eq!(n, 3);
}

#[test]
fn a_scope_takes_a_closure_that_returns_an_async_block() {
    let n = spawned(async {
        let owned = String::from("four");
        coroutine_scope(|scope: CoroutineScope| async move {
            scope.launch(async {});
            Ok(owned.len())
        })
        .await
    });
    assert_eq!(n, 4);
}

#[test]
fn a_scope_is_passed_on_to_a_function() {
    async fn launch_more(scope: &CoroutineScope, to: &Deferred<u32>) -> Result<u32> {
        scope.launch(async {});
        yield_now().await;
        to.await
    }

    let n = spawned(async {
        coroutine_scope(async |scope| {
            let seven = scope.spawn(async { Ok(7) });
            launch_more(&scope, &seven).await
        })
        .await
    });
    assert_eq!(n, 7);
}

// ---- every suspending function, in a spawned coroutine

#[test]
fn what_waits_for_others_is_send() {
    let sum = spawned(async {
        coroutine_scope(async |scope| {
            let one = scope.spawn(async { Ok(1) });
            let two = scope.spawn(async { Ok(2) });
            let job = scope.launch(async {});
            job.join().await;
            job.cancel_and_join().await;
            join_all([&job]).await;
            let promise = CompletableDeferred::new();
            promise.complete(4);
            let both = await_all([&one, &two]).await?;
            Ok(both.iter().sum::<i32>() + one.await? + two.await? + (&promise).await?)
        })
        .await
    });
    assert_eq!(sum, 10);
}

#[test]
fn what_deals_with_cancellation_is_send() {
    let n = spawned(async {
        let caught = catch_cancellation(async { 1 }).await?;
        let tried = try_catch_cancellation(async { Ok(2) }).await?;
        let mut cleaned = 0;
        let value = async {
            yield_now().await;
            3
        }
        .finally(async {
            delay(std::time::Duration::ZERO).await;
            cleaned += 4;
        })
        .await;
        let launched = async { 5 }
            .finally_launch(|| async { yield_now().await })
            .await;
        Ok(caught + tried + value + cleaned + launched)
    });
    assert_eq!(n, 15);
}

#[test]
fn a_change_of_context_is_send() {
    let n = spawned(async {
        let here = with_context(CoroutineName::new("here"), async { Ok(1) }).await?;
        let there = with_context(Dispatcher::IO, async {
            coroutine_scope(async |scope| scope.spawn(async { Ok(2) }).await).await
        })
        .await?;
        Ok(here + there)
    });
    assert_eq!(n, 3);
}

#[test]
fn futures_of_other_crates_run_in_a_body() {
    let n = spawned(async {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        coroutine_scope(async |scope| {
            scope.launch(async move { assert!(sender.send(1).is_ok()) });
            let (left, right) = futures::join!(receiver, async { 2 });
            Ok(left? + right)
        })
        .await
    });
    assert_eq!(n, 3);
}

// ---- what a launched body may give

#[test]
fn a_launched_body_gives_nothing_or_a_result_or_never_ends() {
    fn work() -> Result<i32, std::num::ParseIntError> {
        "1".parse()
    }

    checked(|| {
        run_blocking(async |scope| {
            scope.launch(async {});
            scope.launch(async { Ok(()) });
            scope.launch(async {
                work()?;
                Ok(())
            });
            let endless = scope.launch(async {
                loop {
                    yield_now().await;
                }
            });
            let waiting = scope.launch(async { await_cancellation().await });
            let direct = scope.launch(await_cancellation());
            yield_now().await;
            for job in [endless, waiting, direct] {
                job.cancel();
            }
            Ok(())
        })
        .unwrap();
    });
}

// ---- what need not be `Send`

#[test]
fn the_body_of_a_root_need_not_be_send() {
    let n = checked(|| {
        let counter = Rc::new(Cell::new(1));
        run_blocking(async |scope| {
            let local = counter.clone();
            coroutine_scope(async |_| {
                yield_now().await;
                local.set(local.get() + 1);
                Ok(())
            })
            .await?;
            scope.launch(async {}).join().await;
            Ok(counter.get())
        })
        .unwrap()
    });
    assert_eq!(n, 2);
}

/// The other half, that it is not `Send` otherwise, is a case of the package `compile-fail`.
#[test]
fn the_futures_of_the_builders_are_send_if_their_bodies_are() {
    fn send<T>(_: impl Future<Output = T> + Send) {}

    send(coroutine_scope(async |_| {
        yield_now().await;
        Ok(())
    }));
    send(supervisor_scope(async |_| {
        // Not `Send`, but not held across a suspension either.
        drop(Rc::new(1));
        Ok(())
    }));
    send(non_cancellable(async |scope| {
        scope.launch(async {}).join().await;
        Ok(())
    }));
    send(catch_cancellation(await_cancellation()));
    let limit = Duration::from_secs(60);
    send(with_timeout(limit, async |_| {
        yield_now().await;
        Ok(())
    }));
    send(with_timeout_or_none(limit, async |scope| {
        scope.launch(async {}).join().await;
        Ok(())
    }));
}

// ---- auto traits

macro_rules! implements {
    ($type:ty, $trait:path) => {{
        struct Probe<T: ?Sized>(PhantomData<T>);
        #[allow(dead_code)]
        trait Otherwise {
            const IT_DOES: bool = false;
        }
        impl<T: ?Sized> Otherwise for Probe<T> {}
        #[allow(dead_code)]
        impl<T: ?Sized + $trait> Probe<T> {
            const IT_DOES: bool = true;
        }
        Probe::<$type>::IT_DOES
    }};
}

macro_rules! auto_traits {
    ($($type:ty: $expected:literal;)*) => {{
        let mut expected = Vec::new();
        let mut found = Vec::new();
        $(
            let traits = [
                ("Send", implements!($type, Send)),
                ("Sync", implements!($type, Sync)),
                ("Unpin", implements!($type, Unpin)),
                ("Unwind", implements!($type, UnwindSafe) && implements!($type, RefUnwindSafe)),
            ];
            let traits = traits.iter().filter(|(_, it_does)| *it_does);
            let traits: Vec<_> = traits.map(|(name, _)| *name).collect();
            found.push(format!("{}: {}", stringify!($type), traits.join(" ")));
            expected.push(format!("{}: {}", stringify!($type), $expected));
        )*
        assert_eq!(found, expected);
    }};
}

/// Handles go anywhere; what they hold decides only about values. `Unwind` stands for `UnwindSafe` and `RefUnwindSafe`.
#[test]
fn public_types_have_these_auto_traits() {
    type NotSync = Cell<u8>;
    type NotSend = Rc<u8>;
    auto_traits! {
        Job: "Send Sync Unpin Unwind";
        JobState: "Send Sync Unpin Unwind";
        Join: "Send Sync Unpin Unwind";
        CompletableJob: "Send Sync Unpin Unwind";
        SupervisorJob: "Send Sync Unpin Unwind";
        CompletableDeferred<u8>: "Send Sync Unpin Unwind";
        CompletableDeferred<NotSync>: "Send Sync Unpin Unwind";
        CompletableDeferred<NotSend>: "Unpin Unwind";
        Deferred<u8>: "Send Sync Unpin Unwind";
        Deferred<NotSync>: "Send Sync Unpin Unwind";
        Deferred<NotSend>: "Unpin Unwind";
        Await<u8>: "Send Sync Unpin Unwind";
        Await<NotSync>: "Send Sync Unpin Unwind";
        Await<NotSend>: "Unpin Unwind";
        DisposeHandle: "Send Sync Unpin Unwind";
        CoroutineScope: "Send Sync Unpin Unwind";
        GlobalScope: "Send Sync Unpin Unwind";
        Launcher: "Send Sync Unpin Unwind";
        CoroutineStart: "Send Sync Unpin Unwind";
        CoroutineContext: "Send Sync Unpin Unwind";
        CoroutineName: "Send Sync Unpin Unwind";
        NonCancellable: "Send Sync Unpin Unwind";
        Dispatcher: "Send Sync Unpin Unwind";
        OwnedDispatcher: "Send Sync Unpin Unwind";
        Executor: "Send Sync Unpin Unwind";
        SchedulerConfig: "Send Sync Unpin Unwind";
        AlreadyConfigured: "Send Sync Unpin Unwind";
        ShutdownTimedOut: "Send Sync Unpin Unwind";
        MainSlot: "Send Sync Unpin";
        MainGuard: "Send Sync Unpin";
        MainAlreadySet: "Send Sync Unpin Unwind";
        ExceptionHandler: "Send Sync Unpin Unwind";
        UncaughtHandlerGuard: "Send Sync Unpin Unwind";
        Error: "Send Sync Unpin Unwind";
        CancellationError: "Send Sync Unpin Unwind";
        StdErrorOf: "Send Sync Unpin Unwind";
        Delay: "Send Sync";
        YieldNow: "Send Sync Unpin Unwind";
        CancelFlag: "Send Sync Unpin Unwind";
        CancellableContinuation<u8>: "Send Sync Unpin";
        CancellableContinuation<NotSend>: "Unpin";
        ResumeError<u8>: "Send Sync Unpin Unwind";
        Retry: "Send Sync Unpin";
        Interrupted: "Send Sync Unpin Unwind";
        StillRunning: "Send Sync Unpin Unwind";
        OnJoin: "Send Sync Unpin Unwind";
        OnAwait<u8>: "Send Sync Unpin Unwind";
        OnTimeout: "Send Sync";
        Task: "Send Sync Unpin Unwind";
        Rejected: "Send Sync Unpin Unwind";
        Installed: "Send Sync Unpin Unwind";
        WaitInfo: "Send Sync Unpin Unwind";
        WaitReason: "Send Sync Unpin Unwind";
        Reason: "Send Sync Unpin Unwind";
    }
}

/// A value that is not `Sync` may be shared through a deferred: only one awaiter at a time gets at it.
#[test]
fn a_deferred_of_a_value_that_is_not_sync_is_awaited_on_the_pool() {
    let n = spawned(async {
        let promise = CompletableDeferred::new();
        promise.complete(Cell::new(5));
        let deferred = promise.as_deferred();
        Ok(Mutex::new(deferred.await?)
            .into_inner()
            .map_or(0, Cell::into_inner))
    });
    assert_eq!(n, 5);
}
