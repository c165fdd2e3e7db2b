//! Composing suspending functions.

use std::time::Duration;

use corox::{
    CoroutineScope, Deferred, FinallyExt, GlobalScope, Result, coroutine_scope, delay, run_blocking,
};
use tokio::time::Instant;

cases! {
    "compose-01" compose_01 "One call after the other, as in any code";
    "compose-02" compose_02 "Both at the same time: spawn, then await";
    "compose-03" compose_03 "A lazy coroutine waits until it is started";
    "compose-03-no-start" compose_03_no_start "Or until it is awaited, which makes two of them run one after the other";
    "compose-04" fn compose_04 "Functions that start work in the global scope, called outside of any coroutine";
    "compose-05" compose_05 "A function with a scope of its own: nothing that it starts is left when it returns";
    "compose-06" compose_06 "A failure cancels the sibling, and reaches the caller as what it was";
}

exceptions! {
    ArithmeticException
}

async fn do_something_useful_one() -> Result<i32> {
    delay(Duration::from_secs(1)).await;
    Ok(13)
}

async fn do_something_useful_two() -> Result<i32> {
    delay(Duration::from_secs(1)).await;
    Ok(29)
}

async fn compose_01(_: CoroutineScope) -> Result<()> {
    let begin = Instant::now();
    let one = do_something_useful_one().await?;
    let two = do_something_useful_two().await?;
    println!("The answer is {}", one + two);
    println!("Completed in {} ms", begin.elapsed().as_millis());
    Ok(())
}

async fn compose_02(scope: CoroutineScope) -> Result<()> {
    let begin = Instant::now();
    let one = scope.spawn(do_something_useful_one());
    let two = scope.spawn(do_something_useful_two());
    println!("The answer is {}", one.await? + two.await?);
    println!("Completed in {} ms", begin.elapsed().as_millis());
    Ok(())
}

async fn compose_03(scope: CoroutineScope) -> Result<()> {
    let begin = Instant::now();
    let one = scope.lazy().spawn(do_something_useful_one());
    let two = scope.lazy().spawn(do_something_useful_two());
    // Here something is computed.
    one.start();
    two.start();
    println!("The answer is {}", one.await? + two.await?);
    println!("Completed in {} ms", begin.elapsed().as_millis());
    Ok(())
}

async fn compose_03_no_start(scope: CoroutineScope) -> Result<()> {
    let begin = Instant::now();
    let one = scope.lazy().spawn(do_something_useful_one());
    let two = scope.lazy().spawn(do_something_useful_two());
    println!("The answer is {}", one.await? + two.await?);
    println!("Completed in {} ms", begin.elapsed().as_millis());
    Ok(())
}

/// It suspends nowhere, and can be called from anywhere.
fn something_useful_one_async() -> Deferred<i32> {
    GlobalScope.spawn(do_something_useful_one())
}

fn something_useful_two_async() -> Deferred<i32> {
    GlobalScope.spawn(do_something_useful_two())
}

/// A `main`, without a root around it.
fn compose_04() {
    let begin = std::time::Instant::now();
    let one = something_useful_one_async();
    let two = something_useful_two_async();
    // Only to wait for the results takes a coroutine.
    let answer = run_blocking(async |_| Ok(one.await? + two.await?));
    match answer {
        Ok(answer) => println!("The answer is {answer}"),
        Err(error) => eprintln!("{error}"),
    }
    println!("Completed in {} ms", begin.elapsed().as_millis());
}

async fn compose_05(_: CoroutineScope) -> Result<()> {
    async fn concurrent_sum() -> Result<i32> {
        coroutine_scope(async |scope| {
            let one = scope.spawn(do_something_useful_one());
            let two = scope.spawn(do_something_useful_two());
            Ok(one.await? + two.await?)
        })
        .await
    }

    let begin = Instant::now();
    println!("The answer is {}", concurrent_sum().await?);
    println!("Completed in {} ms", begin.elapsed().as_millis());
    Ok(())
}

async fn compose_06(_: CoroutineScope) -> Result<()> {
    async fn failed_concurrent_sum() -> Result<i32> {
        coroutine_scope(async |scope| {
            // A computation that takes for ever.
            let long = async {
                delay(Duration::MAX).await;
                Ok(42)
            };
            let one = scope.spawn(long.finally(async {
                println!("First child was cancelled");
            }));
            let two = scope.spawn(async {
                println!("Second child throws an exception");
                Err::<i32, _>(ArithmeticException.into())
            });
            Ok(one.await? + two.await?)
        })
        .await
    }

    match failed_concurrent_sum().await {
        Err(error) if error.downcast_ref::<ArithmeticException>().is_some() => {
            println!("Computation failed with ArithmeticException");
            Ok(())
        }
        Err(error) => Err(error),
        Ok(sum) => {
            println!("The answer is {sum}");
            Ok(())
        }
    }
}
