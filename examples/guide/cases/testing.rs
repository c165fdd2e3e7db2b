//! Tests in virtual time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use corox::{CompletableDeferred, CoroutineName, DEFAULT, delay, with_context};
use corox_test::{
    StandardTestDispatcher, TestScheduler, TestScope, UnconfinedTestDispatcher, run_test,
};

cases! {
    "test-multiple-delays" fn test_multiple_delays "Two coroutines, one virtual clock: it jumps from delay to delay";
    "test-advance-time" fn test_advance_time "A test moves the clock itself, and looks at what has happened";
    "test-multiple-dispatchers" fn test_multiple_dispatchers "Two dispatchers that share a clock";
    "test-unconfined-eager" fn test_unconfined_eager "Coroutines that start at once, and go on at once";
    "test-unconfined-mixed" fn test_unconfined_mixed "One of them on a dispatcher that queues";
    "test-long-timeout" fn test_long_timeout "A limit of real time for a test that waits for real work";
    "test-other-dispatcher" fn test_other_dispatcher "Another dispatcher keeps the real time, and the virtual clock waits";
}

fn test_multiple_delays() {
    run_test(async |t| {
        let clock = t.scheduler().clone();
        t.launch(async move {
            delay(Duration::from_millis(1000)).await;
            println!("1. {}", clock.current_time().as_millis());
            delay(Duration::from_millis(200)).await;
            println!("2. {}", clock.current_time().as_millis());
            delay(Duration::from_millis(2000)).await;
            println!("4. {}", clock.current_time().as_millis());
        });
        let clock = t.scheduler().clone();
        let deferred = t.spawn(async move {
            delay(Duration::from_millis(3000)).await;
            println!("3. {}", clock.current_time().as_millis());
            delay(Duration::from_millis(500)).await;
            println!("5. {}", clock.current_time().as_millis());
            Ok(())
        });
        deferred.await
    });
}

fn test_advance_time() {
    run_test(async |t| {
        let begin = t.time_source().now();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let numbers = seen.clone();
        t.launch(async move {
            numbers.lock().unwrap().push("1");
            delay(Duration::from_millis(1000)).await;
            numbers.lock().unwrap().push("2");
            delay(Duration::from_millis(500)).await;
            numbers.lock().unwrap().push("3");
            delay(Duration::from_millis(5000)).await;
            numbers.lock().unwrap().push("4");
        });
        assert!(seen.lock().unwrap().is_empty(), "it waits for its turn");
        t.run_current().await;
        println!("after run_current: {}", seen.lock().unwrap().join(", "));
        t.advance_time_by(Duration::from_millis(2000)).await;
        assert_eq!(t.current_time(), Duration::from_millis(2000));
        println!("after 2000 ms: {}", seen.lock().unwrap().join(", "));
        t.advance_until_idle().await;
        println!("after all: {}", seen.lock().unwrap().join(", "));
        let elapsed = t.time_source().elapsed_since(begin);
        println!("{} ms have passed", elapsed.as_millis());
    });
}

fn test_multiple_dispatchers() {
    let clock = TestScheduler::new();
    let screen = StandardTestDispatcher::named(&clock, "screen");
    let worker = StandardTestDispatcher::named(&clock, "worker");
    TestScope::new(&clock).run_test(async |t| {
        let now = clock.clone();
        t.with(screen).launch(async move {
            delay(Duration::from_millis(1000)).await;
            println!("1. {}", now.current_time().as_millis());
            delay(Duration::from_millis(200)).await;
            println!("2. {}", now.current_time().as_millis());
            delay(Duration::from_millis(2000)).await;
            println!("4. {}", now.current_time().as_millis());
        });
        let now = clock.clone();
        t.with(worker).launch(async move {
            delay(Duration::from_millis(3000)).await;
            println!("3. {}", now.current_time().as_millis());
            delay(Duration::from_millis(500)).await;
            println!("5. {}", now.current_time().as_millis());
        });
    });
}

fn test_unconfined_eager() {
    TestScope::new(UnconfinedTestDispatcher::new()).run_test(async |t| {
        let (entered, completed) = (Arc::new(Mutex::new(false)), Arc::new(Mutex::new(false)));
        let (answer, awaited) = CompletableDeferred::new().into_deferred();
        let (inside, end) = (entered.clone(), completed.clone());
        t.launch(async move {
            *inside.lock().unwrap() = true;
            awaited.await?;
            *end.lock().unwrap() = true;
            Ok(())
        });
        println!("entered {}", entered.lock().unwrap());
        println!("completed {}", completed.lock().unwrap());
        answer.complete(());
        println!("completed {}", completed.lock().unwrap());
    });
}

fn test_unconfined_mixed() {
    TestScope::new(UnconfinedTestDispatcher::new()).run_test(async |t| {
        let (entered1, entered2) = (Arc::new(Mutex::new(false)), Arc::new(Mutex::new(false)));
        let inside = entered1.clone();
        t.launch(async move { *inside.lock().unwrap() = true });
        println!("entered1 {}", entered1.lock().unwrap());

        let inside = entered2.clone();
        let queued = StandardTestDispatcher::on(t.scheduler()) + CoroutineName::new("queued");
        t.with(queued)
            .launch(async move { *inside.lock().unwrap() = true });
        println!("entered2 {}", entered2.lock().unwrap());
        t.run_current().await;
        println!("entered2 {}", entered2.lock().unwrap());
    });
}

fn test_long_timeout() {
    let limit = Duration::from_secs(30);
    TestScope::new(TestScheduler::new()).run_test_within(limit, async |_| {
        // On a dispatcher that is not the test's: a real delay.
        let value = with_context(DEFAULT, async {
            delay(Duration::from_millis(200)).await;
            Ok(3)
        });
        println!("{}", value.await?);
        Ok(())
    });
}

fn test_other_dispatcher() {
    run_test(async |t| {
        with_context(DEFAULT, async {
            delay(Duration::from_secs(1)).await;
            Ok(())
        })
        .await?;
        println!("{}", t.current_time().as_millis());
        Ok(())
    });
}
