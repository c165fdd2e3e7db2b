//! What a cancellation drops, and what holds it back: frames and their holders (decisions 1 to 5, 9 to 11).

mod support;

use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;

use corox_core::{
    CompletableDeferred, Dispatcher, Error, Job, Result, catch_cancellation, coroutine_scope,
    delay, is_active, non_cancellable, run_blocking, supervisor_scope, try_catch_cancellation,
    yield_now,
};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use support::{Log, checked};

type Parked<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Enough turns of the loop for everything in it to come to rest.
async fn settle() {
    for _ in 0..16 {
        yield_now().await;
    }
}

/// Launches `body`, lets it come to rest, cancels it and waits for it.
fn cancel_at_rest(log: &Log, body: impl Future<Output = ()> + Send + 'static) {
    run_blocking(async |scope| {
        let job = scope.launch(body);
        settle().await;
        log.add("cancel");
        job.cancel_and_join().await;
        log.add("join returns");
        Ok(())
    })
    .unwrap();
}

/// Decision 1: a boundary gives its result only after the scope inside it, with its shielded child, has ended.
#[test]
fn a_boundary_round_a_scope_waits_for_a_shielded_child_of_it() {
    checked(|| {
        let log = Log::new();
        let (gate, seen) = (CompletableDeferred::<()>::new(), log.clone());
        let opened = gate.clone();
        run_blocking(async |scope| {
            let job = scope.launch(async move {
                let inner = seen.clone();
                let result = catch_cancellation(coroutine_scope(async |s| {
                    let _body = seen.guard("guard of the scope's body");
                    let child = inner.clone();
                    s.launch(async move {
                        let _child = child.guard("guard of the child");
                        let shielded = child.clone();
                        let _ = non_cancellable(async move |_| {
                            gate.as_deferred().await?;
                            shielded.add("shield ended");
                            Ok(())
                        })
                        .await;
                    });
                    pending::<Result<()>>().await
                }))
                .await;
                // The scope ended by itself, so its own result is what the boundary gives (decision 11).
                seen.add(format!(
                    "boundary: {}",
                    result.unwrap().unwrap_err().is_cancellation()
                ));
            });
            settle().await;
            job.cancel();
            settle().await;
            assert!(!job.is_completed());
            log.add("gate opens");
            opened.complete(());
            job.join().await;
            log.add("join returns");
            Ok(())
        })
        .unwrap();
        assert_eq!(
            log.take(),
            [
                "guard of the scope's body",
                "gate opens",
                "shield ended",
                "guard of the child",
                "boundary: true",
                "join returns"
            ]
        );
    });
}

/// Decision 1: a boundary does not cut a shield short.
#[test]
fn a_boundary_round_a_shield_gives_what_the_shield_gave() {
    checked(|| {
        let log = Log::new();
        let gate = CompletableDeferred::<()>::new();
        let (opened, seen) = (gate.clone(), log.clone());
        run_blocking(async |scope| {
            let job = scope.launch(async move {
                let inside = seen.clone();
                let result = catch_cancellation(non_cancellable(async move |_| {
                    gate.as_deferred().await?;
                    inside.add("shield ended");
                    Ok(7)
                }))
                .await;
                seen.add(format!("boundary gave {:?}", result.unwrap().unwrap()));
                pending::<()>().await;
                seen.add("unreachable");
            });
            settle().await;
            job.cancel();
            settle().await;
            log.add("gate opens");
            opened.complete(());
            job.join().await;
            Ok(())
        })
        .unwrap();
        assert_eq!(
            log.take(),
            ["gate opens", "shield ended", "boundary gave 7"]
        );
    });
}

/// Decision 1: holds belong to a frame. A scope that still waits inside one boundary does not hold back another boundary.
#[test]
fn two_boundaries_side_by_side_do_not_hold_each_other() {
    checked(|| {
        let log = Log::new();
        let gate = CompletableDeferred::<()>::new();
        let (opened, seen) = (gate.clone(), log.clone());
        run_blocking(async |scope| {
            let job = scope.launch(async move {
                let slow = async {
                    let _ = catch_cancellation(non_cancellable(async |_| gate.as_deferred().await))
                        .await;
                    seen.add("the held one");
                };
                let quick = async {
                    let _ = catch_cancellation(pending::<()>()).await;
                    seen.add("the free one");
                };
                futures::join!(slow, quick);
                seen.add("after both");
            });
            settle().await;
            job.cancel();
            settle().await;
            log.add("gate opens");
            opened.complete(());
            job.join().await;
            Ok(())
        })
        .unwrap();
        assert_eq!(
            log.take(),
            ["the free one", "gate opens", "the held one", "after both"]
        );
    });
}

/// Decision 2: scopes, shields and boundaries are always polled once, in a cancelled body too; what suspends is dropped.
#[test]
fn a_cancelled_body_runs_scopes_and_ready_boundaries_up_to_its_first_suspension() {
    checked(|| {
        let log = Log::new();
        let seen = log.clone();
        cancel_at_rest(&log, async move {
            let stopped = catch_cancellation(pending::<()>()).await;
            seen.add(format!("stopped: {}", stopped.is_err()));
            let scope = coroutine_scope(async |_| {
                seen.add("scope ran");
                Ok(1)
            })
            .await;
            seen.add(format!(
                "scope gave a cancellation: {}",
                scope.unwrap_err().is_cancellation()
            ));
            let supervisor = supervisor_scope(async |_| {
                seen.add("supervisor ran");
                Ok(1)
            })
            .await;
            seen.add(format!(
                "supervisor gave a cancellation: {}",
                supervisor.unwrap_err().is_cancellation()
            ));
            seen.add(format!(
                "ready boundary: {:?}",
                catch_cancellation(async { 7 }).await.unwrap()
            ));
            let shield = non_cancellable(async |_| {
                yield_now().await;
                Ok(is_active())
            })
            .await;
            seen.add(format!("shield was active: {:?}", shield.unwrap()));
            let _rest = seen.guard("rest dropped");
            yield_now().await;
            seen.add("unreachable");
        });
        assert_eq!(
            log.take(),
            [
                "cancel",
                "stopped: true",
                "scope ran",
                "scope gave a cancellation: true",
                "supervisor ran",
                "supervisor gave a cancellation: true",
                "ready boundary: 7",
                "shield was active: true",
                "rest dropped",
                "join returns"
            ]
        );
    });
}

/// Decision 2: only a coroutine that has not started is skipped; its captures are dropped.
#[test]
fn a_coroutine_cancelled_before_its_first_poll_never_runs() {
    checked(|| {
        let log = Log::new();
        let (seen, capture) = (log.clone(), log.guard("capture dropped"));
        run_blocking(async |scope| {
            let job = scope.launch(async move {
                let _capture = capture;
                seen.add("unreachable");
            });
            log.add("cancel");
            job.cancel_and_join().await;
            log.add("join returns");
            Ok(())
        })
        .unwrap();
        assert_eq!(log.take(), ["cancel", "capture dropped", "join returns"]);
    });
}

/// Decision 2: the body that is first polled in a cancelled job is polled once, and dropped if it suspends.
#[test]
fn a_boundary_opened_in_a_cancelled_job_is_dropped_at_its_first_suspension() {
    checked(|| {
        let log = Log::new();
        let seen = log.clone();
        cancel_at_rest(&log, async move {
            let _ = catch_cancellation(pending::<()>()).await;
            let again = catch_cancellation(async {
                let _guard = seen.guard("guard of the boundary");
                seen.add("polled");
                yield_now().await;
                seen.add("unreachable");
            })
            .await;
            seen.add(format!("boundary gives an error: {}", again.is_err()));
        });
        assert_eq!(
            log.take(),
            [
                "cancel",
                "polled",
                "guard of the boundary",
                "boundary gives an error: true",
                "join returns"
            ]
        );
    });
}

/// Decision 3: a boundary that was forgotten after its first poll holds nothing.
#[test]
fn a_forgotten_boundary_holds_nothing() {
    checked(|| {
        let log = Log::new();
        let seen = log.clone();
        cancel_at_rest(&log, async move {
            let _body = seen.guard("body dropped");
            let mut boundary = Box::pin(catch_cancellation(pending::<()>()));
            assert!(futures::poll!(boundary.as_mut()).is_pending());
            std::mem::forget(boundary);
            pending::<()>().await;
        });
        assert_eq!(log.take(), ["cancel", "body dropped", "join returns"]);
    });
}

/// Decision 3: a scope that is parked, not awaited, holds nothing; its children are waited for all the same.
#[test]
fn a_parked_scope_holds_nothing_and_its_child_is_waited_for() {
    checked(|| {
        let log = Log::new();
        let seen = log.clone();
        cancel_at_rest(&log, async move {
            let _body = seen.guard("body dropped");
            let inner = seen.clone();
            let mut parked: Parked<Result<()>> = Box::pin(coroutine_scope(async move |s| {
                let _scope = inner.guard("body of the scope dropped");
                let child = inner.clone();
                s.launch(async move {
                    let _child = child.guard("child dropped");
                    pending::<()>().await;
                });
                pending().await
            }));
            assert!(futures::poll!(parked.as_mut()).is_pending());
            pending::<()>().await;
        });
        let mut events = log.take();
        assert_eq!(events.first().unwrap(), "cancel");
        assert_eq!(events.last().unwrap(), "join returns");
        // The child is a coroutine of its own, so its turn is anywhere between.
        let child = events
            .iter()
            .position(|event| event == "child dropped")
            .unwrap();
        events.remove(child);
        assert_eq!(
            events,
            [
                "cancel",
                "body of the scope dropped",
                "body dropped",
                "join returns"
            ]
        );
    });
}

/// Decision 3: a scope parked during the handler of a `select!` loop, as everyday tokio code has it.
#[test]
fn a_select_loop_is_cancelled_while_its_work_is_parked_in_a_handler() {
    checked(|| {
        let log = Log::new();
        let seen = log.clone();
        let (tx, mut rx) = tokio::sync::mpsc::channel::<()>(1);
        tx.try_send(()).unwrap();
        cancel_at_rest(&log, async move {
            let _body = seen.guard("body dropped");
            let _tx = tx;
            let inner = seen.clone();
            let mut work = pin!(coroutine_scope(async move |s| {
                let child = inner.clone();
                s.launch(async move {
                    let _child = child.guard("child dropped");
                    pending::<()>().await;
                });
                pending::<Result<()>>().await
            }));
            loop {
                tokio::select! {
                    biased;
                    _ = &mut work => break,
                    _ = rx.recv() => {
                        seen.add("handler");
                        pending::<()>().await;
                    }
                }
            }
        });
        let events = log.take();
        assert_eq!(events[..2], ["handler", "cancel"]);
        assert_eq!(events.last().unwrap(), "join returns");
        assert!(events.iter().any(|event| event == "child dropped"));
        assert!(events.iter().any(|event| event == "body dropped"));
    });
}

/// Decision 3: a shield that is parked is dropped with the body.
#[test]
fn a_parked_shield_is_dropped_with_the_body() {
    checked(|| {
        let log = Log::new();
        let seen = log.clone();
        cancel_at_rest(&log, async move {
            let _body = seen.guard("body dropped");
            let inner = seen.clone();
            let mut parked: Parked<Result<()>> = Box::pin(non_cancellable(async move |_| {
                let _shield = inner.guard("shield dropped");
                pending().await
            }));
            assert!(futures::poll!(parked.as_mut()).is_pending());
            pending::<()>().await;
        });
        assert_eq!(
            log.take(),
            ["cancel", "shield dropped", "body dropped", "join returns"]
        );
    });
}

/// Decisions 3 and 4: `FuturesUnordered` polls only what was woken, so the boundary has to be woken by name.
#[test]
fn a_boundary_in_a_futures_unordered_is_woken_by_name() {
    checked(|| {
        let log = Log::new();
        let seen = log.clone();
        cancel_at_rest(&log, async move {
            let mut all = FuturesUnordered::new();
            let inside = seen.clone();
            all.push(Box::pin(async move {
                let outcome = catch_cancellation(pending::<()>()).await;
                inside.add(format!("boundary gives an error: {}", outcome.is_err()));
            }));
            while all.next().await.is_some() {}
            seen.add("code after");
        });
        assert_eq!(
            log.take(),
            [
                "cancel",
                "boundary gives an error: true",
                "code after",
                "join returns"
            ]
        );
    });
}

/// Decision 3: all of them end as they should, and the body is polled a few times only.
#[test]
fn a_hundred_shields_and_a_hundred_boundaries_unwind_in_a_few_polls() {
    checked(|| {
        let gate = CompletableDeferred::<()>::new();
        let opened = gate.clone();
        let polls = Arc::new(AtomicUsize::new(0));
        let (shields, boundaries) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        run_blocking(async |scope| {
            let (count, kept, cut) = (polls.clone(), shields.clone(), boundaries.clone());
            let job = scope.launch(async move {
                let mut all = FuturesUnordered::<Parked<()>>::new();
                for index in 0..200 {
                    let gate = gate.clone();
                    let (kept, cut) = (kept.clone(), cut.clone());
                    all.push(Box::pin(async move {
                        if index % 2 == 0 {
                            non_cancellable(async |_| gate.as_deferred().await)
                                .await
                                .unwrap();
                            kept.fetch_add(1, Ordering::SeqCst);
                        } else {
                            catch_cancellation(pending::<()>()).await.unwrap_err();
                            cut.fetch_add(1, Ordering::SeqCst);
                        }
                    }));
                }
                let mut rest = pin!(async { while all.next().await.is_some() {} });
                poll_fn(|cx| {
                    count.fetch_add(1, Ordering::SeqCst);
                    rest.as_mut().poll(cx)
                })
                .await;
            });
            settle().await;
            polls.store(0, Ordering::SeqCst);
            job.cancel();
            settle().await;
            assert_eq!(boundaries.load(Ordering::SeqCst), 100);
            assert_eq!(shields.load(Ordering::SeqCst), 0);
            assert!(!job.is_completed());
            let unwinding = polls.swap(0, Ordering::SeqCst);
            assert!(unwinding <= 6, "{unwinding} polls after the cancellation");
            // Nobody spins while the shields wait.
            settle().await;
            assert_eq!(polls.load(Ordering::SeqCst), 0);
            opened.complete(());
            job.join().await;
            assert_eq!(shields.load(Ordering::SeqCst), 100);
            let ending = polls.load(Ordering::SeqCst);
            assert!(ending <= 6, "{ending} polls after the gate opened");
            Ok(())
        })
        .unwrap();
    });
}

/// Decision 3: shields that nothing woke are not polled by their combinator, and are awaited all the same: the probe finds them.
#[test]
fn shields_in_a_futures_unordered_run_to_their_end() {
    checked(|| {
        let log = Log::new();
        let gate = CompletableDeferred::<()>::new();
        let (opened, seen) = (gate.clone(), log.clone());
        let polls = Arc::new(AtomicUsize::new(0));
        let count = polls.clone();
        run_blocking(async |scope| {
            let job = scope.launch(async move {
                let _body = seen.guard("body dropped");
                let mut all = FuturesUnordered::<Parked<()>>::new();
                for name in ["one", "two"] {
                    let (gate, seen) = (gate.clone(), seen.clone());
                    all.push(Box::pin(async move {
                        let _ = non_cancellable(async |_| gate.as_deferred().await).await;
                        seen.add(name);
                    }));
                }
                let mut rest = pin!(async { while all.next().await.is_some() {} });
                poll_fn(|cx| {
                    count.fetch_add(1, Ordering::SeqCst);
                    rest.as_mut().poll(cx)
                })
                .await;
            });
            settle().await;
            polls.store(0, Ordering::SeqCst);
            job.cancel();
            settle().await;
            let unwinding = polls.swap(0, Ordering::SeqCst);
            assert!(unwinding <= 3, "{unwinding} polls after the cancellation");
            settle().await;
            assert_eq!(polls.load(Ordering::SeqCst), 0);
            log.add("gate opens");
            opened.complete(());
            job.join().await;
            Ok(())
        })
        .unwrap();
        assert_eq!(log.take(), ["gate opens", "one", "two", "body dropped"]);
    });
}

/// Decision 4: a boundary in a combinator beside a shield that is awaited is woken by name, not only when the shield ends.
#[test]
fn a_boundary_beside_an_awaited_shield_is_woken_by_name() {
    checked(|| {
        let log = Log::new();
        let gate = CompletableDeferred::<()>::new();
        let (opened, seen) = (gate.clone(), log.clone());
        let polls = Arc::new(AtomicUsize::new(0));
        let count = polls.clone();
        run_blocking(async |scope| {
            let job = scope.launch(async move {
                let mut all = FuturesUnordered::<Parked<()>>::new();
                let inside = seen.clone();
                all.push(Box::pin(async move {
                    let _ = catch_cancellation(pending::<()>()).await;
                    inside.add("boundary");
                }));
                let shield = non_cancellable(async |_| gate.as_deferred().await);
                let counting = poll_fn(|_| {
                    count.fetch_add(1, Ordering::SeqCst);
                    Poll::<()>::Pending
                });
                let _ = futures::join!(shield, all.next(), counting);
            });
            settle().await;
            polls.store(0, Ordering::SeqCst);
            job.cancel();
            settle().await;
            // The shield was polled, so nothing had to be found out.
            assert_eq!(polls.load(Ordering::SeqCst), 1);
            log.add("gate opens");
            opened.complete(());
            job.join().await;
            Ok(())
        })
        .unwrap();
        assert_eq!(log.take(), ["boundary", "gate opens"]);
    });
}

/// Decision 3: a body that goes on waking itself beside a held shield is polled on, and is dropped with the last hold.
#[test]
fn a_body_that_wakes_itself_beside_a_shield_goes_on_until_the_shield_ends() {
    checked(|| {
        let log = Log::new();
        let gate = CompletableDeferred::<()>::new();
        let (opened, seen) = (gate.clone(), log.clone());
        let turns = Arc::new(AtomicUsize::new(0));
        let counted = turns.clone();
        run_blocking(async |scope| {
            let job = scope.launch(async move {
                let _body = seen.guard("body dropped");
                let plain = async {
                    loop {
                        // tokio's own, which is no point of cancellation of ours.
                        tokio::task::yield_now().await;
                        counted.fetch_add(1, Ordering::SeqCst);
                    }
                };
                let shield = async {
                    non_cancellable(async |_| gate.as_deferred().await)
                        .await
                        .unwrap();
                    seen.add("shield ended");
                };
                let ((), ()) = futures::join!(shield, plain);
            });
            settle().await;
            job.cancel();
            settle().await;
            let before = turns.load(Ordering::SeqCst);
            settle().await;
            let after = turns.load(Ordering::SeqCst);
            // Decision 10: the plain branch shares the body with the shield, so it goes on.
            assert!(after > before, "{after} turns");
            opened.complete(());
            job.join().await;
            assert_eq!(log.take(), ["shield ended", "body dropped"]);
            Ok(())
        })
        .unwrap();
    });
}

/// Decision 10: after the shield of a `join!` has ended, the plain branch is dropped at its next suspension.
#[test]
fn the_plain_branch_of_a_join_ends_with_the_shield() {
    checked(|| {
        let log = Log::new();
        let gate = CompletableDeferred::<()>::new();
        let (opened, seen) = (gate.clone(), log.clone());
        let (tx, mut rx) = tokio::sync::mpsc::unbounded_channel::<u32>();
        run_blocking(async |scope| {
            let job = scope.launch(async move {
                let plain = async {
                    let _plain = seen.guard("plain branch dropped");
                    while let Some(n) = rx.recv().await {
                        seen.add(format!("plain {n}"));
                    }
                };
                let shield = async {
                    let _ = non_cancellable(async |_| gate.as_deferred().await).await;
                    seen.add("shield ended");
                };
                futures::join!(shield, plain);
            });
            settle().await;
            tx.send(1)?;
            settle().await;
            job.cancel();
            settle().await;
            tx.send(2)?;
            settle().await;
            opened.complete(());
            job.join().await;
            assert_eq!(
                log.take(),
                ["plain 1", "plain 2", "shield ended", "plain branch dropped"]
            );
            Ok(())
        })
        .unwrap();
    });
}

/// Decision 4: the holder ends on a thread that nobody's waker runs on, and the cancelled body is dropped then.
#[test]
fn a_holder_that_ends_on_another_thread_wakes_the_body_it_held() {
    checked(|| {
        let log = Log::new();
        let (gate, seen) = (CompletableDeferred::<()>::new(), log.clone());
        let opened = gate.clone();
        let (to_thread, shields) = mpsc::channel::<Parked<Result<()>>>();
        let (polled, was_polled) = mpsc::channel::<()>();
        let was_polled = Mutex::new(was_polled);
        let (go, goes) = mpsc::channel::<()>();
        let other = thread::spawn(move || {
            let mut shield = shields.recv().unwrap();
            let mut cx = Context::from_waker(Waker::noop());
            assert!(shield.as_mut().poll(&mut cx).is_pending());
            polled.send(()).unwrap();
            goes.recv().unwrap();
            assert!(shield.as_mut().poll(&mut cx).is_ready());
        });
        run_blocking(async |scope| {
            let job = scope.launch(async move {
                let _body = seen.guard("body dropped");
                let mut shield: Option<Parked<Result<()>>> =
                    Some(Box::pin(non_cancellable(async move |_| {
                        gate.as_deferred().await
                    })));
                assert!(futures::poll!(shield.as_mut().unwrap().as_mut()).is_pending());
                let job = Job::current().unwrap();
                poll_fn(|_| {
                    if job.is_cancelled() {
                        if let Some(shield) = shield.take() {
                            to_thread.send(shield).unwrap();
                            was_polled.lock().unwrap().recv().unwrap();
                        }
                    }
                    Poll::<()>::Pending
                })
                .await;
            });
            settle().await;
            job.cancel();
            settle().await;
            // The shield was polled during the last poll of the body, so it holds it.
            assert!(!job.is_completed());
            opened.complete(());
            log.add("the thread goes on");
            go.send(())?;
            job.join().await;
            Ok(())
        })
        .unwrap();
        other.join().unwrap();
        assert_eq!(log.take(), ["the thread goes on", "body dropped"]);
    });
}

/// Decisions 3 and 9: a boundary moved to a tokio task holds nothing here, and still gives its error there.
#[test]
fn a_boundary_moved_to_a_tokio_task_lets_the_body_go_and_ends_there() {
    checked(|| {
        let log = Log::new();
        let seen = log.clone();
        let (there, told) = (log.clone(), CompletableDeferred::<bool>::new());
        let tell = told.clone();
        run_blocking(async |scope| {
            let job = scope.launch(async move {
                let _body = seen.guard("body dropped");
                let mut boundary: Parked<_> = Box::pin(catch_cancellation(pending::<()>()));
                assert!(futures::poll!(boundary.as_mut()).is_pending());
                tokio::spawn(async move {
                    let outcome = boundary.await;
                    tell.complete(outcome.is_err());
                });
                pending::<()>().await;
            });
            settle().await;
            log.add("cancel");
            job.cancel_and_join().await;
            log.add("join returns");
            assert!((&told).await?);
            there.add("the task got its error");
            Ok(())
        })
        .unwrap();
        assert_eq!(
            log.take(),
            [
                "cancel",
                "body dropped",
                "join returns",
                "the task got its error"
            ]
        );
    });
}

/// Decision 9: a scope keeps the parent of its first poll, and its children with it.
#[test]
fn a_scope_moved_to_another_coroutine_keeps_its_first_parent() {
    checked(|| {
        let log = Log::new();
        run_blocking(async |scope| {
            let (tx, rx) = tokio::sync::oneshot::channel::<Parked<Result<()>>>();
            let (gate, first) = (CompletableDeferred::<()>::new(), log.clone());
            let opened = gate.clone();
            let giver = scope.launch(async move {
                let child = first.clone();
                let mut scope: Parked<Result<()>> = Box::pin(coroutine_scope(async move |s| {
                    s.launch(async move {
                        let _ = gate.as_deferred().await;
                        child.add("child ended");
                    });
                    Ok(())
                }));
                assert!(futures::poll!(scope.as_mut()).is_pending());
                let _ = tx.send(scope);
                first.add("giver's body over");
            });
            let second = log.clone();
            let taker = scope.launch(async move {
                let scope = rx.await.unwrap();
                scope.await.unwrap();
                second.add("taker goes on");
            });
            settle().await;
            assert!(!giver.is_completed());
            let child = giver.children().pop().unwrap();
            assert!(child.parent().unwrap().ptr_eq(&giver));
            assert!(taker.children().is_empty());
            opened.complete(());
            giver.join().await;
            log.add("giver ended");
            taker.join().await;
            Ok(())
        })
        .unwrap();
        let events = log.take();
        assert_eq!(events[..2], ["giver's body over", "child ended"]);
        assert!(
            events.contains(&"giver ended".to_owned())
                && events.contains(&"taker goes on".to_owned())
        );
    });
}

/// Decision 9: cancelling the first parent ends a scope that was moved away.
#[test]
fn a_moved_scope_is_cancelled_with_its_first_parent_only() {
    checked(|| {
        run_blocking(async |scope| {
            let (tx, rx) = tokio::sync::oneshot::channel::<Parked<Result<()>>>();
            let giver = scope.launch(async move {
                let mut scope: Parked<Result<()>> =
                    Box::pin(coroutine_scope(async move |_| pending().await));
                assert!(futures::poll!(scope.as_mut()).is_pending());
                let _ = tx.send(scope);
                pending::<()>().await;
            });
            let taker = scope.spawn(async move {
                let outcome = rx.await.unwrap().await;
                Ok(outcome.unwrap_err().is_cancellation() && is_active())
            });
            settle().await;
            giver.cancel();
            assert!(taker.await?);
            giver.join().await;
            Ok(())
        })
        .unwrap();
    });
}

/// Decision 11: what `future` gives by itself while it unwinds is the boundary's output, an `Err` too.
#[test]
fn a_boundary_gives_the_output_of_a_future_that_ended_by_itself() {
    checked(|| {
        let log = Log::new();
        let seen = log.clone();
        cancel_at_rest(&log, async move {
            let flat: Result<()> =
                try_catch_cancellation(coroutine_scope(async |_| pending().await)).await;
            seen.add(format!(
                "flattened: {}",
                flat.unwrap_err().is_cancellation()
            ));
            let own: Result<Result<()>, _> =
                catch_cancellation(async { Err(Error::msg("own failure")) }).await;
            seen.add(format!("own output: {}", own.unwrap().unwrap_err()));
            let own: Result<()> =
                try_catch_cancellation(async { Err(Error::msg("own failure")) }).await;
            seen.add(format!("own output, flattened: {}", own.unwrap_err()));
            let cut: Result<()> = try_catch_cancellation(pending()).await;
            seen.add(format!("cut: {}", cut.unwrap_err().is_cancellation()));
        });
        assert_eq!(
            log.take(),
            [
                "cancel",
                "flattened: true",
                "own output: own failure",
                "own output, flattened: own failure",
                "cut: true",
                "join returns"
            ]
        );
    });
}

/// Decision 11: in a coroutine that nobody cancels, a boundary is transparent; a panic goes through it.
#[test]
fn a_boundary_without_cancellation_is_transparent() {
    checked(|| {
        run_blocking(async |_| {
            assert_eq!(catch_cancellation(async { 3 }).await.unwrap(), 3);
            supervisor_scope(async |s| {
                let deferred = s.spawn(async {
                    let _ = catch_cancellation(async { panic!("through") }).await;
                    Ok(())
                });
                assert!(deferred.await.unwrap_err().is_panic());
                Ok(())
            })
            .await
        })
        .unwrap();
    });
}

/// Decision 11: outside any coroutine a boundary only awaits.
#[test]
fn a_boundary_outside_coroutines_only_awaits() {
    checked(|| {
        let value = futures::executor::block_on(catch_cancellation(async { 5 }));
        assert_eq!(value.unwrap(), 5);
    });
}

/// Design 4.1: after the last holder has gone the body runs on to its next suspension point, and is dropped there.
#[test]
fn after_the_last_holder_the_body_runs_on_to_its_next_suspension() {
    checked(|| {
        let log = Log::new();
        let seen = log.clone();
        cancel_at_rest(&log, async move {
            let _body = seen.guard("body dropped");
            let outcome: Result<()> = coroutine_scope(async |_| pending().await).await;
            seen.add(format!(
                "scope gave a cancellation: {}",
                outcome.unwrap_err().is_cancellation()
            ));
            seen.add(format!("active: {}", is_active()));
            delay(std::time::Duration::from_secs(3600)).await;
            seen.add("unreachable");
        });
        assert_eq!(
            log.take(),
            [
                "cancel",
                "scope gave a cancellation: true",
                "active: false",
                "body dropped",
                "join returns"
            ]
        );
    });
}

/// The recorded run of the prototype: the root is cancelled while a child sits in a boundary; it unwinds from the inside out.
#[test]
fn a_cancelled_root_unwinds_from_the_inside_out() {
    checked(|| {
        let log = Log::new();
        let gate = CompletableDeferred::<()>::new();
        let (opened, seen) = (gate.clone(), log.clone());
        run_blocking(async |scope| {
            let job = scope.launch(async move {
                let _outer = seen.guard("outer guards");
                let child = seen.clone();
                let body = seen.clone();
                let _: Result<()> = coroutine_scope(async move |s| {
                    let _inner = body.guard("guard of the inner scope's body");
                    s.launch(async move {
                        let _guard = child.guard("child's guards");
                        let outcome = catch_cancellation(pending::<()>()).await;
                        child.add(format!(
                            "child's boundary gives an error: {}",
                            outcome.is_err()
                        ));
                        let _ = non_cancellable(async |_| {
                            gate.as_deferred().await?;
                            child.add("async cleanup finished");
                            Ok(())
                        })
                        .await;
                        child.add("code after it");
                    });
                    pending().await
                })
                .await;
            });
            settle().await;
            log.add("cancel");
            job.cancel();
            settle().await;
            opened.complete(());
            job.join().await;
            log.add("join returns");
            Ok(())
        })
        .unwrap();
        assert_eq!(
            log.take(),
            [
                "cancel",
                "child's boundary gives an error: true",
                "guard of the inner scope's body",
                "async cleanup finished",
                "code after it",
                "child's guards",
                "outer guards",
                "join returns"
            ]
        );
    });
}

/// The same order on the pool, where child and parent unwind on different threads: only what is ordered is asserted.
#[test]
fn on_the_pool_outer_guards_go_after_the_children() {
    checked(|| {
        for _ in 0..50 {
            let log = Log::new();
            let seen = log.clone();
            run_blocking(async |scope| {
                let ready = CompletableDeferred::<()>::new();
                let told = ready.clone();
                let job = scope.with(Dispatcher::DEFAULT).launch(async move {
                    let _outer = seen.guard("outer");
                    let child = seen.clone();
                    let _: Result<()> = coroutine_scope(async move |s| {
                        s.launch(async move {
                            let _guard = child.guard("child");
                            told.complete(());
                            let _ = catch_cancellation(pending::<()>()).await;
                            let _ = non_cancellable(async |_| {
                                yield_now().await;
                                child.add("cleanup");
                                Ok(())
                            })
                            .await;
                        });
                        pending().await
                    })
                    .await;
                });
                (&ready).await?;
                job.cancel_and_join().await;
                log.add("joined");
                Ok(())
            })
            .unwrap();
            assert_eq!(log.take(), ["cleanup", "child", "outer", "joined"]);
        }
    });
}
