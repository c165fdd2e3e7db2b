//! What blocks that emit may give.

use corox_core::LaunchOutput;

/// What blocks that emit and actions of collections may give: `()`, [`Result<()>`](corox_core::Result), or `!`.
///
/// There is nothing to implement: it is [`LaunchOutput`], with a name so that the compiler can say what to write.
///
/// ```
/// use corox_flow::{flow, prelude::*};
/// use corox_core::{Error, run_blocking};
///
/// run_blocking(async |_| {
///     let some = flow(async |emitter| emitter.emit(1).await);
///     let failing = flow(async |emitter| { emitter.emit(1).await; Err(Error::msg("no more")) });
///     let endless = flow(async |emitter| loop { emitter.emit(1).await });
///     assert_eq!(some.count().await?, 1);
///     assert!(failing.count().await.is_err());
///     assert_eq!(endless.take(3).count().await?, 3);
///     Ok(())
/// }).unwrap();
/// ```
#[diagnostic::on_unimplemented(
    message = "a block or an action of a flow must give `()`, `corox::Result<()>` or `!`, not `{Self}`",
    label = "it gives `{Self}`: emit what is an item, and end it with `;`",
    note = "if it has another error type, let `?` convert the error: `async |emitter| {{ work()?; Ok(()) }}`"
)]
pub trait BlockOutput: LaunchOutput {}

#[diagnostic::do_not_recommend]
impl<R: LaunchOutput> BlockOutput for R {}
