//! The item of a loop over references is one.
// says: does not live long enough
// notes: F: 'static, // else `async move`, and a clone of what is behind a reference
// documented in core/src/scope.rs: `does not live long enough` (E0597)
use corox_core::run_blocking;

fn main() {
    let _ = run_blocking(async |scope| {
        let urls = vec![String::from("a"), String::from("b")];
        for url in &urls {
            scope.launch(async move { println!("{url}") });
        }
        Ok(())
    });
}
