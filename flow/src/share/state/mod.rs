//! Values that change.

mod cell;
mod derived;
mod flow;
mod mutable;

pub(super) use cell::StateCell;
pub(super) use derived::{Collecting, Derived};
pub use derived::{States, combine_states};
pub use flow::StateFlow;
pub use mutable::MutableStateFlow;
