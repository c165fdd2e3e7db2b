//! Flows that are sent by coroutines, callbacks and channels: F-11 to F-15, F-18, F-20.
#![cfg(not(corox_loom))]

mod support;

use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use corox_channels::{Capacity, Channel};
use corox_core::{
    CoroutineContext, CoroutineName, CoroutineScope, CoroutineStart, Dispatcher, Error, FinallyExt,
    coroutine_scope, delay, run_blocking, yield_now,
};
use corox_flow::fusion::Stage;
use corox_flow::{
    AlreadyCollected, Flow, NotAwaitingClose, callback_flow, channel_flow, flow, flow_of,
    prelude::*,
};
use corox_test::{EventLog, Explore, assert_events, run_test};
use support::drop_at::drop_at_each_poll_in_a_test;
use support::ms;

/// F-12: it ends when the block and what it has launched have ended.
#[test]
fn it_ends_with_what_it_has_launched() {
    run_test(async |t| {
        let many = channel_flow(async |producer| {
            for n in [3, 1, 2] {
                let channel = producer.channel().clone();
                producer.launch(async move {
                    delay(ms(10 * n)).await;
                    Ok(channel.send(n).await?)
                });
            }
            producer.send(0).await?;
            Ok(())
        });
        assert_eq!(many.clone().to_vec().await.unwrap(), [0, 1, 2, 3]);
        assert_eq!(t.current_time(), ms(30));
        assert_eq!(many.to_vec().await.unwrap(), [0, 1, 2, 3]);
    });
}

/// F-11, F-12, F-14: leaving it cancels all of them and waits; the scope around goes on.
#[test]
fn an_early_end_cancels_and_waits() {
    run_test(async |t| {
        let log = EventLog::new();
        let inner = log.clone();
        let endless = channel_flow(async move |producer| {
            let log = inner.clone();
            producer.launch(async move {
                pending::<()>()
                    .finally(async {
                        delay(ms(10)).await;
                        log.push("child has gone".to_owned());
                    })
                    .await;
            });
            for n in 0.. {
                producer.send(n).await?;
            }
            Ok(())
        });
        assert_eq!(endless.clone().take(3).to_vec().await.unwrap(), [0, 1, 2]);
        assert_events(&log.events(), &["child has gone"]);
        let failed = endless
            .collect(async |_| Err::<(), _>(Error::msg("enough")))
            .await;
        assert_eq!(failed.unwrap_err().to_string(), "enough");
        assert_events(&log.events(), &["child has gone", "child has gone"]);
        assert!(t.is_active());
    });
}

/// F-11, F-12, F-14: a failure of the block or a child comes behind what was sent, and does not fail the scope around.
#[test]
fn a_failure_is_that_of_the_flow() {
    run_test(async |t| {
        for in_child in [false, true] {
            let failing = channel_flow(async move |producer| {
                producer.send(1).await?;
                producer.send(2).await?;
                if !in_child {
                    return Err(Error::msg("broken"));
                }
                producer.launch(async { Err::<(), _>(Error::msg("broken")) });
                pending::<()>().await;
                Ok(())
            });
            let mut seen = Vec::new();
            let error = failing.for_each(|n| seen.push(n)).await.unwrap_err();
            assert_eq!(error.to_string(), "broken");
            assert_eq!(seen, [1, 2]);
        }
        let panicking = channel_flow(async move |producer| {
            producer.send(1).await.unwrap();
            panic!("as it should be");
        });
        let mut seen = Vec::new();
        let error = panicking.for_each(|n: i32| seen.push(n)).await.unwrap_err();
        assert!(error.is_panic(), "{error}");
        assert_eq!(seen, [1]);
        assert!(t.is_active());
    });
}

/// To close the channel ends the flow, and what still runs.
#[test]
fn closing_the_channel_ends_the_flow() {
    run_test(async |_| {
        let closing = channel_flow(async |producer| {
            producer.send(1).await?;
            producer.channel().close();
            pending::<()>().await;
            Ok(())
        });
        assert_eq!(closing.to_vec().await.unwrap(), [1]);
    });
}

/// F-13: the block begins even if who collects is cancelled before its turn.
#[test]
fn it_starts_atomically() {
    run_test(async |t| {
        let begun = Arc::new(AtomicBool::new(false));
        let told = begun.clone();
        let flow = channel_flow(async move |producer| {
            told.store(true, Ordering::SeqCst);
            producer.send(1).await.unwrap();
            delay(ms(1)).await;
            unreachable!("it is cancelled");
        });
        let undispatched = t.start(CoroutineStart::Undispatched);
        let job = undispatched.launch(async move { flow.count().await.map(drop) });
        assert!(!begun.load(Ordering::SeqCst));
        job.cancel_and_join().await;
        assert!(begun.load(Ordering::SeqCst));
    });
}

/// What calls back.
#[derive(Clone, Default)]
struct Button(Arc<Mutex<Option<Channel<u32>>>>);

impl Button {
    fn clicks(&self, log: &EventLog<String>) -> impl Flow<Item = u32> + use<> {
        let (button, log) = (self.clone(), log.clone());
        callback_flow(async move |producer| {
            *button.0.lock().unwrap() = Some(producer.channel().clone());
            producer
                .await_close(|| {
                    log.push("closed".to_owned());
                    *button.0.lock().unwrap() = None;
                })
                .await;
        })
    }

    fn click(&self, n: u32) {
        if let Some(channel) = &*self.0.lock().unwrap() {
            channel.try_send(n).unwrap();
        }
    }
}

/// F-15: the close action runs when the collector leaves, is cancelled or fails, and when the channel is closed.
#[test]
fn await_close_runs_its_action_whatever_happens() {
    run_test(async |t| {
        let (button, log) = (Button::default(), EventLog::new());
        let clicker = button.clone();
        t.launch(async move {
            for n in 0..100 {
                delay(ms(10)).await;
                clicker.click(n);
            }
        });
        let flow = button.clicks(&log);
        assert_eq!(flow.clone().take(2).count().await.unwrap(), 2);
        assert_events(&log.take(), &["closed"]);
        let failed = flow
            .clone()
            .collect(async |_| Err::<(), _>(Error::msg("enough")))
            .await;
        assert!(failed.is_err());
        assert_events(&log.take(), &["closed"]);
        let collected = flow.clone();
        let job = t.launch(async move { collected.count().await.map(drop) });
        delay(ms(30)).await;
        job.cancel_and_join().await;
        assert_events(&log.take(), &["closed"]);
        let closer = button.clone();
        t.launch(async move {
            delay(ms(35)).await;
            let channel = closer.0.lock().unwrap().clone();
            channel.unwrap().close();
        });
        assert_eq!(flow.count().await.unwrap(), 3);
        assert_events(&log.take(), &["closed"]);
        assert!(button.0.lock().unwrap().is_none());
    });
}

/// F-15: returning while it is open.
#[test]
fn without_await_close_it_fails() {
    run_test(async |_| {
        let line = line!() + 1;
        let careless = callback_flow(async |producer| {
            producer.try_send(1)?;
            Ok(())
        });
        let mut seen = Vec::new();
        let error = careless.for_each(|n| seen.push(n)).await.unwrap_err();
        let mistake = error.downcast_ref::<NotAwaitingClose>().unwrap();
        assert_eq!(mistake.location().line(), line);
        assert!(mistake.to_string().contains("await_close"));
        assert_eq!(seen, [1]);
        // One that has closed it may return.
        let closes = callback_flow(async |producer| {
            producer.try_send(1)?;
            producer.channel().close();
            Ok(())
        });
        assert_eq!(closes.to_vec().await.unwrap(), [1]);
        // Its own failure counts.
        let fails = callback_flow::<i32, _, _, _>(async |_| Err::<(), _>(Error::msg("broken")));
        assert_eq!(fails.count().await.unwrap_err().to_string(), "broken");
    });
}

/// How many items are sent before the block waits, while nobody goes on to collect.
fn ahead<S: Flow<Item = ()> + Send + 'static>(
    make: impl FnOnce(Arc<AtomicUsize>) -> S + Send + 'static,
) -> usize {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    run_test(async move |t| {
        let flow = make(count);
        let job = t.launch(async move { flow.collect(async |()| pending::<()>().await).await });
        t.run_current().await;
        job.cancel_and_join().await;
    });
    sent.load(Ordering::SeqCst)
}

fn counting(sent: Arc<AtomicUsize>) -> impl Flow<Item = ()> + Send + 'static {
    channel_flow(async move |producer| {
        loop {
            sent.fetch_add(1, Ordering::SeqCst);
            if producer.send(()).await.is_err() {
                return;
            }
        }
    })
}

/// F-18: a buffer, a `flow_on` and `conflate` behind it are its own channel.
#[test]
fn stages_behind_it_are_its_channel() {
    assert_eq!(ahead(counting), 64 + 2);
    assert_eq!(ahead(|sent| counting(sent).buffer(3)), 3 + 2);
    assert_eq!(ahead(|sent| counting(sent).buffer(3).buffer(0)), 3 + 2);
    assert_eq!(
        ahead(|sent| counting(sent)
            .buffer(3)
            .flow_on(CoroutineName::new("n"))
            .buffer(4)),
        7 + 2
    );
    run_test(async |_| {
        let flow = channel_flow(async |producer| {
            let context = CoroutineContext::current();
            producer
                .send(context.name().map(|name| name.as_str().to_owned()))
                .await?;
            Ok(())
        });
        let named = flow
            .flow_on(CoroutineName::new("inner"))
            .flow_on(CoroutineName::new("outer"));
        assert_eq!(named.to_vec().await.unwrap(), [Some("inner".to_owned())]);
        let numbers = channel_flow(async |producer| {
            for n in 0..100 {
                producer.send(n).await?;
            }
            Ok(())
        });
        assert_eq!(numbers.conflate().to_vec().await.unwrap(), [0, 99]);
    });
}

/// F-18: `produce_in` has the block send into its channel itself.
#[test]
fn produce_in_is_the_channel_of_the_block() {
    run_test(async |t| {
        let sent = Arc::new(AtomicUsize::new(0));
        let count = sent.clone();
        let scope: &CoroutineScope = &t;
        let received = counting(count).buffer(5).produce_in(scope);
        t.run_current().await;
        assert_eq!(sent.load(Ordering::SeqCst), 5 + 1);
        drop(received);
        t.run_current().await;

        let made = flow_of([1, 2, 3]).buffer(1).buffer(1).produce_in(scope);
        t.run_current().await;
        assert_eq!(made.to_vec().await.unwrap(), [1, 2, 3]);
        let name = flow(async |emitter| {
            let context = CoroutineContext::current();
            emitter
                .emit(context.name().map(|name| name.as_str().to_owned()))
                .await;
        });
        let name = name.flow_on(CoroutineName::new("inner")).produce_in(scope);
        assert_eq!(name.receive().await.unwrap(), Some("inner".to_owned()));
    });
}

/// The failure of a flow that is produced is that of the scope, as of any child.
#[test]
fn produce_in_fails_the_scope() {
    run_test(async |_| {
        let seen = Mutex::new(Vec::new());
        let failed = coroutine_scope(async |scope| {
            let failing = flow(async |emitter| {
                emitter.emit(1).await;
                delay(ms(1)).await;
                Err::<(), _>(Error::msg("broken"))
            });
            let received = failing.produce_in(&scope);
            while let Some(n) = received.next().await? {
                seen.lock().unwrap().push(n);
            }
            Ok(())
        });
        assert_eq!(failed.await.unwrap_err().to_string(), "broken");
        assert_eq!(*seen.lock().unwrap(), [1]);
    });
}

/// F-20: `receive_into_flow` shares the elements, and leaves the channel usable.
#[test]
fn receive_into_flow_shares() {
    run_test(async |_| {
        let channel = Channel::new(Capacity::Unlimited);
        for n in 1..=6 {
            channel.send(n).await.unwrap();
        }
        let flow = channel.clone().receive_into_flow();
        assert_eq!(flow.clone().take(2).to_vec().await.unwrap(), [1, 2]);
        let (tx, rx) = channel.clone().split();
        let of_receiver = rx.clone().receive_into_flow();
        assert_eq!(of_receiver.take(1).to_vec().await.unwrap(), [3]);
        assert!(!channel.is_closed_for_send());
        tx.close_with(Error::msg("broken"));
        let mut seen = Vec::new();
        let error = flow.clone().for_each(|n| seen.push(n)).await.unwrap_err();
        assert_eq!(error.to_string(), "broken");
        assert_eq!(seen, [4, 5, 6]);
        assert!(flow.count().await.is_err());
    });
}

/// F-20: `consume_into_flow` allows one collection, and cancels the channel.
#[test]
fn consume_into_flow_is_collected_once() {
    run_test(async |_| {
        for early in [false, true] {
            let (tx, rx) = Channel::new(Capacity::Unlimited).split();
            for n in 1..=3 {
                tx.send(n).await.unwrap();
            }
            if !early {
                tx.close();
            }
            let line = line!() + 1;
            let flow = rx.consume_into_flow();
            let taken = flow
                .clone()
                .take(if early { 1 } else { 10 })
                .to_vec()
                .await
                .unwrap();
            assert_eq!(taken, [1, 2, 3][..if early { 1 } else { 3 }]);
            assert!(tx.is_closed_for_send());
            for _ in 0..2 {
                let error = flow.clone().count().await.unwrap_err();
                let mistake = error.downcast_ref::<AlreadyCollected>().unwrap();
                assert_eq!(mistake.location().line(), line);
                assert!(mistake.to_string().contains("receive_into_flow"));
            }
        }
        // One that is never polled leaves it.
        let channel = Channel::<i32>::new(1);
        drop(channel.clone().consume_into_flow());
        assert!(!channel.is_closed_for_send());
    });
}

/// A block that emits what comes from a channel, and its failure.
#[test]
fn emit_all_from_a_channel() {
    run_test(async |_| {
        let (tx, rx) = Channel::new(4).split();
        for n in 1..=3 {
            tx.send(n).await.unwrap();
        }
        let once = flow({
            let rx = rx.clone();
            async move |emitter| {
                emitter.emit(0).await;
                emitter.emit_all_from(rx).await
            }
        });
        assert_eq!(once.take(2).to_vec().await.unwrap(), [0, 1]);
        assert!(tx.is_closed_for_send() && rx.is_closed_for_receive());
    });
}

#[test]
fn it_cannot_be_dissolved() {
    let mut flow = channel_flow(async |producer| _ = producer.try_send(1));
    assert!(flow.dissolve().is_none());
    assert!(!flow.fuse(&Stage::Cancellable));
    assert!(flow.producer().is_some());
}

/// Outside of any coroutine.
#[test]
fn outside_of_any_coroutine() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let flow = channel_flow(async |producer| {
            for n in 0..10 {
                producer.send(n).await?;
            }
            Ok(())
        });
        assert_eq!(flow.clone().count().await.unwrap(), 10);
        assert_eq!(flow.take(2).count().await.unwrap(), 2);
    });
}

#[test]
fn dropped_at_each_poll() {
    drop_at_each_poll_in_a_test(|guards| {
        let closure = guards.guard();
        let inner = guards.clone();
        drop(inner);
        channel_flow(async move |producer| {
            let guard = closure;
            let channel = producer.channel().clone();
            let child = guard.clone();
            producer.launch(async move {
                let _guard = child;
                yield_now().await;
                Ok(channel.send(1).await?)
            });
            for n in 0..3 {
                producer.send(n).await?;
            }
            Ok(())
        })
        .to_vec()
    });
}

#[test]
fn explored() {
    let explored = Explore::new(60).run(async |t| {
        let sums = channel_flow(async |producer| {
            for of in 0..3 {
                let channel = producer.channel().clone();
                producer.launch(async move {
                    for n in 0..3 {
                        yield_now().await;
                        channel.send(of * 10 + n).await?;
                    }
                    Ok(())
                });
            }
        });
        let mut all = sums.clone().to_vec().await.unwrap();
        for of in 0..3 {
            let own: Vec<_> = all.iter().filter(|n| **n / 10 == of).collect();
            assert!(own.is_sorted());
        }
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 10, 11, 12, 20, 21, 22]);
        assert_eq!(sums.clone().buffer(1).take(4).count().await.unwrap(), 4);
        let job = t.launch(async move { sums.buffer(0).count().await.map(drop) });
        yield_now().await;
        job.cancel_and_join().await;
        assert!(t.job().children().is_empty());
    });
    assert!(explored.distinct() > 20, "{explored:?}");
}

/// On several threads, cancelled at any time.
#[test]
fn cancelled_at_any_time() {
    run_blocking(async |scope| {
        for round in 0..200u64 {
            let living = Arc::new(());
            let held = living.clone();
            let flow = channel_flow(async move |producer| {
                for _ in 0..2 {
                    let (channel, held) = (producer.channel().clone(), held.clone());
                    producer.launch(async move {
                        loop {
                            channel.send(held.clone()).await?;
                        }
                        #[allow(unreachable_code)]
                        Ok(())
                    });
                }
            });
            let flow = flow
                .flow_on(Dispatcher::DEFAULT)
                .buffer((round % 5) as usize);
            let seen = Arc::new(AtomicUsize::new(0));
            let told = seen.clone();
            let on_pool = scope.with(Dispatcher::DEFAULT);
            let job = on_pool.launch(async move {
                flow.for_each(|_| _ = told.fetch_add(1, Ordering::SeqCst))
                    .await
            });
            while seen.load(Ordering::SeqCst) < (round % 30) as usize {
                yield_now().await;
            }
            job.cancel_and_join().await;
            assert_eq!(Arc::strong_count(&living), 1, "round {round}");
        }
        Ok(())
    })
    .unwrap();
}
