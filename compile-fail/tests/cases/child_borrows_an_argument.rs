//! The same with a reference that comes from outside: `move` alone does not help. The compiler blames the scope around.
// says: must outlive `'static`
// documented in core/src/scope.rs: a lifetime `must outlive 'static`, often only at the builder around
// documented in core/src/scope_builders.rs: "a lifetime must outlive `'static`" at the
use corox_core::{Result, coroutine_scope};

async fn greet(name: &str) -> Result<()> {
    coroutine_scope(async |scope| {
        scope.launch(async move {
            println!("Hello, {name}");
        });
        Ok(())
    })
    .await
}

fn main() {
    drop(greet("you"));
}
