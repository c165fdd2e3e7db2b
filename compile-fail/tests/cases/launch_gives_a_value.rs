//! `launch` is for work without result.
// says: this body gives `{integer}`: end it with `;`, or use `spawn` in place of `launch`
// says: this body gives `Result<{integer}, _>`: end it with `;`, or use `spawn` in place of `launch`
use corox_core::run_blocking;

fn main() {
    let _ = run_blocking(async |scope| {
        scope.launch(async { 42 });
        scope.launch(async { Ok(42) });
        Ok(())
    });
}
