//! F-5: an emit of what is cancelled does not return, whoever has cancelled it, from where, and whatever was asked before.
#![cfg(not(corox_loom))]

use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use corox_channels::Channel;
use corox_core::{
    CompletableJob, Dispatcher, Error, Job, coroutine_scope, non_cancellable, run_blocking,
    yield_now,
};
use corox_flow::{flow, prelude::*};

type Log = Arc<Mutex<Vec<i32>>>;

/// Collects an endless block that never suspends, and calls `each` with what it notes.
async fn count(log: Log, mut each: impl FnMut(i32)) -> corox_core::Result<()> {
    let numbers = flow(async |e| {
        for n in 1.. {
            e.emit(n).await;
        }
    });
    numbers
        .for_each(|n| {
            log.lock().unwrap().push(n);
            each(n);
        })
        .await
}

fn at_3(mut f: impl FnMut()) -> impl FnMut(i32) {
    move |n| {
        if n == 3 {
            f();
        }
    }
}

/// Runs `cancel` on another thread, and comes back when it has returned.
fn elsewhere(cancel: impl FnOnce() + Send + 'static) {
    let (done, is_done) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        cancel();
        done.send(()).unwrap();
    });
    is_done.recv().unwrap();
    thread.join().unwrap();
}

/// Runs `count` two levels below `top`, which `cancel` is given.
fn counted_below(cancel: impl Fn(Job) + Send + 'static) -> Vec<i32> {
    let log = Log::default();
    let of_block = log.clone();
    run_blocking(async move |scope| {
        let top = scope.launch(async move {
            let top = Job::current().expect("in a coroutine");
            coroutine_scope(async |scope| {
                let middle = scope.launch(async move {
                    coroutine_scope(async |scope| {
                        scope.launch(count(of_block, at_3(move || cancel(top.clone()))));
                        Ok(())
                    })
                    .await
                });
                middle.join().await;
                Ok(())
            })
            .await
        });
        top.join().await;
        assert!(top.is_cancelled());
        Ok(())
    })
    .unwrap();
    log.lock().unwrap().clone()
}

#[test]
fn when_the_collector_has_cancelled_its_coroutine() {
    let log = Log::default();
    let cancel = || Job::current().expect("in a coroutine").cancel();
    let collects = count(log.clone(), at_3(cancel));
    run_blocking(async |scope| {
        let job = scope.launch(collects);
        job.join().await;
        assert!(job.is_cancelled());
        Ok(())
    })
    .unwrap();
    assert_eq!(*log.lock().unwrap(), [1, 2, 3]);
}

#[test]
fn when_what_is_far_above_was_cancelled_by_the_collector() {
    assert_eq!(counted_below(|top| top.cancel()), [1, 2, 3]);
}

#[test]
fn when_what_is_far_above_was_cancelled_by_another_thread() {
    assert_eq!(
        counted_below(|top| elsewhere(move || top.cancel())),
        [1, 2, 3]
    );
}

/// What asks again after what is above was marked, and before it is marked itself, asks once more when `cancel` has returned.
#[test]
fn when_it_was_asked_in_the_middle_of_the_cancellation() {
    let log = Log::default();
    let of_block = log.clone();
    run_blocking(async move |scope| {
        let ((at_3, is_at_3), (marked, is_marked)) = (mpsc::channel(), mpsc::channel());
        let ((at_4, is_at_4), (cancelled, is_cancelled)) = (mpsc::channel(), mpsc::channel());
        let top = CompletableJob::child_of(scope.job());
        // Registered before the coroutine is, it is told before.
        top.on_cancelling(move |_| {
            marked.send(()).unwrap();
            is_at_4.recv().unwrap();
        });
        let below = scope.with(Dispatcher::DEFAULT).with(top.as_ref().clone());
        below.launch(count(of_block, move |n| {
            if n == 3 {
                at_3.send(()).unwrap();
                is_marked.recv().unwrap();
            }
            if n == 4 {
                at_4.send(()).unwrap();
                is_cancelled.recv().unwrap();
            }
        }));
        is_at_3.recv()?;
        top.cancel();
        cancelled.send(())?;
        Ok(())
    })
    .unwrap();
    assert_eq!(*log.lock().unwrap(), [1, 2, 3, 4]);
}

#[test]
fn when_a_sibling_has_failed_on_another_thread() {
    let log = Log::default();
    let of_block = log.clone();
    let failed = run_blocking(async move |scope| {
        let sibling = CompletableJob::child_of(scope.job());
        let fail = move || {
            let sibling = sibling.clone();
            elsewhere(move || {
                sibling.fail(Error::msg("no"));
            });
        };
        scope.launch(count(of_block, at_3(fail)));
        Ok(())
    });
    assert_eq!(failed.unwrap_err().to_string(), "no");
    assert_eq!(*log.lock().unwrap(), [1, 2, 3]);
}

/// The coroutine is cancelled, and polled on for what must not be cut short: that part of it may go on, the block not.
#[test]
fn beside_a_part_that_is_shielded() {
    let log = Log::default();
    let of_block = log.clone();
    run_blocking(async move |scope| {
        let gate = Arc::new(Channel::<()>::new(0));
        let of_shielded = gate.clone();
        let job = scope.launch(async move {
            let me = Job::current().expect("in a coroutine");
            let numbers = flow(async |e| {
                let shielded = non_cancellable(async |_| {
                    for _ in 0..3 {
                        of_shielded.receive().await?;
                    }
                    Ok(())
                });
                let emits = async {
                    for n in 1.. {
                        e.emit(n).await;
                    }
                };
                let (shielded, ()) = futures::join!(shielded, emits);
                shielded
            });
            numbers
                .for_each(|n| {
                    of_block.lock().unwrap().push(n);
                    if n == 3 {
                        me.cancel();
                    }
                })
                .await
        });
        for _ in 0..3 {
            gate.send(()).await?;
        }
        job.join().await;
        Ok(())
    })
    .unwrap();
    assert_eq!(*log.lock().unwrap(), [1, 2, 3]);
}

/// Only a scope in the block is cancelled, and polled on as above: what it emits goes nowhere, the rest of the block goes on.
#[test]
fn in_a_scope_of_the_block() {
    let mut seen = Vec::new();
    run_blocking(async |_| {
        let gate = Channel::<()>::new(0);
        let numbers = flow(async |e| {
            let outside = async {
                for n in 1..=4 {
                    e.emit(n).await;
                    yield_now().await;
                }
                for _ in 0..3 {
                    gate.send(()).await.unwrap();
                }
            };
            let inside = coroutine_scope(async |scope| {
                scope.cancel();
                let shielded = non_cancellable(async |_| {
                    for _ in 0..3 {
                        gate.receive().await?;
                    }
                    Ok(())
                });
                futures::join!(shielded, e.emit(-1)).0
            });
            let ((), inside) = futures::join!(outside, inside);
            assert!(inside.unwrap_err().is_cancellation());
        });
        numbers.for_each(|n| seen.push(n)).await
    })
    .unwrap();
    assert_eq!(seen, [1, 2, 3, 4]);
}
