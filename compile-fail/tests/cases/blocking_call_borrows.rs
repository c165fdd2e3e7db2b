//! The same for a closure.
// says: may outlive borrowed value `path`
// notes: move |_|
// documented in core/src/blocking.rs: `f` goes to another thread, so it owns what it uses: `move |_| ..`
use corox_core::{blocking, run_blocking};

fn main() {
    let _ = run_blocking(async |_| {
        let path = String::from("Cargo.toml");
        blocking(|_| Ok(std::fs::read(&path)?)).await?;
        println!("{path}");
        Ok(())
    });
}
