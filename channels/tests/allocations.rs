//! What channels cost in memory: exact numbers of allocations and bytes, and sizes of futures.
//!
//! A number that has changed is shown beside the one expected. If it got better, the new one goes into its line here.
#![cfg(not(corox_loom))]

#[path = "../../core/tests/support/counting.rs"]
mod counting;
mod support;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use corox_channels::{BufferOverflow, Capacity, Channel};
use corox_core::{coroutine_scope, run_blocking, select, select_unbiased};
use counting::{Count, are_bytes_comparable, live_of_this_thread};
use support::KINDS;

const OPERATIONS: usize = 100;

fn channel((capacity, overflow): (Capacity, BufferOverflow)) -> Channel<u64> {
    Channel::builder(capacity).overflow(overflow).build()
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// What the operation allocates, of which there have been some.
fn steady(mut operation: impl FnMut()) -> Count {
    (0..3).for_each(|_| operation());
    let before = Count::of_this_thread();
    (0..OPERATIONS).for_each(|_| operation());
    Count::of_this_thread() - before
}

const NOTHING: Count = expected(0, 0);

const fn expected(allocations: usize, bytes: usize) -> Count {
    Count { allocations, bytes }
}

/// A line if the count of so many operations is another than expected.
fn difference(what: &str, expected: Count, all: Count, operations: usize) -> Option<String> {
    let same = all.allocations == expected.allocations * operations
        && (!are_bytes_comparable() || all.bytes == expected.bytes * operations);
    let each = |n: usize| n as f64 / operations as f64;
    (!same).then(|| {
        let (allocations, bytes) = (each(all.allocations), each(all.bytes));
        format!("{what}: {expected:?}, is now {allocations}, {bytes}")
    })
}

fn assert_none<const N: usize>(changed: [Option<String>; N]) {
    let changed: Vec<_> = changed.into_iter().flatten().collect();
    assert!(changed.is_empty(), "\n{}\n", changed.join("\n"));
}

/// A receiver waits, is handed an element, and takes it.
fn receive_that_waits(channel: &Channel<u64>) {
    let mut receive = channel.receive();
    assert!(poll(&mut receive).is_pending());
    let mut send = channel.send(7);
    assert!(matches!(poll(&mut send), Poll::Ready(Ok(()))));
    assert!(matches!(poll(&mut receive), Poll::Ready(Ok(7))));
}

#[test]
fn a_hand_over_to_a_receiver_that_waits_allocates_nothing() {
    for kind in KINDS {
        let channel = channel(kind);
        assert_eq!(steady(|| receive_that_waits(&channel)), NOTHING, "{kind:?}");
    }
}

#[test]
fn a_send_into_a_channel_and_a_receive_out_of_it_allocate_nothing() {
    for kind in KINDS.into_iter().filter(|kind| *kind != KINDS[0]) {
        let channel = channel(kind);
        let operation = || {
            assert!(matches!(poll(&mut channel.send(7)), Poll::Ready(Ok(()))));
            assert!(matches!(poll(&mut channel.receive()), Poll::Ready(Ok(7))));
        };
        assert_eq!(steady(operation), NOTHING, "{kind:?}");
        let operation = || {
            channel.try_send(7).unwrap();
            assert_eq!(channel.try_receive().unwrap(), 7);
        };
        assert_eq!(steady(operation), NOTHING, "{kind:?}");
    }
}

/// One that waits where it can, or that drops an element.
#[test]
fn a_send_into_a_full_channel_allocates_nothing() {
    for kind in KINDS {
        let channel = channel(kind);
        let fill = || {
            while channel
                .try_send(1)
                .is_ok_and(|()| kind.0 != Capacity::Unlimited)
            {}
        };
        match kind.1 {
            BufferOverflow::Suspend
                if !matches!(kind.0, Capacity::Unlimited | Capacity::Conflated) =>
            {
                fill();
                let operation = || {
                    let mut send = channel.send(7);
                    assert!(poll(&mut send).is_pending());
                    assert!(matches!(poll(&mut channel.receive()), Poll::Ready(Ok(_))));
                    assert!(matches!(poll(&mut send), Poll::Ready(Ok(()))));
                };
                assert_eq!(steady(operation), NOTHING, "{kind:?}");
            }
            _ => {
                let operation = || {
                    assert!(matches!(poll(&mut channel.send(7)), Poll::Ready(Ok(()))));
                    if kind.0 == Capacity::Unlimited {
                        assert!(matches!(poll(&mut channel.receive()), Poll::Ready(Ok(7))));
                    }
                };
                assert_eq!(steady(operation), NOTHING, "{kind:?}");
            }
        }
    }
}

#[test]
fn a_receive_that_is_dropped_allocates_nothing() {
    for kind in KINDS {
        let channel = channel(kind);
        let waiting = || assert!(poll(&mut channel.receive()).is_pending());
        assert_eq!(steady(waiting), NOTHING, "{kind:?}");
    }
}

/// Between two coroutines, and with them what wakes them.
#[test]
fn elements_between_coroutines_allocate_nothing() {
    run_blocking(async |_| {
        // The queue of the loop grows to its size.
        between_coroutines(KINDS[0], 100).await?;
        for kind in KINDS {
            let few = between_coroutines(kind, 100).await?.allocations;
            let many = between_coroutines(kind, 1000).await?.allocations;
            // Now and then it is tokio's turn on this thread, which allocates.
            assert!(many < few + 900 / 64, "{kind:?}: {few}, {many}");
        }
        Ok(())
    })
    .unwrap();
}

async fn between_coroutines(
    kind: (Capacity, BufferOverflow),
    elements: u64,
) -> corox_core::Result<Count> {
    // More than it ever holds has no memory that it would keep.
    let room = if kind.0 == Capacity::Unlimited {
        Capacity::Exactly(3)
    } else {
        kind.0
    };
    let (tx, rx) = channel((room, kind.1)).split();
    let before = Count::of_this_thread();
    coroutine_scope(async |scope| {
        scope.launch(async move {
            for number in 0..elements {
                tx.send(number).await?;
            }
            Ok(())
        });
        scope.launch(async move {
            while rx.next().await?.is_some() {}
            Ok(())
        });
        Ok(())
    })
    .await?;
    Ok(Count::of_this_thread() - before)
}

fn select_at_once(one: &Channel<u64>, two: &Channel<u64>) {
    two.try_send(7).unwrap();
    let mut select = pin!(select((one.on_receive(), two.on_receive())));
    assert!(matches!(poll(&mut select), Poll::Ready(Ok(7))));
}

fn select_that_waits(one: &Channel<u64>, two: &Channel<u64>) {
    let mut select = pin!(select((one.on_receive(), two.on_receive())));
    assert!(poll(&mut select).is_pending());
    two.try_send(7).unwrap();
    assert!(matches!(poll(&mut select), Poll::Ready(Ok(7))));
}

fn unbiased_select(one: &Channel<u64>, two: &Channel<u64>) {
    two.try_send(7).unwrap();
    let mut select = pin!(select_unbiased((one.on_receive(), two.on_receive())));
    assert!(matches!(poll(&mut select), Poll::Ready(Ok(7))));
}

#[test]
fn a_select_allocates_what_it_is_known_to_allocate() {
    type Selecting = fn(&Channel<u64>, &Channel<u64>);
    let cases: [(&str, Count, Selecting); 3] = [
        ("a clause is available at once", NOTHING, select_at_once),
        ("it waits", expected(1, 72), select_that_waits),
        ("unbiased", NOTHING, unbiased_select),
    ];
    let [one, two] = [4, 4].map(Channel::new);
    let changed = cases.map(|(what, expected, operation)| {
        difference(what, expected, steady(|| operation(&one, &two)), OPERATIONS)
    });
    assert_none(changed);
}

/// What a channel of `u64` has allocated and not given back.
fn held_by(make: impl Fn() -> Channel<u64>, used: impl Fn(&Channel<u64>)) -> Count {
    // Whatever is only made once.
    used(&make());
    let before = live_of_this_thread();
    let channel = make();
    used(&channel);
    let after = live_of_this_thread();
    expected((after.0 - before.0) as usize, (after.1 - before.1) as usize)
}

#[test]
fn a_channel_is_as_large_as_it_is_known_to_be() {
    let new = |capacity: Capacity| move || Channel::new(capacity);
    let filled = |count: u64| {
        move |channel: &Channel<u64>| (0..count).for_each(|n| channel.try_send(n).unwrap())
    };
    let emptied = |count: u64| {
        move |channel: &Channel<u64>| {
            filled(count)(channel);
            while channel.try_receive().is_ok() {}
        }
    };
    let nothing = |_: &Channel<u64>| {};
    let rows = [
        (
            "empty, whatever its capacity",
            expected(1, 288),
            held_by(new(Capacity::Unlimited), nothing),
        ),
        (
            "after a receiver has waited",
            expected(2, 544),
            held_by(new(Capacity::Rendezvous), receive_that_waits),
        ),
        (
            "with 64 elements",
            expected(2, 800),
            held_by(new(Capacity::Buffered), filled(64)),
        ),
        (
            "after 64 elements",
            expected(2, 800),
            held_by(new(Capacity::Buffered), emptied(64)),
        ),
        (
            "after 1000 elements",
            expected(1, 288),
            held_by(new(Capacity::Unlimited), emptied(1000)),
        ),
    ];
    assert_none(rows.map(|(what, expected, held)| difference(what, expected, held, 1)));
}

#[test]
fn futures_are_as_large_as_they_are_known_to_be() {
    let channel = Channel::<u64>::new(1);
    let sizes = [
        ("send", 48, size_of_val(&channel.send(1))),
        ("receive", 40, size_of_val(&channel.receive())),
        ("on_receive", 32, size_of_val(&channel.on_receive())),
        ("on_send", 48, size_of_val(&channel.on_send(1))),
    ];
    if !are_bytes_comparable() {
        return;
    }
    assert_none(sizes.map(|(what, expected, size)| {
        (expected != size).then(|| format!("{what}: {expected}, is now {size}"))
    }));
}
