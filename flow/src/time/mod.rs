//! [`FlowTime`]: operators that look at the clock.

use std::panic::Location;
use std::time::Duration;

use crate::Flow;

mod chunked_within;
mod debounce;
mod sample;
mod throttle_first;
mod timeout;

use chunked_within::ChunkedWithin;
use debounce::{Debounce, always};
use sample::Sample;
use throttle_first::ThrottleFirst;
use timeout::Timeout;

/// So many items that are not handed on, and others have their turn.
const ITEMS_A_TURN: u32 = 128;

/// The operators that look at the clock: that of the dispatcher which they are collected on, in tests the virtual one.
///
/// A stage has one timer, which it moves; items cost no timer of their own. Durations are rounded up to whole milliseconds, and
/// what the clock cannot hold, such as [`Duration::MAX`], never comes. When an item comes at the very time for which a timer was
/// set, the order of the two events decides, and the item is seen first where both are there.
///
/// ```
/// use corox_core::delay;
/// use corox_flow::{flow, prelude::*};
/// use corox_test::run_test;
/// use std::time::Duration;
///
/// run_test(async |_| {
///     let typed = flow(async |e| {
///         for text in ["k", "ko", "kotlin"] {
///             e.emit(text).await;
///         }
///         delay(Duration::from_millis(20)).await;
///         e.emit("rust").await;
///     });
///     assert_eq!(typed.debounce(Duration::from_millis(10)).to_vec().await?, ["kotlin", "rust"]);
///     Ok(())
/// });
/// ```
pub trait FlowTime: Flow + Sized {
    /// Only the items after which none came for `duration`, and the last one.
    ///
    /// Each item is kept until the time has gone by, and replaced by a newer one. When the flow ends, the item that is kept is
    /// given at once; when it fails, that item is lost. Zero passes all items on.
    ///
    /// Kotlin: `debounce`.
    ///
    /// ```
    /// use corox_core::delay;
    /// use corox_flow::{flow, prelude::*};
    /// use corox_test::run_test;
    /// use std::time::Duration;
    ///
    /// run_test(async |_| {
    ///     let bursts = flow(async |e| {
    ///         e.emit(1).await;
    ///         e.emit(2).await;
    ///         delay(Duration::from_millis(20)).await;
    ///         e.emit(3).await;
    ///     });
    ///     assert_eq!(bursts.debounce(Duration::from_millis(5)).to_vec().await?, [2, 3]);
    ///     Ok(())
    /// });
    /// ```
    #[track_caller]
    fn debounce(self, duration: Duration) -> impl Flow<Item = Self::Item> {
        Debounce::new(self, always(duration), Location::caller())
    }

    /// [`debounce`](FlowTime::debounce) for a time that depends on the item. An item with zero is passed on at once, in place
    /// of the one that is kept.
    ///
    /// Kotlin: `debounce`.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_test::run_test;
    /// use std::time::Duration;
    ///
    /// run_test(async |_| {
    ///     let urgent = |n: &i32| if *n < 0 { Duration::ZERO } else { Duration::from_millis(5) };
    ///     let flow = flow_of([1, 2, -3, 4, 5]).debounce_by(urgent);
    ///     assert_eq!(flow.to_vec().await?, [-3, 5]);
    ///     Ok(())
    /// });
    /// ```
    #[doc(alias = "debounce")]
    #[track_caller]
    fn debounce_by<F>(self, duration: F) -> impl Flow<Item = Self::Item>
    where
        F: FnMut(&Self::Item) -> Duration + Clone,
    {
        Debounce::new(self, duration, Location::caller())
    }

    /// At each tick the newest item, if one has come since the last tick. The ticks are `period` apart, from the start on.
    ///
    /// The flow above goes on while an item is processed; a tick that comes meanwhile counts when that is done. What has come
    /// after the last tick is lost when the flow ends or fails.
    ///
    /// Kotlin: `sample`.
    ///
    /// # Panics
    ///
    /// If `period` is zero.
    ///
    /// ```
    /// use corox_core::delay;
    /// use corox_flow::{flow, prelude::*};
    /// use corox_test::run_test;
    /// use std::time::Duration;
    ///
    /// run_test(async |_| {
    ///     let flow = flow(async |e| {
    ///         e.emit(1).await;
    ///         e.emit(2).await;
    ///         delay(Duration::from_millis(30)).await;
    ///         e.emit(3).await;
    ///     });
    ///     assert_eq!(flow.sample(Duration::from_millis(20)).to_vec().await?, [2]);
    ///     Ok(())
    /// });
    /// ```
    #[track_caller]
    fn sample(self, period: Duration) -> impl Flow<Item = Self::Item> {
        assert!(
            !period.is_zero(),
            "sample(0): there is no tick of zero. To keep the newest item while one is processed use `conflate()`, to pass all on \
             leave `sample` out"
        );
        Sample::new(self, period, Location::caller())
    }

    /// Fails if no item and no end comes for `duration`: from the start on, and after each item.
    ///
    /// The time does not run while an item is processed. With zero the time is out at once, and the flow above is not started.
    ///
    /// Kotlin: `timeout`.
    ///
    /// # Errors
    ///
    /// The flow fails with an error that [`is_timeout`](corox_core::Error::is_timeout), as
    /// [`with_timeout`](corox_core::with_timeout) does; [`catch`](crate::FlowErrors::catch) handles it.
    ///
    /// ```
    /// use corox_core::{delay, run_blocking};
    /// use corox_flow::{flow, prelude::*};
    /// use std::time::Duration;
    ///
    /// run_blocking(async |_| {
    ///     let stuck = flow(async |e| {
    ///         e.emit(1).await;
    ///         delay(Duration::from_secs(60)).await;
    ///     });
    ///     let error = stuck.timeout(Duration::from_millis(5)).to_vec().await.unwrap_err();
    ///     assert!(error.is_timeout());
    ///     assert_eq!(error.to_string(), "timed out after 5ms");
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[track_caller]
    fn timeout(self, duration: Duration) -> impl Flow<Item = Self::Item> {
        Timeout::new(self, duration, Location::caller())
    }

    /// Lists of `size` items, or of fewer when `duration` has gone by since the first of them came.
    ///
    /// The list that is kept is given at once when the flow ends, and lost when it fails. While one is processed, the next one
    /// fills. With zero a list has what is there without a wait.
    ///
    /// Kotlin: no counterpart; there `chunked` is by size alone.
    ///
    /// # Panics
    ///
    /// If `size` is zero.
    ///
    /// ```
    /// use corox_core::delay;
    /// use corox_flow::{flow, prelude::*};
    /// use corox_test::run_test;
    /// use std::time::Duration;
    ///
    /// run_test(async |_| {
    ///     let flow = flow(async |e| {
    ///         e.emit_all((1..=3).into_flow()).await?;
    ///         delay(Duration::from_millis(20)).await;
    ///         e.emit(4).await;
    ///         Ok(())
    ///     });
    ///     let chunks = flow.chunked_within(2, Duration::from_millis(5)).to_vec().await?;
    ///     assert_eq!(chunks, [vec![1, 2], vec![3], vec![4]]);
    ///     Ok(())
    /// });
    /// ```
    #[track_caller]
    fn chunked_within(self, size: usize, duration: Duration) -> impl Flow<Item = Vec<Self::Item>> {
        assert!(
            size > 0,
            "chunked_within(0, ..): a list of no items would never be full. Give the most items that a list may have, `usize::MAX` for \
             lists by time alone"
        );
        ChunkedWithin::new(self, size, duration, Location::caller())
    }

    /// An item, and then none for `duration`: those that come in this time are left out.
    ///
    /// Kotlin: no counterpart.
    ///
    /// ```
    /// use corox_core::delay;
    /// use corox_flow::{flow, prelude::*};
    /// use corox_test::run_test;
    /// use std::time::Duration;
    ///
    /// run_test(async |_| {
    ///     let clicks = flow(async |e| {
    ///         e.emit(1).await;
    ///         e.emit(2).await;
    ///         delay(Duration::from_millis(20)).await;
    ///         e.emit(3).await;
    ///     });
    ///     assert_eq!(clicks.throttle_first(Duration::from_millis(10)).to_vec().await?, [1, 3]);
    ///     Ok(())
    /// });
    /// ```
    fn throttle_first(self, duration: Duration) -> impl Flow<Item = Self::Item> {
        ThrottleFirst::new(self, duration)
    }
}

impl<S: Flow> FlowTime for S {}
