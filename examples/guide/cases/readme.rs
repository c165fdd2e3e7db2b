//! The first program.

use std::time::Duration;

use corox::{CoroutineScope, Result, coroutine_scope, delay};

cases! {
    "readme-01" readme_01 "A scope waits for what is launched in it";
}

async fn readme_01(_: CoroutineScope) -> Result<()> {
    coroutine_scope(async |scope| {
        scope.launch(async {
            delay(Duration::from_secs(1)).await;
            println!("Kotlin Coroutines World!");
        });
        println!("Hello");
        Ok(())
    })
    .await
}
