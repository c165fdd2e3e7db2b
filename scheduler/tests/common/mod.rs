//! Coroutines as core makes them, in small: rejected tasks run on the fallback.
#![allow(dead_code, unreachable_pub)]

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use corox_scheduler::{Dispatcher, Task, Wakeup, fallback, mark_yield};
use tokio::sync::oneshot;

/// Waits for a coroutine, also without any runtime.
pub struct Join<T>(oneshot::Receiver<T>);

impl<T> Join<T> {
    /// Blocks the thread. Only outside of tokio's context.
    pub fn wait(self) -> T {
        self.0.blocking_recv().expect("the coroutine was dropped")
    }
}

impl<T> Future for Join<T> {
    type Output = Option<T>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        Pin::new(&mut self.0).poll(cx).map(Result::ok)
    }
}

pub fn send(dispatcher: &Dispatcher, rejections: &AtomicUsize, task: Task, how: Wakeup) {
    if let Err(rejected) = dispatcher.dispatch(task, how) {
        rejections.fetch_add(1, Ordering::SeqCst);
        fallback()
            .dispatch(rejected.into_task(), Wakeup::Launch)
            .expect("the fallback rejects");
    }
}

pub static REJECTIONS: AtomicUsize = AtomicUsize::new(0);

pub fn make<T: Send + 'static>(
    dispatcher: &Dispatcher,
    future: impl Future<Output = T> + Send + 'static,
) -> (Task, Join<T>) {
    let (tx, rx) = oneshot::channel();
    let to = dispatcher.clone();
    let future = async move {
        let _ = tx.send(future.await);
    };
    let task = Task::new(future, move |task, how| send(&to, &REJECTIONS, task, how));
    (task, Join(rx))
}

pub fn spawn<T: Send + 'static>(
    dispatcher: &Dispatcher,
    future: impl Future<Output = T> + Send + 'static,
) -> Join<T> {
    let (task, join) = make(dispatcher, future);
    send(dispatcher, &REJECTIONS, task, Wakeup::Launch);
    join
}

/// Core's yield.
pub async fn yield_now() {
    mark_yield();
    again().await;
}

/// Wakes itself without yielding.
pub async fn again() {
    let mut first = true;
    std::future::poll_fn(move |cx| {
        if std::mem::take(&mut first) {
            cx.waker().wake_by_ref();
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
}

#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub fn add(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
    pub fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// Waits for a condition that another thread brings about; fails after ten seconds.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(10), "never: {what}");
        std::thread::yield_now();
    }
}

pub fn burn(d: Duration) {
    let start = Instant::now();
    while start.elapsed() < d {
        std::hint::spin_loop();
    }
}

pub fn multi(workers: usize) -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .unwrap()
}

pub fn single() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}
