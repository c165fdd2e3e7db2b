//! `launch` is for work without result.
use corox_core::run_blocking;

fn main() {
    let _ = run_blocking(async |scope| {
        scope.launch(async { 42 });
        Ok(())
    });
}
