//! [`FlowLimit`]: operators that leave out items at the beginning or the end.

use crate::Flow;

mod take;

pub use take::Take;

/// The operators that leave out items at the beginning or the end.
///
/// Those that end the flow early drop what is above them at once, and end normally.
///
/// ```
/// use corox_flow::prelude::*;
/// use corox_core::run_blocking;
///
/// run_blocking(async |_| {
///     assert_eq!((1..).into_flow().take(3).to_vec().await?, [1, 2, 3]);
///     Ok(())
/// }).unwrap();
/// ```
pub trait FlowLimit: Flow + Sized {
    /// At most the first `count` items. When the last of them has been processed, what is above is dropped; `take(0)` does not
    /// start it.
    ///
    /// Kotlin: `take`.
    ///
    /// ```
    /// use corox_flow::{flow, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let endless = flow(async |emitter| {
    ///         loop {
    ///             emitter.emit(1).await;
    ///         }
    ///     });
    ///     assert_eq!(endless.take(2).to_vec().await?, [1, 1]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    fn take(self, count: usize) -> Take<Self> {
        Take::new(self, count)
    }
}

impl<S: Flow> FlowLimit for S {}
