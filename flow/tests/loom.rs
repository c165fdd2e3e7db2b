//! Models of what may happen at the same moment: `RUSTFLAGS="--cfg corox_loom" cargo test -p corox-flow --release --test loom`.
//!
//! Both ends of a real `flow_on` run here, on loom's locks, atomics and wakers (`src/shim.rs`), and its coroutine on those of
//! `corox-core`.
#![cfg(corox_loom)]

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use corox_channels::BufferOverflow;
use corox_core::{Error, Job, Result};
use corox_flow::{Flow, FlowOn, flow, flow_of, prelude::*, unscheduled_flow_on};
use loom::sync::Notify;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

/// Explores `f` with at most `preemptions` preemptions.
fn model(preemptions: usize, f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(f);
}

struct Parker(Notify);

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

/// Polls `future` on this thread, which sleeps in between: a lost wake is a deadlock, which loom reports.
fn block_on<F: Future>(future: F) -> F::Output {
    let parker = Arc::new(Parker(Notify::new()));
    let waker = Waker::from(parker.clone());
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        parker.0.wait();
    }
}

/// Something that has happened, which a thread blocks for.
struct Event(Notify, AtomicBool);

impl Event {
    fn new() -> Arc<Self> {
        Arc::new(Event(Notify::new(), AtomicBool::new(false)))
    }

    fn set(&self) {
        self.1.store(true, Ordering::Release);
        self.0.notify();
    }

    fn block(&self) {
        // It wakes for no reason, too.
        while !self.1.load(Ordering::Acquire) {
            self.0.wait();
        }
    }
}

/// Others have their turn.
async fn pause() {
    let mut paused = false;
    poll_fn(|cx| {
        if paused {
            return Poll::Ready(());
        }
        paused = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Has the coroutine of a `flow_on` run on a thread of its own, and collects here.
fn elsewhere<S, R>(
    source: S,
    room: usize,
    overflow: BufferOverflow,
    collect: impl FnOnce(FlowOn<S>) -> R,
) -> R
where
    S: Flow<Item: Send + 'static> + Send + 'static,
{
    let (coroutine, end) = unscheduled_flow_on(source, room, overflow);
    let running = thread::spawn(move || block_on(coroutine));
    let collected = collect(end);
    running.join().unwrap();
    collected
}

fn all<S: Flow<Item = u32>>(end: S) -> Result<Vec<u32>> {
    block_on(end.to_vec())
}

/// All of them come, in order, and the end: one by one, in batches, and with a wait between them. Preemptions: 2.
#[test]
fn nothing_is_lost() {
    for room in [0, 1, 16] {
        model(2, move || {
            let seen = elsewhere(flow_of([1, 2, 3]), room, BufferOverflow::Suspend, all);
            assert_eq!(seen.unwrap(), [1, 2, 3]);
        });
        model(2, move || {
            let source = flow(async |emitter| {
                emitter.emit(1).await;
                pause().await;
                emitter.emit(2).await;
            });
            let seen = elsewhere(source, room, BufferOverflow::Suspend, all);
            assert_eq!(seen.unwrap(), [1, 2]);
        });
    }
}

/// What a policy drops is never the first item, which somebody has asked for, nor, if it drops the oldest, the last one.
/// Preemptions: 2.
#[test]
fn a_policy_drops_what_it_says() {
    for overflow in [BufferOverflow::DropOldest, BufferOverflow::DropLatest] {
        model(2, move || {
            let seen = elsewhere(flow_of([1, 2, 3]), 1, overflow, all).unwrap();
            assert_eq!(seen[0], 1);
            assert!(
                seen.is_sorted_by(|a, b| a < b) && seen.len() >= 2,
                "{seen:?}"
            );
            if overflow == BufferOverflow::DropOldest {
                assert_eq!(seen.last(), Some(&3));
            }
        });
    }
}

/// The end comes to who waits for an item, and a failure behind the items before it. Preemptions: 2.
#[test]
fn the_end_comes_to_who_waits() {
    for fails in [false, true] {
        model(2, move || {
            let source = flow(async move |emitter| {
                emitter.emit(1).await;
                pause().await;
                if fails {
                    Err(Error::msg("no more"))
                } else {
                    Ok(())
                }
            });
            let (seen, ended) = elsewhere(source, 1, BufferOverflow::Suspend, |end| {
                let mut seen = Vec::new();
                let ended = block_on(end.for_each(|n| seen.push(n)));
                (seen, ended)
            });
            assert_eq!((seen, ended.is_err()), (vec![1], fails));
        });
    }
}

/// Who has enough leaves while the source is ahead, waits for room or has ended: the coroutine ends, and no item is left.
/// Preemptions: 2.
#[test]
fn nothing_is_left_when_who_collects_leaves() {
    for room in [0, 1] {
        model(2, move || {
            let item = Arc::new(());
            let source = flow_of([item.clone(), item.clone(), item.clone()]);
            elsewhere(source, room, BufferOverflow::Suspend, |end| {
                let mut end = Box::pin(end);
                let first = block_on(poll_fn(|cx| end.as_mut().poll_next(cx)));
                assert!(first.unwrap().is_some());
            });
            assert_eq!(Arc::strong_count(&item), 1);
        });
    }
}

/// The coroutine is cancelled by somebody else while one waits for it: that one is told. Preemptions: 2.
#[test]
fn a_cancellation_comes_to_who_waits() {
    model(2, || {
        let source = flow(async |emitter| {
            emitter.emit(1).await;
            if let Some(job) = Job::current() {
                job.parent().unwrap().cancel();
            }
            pending::<()>().await;
        });
        let (seen, ended) = elsewhere(source, 1, BufferOverflow::Suspend, |end| {
            let mut seen = Vec::new();
            let ended = block_on(end.for_each(|n| seen.push(n)));
            (seen, ended)
        });
        assert_eq!(seen, [1]);
        assert!(ended.unwrap_err().is_cancellation());
    });
}

/// A source that blocks its thread after an item: who has taken all and waits is given that one at once. Preemptions: 2.
#[test]
fn an_item_does_not_wait_for_the_next_one() {
    for room in [1, 16] {
        model(2, move || {
            let (asked, taken) = (Event::new(), Event::new());
            let (is_asked, is_taken) = (asked.clone(), taken.clone());
            let source = flow(async move |emitter| {
                emitter.emit(1).await;
                is_asked.block();
                emitter.emit(2).await;
                is_taken.block();
            });
            elsewhere(source, room, BufferOverflow::Suspend, |end| {
                let mut end = Box::pin(end);
                let first = block_on(poll_fn(|cx| end.as_mut().poll_next(cx)));
                assert_eq!(first.unwrap(), Some(1));
                let mut told = false;
                let second = block_on(poll_fn(|cx| {
                    let polled = end.as_mut().poll_next(cx);
                    if !told {
                        assert!(polled.is_pending());
                        told = true;
                        asked.set();
                    }
                    polled
                }));
                assert_eq!(second.unwrap(), Some(2));
                taken.set();
                let ended = block_on(poll_fn(|cx| end.as_mut().poll_next(cx)));
                assert_eq!(ended.unwrap(), None);
            });
        });
    }
}
