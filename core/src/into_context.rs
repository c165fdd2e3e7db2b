//! What can be laid over a context.

use crate::context::CoroutineContext;

/// What [`CoroutineScope::with`](crate::CoroutineScope::with), [`with_context`](crate::with_context) and `+` take: an element of
/// a context, or several joined by `+`.
///
/// Everything that converts into a [`CoroutineContext`] is one; there is nothing to implement. For an element of your own
/// implement [`ContextElement`](crate::ContextElement). The trait has a name so that the compiler can say what to write where
/// it is given something else.
///
/// ```
/// use corox_core::{CoroutineName, CoroutineScope, IntoContext, Job};
///
/// fn launch_logged(scope: &CoroutineScope, context: impl IntoContext) -> Job {
///     scope.with(context).launch(async { println!("begun") })
/// }
/// # corox_core::run_blocking(async |scope| {
/// #     assert_eq!(launch_logged(&scope, CoroutineName::new("a")).name().as_deref(), Some("a"));
/// #     Ok(())
/// # }).unwrap();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an element of a coroutine context",
    label = "a name is `CoroutineName::new(..)`, an owned dispatcher is lent: `&dispatcher`",
    note = "elements are `Dispatcher`, `CoroutineName`, `ExceptionHandler`, `Job`, `NonCancellable` and your own types that implement `ContextElement`",
    note = "several are joined by `+`: `IO + CoroutineName::new(\"loader\")`"
)]
pub trait IntoContext: Into<CoroutineContext> {}

#[diagnostic::do_not_recommend]
impl<C: Into<CoroutineContext>> IntoContext for C {}
