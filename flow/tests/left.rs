//! The coroutines that a flow has started have ended when whoever ends it goes on: F-11, F-12.
#![cfg(not(corox_loom))]

mod support;

use std::pin::pin;

use corox_core::{Error, Result, delay};
use corox_flow::{Flow, combine, flow, flow_of, prelude::*};
use corox_test::{EventLog, FlowTest, run_test};
use futures::StreamExt;
use support::cleaning::cleaning;
use support::ms;

/// Runs a flow whose failure is looked at, and expects that all has been cleaned up then.
async fn check(log: &EventLog, what: &str, run: impl Future<Output = Result<()>>) {
    assert!(log.take().is_empty());
    let _ended = run.await;
    assert_eq!(log.take(), ["cleaned up"], "{what}");
}

#[test]
fn zip_combine_and_timeout() {
    run_test(async |_| {
        let log = EventLog::new();
        let slow = || cleaning(&log, false);
        check(
            &log,
            "zip, first",
            slow().zip(flow_of([1]), |a, b| a + b).run_through(),
        )
        .await;
        check(
            &log,
            "zip, second",
            flow_of([1]).zip(slow(), |a, b| a + b).run_through(),
        )
        .await;
        let broken = flow(async |e| {
            e.emit(1).await;
            delay(ms(1)).await;
            Err(Error::msg("no"))
        });
        let both = combine((slow(), broken), |(a, b)| a + b);
        check(&log, "combine", both.run_through()).await;
        check(&log, "timeout", slow().timeout(ms(10)).run_through()).await;
        let taken = slow().chunked_within(1, ms(10)).take(1);
        check(&log, "chunked_within", taken.run_through()).await;
        Ok(())
    });
}

trait RunThrough: Flow + Sized {
    fn run_through(self) -> impl Future<Output = Result<()>> {
        self.for_each(drop)
    }
}

impl<S: Flow> RunThrough for S {}

/// F-51: before a stream tells the end or a failure.
#[test]
fn a_stream() {
    run_test(async |_| {
        let log = EventLog::new();
        let mut stream = pin!(cleaning(&log, true).into_stream());
        assert_eq!(stream.next().await.unwrap()?, 1);
        let failed = stream.next().await.unwrap();
        assert_eq!(failed.unwrap_err().to_string(), "no");
        log.assert(["cleaned up"]);
        let _ = log.take();

        let mut stream = pin!(cleaning(&log, false).take(1).into_stream());
        assert_eq!(stream.next().await.unwrap()?, 1);
        assert!(stream.next().await.is_none());
        log.assert(["cleaned up"]);
        Ok(())
    });
}

/// A sink that is closed finds all of the flow gone; a test of a flow that is cancelled, too.
#[test]
fn a_sink_and_a_test() {
    run_test(async |t| {
        let log = EventLog::new();
        cleaning(&log, false)
            .take(1)
            .forward(futures::sink::drain())
            .await?;
        log.assert(["cleaned up"]);
        let _ = log.take();
        cleaning(&log, false)
            .test(async |turbine| {
                turbine.skip(1).await;
                let begin = t.current_time();
                turbine.cancel().await;
                assert_eq!(t.current_time() - begin, ms(50));
                log.assert(["cleaned up"]);
            })
            .await?;
        let _ = log.take();
        // At the end of the body as well.
        cleaning(&log, false)
            .test(async |turbine| turbine.skip(1).await)
            .await?;
        log.assert(["cleaned up"]);
        Ok(())
    });
}
