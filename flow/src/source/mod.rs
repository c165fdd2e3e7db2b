//! Where items come from, but for blocks.

mod iter;

pub use iter::{AsFlow, IterFlow, flow_of};
