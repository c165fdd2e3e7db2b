//! Where items come from, but for blocks.

mod function;
mod iter;

pub use function::{empty_flow, flow_from_async_fn, flow_from_fn};
pub use iter::{IntoFlow, IterFlow, flow_of};
