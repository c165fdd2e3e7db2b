//! Jobs: the handles of coroutines and the tree that they form.
//!
//! - `state`: the flags of a job and the diagram of its states.
//! - `cell`: what a job is made of.
//! - `attach`, `cancel`, `complete`: the three ways in which the tree changes.
//! - `handle`: the public [`Job`]; `join`, `on_completion`: waiting for it.

mod attach;
mod cancel;
mod cell;
mod complete;
mod handle;
mod join;
mod on_completion;
mod state;
mod tally;

pub(crate) use attach::Attached;
pub(crate) use cell::{JobCell, JobCore, Kind, Node, Polled, Slot, next_token};
pub use handle::Job;
pub use join::{Join, join_all, join_at};
pub(crate) use join::{Waiting, of_job};
pub use on_completion::DisposeHandle;
pub(crate) use on_completion::OnEnd;
pub use state::JobState;
pub(crate) use state::{BODY_ENDED, CANCELLING, FINAL, NOTED, STARTED};
