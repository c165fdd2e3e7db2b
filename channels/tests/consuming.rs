//! Other ways to send and receive: consuming (C-17), batches, threads (C-23), `Stream` and `Sink`.

mod support;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use corox_channels::{BufferOverflow, Capacity, Channel};
use corox_core::{
    Dispatcher, Error, blocking, delay, run_blocking, with_context, with_timeout_or_none, yield_now,
};
use corox_test::run_test;
use futures::stream::FusedStream;
use futures::{SinkExt, Stream, StreamExt, TryStreamExt, stream};
use support::{Bin, Hand, drain};

fn filled(elements: impl IntoIterator<Item = u32>) -> Channel<u32> {
    let channel = Channel::new(Capacity::Unlimited);
    for element in elements {
        channel.try_send(element).unwrap();
    }
    channel
}

/// C-17: every exit.
#[test]
fn consuming_cancels_the_channel_on_every_exit() {
    run_test(async |t| {
        let cause = |channel: &Channel<u32>| {
            assert!(channel.is_closed_for_receive());
            channel.try_send(0).unwrap_err().cause().unwrap().clone()
        };
        // A value.
        let channel = filled([1, 2]);
        assert_eq!(
            channel
                .consume(async { Ok(channel.receive().await?) })
                .await?,
            1
        );
        assert!(cause(&channel).to_string().contains("has ended"));
        // A failure, which is the cause of the cancellation.
        let channel = filled([1, 2]);
        let failure = Error::msg("bad element");
        let failed = channel
            .consume_each(async |_| Err(failure.clone()))
            .await
            .unwrap_err();
        assert!(failed.ptr_eq(&failure));
        assert!(cause(&channel).is_cancellation());
        assert!(cause(&channel).cause().unwrap().ptr_eq(&failure));
        // A cancellation.
        let channel = filled([1]);
        let rx = channel.clone();
        let job = t.launch(async move { rx.consume_each(async |_| Ok(())).await });
        t.run_current().await;
        assert!(!channel.is_closed_for_send());
        job.cancel();
        t.run_current().await;
        assert!(cause(&channel).to_string().contains("was cancelled"));
        // A future that is dropped.
        let channel = filled([]);
        drop(Hand::waiting(channel.to_vec()));
        assert!(cause(&channel).is_cancellation());
        // A panic.
        let channel = filled([1]);
        let panic = catch_unwind(AssertUnwindSafe(|| {
            let mut each = Hand::new(channel.consume_each(async |_| panic!("on purpose")));
            let _ = each.poll();
        }));
        assert!(panic.is_err() && cause(&channel).is_cancellation());
        Ok(())
    });
}

/// C-10, C-17: the end of the channel is a regular one, and its cause is a failure.
#[test]
fn everything_is_collected_until_the_end() {
    run_test(async |_| {
        let channel = filled(0..5);
        channel.close();
        assert_eq!(channel.to_vec().await?, [0, 1, 2, 3, 4]);
        let (tx, rx) = filled(0..3).split();
        drop(tx);
        let mut queue = VecDeque::from([9]);
        rx.consume_to(&mut queue).await?;
        assert_eq!(queue, [9, 0, 1, 2]);
        let channel = filled(0..3);
        channel.close_with(Error::msg("the source broke"));
        let mut seen = Vec::new();
        let broke = channel.consume_to(&mut seen).await.unwrap_err();
        assert_eq!(
            (broke.to_string(), seen),
            ("the source broke".to_owned(), vec![0, 1, 2])
        );
        Ok(())
    });
}

/// The futures of the forms that take a closure can be spawned.
#[test]
fn consumers_are_send() {
    run_test(async |t| {
        let (tx, rx) = Channel::new(0).split();
        let sum = t.spawn(async move {
            let mut sum = 0;
            rx.consume_each(|n: u32| {
                sum += n;
                async {
                    delay(Duration::from_millis(1)).await;
                    Ok(())
                }
            })
            .await?;
            Ok(sum)
        });
        for n in 1..=3 {
            tx.send(n).await?;
        }
        drop(tx);
        assert_eq!(sum.await?, 6);
        Ok(())
    });
}

#[test]
fn a_batch_is_what_is_there() {
    run_test(async |t| {
        let channel = Channel::new(2);
        let mut sends: Vec<_> = (0..5).map(|n| Hand::new(channel.send(n))).collect();
        sends.iter_mut().for_each(|send| drop(send.poll()));
        let mut batch = vec![100];
        // Senders that wait are part of it, each woken once.
        assert_eq!(channel.receive_many(&mut batch, 4).await?, 4);
        assert_eq!(batch, [100, 0, 1, 2, 3]);
        assert!(sends[2..].iter().all(|send| send.wakes.count() == 1));
        assert_eq!(channel.receive_many(&mut batch, 0).await?, 0);
        assert_eq!(channel.receive_many(&mut batch, 9).await?, 1);
        drop(sends);
        // It waits for the first, and takes what has come since.
        let (rx, seen) = (channel.clone(), Bin::new());
        let bin = seen.clone();
        t.launch(async move {
            let mut batch = Vec::new();
            rx.receive_many(&mut batch, 9).await?;
            bin.put(batch);
            Ok(())
        });
        t.run_current().await;
        for n in 5..8 {
            channel.send(n).await?;
        }
        t.run_current().await;
        assert_eq!(seen.take(), [[5, 6, 7]]);
        // Dropped after it was handed something.
        let mut batch = Vec::new();
        let many = Hand::waiting(channel.receive_many(&mut batch, 9));
        channel.send(8).await?;
        drop(many);
        assert_eq!((batch.len(), drain(&channel)), (0, vec![8]));
        channel.close();
        assert!(channel.receive_many(&mut batch, 9).await.is_err());
        Ok(())
    });
}

/// C-23, and the order among threads and coroutines.
#[test]
fn threads_wait_in_the_same_queue() {
    for capacity in [0, 1, 3] {
        let channel = Channel::new(capacity);
        let sender = thread::spawn({
            let tx = channel.clone();
            move || {
                for n in 0..1000 {
                    tx.send_blocking(n).unwrap();
                }
                tx.close();
            }
        });
        let mut expected = 0;
        while let Ok(n) = channel.receive_blocking() {
            assert_eq!(n, expected);
            expected += 1;
        }
        sender.join().unwrap();
        assert_eq!(expected, 1000);
    }
    let channel = Channel::new(0);
    let first = Hand::waiting(channel.receive());
    let second = thread::spawn({
        let rx = channel.clone();
        move || rx.receive_blocking().unwrap()
    });
    run_blocking(async |_| {
        channel.send(1).await?;
        channel.send(2).await?;
        Ok(())
    })
    .unwrap();
    assert_eq!((first.ready().unwrap(), second.join().unwrap()), (1, 2));
    channel.close_with(Error::msg("over"));
    let failed = channel.send_blocking(3).unwrap_err();
    assert_eq!(
        (failed.to_string(), failed.into_inner()),
        ("the channel is closed: over".to_owned(), Some(3))
    );
    assert!(channel.receive_blocking().is_err());
}

fn panics_with(f: impl FnOnce()) -> String {
    *catch_unwind(AssertUnwindSafe(f))
        .unwrap_err()
        .downcast::<String>()
        .unwrap()
}

/// Bad input: where it would stop others, whether it would have to wait or not.
#[test]
fn blocking_calls_are_refused_where_coroutines_run() {
    let refused = || {
        let channel = filled([1]);
        let send = panics_with(|| channel.send_blocking(1).unwrap());
        let receive = panics_with(|| _ = channel.receive_blocking());
        assert!(send.contains("`.send(..).await` there"), "{send}");
        assert!(receive.contains("inside `blocking(..)`"), "{receive}");
    };
    let allowed = || {
        let channel = filled([]);
        channel.send_blocking(1).unwrap();
        assert_eq!(channel.receive_blocking().unwrap(), 1);
    };
    run_blocking(async |scope| {
        refused();
        scope
            .with(Dispatcher::DEFAULT)
            .launch(async move { refused() })
            .join()
            .await;
        scope
            .with(Dispatcher::UNCONFINED)
            .launch(async move { refused() })
            .join()
            .await;
        with_context(Dispatcher::IO, async move {
            allowed();
            Ok(())
        })
        .await?;
        blocking(move |_| {
            allowed();
            Ok(())
        })
        .await
    })
    .unwrap();
    run_test(async |_| refused());
    let multi = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let single = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    multi.block_on(async {
        tokio::spawn(async move { refused() }).await.unwrap();
        tokio::task::spawn_blocking(allowed).await.unwrap();
        tokio::spawn(async move { tokio::task::block_in_place(allowed) })
            .await
            .unwrap();
    });
    single.block_on(async { refused() });
    let _context = multi.enter();
    allowed();
}

#[test]
fn a_stream_ends_with_the_channel() {
    run_test(async |t| {
        let (tx, rx) = Channel::new(0).split();
        t.launch(async move {
            for n in 0..3 {
                tx.send(n).await?;
            }
            Ok(())
        });
        let mut stream = rx.into_stream();
        let all: Vec<_> = (&mut stream).try_collect().await?;
        assert_eq!(all, [0, 1, 2]);
        assert!(stream.is_terminated() && stream.next().await.is_none());
        let channel = filled([1]);
        channel.close_with(Error::msg("broken"));
        let items: Vec<_> = channel
            .into_stream()
            .map(|item| item.map_err(|it| it.to_string()))
            .collect()
            .await;
        assert_eq!(
            items,
            [Ok(1), Err("the channel is closed: broken".to_owned())]
        );
        Ok(())
    });
}

#[test]
fn a_stream_that_is_dropped_gives_back_what_it_was_handed() {
    run_test(async |_| {
        for hook in [false, true] {
            let bin = Bin::new();
            let channel = if hook {
                bin.channel(1, BufferOverflow::Suspend)
            } else {
                Channel::new(1)
            };
            let mut stream = channel.clone().into_stream();
            // The stream keeps its place when `next` is dropped, and with it what it is handed.
            let none =
                with_timeout_or_none(Duration::from_secs(1), async |_| Ok(stream.next().await));
            assert!(none.await?.is_none());
            channel.send(1).await?;
            channel.send(2).await?;
            assert_eq!(stream.next().await.unwrap()?, 1);
            assert!(stream.next().await.is_some());
            let mut cx = Context::from_waker(Waker::noop());
            assert!(Pin::new(&mut stream).poll_next(&mut cx).is_pending());
            channel.send(3).await?;
            drop(stream);
            let left = if hook { bin.take() } else { drain(&channel) };
            assert_eq!(left, [3]);
        }
        // One of a split channel is its receiver.
        let (tx, rx) = Channel::<u32>::new(1).split();
        let stream = rx.into_stream();
        assert!(!tx.is_closed_for_send());
        drop(stream);
        assert!(tx.is_closed_for_send());
        Ok(())
    });
}

#[test]
fn a_sink_sends_and_closes() {
    run_test(async |t| {
        let (tx, rx) = Channel::new(1).split();
        t.launch(async move {
            let mut sink = tx.into_sink();
            sink.send_all(&mut stream::iter(0..4).map(Ok)).await?;
            sink.feed(4).await?;
            sink.close().await?;
            assert!(sink.send(5).await.is_err());
            Ok(())
        });
        assert_eq!(rx.to_vec().await?, [0, 1, 2, 3, 4]);
        // What it holds when it is dropped has not been sent.
        let bin = Bin::new();
        let channel = bin.channel(0, BufferOverflow::Suspend);
        let mut sink = channel.clone().into_sink();
        sink.feed(1).await?;
        drop(sink);
        assert_eq!(bin.take(), [1]);
        let mut sink = channel.clone().into_sink();
        sink.feed(2).await?;
        let mut cx = Context::from_waker(Waker::noop());
        assert!(sink.poll_flush_unpin(&mut cx).is_pending());
        let message = panics_with(|| {
            let panic = catch_unwind(AssertUnwindSafe(|| sink.start_send_unpin(3)));
            let message = *panic.unwrap_err().downcast::<&str>().unwrap();
            std::panic::resume_unwind(Box::new(message.to_owned()));
        });
        assert!(
            message.contains("before `poll_ready` was ready"),
            "{message}"
        );
        assert_eq!(channel.receive().await?, 2);
        assert!(matches!(
            sink.poll_flush_unpin(&mut cx),
            Poll::Ready(Ok(()))
        ));
        Ok(())
    });
}

/// Everything works under foreign executors and combinators.
#[test]
fn channels_work_without_coroutines() {
    let (tx, rx) = Channel::new(1).split();
    let both = async {
        let send = async {
            for n in 0..3 {
                tx.send(n).await.unwrap();
            }
            drop(tx);
        };
        futures::join!(send, rx.to_vec()).1
    };
    assert_eq!(futures::executor::block_on(both).unwrap(), [0, 1, 2]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let channel = Channel::new(0);
    runtime.block_on(async {
        let mut receive = pin!(channel.receive());
        for _ in 0..10 {
            tokio::select! {
                biased;
                _ = &mut receive => panic!("nothing was sent"),
                () = yield_now() => {}
            }
            drop(Hand::waiting(channel.receive()));
        }
        channel.try_send(7).unwrap();
        assert_eq!(receive.await.unwrap(), 7);
    });
}
