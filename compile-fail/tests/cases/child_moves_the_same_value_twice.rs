//! With `move` the first round of a loop takes the value.
// says: value moved here, in previous iteration of loop
// notes: .clone();
// documented in core/src/scope.rs: `use of moved value` (E0382), in a loop
use corox_core::run_blocking;

fn main() {
    let _ = run_blocking(async |scope| {
        let name = String::from("a");
        for n in 0..2 {
            scope.launch(async move { println!("{name} {n}") });
        }
        Ok(())
    });
}
