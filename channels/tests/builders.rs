//! Coroutines with a channel: produce (C-18, C-19), actor (C-22), ticker, fan-in and fan-out; in virtual time.

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use corox_channels::{Capacity, Channel, ChannelBuilders, TickerMode};
use corox_core::{
    Clause, CompletableDeferred, CoroutineStart, Error, Job, delay, probe, run_blocking, select,
    supervisor_scope, with_timeout_or_none,
};
use corox_test::{EventLog, run_test};
use support::Bin;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// C-18: the normal end, that of the children included.
#[test]
fn a_producer_that_ends_closes_its_channel() {
    run_test(async |t| {
        let numbers = t.produce(Capacity::Rendezvous, async |producer| {
            producer.send(1).await?;
            let channel = producer.channel().clone();
            producer.launch(async move {
                delay(ms(10)).await;
                Ok(channel.send(3).await?)
            });
            producer.send(2).await?;
            Ok(())
        });
        assert_eq!(numbers.to_vec().await?, [1, 2, 3]);
        assert!(numbers.receive_catching().await.cause().is_none());
        Ok(())
    });
}

/// C-18: a failure comes after what was sent, and cancels the parent as that of any child.
#[test]
fn a_failure_of_a_producer_is_seen_by_the_receiver_and_by_the_scope() {
    run_test(async |_| {
        let failure = Error::msg("the disk is gone");
        let log = EventLog::new();
        let (cause, seen) = (failure.clone(), log.clone());
        let failed = supervisor_scope(async move |scope| {
            let result = corox_core::coroutine_scope(async |inner| {
                let cause = cause.clone();
                let numbers = inner.produce(2, async move |producer| {
                    producer.send(1).await?;
                    Err::<(), _>(cause)
                });
                let parent = inner.job().clone();
                let seen = seen.clone();
                scope
                    .launch(async move {
                        seen.add(numbers.receive().await?);
                        let closed = numbers.receive().await.unwrap_err();
                        seen.add(closed.cause().unwrap());
                        assert!(parent.is_cancelled());
                        Ok(())
                    })
                    .join()
                    .await;
                delay(ms(1_000)).await;
                Ok(())
            })
            .await;
            Ok(result.unwrap_err())
        })
        .await?;
        assert!(failed.ptr_eq(&failure));
        log.assert(["1", "the disk is gone"]);
        Ok(())
    });
}

/// C-18: from the side of the receiver.
#[test]
fn a_cancelled_or_dropped_receiver_cancels_the_producer() {
    for dropped in [false, true] {
        run_test(async move |t| {
            let (log, bin) = (EventLog::new(), Bin::new());
            let (seen, job_of) = (log.clone(), bin.clone());
            let numbers = t.produce(1, async move |producer| {
                job_of.put(Job::current().unwrap());
                for n in 0.. {
                    producer.send(n).await?;
                    seen.add(n);
                }
                Ok(())
            });
            t.run_current().await;
            assert_eq!(numbers.receive().await?, 0_u32);
            t.run_current().await;
            let also = numbers.clone();
            if dropped {
                drop(numbers);
                t.run_current().await;
                assert!(!also.is_closed_for_receive());
                drop(also);
            } else {
                numbers.cancel();
                assert!(
                    also.receive()
                        .await
                        .unwrap_err()
                        .cause()
                        .unwrap()
                        .is_cancellation()
                );
            }
            t.run_current().await;
            assert!(bin.take()[0].is_cancelled());
            log.assert(["0", "1"]);
            Ok(())
        });
    }
}

/// Several receive: one of them cancels the channel, and the others end as cancelled. That is no failure, though it is one and
/// the same error for all of them, and for the producer.
#[test]
fn the_other_receivers_of_a_cancelled_producer_end_quietly() {
    run_test(async |t| {
        let plain = Channel::new(0);
        let numbers = t.produce(0, async |producer| {
            delay(ms(10)).await;
            Ok(producer.send(1_u32).await?)
        });
        let others = [0, 1].map(|_| {
            let (plain, numbers) = (plain.clone(), numbers.clone());
            [
                t.launch(async move { Ok(plain.receive().await?) }),
                t.launch(async move {
                    numbers.receive().await?;
                    Ok(())
                }),
            ]
        });
        t.run_current().await;
        plain.cancel();
        numbers.cancel_with(Error::cancellation("enough"));
        t.run_current().await;
        assert!(others.as_flattened().iter().all(Job::is_cancelled));
        assert!(t.is_active());
        Ok(())
    });
}

/// C-18: from the side of the coroutine; what was sent stays.
#[test]
fn a_cancelled_producer_leaves_what_it_has_sent() {
    run_test(async |t| {
        let bin = Bin::new();
        let job_of = bin.clone();
        let numbers = t.produce(2, async move |producer| {
            job_of.put(Job::current().unwrap());
            producer.send(1).await?;
            producer.send(2).await?;
            delay(ms(1_000)).await;
            Ok(())
        });
        t.run_current().await;
        bin.take()[0].cancel_with(Error::cancellation("enough"));
        t.run_current().await;
        assert_eq!((numbers.receive().await?, numbers.receive().await?), (1, 2));
        assert_eq!(
            numbers
                .receive()
                .await
                .unwrap_err()
                .cause()
                .unwrap()
                .to_string(),
            "enough"
        );
        // Before it began.
        let never = t.produce(0, async |producer| Ok(producer.send(1).await?));
        t.job().cancel_children();
        t.run_current().await;
        assert!(
            never
                .receive()
                .await
                .unwrap_err()
                .cause()
                .unwrap()
                .is_cancellation()
        );
        Ok(())
    });
}

/// A cancelled producer whose send has nowhere to go is not in the way of its scope.
#[test]
fn a_scope_does_not_wait_for_a_producer_whose_receiver_is_gone() {
    run_blocking(async |scope| {
        let numbers = scope.produce(0, async |producer| {
            for n in 0.. {
                producer.send(n).await?;
            }
            Ok(())
        });
        let _: i32 = numbers.receive().await?;
        Ok(())
    })
    .unwrap();
}

/// C-19
#[test]
fn await_close_runs_its_cleanup_once_however_it_ends() {
    run_test(async |t| {
        let (log, bin) = (EventLog::new(), Bin::<Channel<u32>>::new());
        let callback_producer = |name: &'static str| {
            let (log, bin) = (log.clone(), bin.clone());
            t.produce(Capacity::Unlimited, async move |producer| {
                bin.put(producer.channel().clone());
                producer
                    .await_close(|| log.add(format!("{name}: cleanup")))
                    .await;
                log.add(format!("{name}: goes on"));
                Ok(())
            })
        };
        // Closed by somebody who has the channel: the producer goes on.
        let receiver = callback_producer("closed");
        t.run_current().await;
        bin.take()[0].close();
        t.run_current().await;
        assert!(receiver.is_closed_for_receive());
        assert_eq!(log.take(), ["closed: cleanup", "closed: goes on"]);
        // Cancelled by the receiver, and dropped.
        let receiver = callback_producer("cancelled");
        t.run_current().await;
        receiver.cancel();
        t.run_current().await;
        assert_eq!(log.take(), ["cancelled: cleanup"]);
        let receiver = callback_producer("dropped");
        t.run_current().await;
        drop(receiver);
        t.run_current().await;
        log.assert(["dropped: cleanup"]);
        Ok(())
    });
}

fn message_of(f: impl AsyncFnOnce(&corox_core::CoroutineScope)) -> String {
    let panic = catch_unwind(AssertUnwindSafe(|| {
        run_blocking(async |scope| {
            f(&scope).await;
            Ok(())
        })
    }));
    *panic.unwrap_err().downcast::<String>().unwrap()
}

/// C-19: bad input.
#[test]
fn await_close_is_for_the_producer_itself_and_once() {
    let elsewhere = message_of(async |scope| {
        let numbers = scope.produce::<u32, _, _>(0, async |producer| {
            let producer = std::sync::Arc::new(producer);
            let inner = producer.clone();
            producer.launch(async move { inner.await_close(|| {}).await });
            Ok(())
        });
        let _ = numbers.receive().await;
    });
    assert!(
        elsewhere.contains("is not called in the coroutine of its producer"),
        "{elsewhere}"
    );
    let twice = message_of(async |scope| {
        let numbers = scope.produce::<u32, _, _>(0, async |producer| {
            futures::join!(producer.await_close(|| {}), producer.await_close(|| {}));
        });
        let _ = numbers.receive().await;
    });
    assert!(
        twice.contains(file!()) && twice.contains("call it once"),
        "{twice}"
    );
}

/// C-20: a cancelled producer may send what need not wait.
#[test]
fn a_cancelled_producer_may_send_into_an_unlimited_channel() {
    run_test(async |t| {
        let numbers = t.produce(Capacity::Unlimited, async |producer| {
            Job::current().unwrap().cancel();
            for n in 0..3 {
                producer.send(n).await?;
            }
            delay(ms(1)).await;
            Ok(())
        });
        t.run_current().await;
        let mut seen = Vec::new();
        assert!(
            numbers
                .consume_to(&mut seen)
                .await
                .unwrap_err()
                .is_cancellation()
        );
        assert_eq!(seen, [0, 1, 2]);
    });
}

/// C-22: ends with its senders, with the mailbox emptied first.
#[test]
fn an_actor_ends_when_its_senders_are_gone() {
    run_test(async |t| {
        let log = EventLog::new();
        let seen = log.clone();
        let actor = t.actor(Capacity::Unlimited, async move |actor| {
            while let Some(n) = actor.next().await? {
                seen.add(n);
                delay(ms(10)).await;
            }
            seen.add("end");
            Ok(())
        });
        let also = actor.clone();
        for n in 0..3 {
            actor.send(n).await?;
        }
        drop(actor);
        t.run_current().await;
        also.send(3).await?;
        drop(also);
        t.advance_until_idle().await;
        log.assert(["0", "1", "2", "3", "end"]);
        Ok(())
    });
}

/// C-22: its cancellation, failure and end cancel the mailbox.
#[test]
fn the_mailbox_of_an_actor_that_has_ended_is_cancelled() {
    run_test(async |t| {
        let bin = Bin::new();
        let job_of = bin.clone();
        let actor = t.actor(1, async move |actor| {
            job_of.put(Job::current().unwrap());
            delay(ms(1_000)).await;
            actor.receive().await?;
            Ok(())
        });
        actor.send(1).await?;
        t.run_current().await;
        let waits = t.spawn({
            let actor = actor.clone();
            async move {
                Ok(actor
                    .send(2)
                    .await
                    .unwrap_err()
                    .cause()
                    .unwrap()
                    .to_string())
            }
        });
        t.run_current().await;
        bin.take()[0].cancel_with(Error::cancellation("no more"));
        assert_eq!(waits.await?, "no more");
        assert!(actor.is_closed_for_send());
        // Its end.
        let actor = t.actor(1, async |_| Ok(()));
        t.run_current().await;
        let refused = actor.send(1).await.unwrap_err();
        assert!(refused.cause().unwrap().is_cancellation(), "{refused}");
        // Its failure.
        let failed = supervisor_scope(async |scope| {
            let inner = corox_core::coroutine_scope(async |inner| {
                let actor = inner.actor(1, async |actor| {
                    actor.receive().await?;
                    Err::<(), _>(Error::msg("bad message"))
                });
                actor.send(1).await?;
                let waits = scope.spawn(async move {
                    while actor.send(2).await.is_ok() {}
                    let cause = actor.try_send(3).unwrap_err().cause().unwrap().clone();
                    Ok(cause.cause().unwrap().to_string())
                });
                waits.await
            });
            assert_eq!(inner.await.unwrap_err().to_string(), "bad message");
            Ok(())
        });
        failed.await
    });
}

/// C-22
#[test]
fn a_lazy_actor_begins_with_the_first_message_or_the_close() {
    run_test(async |t| {
        let log = EventLog::new();
        let lazy = |name: &'static str| {
            let log = log.clone();
            t.lazy().actor(1, async move |actor| {
                log.add(format!("{name} begins"));
                while let Some(n) = actor.next().await? {
                    log.add(format!("{name}: {n}"));
                }
                Ok(())
            })
        };
        let (sent, tried, closed, chosen) =
            (lazy("sent"), lazy("tried"), lazy("closed"), lazy("chosen"));
        t.run_current().await;
        log.assert([""; 0]);
        assert!(!sent.is_closed_for_send());
        sent.send(1).await?;
        t.run_current().await;
        assert_eq!(log.take(), ["sent begins", "sent: 1"]);
        tried.try_send(2)?;
        t.run_current().await;
        assert_eq!(log.take(), ["tried begins", "tried: 2"]);
        assert!(closed.close());
        t.run_current().await;
        assert_eq!(log.take(), ["closed begins"]);
        select((chosen.on_send(3).then(|sent| sent.map_err(Error::from)),)).await?;
        t.run_current().await;
        assert_eq!(log.take(), ["chosen begins", "chosen: 3"]);
        // A drop of the last sender closes it, too; and other starts are other starts.
        drop(lazy("dropped"));
        t.run_current().await;
        assert_eq!(log.take(), ["dropped begins"]);
        let seen = log.clone();
        let _undispatched =
            t.start(CoroutineStart::Undispatched)
                .actor::<u32, _, _>(0, async move |_| {
                    seen.add("at once");
                    Ok(())
                });
        log.assert(["at once"]);
        Ok(())
    });
}

/// The answers of an actor.
#[test]
fn an_actor_guards_a_state() {
    enum Message {
        Increment,
        Get(CompletableDeferred<u32>),
    }
    run_blocking(async |scope| {
        let counter = scope.actor(Capacity::Rendezvous, async |actor| {
            let mut count = 0;
            while let Some(message) = actor.next().await? {
                match message {
                    Message::Increment => count += 1,
                    Message::Get(answer) => _ = answer.complete(count),
                }
            }
            Ok(())
        });
        corox_core::coroutine_scope(async |inner| {
            for _ in 0..10 {
                let counter = counter.clone();
                inner
                    .with(corox_core::Dispatcher::DEFAULT)
                    .launch(async move {
                        for _ in 0..100 {
                            counter.send(Message::Increment).await?;
                        }
                        Ok(())
                    });
            }
            Ok(())
        })
        .await?;
        let answer = CompletableDeferred::new();
        counter.send(Message::Get(answer.clone())).await?;
        assert_eq!((&answer).await?, 1000);
        Ok(())
    })
    .unwrap();
}

/// The guide's sequence: in time, late for one beat, and in time again.
#[test]
fn a_ticker_skips_beats_or_keeps_its_delay() {
    for (mode, next) in [(TickerMode::FixedPeriod, 50), (TickerMode::FixedDelay, 100)] {
        run_test(async move |t| {
            let ticks = t.ticker(ms(100), Duration::ZERO, mode);
            t.run_current().await;
            assert!(ticks.try_receive().is_ok(), "no initial delay");
            let within = async |limit| {
                with_timeout_or_none(ms(limit), async |_| Ok(ticks.receive().await?)).await
            };
            assert_eq!(within(50).await?, None);
            assert_eq!(within(60).await?, Some(()));
            // A slow consumer: the tick is there at once.
            delay(ms(150)).await;
            assert_eq!(within(1).await?, Some(()));
            assert_eq!(within(next - 1).await?, None);
            assert_eq!(within(2).await?, Some(()));
            ticks.cancel();
            Ok(())
        });
    }
    run_test(async |t| {
        let ticks = t.ticker(ms(10), ms(35), TickerMode::default());
        ticks.receive().await?;
        assert_eq!(t.current_time(), ms(35));
        // Many beats late.
        delay(ms(67)).await;
        ticks.receive().await?;
        ticks.receive().await?;
        assert_eq!(t.current_time(), ms(105));
        // Without a period: whenever somebody receives.
        let always = t.ticker(Duration::ZERO, Duration::ZERO, TickerMode::FixedPeriod);
        for _ in 0..10 {
            always.receive().await?;
        }
        assert_eq!(t.current_time(), ms(105));
        let never = t.ticker(Duration::MAX, ms(1), TickerMode::FixedPeriod);
        never.receive().await?;
        let none = with_timeout_or_none(ms(1_000_000), async |_| Ok(never.receive().await?));
        assert_eq!(none.await?, None);
        Ok(())
    });
}

#[test]
fn elements_of_several_sources_come_together_and_go_to_several_workers() {
    run_test(async |t| {
        let sources = [100, 250].map(|period| {
            t.produce(0, async move |producer| {
                for n in 1..=4 {
                    delay(ms(period)).await;
                    producer.send((period, n)).await?;
                }
                Ok(())
            })
        });
        let all = t.fan_in(0, sources).to_vec().await?;
        let of_one: Vec<_> = all.iter().filter(|it| it.0 == 100).map(|it| it.1).collect();
        assert_eq!((all.len(), of_one), (8, vec![1, 2, 3, 4]));
        assert_eq!(all[2], (250, 1));
        // Fan-out: each element to one of the workers.
        let work = Channel::new(0);
        let seen = Bin::new();
        for worker in 0..3 {
            let (work, seen) = (work.clone(), seen.clone());
            t.launch(async move {
                while let Some(n) = work.next().await? {
                    seen.put((worker, n));
                    delay(ms(10)).await;
                }
                Ok(())
            });
        }
        for n in 0..9 {
            work.send(n).await?;
        }
        work.close();
        t.advance_until_idle().await;
        let expected: Vec<_> = (0..9).map(|n| (n % 3, n)).collect();
        assert_eq!(seen.take(), expected);
        Ok(())
    });
}

/// A pipeline: each stage ends when its source does, and is cancelled when nobody receives any more.
#[test]
fn a_pipeline_is_cancelled_from_its_end() {
    run_test(async |t| {
        let numbers = t.produce(0, async |producer| {
            for n in 2.. {
                producer.send(n).await?;
            }
            Ok(())
        });
        let mut source = numbers;
        let mut primes = Vec::new();
        for _ in 0..8 {
            let prime: u32 = source.receive().await?;
            primes.push(prime);
            source = t.produce(0, async move |producer| {
                while let Some(n) = source.next().await? {
                    if n % prime != 0 {
                        producer.send(n).await?;
                    }
                }
                Ok(())
            });
        }
        assert_eq!(primes, [2, 3, 5, 7, 11, 13, 17, 19]);
        drop(source);
        t.run_current().await;
        assert_eq!(t.job().children().len(), 0);
        Ok(())
    });
}

/// A cancellation that the library makes names a line of its user: where the actor was launched, or the channel was made.
#[test]
fn cancellations_of_channels_arise_at_lines_of_their_users() {
    run_test(async |t| {
        let actor = t.actor(0, async |actor| {
            actor.receive().await?;
            Ok(())
        });
        actor.send(1_u32).await?;
        t.run_current().await;
        let of_an_actor = actor.send(2).await.unwrap_err();

        let (tx, rx) = Channel::new(0).split();
        drop(rx);
        let of_a_drop = tx.send(1_u32).await.unwrap_err();

        let consumed = Channel::<u32>::new(0);
        consumed.consume(async { Ok(()) }).await?;
        let of_a_consumer = consumed.receive().await.unwrap_err();

        for error in [
            of_an_actor.cause(),
            of_a_drop.cause(),
            of_a_consumer.cause(),
        ] {
            let told = format!("{:?}", error.unwrap());
            assert!(told.contains(file!()), "{told}");
        }
        Ok(())
    });
}

/// Whoever looks at a hang is told a line of the program, not one of this crate.
#[test]
fn waits_inside_of_builders_and_consumers_are_told_at_the_call() {
    run_test(async |t| {
        let scope = t.background_scope();
        // The coroutines that `before` does not have yet, each before its children.
        let newer = |before: &[Job]| -> Vec<Job> {
            let mut new = scope.job().children();
            new.retain(|job| !before.iter().any(|known| known.ptr_eq(job)));
            let mut next = 0;
            while let Some(job) = new.get(next) {
                let children = job.children();
                new.extend(children);
                next += 1;
            }
            new
        };
        let waits_of_newer = |before: &[Job]| -> Vec<(&str, u32)> {
            let waits = newer(before)
                .into_iter()
                .flat_map(|job| probe::waits_of(&job));
            let told = |wait: probe::WaitInfo| {
                assert_eq!(wait.location.file(), file!(), "{wait:?}");
                (wait.what, wait.location.line())
            };
            waits.map(told).collect()
        };

        for mode in [TickerMode::FixedPeriod, TickerMode::FixedDelay] {
            let before = scope.job().children();
            let (ticks, line) = (scope.ticker(ms(10), ms(5), mode), line!());
            t.run_current().await;
            assert_eq!(waits_of_newer(&before), [("delay", line)]);
            t.advance_time_by(ms(6)).await;
            assert_eq!(waits_of_newer(&before), [("send", line)]);
            ticks.receive().await?;
            t.run_current().await;
            assert_eq!(waits_of_newer(&before), [("delay", line)]);
        }

        let before = scope.job().children();
        let (mut senders, sources): (Vec<_>, Vec<_>) =
            (0..2).map(|_| Channel::<u32>::new(0).split()).unzip();
        let (all, line) = (scope.fan_in(0, sources), line!());
        t.run_current().await;
        assert_eq!(waits_of_newer(&before), [("receive", line); 2]);
        for job in newer(&before) {
            let launched = job.location();
            assert_eq!((launched.file(), launched.line()), (file!(), line));
        }
        drop(senders.pop());
        senders[0].send(1).await?;
        t.run_current().await;
        assert_eq!(waits_of_newer(&before), [("send", line)]);
        drop(all);

        let before = scope.job().children();
        let (tx, rx) = Channel::<u32>::new(0).split();
        let channel = Channel::<u32>::new(0);
        scope.launch(async move { rx.consume_each(async |_| Ok(())).await });
        let to_vec = channel.clone();
        scope.launch(async move { to_vec.to_vec().await.map(drop) });
        let consumed = channel.clone();
        scope.launch(async move { consumed.consume_to(&mut Vec::new()).await });
        let each = channel.clone();
        scope.launch(async move { each.consume_each(async |_| Ok(())).await });
        let line = line!();
        t.run_current().await;
        let lines = [line - 7, line - 5, line - 3, line - 1];
        assert_eq!(waits_of_newer(&before), lines.map(|line| ("receive", line)));
        drop((tx, channel));
        Ok(())
    });
}
