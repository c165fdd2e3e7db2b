//! Nor is one of anyhow.
// says: write `.or_fail()?` for a text, a boxed error, or one of anyhow (feature `anyhow`)
use corox_core::run_blocking;

fn parse() -> anyhow::Result<i32> {
    Ok("1".parse()?)
}

fn main() {
    let _ = run_blocking(async |_| {
        let n = parse()?;
        Ok(n)
    });
}
