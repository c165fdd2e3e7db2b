//! Stages that are one.

/// What a stage is asked whether it does it already, or can do it itself; see [`Flow::fuse`](crate::Flow::fuse).
#[doc(hidden)]
#[derive(Debug)]
#[non_exhaustive]
pub enum Stage {
    /// To look whether the coroutine is cancelled before each item.
    Cancellable,
    /// To leave out items that equal the one before.
    Distinct,
}
