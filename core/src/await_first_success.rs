//! A race for the first good result.

use std::future::{Future, poll_fn};
use std::panic::Location;
use std::sync::Arc;
use std::task::Poll;

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

use crate::coroutine_body::ResultBody;
use crate::deferred::Deferred;
use crate::error::{Error, Result};
use crate::job::Kind;
use crate::probe::{Reason, WaitReason};
use crate::scope_builders::inline;

/// Runs all `futures` side by side, gives the first value, and cancels the others.
///
/// A failure does not end the race. The losers are cancelled and awaited before the value is returned, so nothing of them
/// goes on; their values are dropped.
///
/// # Errors
///
/// If all fail, the first failure in time, with the others [attached](Error::suppressed); a panic is a failure. An error if
/// there are no futures. The cancellation.
///
/// # Cancel safety
///
/// As [`coroutine_scope`](crate::coroutine_scope).
///
/// ```
/// use corox_core::{Error, await_cancellation, await_first_success, run_blocking};
///
/// async fn ask(mirror: u32) -> corox_core::Result<u32> {
///     match mirror {
///         0 => Err(Error::msg("down")),
///         1 => Ok(mirror),
///         _ => { await_cancellation().await; Ok(mirror) }
///     }
/// }
///
/// let mirror = run_blocking(async |_| await_first_success((0..3).map(ask)).await).unwrap();
/// assert_eq!(mirror, 1);
/// ```
#[track_caller]
pub fn await_first_success<T, I>(futures: I) -> impl Future<Output = Result<T>>
where
    I: IntoIterator<Item: ResultBody<T> + Send + 'static>,
    T: Send + 'static,
{
    let location = Location::caller();
    let futures: Vec<_> = futures.into_iter().collect();
    async move {
        if futures.is_empty() {
            return Err(Error::at_location(
                "await_first_success was given no futures, so none can succeed",
                location,
            ));
        }
        inline(Kind::Supervisor, location, async |scope| {
            let race = Arc::new(Race {
                state: Mutex::new(State {
                    winner: None,
                    failures: Vec::new(),
                }),
                waker: AtomicWaker::new(),
            });
            let runners: Vec<Deferred<T>> = futures
                .into_iter()
                .map(|future| scope.spawn_at(location, future))
                .collect();
            for (at, runner) in runners.iter().enumerate() {
                let race = race.clone();
                runner.on_completion(move |cause| race.arrived(at, cause));
            }
            let winner = race.outcome(runners.len(), location).await?;
            scope.job().cancel_children();
            match runners.into_iter().nth(winner) {
                Some(winner) => winner.await,
                None => unreachable!("the winner is one of those who ran"),
            }
        })
        .await
    }
}

struct Race {
    state: Mutex<State>,
    waker: AtomicWaker,
}

struct State {
    winner: Option<usize>,
    /// In the order of time.
    failures: Vec<Error>,
}

impl Race {
    fn arrived(&self, at: usize, cause: Option<&Error>) {
        {
            let mut state = self.state.lock();
            match cause {
                None => state.winner = state.winner.or(Some(at)),
                Some(cause) => state.failures.push(cause.clone()),
            }
        }
        self.waker.wake();
    }

    /// The winner among `runners`, or why there is none.
    async fn outcome(&self, runners: usize, location: &'static Location<'static>) -> Result<usize> {
        let mut reason = WaitReason::at(&Reason("await_first_success"), location).by_coroutines();
        let failures = poll_fn(|cx| {
            self.waker.register(cx.waker());
            let mut state = self.state.lock();
            if let Some(winner) = state.winner {
                return Poll::Ready(Ok(winner));
            }
            if state.failures.len() == runners {
                return Poll::Ready(Err(std::mem::take(&mut state.failures)));
            }
            drop(state);
            reason.note(String::new);
            Poll::Pending
        })
        .await;
        let mut failures = match failures {
            Ok(winner) => return Ok(winner),
            Err(failures) => failures.into_iter(),
        };
        let Some(first) = failures.next() else {
            unreachable!("as many failures as runners, of which there is one at least")
        };
        failures.for_each(|other| first.add_suppressed(other));
        Err(first)
    }
}
