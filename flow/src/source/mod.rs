//! Where items come from, but for blocks.

mod iter;

pub use iter::{IntoFlow, IterFlow, flow_of};
