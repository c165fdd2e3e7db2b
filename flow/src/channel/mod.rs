//! Flows and channels.

mod channel_flow;
mod from_channel;

pub use channel_flow::{NotAwaitingClose, callback_flow, channel_flow};
pub use from_channel::ChannelFlows;
