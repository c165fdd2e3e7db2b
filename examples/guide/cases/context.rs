//! Context and dispatchers.

use std::cell::Cell;
use std::time::Duration;

use corox::{
    CompletableJob, ContextElement, CoroutineContext, CoroutineName, CoroutineScope, DEFAULT,
    Dispatcher, LocalKeyExt, Result, UNCONFINED, coroutine_scope, delay, new_single_thread_context,
    thread_label, with_context, yield_now,
};

cases! {
    "context-01" context_01 "The dispatcher chooses the thread: inherited, none, a pool, a thread of its own";
    "context-02" context_02 "Unconfined, a coroutine goes on wherever it is woken; otherwise it comes back";
    "context-03" context_03 "In debug mode a coroutine has a number, and a log can name it";
    "context-04" context_04 "One coroutine moves to another thread and back";
    "context-05" context_05 "The job of a coroutine is in its context";
    "context-06" context_06 "A coroutine with a job of its own is nobody's child";
    "context-07" context_07 "A parent is complete only after its children";
    "context-08" context_08 "A name takes the place of the word coroutine";
    "context-09" context_09 "Elements of a context add up";
    "context-10" context_10 "An object owns the scope of the coroutines that work for it";
    "context-11" context_11 "A thread-local that has a value of its own in a coroutine, on whichever thread";
}

pub(super) fn log(text: &str) {
    println!("[{}] {text}", thread_label());
}

pub(super) async fn context_01(scope: CoroutineScope) -> Result<()> {
    let own_thread = new_single_thread_context("MyOwnThread");
    scope.launch(async {
        println!(
            "main runBlocking      : I'm working in thread {}",
            thread_label()
        );
    });
    scope.with(UNCONFINED).launch(async {
        println!(
            "Unconfined            : I'm working in thread {}",
            thread_label()
        );
    });
    scope.with(DEFAULT).launch(async {
        println!(
            "Default               : I'm working in thread {}",
            thread_label()
        );
    });
    let job = scope.with(&own_thread).launch(async {
        println!(
            "newSingleThreadContext: I'm working in thread {}",
            thread_label()
        );
    });
    // Its thread ends when `own_thread` is dropped, and what still runs there would be cancelled.
    job.join().await;
    Ok(())
}

pub(super) async fn context_02(scope: CoroutineScope) -> Result<()> {
    scope.with(UNCONFINED).launch(async {
        println!("Unconfined      : I'm working in thread {}", thread_label());
        delay(Duration::from_millis(500)).await;
        println!("Unconfined      : After delay in thread {}", thread_label());
    });
    scope.launch(async {
        println!("main runBlocking: I'm working in thread {}", thread_label());
        delay(Duration::from_millis(1000)).await;
        println!("main runBlocking: After delay in thread {}", thread_label());
    });
    Ok(())
}

async fn context_03(scope: CoroutineScope) -> Result<()> {
    let a = scope.spawn(async {
        log("I'm computing a piece of the answer");
        Ok(6)
    });
    let b = scope.spawn(async {
        log("I'm computing another piece of the answer");
        Ok(7)
    });
    let answer = a.await? * b.await?;
    log(&format!("The answer is {answer}"));
    Ok(())
}

async fn context_04(_: CoroutineScope) -> Result<()> {
    let ctx1 = new_single_thread_context("Ctx1");
    let ctx2 = new_single_thread_context("Ctx2");
    with_context(&ctx1, async move {
        log("Started in ctx1");
        with_context(&ctx2, async {
            log("Working in ctx2");
            Ok(())
        })
        .await?;
        log("Back to ctx1");
        Ok(())
    })
    .await
}

async fn context_05(_: CoroutineScope) -> Result<()> {
    let context = CoroutineContext::current();
    let job = context.job().expect("the job of a coroutine");
    println!("My job is {job}");
    Ok(())
}

async fn context_06(scope: CoroutineScope) -> Result<()> {
    // A request, with two coroutines that work for it.
    let request = scope.launch(coroutine_scope(async |scope| {
        // The first gets a job of its own for a parent.
        scope.with(CompletableJob::new()).launch(async {
            println!("job1: I run in my own Job and execute independently!");
            delay(Duration::from_millis(1000)).await;
            println!("job1: I am not affected by cancellation of the request");
        });
        // The other is a child of the request.
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
    println!("main: Who has survived request cancellation?");
    // Nobody waits for a coroutine without a parent: time for it to end.
    delay(Duration::from_millis(1000)).await;
    Ok(())
}

async fn context_07(scope: CoroutineScope) -> Result<()> {
    let request = scope.launch(coroutine_scope(async |scope| {
        for i in 0..3 {
            scope.launch(async move {
                delay(Duration::from_millis(200 * (i + 1))).await;
                println!("Coroutine {i} is done");
            });
        }
        println!("request: I'm done and I don't explicitly join my children that are still active");
        Ok(())
    }));
    request.join().await;
    println!("Now processing of the request is complete");
    Ok(())
}

async fn context_08(_: CoroutineScope) -> Result<()> {
    let named = coroutine_scope(async |scope| {
        log("Started main coroutine");
        let v1 = scope.with(CoroutineName::new("v1coroutine")).spawn(async {
            delay(Duration::from_millis(500)).await;
            log("Computing v1");
            Ok(252)
        });
        let v2 = scope.with(CoroutineName::new("v2coroutine")).spawn(async {
            delay(Duration::from_millis(1000)).await;
            log("Computing v2");
            Ok(6)
        });
        let answer = v1.await? / v2.await?;
        log(&format!("The answer for v1 / v2 = {answer}"));
        Ok(())
    });
    with_context(CoroutineName::new("main"), named).await
}

async fn context_09(scope: CoroutineScope) -> Result<()> {
    scope
        .with(DEFAULT + CoroutineName::new("test"))
        .launch(async {
            println!("I'm working in thread {}", thread_label());
        });
    Ok(())
}

async fn context_10(scope: CoroutineScope) -> Result<()> {
    struct Activity {
        scope: CoroutineScope,
    }

    impl Activity {
        fn new(dispatcher: &Dispatcher) -> Activity {
            Activity {
                scope: CoroutineScope::new(dispatcher.clone()),
            }
        }

        fn do_something(&self) {
            for i in 0..10 {
                self.scope.launch(async move {
                    delay(Duration::from_millis(200 * (i + 1))).await;
                    println!("Coroutine {i} is done");
                });
            }
        }

        fn destroy(&self) {
            self.scope.cancel();
        }
    }

    let context = scope.context();
    let activity = Activity::new(context.dispatcher().expect("that of the root"));
    activity.do_something();
    println!("Launched coroutines");
    delay(Duration::from_millis(500)).await;
    println!("Destroying activity!");
    activity.destroy();
    // Time in which the others would be heard of.
    delay(Duration::from_millis(1000)).await;
    Ok(())
}

async fn context_11(scope: CoroutineScope) -> Result<()> {
    thread_local!(static VALUE: Cell<&'static str> = const { Cell::new("none") });

    fn show(when: &str) {
        println!(
            "{when}, current thread: {}, thread local value: '{}'",
            thread_label(),
            VALUE.get()
        );
    }

    VALUE.set("main");
    show("Pre-main");
    let element = VALUE.as_context_element("launch");
    let job = scope.with(element.plus(DEFAULT)).launch(async {
        show("Launch start");
        yield_now().await;
        show("After yield");
    });
    job.join().await;
    show("Post-main");
    Ok(())
}
