//! Roots that a signal ends.

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use corox_core::{
    CompletableDeferred, Dispatcher, Error, FinallyExt, Interrupted, Result, await_cancellation,
    catch_cancellation, run_blocking_until, yield_now,
};
use support::{Log, checked, forever, lingering};
use tokio::sync::Notify;

const LONG: Duration = Duration::from_secs(60);

/// A signal that is given by hand, as often as one likes; how often it is listened to, and how many of those who did are gone.
#[derive(Clone, Default)]
struct Signal(Arc<Notify>, Arc<AtomicUsize>, Arc<AtomicUsize>);

/// Counts its drop.
struct Gone(Arc<AtomicUsize>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Signal {
    fn give(&self) {
        self.0.notify_one();
    }
    fn listener(
        &self,
    ) -> impl FnMut() -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> + Send + 'static {
        let signal = self.clone();
        move || {
            let signal = signal.clone();
            signal.1.fetch_add(1, Ordering::SeqCst);
            let gone = Gone(signal.2.clone());
            Box::pin(async move {
                let _gone = gone;
                signal.0.notified().await;
            })
        }
    }
}

fn interrupted(error: &Error) -> &Interrupted {
    error.downcast_ref().expect("interrupted")
}

#[test]
fn without_a_signal_it_is_run_blocking() {
    checked(|| {
        let signal = Signal::default();
        let local = 4;
        let value = run_blocking_until(signal.listener(), LONG, async |scope| {
            Ok(scope.spawn(async { Ok(3) }).await? + local)
        });
        assert_eq!(value.unwrap(), 7);
        let failed: Result<()> =
            run_blocking_until(signal.listener(), LONG, async |_| Err(Error::msg("own")));
        assert_eq!(failed.unwrap_err().to_string(), "own");
        let panicked = std::panic::catch_unwind(|| {
            run_blocking_until(Signal::default().listener(), LONG, async |_| {
                panic!("in the body") as Result<()>
            })
        });
        assert!(panicked.is_err());
    });
}

#[test]
fn a_signal_cancels_everything_and_waits_for_the_cleanup() {
    let log = Log::new();
    let seen = log.clone();
    checked(move || {
        let signal = Signal::default();
        let give = signal.clone();
        let error = run_blocking_until(signal.listener(), LONG, async |scope| {
            let child = log.clone();
            let (begin, begun) = tokio::sync::oneshot::channel();
            scope.with(Dispatcher::DEFAULT).launch(
                async {
                    let _ = begin.send(());
                    forever().await;
                }
                .finally(async move {
                    yield_now().await;
                    child.add("cleaned up");
                }),
            );
            begun.await?;
            let _guard = log.guard("body dropped");
            give.give();
            forever().await;
            Ok(())
        })
        .unwrap_err();
        assert!(interrupted(&error).still_running().is_empty());
        assert_eq!(error.to_string(), "interrupted");
    });
    let mut seen = seen.take();
    seen.sort();
    assert_eq!(seen, ["body dropped", "cleaned up"]);
}

/// It has come before the body begins.
#[test]
fn an_early_signal_is_not_lost() {
    checked(|| {
        let signal = Signal::default();
        signal.give();
        let error = run_blocking_until(signal.listener(), LONG, async |_| {
            await_cancellation().await;
            #[allow(unreachable_code)]
            Ok(())
        });
        assert!(interrupted(&error.unwrap_err()).still_running().is_empty());
    });
}

#[test]
fn after_the_grace_what_still_runs_is_named_and_not_waited_for() {
    checked(|| {
        let signal = Signal::default();
        let give = signal.clone();
        let (end, ended) = mpsc::channel::<()>();
        let gate = CompletableDeferred::<()>::new();
        let open = gate.clone();
        let grace = Duration::from_millis(20);
        let error = run_blocking_until(signal.listener(), grace, async |scope| {
            let on_pool = scope.with(Dispatcher::DEFAULT);
            let (begin, begun) = tokio::sync::oneshot::channel();
            on_pool.launch(async move {
                let _ = begin.send(());
                let _ = ended.recv();
            });
            let (ready, is_ready) = tokio::sync::oneshot::channel();
            on_pool.launch(async move {
                let _ = ready.send(());
                lingering(gate).await;
            });
            begun.await?;
            is_ready.await?;
            give.give();
            forever().await;
            Ok(())
        })
        .unwrap_err();
        let left = interrupted(&error).still_running();
        assert_eq!(left.len(), 2, "{left:?}");
        assert!(left.iter().all(|left| left.count == 1));
        assert_eq!(left.iter().filter(|left| left.is_cleanup).count(), 1);
        let waits = left.iter().filter_map(|left| left.waits_for.as_deref());
        assert!(waits.collect::<String>().starts_with("await ("), "{left:?}");
        let text = error.to_string();
        let named = "interrupted; could not stop what was launched at core/tests/";
        assert!(
            text.starts_with(named) && text.contains("cleaning up"),
            "{text}"
        );
        drop(end);
        open.complete(());
    });
}

#[test]
fn a_second_signal_ends_the_grace() {
    checked(|| {
        let signal = Signal::default();
        let give = signal.clone();
        let gate = CompletableDeferred::<()>::new();
        let open = gate.clone();
        let start = Instant::now();
        let error = run_blocking_until(signal.listener(), LONG, async |scope| {
            let again = give.clone();
            scope.launch(async move {
                let _ = catch_cancellation(forever()).await;
                again.give();
                lingering(gate).await;
            });
            yield_now().await;
            give.give();
            forever().await;
            Ok(())
        })
        .unwrap_err();
        assert_eq!(interrupted(&error).still_running().len(), 1);
        assert!(start.elapsed() < LONG / 2);
        assert_eq!(signal.1.load(Ordering::SeqCst), 2);
        open.complete(());
    });
}

/// What fails on the way out is the result.
#[test]
fn a_failure_of_the_cleanup_counts_more_than_the_signal() {
    checked(|| {
        let signal = Signal::default();
        let give = signal.clone();
        let error = run_blocking_until(signal.listener(), LONG, async |_| {
            give.give();
            let _ = catch_cancellation(forever()).await;
            Err::<(), _>(Error::msg("cleanup failed"))
        });
        assert_eq!(error.unwrap_err().to_string(), "cleanup failed");
    });
}

/// The thread of the root is busy: the report comes in time, the return when the body allows it.
#[test]
fn a_body_that_blocks_delays_the_return_and_not_the_report() {
    checked(|| {
        let signal = Signal::default();
        let give = signal.clone();
        let (listened, gone) = (signal.1.clone(), signal.2.clone());
        let grace = Duration::from_millis(5);
        let error = run_blocking_until(signal.listener(), grace, async |scope| {
            give.give();
            // Cancelled while it blocks.
            while scope.is_active() {
                std::thread::yield_now();
            }
            // The grace runs out on the other thread, which reports and then listens no more.
            while gone.load(Ordering::SeqCst) < 2 {
                std::thread::yield_now();
            }
            Ok(())
        })
        .unwrap_err();
        assert_eq!(listened.load(Ordering::SeqCst), 2);
        let left = interrupted(&error).still_running();
        assert_eq!(left.len(), 1, "the root itself: {error}");
    });
}

#[test]
fn a_signal_that_cannot_be_listened_to_is_an_error_and_the_body_does_not_begin() {
    checked(|| {
        let error = run_blocking_until(
            || async { Err::<(), _>(Error::msg("no signals here")) },
            LONG,
            async |_| -> Result<()> { unreachable!("the body") },
        );
        assert_eq!(error.unwrap_err().to_string(), "no signals here");
        let panics = || async { panic!("broken signal") };
        let error = run_blocking_until(
            move || async move {
                panics().await;
            },
            LONG,
            async |_| -> Result<()> { unreachable!("the body") },
        );
        assert!(error.unwrap_err().to_string().contains("panicked"));
    });
}

/// Real signals, in a process of their own.
#[cfg(all(unix, feature = "signal"))]
#[test]
fn ctrl_c_and_terminate_are_shutdown_signals() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    if std::env::var_os("COROX_TEST_CHILD").is_some() {
        let result = run_blocking_until(corox_core::shutdown_signal, LONG, async |_| {
            println!("\nready");
            await_cancellation().await;
            #[allow(unreachable_code)]
            Ok(())
        });
        let error: Error = result.unwrap_err();
        println!("\nended: {error}");
        return;
    }
    for signal in ["INT", "TERM"] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "ctrl_c_and_terminate_are_shutdown_signals",
                "--nocapture",
            ])
            .env("COROX_TEST_CHILD", "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "ready"));
        let id = child.id().to_string();
        let sent = Command::new("kill")
            .args(["-s", signal, &id])
            .status()
            .unwrap();
        assert!(sent.success());
        assert!(
            lines.any(|line| line.unwrap() == "ended: interrupted"),
            "{signal}"
        );
        assert!(child.wait().unwrap().success());
    }
}
