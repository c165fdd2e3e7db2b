//! An option has no error to give.
// says: use `.ok_or(...)?` to provide an error compatible with `Result<i32, _>`
use corox_core::run_blocking;

fn main() {
    let _ = run_blocking(async |_| {
        let first = [1].first().copied()?;
        Ok::<i32, _>(first)
    });
}
