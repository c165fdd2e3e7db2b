//! The pool of a current-thread runtime: one strict queue.

mod common;

use std::sync::Arc;

use common::{Log, again, single, spawn, yield_now};
use corox_scheduler::{Dispatcher, Home, fallback};
use tokio::sync::Notify;

/// Decision 22, D-17: the pool of a current-thread runtime is one strict queue, and `DEFAULT` is not on it.
#[test]
fn a_current_thread_runtime_runs_its_tasks_in_strict_order_and_default_elsewhere() {
    let rt = single();
    let log = Log::default();
    rt.block_on(async {
        let (home, here) = Home::current();
        assert_eq!(here, Dispatcher::tokio(tokio::runtime::Handle::current()));
        let default = Dispatcher::DEFAULT.resolve(&home);
        assert_ne!(default, here);
        assert_eq!(default, fallback());
        let me = std::thread::current().id();
        let woken = Arc::new(Notify::new());
        let (notify, seen) = (woken.clone(), log.clone());
        let waiter = spawn(&here, async move {
            notify.notified().await;
            seen.add("woken");
        });
        let mut joins = vec![];
        for n in 0..3 {
            let (seen, to, inner) = (log.clone(), here.clone(), woken.clone());
            joins.push(spawn(&here, async move {
                assert_eq!(std::thread::current().id(), me);
                seen.add(format!("{n}"));
                if n == 0 {
                    let seen = seen.clone();
                    spawn(&to, async move { seen.add("launched") });
                    inner.notify_one();
                }
                yield_now().await;
                seen.add(format!("{n} after"));
            }));
        }
        for join in joins {
            join.await.unwrap();
        }
        waiter.await.unwrap();
        let name = spawn(&default, async {
            std::thread::current().name().map(String::from)
        });
        assert!(name.await.unwrap().unwrap().starts_with("corox-default-"));
    });
    assert_eq!(
        log.take(),
        [
            "0", "1", "2", "launched", "woken", "0 after", "1 after", "2 after"
        ]
    );
}

/// D-17 on a current-thread runtime: nothing overtakes what happened before it.
#[test]
fn on_a_current_thread_runtime_pushes_of_threads_keep_their_place() {
    let rt = single();
    let pool = Dispatcher::tokio(rt.handle().clone());
    let log = Log::default();
    let (to, seen) = (pool.clone(), log.clone());
    let burst = async move {
        for n in 0..200 {
            let (mine, its) = (seen.clone(), to.clone());
            let push = move || drop(spawn(&its, async move { mine.add(format!("{n}")) }));
            if n % 3 == 2 {
                std::thread::spawn(push).join().unwrap();
            } else {
                push();
            }
        }
        again().await;
        seen.add("the end");
    };
    rt.block_on(async { spawn(&pool, burst).await.unwrap() });
    let numbers = (0..200).map(|n| n.to_string());
    let expected: Vec<_> = numbers.chain(["the end".into()]).collect();
    assert_eq!(log.take(), expected);
}
