//! What the compiler proposes for the case above leads here.
// says: move out of `scope` occurs here
// says: value borrowed here after move
// documented in core/src/scope.rs: of the `scope` (E0505, E0382)
use corox_core::run_blocking;

fn main() {
    let _ = run_blocking(async |scope| {
        scope.launch(async move {
            scope.launch(async {});
        });
        scope.launch(async {});
        Ok(())
    });
}
