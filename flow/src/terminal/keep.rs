//! What is kept of the items that are looked through, and where the search ends.

use std::ops::ControlFlow;

use corox_core::Result;

pub(super) fn keep_first<T>(first: &mut Option<T>, item: T) -> ControlFlow<Result<()>> {
    *first = Some(item);
    ControlFlow::Break(Ok(()))
}

pub(super) fn keep_first_where<T>(
    mut predicate: impl FnMut(&T) -> bool,
) -> impl FnMut(&mut Option<T>, T) -> ControlFlow<Result<()>> {
    move |first, item| {
        if predicate(&item) {
            keep_first(first, item)
        } else {
            ControlFlow::Continue(())
        }
    }
}

pub(super) fn keep_last<T>(last: &mut Option<T>, item: T) -> ControlFlow<Result<()>> {
    *last = Some(item);
    ControlFlow::Continue(())
}

/// The first, and whether there are more.
pub(super) fn keep_single<T>(
    (single, more): &mut (Option<T>, bool),
    item: T,
) -> ControlFlow<Result<()>> {
    if single.is_none() {
        *single = Some(item);
        return ControlFlow::Continue(());
    }
    *more = true;
    ControlFlow::Break(Ok(()))
}

/// Whether `predicate` has once given `at`.
pub(super) fn stop_at<T>(
    mut predicate: impl FnMut(T) -> bool,
    at: bool,
) -> impl FnMut(&mut bool, T) -> ControlFlow<Result<()>> {
    move |found, item| {
        *found = predicate(item) == at;
        if *found {
            ControlFlow::Break(Ok(()))
        } else {
            ControlFlow::Continue(())
        }
    }
}
