//! What the tests of the crate share: a limit of time, a look for coroutines that were left behind, a log of events.
#![allow(dead_code, unreachable_pub)]

use std::panic::resume_unwind;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use corox_core::{
    CompletableDeferred, CoroutineScope, Result, await_cancellation, catch_cancellation,
    non_cancellable, probe, run_blocking,
};
use corox_test::TestScope;

/// How long a test may take before it counts as hanging.
const LIMIT: Duration = Duration::from_secs(20);

/// How often, a millisecond apart, coroutines on pools are given the chance to end after the test's own end.
const ROUNDS: usize = 5_000;

/// One test of a binary at a time: the probes, and the count of what is live, belong to the process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `test` on a thread of its own with probes installed, alone in this process, and gives its result.
///
/// # Panics
///
/// With the panic of `test`; with a dump of the coroutines if it has not ended after 20 seconds; and if a coroutine, scope
/// or job that somebody still holds has not ended when it is over.
pub fn checked<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    let _alone = lock(&ONE_AT_A_TIME);
    let probes = probe::install();
    let (over, ended) = sync_channel::<()>(1);
    let name = std::thread::current().name().unwrap_or("test").to_owned();
    let thread = std::thread::Builder::new()
        .name(name)
        .spawn(move || {
            // Dropped last, also by a panic: what tells the watchdog that the test is over.
            let _over = over;
            test()
        })
        .expect("a thread for the test");
    if let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(LIMIT) {
        panic!("the test hangs; these live:\n{}", probe::dump());
    }
    let result = match thread.join() {
        Ok(result) => result,
        Err(payload) => resume_unwind(payload),
    };
    // One look that finds nothing is enough: a test beside this one, without `checked`, may make a job right after it.
    let mut left = probe::live();
    for _ in 0..ROUNDS {
        if left.is_empty() {
            break;
        }
        // Before the next look: these handles keep alive what nobody else holds.
        left.clear();
        std::thread::park_timeout(Duration::from_millis(1));
        left = probe::live();
    }
    assert!(left.is_empty(), "left behind:\n{}", probe::dump_of(&left));
    drop(probes);
    result
}

/// [`checked`], with `body` as the body of a `run_blocking` that must end well.
pub fn root<T, F>(body: F) -> T
where
    T: Send + 'static,
    F: AsyncFnOnce(CoroutineScope) -> Result<T> + Send + 'static,
{
    checked(move || run_blocking(body).expect("the root ends well"))
}

/// [`checked`], with `body` as a test in virtual time, which must end well and leave no timer of the library behind.
pub fn in_virtual_time<T, F>(body: F) -> T
where
    T: Send + 'static,
    F: AsyncFnOnce(TestScope) -> Result<T> + Send + 'static,
{
    checked(move || {
        let t = TestScope::default();
        let scheduler = t.scheduler().clone();
        let (tx, left) = sync_channel(1);
        t.job().on_completion(move |_| {
            // Looked at below: nobody would hear of a panic here.
            let _ = tx.send(scheduler.pending_timers());
        });
        let mut value = None;
        t.run_test(async |t| {
            value = Some(body(t).await?);
            Ok(())
        });
        assert_eq!(left.recv(), Ok(0), "timers are left");
        value.expect("the body has ended well")
    })
}

/// A body that does nothing until it is cancelled.
pub async fn forever() {
    await_cancellation().await;
}

/// A body that does nothing until it is cancelled, and then ends only when `gate` is complete.
pub async fn lingering(gate: CompletableDeferred<()>) {
    let _ = catch_cancellation(await_cancellation()).await;
    let _ = non_cancellable(async |_| (&gate).await).await;
}

/// What happened, in order; clones add to the same log.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub fn new() -> Self {
        Log::default()
    }

    /// Adds an event.
    pub fn add(&self, event: impl Into<String>) {
        lock(&self.0).push(event.into());
    }

    /// The events so far, which are taken out. Compare with an array: `assert_eq!(log.take(), ["one", "two"])`.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.0))
    }

    /// A body that adds `event` and ends.
    pub fn event(&self, event: &str) -> impl Future<Output = ()> + Send + use<> {
        let (log, event) = (self.clone(), event.to_owned());
        async move { log.add(event) }
    }

    /// A guard that adds `event` when it is dropped.
    pub fn guard(&self, event: impl Into<String>) -> Guard {
        Guard::new(self, event)
    }
}

/// Adds an event to a log when dropped.
#[derive(Debug)]
pub struct Guard {
    log: Log,
    event: String,
}

impl Guard {
    pub fn new(log: &Log, event: impl Into<String>) -> Self {
        Guard {
            log: log.clone(),
            event: event.into(),
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.log.add(std::mem::take(&mut self.event));
    }
}
