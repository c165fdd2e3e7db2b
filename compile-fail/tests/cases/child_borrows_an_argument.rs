//! The same with a reference that comes from outside: `move` alone does not help.
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
