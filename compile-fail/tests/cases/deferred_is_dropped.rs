//! A `Deferred` that nobody awaits hides its result.
// notes: `.await` it, or use `launch`
#![deny(unused_must_use)]
use corox_core::run_blocking;

fn main() {
    let _ = run_blocking(async |scope| {
        scope.spawn(async { Ok(1) });
        Ok(())
    });
}
