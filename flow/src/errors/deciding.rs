//! What is done with a failure, apart from the flow that has it: see [`per_item`](crate::per_item).

use std::future::ready;
use std::panic::Location;
use std::sync::Arc;

use corox_core::location_protocol::delay_at;
use corox_core::{Error, Result, Retry};

use crate::block::with_lent;
use crate::ending::is_own_cancellation;
use crate::followed::End;
use crate::per_item::{Blocks, PerItemEmitting};
use crate::{BlockOutput, Emitter, Verdict};

/// Of the flow, and not the cancellation of who collects it.
pub(super) fn has_failed(end: &End) -> bool {
    match &end.result {
        Ok(()) => false,
        Err(error) => !is_own_cancellation(error),
    }
}

/// The block of `catch`.
pub(super) fn handling<T, R, F>(handler: F) -> impl PerItemEmitting<Result<()>, Item = T>
where
    F: AsyncFnOnce(Error, &Emitter<T>) -> R + Clone,
    R: BlockOutput,
{
    Blocks::new(move |ended: Result<()>, lent| {
        let handler = handler.clone();
        with_lent(lent, async move |emitter: &Emitter<T>| match ended {
            Ok(()) => Ok(()),
            Err(error) => handler(error, emitter).await.into_result(),
        })
    })
}

/// So many times, and where `predicate` holds.
pub(super) fn so_often<T, F>(
    times: u64,
    mut predicate: F,
) -> impl PerItemEmitting<(Error, u64), Item = T>
where
    F: FnMut(&Error) -> bool + Clone,
{
    Blocks::new(move |(error, attempt): (Error, u64), _| {
        let again = attempt < times && predicate(&error);
        ready(if again { Ok(()) } else { Err(error) })
    })
}

/// If `decide` says so.
pub(super) fn decided<T, R, F>(decide: F) -> impl PerItemEmitting<(Error, u64), Item = T>
where
    F: AsyncFnOnce(Error, u64, &Emitter<T>) -> R + Clone,
    R: Verdict,
{
    Blocks::new(move |(error, attempt): (Error, u64), lent| {
        let decide = decide.clone();
        with_lent(lent, async move |emitter: &Emitter<T>| {
            let verdict = decide(error.clone(), attempt, emitter).await;
            match verdict.into_result() {
                Ok(true) => Ok(()),
                Ok(false) => Err(error),
                Err(other) => Err(other),
            }
        })
    })
}

/// After the pauses of `policy`.
pub(super) fn paused<T>(
    policy: Retry,
    location: &'static Location<'static>,
) -> impl PerItemEmitting<(Error, u64), Item = T> {
    let policy = Arc::new(policy);
    Blocks::new(move |(error, failed_before): (Error, u64), _| {
        let attempt = u32::try_from(failed_before + 1).unwrap_or(u32::MAX);
        let pause = policy.pause_after(&error, attempt);
        async move {
            let Some(pause) = pause else {
                return Err(error);
            };
            delay_at(location, pause).await;
            Ok(())
        }
    })
}
