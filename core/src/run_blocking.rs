//! From blocking code into coroutines.

use std::future::{Future, poll_fn};
use std::panic::{Location, resume_unwind};
use std::pin::pin;
use std::task::{Context, Poll};

use crate::error::Result;
use crate::frame::Entered;
use crate::job::{Job, JobCell, Kind, Polled};
use crate::job_context::JobContext;
use crate::scope::CoroutineScope;
use crate::scope_body::ScopeBody;
use crate::scope_builders::ScopeFuture;
use crate::shim::Home;

/// Runs `body` as a root coroutine and blocks this thread until it and all coroutines launched in it have ended.
///
/// The thread becomes an event loop: one strict queue on which the body and its children take turns, and a tokio runtime
/// whose I/O and timers run on this very thread. Neither the body nor what it borrows need be `Send`; what it launches must
/// be, and may move elsewhere with a [`Dispatcher`](crate::Dispatcher).
///
/// Coroutines on its loop that are not in its scope, under a [`SupervisorJob`](crate::SupervisorJob) of your own for example, are
/// not waited for. Those that are queued when it ends have one turn more, in which what was just cancelled cleans up; then they go on
/// on the process's own pool.
///
/// On a worker of a multi-thread tokio runtime, the thread is taken out of the runtime meanwhile
/// (`tokio::task::block_in_place`). Inside a coroutine of another `run_blocking` the same loop goes on, with its other
/// coroutines, timers and I/O; the nested root is *not* a child of that coroutine.
///
/// Kotlin: `runBlocking`, without a context: `scope.with(..)` or [`with_context`](crate::with_context) inside of it gives one.
///
/// # Errors
///
/// The failure of the body or of a child, or the cancellation of the root.
///
/// # Panics
///
/// - With the panic of the body or of a child, if that is what the root failed with.
/// - On a thread that drives a current-thread tokio runtime (inside `#[tokio::test]`, for example): blocking it would stop
///   everything on it, the driver included. Await [`coroutine_scope`](crate::coroutine_scope) there instead.
///
/// ```
/// use corox_core::{delay, run_blocking};
/// use std::time::Duration;
///
/// let answer = run_blocking(async |scope| {
///     scope.launch(async {
///         delay(Duration::from_millis(1)).await;
///         println!("World!");
///     });
///     println!("Hello");
///     Ok(42)
/// }).unwrap();
/// assert_eq!(answer, 42);
/// ```
#[doc(alias = "runBlocking")]
#[track_caller]
pub fn run_blocking<T, F>(body: F) -> Result<T>
where
    F: ScopeBody<T>,
{
    match run_root(Location::caller(), body, |_| {}, |_| false) {
        Some(result) => result,
        None => unreachable!("it is never given up"),
    }
}

/// Runs `body` as a root: calls `begun` with its job before the first poll, and `give_up` before each; `None` if that says so.
#[track_caller]
pub(crate) fn run_root<T, F>(
    location: &'static Location<'static>,
    body: F,
    begun: impl FnOnce(&Job),
    mut give_up: impl FnMut(&mut Context<'_>) -> bool,
) -> Option<Result<T>>
where
    F: AsyncFnOnce(CoroutineScope) -> Result<T>,
{
    // What the loop polls besides coroutines, tasks of tokio among it, belongs to no coroutine, also if this call is nested.
    // A guard instead of a closure, which would hide the caller's line from `block_on`.
    let outside = Entered::none();
    let result = corox_scheduler::block_on(|dispatcher| {
        let context = JobContext::new(Home::own(), None, dispatcher);
        let (cell, _root) = JobCell::attach(Polled::new(), Kind::Blocking, context, None, location);
        let job = Job(cell);
        begun(&job);
        let body = body(CoroutineScope::of(job.clone()));
        let root = ScopeFuture::new(job, None, body);
        async move {
            let mut root = pin!(root);
            poll_fn(|cx| {
                if give_up(cx) {
                    return Poll::Ready(None);
                }
                root.as_mut().poll(cx).map(Some)
            })
            .await
        }
    });
    drop(outside);
    if let Some(Err(error)) = &result {
        if let Some(payload) = error.take_panic() {
            resume_unwind(payload);
        }
    }
    result
}
