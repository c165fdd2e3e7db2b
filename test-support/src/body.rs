//! What the body of a test may be.

use crate::TestScope;

/// The body of a test: an async closure that takes the [`TestScope`].
///
/// Every `AsyncFnOnce(TestScope) -> R` is one; there is nothing to implement. The trait has a name so that the compiler can say
/// what to write where it is given something else.
///
/// ```
/// use corox_test::{TestBody, run_test};
///
/// fn run_twice(body: impl TestBody<()> + Clone) {
///     run_test(body.clone());
///     run_test(body);
/// }
/// run_twice(async |t| assert!(t.current_time().is_zero()));
/// ```
#[diagnostic::on_unimplemented(
    message = "the body of a test is an async closure that takes the test's scope, `async |t| {{ .. }}`",
    label = "not an async closure of one argument",
    note = "in place of a future: `async |_| work().await`; in place of `|t| {{ .. }}`: `async |t| {{ .. }}`"
)]
pub trait TestBody<R>: AsyncFnOnce(TestScope) -> R {}

#[diagnostic::do_not_recommend]
impl<R, F> TestBody<R> for F where F: AsyncFnOnce(TestScope) -> R {}
