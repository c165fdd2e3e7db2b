//! An await takes the deferred. The compiler's `&deferred.await` is short of its parentheses.
// says: `deferred` moved due to this await
// documented in docs/first-steps.md: (&deferred).await?
use corox_core::run_blocking;

fn main() {
    let _ = run_blocking(async |scope| {
        let deferred = scope.spawn(async { Ok(1) });
        Ok(deferred.await? + deferred.await?)
    });
}
