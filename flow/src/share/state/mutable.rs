//! [`MutableStateFlow`]: who sets the value.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use super::cell::StateCell;
use super::flow::StateFlow;
use crate::share::count::count_flow;

/// A value that can be set, and is collected as a [`StateFlow`].
///
/// Setting never suspends, and to set what equals the current value changes nothing. A clone is the same flow. Values are compared and
/// copied outside of all locks, so `T` may do in its `PartialEq` and `Clone` whatever it likes; it is `Send` and `Sync` if `T` is both.
///
/// Kotlin: `MutableStateFlow`.
///
/// ```
/// use corox_flow::MutableStateFlow;
///
/// let count = MutableStateFlow::new(0);
/// count.set(5);
/// count.update(|n| n + 1);
/// assert_eq!(count.value(), 6);
/// ```
pub struct MutableStateFlow<T> {
    cell: Arc<StateCell<T>>,
}

impl<T> MutableStateFlow<T> {
    /// One that has the value `initial`.
    ///
    /// Kotlin: `MutableStateFlow(value)`.
    ///
    /// ```
    /// use corox_flow::MutableStateFlow;
    ///
    /// assert_eq!(MutableStateFlow::new(1).value(), 1);
    /// ```
    #[track_caller]
    #[must_use]
    pub fn new(initial: T) -> Self {
        let cell = StateCell::new(initial, Location::caller());
        MutableStateFlow {
            cell: Arc::new(cell),
        }
    }

    /// To be read and collected, not set.
    ///
    /// Kotlin: `asStateFlow`.
    ///
    /// ```
    /// use corox_flow::{MutableStateFlow, StateFlow};
    ///
    /// let state = MutableStateFlow::new(1);
    /// let reader: StateFlow<i32> = state.as_state_flow();
    /// state.set(2);
    /// assert_eq!(reader.value(), 2);
    /// ```
    #[must_use]
    #[doc(alias = "asStateFlow")]
    pub fn as_state_flow(&self) -> StateFlow<T> {
        StateFlow::of_cell(self.cell.clone())
    }

    /// How many collections of it are running, as a state flow.
    ///
    /// It changes when a collector comes or goes, before that returns (F-43). Who is late gets the last number alone, but with a number
    /// before it if it has become 0, or more than 0, in between.
    ///
    /// Kotlin: `subscriptionCount`.
    ///
    /// ```
    /// use corox_flow::{MutableStateFlow, prelude::*};
    /// use corox_core::{run_blocking, yield_now};
    ///
    /// run_blocking(async |scope| {
    ///     let state = MutableStateFlow::new(1);
    ///     let collector = scope.launch(state.as_state_flow().for_each(drop));
    ///     let count = state.subscription_count();
    ///     count.filter(|n| *n == 1).take(1).to_vec().await?;
    ///     collector.cancel_and_join().await;
    ///     assert_eq!(state.subscription_count().value(), 0);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[must_use]
    #[doc(alias = "subscriptionCount")]
    pub fn subscription_count(&self) -> StateFlow<usize> {
        count_flow(&self.cell.count())
    }
}

impl<T: Clone + PartialEq> MutableStateFlow<T> {
    /// The current value.
    ///
    /// Kotlin: `value`.
    ///
    /// ```
    /// use corox_flow::MutableStateFlow;
    ///
    /// assert_eq!(MutableStateFlow::new("a").value(), "a");
    /// ```
    #[must_use]
    pub fn value(&self) -> T {
        T::clone(&self.cell.get())
    }

    /// Sets the value, and wakes the collectors if it differs from the one before.
    ///
    /// Kotlin: the setter of `value`; `emit` and `tryEmit`, which do the same.
    ///
    /// ```
    /// use corox_flow::MutableStateFlow;
    ///
    /// let state = MutableStateFlow::new(1);
    /// state.set(2);
    /// assert_eq!(state.value(), 2);
    /// ```
    #[inline]
    pub fn set(&self, value: T) {
        self.cell.set(value);
    }

    /// Sets the value to `update` if it equals `expect`; gives whether it did. It did, too, if `update` equals the value as well.
    ///
    /// Kotlin: `compareAndSet`.
    ///
    /// ```
    /// use corox_flow::MutableStateFlow;
    ///
    /// let state = MutableStateFlow::new(1);
    /// assert!(state.compare_and_set(&1, 2));
    /// assert!(!state.compare_and_set(&1, 3));
    /// assert_eq!(state.value(), 2);
    /// ```
    #[doc(alias = "compareAndSet")]
    pub fn compare_and_set(&self, expect: &T, update: T) -> bool {
        self.cell.replace(|value| value == expect, update)
    }

    /// Sets the value to what `f` makes of it, as one step: what others set meanwhile is not lost, `f` is called again then.
    ///
    /// Kotlin: `update`.
    ///
    /// ```
    /// use corox_flow::MutableStateFlow;
    ///
    /// let state = MutableStateFlow::new(vec![1]);
    /// state.update(|list| list.iter().copied().chain([2]).collect());
    /// assert_eq!(state.value(), [1, 2]);
    /// ```
    pub fn update(&self, f: impl FnMut(&T) -> T) {
        self.change(f, |_| {});
    }

    /// As [`update`](MutableStateFlow::update); gives the new value.
    ///
    /// Kotlin: `updateAndGet`.
    ///
    /// ```
    /// use corox_flow::MutableStateFlow;
    ///
    /// let ids = MutableStateFlow::new(7);
    /// assert_eq!(ids.update_and_get(|id| id + 1), 8);
    /// ```
    #[doc(alias = "updateAndGet")]
    pub fn update_and_get(&self, f: impl FnMut(&T) -> T) -> T {
        let mut made = None;
        let old = self.change(f, |new| made = Some(new.clone()));
        T::clone(&made.unwrap_or(old))
    }

    /// As [`update`](MutableStateFlow::update); gives the value before.
    ///
    /// Kotlin: `getAndUpdate`.
    ///
    /// ```
    /// use corox_flow::MutableStateFlow;
    ///
    /// let ids = MutableStateFlow::new(7);
    /// assert_eq!(ids.get_and_update(|id| id + 1), 7);
    /// assert_eq!(ids.value(), 8);
    /// ```
    #[doc(alias = "getAndUpdate")]
    pub fn get_and_update(&self, f: impl FnMut(&T) -> T) -> T {
        T::clone(&self.change(f, |_| {}))
    }

    /// Gives the value before; `see` is shown what `f` makes.
    fn change(&self, mut f: impl FnMut(&T) -> T, mut see: impl FnMut(&Arc<T>)) -> Arc<T> {
        self.cell.change(|value, _| {
            let new = Arc::new(f(value));
            see(&new);
            (*new != *value).then_some(new)
        })
    }
}

/// Another handle of the same flow.
impl<T> Clone for MutableStateFlow<T> {
    fn clone(&self) -> Self {
        MutableStateFlow {
            cell: self.cell.clone(),
        }
    }
}

impl<T: fmt::Debug + Clone> fmt::Debug for MutableStateFlow<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.cell.get();
        f.debug_tuple("MutableStateFlow").field(&value).finish()
    }
}
