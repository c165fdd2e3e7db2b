//! A block that emits: F-1, F-2, F-4, F-5, and what its emitter must bear.
#![cfg(not(corox_loom))]

mod support;

use std::cell::RefCell;
use std::future::{Future, pending, poll_fn};
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use corox_core::{Error, Job, run_blocking, yield_now};
use corox_flow::{Emitter, Flow, flow, flow_of, prelude::*};
use futures::stream::{FuturesUnordered, StreamExt};
use support::now;
use support::wakes::Wakes;

/// The next item, by `poll_next`.
fn next<S: Flow>(flow: Pin<&mut S>) -> Poll<Option<S::Item>> {
    let polled = flow.poll_next(&mut Context::from_waker(Waker::noop()));
    polled.map(|item| item.expect("the flow does not fail"))
}

/// F-1: each collection runs the block anew.
#[test]
fn a_flow_is_cold() {
    let runs = AtomicUsize::new(0);
    let numbers = flow(async |e| {
        let run = runs.fetch_add(1, Ordering::SeqCst);
        e.emit(run).await;
    });
    let copy = numbers.clone();
    assert_eq!(runs.load(Ordering::SeqCst), 0);
    assert_eq!(now(numbers.to_vec()).unwrap(), [0]);
    assert_eq!(now(copy.clone().to_vec()).unwrap(), [1]);
    assert_eq!(now(copy.to_vec()).unwrap(), [2]);
}

/// F-2: an emit runs all stages behind it before it returns.
#[test]
fn an_emit_runs_what_is_behind_it() {
    let log = RefCell::new(Vec::new());
    let numbers = flow(async |e| {
        for n in 1..=2 {
            log.borrow_mut().push(format!("emit {n}"));
            e.emit(n).await;
            log.borrow_mut().push(format!("emitted {n}"));
        }
    });
    let doubled = numbers.map(|n| {
        log.borrow_mut().push(format!("map {n}"));
        n * 2
    });
    now(doubled.for_each(|n| log.borrow_mut().push(format!("collect {n}")))).unwrap();
    let expected = [
        "emit 1",
        "map 1",
        "collect 2",
        "emitted 1",
        "emit 2",
        "map 2",
        "collect 4",
        "emitted 2",
    ];
    assert_eq!(*log.borrow(), expected);
}

/// The same where one item is asked for after another: an item counts as processed when the next is wanted.
#[test]
fn pulled_item_by_item_an_emit_returns_when_the_next_is_wanted() {
    let log = RefCell::new(Vec::new());
    let numbers = flow(async |e| {
        for n in 1..=2 {
            e.emit(n).await;
            log.borrow_mut().push(n);
        }
    });
    let mut numbers = pin!(numbers);
    assert_eq!(next(numbers.as_mut()), Poll::Ready(Some(1)));
    assert!(log.borrow().is_empty());
    numbers
        .as_mut()
        .poll_progress(&mut Context::from_waker(Waker::noop()));
    assert!(log.borrow().is_empty(), "nobody wants the next yet");
    assert_eq!(next(numbers.as_mut()), Poll::Ready(Some(2)));
    assert_eq!(*log.borrow(), [1]);
    assert_eq!(next(numbers.as_mut()), Poll::Ready(None));
    assert_eq!(next(numbers.as_mut()), Poll::Ready(None));
    assert_eq!(*log.borrow(), [1, 2]);
}

/// F-4: a block does not learn that what is behind it has failed: it is dropped where it emits.
#[test]
fn a_failure_behind_an_emit_drops_the_block_there() {
    struct Guard<'a>(&'a RefCell<Vec<&'static str>>);
    impl Drop for Guard<'_> {
        fn drop(&mut self) {
            self.0.borrow_mut().push("dropped");
        }
    }
    let log = RefCell::new(Vec::new());
    let numbers = flow(async |e| {
        let _guard = Guard(&log);
        e.emit(1).await;
        log.borrow_mut().push("after the emit");
    });
    let failed = now(numbers.collect(async |_| {
        log.borrow_mut().push("collect");
        Err::<(), _>(Error::msg("no"))
    }));
    assert_eq!(failed.unwrap_err().to_string(), "no");
    assert_eq!(*log.borrow(), ["collect", "dropped"]);
}

/// F-5: known items are given without a look.
#[test]
fn flow_of_does_not_look_whether_the_coroutine_is_cancelled() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    run_blocking(async move |scope| {
        let job = scope.launch(async move {
            let me = Job::current().expect("in a coroutine");
            me.cancel();
            flow_of([1, 2])
                .for_each(|n| log.lock().unwrap().push(n))
                .await
        });
        job.join().await;
        Ok(())
    })
    .unwrap();
    // It never began: a coroutine that is launched and cancelled by itself has begun.
    assert_eq!(*seen.lock().unwrap(), [1, 2]);
}

/// Several emits at a time: nothing is lost, and they come in the order in which they were polled first.
#[test]
fn emits_that_run_at_a_time_keep_their_order() {
    let numbers = flow(async |e| {
        futures::join!(e.emit(1), e.emit(2), e.emit(3));
        e.emit(4).await;
    });
    assert_eq!(now(numbers.clone().to_vec()).unwrap(), [1, 2, 3, 4]);
    let mut pulled = pin!(numbers);
    for n in 1..=4 {
        assert_eq!(next(pulled.as_mut()), Poll::Ready(Some(n)));
    }
    assert_eq!(next(pulled.as_mut()), Poll::Ready(None));
}

/// An executor inside the block polls only what was woken.
#[test]
fn an_emit_wakes_an_executor_inside_its_block() {
    let numbers = flow(async |e| {
        let mut emits: FuturesUnordered<_> = (1..=3).map(|n| e.emit(n)).collect();
        while emits.next().await.is_some() {}
    });
    let mut all = Vec::new();
    let mut pulled = pin!(numbers.clone());
    while let Poll::Ready(Some(n)) = next(pulled.as_mut()) {
        all.push(n);
    }
    all.sort_unstable();
    assert_eq!(all, [1, 2, 3]);
    let mut slow = run_blocking(async |_| {
        let seen = RefCell::new(Vec::new());
        numbers
            .collect(async |n| {
                yield_now().await;
                seen.borrow_mut().push(n);
            })
            .await?;
        Ok(seen.into_inner())
    })
    .unwrap();
    slow.sort_unstable();
    assert_eq!(slow, [1, 2, 3]);
}

/// A block that emits and completes in the same poll: the item first, then the end; and it is not polled again.
#[test]
fn an_item_that_is_left_by_a_block_that_completes_is_delivered_first() {
    let numbers = flow(async |e| {
        let mut emit = pin!(e.emit(7));
        // Once, and never awaited to its end.
        poll_fn(|cx| {
            let _ = emit.as_mut().poll(cx);
            Poll::Ready(())
        })
        .await;
    });
    let mut pulled = pin!(numbers);
    assert_eq!(next(pulled.as_mut()), Poll::Ready(Some(7)));
    assert_eq!(next(pulled.as_mut()), Poll::Ready(None));
    assert_eq!(next(pulled.as_mut()), Poll::Ready(None));
}

/// A block may complete while whoever collects it is busy: the end is told later.
#[test]
fn a_block_that_completes_in_the_meantime_ends_the_flow_later() {
    let numbers = flow(async |e| {
        let mut emit = pin!(e.emit(7));
        poll_fn(|cx| {
            let _ = emit.as_mut().poll(cx);
            Poll::Ready(())
        })
        .await;
        yield_once().await;
    });
    let mut cx = Context::from_waker(Waker::noop());
    let mut pulled = pin!(numbers);
    assert_eq!(next(pulled.as_mut()), Poll::Ready(Some(7)));
    pulled.as_mut().poll_progress(&mut cx);
    pulled.as_mut().poll_progress(&mut cx);
    assert_eq!(next(pulled.as_mut()), Poll::Ready(None));
}

async fn yield_once() {
    let mut yielded = false;
    poll_fn(|_| {
        if std::mem::replace(&mut yielded, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// A stage behind the block that polls another emit of the same block, by a detour: there is no demand, for the sink is running.
#[test]
fn an_emit_inside_the_sink_of_its_own_emitter_waits() {
    thread_local! {
        static LENT: RefCell<Option<*const Emitter<u32>>> = const { RefCell::new(None) };
    }
    // A scoped thread-local, as safe crates offer it.
    fn with_lent<R>(f: impl FnOnce(&Emitter<u32>) -> R) -> R {
        LENT.with(|lent| {
            let lent = lent.borrow().expect("it is lent");
            // SAFETY: set for the time of the block below alone, which lends it.
            f(unsafe { &*lent })
        })
    }
    let numbers = flow(async |e: &Emitter<u32>| {
        LENT.with(|lent| *lent.borrow_mut() = Some(std::ptr::from_ref(e)));
        e.emit(1).await;
        LENT.with(|lent| *lent.borrow_mut() = None);
    });
    let mut inner = Vec::new();
    now(numbers.for_each(|_| {
        with_lent(|e| {
            let mut emit = pin!(e.emit(2));
            let polled = emit.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            inner.push(polled);
        });
    }))
    .unwrap();
    assert_eq!(inner, [Poll::Pending]);
}

/// On another thread than the one that polls the block: a panic that tells the way out.
#[test]
#[should_panic(expected = "an item was emitted outside of its block, on another thread")]
fn an_emit_on_another_thread_panics() {
    let numbers = flow(async |e: &Emitter<u32>| {
        let on_another_thread =
            std::thread::scope(|threads| threads.spawn(|| now(e.emit(1))).join());
        if let Err(panic) = on_another_thread {
            std::panic::resume_unwind(panic);
        }
    });
    now(numbers.count()).unwrap();
}

/// A panic behind an emit unwinds through the block, and nothing that it leaves behind is touched by a later poll.
#[test]
fn a_panic_behind_an_emit_leaves_nothing_behind() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let emitted = log.clone();
    let numbers = flow(async move |e: &Emitter<u32>| {
        e.emit(1).await;
        emitted.borrow_mut().push("emitted");
        pending::<()>().await;
    });
    let mut numbers = Box::pin(numbers);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut cx = Context::from_waker(Waker::noop());
        let _ = numbers
            .as_mut()
            .poll_each(&mut cx, &mut |_| -> ControlFlow<()> { panic!("behind") });
    }));
    assert!(panicked.is_err());
    drop(numbers);
    assert!(log.borrow().is_empty());
}

/// `emit_all` gives the items of another flow, and its failure.
#[test]
fn emit_all_gives_items_and_failure() {
    let numbers = flow(async |e| {
        e.emit(0).await;
        e.emit_all(flow_of([1, 2])).await?;
        let failing = flow(async |e| {
            e.emit(3).await;
            Err(Error::msg("inner"))
        });
        let error = e.emit_all(failing).await.unwrap_err();
        e.emit(4).await;
        Err(error)
    });
    let mut seen = Vec::new();
    let failed = now(numbers.clone().for_each(|n| seen.push(n))).unwrap_err();
    assert_eq!(failed.to_string(), "inner");
    assert_eq!(seen, [0, 1, 2, 3, 4]);
    let slow = run_blocking(async |_| {
        let seen = RefCell::new(Vec::new());
        let failed = numbers
            .collect(async |n| {
                yield_now().await;
                seen.borrow_mut().push(n);
            })
            .await;
        assert!(failed.is_err());
        Ok(seen.into_inner())
    });
    assert_eq!(slow.unwrap(), [0, 1, 2, 3, 4]);
}

/// Beside a flow that never waits others have their turn: after 128 items.
#[test]
fn a_terminal_operator_yields_after_128_items() {
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(wakes.clone());
    let mut seen = 0;
    let mut counting = Box::pin((0..300).into_flow().for_each(|_| seen += 1));
    let mut polls = 0;
    while counting
        .as_mut()
        .poll(&mut Context::from_waker(&waker))
        .is_pending()
    {
        polls += 1;
        assert_eq!(wakes.count(), polls);
    }
    drop(counting);
    assert_eq!((polls, seen), (2, 300));
}

/// A flow of `Send` parts is `Send` behind `impl Flow`, without a word about it.
#[test]
fn a_flow_behind_impl_is_collected_in_a_spawned_coroutine() {
    fn numbers() -> impl Flow<Item = i32> {
        flow(async move |e| {
            for n in 0..3 {
                yield_now().await;
                e.emit(n).await;
            }
        })
    }
    let sum = run_blocking(async |scope| {
        let sum = scope.with(corox_core::Dispatcher::DEFAULT).spawn(async {
            let seen = Mutex::new(0);
            numbers()
                .map_async(async |n| {
                    yield_now().await;
                    n * 2
                })
                .transform(async |n, e| {
                    e.emit(n).await;
                    e.emit(n + 1).await;
                })
                .collect(async |n| {
                    yield_now().await;
                    *seen.lock().unwrap() += n;
                })
                .await?;
            Ok(seen.into_inner().unwrap())
        });
        sum.await
    });
    assert_eq!(sum.unwrap(), 15); // 0, 1, 2, 3, 4, 5
}

/// Futures of a run are small: no stage is stored twice.
#[test]
fn sizes() {
    let block = flow(async |e: &Emitter<u64>| e.emit(1).await);
    let bare = size_of_val(&block);
    let chain = block
        .map(|n| n + 1)
        .filter(|n| *n > 0)
        .map_async(async |n| n);
    let chained = size_of_val(&chain);
    let run = size_of_val(&chain.fold(0, |a, b| a + b));
    assert!(bare <= 192, "a block is {bare} bytes");
    assert!(chained <= bare + 48, "a chain on it is {chained} bytes");
    assert!(run <= chained + 80, "its fold is {run} bytes");
}
