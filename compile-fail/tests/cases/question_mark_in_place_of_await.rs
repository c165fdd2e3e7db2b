//! `?` comes after `.await`. What is a future the compiler knows how to help; of a `Deferred` it only says what it is.
// says: cannot be applied to type `Deferred<{integer}>`
// notes: consider `await`ing on the `Future`
// documented in docs/first-steps.md: deferred.await?
use corox_core::{coroutine_scope, run_blocking};

fn main() {
    let _ = run_blocking(async |scope| {
        let deferred = scope.spawn(async { Ok(1) });
        let one = deferred?;
        let two = coroutine_scope(async |_| Ok(2))?;
        Ok(one + two)
    });
}
