//! A counter that several children change is an atomic, or the sum of what they give.
// says: may outlive borrowed value `sum`
// documented in docs/first-steps.md: AtomicU32
use corox_core::run_blocking;

fn main() {
    let _ = run_blocking(async |scope| {
        let mut sum = 0;
        scope.launch(async { sum += 1 });
        println!("{sum}");
        Ok(())
    });
}
