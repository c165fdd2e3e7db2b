//! The scope, which may be `_`.
// says: takes 0 arguments
// notes: async |_| Ok(())
// says: takes 2 arguments
use corox_core::run_blocking;

fn main() {
    let _ = run_blocking(async || Ok(()));
    let _ = run_blocking(async |_scope, _name| Ok(()));
}
