//! What is wrong with the number of items.

use std::error::Error as StdError;
use std::fmt;
use std::panic::Location;

use corox_core::Error;
use corox_core::error_protocol::failure_at;

/// The failure of terminal operators that need an item where there is none: [`first`](crate::FlowFind::first),
/// [`single`](crate::FlowFind::single), [`last`](crate::FlowFind::last), [`reduce`](crate::FlowFold::reduce).
///
/// The location of the [`Error`] that it is in is the line of the operator.
///
/// Kotlin: `NoSuchElementException`.
///
/// ```
/// use corox_flow::{NoElement, empty_flow, prelude::*};
/// use corox_core::run_blocking;
///
/// run_blocking(async |_| {
///     let error = empty_flow::<i32>().first().await.unwrap_err();
///     assert!(error.downcast_ref::<NoElement>().is_some());
///     assert_eq!(empty_flow::<i32>().first_or_none().await?, None);
///     Ok(())
/// }).unwrap();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "NoSuchElementException")]
pub struct NoElement(());

impl NoElement {
    pub(crate) fn at(location: &'static Location<'static>) -> Error {
        failure_at(location, NoElement(()))
    }
}

impl fmt::Display for NoElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the flow has ended without the item that was asked for; operators with `_or_none` in their names give `None` then",
        )
    }
}

impl StdError for NoElement {}

/// The failure of [`single`](crate::FlowFind::single) at a second item.
///
/// Kotlin: the `IllegalArgumentException` of `single`.
///
/// ```
/// use corox_flow::{MoreThanOne, flow_of, prelude::*};
/// use corox_core::run_blocking;
///
/// run_blocking(async |_| {
///     let error = flow_of([1, 2]).single().await.unwrap_err();
///     assert!(error.downcast_ref::<MoreThanOne>().is_some());
///     Ok(())
/// }).unwrap();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MoreThanOne(());

impl MoreThanOne {
    pub(super) fn at(location: &'static Location<'static>) -> Error {
        failure_at(location, MoreThanOne(()))
    }
}

impl fmt::Display for MoreThanOne {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the flow has more than the single item that was asked for; `first` is content with the first of them",
        )
    }
}

impl StdError for MoreThanOne {}
