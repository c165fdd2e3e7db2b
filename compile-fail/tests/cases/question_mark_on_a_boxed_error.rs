//! A boxed error is not itself an error, so `?` has no way in for it.
// says: write `.or_fail()?` for a text, a boxed error
use corox_core::run_blocking;

fn sent() -> Result<i32, Box<dyn std::error::Error + Send + Sync>> {
    Ok("1".parse()?)
}

fn unsent() -> Result<i32, Box<dyn std::error::Error>> {
    Ok("1".parse()?)
}

fn main() {
    let _ = run_blocking(async |_| {
        let n = sent()?;
        let m = unsent()?;
        Ok(n + m)
    });
}
