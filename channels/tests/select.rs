//! Clauses of channels in selects (S-1 to S-8, S-11 to S-14), biased and unbiased, one side and both.

mod support;

use std::future::{pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use corox_channels::{BufferOverflow, Capacity, Channel};
use corox_core::{
    Clause, Error, Job, delay, new_fixed_thread_pool_context, on, on_timeout, probe, run_blocking,
    select, select_unbiased, while_select, yield_now,
};
use corox_test::{EventLog, explore, run_test};
use support::{Bin, Hand, KINDS, drain};

#[track_caller]
fn meeting() -> Channel<u32> {
    Channel::new(Capacity::Rendezvous)
}

/// S-1: in the order in which they are written; what comes after is not registered, so that nobody finds it.
#[test]
fn the_first_available_clause_wins_and_later_ones_are_not_registered() {
    run_test(async |_| {
        let (empty, one, two) = (meeting(), Channel::new(1), Channel::new(1));
        one.send(1).await?;
        two.send(2).await?;
        for _ in 0..3 {
            let n = select((empty.on_receive(), one.on_receive(), two.on_receive())).await?;
            assert_eq!(n, 1);
            one.send(1).await?;
        }
        assert_eq!(drain(&two), [2]);
        // `two` has room, but the clause of `one` comes first.
        drain(&one);
        let sent = select((
            one.on_send(3).then(|sent| sent.map(|()| "one")),
            two.on_send(3).then(|sent| sent.map(|()| "two")),
        ));
        assert_eq!(sent.await?, "one");
        assert!(two.is_empty());
        Ok(())
    });
}

/// S-1: a select that has found nothing leaves a note of that at the channel. Whatever comes then is seen by the next one, which does
/// not take what is written later.
#[test]
fn whatever_comes_after_a_select_has_found_nothing_is_found_by_the_next() {
    /// `what` is alive while the next select looks.
    fn check<'a, W>(channel: &'a Channel<u32>, comes: impl FnOnce(&'a Channel<u32>) -> W) {
        drop(Hand::waiting(select((channel.on_receive_catching(),))));
        let what = comes(channel);
        let later = Channel::new(1);
        later.try_send(9).unwrap();
        let mut next = Hand::new(select((
            channel.on_receive_catching().then(|_| "what has come"),
            later
                .on_receive_catching()
                .then(|_| "what is written later"),
        )));
        assert_eq!(next.poll(), Poll::Ready("what has come"));
        drop(what);
    }
    fn polled<F: Future>(future: F) -> Hand<F> {
        let mut hand = Hand::new(future);
        let _ = hand.poll();
        hand
    }
    for (capacity, overflow) in KINDS {
        let new = || {
            let channel = Channel::builder(capacity).overflow(overflow).build();
            for _ in 0..2 {
                // What was there and is gone makes no difference.
                let _ = channel.try_send(0);
                drain(&channel);
            }
            channel
        };
        check(&new(), |channel| polled(channel.send(1)));
        check(&new(), |channel| polled(select((channel.on_send(1),))));
        if capacity != Capacity::Rendezvous {
            check(&new(), |channel| channel.try_send(1).unwrap());
        }
        // It was handed to a receive that is given up.
        let channel = new();
        let mut receives = Some(Hand::waiting(channel.receive()));
        let _ = polled(channel.send(1));
        check(&channel, |_| drop(receives.take()));
        let channel = new();
        let mut receives = Some(Hand::waiting(select((channel.on_receive(),))));
        let _ = polled(channel.send(1));
        check(&channel, |_| drop(receives.take()));
        if capacity != Capacity::Rendezvous {
            // A select waits there that another of its clauses has won, so that it takes nothing.
            let (channel, other) = (new(), Channel::new(1));
            let clauses = (channel.on_receive(), other.on_receive());
            let _won = Hand::waiting(select(clauses));
            other.try_send(1).unwrap();
            check(&channel, |channel| polled(channel.send(1)));
        }
        check(&new(), |channel| channel.close());
        check(&new(), |channel| channel.cancel());
    }
}

/// S-1: each order equally often.
#[test]
fn an_unbiased_select_takes_from_each() {
    run_test(async |_| {
        let channels = [(); 3].map(|()| Channel::new(Capacity::Unlimited));
        let mut wins = [0; 3];
        for _ in 0..900 {
            for (at, channel) in channels.iter().enumerate() {
                channel.send(at).await?;
            }
            let clauses: Vec<_> = channels.iter().map(Channel::on_receive).collect();
            wins[select_unbiased(clauses).await?] += 1;
            channels.iter().for_each(|channel| drop(drain(channel)));
        }
        assert!(wins.iter().all(|wins| *wins > 200), "{wins:?}");
        Ok(())
    });
}

/// S-2: the effect of the winner and no other.
#[test]
fn exactly_one_clause_takes_effect() {
    for (capacity, overflow) in KINDS {
        run_test(async move |t| {
            let make = || Channel::builder(capacity).overflow(overflow).build();
            let (a, b, c) = (make(), make(), make());
            let selected = EventLog::new();
            let (rx, log) = ([a.clone(), b.clone(), c.clone()], selected.clone());
            t.launch(async move {
                let n = select((
                    rx[0].on_receive(),
                    rx[1].on_receive(),
                    rx[2]
                        .on_send(9)
                        .then(|sent| sent.map(|()| 9).map_err(|_| unreachable!())),
                ))
                .await?;
                log.add(n);
                Ok(())
            });
            t.run_current().await;
            if capacity == Capacity::Rendezvous {
                // All three wait; the second becomes available.
                assert!(selected.take().is_empty());
                b.try_send(2).unwrap();
                // The others are registered still, but not to be had.
                assert!(a.try_send(1).unwrap_err().is_full());
                assert!(c.try_receive().is_err());
                t.run_current().await;
                selected.assert(["2"]);
                assert!(a.is_empty() && b.is_empty() && c.is_empty());
            } else {
                selected.assert(["9"]);
                assert_eq!((drain(&c), a.is_empty() && b.is_empty()), (vec![9], true));
            }
        });
    }
}

/// S-3: no dispatch if a clause is available; the partner is not blocked otherwise.
#[test]
fn a_select_does_not_dispatch_if_it_need_not() {
    run_test(async |t| {
        let log = EventLog::new();
        let channel = Channel::new(1);
        channel.send(1).await?;
        let (rx, seen) = (channel.clone(), log.clone());
        t.launch(async move {
            seen.add("begin");
            let n = select((rx.on_receive().then(|n| n),)).await?;
            seen.add(format!("received {n}"));
            let n = select((rx.on_receive().then(|n| n),)).await?;
            seen.add(format!("received {n}"));
            Ok(())
        });
        let seen = log.clone();
        t.launch(async move {
            seen.add("second");
            channel.send(2).await?;
            seen.add("sent");
            Ok(())
        });
        t.run_current().await;
        log.assert(["begin", "received 1", "second", "sent", "received 2"]);
        Ok(())
    });
}

/// S-4: the handler may use the same channels again.
#[test]
fn a_handler_may_use_the_channels_of_the_select() {
    run_test(async |t| {
        let (a, b) = (meeting(), meeting());
        let (tx, other) = (a.clone(), b.clone());
        t.launch(async move {
            tx.send(1).await?;
            other.send(2).await?;
            tx.send(3).await?;
            Ok(())
        });
        let all = select((
            b.on_receive()
                .then_async(async |_| panic!("it comes second")),
            a.on_receive()
                .then_async(async |first| Ok([first?, b.receive().await?, a.receive().await?])),
        ));
        let all: corox_core::Result<[u32; 3]> = all.await;
        assert_eq!(all?, [1, 2, 3]);
        Ok(())
    });
}

/// S-5: a future that is polled beside a clause, and uses its channel meanwhile.
#[test]
fn an_offer_during_the_poll_of_a_future_is_not_lost() {
    run_test(async |_| {
        let channel = meeting();
        let mut sent = false;
        let n = select((
            channel.on_receive().then(|n| n.map(|n| n + 1)),
            on(poll_fn(|_| {
                // The select is busy: it cannot be claimed, and the send waits.
                if !sent {
                    sent = true;
                    assert!(channel.try_send(1).unwrap_err().is_full());
                }
                Poll::Pending
            })),
        ));
        let mut selecting = Hand::waiting(n);
        let mut send = Hand::new(channel.send(6));
        assert!(send.poll().is_ready());
        assert_eq!(selecting.poll().map(Result::unwrap), Poll::Ready(7));
        // The output of a receive inside a select is not lost to another clause.
        let (a, b) = (Channel::new(1), Channel::new(1));
        a.send(1).await?;
        b.send(2).await?;
        let n = select((on(a.receive()), b.on_receive())).await?;
        assert_eq!((n, drain(&a), drain(&b)), (1, vec![], vec![2]));
        Ok(())
    });
}

/// S-5: with a waiting operation of the polled future as the partner of a clause of the same select.
#[test]
fn a_future_of_a_select_may_meet_a_clause_of_it() {
    let channel = meeting();
    let mut selecting = Hand::new(select((
        channel.on_receive().then(|n| n.map(Some)),
        on(channel.send(7)).then(|_| Ok(None)),
    )));
    // The send finds the clause busy and waits; on leaving, the clause finds the send.
    let polled = selecting.poll();
    assert!(matches!(polled, Poll::Ready(Ok(Some(7)))), "{polled:?}");
    assert!(channel.is_empty());
}

/// S-6: two selects in opposite roles, whichever begins.
#[test]
fn two_selects_that_meet_agree() {
    let explored = explore(200, async |t| {
        let (a, b) = (meeting(), meeting());
        let log = EventLog::new();
        for turn in [false, true] {
            let (a, b, log) = (a.clone(), b.clone(), log.clone());
            let (a, b) = if turn { (b, a) } else { (a, b) };
            t.launch(async move {
                let what = select((
                    a.on_send(1)
                        .then(|sent| sent.map(|()| "sent").map_err(Error::from)),
                    b.on_receive()
                        .then(|n| n.map(|_| "received").map_err(Error::from)),
                ))
                .await?;
                log.add(what);
                Ok(())
            });
        }
        t.run_current().await;
        let mut both = log.take();
        both.sort();
        assert_eq!(both, ["received", "sent"]);
        assert!(a.is_empty() && b.is_empty());
    });
    assert!(explored.distinct() >= 2);
}

/// S-7: several clauses of one channel are allowed; a select does not meet itself.
#[test]
fn a_select_does_not_meet_itself() {
    let channel = meeting();
    let mut selecting = Hand::waiting(select((
        channel
            .on_send(1)
            .then(|sent| sent.map(|()| 0).map_err(Error::from)),
        channel.on_receive().then(|n| n.map_err(Error::from)),
        channel.on_receive().then(|n| n.map_err(Error::from)),
    )));
    // Others find both sides.
    let receive = Hand::new(channel.receive());
    assert_eq!(receive.ready().unwrap(), 1);
    assert!(matches!(selecting.poll(), Poll::Ready(Ok(0))));
    let mut selecting = Hand::waiting(select((
        channel
            .on_send(1)
            .then(|sent| sent.map(|()| 0).map_err(Error::from)),
        channel.on_receive().then(|n| n.map_err(Error::from)),
    )));
    channel.try_send(5).unwrap();
    assert!(matches!(selecting.poll(), Poll::Ready(Ok(5))));
    assert!(channel.is_empty());
}

/// A select that another clause has won sends nothing more, though it has not gone on yet.
#[test]
fn an_element_that_a_select_will_not_send_is_not_there() {
    let (one, other) = (meeting(), meeting());
    let selecting = Hand::waiting(select((one.on_send(1), other.on_send(2))));
    assert!(!one.is_empty() && !other.is_empty());
    one.close();
    assert!(!one.is_closed_for_receive(), "1 can be received");
    assert_eq!(other.try_receive().unwrap(), 2);
    assert!(one.is_closed_for_receive() && other.is_empty());
    selecting.ready().unwrap();
}

/// S-8: at registration and while it waits.
#[test]
fn a_closed_channel_is_available() {
    let failure = Error::msg("closed");
    for waits in [false, true] {
        let channel = meeting();
        let mut receive = Hand::new(select((channel.on_receive(),)));
        let mut catching = Hand::new(select((channel.on_receive_catching(),)));
        let mut send = Hand::new(select((channel.on_send(1),)));
        if waits {
            assert!(receive.poll().is_pending() && catching.poll().is_pending());
        }
        channel.close_with(failure.clone());
        let Poll::Ready(Err(closed)) = receive.poll() else {
            panic!("`on_receive` fails");
        };
        assert!(closed.cause().unwrap().ptr_eq(&failure));
        let Poll::Ready(closed) = catching.poll() else {
            panic!("`on_receive_catching` wins");
        };
        assert!(closed.cause().unwrap().ptr_eq(&failure));
        let Poll::Ready(Err(closed)) = send.poll() else {
            panic!("`on_send` fails");
        };
        assert!(closed.cause().unwrap().ptr_eq(&failure));
        assert_eq!(closed.into_inner(), Some(1));
    }
    // A sender that waits stays when the channel is closed, and is told when it is cancelled.
    let channel = meeting();
    let mut selects = [1, 2].map(|n| Hand::waiting(select((channel.on_send(n),))));
    channel.close();
    assert!(selects[0].poll().is_pending());
    assert_eq!(channel.try_receive().unwrap(), 1);
    assert!(matches!(selects[0].poll(), Poll::Ready(Ok(()))));
    channel.cancel();
    let Poll::Ready(Err(closed)) = selects[1].poll() else {
        panic!("`on_send` fails");
    };
    assert_eq!(closed.into_inner(), Some(2));
}

/// S-11: an element that was handed to a clause whose coroutine is cancelled before it goes on.
#[test]
fn a_select_that_is_cancelled_after_it_has_won_takes_nothing() {
    run_test(async |t| {
        for hook in [false, true] {
            let bin = Bin::new();
            let channel = if hook {
                bin.channel(0, BufferOverflow::Suspend)
            } else {
                meeting()
            };
            let rx = channel.clone();
            let job = t.launch(async move {
                let never = meeting();
                let n = select((never.on_receive(), rx.on_receive())).await;
                panic!("it was cancelled, and goes on with {n:?}");
            });
            t.run_current().await;
            channel.try_send(7).unwrap();
            job.cancel();
            t.run_current().await;
            if hook {
                assert_eq!((bin.take(), channel.is_empty()), (vec![7], true));
            } else {
                assert_eq!(drain(&channel), [7]);
            }
        }
    });
}

/// S-11: the same of a clause that took its element by itself, after it had been passed over.
#[test]
fn a_select_that_has_taken_something_and_is_dropped_gives_it_back() {
    run_test(async |t| {
        let channel = Channel::new(2);
        let (rx, other) = (channel.clone(), meeting());
        let job = t.launch(async move {
            let mut polls = 0;
            let offers = poll_fn(|cx| {
                polls += 1;
                if polls == 1 {
                    cx.waker().wake_by_ref();
                } else {
                    Job::current().unwrap().cancel();
                    rx.try_send(1).unwrap();
                    rx.try_send(2).unwrap();
                }
                Poll::Pending
            });
            let n = select((other.on_receive(), rx.on_receive(), on(offers))).await;
            panic!("it was cancelled, and goes on with {n:?}");
        });
        t.run_current().await;
        assert!(job.is_completed());
        assert_eq!(drain(&channel), [1, 2]);
    });
}

/// S-12: nothing of a select is left at channels that live long.
#[test]
fn selects_leave_nothing_behind() {
    run_test(async |_| {
        let (quiet, busy) = (meeting(), Channel::new(1));
        for n in 0..10_000 {
            busy.send(n).await?;
            let selected = select((
                quiet.on_receive().then(|n| n.map_err(Error::from)),
                quiet
                    .on_send(0)
                    .then(|sent| sent.map(|()| 0).map_err(Error::from)),
                busy.on_receive().then(|n| n.map_err(Error::from)),
            ));
            assert_eq!(selected.await?, n);
        }
        assert!(quiet.is_empty());
        assert!(quiet.try_send(1).unwrap_err().is_full());
        assert!(quiet.try_receive().is_err());
        Ok(())
    });
}

/// S-13: a panic in the middle of the registration.
#[test]
fn a_panic_during_the_registration_leaves_the_channels_usable() {
    let channel = meeting();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let failing = on(poll_fn(|_| -> Poll<_> { panic!("on purpose") }));
        let _ = Hand::new(select((channel.on_receive(), failing))).poll();
    }));
    assert!(panic.is_err());
    assert!(channel.try_send(1).unwrap_err().is_full());
    let receive = Hand::waiting(channel.receive());
    channel.try_send(2).unwrap();
    assert_eq!(receive.ready().unwrap(), 2);
}

/// S-14
#[test]
fn the_element_of_a_clause_that_loses() {
    run_test(async |_| {
        let bin = Bin::new();
        let (tx, other) = (bin.channel(0, BufferOverflow::Suspend), Channel::new(1));
        // Registered, and another wins later.
        let mut selecting = Hand::waiting(select((
            tx.on_send(1).then(|_| ()),
            other.on_receive().then(|_: Result<u32, _>| ()),
        )));
        other.send(0).await?;
        assert!(selecting.poll().is_ready());
        assert_eq!(bin.take(), [1]);
        // Registered, and the next clause wins at once.
        other.send(0).await?;
        select((tx.on_send(2).then(|_| ()), other.on_receive().then(|_| ()))).await;
        assert_eq!(bin.take(), [2]);
        // Never registered.
        other.send(0).await?;
        select((other.on_receive().then(|_| ()), tx.on_send(3).then(|_| ()))).await;
        assert_eq!(bin.take(), [0; 0]);
        // Dropped while it waits.
        drop(Hand::waiting(select((tx.on_send(4),))));
        assert_eq!(bin.take(), [4]);
        // Lent: it stays, whatever happens.
        let mut element = Some(5);
        drop(Hand::waiting(select((tx.on_send_from(&mut element),))));
        assert_eq!(element, Some(5));
        let mut selecting = Hand::waiting(select((
            tx.on_send_from(&mut element).then(|_| ()),
            other.on_receive().then(|_| ()),
        )));
        other.send(0).await?;
        assert!(selecting.poll().is_ready());
        drop(selecting);
        assert_eq!(element, Some(5));
        let selecting = Hand::waiting(select((tx.on_send_from(&mut element),)));
        tx.cancel();
        let closed = selecting.ready().unwrap_err();
        assert_eq!(closed.into_inner(), None);
        // Its sender has waited: the cancellation took the element.
        assert_eq!((bin.take(), element), (vec![5], None));
        let mut element = Some(6);
        let closed = select((tx.on_send_from(&mut element),)).await.unwrap_err();
        assert_eq!((closed.into_inner(), element), (None, Some(6)));
        assert_eq!(bin.take(), [0; 0]);
        // Nothing to send.
        let mut nothing = None;
        let never = select((
            other.on_send_from(&mut nothing).then(|_| "sent"),
            on_timeout(Duration::from_secs(1)).then(|()| "late"),
        ));
        assert_eq!(never.await, "late");
        Ok(())
    });
}

/// What a policy drops when a select sends.
#[test]
fn a_select_that_sends_displaces_as_a_send_does() {
    run_test(async |_| {
        for (overflow, gone, kept) in [
            (BufferOverflow::DropOldest, 1, 2),
            (BufferOverflow::DropLatest, 2, 1),
        ] {
            let bin = Bin::new();
            let channel = bin.channel(1, overflow);
            channel.send(1).await?;
            select((channel.on_send(2),)).await?;
            assert_eq!((bin.take(), drain(&channel)), (vec![gone], vec![kept]));
        }
        Ok(())
    });
}

/// A select that was first polled in one task goes on in another: the waker of the last poll is woken, on both sides.
#[test]
fn a_select_may_move_to_another_task_after_its_first_poll() {
    let (one, other) = (meeting(), meeting());
    let mut receive = Box::pin(select((one.on_receive(), other.on_receive())));
    let (old, new) = (Default::default(), Default::default());
    assert!(support::poll_with(receive.as_mut(), &old).is_pending());
    assert!(support::poll_with(receive.as_mut(), &new).is_pending());
    other.try_send(7).unwrap();
    assert_eq!((old.count(), new.count()), (0, 1));
    assert!(matches!(
        support::poll_with(receive.as_mut(), &new),
        Poll::Ready(Ok(7))
    ));
    let channel: &'static Channel<u32> = Box::leak(Box::new(meeting()));
    run_blocking(async |scope| {
        let mut send = Box::pin(select((channel.on_send(8),)));
        poll_fn(|cx| {
            assert!(send.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        let sender = scope.launch(async move { Ok(send.await?) });
        yield_now().await;
        assert_eq!(channel.receive().await?, 8);
        sender.join().await;
        Ok(())
    })
    .unwrap();
}

/// A waiting select keeps its place among plain operations.
#[test]
fn a_select_is_served_in_its_turn() {
    let channel = meeting();
    let first = Hand::waiting(channel.receive());
    let second = Hand::waiting(select((channel.on_receive(),)));
    let third = Hand::waiting(channel.receive());
    for n in 1..=3 {
        channel.try_send(n).unwrap();
    }
    assert_eq!(third.ready().unwrap(), 3);
    assert_eq!(second.ready().unwrap(), 2);
    assert_eq!(first.ready().unwrap(), 1);
    let sends = Hand::waiting(channel.send(4));
    let selects = Hand::waiting(select((channel.on_send(5),)));
    assert_eq!(drain(&channel), [4, 5]);
    sends.ready().unwrap();
    selects.ready().unwrap();
}

/// What a dump says.
#[test]
fn a_dump_names_the_channels_of_a_select() {
    let _probes = probe::install();
    run_blocking(async |scope| {
        let (a, b) = (meeting(), Channel::<u32>::new(0));
        let (rx, tx) = (a.clone(), b.clone());
        let job = scope.launch(async move {
            select((
                rx.on_receive().then(|_| ()),
                tx.on_send(1).then(|_| ()),
                on_timeout(Duration::from_secs(60)).then(|()| ()),
            ))
            .await
        });
        yield_now().await;
        let waits = probe::waits_of(&job);
        let expected = format!("3 clauses: receive on {a:?}, send on {b:?}");
        // Without the numbers that tell channels of one line apart.
        let number = |c: char| c.is_ascii_hexdigit();
        let parts = waits[0].detail.split('@').enumerate();
        let plain: String = parts
            .map(|(at, part)| match at {
                0 => part,
                _ => part.trim_start_matches(number),
            })
            .collect();
        assert_eq!((waits[0].what, &*plain), ("select", &*expected));
        a.try_send(1).unwrap();
        job.join().await;
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_loop_of_selects_ends_when_a_handler_says_so() {
    run_test(async |t| {
        let channel = meeting();
        let tx = channel.clone();
        t.launch(async move {
            for n in 0..5 {
                delay(Duration::from_millis(10)).await;
                tx.send(n).await?;
            }
            tx.close();
            Ok(())
        });
        let mut seen = Vec::new();
        while_select(async || {
            select((
                channel.on_receive_catching().then(|result| {
                    let go_on = result.is_success();
                    seen.extend(result.ok());
                    go_on
                }),
                on_timeout(Duration::from_secs(1)).then(|()| panic!("nothing came")),
            ))
            .await
        })
        .await;
        assert_eq!(seen, [0, 1, 2, 3, 4]);
    });
}

/// S-6, S-2: philosophers who take two forks at once from channels, by selects on both sides, on real threads.
#[test]
fn crossing_selects_on_threads_lose_nothing() {
    for workers in [2, 8] {
        let pool = new_fixed_thread_pool_context(workers, "selects");
        let channels = [(); 3].map(|()| meeting());
        let (sent, received) = (Bin::new(), Bin::new());
        run_blocking(async |scope| {
            let scope = &scope;
            let jobs = [0, 1, 2, 3].map(|part| {
                let (channels, sent, received) = (channels.clone(), sent.clone(), received.clone());
                scope.with(&*pool).launch(async move {
                    for turn in 0..500 {
                        let element = part * 1000 + turn;
                        let [a, b, c] = &channels;
                        // Half of them begin with the other side, so that all meet all.
                        let (a, b) = if part % 2 == 0 { (a, b) } else { (b, a) };
                        let mut mine = Some(element);
                        let got = select((
                            a.on_send_from(&mut mine)
                                .then(|it| it.map(|()| None).map_err(Error::from)),
                            b.on_receive().then(|it| it.map(Some).map_err(Error::from)),
                            c.on_receive().then(|it| it.map(Some).map_err(Error::from)),
                        ))
                        .await;
                        match got {
                            Ok(Some(element)) => received.put(element),
                            Ok(None) => sent.put(element),
                            Err(_) => return,
                        }
                    }
                })
            });
            // As long as any of them is left without a partner, it is given one.
            let helper = scope.launch({
                let (c, sent) = (channels[2].clone(), sent.clone());
                async move {
                    for n in 100_000.. {
                        if c.send(n).await.is_err() {
                            return;
                        }
                        sent.put(n);
                        yield_now().await;
                    }
                }
            });
            for job in &jobs {
                job.join().await;
            }
            channels[2].cancel();
            helper.join().await;
            Ok(())
        })
        .unwrap();
        let (mut sent, mut received) = (sent.take(), received.take());
        sent.sort_unstable();
        received.sort_unstable();
        assert_eq!(sent, received);
    }
}

#[test]
fn clauses_work_in_foreign_selects() {
    run_test(async |_| {
        let (a, b) = (meeting(), Channel::new(1));
        let mut selecting = pin!(select((a.on_receive(),)));
        tokio::select! {
            biased;
            _ = &mut selecting => panic!("nothing was sent"),
            sent = b.send(1) => sent?,
        }
        a.try_send(7).unwrap();
        assert_eq!(selecting.await?, 7);
        Ok(())
    });
}

/// S-1: a future comes first as often as a channel, though what it has shows only when it is registered.
#[test]
fn in_an_unbiased_select_a_channel_does_not_overtake_a_future() {
    run_blocking(async |_| {
        let full = Channel::new(1);
        let mut of_the_future = 0;
        for _ in 0..400 {
            let _ = full.try_send(0);
            of_the_future += select_unbiased((on(ready(Ok(1))), full.on_receive())).await?;
        }
        assert!((100..300).contains(&of_the_future), "{of_the_future}");
        Ok(())
    })
    .unwrap();
}

/// Channels are looked at before anything is registered, and futures show only then what they have.
#[test]
fn a_channel_does_not_overtake_a_future_that_is_written_before_it() {
    let (empty, full) = (Channel::<u32>::new(1), Channel::new(1));
    full.try_send(3).unwrap();
    run_blocking(async |_| {
        let one = on(ready(Ok(1)));
        assert_eq!(select((one, full.on_receive())).await?, 1);
        let two = on(ready(Ok(2)));
        let clauses = (empty.on_receive(), two, full.on_receive());
        assert_eq!(select(clauses).await?, 2);
        let many = vec![
            empty.on_receive().boxed(),
            on(ready(Ok(4))).boxed(),
            full.on_receive().boxed(),
        ];
        assert_eq!(select(many).await?, 4);
        let never = on(pending());
        let clauses = (empty.on_receive(), full.on_receive(), never);
        assert_eq!(select(clauses).await?, 3);
        assert!(empty.is_empty() && full.is_empty());
        Ok(())
    })
    .unwrap();
}
