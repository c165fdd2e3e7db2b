//! [`FlowErrors`]: operators that make failures, or handle them.

use std::panic::Location;

use corox_core::{Error, Result, Retry};

use crate::followed::Followed;
use crate::transform::{Steps, StepsAsync, closures};
use crate::{BlockOutput, Emitter, Flow, Verdict};

mod deciding;
mod retry;

use deciding::{decided, handling, has_failed, paused, so_often};
use retry::Retrying;

/// The operators that make failures, or handle those of what is above them.
///
/// They never see what fails behind them (F-8): a failing stage drops the stages above it, which hear of it as little as of any
/// other early end. Nor do they see that the coroutine which collects is cancelled.
///
/// ```
/// use corox_flow::{flow_of, prelude::*};
/// use corox_core::run_blocking;
///
/// run_blocking(async |_| {
///     let numbers = flow_of(["1", "x", "2"])
///         .try_map(|text| Ok(text.parse::<i32>()?))
///         .catch(async |_, emitter| emitter.emit(-1).await);
///     assert_eq!(numbers.to_vec().await?, [1, -1]);
///     Ok(())
/// }).unwrap();
/// ```
pub trait FlowErrors: Flow + Sized {
    /// [`map`](crate::FlowTransform::map) with a closure that may fail.
    ///
    /// Kotlin: `map`, whose lambda throws.
    ///
    /// # Errors
    ///
    /// The flow fails with the first failure of `f`.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let numbers = flow_of(["1", "2"]).try_map(|text| Ok(text.parse::<i32>()?));
    ///     assert_eq!(numbers.to_vec().await?, [1, 2]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "map")]
    fn try_map<R, F>(self, f: F) -> impl Flow<Item = R>
    where
        F: FnMut(Self::Item) -> Result<R> + Clone,
    {
        Steps::new(self, closures::tried(f))
    }

    /// [`try_map`](FlowErrors::try_map) with a closure that may suspend. The next item is asked for when it is done.
    ///
    /// Kotlin: `map`, whose lambda throws.
    ///
    /// # Errors
    ///
    /// The flow fails with the first failure of `f`.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::{run_blocking, yield_now};
    ///
    /// run_blocking(async |_| {
    ///     let failed = flow_of(["x"]).try_map_async(async |text: &str| {
    ///         yield_now().await;
    ///         Ok(text.parse::<i32>()?)
    ///     });
    ///     assert!(failed.to_vec().await.is_err());
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "map")]
    fn try_map_async<R, F>(self, f: F) -> impl Flow<Item = R>
    where
        F: AsyncFnOnce(Self::Item) -> Result<R> + Clone,
    {
        StepsAsync::new(self, closures::tried_async(f))
    }

    /// For a flow of `Result`s: what is in those that are `Ok`. The first `Err` is the failure of the flow.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let numbers = flow_of("1,2,x,4".split(',')).map(|text| text.parse::<i32>()).fail_on_err();
    ///     let mut seen = Vec::new();
    ///     let error = numbers.for_each(|n| seen.push(n)).await.unwrap_err();
    ///     assert!(error.downcast_ref::<std::num::ParseIntError>().is_some());
    ///     assert_eq!(seen, [1, 2]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    fn fail_on_err<T, E>(self) -> impl Flow<Item = T>
    where
        Self: Flow<Item = Result<T, E>>,
        E: Into<Error>,
    {
        Steps::new(self, closures::good)
    }

    /// Handles a failure of what is above: `handler` is given it and may emit in place of what is missing. The flow then ends, with
    /// the failure that `handler` gives if it gives one.
    ///
    /// What is above is dropped, and its coroutines have ended, before `handler` begins. A cancellation that is not that of the
    /// coroutine which collects is a failure as any other: of an awaited coroutine, for instance.
    ///
    /// Kotlin: `catch`.
    ///
    /// ```
    /// use corox_flow::{flow, prelude::*};
    /// use corox_core::{Error, run_blocking};
    ///
    /// run_blocking(async |_| {
    ///     let numbers = flow(async |emitter| {
    ///         emitter.emit(1).await;
    ///         Err(Error::msg("no more"))
    ///     });
    ///     let caught = numbers.clone().catch(async |error, emitter| {
    ///         assert_eq!(error.to_string(), "no more");
    ///         emitter.emit(0).await;
    ///     });
    ///     assert_eq!(caught.to_vec().await?, [1, 0]);
    ///
    ///     let changed = numbers.catch(async |error, _| Err(Error::msg(format!("broken: {error}"))));
    ///     assert_eq!(changed.count().await.unwrap_err().to_string(), "broken: no more");
    ///     Ok(())
    /// }).unwrap();
    /// ```
    fn catch<R, F>(self, handler: F) -> impl Flow<Item = Self::Item>
    where
        F: AsyncFnOnce(Error, &Emitter<Self::Item>) -> R + Clone,
        R: BlockOutput,
    {
        Followed::new(self, has_failed, handling(handler))
    }

    /// Runs what is above again when it fails, at most `times` times and if `predicate` holds for the failure.
    ///
    /// The items of the attempt that failed have gone on already; the next attempt begins anew. After 128 failures without a wait
    /// others have their turn. For pauses between the attempts there are [`retry_with`](FlowErrors::retry_with) and
    /// [`retry_when`](FlowErrors::retry_when).
    ///
    /// Kotlin: `retry`.
    ///
    /// # Panics
    ///
    /// If `times` is 0.
    ///
    /// ```
    /// use corox_flow::{flow, prelude::*};
    /// use corox_core::{Error, run_blocking};
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// run_blocking(async |_| {
    ///     let runs = AtomicU32::new(0);
    ///     let shaky = flow(async |emitter| {
    ///         emitter.emit(runs.fetch_add(1, Ordering::Relaxed)).await;
    ///         Err(Error::msg("busy"))
    ///     });
    ///     let retried = shaky.retry(2, |error| error.to_string() == "busy");
    ///     let mut seen = Vec::new();
    ///     assert!(retried.for_each(|n| seen.push(n)).await.is_err());
    ///     assert_eq!(seen, [0, 1, 2]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[track_caller]
    fn retry<F>(self, times: u64, predicate: F) -> impl Flow<Item = Self::Item>
    where
        F: FnMut(&Error) -> bool + Clone,
    {
        assert!(
            times > 0,
            "`retry(0, ..)` would never run the flow again; leave it out, or use `catch` for its failure"
        );
        Retrying::new(self, so_often(times, predicate))
    }

    /// Runs what is above again when it fails and `decide` gives `true`. It may wait before, and emit.
    ///
    /// `decide` is given the failure and how many attempts have failed before, from 0. It gives a `bool` or a
    /// [`Result<bool>`](corox_core::Result), whose failure then is that of the flow; after `false` it is the one of the attempt.
    /// What is above is dropped, and its coroutines have ended, before `decide` begins.
    ///
    /// Kotlin: `retryWhen`.
    ///
    /// ```
    /// use corox_flow::{flow, prelude::*};
    /// use corox_core::{Error, delay};
    /// use corox_test::run_test;
    /// use std::time::Duration;
    ///
    /// run_test(async |t| {
    ///     let down = flow(async |_| Err(Error::msg("down")));
    ///     let patient = down.retry_when(async |_, attempt, emitter| {
    ///         emitter.emit(format!("attempt {attempt} has failed")).await;
    ///         delay(Duration::from_secs(1 << attempt)).await;
    ///         attempt < 2
    ///     });
    ///     let mut seen = Vec::new();
    ///     assert!(patient.for_each(|it| seen.push(it)).await.is_err());
    ///     assert_eq!(seen, ["attempt 0 has failed", "attempt 1 has failed", "attempt 2 has failed"]);
    ///     assert_eq!(t.current_time(), Duration::from_secs(1 + 2 + 4));
    /// });
    /// ```
    #[doc(alias = "retryWhen")]
    fn retry_when<R, F>(self, decide: F) -> impl Flow<Item = Self::Item>
    where
        F: AsyncFnOnce(Error, u64, &Emitter<Self::Item>) -> R + Clone,
        R: Verdict,
    {
        Retrying::new(self, decided(decide))
    }

    /// Runs what is above again when it fails, as often and after such pauses as a [`Retry`] says, which is also for single calls.
    ///
    /// Kotlin: `retryWhen`, with a `delay` in it.
    ///
    /// ```
    /// use corox_flow::{flow, prelude::*};
    /// use corox_core::{Error, Retry};
    /// use corox_test::run_test;
    /// use std::time::Duration;
    ///
    /// run_test(async |t| {
    ///     let down = flow(async |emitter| {
    ///         emitter.emit(1).await;
    ///         Err(Error::msg("down"))
    ///     });
    ///     let backoff = Retry::new(4).exponential(Duration::from_secs(1), 2.0, Duration::from_secs(60));
    ///     let mut runs = 0;
    ///     assert!(down.retry_with(backoff).for_each(|n| runs += n).await.is_err());
    ///     assert_eq!((runs, t.current_time()), (4, Duration::from_secs(1 + 2 + 4)));
    /// });
    /// ```
    #[doc(alias = "retryWhen")]
    #[track_caller]
    fn retry_with(self, policy: Retry) -> impl Flow<Item = Self::Item> {
        Retrying::new(self, paused(policy, Location::caller()))
    }
}

impl<S: Flow> FlowErrors for S {}
