//! As that of a scope.
// says: the body of a test is an async closure that takes the test's scope, `async |t| { .. }`
use corox_test::run_test;

fn main() {
    run_test(async {});
    run_test(|_| {});
}
