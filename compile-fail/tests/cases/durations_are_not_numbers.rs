//! Kotlin's `delay(100)` has no unit.
// says: expected `Duration`, found integer
// documented in docs/first-steps.md: Duration::from_millis(100)
use corox_core::{Retry, delay, run_blocking, with_timeout};

fn main() {
    let _ = run_blocking(async |_| {
        delay(100).await;
        with_timeout(1000, async |_| Ok(())).await?;
        let _ = Retry::new(3).fixed(100);
        Ok(())
    });
}
