//! A method that launches: `self` is a reference like any other. An `Arc` of what is shared helps.
// says: must outlive `'static`
// documented in core/src/scope.rs: or an [`Arc`](std::sync::Arc) that is cloned
use corox_core::{Result, coroutine_scope};

struct Server {
    name: String,
}

impl Server {
    async fn run(&self) -> Result<()> {
        coroutine_scope(async |scope| {
            scope.launch(async move { println!("{} runs", self.name) });
            Ok(())
        })
        .await
    }
}

fn main() {
    let server = Server {
        name: "main".to_owned(),
    };
    drop(server.run());
}
