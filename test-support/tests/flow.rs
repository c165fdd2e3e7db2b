//! `FlowTest`: what it accepts, what it refuses, and what it says then.

mod common;

use std::cell::RefCell;
use std::fmt::Debug;
use std::rc::Rc;
use std::time::Duration;

use common::failure_of;
use corox_core::{Error, LaunchOutput, await_cancellation, delay, run_blocking, yield_now};
use corox_flow::{Flow, flow, flow_of, prelude::*};
use corox_test::{EventLog, FlowTest, Turbine, run_test};
use futures::StreamExt;
use futures::channel::mpsc;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Two items, the second after ten seconds, and a failure after ten more.
fn broken() -> impl Flow<Item = u32> {
    flow(async |e| {
        e.emit(1).await;
        delay(ms(10_000)).await;
        e.emit(2).await;
        delay(ms(10_000)).await;
        Err(Error::msg("no three"))
    })
}

/// What a test of `flow` fails with, its first line of code apart.
fn text_of<S, R>(flow: S, body: impl AsyncFnOnce(&mut Turbine<S::Item>) -> R) -> String
where
    S: Flow<Item: Debug>,
    R: LaunchOutput,
{
    let text = failure_of(|| run_test(async |_| flow.test(body).await));
    let (before, after) = text.split_once(" at test-support/tests/flow.rs:").unwrap();
    let place = after
        .find(|c: char| !c.is_ascii_digit() && c != ':')
        .unwrap();
    format!("{before} at HERE{}", &after[place..])
}

#[test]
fn events_come_in_order_and_in_virtual_time() {
    run_test(async |t| {
        broken()
            .test(async |turbine| {
                assert_eq!(turbine.await_item().await, 1);
                assert_eq!(t.current_time(), ms(0));
                turbine.expect_no_events().await;
                turbine.expect_no_events_for(ms(9_999)).await;
                assert_eq!(t.current_time(), ms(9_999));
                assert_eq!(turbine.await_item().await, 2);
                assert_eq!(t.current_time(), ms(10_000));
                assert_eq!(turbine.await_error().await.to_string(), "no three");
                assert_eq!(t.current_time(), ms(20_000));
                turbine.expect_no_events().await;
            })
            .await
    });
}

/// The flow does not wait for the body.
#[test]
fn the_flow_runs_beside_the_body() {
    run_test(async |t| {
        let log = EventLog::new();
        let numbers = flow(async |e| {
            for n in 1..=3 {
                e.emit(n).await;
                log.add(format!("{n} at {}", t.current_time().as_millis()));
                delay(ms(10)).await;
            }
        });
        numbers
            .test(async |turbine| {
                delay(ms(25)).await;
                log.add("body");
                turbine.skip(3).await;
                turbine.await_complete().await;
                assert_eq!(t.current_time(), ms(30));
            })
            .await?;
        log.assert(["1 at 0", "2 at 10", "3 at 20", "body"]);
        Ok(())
    });
}

/// What the body causes is seen by the next call.
#[test]
fn what_the_body_causes_is_seen() {
    run_test(async |t| {
        let (tx, mut rx) = mpsc::unbounded();
        let (forward, forwarded) = mpsc::unbounded();
        // Two coroutines and a channel lie between.
        t.launch(async move {
            while let Some(n) = rx.next().await {
                yield_now().await;
                let _ = forward.unbounded_send(n);
            }
        });
        let flow = forwarded.into_flow_once();
        let text = flow.test(async |turbine| {
            turbine.expect_no_events().await;
            tx.unbounded_send(1)?;
            assert_eq!(turbine.await_item().await, 1);
            tx.unbounded_send(2)?;
            assert_eq!(turbine.await_item().await, 2);
            drop(tx);
            turbine.await_complete().await;
            Ok(())
        });
        text.await
    });
    let (tx, mut rx) = mpsc::unbounded();
    let text = failure_of(|| {
        run_test(async |t| {
            let (forward, forwarded) = mpsc::unbounded();
            t.launch(async move {
                while let Some(n) = rx.next().await {
                    yield_now().await;
                    let _ = forward.unbounded_send(n);
                }
            });
            let flow = forwarded.into_flow_once();
            let body = async |turbine: &mut Turbine<i32>| {
                tx.unbounded_send(7)?;
                turbine.expect_no_events().await;
                Ok(())
            };
            flow.test(body).await
        });
    });
    assert!(
        text.contains("expected no event of the flow, and there was: item 7; no more"),
        "{text}"
    );
}

#[test]
fn texts_of_what_is_not_expected() {
    let texts = [
        text_of(flow_of([1, 2]), async |t| {
            t.await_complete().await;
        }),
        text_of(flow_of([0; 0]), async |t| {
            t.await_item().await;
        }),
        text_of(flow_of([1]), async |t| t.skip(2).await),
        text_of(broken(), async |t| {
            t.await_error().await;
        }),
        text_of(broken(), async |t| {
            t.skip(2).await;
            t.await_complete().await;
        }),
        text_of(broken(), async |t| {
            t.skip(1).await;
            t.set_timeout(ms(9_999));
            t.await_item().await;
        }),
        text_of(broken(), async |t| {
            t.skip(1).await;
            t.expect_no_events_for(ms(10_000)).await;
        }),
        text_of(flow_of([1]), async |t| {
            t.skip(1).await;
            t.await_complete().await;
            t.await_complete().await;
        }),
        text_of(broken(), async |t| {
            t.skip(1).await;
            t.cancel().await;
            t.await_item().await;
        }),
        text_of(broken(), async |t| t.await_complete().await),
        text_of((1..=30).into_flow(), async |t| t.expect_no_events().await),
    ];
    let expected = [
        "await_complete at HERE expected the end of the flow, and there was: item 1; then\n  1. item 2\n  2. the end\n",
        "await_item at HERE expected an item of the flow, and there was: the end; no more events",
        "skip at HERE expected an item of the flow, and there was: the end; no more events",
        "await_error at HERE expected a failure of the flow, and there was: item 1; no more events",
        "await_complete at HERE expected the end of the flow, and there was: failure no three; no more events",
        "await_item at HERE expected an item of the flow, and there was: none for 9.999s; no more events",
        "expect_no_events_for at HERE expected no event of the flow, and there was: item 2; no more events",
        "await_complete at HERE expected the end of the flow, and there was: none, for its end was taken before; no more events",
        "await_item at HERE expected an item of the flow, and there was: none, for the collection was cancelled; no more events",
        "await_complete at HERE expected the end of the flow, and there was: item 1; no more events",
    ];
    for (text, expected) in texts.iter().zip(expected) {
        assert!(text.ends_with(expected), "{text}\nis not\n{expected}");
    }
    let long = &texts[10];
    assert!(long.contains("\n  20. item 21\n  and 10 more\n"), "{long}");
}

/// Events that are left fail the test, but not if the body has failed.
#[test]
fn events_that_are_left_fail_the_test() {
    let text = text_of(flow_of(["a", "b"]), async |t| {
        assert_eq!(t.await_item().await, "a");
    });
    let expected = "the flow gave events that the test at HERE has not looked at:\n  1. item \"b\"\n  2. the end\nawait them, or \
                    end with `turbine.cancel_and_ignore_rest().await`";
    assert!(text.contains(expected), "{text}");
    run_test(async |_| {
        let failed = flow_of([1]).test(async |_| Err(Error::msg("body"))).await;
        assert_eq!(failed.unwrap_err().to_string(), "body");
        flow_of([1])
            .test(async |turbine| turbine.cancel_and_ignore_rest().await)
            .await
    });
}

/// A flow that goes on is cancelled, by the body or at its end, and its guards have run then.
#[test]
fn the_collection_is_cancelled_at_the_end_of_the_body() {
    struct Guard(EventLog);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.add("dropped");
        }
    }
    run_test(async |_| {
        let log = EventLog::new();
        let endless = flow(async |e| {
            let _guard = Guard(log.clone());
            e.emit(1).await;
            await_cancellation().await;
        });
        let body = async |turbine: &mut Turbine<i32>| turbine.skip(1).await;
        endless.clone().test(body).await?;
        log.assert(["dropped"]);
        let body = async |turbine: &mut Turbine<i32>| {
            turbine.skip(1).await;
            turbine.cancel().await;
            log.add("cancelled");
            turbine.expect_no_events().await;
            turbine.cancel().await;
        };
        endless.clone().test(body).await?;
        log.assert(["dropped", "dropped", "cancelled"]);
        let failed = endless.test(async |_| Err(Error::msg("body"))).await;
        assert!(failed.is_err());
        log.assert(["dropped", "dropped", "cancelled", "dropped"]);
        Ok(())
    });
}

/// An endless flow that does not wait does not hang the test.
#[test]
fn a_flow_that_does_not_wait_fails_in_the_end() {
    let text = text_of_panic(async |turbine| delay_for_ever(turbine).await);
    assert!(
        text.contains("has given 100000 events that the test has not looked at"),
        "{text}"
    );
    run_test(async |_| {
        let body = async |turbine: &mut Turbine<_>| {
            turbine.skip(1000).await;
            turbine.cancel_and_ignore_rest().await;
        };
        (0..).into_flow().test(body).await
    });
}

async fn delay_for_ever(turbine: &mut Turbine<i32>) {
    turbine.skip(1).await;
    await_cancellation().await;
}

fn text_of_panic(body: impl AsyncFnOnce(&mut Turbine<i32>)) -> String {
    failure_of(|| run_test(async |_| (0..).into_flow().test(body).await))
}

/// In real time, and with what is not `Send`.
#[test]
fn outside_of_a_test() {
    run_blocking(async |_| {
        let seen = Rc::new(RefCell::new(0));
        let numbers = flow_of([1, 2]).map(|n| {
            *seen.borrow_mut() += n;
            n
        });
        numbers
            .test(async |turbine| {
                turbine.skip(2).await;
                turbine.await_complete().await;
                turbine.expect_no_events().await;
                assert_eq!(*seen.borrow(), 3);
            })
            .await
    })
    .unwrap();
}
