//! Who waits for whom, and rings of those who do: what is a deadlock, and what is none.

mod jobs;
mod locks;
mod several_waits;
#[path = "../support/mod.rs"]
mod support;
mod when;

use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

use corox_core::{CoroutineName, CoroutineScope, Job, run_blocking, yield_now};
use corox_debug::{CoroutineInfo, CoroutineState, DebugProbes};
use corox_sync::Mutex;
use support::probed;

/// Until everybody else of this thread waits.
async fn settle() {
    for _ in 0..20 {
        yield_now().await;
    }
}

/// Whether it is suspended in so many waits.
fn is_stuck_in(waits: usize, info: &CoroutineInfo) -> bool {
    info.state == CoroutineState::Suspended && info.awaits.len() == waits
}

/// The deadlocks, without numbers and with lines of the caller's file as counted from `first`.
#[track_caller]
fn deadlocks(first: u32) -> Vec<String> {
    let file = Location::caller().file();
    let found = DebugProbes::deadlocks().unwrap();
    let plain = |text: String| plain_in(file, &text, first);
    found.iter().map(|one| plain(one.to_string())).collect()
}

/// Places in the caller's file as lines counted from `first`, and no numbers.
#[track_caller]
fn plain_sentence(text: &str, first: u32) -> String {
    plain_in(Location::caller().file(), text, first)
}

fn plain_in(file: &str, text: &str, first: u32) -> String {
    let mut parts = text.split(file);
    let mut plain = parts.next().unwrap().to_owned();
    for part in parts {
        let mut rest = part.splitn(3, ':');
        let line = rest.nth(1).unwrap().parse::<u32>().unwrap();
        let rest = rest.next().unwrap();
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        plain.push_str(&format!("line {}{rest}", line - first));
    }
    let plain = support::without(&plain, '@');
    support::without(&plain, '#').trim_end().to_owned()
}

/// A coroutine with a name, so that it is found.
fn launch(
    scope: &CoroutineScope,
    name: &'static str,
    body: impl Future<Output = ()> + Send + 'static,
) -> Job {
    scope.with(CoroutineName::new(name)).launch(body)
}

/// Runs `test` on this thread, with probes, and cancels what it has launched.
fn on_one_thread(
    test: impl AsyncFnOnce(&CoroutineScope) -> corox_core::Result<()> + Send + 'static,
) {
    probed(|| {
        run_blocking(async |scope| {
            test(&scope).await?;
            scope.job().cancel_children();
            Ok(())
        })
        .unwrap();
    });
}

/// `n` coroutines, each of which locks its own mutex and then that of the next one.
fn ring(scope: &CoroutineScope, names: &[&'static str]) -> Vec<Job> {
    let mutexes: Vec<_> = names.iter().map(|_| Arc::new(Mutex::new(()))).collect();
    let coroutines = names.iter().enumerate().map(|(number, name)| {
        let own = mutexes[number].clone();
        let next = mutexes[(number + 1) % names.len()].clone();
        launch(scope, name, async move {
            let _own = own.lock().await;
            yield_now().await;
            let _next = next.lock().await;
        })
    });
    coroutines.collect()
}
