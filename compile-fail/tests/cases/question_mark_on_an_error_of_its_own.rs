//! A type of errors implements `std::error::Error`.
// says: `Missing: Failure` is not satisfied
// notes: write `.or_fail()?` for a text, a boxed error, or one of anyhow (feature `anyhow`); else `.map_err(..)?`
// documented in docs/first-steps.md: impl std::error::Error for Missing
use corox_core::Result;

#[derive(Debug)]
struct Missing;

fn find() -> std::result::Result<i32, Missing> {
    Err(Missing)
}

fn main() {
    let _: Result<i32> = (|| Ok(find()?))();
}
