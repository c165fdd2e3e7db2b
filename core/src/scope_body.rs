//! What the body of a scope may be.

use crate::error::Result;
use crate::scope::CoroutineScope;

/// The body of a scope: an async closure that takes the scope and gives a [`Result`](crate::Result).
///
/// Every `AsyncFnOnce(CoroutineScope) -> Result<T>` is one; there is nothing to implement. The trait has a name so that the
/// compiler can say what to write where it is given something else.
///
/// ```
/// use corox_core::{CoroutineScope, Result, ScopeBody, coroutine_scope, run_blocking};
///
/// async fn twice<T>(body: impl ScopeBody<T> + Clone) -> Result<[T; 2]> {
///     Ok([coroutine_scope(body.clone()).await?, coroutine_scope(body).await?])
/// }
///
/// async fn named(scope: CoroutineScope) -> Result<i32> {
///     scope.spawn(async { Ok(1) }).await
/// }
///
/// run_blocking(async |_| {
///     assert_eq!(twice(async |scope| scope.spawn(async { Ok(1) }).await).await?, [1, 1]);
///     assert_eq!(twice(named).await?, [1, 1]);
///     Ok(())
/// }).unwrap();
/// ```
#[diagnostic::on_unimplemented(
    message = "the body of a scope is an async closure that gives `corox::Result`: `async |scope| {{ .. Ok(value) }}`",
    label = "not an async closure of the scope that gives `corox::Result`",
    note = "in place of a future: `async |_| work().await`; in place of `|scope| {{ .. }}`: `async |scope| {{ .. }}`",
    note = "another error is converted by `?`: `async |_| Ok(work().await?)`"
)]
pub trait ScopeBody<T>: AsyncFnOnce(CoroutineScope) -> Result<T> {}

#[diagnostic::do_not_recommend]
impl<T, F> ScopeBody<T> for F where F: AsyncFnOnce(CoroutineScope) -> Result<T> {}
