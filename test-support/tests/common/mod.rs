//! What several of the tests need.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// The text of the panic of `test`, which must panic.
pub(crate) fn failure_of(test: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(test)).expect_err("the test must fail");
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => match payload.downcast::<&str>() {
            Ok(text) => (*text).to_owned(),
            Err(_) => panic!("a payload that is no text"),
        },
    }
}
