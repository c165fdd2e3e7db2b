//! A state whose initial value is the first item.

use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

use corox_core::location_protocol::{await_at, completable_deferred_at, launch_at};
use corox_core::{CompletableDeferred, CoroutineScope, CoroutineStart, Result};

use super::configure;
use crate::share::state::{StateCell, StateFlow};
use crate::{Flow, FlowCollect, NoElement};

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
        let first = completable_deferred_at(location, scope.job());
        let told: CompletableDeferred<Result<StateFlow<S::Item>>> = first.clone();
        let launcher = match settings {
            Some(settings) => scope.with(settings.context),
            None => scope.start(CoroutineStart::Default),
        };
        let body = async move {
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
                Ok(()) => NoElement::at(location),
                Err(error) => error.clone(),
            }));
            ended
        };
        launch_at(location, &launcher, body);
        await_at(location, first.as_deferred()).await?
    }
}
