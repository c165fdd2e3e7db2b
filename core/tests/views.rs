//! Coroutines on views (D-4 to D-6, D-15).

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use corox_core::{
    Dispatch, Dispatcher, Rejected, Task, coroutine_scope, delay, run_blocking, supervisor_scope,
    with_context, yield_now,
};
use support::{Log, checked, root};

/// D-5: children of one view never overlap between two suspensions, on a pool of several workers.
#[test]
fn a_view_of_one_is_a_lock_between_suspensions() {
    root(async |scope| {
        let view = Dispatcher::DEFAULT.limited_parallelism(1);
        let sum = Arc::new(AtomicUsize::new(0));
        coroutine_scope(async |_| {
            for _ in 0..100 {
                let sum = sum.clone();
                scope.with(view.clone()).launch(async move {
                    for _ in 0..20 {
                        let old = sum.load(Ordering::Relaxed);
                        std::hint::spin_loop();
                        sum.store(old + 1, Ordering::Relaxed);
                        yield_now().await;
                    }
                });
            }
            Ok(())
        })
        .await?;
        let children = scope.job().children();
        corox_core::join_all(&children).await;
        assert_eq!(sum.load(Ordering::Relaxed), 2000);
        Ok(())
    });
}

#[test]
fn with_context_goes_to_a_view_and_back_and_stays_in_place_on_the_same() {
    root(async |scope| {
        let view = Dispatcher::DEFAULT.limited_parallelism_named(1, "one");
        let inner = view.clone();
        let here = std::thread::current().id();
        let there = with_context(view.clone(), async move {
            let there = std::thread::current().id();
            // In place: a dispatch would wait for this very task.
            let again = with_context(inner, async { Ok(std::thread::current().id()) }).await?;
            assert_eq!(there, again);
            Ok(there)
        })
        .await?;
        assert_ne!(here, there);
        assert_eq!(std::thread::current().id(), here);
        let context = scope.with(view).spawn(async {
            Ok(format!(
                "{:?}",
                corox_core::CoroutineContext::current().dispatcher()
            ))
        });
        assert!(context.await?.contains("one"));
        Ok(())
    });
}

/// D-4: a view of IO keeps the thread of a Default worker, and does not deadlock however many are in flight.
#[test]
fn many_switches_to_a_small_view_of_io_all_come_back() {
    static FILES: LazyLock<Dispatcher> = LazyLock::new(|| Dispatcher::IO.limited_parallelism(2));
    root(async |scope| {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let switches: Vec<_> = (0..500)
            .map(|n| {
                let (now, most) = (now.clone(), most.clone());
                scope.with(Dispatcher::DEFAULT).spawn(async move {
                    with_context(FILES.clone(), async move {
                        let inside = now.fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(inside, Ordering::SeqCst);
                        std::thread::yield_now();
                        now.fetch_sub(1, Ordering::SeqCst);
                        Ok(n)
                    })
                    .await
                })
            })
            .collect();
        let mut sum = 0;
        for switch in switches {
            sum += switch.await?;
        }
        assert_eq!(sum, 500 * 499 / 2);
        assert!(most.load(Ordering::SeqCst) <= 2);
        Ok(())
    });
}

/// The time of a view is that of its base.
#[test]
fn delays_and_sockets_work_on_a_view() {
    root(async |scope| {
        let view = Dispatcher::DEFAULT.limited_parallelism(1);
        scope
            .with(view)
            .spawn(async {
                delay(std::time::Duration::from_millis(1)).await;
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
                let address = listener.local_addr()?;
                let (a, b) =
                    futures::join!(listener.accept(), tokio::net::TcpStream::connect(address));
                drop((a?, b?));
                Ok(())
            })
            .await
    });
}

struct Refusing;
impl Dispatch for Refusing {
    fn dispatch(&self, task: Task) -> Result<(), Rejected> {
        Err(Rejected::new(task, "closed"))
    }
}

struct Panicking;
impl Dispatch for Panicking {
    fn dispatch(&self, _: Task) -> Result<(), Rejected> {
        panic!("the base panics")
    }
}

/// D-7, D-15, J-39
#[test]
fn a_base_that_refuses_or_panics_ends_the_coroutine_and_its_guards_run() {
    let log = Log::new();
    let seen = log.clone();
    root(async move |_| {
        supervisor_scope(async move |scope| {
            let view = Dispatcher::new(Refusing).limited_parallelism(1);
            let guard = log.guard("refused");
            let job = scope.with(view).launch(async move {
                let _guard = guard;
            });
            job.join().await;
            assert!(job.is_cancelled());
            let view = Dispatcher::new(Panicking).limited_parallelism(1);
            let guard = log.guard("panicked");
            let launch = std::panic::AssertUnwindSafe(|| {
                scope.with(view).launch(async move {
                    let _guard = guard;
                })
            });
            assert!(std::panic::catch_unwind(launch).is_err());
            Ok(())
        })
        .await
    });
    assert_eq!(seen.take(), ["refused", "panicked"]);
}

/// D-15: a host runtime that goes away while coroutines wait for their turn on a view of it.
#[test]
fn coroutines_that_wait_on_a_view_end_when_the_runtime_does() {
    checked(|| {
        let view = Dispatcher::DEFAULT.limited_parallelism(1);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let (jobs, meet) = runtime.block_on(async {
            let meet = Arc::new(std::sync::Barrier::new(2));
            let scope = corox_core::SupervisorJob::new();
            let inside = meet.clone();
            let jobs = coroutine_scope(async |s| {
                let launcher = s.with(view.clone()).with(&**scope);
                let mut jobs = vec![launcher.launch(async move {
                    inside.wait();
                    inside.wait();
                })];
                jobs.extend((0..3).map(|_| launcher.launch(async {})));
                Ok(jobs)
            })
            .await
            .unwrap();
            meet.wait();
            (jobs, meet)
        });
        runtime.shutdown_background();
        meet.wait();
        run_blocking(async |_| {
            corox_core::join_all(&jobs).await;
            Ok(())
        })
        .unwrap();
        assert!(jobs[1..].iter().all(|job| job.is_completed()));
    });
}
