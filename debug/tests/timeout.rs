//! Tests that hang, and fail with a dump.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{channel, sync_channel};
use std::time::Duration;

use corox_core::{
    Dispatcher, Result, await_cancellation, delay, probe, run_blocking, with_context,
};
use corox_debug::{CoroutinesTimeout, DebugProbes};

/// One at a time: the probes belong to the process.
static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

fn failure(run: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(run)).unwrap_err();
    let text = payload.downcast_ref::<String>().cloned();
    text.unwrap_or_else(|| (*payload.downcast_ref::<&str>().unwrap()).to_owned())
}

/// `debug-coroutines-timeout` of the guide: root and child are in the dump, with who has launched them, and go on.
#[test]
fn a_test_that_hangs_fails_with_a_dump() {
    let _alone = ALONE.lock().unwrap_or_else(|poison| poison.into_inner());
    let (go, gone) = channel::<()>();
    let (over, ended) = sync_channel(1);
    let limit = CoroutinesTimeout::new(Duration::from_millis(300));
    let line = line!() + 2;
    let text = failure(|| {
        limit.run(move || {
            let result = run_blocking(async |scope| {
                let hanging = with_context(Dispatcher::IO, async move { Ok(gone.recv()?) });
                let child = scope.launch(hanging);
                child.join().await;
                Ok(())
            });
            over.send(result.is_ok()).unwrap();
        });
    });
    let (first, dump) = text.split_once('\n').unwrap();
    assert!(
        first.starts_with("the test has timed out after 300ms ("),
        "{first}"
    );
    assert!(first.contains(&format!("{}:{line}:", file!())), "{first}");
    assert!(dump.starts_with("Coroutines dump "), "{dump}");
    assert!(dump.contains(":BlockingCoroutine{Active}@"), "{dump}");
    assert!(dump.contains(":StandaloneCoroutine{Active}@"), "{dump}");
    assert!(dump.contains(", state: RUNNING on corox-"), "{dump}");
    assert!(dump.contains("\tat with_context ("), "{dump}");
    assert!(dump.contains("\tat join ("), "{dump}");
    let (_, creation) = dump.split_once("\t(it was created)\n").unwrap();
    assert!(
        creation.contains("timeout::a_test_that_hangs_fails_with_a_dump"),
        "{dump}"
    );
    // It was not cancelled.
    go.send(()).unwrap();
    assert_eq!(ended.recv(), Ok(true));
    assert!(!DebugProbes::is_installed());
}

#[test]
fn what_hangs_is_cancelled_when_asked_for() {
    let _alone = ALONE.lock().unwrap_or_else(|poison| poison.into_inner());
    let (over, ended) = sync_channel(1);
    let limit = CoroutinesTimeout::new(Duration::from_millis(50));
    let limit = limit.cancel_on_timeout(true).creation_stacks(false);
    let text = failure(|| {
        limit.run(move || {
            let result = run_blocking(async |_| -> Result<()> { await_cancellation().await });
            over.send(result.unwrap_err().is_cancellation()).unwrap();
        });
    });
    assert!(!text.contains("(it was created)"), "{text}");
    assert_eq!(ended.recv(), Ok(true));
}

#[test]
fn a_test_that_ends_gives_what_it_gives() {
    let _alone = ALONE.lock().unwrap_or_else(|poison| poison.into_inner());
    let limit = CoroutinesTimeout::seconds(60);
    let seven = limit.run(|| {
        assert!(probe::is_installed());
        run_blocking(async |_| {
            delay(Duration::from_millis(1)).await;
            Ok(7)
        })
    });
    assert_eq!(seven.unwrap(), 7);
    assert_eq!(failure(|| limit.run(|| panic!("its own"))), "its own");
    assert!(!DebugProbes::is_installed());
}

#[test]
fn a_limit_of_nothing_is_refused() {
    let text = failure(|| _ = CoroutinesTimeout::seconds(0));
    assert!(
        text.contains("give CoroutinesTimeout a limit above zero"),
        "{text}"
    );
}

/// Two at the same time, of which the first to begin is the first to end, leave the option as it was.
#[test]
fn limits_that_overlap_leave_no_creation_stacks_behind() {
    let _alone = ALONE.lock().unwrap_or_else(|poison| poison.into_inner());
    let limit = CoroutinesTimeout::seconds(60);
    let (go, gone) = channel::<()>();
    let second = limit.run(move || {
        let (begun, has_begun) = channel::<()>();
        let second = std::thread::spawn(move || {
            limit.run(move || {
                begun.send(()).unwrap();
                gone.recv().unwrap();
                has_creation_stack()
            })
        });
        has_begun.recv().unwrap();
        second
    });
    go.send(()).unwrap();
    assert!(second.join().unwrap(), "the second one has lost its stacks");
    let left = DebugProbes::with_probes(has_creation_stack);
    assert!(!left, "stacks are taken though nobody wants them");
}

fn has_creation_stack() -> bool {
    run_blocking(async |_| {
        let infos = DebugProbes::dump_coroutines_info()?;
        Ok(infos.iter().any(|info| !info.creation_stack.is_empty()))
    })
    .unwrap()
}
