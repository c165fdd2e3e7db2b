//! A dump may be taken anywhere, and never hangs.

mod support;

use std::cell::RefCell;
use std::process::Command;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use corox_core::{
    Dispatcher, GlobalScope, Result, await_cancellation, coroutine_scope,
    new_single_thread_context, run_blocking, yield_now,
};
use corox_debug::DebugProbes;
use support::probed;

fn dump() -> String {
    DebugProbes::dump_coroutines().unwrap()
}

#[test]
fn inside_a_poll() {
    probed(|| {
        run_blocking(async |scope| {
            for dispatcher in [Dispatcher::DEFAULT, Dispatcher::UNCONFINED, Dispatcher::IO] {
                let text = scope.with(dispatcher).spawn(async { Ok(dump()) }).await?;
                assert!(text.contains("DeferredCoroutine{Active}"), "{text}");
                assert!(text.contains(", state: RUNNING on "), "{text}");
            }
            Ok(())
        })
        .unwrap();
    });
}

/// On a thread that polls, but no coroutine: it might wait for itself.
#[test]
fn inside_a_task_of_tokio() {
    probed(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let text = runtime.block_on(async {
            let waiting = tokio::spawn(coroutine_scope(async |_| -> Result<()> {
                await_cancellation().await
            }));
            tokio::task::yield_now().await;
            let text = tokio::spawn(async { dump() }).await.unwrap();
            waiting.abort();
            text
        });
        assert!(text.contains("ScopeCoroutine{Active}"), "{text}");
    });
}

/// In destructors of a body that is cancelled, and of values of a coroutine that returns.
#[test]
fn inside_a_destructor() {
    struct Dumps(Sender<String>);
    impl Drop for Dumps {
        fn drop(&mut self) {
            self.0.send(dump()).unwrap();
        }
    }
    probed(|| {
        let (told, tells) = channel();
        run_blocking(async |scope| {
            let guard = Dumps(told.clone());
            let cancelled = scope.launch(async move {
                let _guard = guard;
                await_cancellation().await
            });
            yield_now().await;
            cancelled.cancel();
            let guard = Dumps(told.clone());
            scope.launch(async move { drop(guard) });
            Ok(())
        })
        .unwrap();
        drop(told);
        let texts: Vec<_> = tells.into_iter().collect();
        assert_eq!(texts.len(), 2);
        assert!(
            texts.iter().any(|text| text.contains("{Cancelling}")),
            "{texts:?}"
        );
    });
}

/// The hook runs in the poll of the coroutine that panics.
#[test]
fn in_a_panic_hook() {
    static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());
    probed(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {
            TOLD.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(dump());
        }));
        let failed = std::panic::catch_unwind(|| {
            run_blocking(async |scope| {
                let bad = scope.with(Dispatcher::DEFAULT);
                bad.spawn::<(), _>(async { panic!("meant") }).join().await;
                Ok(())
            })
        });
        // And outside of any.
        let thread = std::thread::spawn(|| panic!("meant"));
        assert!(thread.join().is_err());
        std::panic::set_hook(before);
        assert!(failed.is_err());
        let told = std::mem::take(&mut *TOLD.lock().unwrap());
        assert!(told.len() >= 2);
        assert!(told[0].contains("DeferredCoroutine{Active}"), "{told:?}");
        assert!(
            told[0].contains(", state: RUNNING on corox-default-"),
            "{told:?}"
        );
    });
}

/// While a thread ends: destructors of its locals.
#[test]
fn in_a_destructor_of_a_thread_local() {
    struct Dumps(RefCell<Option<Sender<String>>>);
    impl Drop for Dumps {
        fn drop(&mut self) {
            if let Some(told) = self.0.take() {
                told.send(dump()).unwrap();
            }
        }
    }
    thread_local! {
        static DUMPS: Dumps = const { Dumps(RefCell::new(None)) };
    }
    probed(|| {
        let (told, tells) = channel();
        let thread = std::thread::spawn(move || {
            DUMPS.with(|dumps| dumps.0.replace(Some(told)));
            run_blocking(async |_| Ok(())).unwrap();
        });
        thread.join().unwrap();
        assert!(tells.recv().unwrap().starts_with("Coroutines dump "));
    });
}

/// While coroutines come and go on all workers, and others ask, too.
#[test]
fn among_many_that_come_and_go() {
    probed(|| {
        run_blocking(async |scope| {
            let work = scope.with(Dispatcher::DEFAULT).launch(async {
                for _ in 0..100 {
                    coroutine_scope(async |scope| {
                        for _ in 0..4 {
                            scope.launch(async { yield_now().await });
                        }
                        Ok(())
                    })
                    .await?;
                }
                Ok(())
            });
            let askers: Vec<_> = (0..2)
                .map(|_| {
                    let work = work.clone();
                    std::thread::spawn(move || {
                        while !work.is_completed() {
                            assert!(dump().contains("BlockingCoroutine"));
                        }
                    })
                })
                .collect();
            work.join().await;
            for asker in askers {
                asker.join().unwrap();
            }
            Ok(())
        })
        .unwrap();
    });
}

/// After the dispatcher of what is dumped has gone.
#[test]
fn under_a_closed_dispatcher() {
    probed(|| {
        let own = new_single_thread_context("short");
        let job = GlobalScope.with(&own).launch(await_cancellation());
        drop(own);
        while !job.is_completed() {
            assert!(dump().starts_with("Coroutines dump "));
        }
        assert!(!dump().contains("StandaloneCoroutine"));
    });
}

/// In a process of its own, whose main thread returns while coroutines wait: from a thread-local of that thread, after the
/// pool has been shut down.
#[test]
fn while_the_process_shuts_down() {
    const CHILD: &str = "COROX_DEBUG_TEST_CHILD";
    struct Last;
    impl Drop for Last {
        fn drop(&mut self) {
            println!("the last: {}", dump().lines().next().unwrap());
        }
    }
    thread_local! {
        static LAST: Last = const { Last };
    }
    if std::env::var_os(CHILD).is_some() {
        LAST.with(|_| ());
        DebugProbes::install();
        GlobalScope.launch(await_cancellation());
        let waiting = GlobalScope.launch(async { yield_now().await });
        while !waiting.is_completed() {
            std::thread::yield_now();
        }
        println!("before: {}", dump());
        let _ = corox_core::shutdown(Duration::from_secs(10));
        println!("after: {}", dump());
        // Of the thread of the test.
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "while_the_process_shuts_down", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
    for mark in [
        "before: Coroutines dump",
        "after: Coroutines dump",
        "the last: Coroutines dump",
    ] {
        assert!(said.contains(mark), "{mark}: {said}{errors}");
    }
}
