//! Everybody gets a turn beside coroutines that never leave their dispatcher alone: those that yield for ever, that wake
//! themselves, and pairs that wake each other; one, and as many as run at a time.
//!
//! Nothing here takes time: what waits is told by an event, and the greedy ones count their turns, so that who starves fails the
//! test instead of hanging it.
mod support;

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use corox_core::{
    CompletableDeferred, CoroutineContext, Dispatcher, Job, Launcher, Result, coroutine_scope,
    delay, join_all, run_blocking, yield_now,
};
use support::checked;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

/// Seconds of turns: nobody waits so long for a turn of its own.
const MANY_TURNS: usize = 5_000_000;

#[derive(Clone, Copy, Debug)]
enum Greed {
    Yields,
    WakesItself,
    WakesAnother,
}

/// What the greedy ones share.
#[derive(Default)]
struct Crowd {
    turns: AtomicUsize,
    over: AtomicBool,
}

impl Crowd {
    /// Counts a turn; false if it was the last one.
    fn goes_on(&self) -> bool {
        self.turns.fetch_add(1, Ordering::Relaxed) < MANY_TURNS
            && !self.over.load(Ordering::Relaxed)
    }

    fn has_given_up(&self) -> bool {
        self.turns.load(Ordering::Relaxed) >= MANY_TURNS
    }
}

async fn wake_itself() {
    let mut woken = false;
    poll_fn(|cx| {
        if woken {
            return Poll::Ready(());
        }
        woken = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Launches `n` greedy coroutines, or pairs of them, on each of `on`; they have all had a turn when it returns.
async fn crowd(on: &[&Launcher], greed: Greed, n: usize) -> (Arc<Crowd>, Vec<Job>) {
    let crowd = Arc::new(Crowd::default());
    let mut jobs = Vec::new();
    for on in on.iter().flat_map(|on| std::iter::repeat_n(on, n)) {
        let begun = CompletableDeferred::new();
        let (all, first) = (crowd.clone(), begun.clone());
        match greed {
            Greed::Yields => jobs.push(on.launch(async move {
                while all.goes_on() {
                    first.complete(());
                    yield_now().await;
                }
            })),
            Greed::WakesItself => jobs.push(on.launch(async move {
                while all.goes_on() {
                    first.complete(());
                    wake_itself().await;
                }
            })),
            Greed::WakesAnother => {
                let places = [Arc::new(Notify::new()), Arc::new(Notify::new())];
                places[0].notify_one();
                for place in 0..2 {
                    let (mine, other) = (places[place].clone(), places[1 - place].clone());
                    let (all, first) = (all.clone(), first.clone());
                    jobs.push(on.launch(async move {
                        while all.goes_on() {
                            mine.notified().await;
                            first.complete(());
                            other.notify_one();
                        }
                        other.notify_one();
                    }));
                }
            }
        }
        (&begun).await.expect("it is completed");
    }
    (crowd, jobs)
}

/// What others do meanwhile, by name.
async fn need(what: &str, on: &Launcher) -> Result<()> {
    match what {
        "a launch" => on.launch(async {}).join().await,
        "a launch from inside" => {
            let inside = on.spawn(async {
                coroutine_scope(async |scope| {
                    for _ in 0..3 {
                        scope.launch(async { yield_now().await }).join().await;
                        yield_now().await;
                    }
                    Ok(())
                })
                .await
            });
            inside.await?;
        }
        "a wake from another thread" => {
            let (gate, begun) = (CompletableDeferred::new(), CompletableDeferred::new());
            let waits = on.spawn({
                let (gate, begun) = (gate.clone(), begun.clone());
                async move {
                    begun.complete(());
                    (&gate).await
                }
            });
            (&begun).await?;
            thread::spawn(move || gate.complete(())).join().ok();
            waits.await?;
        }
        "a delay" => {
            let delayed = on.launch(async { delay(Duration::from_millis(1)).await });
            delayed.join().await;
        }
        "a timer of tokio" => {
            let sleeps = on.launch(async { tokio::time::sleep(Duration::from_millis(1)).await });
            sleeps.join().await;
        }
        "a task of tokio" => {
            let task = on.spawn(async { Ok(tokio::spawn(async { 1 }).await?) });
            assert_eq!(task.await?, 1);
        }
        "a socket" => {
            let listener = on.spawn(async { Ok(TcpListener::bind("127.0.0.1:0").await?) });
            let listener = listener.await?;
            let address = listener.local_addr()?;
            let server = on.spawn(async move {
                let (mut socket, _) = listener.accept().await?;
                let mut buffer = [0; 4];
                socket.read_exact(&mut buffer).await?;
                socket.write_all(&buffer).await?;
                Ok(())
            });
            let client = on.spawn(async move {
                let mut socket = TcpStream::connect(address).await?;
                let mut buffer = *b"ping";
                socket.write_all(&buffer).await?;
                socket.read_exact(&mut buffer).await?;
                Ok(buffer)
            });
            assert_eq!(client.await?, *b"ping");
            server.await?;
        }
        _ => unreachable!("{what}"),
    }
    Ok(())
}

const NEEDS: [&str; 7] = [
    "a launch",
    "a launch from inside",
    "a wake from another thread",
    "a delay",
    "a timer of tokio",
    "a task of tokio",
    "a socket",
];

/// With crowds on `greedy` of each kind, and of each size, everything that others on `on` need comes in time.
async fn assert_fair(greedy: &[&Launcher], sizes: &[usize], on: &Launcher) -> Result<()> {
    for &size in sizes {
        for greed in [Greed::Yields, Greed::WakesItself, Greed::WakesAnother] {
            for what in NEEDS {
                let (crowd, jobs) = crowd(greedy, greed, size).await;
                need(what, on).await?;
                let starved = crowd.has_given_up();
                crowd.over.store(true, Ordering::Relaxed);
                join_all(jobs).await;
                assert!(!starved, "{what} starves beside {size} x {greed:?}");
            }
        }
    }
    Ok(())
}

/// [`assert_fair`] on `dispatcher`, from a thread outside of it.
fn fair(dispatcher: Dispatcher, sizes: &[usize]) {
    run_blocking(async |scope| {
        let on = scope.with(&dispatcher);
        assert_fair(&[&on], sizes, &on).await
    })
    .unwrap();
}

fn multi(workers: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder
        .worker_threads(workers)
        .enable_all()
        .build()
        .unwrap()
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn nobody_starves_on_an_event_loop() {
    checked(|| {
        run_blocking(async |scope| {
            let here = scope.with(CoroutineContext::empty());
            assert_fair(&[&here], &[1, 2], &here).await
        })
        .unwrap();
    });
}

#[test]
fn nobody_starves_on_the_own_pool() {
    checked(|| {
        let workers = thread::available_parallelism()
            .map_or(1, usize::from)
            .max(2);
        fair(Dispatcher::DEFAULT, &[1, workers]);
    });
}

#[test]
fn nobody_starves_on_a_runtime_with_one_worker() {
    let runtime = multi(1);
    let dispatcher = Dispatcher::tokio(runtime.handle().clone());
    checked(move || fair(dispatcher, &[1, 2]));
}

#[test]
fn nobody_starves_on_a_runtime_with_three_workers() {
    let runtime = multi(3);
    let dispatcher = Dispatcher::tokio(runtime.handle().clone());
    checked(move || fair(dispatcher, &[1, 3]));
}

#[test]
fn nobody_starves_on_a_current_thread_runtime() {
    checked(|| {
        let root = coroutine_scope(async |scope| {
            let here = scope.with(CoroutineContext::empty());
            assert_fair(&[&here], &[1, 2], &here).await
        });
        current_thread().block_on(root).unwrap();
    });
}

/// Two views keep both workers busy.
#[test]
fn nobody_starves_in_busy_views_or_beside_them() {
    let runtime = multi(2);
    let dispatcher = Dispatcher::tokio(runtime.handle().clone());
    checked(move || {
        run_blocking(async |scope| {
            let view = || scope.with(dispatcher.limited_parallelism(1));
            let busy = [&view(), &view()];
            assert_fair(&busy, &[1], busy[0]).await?;
            assert_fair(&busy, &[1], &view()).await?;
            assert_fair(&busy, &[1], &scope.with(&dispatcher)).await
        })
        .unwrap();
    });
}
