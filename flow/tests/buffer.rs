//! Buffers in the task of whoever collects, and how stages with buffers are one: F-11, F-16 to F-19.
#![cfg(not(corox_loom))]

mod support;

use std::cell::RefCell;
use std::future::{Future, pending};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use corox_channels::{BufferOverflow, Capacity};
use corox_core::{Error, delay};
use corox_flow::fusion::{Settings, Stage};
use corox_flow::{Flow, flow, flow_of, prelude::*};
use corox_test::{EventLog, assert_events, run_test};
use proptest::prelude::*;
use support::drop_at::drop_at_each_poll;

fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// How many items are emitted before the first one is collected, and before the next one behind a pause, of a block that does not wait.
fn batches<S: Flow<Item = usize>>(make: impl FnOnce(Rc<RefCell<Vec<Event>>>) -> S) -> Vec<Event> {
    let log = Rc::new(RefCell::new(Vec::new()));
    let flow = make(log.clone());
    let seen = log.clone();
    now(flow.for_each(|n| seen.borrow_mut().push(Event::Collected(n)))).unwrap();
    log.take()
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Event {
    Emitting(usize),
    Collected(usize),
}

fn source(count: usize, log: Rc<RefCell<Vec<Event>>>) -> impl Flow<Item = usize> {
    flow(async move |emitter| {
        for n in 0..count {
            log.borrow_mut().push(Event::Emitting(n));
            emitter.emit(n).await;
        }
    })
}

/// F-19: the source is ahead by what the buffer holds, the item that is handed over, and the one that waits.
#[test]
fn a_batch_is_the_capacity_and_two() {
    for capacity in [0, 1, 2, 5, 10] {
        let events = batches(|log| source(capacity * 3 + 7, log).buffer(capacity));
        let expected = {
            let mut expected = Vec::new();
            let all: Vec<_> = (0..capacity * 3 + 7).collect();
            for batch in all.chunks(capacity + 2) {
                expected.extend(batch.iter().copied().map(Event::Emitting));
                expected.extend(batch.iter().copied().map(Event::Collected));
            }
            expected
        };
        assert_eq!(events, expected, "capacity {capacity}");
    }
}

/// F-19: of a source that does not wait, a conflated flow gives the first item and the latest one.
#[test]
fn a_conflated_flow_gives_first_and_latest() {
    let items = now((0..100).into_flow().conflate().to_vec()).unwrap();
    assert_eq!(items, [0, 99]);
    let one = now(flow_of([7]).conflate().to_vec()).unwrap();
    assert_eq!(one, [7]);
    let none = now(flow_of([0; 0]).conflate().to_vec()).unwrap();
    assert_eq!(none, [0; 0]);
}

/// Policies that drop: the first item is handed over, and does not count.
#[test]
fn policies_that_drop() {
    let numbers = (0..20).into_flow();
    for room in 1..5 {
        let oldest = numbers
            .clone()
            .buffer_with_overflow(room, BufferOverflow::DropOldest);
        let expected: Vec<_> = [0].into_iter().chain(20 - room..20).collect();
        assert_eq!(now(oldest.to_vec()).unwrap(), expected);
        let latest = numbers
            .clone()
            .buffer_with_overflow(room, BufferOverflow::DropLatest);
        let expected: Vec<_> = (0..=room).collect();
        assert_eq!(now(latest.to_vec()).unwrap(), expected);
    }
}

/// A source that does not wait, and never ends, leaves whoever collects its turn.
#[test]
fn an_endless_source_has_others_go_on() {
    let unlimited = (0..).into_flow().buffer(Capacity::Unlimited);
    assert_eq!(now(unlimited.take(3).to_vec()).unwrap(), [0, 1, 2]);
    let conflated = (0..).into_flow().conflate();
    let items = now(conflated.take(3).to_vec()).unwrap();
    assert_eq!(items[0], 0);
    assert!(items[1] < items[2]);
}

/// While whoever collects waits, the source goes on, also through stages between that wait for something themselves.
#[test]
fn the_source_runs_while_the_collector_is_busy() {
    run_test(async |t| {
        let slow = flow(async |emitter| {
            for n in 0..3 {
                delay(ms(100)).await;
                emitter.emit(n).await;
            }
        });
        let start = t.current_time();
        let plain = slow.clone().collect(async |_| delay(ms(300)).await);
        plain.await.unwrap();
        assert_eq!(t.current_time() - start, ms(1200));
        let start = t.current_time();
        let buffered = slow.clone().buffer(2).map_async(async |n| {
            delay(ms(0)).await;
            n
        });
        let nested = buffered.transform(async |n, emitter| {
            delay(ms(100)).await;
            emitter.emit(n).await;
        });
        let buffered = nested.collect(async |_| delay(ms(200)).await);
        buffered.await.unwrap();
        assert_eq!(t.current_time() - start, ms(1000));
    });
}

/// The buffer above a full one fills, too.
#[test]
fn buffers_above_a_full_one_fill() {
    let log = Rc::new(RefCell::new(Vec::new()));
    // A `map` between them, so that they are not one.
    let upper = source(20, log.clone()).buffer(2).map(|n| n);
    let both = upper.buffer(1);
    let mut collected = pin!(both.collect(async |_| pending::<()>().await));
    let polled = collected
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
    // One is collected; 1 and the one that waits; 2 and the one that waits.
    assert_eq!(log.borrow().len(), 1 + 2 + 3);
}

/// F-12: the failure comes behind the items before it; then there is the end.
#[test]
fn a_failure_comes_behind_the_items() {
    let failing = flow(async |emitter| {
        emitter.emit(1).await;
        emitter.emit(2).await;
        Err::<(), _>(Error::msg("broken"))
    });
    let mut seen = Vec::new();
    let error = now(failing.clone().buffer(8).for_each(|n| seen.push(n))).unwrap_err();
    assert_eq!(error.to_string(), "broken");
    assert_eq!(seen, [1, 2]);

    let mut failing = pin!(failing.buffer(8));
    let cx = &mut Context::from_waker(Waker::noop());
    for expected in [1, 2] {
        let next = failing.as_mut().poll_next(cx);
        assert!(matches!(next, Poll::Ready(Ok(Some(n))) if n == expected));
    }
    assert!(matches!(
        failing.as_mut().poll_next(cx),
        Poll::Ready(Err(_))
    ));
    assert!(matches!(
        failing.as_mut().poll_next(cx),
        Poll::Ready(Ok(None))
    ));
}

/// The source is dropped when it has ended, not when the last item is collected.
#[test]
fn the_source_is_dropped_at_its_end() {
    struct Guard(EventLog<String>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.push("dropped".into());
        }
    }
    let log = EventLog::new();
    let inner = log.clone();
    let flow = flow(async move |emitter| {
        let _guard = Guard(inner.clone());
        for n in 0..2 {
            emitter.emit(n).await;
        }
    });
    now(flow
        .buffer(8)
        .for_each(|n| log.push(format!("collected {n}"))))
    .unwrap();
    assert_events(&log.events(), &["dropped", "collected 0", "collected 1"]);
}

/// `poll_next` and `poll_each` may be mixed.
#[test]
fn both_ways_to_poll_may_be_mixed() {
    let mut flow = pin!((0..10).into_flow().buffer(3));
    let cx = &mut Context::from_waker(Waker::noop());
    let mut seen = Vec::new();
    while seen.len() < 10 {
        if let Poll::Ready(Ok(Some(n))) = flow.as_mut().poll_next(cx) {
            seen.push(n);
        }
        flow.as_mut().poll_progress(cx);
        let _ = flow.as_mut().poll_each(cx, &mut |n| {
            seen.push(n);
            std::ops::ControlFlow::Break(())
        });
    }
    assert_eq!(seen, (0..10).collect::<Vec<_>>());
}

#[test]
fn dropped_at_each_poll() {
    drop_at_each_poll(|guards| guards.source(5).buffer(2).to_vec());
    drop_at_each_poll(|guards| guards.source(5).conflate().to_vec());
    drop_at_each_poll(|guards| guards.source(5).cancellable().to_vec());
    drop_at_each_poll(|guards| {
        let source = guards.source(5).buffer(Capacity::Unlimited);
        source.collect(async |_| corox_core::yield_now().await)
    });
}

#[test]
#[should_panic(expected = "`Capacity::Conflated` keeps the newest element")]
fn conflated_takes_no_other_policy() {
    let _ = flow_of([1]).buffer_with_overflow(Capacity::Conflated, BufferOverflow::DropLatest);
}

/// F-18 as a table, in the terms of Kotlin: what two settings lead to.
mod fusion {
    use super::*;
    use BufferOverflow::{DropLatest, DropOldest, Suspend};
    use Capacity::{Buffered, Conflated, Exactly, Rendezvous, Unlimited};

    fn both(earlier: (Capacity, BufferOverflow), later: (Capacity, BufferOverflow)) -> Settings {
        Settings::buffer(earlier.0, earlier.1).then(Settings::buffer(later.0, later.1))
    }

    #[test]
    fn the_table_of_two_buffers() {
        let table = [
            // Explicit + explicit add up, to unlimited at most.
            ((Exactly(3), Suspend), (Exactly(4), Suspend), (7, Suspend)),
            ((Exactly(3), Suspend), (Rendezvous, Suspend), (3, Suspend)),
            ((Rendezvous, Suspend), (Rendezvous, Suspend), (0, Suspend)),
            (
                (Exactly(3), Suspend),
                (Unlimited, Suspend),
                (usize::MAX, Suspend),
            ),
            (
                (Exactly(usize::MAX - 1), Suspend),
                (Exactly(7), Suspend),
                (usize::MAX, Suspend),
            ),
            // The default yields.
            ((Buffered, Suspend), (Exactly(4), Suspend), (4, Suspend)),
            ((Exactly(4), Suspend), (Buffered, Suspend), (4, Suspend)),
            ((Buffered, Suspend), (Buffered, Suspend), (64, Suspend)),
            ((Buffered, Suspend), (Rendezvous, Suspend), (0, Suspend)),
            // A later policy that drops replaces everything before it.
            (
                (Exactly(9), Suspend),
                (Exactly(4), DropLatest),
                (4, DropLatest),
            ),
            (
                (Exactly(9), DropOldest),
                (Exactly(4), DropLatest),
                (4, DropLatest),
            ),
            (
                (Exactly(9), DropLatest),
                (Conflated, Suspend),
                (1, DropOldest),
            ),
            (
                (Exactly(9), Suspend),
                (Buffered, DropOldest),
                (1, DropOldest),
            ),
            // A later buffer without one adds to the size.
            (
                (Exactly(9), DropLatest),
                (Exactly(4), Suspend),
                (13, DropLatest),
            ),
            ((Conflated, Suspend), (Exactly(4), Suspend), (4, DropOldest)),
            ((Conflated, Suspend), (Buffered, Suspend), (1, DropOldest)),
            (
                (Buffered, DropLatest),
                (Exactly(4), Suspend),
                (4, DropLatest),
            ),
        ];
        for (earlier, later, expected) in table {
            assert_eq!(
                both(earlier, later).settle(),
                expected,
                "{earlier:?}, {later:?}"
            );
        }
    }

    /// A step in the terms of Kotlin: its numbers for capacities, its formula.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Buffer(Capacity, BufferOverflow),
        FlowOn,
    }

    const OPTIONAL: i64 = -3;
    const BUFFERED: i64 = -2;
    /// That of Kotlin is the largest of its integers.
    const UNLIMITED: i64 = i64::MAX;

    fn by_kotlin(steps: &[Step]) -> (usize, BufferOverflow) {
        let (mut capacity, mut overflow) = (OPTIONAL, Suspend);
        for step in steps {
            let (later, policy) = match *step {
                Step::FlowOn => (OPTIONAL, Suspend),
                Step::Buffer(Conflated, _) => (0, DropOldest),
                Step::Buffer(Rendezvous, policy) => (0, policy),
                Step::Buffer(Buffered, policy) => (BUFFERED, policy),
                Step::Buffer(Exactly(n), policy) => (n as i64, policy),
                Step::Buffer(Unlimited, policy) => (UNLIMITED, policy),
            };
            if policy != Suspend {
                (capacity, overflow) = (later, policy);
                continue;
            }
            capacity = match (capacity, later) {
                (OPTIONAL, _) => later,
                (_, OPTIONAL) => capacity,
                (BUFFERED, _) => later,
                (_, BUFFERED) => capacity,
                _ => capacity.checked_add(later).unwrap_or(UNLIMITED),
            };
        }
        let room = match (capacity, overflow) {
            (OPTIONAL | BUFFERED, Suspend) => 64,
            (OPTIONAL | BUFFERED, _) => 1,
            (UNLIMITED, _) => usize::MAX,
            (0, DropOldest | DropLatest) => 1,
            (room, _) => room as usize,
        };
        (room, overflow)
    }

    fn step() -> impl Strategy<Value = Step> {
        let capacity = prop_oneof![
            Just(Rendezvous),
            Just(Buffered),
            Just(Unlimited),
            (0..5usize).prop_map(Exactly),
        ];
        let overflow =
            prop_oneof![3 => Just(Suspend), 1 => Just(DropOldest), 1 => Just(DropLatest)];
        prop_oneof![
            4 => (capacity, overflow).prop_map(|(capacity, overflow)| Step::Buffer(capacity, overflow)),
            1 => Just(Step::Buffer(Conflated, Suspend)),
            1 => Just(Step::FlowOn),
        ]
    }

    fn settings(step: Step) -> Settings {
        match step {
            Step::Buffer(capacity, overflow) => Settings::buffer(capacity, overflow),
            Step::FlowOn => Settings::flow_on(corox_core::CoroutineContext::empty()),
        }
    }

    /// What a channel of these settings gives of a source that does not wait, to a collector that does not either.
    fn by_channel(count: usize, room: usize, overflow: BufferOverflow) -> Vec<usize> {
        match overflow {
            Suspend => (0..count).collect(),
            DropLatest => (0..count.min(room.saturating_add(1))).collect(),
            DropOldest => {
                let from = count.saturating_sub(room).max(1);
                (0..count.min(1)).chain(from..count).collect()
            }
        }
    }

    proptest! {
        #[test]
        fn settings_add_up_as_those_of_kotlin(steps in prop::collection::vec(step(), 1..7)) {
            let all = steps.iter().copied().map(settings).reduce(Settings::then).unwrap();
            prop_assert_eq!(all.settle(), by_kotlin(&steps));
        }

        /// And so do the operators, which hold what one channel would.
        #[test]
        fn operators_are_one_channel(steps in [buffer(), buffer(), buffer()], count in 0..100usize) {
            let one = apply((0..count).into_flow(), steps[0]);
            let three = apply(apply(one.clone(), steps[1]), steps[2]);
            for (flow, steps) in [(one.boxed(), &steps[..1]), (three.boxed(), &steps[..])] {
                let (room, overflow) = by_kotlin(steps);
                prop_assert_eq!(now(flow.to_vec()).unwrap(), by_channel(count, room, overflow));
            }
        }
    }

    fn buffer() -> impl Strategy<Value = Step> {
        let is_buffer = |step: &Step| matches!(step, Step::Buffer(..));
        step().prop_filter("a buffer", is_buffer)
    }

    fn apply<S: Flow + Send>(flow: S, step: Step) -> impl Flow<Item = S::Item> + Send
    where
        S::Item: Send,
    {
        let Step::Buffer(capacity, overflow) = step else {
            panic!("no buffer: {step:?}")
        };
        flow.buffer_with_overflow(capacity, overflow)
    }

    /// The contexts: the one next to the source counts, element by element.
    #[test]
    fn the_first_context_wins() {
        use corox_core::{CoroutineName, Dispatcher};
        let first = Settings::flow_on(CoroutineName::new("first").into());
        let later = Settings::flow_on(CoroutineName::new("later") + Dispatcher::IO);
        let both = first.then(later);
        assert_eq!(both.context.name().unwrap().as_str(), "first");
        assert_eq!(both.context.dispatcher(), Some(&Dispatcher::IO));
    }

    /// F-18: one buffer, also where the first is behind `impl Flow`: the batch shows how much it holds.
    #[test]
    fn buffers_are_one_behind_an_opaque_type() {
        let events = batches(|log| {
            fn opaque(log: Rc<RefCell<Vec<Event>>>) -> impl Flow<Item = usize> {
                source(20, log).buffer(2)
            }
            opaque(log).buffer(3)
        });
        let before = events
            .iter()
            .position(|event| matches!(event, Event::Collected(_)));
        assert_eq!(before, Some(2 + 3 + 2));
    }

    /// F-45's hook: what was taken out is not there any more.
    #[test]
    fn settings_can_be_taken_out() {
        let mut flow = (0..5).into_flow().buffer(2).buffer(3);
        let settings = flow.dissolve().unwrap();
        assert_eq!(settings.capacity, Some(Exactly(5)));
        assert!(flow.dissolve().is_none());
        assert_eq!(now(flow.to_vec()).unwrap(), [0, 1, 2, 3, 4]);
        let mut plain = flow_of([1]);
        assert!(plain.dissolve().is_none());
        assert!(!plain.fuse(&Stage::Buffer(settings)));
    }
}

/// F-5: what is cancelled does not get the next item.
#[test]
fn cancellable_looks_before_each_item() {
    for by_item in [false, true] {
        let mut seen = Vec::new();
        let cancelled = corox_core::run_blocking(async |scope| {
            let numbers = (1..=5).into_flow().cancellable();
            let mut see = |n| {
                seen.push(n);
                if n == 2 {
                    scope.cancel();
                }
            };
            if !by_item {
                return numbers.for_each(see).await;
            }
            let mut numbers = pin!(numbers);
            std::future::poll_fn(move |cx| {
                while let Poll::Ready(next) = numbers.as_mut().poll_next(cx)? {
                    let Some(n) = next else {
                        return Poll::Ready(Ok(()));
                    };
                    see(n);
                }
                Poll::Pending
            })
            .await
        });
        assert!(cancelled.unwrap_err().is_cancellation());
        assert_eq!(seen, [1, 2]);
    }
    // Without it, known items come to their end.
    let mut seen = Vec::new();
    let _ = corox_core::run_blocking(async |scope| {
        (1..=3)
            .into_flow()
            .for_each(|n| {
                seen.push(n);
                scope.cancel();
            })
            .await
    });
    assert_eq!(seen, [1, 2, 3]);
}

/// F-44's kin: a block looks by itself, so that nothing is added.
#[test]
fn cancellable_adds_nothing_to_a_block() {
    let mut block = flow(async |emitter| emitter.emit(1).await);
    assert!(block.fuse(&Stage::Cancellable));
    assert!(flow_of([1]).cancellable().fuse(&Stage::Cancellable));
    assert!(!flow_of([1]).fuse(&Stage::Cancellable));
}
