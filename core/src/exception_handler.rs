//! Where a failure goes that no parent accepts.

use std::fmt;
use std::io::Write;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind};
use std::sync::Arc;

use parking_lot::RwLock;

use crate::error::Error;
use crate::harness;
use crate::job::Job;
use crate::trace;

type Callback = dyn Fn(&Job, &Error) + Send + Sync;

/// What is told of a failure that no parent accepted: of a root coroutine, or of a direct child of a supervisor.
///
/// It is asked once for each failed tree, in the context of the coroutine that ends up responsible; handlers of the
/// coroutines below that one are not looked at. Cancellations never reach it. A failed [`spawn`](crate::CoroutineScope::spawn)
/// reports nothing: its [`Deferred`](crate::Deferred) keeps the failure.
///
/// It is called synchronously on the thread on which the coroutine completes, before anybody can see it as completed. A
/// panic of the handler is caught and reported to the fallback, with the original failure.
///
/// Kotlin: `CoroutineExceptionHandler`.
///
/// ```
/// use corox_core::{Error, ExceptionHandler, Result, run_blocking, supervisor_scope};
/// use std::sync::mpsc;
///
/// let (tx, rx) = mpsc::channel();
/// let handler = ExceptionHandler::new(move |_job, error| tx.send(error.to_string()).unwrap());
/// run_blocking(async |_| {
///     supervisor_scope(async |scope| {
///         scope.with(handler).launch(async { Err::<(), _>(Error::msg("lost")) });
///         Ok(())
///     }).await
/// }).unwrap();
/// assert_eq!(rx.recv().unwrap(), "lost");
/// ```
#[derive(Clone)]
#[doc(alias = "CoroutineExceptionHandler")]
pub struct ExceptionHandler(Arc<Callback>);

impl ExceptionHandler {
    /// A handler that calls `handle` with the responsible coroutine and its failure.
    ///
    /// Kotlin: `CoroutineExceptionHandler { context, exception -> .. }`.
    #[doc(alias = "handleException")]
    pub fn new(handle: impl Fn(&Job, &Error) + Send + Sync + 'static) -> Self {
        ExceptionHandler(Arc::new(handle))
    }
}

// Its panics are caught where it is called.
impl UnwindSafe for ExceptionHandler {}
impl RefUnwindSafe for ExceptionHandler {}

impl fmt::Debug for ExceptionHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ExceptionHandler")
            .field(&Arc::as_ptr(&self.0))
            .finish()
    }
}

/// The process-wide handlers, in the order in which they were added.
static PROCESS_WIDE: RwLock<Vec<(u64, ExceptionHandler)>> = RwLock::new(Vec::new());
static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

/// Keeps a process-wide handler in place; see [`add_uncaught_handler`].
#[derive(Debug)]
#[must_use = "dropping the guard removes the handler"]
pub struct UncaughtHandlerGuard(u64);

impl Drop for UncaughtHandlerGuard {
    fn drop(&mut self) {
        let removed = {
            let mut handlers = PROCESS_WIDE.write();
            let position = handlers.iter().position(|(id, _)| *id == self.0);
            position.map(|position| handlers.remove(position))
        };
        drop(removed);
    }
}

/// Adds a handler for failures that neither a parent nor a handler in the coroutine's own context takes; it stays until
/// the guard is dropped.
///
/// Each handler is called in turn. While there is none, such failures are written to stderr and, as an error event, to
/// `tracing`.
///
/// Kotlin: a `CoroutineExceptionHandler` among the services; on the JVM `Thread.setDefaultUncaughtExceptionHandler`.
///
/// ```
/// use corox_core::{Error, ExceptionHandler, GlobalScope, add_uncaught_handler, run_blocking};
/// use std::sync::mpsc;
///
/// let (tx, rx) = mpsc::channel();
/// let guard = add_uncaught_handler(ExceptionHandler::new(move |_, error| tx.send(error.to_string()).unwrap()));
/// GlobalScope.launch(async { Err::<(), _>(Error::msg("nobody's")) });
/// assert_eq!(rx.recv().unwrap(), "nobody's");
/// drop(guard);
/// ```
#[doc(alias = "setUncaughtExceptionHandler")]
#[doc(alias = "setDefaultUncaughtExceptionHandler")]
pub fn add_uncaught_handler(handler: ExceptionHandler) -> UncaughtHandlerGuard {
    let id = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    PROCESS_WIDE.write().push((id, handler));
    UncaughtHandlerGuard(id)
}

/// Hands a failure that nobody took to the handler of `job`'s context, or to the process-wide ones, or to the fallback
/// (J-26 to J-28). Never panics.
pub(crate) fn report_uncaught(job: &Job, error: &Error) {
    trace::inside(job, || report(job, error));
}

fn report(job: &Job, error: &Error) {
    if let Some(handler) = &job.context().handler {
        call(handler, job, error);
        return;
    }
    let handlers: Vec<_> = PROCESS_WIDE.read().iter().map(|(_, h)| h.clone()).collect();
    if handlers.is_empty() {
        sink(job, error);
    }
    for handler in handlers {
        call(&handler, job, error);
    }
}

/// The same for code that may run outside coroutines.
pub(crate) fn report_lost(job: Option<&Job>, error: &Error) {
    if let Some(job) = job {
        return report_uncaught(job, error);
    }
    tracing::error!(error = ?error, "uncaught failure of a callback outside coroutines");
    let text = format!("uncaught failure of a callback outside coroutines: {error:?}\n");
    let _ = std::io::stderr().write_all(text.as_bytes());
}

fn call(handler: &ExceptionHandler, job: &Job, error: &Error) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| (handler.0)(job, error))) {
        let thrown = Error::from_panic(payload, job.location());
        thrown.add_suppressed(error.clone());
        sink(job, &thrown);
    }
}

/// Where a failure ends that no handler takes: in the test that it belongs to, or else in [`fallback`].
fn sink(job: &Job, error: &Error) {
    match &job.context().watch {
        Some(watched) => watched.uncaught(job, error),
        None if harness::collected(job, error) => {}
        None => fallback(job, error),
    }
}

/// Writes to stderr and `tracing`.
pub fn fallback(job: &Job, error: &Error) {
    tracing::error!(job = %job, error = ?error, "uncaught failure of a coroutine");
    // In one piece, for other threads write there, too; not by `eprintln!`, which panics if stderr is closed.
    let text = format!(
        "uncaught failure of {job}, launched at {}: {error:?}\n",
        job.location()
    );
    let _ = std::io::stderr().write_all(text.as_bytes());
}
