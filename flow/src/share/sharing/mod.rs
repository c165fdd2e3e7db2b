//! Cold flows that are shared.

mod coroutine;
mod first_state;
mod started;

use std::panic::Location;
use std::sync::Arc;

use corox_channels::{BufferOverflow, Capacity};
use corox_core::{CoroutineScope, CoroutineStart, Launcher};

use super::count::count_flow;
use super::shared::{MutableSharedFlow, SharedFlow};
use super::state::{StateCell, StateFlow};
use crate::Flow;
use crate::fusion::Settings;
use coroutine::{Resettable, Sharing};
pub(super) use first_state::state_in_first;
pub use started::{SharingCommand, SharingPolicy, SharingStarted};

/// Of a flow that does not say how much it buffers.
const BUFFER: usize = 64;

/// A flow and what its last stages were asked for, which is the business of the coroutine and its buffer now (F-45).
fn configure<S: Flow>(mut flow: S) -> (S, Option<Settings>) {
    let settings = flow.dissolve();
    (flow, settings)
}

/// How much room there is beyond the replay cache.
fn extra_buffer(settings: Option<&Settings>, replay: usize) -> usize {
    let default = BUFFER.saturating_sub(replay);
    let Some(settings) = settings else {
        return default;
    };
    let drops = settings.overflow != BufferOverflow::Suspend;
    match settings.capacity {
        None | Some(Capacity::Buffered | Capacity::Rendezvous | Capacity::Exactly(0)) if drops => {
            usize::from(replay == 0)
        }
        None | Some(Capacity::Buffered) => default,
        Some(_) => settings.settle().0,
    }
}

#[track_caller]
pub(super) fn share_in<S, P>(
    flow: S,
    scope: &CoroutineScope,
    started: P,
    replay: usize,
) -> SharedFlow<S::Item>
where
    S: Flow<Item: Clone + Send + Sync + 'static> + Send + 'static,
    P: SharingPolicy,
{
    let (flow, settings) = configure(flow);
    let overflow = settings.as_ref().map(|it| it.overflow);
    let shared = MutableSharedFlow::builder()
        .replay(replay)
        .extra_buffer(extra_buffer(settings.as_ref(), replay))
        .overflow(overflow.unwrap_or(BufferOverflow::Suspend))
        .build();
    let launcher = launcher(scope, &started, settings);
    let commands = started.commands(shared.subscription_count());
    launcher.launch(Sharing::new(flow, commands, shared.cell().clone()));
    shared.as_shared_flow()
}

#[track_caller]
pub(super) fn state_in<S, P>(
    flow: S,
    scope: &CoroutineScope,
    started: P,
    initial: S::Item,
) -> StateFlow<S::Item>
where
    S: Flow<Item: Clone + PartialEq + Send + Sync + 'static> + Send + 'static,
    P: SharingPolicy,
{
    let (flow, settings) = configure(flow);
    let cell = Arc::new(StateCell::new(initial, Location::caller()));
    let launcher = launcher(scope, &started, settings);
    let commands = started.commands(count_flow(&cell.count()));
    let target = Resettable {
        initial: cell.get(),
        cell: cell.clone(),
    };
    launcher.launch(Sharing::new(flow, commands, target));
    StateFlow::of_cell(cell)
}

/// F-45.
fn launcher(
    scope: &CoroutineScope,
    policy: &impl SharingPolicy,
    settings: Option<Settings>,
) -> Launcher {
    let launcher = scope.start(if policy.is_eager() {
        CoroutineStart::Default
    } else {
        CoroutineStart::Undispatched
    });
    match settings {
        Some(settings) => launcher.with(settings.context),
        None => launcher,
    }
}
