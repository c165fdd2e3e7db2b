//! A launched coroutine may outlive the body that launched it, so it cannot borrow from it.
// says: may outlive borrowed value `names`
// notes: async move
// documented in core/src/scope.rs: `may outlive borrowed value` (E0373) | `async move { .. }`
use corox_core::run_blocking;

fn main() {
    let _ = run_blocking(async |scope| {
        let names = vec!["a", "b"];
        scope.launch(async {
            println!("{names:?}");
        });
        Ok(())
    });
}
