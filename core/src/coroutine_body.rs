//! What the body of a coroutine may be.

use std::future::Future;

use crate::error::Result;

/// The body of a coroutine without a result: a future, which is an `async` block or a call of an `async fn`.
///
/// Every future is one; there is nothing to implement. The trait has a name so that the compiler can say what to write where
/// it is given something else. `R`, which the future gives, has to be a [`LaunchOutput`](crate::LaunchOutput).
///
/// ```
/// use corox_core::run_blocking;
///
/// async fn work(n: u32) { assert_eq!(n, 1) }
///
/// run_blocking(async |scope| {
///     scope.launch(work(1));
///     scope.launch(async { work(1).await });
///     Ok(())
/// }).unwrap();
/// ```
#[diagnostic::on_unimplemented(
    message = "the body of a coroutine is a future: `async {{ .. }}` without `||`, or a call of an `async fn`",
    label = "not a future",
    note = "in place of a closure: `async {{ .. }}`; in place of a function's name: a call of it, `work()`",
    note = "a dispatcher or a name goes before: `scope.with(IO).launch(async {{ .. }})`"
)]
pub trait CoroutineBody<R>: Future<Output = R> {}

#[diagnostic::do_not_recommend]
impl<R, F: Future<Output = R>> CoroutineBody<R> for F {}

/// The body of a coroutine with a result: a future of [`Result`](crate::Result).
///
/// Every `Future<Output = Result<T>>` is one; there is nothing to implement, as for [`CoroutineBody`].
///
/// ```
/// use corox_core::run_blocking;
///
/// let n = run_blocking(async |scope| {
///     let parsed = scope.spawn(async { Ok("4".parse::<i32>()?) });
///     let plain = scope.spawn(async { Ok(2) });
///     Ok(parsed.await? + plain.await?)
/// }).unwrap();
/// assert_eq!(n, 6);
/// ```
#[diagnostic::on_unimplemented(
    message = "this body must be a future of `corox::Result`: `async {{ .. Ok(value) }}`",
    label = "not a future of `corox::Result`",
    note = "a plain value goes into `Ok(..)`; another error is converted by `?`: `async {{ Ok(work().await?) }}`",
    note = "in place of a closure: `async {{ .. }}` without `||`; in place of a function's name: a call of it, `work()`",
    note = "a dispatcher or a name goes before: `scope.with(IO).spawn(async {{ .. }})`"
)]
pub trait ResultBody<T>: Future<Output = Result<T>> {}

#[diagnostic::do_not_recommend]
impl<T, F: Future<Output = Result<T>>> ResultBody<T> for F {}
