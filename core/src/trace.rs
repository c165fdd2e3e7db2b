//! What `tracing` is told of coroutines, with the feature `tracing`. Without it all of this is empty.
//!
//! ```text
//!   JobCell::attach ---- made here, in the span that is current ----> JobSpan of the job
//!                                                                       |          |
//!        Driver::poll_end, abandon: entered while the body <------------+          |
//!        is polled or dropped                                                      |
//!                                                                                  |
//!        complete: taken out with the final state, and closed <--------------------+
//! ```
//!
//! Subscribers are code of users: none is called while a lock is held, a panic of one ends where it was called, and what one launches
//! while it is told something has no span of its own.

#[cfg(not(feature = "tracing"))]
mod off;
#[cfg(feature = "tracing")]
mod span;
#[cfg(feature = "tracing")]
mod state_events;
#[cfg(feature = "tracing")]
mod telling;

#[cfg(not(feature = "tracing"))]
pub(crate) use off::*;
#[cfg(feature = "tracing")]
pub(crate) use span::{JobSpan, inside, numbers_are_wanted};
#[cfg(feature = "tracing")]
pub(crate) use state_events::{cancelling, completing, created, ended};
