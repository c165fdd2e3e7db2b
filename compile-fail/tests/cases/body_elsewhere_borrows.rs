//! What goes to another thread owns what it uses.
// says: may outlive borrowed value `path`
// notes: async move {
// documented in core/src/with_context.rs: if the compiler refuses the body
use corox_core::{Dispatcher, run_blocking, with_context};

fn main() {
    let _ = run_blocking(async |_| {
        let path = String::from("Cargo.toml");
        with_context(Dispatcher::IO, async { Ok(std::fs::read(&path)?) }).await?;
        println!("{path}");
        Ok(())
    });
}
