//! Failures and supervision.

use std::time::Duration;

use corox::{
    CoroutineScope, Dispatcher, ExceptionHandler, FinallyExt, GlobalScope, Result, SupervisorJob,
    catch_cancellation, coroutine_scope, delay, join_all, supervisor_scope, yield_now,
};

cases! {
    "exceptions-01" exceptions_01 "Outside of any scope: launch reports its failure, spawn keeps it for who awaits";
    "exceptions-02" exceptions_02 "A handler gets the failure of a root that was launched, not of one that was spawned";
    "exceptions-03" exceptions_03 "A cancelled child does not cancel its parent";
    "exceptions-04" exceptions_04 "A failure is handled when all children have ended, cleanup and all";
    "exceptions-05" exceptions_05 "The first failure counts, and the others are attached to it";
    "exceptions-06" exceptions_06 "A failure below is seen as a cancellation, and handled as what it was";
    "supervision-01" supervision_01 "The children of a supervisor fail alone, and are cancelled together";
    "supervision-02" supervision_02 "A supervisor scope whose own body fails cancels its children";
    "supervision-03" supervision_03 "The direct child of a supervisor scope has a handler of its own";
}

exceptions! {
    ArithmeticException
    AssertionError
    IndexOutOfBoundsException
    IOException
}

/// Roots run where the program does in these cases, not on the pool, so that a test can give them its clock.
fn here(scope: &CoroutineScope) -> Dispatcher {
    let context = scope.context();
    context.dispatcher().expect("that of the root").clone()
}

async fn exceptions_01(_: CoroutineScope) -> Result<()> {
    let job = GlobalScope.launch(async {
        println!("Throwing exception from launch");
        Err(IndexOutOfBoundsException.into())
    });
    job.join().await;
    println!("Joined failed job");
    let deferred = GlobalScope.spawn(async {
        println!("Throwing exception from async");
        Err::<(), _>(ArithmeticException.into())
    });
    match deferred.await {
        Err(error) if error.downcast_ref::<ArithmeticException>().is_some() => {
            println!("Caught ArithmeticException");
        }
        other => println!("Unreached: {other:?}"),
    }
    Ok(())
}

async fn exceptions_02(_: CoroutineScope) -> Result<()> {
    let handler = ExceptionHandler::new(|_, error| {
        println!("CoroutineExceptionHandler got {error}");
    });
    let job = GlobalScope
        .with(handler.clone())
        .launch(async { Err(AssertionError.into()) });
    // Nobody awaits it, and nothing is printed.
    let deferred = GlobalScope
        .with(handler)
        .spawn(async { Err::<(), _>(ArithmeticException.into()) });
    join_all([&job, deferred.job()]).await;
    Ok(())
}

async fn exceptions_03(scope: CoroutineScope) -> Result<()> {
    let job = scope.launch(coroutine_scope(async |scope| {
        let child = scope.launch(delay(Duration::MAX).finally(async {
            println!("Child is cancelled");
        }));
        yield_now().await;
        println!("Cancelling child");
        child.cancel();
        child.join().await;
        yield_now().await;
        println!("Parent is not cancelled");
        Ok(())
    }));
    job.join().await;
    Ok(())
}

async fn exceptions_04(scope: CoroutineScope) -> Result<()> {
    let handler = ExceptionHandler::new(|_, error| {
        println!("CoroutineExceptionHandler got {error}");
    });
    let root = GlobalScope.with(here(&scope)).with(handler);
    let job = root.launch(coroutine_scope(async |scope| {
        scope.launch(delay(Duration::MAX).finally(async {
            println!(
                "Children are cancelled, but exception is not handled until all children terminate"
            );
            delay(Duration::from_millis(100)).await;
            println!("The first child finished its non cancellable block");
        }));
        scope.launch(async {
            delay(Duration::from_millis(10)).await;
            println!("Second child throws an exception");
            Err(ArithmeticException.into())
        });
        Ok(())
    }));
    job.join().await;
    Ok(())
}

async fn exceptions_05(scope: CoroutineScope) -> Result<()> {
    let handler = ExceptionHandler::new(|_, error| {
        let suppressed: Vec<_> = error.suppressed().iter().map(|e| e.to_string()).collect();
        println!(
            "CoroutineExceptionHandler got {error} with suppressed [{}]",
            suppressed.join(", ")
        );
    });
    let root = GlobalScope.with(here(&scope)).with(handler);
    let job = root.launch(coroutine_scope(async |scope| {
        scope.launch(async {
            // It is cancelled when the other child fails, and fails then itself.
            let _ = catch_cancellation(delay(Duration::MAX)).await;
            Err(ArithmeticException.into())
        });
        scope.launch(async {
            delay(Duration::from_millis(100)).await;
            Err(IOException.into())
        });
        delay(Duration::MAX).await;
        Ok(())
    }));
    job.join().await;
    Ok(())
}

async fn exceptions_06(scope: CoroutineScope) -> Result<()> {
    let handler = ExceptionHandler::new(|_, error| {
        println!("CoroutineExceptionHandler got {error}");
    });
    let root = GlobalScope.with(here(&scope)).with(handler);
    let job = root.launch(coroutine_scope(async |scope| {
        // All of this stack of coroutines is cancelled.
        let inner = scope.launch(coroutine_scope(async |scope| {
            scope.launch(coroutine_scope(async |scope| {
                scope.launch(async { Err(IOException.into()) });
                Ok(())
            }));
            Ok(())
        }));
        if let Err(cancelled) = catch_cancellation(inner.join()).await {
            println!("Rethrowing CancellationException with original cause");
            return Err(cancelled.into());
        }
        Ok(())
    }));
    job.join().await;
    Ok(())
}

async fn supervision_01(scope: CoroutineScope) -> Result<()> {
    let supervisor = SupervisorJob::new();
    let scope = scope + supervisor.clone();
    // Its failure goes to a handler that does nothing. Do not do so in a program.
    let ignore = ExceptionHandler::new(|_, _| {});
    let first_child = scope.with(ignore).launch(async {
        println!("The first child is failing");
        Err(AssertionError.into())
    });
    let first = first_child.clone();
    let second_child = scope.launch(async move {
        first.join().await;
        println!(
            "The first child is cancelled: {}, but the second one is still active",
            first.is_cancelled()
        );
        let cleanup = async {
            println!("The second child is cancelled because the supervisor was cancelled");
        };
        delay(Duration::MAX).finally(cleanup).await;
    });
    first_child.join().await;
    println!("Cancelling the supervisor");
    supervisor.cancel();
    second_child.join().await;
    Ok(())
}

async fn supervision_02(_: CoroutineScope) -> Result<()> {
    let outcome: Result<()> = supervisor_scope(async |scope| {
        scope.launch(async {
            println!("The child is sleeping");
            let cleanup = async { println!("The child is cancelled") };
            delay(Duration::MAX).finally(cleanup).await;
        });
        // So that the child begins.
        yield_now().await;
        println!("Throwing an exception from the scope");
        Err(AssertionError.into())
    })
    .await;
    match outcome {
        Err(error) if error.downcast_ref::<AssertionError>().is_some() => {
            println!("Caught an assertion error");
            Ok(())
        }
        other => other,
    }
}

async fn supervision_03(_: CoroutineScope) -> Result<()> {
    let handler = ExceptionHandler::new(|_, error| {
        println!("CoroutineExceptionHandler got {error}");
    });
    supervisor_scope(async |scope| {
        scope.with(handler).launch(async {
            println!("The child throws an exception");
            Err(AssertionError.into())
        });
        println!("The scope is completing");
        Ok(())
    })
    .await?;
    println!("The scope is completed");
    Ok(())
}
