//! A boxed error is not itself an error, so `?` has no way in for it.
use corox_core::run_blocking;

fn parse() -> Result<i32, Box<dyn std::error::Error + Send + Sync>> {
    Ok("1".parse()?)
}

fn main() {
    let _ = run_blocking(async |_| {
        let n = parse()?;
        Ok(n)
    });
}
