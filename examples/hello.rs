//! The first program of the README.

use std::time::Duration;

use corox::{delay, run_blocking};

fn main() -> corox::Result<()> {
    run_blocking(async |scope| {
        scope.launch(async {
            delay(Duration::from_millis(100)).await;
            println!("World!");
        });
        println!("Hello,");
        Ok(())
    })
}
