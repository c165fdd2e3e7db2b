//! Trying again.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use crate::coroutine_body::ResultBody;
use crate::error::{Error, Result};
use crate::time::delay;

type Predicate = dyn Fn(&Error, u32) -> bool + Send + Sync;

/// How often, and after which pauses, a failing operation is tried again.
///
/// A cancellation is not tried again: neither that of the own coroutine, which ends it at its next suspension, nor an error
/// that is one, unless [`retry_if`](Retry::retry_if) says so.
///
/// Kotlin: `Flow.retry` and `Flow.retryWhen`, for a single call.
///
/// ```
/// use corox_core::{Error, Retry, run_blocking};
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use std::time::Duration;
///
/// let tries = AtomicU32::new(0);
/// let n = run_blocking(async |_| {
///     Retry::new(3).exponential(Duration::from_millis(1), 2.0, Duration::from_secs(1)).run(|| async {
///         match tries.fetch_add(1, Ordering::Relaxed) {
///             2 => Ok(7),
///             _ => Err(Error::msg("busy")),
///         }
///     }).await
/// }).unwrap();
/// assert_eq!((n, tries.into_inner()), (7, 3));
/// ```
#[must_use = "a policy does nothing before `.run(..).await`"]
pub struct Retry {
    attempts: u32,
    first: Duration,
    factor: f64,
    most: Duration,
    jitter: f64,
    seed: Option<u64>,
    predicate: Box<Predicate>,
}

impl Retry {
    /// At most `attempts` attempts, the first among them, without pauses.
    ///
    /// # Panics
    ///
    /// If `attempts` is 0.
    ///
    /// ```
    /// use corox_core::{Error, Retry, Result, run_blocking};
    ///
    /// let mut calls = 0;
    /// let outcome: Result<()> = run_blocking(async |_| {
    ///     Retry::new(2).run(|| { calls += 1; async { Err(Error::msg("down")) } }).await
    /// });
    /// assert_eq!((outcome.unwrap_err().suppressed().len(), calls), (1, 2));
    /// ```
    #[track_caller]
    pub fn new(attempts: u32) -> Self {
        assert!(
            attempts > 0,
            "a retry of 0 attempts would never run the operation; 1 runs it once"
        );
        Retry {
            attempts,
            first: Duration::ZERO,
            factor: 1.0,
            most: Duration::MAX,
            jitter: 0.0,
            seed: None,
            predicate: Box::new(|error, _| !error.is_cancellation()),
        }
    }

    /// Pauses of `pause` between attempts.
    ///
    /// ```
    /// use corox_core::{Error, Retry};
    /// use corox_test::run_test;
    /// use std::time::Duration;
    ///
    /// run_test(async |t| {
    ///     let retry = Retry::new(3).fixed(Duration::from_secs(10));
    ///     let outcome = retry.run(|| async { Err::<(), _>(Error::msg("down")) }).await;
    ///     assert!(outcome.is_err());
    ///     assert_eq!(t.current_time(), Duration::from_secs(20));
    /// });
    /// ```
    pub fn fixed(self, pause: Duration) -> Self {
        self.exponential(pause, 1.0, Duration::MAX)
    }

    /// A first pause of `first`, each further one `factor` times the one before, up to `most`: exponential backoff.
    ///
    /// # Panics
    ///
    /// If `factor` is below 1, or not a number.
    ///
    /// ```
    /// use corox_core::{Error, Retry};
    /// use corox_test::run_test;
    /// use std::time::Duration;
    ///
    /// run_test(async |t| {
    ///     let retry = Retry::new(5).exponential(Duration::from_secs(1), 2.0, Duration::from_secs(5));
    ///     let outcome = retry.run(|| async { Err::<(), _>(Error::msg("down")) }).await;
    ///     assert!(outcome.is_err());
    ///     assert_eq!(t.current_time(), Duration::from_secs(1 + 2 + 4 + 5));
    /// });
    /// ```
    #[track_caller]
    pub fn exponential(mut self, first: Duration, factor: f64, most: Duration) -> Self {
        assert!(
            factor >= 1.0,
            "the factor between pauses is at least 1, not {factor}"
        );
        self.first = first;
        self.factor = factor;
        self.most = most;
        self
    }

    /// Shortens each pause by a random part of it, up to `fraction`, so that many who failed together do not come back
    /// together.
    ///
    /// With 1 it is the "full jitter" of M. Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015), with 0.5
    /// the "equal jitter".
    ///
    /// # Panics
    ///
    /// If `fraction` is not within 0 to 1.
    ///
    /// ```
    /// use corox_core::{Error, Retry};
    /// use corox_test::run_test;
    /// use std::time::Duration;
    ///
    /// run_test(async |t| {
    ///     let retry = Retry::new(2).fixed(Duration::from_secs(10)).jitter(0.5);
    ///     let outcome = retry.run(|| async { Err::<(), _>(Error::msg("down")) }).await;
    ///     assert!(outcome.is_err());
    ///     let pause = t.current_time().as_secs_f64();
    ///     assert!((5.0..=10.001).contains(&pause), "{pause}");
    /// });
    /// ```
    #[track_caller]
    pub fn jitter(mut self, fraction: f64) -> Self {
        assert!(
            (0.0..=1.0).contains(&fraction),
            "the jitter is a fraction from 0 to 1, not {fraction}"
        );
        self.jitter = fraction;
        self
    }

    /// Makes the [`jitter`](Retry::jitter) the same in each run, for tests.
    ///
    /// ```
    /// use corox_core::{Error, Retry};
    /// use corox_test::run_test;
    /// use std::time::Duration;
    ///
    /// run_test(async |t| {
    ///     let retry = Retry::new(2).fixed(Duration::from_secs(10)).jitter(1.0).seed(7);
    ///     let mut pauses = Vec::new();
    ///     for _ in 0..2 {
    ///         let before = t.current_time();
    ///         let outcome = retry.run(|| async { Err::<(), _>(Error::msg("down")) }).await;
    ///         assert!(outcome.is_err());
    ///         pauses.push(t.current_time() - before);
    ///     }
    ///     assert_eq!(pauses[0], pauses[1]);
    /// });
    /// ```
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Tries again only if `predicate` says so, given the error and the number of the attempt that failed, from 1.
    ///
    /// Kotlin: the predicate of `Flow.retry`.
    ///
    /// ```
    /// use corox_core::{Error, Retry, run_blocking};
    ///
    /// let mut calls = 0;
    /// let outcome = run_blocking(async |_| {
    ///     let retry = Retry::new(9).retry_if(|error, attempt| error.to_string() == "busy" && attempt < 5);
    ///     retry.run(|| {
    ///         calls += 1;
    ///         let text = if calls < 3 { "busy" } else { "gone" };
    ///         async move { Err::<(), _>(Error::msg(text)) }
    ///     }).await
    /// });
    /// assert_eq!((outcome.unwrap_err().to_string(), calls), ("gone".to_owned(), 3));
    /// ```
    pub fn retry_if(
        mut self,
        predicate: impl Fn(&Error, u32) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.predicate = Box::new(predicate);
        self
    }

    /// Runs `operation` until it succeeds, or there is to be no further attempt.
    ///
    /// `operation` is `|| async { .. }`, or `async || ..` if that only reads what it captures: the compiler's "captures state
    /// from its environment" is about one that changes it (a `Cell` or an atomic does), or has it moved in (clone it:
    /// `|| { let key = key.clone(); async move { .. } }`).
    ///
    /// The pauses are [`delay`](crate::delay)s. What an attempt launches into a scope around goes on in the next one; with a
    /// [`coroutine_scope`](crate::coroutine_scope) in the operation it has ended before.
    ///
    /// # Errors
    ///
    /// The failure of the last attempt, with those before it [attached](Error::suppressed).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the attempt, or the pause; the failures so far are lost.
    pub async fn run<T, F, Fut>(&self, mut operation: F) -> Result<T>
    where
        F: FnMut() -> Fut, // `|| async { .. }`; what attempts change is a `Cell` or an atomic
        Fut: ResultBody<T>,
    {
        let mut failures: Vec<Error> = Vec::new();
        let mut attempt = 1;
        loop {
            let error = match operation().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let Some(pause) = self.pause_after(&error, attempt) else {
                for earlier in failures {
                    error.add_suppressed(earlier);
                }
                return Err(error);
            };
            failures.push(error);
            delay(pause).await;
            attempt += 1;
        }
    }

    /// The pause after attempt `attempt`, from 1, has failed with `error`; `None` if there is to be no further one. Flows ask, too.
    #[doc(hidden)]
    #[must_use]
    pub fn pause_after(&self, error: &Error, attempt: u32) -> Option<Duration> {
        let again = attempt < self.attempts && (self.predicate)(error, attempt);
        again.then(|| self.pause(attempt))
    }

    fn pause(&self, attempt: u32) -> Duration {
        let exponent = i32::try_from(attempt - 1).unwrap_or(i32::MAX);
        let seconds = self.first.as_secs_f64() * self.factor.powi(exponent);
        let pause = if self.first.is_zero() {
            Duration::ZERO
        } else {
            Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
        };
        let pause = pause.min(self.most);
        if self.jitter == 0.0 {
            return pause;
        }
        // The n-th number of SplitMix64 (Steele, Lea, Flood 2014), the upper 53 bits as a fraction.
        let seed = self.seed.unwrap_or_else(|| RandomState::new().hash_one(0));
        let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(u64::from(attempt)));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        #[allow(clippy::cast_precision_loss)]
        let fraction = (z >> 11) as f64 / (1_u64 << 53) as f64;
        let shortened = pause.as_secs_f64() * (1.0 - self.jitter * fraction);
        Duration::try_from_secs_f64(shortened).unwrap_or(pause)
    }
}

impl fmt::Debug for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("attempts", &self.attempts)
            .field("first", &self.first)
            .field("factor", &self.factor)
            .field("most", &self.most)
            .field("jitter", &self.jitter)
            .finish_non_exhaustive()
    }
}
