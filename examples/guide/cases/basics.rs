//! Coroutines, scopes and jobs.

use std::time::Duration;

use corox::{CoroutineScope, Result, coroutine_scope, delay};

cases! {
    "basic-01" basic_01 "A coroutine runs beside the code that launched it";
    "basic-02" basic_02 "Its body can be a function";
    "basic-03" basic_03 "A function with a scope of its own waits for its coroutines";
    "basic-04" basic_04 "Two coroutines run at the same time; what follows their scope runs after both";
    "basic-05" basic_05 "A job is the handle of a coroutine: to wait for it, here";
    "basic-06" basic_06 "Fifty thousand coroutines at once";
}

async fn basic_01(scope: CoroutineScope) -> Result<()> {
    scope.launch(async {
        delay(Duration::from_secs(1)).await;
        println!("World!");
    });
    println!("Hello");
    Ok(())
}

async fn basic_02(scope: CoroutineScope) -> Result<()> {
    async fn print_world() {
        delay(Duration::from_secs(1)).await;
        println!("World!");
    }

    scope.launch(print_world());
    println!("Hello");
    Ok(())
}

async fn basic_03(_: CoroutineScope) -> Result<()> {
    async fn greet() -> Result<()> {
        coroutine_scope(async |scope| {
            scope.launch(async {
                delay(Duration::from_secs(1)).await;
                println!("World!");
            });
            println!("Hello");
            Ok(())
        })
        .await
    }

    greet().await
}

async fn basic_04(_: CoroutineScope) -> Result<()> {
    coroutine_scope(async |scope| {
        scope.launch(async {
            delay(Duration::from_secs(2)).await;
            println!("World 2");
        });
        scope.launch(async {
            delay(Duration::from_secs(1)).await;
            println!("World 1");
        });
        println!("Hello");
        Ok(())
    })
    .await?;
    println!("Done");
    Ok(())
}

async fn basic_05(scope: CoroutineScope) -> Result<()> {
    let job = scope.launch(async {
        delay(Duration::from_secs(1)).await;
        println!("World!");
    });
    println!("Hello");
    job.join().await;
    println!("Done");
    Ok(())
}

async fn basic_06(scope: CoroutineScope) -> Result<()> {
    for _ in 0..50_000 {
        scope.launch(async {
            delay(Duration::from_secs(5)).await;
            print!(".");
        });
    }
    Ok(())
}
