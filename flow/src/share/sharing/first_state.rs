//! A state whose initial value is the first item.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

use corox_core::{CompletableDeferred, CoroutineScope, CoroutineStart, Result};

use super::configure;
use crate::share::state::{StateCell, StateFlow};
use crate::{Flow, FlowCollect};

/// The failure of [`state_in_first`](crate::FlowShare::state_in_first) of a flow that ends without an item.
///
/// Kotlin: `NoSuchElementException`.
///
/// ```
/// use corox_core::run_blocking;
/// use corox_flow::{NoFirstValue, flow_of, prelude::*};
///
/// run_blocking(async |scope| {
///     let error = flow_of([0; 0]).state_in_first(&scope).await.unwrap_err();
///     assert!(error.downcast_ref::<NoFirstValue>().is_some());
///     Ok(())
/// }).unwrap();
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoFirstValue(());

impl fmt::Display for NoFirstValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the flow has ended without a value for the state; `state_in` is given an initial one",
        )
    }
}

impl StdError for NoFirstValue {}

#[track_caller]
pub(in crate::share) fn state_in_first<S>(
    flow: S,
    scope: &CoroutineScope,
) -> impl Future<Output = Result<StateFlow<S::Item>>>
where
    S: Flow<Item: Clone + PartialEq + Send + Sync + 'static> + Send + 'static,
{
    let location = Location::caller();
    let (flow, settings) = configure(flow);
    let scope = scope.clone();
    async move {
        // A child, so that it ends with the scope. What the flow fails with is a value of it: F-50.
        let first = CompletableDeferred::<Result<StateFlow<S::Item>>>::child_of(scope.job());
        let told = first.clone();
        let launcher = match settings {
            Some(settings) => scope.with(settings.context),
            None => scope.start(CoroutineStart::Default),
        };
        launcher.launch(async move {
            let mut state: Option<Arc<StateCell<S::Item>>> = None;
            let ended = flow
                .for_each(|item| match &state {
                    Some(state) => state.set(item),
                    None => {
                        let cell = Arc::new(StateCell::new(item, location));
                        state = Some(cell.clone());
                        told.complete(Ok(StateFlow::of_cell(cell)));
                    }
                })
                .await;
            told.complete(Err(match &ended {
                Ok(()) => NoFirstValue(()).into(),
                Err(error) => error.clone(),
            }));
            ended
        });
        first.await?
    }
}
