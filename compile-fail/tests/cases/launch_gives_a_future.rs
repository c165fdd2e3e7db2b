//! An `.await` was forgotten where nothing else complains.
// says: not `Delay`
// notes: if it gives a future, `.await` that
use corox_core::{delay, run_blocking};
use std::time::Duration;

fn main() {
    let _ = run_blocking(async |scope| {
        scope.launch(async { delay(Duration::from_secs(1)) });
        Ok(())
    });
}
