//! The cookbook: what it says of coroutines, contexts, dispatchers, channels, flows and failures.

mod flows;

use std::thread;
use std::time::Duration;

use corox::{
    Capacity, Channel, ChannelBuilders, CompletableDeferred, CoroutineContext, CoroutineName,
    CoroutineScope, DEFAULT, Dispatcher, ExceptionHandler, FinallyExt, GlobalScope, Receiver,
    Result, SupervisorJob, catch_cancellation, coroutine_scope, delay, is_active, with_context,
};

use self::flows::{
    are_cold, cancelled, caught, caught_declaratively, failure, launched, not_blocking,
    on_another_thread, transformed,
};
use super::context::{context_01, context_02};

cases! {
    "cookbook-suspending-function" cookbook_suspending_function "A function that suspends, and returns a value";
    "cookbook-builders" cookbook_builders "Launch for what is done, spawn for what is computed";
    "cookbook-name-override" cookbook_name_override "An element given to launch takes the place of the scope's";
    "cookbook-scope-extension" cookbook_scope_extension "A function that launches takes the scope, and returns at once";
    "cookbook-global-request" cookbook_global_request "A coroutine of GlobalScope is nobody's child";
    "cookbook-dispatchers" context_01 "The dispatcher chooses the thread: the program of context-01";
    "cookbook-unconfined" context_02 "Unconfined against confined: the program of context-02";
    "cookbook-channel-close" cookbook_channel_close "A channel that is closed ends the loop, after all that was sent before";
    "cookbook-pipeline-map" cookbook_pipeline_map "A coroutine that produces, and one that doubles";
    "cookbook-fan-out" cookbook_fan_out "Three receive from one channel until it is cancelled";
    "cookbook-fan-in" cookbook_fan_in "Three send into one channel until it is closed";
    "cookbook-sequence-blocks" cookbook_sequence_blocks "An iterator that blocks leaves nobody else a turn";
    "cookbook-flow-not-blocking" not_blocking "A flow that waits leaves others their turns";
    "cookbook-flows-cold" are_cold "A flow runs anew for each that collects it";
    "cookbook-cancel-flow" cancelled "A flow is cancelled with what collects it";
    "cookbook-transform" transformed "An operator that emits what it likes";
    "cookbook-flow-on" on_another_thread "The block runs on the pool, and what collects stays where it is";
    "cookbook-flow-exception" failure "A failure in an operator is that of the collection";
    "cookbook-flow-catch" caught "Or is caught by an operator, for what stands above it";
    "cookbook-flow-catch-declarative" caught_declaratively "Which is the reason to do the work above it, too";
    "cookbook-launch-in" launched "A collection as a coroutine of its own";
    "cookbook-global-no-handler" cookbook_global_no_handler "What becomes of the failures of launch and spawn outside of any scope";
    "cookbook-exception-handler" cookbook_exception_handler "A handler gets the failure of launch; that of spawn ends who awaits it";
    "cookbook-inner-cancellation" cookbook_inner_cancellation "The child is cancelled, and the parent goes on";
    "cookbook-children-first" cookbook_children_first "A failure is handled when all children have ended";
    "cookbook-suppressed" cookbook_suppressed "The first failure counts, and the others are attached to it";
    "cookbook-supervision" cookbook_supervision "One fails, the other goes on until the supervisor is cancelled";
}

exceptions! {
    ArithmeticException
    IllegalArgumentException
    NumberFormatException
}

/// Roots run where the program does in some cases, not on the pool, so that a test can give them its clock.
fn here(scope: &CoroutineScope) -> Dispatcher {
    let context = scope.context();
    context.dispatcher().expect("that of the root").clone()
}

async fn cookbook_suspending_function(_: CoroutineScope) -> Result<()> {
    async fn simple_suspending_function() -> u32 {
        delay(Duration::from_millis(100)).await;
        print!(".");
        1
    }

    assert_eq!(simple_suspending_function().await, 1);
    Ok(())
}

async fn cookbook_builders(scope: CoroutineScope) -> Result<()> {
    scope.launch(async {
        delay(Duration::from_millis(100)).await;
        println!("Work done!");
    });
    let answer = scope.with(DEFAULT).spawn(async {
        delay(Duration::from_millis(100)).await;
        Ok(11)
    });
    assert_eq!(answer.await?, 11);
    Ok(())
}

async fn cookbook_name_override(_: CoroutineScope) -> Result<()> {
    let named = coroutine_scope(async |scope| {
        scope.with(CoroutineName::new("child")).launch(async {
            println!("My context is {:?}", CoroutineContext::current());
        });
        Ok(())
    });
    with_context(CoroutineName::new("parent"), named).await
}

async fn cookbook_scope_extension(scope: CoroutineScope) -> Result<()> {
    trait DoThis {
        fn do_this(&self);
    }

    impl DoThis for CoroutineScope {
        fn do_this(&self) {
            self.launch(async { println!("I'm fine") });
        }
    }

    fn do_that_in(scope: &CoroutineScope) {
        scope.launch(async { println!("I'm fine, too") });
    }

    scope.do_this();
    do_that_in(&scope);
    Ok(())
}

async fn cookbook_global_request(scope: CoroutineScope) -> Result<()> {
    let here = here(&scope);
    let request = scope.launch(coroutine_scope(async move |scope| {
        GlobalScope.with(here).launch(async {
            println!("job1: I run in GlobalScope and execute independently!");
            delay(Duration::from_millis(1000)).await;
            println!("job1: I am not affected by cancellation of the request");
        });
        scope.launch(async {
            delay(Duration::from_millis(100)).await;
            println!("job2: I am a child of the request coroutine");
            delay(Duration::from_millis(1000)).await;
            println!("job2: I will not execute this line if my parent request is cancelled");
        });
        Ok(())
    }));
    delay(Duration::from_millis(500)).await;
    request.cancel();
    delay(Duration::from_millis(1000)).await;
    println!("main: Who has survived request cancellation?");
    Ok(())
}

async fn cookbook_channel_close(scope: CoroutineScope) -> Result<()> {
    let channel = Channel::new(Capacity::Rendezvous);
    let numbers = channel.clone();
    scope.launch(async move {
        numbers.send(1).await?;
        delay(Duration::from_millis(100)).await;
        numbers.send(2).await?;
        numbers.close();
        Ok(())
    });
    while let Some(number) = channel.next().await? {
        print!("{number} ");
    }
    println!("Consumed!");
    Ok(())
}

fn produce_numbers(scope: &CoroutineScope) -> Receiver<u32> {
    scope.produce(Capacity::Rendezvous, async |producer| {
        for number in 1..=10 {
            producer.send(number).await?;
            delay(Duration::from_millis(400)).await;
        }
        Ok(())
    })
}

async fn cookbook_pipeline_map(scope: CoroutineScope) -> Result<()> {
    fn map(
        scope: &CoroutineScope,
        numbers: Receiver<u32>,
        mapper: impl Fn(u32) -> u32 + Send + 'static,
    ) -> Receiver<u32> {
        scope.produce(Capacity::Rendezvous, async move |producer| {
            while let Some(number) = numbers.next().await? {
                producer.send(mapper(number)).await?;
            }
            Ok(())
        })
    }

    let numbers = produce_numbers(&scope);
    let doubled = map(&scope, numbers, |number| number * 2);
    while let Some(number) = doubled.next().await? {
        println!("{number}");
    }
    println!("Done!");
    Ok(())
}

async fn cookbook_fan_out(scope: CoroutineScope) -> Result<()> {
    async fn number_processor(id: u32, numbers: Receiver<u32>) -> Result<()> {
        while let Some(number) = numbers.next().await? {
            println!("Processor #{id} received {number}");
        }
        Ok(())
    }

    let numbers = produce_numbers(&scope);
    for id in 1..=3 {
        scope.launch(number_processor(id, numbers.clone()));
    }
    scope.launch(async move {
        delay(Duration::from_millis(2000)).await;
        numbers.cancel();
    });
    Ok(())
}

async fn cookbook_fan_in(scope: CoroutineScope) -> Result<()> {
    #[derive(Clone, Copy)]
    enum Value {
        Text(&'static str),
        Number(u32),
    }

    async fn send_to_channel(channel: Channel<Value>, value: Value, time: Duration) -> Result<()> {
        while is_active() && !channel.is_closed_for_send() {
            delay(time).await;
            if !channel.is_closed_for_send() {
                channel.send(value).await?;
            }
        }
        Ok(())
    }

    let channel = Channel::new(Capacity::Rendezvous);
    let senders = [
        (Value::Text("ONE"), 200),
        (Value::Text("TWO"), 400),
        (Value::Number(1), 500),
    ];
    for (value, time) in senders {
        let time = Duration::from_millis(time);
        scope.launch(send_to_channel(channel.clone(), value, time));
    }
    let closed = channel.clone();
    scope.launch(async move {
        delay(Duration::from_millis(3000)).await;
        closed.close();
    });
    while let Some(value) = channel.next().await? {
        match value {
            Value::Text(text) => println!("{text}"),
            Value::Number(number) => println!("{number}"),
        }
    }
    println!("Done!");
    Ok(())
}

async fn cookbook_sequence_blocks(scope: CoroutineScope) -> Result<()> {
    fn numbers() -> impl Iterator<Item = u32> {
        (1..=5).inspect(|_| thread::sleep(Duration::from_millis(200)))
    }

    scope.launch(async {
        for number in numbers() {
            println!("{number}");
        }
    });
    scope.launch(async {
        for number in 11..=15 {
            delay(Duration::from_millis(100)).await;
            println!("{number}");
        }
    });
    Ok(())
}

async fn cookbook_global_no_handler(_: CoroutineScope) -> Result<()> {
    let job = GlobalScope.launch(async {
        println!("inside launch, throwing an exception");
        Err(IllegalArgumentException.into())
    });
    let deferred = GlobalScope.spawn(async {
        println!("inside async, throwing an exception");
        Err::<(), _>(NumberFormatException.into())
    });
    job.join().await;
    println!("Joined failed job");
    match deferred.await {
        Err(error) if error.downcast_ref::<NumberFormatException>().is_some() => {
            println!("Caught async exception {error}");
            Ok(())
        }
        other => other,
    }
}

async fn cookbook_exception_handler(_: CoroutineScope) -> Result<()> {
    let handler = ExceptionHandler::new(|_, error| {
        println!("In a coroutine exception handler, caught {error}");
    });
    let job = GlobalScope.with(handler.clone()).launch(async {
        println!("Throwing in launch");
        Err(IllegalArgumentException.into())
    });
    // For this one the handler does nothing.
    let deferred = GlobalScope.with(handler).spawn(async {
        println!("Throwing in async");
        Err::<(), _>(NumberFormatException.into())
    });
    job.join().await;
    deferred.await
}

async fn cookbook_inner_cancellation(scope: CoroutineScope) -> Result<()> {
    let (found, child) = CompletableDeferred::new().into_deferred();
    let parent = scope
        .with(DEFAULT)
        .launch(coroutine_scope(async move |scope| {
            let ticking = async {
                while is_active() {
                    delay(Duration::from_millis(10)).await;
                    print!("+");
                }
            };
            let cleanup = async { print!("Child is cancelled") };
            found.complete(scope.launch(ticking.finally(cleanup)));
            while is_active() {
                delay(Duration::from_millis(10)).await;
                print!(".");
            }
            Ok(())
        }));
    let child = child.await?;
    delay(Duration::from_millis(100)).await;
    child.cancel();
    delay(Duration::from_millis(150)).await;
    parent.cancel_and_join().await;
    println!();
    Ok(())
}

async fn cookbook_children_first(scope: CoroutineScope) -> Result<()> {
    let handler = ExceptionHandler::new(|_, error| println!("Caught {error}"));
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

async fn cookbook_suppressed(scope: CoroutineScope) -> Result<()> {
    let handler = ExceptionHandler::new(|_, error| {
        let suppressed: Vec<_> = error.suppressed().iter().map(|e| e.to_string()).collect();
        println!("Caught {error} with suppressed [{}]", suppressed.join(", "));
    });
    let root = GlobalScope.with(here(&scope)).with(handler);
    let job = root.launch(coroutine_scope(async |scope| {
        scope.launch(async {
            let _ = catch_cancellation(delay(Duration::MAX)).await;
            Err(ArithmeticException.into())
        });
        scope.launch(async {
            delay(Duration::from_millis(100)).await;
            Err(IllegalArgumentException.into())
        });
        delay(Duration::MAX).await;
        Ok(())
    }));
    job.join().await;
    Ok(())
}

async fn cookbook_supervision(scope: CoroutineScope) -> Result<()> {
    let handler = ExceptionHandler::new(|_, error| {
        println!("In a coroutine exception handler, caught {error}");
    });
    let supervisor = SupervisorJob::new();
    let scope = scope + supervisor.clone() + handler;
    let first = scope.launch(async {
        delay(Duration::from_millis(10)).await;
        println!("First throws an exception");
        Err(IllegalArgumentException.into())
    });
    scope.launch(async {
        println!("Second goes to sleep");
        let cleanup = async { println!("Second cancelled") };
        delay(Duration::MAX).finally(cleanup).await;
    });
    first.join().await;
    println!("First is down");
    println!("Second is sleeping");
    println!("cancelling supervisor");
    supervisor.cancel();
    Ok(())
}
