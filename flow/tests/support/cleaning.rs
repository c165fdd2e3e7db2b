//! A flow of a coroutine that does not leave at once.

use std::future::pending;
use std::time::Duration;

use corox_core::{Error, FinallyExt, delay};
use corox_flow::{Flow, channel_flow};
use corox_test::EventLog;

/// How long it takes to clean up.
pub const CLEANUP: Duration = Duration::from_millis(50);

/// One item from a coroutine, which takes its time to clean up when it is cancelled or has failed.
pub fn cleaning(log: &EventLog, fails: bool) -> impl Flow<Item = i32> + use<> {
    let log = log.clone();
    channel_flow(async move |producer| {
        let work = async {
            producer.send(1).await?;
            if fails {
                return Err(Error::msg("no"));
            }
            pending::<()>().await;
            Ok(())
        };
        let cleanup = async {
            delay(CLEANUP).await;
            log.add("cleaned up");
        };
        work.finally(cleanup).await
    })
}
