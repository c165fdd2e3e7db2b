//! Nor a text. Without `?` only the note of the compiler remains.
// says: write `.or_fail()?` for a text
// notes: the trait `Failure` is not implemented for `&str`
// documented in docs/first-steps.md: Error::msg(
use corox_core::{Error, Result};

fn owned() -> std::result::Result<i32, String> {
    Ok(1)
}

fn lent() -> std::result::Result<i32, &'static str> {
    Ok(1)
}

fn sum() -> Result<i32> {
    Ok(owned()? + lent()?)
}

fn fail() -> Error {
    "no".into()
}

fn main() {
    drop((sum(), fail()));
}
