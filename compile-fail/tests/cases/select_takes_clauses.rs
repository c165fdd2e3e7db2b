//! A future is no clause by itself.
// says: is not a clause of a `select`
// notes: a future becomes one by `on(future)`

fn main() {
    let _ = corox_core::run_blocking(async |_| {
        corox_core::select((async { 1 },)).await;
        Ok(())
    });
}
