//! A body has the library's error, into which `?` converts.
// says: not `Result<(), std::io::Error>`
// notes: let `?` convert the error: `async { work()?; Ok(()) }`
use corox_core::run_blocking;

fn main() {
    let _ = run_blocking(async |scope| {
        scope.launch(async { std::fs::write("a", "b") });
        Ok(())
    });
}
