//! What the body of a `launch` may give.

use crate::error::Result;

mod sealed {
    pub trait Sealed {}

    /// Names the type `!` on stable: the output of `fn() -> !`.
    pub trait HasOutput {
        type Output;
    }

    impl<T> HasOutput for fn() -> T {
        type Output = T;
    }
}

/// The outputs that a body of [`launch`](crate::CoroutineScope::launch) may have: `()`, [`Result<()>`](crate::Result), and
/// `!` (a body that loops for ever).
///
/// ```
/// use corox_core::{Error, delay, run_blocking};
/// use std::time::Duration;
///
/// run_blocking(async |scope| {
///     scope.launch(async {});
///     scope.launch(async { Ok::<(), Error>(()) });
///     let ticks = scope.launch(async {
///         loop {
///             delay(Duration::from_millis(1)).await;
///         }
///     });
///     ticks.cancel_and_join().await;
///     assert!(ticks.is_cancelled());
///     Ok(())
/// }).unwrap();
/// ```
#[diagnostic::on_unimplemented(
    message = "a launched coroutine must give `()`, `corox::Result<()>` or `!`, not `{Self}`",
    label = "this body gives `{Self}`: end it with `;`, or use `spawn` in place of `launch`",
    note = "if the coroutine has a value to give, `scope.spawn(..)` returns a `Deferred` of it; if it gives a future, `.await` that",
    note = "if it has another error type, let `?` convert the error: `async {{ work()?; Ok(()) }}`"
)]
pub trait LaunchOutput: sealed::Sealed + 'static {
    #[doc(hidden)]
    fn into_result(self) -> Result<()>;
}

impl sealed::Sealed for () {}
impl LaunchOutput for () {
    fn into_result(self) -> Result<()> {
        Ok(())
    }
}

impl sealed::Sealed for Result<()> {}
impl LaunchOutput for Result<()> {
    fn into_result(self) -> Result<()> {
        self
    }
}

/// The type `!`.
pub(crate) type Never = <fn() -> ! as sealed::HasOutput>::Output;

impl sealed::Sealed for Never {}
#[diagnostic::do_not_recommend]
impl LaunchOutput for Never {
    fn into_result(self) -> Result<()> {
        self
    }
}
