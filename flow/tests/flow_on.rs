//! A source in a coroutine of its own: F-11 to F-14, F-16 to F-19.
#![cfg(not(corox_loom))]

mod support;

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use corox_channels::{BufferOverflow, Capacity};
use corox_core::{
    ContextElement, CoroutineContext, CoroutineName, Dispatcher, Error, FinallyExt, Job,
    NonCancellable, coroutine_scope, delay, new_single_thread_context, run_blocking, yield_now,
};
use corox_flow::{Flow, flow, flow_of, prelude::*};
use corox_test::{Explore, run_test};
use proptest::prelude::*;
use support::drop_at::drop_at_each_poll_in_a_test;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn name() -> String {
    let context = CoroutineContext::current();
    context
        .name()
        .map_or("none", CoroutineName::as_str)
        .to_owned()
}

/// F-16: only what is above runs there.
#[test]
fn only_what_is_above_runs_there() {
    let other = new_single_thread_context("other");
    let there = Dispatcher::from(&other);
    run_blocking(async move |_| {
        let here = thread::current().id();
        let flow = flow(async move |emitter| {
            for _ in 0..100 {
                assert!(thread::current().id() != here);
                emitter.emit(thread::current().id()).await;
            }
        });
        let flow = flow.map(move |id| {
            assert_eq!(thread::current().id(), id);
            id
        });
        let behind = flow.flow_on(there).map(move |id| {
            assert_eq!(thread::current().id(), here);
            assert!(id != here);
        });
        assert_eq!(behind.count().await?, 100);
        Ok(())
    })
    .unwrap();
    other.close();
}

/// F-16: the one next to the source counts, element by element; the others add what it does not have.
#[test]
fn the_first_one_counts_for_each_element() {
    run_blocking(async |_| {
        let flow = flow(async |emitter| {
            let context = CoroutineContext::current();
            emitter
                .emit((name(), context.dispatcher() == Some(&Dispatcher::IO)))
                .await;
        });
        let flow = flow
            .flow_on(CoroutineName::new("first"))
            .flow_on(CoroutineName::new("later") + Dispatcher::IO);
        assert_eq!(flow.to_vec().await?[0].0, "first");
        Ok(())
    })
    .unwrap();
}

/// F-16: without another dispatcher there is no coroutine: items go through one by one, each in its context.
#[test]
fn another_name_needs_no_coroutine() {
    run_test(async |t| {
        let log = Arc::new(Mutex::new(Vec::new()));
        let inner = log.clone();
        let source = flow(async move |emitter| {
            for n in 0..2 {
                inner
                    .lock()
                    .unwrap()
                    .push(format!("emit {n} in {}", name()));
                emitter.emit(n).await;
                delay(ms(10)).await;
            }
        });
        let jobs = || Job::current().unwrap().children().len();
        let children = jobs();
        let flow = source.flow_on(CoroutineName::new("source"));
        flow.for_each(|n| {
            assert!(jobs() <= children + 1, "the section is the one child");
            log.lock().unwrap().push(format!("item {n} in {}", name()));
        })
        .await
        .unwrap();
        let expected = [
            "emit 0 in source",
            "item 0 in none",
            "emit 1 in source",
            "item 1 in none",
        ];
        assert_eq!(*log.lock().unwrap(), expected);
        assert_eq!(t.current_time(), ms(20));
    });
}

/// F-16: with the dispatcher that is there already, nothing changes at all.
#[test]
fn the_same_dispatcher_changes_nothing() {
    run_test(async |_| {
        let here = CoroutineContext::current().dispatcher().unwrap().clone();
        let job = Job::current().unwrap();
        let source = flow(async move |emitter| {
            for n in 0..3 {
                assert!(Job::current().unwrap().ptr_eq(&job));
                emitter.emit(n).await;
            }
        });
        let seen = Mutex::new(Vec::new());
        let source = source.map(|n| n).flow_on(here);
        source
            .for_each(|n| seen.lock().unwrap().push(n))
            .await
            .unwrap();
        assert_eq!(*seen.lock().unwrap(), [0, 1, 2]);
    });
}

/// A failure and the end of one that runs in another context of the same coroutine.
#[test]
fn a_failure_in_another_context_of_the_same_coroutine() {
    run_test(async |_| {
        let failing = flow(async |emitter| {
            emitter.emit(1).await;
            yield_now().await;
            Err::<(), _>(Error::msg("broken"))
        });
        let mut seen = Vec::new();
        let flow = failing.flow_on(CoroutineName::new("source"));
        let error = flow.for_each(|n| seen.push(n)).await.unwrap_err();
        assert_eq!(error.to_string(), "broken");
        assert_eq!(seen, [1]);
        let endless = (0..).into_flow().flow_on(CoroutineName::new("source"));
        assert_eq!(endless.take(3).to_vec().await.unwrap(), [0, 1, 2]);
    });
}

/// F-17: 64 items, if nothing else is said. One is handed over, and one waits.
#[test]
fn how_far_the_source_is_ahead() {
    let ahead = |capacity: Option<usize>| {
        let emitted = Arc::new(AtomicUsize::new(0));
        let count = emitted.clone();
        run_test(async move |t| {
            let source = flow(async move |emitter| {
                loop {
                    count.fetch_add(1, Ordering::SeqCst);
                    emitter.emit(()).await;
                }
            });
            let on = corox_test::StandardTestDispatcher::new();
            let flow = source.flow_on(&on);
            let flow = match capacity {
                None => flow.boxed(),
                Some(capacity) => flow.buffer(capacity).boxed(),
            };
            let job = t.launch(async move { flow.collect(async |()| pending::<()>().await).await });
            t.run_current().await;
            job.cancel_and_join().await;
        });
        emitted.load(Ordering::SeqCst)
    };
    assert_eq!(ahead(Some(0)), 2);
    assert_eq!(ahead(Some(1)), 3);
    assert_eq!(ahead(Some(5)), 7);
    // Those that are taken as a whole may be ahead by as much again.
    assert!((66..=64 * 2 + 2).contains(&ahead(None)), "{}", ahead(None));
}

/// The failure comes behind what was emitted before, and does not fail the scope (F-14).
#[test]
fn a_failure_comes_behind_the_items() {
    run_blocking(async |scope| {
        let failing = flow(async |emitter| {
            for n in 0..10 {
                emitter.emit(n).await;
            }
            Err::<(), _>(Error::msg("broken"))
        });
        let mut seen = Vec::new();
        let flow = failing.flow_on(Dispatcher::DEFAULT);
        let error = flow.for_each(|n| seen.push(n)).await.unwrap_err();
        assert_eq!(error.to_string(), "broken");
        assert_eq!(seen, (0..10).collect::<Vec<_>>());
        yield_now().await;
        assert!(scope.is_active());
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_panic_comes_behind_the_items() {
    run_blocking(async |scope| {
        let panicking = flow(async |emitter| {
            emitter.emit(1).await;
            panic!("as it should be");
        });
        let mut seen = Vec::new();
        let flow = panicking.flow_on(Dispatcher::DEFAULT);
        let error = flow.for_each(|n| seen.push(n)).await.unwrap_err();
        assert!(
            error.is_panic() && error.to_string().contains("as it should be"),
            "{error}"
        );
        assert_eq!(seen, [1]);
        assert!(scope.is_active());
        Ok(())
    })
    .unwrap();
}

/// F-11, F-14: who leaves waits until the source has gone, and its scope goes on.
#[test]
fn an_early_end_waits_for_the_source() {
    run_blocking(async |scope| {
        for failing in [false, true] {
            let gone = Arc::new(AtomicBool::new(false));
            let told = gone.clone();
            let source = flow(async move |emitter| {
                let emit = async {
                    for n in 0.. {
                        emitter.emit(n).await;
                        yield_now().await;
                    }
                };
                emit.finally(async {
                    delay(ms(5)).await;
                    told.store(true, Ordering::SeqCst);
                })
                .await;
            });
            let flow = source.flow_on(Dispatcher::DEFAULT);
            if failing {
                let ended = flow
                    .collect(async |_| Err::<(), _>(Error::msg("enough")))
                    .await;
                assert_eq!(ended.unwrap_err().to_string(), "enough");
            } else {
                assert_eq!(flow.take(3).to_vec().await?, [0, 1, 2]);
            }
            assert!(gone.load(Ordering::SeqCst));
            assert!(scope.is_active() && scope.job().children().is_empty());
        }
        Ok(())
    })
    .unwrap();
}

/// F-13: it begins also if who collects is cancelled before its turn.
#[test]
fn it_starts_atomically() {
    run_test(async |t| {
        let begun = Arc::new(AtomicBool::new(false));
        let told = begun.clone();
        let on = corox_test::StandardTestDispatcher::new();
        let source = flow(async move |emitter| {
            told.store(true, Ordering::SeqCst);
            emitter.emit(1).await;
            unreachable!("it is cancelled where it emits");
        });
        let flow = source.flow_on(&on);
        let start = corox_core::CoroutineStart::Undispatched;
        let job = t
            .start(start)
            .launch(async move { flow.count().await.map(drop) });
        assert!(!begun.load(Ordering::SeqCst));
        job.cancel_and_join().await;
        assert!(begun.load(Ordering::SeqCst));
    });
}

/// Outside of any coroutine it belongs to nobody, and is cancelled when the collection is dropped.
#[test]
fn outside_of_any_coroutine() {
    struct Gone(std::sync::mpsc::Sender<()>);
    impl Drop for Gone {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let numbers = (0..1000).into_flow().flow_on(Dispatcher::DEFAULT);
        assert_eq!(
            numbers.fold(0, |sum, n| sum + n).await.unwrap(),
            999 * 1000 / 2
        );
        let (tell, told) = std::sync::mpsc::channel();
        let endless = flow(async move |emitter| {
            let _gone = Gone(tell.clone());
            emitter.emit(1).await;
            pending::<()>().await;
        });
        {
            let mut endless = pin!(endless.flow_on(Dispatcher::DEFAULT).to_vec());
            let first = endless
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
            assert!(first.is_pending());
            assert!(told.try_recv().is_err());
        }
        told.recv_timeout(Duration::from_secs(20)).unwrap();
    });
}

/// The coroutine that runs the source is cancelled by somebody else: who collects is told so.
#[test]
fn a_source_that_others_cancel_is_a_failure() {
    run_test(async |_| {
        let ended = coroutine_scope(async |scope| {
            let waits = flow(async |emitter| {
                emitter.emit(1).await;
                pending::<()>().await;
            });
            let flow = waits.flow_on(Dispatcher::IO).buffer(2);
            flow.for_each(|_| scope.job().cancel_children()).await
        });
        let error = ended.await.unwrap_err();
        assert!(error.is_cancellation(), "{error}");
    });
}

#[test]
#[should_panic(expected = "the context of `flow_on` has a job")]
fn a_job_is_refused() {
    let _ = flow_of([1]).flow_on(Job::current().map_or_else(
        || corox_core::CompletableJob::new().into(),
        CoroutineContext::from,
    ));
}

#[test]
#[should_panic(expected = "or `NonCancellable`")]
fn non_cancellable_is_refused() {
    let _ = flow_of([1]).flow_on(NonCancellable);
}

/// F-18: a buffer before or behind it is its own; policies that drop work as in one task.
#[test]
fn a_conflated_source_elsewhere() {
    run_test(async |_| {
        let numbers = (0..100).into_flow();
        for flow in [
            numbers.clone().conflate().flow_on(Dispatcher::IO).boxed(),
            numbers.clone().flow_on(Dispatcher::IO).conflate().boxed(),
        ] {
            let items = flow.to_vec().await.unwrap();
            assert_eq!(items[0], 0);
            assert_eq!(items.last(), Some(&99));
            assert!(items.is_sorted());
        }
        let latest = numbers
            .flow_on(Dispatcher::IO)
            .buffer_with_overflow(3, BufferOverflow::DropLatest);
        let items = latest.to_vec().await.unwrap();
        assert_eq!(items[..4], [0, 1, 2, 3]);
    });
}

/// F-18: `buffer` above a `flow_on` has no buffer of its own.
#[test]
fn a_buffer_above_is_taken_over() {
    let mut flow = flow_of([1]).buffer(3).flow_on(Dispatcher::IO).buffer(4);
    let settings = flow.dissolve().unwrap();
    assert_eq!(settings.capacity, Some(Capacity::Exactly(7)));
    assert_eq!(settings.context.dispatcher(), Some(&Dispatcher::IO));
    assert!(flow.dissolve().is_none(), "nothing is left of it");
}

/// What an element of one's own sees of the source, and of what is behind it.
#[test]
fn elements_of_ones_own() {
    #[derive(Clone)]
    struct Tag(u32);
    impl ContextElement for Tag {}
    let tag = || CoroutineContext::current().get::<Tag>().map(|tag| tag.0);
    run_test(async move |t| {
        let work = t.with(Tag(1)).spawn(async move {
            let source = flow(async move |emitter| emitter.emit(tag()).await);
            let swapped = source
                .clone()
                .flow_on(Tag(2))
                .map(move |above| (above, tag()));
            let elsewhere = source
                .flow_on(Tag(2).plus(Dispatcher::IO))
                .map(move |above| (above, tag()));
            Ok((swapped.to_vec().await?, elsewhere.to_vec().await?))
        });
        let expected = vec![(Some(2), Some(1))];
        assert_eq!(work.await.unwrap(), (expected.clone(), expected));
    });
}

#[test]
fn dropped_at_each_poll() {
    drop_at_each_poll_in_a_test(|guards| guards.source(4).flow_on(Dispatcher::IO).to_vec());
    drop_at_each_poll_in_a_test(|guards| {
        guards.source(4).flow_on(CoroutineName::new("n")).to_vec()
    });
    drop_at_each_poll_in_a_test(|guards| {
        let closure = guards.guard();
        guards
            .source(4)
            .flow_on(Dispatcher::IO)
            .buffer(0)
            .collect(async move |item| {
                let _guard = closure;
                yield_now().await;
                drop(item);
            })
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Any capacity, on another thread: all items, in order.
    #[test]
    fn nothing_is_lost(count in 0..500usize, capacity in 0..70usize, pause in 1..50usize) {
        let items = run_blocking(async move |_| {
            let source = flow(async move |emitter| {
                for n in 0..count {
                    if n % pause == 0 {
                        yield_now().await;
                    }
                    emitter.emit(n).await;
                }
            });
            source.flow_on(Dispatcher::DEFAULT).buffer(capacity).to_vec().await
        });
        prop_assert_eq!(items.unwrap(), (0..count).collect::<Vec<_>>());
    }
}

/// Cancelled at any time, on several threads: nothing of the source is left when the collection is over.
#[test]
fn cancelled_at_any_time() {
    struct Living(Arc<AtomicUsize>);
    impl Living {
        fn new(count: &Arc<AtomicUsize>) -> Self {
            count.fetch_add(1, Ordering::SeqCst);
            Living(count.clone())
        }
    }
    impl Drop for Living {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    run_blocking(async |scope| {
        for round in 0..300u32 {
            let living = Arc::new(AtomicUsize::new(0));
            let count = living.clone();
            let source = flow(async move |emitter| {
                let _source = Living::new(&count);
                for n in 0.. {
                    if n % 7 == 0 {
                        yield_now().await;
                    }
                    emitter.emit(Living::new(&count)).await;
                }
            });
            let flow = source
                .flow_on(Dispatcher::DEFAULT)
                .buffer((round % 20) as usize);
            let seen = Arc::new(AtomicUsize::new(0));
            let told = seen.clone();
            let job = scope.with(Dispatcher::DEFAULT).launch(async move {
                flow.for_each(|_| _ = told.fetch_add(1, Ordering::SeqCst))
                    .await
            });
            while seen.load(Ordering::SeqCst) < (round % 50) as usize {
                yield_now().await;
            }
            job.cancel_and_join().await;
            assert_eq!(living.load(Ordering::SeqCst), 0, "round {round}");
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn explored() {
    let explored = Explore::new(60).run(async |t| {
        let on = corox_test::StandardTestDispatcher::new();
        for capacity in [0, 1, 20] {
            let source = flow(async |emitter| {
                for n in 0..6 {
                    if n % 2 == 0 {
                        yield_now().await;
                    }
                    emitter.emit(n).await;
                }
            });
            let flow = source.flow_on(&on).buffer(capacity);
            let slow = flow.clone().map_async(async |n| {
                yield_now().await;
                n
            });
            assert_eq!(slow.to_vec().await.unwrap(), [0, 1, 2, 3, 4, 5]);
            assert_eq!(flow.clone().take(2).to_vec().await.unwrap(), [0, 1]);
            let job = t.launch(async move { flow.count().await.map(drop) });
            yield_now().await;
            job.cancel_and_join().await;
        }
    });
    assert!(explored.distinct() > 20, "{explored:?}");
}

#[test]
fn clones_are_fresh() {
    run_blocking(async |_| {
        let flow = (0..3).into_flow().flow_on(Dispatcher::DEFAULT);
        let copy = flow.clone();
        assert_eq!(flow.to_vec().await?, [0, 1, 2]);
        assert_eq!(copy.clone().to_vec().await?, [0, 1, 2]);
        let mut polled = pin!(copy);
        let first = std::future::poll_fn(|cx| polled.as_mut().poll_next(cx)).await?;
        assert_eq!(first, Some(0));
        assert!(matches!(
            std::future::poll_fn(|cx| polled.as_mut().poll_next(cx)).await,
            Ok(Some(1))
        ));
        Ok(())
    })
    .unwrap();
}

/// A source that blocks its thread between its items, as one that reads a file: each item is handed over before the next is made.
#[test]
fn an_item_does_not_wait_for_the_next_one_of_a_source_that_blocks() {
    let seen = run_blocking(async |_| {
        let (taken, is_taken) = std::sync::mpsc::channel();
        let is_taken = Arc::new(Mutex::new(is_taken));
        let numbers = flow(async move |e| {
            for n in 0..5 {
                e.emit(n).await;
                // Blocks the thread until that one was collected.
                let collected = is_taken
                    .lock()
                    .unwrap()
                    .recv_timeout(Duration::from_secs(10));
                assert_eq!(collected, Ok(n));
            }
        });
        let mut seen = Vec::new();
        let elsewhere = numbers.flow_on(Dispatcher::DEFAULT);
        elsewhere
            .for_each(|n| {
                seen.push(n);
                taken.send(n).ok();
            })
            .await?;
        Ok(seen)
    });
    assert_eq!(seen.unwrap(), [0, 1, 2, 3, 4]);
}
