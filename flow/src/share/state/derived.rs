//! State flows that are made of others: [`StateFlow::map_state`] and [`combine_states`].
//!
//! They keep nothing: the value is computed when it is asked for, and each collection collects the sources.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use corox_core::Result;

use super::flow::{LOOKS_A_TURN, StateFlow};
use crate::Flow;

/// What a derived state flow is made of.
pub(in crate::share) trait Derived<T> {
    fn value(&self) -> T;
    fn collect(&self) -> Box<dyn Collecting<T> + Send + Sync>;
}

/// The collection of a derived state flow.
pub(in crate::share) trait Collecting<T> {
    /// Becomes a collector of the sources.
    fn subscribe(&mut self);
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<T>>>;
}

mod sealed {
    use std::task::{Context, Poll};

    use corox_core::Result;

    /// Several state flows, and what they have when they are collected together.
    pub trait Sources: Clone {
        type Values;
        type Latest: Default + Send + Sync + 'static;

        fn current(&self) -> Self::Values;
        fn subscribe_all(&mut self);
        /// Takes what is new; whether something was. `None` once one has ended.
        fn poll_changes(
            &mut self,
            latest: &mut Self::Latest,
            cx: &mut Context<'_>,
        ) -> Poll<Result<Option<()>>>;
        fn values(latest: &Self::Latest) -> Option<Self::Values>;
    }
}

use sealed::Sources;

/// What [`combine_states`] combines: a tuple of 1 to 6 state flows, each of its own type, or a `Vec` of those of one type.
///
/// ```
/// use corox_flow::{MutableStateFlow, combine_states};
///
/// let flags: Vec<_> = [true, false].map(|flag| MutableStateFlow::new(flag).as_state_flow()).into();
/// let all = combine_states(flags, |flags| flags.iter().all(|flag| *flag));
/// assert!(!all.value());
/// ```
pub trait States: Sources + Send + Sync + 'static {}

impl<S: Sources + Send + Sync + 'static> States for S {}

/// Takes the next value of one of several.
fn take_next<T: Clone + PartialEq>(
    state: &mut StateFlow<T>,
    latest: &mut Option<T>,
    cx: &mut Context<'_>,
) -> Poll<Result<Option<()>>> {
    Pin::new(state).poll_next(cx).map_ok(|next| {
        let next = next?;
        drop(latest.replace(next));
        Some(())
    })
}

/// `Ready` if one of them is, and the first failure or end.
fn both(
    one: Poll<Result<Option<()>>>,
    other: Poll<Result<Option<()>>>,
) -> Poll<Result<Option<()>>> {
    match (one, other) {
        (Poll::Ready(Ok(Some(()))) | Poll::Pending, other @ Poll::Ready(_)) => other,
        (one, _) => one,
    }
}

macro_rules! tuple {
    ($($state:ident $latest:ident $T:ident),+) => {
        impl<$($T: Clone + PartialEq + Send + Sync + 'static),+> Sources for ($(StateFlow<$T>,)+) {
            type Values = ($($T,)+);
            type Latest = ($(Option<$T>,)+);

            fn current(&self) -> Self::Values {
                let ($($state,)+) = self;
                ($($state.value(),)+)
            }

            fn subscribe_all(&mut self) {
                let ($($state,)+) = self;
                $($state.subscribe();)+
            }

            fn poll_changes(
                &mut self,
                latest: &mut Self::Latest,
                cx: &mut Context<'_>,
            ) -> Poll<Result<Option<()>>> {
                let ($($state,)+) = self;
                let ($($latest,)+) = latest;
                let mut changed = Poll::Pending;
                $(changed = both(changed, take_next($state, $latest, cx));)+
                changed
            }

            fn values(latest: &Self::Latest) -> Option<Self::Values> {
                let ($($latest,)+) = latest;
                Some(($($latest.clone()?,)+))
            }
        }
    };
}

tuple!(a la A);
tuple!(a la A, b lb B);
tuple!(a la A, b lb B, c lc C);
tuple!(a la A, b lb B, c lc C, d ld D);
tuple!(a la A, b lb B, c lc C, d ld D, e le E);
tuple!(a la A, b lb B, c lc C, d ld D, e le E, f lf F);

impl<T: Clone + PartialEq + Send + Sync + 'static> Sources for Vec<StateFlow<T>> {
    type Values = Vec<T>;
    type Latest = Vec<Option<T>>;

    fn current(&self) -> Vec<T> {
        self.iter().map(StateFlow::value).collect()
    }

    fn subscribe_all(&mut self) {
        self.iter_mut().for_each(StateFlow::subscribe);
    }

    fn poll_changes(
        &mut self,
        latest: &mut Vec<Option<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<()>>> {
        if self.is_empty() {
            return Poll::Pending;
        }
        latest.resize(self.len(), None);
        let mut changed = Poll::Pending;
        for (state, latest) in self.iter_mut().zip(latest) {
            changed = both(changed, take_next(state, latest, cx));
        }
        changed
    }

    fn values(latest: &Vec<Option<T>>) -> Option<Vec<T>> {
        latest.iter().cloned().collect()
    }
}

/// A state flow of what `f` makes of the values of several others.
///
/// As [`map_state`](StateFlow::map_state): its value is computed when it is read, and a collector gets what `f` gives whenever one of
/// them has changed, if it differs from what it gave before.
///
/// Kotlin: `combine`, which gives a flow without a value.
///
/// ```
/// use corox_flow::{MutableStateFlow, combine_states};
///
/// let (name, count) = (MutableStateFlow::new("inbox"), MutableStateFlow::new(3));
/// let title = combine_states((name.as_state_flow(), count.as_state_flow()), |(name, count)| {
///     format!("{name} ({count})")
/// });
/// assert_eq!(title.value(), "inbox (3)");
/// count.set(0);
/// assert_eq!(title.value(), "inbox (0)");
/// ```
pub fn combine_states<S, R, F>(states: S, f: F) -> StateFlow<R>
where
    S: States,
    F: Fn(S::Values) -> R + Send + Sync + 'static,
    R: Clone + PartialEq + Send + Sync + 'static,
{
    let f = Arc::new(f);
    StateFlow::derived(Arc::new(Combined { states, f }))
}

impl<T: Clone + PartialEq + Send + Sync + 'static> StateFlow<T> {
    /// A state flow of what `f` makes of the value of this one.
    ///
    /// It needs no coroutine: its [`value`](StateFlow::value) is computed whenever it is read, so `f` should be cheap and give the
    /// same for the same. A collector gets what `f` gives for each value that it gets of this one, if it differs from what it gave before.
    ///
    /// Kotlin: `map` with `stateIn`.
    ///
    /// ```
    /// use corox_flow::MutableStateFlow;
    ///
    /// let celsius = MutableStateFlow::new(20);
    /// let fahrenheit = celsius.as_state_flow().map_state(|celsius| celsius * 9 / 5 + 32);
    /// assert_eq!(fahrenheit.value(), 68);
    /// celsius.set(25);
    /// assert_eq!(fahrenheit.value(), 77);
    /// ```
    pub fn map_state<R, F>(self, f: F) -> StateFlow<R>
    where
        F: Fn(T) -> R + Send + Sync + 'static,
        R: Clone + PartialEq + Send + Sync + 'static,
    {
        combine_states((self,), move |(value,)| f(value))
    }
}

struct Combined<S, F> {
    states: S,
    f: Arc<F>,
}

impl<S, R, F> Derived<R> for Combined<S, F>
where
    S: States,
    F: Fn(S::Values) -> R + Send + Sync + 'static,
    R: Clone + PartialEq + Send + Sync + 'static,
{
    fn value(&self) -> R {
        (self.f)(self.states.current())
    }

    fn collect(&self) -> Box<dyn Collecting<R> + Send + Sync> {
        Box::new(Combining {
            states: self.states.clone(),
            latest: S::Latest::default(),
            f: self.f.clone(),
            last: None,
        })
    }
}

struct Combining<S: Sources, F, R> {
    states: S,
    latest: S::Latest,
    f: Arc<F>,
    last: Option<R>,
}

impl<S, R, F> Collecting<R> for Combining<S, F, R>
where
    S: States,
    F: Fn(S::Values) -> R,
    R: Clone + PartialEq,
{
    fn subscribe(&mut self) {
        self.states.subscribe_all();
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<R>>> {
        for _ in 0..LOOKS_A_TURN {
            let waits = match self.states.poll_changes(&mut self.latest, cx) {
                Poll::Ready(Ok(Some(()))) => false,
                Poll::Ready(Ok(None)) => return Poll::Ready(Ok(None)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                // What is made of no states at all has a value, too.
                Poll::Pending if self.last.is_none() => true,
                Poll::Pending => return Poll::Pending,
            };
            let Some(values) = S::values(&self.latest) else {
                if waits {
                    return Poll::Pending;
                }
                continue;
            };
            let value = (self.f)(values);
            if self.last.as_ref() == Some(&value) {
                continue;
            }
            self.last = Some(value.clone());
            return Poll::Ready(Ok(Some(value)));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
