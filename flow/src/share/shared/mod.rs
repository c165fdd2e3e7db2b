//! Values that all collectors get.

mod cell;
mod emitting;
mod flow;
mod mutable;
mod ring;
mod state;

pub(super) use cell::SharedCell;
pub(super) use emitting::Emitting;
pub use flow::SharedFlow;
pub(super) use flow::adds_nothing;
pub use mutable::{MutableSharedFlow, SharedFlowBuilder};
