//! A body has the library's error, into which `?` converts.
use corox_core::run_blocking;

fn main() {
    let _ = run_blocking(async |scope| {
        scope.launch(async { std::fs::write("a", "b") });
        Ok(())
    });
}
