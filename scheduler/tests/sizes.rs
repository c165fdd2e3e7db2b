//! Sizes by builder and environment (D-2), and the shutdown of the own pool, each in a process of its own.

mod common;

use std::panic::catch_unwind;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::time::Duration;

use common::{Log, eventually, spawn};
use corox_scheduler::{
    Dispatcher, Home, IO_PARALLELISM_VARIABLE, SchedulerConfig, Sleep, Task, WORKERS_VARIABLE,
    Wakeup, block_on, fallback, shutdown,
};

const CHILD: &str = "COROX_TEST_CHILD";

/// Runs the test `name` of this binary in a process of its own, with `variables`; `body` is what it does there.
fn in_child(name: &str, variables: &[(&str, &str)], body: impl FnOnce()) {
    if std::env::var_os(CHILD).is_some() {
        return body();
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads", "1"])
        .env_remove(WORKERS_VARIABLE)
        .env_remove(IO_PARALLELISM_VARIABLE)
        .env(CHILD, "1")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn own() -> Dispatcher {
    Dispatcher::DEFAULT.resolve(&Home::own())
}

/// As many tasks as `n` run at a time on the own pool, and no more.
fn has_workers(n: usize) {
    assert_eq!(own().limited_parallelism(n), own());
    if n > 1 {
        assert_ne!(own().limited_parallelism(n - 1), own());
    }
    let barrier = Arc::new(Barrier::new(n));
    let joins: Vec<_> = (0..n)
        .map(|_| {
            let barrier = barrier.clone();
            spawn(&own(), async move {
                barrier.wait();
            })
        })
        .collect();
    joins.into_iter().for_each(common::Join::wait);
}

/// As many tasks as `n` block on the own IO at a time, and no more.
fn has_io(n: usize) {
    let io = Dispatcher::IO.resolve(&Home::own());
    let (open, gate) = mpsc::channel::<()>();
    let (gate, inside) = (Arc::new(Mutex::new(gate)), Arc::new(AtomicUsize::new(0)));
    let joins: Vec<_> = (0..n + 3)
        .map(|_| {
            let (gate, inside) = (gate.clone(), inside.clone());
            spawn(&io, async move {
                assert!(inside.fetch_add(1, Ordering::SeqCst) < n);
                let _ = gate.lock().unwrap().recv();
                inside.fetch_sub(1, Ordering::SeqCst);
            })
        })
        .collect();
    eventually("IO is full", || inside.load(Ordering::SeqCst) == n);
    drop(open);
    joins.into_iter().for_each(common::Join::wait);
}

#[test]
fn the_builder_sets_the_sizes_and_wins_over_the_environment() {
    let name = "the_builder_sets_the_sizes_and_wins_over_the_environment";
    in_child(name, &[(WORKERS_VARIABLE, "7")], || {
        SchedulerConfig::new()
            .workers(3)
            .io_parallelism(2)
            .apply()
            .unwrap();
        has_workers(3);
        has_io(2);
        let again = SchedulerConfig::new().workers(4).apply().unwrap_err();
        assert!(again.to_string().contains("before the first coroutine"));
    });
}

#[test]
fn the_environment_sets_the_sizes() {
    let name = "the_environment_sets_the_sizes";
    let variables = [(WORKERS_VARIABLE, "1"), (IO_PARALLELISM_VARIABLE, " 3 ")];
    in_child(name, &variables, || {
        has_workers(1);
        has_io(3);
    });
}

#[test]
fn without_both_there_are_the_defaults_and_a_late_builder_is_refused() {
    let name = "without_both_there_are_the_defaults_and_a_late_builder_is_refused";
    in_child(name, &[], || {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        has_workers(cores.max(2));
        has_io(cores.max(64));
        assert!(SchedulerConfig::new().workers(2).apply().is_err());
    });
}

#[test]
fn a_value_that_is_no_size_is_named_in_a_panic() {
    let name = "a_value_that_is_no_size_is_named_in_a_panic";
    in_child(name, &[(WORKERS_VARIABLE, "many")], || {
        for _ in 0..2 {
            let panic = catch_unwind(own).unwrap_err();
            let text = panic.downcast::<String>().unwrap();
            assert!(text.contains("COROX_WORKERS is \"many\""), "{text}");
        }
        std::env::var(WORKERS_VARIABLE).unwrap();
    });
    for n in [0, 100_000] {
        let refused = catch_unwind(|| SchedulerConfig::new().workers(n));
        let text = refused.unwrap_err().downcast::<String>().unwrap();
        assert!(text.contains("from 1 to 16384"), "{text}");
        assert!(catch_unwind(|| SchedulerConfig::new().io_parallelism(n)).is_err());
    }
}

/// The names of this process's threads.
#[cfg(target_os = "linux")]
fn own_threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|name| name.starts_with("corox-default"))
        .collect()
}

#[test]
fn after_the_shutdown_no_thread_runs_and_tasks_are_rejected() {
    in_child(
        "after_the_shutdown_no_thread_runs_and_tasks_are_rejected",
        &[],
        || {
            let log = Log::default();
            spawn(&own(), async {}).wait();
            spawn(&Dispatcher::IO.resolve(&Home::own()), async {}).wait();
            #[cfg(target_os = "linux")]
            assert!(!own_threads().is_empty());
            // Suspended on a timer of the pool: it is dropped with the runtime.
            struct Noted(Log);
            impl Drop for Noted {
                fn drop(&mut self) {
                    self.0.add("dropped");
                }
            }
            let (tx, rx) = mpsc::channel();
            let guard = Noted(log.clone());
            let suspended = Task::new(
                async move {
                    let _guard = guard;
                    tx.send(()).unwrap();
                    tokio::time::sleep(Duration::from_secs(3600)).await;
                },
                |task, how| drop(own().dispatch(task, how)),
            );
            own().dispatch(suspended, Wakeup::Launch).unwrap();
            rx.recv().unwrap();
            shutdown(Duration::from_secs(20)).unwrap();
            #[cfg(target_os = "linux")]
            eventually("the threads have gone", || own_threads().is_empty());
            eventually("the suspended task is dropped", || log.len() == 1);
            for to in [Dispatcher::DEFAULT, Dispatcher::IO, own(), fallback()] {
                let late = Task::new(async { unreachable!() }, |_, _| {});
                assert!(to.dispatch(late, Wakeup::Launch).is_err());
            }
            shutdown(Duration::ZERO).unwrap();
            // Event loops go on, also when they end with tasks left.
            let value = block_on(|events| async move {
                let left = Task::new(async { unreachable!() }, |_, _| {});
                events.dispatch(left, Wakeup::Launch).ok();
                // Without the pool the timers of the loop are those of unconfined coroutines, too.
                let unconfined = Dispatcher::UNCONFINED;
                let to = unconfined.clone();
                spawn(&unconfined, async move {
                    Sleep::after(&to, Duration::from_millis(1)).await;
                    5
                })
                .await
                .unwrap()
            });
            assert_eq!(value, 5);
        },
    );
}

#[test]
fn a_pool_that_was_never_used_is_not_started_after_a_shutdown() {
    in_child(
        "a_pool_that_was_never_used_is_not_started_after_a_shutdown",
        &[],
        || {
            // Nothing to wait for: no thread is started to be ended.
            shutdown(Duration::ZERO).unwrap();
            let late = Task::new(async { unreachable!() }, |_, _| {});
            assert!(Dispatcher::DEFAULT.dispatch(late, Wakeup::Launch).is_err());
            #[cfg(target_os = "linux")]
            assert!(own_threads().is_empty());
        },
    );
}

#[test]
fn a_shutdown_that_times_out_tells_how_many_threads_run_and_a_second_one_waits_for_them() {
    let name =
        "a_shutdown_that_times_out_tells_how_many_threads_run_and_a_second_one_waits_for_them";
    in_child(name, &[], || {
        let (begun, begin) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let busy = spawn(&own(), async move {
            begun.send(()).unwrap();
            let _ = ended.recv();
        });
        begin.recv().unwrap();
        let error = shutdown(Duration::from_millis(10)).unwrap_err();
        assert!(error.threads() >= 1, "{error}");
        drop(end);
        busy.wait();
        shutdown(Duration::from_secs(20)).unwrap();
    });
}

#[test]
fn a_shutdown_from_the_pool_itself_is_refused() {
    in_child("a_shutdown_from_the_pool_itself_is_refused", &[], || {
        let refused = spawn(&own(), async {
            catch_unwind(|| shutdown(Duration::ZERO)).is_err()
        });
        assert!(refused.wait());
        shutdown(Duration::from_secs(20)).unwrap();
    });
}
