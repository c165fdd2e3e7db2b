//! Flows as streams, streams as flows, flows into sinks: F-51.
#![cfg(not(corox_loom))]

mod support;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use corox_core::{Dispatcher, Error, delay, run_blocking};
use corox_flow::{AlreadyCollected, Flow, flow, flow_of, prelude::*};
use corox_test::{EventLog, run_test};
use futures::channel::mpsc;
use futures::stream::{self, FusedStream};
use futures::{Sink, Stream, StreamExt, TryStreamExt};
use proptest::prelude::*;
use support::drop_at::{drop_at_each_poll, pause};

/// Logs its drop.
struct Guard(EventLog);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.add("dropped");
    }
}

/// F-51: nothing runs before the first demand, and one item a demand; a drop cancels it.
#[test]
fn a_stream_runs_its_flow_on_demand() {
    run_test(async |_| {
        let log = EventLog::new();
        let inner = log.clone();
        let numbers = flow(async move |e| {
            let _guard = Guard(inner.clone());
            for n in 1..=3 {
                inner.add(format!("emit {n}"));
                e.emit(n).await;
            }
        });
        let mut stream = Box::pin(numbers.clone().into_stream());
        log.assert::<&str>([]);
        assert_eq!(stream.next().await.unwrap()?, 1);
        log.assert(["emit 1"]);
        assert_eq!(stream.next().await.unwrap()?, 2);
        assert!(!stream.is_terminated());
        drop(stream);
        log.assert(["emit 1", "emit 2", "dropped"]);

        let mut stream = Box::pin(numbers.into_stream());
        let all: Vec<i32> = stream.by_ref().try_collect().await?;
        assert_eq!(all, [1, 2, 3]);
        assert!(stream.is_terminated());
        assert!(stream.next().await.is_none());
        Ok(())
    });
}

/// F-51: a failure is the last item; the flow is dropped before it is told.
#[test]
fn a_failure_is_the_last_item_of_a_stream() {
    run_test(async |_| {
        let log = EventLog::new();
        let inner = log.clone();
        let broken = flow(async move |e| {
            let _guard = Guard(inner);
            e.emit(1).await;
            delay(Duration::from_millis(5)).await;
            Err(Error::msg("no"))
        });
        let mut stream = pin!(broken.into_stream());
        assert_eq!(stream.next().await.unwrap()?, 1);
        assert_eq!(stream.next().await.unwrap().unwrap_err().to_string(), "no");
        log.assert(["dropped"]);
        assert!(stream.is_terminated());
        assert!(stream.next().await.is_none());
        Ok(())
    });
}

/// What the flow holds goes with its end, and not with the stream.
#[test]
fn a_stream_drops_its_flow_at_the_end() {
    run_test(async |_| {
        let log = EventLog::new();
        let guard = Rc::new(Guard(log.clone()));
        let mut stream = pin!(
            flow_of([1])
                .map(move |n| {
                    let _ = &guard;
                    n
                })
                .into_stream()
        );
        assert_eq!(stream.next().await.unwrap()?, 1);
        log.assert::<&str>([]);
        assert!(stream.next().await.is_none());
        log.assert(["dropped"]);
        Ok(())
    });
}

/// With operators of futures, in a task that is `Send`.
#[test]
fn a_stream_of_a_flow_goes_where_streams_go() {
    let sum = run_blocking(async |scope| {
        let work = scope.with(Dispatcher::DEFAULT).spawn(async {
            let flow = (1..=10).into_flow().map_async(async |n| n * 2);
            let even = flow
                .into_stream()
                .try_filter(|n| std::future::ready(n % 4 == 0));
            even.try_fold(0, async |sum, n| Ok(sum + n)).await
        });
        work.await
    });
    assert_eq!(sum.unwrap(), 4 + 8 + 12 + 16 + 20);
}

/// A stream that cannot be cloned is collected once: whoever is first has it.
#[test]
fn a_stream_is_collected_once() {
    run_test(async |_| {
        let (tx, rx) = mpsc::unbounded();
        let flow = rx.into_flow_once();
        let copy = flow.clone();
        let mut first = pin!(flow.clone());
        assert!(
            first
                .as_mut()
                .poll_next(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
        let failed = copy.clone().count().await.unwrap_err();
        assert!(failed.downcast_ref::<AlreadyCollected>().is_some());
        assert!(
            failed.to_string().contains("at flow/tests/convert.rs:"),
            "{failed}"
        );
        assert!(
            failed
                .to_string()
                .contains("is collected for the second time")
        );
        tx.unbounded_send(1)?;
        assert_eq!(poll_fn(|cx| first.as_mut().poll_next(cx)).await?, Some(1));
        drop(tx);
        assert_eq!(poll_fn(|cx| first.as_mut().poll_next(cx)).await?, None);
        assert_eq!(poll_fn(|cx| first.as_mut().poll_next(cx)).await?, None);

        // The failure is told once, too.
        let mut second = pin!(copy);
        assert!(poll_fn(|cx| second.as_mut().poll_next(cx)).await.is_err());
        assert_eq!(poll_fn(|cx| second.as_mut().poll_next(cx)).await?, None);
        Ok(())
    });
}

/// The stream goes with the collection that has taken it, or else with the last copy of the flow.
#[test]
fn the_stream_goes_with_its_collection() {
    run_test(async |_| {
        let (tx, rx) = mpsc::unbounded::<i32>();
        let flow = rx.into_flow_once();
        let copy = flow.clone();
        drop(flow);
        assert!(!tx.is_closed());
        {
            let mut running = pin!(copy.clone());
            assert!(
                running
                    .as_mut()
                    .poll_next(&mut Context::from_waker(Waker::noop()))
                    .is_pending()
            );
        }
        assert!(tx.is_closed());
        drop(copy);
        let (tx, rx) = mpsc::unbounded::<i32>();
        drop(rx.into_flow_once());
        assert!(tx.is_closed());
        Ok(())
    });
}

/// A stream that is not fused is not polled after its end.
#[test]
fn a_stream_is_not_polled_after_its_end() {
    #[derive(Clone)]
    struct Once(bool);
    impl Stream for Once {
        type Item = i32;
        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<i32>> {
            assert!(!self.0, "polled after its end");
            self.0 = true;
            Poll::Ready(None)
        }
    }
    let mut cx = Context::from_waker(Waker::noop());
    let mut flow = pin!(Once(false).into_flow());
    for _ in 0..3 {
        assert!(matches!(
            flow.as_mut().poll_next(&mut cx),
            Poll::Ready(Ok(None))
        ));
    }
}

/// What a sink does, in order; it is ready for so many items without a flush, and fails at one.
struct Sinking {
    log: EventLog,
    room: usize,
    filled: usize,
    fails_at: Option<&'static str>,
    flushes: VecDeque<bool>,
}

impl Sinking {
    fn step(&mut self, what: &'static str) -> Result<(), std::fmt::Error> {
        self.log.add(what);
        if self.fails_at == Some(what) {
            Err(std::fmt::Error)
        } else {
            Ok(())
        }
    }
}

impl Sink<i32> for Sinking {
    type Error = std::fmt::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if self.filled < self.room {
            return Poll::Ready(Ok(()));
        }
        self.as_mut().poll_flush(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, item: i32) -> Result<(), Self::Error> {
        self.filled += 1;
        self.log.add(item);
        if self.fails_at == Some("send") {
            return Err(std::fmt::Error);
        }
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if self.flushes.pop_front() == Some(true) {
            cx.waker().wake_by_ref();
            self.log.add("flush waits");
            return Poll::Pending;
        }
        self.filled = 0;
        Poll::Ready(self.step("flush"))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(self.step("close"))
    }
}

fn sinking(log: &EventLog, room: usize, fails_at: Option<&'static str>) -> Sinking {
    Sinking {
        log: log.clone(),
        room,
        filled: 0,
        fails_at,
        flushes: VecDeque::new(),
    }
}

/// Items go in while there is room; what is in is flushed when the flow waits; the end closes.
#[test]
fn forward_fills_flushes_and_closes() {
    run_test(async |_| {
        let log = EventLog::new();
        let numbers = flow(async |e| {
            e.emit_all((1..=3).into_flow()).await?;
            delay(Duration::from_millis(5)).await;
            e.emit(4).await;
            Ok(())
        });
        numbers.clone().forward(sinking(&log, 2, None)).await?;
        log.assert(["1", "2", "flush", "3", "flush", "4", "close"]);
        let _ = log.take();
        let mut slow = sinking(&log, 1, None);
        slow.flushes = [true, false, true].into();
        numbers.forward(slow).await?;
        log.assert([
            "1",
            "flush waits",
            "flush",
            "2",
            "flush waits",
            "flush",
            "3",
            "flush",
            "4",
            "close",
        ]);
        Ok(())
    });
}

/// A failure of the sink, wherever it is, ends the flow; one of the flow leaves the sink as it is.
#[test]
fn failures_of_forward() {
    run_test(async |_| {
        for at in ["send", "flush", "close"] {
            let log = EventLog::new();
            let inner = log.clone();
            let numbers = flow(async move |e| {
                let _guard = Guard(inner);
                e.emit(1).await;
                delay(Duration::from_secs(60)).await;
            });
            let failed = numbers
                .forward(sinking(&log, 2, Some(at)))
                .await
                .unwrap_err();
            assert!(failed.downcast_ref::<std::fmt::Error>().is_some(), "{at}");
            match at {
                "send" => log.assert(["1", "dropped"]),
                "flush" => log.assert(["1", "flush", "dropped"]),
                _ => log.assert(["1", "flush", "dropped", "close"]),
            }
        }
        let log = EventLog::new();
        let broken = flow(async |e| {
            e.emit(1).await;
            Err(Error::msg("no"))
        });
        let failed = broken.forward(sinking(&log, 2, None)).await.unwrap_err();
        assert_eq!(failed.to_string(), "no");
        log.assert(["1"]);
        Ok(())
    });
}

/// A flow that is not `Send`, into a sink of a reference.
#[test]
fn forward_into_a_local_sink() {
    run_blocking(async |_| {
        let mut all = Vec::new();
        flow_of([Rc::new(1), Rc::new(2)]).forward(&mut all).await?;
        assert_eq!(all, [Rc::new(1), Rc::new(2)]);
        flow_of([1]).forward(futures::sink::drain()).await
    })
    .unwrap();
}

/// Dropped at each suspension point, nothing is left.
#[test]
fn dropped_anywhere_nothing_is_left() {
    drop_at_each_poll(|guards| {
        let stream = guards.source(3).into_stream();
        async { assert_eq!(stream.count().await, 3) }
    });
    drop_at_each_poll(|guards| {
        let guard = guards.guard();
        let inner = guards.clone();
        let stream = stream::iter(0..3).then(move |n| {
            let _ = &guard;
            let item = inner.item(n);
            async {
                pause().await;
                item
            }
        });
        stream.into_flow_once().collect(async |item| {
            pause().await;
            drop(item);
        })
    });
    drop_at_each_poll(|guards| {
        let guard = guards.guard();
        let sink = futures::sink::unfold(guard, async |guard, item| {
            pause().await;
            drop(item);
            Ok::<_, std::fmt::Error>(guard)
        });
        guards.source(3).forward(sink)
    });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// There and back again, in any order, gives what there was.
    #[test]
    fn conversions_lose_nothing(items in prop::collection::vec(any::<u8>(), 0..300), waits in any::<u64>()) {
        let seen = RefCell::new(Vec::new());
        let source = flow(async |e| {
            for (at, item) in items.iter().enumerate() {
                if waits >> (at % 64) & 1 == 1 {
                    corox_core::yield_now().await;
                }
                e.emit(*item).await;
            }
        });
        let run = async |_| {
            let stream = source.into_stream().map(|item| item.expect("it does not fail"));
            let (tx, rx) = mpsc::channel(2);
            let back = stream.into_flow_once().forward(tx);
            let all = async {
                rx.into_flow_once().for_each(|item| seen.borrow_mut().push(item)).await
            };
            let (sent, received) = futures::join!(back, all);
            sent.and(received)
        };
        run_blocking(run).unwrap();
        prop_assert_eq!(seen.into_inner(), items.clone());
    }
}
