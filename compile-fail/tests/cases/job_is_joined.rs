//! A job has no value to await; the compiler's own advice, to leave the `.await` out, is not what is meant.
// says: `Job` is not a future
// documented in docs/first-steps.md: job.join().await
use corox_core::run_blocking;

fn main() {
    let _ = run_blocking(async |scope| {
        scope.launch(async {}).await;
        Ok(())
    });
}
