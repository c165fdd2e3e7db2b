//! A local of the function around `run_blocking`.
// says: does not live long enough
// documented in core/src/scope.rs: `does not live long enough` (E0597)
use corox_core::run_blocking;

fn main() {
    let greeting = String::from("Hello");
    let _ = run_blocking(async |scope| {
        scope.launch(async { println!("{greeting}") });
        Ok(())
    });
}
