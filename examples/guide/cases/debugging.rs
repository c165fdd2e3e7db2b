//! Debugging, with the feature `debug`.

use std::time::Duration;

use corox::debug::{CoroutineInfo, DebugProbes};
use corox::{CoroutineScope, Deferred, Result, coroutine_scope, delay, run_blocking};

cases! {
    "ide-coroutines-01" ide_coroutines_01 "Two parts of an answer, each computed by a coroutine";
    "ide-coroutines-02" fn ide_coroutines_02 "The states of its coroutines, at the three lines that print";
    "debug-probes-dump" fn debug_probes_dump "All coroutines, one second into a computation, and who has launched them";
    "debug-probes-print-job" fn debug_probes_print_job "One job and what is below it, with the lines where each waits";
    "debug-no-creation-traces" fn debug_no_creation_traces "As it is in production: nobody knows who has launched what";
}

async fn ide_coroutines_01(scope: CoroutineScope) -> Result<()> {
    let a = scope.spawn(async {
        println!("I'm computing part of the answer");
        Ok(6)
    });
    let b = scope.spawn(async {
        println!("I'm computing another part of the answer");
        Ok(7)
    });
    println!("The answer is {}", a.await? * b.await?);
    Ok(())
}

/// Prints the coroutines that live, by numbers from 1.
fn print_states(first: u64) -> Result<()> {
    let state = |info: &CoroutineInfo| {
        let number = info.id.map_or(0, |id| id - first + 1);
        format!("{number} {}", info.state)
    };
    let states: Vec<_> = DebugProbes::dump_coroutines_info()?
        .iter()
        .map(state)
        .collect();
    println!("{}", states.join(", "));
    Ok(())
}

fn ide_coroutines_02() {
    let result = DebugProbes::with_probes(|| {
        run_blocking(async |scope| {
            let root = scope.job().id().unwrap_or(0);
            let a = scope.spawn(async move {
                print_states(root)?;
                Ok(6)
            });
            let b = scope.spawn(async move {
                print_states(root)?;
                Ok(7)
            });
            print_states(root)?;
            let (a, b) = (a.await?, b.await?);
            assert_eq!(a * b, 42);
            Ok(())
        })
    });
    result.expect("nothing fails");
}

async fn compute_value() -> Result<String> {
    coroutine_scope(async |scope| {
        let one = scope.spawn(compute_one());
        let two = scope.spawn(compute_two());
        combine(one, two).await
    })
    .await
}

async fn combine(one: Deferred<String>, two: Deferred<String>) -> Result<String> {
    Ok(one.await? + &two.await?)
}

async fn compute_one() -> Result<String> {
    delay(Duration::from_millis(5000)).await;
    Ok("4".to_owned())
}

async fn compute_two() -> Result<String> {
    delay(Duration::from_millis(5000)).await;
    Ok("2".to_owned())
}

/// Calls `look` one second into the computation, and does without the rest.
fn while_it_computes(look: fn(&Deferred<String>) -> Result<()>) {
    let result = DebugProbes::with_probes(|| {
        run_blocking(async |scope| {
            let deferred = scope.spawn(compute_value());
            delay(Duration::from_millis(1000)).await;
            DebugProbes::capture_stacks(Duration::from_secs(1)).await?;
            look(&deferred)?;
            deferred.cancel();
            Ok(())
        })
    });
    result.expect("nothing fails");
}

fn debug_probes_dump() {
    DebugProbes::set_creation_stacks(true);
    while_it_computes(|_| {
        print!("{}", DebugProbes::dump_coroutines()?);
        Ok(())
    });
    DebugProbes::set_creation_stacks(false);
}

fn debug_probes_print_job() {
    while_it_computes(|deferred| {
        println!("\nDumping only deferred");
        print!("{}", DebugProbes::job_to_string(deferred.job())?);
        Ok(())
    });
}

fn debug_no_creation_traces() {
    while_it_computes(|_| {
        print!("{}", DebugProbes::dump_coroutines()?);
        Ok(())
    });
}
