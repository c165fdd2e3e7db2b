#![doc = include_str!("../README.md")]
//!
//! # Tour
//!
//! In the order in which one asks. `Kotlin:` at an item names its counterpart in kotlinx.coroutines.
//!
//! - *A flow*: [`Flow`]; [`prelude`] has what its operators need.
//! - *Where items come from*: a block, [`flow()`] ([`Emitter`], [`Emit`], [`BlockOutput`]); known items, [`flow_of`], [`IntoFlow::into_flow`] ([`IterFlow`]);
//!   [`empty_flow`], [`flow_from_fn`], [`flow_from_async_fn`].
//! - *From coroutines, callbacks and channels*: [`channel_flow`]; [`callback_flow`] ([`NotAwaitingClose`]); [`ChannelFlows`]
//!   ([`AlreadyCollected`]).
//! - *Other items*: [`FlowTransform`] ([`Map`], [`Filter`]).
//! - *Fewer items*: [`FlowLimit`] ([`Take`]).
//! - *Several flows*: [`FlowCombine`]; [`combine`](combine()), [`combine_async`], [`combine_transform`] ([`Flows`]).
//! - *The clock*: [`FlowTime`].
//! - *One flow of many*: [`FlowFlatten`] ([`DEFAULT_CONCURRENCY`]), [`merge`].
//! - *Ahead, or elsewhere*: [`FlowBuffer`] ([`FlowOn`]).
//! - *When it fails*: [`FlowErrors`]; closures that decide whether to go on give a [`Verdict`].
//! - *When it begins and ends*: [`FlowLifecycle`] ([`Completion`]).
//! - *Running it*: [`FlowCollect`]; for a collection, [`FlowGather`]; for one value, [`FlowFold`]; for one item, [`FlowFind`] ([`NoElement`], [`MoreThanOne`]).
//! - *As something else*: [`FlowConvert`] ([`BoxFlow`], [`LocalBoxFlow`], [`FlowStream`]); streams as flows: [`StreamIntoFlow`].
//! - *For many collectors*: [`SharedFlow`], [`MutableSharedFlow`] ([`SharedFlowBuilder`]); [`StateFlow`], [`MutableStateFlow`], derived
//!   ones by [`combine_states`] ([`States`]). [`FlowShare`] makes them of other flows ([`SharingStarted`], [`SharingPolicy`],
//!   [`SharingCommand`]) and has what is for them alone ([`HotFlow`]).
#![deny(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod already_collected;
mod block;
mod boxed;
mod buffer;
mod channel;
mod children;
mod combine;
mod convert;
mod ending;
mod errors;
mod flatten;
mod flow;
mod followed;
#[doc(hidden)]
pub mod fusion;
mod lifecycle;
mod limit;
mod per_item;
mod share;
mod shim;
mod source;
mod terminal;
mod time;
mod transform;
mod unstarted;
mod verdict;
mod why;

pub use already_collected::AlreadyCollected;
pub use block::{BlockOutput, Emit, Emitter, flow};
pub use boxed::{BoxFlow, LocalBoxFlow};
#[cfg(corox_loom)]
#[doc(hidden)]
pub use buffer::unscheduled_flow_on;
pub use buffer::{FlowBuffer, FlowOn};
pub use channel::{ChannelFlows, NotAwaitingClose, callback_flow, channel_flow};
pub use combine::{FlowCombine, Flows, combine, combine_async, combine_transform};
pub use convert::{FlowConvert, FlowStream, StreamIntoFlow};
pub use errors::FlowErrors;
pub use flatten::{DEFAULT_CONCURRENCY, FlowFlatten, merge};
pub use flow::Flow;
pub use lifecycle::{Completion, FlowLifecycle};
pub use limit::{FlowLimit, Take};
pub use share::{
    FlowShare, HotFlow, MutableSharedFlow, MutableStateFlow, SharedFlow, SharedFlowBuilder,
    SharingCommand, SharingPolicy, SharingStarted, StateFlow, States, combine_states,
};
pub use source::{IntoFlow, IterFlow, empty_flow, flow_from_async_fn, flow_from_fn, flow_of};
pub use terminal::{FlowCollect, FlowFind, FlowFold, FlowGather, MoreThanOne, NoElement};
pub use time::FlowTime;
pub use transform::{Filter, FlowTransform, Map};
pub use verdict::Verdict;

/// The operators, in one `use corox_flow::prelude::*`, and [`Flow`].
///
/// ```
/// use corox_flow::prelude::*;
/// use corox_core::run_blocking;
///
/// run_blocking(async |_| {
///     assert_eq!((1..=3).into_flow().map(|n| n * n).to_vec().await?, [1, 4, 9]);
///     Ok(())
/// }).unwrap();
/// ```
pub mod prelude {
    pub use crate::{
        ChannelFlows, Flow, FlowBuffer, FlowCollect, FlowCombine, FlowConvert, FlowErrors,
        FlowFind, FlowFlatten, FlowFold, FlowGather, FlowLifecycle, FlowLimit, FlowShare, FlowTime,
        FlowTransform, IntoFlow, StreamIntoFlow,
    };
}
