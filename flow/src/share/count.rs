//! How many collectors a flow has, as a state flow.

use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use corox_core::Result;

use super::state::{Collecting, Derived, StateCell, StateFlow};
use crate::Flow;

/// The number, and how often it was 0 before it rose.
///
/// A collector who is late sees the last number alone, and would miss somebody who came and went (F-49), or that nobody was left for
/// a moment: by the second field it knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Count {
    now: usize,
    rises: u64,
}

pub(super) struct CountCell(Arc<StateCell<Count>>);

impl CountCell {
    pub(super) fn new(now: usize, location: &'static Location<'static>) -> Arc<Self> {
        let count = Count { now, rises: 0 };
        Arc::new(CountCell(Arc::new(StateCell::named(
            "subscription count of the flow",
            count,
            location,
        ))))
    }

    pub(super) fn one_more(&self) {
        self.0.change(|count, _| {
            Some(Arc::new(Count {
                now: count.now + 1,
                rises: count.rises + u64::from(count.now == 0),
            }))
        });
    }

    pub(super) fn one_less(&self) {
        self.0.change(|count, _| {
            Some(Arc::new(Count {
                now: count.now - 1,
                rises: count.rises,
            }))
        });
    }
}

/// The flow of the numbers.
pub(super) fn count_flow(cell: &CountCell) -> StateFlow<usize> {
    StateFlow::derived(Arc::new(Counted(StateFlow::of_cell(cell.0.clone()))))
}

struct Counted(StateFlow<Count>);

impl Derived<usize> for Counted {
    fn value(&self) -> usize {
        self.0.value().now
    }

    fn collect(&self) -> Box<dyn Collecting<usize> + Send + Sync> {
        Box::new(Counting {
            counts: self.0.clone(),
            last: None,
            late: None,
        })
    }
}

struct Counting {
    counts: StateFlow<Count>,
    last: Option<Count>,
    /// What comes after a change that was missed.
    late: Option<usize>,
}

impl Collecting<usize> for Counting {
    fn subscribe(&mut self) {
        self.counts.subscribe();
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<usize>>> {
        if let Some(late) = self.late.take() {
            return Poll::Ready(Ok(Some(late)));
        }
        loop {
            let Some(count) = ready!(Pin::new(&mut self.counts).poll_next(cx))? else {
                return Poll::Ready(Ok(None));
            };
            let last = self.last.replace(count);
            let missed_a_rise = last.is_some_and(|last| last.rises != count.rises);
            let number = match last {
                Some(last) if missed_a_rise && (last.now == 0) == (count.now == 0) => {
                    // From 0 to 1 at least and back, or the other way round.
                    self.late = Some(count.now);
                    usize::from(count.now == 0)
                }
                Some(last) if last.now == count.now => continue,
                _ => count.now,
            };
            return Poll::Ready(Ok(Some(number)));
        }
    }
}
