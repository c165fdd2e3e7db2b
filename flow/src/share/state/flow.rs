//! [`StateFlow`]: a value that changes, to be read and collected.

use std::fmt;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use corox_channels::BufferOverflow;
use corox_core::Result;
use corox_core::waiters_protocol::cancelled_here_again;

use super::cell::{Look, StateCell};
use super::derived::{Collecting, Derived};
use crate::Flow;
use crate::fusion::{Settings, Stage};
use crate::share::hot::HotFlow;
use crate::share::note::Note;
use crate::share::shared::adds_nothing;
use crate::share::subscribers::Key;

/// So many values that equal the one before without one that does not, and others have their turn.
pub(super) const LOOKS_A_TURN: u32 = 128;

/// A value that changes: it can be read at any time, and collected, first the current value and then each that differs from the one
/// before it.
///
/// A collector that is slow gets the latest value, and not those in between; one that goes from A to B and back to A meanwhile
/// has not changed. The collection never ends by itself: `to_vec` and others that wait for the end wait for ever.
///
/// Made by [`MutableStateFlow::as_state_flow`](crate::MutableStateFlow::as_state_flow), [`state_in`](crate::FlowShare::state_in), and of others by
/// [`map_state`](StateFlow::map_state) and [`combine_states`](crate::combine_states). A clone is another collector of the same
/// value. It becomes one at its first poll and is none when it is dropped.
///
/// Kotlin: `StateFlow`.
///
/// ```
/// use corox_core::run_blocking;
/// use corox_flow::{MutableStateFlow, StateFlow, prelude::*};
///
/// run_blocking(async |scope| {
///     let volume = MutableStateFlow::new(5);
///     let reader: StateFlow<u32> = volume.as_state_flow();
///     assert_eq!(reader.value(), 5);
///     let seen = scope.spawn(reader.take(2).to_vec());
///     volume.subscription_count().filter(|n| *n == 1).take(1).to_vec().await?;
///     volume.set(7);
///     assert_eq!(seen.await?, [5, 7]);
///     Ok(())
/// }).unwrap();
/// ```
pub struct StateFlow<T> {
    source: Source<T>,
    run: Run<T>,
}

enum Source<T> {
    Cell(Arc<StateCell<T>>),
    Derived(Arc<dyn Derived<T> + Send + Sync>),
}

/// The collection.
enum Run<T> {
    None,
    Cell {
        key: Key,
        seen: u64,
        last: Option<Arc<T>>,
        note: Note,
    },
    Derived(Box<dyn Collecting<T> + Send + Sync>),
}

impl<T> StateFlow<T> {
    pub(in crate::share) fn of_cell(cell: Arc<StateCell<T>>) -> Self {
        StateFlow::of(Source::Cell(cell))
    }

    pub(in crate::share) fn derived(derived: Arc<dyn Derived<T> + Send + Sync>) -> Self {
        StateFlow::of(Source::Derived(derived))
    }

    fn of(source: Source<T>) -> Self {
        StateFlow {
            source,
            run: Run::None,
        }
    }

    /// Becomes a collector, if it is none yet.
    pub(in crate::share) fn subscribe(&mut self) {
        if let Run::None = self.run {
            self.run = match &self.source {
                Source::Cell(cell) => Run::Cell {
                    key: cell.subscribe(),
                    seen: 0,
                    last: None,
                    note: Note::default(),
                },
                Source::Derived(derived) => {
                    let mut run = derived.collect();
                    run.subscribe();
                    Run::Derived(run)
                }
            };
        }
    }
}

impl<T: Clone> StateFlow<T> {
    /// The current value.
    ///
    /// Kotlin: `StateFlow.value`.
    ///
    /// ```
    /// use corox_flow::MutableStateFlow;
    ///
    /// let state = MutableStateFlow::new("a").as_state_flow();
    /// assert_eq!(state.value(), "a");
    /// ```
    #[must_use]
    pub fn value(&self) -> T {
        match &self.source {
            // Copied outside of the lock.
            Source::Cell(cell) => T::clone(&cell.get()),
            Source::Derived(derived) => derived.value(),
        }
    }
}

/// A copy of a running collection is a new one.
impl<T> Clone for StateFlow<T> {
    fn clone(&self) -> Self {
        StateFlow::of(match &self.source {
            Source::Cell(cell) => Source::Cell(cell.clone()),
            Source::Derived(derived) => Source::Derived(derived.clone()),
        })
    }
}

impl<T> Drop for StateFlow<T> {
    #[inline]
    fn drop(&mut self) {
        if let (Source::Cell(cell), Run::Cell { key, .. }) = (&self.source, &self.run) {
            cell.unsubscribe(*key);
        }
    }
}

// Nothing in it is pinned.
impl<T> Unpin for StateFlow<T> {}

impl<T: Clone + PartialEq> Flow for StateFlow<T> {
    type Item = T;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<T>>> {
        let mut next = None;
        let polled = self.as_mut().poll_each(cx, &mut |value| {
            next = Some(value);
            ControlFlow::Break(())
        });
        match polled {
            Poll::Ready(Ok(_)) => Poll::Ready(Ok(next)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }

    #[inline]
    fn poll_each<S>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sink: &mut S,
    ) -> Poll<Result<ControlFlow<()>>>
    where
        S: FnMut(T) -> ControlFlow<()>,
    {
        let this = &mut *self;
        this.subscribe();
        let (cell, key, seen, last, note) = match (&this.source, &mut this.run) {
            (
                Source::Cell(cell),
                Run::Cell {
                    key,
                    seen,
                    last,
                    note,
                },
            ) => (cell, *key, seen, last, note),
            (_, Run::Derived(run)) => loop {
                match run.poll_next(cx) {
                    Poll::Ready(Ok(Some(value))) => {
                        if sink(value).is_break() {
                            return Poll::Ready(Ok(ControlFlow::Break(())));
                        }
                    }
                    Poll::Ready(Ok(None)) => return Poll::Ready(Ok(ControlFlow::Continue(()))),
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => return Poll::Pending,
                }
            },
            _ => unreachable!("a collection is of what is collected"),
        };
        let mut to_sleep = None;
        for _ in 0..LOOKS_A_TURN {
            // F-39: who is cancelled gets nothing more.
            if cancelled_here_again() {
                return Poll::Pending;
            }
            let value = match cell.look(key, *seen, cx.waker(), to_sleep.take()) {
                Look::Changed(value, version) => {
                    *seen = version;
                    note.end();
                    value
                }
                Look::Asleep => {
                    cell.note_wait(note);
                    return Poll::Pending;
                }
                Look::Unchanged => {
                    // Not under the lock.
                    to_sleep = Some(cx.waker().clone());
                    continue;
                }
            };
            // Conflated by equality, F-41.
            if last.as_ref().is_some_and(|last| **last == *value) {
                continue;
            }
            let item = T::clone(&value);
            *last = Some(value);
            if sink(item).is_break() {
                return Poll::Ready(Ok(ControlFlow::Break(())));
            }
            // It is likely to be the only one.
            to_sleep = Some(cx.waker().clone());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// F-44. It looks for cancellation, leaves out what equals the value before, and has the latest value for who is slow.
    fn fuse(&mut self, stage: &Stage) -> bool {
        match stage {
            Stage::Cancellable | Stage::Distinct => true,
            Stage::Buffer(settings) => conflates(settings) || adds_nothing(settings),
        }
    }
}

/// Whether a buffer holds the latest value alone.
fn conflates(settings: &Settings) -> bool {
    settings.settle().0 <= 1 && settings.overflow == BufferOverflow::DropOldest
}

impl<T: Clone + PartialEq> HotFlow for StateFlow<T> {
    fn poll_subscribed(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<Option<T>>> {
        self.subscribe();
        Poll::Ready(Ok(None))
    }
}

impl<T: fmt::Debug + Clone> fmt::Debug for StateFlow<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StateFlow").field(&self.value()).finish()
    }
}
