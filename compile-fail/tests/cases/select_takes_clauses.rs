//! A future is no clause by itself.

fn main() {
    let _ = corox_core::run_blocking(async |_| {
        corox_core::select((async { 1 },)).await;
        Ok(())
    });
}
