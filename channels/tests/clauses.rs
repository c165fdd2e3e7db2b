//! What channels promise, a test for each clause (C-1 to C-12, C-15, C-16, C-20, C-21). Those of the hook are in `ownership`, of
//! coroutines with a channel in `produce` and `actor`, of `consume` in `consume`.

mod support;

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;

use corox_channels::{BufferOverflow, Capacity, Channel, ChannelResult, TryReceiveError};
use corox_core::{Error, GlobalScope, Job, probe, run_blocking, yield_now};
use corox_test::{EventLog, run_test};
use support::{Bin, Hand, KINDS, drain};

#[track_caller]
fn numbers(capacity: impl Into<Capacity>) -> Channel<u32> {
    Channel::new(capacity)
}

/// How many sends a channel takes that nobody receives from.
fn room(channel: &Channel<u32>) -> usize {
    (0..1000)
        .take_while(|n| channel.try_send(*n).is_ok())
        .count()
}

/// C-1
#[test]
fn capacities_are_those_of_kotlin() {
    assert_eq!(room(&numbers(Capacity::Rendezvous)), 0);
    assert_eq!(room(&numbers(Capacity::default())), 0);
    assert_eq!(room(&numbers(0)), 0);
    assert_eq!(room(&numbers(7)), 7);
    assert_eq!(room(&numbers(Capacity::Buffered)), 64);
    assert_eq!(room(&numbers(Capacity::Unlimited)), 1000);
    assert_eq!(room(&numbers(usize::MAX)), 1000);
    let conflated = numbers(Capacity::Conflated);
    assert_eq!((room(&conflated), drain(&conflated)), (1000, vec![999]));
    for capacity in [
        Capacity::Rendezvous,
        Capacity::Buffered,
        Capacity::Exactly(1),
    ] {
        let oldest = Channel::builder(capacity).overflow(BufferOverflow::DropOldest);
        let latest = Channel::builder(capacity).overflow(BufferOverflow::DropLatest);
        let (oldest, latest) = (oldest.build(), latest.build());
        assert_eq!((room(&oldest), drain(&oldest)), (1000, vec![999]));
        assert_eq!((room(&latest), drain(&latest)), (1000, vec![0]));
    }
    let unlimited = Channel::builder(Capacity::Unlimited)
        .overflow(BufferOverflow::DropOldest)
        .build();
    assert_eq!((room(&unlimited), drain(&unlimited).len()), (1000, 1000));
}

/// C-1: bad input.
#[test]
fn a_conflated_channel_takes_no_policy() {
    let panic = catch_unwind(|| {
        let builder = Channel::<u32>::builder(Capacity::Conflated);
        builder.overflow(BufferOverflow::DropLatest).build()
    })
    .unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(
        message.contains("give a number as the capacity"),
        "{message}"
    );
}

/// C-2: elements, senders and receivers.
#[test]
fn everything_is_first_in_first_out() {
    let channel = numbers(2);
    let mut sends: Vec<_> = (0..6).map(|n| Hand::new(channel.send(n))).collect();
    let ready: Vec<_> = sends
        .iter_mut()
        .map(|send| send.poll().is_ready())
        .collect();
    assert_eq!(ready, [true, true, false, false, false, false]);
    for n in 0..6 {
        assert_eq!(channel.try_receive().unwrap(), n);
        // The senders go on in the order in which they came, one for each receive.
        let woken = sends.iter().filter(|send| send.wakes.count() == 1).count();
        assert_eq!(woken, (n as usize + 1).min(4));
    }
    drop(sends);
    let mut receives: Vec<_> = (0..4).map(|_| Hand::waiting(channel.receive())).collect();
    for n in 10..14 {
        channel.try_send(n).unwrap();
    }
    // Whoever is polled first: the order is that of waiting.
    while let Some(receive) = receives.pop() {
        assert_eq!(receive.wakes.count(), 1);
        assert_eq!(receive.ready().unwrap(), 10 + receives.len() as u32);
    }
}

/// C-3: on one thread, and so n + 2 elements a turn with a buffer of n.
#[test]
fn whoever_finds_a_partner_or_room_goes_on() {
    for (capacity, batch) in [(0, 2), (1, 3), (4, 6)] {
        run_test(async |t| {
            let log = EventLog::new();
            let channel = numbers(capacity);
            let (tx, seen) = (channel.clone(), log.clone());
            t.launch(async move {
                for n in 0..20 {
                    tx.send(n).await?;
                    seen.add("s");
                }
                tx.close();
                Ok(())
            });
            let seen = log.clone();
            t.launch(async move {
                while channel.next().await?.is_some() {
                    seen.add("r");
                }
                Ok(())
            });
            t.run_current().await;
            let events = log.take().join("");
            let longest = events.split('s').map(str::len).max().unwrap();
            assert_eq!(longest, batch, "{events}");
        });
    }
}

/// C-4
#[test]
fn a_receive_that_makes_room_takes_in_the_oldest_sender() {
    let channel = numbers(1);
    channel.try_send(1).unwrap();
    let first = Hand::waiting(channel.send(2));
    let second = Hand::waiting(channel.send(3));
    assert_eq!(channel.try_receive().unwrap(), 1);
    // It is in the buffer already, though its sender has not run.
    assert_eq!((first.wakes.count(), second.wakes.count()), (1, 0));
    assert!(channel.try_send(4).unwrap_err().is_full());
    first.ready().unwrap();
    assert_eq!(channel.try_receive().unwrap(), 2);
    second.ready().unwrap();
    assert_eq!(drain(&channel), [3]);
}

/// C-5
#[test]
fn an_attempt_succeeds_if_it_need_not_wait() {
    let meeting = numbers(0);
    assert!(meeting.try_send(1).unwrap_err().is_full());
    assert!(matches!(meeting.try_receive(), Err(TryReceiveError::Empty)));
    let receive = Hand::waiting(meeting.receive());
    meeting.try_send(1).unwrap();
    assert!(meeting.try_send(2).unwrap_err().is_full());
    assert_eq!(receive.ready().unwrap(), 1);
    let send = Hand::waiting(meeting.send(3));
    assert_eq!(meeting.try_receive().unwrap(), 3);
    assert!(meeting.try_receive().is_err());
    send.ready().unwrap();
    let buffered = numbers(1);
    buffered.try_send(1).unwrap();
    assert_eq!(buffered.try_send(2).unwrap_err().into_inner(), 2);
    assert_eq!(drain(&buffered), [1]);
}

/// C-6
#[test]
fn policies_that_drop_never_wait() {
    for (overflow, kept) in [
        (BufferOverflow::DropOldest, [3, 4]),
        (BufferOverflow::DropLatest, [0, 1]),
    ] {
        let channel = Channel::builder(2).overflow(overflow).build();
        for n in 0..5 {
            Hand::new(channel.send(n)).ready().unwrap();
        }
        assert_eq!(drain(&channel), kept);
        // A receiver that waits has the first one.
        let receive = Hand::waiting(channel.receive());
        Hand::new(channel.send(10)).ready().unwrap();
        Hand::new(channel.send(11)).ready().unwrap();
        assert_eq!(receive.ready().unwrap(), 10);
        assert_eq!(drain(&channel), [11]);
    }
}

/// C-7
#[test]
fn what_is_there_and_who_waits_is_received_after_the_close() {
    for capacity in [0, 1, 3] {
        let channel = numbers(capacity);
        let mut sends: Vec<_> = (0..5).map(|n| Hand::new(channel.send(n))).collect();
        let waiting = sends
            .iter_mut()
            .filter_map(|it| it.poll().is_pending().then_some(it));
        let waiting: Vec<_> = waiting.collect();
        assert_eq!(waiting.len(), 5 - capacity);
        assert!(channel.close());
        assert!(waiting.iter().all(|send| send.wakes.count() == 0));
        let late = Hand::new(channel.send(5)).ready().unwrap_err();
        assert_eq!(late.into_inner(), Some(5));
        assert!(channel.try_send(6).unwrap_err().is_closed());
        assert_eq!(drain(&channel), [0, 1, 2, 3, 4]);
        for send in waiting {
            assert!(matches!(send.poll(), Poll::Ready(Ok(()))));
        }
        assert!(Hand::new(channel.receive()).ready().is_err());
    }
}

/// C-8
#[test]
fn a_close_wakes_receivers_in_order_and_the_first_one_counts() {
    run_test(async |t| {
        let log = EventLog::new();
        let channel = numbers(0);
        for n in 0..4 {
            let (rx, log) = (channel.clone(), log.clone());
            t.launch(async move {
                let closed = rx.receive().await.unwrap_err();
                log.add(format!("{n}: {}", closed.cause().unwrap()));
            });
        }
        t.run_current().await;
        assert!(channel.close_with(Error::msg("first")));
        assert!(!channel.close_with(Error::msg("second")));
        assert!(!channel.close());
        assert!(!channel.cancel());
        t.run_current().await;
        log.assert(["0: first", "1: first", "2: first", "3: first"]);
    });
}

/// C-9: of every kind, and after a close, too.
#[test]
fn a_cancellation_empties_the_channel_and_ends_the_waits() {
    for (capacity, overflow) in KINDS {
        for closed_before in [false, true] {
            let bin = Bin::new();
            let channel = bin.channel(capacity, overflow);
            let mut sends: Vec<_> = (0..5).map(|n| Hand::new(channel.send(n))).collect();
            let mut waiting = 0;
            for send in &mut sends {
                waiting += usize::from(send.poll().is_pending());
            }
            let mut dropped = bin.take();
            if closed_before {
                assert!(channel.close());
            }
            assert_eq!(channel.cancel(), !closed_before);
            let at_cancel = bin.take();
            assert!(at_cancel.is_sorted(), "in their order: {at_cancel:?}");
            dropped.extend(at_cancel);
            dropped.sort_unstable();
            assert_eq!(dropped, [0, 1, 2, 3, 4]);
            let woken: usize = sends.iter().map(|send| send.wakes.count()).sum();
            assert_eq!(woken, waiting);
            let failed = sends.iter_mut().filter(|send| send.wakes.count() == 1);
            for send in failed {
                let Poll::Ready(Err(error)) = send.poll() else {
                    panic!("a send that waits fails");
                };
                match error.cause() {
                    Some(cause) => assert!(cause.is_cancellation() && !closed_before),
                    None => assert!(closed_before),
                }
                assert_eq!(error.into_inner(), None);
            }
            assert!(channel.is_closed_for_receive() && !channel.cancel());
            assert!(channel.try_receive().is_err());
        }
    }
    let channel = numbers(0);
    let receive = Hand::waiting(channel.receive());
    channel.cancel();
    assert_eq!(receive.wakes.count(), 1);
    let cause = receive.ready().unwrap_err().cause().unwrap().clone();
    assert!(cause.is_cancellation());
}

/// C-10
#[test]
fn the_cause_of_a_close_is_seen_by_everyone_and_is_the_same() {
    run_test(async |_| {
        let failure = Error::msg("no more");
        let channel = numbers(1);
        channel.send(1).await?;
        channel.close_with(failure.clone());
        let causes = [
            channel.send(2).await.unwrap_err().cause().cloned(),
            channel.try_send(2).unwrap_err().cause().cloned(),
        ];
        assert_eq!(channel.receive().await?, 1);
        let more = [
            channel.receive().await.unwrap_err().cause().cloned(),
            channel.receive_catching().await.cause().cloned(),
            channel.next().await.unwrap_err().cause().cloned(),
            ChannelResult::from(channel.try_receive()).cause().cloned(),
            // `?`
            Some(Error::from(channel.receive().await.unwrap_err())),
            Some(Error::from(channel.send(2).await.unwrap_err())),
            Some(Error::from_boxed(channel.receive().await.unwrap_err())),
        ];
        for cause in causes.into_iter().chain(more) {
            assert!(cause.unwrap().ptr_eq(&failure));
        }
        // Without a cause: typed errors, and the end of an iteration.
        let channel = numbers(1);
        channel.close();
        assert!(channel.send(2).await.unwrap_err().cause().is_none());
        assert!(channel.receive().await.unwrap_err().cause().is_none());
        assert!(channel.receive_catching().await.is_closed());
        assert_eq!(channel.next().await?, None);
        assert_eq!(channel.next().await?, None, "and again");
        Ok(())
    });
}

/// C-11
#[test]
fn a_channel_is_empty_or_closed_for_receive_or_has_elements() {
    for (capacity, overflow) in KINDS {
        let channel = Channel::builder(capacity).overflow(overflow).build();
        let look = || {
            let closed = channel.is_closed_for_send();
            (channel.is_empty(), closed, channel.is_closed_for_receive())
        };
        assert_eq!(look(), (true, false, false));
        let mut send = Hand::new(channel.send(1));
        let _ = send.poll();
        assert_eq!(look(), (false, false, false), "also if it only waits");
        channel.close();
        assert_eq!(look(), (false, true, false));
        assert_eq!(channel.try_receive().unwrap(), 1);
        assert_eq!(look(), (false, true, true));
    }
}

/// C-12: between the wake and the next poll.
#[test]
fn a_coroutine_that_is_cancelled_before_it_goes_on_neither_receives_nor_sends() {
    run_test(async |t| {
        let log = EventLog::new();
        let channel = numbers(0);
        let (rx, seen) = (channel.clone(), log.clone());
        let receiver = t.launch(async move {
            rx.receive().await?;
            seen.add("received");
            Ok(())
        });
        t.run_current().await;
        channel.try_send(1).unwrap();
        receiver.cancel();
        t.run_current().await;
        // Nobody has had it.
        assert_eq!(channel.try_receive().unwrap(), 1);
        let (tx, seen) = (channel.clone(), log.clone());
        let sender = t.launch(async move {
            tx.send(2).await?;
            seen.add("sent");
            Ok(())
        });
        t.run_current().await;
        assert_eq!(channel.try_receive().unwrap(), 2);
        sender.cancel();
        t.run_current().await;
        log.assert([""; 0]);
        Ok(())
    });
}

/// C-12: in a body that goes on because something in it is shielded.
#[test]
fn a_receive_beside_a_shield_does_not_take_what_it_was_handed() {
    run_test(async |t| {
        let log = EventLog::new();
        let channel = numbers(0);
        let (gate, rx, seen) = (numbers(0), channel.clone(), log.clone());
        let opened = gate.clone();
        let job = t.launch(async move {
            let shield = corox_core::non_cancellable(async |_| {
                opened.receive().await?;
                seen.add("the shield ends");
                Ok(())
            });
            let receive = async {
                let _ = rx.receive().await;
                seen.add("received");
            };
            let (shield, ()) = futures::join!(shield, receive);
            shield
        });
        t.run_current().await;
        channel.try_send(1).unwrap();
        job.cancel();
        t.run_current().await;
        gate.try_send(0).unwrap();
        t.run_current().await;
        log.assert(["the shield ends"]);
        assert_eq!(channel.try_receive().unwrap(), 1);
    });
}

/// C-15: what `next` was handed is not lost, and after the end it says so again (see C-10).
#[test]
fn an_iteration_sees_each_element_once_though_a_next_is_dropped() {
    let channel = numbers(0);
    let mut next = Hand::waiting(channel.next());
    channel.try_send(1).unwrap();
    drop(next);
    next = Hand::new(channel.next());
    assert_eq!(next.ready().unwrap(), Some(1));
    let next = Hand::waiting(channel.next());
    channel.close();
    assert_eq!(next.ready().unwrap(), None);
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let mut next = Hand::new(channel.next());
        assert!(next.poll().is_ready());
        let _ = next.poll();
    }));
    let message = *panic.unwrap_err().downcast::<&str>().unwrap();
    assert_eq!(message, "a `receive` was polled after it had ended");
}

/// C-16
#[test]
fn the_one_handler_of_a_close_is_called_once_with_the_cause() {
    let bin = Bin::new();
    let handler = || {
        let bin = bin.clone();
        move |cause: Option<&Error>| bin.put(cause.map(|cause| cause.to_string()))
    };
    let channel = numbers(1);
    channel.on_close(handler()).unwrap();
    let second = channel.on_close(handler()).unwrap_err();
    assert!(second.to_string().contains("can have one only"));
    channel.close_with(Error::msg("over"));
    channel.cancel();
    assert_eq!(bin.take(), [Some("over".to_owned())]);
    assert!(channel.on_close(handler()).is_err());
    // After the fact: at once, and only once.
    let channel = numbers(1);
    channel.close();
    channel.on_close(handler()).unwrap();
    assert!(channel.on_close(handler()).is_err());
    assert_eq!(bin.take(), [None]);
    // Its panic is that of the one who closes, when everything is done.
    let channel = numbers(0);
    let receive = Hand::waiting(channel.receive());
    channel.on_close(|_| panic!("in the handler")).unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| channel.close())).unwrap_err();
    assert_eq!(*panic.downcast::<&str>().unwrap(), "in the handler");
    assert!(channel.is_closed_for_send() && receive.ready().is_err());
}

/// C-20
#[test]
fn a_send_or_receive_that_need_not_wait_succeeds_in_a_cancelled_coroutine() {
    run_blocking(async |scope| {
        let channel = numbers(Capacity::Unlimited);
        let (tx, left) = (channel.clone(), numbers(Capacity::Unlimited));
        let seen = left.clone();
        scope
            .launch(async move {
                Job::current().unwrap().cancel();
                tx.send(1).await?;
                tx.send(2).await?;
                seen.send(tx.receive().await?).await?;
                yield_now().await;
                tx.send(3).await?;
                Ok(())
            })
            .join()
            .await;
        assert_eq!((drain(&channel), drain(&left)), (vec![2], vec![1]));
        Ok(())
    })
    .unwrap();
}

/// C-21: a channel of a large capacity costs what is in it.
#[test]
fn memory_is_that_of_the_elements() {
    let many: Vec<_> = (0..10_000).map(|_| numbers(1 << 40)).collect();
    for channel in &many {
        channel.try_send(1).unwrap();
        assert_eq!(channel.try_receive().unwrap(), 1);
    }
}

/// The futures are small, and can be moved between polls.
#[test]
fn futures_are_small_and_unpin() {
    fn unpin<T: Unpin>(_: &T) {}
    let channel = Channel::<usize>::new(1);
    let (send, receive) = (channel.send(1), channel.receive());
    unpin(&(&send, &receive));
    assert_eq!((size_of_val(&send), size_of_val(&receive)), (48, 40));
}

/// What a dump says of a coroutine that waits.
#[test]
fn a_dump_names_the_channel_and_the_line() {
    let _probes = probe::install();
    run_blocking(async |scope| {
        let (full, empty) = (numbers(1), numbers(Capacity::Rendezvous));
        full.try_send(1).unwrap();
        let made = line!() - 2;
        let (tx, rx) = (full.clone(), empty.clone());
        let sender = scope.launch(async move { Ok(tx.send(2).await?) });
        let receiver = scope.launch(async move {
            rx.receive().await?;
            Ok(())
        });
        let lines = (line!() - 5, line!() - 3);
        yield_now().await;
        let (send, receive) = (probe::waits_of(&sender), probe::waits_of(&receiver));
        assert_eq!((send.len(), receive.len()), (1, 1));
        assert_eq!((send[0].what, send[0].location.line()), ("send", lines.0));
        assert_eq!(
            (receive[0].what, receive[0].location.line()),
            ("receive", lines.1)
        );
        let file = file!();
        let (at, by) = (&send[0].detail, &receive[0].detail);
        assert!(
            at.starts_with("Channel(1)@") && at.contains(&format!(" made at {file}:{made}:")),
            "{at}"
        );
        assert!(
            by.starts_with("Channel(Rendezvous)@")
                && by.contains(&format!(" made at {file}:{made}:")),
            "{by}"
        );
        // Made at one line, and told apart; both ends of one have its number.
        let number = |detail: &str| {
            let (_, number) = detail.split_once('@').unwrap();
            number.split(' ').next().unwrap().to_owned()
        };
        assert_ne!(number(at), number(by));
        let same = full.clone();
        let other = scope.launch(async move { Ok(same.send(3).await?) });
        yield_now().await;
        let other_wait = &probe::waits_of(&other)[0].detail;
        assert_eq!(number(other_wait), number(at));
        other.cancel_and_join().await;
        assert!(send[0].by_coroutines && receive[0].by_coroutines);
        assert_eq!(drain(&full), [1, 2]);
        empty.try_send(1).unwrap();
        receiver.join().await;
        Ok(())
    })
    .unwrap();
}

/// Wakers: the one of the last poll, whatever task that was in.
#[test]
fn the_waker_of_the_last_poll_is_woken() {
    let channel = numbers(0);
    let mut receive = Box::pin(channel.receive());
    let (old, new) = (Default::default(), Default::default());
    assert!(support::poll_with(receive.as_mut(), &old).is_pending());
    assert!(support::poll_with(receive.as_mut(), &new).is_pending());
    channel.try_send(1).unwrap();
    assert_eq!((old.count(), new.count()), (0, 1));
    drop(receive);
    let mut send = Box::pin(channel.send(2));
    let (old, new) = (Default::default(), Default::default());
    assert_eq!(channel.try_receive().unwrap(), 1);
    assert!(support::poll_with(send.as_mut(), &old).is_pending());
    assert!(support::poll_with(send.as_mut(), &new).is_pending());
    assert_eq!(channel.try_receive().unwrap(), 2);
    assert_eq!((old.count(), new.count()), (0, 1));
}

/// A future that was first polled in one task goes on in another.
#[test]
fn a_future_may_move_to_another_task_after_its_first_poll() {
    run_blocking(async |scope| {
        let channel: &'static Channel<u32> = Box::leak(Box::new(numbers(0)));
        let (mut receive, mut send) = (channel.receive(), None);
        poll_fn(|cx| {
            assert!(Pin::new(&mut receive).poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        let elsewhere = GlobalScope.spawn(async move { Ok(receive.await?) });
        channel.send(7).await?;
        assert_eq!(elsewhere.await?, 7);
        poll_fn(|cx| {
            let send = send.insert(channel.send(8));
            assert!(Pin::new(send).poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        let sender = scope.launch(async move { Ok(send.unwrap().await?) });
        assert_eq!(channel.receive().await?, 8);
        sender.join().await;
        Ok(())
    })
    .unwrap();
}
