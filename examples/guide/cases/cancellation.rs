//! Cancellation and time-outs.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use corox::{
    CoroutineScope, DEFAULT, FinallyExt, Result, catch_cancellation, coroutine_scope, delay,
    is_active, with_timeout, with_timeout_or_none,
};

cases! {
    "cancel-01" cancel_01 "A cancelled coroutine stops where it is suspended";
    "cancel-02" cancel_02 "A computation that looks at nothing is not stopped";
    "cancel-03" cancel_03 "Nor is a loop that catches every cancellation and goes on";
    "cancel-04" cancel_04 "A computation stops when it looks whether it is active";
    "cancel-05" cancel_05 "What the body holds is dropped when it is cancelled, before join returns";
    "cancel-06" cancel_06 "Cleanup that has to wait, after a cancellation too";
    "cancel-07" cancel_07 "When the time is up the block is cancelled, and its caller gets an error";
    "cancel-08" cancel_08 "The same, and the caller gets None";
    "cancel-10" cancel_10 "What a block with a limit has acquired is released, in time or not";
}

async fn cancel_01(scope: CoroutineScope) -> Result<()> {
    let job = scope.launch(async {
        for i in 0..1000 {
            println!("job: I'm sleeping {i} ...");
            delay(Duration::from_millis(500)).await;
        }
    });
    delay(Duration::from_millis(1300)).await;
    println!("main: I'm tired of waiting!");
    job.cancel();
    job.join().await;
    println!("main: Now I can quit.");
    Ok(())
}

async fn cancel_02(scope: CoroutineScope) -> Result<()> {
    let job = scope.with(DEFAULT).launch(async {
        let mut next = Instant::now();
        let mut i = 0;
        while i < 5 {
            if Instant::now() >= next {
                println!("job: I'm sleeping {i} ...");
                i += 1;
                next += Duration::from_millis(500);
            }
        }
    });
    delay(Duration::from_millis(1300)).await;
    println!("main: I'm tired of waiting!");
    job.cancel_and_join().await;
    println!("main: Now I can quit.");
    Ok(())
}

async fn cancel_03(scope: CoroutineScope) -> Result<()> {
    let job = scope.launch(async {
        for i in 0..5 {
            println!("job: I'm sleeping {i} ...");
            let pause = delay(Duration::from_millis(500));
            if let Err(cancelled) = catch_cancellation(pause).await {
                // Here the body should return.
                println!("{cancelled}");
            }
        }
    });
    delay(Duration::from_millis(1300)).await;
    println!("main: I'm tired of waiting!");
    job.cancel_and_join().await;
    println!("main: Now I can quit.");
    Ok(())
}

async fn cancel_04(scope: CoroutineScope) -> Result<()> {
    let job = scope.with(DEFAULT).launch(async {
        let mut next = Instant::now();
        let mut i = 0;
        while is_active() {
            if Instant::now() >= next {
                println!("job: I'm sleeping {i} ...");
                i += 1;
                next += Duration::from_millis(500);
            }
        }
    });
    delay(Duration::from_millis(1300)).await;
    println!("main: I'm tired of waiting!");
    job.cancel_and_join().await;
    println!("main: Now I can quit.");
    Ok(())
}

async fn cancel_05(scope: CoroutineScope) -> Result<()> {
    struct Guard;

    impl Drop for Guard {
        fn drop(&mut self) {
            println!("job: I'm running finally");
        }
    }

    let job = scope.launch(async {
        let _guard = Guard;
        for i in 0..1000 {
            println!("job: I'm sleeping {i} ...");
            delay(Duration::from_millis(500)).await;
        }
    });
    delay(Duration::from_millis(1300)).await;
    println!("main: I'm tired of waiting!");
    job.cancel_and_join().await;
    println!("main: Now I can quit.");
    Ok(())
}

async fn cancel_06(scope: CoroutineScope) -> Result<()> {
    let job = scope.launch(async {
        let work = async {
            for i in 0..1000 {
                println!("job: I'm sleeping {i} ...");
                delay(Duration::from_millis(500)).await;
            }
        };
        work.finally(async {
            println!("job: I'm running finally");
            delay(Duration::from_secs(1)).await;
            println!("job: And I've just delayed for 1 sec because I'm non-cancellable");
        })
        .await;
    });
    delay(Duration::from_millis(1300)).await;
    println!("main: I'm tired of waiting!");
    job.cancel_and_join().await;
    println!("main: Now I can quit.");
    Ok(())
}

async fn cancel_07(_: CoroutineScope) -> Result<()> {
    with_timeout(Duration::from_millis(1300), async |_| {
        for i in 0..1000 {
            println!("I'm sleeping {i} ...");
            delay(Duration::from_millis(500)).await;
        }
        Ok(())
    })
    .await
}

async fn cancel_08(_: CoroutineScope) -> Result<()> {
    let result = with_timeout_or_none(Duration::from_millis(1300), async |_| {
        for i in 0..1000 {
            println!("I'm sleeping {i} ...");
            delay(Duration::from_millis(500)).await;
        }
        Ok("Done")
    })
    .await?;
    println!("Result is {result:?}");
    Ok(())
}

async fn cancel_10(_: CoroutineScope) -> Result<()> {
    static ACQUIRED: AtomicU32 = AtomicU32::new(0);

    struct Resource;

    impl Resource {
        fn acquire() -> Resource {
            ACQUIRED.fetch_add(1, Ordering::Relaxed);
            Resource
        }
    }

    impl Drop for Resource {
        fn drop(&mut self) {
            ACQUIRED.fetch_sub(1, Ordering::Relaxed);
        }
    }

    coroutine_scope(async |scope| {
        for _ in 0..10_000 {
            scope.launch(async {
                let mut resource = None;
                with_timeout_or_none(Duration::from_millis(60), async |_| {
                    delay(Duration::from_millis(50)).await;
                    resource = Some(Resource::acquire());
                    Ok(())
                })
                .await?;
                // If the time was up in between, it is here all the same. It goes with its variable.
                drop(resource);
                Ok(())
            });
        }
        Ok(())
    })
    .await?;
    println!("{}", ACQUIRED.load(Ordering::Relaxed));
    Ok(())
}
