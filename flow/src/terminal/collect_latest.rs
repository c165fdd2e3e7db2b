//! An action with the latest item alone.

use std::future::Future;

use corox_channels::{BufferOverflow, Capacity};
use corox_core::{LaunchOutput, Result};

use super::fold::Fold;
use super::run::Run;
use crate::Flow;
use crate::buffer::Buffer;
use crate::flatten::Latest;
use crate::fusion::Settings;
use crate::per_item::mapped_futures;

/// The future of `collect_latest` (F-24): what comes of the actions goes through a rendezvous.
pub(super) fn collect_latest<S, R, Fut>(
    upstream: S,
    action: impl FnMut(S::Item) -> Fut + Clone,
) -> impl Future<Output = Result<()>>
where
    S: Flow,
    Fut: Future<Output = R>,
    R: LaunchOutput,
{
    let actions = mapped_futures(action, LaunchOutput::into_result);
    let actions = Latest::new(upstream, actions);
    let rendezvous = Settings::buffer(Capacity::Rendezvous, BufferOverflow::Suspend);
    Run::new(
        Buffer::of(actions, Some(rendezvous)),
        Fold::new((), |(), ()| ()),
    )
}
