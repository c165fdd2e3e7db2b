//! A blocking call is none for a future.
// says: expected an `FnOnce(&CancelFlag)` closure
// says: expected closure that takes 1 argument
use corox_core::{blocking, run_blocking};

fn main() {
    let _ = run_blocking(async |_| {
        blocking(async { Ok(()) }).await?;
        blocking(|| Ok(())).await?;
        Ok(())
    });
}
