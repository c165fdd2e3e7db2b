//! Flows: values that come one after another.

use std::future::Future;
use std::time::Duration;

use corox::prelude::*;
use corox::{Capacity, Completion, DEFAULT_CONCURRENCY, Emitter, flow, flow_of};
use tokio::time::Instant;

use super::context::log;

cases! {
    "flow-01" flow_01 "Several values at once";
    "flow-02" flow_02 "Several values that block the thread while they are made";
    "flow-03" flow_03 "Several values at once, later, without blocking";
    "flow-04" flow_04 "Values that come one after another, beside other work";
    "flow-04-blocking" flow_04_blocking "A flow that blocks its thread leaves nobody else a turn";
    "flow-05" flow_05 "A flow runs when it is collected, each time anew";
    "flow-06" flow_06 "A flow that is collected under a time limit";
    "flow-07" flow_07 "A range as a flow";
    "flow-08" flow_08 "An operator that suspends";
    "flow-09" flow_09 "Several values for each";
    "flow-10" flow_10 "The first two, and cleanup above";
    "flow-11" flow_11 "One value of all";
    "flow-12" flow_12 "Each value goes through all operators before the next";
    "flow-13" flow_13 "A flow runs where it is collected";
    "flow-15" flow_15 "Unless it is told to run elsewhere";
    "flow-16" flow_16 "Slow to emit and slow to collect, one after the other";
    "flow-17" flow_17 "The same at a time, with a buffer between";
    "flow-18" flow_18 "Only the newest of what has come meanwhile";
    "flow-19" flow_19 "Starting over with each new value";
    "flow-20" flow_20 "Two flows in pairs";
    "flow-21" flow_21 "Two flows in pairs, at the pace of the slower";
    "flow-22" flow_22 "The newest of each of two flows";
    "flow-23" flow_23 "A flow for each value, one after another";
    "flow-24" flow_24 "A flow for each value, at a time";
    "flow-25" flow_25 "A flow for each value, until the next value";
    "flow-26" flow_26 "A failure of what collects ends the flow";
    "flow-27" flow_27 "A failure of an operator does, too";
    "flow-28" flow_28 "A failure above is caught, and becomes a value";
    "flow-29" flow_29 "A failure below is not";
    "flow-30" flow_30 "Unless what may fail stands above";
    "flow-31" flow_31 "Something after the collection";
    "flow-32" flow_32 "Something at the end of the flow";
    "flow-33" flow_33 "Which is told of a failure, and does not handle it";
    "flow-34" flow_34 "And of one that happened below";
    "flow-35" flow_35 "Events, while one waits";
    "flow-36" flow_36 "Events, in a coroutine of their own";
    "flow-37" flow_37 "A block looks for cancellation whenever it emits";
    "flow-38" flow_38 "A range does not";
    "flow-39" flow_39 "Unless it is asked to";
    "ide-flow-01" ide_flow_01 "One coroutine emits and collects";
    "ide-flow-02" ide_flow_02 "With a buffer it emits while it collects";
}

/// What an example fails with; printed as in Kotlin.
#[derive(Debug)]
struct IllegalState(String);

impl std::fmt::Display for IllegalState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IllegalStateException: {}", self.0)
    }
}

impl std::error::Error for IllegalState {}

fn check(holds: bool, message: impl FnOnce() -> String) -> Result<()> {
    if holds {
        return Ok(());
    }
    Err(IllegalState(message()).into())
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// One to three, a tenth of a second before each.
fn simple() -> impl Flow<Item = i32> {
    flow(async |emitter| {
        for n in 1..=3 {
            delay(ms(100)).await;
            emitter.emit(n).await;
        }
    })
}

/// The same at once, with a line before each.
fn announced() -> impl Flow<Item = i32> {
    flow(async |emitter| {
        for n in 1..=3 {
            println!("Emitting {n}");
            emitter.emit(n).await;
        }
    })
}

fn print(value: impl std::fmt::Display) {
    println!("{value}");
}

async fn perform_request(request: i32) -> String {
    delay(ms(1000)).await;
    format!("response {request}")
}

/// Runs `body`, and prints what it took.
async fn measured(body: impl Future<Output = Result<()>>) -> Result<()> {
    let begin = Instant::now();
    body.await?;
    println!("Collected in {} ms", begin.elapsed().as_millis());
    Ok(())
}

/// Prints lines with the time since it was made.
fn since_start() -> impl Fn(&str) + Clone {
    let start = Instant::now();
    move |text: &str| println!("{text} at {} ms from start", start.elapsed().as_millis())
}

async fn flow_01(_scope: CoroutineScope) -> Result<()> {
    fn simple() -> Vec<i32> {
        vec![1, 2, 3]
    }
    simple().into_iter().for_each(print);
    Ok(())
}

async fn flow_02(_scope: CoroutineScope) -> Result<()> {
    fn simple() -> impl Iterator<Item = i32> {
        (1..=3).inspect(|_| std::thread::sleep(ms(100)))
    }
    simple().for_each(print);
    Ok(())
}

async fn flow_03(_scope: CoroutineScope) -> Result<()> {
    async fn simple() -> Vec<i32> {
        delay(ms(1000)).await;
        vec![1, 2, 3]
    }
    simple().await.into_iter().for_each(print);
    Ok(())
}

async fn flow_04(scope: CoroutineScope) -> Result<()> {
    scope.launch(async {
        for k in 1..=3 {
            println!("I'm not blocked {k}");
            delay(ms(100)).await;
        }
    });
    simple().for_each(print).await
}

async fn flow_04_blocking(scope: CoroutineScope) -> Result<()> {
    let simple = flow(async |emitter| {
        for n in 1..=3 {
            std::thread::sleep(ms(100));
            emitter.emit(n).await;
        }
    });
    scope.launch(async {
        for k in 1..=3 {
            println!("I'm not blocked {k}");
            delay(ms(100)).await;
        }
    });
    simple.for_each(print).await
}

async fn flow_05(_scope: CoroutineScope) -> Result<()> {
    fn simple() -> impl Flow<Item = i32> {
        flow(async |emitter| {
            println!("Flow started");
            for n in 1..=3 {
                delay(ms(100)).await;
                emitter.emit(n).await;
            }
        })
    }
    println!("Calling simple function...");
    let flow = simple();
    println!("Calling collect...");
    flow.clone().for_each(print).await?;
    println!("Calling collect again...");
    flow.for_each(print).await
}

async fn flow_06(_scope: CoroutineScope) -> Result<()> {
    let simple = flow(async |emitter| {
        for n in 1..=3 {
            delay(ms(100)).await;
            println!("Emitting {n}");
            emitter.emit(n).await;
        }
    });
    with_timeout_or_none(ms(250), async |_| simple.for_each(print).await).await?;
    println!("Done");
    Ok(())
}

async fn flow_07(_scope: CoroutineScope) -> Result<()> {
    (1..=3).into_flow().for_each(print).await
}

async fn flow_08(_scope: CoroutineScope) -> Result<()> {
    let requests = (1..=3).into_flow();
    requests.map_async(perform_request).for_each(print).await
}

async fn flow_09(_scope: CoroutineScope) -> Result<()> {
    let answers = (1..=3).into_flow().transform(async |request, emitter| {
        emitter.emit(format!("Making request {request}")).await;
        emitter.emit(perform_request(request).await).await;
    });
    answers.for_each(print).await
}

async fn flow_10(_scope: CoroutineScope) -> Result<()> {
    struct Finally;
    impl Drop for Finally {
        fn drop(&mut self) {
            println!("Finally in numbers");
        }
    }
    let numbers = flow(async |emitter: &Emitter<i32>| {
        let _finally = Finally;
        emitter.emit(1).await;
        emitter.emit(2).await;
        println!("This line will not execute");
        emitter.emit(3).await;
    });
    numbers.take(2).for_each(print).await
}

async fn flow_11(_scope: CoroutineScope) -> Result<()> {
    let squares = (1..=5).into_flow().map(|n| n * n);
    println!("{}", squares.reduce(|a, b| a + b).await?);
    Ok(())
}

async fn flow_12(_scope: CoroutineScope) -> Result<()> {
    let even = (1..=5).into_flow().filter(|n| {
        println!("Filter {n}");
        n % 2 == 0
    });
    let strings = even.map(|n| {
        println!("Map {n}");
        format!("string {n}")
    });
    strings.for_each(|it| println!("Collect {it}")).await
}

async fn flow_13(_scope: CoroutineScope) -> Result<()> {
    let simple = flow(async |emitter| {
        log("Started simple flow");
        for n in 1..=3 {
            emitter.emit(n).await;
        }
    });
    simple.for_each(|n| log(&format!("Collected {n}"))).await
}

async fn flow_15(_scope: CoroutineScope) -> Result<()> {
    let simple = flow(async |emitter| {
        for n in 1..=3 {
            std::thread::sleep(ms(100));
            log(&format!("Emitting {n}"));
            emitter.emit(n).await;
        }
    });
    let elsewhere = simple.flow_on(DEFAULT);
    elsewhere.for_each(|n| log(&format!("Collected {n}"))).await
}

/// Prints a value after 300 ms.
async fn print_slowly(n: i32) {
    delay(ms(300)).await;
    println!("{n}");
}

async fn flow_16(_scope: CoroutineScope) -> Result<()> {
    measured(simple().collect(print_slowly)).await
}

async fn flow_17(_scope: CoroutineScope) -> Result<()> {
    measured(simple().buffer(Capacity::Buffered).collect(print_slowly)).await
}

async fn flow_18(_scope: CoroutineScope) -> Result<()> {
    measured(simple().conflate().collect(print_slowly)).await
}

async fn flow_19(_scope: CoroutineScope) -> Result<()> {
    let collecting = simple().collect_latest(async |n| {
        println!("Collecting {n}");
        delay(ms(300)).await;
        println!("Done {n}");
    });
    measured(collecting).await
}

async fn flow_20(_scope: CoroutineScope) -> Result<()> {
    let numbers = (1..=3).into_flow();
    let strings = flow_of(["one", "two", "three"]);
    let pairs = numbers.zip(strings, |a, b| format!("{a} -> {b}"));
    pairs.for_each(print).await
}

/// One to three, and their names, slower.
fn two() -> (impl Flow<Item = i32>, impl Flow<Item = &'static str>) {
    let numbers = (1..=3)
        .into_flow()
        .on_each_async(async |_| delay(ms(300)).await);
    let strings = flow_of(["one", "two", "three"]).on_each_async(async |_| delay(ms(400)).await);
    (numbers, strings)
}

async fn flow_21(_scope: CoroutineScope) -> Result<()> {
    let (numbers, strings) = two();
    let print = since_start();
    let pairs = numbers.zip(strings, |a, b| format!("{a} -> {b}"));
    pairs.for_each(|pair| print(&pair)).await
}

async fn flow_22(_scope: CoroutineScope) -> Result<()> {
    let (numbers, strings) = two();
    let print = since_start();
    let pairs = numbers.combine(strings, |a, b| format!("{a} -> {b}"));
    pairs.for_each(|pair| print(&pair)).await
}

/// One to three, a tenth of a second before each.
fn requests() -> impl Flow<Item = i32> {
    (1..=3)
        .into_flow()
        .on_each_async(async |_| delay(ms(100)).await)
}

fn request_flow(n: i32) -> impl Flow<Item = String> {
    flow(async move |emitter| {
        emitter.emit(format!("{n}: First")).await;
        delay(ms(500)).await;
        emitter.emit(format!("{n}: Second")).await;
    })
}

async fn flow_23(_scope: CoroutineScope) -> Result<()> {
    let print = since_start();
    let all = requests().flat_map_concat(request_flow);
    all.for_each(|it| print(&it)).await
}

async fn flow_24(_scope: CoroutineScope) -> Result<()> {
    let print = since_start();
    let all = requests().flat_map_merge(DEFAULT_CONCURRENCY, request_flow);
    all.for_each(|it| print(&it)).await
}

async fn flow_25(_scope: CoroutineScope) -> Result<()> {
    let print = since_start();
    let all = requests().flat_map_latest(request_flow);
    all.for_each(|it| print(&it)).await
}

/// Prints a number, and fails if it is more than one.
async fn print_and_check(n: i32) -> Result<()> {
    println!("{n}");
    check(n <= 1, || format!("Collected {n}"))
}

/// The words of the numbers, of which the second fails.
fn words() -> impl Flow<Item = String> {
    announced().try_map(|n| {
        check(n <= 1, || format!("Crashed on {n}"))?;
        Ok(format!("string {n}"))
    })
}

async fn flow_26(_scope: CoroutineScope) -> Result<()> {
    if let Err(error) = announced().collect(print_and_check).await {
        println!("Caught {error}");
    }
    Ok(())
}

async fn flow_27(_scope: CoroutineScope) -> Result<()> {
    if let Err(error) = words().for_each(print).await {
        println!("Caught {error}");
    }
    Ok(())
}

async fn flow_28(_scope: CoroutineScope) -> Result<()> {
    let caught = words().catch(async |error, emitter| {
        emitter.emit(format!("Caught {error}")).await;
    });
    caught.for_each(print).await
}

async fn flow_29(_scope: CoroutineScope) -> Result<()> {
    let caught = announced().catch(async |error, _| println!("Caught {error}"));
    caught
        .collect(async |n| {
            check(n <= 1, || format!("Collected {n}"))?;
            println!("{n}");
            Ok(())
        })
        .await
}

async fn flow_30(_scope: CoroutineScope) -> Result<()> {
    let checked = announced().try_map(|n| {
        check(n <= 1, || format!("Collected {n}"))?;
        println!("{n}");
        Ok(())
    });
    checked
        .catch(async |error, _| println!("Caught {error}"))
        .run()
        .await
}

async fn flow_31(_scope: CoroutineScope) -> Result<()> {
    let collected = (1..=3).into_flow().for_each(print).await;
    println!("Done");
    collected
}

async fn flow_32(_scope: CoroutineScope) -> Result<()> {
    let numbers = (1..=3).into_flow();
    numbers
        .on_completion(|_| println!("Done"))
        .for_each(print)
        .await
}

async fn flow_33(_scope: CoroutineScope) -> Result<()> {
    let failing = flow(async |emitter| {
        emitter.emit(1).await;
        Err(Error::msg("no more"))
    });
    failing
        .on_completion(|end| {
            if let Completion::Failed(_) = end {
                println!("Flow completed exceptionally");
            }
        })
        .catch(async |_, _| println!("Caught exception"))
        .for_each(print)
        .await
}

async fn flow_34(_scope: CoroutineScope) -> Result<()> {
    let numbers = (1..=3).into_flow().on_completion(|end| match end {
        Completion::Failed(error) | Completion::Cancelled(Some(error)) => {
            println!("Flow completed with {error}");
        }
        Completion::Finished | Completion::Cancelled(None) => println!("Flow completed"),
    });
    numbers
        .collect(async |n| {
            check(n <= 1, || format!("Collected {n}"))?;
            println!("{n}");
            Ok(())
        })
        .await
}

/// Events, one every tenth of a second.
fn events() -> impl Flow<Item = i32> {
    (1..=3)
        .into_flow()
        .on_each_async(async |_| delay(ms(100)).await)
}

async fn flow_35(_scope: CoroutineScope) -> Result<()> {
    events()
        .on_each(|event| println!("Event: {event}"))
        .run()
        .await?;
    println!("Done");
    Ok(())
}

async fn flow_36(scope: CoroutineScope) -> Result<()> {
    events()
        .on_each(|event| println!("Event: {event}"))
        .launch_in(&scope);
    println!("Done");
    Ok(())
}

/// Prints a number, and cancels the scope at the third.
fn print_and_cancel(scope: &CoroutineScope) -> impl FnMut(i32) {
    let job = scope.job().clone();
    move |n| {
        if n == 3 {
            job.cancel();
        }
        println!("{n}");
    }
}

async fn flow_37(scope: CoroutineScope) -> Result<()> {
    let numbers = flow(async |emitter| {
        for n in 1..=5 {
            println!("Emitting {n}");
            emitter.emit(n).await;
        }
    });
    numbers.for_each(print_and_cancel(&scope)).await
}

async fn flow_38(scope: CoroutineScope) -> Result<()> {
    (1..=5).into_flow().for_each(print_and_cancel(&scope)).await
}

async fn flow_39(scope: CoroutineScope) -> Result<()> {
    let numbers = (1..=5).into_flow().cancellable();
    numbers.for_each(print_and_cancel(&scope)).await
}

async fn ide_flow_01(_scope: CoroutineScope) -> Result<()> {
    simple().collect(print_slowly).await
}

async fn ide_flow_02(_scope: CoroutineScope) -> Result<()> {
    simple()
        .buffer(Capacity::Buffered)
        .collect(print_slowly)
        .await
}
