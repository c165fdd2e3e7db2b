//! What the operators do with each item, apart from the flow above them: see [`per_item`](crate::per_item).

use corox_core::{Error, Result};

use super::Step;
use crate::per_item::{Calls, PerItem, Stateful};
use crate::unstarted::Remembered;

/// As it is, or not at all.
fn step_if<T>(keep: bool, item: T) -> Step<T> {
    if keep { Step::Emit(item) } else { Step::Skip }
}

pub(super) fn keep_async<T, F>(predicate: F, kept: bool) -> impl PerItem<T, Out = Step<T>> + Clone
where
    F: AsyncFnOnce(&T) -> bool + Clone,
{
    Calls::new(move |item| {
        let predicate = predicate.clone();
        async move {
            let keep = predicate(&item).await == kept;
            step_if(keep, item)
        }
    })
}

pub(super) fn not<T, F>(mut predicate: F) -> impl FnMut(&T) -> bool + Clone
where
    F: FnMut(&T) -> bool + Clone,
{
    move |item| !predicate(item)
}

pub(super) fn some<T, R, F>(mut f: F) -> impl FnMut(T) -> Step<R> + Clone
where
    F: FnMut(T) -> Option<R> + Clone,
{
    move |item| f(item).map_or(Step::Skip, Step::Emit)
}

pub(super) fn some_async<T, R, F>(f: F) -> impl PerItem<T, Out = Step<R>> + Clone
where
    F: AsyncFnOnce(T) -> Option<R> + Clone,
{
    Calls::new(move |item| {
        let f = f.clone();
        async move { f(item).await.map_or(Step::Skip, Step::Emit) }
    })
}

pub(super) fn itself<T>(item: Option<T>) -> Step<T> {
    item.map_or(Step::Skip, Step::Emit)
}

pub(super) fn seen<T, F>(mut action: F) -> impl FnMut(T) -> T + Clone
where
    F: FnMut(&T) + Clone,
{
    move |item| {
        action(&item);
        item
    }
}

pub(super) fn seen_async<T, F>(action: F) -> impl PerItem<T, Out = T> + Clone
where
    F: AsyncFnOnce(&T) + Clone,
{
    Calls::new(move |item| {
        let action = action.clone();
        async move {
            action(&item).await;
            item
        }
    })
}

pub(super) fn numbered<T>() -> impl FnMut(T) -> (u64, T) + Clone {
    let mut next = 0;
    move |item| {
        let index = next;
        next += 1;
        (index, item)
    }
}

pub(super) fn scanned<T, A, F>(initial: A, mut f: F) -> impl FnMut(T) -> Step<A> + Clone
where
    A: Clone,
    F: FnMut(A, T) -> A + Clone,
{
    let mut last = Some(initial);
    move |item| {
        // It is not there after a panic of `f`, and then nothing polls this.
        let Some(result) = last.take().map(|last| f(last, item)) else {
            return Step::End;
        };
        last = Some(result.clone());
        Step::Emit(result)
    }
}

pub(super) fn scanned_async<T, A, F>(initial: A, f: F) -> impl PerItem<T, Out = Step<A>> + Clone
where
    A: Clone,
    F: AsyncFnOnce(A, T) -> A + Clone,
{
    Stateful::new(initial, move |last, item| {
        let f = f.clone();
        async move {
            let result = f(last, item).await;
            (result.clone(), Step::Emit(result))
        }
    })
}

pub(super) fn reduced<T, F>(mut f: F) -> impl FnMut(T) -> T + Clone
where
    T: Clone,
    F: FnMut(T, T) -> T + Clone,
{
    let mut last = None;
    move |item| {
        let result = match last.take() {
            Some(last) => f(last, item),
            None => item,
        };
        last = Some(result.clone());
        result
    }
}

pub(super) fn reduced_async<T, F>(f: F) -> impl PerItem<T, Out = Step<T>> + Clone
where
    T: Clone,
    F: AsyncFnOnce(T, T) -> T + Clone,
{
    Stateful::new(None, move |last, item| {
        let f = f.clone();
        async move {
            let result = match last {
                Some(last) => f(last, item).await,
                None => item,
            };
            (Some(result.clone()), Step::Emit(result))
        }
    })
}

pub(super) fn other_key<T, K, F>(mut key: F) -> impl FnMut(&T) -> bool + Clone
where
    K: PartialEq,
    F: FnMut(&T) -> K + Clone,
{
    let mut last = Remembered::nothing();
    move |item| {
        let (key, last) = (Some(key(item)), last.get());
        let new = *last != key;
        if new {
            *last = key;
        }
        new
    }
}

pub(super) fn other<T, F>(mut equal: F) -> impl FnMut(&T) -> bool + Clone
where
    T: Clone,
    F: FnMut(&T, &T) -> bool + Clone,
{
    let mut last = Remembered::nothing();
    move |item: &T| {
        let last: &mut Option<T> = last.get();
        let new = !last.as_ref().is_some_and(|last| equal(last, item));
        if new {
            *last = Some(item.clone());
        }
        new
    }
}

pub(crate) fn until_not<T, F>(mut predicate: F) -> impl FnMut(T) -> Step<T> + Clone
where
    F: FnMut(&T) -> bool + Clone,
{
    move |item| {
        if predicate(&item) {
            Step::Emit(item)
        } else {
            Step::End
        }
    }
}

pub(crate) fn until_not_async<T, F>(predicate: F) -> impl PerItem<T, Out = Step<T>> + Clone
where
    F: AsyncFnOnce(&T) -> bool + Clone,
{
    Calls::new(move |item| {
        let predicate = predicate.clone();
        async move {
            let go_on = predicate(&item).await;
            if go_on { Step::Emit(item) } else { Step::End }
        }
    })
}

pub(crate) fn after<T>(count: usize) -> impl FnMut(T) -> Step<T> + Clone {
    let mut left = count;
    move |item| {
        if left == 0 {
            return Step::Emit(item);
        }
        left -= 1;
        Step::Skip
    }
}

pub(crate) fn from_not<T, F>(mut predicate: F) -> impl FnMut(T) -> Step<T> + Clone
where
    F: FnMut(&T) -> bool + Clone,
{
    let mut skipping = true;
    move |item| {
        skipping = skipping && predicate(&item);
        step_if(!skipping, item)
    }
}

pub(crate) fn from_not_async<T, F>(predicate: F) -> impl PerItem<T, Out = Step<T>> + Clone
where
    F: AsyncFnOnce(&T) -> bool + Clone,
{
    Stateful::new(true, move |skipping: bool, item| {
        let predicate = skipping.then(|| predicate.clone());
        async move {
            let skipping = match predicate {
                Some(predicate) => predicate(&item).await,
                None => false,
            };
            (skipping, step_if(!skipping, item))
        }
    })
}

fn step_of<R>(result: Result<R>) -> Step<R> {
    result.map_or_else(Step::Fail, Step::Emit)
}

pub(crate) fn tried<T, R, F>(mut f: F) -> impl FnMut(T) -> Step<R> + Clone
where
    F: FnMut(T) -> Result<R> + Clone,
{
    move |item| step_of(f(item))
}

pub(crate) fn tried_async<T, R, F>(f: F) -> impl PerItem<T, Out = Step<R>> + Clone
where
    F: AsyncFnOnce(T) -> Result<R> + Clone,
{
    Calls::new(move |item| {
        let f = f.clone();
        async move { step_of(f(item).await) }
    })
}

pub(crate) fn good<T, E: Into<Error>>(item: Result<T, E>) -> Step<T> {
    step_of(item.map_err(Into::into))
}
