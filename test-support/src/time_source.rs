//! [`TestTimeSource`] and [`TestInstant`]: marks of the virtual time.

use std::ops::{Add, Sub};
use std::time::Duration;

use crate::TestScheduler;

/// The virtual clock as a source of marks; from [`TestScheduler::time_source`].
///
/// Kotlin: `TestScope.testTimeSource`.
///
/// ```
/// use corox_core::delay;
/// use corox_test::run_test;
/// use std::time::Duration;
///
/// run_test(async |t| {
///     let start = t.time_source().now();
///     delay(Duration::from_secs(5)).await;
///     assert_eq!(t.time_source().elapsed_since(start), Duration::from_secs(5));
/// });
/// ```
#[derive(Clone, Debug)]
pub struct TestTimeSource {
    scheduler: TestScheduler,
}

impl TestTimeSource {
    pub(crate) fn new(scheduler: TestScheduler) -> Self {
        TestTimeSource { scheduler }
    }

    /// The mark of this moment.
    ///
    /// Kotlin: `TimeSource.markNow`.
    #[must_use]
    #[doc(alias = "markNow")]
    pub fn now(&self) -> TestInstant {
        TestInstant(self.scheduler.current_time())
    }

    /// The virtual time from `mark` to now; zero if the mark is of the future.
    ///
    /// Kotlin: `TimeMark.elapsedNow`.
    #[must_use]
    #[doc(alias = "elapsedNow")]
    pub fn elapsed_since(&self, mark: TestInstant) -> Duration {
        self.now() - mark
    }
}

/// A moment of the virtual time of one scheduler.
///
/// Kotlin: `ComparableTimeMark`.
///
/// ```
/// use corox_core::delay;
/// use corox_test::run_test;
/// use std::time::Duration;
///
/// run_test(async |t| {
///     let two = Duration::from_secs(2);
///     let start = t.time_source().now();
///     delay(two).await;
///     let end = t.time_source().now();
///     assert!(start < end);
///     assert_eq!((end - start, start + two, end - two), (two, end, start));
///     assert_eq!(end.since_begin(), t.current_time());
/// });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[doc(alias = "ComparableTimeMark")]
pub struct TestInstant(Duration);

impl TestInstant {
    /// The virtual time from that of the scheduler's making to this moment.
    #[must_use]
    pub fn since_begin(self) -> Duration {
        self.0
    }
}

impl Add<Duration> for TestInstant {
    type Output = TestInstant;
    /// Saturates.
    fn add(self, duration: Duration) -> TestInstant {
        TestInstant(self.0.saturating_add(duration))
    }
}

impl Sub<Duration> for TestInstant {
    type Output = TestInstant;
    /// Saturates at the beginning.
    fn sub(self, duration: Duration) -> TestInstant {
        TestInstant(self.0.saturating_sub(duration))
    }
}

impl Sub for TestInstant {
    type Output = Duration;
    /// Zero if `earlier` is later.
    fn sub(self, earlier: TestInstant) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}
