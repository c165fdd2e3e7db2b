//! What closures may give that say whether to go on.

use corox_core::Result;

mod sealed {
    pub trait Sealed {}
}

/// What closures give that say whether to go on: a `bool`, or a [`Result<bool>`](corox_core::Result) whose failure is that of the
/// flow; see the example of [`transform_while`](crate::FlowLimit::transform_while).
#[diagnostic::on_unimplemented(
    message = "this closure says whether to go on: it gives a `bool` or a `corox::Result<bool>`, not `{Self}`",
    label = "end the closure with `true`, `false` or a condition; one with `?` in it, with `Ok(true)`"
)]
pub trait Verdict: sealed::Sealed {
    #[doc(hidden)]
    fn into_result(self) -> Result<bool>;
}

impl sealed::Sealed for bool {}
impl Verdict for bool {
    fn into_result(self) -> Result<bool> {
        Ok(self)
    }
}

impl sealed::Sealed for Result<bool> {}
impl Verdict for Result<bool> {
    fn into_result(self) -> Result<bool> {
        self
    }
}
